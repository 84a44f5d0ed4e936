/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A service with five backends. One turns slow, one dies and comes back, one is replaced by another
 * in the list; the users should notice nothing of it. A table shows what the balancer does about it.
 *
 *     balancer [SECONDS]      in all; 12 by default
 *
 * The servers are real ones on loopback, and no figure below is written down here: the table and the
 * sums at the end are what the balancer and the users have counted.
 */
#include "backends.h"
#include "endpoint_table.h"
#include "storm.h"

#include <resil/resil.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BACKENDS 6 /* five of them in the list at a time */
#define WORKERS  6
#define TURNS    5 /* tables in a phase */

enum phase {
    WELL,
    SLOW,
    DEAD,
    BACK,
    REPLACED,
    PHASES
};

static const char *const titles[PHASES] = {"all is well", "the 2nd turns slow", "the 4th is dead",
                                           "the 4th is back", "the 5th is replaced by a 6th"};

struct demo {
    struct backend backends[BACKENDS];
    struct resil_balancer balancer;
    struct resil_timeout call_timeout, attempt_timeout;
    struct resil_budget budget;
    struct resil_retry retry;
    struct resil_breaker breaker;
    struct resil_policy policies[5];
    struct resil_chain chain;

    atomic_bool stop;
    atomic_ullong calls;  /* of the users */
    atomic_ullong failed; /* in spite of all */

    uint64_t phase_ns;
    uint64_t reports[PHASES][BACKENDS]; /* what each backend was asked in each phase */
    bool ejected;                       /* the 4th was */
    bool returned;
};

static void *serve_users(void *arg)
{
    const struct resil_request request = {.idempotent = true}; /* a GET may run twice */
    struct demo *demo = arg;
    CURL *curl = backend_open();

    while (curl != NULL && !atomic_load(&demo->stop)) {
        int rc =
            resil_chain_run(&demo->chain, resil_env_posix(), &request, backend_fetch, curl, NULL);

        (void)atomic_fetch_add(&demo->calls, 1);
        if (rc != RESIL_OK)
            (void)atomic_fetch_add(&demo->failed, 1);
        storm_sleep_until(resil_now_ns() + RESIL_MS(4));
    }
    curl_easy_cleanup(curl); /* NULL is allowed */
    return NULL;
}

/* Times are short, so that some seconds show what takes minutes in production: leave them out, and
   you have defaults that suit a service. */
static int init_balancer(struct demo *demo, char *why, size_t why_size)
{
    const struct resil_balancer_config config = {
        .picker = resil_picker_peak_ewma(),
        .options = {.decay_ns = demo->phase_ns / 6},
        .outlier = {.consecutive_local = 2,
                    .interval_ns = demo->phase_ns / 5,
                    .eject_ns = demo->phase_ns / 5,
                    .eject_max_ns = demo->phase_ns / 5,
                    .max_ejected_pct = 40},
        .slow_start = {.window_ns = demo->phase_ns / 3},
    };
    int rc = resil_balancer_config_check(&config, why, why_size);

    return rc == RESIL_OK ? resil_balancer_init(&demo->balancer, &config) : rc;
}

/* Outermost first:
 *
 *     call timeout > retry (budget) > breaker > balancer > attempt timeout > the request
 *
 * Inside of the retry, so that each attempt goes elsewhere. The breaker is that of the whole
 * service: one endpoint that fails is the balancer's business, when all do the breaker opens. */
static int init_chain(struct demo *demo, char *why, size_t why_size)
{
    int rc = init_balancer(demo, why, why_size);

    if (rc == RESIL_OK)
        rc = resil_timeout_init(&demo->call_timeout, NULL);
    if (rc == RESIL_OK)
        rc = resil_timeout_init(&demo->attempt_timeout,
                                &(struct resil_timeout_config){.timeout_ns = RESIL_MS(300)});
    if (rc == RESIL_OK)
        rc = resil_budget_init(&demo->budget, &(struct resil_budget_config){.cap = 20});
    if (rc == RESIL_OK)
        rc = resil_retry_init(&demo->retry,
                              &(struct resil_retry_config){.backoff = {.base_ns = RESIL_MS(5)},
                                                           .budget = &demo->budget});
    if (rc == RESIL_OK)
        rc = resil_breaker_init(&demo->breaker, NULL);
    if (rc != RESIL_OK)
        return rc;
    demo->policies[0] = resil_timeout_policy(&demo->call_timeout);
    demo->policies[1] = resil_retry_policy(&demo->retry);
    demo->policies[2] = resil_breaker_policy(&demo->breaker);
    demo->policies[3] = resil_balancer_policy(&demo->balancer);
    demo->policies[4] = resil_timeout_policy(&demo->attempt_timeout);
    return resil_chain_init(&demo->chain, demo->policies, 5, why, why_size);
}

/* The list of a phase: the first five, in the end the 6th in the place of the 5th. Who stays keeps
   what is known of it. */
static int set_list(struct demo *demo, enum phase phase)
{
    struct resil_endpoint endpoints[BACKENDS - 1] = {{0}};

    for (size_t i = 0; i < BACKENDS - 1; i++) {
        const struct backend *backend = &demo->backends[i == 4 && phase == REPLACED ? 5 : i];

        endpoints[i] = (struct resil_endpoint){.address = backend->address};
    }
    return resil_balancer_update(&demo->balancer, endpoints, BACKENDS - 1, resil_now_ns());
}

