/* SPDX-License-Identifier: BSD-2-Clause */

/* Which priority and zone the calls go to; panic, recovery, weights of 0. */
#include "balancer_fixture.h"

static void health(struct fixture *fixture, size_t from, size_t to, bool healthy)
{
    for (size_t i = from; i < to; i++)
        assert_int_equal(resil_balancer_health(&fixture->lb, fixture_endpoint(fixture, i).id,
                                               healthy, fixture->now_ns),
                         RESIL_OK);
    fixture_wait(fixture, 0);
}

static uint64_t load(struct fixture *fixture, size_t priority)
{
    return fixture_snapshot(fixture).load[priority];
}

/* Of n calls those to hosts from .. to - 1; the others may go anywhere, or be refused. */
static size_t calls_to(struct fixture *fixture, size_t from, size_t to, size_t n)
{
    size_t calls = 0;

    for (size_t i = 0; i < n; i++) {
        struct resil_pick pick;

        if (resil_balancer_pick(&fixture->lb, NULL, fixture->now_ns, &pick) != RESIL_OK)
            continue;
        calls += (const struct resil_endpoint *)pick.user >= &fixture->endpoints[from] &&
                 (const struct resil_endpoint *)pick.user < &fixture->endpoints[to];
        fixture_report(fixture, &pick, RESIL_SUCCESS);
    }
    return calls;
}

/* Ten first choices, ten second ones. */
static struct fixture *two_levels(const struct resil_priority_config *priority)
{
    struct fixture *fixture = fixture_new();

    fixture->config.priority = *priority;
    for (size_t i = 10; i < 20; i++)
        fixture->endpoints[i].priority = 3;
    fixture_start(fixture, 20);
    return fixture;
}

static void what_a_priority_cannot_carry_spills_over(void **state)
{
    static const struct {
        size_t ill;
        uint64_t load; /* 140 % of what is well */
    } rows[] = {{2, 100}, {3, 98}, {5, 70}, {9, 14}, {10, 0}};
    struct fixture *fixture = two_levels(&(struct resil_priority_config){.panic_pct = 0});

    (void)state;
    assert_int_equal(calls_to(fixture, 0, 10, 500), 500);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t calls;

        health(fixture, 0, rows[i].ill, false);
        assert_int_equal(load(fixture, 0), rows[i].load);
        assert_int_equal(load(fixture, 3), 100 - rows[i].load);
        calls = calls_to(fixture, rows[i].ill, 10, 1000);
        assert_in_range(calls, rows[i].load > 7 ? rows[i].load * 10 - 70 : 0,
                        rows[i].load * 10 + 70);
        assert_int_equal(calls + calls_to(fixture, 0, 0, 1), calls);
        assert_int_equal(calls_to(fixture, 0, rows[i].ill, 300), 0);
    }
    assert_int_equal(fixture_snapshot(fixture).panic, 0);
    health(fixture, 0, 10, true); /* failback at once */
    assert_int_equal(calls_to(fixture, 0, 10, 500), 500);
    fixture_end(fixture);
}

static void failback_waits_until_it_is_steady(void **state)
{
    struct fixture *fixture =
        two_levels(&(struct resil_priority_config){.failback_ns = RESIL_SEC(60)});
    uint64_t next_ns;

    (void)state;
    health(fixture, 0, 10, false);
    health(fixture, 0, 10, true);
    assert_int_equal(load(fixture, 0), 0);
    assert_int_equal(calls_to(fixture, 10, 20, 300), 300);
    fixture_wait(fixture, RESIL_SEC(55));
    assert_int_equal(resil_balancer_tick(&fixture->lb, fixture->now_ns, &next_ns), RESIL_OK);
    assert_int_equal(next_ns, fixture->now_ns + RESIL_SEC(5));
    assert_int_equal(load(fixture, 0), 0);
    fixture_wait(fixture, RESIL_SEC(5));
    assert_int_equal(load(fixture, 0), 100);
    assert_int_equal(calls_to(fixture, 0, 10, 300), 300);
    /* Not where the others can't carry everything. */
    health(fixture, 0, 10, false);
    health(fixture, 10, 16, false);
    health(fixture, 0, 10, true);
    assert_true(load(fixture, 0) > 0);
    fixture_end(fixture);
}

