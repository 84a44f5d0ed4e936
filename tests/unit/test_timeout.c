/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/resil.h>

#include "script.h"
#include "virtual_env.h"

struct fixture {
    struct script_log log;
    struct script_policy script;
    struct resil_timeout outer, inner;
    struct resil_policy policies[4];
    struct resil_chain chain;
    struct virtual_env env;
    struct resil_report report;
    uint64_t takes_ns;
    uint64_t deadlines[4]; /* as the callback saw them */
    unsigned calls;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    virtual_env_init(&f->env, 1000);
    script_init(&f->script, &f->log, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static enum resil_outcome callback(void *arg, struct resil_attempt *attempt)
{
    struct fixture *f = arg;

    f->deadlines[f->calls++ % 4] = attempt->deadline_ns;
    f->env.now_ns += f->takes_ns;
    return RESIL_SUCCESS;
}

static int run(struct fixture *f, size_t count, const struct resil_request *request)
{
    assert_int_equal(resil_chain_init(&f->chain, f->policies, count, NULL, 0), 0);
    return resil_chain_run(&f->chain, &f->env.env, request, callback, f, &f->report);
}

static void init_takes_the_default_of_one_second(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_timeout_init(&f->outer, NULL), RESIL_OK);
    f->policies[0] = resil_timeout_policy(&f->outer);
    assert_int_equal(run(f, 1, NULL), RESIL_OK);
    assert_int_equal(f->deadlines[0], 1000 + RESIL_SEC(1));
}

static void init_refuses_null_a_bad_value_and_other_sizes(void **state)
{
    struct fixture *f = *state;
    struct resil_timeout_config config = {.timeout_ns = RESIL_SEC(86400) + 1};

    assert_int_equal(resil_timeout_init(NULL, NULL), RESIL_EINVAL);
    assert_int_equal(resil_timeout_init(&f->outer, &config), RESIL_EINVAL);
    assert_int_equal(resil_timeout_init_sized(&f->outer, 4, NULL, sizeof config), RESIL_EABI);
    assert_int_equal(resil_timeout_init_sized(&f->outer, sizeof f->outer, NULL, 4), RESIL_EABI);
}

static void config_check_names_the_field(void **state)
{
    struct resil_timeout_config config = {.timeout_ns = RESIL_OFF};
    char why[120] = "";

    (void)state;
    assert_int_equal(resil_timeout_config_check(&config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "timeout_ns is RESIL_OFF: must be 1 to 86400000000000 (0 = default)");
    config.timeout_ns = RESIL_SEC(86400);
    assert_int_equal(resil_timeout_config_check(&config, why, sizeof why), RESIL_OK);
    assert_int_equal(resil_timeout_config_check(NULL, why, sizeof why), RESIL_OK);
}

static void a_chain_refuses_one_that_is_not_initialised(void **state)
{
    struct fixture *f = *state;

    f->policies[0] = resil_timeout_policy(&f->outer);
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 1, NULL, 0), RESIL_EINVAL);
    f->policies[0] = resil_timeout_policy(NULL);
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 1, NULL, 0), RESIL_EINVAL);
}

static void the_nearer_deadline_counts(void **state)
{
    struct fixture *f = *state;

    (void)resil_timeout_init(&f->outer, &(struct resil_timeout_config){.timeout_ns = 500});
    f->policies[0] = resil_timeout_policy(&f->outer);
    (void)run(f, 1, &(struct resil_request){.deadline_ns = 1200});
    assert_int_equal(f->deadlines[0], 1200);
    (void)run(f, 1, &(struct resil_request){.deadline_ns = 9000});
    assert_int_equal(f->deadlines[1], 1500);
}

