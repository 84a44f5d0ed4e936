/* SPDX-License-Identifier: BSD-2-Clause */

/* Each way in which a chain says no, by the policy that says it: the code that the caller gets, and
   that nothing ran; then that the same call passes once the reason is gone. */
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
    struct resil_bulkhead bulkhead;
    struct resil_budget budget;
    struct resil_retry retry;
    enum resil_outcome outcome;
    unsigned calls;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    virtual_env_init(&f->env, RESIL_SEC(1000));
    f->outcome = RESIL_SUCCESS;
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
    f->calls++;
    return f->outcome;
}

static int run(struct fixture *f)
{
    f->calls = 0;
    return resil_chain_run(&f->chain, &f->env.env, &f->request, callback, f, &f->report);
}

static void assert_refused(struct fixture *f, int status, const char *by)
{
    assert_int_equal(run(f), status);
    assert_int_equal(f->report.status, status);
    assert_int_equal(f->report.outcome, RESIL_REFUSED);
    assert_int_equal(f->report.attempts, 0);
    assert_int_equal(f->calls, 0);
    if (by != NULL)
        assert_string_equal(f->report.decided_by, by);
    else
        assert_null(f->report.decided_by);
}

static void assert_passes(struct fixture *f)
{
    assert_int_equal(run(f), RESIL_OK);
    assert_int_equal(f->calls, 1);
}

static void eopen_while_the_breaker_is_open(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_breaker_init(&f->breaker, NULL), RESIL_OK);
    build(f, resil_breaker_policy(&f->breaker));
    assert_int_equal(resil_breaker_force(&f->breaker, RESIL_BREAKER_MODE_FORCED_OPEN, 0), 0);
    assert_refused(f, RESIL_EOPEN, "breaker");
    assert_int_equal(resil_breaker_reset(&f->breaker), RESIL_OK);
    assert_passes(f);
}

static void elimited_while_the_rate_is_reached(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        resil_limiter_init(&f->limiter, &(struct resil_limiter_config){.tokens = 1, .burst = 1}),
        RESIL_OK);
    build(f, resil_limiter_policy(&f->limiter));
    assert_passes(f);
    assert_refused(f, RESIL_ELIMITED, "limiter");
    assert_int_equal(f->report.retry_at_ns, f->env.now_ns + RESIL_SEC(1));
    f->env.now_ns += RESIL_SEC(1);
    assert_passes(f);
}

static void ecost_for_a_cost_that_can_never_pass(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        resil_limiter_init(&f->limiter, &(struct resil_limiter_config){.tokens = 1, .burst = 2}),
        RESIL_OK);
    build(f, resil_limiter_policy(&f->limiter));
    f->request.cost = 3;
    assert_refused(f, RESIL_ECOST, "limiter");
    assert_false(resil_status_is_refusal(RESIL_ECOST));
    f->request.cost = 2;
    assert_passes(f);
}

static void efull_while_the_bulkhead_is_full(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_bulkhead_init(&f->bulkhead, &(struct resil_bulkhead_config){.limit = 1}),
                     RESIL_OK);
    build(f, resil_bulkhead_policy(&f->bulkhead));
    assert_int_equal(resil_bulkhead_acquire(&f->bulkhead), RESIL_OK);
    assert_refused(f, RESIL_EFULL, "bulkhead");
    assert_int_equal(resil_bulkhead_release(&f->bulkhead), RESIL_OK);
    assert_passes(f);
}

static void edeadline_when_no_time_is_left(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_bulkhead_init(&f->bulkhead, NULL), RESIL_OK);
    build(f, resil_bulkhead_policy(&f->bulkhead));
    f->request.deadline_ns = f->env.now_ns;
    assert_refused(f, RESIL_EDEADLINE, NULL);
    f->request.deadline_ns = f->env.now_ns + 1;
    assert_passes(f);
}

/* Of a retry the status is why it stopped: the call itself ran, and failed. */
static void assert_stopped(struct fixture *f, const struct resil_retry_config *config, int why,
                           unsigned attempts)
{
    assert_int_equal(resil_retry_init(&f->retry, config), RESIL_OK);
    build(f, resil_retry_policy(&f->retry));
    f->outcome = RESIL_NOT_SENT;
    assert_int_equal(run(f), RESIL_EFAILED);
    assert_int_equal(f->report.stopped, why);
    assert_int_equal(f->report.attempts, attempts);
    assert_string_equal(f->report.decided_by, "retry");
    f->outcome = RESIL_SUCCESS;
    assert_passes(f);
    assert_int_equal(f->report.stopped, 0);
}

static void eexhausted_when_all_attempts_are_used_up(void **state)
{
    assert_stopped(*state, &(struct resil_retry_config){.attempts = 2}, RESIL_EEXHAUSTED, 2);
}

static void edeadline_stops_a_retry_that_would_reach_it(void **state)
{
    struct fixture *f = *state;

    f->request.deadline_ns = f->env.now_ns + RESIL_MS(10);
    assert_stopped(f,
                   &(struct resil_retry_config){
                       .backoff = {.jitter = RESIL_JITTER_NONE, .base_ns = RESIL_MS(10)}},
                   RESIL_EDEADLINE, 1);
}

static void ebudget_when_the_budget_is_empty(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_budget_init(&f->budget, &(struct resil_budget_config){.cap = 1}), 0);
    assert_int_equal(resil_budget_withdraw(&f->budget, 1, f->env.now_ns), RESIL_OK);
    assert_stopped(f, &(struct resil_retry_config){.budget = &f->budget}, RESIL_EBUDGET, 1);
}

static void ecancelled_after_a_cancel(void **state)
{
    struct fixture *f = *state;
    struct resil_call call;
    struct resil_step step;

    assert_int_equal(resil_bulkhead_init(&f->bulkhead, NULL), RESIL_OK);
    build(f, resil_bulkhead_policy(&f->bulkhead));
    assert_int_equal(resil_call_begin(&call, &f->chain, NULL, f->env.now_ns, 1), RESIL_OK);
    assert_int_equal(resil_call_cancel(&call, f->env.now_ns), RESIL_OK);
    assert_int_equal(resil_call_step(&call, f->env.now_ns, &step), RESIL_STEP_DONE);
    assert_int_equal(resil_call_fini(&call, &f->report), RESIL_ECANCELLED);
    assert_int_equal(f->report.outcome, RESIL_CANCELLED);
    assert_passes(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(eopen_while_the_breaker_is_open),
        TEST(elimited_while_the_rate_is_reached),
        TEST(ecost_for_a_cost_that_can_never_pass),
        TEST(efull_while_the_bulkhead_is_full),
        TEST(edeadline_when_no_time_is_left),
        TEST(eexhausted_when_all_attempts_are_used_up),
        TEST(edeadline_stops_a_retry_that_would_reach_it),
        TEST(ebudget_when_the_budget_is_empty),
        TEST(ecancelled_after_a_cancel),
    };

    return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
