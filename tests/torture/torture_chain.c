/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One chain, many threads, real sleeping: a queue in front of a small bulkhead, a retry with a
 * budget, a breaker, a limiter. What must hold: the callback never runs more often at once than the
 * bulkhead allows, every permit comes back, and what the callback ran is what the reports tell.
 */
#include "test.h"

#include <pthread.h>

#include <resil/resil.h>

#include "base/atomic.h"
#include "base/random.h"

#define THREADS 8
#define LIMIT   3

struct world {
    struct resil_chain chain;
    struct resil_policy policies[5];
    struct resil_timeout timeout;
    struct resil_retry retry;
    struct resil_budget budget;
    struct resil_breaker breaker;
    struct resil_limiter limiter;
    struct resil_bulkhead bulkhead;
    struct resil_queue queue;
    uint64_t inside; /* callbacks that run now */
    uint64_t most;   /* the most that ever ran at once */
    uint64_t ran;
    uint64_t reported;
    uint64_t transitions;
    uint64_t stop_ns;
};

static void raise_to(uint64_t *word, uint64_t value)
{
    uint64_t old = resil__load_relaxed(word);

    while (old < value && !resil__cas(word, &old, value))
        continue;
}

struct caller {
    struct world *world;
    uint64_t seed;
};

static enum resil_outcome callback(void *arg, struct resil_attempt *attempt)
{
    struct caller *caller = arg;
    struct world *world = caller->world;
    uint64_t roll = resil__random_next(&caller->seed) % 100;

    raise_to(&world->most, resil__add(&world->inside, 1) + 1);
    (void)resil__add(&world->ran, 1);
    for (uint64_t spin = roll * 20; spin > 0; spin--)
        (void)resil__load_acquire(&world->stop_ns);
    (void)resil__sub(&world->inside, 1);
    attempt->call_rc = (int)roll;
    if (roll < 80)
        return RESIL_SUCCESS;
    return roll < 90 ? RESIL_NOT_SENT : RESIL_FAILURE;
}

static void *call_on(void *arg)
{
    struct caller *caller = arg;
    struct world *world = caller->world;
    const struct resil_env *env = resil_env_posix();
    uint64_t now_ns;

    while ((now_ns = resil_now_ns()) < world->stop_ns) {
        struct resil_request request = {.idempotent = (now_ns & 1) != 0};
        struct resil_report report;
        int rc;

        if ((now_ns & 6) == 0)
            request.deadline_ns = now_ns + RESIL_US(200);
        rc = resil_chain_run(&world->chain, env, &request, callback, caller, &report);
        (void)resil__add(&world->reported, report.attempts);
        if (rc != report.status || (rc == RESIL_OK) != (report.outcome == RESIL_SUCCESS))
            return (void *)1;
    }
    return NULL;
}

static void heard(void *arg, const struct resil_breaker_event *event)
{
    struct world *world = arg;
    struct resil_breaker_snapshot snapshot;

    (void)event;
    (void)resil__add(&world->transitions, 1);
    /* A listener may call the breaker. */
    (void)resil_breaker_snapshot(&world->breaker, resil_now_ns(), &snapshot);
}

static void build(struct world *world, struct resil_breaker_watch *watch)
{
    int rc = 0;

    memset(world, 0, sizeof *world);
    rc |= resil_timeout_init(&world->timeout,
                             &(struct resil_timeout_config){.timeout_ns = RESIL_MS(50)});
    rc |= resil_budget_init(&world->budget, &(struct resil_budget_config){.cap = 100});
    rc |= resil_retry_init(
        &world->retry,
        &(struct resil_retry_config){.backoff = {.base_ns = RESIL_US(50), .cap_ns = RESIL_US(400)},
                                     .budget = &world->budget});
    rc |= resil_breaker_init(&world->breaker,
                             &(struct resil_breaker_config){.consecutive = 4,
                                                            .open_ns = RESIL_US(300),
                                                            .open_ns_max = RESIL_US(300),
                                                            .probe_gap_ns = RESIL_OFF,
                                                            .probes = 2});
    rc |= resil_limiter_init(&world->limiter, &(struct resil_limiter_config){.tokens = 1000000});
    rc |= resil_bulkhead_init(&world->bulkhead, &(struct resil_bulkhead_config){.limit = LIMIT});
    rc |= resil_queue_init(&world->queue, &world->bulkhead,
                           &(struct resil_queue_config){.length = 4, .wait_ns = RESIL_MS(1)});
    assert_int_equal(rc, 0);
    *watch = (struct resil_breaker_watch){&world->breaker, heard, world};
    world->policies[0] = resil_timeout_policy(&world->timeout);
    world->policies[1] = resil_retry_policy(&world->retry);
    world->policies[2] = resil_breaker_watch_policy(watch);
    world->policies[3] = resil_limiter_policy(&world->limiter);
    world->policies[4] = resil_queue_policy(&world->queue);
    assert_int_equal(resil_chain_init(&world->chain, world->policies, 5, NULL, 0), 0);
}

static void one_chain_serves_many_threads(void **state)
{
    static struct world world;
    static struct resil_breaker_watch watch;
    struct caller callers[THREADS];
    pthread_t threads[THREADS];
    struct resil_bulkhead_snapshot bulkhead;
    struct resil_queue_snapshot queue;

    (void)state;
    build(&world, &watch);
    world.stop_ns = resil_now_ns() + RESIL_MS(test_torture_ms());
    for (unsigned i = 0; i < THREADS; i++) {
        callers[i] = (struct caller){&world, test_seed(11) + i};
        assert_int_equal(pthread_create(&threads[i], NULL, call_on, &callers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *wrong = NULL;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }

    assert_true(world.most <= LIMIT);
    assert_true(world.ran > 0);
    assert_int_equal(world.ran, world.reported);
    assert_int_equal(resil_bulkhead_snapshot(&world.bulkhead, &bulkhead), 0);
    assert_int_equal(bulkhead.in_flight, 0);
    assert_int_equal(resil_queue_snapshot(&world.queue, &queue), 0);
    assert_int_equal(queue.waiting, 0);
    assert_int_equal(resil_queue_fini(&world.queue), RESIL_OK);
    print_message("%" PRIu64 " runs, at most %" PRIu64 " at once, %" PRIu64 " waits, %" PRIu64
                  " transitions\n",
                  world.ran, world.most, queue.entered, world.transitions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_chain_serves_many_threads),
    };

    return cmocka_run_group_tests_name("chain torture", tests, NULL, NULL);
}
