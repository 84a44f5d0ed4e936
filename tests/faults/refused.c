/* SPDX-License-Identifier: BSD-2-Clause */

/* What faults_calls does while it is refused one call after the other: each part of the library that
   asks the system for something, at work under the fault, and well again after it. */
#define _GNU_SOURCE
#include "refuse.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include <resil/resil.h>

#include "platform/cpu.h"

static void nap_ms(long ms)
{
    const struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    (void)nanosleep(&span, NULL);
}

uint16_t scenario_port;
char scenario_path[64];

/* The clocks, random numbers, sleep, and a chain that uses them. */
static enum resil_outcome fail(void *arg, struct resil_attempt *attempt)
{
    (void)attempt;
    ++*(unsigned *)arg;
    return RESIL_NOT_SENT;
}

static void run_chain(unsigned least)
{
    struct resil_bulkhead bulkhead;
    struct resil_breaker breaker;
    struct resil_retry retry;
    struct resil_policy policies[3];
    struct resil_chain chain;
    struct resil_bulkhead_snapshot snapshot;
    unsigned runs = 0;

    CHECK(resil_bulkhead_init(&bulkhead, NULL) == RESIL_OK);
    CHECK(resil_breaker_init(&breaker, NULL) == RESIL_OK);
    CHECK(resil_retry_init(&retry, &(struct resil_retry_config){
                                       .backoff = {.base_ns = RESIL_MS(1)}}) == RESIL_OK);
    policies[0] = resil_bulkhead_policy(&bulkhead);
    policies[1] = resil_retry_policy(&retry);
    policies[2] = resil_breaker_policy(&breaker);
    CHECK(resil_chain_init(&chain, policies, 3, NULL, 0) == RESIL_OK);
    CHECK(resil_chain_run(&chain, resil_env_posix(), NULL, fail, &runs, NULL) == RESIL_EFAILED);
    CHECK(runs >= least && runs <= 3);
    CHECK(resil_bulkhead_snapshot(&bulkhead, &snapshot) == RESIL_OK && snapshot.in_flight == 0);
}

static void environment(void)
{
    const struct resil_env *envs[] = {resil_env_posix(), resil_env_coarse(), resil_env_tsc()};
    uint32_t word = 0;

    for (unsigned i = 0; i < 3; i++) {
        uint64_t now_ns = envs[i]->now(envs[i]->arg);

        envs[i]->wait(envs[i]->arg, &word, 0, now_ns + RESIL_MS(1));
        envs[i]->wake(envs[i]->arg, &word);
        CHECK(envs[i]->random(envs[i]->arg) != envs[i]->random(envs[i]->arg));
        (void)envs[i]->now(envs[i]->arg);
    }
    run_chain(1);
    refuse_arm(false);
    for (unsigned i = 0; i < 3; i++)
        CHECK(envs[i]->now(envs[i]->arg) > 0);
    run_chain(3);
}

static unsigned taken;

static int take(void *arg, const struct resil_endpoint *endpoints, size_t n, uint64_t now_ns)
{
    (void)arg;
    (void)endpoints;
    (void)now_ns;
    __atomic_store_n(&taken, (unsigned)n, __ATOMIC_RELEASE);
    return RESIL_OK;
}

/* A file of endpoints, asked by hand and then by a thread. */
static void resolver(void)
{
    const struct resil_file_resolver_config config = {
        .path = scenario_path, .interval_ns = RESIL_MS(10), .settle_ns = RESIL_MS(1)};
    struct resil_file_resolver file;
    struct resil_resolver_driver driver;
    uint64_t now_ns = RESIL_SEC(1000), next_ns;
    int rc;

    CHECK(resil_file_resolver_init(&file, &config) == RESIL_OK);
    CHECK(resil_resolver_start(&file.resolver, take, NULL, NULL, 0) == RESIL_OK);
    for (unsigned i = 0; i < 4; i++, now_ns += RESIL_SEC(3)) {
        rc = resil_resolver_tick(&file.resolver, now_ns, &next_ns);
        CHECK(rc == RESIL_OK || rc == RESIL_ENOMEM || rc == RESIL_EFAILED);
        CHECK(next_ns > now_ns && next_ns <= now_ns + RESIL_SEC(1));
    }
    refuse_arm(false);
    for (unsigned i = 0; i < 4; i++, now_ns += RESIL_SEC(3))
        CHECK(resil_resolver_tick(&file.resolver, now_ns, &next_ns) == RESIL_OK);
    CHECK(taken == 2);
    resil_resolver_stop(&file.resolver);

    taken = 0;
    CHECK(resil_file_resolver_init(&file, &config) == RESIL_OK);
    CHECK(resil_resolver_start(&file.resolver, take, NULL, NULL, 0) == RESIL_OK);
    refuse_arm(true);
    rc = resil_resolver_driver_start(&driver, &file.resolver, NULL);
    nap_ms(5);
    refuse_arm(false);
    if (rc != RESIL_OK) {
        CHECK(rc == RESIL_ENOMEM || rc == RESIL_EINVAL);
        CHECK(resil_resolver_driver_start(&driver, &file.resolver, NULL) == RESIL_OK);
    }
    while (__atomic_load_n(&taken, __ATOMIC_ACQUIRE) != 2)
        nap_ms(1);
    CHECK(resil_resolver_driver_stop(&driver) == RESIL_OK);
    resil_resolver_stop(&file.resolver);
}