static void a_late_result_is_a_timeout_that_the_policy_decided(void **state)
{
    struct fixture *f = *state;

    (void)resil_timeout_init(&f->outer, &(struct resil_timeout_config){.timeout_ns = 500});
    f->policies[0] = resil_timeout_policy(&f->outer);
    f->policies[1] = (struct resil_policy){&f->script.ops, &f->script};
    f->takes_ns = 500;
    assert_int_equal(run(f, 2, NULL), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
    assert_true(f->report.late_success);
    assert_string_equal(f->report.decided_by, "timeout");
    assert_int_equal(f->script.settled, RESIL_TIMEOUT);
}

static void the_requests_own_deadline_is_not_the_policys_decision(void **state)
{
    struct fixture *f = *state;

    (void)resil_timeout_init(&f->outer, &(struct resil_timeout_config){.timeout_ns = 500});
    f->policies[0] = resil_timeout_policy(&f->outer);
    f->takes_ns = 300;
    assert_int_equal(run(f, 1, &(struct resil_request){.deadline_ns = 1200}), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
    assert_null(f->report.decided_by);
}

static void inside_of_a_retry_each_attempt_has_its_own_time(void **state)
{
    struct fixture *f = *state;

    (void)resil_timeout_init(&f->inner, &(struct resil_timeout_config){.timeout_ns = 100});
    f->script.settle[0] = RESIL_AGAIN;
    f->script.wait_ns = 50;
    f->policies[0] = (struct resil_policy){&f->script.ops, &f->script};
    f->policies[1] = resil_timeout_policy(&f->inner);
    f->takes_ns = 100;
    assert_int_equal(run(f, 2, NULL), RESIL_EFAILED);
    assert_int_equal(f->calls, 2);
    assert_int_equal(f->deadlines[0], 1100);
    assert_int_equal(f->deadlines[1], 1250);
}

static void around_a_retry_it_bounds_the_backoff(void **state)
{
    struct fixture *f = *state;

    (void)resil_timeout_init(&f->outer, &(struct resil_timeout_config){.timeout_ns = 100});
    f->script.settle[0] = RESIL_AGAIN;
    f->script.wait_ns = 500;
    f->policies[0] = resil_timeout_policy(&f->outer);
    f->policies[1] = (struct resil_policy){&f->script.ops, &f->script};
    assert_int_equal(run(f, 2, NULL), RESIL_OK);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->env.last_wait_ns, 1100);
    assert_int_equal(f->script.abandons, 1);
}

static void nested_timeouts_put_the_deadline_back(void **state)
{
    struct fixture *f = *state;

    (void)resil_timeout_init(&f->outer, &(struct resil_timeout_config){.timeout_ns = 1000});
    (void)resil_timeout_init(&f->inner, &(struct resil_timeout_config){.timeout_ns = 100});
    f->script.settle[0] = RESIL_AGAIN;
    f->policies[0] = resil_timeout_policy(&f->outer);
    f->policies[1] = (struct resil_policy){&f->script.ops, &f->script};
    f->policies[2] = resil_timeout_policy(&f->inner);
    f->takes_ns = 60;
    assert_int_equal(run(f, 3, NULL), RESIL_OK);
    assert_int_equal(f->deadlines[0], 1100);
    assert_int_equal(f->deadlines[1], 1160);
}

static void reconfigure_acts_on_those_who_enter_later(void **state)
{
    struct fixture *f = *state;

    (void)resil_timeout_init(&f->outer, NULL);
    f->policies[0] = resil_timeout_policy(&f->outer);
    assert_int_equal(
        resil_timeout_reconfigure(&f->outer, &(struct resil_timeout_config){.timeout_ns = 70}),
        RESIL_OK);
    (void)run(f, 1, NULL);
    assert_int_equal(f->deadlines[0], 1070);
    assert_int_equal(resil_timeout_reconfigure(&f->outer, NULL), RESIL_EINVAL);
    assert_int_equal(resil_timeout_reconfigure(
                         &f->outer, &(struct resil_timeout_config){.timeout_ns = RESIL_OFF}),
                     RESIL_EINVAL);
}

static void an_event_loop_is_woken_at_the_timeout(void **state)
{
    struct fixture *f = *state;
    struct resil_call call;
    struct resil_step step;

    (void)resil_timeout_init(&f->outer, &(struct resil_timeout_config){.timeout_ns = 500});
    f->policies[0] = resil_timeout_policy(&f->outer);
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 1, NULL, 0), 0);
    assert_int_equal(resil_call_begin(&call, &f->chain, NULL, 1000, 1), 0);
    assert_int_equal(resil_call_step(&call, 1000, &step), RESIL_STEP_CALL);
    assert_int_equal(resil_call_step(&call, 1000, &step), RESIL_STEP_WAIT);
    assert_int_equal(step.wake_ns, 1500);
    assert_int_equal(resil_call_step(&call, 1500, &step), RESIL_STEP_ABORT);
    assert_int_equal(resil_call_step(&call, 1500, &step), RESIL_STEP_DONE);
    assert_int_equal(resil_call_fini(&call, &f->report), RESIL_EFAILED);
    assert_string_equal(f->report.decided_by, "timeout");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(init_takes_the_default_of_one_second),
        TEST(init_refuses_null_a_bad_value_and_other_sizes),
        TEST(config_check_names_the_field),
        TEST(a_chain_refuses_one_that_is_not_initialised),
        TEST(the_nearer_deadline_counts),
        TEST(a_late_result_is_a_timeout_that_the_policy_decided),
        TEST(the_requests_own_deadline_is_not_the_policys_decision),
        TEST(inside_of_a_retry_each_attempt_has_its_own_time),
        TEST(around_a_retry_it_bounds_the_backoff),
        TEST(nested_timeouts_put_the_deadline_back),
        TEST(reconfigure_acts_on_those_who_enter_later),
        TEST(an_event_loop_is_woken_at_the_timeout),
    };

    return cmocka_run_group_tests_name("timeout", tests, NULL, NULL);
}
