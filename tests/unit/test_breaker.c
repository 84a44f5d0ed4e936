/* SPDX-License-Identifier: BSD-2-Clause */

/* The breaker's life: permits, the open time, late and double results, events. */
#include "breaker_support.h"

static void zeroed_memory_is_no_breaker(void **state)
{
    static struct resil_breaker blank;
    struct resil_permit permit;
    struct resil_result result = {.outcome = RESIL_SUCCESS};
    struct resil_breaker_snapshot snapshot;

    (void)state;
    assert_int_equal(resil_breaker_acquire(&blank, T0, &permit), RESIL_EINVAL);
    permit.token_ = 1;
    assert_int_equal(resil_breaker_record(&blank, &permit, T0, &result), RESIL_EINVAL);
    assert_int_equal(resil_breaker_reset(&blank), RESIL_EINVAL);
    assert_int_equal(resil_breaker_rebase(&blank, T0), RESIL_EINVAL);
    assert_int_equal(resil_breaker_force(&blank, RESIL_BREAKER_MODE_DISABLED, T0), RESIL_EINVAL);
    assert_int_equal(resil_breaker_reconfigure(&blank, NULL, NULL, 0), RESIL_EINVAL);
    assert_int_equal(resil_breaker_snapshot(&blank, T0, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.state, RESIL_BREAKER_NONE);
}

static void null_arguments_are_refused(void **state)
{
    struct resil_permit permit = {0};
    struct resil_breaker_event event;
    struct resil_breaker_snapshot snapshot;
    struct resil_result result = {.outcome = RESIL_SUCCESS};

    (void)state;
    make((struct resil_breaker_config){0});
    assert_int_equal(resil_breaker_init(NULL, NULL), RESIL_EINVAL);
    assert_int_equal(resil_breaker_acquire(NULL, now, &permit), RESIL_EINVAL);
    assert_int_equal(resil_breaker_acquire(&breaker, now, NULL), RESIL_EINVAL);
    assert_int_equal(resil_breaker_record(NULL, &permit, now, &result), RESIL_EINVAL);
    assert_int_equal(resil_breaker_record(&breaker, NULL, now, &result), RESIL_EINVAL);
    assert_int_equal(resil_breaker_record(&breaker, &permit, now, NULL), RESIL_EINVAL);
    assert_int_equal(resil_breaker_snapshot(NULL, now, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_breaker_snapshot(&breaker, now, NULL), RESIL_EINVAL);
    assert_int_equal(resil_breaker_reconfigure(NULL, NULL, NULL, 0), RESIL_EINVAL);
    assert_int_equal(resil_breaker_force(NULL, RESIL_BREAKER_MODE_DISABLED, now), RESIL_EINVAL);
    assert_int_equal(resil_breaker_reset(NULL), RESIL_EINVAL);
    assert_int_equal(resil_breaker_rebase(NULL, now), RESIL_EINVAL);
    assert_false(resil_permit_event(NULL, &event));
    assert_false(resil_permit_event(&permit, NULL));
}

static void a_header_of_another_size_is_refused(void **state)
{
    struct resil_breaker_config config = {0};
    struct resil_breaker_snapshot snapshot;

    (void)state;
    make(config);
    assert_int_equal(resil_breaker_init_sized(&breaker, sizeof breaker - 8, &config, sizeof config),
                     RESIL_EABI);
    assert_int_equal(resil_breaker_init_sized(&breaker, sizeof breaker, &config, sizeof config + 8),
                     RESIL_EABI);
    assert_int_equal(resil_breaker_config_check_sized(&config, 8, NULL, 0), RESIL_EABI);
    assert_int_equal(resil_breaker_reconfigure_sized(&breaker, 8, &config, sizeof config, NULL, 0),
                     RESIL_EABI);
    assert_int_equal(resil_breaker_reconfigure_sized(&breaker, sizeof breaker, &config, 8, NULL, 0),
                     RESIL_EABI);
    assert_int_equal(resil_breaker_snapshot_sized(&breaker, now, &snapshot, 8), RESIL_EABI);
    assert_state(CLOSED);
}

static void a_fresh_breaker_is_closed_and_empty(void **state)
{
    struct resil_breaker_snapshot is;

    (void)state;
    memset(&breaker, 0xa5, sizeof breaker);
    assert_int_equal(resil_breaker_init(&breaker, NULL), RESIL_OK);
    now = T0;
    is = look();
    assert_int_equal(is.state, RESIL_BREAKER_CLOSED);
    assert_int_equal(is.generation, 1);
    assert_int_equal(is.calls + is.failures + is.slow + is.opened_total + is.late_total, 0);
    assert_int_equal(is.admit_pct, 100);
}

static void the_defaults_are_those_of_the_header(void **state)
{
    struct resil_breaker_snapshot is;

    (void)state;
    assert_int_equal(resil_breaker_init(&breaker, NULL), RESIL_OK);
    now = T0;
    calls(5, RESIL_SUCCESS);
    calls(4, RESIL_FAILURE);
    assert_state(CLOSED);
    calls(1, RESIL_TIMEOUT);
    is = look();
    assert_int_equal(is.state, RESIL_BREAKER_OPEN);
    assert_in_range(is.retry_at_ns, now + RESIL_SEC(5), now + RESIL_MS(12500));

    now = is.retry_at_ns;
    struct resil_permit probes[3];
    for (int i = 0; i < 3; i++) {
        probes[i] = granted();
        now += RESIL_SEC(1);
        if (i < 2)
            assert_int_equal(resil_breaker_acquire(&breaker, now - 1, &(struct resil_permit){0}),
                             RESIL_EOPEN);
    }
    (void)refused();
    assert_int_equal(look().probes_in_flight, 3);
    assert_int_equal(report(&probes[2], RESIL_SUCCESS), RESIL_OK);
    assert_int_equal(report(&probes[1], RESIL_FAILURE), RESIL_OK);
    assert_state(HALF_OPEN);
    assert_int_equal(report(&probes[0], RESIL_SUCCESS), RESIL_OK);
    assert_state(CLOSED);
}

static void an_open_breaker_refuses_until_exactly_its_time(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.open_ns = RESIL_SEC(7)});
    trip();

    assert_int_equal(refused(), T0 + RESIL_SEC(7));
    now = T0 + RESIL_SEC(7) - 1;
    assert_int_equal(refused(), T0 + RESIL_SEC(7));
    assert_state(OPEN);
    now = T0 + RESIL_SEC(7);
    (void)granted();
    assert_state(HALF_OPEN);
}

