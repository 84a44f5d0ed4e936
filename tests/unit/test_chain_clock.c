/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a chain wants of a clock: how often each way of ending reads it, and the clocks that are too
 * coarse for a policy.
 *
 * The rule: once at the begin, unless the caller told the time; once after each run of the callback
 * that was no plain success, or whose end somebody times; once after each wait.
 */
#include "test.h"

#include <resil/resil.h>

#include "virtual_env.h"

struct fixture {
    struct resil_policy policies[2];
    struct resil_chain chain;
    struct virtual_env env;
    struct resil_request request;
    struct resil_report report;
    struct resil_breaker breaker;
    struct resil_limiter limiter;
    struct resil_limiter_wait limiter_wait;
    struct resil_bulkhead bulkhead;
    struct resil_queue queue;
    struct resil_retry retry;
    struct resil_fallback fallback;
    struct resil_timeout timeout;
    struct resil_pacer pacer;
    struct resil_window window;
    enum resil_outcome outcomes[3];
    unsigned calls;
    char why[160];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    virtual_env_init(&f->env, RESIL_SEC(1000));
    for (unsigned i = 0; i < 3; i++)
        f->outcomes[i] = RESIL_SUCCESS;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void build(struct fixture *f, struct resil_policy policy)
{
    f->policies[0] = policy;
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 1, NULL, 0), RESIL_OK);
}

static enum resil_outcome callback(void *arg, struct resil_attempt *attempt)
{
    struct fixture *f = arg;

    (void)attempt;
    f->env.now_ns += 10;
    return f->outcomes[f->calls++ % 3];
}

/* Runs once; asserts the status and how often the clock was read. */
static void expect(struct fixture *f, int status, unsigned reads)
{
    f->calls = 0;
    f->env.now_calls = 0;
    assert_int_equal(resil_chain_run(&f->chain, &f->env.env, &f->request, callback, f, &f->report),
                     status);
    assert_int_equal(f->env.now_calls, reads);
}

static void bulkhead(struct fixture *f)
{
    assert_int_equal(resil_bulkhead_init(&f->bulkhead, &(struct resil_bulkhead_config){.limit = 1}),
                     RESIL_OK);
    build(f, resil_bulkhead_policy(&f->bulkhead));
}

/* ---- readings ---- */

static void a_success_reads_once(void **state)
{
    struct fixture *f = *state;

    bulkhead(f);
    expect(f, RESIL_OK, 1);
    f->request.now_ns = f->env.now_ns;
    expect(f, RESIL_OK, 0);
}

static void every_other_outcome_reads_its_end(void **state)
{
    struct fixture *f = *state;

    bulkhead(f);
    for (int outcome = RESIL_NONE; outcome < RESIL_OUTCOMES; outcome++) {
        if (outcome == RESIL_SUCCESS)
            continue;
        f->outcomes[0] = (enum resil_outcome)outcome;
        f->request.now_ns = 0;
        f->calls = 0;
        f->env.now_calls = 0;
        assert_int_not_equal(
            resil_chain_run(&f->chain, &f->env.env, &f->request, callback, f, &f->report),
            RESIL_OK);
        assert_int_equal(f->env.now_calls, 2);
        assert_int_equal(f->report.elapsed_ns, 10);
    }
    f->request.now_ns = f->env.now_ns;
    expect(f, f->report.status, 1);
}

static void a_deadline_reads_the_end(void **state)
{
    struct fixture *f = *state;

    bulkhead(f);
    f->request.deadline_ns = f->env.now_ns + 1000;
    expect(f, RESIL_OK, 2);
    f->request.deadline_ns = f->env.now_ns + 5;
    expect(f, RESIL_EFAILED, 2);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
    f->request.deadline_ns = f->env.now_ns;
    expect(f, RESIL_EDEADLINE, 1);
    assert_int_equal(f->calls, 0);
}

static void a_timeout_reads_the_end(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_timeout_init(&f->timeout, NULL), RESIL_OK);
    build(f, resil_timeout_policy(&f->timeout));
    expect(f, RESIL_OK, 2);
    f->request.now_ns = f->env.now_ns;
    expect(f, RESIL_OK, 1);
}

static void a_latency_rule_reads_the_end(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_breaker_init(&f->breaker, NULL), RESIL_OK);
    build(f, resil_breaker_policy(&f->breaker));
    expect(f, RESIL_OK, 1);
    assert_int_equal(
        resil_breaker_init(&f->breaker, &(struct resil_breaker_config){.slow_ns = RESIL_MS(1)}),
        RESIL_OK);
    expect(f, RESIL_OK, 2);
}

static void a_probe_reads_the_end(void **state)
{
    struct fixture *f = *state;
    struct resil_breaker_config config = {.consecutive = 1, .open_ns = RESIL_SEC(1)};

    assert_int_equal(resil_breaker_init(&f->breaker, &config), RESIL_OK);
    build(f, resil_breaker_policy(&f->breaker));
    f->outcomes[0] = RESIL_FAILURE;
    expect(f, RESIL_EFAILED, 2);
    expect(f, RESIL_EOPEN, 1);
    f->env.now_ns += RESIL_SEC(10);
    f->outcomes[0] = RESIL_SUCCESS;
    expect(f, RESIL_OK, 2);
}

