/* SPDX-License-Identifier: BSD-2-Clause */

/* Who is ejected by its reports, for how long, and how it comes back; checks and hands. */
#include "balancer_fixture.h"

static uint64_t id_of(struct fixture *fixture, size_t index)
{
    return fixture_endpoint(fixture, index).id;
}

/* One call to one host. */
static void call(struct fixture *fixture, size_t index, enum resil_outcome outcome)
{
    struct resil_pick_request request = {.sticky = id_of(fixture, index)};

    assert_int_equal(fixture_call(fixture, &request, outcome), index);
}

static enum resil_endpoint_state state_of(struct fixture *fixture, size_t index)
{
    return fixture_endpoint(fixture, index).state;
}

static uint64_t next_of(struct fixture *fixture)
{
    uint64_t next_ns;

    assert_int_equal(resil_balancer_tick(&fixture->lb, fixture->now_ns, &next_ns), RESIL_OK);
    return next_ns;
}

/* How many of n calls go to a host. */
static size_t share_of(struct fixture *fixture, size_t index, size_t n)
{
    size_t calls = 0;

    for (size_t i = 0; i < n; i++)
        calls += fixture_call(fixture, NULL, RESIL_SUCCESS) == index;
    return calls;
}

static struct resil_balancer_event event_of(struct fixture *fixture)
{
    struct resil_balancer_event event;

    assert_true(resil_balancer_event(&fixture->lb, &event));
    return event;
}