static void refusing_while_open_writes_nothing(void **state)
{
    static struct resil_breaker before;

    (void)state;
    make((struct resil_breaker_config){0});
    trip();
    memcpy(&before, &breaker, sizeof before);
    (void)refused();
    assert_memory_equal(&before, &breaker, sizeof before);
}

static void acquiring_while_closed_writes_nothing(void **state)
{
    static struct resil_breaker before;

    (void)state;
    make((struct resil_breaker_config){0});
    calls(3, RESIL_SUCCESS);
    memcpy(&before, &breaker, sizeof before);
    (void)granted();
    assert_memory_equal(&before, &breaker, sizeof before);
}

static void open_time_grows_with_each_trip_up_to_a_cap(void **state)
{
    static const uint64_t expected_ms[] = {5000, 7500, 11250, 15000, 15000};

    (void)state;
    make((struct resil_breaker_config){.probes = 1});
    trip();
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(look().trips, i + 1);
        assert_int_equal(look().retry_at_ns, now + RESIL_MS(expected_ms[i]));
        now = look().retry_at_ns;
        calls(1, RESIL_FAILURE);
        assert_state(OPEN);
    }
}

static void closing_forgets_the_trips(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.probes = 1});
    trip();
    now = look().retry_at_ns;
    calls(1, RESIL_FAILURE);
    now = look().retry_at_ns;
    calls(1, RESIL_SUCCESS);
    assert_state(CLOSED);
    trip();
    assert_int_equal(look().retry_at_ns, now + RESIL_SEC(5));
}

static void a_factor_of_100_keeps_the_open_time(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.probes = 1, .open_factor_pct = 100});
    trip();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(look().retry_at_ns, now + RESIL_SEC(5));
        now = look().retry_at_ns;
        calls(1, RESIL_FAILURE);
    }
    assert_int_equal(look().trips, 15);
}

static void jitter_spreads_over_its_whole_range(void **state)
{
    unsigned thirds[3] = {0};

    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t extra;

        make((struct resil_breaker_config){
            .jitter_pct = 300, .open_ns = RESIL_SEC(1), .seed = seed});
        trip();
        extra = look().retry_at_ns - now - RESIL_SEC(1);
        assert_true(extra <= RESIL_SEC(3));
        thirds[extra >= RESIL_SEC(2) ? 2 : extra >= RESIL_SEC(1) ? 1 : 0]++;
    }
    for (int i = 0; i < 3; i++)
        assert_in_range(thirds[i], 70, 130);
}

