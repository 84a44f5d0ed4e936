/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Each policy's frame: it is as small as it is said to be, for a call has 96 words for all, and
 * nothing beyond it is written. What an adapter keeps in it survives the way to the callback and
 * back, whichever way that ends.
 */
#include "test.h"

#include <resil/resil.h>

#define NOW    RESIL_SEC(1000)
#define WORDS  24
#define BEYOND UINT64_C(0xa5a5a5a5a5a5a5a5)

static struct {
    struct resil_breaker breaker;
    struct resil_breaker_watch watch;
    struct resil_bulkhead bulkhead;
    struct resil_queue queue;
    struct resil_limiter limiter;
    struct resil_limiter_wait limiter_wait;
    struct resil_pacer pacer;
    struct resil_window window;
    struct resil_retry retry;
    struct resil_budget budget;
    struct resil_timeout timeout;
    struct resil_hedge hedge;
    struct resil_fallback fallback;
} all;

struct row {
    struct resil_policy policy;
    uint32_t frame_words;
};

#define ROWS 12

static void make_all(struct row rows[ROWS])
{
    assert_int_equal(resil_breaker_init(&all.breaker, NULL), RESIL_OK);
    all.watch = (struct resil_breaker_watch){.breaker = &all.breaker};
    assert_int_equal(
        resil_bulkhead_init(&all.bulkhead, &(struct resil_bulkhead_config){.limit = 100}),
        RESIL_OK);
    assert_int_equal(resil_queue_init(&all.queue, &all.bulkhead, NULL), RESIL_OK);
    assert_int_equal(
        resil_limiter_init(&all.limiter, &(struct resil_limiter_config){.tokens = 1000}), RESIL_OK);
    all.limiter_wait = (struct resil_limiter_wait){.limiter = &all.limiter};
    assert_int_equal(resil_pacer_init(&all.pacer, &(struct resil_pacer_config){.tokens = 1000}),
                     RESIL_OK);
    assert_int_equal(resil_window_init(&all.window, &(struct resil_window_config){.limit = 1000}),
                     RESIL_OK);
    assert_int_equal(resil_retry_init(&all.retry, NULL), RESIL_OK);
    assert_int_equal(resil_budget_init(&all.budget, NULL), RESIL_OK);
    assert_int_equal(resil_timeout_init(&all.timeout,
                                        &(struct resil_timeout_config){.timeout_ns = RESIL_SEC(1)}),
                     RESIL_OK);
    assert_int_equal(
        resil_hedge_init(&all.hedge, &(struct resil_hedge_config){.delay_ns = RESIL_SEC(1),
                                                                  .budget = &all.budget}),
        RESIL_OK);
    assert_int_equal(resil_fallback_init(&all.fallback, NULL), RESIL_OK);
    memcpy(rows,
           (struct row[ROWS]){
               {resil_breaker_policy(&all.breaker), 2},
               {resil_breaker_watch_policy(&all.watch), 2},
               {resil_bulkhead_policy(&all.bulkhead), 0},
               {resil_queue_policy(&all.queue), 7},
               {resil_limiter_policy(&all.limiter), 2},
               {resil_limiter_wait_policy(&all.limiter_wait), 3},
               {resil_pacer_policy(&all.pacer), 3},
               {resil_window_policy(&all.window), 2},
               {resil_retry_policy(&all.retry), 2},
               {resil_timeout_policy(&all.timeout), 1},
               {resil_hedge_policy(&all.hedge), 2},
               {resil_fallback_policy(&all.fallback), 0},
           },
           ROWS * sizeof *rows);
}

/* Which flag asks for a result like this. */
static uint32_t kind_of(enum resil_outcome outcome)
{
    if (outcome == RESIL_NONE)
        return 0;
    if (outcome == RESIL_SUCCESS)
        return RESIL_ON_SUCCESS;
    return outcome == RESIL_REFUSED ? RESIL_ON_REFUSED : RESIL_ON_FAILURE;
}

/* In and out again, or in and torn down; RESIL_NONE = torn down. */
static void walk_through(const struct row *row, enum resil_outcome outcome)
{
    const struct resil_policy_ops *ops = row->policy.ops;
    struct resil_request request = {.idempotent = true};
    struct resil_walk walk = {.request = &request, .now_ns = NOW, .seed_ = 1};
    uint64_t frame[WORDS];

    memset(frame, 0xa5, sizeof frame);
    for (uint32_t i = 0; i < ops->frame_words; i++)
        frame[i] = 0;
    walk.attempt.deadline_ns = RESIL_NEVER;
    walk.attempt.number = 1;
    if (ops->admit != NULL)
        assert_true(ops->admit(row->policy.self, frame, &walk) >= 0);
    walk.result.outcome = outcome == RESIL_NONE ? RESIL_CANCELLED : outcome;
    if (outcome == RESIL_NONE && ops->abandon != NULL)
        (void)ops->abandon(row->policy.self, frame, &walk);
    else if ((ops->flags & kind_of(outcome)) != 0)
        (void)ops->settle(row->policy.self, frame, &walk);
    for (uint32_t i = ops->frame_words; i < WORDS; i++)
        assert_int_equal(frame[i], BEYOND);
}

static void no_policy_writes_beyond_its_frame(void **state)
{
    struct row rows[ROWS];

    (void)state;
    for (size_t i = 0; i < ROWS; i++)
        for (unsigned outcome = RESIL_NONE; outcome <= RESIL_REFUSED; outcome++) {
            make_all(rows);
            assert_int_equal(rows[i].policy.ops->frame_words, rows[i].frame_words);
            walk_through(&rows[i], (enum resil_outcome)outcome);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_policy_writes_beyond_its_frame),
    };

    return cmocka_run_group_tests_name("policy frames", tests, NULL, NULL);
}