/* Stripes that were to have owners, and can't be taken back from them: never more than there is. */
static uint64_t take_leased(struct resil_leased_limiter *leased)
{
    uint64_t granted = 0;

    while (resil_leased_limiter_acquire(leased, 1, RESIL_SEC(1), NULL) == RESIL_OK)
        granted++;
    return granted;
}

static void leases(void)
{
    const struct resil_limiter_config config = {.tokens = 1, .burst = 256};
    struct resil_limiter limiter;
    struct resil_leased_limiter leased;
    uint64_t granted;

    CHECK(resil_limiter_init(&limiter, &config) == RESIL_OK);
    CHECK(resil_leased_limiter_init(&leased, &limiter, NULL) == RESIL_OK);
    leased.stripe_[15].word_ = 4; /* of a processor that isn't ours */
    CHECK(resil_leased_limiter_acquire(&leased, 188, RESIL_SEC(1), NULL) == RESIL_OK);
    granted = 188 + take_leased(&leased);
    CHECK(granted >= 192 && granted <= 196); /* all but what is kept, and up to those four */
    refuse_arm(false);
    CHECK(granted + take_leased(&leased) == 196);
    resil_leased_limiter_drain(&leased, 0, RESIL_SEC(1));
    CHECK(leased.stripe_[15].word_ == UINT64_C(1) << 32 && take_leased(&leased) == 0);
    refuse_arm(true);
}

/* The processor and how many there are: for who keeps counters apart. */
static void processors(void)
{
    uint64_t stripes = resil_stripes();

    leases();
    CHECK(stripes >= 1 && stripes <= RESIL_STRIPES_MAX && (stripes & (stripes - 1)) == 0);
    (void)resil__cpu_ask();
    refuse_arm(false);
    CHECK(resil_stripes() >= stripes);
}

/* What a file that isn't there tells. */
static void missing(void)
{
    const struct resil_file_resolver_config config = {.path = "/nowhere/to/be/found"};
    struct resil_file_resolver_snapshot snapshot;
    struct resil_file_resolver file;
    uint64_t next_ns;

    CHECK(resil_file_resolver_init(&file, &config) == RESIL_OK);
    CHECK(resil_resolver_start(&file.resolver, take, NULL, NULL, 0) == RESIL_OK);
    CHECK(resil_resolver_tick(&file.resolver, RESIL_SEC(1), &next_ns) == RESIL_EFAILED);
    CHECK(resil_file_resolver_snapshot(&file, &snapshot) == RESIL_OK && snapshot.why[0] != '\0');
    resil_resolver_stop(&file.resolver);
}

static const struct resil_endpoint endpoints[] = {{.address = "a", .weight = 1},
                                                  {.address = "b", .weight = 1}};

static void *pick(void *arg)
{
    struct resil_pick picked;
    int rc = resil_balancer_pick(arg, NULL, RESIL_SEC(1), &picked);

    if (rc == RESIL_OK)
        rc = resil_balancer_report(arg, &picked, RESIL_SUCCESS, 1000, RESIL_SEC(1));
    else
        CHECK(rc == RESIL_EUNAVAILABLE);
    CHECK(rc == RESIL_OK || rc == RESIL_EUNAVAILABLE);
    return rc == RESIL_OK ? arg : NULL;
}