static void jitter_differs_by_seed_time_and_generation_alone(void **state)
{
    uint64_t first, other;

    (void)state;
    make((struct resil_breaker_config){.jitter_pct = 100, .seed = 7});
    trip();
    first = look().retry_at_ns - now;
    make((struct resil_breaker_config){.jitter_pct = 100, .seed = 7});
    trip();
    assert_int_equal(look().retry_at_ns - now, first);
    make((struct resil_breaker_config){.jitter_pct = 100, .seed = 8});
    trip();
    assert_int_not_equal(look().retry_at_ns - now, first);
    make((struct resil_breaker_config){.jitter_pct = 100, .seed = 7});
    now += 1;
    trip();
    assert_int_not_equal(look().retry_at_ns - now, first);
    make((struct resil_breaker_config){.jitter_pct = 100, .seed = 7});
    assert_int_equal(resil_breaker_reset(&breaker), RESIL_OK);
    trip();
    other = look().retry_at_ns - now;
    assert_int_not_equal(other, first);
}

static void a_late_result_changes_nothing(void **state)
{
    struct resil_permit old, older;

    (void)state;
    make((struct resil_breaker_config){.probes = 2, .probe_success_pct = 100});
    old = granted();
    older = granted();
    trip();
    assert_int_equal(report(&old, RESIL_FAILURE), RESIL_ELATE);
    assert_int_equal(look().late_total, 1);
    now = look().retry_at_ns;
    struct resil_permit probe = granted();
    assert_int_equal(report(&older, RESIL_FAILURE), RESIL_ELATE);
    assert_state(HALF_OPEN);
    assert_int_equal(look().probes_in_flight, 1);
    assert_int_equal(look().late_total, 2);
    assert_int_equal(report(&probe, RESIL_SUCCESS), RESIL_OK);
}

static void a_closed_era_success_does_not_close(void **state)
{
    struct resil_permit old;

    (void)state;
    make((struct resil_breaker_config){.probes = 1});
    old = granted();
    trip();
    now = look().retry_at_ns;
    (void)granted();
    assert_int_equal(report(&old, RESIL_SUCCESS), RESIL_ELATE);
    assert_state(HALF_OPEN);
}

static void a_permit_is_spent_by_its_first_report(void **state)
{
    struct resil_permit permit;

    (void)state;
    /* Often enough for the quick ways: in a window of time with enough calls, in one of calls that
       is full. */
    for (uint64_t calls = 0; calls <= 16; calls += 16) {
        make((struct resil_breaker_config){.calls = calls});
        for (unsigned i = 1; i <= 40; i++) {
            permit = granted();
            assert_int_equal(report(&permit, RESIL_SUCCESS), RESIL_OK);
            assert_int_equal(report(&permit, RESIL_SUCCESS), RESIL_EINVAL);
            assert_int_equal(look().calls, calls != 0 && i > calls ? calls : i);
        }
    }
}

static void a_permit_that_made_a_transition_is_spent_too(void **state)
{
    struct resil_permit permit;

    (void)state;
    make((struct resil_breaker_config){.consecutive = 1});
    permit = granted();
    assert_int_equal(report(&permit, RESIL_FAILURE), RESIL_OK);
    assert_state(OPEN);
    assert_int_equal(report(&permit, RESIL_FAILURE), RESIL_EINVAL);
    assert_int_equal(look().late_total, 0);
}

static void a_refused_permit_can_not_be_reported(void **state)
{
    struct resil_permit permit = {.token_ = 99};

    (void)state;
    make((struct resil_breaker_config){0});
    trip();
    assert_int_equal(resil_breaker_acquire(&breaker, now, &permit), RESIL_EOPEN);
    assert_int_equal(report(&permit, RESIL_SUCCESS), RESIL_EINVAL);
}

static void closing_empties_the_window(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.probes = 1, .open_ns = RESIL_MS(1)});
    trip();
    now += RESIL_MS(1);
    calls(1, RESIL_SUCCESS);
    assert_state(CLOSED);
    assert_int_equal(look().calls, 0);
    calls(9, RESIL_FAILURE);
    assert_state(CLOSED);
    calls(1, RESIL_FAILURE);
    assert_state(OPEN);
}

static void expect_event(const struct resil_permit *permit, enum resil_breaker_state from,
                         enum resil_breaker_state to, enum resil_breaker_reason reason,
                         uint32_t generation)
{
    struct resil_breaker_event event;

    assert_true(resil_permit_event(permit, &event));
    assert_int_equal(event.from, from);
    assert_int_equal(event.to, to);
    assert_int_equal(event.reason, reason);
    assert_int_equal(event.generation, generation);
    assert_int_equal(event.now_ns, now);
}