static void a_refusal_reads_once(void **state)
{
    struct fixture *f = *state;

    bulkhead(f);
    assert_int_equal(resil_bulkhead_acquire(&f->bulkhead), RESIL_OK);
    expect(f, RESIL_EFULL, 1);
    f->request.now_ns = f->env.now_ns;
    expect(f, RESIL_EFULL, 0);
}

static void a_retry_reads_after_each_run_and_each_wait(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_retry_init(&f->retry, NULL), RESIL_OK);
    build(f, resil_retry_policy(&f->retry));
    f->outcomes[0] = RESIL_NOT_SENT;
    expect(f, RESIL_OK, 3);
    f->outcomes[1] = RESIL_NOT_SENT;
    expect(f, RESIL_OK, 5);
    f->outcomes[2] = RESIL_NOT_SENT;
    expect(f, RESIL_EFAILED, 6);
    f->request.now_ns = f->env.now_ns;
    expect(f, RESIL_EFAILED, 5);
    assert_int_equal(f->calls, 3);
}

static void a_fallback_reads_after_the_failure_alone(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_fallback_init(&f->fallback, NULL), RESIL_OK);
    build(f, resil_fallback_policy(&f->fallback));
    f->outcomes[0] = RESIL_FAILURE;
    expect(f, RESIL_OK, 2);
    assert_int_equal(f->calls, 2);
    f->outcomes[1] = RESIL_FAILURE;
    expect(f, RESIL_EFAILED, 3);
}

static void a_wait_for_a_slot_reads_after_it(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        resil_limiter_init(&f->limiter, &(struct resil_limiter_config){.tokens = 10, .burst = 1}),
        RESIL_OK);
    f->limiter_wait.limiter = &f->limiter;
    build(f, resil_limiter_wait_policy(&f->limiter_wait));
    expect(f, RESIL_OK, 1);
    expect(f, RESIL_OK, 2);
    assert_int_equal(f->env.waits, 1);
}

/* ---- clocks that are too coarse ---- */

/* The policy is refused by a clock that moves by more than this, and by no other. */
static void expect_finest(struct fixture *f, struct resil_policy policy, uint64_t finest_ns)
{
    char line[160];

    build(f, policy);
    f->env.env.tick_ns = finest_ns;
    (void)strcpy(f->why, "untouched");
    assert_int_equal(resil_chain_check_env(&f->chain, &f->env.env, f->why, sizeof f->why),
                     RESIL_OK);
    assert_string_equal(f->why, "untouched");
    f->env.env.tick_ns = finest_ns + 1;
    assert_int_equal(resil_chain_check_env(&f->chain, &f->env.env, NULL, 10), RESIL_EINVAL);
    assert_int_equal(resil_chain_check_env(&f->chain, &f->env.env, f->why, sizeof f->why),
                     RESIL_EINVAL);
    (void)snprintf(line, sizeof line,
                   "policy 0 (%s): measures %" PRIu64 " ns, by a clock that moves by %" PRIu64
                   " ns",
                   policy.ops->name, finest_ns, finest_ns + 1);
    assert_string_equal(f->why, line);
    f->env.env.tick_ns = 0;
    assert_int_equal(resil_chain_check_env(&f->chain, &f->env.env, NULL, 0), RESIL_OK);
}

static void a_limiter_must_not_fill_within_a_tick(void **state)
{
    struct fixture *f = *state;
    struct resil_limiter_config config = {.tokens = 1000000, .burst = 500};

    assert_int_equal(resil_limiter_init(&f->limiter, &config), RESIL_OK);
    expect_finest(f, resil_limiter_policy(&f->limiter), RESIL_US(500));
    f->limiter_wait.limiter = &f->limiter;
    expect_finest(f, resil_limiter_wait_policy(&f->limiter_wait), RESIL_US(500));
    config.burst = 5000;
    assert_int_equal(resil_limiter_reconfigure(&f->limiter, &config, f->env.now_ns), RESIL_OK);
    expect_finest(f, resil_limiter_policy(&f->limiter), RESIL_MS(5));
}

static void a_gap_a_period_and_a_timeout_are_a_tick_at_least(void **state)
{
    struct fixture *f = *state;
    size_t size = resil_log_size(4);
    struct resil_log *log = calloc(1, size);

    assert_non_null(log);
    assert_int_equal(resil_pacer_init(&f->pacer, &(struct resil_pacer_config){.tokens = 100}),
                     RESIL_OK);
    expect_finest(f, resil_pacer_policy(&f->pacer), RESIL_MS(10));
    assert_int_equal(
        resil_window_init(&f->window,
                          &(struct resil_window_config){.limit = 100, .period_ns = RESIL_MS(7)}),
        RESIL_OK);
    expect_finest(f, resil_window_policy(&f->window), RESIL_MS(7));
    assert_int_equal(
        resil_log_init(log, size, &(struct resil_log_config){.limit = 4, .period_ns = RESIL_MS(8)}),
        RESIL_OK);
    expect_finest(f, resil_log_policy(log), RESIL_MS(8));
    assert_int_equal(
        resil_timeout_init(&f->timeout, &(struct resil_timeout_config){.timeout_ns = RESIL_MS(9)}),
        RESIL_OK);
    expect_finest(f, resil_timeout_policy(&f->timeout), RESIL_MS(9));
    bulkhead(f);
    assert_int_equal(resil_queue_init(&f->queue, &f->bulkhead,
                                      &(struct resil_queue_config){.wait_ns = RESIL_MS(6)}),
                     RESIL_OK);
    expect_finest(f, resil_queue_policy(&f->queue), RESIL_MS(6));
    free(log);
}

