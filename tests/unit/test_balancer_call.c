/* SPDX-License-Identifier: BSD-2-Clause */

/* The balancer in a chain that is stepped: hedges, cancelled calls, deadlines, lists that change
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

/* A hedge of two more attempts, 100 ns apart. */
static struct resil_policy hedging(void)
{
    static struct resil_budget budget;
    static struct resil_hedge hedge;

    assert_int_equal(resil_budget_init(&budget, NULL), RESIL_OK);
    assert_int_equal(
        resil_hedge_init(
            &hedge, &(struct resil_hedge_config){.delay_ns = 100, .hedges = 2, .budget = &budget}),
        RESIL_OK);
    return resil_hedge_policy(&hedge);
}

/* hedge > balancer, all three lanes started; their ids. */
static struct chain_rig *hedged(size_t hosts, uint64_t *ids)
{
    struct chain_rig *rig = chain_new();

    rig->request.idempotent = true;
    rig->policies[0] = hedging();
    chain_start(rig, hosts, 1, 2);
    chain_begin(rig);
    for (unsigned lane = 0; lane < 3; lane++) {
        assert_int_equal(chain_step(rig, lane == 0 ? 0 : 100), RESIL_STEP_CALL);
        ids[lane] = rig->step.attempt->id;
    }
    return rig;
}

static void each_lane_goes_elsewhere(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 50; round++) {
        uint64_t ids[3];
        struct chain_rig *rig = hedged(3, ids);

        assert_ptr_not_equal(rig->went[0], rig->went[1]);
        assert_ptr_not_equal(rig->went[0], rig->went[2]);
        assert_ptr_not_equal(rig->went[1], rig->went[2]);
        assert_int_equal(fixture_snapshot(rig->hosts).in_flight, 3);
        assert_int_equal(resil_call_cancel(&rig->call, rig->hosts->now_ns), RESIL_OK);
        chain_told(rig, 0, 0);
        chain_end(rig);
    }
}

static void a_lost_lane_says_nothing_of_its_endpoint(void **state)
{
    uint64_t ids[3];
    struct chain_rig *rig = hedged(3, ids);
    size_t winner = (size_t)(rig->went[1] - rig->hosts->endpoints);

    (void)state;
    assert_int_equal(chain_report(rig, ids[1], RESIL_SUCCESS), RESIL_OK);
    assert_int_equal(chain_step(rig, 1), RESIL_STEP_ABORT);
    assert_int_equal(chain_step(rig, 0), RESIL_STEP_ABORT);
    assert_int_equal(chain_step(rig, 0), RESIL_STEP_DONE);
    assert_int_equal(chain_fini(rig), RESIL_OK);
    assert_int_equal(chain_report(rig, ids[0], RESIL_FAILURE), RESIL_ELATE);
    chain_told(rig, 1, 0);
    assert_int_equal(fixture_endpoint(rig->hosts, winner).reports, 1);
    chain_end(rig);
}

static void lanes_that_fail_are_told_each_to_its_own(void **state)
{
    uint64_t ids[3];
    struct chain_rig *rig = hedged(3, ids);

    (void)state;
    for (unsigned lane = 0; lane < 3; lane++) {
        assert_int_equal(chain_report(rig, ids[lane], RESIL_FAILURE), RESIL_OK);
        (void)chain_step(rig, 1);
    }
    assert_int_equal(chain_fini(rig), RESIL_EFAILED);
    chain_told(rig, 3, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fixture_endpoint(rig->hosts, i).failures, 1);
    chain_end(rig);
}

/* retry > hedge > balancer: the second round knows where the first has been. */
static void a_retry_after_a_hedge_goes_where_no_lane_has_been(void **state)
{
    static struct resil_retry retry;

    (void)state;
    assert_int_equal(resil_retry_init(&retry, NULL), RESIL_OK);
    for (unsigned round = 0; round < 50; round++) {
        struct chain_rig *rig = chain_new();
        uint64_t ids[2];

        rig->request.idempotent = true;
        rig->policies[0] = resil_retry_policy(&retry);
        rig->policies[1] = hedging();
        chain_start(rig, 3, 2, 3);
        chain_begin(rig);
        for (unsigned lane = 0; lane < 2; lane++) {
            assert_int_equal(chain_step(rig, lane * 100), RESIL_STEP_CALL);
            ids[lane] = rig->step.attempt->id;
        }
        assert_int_equal(chain_report(rig, ids[0], RESIL_NOT_SENT), RESIL_OK);
        assert_int_equal(chain_report(rig, ids[1], RESIL_NOT_SENT), RESIL_OK);
        assert_int_equal(chain_step(rig, 1), RESIL_STEP_WAIT);
        rig->hosts->now_ns = rig->step.wake_ns;
        assert_int_equal(chain_step(rig, 0), RESIL_STEP_CALL);
        assert_ptr_not_equal(rig->went[2], rig->went[0]);
        assert_ptr_not_equal(rig->went[2], rig->went[1]);
        assert_int_equal(chain_report(rig, rig->step.attempt->id, RESIL_SUCCESS), RESIL_OK);
        assert_int_equal(chain_step(rig, 1), RESIL_STEP_DONE);
        chain_told(rig, 3, 2);
        chain_end(rig);
    }
}

