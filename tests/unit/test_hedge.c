/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/resil.h>

#include "script.h"
#include "virtual_env.h"

struct fixture {
    struct script_log log;
    struct script_policy script;
    struct resil_budget budget;
    struct resil_hedge hedge;
    struct resil_policy policies[2];
    struct resil_chain chain;
    struct resil_call call;
    struct resil_step step;
    struct resil_report report;
    struct resil_request request;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    script_init(&f->script, &f->log, 1);
    assert_int_equal(resil_budget_init(&f->budget, NULL), RESIL_OK);
    f->request.idempotent = true;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void begin(struct fixture *f, uint64_t hedges, uint64_t now_ns)
{
    struct resil_hedge_config config = {.delay_ns = 100, .hedges = hedges, .budget = &f->budget};

    assert_int_equal(resil_hedge_init(&f->hedge, &config), RESIL_OK);
    f->policies[0] = resil_hedge_policy(&f->hedge);
    f->policies[1] = (struct resil_policy){&f->script.ops, &f->script};
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 2, NULL, 0), 0);
    assert_int_equal(resil_call_begin(&f->call, &f->chain, &f->request, now_ns, 7), 0);
    assert_int_equal(resil_call_step(&f->call, now_ns, &f->step), RESIL_STEP_CALL);
}

static enum resil_step_kind step_at(struct fixture *f, uint64_t now_ns)
{
    return resil_call_step(&f->call, now_ns, &f->step);
}

static uint64_t balance(struct fixture *f, uint64_t now_ns)
{
    struct resil_budget_snapshot snapshot;

    assert_int_equal(resil_budget_snapshot(&f->budget, now_ns, &snapshot), RESIL_OK);
    return snapshot.balance_pct / 100;
}

static void a_hedge_starts_after_the_delay_and_takes_a_token(void **state)
{
    struct fixture *f = *state;
    uint64_t before;

    begin(f, 1, 1000);
    before = balance(f, 1000);
    assert_int_equal(step_at(f, 1099), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1100);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_CALL);
    assert_int_equal(f->step.attempt->kind, RESIL_ATTEMPT_HEDGE);
    assert_int_equal(balance(f, 1100), before - 1);
    assert_int_equal(step_at(f, 1300), RESIL_STEP_WAIT);
    assert_true(f->step.wake_ns == RESIL_NEVER);
}

static void two_hedges_start_one_delay_apart(void **state)
{
    struct fixture *f = *state;

    begin(f, 2, 1000);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1150), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1200);
    assert_int_equal(step_at(f, 1200), RESIL_STEP_CALL);
    assert_int_equal(f->step.attempt->number, 3);
    assert_int_equal(step_at(f, 1400), RESIL_STEP_WAIT);
}

static void a_request_that_must_not_run_twice_is_not_hedged(void **state)
{
    struct fixture *f = *state;

    f->request.idempotent = false;
    begin(f, 1, 1000);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_WAIT);
    assert_true(f->step.wake_ns == RESIL_NEVER);
    (void)resil_call_report(&f->call, f->call.lane_.walk.attempt.id,
                            &(struct resil_result){.outcome = RESIL_SUCCESS});
    assert_int_equal(step_at(f, 2000), RESIL_STEP_DONE);
    assert_int_equal(resil_call_fini(&f->call, NULL), RESIL_OK);
}

static void an_empty_budget_hedges_nothing(void **state)
{
    struct fixture *f = *state;

    while (resil_budget_withdraw(&f->budget, 1, 1000) == RESIL_OK)
        continue;
    begin(f, 1, 1000);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_WAIT);
    assert_true(f->step.wake_ns == RESIL_NEVER);
}

static void a_success_earns_its_share(void **state)
{
    struct fixture *f = *state;
    struct resil_budget_snapshot before, after;

    assert_int_equal(resil_budget_withdraw(&f->budget, 1, 1000), RESIL_OK);
    assert_int_equal(resil_budget_withdraw(&f->budget, 1, 1000), RESIL_OK);
    begin(f, 1, 1000);
    (void)resil_budget_snapshot(&f->budget, 1000, &before);
    (void)resil_call_report(&f->call, f->call.lane_.walk.attempt.id,
                            &(struct resil_result){.outcome = RESIL_SUCCESS});
    assert_int_equal(step_at(f, 1000), RESIL_STEP_DONE);
    (void)resil_budget_snapshot(&f->budget, 1000, &after);
    assert_int_equal(after.balance_pct, before.balance_pct + 10);
}