static void transitions_are_told_to_whoever_made_them(void **state)
{
    struct resil_permit permit;
    struct resil_breaker_event event;

    (void)state;
    make((struct resil_breaker_config){.consecutive = 2, .probes = 1});
    permit = granted();
    assert_false(resil_permit_event(&permit, &event));
    (void)report(&permit, RESIL_FAILURE);
    assert_false(resil_permit_event(&permit, &event));
    permit = granted();
    (void)report(&permit, RESIL_FAILURE);
    expect_event(&permit, RESIL_BREAKER_CLOSED, RESIL_BREAKER_OPEN, RESIL_BREAKER_BY_CONSECUTIVE,
                 2);

    now = look().retry_at_ns;
    permit = granted();
    expect_event(&permit, RESIL_BREAKER_OPEN, RESIL_BREAKER_HALF_OPEN, RESIL_BREAKER_BY_TIME, 3);
    now += 5;
    (void)report(&permit, RESIL_OVERLOAD);
    expect_event(&permit, RESIL_BREAKER_HALF_OPEN, RESIL_BREAKER_OPEN, RESIL_BREAKER_BY_OVERLOAD,
                 4);

    now = look().retry_at_ns;
    permit = granted();
    (void)report(&permit, RESIL_FAILURE);
    expect_event(&permit, RESIL_BREAKER_HALF_OPEN, RESIL_BREAKER_OPEN, RESIL_BREAKER_BY_PROBES, 6);
    now = look().retry_at_ns;
    permit = granted();
    (void)report(&permit, RESIL_CALLER);
    expect_event(&permit, RESIL_BREAKER_HALF_OPEN, RESIL_BREAKER_CLOSED, RESIL_BREAKER_BY_PROBES,
                 8);
    assert_int_equal(look().opened_total, 3);
    assert_int_equal(look().closed_total, 1);
}

static void state_str_names_every_state(void **state)
{
    (void)state;
    assert_string_equal(resil_breaker_state_str(RESIL_BREAKER_CLOSED), "closed");
    assert_string_equal(resil_breaker_state_str(RESIL_BREAKER_HALF_OPEN), "half-open");
    for (int i = 0; i <= RESIL_BREAKER_METRICS_ONLY; i++)
        assert_string_not_equal(resil_breaker_state_str((enum resil_breaker_state)i),
                                "unknown state");
    assert_string_equal(resil_breaker_state_str((enum resil_breaker_state)99), "unknown state");
}

static void the_generation_wraps_without_harm(void **state)
{
    struct resil_permit permit;

    (void)state;
    make((struct resil_breaker_config){.probes = 1});
    breaker.word_ |= UINT64_C(0xffffffff) << 32;
    permit = granted();
    trip();
    assert_int_equal(look().generation, 0);
    assert_int_equal(report(&permit, RESIL_FAILURE), RESIL_ELATE);
    now = look().retry_at_ns;
    calls(1, RESIL_SUCCESS);
    assert_state(CLOSED);
    trip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_memory_is_no_breaker),
        cmocka_unit_test(null_arguments_are_refused),
        cmocka_unit_test(a_header_of_another_size_is_refused),
        cmocka_unit_test(a_fresh_breaker_is_closed_and_empty),
        cmocka_unit_test(the_defaults_are_those_of_the_header),
        cmocka_unit_test(an_open_breaker_refuses_until_exactly_its_time),
        cmocka_unit_test(refusing_while_open_writes_nothing),
        cmocka_unit_test(acquiring_while_closed_writes_nothing),
        cmocka_unit_test(open_time_grows_with_each_trip_up_to_a_cap),
        cmocka_unit_test(closing_forgets_the_trips),
        cmocka_unit_test(a_factor_of_100_keeps_the_open_time),
        cmocka_unit_test(jitter_spreads_over_its_whole_range),
        cmocka_unit_test(jitter_differs_by_seed_time_and_generation_alone),
        cmocka_unit_test(a_late_result_changes_nothing),
        cmocka_unit_test(a_closed_era_success_does_not_close),
        cmocka_unit_test(a_permit_is_spent_by_its_first_report),
        cmocka_unit_test(a_permit_that_made_a_transition_is_spent_too),
        cmocka_unit_test(a_refused_permit_can_not_be_reported),
        cmocka_unit_test(closing_empties_the_window),
        cmocka_unit_test(transitions_are_told_to_whoever_made_them),
        cmocka_unit_test(state_str_names_every_state),
        cmocka_unit_test(the_generation_wraps_without_harm),
    };

    return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