/* balancer > hedge: one pick for all lanes, told once. */
static void outside_of_the_hedge_all_lanes_share_the_pick(void **state)
{
    struct chain_rig *rig = chain_new();
    const struct resil_pick *pick;
    uint64_t id;

    (void)state;
    rig->request.idempotent = true;
    rig->policies[1] = hedging();
    chain_start(rig, 3, 0, 2);
    chain_begin(rig);
    assert_int_equal(chain_step(rig, 0), RESIL_STEP_CALL);
    pick = rig->step.attempt->endpoint;
    for (unsigned lane = 1; lane < 3; lane++) {
        assert_int_equal(chain_step(rig, 100), RESIL_STEP_CALL);
        assert_ptr_equal(rig->step.attempt->endpoint, pick);
        assert_ptr_equal(rig->went[lane], rig->went[0]);
    }
    assert_int_equal(fixture_snapshot(rig->hosts).in_flight, 1);
    id = rig->step.attempt->id;
    assert_int_equal(chain_report(rig, id, RESIL_CALLER), RESIL_OK);
    while (chain_step(rig, 1) == RESIL_STEP_ABORT)
        continue;
    assert_int_equal(chain_fini(rig), RESIL_EFAILED);
    chain_told(rig, 1, 0);
    chain_end(rig);
}

/* hedge > fallback > balancer: a lane without an endpoint doesn't borrow that of its neighbour. */
static void a_lane_without_an_endpoint_names_none(void **state)
{
    static struct resil_fallback fallback;
    struct chain_rig *rig = chain_new();

    (void)state;
    assert_int_equal(resil_fallback_init(&fallback, NULL), RESIL_OK);
    rig->hosts->config.stale_keep_ns = RESIL_OFF;
    rig->request.idempotent = true;
    rig->policies[0] = hedging();
    rig->policies[1] = resil_fallback_policy(&fallback);
    chain_start(rig, 1, 2, 3);
    chain_begin(rig);
    assert_int_equal(chain_step(rig, 0), RESIL_STEP_CALL);
    assert_non_null(rig->step.attempt->endpoint);
    fixture_update(rig->hosts, 0);
    assert_int_equal(chain_step(rig, 100), RESIL_STEP_CALL);
    assert_int_equal(rig->step.attempt->kind, RESIL_ATTEMPT_FALLBACK);
    assert_int_equal(rig->step.attempt->reason_status, RESIL_EUNAVAILABLE);
    assert_null(rig->step.attempt->endpoint);
    assert_int_equal(resil_call_cancel(&rig->call, rig->hosts->now_ns), RESIL_OK);
    chain_end(rig);
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
        cmocka_unit_test(each_lane_goes_elsewhere),
        cmocka_unit_test(a_lost_lane_says_nothing_of_its_endpoint),
        cmocka_unit_test(lanes_that_fail_are_told_each_to_its_own),
        cmocka_unit_test(a_retry_after_a_hedge_goes_where_no_lane_has_been),
        cmocka_unit_test(outside_of_the_hedge_all_lanes_share_the_pick),
        cmocka_unit_test(a_lane_without_an_endpoint_names_none),
        cmocka_unit_test(a_cancelled_call_gives_its_endpoint_back),
        cmocka_unit_test(no_answer_by_the_deadline_is_bad),
        cmocka_unit_test(between_attempts_no_endpoint_is_held),
        cmocka_unit_test(a_torn_down_attempt_names_no_endpoint_any_more),
        cmocka_unit_test(an_endpoint_that_leaves_the_list_stays_for_the_attempt),
    };

    return cmocka_run_group_tests_name("balancer in a call", tests, NULL, NULL);
}
