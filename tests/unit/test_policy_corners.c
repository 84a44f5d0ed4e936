/* SPDX-License-Identifier: BSD-2-Clause */

/* Corners of policies in chains: who waits and is woken, who says nonsense, who gives back twice. */
#include "chain_fixture.h"

static struct resil_bulkhead bulkhead;

static struct resil_queue queue;

/* Another thread gives its permit back while this one waits. */
static void release_one(struct virtual_env *env, uint32_t *word)
{
    (void)word;
    if (env->waits == 1)
        assert_int_equal(resil_queue_release(&queue), RESIL_OK);
}

static unsigned wakes;
static const uint32_t *woken_word;

static void count_wake(void *arg, uint32_t *word)
{
    (void)arg;
    wakes++;
    woken_word = word;
}

static void a_blocking_call_is_woken_by_a_release(void **state)
{
    struct fixture *f = *state;

    wakes = 0;
    assert_int_equal(resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = 1}),
                     RESIL_OK);
    assert_int_equal(resil_queue_init(&queue, &bulkhead, NULL), RESIL_OK);
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_OK);
    f->policies[0] = resil_queue_policy(&queue);
    f->env.during_wait = release_one;
    f->env.env.wake = count_wake;
    build(f, 1);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_int_equal(f->env.waits, 1);
    assert_int_equal(f->env.now_ns, 1000); /* it didn't wait for its time */
    assert_int_equal(wakes, 1);
    assert_non_null(woken_word);
    assert_int_equal(f->calls, 1);
    assert_int_equal(resil_queue_fini(&queue), RESIL_OK);
}

/* A policy of the program's own that answers settle with what only admit may say. */
static void nonsense_from_settle_is_taken_for_a_pass(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].ops.flags = RESIL_ON_ALL;
    f->scripts[1].settle[0] = RESIL_WAIT;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 3);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_FAILURE);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(f->scripts[i].settles, 1);
}

static void a_fork_needs_timer_and_settle_of_all_kinds(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.flags = RESIL_ON_ALL | RESIL_FORKS;
    f->scripts[0].ops.timer = NULL;
    expect_init_fails(f, 1, RESIL_EINVAL,
                      "policy 0 (script): a fork needs timer and settle of all kinds");
}

/* What was refunded isn't refunded once more. */
static void a_limiter_gives_tokens_back_once(void **state)
{
    struct resil_limiter limiter;
    struct resil_limiter_snapshot snapshot;
    struct resil_policy policy = resil_limiter_policy(&limiter);
    struct resil_request request = {.cost = 2};
    struct resil_walk walk = {.request = &request, .now_ns = RESIL_SEC(1000)};
    uint64_t frame[16] = {0};

    (void)state;
    assert_int_equal(
        resil_limiter_init(&limiter, &(struct resil_limiter_config){.tokens = 1, .burst = 6}),
        RESIL_OK);
    assert_int_equal(resil_limiter_acquire(&limiter, 2, walk.now_ns, NULL), RESIL_OK);
    assert_int_equal(policy.ops->admit(policy.self, frame, &walk), RESIL_PASS);
    walk.result.outcome = RESIL_REFUSED;
    for (int i = 0; i < 2; i++) {
        (void)policy.ops->abandon(policy.self, frame, &walk);
        resil_limiter_snapshot(&limiter, walk.now_ns, &snapshot);
        assert_int_equal(snapshot.available, 4);
    }
}

static void nobody_hears_of_a_success_that_changes_nothing(void **state)
{
    struct resil_breaker breaker;
    struct resil_breaker_watch watch = {.breaker = &breaker};
    struct resil_policy policy = resil_breaker_watch_policy(&watch);
    struct resil_request request = {.cost = 1};
    struct resil_walk walk = {.request = &request, .now_ns = RESIL_SEC(1000)};
    struct resil_breaker_snapshot snapshot;

    (void)state;
    assert_int_equal(resil_breaker_init(&breaker, NULL), RESIL_OK);
    for (uint64_t i = 1; i <= 200; i++) { /* beyond calls_min: then it is one addition */
        uint64_t frame[16] = {0};

        walk.result.outcome = RESIL_NONE;
        assert_int_equal(policy.ops->admit(policy.self, frame, &walk), RESIL_PASS);
        walk.result.outcome = RESIL_SUCCESS;
        assert_int_equal(policy.ops->settle(policy.self, frame, &walk), RESIL_PASS);
        assert_int_equal(resil_breaker_snapshot(&breaker, walk.now_ns, &snapshot), RESIL_OK);
        assert_int_equal(snapshot.calls, i);
        assert_int_equal(snapshot.state, RESIL_BREAKER_CLOSED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_blocking_call_is_woken_by_a_release),
        TEST(nonsense_from_settle_is_taken_for_a_pass),
        TEST(a_fork_needs_timer_and_settle_of_all_kinds),
        TEST(a_limiter_gives_tokens_back_once),
        TEST(nobody_hears_of_a_success_that_changes_nothing),
    };

    return cmocka_run_group_tests_name("policy corners", tests, NULL, NULL);
}
