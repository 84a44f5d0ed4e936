/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A clock that jumps by years, steps back and stands still, under a chain of everything: each call
 * ends, nothing is held, and once the clock behaves again calls go through; where a jump ahead was
 * undone, after a rebase, as the headers say. `control` does without, and has to fail.
 */
#include "test.h"

#include <resil/resil.h>

#include "virtual_env.h"

#define YEAR_NS (RESIL_SEC(86400) * 365)

static struct {
    struct resil_timeout timeout;
    struct resil_retry retry;
    struct resil_budget budget;
    struct resil_breaker breaker;
    struct resil_limiter limiter;
    struct resil_window window;
    struct resil_pacer pacer;
    struct resil_bulkhead bulkhead, queued;
    struct resil_queue queue;
    struct resil_policy policies[8];
    struct resil_chain chain;
    struct virtual_env env;
    uint64_t seed;
} world;

static bool control;

static void world_init(void)
{
    unsigned at = 0;
    int rc = resil_timeout_init(&world.timeout, NULL);

    rc |= resil_budget_init(&world.budget, NULL);
    rc |= resil_retry_init(&world.retry, &(struct resil_retry_config){.budget = &world.budget});
    rc |= resil_breaker_init(&world.breaker, NULL);
    rc |= resil_limiter_init(&world.limiter, &(struct resil_limiter_config){.tokens = 1000});
    rc |= resil_window_init(&world.window, &(struct resil_window_config){.limit = 1000});
    rc |= resil_pacer_init(&world.pacer, &(struct resil_pacer_config){.tokens = 1000});
    rc |= resil_bulkhead_init(&world.bulkhead, NULL);
    rc |= resil_bulkhead_init(&world.queued, NULL);
    rc |= resil_queue_init(&world.queue, &world.queued, NULL);
    assert_int_equal(rc, 0);
    world.policies[at++] = resil_bulkhead_policy(&world.bulkhead);
    world.policies[at++] = resil_queue_policy(&world.queue);
    world.policies[at++] = resil_retry_policy(&world.retry);
    world.policies[at++] = resil_breaker_policy(&world.breaker);
    world.policies[at++] = resil_limiter_policy(&world.limiter);
    world.policies[at++] = resil_window_policy(&world.window);
    world.policies[at++] = resil_pacer_policy(&world.pacer);
    world.policies[at++] = resil_timeout_policy(&world.timeout);
    assert_int_equal(resil_chain_init(&world.chain, world.policies, at, NULL, 0), 0);
    virtual_env_init(&world.env, RESIL_SEC(1000));
    world.seed = test_seed(3);
}

static void disturb(void)
{
    static const uint64_t steps[] = {1,       RESIL_MS(1), RESIL_SEC(1), RESIL_SEC(3600),
                                     YEAR_NS, 10 * YEAR_NS};
    uint64_t step = test_below(&world.seed, steps[test_below(&world.seed, 6)]);

    if (test_below(&world.seed, 2) == 0 && world.env.now_ns < 300 * YEAR_NS)
        world.env.now_ns += step;
    else
        world.env.now_ns = world.env.now_ns > step ? world.env.now_ns - step : 0;
    world.env.stuck = test_below(&world.seed, 4) == 0;
}

static enum resil_outcome shaken(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    if (test_below(&world.seed, 2) == 0)
        disturb();
    return test_below(&world.seed, 3) == 0 ? RESIL_FAILURE : RESIL_SUCCESS;
}

static enum resil_outcome succeed(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_SUCCESS;
}

static void nothing_is_held(void)
{
    struct resil_bulkhead_snapshot bulkhead;
    struct resil_queue_snapshot queue;

    assert_int_equal(resil_bulkhead_snapshot(&world.bulkhead, &bulkhead), 0);
    assert_int_equal(bulkhead.in_flight, 0);
    assert_int_equal(resil_bulkhead_snapshot(&world.queued, &bulkhead), 0);
    assert_int_equal(bulkhead.in_flight, 0);
    assert_int_equal(resil_queue_snapshot(&world.queue, &queue), 0);
    assert_int_equal(queue.waiting, 0);
}

