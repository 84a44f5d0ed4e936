/* SPDX-License-Identifier: BSD-2-Clause */

/* The balancer in a chain that is stepped: cancelled calls, deadlines, lists that change
   meanwhile. */
#include "balancer_chain.h"

/* A policy that looks where the call is said to go while it is settled or torn down. */
struct witness {
    struct resil_policy_ops ops;
    void *endpoint;
    unsigned asked;
};

static int look(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct witness *witness = self;

    (void)frame;
    witness->endpoint = walk->attempt.endpoint;
    witness->asked++;
    return RESIL_PASS;
}

static struct resil_policy witness_policy(struct witness *witness)
{
    *witness = (struct witness){
        .ops = {.size = sizeof witness->ops,
                .name = "witness",
                .flags = RESIL_ON_ALL,
                .settle = look,
                .abandon = look},
        .endpoint = witness,
    };
    return (struct resil_policy){&witness->ops, witness};
}

static void a_cancelled_call_gives_its_endpoint_back(void **state)
{
    struct chain_rig *rig = chain_new();

    (void)state;
    chain_start(rig, 2, 0, 1);
    chain_begin(rig);
    assert_int_equal(chain_step(rig, 0), RESIL_STEP_CALL);
    assert_int_equal(fixture_snapshot(rig->hosts).in_flight, 1);
    assert_int_equal(resil_call_cancel(&rig->call, rig->hosts->now_ns), RESIL_OK);
    assert_int_equal(chain_step(rig, 1), RESIL_STEP_ABORT);
    assert_int_equal(chain_step(rig, 1), RESIL_STEP_DONE);
    assert_int_equal(chain_fini(rig), RESIL_ECANCELLED);
    chain_told(rig, 0, 0);
    chain_end(rig);
}

/* The timeout stands inside of the balancer or outside of it: the endpoint is told the same. */
static void no_answer_by_the_deadline_is_bad(void **state)
{
    static struct resil_timeout timeout;

    (void)state;
    assert_int_equal(
        resil_timeout_init(&timeout, &(struct resil_timeout_config){.timeout_ns = RESIL_MS(10)}),
        RESIL_OK);
    for (size_t level = 0; level < 2; level++) {
        struct chain_rig *rig = chain_new();

        rig->hosts->config.picker = resil_picker_peak_ewma();
        rig->hosts->config.options.first_ns = RESIL_MS(1);
        rig->policies[1 - level] = resil_timeout_policy(&timeout);
        chain_start(rig, 1, level, 2);
        chain_begin(rig);
        assert_int_equal(chain_step(rig, 0), RESIL_STEP_CALL);
        assert_int_equal(chain_step(rig, RESIL_MS(10)), RESIL_STEP_ABORT);
        assert_int_equal(chain_step(rig, 0), RESIL_STEP_DONE);
        assert_int_equal(chain_fini(rig), RESIL_EFAILED);
        assert_int_equal(rig->report.outcome, RESIL_TIMEOUT);
        chain_told(rig, 1, 1);
        assert_true(fixture_endpoint(rig->hosts, 0).latency_ns > RESIL_MS(9));
        chain_end(rig);
    }
}

/* retry > witness > balancer: between two attempts no endpoint is named, and none is held. */
static void between_attempts_no_endpoint_is_held(void **state)
{
    static struct resil_retry retry;
    struct chain_rig *rig = chain_new();
    struct witness witness;

    (void)state;
    assert_int_equal(resil_retry_init(&retry, NULL), RESIL_OK);
    rig->policies[0] = resil_retry_policy(&retry);
    rig->policies[1] = witness_policy(&witness);
    chain_start(rig, 2, 2, 3);
    chain_begin(rig);
    assert_int_equal(chain_step(rig, 0), RESIL_STEP_CALL);
    assert_int_equal(chain_report(rig, rig->step.attempt->id, RESIL_NOT_SENT), RESIL_OK);
    assert_int_equal(chain_step(rig, 1), RESIL_STEP_WAIT);
    assert_int_equal(witness.asked, 1);
    assert_null(witness.endpoint);
    assert_int_equal(fixture_snapshot(rig->hosts).in_flight, 0);
    assert_int_equal(resil_call_cancel(&rig->call, rig->hosts->now_ns), RESIL_OK);
    assert_int_equal(chain_step(rig, 1), RESIL_STEP_DONE);
    chain_told(rig, 1, 1);
    chain_end(rig);
}

/* witness > balancer, torn down while it runs. */
static void a_torn_down_attempt_names_no_endpoint_any_more(void **state)
{
    struct chain_rig *rig = chain_new();
    struct witness witness;

    (void)state;
    rig->policies[0] = witness_policy(&witness);
    chain_start(rig, 2, 1, 2);
    chain_begin(rig);
    assert_int_equal(chain_step(rig, 0), RESIL_STEP_CALL);
    assert_int_equal(resil_call_cancel(&rig->call, rig->hosts->now_ns), RESIL_OK);
    assert_int_equal(chain_step(rig, 1), RESIL_STEP_ABORT);
    assert_int_equal(witness.asked, 1);
    assert_null(witness.endpoint);
    chain_end(rig);
}

static void an_endpoint_that_leaves_the_list_stays_for_the_attempt(void **state)
{
    struct chain_rig *rig = chain_new();
    const struct resil_pick *pick;

    (void)state;
    chain_start(rig, 1, 0, 1);
    chain_begin(rig);
    assert_int_equal(chain_step(rig, 0), RESIL_STEP_CALL);
    pick = rig->step.attempt->endpoint;
    assert_int_equal(
        resil_balancer_update(&rig->hosts->lb, &rig->hosts->endpoints[1], 1, rig->hosts->now_ns),
        RESIL_OK);
    fixture_wait(rig->hosts, RESIL_SEC(100));
    assert_string_equal(pick->address, "h0");
    assert_int_equal(fixture_snapshot(rig->hosts).leaving, 1);
    assert_int_equal(chain_report(rig, rig->step.attempt->id, RESIL_SUCCESS), RESIL_OK);
    assert_int_equal(chain_step(rig, 1), RESIL_STEP_DONE);
    fixture_wait(rig->hosts, RESIL_SEC(100));
    assert_int_equal(fixture_snapshot(rig->hosts).leaving, 0);
    chain_told(rig, 0, 0);
    chain_end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_call_gives_its_endpoint_back),
        cmocka_unit_test(no_answer_by_the_deadline_is_bad),
        cmocka_unit_test(between_attempts_no_endpoint_is_held),
        cmocka_unit_test(a_torn_down_attempt_names_no_endpoint_any_more),
        cmocka_unit_test(an_endpoint_that_leaves_the_list_stays_for_the_attempt),
    };

    return cmocka_run_group_tests_name("balancer in a call", tests, NULL, NULL);
}
