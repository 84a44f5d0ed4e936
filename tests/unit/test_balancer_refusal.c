/* SPDX-License-Identifier: BSD-2-Clause */

/* The balancer in a chain when nobody can be picked, and what its policy does by time. */
#include "balancer_chain.h"

static void nobody_to_ask_is_the_status_of_the_call(void **state)
{
    struct chain_rig *rig = chain_new();

    (void)state;
    chain_start(rig, 0, 0, 1);
    assert_int_equal(chain_run(rig), RESIL_EUNAVAILABLE);
    assert_int_equal(rig->calls, 0);
    assert_int_equal(rig->report.status, RESIL_EUNAVAILABLE);
    assert_int_equal(rig->report.outcome, RESIL_REFUSED);
    assert_int_equal(rig->report.attempts, 0);
    assert_string_equal(rig->report.decided_by, "balancer");
    assert_true(resil_status_is_refusal(RESIL_EUNAVAILABLE));
    chain_end(rig);
}

static void a_retry_hands_it_on(void **state)
{
    static struct resil_retry retry;
    struct chain_rig *rig = chain_new();

    (void)state;
    assert_int_equal(resil_retry_init(&retry, NULL), RESIL_OK);
    rig->policies[0] = resil_retry_policy(&retry);
    chain_start(rig, 0, 1, 2);
    assert_int_equal(chain_run(rig), RESIL_EUNAVAILABLE);
    assert_int_equal(rig->env.waits, 0);
    assert_string_equal(rig->report.decided_by, "balancer");
    assert_int_equal(rig->report.decided_level, 1);
    chain_end(rig);
}

static void list_comes(struct virtual_env *env, uint32_t *word)
{
    struct chain_rig *rig = env->user;

    (void)word;
    fixture_update(rig->hosts, 2);
}

static void a_retry_that_is_told_to_waits_for_a_list(void **state)
{
    static struct resil_retry retry;
    struct chain_rig *rig = chain_new();

    (void)state;
    assert_int_equal(
        resil_retry_init(
            &retry, &(struct resil_retry_config){.retry_mask = RESIL_OUTCOME_BIT(RESIL_REFUSED)}),
        RESIL_OK);
    rig->policies[0] = resil_retry_policy(&retry);
    rig->env.during_wait = list_comes;
    rig->env.user = rig;
    chain_start(rig, 0, 1, 2);
    assert_int_equal(chain_run(rig), RESIL_OK);
    assert_int_equal(rig->calls, 1);
    assert_int_equal(rig->env.waits, 1);
    chain_told(rig, 1, 0);
    chain_end(rig);
}

struct substitute {
    void *endpoint;
    int reason_status;
};

static enum resil_outcome answer(void *arg, struct resil_attempt *attempt)
{
    struct substitute *substitute = arg;

    if (attempt->kind != RESIL_ATTEMPT_FALLBACK)
        return RESIL_FAILURE;
    substitute->endpoint = attempt->endpoint;
    substitute->reason_status = attempt->reason_status;
    return RESIL_SUCCESS;
}

/* Whether nobody was there or somebody failed: the substitute has no endpoint. */
static void a_fallback_stands_in_and_has_no_endpoint(void **state)
{
    static struct resil_fallback fallback;

    (void)state;
    assert_int_equal(resil_fallback_init(&fallback, NULL), RESIL_OK);
    for (size_t hosts = 0; hosts < 2; hosts++) {
        struct chain_rig *rig = chain_new();
        struct substitute substitute = {.endpoint = rig};

        rig->policies[0] = resil_fallback_policy(&fallback);
        chain_start(rig, hosts, 1, 2);
        assert_int_equal(
            resil_chain_run(&rig->chain, &rig->env.env, NULL, answer, &substitute, NULL), RESIL_OK);
        assert_null(substitute.endpoint);
        assert_int_equal(substitute.reason_status, hosts == 0 ? RESIL_EUNAVAILABLE : RESIL_EFAILED);
        chain_told(rig, hosts, hosts);
        chain_end(rig);
    }
}