static void pick_in_threads(struct resil_balancer *balancer, bool must)
{
    for (unsigned i = 0; i < 2; i++) {
        pthread_t thread;
        void *served;

        CHECK(__real_pthread_create(&thread, NULL, pick, balancer) == 0);
        CHECK(pthread_join(thread, &served) == 0);
        CHECK(served != NULL || !must);
    }
}

static void balancer(void)
{
    const struct resil_picker *pickers[] = {NULL, resil_picker_maglev()};

    for (unsigned i = 0; i < 2; i++) {
        const struct resil_balancer_config config = {.picker = pickers[i],
                                                     .options = {.maglev_size = 97}};
        struct resil_balancer object;
        uint64_t next_ns;
        int rc;

        refuse_arm(true);
        rc = resil_balancer_init(&object, &config);
        if (rc != RESIL_OK) {
            CHECK(rc == RESIL_ENOMEM);
            refuse_arm(false);
            CHECK(resil_balancer_init(&object, &config) == RESIL_OK);
        }
        rc = resil_balancer_update(&object, endpoints, 2, RESIL_SEC(1));
        CHECK(rc == RESIL_OK || rc == RESIL_ENOMEM);
        pick_in_threads(&object, rc == RESIL_OK);
        (void)resil_balancer_tick(&object, RESIL_SEC(20), &next_ns);
        rc = resil_balancer_update(&object, endpoints, 1, RESIL_SEC(21));
        CHECK(rc == RESIL_OK || rc == RESIL_ENOMEM);
        refuse_arm(false);
        CHECK(resil_balancer_update(&object, endpoints, 2, RESIL_SEC(22)) == RESIL_OK);
        pick_in_threads(&object, true);
        CHECK(resil_balancer_fini(&object) == RESIL_OK);
    }
}

static bool up;

static void changed(void *arg, uint64_t id, bool healthy)
{
    (void)arg;
    if (id == 1)
        __atomic_store_n(&up, healthy, __ATOMIC_RELEASE);
}

/* Health checks from a thread: by IPv4, and by IPv6 with a zone. */
static void prober(void)
{
    char first[32], second[32];
    const struct resil_prober_config config = {.health = {.interval_ns = RESIL_MS(2),
                                                          .doubt_ns = RESIL_MS(2),
                                                          .down_ns = RESIL_MS(2),
                                                          .rise = 1,
                                                          .fall = 1,
                                                          .changed = changed},
                                               .kind = RESIL_PROBER_HTTP};
    struct resil_health_endpoint list[] = {{.id = 1, .address = first},
                                           {.id = 2, .address = second}};
    struct resil_prober *object = NULL;
    int rc;

    (void)snprintf(first, sizeof first, "127.0.0.1:%u", scenario_port);
    (void)snprintf(second, sizeof second, "[::1%%lo]:%u", scenario_port);
    rc = resil_prober_start(&object, &config);
    if (rc == RESIL_OK) {
        rc = resil_prober_update(object, list, 2);
        /* An address that can't be read is an invalid one. */
        CHECK(rc == RESIL_OK || rc == RESIL_ENOMEM || rc == RESIL_EINVAL);
        nap_ms(40);
    } else {
        CHECK(object == NULL);
    }
    refuse_arm(false);
    if (object == NULL)
        CHECK(resil_prober_start(&object, &config) == RESIL_OK);
    CHECK(resil_prober_update(object, list, 2) == RESIL_OK);
    while (!__atomic_load_n(&up, __ATOMIC_ACQUIRE))
        nap_ms(1);
    CHECK(resil_prober_stop(object) == RESIL_OK);
}

/* The control: memory is lost where there are no descriptors. */
static void leaky(void)
{
    void *memory = NULL;
    int fds[2];

    if (__wrap_posix_memalign(&memory, 64, 64) != 0)
        return;
    if (__wrap_pipe2(fds, O_CLOEXEC) != 0)
        return;
    (void)__wrap_close(fds[0]);
    (void)__wrap_close(fds[1]);
    __wrap_free(memory);
}

const struct scenario scenario_control = {"control", leaky, 12};
const struct scenario scenarios[SCENARIOS] = {
    {"environment", environment, 12}, {"processors", processors, 12}, {"resolver", resolver, 12},
    {"missing file", missing, 12},    {"balancer", balancer, 60},     {"prober", prober, 3},
};