static void set_weather(struct demo *demo, enum phase phase)
{
    for (size_t i = 0; i < BACKENDS; i++) {
        struct fault_weather weather = {.kind = FAULT_HEALTHY, .delay_ms = 4};

        if (i == 1 && phase == SLOW)
            weather = (struct fault_weather){.kind = FAULT_SLOW, .delay_ms = 80};
        if (i == 3 && phase == DEAD)
            weather.kind = FAULT_DEAD;
        fault_server_set_weather(demo->backends[i].server, weather);
    }
}

/* Adds to a phase what the endpoints have reported so far; sign -1 takes it away. */
static void count_reports(struct demo *demo, enum phase phase, uint64_t sign)
{
    struct resil_endpoint_snapshot snapshot;

    for (size_t n = 0;
         resil_balancer_endpoint(&demo->balancer, n, resil_now_ns(), &snapshot) == RESIL_OK; n++)
        for (size_t i = 0; i < BACKENDS; i++)
            if (strcmp(snapshot.address, demo->backends[i].address) == 0)
                demo->reports[phase][i] += sign * snapshot.reports;
}

static void take_events(struct demo *demo, struct endpoint_table *table)
{
    struct resil_balancer_event event;

    while (resil_balancer_event(&demo->balancer, &event)) {
        if (strcmp(event.address, demo->backends[3].address) == 0) {
            demo->ejected |= event.kind == RESIL_BALANCER_EJECTED;
            demo->returned |= event.kind == RESIL_BALANCER_RETURNED;
        }
        endpoint_table_event(table, &event);
    }
}

static bool play(struct demo *demo, struct endpoint_table *table)
{
    uint64_t next_ns = resil_now_ns();

    table->start_ns = next_ns;
    for (unsigned phase = 0; phase < PHASES; phase++) {
        set_weather(demo, phase);
        if (set_list(demo, phase) != RESIL_OK)
            return false;
        count_reports(demo, phase, UINT64_MAX);
        for (unsigned turn = 0; turn < TURNS; turn++) {
            next_ns += demo->phase_ns / TURNS;
            storm_sleep_until(next_ns);
            take_events(demo, table);
            endpoint_table_show(table, titles[phase]);
        }
        count_reports(demo, phase, 1);
    }
    return true;
}

/* The share of a backend in a phase, in percent. */
static double share(const struct demo *demo, enum phase phase, size_t backend)
{
    uint64_t all = 0;

    for (size_t i = 0; i < BACKENDS; i++)
        all += demo->reports[phase][i];
    return all > 0 ? 100.0 * (double)demo->reports[phase][backend] / (double)all : 0;
}

static void sum_up(struct demo *demo, const struct display *display)
{
    (void)putchar('\n');
    display_print(display, DISPLAY_BOLD, "%-29s", "share of the calls, %");
    for (size_t i = 0; i < BACKENDS; i++)
        display_print(display, DISPLAY_BOLD, "%8zu", i + 1);
    (void)putchar('\n');
    for (unsigned phase = 0; phase < PHASES; phase++) {
        (void)printf("%-29s", titles[phase]);
        for (size_t i = 0; i < BACKENDS; i++)
            (void)printf("%8.1f", share(demo, phase, i));
        (void)putchar('\n');
    }
    (void)printf("\n%llu calls, of which %llu failed for the user\n", atomic_load(&demo->calls),
                 atomic_load(&demo->failed));
    (void)fflush(stdout);
}

/* Says what of it didn't happen. The limits are wide: this is a busy machine's demonstration, not a
   measurement. */
static bool judge(struct demo *demo)
{
    const struct {
        bool good;
        const char *what;
    } claims[] = {
        {atomic_load(&demo->calls) > 100, "there are calls"},
        {atomic_load(&demo->failed) * 20 <= atomic_load(&demo->calls), "users notice little"},
        {share(demo, SLOW, 1) < 15, "who is slow gets less"},
        {demo->ejected && share(demo, DEAD, 3) < 15, "who is dead is left alone"},
        {demo->returned && demo->reports[BACK][3] > 0, "who is back gets calls again"},
        {demo->reports[REPLACED][5] > 0, "who is new gets calls"},
    };
    bool good = true;

    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
        if (!claims[i].good) {
            (void)fprintf(stderr, "not seen: %s\n", claims[i].what);
            good = false;
        }
    return good;
}

int main(int argc, char **argv)
{
    static struct demo demo;
    double length_s = argc > 1 ? strtod(argv[1], NULL) : 12;
    struct endpoint_table table = {.display = display_on(stdout), .balancer = &demo.balancer};
    pthread_t workers[WORKERS];
    char why[120] = "no memory";
    unsigned started = 0;
    bool good;

    if (length_s < 1 || length_s > 1000 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return EXIT_FAILURE;
    demo.phase_ns = (uint64_t)(length_s * 1e9) / PHASES;
    if (init_chain(&demo, why, sizeof why) != RESIL_OK) {
        (void)fprintf(stderr, "can't set up: %s\n", why);
        return EXIT_FAILURE;
    }
    good = backends_start(demo.backends, BACKENDS) && set_list(&demo, WELL) == RESIL_OK;
    while (good && started < WORKERS &&
           pthread_create(&workers[started], NULL, serve_users, &demo) == 0)
        started++;
    good = good && started == WORKERS && play(&demo, &table);
    atomic_store(&demo.stop, true);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(workers[i], NULL);
    if (good)
        sum_up(&demo, &table.display);
    good = good && judge(&demo);
    backends_stop(demo.backends, BACKENDS);
    /* Everything is reported, so nothing is in flight. */
    good = resil_balancer_fini(&demo.balancer) == RESIL_OK && good;
    curl_global_cleanup();
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
