/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Where the endpoints come from, and who looks after those that get no calls: a file that is
 * watched, and a prober that checks each endpoint over HTTP.
 *
 *     file --- resolver ---> push ---> resil_balancer_update ---> the calls
 *                              |               ^
 *                              v               | changed: resil_balancer_health
 *                            prober -----------+
 *
 * Two threads of the library do it here, one for each. In an event loop of your own it works without
 * either: call resil_resolver_tick when it asks for it, and make the probes of resil/health.h
 * from the loop (resil_health_next says which, resil_health_report takes the results); the wiring
 * below stays as it is.
 */
#define _POSIX_C_SOURCE 200809L
#include "backends.h"
#include "storm.h"

#include <resil/resil.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKENDS 3
#define WAIT_NS  RESIL_SEC(10) /* for what should take a fraction of a second */

struct demo {
    struct backend backends[BACKENDS];
    struct resil_balancer balancer;
    struct resil_prober *prober;
    struct resil_file_resolver file;
    struct resil_resolver_driver driver;
    struct resil_retry retry;
    struct resil_policy policies[2];
    struct resil_chain chain;
    char folder[40];
    char path[60];
    char next[60];
};

/* The resolver has a list. The prober is given what the balancer makes of it: its ids are the
   balancer's, and an address that stands twice is probed once. */
static int push(void *arg, const struct resil_endpoint *endpoints, size_t n, uint64_t now_ns)
{
    struct demo *demo = arg;
    struct resil_health_endpoint *probed;
    struct resil_endpoint_snapshot *seen;
    size_t count = 0;
    int rc = resil_balancer_update(&demo->balancer, endpoints, n, now_ns);

    if (rc != RESIL_OK)
        return rc;
    probed = calloc(n + 1, sizeof *probed);
    seen = calloc(n + 1, sizeof *seen);
    while (probed != NULL && seen != NULL && count < n &&
           resil_balancer_endpoint(&demo->balancer, count, now_ns, &seen[count]) == RESIL_OK) {
        probed[count] =
            (struct resil_health_endpoint){.id = seen[count].id, .address = seen[count].address};
        count++;
    }
    rc = probed != NULL && seen != NULL ? resil_prober_update(demo->prober, probed, count)
                                        : RESIL_ENOMEM; /* pushed again */
    free(probed);
    free(seen);
    return rc;
}

/* The prober has found out something. RESIL_ELATE: the endpoint has left the list meanwhile. */
static void changed(void *arg, uint64_t id, bool healthy)
{
    struct demo *demo = arg;

    (void)resil_balancer_health(&demo->balancer, id, healthy, resil_now_ns());
}

/* As a deployment should do it, so that nobody ever reads half a list: another file, then a
   rename. */
static bool write_list(const struct demo *demo, size_t count)
{
    FILE *file = fopen(demo->next, "w");

    if (file == NULL)
        return false;
    (void)fprintf(file, "# the shop's backends\n");
    for (size_t i = 0; i < count; i++)
        (void)fprintf(file, "%s weight=1\n", demo->backends[i].address);
    return fclose(file) == 0 && rename(demo->next, demo->path) == 0;
}

static int start_watching(struct demo *demo, char *why, size_t why_size)
{
    const struct resil_prober_config prober = {
        .kind = RESIL_PROBER_HTTP,
        .http_path = "/",
        .health = {.interval_ns = RESIL_MS(200), .changed = changed, .changed_arg = demo},
    };
    const struct resil_file_resolver_config file = {
        .path = demo->path, .interval_ns = RESIL_MS(100), .settle_ns = RESIL_MS(20)};
    uint64_t next_ns;
    int rc = resil_prober_start(&demo->prober, &prober);

    if (rc == RESIL_OK)
        rc = resil_file_resolver_init(&demo->file, &file);
    if (rc == RESIL_OK)
        rc = resil_resolver_start(&demo->file.resolver, push, demo, why, why_size);
    /* The first list, before the first call: a service that can't have it should not start. */
    if (rc == RESIL_OK)
        rc = resil_resolver_tick(&demo->file.resolver, resil_now_ns(), &next_ns);
    if (rc == RESIL_OK)
        rc = resil_resolver_driver_start(&demo->driver, &demo->file.resolver, NULL);
    return rc;
}