static void panic_picks_regardless_of_health(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick_request calm = {.no_panic = true};
    struct resil_balancer_event event;
    struct resil_pick pick;

    (void)state;
    fixture_start(fixture, 10);
    health(fixture, 0, 5, false);
    assert_int_equal(calls_to(fixture, 0, 5, 300), 0); /* 50 % are enough */
    health(fixture, 5, 6, false);
    assert_int_equal(fixture_snapshot(fixture).panic, 1);
    assert_in_range(calls_to(fixture, 0, 6, 1000), 500, 700);
    pick = fixture_pick(fixture, NULL);
    assert_true(pick.panic);
    fixture_report(fixture, &pick, RESIL_SUCCESS);
    assert_int_equal(resil_balancer_pick(&fixture->lb, &calm, fixture->now_ns, &pick),
                     RESIL_EUNAVAILABLE);
    health(fixture, 0, 6, true);
    assert_int_equal(fixture_call(fixture, &calm, RESIL_SUCCESS) < 10, 1);
    assert_int_equal(fixture_snapshot(fixture).panic, 0);
    for (size_t i = 0; i < 6; i++)
        assert_true(resil_balancer_event(&fixture->lb, &event));
    assert_true(resil_balancer_event(&fixture->lb, &event));
    assert_int_equal(event.kind, RESIL_BALANCER_PANIC);
    assert_int_equal(event.value, 0);
    for (size_t i = 0; i < 6; i++)
        assert_true(resil_balancer_event(&fixture->lb, &event));
    assert_true(resil_balancer_event(&fixture->lb, &event));
    assert_int_equal(event.kind, RESIL_BALANCER_PANIC_ENDED);
    fixture_end(fixture);
}

static void without_panic_the_last_one_serves_and_then_nobody(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick pick;

    (void)state;
    fixture->config.priority.panic_pct = RESIL_OFF;
    fixture_start(fixture, 10);
    health(fixture, 0, 9, false);
    assert_int_equal(calls_to(fixture, 9, 10, 300), 300);
    health(fixture, 9, 10, false);
    assert_int_equal(resil_balancer_pick(&fixture->lb, NULL, fixture->now_ns, &pick),
                     RESIL_EUNAVAILABLE);
    fixture_end(fixture);
}

static void a_level_that_panics_can_refuse(void **state)
{
    struct fixture *fixture = two_levels(&(struct resil_priority_config){.fail_on_panic = true});
    struct resil_pick pick;

    (void)state;
    /* 20 % and 70 %: the first panics, the second doesn't and gets all. */
    health(fixture, 0, 8, false);
    health(fixture, 10, 15, false);
    assert_int_equal(fixture_snapshot(fixture).panic, 1);
    assert_int_equal(calls_to(fixture, 15, 20, 300), 300);
    health(fixture, 15, 19, false);
    assert_int_equal(fixture_snapshot(fixture).panic, 9);
    assert_int_equal(resil_balancer_pick(&fixture->lb, NULL, fixture->now_ns, &pick),
                     RESIL_EUNAVAILABLE);
    fixture_end(fixture);
}

/* The first host up isn't crushed by the load of ten. */
static void after_everything_was_down_calls_come_back_by_degrees(void **state)
{
    struct fixture *fixture = fixture_new();
    uint64_t id;

    (void)state;
    fixture->config.priority.panic_pct = RESIL_OFF;
    fixture_start(fixture, 10);
    id = fixture_endpoint(fixture, 0).id;
    health(fixture, 0, 10, false);
    assert_int_equal(calls_to(fixture, 0, 10, 100), 0);
    health(fixture, 0, 1, true);
    assert_in_range(calls_to(fixture, 0, 1, 2000), 180, 380); /* 14 % */
    /* Who is sticky to it may stay. */
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(
            fixture_call(fixture, &(struct resil_pick_request){.sticky = id}, RESIL_SUCCESS), 0);
    fixture_wait(fixture, RESIL_SEC(9));
    health(fixture, 1, 3, true);                              /* from here on it is steady */
    assert_in_range(calls_to(fixture, 0, 3, 2000), 700, 980); /* 42 % */
    fixture_wait(fixture, RESIL_SEC(9));
    assert_in_range(calls_to(fixture, 0, 3, 2000), 700, 980);
    fixture_wait(fixture, RESIL_SEC(1));
    assert_int_equal(calls_to(fixture, 0, 3, 500), 500);
    fixture_end(fixture);
}

/* a of n hosts in the own zone, the rest half and half in two others. */
static struct fixture *zones(size_t a, size_t n)
{
    struct fixture *fixture = fixture_new();

