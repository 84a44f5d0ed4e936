/* SPDX-License-Identifier: BSD-2-Clause */

/* What an interval shows, what checks and people say, and clocks that jump. */
#include "balancer_fixture.h"

static uint64_t id_of(struct fixture *fixture, size_t index)
{
    return fixture_endpoint(fixture, index).id;
}

static void call_taking(struct fixture *fixture, size_t index, enum resil_outcome outcome,
                        uint64_t latency_ns)
{
    struct resil_pick_request request = {.sticky = id_of(fixture, index)};
    struct resil_pick pick = fixture_pick(fixture, &request);

    assert_int_equal(
        resil_balancer_report(&fixture->lb, &pick, outcome, latency_ns, fixture->now_ns), RESIL_OK);
}

static size_t share_of(struct fixture *fixture, size_t index, size_t n)
{
    size_t calls = 0;

    for (size_t i = 0; i < n; i++)
        calls += fixture_call(fixture, NULL, RESIL_SUCCESS) == index;
    return calls;
}

/* n calls to each of six hosts, of which host 3 does worse by one in `every`, or is slower. */
static void interval(struct fixture *fixture, int n, int every, uint64_t latency_ns)
{
    for (size_t host = 0; host < 6; host++)
        for (int i = 0; i < n; i++) {
            bool bad = host == 3 && every != 0 && i % every == 0;

            call_taking(fixture, host, bad ? RESIL_FAILURE : RESIL_SUCCESS,
                        host == 3 ? latency_ns : RESIL_MS(1));
        }
    fixture_wait(fixture, RESIL_SEC(5));
    assert_int_equal(fixture_snapshot(fixture).ejected, 0);
    fixture_wait(fixture, RESIL_SEC(5));
}