static enum resil_endpoint_state state_of(struct chain_rig *rig, size_t index)
{
    return fixture_endpoint(rig->hosts, index).state;
}

/* Two hosts of which the first fails: nobody but the policy ticks. */
static struct chain_rig *failing(void)
{
    struct chain_rig *rig = chain_new();

    rig->hosts->config.outlier = (struct resil_outlier_config){
        .consecutive = 3,
        .interval_ns = RESIL_SEC(10),
        .eject_ns = RESIL_SEC(30),
        .jitter_pct = RESIL_OFF,
    };
    rig->hosts->config.picker = resil_picker_round_robin();
    chain_start(rig, 2, 0, 1);
    for (unsigned i = 0; i < 6; i++) {
        struct resil_pick pick = fixture_pick(rig->hosts, NULL);

        assert_int_equal(state_of(rig, 0), RESIL_ENDPOINT_UP);
        fixture_report(rig->hosts, &pick,
                       pick.user == &rig->hosts->endpoints[0] ? RESIL_FAILURE : RESIL_SUCCESS);
    }
    return rig;
}

static void an_ejection_comes_with_the_next_call(void **state)
{
    struct chain_rig *rig = failing();

    (void)state;
    assert_int_equal(state_of(rig, 0), RESIL_ENDPOINT_UP);
    assert_int_equal(chain_run(rig), RESIL_OK);
    assert_int_equal(state_of(rig, 0), RESIL_ENDPOINT_EJECTED);
    /* The very call that ticks goes to the other one already. */
    assert_ptr_equal(rig->went[0], &rig->hosts->endpoints[1]);
    chain_end(rig);
}

static void the_end_of_an_ejection_comes_with_a_call(void **state)
{
    struct chain_rig *rig = failing();
    bool back = false;

    (void)state;
    assert_int_equal(chain_run(rig), RESIL_OK);
    rig->env.now_ns += RESIL_SEC(30) - 1;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(chain_run(rig), RESIL_OK);
        assert_ptr_equal(rig->went[0], &rig->hosts->endpoints[1]);
    }
    rig->env.now_ns += RESIL_MS(1); /* ticks are so far apart */
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(chain_run(rig), RESIL_OK);
        back = back || rig->went[0] == &rig->hosts->endpoints[0];
    }
    assert_true(back);
    assert_int_equal(state_of(rig, 0), RESIL_ENDPOINT_UP);
    chain_end(rig);
}

/* Its events and those of the clock: an active check's verdict takes effect with the next call. */
static void an_active_check_is_heard_with_the_next_call(void **state)
{
    struct chain_rig *rig = chain_new();
    uint64_t id;

    (void)state;
    rig->hosts->config.picker = resil_picker_round_robin();
    chain_start(rig, 3, 0, 1);
    assert_int_equal(chain_run(rig), RESIL_OK);
    id = fixture_endpoint(rig->hosts, 1).id;
    assert_int_equal(resil_balancer_health(&rig->hosts->lb, id, false, rig->env.now_ns), RESIL_OK);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(chain_run(rig), RESIL_OK);
        assert_ptr_not_equal(rig->went[0], &rig->hosts->endpoints[1]);
    }
    chain_end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_to_ask_is_the_status_of_the_call),
        cmocka_unit_test(a_retry_hands_it_on),
        cmocka_unit_test(a_retry_that_is_told_to_waits_for_a_list),
        cmocka_unit_test(a_fallback_stands_in_and_has_no_endpoint),
        cmocka_unit_test(an_ejection_comes_with_the_next_call),
        cmocka_unit_test(the_end_of_an_ejection_comes_with_a_call),
        cmocka_unit_test(an_active_check_is_heard_with_the_next_call),
    };

    return cmocka_run_group_tests_name("balancer refusals", tests, NULL, NULL);
}