/* From the outside in: who pushes first, then who is pushed to. */
static void stop_watching(struct demo *demo)
{
    (void)resil_resolver_driver_stop(&demo->driver); /* not started: nothing happens */
    resil_resolver_stop(&demo->file.resolver);
    (void)resil_prober_stop(demo->prober); /* NULL is allowed */
}

static int init(struct demo *demo, char *why, size_t why_size)
{
    int rc = resil_balancer_init(&demo->balancer, NULL);

    if (rc == RESIL_OK)
        rc = resil_retry_init(&demo->retry, NULL);
    demo->policies[0] = resil_retry_policy(&demo->retry);
    demo->policies[1] = resil_balancer_policy(&demo->balancer);
    if (rc == RESIL_OK)
        rc = resil_chain_init(&demo->chain, demo->policies, 2, why, why_size);
    if (rc == RESIL_OK)
        rc = start_watching(demo, why, why_size);
    return rc;
}

/* Makes a call every 10 ms until the balancer has so many endpoints, and so many of them down.
   Returns false when it doesn't come to that, or when a call fails. */
static bool call_until(struct demo *demo, CURL *curl, const char *title, uint64_t endpoints,
                       uint64_t down)
{
    uint64_t start_ns = resil_now_ns();
    struct resil_balancer_snapshot snapshot = {0};
    unsigned calls = 0;

    while (resil_now_ns() - start_ns < WAIT_NS &&
           (snapshot.endpoints != endpoints || snapshot.down != down)) {
        const struct resil_request request = {.idempotent = true};
        int rc =
            resil_chain_run(&demo->chain, resil_env_posix(), &request, backend_fetch, curl, NULL);

        if (rc != RESIL_OK) {
            (void)fprintf(stderr, "a call failed: %s\n", resil_status_str(rc));
            return false;
        }
        calls++;
        storm_sleep_until(resil_now_ns() + RESIL_MS(10));
        (void)resil_balancer_snapshot(&demo->balancer, &snapshot);
    }
    (void)printf("%-36s %llu of %llu down after %4.0f ms and %u calls\n", title,
                 (unsigned long long)snapshot.down, (unsigned long long)snapshot.endpoints,
                 (double)(resil_now_ns() - start_ns) / 1e6, calls);
    return snapshot.endpoints == endpoints && snapshot.down == down;
}

static bool play(struct demo *demo, CURL *curl)
{
    const struct fault_weather dead = {.kind = FAULT_DEAD};
    const struct fault_weather well = {.kind = FAULT_HEALTHY, .delay_ms = 4};
    bool good = call_until(demo, curl, "a file of two:", 2, 0);

    fault_server_set_weather(demo->backends[1].server, dead);
    good = good && call_until(demo, curl, "the second dies, the prober tells:", 2, 1);
    good = good && write_list(demo, 3) && call_until(demo, curl, "the file names a third:", 3, 1);
    fault_server_set_weather(demo->backends[1].server, well);
    good = good && call_until(demo, curl, "the second is back:", 3, 0);
    return good && write_list(demo, 1) && call_until(demo, curl, "the file names only one:", 1, 0);
}

int main(void)
{
    static struct demo demo = {.folder = "/tmp/endpoints.XXXXXX"};
    char why[160] = "";
    bool good = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK && mkdtemp(demo.folder) != NULL;
    CURL *curl = backend_open();

    if (!good || curl == NULL)
        return EXIT_FAILURE;
    (void)snprintf(demo.path, sizeof demo.path, "%s/list", demo.folder);
    (void)snprintf(demo.next, sizeof demo.next, "%s/list.new", demo.folder);
    good = backends_start(demo.backends, BACKENDS) && write_list(&demo, 2);
    if (good && init(&demo, why, sizeof why) != RESIL_OK) {
        (void)fprintf(stderr, "can't set up: %s\n", why);
        good = false;
    }
    good = good && play(&demo, curl);
    stop_watching(&demo);
    (void)resil_balancer_fini(&demo.balancer);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    backends_stop(demo.backends, BACKENDS);
    (void)unlink(demo.path);
    (void)rmdir(demo.folder);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