static void of_a_breaker_the_shortest_span_counts(void **state)
{
    static const struct {
        struct resil_breaker_config config;
        uint64_t finest_ns;
    } rows[] = {
        {{.window_ns = RESIL_SEC(10)}, RESIL_SEC(1)},
        {{.window_ns = RESIL_MS(100)}, RESIL_MS(10)},
        {{.calls = 100}, RESIL_SEC(1)}, /* the gap between probes */
        {{.calls = 100, .probe_gap_ns = RESIL_OFF}, RESIL_SEC(5)},
        {{.open_ns = RESIL_MS(20)}, RESIL_MS(20)},
        {{.slow_ns = RESIL_MS(30)}, RESIL_MS(30)},
        {{.probe_gap_ns = RESIL_MS(40)}, RESIL_MS(40)},
        {{.probe_lease_ns = RESIL_MS(50)}, RESIL_MS(50)},
        {{.ramp_ns = RESIL_MS(60)}, RESIL_MS(60)},
    };
    struct fixture *f = *state;
    struct resil_breaker_watch watch = {.breaker = &f->breaker};

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(resil_breaker_init(&f->breaker, &rows[i].config), RESIL_OK);
        expect_finest(f, resil_breaker_policy(&f->breaker), rows[i].finest_ns);
        expect_finest(f, resil_breaker_watch_policy(&watch), rows[i].finest_ns);
    }
}

static void who_measures_nothing_takes_any_clock(void **state)
{
    struct fixture *f = *state;

    f->env.env.tick_ns = RESIL_SEC(100);
    bulkhead(f);
    assert_int_equal(resil_chain_check_env(&f->chain, &f->env.env, NULL, 0), RESIL_OK);
    assert_int_equal(resil_retry_init(&f->retry, NULL), RESIL_OK);
    build(f, resil_retry_policy(&f->retry));
    assert_int_equal(resil_chain_check_env(&f->chain, &f->env.env, NULL, 0), RESIL_OK);
}

static void the_line_names_the_policy_that_is_too_fast(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_timeout_init(&f->timeout, NULL), RESIL_OK);
    assert_int_equal(
        resil_limiter_init(&f->limiter, &(struct resil_limiter_config){.tokens = 1000, .burst = 1}),
        RESIL_OK);
    f->policies[0] = resil_timeout_policy(&f->timeout);
    f->policies[1] = resil_limiter_policy(&f->limiter);
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 2, NULL, 0), RESIL_OK);
    f->env.env.tick_ns = RESIL_MS(4);
    assert_int_equal(resil_chain_check_env(&f->chain, &f->env.env, f->why, sizeof f->why),
                     RESIL_EINVAL);
    assert_string_equal(
        f->why, "policy 1 (limiter): measures 1000000 ns, by a clock that moves by 4000000 ns");
}

static void what_can_not_be_checked_is_refused(void **state)
{
    struct fixture *f = *state;
    struct resil_chain none;

    bulkhead(f);
    memset(&none, 0, sizeof none);
    assert_int_equal(resil_chain_check_env(NULL, &f->env.env, NULL, 0), RESIL_EINVAL);
    assert_int_equal(resil_chain_check_env(&f->chain, NULL, NULL, 0), RESIL_EINVAL);
    assert_int_equal(resil_chain_check_env(&none, &f->env.env, NULL, 0), RESIL_EINVAL);
    f->env.env.size--;
    assert_int_equal(resil_chain_check_env(&f->chain, &f->env.env, NULL, 0), RESIL_EABI);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_success_reads_once),
        TEST(every_other_outcome_reads_its_end),
        TEST(a_deadline_reads_the_end),
        TEST(a_timeout_reads_the_end),
        TEST(a_latency_rule_reads_the_end),
        TEST(a_probe_reads_the_end),
        TEST(a_refusal_reads_once),
        TEST(a_retry_reads_after_each_run_and_each_wait),
        TEST(a_fallback_reads_after_the_failure_alone),
        TEST(a_wait_for_a_slot_reads_after_it),
        TEST(a_limiter_must_not_fill_within_a_tick),
        TEST(a_gap_a_period_and_a_timeout_are_a_tick_at_least),
        TEST(of_a_breaker_the_shortest_span_counts),
        TEST(who_measures_nothing_takes_any_clock),
        TEST(the_line_names_the_policy_that_is_too_fast),
        TEST(what_can_not_be_checked_is_refused),
    };

    return cmocka_run_group_tests_name("chain clock", tests, NULL, NULL);
}