    fixture->config.zone = "a";
    for (size_t i = 0; i < n; i++)
        fixture->endpoints[i].zone = i < a ? "a" : i % 2 == 0 ? "b" : "c";
    fixture_start(fixture, n);
    return fixture;
}

static void calls_stay_in_their_zone_as_far_as_it_carries_them(void **state)
{
    struct fixture *fixture = zones(4, 12);

    (void)state;
    assert_int_equal(calls_to(fixture, 0, 4, 500), 500);
    health(fixture, 0, 2, false); /* 2 of 10 are a fifth, for a third of the callers */
    assert_in_range(calls_to(fixture, 2, 4, 1000), 520, 680);
    assert_int_equal(calls_to(fixture, 0, 2, 300), 0);
    health(fixture, 2, 4, false);
    assert_int_equal(calls_to(fixture, 4, 12, 500), 500);
    /* In panic zones are as good as their endpoints are many. */
    health(fixture, 4, 10, false);
    assert_in_range(calls_to(fixture, 0, 4, 1200), 320, 480);
    fixture_end(fixture);
    fixture = zones(2, 5); /* too few for zones */
    assert_in_range(calls_to(fixture, 0, 2, 1000), 320, 480);
    fixture_end(fixture);
    fixture = zones(0, 8); /* nobody here */
    assert_int_equal(calls_to(fixture, 0, 8, 100), 100);
    fixture_end(fixture);
}

/* Also those who were drained by weight in one's own zone. */
static void who_has_no_weight_gets_nothing_while_another_has(void **state)
{
    struct fixture *fixture = zones(4, 12);

    (void)state;
    for (size_t i = 4; i < 12; i++)
        fixture->endpoints[i].weight = 100;
    fixture_update(fixture, 12);
    assert_int_equal(calls_to(fixture, 0, 4, 500), 0);
    health(fixture, 4, 12, false);
    assert_int_equal(calls_to(fixture, 0, 4, 100), 0);
    assert_int_equal(
        fixture_call(fixture,
                     &(struct resil_pick_request){.sticky = fixture_endpoint(fixture, 1).id},
                     RESIL_SUCCESS),
        1);
    for (size_t i = 4; i < 12; i++)
        fixture->endpoints[i].weight = 0;
    health(fixture, 4, 12, true);
    fixture_update(fixture, 12);
    assert_int_equal(calls_to(fixture, 0, 4, 500), 500);
    fixture_end(fixture);
}

static void huge_and_tiny_weights_are_kept_apart(void **state)
{
    const struct resil_picker *pickers[] = {
        resil_picker_weighted_random(), resil_picker_weighted_least_requests(),
        resil_picker_smooth_weighted(), resil_picker_ring_hash(),
        resil_picker_maglev(),          resil_picker_rendezvous(),
    };

    (void)state;
    for (size_t p = 0; p < sizeof pickers / sizeof pickers[0]; p++) {
        struct fixture *fixture = fixture_new();

        fixture->config.picker = pickers[p];
        fixture->config.slow_start.window_ns = RESIL_SEC(10);
        for (size_t i = 0; i < FIXTURE_HOSTS; i++)
            fixture->endpoints[i].weight = RESIL_WEIGHT_MAX;
        fixture->endpoints[0].weight = 1;
        fixture_start(fixture, FIXTURE_HOSTS);
        /* The least that a member has of the ring is a point, and of a round a slot. */
        assert_in_range(calls_to(fixture, 0, 1, 20000), 0,
                        pickers[p] == resil_picker_ring_hash() ? 400 : 10);
        assert_true(calls_to(fixture, 1, FIXTURE_HOSTS / 2, 2000) > 700);
        fixture_end(fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_priority_cannot_carry_spills_over),
        cmocka_unit_test(failback_waits_until_it_is_steady),
        cmocka_unit_test(panic_picks_regardless_of_health),
        cmocka_unit_test(without_panic_the_last_one_serves_and_then_nobody),
        cmocka_unit_test(a_level_that_panics_can_refuse),
        cmocka_unit_test(after_everything_was_down_calls_come_back_by_degrees),
        cmocka_unit_test(calls_stay_in_their_zone_as_far_as_it_carries_them),
        cmocka_unit_test(who_has_no_weight_gets_nothing_while_another_has),
        cmocka_unit_test(huge_and_tiny_weights_are_kept_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