static void rebase_all(void)
{
    uint64_t now_ns = world.env.now_ns;

    assert_int_equal(resil_breaker_rebase(&world.breaker, now_ns), 0);
    resil_limiter_rebase(&world.limiter, now_ns);
    resil_window_rebase(&world.window, now_ns);
    resil_pacer_rebase(&world.pacer, now_ns);
    resil_budget_rebase(&world.budget, now_ns);
}

/* A minute of a clock that goes is enough for all. */
static void expect_service(void)
{
    struct resil_request request = {.idempotent = true};
    unsigned served = 0;

    world.env.stuck = false;
    for (unsigned i = 0; i < 60; i++) {
        world.env.now_ns += RESIL_SEC(1);
        served =
            resil_chain_run(&world.chain, &world.env.env, &request, succeed, NULL, NULL) == RESIL_OK
                ? served + 1
                : 0;
    }
    if (served < 10)
        fail_msg("RESIL_SEED=%" PRIu64 ": %u calls in a row at the end", test_seed(3), served);
}

static void any_clock(void **state)
{
    struct resil_request request = {0};

    (void)state;
    world_init();
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < 20; i++) {
            request.deadline_ns =
                test_below(&world.seed, 2) == 0 ? 0 : world.env.now_ns + RESIL_SEC(1);
            disturb();
            (void)resil_chain_run(&world.chain, &world.env.env, &request, shaken, NULL, NULL);
            nothing_is_held();
        }
        if (!control)
            rebase_all();
        expect_service();
    }
}

static enum resil_outcome be_down(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_FAILURE;
}

/* Leaves times behind that lie ahead: an open breaker, and limits that are drained. */
static void expect_trouble(void)
{
    struct resil_breaker_snapshot snapshot;
    uint64_t now_ns = world.env.now_ns;

    for (unsigned i = 0; i < 100; i++)
        (void)resil_chain_run(&world.chain, &world.env.env, NULL, be_down, NULL, NULL);
    assert_int_equal(resil_breaker_snapshot(&world.breaker, now_ns, &snapshot), 0);
    assert_int_equal(snapshot.state, RESIL_BREAKER_OPEN);
    resil_limiter_drain(&world.limiter, RESIL_SEC(5), now_ns);
    resil_window_drain(&world.window, RESIL_SEC(5), now_ns);
    resil_pacer_drain(&world.pacer, RESIL_SEC(5), now_ns);
}

/* Ahead by so much, then for good: nothing waits for times that are past. */
static void a_jump_ahead_needs_no_rebase(void **state)
{
    (void)state;
    for (uint64_t years = 0; years < 200; years += 10) {
        world_init();
        expect_service();
        expect_trouble();
        world.env.now_ns += years * YEAR_NS;
        expect_service();
        nothing_is_held();
    }
}

/* Back by so much, then for good: nothing waits for the times that there were. */
static void nor_does_a_clock_that_is_set_back(void **state)
{
    static const uint64_t days[] = {0, 2, 30, 365, 3650, 7000, 36500};

    (void)state;
    for (unsigned i = 0; i < sizeof days / sizeof days[0]; i++) {
        world_init();
        world.env.now_ns += 200 * YEAR_NS;
        expect_service();
        expect_trouble();
        world.env.now_ns -= days[i] * RESIL_SEC(86400);
        expect_service();
        nothing_is_held();
    }
}

/* A clock that lags by what clocks of several threads do needs none, either. */
static void a_small_step_back_needs_no_rebase(void **state)
{
    (void)state;
    world_init();
    for (unsigned i = 0; i < 1000; i++) {
        expect_service();
        world.env.now_ns -= test_below(&world.seed, RESIL_MS(20));
    }
}

static void a_clock_that_stands_still_ends_every_call(void **state)
{
    (void)state;
    world_init();
    world.env.stuck = true;
    for (unsigned i = 0; i < 10000; i++) {
        (void)resil_chain_run(&world.chain, &world.env.env, NULL, succeed, NULL, NULL);
        nothing_is_held();
    }
    expect_service();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_clock),
        cmocka_unit_test(a_jump_ahead_needs_no_rebase),
        cmocka_unit_test(nor_does_a_clock_that_is_set_back),
        cmocka_unit_test(a_small_step_back_needs_no_rebase),
        cmocka_unit_test(a_clock_that_stands_still_ends_every_call),
    };

    (void)argv;
    control = argc > 1;
    return cmocka_run_group_tests_name("clocks", tests, NULL, NULL);
}