static void so_many_bad_reports_in_a_row_eject(void **state)
{
    static const struct {
        enum resil_outcome outcome;
        enum resil_ejection reason;
    } rows[] = {
        {RESIL_FAILURE, RESIL_EJECTION_CONSECUTIVE},
        {RESIL_TIMEOUT, RESIL_EJECTION_CONSECUTIVE},
        {RESIL_PERMANENT, RESIL_EJECTION_CONSECUTIVE},
        {RESIL_NOT_SENT, RESIL_EJECTION_LOCAL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture *fixture = fixture_new();
        struct resil_balancer_event event;

        fixture_start(fixture, 4);
        for (int n = 0; n < 4; n++)
            call(fixture, 2, rows[i].outcome);
        assert_true(next_of(fixture) > fixture->now_ns);
        call(fixture, 2, RESIL_SUCCESS); /* wipes it off */
        for (int n = 0; n < 4; n++)
            call(fixture, 2, rows[i].outcome);
        fixture_wait(fixture, RESIL_MS(1));
        assert_int_equal(state_of(fixture, 2), RESIL_ENDPOINT_UP);
        call(fixture, 2, rows[i].outcome);
        /* Due at once; the clock stands still. */
        assert_int_not_equal(next_of(fixture), 0);
        assert_int_equal(state_of(fixture, 2), RESIL_ENDPOINT_EJECTED);
        assert_int_equal(fixture_endpoint(fixture, 2).reason, rows[i].reason);
        event = event_of(fixture);
        assert_int_equal(event.kind, RESIL_BALANCER_EJECTED);
        assert_int_equal(event.id, id_of(fixture, 2));
        assert_string_equal(event.address, "h2");
        assert_int_equal(event.reason, rows[i].reason);
        assert_in_range(event.value, RESIL_SEC(30), RESIL_SEC(33));
        assert_int_equal(share_of(fixture, 2, 200), 0);
        fixture_end(fixture);
    }
}

static void the_two_counts_are_apart(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture_start(fixture, 4);
    for (int n = 0; n < 4; n++) {
        call(fixture, 0, RESIL_FAILURE);
        call(fixture, 0, RESIL_NOT_SENT);
    }
    fixture_wait(fixture, RESIL_MS(1));
    assert_int_equal(state_of(fixture, 0), RESIL_ENDPOINT_UP);
    call(fixture, 0, RESIL_NOT_SENT);
    fixture_wait(fixture, RESIL_MS(1));
    assert_int_equal(fixture_endpoint(fixture, 0).reason, RESIL_EJECTION_LOCAL);
    fixture_end(fixture);
}

static void what_says_nothing_of_the_host_is_not_counted(void **state)
{
    static const enum resil_outcome neutral[] = {RESIL_LOCAL, RESIL_CANCELLED, RESIL_REFUSED};
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture_start(fixture, 4);
    for (size_t i = 0; i < 3; i++)
        for (int n = 0; n < 100; n++)
            call(fixture, 1, neutral[i]);
    assert_int_equal(fixture_endpoint(fixture, 1).reports, 0);
    for (int n = 0; n < 100; n++) /* asked for less, not ejected */
        call(fixture, 1, RESIL_OVERLOAD);
    fixture_wait(fixture, RESIL_SEC(20));
    assert_int_equal(state_of(fixture, 1), RESIL_ENDPOINT_UP);
    assert_int_equal(fixture_endpoint(fixture, 1).reports, 0);
    /* Nor does it end a streak. */
    for (int n = 0; n < 5; n++) {
        call(fixture, 1, RESIL_FAILURE);
        for (size_t i = 0; i < 3; i++)
            call(fixture, 1, neutral[i]);
        call(fixture, 1, RESIL_OVERLOAD);
    }
    call(fixture, 0, RESIL_CALLER);
    assert_int_equal(fixture_endpoint(fixture, 0).reports, 1);
    assert_int_equal(fixture_endpoint(fixture, 0).failures, 0);
    fixture_wait(fixture, RESIL_MS(1));
    assert_int_equal(state_of(fixture, 1), RESIL_ENDPOINT_EJECTED);
    assert_int_equal(fixture_endpoint(fixture, 1).failures, 5);
    fixture_end(fixture);
}

/* Everybody fails: one of five goes, three of thirty; nobody who is alone. */
static void never_more_than_the_share_but_always_one(void **state)
{
    static const struct {
        size_t hosts, ejected;
    } rows[] = {{1, 0}, {2, 1}, {5, 1}, {30, 3}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct fixture *fixture = fixture_new();

        fixture_start(fixture, rows[i].hosts);
        for (size_t host = 0; host < rows[i].hosts; host++)
            for (int n = 0; n < 5; n++)
                call(fixture, host, RESIL_FAILURE);
        fixture_wait(fixture, RESIL_MS(1));
        assert_int_equal(fixture_snapshot(fixture).ejected, rows[i].ejected);
        fixture_wait(fixture, RESIL_SEC(15)); /* the interval's end changes nothing */
        assert_int_equal(fixture_snapshot(fixture).ejected, rows[i].ejected);
        fixture_end(fixture);
    }
}

/* Who was spared by the cap is looked at again when there is room. */
static void who_was_spared_goes_when_there_is_room(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture->config.outlier.interval_ns = RESIL_SEC(60);
    fixture_start(fixture, 5);
    for (size_t host = 0; host < 2; host++)
        for (int n = 0; n < 5; n++)
            call(fixture, host, RESIL_FAILURE);
    fixture_wait(fixture, RESIL_MS(1));
    assert_int_equal(state_of(fixture, 0), RESIL_ENDPOINT_EJECTED);
    assert_int_equal(state_of(fixture, 1), RESIL_ENDPOINT_UP);
    fixture_wait(fixture, RESIL_SEC(40));
    assert_int_equal(state_of(fixture, 0), RESIL_ENDPOINT_UP);
    assert_int_equal(state_of(fixture, 1), RESIL_ENDPOINT_UP);
    fixture_wait(fixture, RESIL_SEC(25)); /* the end of the interval */
    assert_int_equal(state_of(fixture, 1), RESIL_ENDPOINT_EJECTED);
    fixture_end(fixture);
}

static void each_ejection_is_longer_and_good_health_forgets_them(void **state)
{
    struct fixture *fixture = fixture_new();
    uint64_t length_ns = 0;

    (void)state;
    fixture->config.outlier.jitter_pct = RESIL_OFF;
    fixture_start(fixture, 3);
    for (uint64_t n = 1; n <= 12; n++) {
        uint64_t expected_ns = RESIL_SEC(30) * (n < 10 ? n : 10);

        fixture_eject(fixture, 1);
        length_ns = fixture_endpoint(fixture, 1).back_ns - fixture->now_ns;
        assert_int_equal(length_ns, expected_ns);
        fixture_wait(fixture, length_ns - 1);
        assert_int_equal(state_of(fixture, 1), RESIL_ENDPOINT_EJECTED);
        assert_true(next_of(fixture) <= fixture->now_ns + RESIL_MS(1));
        fixture_wait(fixture, RESIL_MS(1));
        assert_int_equal(state_of(fixture, 1), RESIL_ENDPOINT_UP);
    }
    for (int n = 0; n < 9; n++)
        fixture_wait(fixture, RESIL_SEC(10));
    assert_in_range(fixture_endpoint(fixture, 1).ejections, 1, 3);
    for (int n = 0; n < 3; n++)
        fixture_wait(fixture, RESIL_SEC(10));
    assert_int_equal(fixture_endpoint(fixture, 1).ejections, 0);
    fixture_end(fixture);
}

static void late_reports_of_the_ejected_are_forgotten(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick_request sick;
    struct resil_pick picks[20];

    (void)state;
    fixture_start(fixture, 3);
    sick = (struct resil_pick_request){.sticky = id_of(fixture, 1)};
    for (int n = 0; n < 20; n++)
        picks[n] = fixture_pick(fixture, &sick);
    fixture_eject(fixture, 1);
    for (int n = 0; n < 20; n++)
        fixture_report(fixture, &picks[n], RESIL_FAILURE);
    fixture_wait(fixture, RESIL_SEC(20));
    assert_int_equal(fixture_endpoint(fixture, 1).ejections, 1);
    fixture_wait(fixture, RESIL_SEC(13));
    assert_int_equal(state_of(fixture, 1), RESIL_ENDPOINT_UP);
    fixture_wait(fixture, RESIL_SEC(10));
    assert_int_equal(state_of(fixture, 1), RESIL_ENDPOINT_UP);
    assert_true(share_of(fixture, 1, 300) > 50);
    fixture_end(fixture);
}

static void who_returns_starts_slowly(void **state)
{
    struct fixture *fixture = fixture_new();
    size_t before;

    (void)state;
    fixture->config.picker = resil_picker_weighted_random();
    fixture->config.slow_start.window_ns = RESIL_SEC(10);
    fixture_start(fixture, 2);
    assert_int_equal(fixture_endpoint(fixture, 1).weight_pct, 100); /* not at the start */
    fixture_eject(fixture, 1);
    fixture_wait(fixture, RESIL_SEC(33));
    assert_int_equal(state_of(fixture, 1), RESIL_ENDPOINT_UP);
    assert_int_equal(fixture_endpoint(fixture, 1).weight_pct, 10);
    assert_in_range(share_of(fixture, 1, 1000), 40, 160);
    before = 0;
    for (int n = 0; n < 10; n++) {
        assert_true(fixture_endpoint(fixture, 1).weight_pct >= before);
        before = fixture_endpoint(fixture, 1).weight_pct;
        fixture_wait(fixture, RESIL_SEC(1));
    }
    assert_int_equal(fixture_endpoint(fixture, 1).weight_pct, 100);
    assert_in_range(share_of(fixture, 1, 1000), 400, 600);
    fixture_end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_bad_reports_in_a_row_eject),
        cmocka_unit_test(the_two_counts_are_apart),
        cmocka_unit_test(what_says_nothing_of_the_host_is_not_counted),
        cmocka_unit_test(never_more_than_the_share_but_always_one),
        cmocka_unit_test(who_was_spared_goes_when_there_is_room),
        cmocka_unit_test(each_ejection_is_longer_and_good_health_forgets_them),
        cmocka_unit_test(late_reports_of_the_ejected_are_forgotten),
        cmocka_unit_test(who_returns_starts_slowly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
