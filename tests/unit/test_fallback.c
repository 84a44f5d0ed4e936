/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/resil.h>

#include "script.h"
#include "virtual_env.h"

struct fixture {
    struct script_log log;
    struct script_policy script;
    struct resil_fallback fallback;
    struct resil_policy policies[2];
    struct resil_chain chain;
    struct virtual_env env;
    struct resil_report report;
    enum resil_outcome primary, substitute;
    unsigned fallbacks;
    struct resil_attempt seen;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    virtual_env_init(&f->env, 1000);
    script_init(&f->script, &f->log, 1);
    f->substitute = RESIL_SUCCESS;
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

    if (attempt->kind != RESIL_ATTEMPT_FALLBACK)
        return f->primary;
    f->fallbacks++;
    f->seen = *attempt;
    return f->substitute;
}

static int run(struct fixture *f, const struct resil_fallback_config *config)
{
    assert_int_equal(resil_fallback_init(&f->fallback, config), RESIL_OK);
    f->policies[0] = resil_fallback_policy(&f->fallback);
    f->policies[1] = (struct resil_policy){&f->script.ops, &f->script};
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 2, NULL, 0), 0);
    return resil_chain_run(&f->chain, &f->env.env, NULL, callback, f, &f->report);
}

static void by_default_failures_and_refusals_are_replaced(void **state)
{
    static const enum resil_outcome replaced[] = {RESIL_FAILURE, RESIL_NOT_SENT,  RESIL_OVERLOAD,
                                                  RESIL_TIMEOUT, RESIL_PERMANENT, RESIL_REFUSED};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof replaced / sizeof *replaced; i++) {
        f->primary = replaced[i];
        assert_int_equal(run(f, NULL), RESIL_OK);
        assert_int_equal(f->fallbacks, i + 1);
        assert_int_equal(f->seen.reason, replaced[i]);
        assert_string_equal(f->report.decided_by, "fallback");
    }
}

static void by_default_other_results_pass(void **state)
{
    static const enum resil_outcome passed[] = {RESIL_SUCCESS, RESIL_CALLER, RESIL_LOCAL,
                                                RESIL_CANCELLED};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        f->primary = passed[i];
        (void)run(f, NULL);
        assert_int_equal(f->report.outcome, passed[i]);
    }
    assert_int_equal(f->fallbacks, 0);
}

static void chosen_outcomes_alone_are_replaced(void **state)
{
    struct fixture *f = *state;
    struct resil_fallback_config config = {.outcomes = RESIL_OUTCOME_BIT(RESIL_CALLER)};

    f->primary = RESIL_FAILURE;
    assert_int_equal(run(f, &config), RESIL_EFAILED);
    f->primary = RESIL_CALLER;
    assert_int_equal(run(f, &config), RESIL_OK);
    assert_int_equal(f->fallbacks, 1);
}

static void chosen_refusals_alone_are_replaced(void **state)
{
    struct fixture *f = *state;
    struct resil_fallback_config config = {.refusals = RESIL_REFUSAL_BIT(RESIL_EOPEN)};

    f->script.admit[0] = RESIL_EFULL;
    f->script.admit[1] = RESIL_EOPEN;
    assert_int_equal(run(f, &config), RESIL_EFULL);
    assert_int_equal(run(f, &config), RESIL_OK);
    assert_int_equal(f->fallbacks, 1);
    assert_int_equal(f->seen.reason_status, RESIL_EOPEN);
}

static void a_refusal_without_a_bit_is_replaced_only_if_all_are(void **state)
{
    struct fixture *f = *state;
    struct resil_fallback_config config = {.refusals = ~UINT64_C(1)};

    f->script.admit[0] = -170;
    f->script.admit[1] = -170;
    assert_int_equal(run(f, &config), -170);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_int_equal(f->seen.reason_status, -170);
}

static void the_last_bit_is_that_of_minus_163(void **state)
{
    struct fixture *f = *state;
    struct resil_fallback_config last = {.refusals = RESIL_REFUSAL_BIT(-163)};
    struct resil_fallback_config first = {.refusals = RESIL_REFUSAL_BIT(-100)};

    f->script.admit[0] = -163;
    f->script.admit[1] = -164;
    f->script.admit[2] = -164;
    assert_int_equal(run(f, &last), RESIL_OK);
    assert_int_equal(run(f, &last), -164);
    assert_int_equal(run(f, &first), -164);
}

static void an_error_of_a_policy_is_replaced_whatever_the_mask(void **state)
{
    struct fixture *f = *state;
    struct resil_fallback_config config = {.refusals = RESIL_REFUSAL_BIT(RESIL_EOPEN)};

    f->script.admit[0] = RESIL_ECOST;
    assert_int_equal(run(f, &config), RESIL_OK);
    assert_int_equal(f->seen.reason_status, RESIL_ECOST);
}

static void a_substitute_that_fails_is_the_result(void **state)
{
    struct fixture *f = *state;

    f->primary = RESIL_FAILURE;
    f->substitute = RESIL_PERMANENT;
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_PERMANENT);
    assert_int_equal(f->fallbacks, 1);
}

static void init_refuses_bad_masks(void **state)
{
    struct fixture *f = *state;
    char why[120] = "";
    struct resil_fallback_config config = {.outcomes = RESIL_OUTCOME_BIT(RESIL_SUCCESS)};

    assert_int_equal(resil_fallback_init(&f->fallback, &config), RESIL_EINVAL);
    assert_int_equal(resil_fallback_config_check(&config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "outcomes: must be bits of FAILURE to REFUSED (RESIL_OUTCOME_BIT)");
    config.outcomes = RESIL_OUTCOME_BIT(RESIL_OUTCOMES);
    assert_int_equal(resil_fallback_init(&f->fallback, &config), RESIL_EINVAL);
    config = (struct resil_fallback_config){.outcomes = RESIL_OUTCOME_BIT(RESIL_FAILURE),
                                            .refusals = RESIL_REFUSAL_BIT(RESIL_EOPEN)};
    assert_int_equal(resil_fallback_config_check(&config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "refusals: given, but outcomes leaves REFUSED out");
    assert_int_equal(resil_fallback_config_check(NULL, why, sizeof why), RESIL_OK);
}

static void init_refuses_null_and_other_sizes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_fallback_init(NULL, NULL), RESIL_EINVAL);
    assert_int_equal(
        resil_fallback_init_sized(&f->fallback, 4, NULL, sizeof(struct resil_fallback_config)),
        RESIL_EABI);
    assert_int_equal(resil_fallback_init_sized(&f->fallback, sizeof f->fallback, NULL, 4),
                     RESIL_EABI);
}

static void a_chain_refuses_one_that_is_not_initialised(void **state)
{
    struct fixture *f = *state;

    f->policies[0] = resil_fallback_policy(&f->fallback);
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 1, NULL, 0), RESIL_EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(by_default_failures_and_refusals_are_replaced),
        TEST(by_default_other_results_pass),
        TEST(chosen_outcomes_alone_are_replaced),
        TEST(chosen_refusals_alone_are_replaced),
        TEST(a_refusal_without_a_bit_is_replaced_only_if_all_are),
        TEST(the_last_bit_is_that_of_minus_163),
        TEST(an_error_of_a_policy_is_replaced_whatever_the_mask),
        TEST(a_substitute_that_fails_is_the_result),
        TEST(init_refuses_bad_masks),
        TEST(init_refuses_null_and_other_sizes),
        TEST(a_chain_refuses_one_that_is_not_initialised),
    };

    return cmocka_run_group_tests_name("fallback", tests, NULL, NULL);
}