static void one_interval_shows_who_does_worse(void **state)
{
    static const struct {
        struct resil_outlier_config outlier;
        int calls, every;
        uint64_t latency_ns;
        enum resil_ejection reason; /* NONE: spared */
    } rows[] = {
        {{.success_rate_factor_pct = RESIL_OFF, .consecutive = RESIL_OFF},
         50,
         1,
         RESIL_MS(1),
         RESIL_EJECTION_FAILURE_PCT},
        {{.success_rate_factor_pct = RESIL_OFF, .consecutive = RESIL_OFF},
         49,
         1,
         RESIL_MS(1),
         RESIL_EJECTION_NONE},
        {{.failure_pct = RESIL_OFF}, 100, 4, RESIL_MS(1), RESIL_EJECTION_SUCCESS_RATE},
        {{.failure_pct = RESIL_OFF}, 99, 4, RESIL_MS(1), RESIL_EJECTION_NONE},
        {{.latency_pct = 300}, 50, 0, RESIL_MS(12), RESIL_EJECTION_LATENCY},
        {{.latency_pct = 300}, 50, 0, RESIL_MS(10), RESIL_EJECTION_NONE}, /* floor */
        {{.latency_pct = 0}, 50, 0, RESIL_SEC(12), RESIL_EJECTION_NONE},
        /* However mad the latencies, the sum doesn't wrap. */
        {{.latency_pct = 300}, 50, 0, UINT64_MAX, RESIL_EJECTION_LATENCY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture *fixture = fixture_new();

        fixture->config.outlier = rows[i].outlier;
        fixture_start(fixture, 6);
        interval(fixture, rows[i].calls, rows[i].every, rows[i].latency_ns);
        assert_int_equal(fixture_endpoint(fixture, 3).reason, rows[i].reason);
        assert_int_equal(fixture_snapshot(fixture).ejected, rows[i].reason != RESIL_EJECTION_NONE);
        assert_int_equal(fixture_endpoint(fixture, 0).reports, rows[i].calls);
        fixture_end(fixture);
    }
}

static void a_check_takes_out_and_brings_back(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_balancer_event event;
    uint64_t next_ns;

    (void)state;
    fixture_start(fixture, 3);
    assert_int_equal(resil_balancer_health(&fixture->lb, id_of(fixture, 1), false, fixture->now_ns),
                     RESIL_OK);
    assert_int_equal(resil_balancer_tick(&fixture->lb, fixture->now_ns, &next_ns), RESIL_OK);
    assert_int_equal(fixture_endpoint(fixture, 1).state, RESIL_ENDPOINT_DOWN);
    assert_int_equal(share_of(fixture, 1, 200), 0);
    assert_true(resil_balancer_event(&fixture->lb, &event));
    assert_int_equal(event.kind, RESIL_BALANCER_DOWN);
    assert_string_equal(event.address, "h1");
    /* Said again: no news. */
    assert_int_equal(resil_balancer_health(&fixture->lb, id_of(fixture, 1), false, fixture->now_ns),
                     RESIL_OK);
    assert_false(resil_balancer_event(&fixture->lb, &event));
    assert_int_equal(fixture_snapshot(fixture).down, 1);
    assert_int_equal(resil_balancer_health(&fixture->lb, id_of(fixture, 1), true, fixture->now_ns),
                     RESIL_OK);
    fixture_wait(fixture, 0);
    assert_true(share_of(fixture, 1, 300) > 50);
    assert_true(resil_balancer_event(&fixture->lb, &event));
    assert_int_equal(event.kind, RESIL_BALANCER_UP);
    assert_int_equal(resil_balancer_health(&fixture->lb, 1, true, fixture->now_ns), RESIL_ELATE);
    assert_int_equal(resil_balancer_health(NULL, 1, true, 1), RESIL_EINVAL);
    fixture_end(fixture);
}

static void set_aside_by_hand(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick_request sticky;
    struct resil_pick pick;

    (void)state;
    fixture_start(fixture, 3);
    sticky = (struct resil_pick_request){.sticky = id_of(fixture, 1)};
    assert_int_equal(resil_balancer_admin(&fixture->lb, "h1", RESIL_ADMIN_DRAIN, fixture->now_ns),
                     RESIL_OK);
    assert_int_equal(fixture_endpoint(fixture, 1).state, RESIL_ENDPOINT_DRAINING);
    assert_int_equal(share_of(fixture, 1, 200), 0);
    assert_int_equal(fixture_call(fixture, &sticky, RESIL_SUCCESS), 1);
    sticky.excluded = &sticky.sticky;
    sticky.excluded_count = 1;
    assert_int_not_equal(fixture_call(fixture, &sticky, RESIL_SUCCESS), 1);
    sticky.excluded_count = 0;
    fixture_update(fixture, 2); /* kept while it stays */
    assert_int_equal(fixture_endpoint(fixture, 1).state, RESIL_ENDPOINT_DRAINING);
    assert_int_equal(fixture_snapshot(fixture).aside, 1);
    assert_int_equal(
        resil_balancer_admin(&fixture->lb, "h1", RESIL_ADMIN_MAINTENANCE, fixture->now_ns),
        RESIL_OK);
    assert_int_equal(fixture_call(fixture, &sticky, RESIL_SUCCESS), 0);
    /* Not even in panic. */
    assert_int_equal(resil_balancer_health(&fixture->lb, id_of(fixture, 0), false, fixture->now_ns),
                     RESIL_OK);
    fixture_wait(fixture, 0);
    pick = fixture_pick(fixture, NULL);
    assert_true(pick.panic);
    assert_string_equal(pick.address, "h0");
    fixture_report(fixture, &pick, RESIL_SUCCESS);
    assert_int_equal(
        resil_balancer_admin(&fixture->lb, "h0", RESIL_ADMIN_MAINTENANCE, fixture->now_ns),
        RESIL_OK);
    assert_int_equal(resil_balancer_pick(&fixture->lb, &sticky, fixture->now_ns, &pick),
                     RESIL_EUNAVAILABLE);
    assert_int_equal(resil_balancer_admin(&fixture->lb, "h1", RESIL_ADMIN_SERVE, fixture->now_ns),
                     RESIL_OK);
    assert_int_equal(fixture_call(fixture, NULL, RESIL_SUCCESS), 1);
    assert_int_equal(resil_balancer_admin(&fixture->lb, "h9", RESIL_ADMIN_SERVE, 1), RESIL_ELATE);
    assert_int_equal(resil_balancer_admin(&fixture->lb, "h1", (enum resil_endpoint_admin)3, 1),
                     RESIL_EINVAL);
    assert_int_equal(resil_balancer_admin(&fixture->lb, NULL, RESIL_ADMIN_SERVE, 1), RESIL_EINVAL);
    fixture_end(fixture);
}

/* In slow start, ejected, with a failback that waits and an empty list on probation the clock jumps;
   within so long by the new clock all is over. */
static void no_clock_leaves_anything_stuck(void **state)
{
    static const int64_t jumps[] = {0, -1, -500, -999, 1000, 100000000};

    (void)state;
    for (size_t i = 0; i < sizeof jumps / sizeof jumps[0]; i++) {
        struct fixture *fixture = fixture_new();

        fixture->config.picker = resil_picker_weighted_random();
        fixture->config.slow_start.window_ns = RESIL_SEC(20);
        fixture->config.priority.failback_ns = RESIL_SEC(90);
        fixture->config.stale_keep_ns = RESIL_SEC(100);
        for (size_t host = 3; host < 6; host++)
            fixture->endpoints[host].priority = 1;
        fixture_start(fixture, 6);
        for (size_t host = 0; host < 3; host++)
            (void)resil_balancer_health(&fixture->lb, id_of(fixture, host), false, fixture->now_ns);
        fixture_wait(fixture, 0);
        assert_int_equal(fixture_snapshot(fixture).load[1], 100);
        for (size_t host = 0; host < 3; host++)
            (void)resil_balancer_health(&fixture->lb, id_of(fixture, host), true, fixture->now_ns);
        fixture_wait(fixture, 0);
        assert_int_equal(fixture_snapshot(fixture).load[1], 100); /* failback waits */
        fixture_eject(fixture, 4);
        fixture_update(fixture, 0);
        fixture->now_ns += (uint64_t)jumps[i] * RESIL_SEC(1);
        fixture_wait(fixture, 0);
        for (uint64_t second = 0; second < 99; second++) {
            uint64_t next_ns;

            fixture_wait(fixture, RESIL_SEC(1));
            assert_int_equal(resil_balancer_tick(&fixture->lb, fixture->now_ns, &next_ns),
                             RESIL_OK);
            assert_in_range(next_ns, fixture->now_ns + 1, fixture->now_ns + RESIL_SEC(10));
            if (jumps[i] >= 1000)
                break;
            assert_true(fixture_snapshot(fixture).stale);
        }
        if (jumps[i] < 1000) {
            assert_int_equal(fixture_snapshot(fixture).load[0], 100);
            assert_int_equal(fixture_endpoint(fixture, 4).state, RESIL_ENDPOINT_UP);
            assert_int_equal(fixture_endpoint(fixture, 0).weight_pct, 100);
            fixture_wait(fixture, RESIL_SEC(10));
        }
        assert_int_equal(fixture_snapshot(fixture).endpoints, 0);
        fixture_end(fixture);
    }
}

/* Nothing waits for a priority that is gone, or for a list that isn't there. */
static void what_is_gone_makes_no_tick_due(void **state)
{
    struct fixture *fixture = fixture_new();
    uint64_t next_ns;

    (void)state;
    fixture->config.priority.failback_ns = RESIL_SEC(90);
    fixture->config.stale_keep_ns = RESIL_OFF;
    fixture->endpoints[1].priority = 1;
    fixture_init(fixture);
    fixture_wait(fixture, 0);
    assert_int_equal(resil_balancer_tick(&fixture->lb, fixture->now_ns, &next_ns), RESIL_OK);
    assert_int_equal(next_ns, fixture->now_ns + RESIL_SEC(10));
    for (size_t n = 0; n < 2; n++) {
        fixture_update(fixture, 2);
        (void)resil_balancer_health(&fixture->lb, id_of(fixture, 1), false, fixture->now_ns);
        fixture_wait(fixture, 0);
        (void)resil_balancer_health(&fixture->lb, id_of(fixture, 1), true, fixture->now_ns);
        fixture_wait(fixture, 0);
        fixture_update(fixture, n == 0); /* priority 1 is gone, then all */
        fixture_wait(fixture, RESIL_SEC(200));
        fixture_wait(fixture, RESIL_SEC(200));
        assert_int_equal(resil_balancer_tick(&fixture->lb, fixture->now_ns, &next_ns), RESIL_OK);
        assert_int_equal(next_ns, fixture->now_ns + RESIL_SEC(10));
    }
    fixture_end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_interval_shows_who_does_worse),
        cmocka_unit_test(a_check_takes_out_and_brings_back),
        cmocka_unit_test(set_aside_by_hand),
        cmocka_unit_test(no_clock_leaves_anything_stuck),
        cmocka_unit_test(what_is_gone_makes_no_tick_due),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