/* The header says so: two policies that share a budget each count the success. */
static void a_retry_over_the_same_budget_earns_a_second_share(void **state)
{
    struct fixture *f = *state;
    struct resil_budget_snapshot before, after;
    struct resil_retry retry;

    assert_int_equal(resil_retry_init(&retry, &(struct resil_retry_config){.budget = &f->budget}),
                     RESIL_OK);
    assert_int_equal(resil_budget_withdraw(&f->budget, 1, 1000), RESIL_OK);
    begin(f, 1, 1000);
    (void)resil_call_cancel(&f->call, 1000);
    f->policies[1] = f->policies[0];
    f->policies[0] = resil_retry_policy(&retry);
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 2, NULL, 0), 0);
    assert_int_equal(resil_call_begin(&f->call, &f->chain, &f->request, 1000, 7), 0);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_CALL);
    (void)resil_budget_snapshot(&f->budget, 1000, &before);
    (void)resil_call_report(&f->call, f->step.attempt->id,
                            &(struct resil_result){.outcome = RESIL_SUCCESS});
    assert_int_equal(step_at(f, 1000), RESIL_STEP_DONE);
    (void)resil_budget_snapshot(&f->budget, 1000, &after);
    assert_int_equal(after.balance_pct, before.balance_pct + 20);
}

static void the_hedge_that_wins_gives_back_what_the_other_held(void **state)
{
    struct fixture *f = *state;
    uint64_t first, second;

    begin(f, 1, 1000);
    first = f->step.attempt->id;
    (void)step_at(f, 1100);
    second = f->step.attempt->id;
    (void)resil_call_report(&f->call, second, &(struct resil_result){.outcome = RESIL_SUCCESS});
    assert_int_equal(step_at(f, 1150), RESIL_STEP_ABORT);
    assert_int_equal(f->step.attempt->id, first);
    assert_int_equal(step_at(f, 1150), RESIL_STEP_DONE);
    assert_int_equal(f->script.held, 0);
    assert_int_equal(f->script.abandoned, RESIL_CANCELLED);
    assert_int_equal(resil_call_fini(&f->call, &f->report), RESIL_OK);
    assert_int_equal(f->report.attempts, 2);
}

static enum resil_outcome slow(void *arg, struct resil_attempt *attempt)
{
    (void)attempt;
    ((struct virtual_env *)arg)->now_ns += 1000;
    return RESIL_SUCCESS;
}

static void in_blocking_code_a_hedge_does_nothing(void **state)
{
    struct fixture *f = *state;
    struct virtual_env env;

    virtual_env_init(&env, 1000);
    begin(f, 1, 1000);
    (void)resil_call_cancel(&f->call, 1000);
    f->log.used = 0;
    f->log.text[0] = 0;
    assert_int_equal(resil_chain_run(&f->chain, &env.env, &f->request, slow, &env, &f->report),
                     RESIL_OK);
    assert_string_equal(f->log.text, "admit1 settle1");
    assert_int_equal(f->report.attempts, 1);
}

static void init_names_what_is_wrong(void **state)
{
    struct fixture *f = *state;
    char why[120] = "";
    struct resil_hedge_config config = {.budget = &f->budget};

    assert_int_equal(resil_hedge_init(&f->hedge, &config), RESIL_EINVAL);
    assert_int_equal(resil_hedge_config_check(&config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "delay_ns is 0: must be 1 to 3600000000000");
    config.delay_ns = 1;
    config.hedges = 3;
    assert_int_equal(resil_hedge_config_check(&config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "hedges is 3: must be 1 to 2 (0 = default)");
    config.hedges = 2;
    config.budget = NULL;
    assert_int_equal(resil_hedge_config_check(&config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "budget: is NULL: a hedge takes from a budget");
    assert_int_equal(resil_hedge_config_check(NULL, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "config: is NULL, and delay_ns has no default");
}

static void init_refuses_null_and_other_sizes(void **state)
{
    struct fixture *f = *state;
    struct resil_hedge_config config = {.delay_ns = 1, .budget = &f->budget};

    assert_int_equal(resil_hedge_init(NULL, &config), RESIL_EINVAL);
    assert_int_equal(resil_hedge_init(&f->hedge, NULL), RESIL_EINVAL);
    assert_int_equal(resil_hedge_init_sized(&f->hedge, 4, &config, sizeof config), RESIL_EABI);
    assert_int_equal(resil_hedge_init_sized(&f->hedge, sizeof f->hedge, &config, 4), RESIL_EABI);
}

static void a_chain_refuses_one_that_is_not_initialised(void **state)
{
    struct fixture *f = *state;

    f->policies[0] = resil_hedge_policy(&f->hedge);
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 1, NULL, 0), RESIL_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hedge_starts_after_the_delay_and_takes_a_token),
        TEST(two_hedges_start_one_delay_apart),
        TEST(a_request_that_must_not_run_twice_is_not_hedged),
        TEST(an_empty_budget_hedges_nothing),
        TEST(a_success_earns_its_share),
        TEST(a_retry_over_the_same_budget_earns_a_second_share),
        TEST(the_hedge_that_wins_gives_back_what_the_other_held),
        TEST(in_blocking_code_a_hedge_does_nothing),
        TEST(init_names_what_is_wrong),
        TEST(init_refuses_null_and_other_sizes),
        TEST(a_chain_refuses_one_that_is_not_initialised),
    };

    return cmocka_run_group_tests_name("hedge", tests, NULL, NULL);
}
