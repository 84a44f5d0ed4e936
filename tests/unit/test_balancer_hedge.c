/* SPDX-License-Identifier: BSD-2-Clause */

/* The balancer and the hedge: where each lane goes, and what its endpoint is told. */
#include "balancer_chain.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lane_goes_elsewhere),
        cmocka_unit_test(a_lost_lane_says_nothing_of_its_endpoint),
        cmocka_unit_test(lanes_that_fail_are_told_each_to_its_own),
        cmocka_unit_test(a_retry_after_a_hedge_goes_where_no_lane_has_been),
        cmocka_unit_test(outside_of_the_hedge_all_lanes_share_the_pick),
        cmocka_unit_test(a_lane_without_an_endpoint_names_none),
    };

    return cmocka_run_group_tests_name("balancer and hedge", tests, NULL, NULL);
}
