/* SPDX-License-Identifier: BSD-2-Clause */

/* Modes, reset, reconfigure, rebase, and clocks that misbehave. */
#include "breaker_support.h"

static void force(enum resil_breaker_mode mode)
{
    assert_int_equal(resil_breaker_force(&breaker, mode, now), RESIL_OK);
}

static void forced_open_refuses_for_ever(void **state)
{
    (void)state;
    make((struct resil_breaker_config){0});
    force(RESIL_BREAKER_MODE_FORCED_OPEN);
    assert_state(FORCED_OPEN);
    assert_int_equal(refused(), 0);
    now += RESIL_SEC(1000000);
    assert_int_equal(refused(), 0);
    assert_int_equal(look().admit_pct, 0);
}

static void disabled_passes_and_records_nothing(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.consecutive = 2});
    force(RESIL_BREAKER_MODE_DISABLED);
    calls(100, RESIL_FAILURE);
    assert_state(DISABLED);
    assert_int_equal(look().calls, 0);
    assert_int_equal(look().consecutive, 0);
    assert_int_equal(look().admit_pct, 100);
}

static void metrics_only_records_and_never_trips(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.consecutive = 2, .failures = 5});
    force(RESIL_BREAKER_MODE_METRICS_ONLY);
    calls(100, RESIL_FAILURE);
    calls(20, RESIL_SUCCESS);
    assert_state(METRICS_ONLY);
    assert_int_equal(look().calls, 120);
    assert_int_equal(look().failures, 100);
}

static void a_mode_can_be_forced_in_every_state_and_given_back(void **state)
{
    (void)state;
    for (int from = 0; from < 6; from++) {
        make((struct resil_breaker_config){.probes = 1});
        if (from == 1 || from == 2)
            trip();
        if (from == 2) {
            now = look().retry_at_ns;
            (void)granted();
        }
        if (from > 2)
            force((enum resil_breaker_mode)(from - 2));
        force(RESIL_BREAKER_MODE_FORCED_OPEN);
        assert_state(FORCED_OPEN);
        force(RESIL_BREAKER_MODE_DISABLED);
        force(RESIL_BREAKER_MODE_METRICS_ONLY);
        calls(5, RESIL_FAILURE);
        force(RESIL_BREAKER_MODE_AUTOMATIC);
        assert_state(CLOSED);
        assert_int_equal(look().calls, 0);
        trip();
    }
}

static void a_mode_that_holds_changes_nothing(void **state)
{
    uint32_t generation;

    (void)state;
    make((struct resil_breaker_config){0});
    trip();
    generation = look().generation;
    force(RESIL_BREAKER_MODE_AUTOMATIC);
    assert_state(OPEN);
    assert_int_equal(look().generation, generation);
    force(RESIL_BREAKER_MODE_DISABLED);
    force(RESIL_BREAKER_MODE_DISABLED);
    assert_int_equal(look().generation, generation + 1);
    assert_int_equal(resil_breaker_force(&breaker, (enum resil_breaker_mode)4, now), RESIL_EINVAL);
    assert_int_equal(resil_breaker_force(&breaker, (enum resil_breaker_mode) - 1, now),
                     RESIL_EINVAL);
}

static void no_older_result_ends_a_forced_mode(void **state)
{
    struct resil_permit closed, probe;

    (void)state;
    make((struct resil_breaker_config){.consecutive = 1, .probes = 1});
    closed = granted();
    force(RESIL_BREAKER_MODE_METRICS_ONLY);
    assert_int_equal(report(&closed, RESIL_FAILURE), RESIL_ELATE);
    assert_state(METRICS_ONLY);
    force(RESIL_BREAKER_MODE_AUTOMATIC);
    calls(1, RESIL_FAILURE);
    now = look().retry_at_ns;
    probe = granted();
    force(RESIL_BREAKER_MODE_FORCED_OPEN);
    assert_int_equal(report(&probe, RESIL_SUCCESS), RESIL_ELATE);
    assert_state(FORCED_OPEN);
}

static void the_ramp_runs_after_forced_open(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.ramp_ns = RESIL_SEC(10)});
    force(RESIL_BREAKER_MODE_FORCED_OPEN);
    force(RESIL_BREAKER_MODE_AUTOMATIC);
    assert_state(CLOSED);
    assert_int_equal(look().admit_pct, 10);
    force(RESIL_BREAKER_MODE_DISABLED);
    force(RESIL_BREAKER_MODE_AUTOMATIC);
    assert_int_equal(look().admit_pct, 100);
}

static void reset_closes_and_keeps_the_counters(void **state)
{
    struct resil_permit permit;

    (void)state;
    make((struct resil_breaker_config){0});
    permit = granted();
    trip();
    assert_int_equal(resil_breaker_reset(&breaker), RESIL_OK);
    assert_state(CLOSED);
    assert_int_equal(look().calls, 0);
    assert_int_equal(look().opened_total, 1);
    assert_int_equal(report(&permit, RESIL_SUCCESS), RESIL_ELATE);
    force(RESIL_BREAKER_MODE_FORCED_OPEN);
    assert_int_equal(resil_breaker_reset(&breaker), RESIL_OK);
    assert_state(CLOSED);
}

static void reconfigure_keeps_state_window_and_permits(void **state)
{
    struct resil_permit permit;
    uint32_t generation;

    (void)state;
    make((struct resil_breaker_config){0});
    calls(8, RESIL_FAILURE);
    permit = granted();
    generation = look().generation;
    for (int i = 0; i < 100; i++)
        assert_int_equal(
            resil_breaker_reconfigure(
                &breaker, &(struct resil_breaker_config){.calls_min = 9, .jitter_pct = RESIL_OFF},
                NULL, 0),
            RESIL_OK);
    assert_int_equal(look().calls, 8);
    assert_int_equal(look().generation, generation);
    assert_int_equal(report(&permit, RESIL_FAILURE), RESIL_OK);
    assert_state(OPEN);
    assert_int_equal(resil_breaker_reconfigure(&breaker, NULL, NULL, 0), RESIL_OK);
    assert_int_equal(refused(), now + RESIL_SEC(5));
}

static void reconfigure_restarts_half_open(void **state)
{
    struct resil_permit probe;

    (void)state;
    make((struct resil_breaker_config){.probes = 3});
    trip();
    now = look().retry_at_ns;
    calls(1, RESIL_SUCCESS);
    probe = granted();
    assert_int_equal(resil_breaker_reconfigure(
                         &breaker,
                         &(struct resil_breaker_config){.probes = 2, .probe_gap_ns = RESIL_OFF},
                         NULL, 0),
                     RESIL_OK);
    assert_state(HALF_OPEN);
    assert_int_equal(look().probes_succeeded, 0);
    assert_int_equal(report(&probe, RESIL_SUCCESS), RESIL_ELATE);
    calls(2, RESIL_SUCCESS);
    assert_state(CLOSED);
}

static void reconfigure_names_what_can_not_change(void **state)
{
    static const struct {
        struct resil_breaker_config config;
        const char *field;
    } rows[] = {
        {{.window_ns = RESIL_SEC(20)}, "window_ns"},
        {{.slices = 5}, "slices"},
        {{.calls = 10}, "calls"},
        {{.failure_pct = 101}, "failure_pct"},
        {{.open_ns_max = 1}, "open_ns_max"},
    };
    char why[160];

    (void)state;
    make((struct resil_breaker_config){0});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        why[0] = '\0';
        assert_int_equal(resil_breaker_reconfigure(&breaker, &rows[i].config, why, sizeof why),
                         RESIL_EINVAL);
        assert_int_equal(strncmp(why, rows[i].field, strlen(rows[i].field)), 0);
    }
    make((struct resil_breaker_config){.calls = 10});
    assert_int_equal(resil_breaker_reconfigure(
                         &breaker, &(struct resil_breaker_config){.calls = 11}, why, sizeof why),
                     RESIL_EINVAL);
    assert_int_equal(
        resil_breaker_reconfigure(
            &breaker, &(struct resil_breaker_config){.calls = 10, .slices = 7}, NULL, 0),
        RESIL_OK);
}

static void one_reconfigure_at_a_time(void **state)
{
    (void)state;
    make((struct resil_breaker_config){0});
    breaker.busy_ = 1;
    assert_int_equal(resil_breaker_reconfigure(&breaker, NULL, NULL, 0), RESIL_EBUSY);
    assert_int_equal(resil_breaker_rebase(&breaker, now), RESIL_OK);
    assert_int_equal(resil_breaker_reconfigure(&breaker, NULL, NULL, 0), RESIL_OK);
}

static void rebase_takes_an_open_breaker_to_the_new_clock(void **state)
{
    struct resil_permit permit;

    (void)state;
    make((struct resil_breaker_config){0});
    permit = granted();
    trip();
    now = RESIL_MS(3);
    assert_int_equal(resil_breaker_rebase(&breaker, now), RESIL_OK);
    assert_state(OPEN);
    assert_int_equal(look().trips, 1);
    assert_int_equal(refused(), now + RESIL_SEC(5));
    assert_int_equal(report(&permit, RESIL_SUCCESS), RESIL_ELATE);
    now += RESIL_SEC(5);
    (void)granted();
}

static void rebase_frees_probes_and_empties_the_window(void **state)
{
    struct resil_permit probe;

    (void)state;
    make((struct resil_breaker_config){.probes = 1, .ramp_ns = RESIL_SEC(10)});
    trip();
    now = look().retry_at_ns;
    probe = granted();
    now = 5;
    assert_int_equal(resil_breaker_rebase(&breaker, now), RESIL_OK);
    assert_state(HALF_OPEN);
    calls(1, RESIL_SUCCESS);
    assert_int_equal(report(&probe, RESIL_SUCCESS), RESIL_ELATE);
    assert_int_equal(look().admit_pct, 10);
    now += RESIL_SEC(5);
    assert_int_equal(look().admit_pct, 55);
    assert_int_equal(resil_breaker_rebase(&breaker, now), RESIL_OK);
    assert_int_equal(look().admit_pct, 10);
    now += RESIL_SEC(10);
    calls(5, RESIL_FAILURE);
    assert_int_equal(resil_breaker_rebase(&breaker, now), RESIL_OK);
    assert_state(CLOSED);
    assert_int_equal(look().calls, 0);
}

static void rebase_frees_probes_whose_leases_would_last(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.probes = 3});
    trip();
    now = look().retry_at_ns;
    for (unsigned i = 0; i < 3; i++)
        (void)granted();
    (void)refused();
    assert_int_equal(resil_breaker_rebase(&breaker, now), RESIL_OK);
    for (unsigned i = 0; i < 3; i++)
        (void)granted();
    (void)refused();
}

/* As if another caller had just found a reason for the same trip: the later time holds. */
static void of_two_reasons_to_open_the_longer_holds(void **state)
{
    const uint64_t mark = UINT64_C(2) << 59;

    (void)state;
    make((struct resil_breaker_config){0});
    breaker.until_ = mark | (now + RESIL_SEC(9));
    trip();
    assert_int_equal(refused(), now + RESIL_SEC(9));
    make((struct resil_breaker_config){0});
    breaker.until_ = mark | (now + RESIL_SEC(2));
    trip();
    assert_int_equal(refused(), now + RESIL_SEC(5));
}

static void an_older_now_never_shortens_the_open_time(void **state)
{
    uint64_t until;

    (void)state;
    make((struct resil_breaker_config){.open_ns = RESIL_SEC(15), .open_ns_max = RESIL_SEC(15)});
    trip();
    until = now + RESIL_SEC(15);
    now -= RESIL_SEC(14); /* further ahead than the longest, but by an older now only */
    assert_int_equal(refused(), until);
    now += RESIL_SEC(14);
    assert_int_equal(refused(), until);
}

static void a_trip_by_an_older_now_counts_from_the_newest_slice(void **state)
{
    (void)state;
    make((struct resil_breaker_config){0});
    now = RESIL_SEC(2000);
    calls(5, RESIL_FAILURE);
    now -= RESIL_SEC(3);
    calls(5, RESIL_FAILURE);
    assert_state(OPEN);
    now += RESIL_SEC(3);
    assert_int_equal(refused(), now + RESIL_SEC(5));
}

static void an_older_now_does_not_move_the_window_back(void **state)
{
    struct resil_permit permit;

    (void)state;
    make((struct resil_breaker_config){.failure_pct = RESIL_OFF});
    calls(5, RESIL_SUCCESS);
    now -= RESIL_SEC(9);
    calls(1, RESIL_SUCCESS); /* in the window: counted where it belongs */
    assert_int_equal(look().calls, 6);
    now -= RESIL_SEC(5);
    permit = granted();
    assert_int_equal(report(&permit, RESIL_SUCCESS), RESIL_ELATE); /* not in the window any more */
    now += RESIL_SEC(14);
    assert_int_equal(look().calls, 6);
}

static void a_clock_set_back_leaves_nothing_stuck(void **state)
{
    static const uint64_t steps[] = {RESIL_SEC(31), RESIL_SEC(3600), RESIL_SEC(900)};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        make((struct resil_breaker_config){.probes = 1});
        now = RESIL_SEC(4000);
        trip();
        now -= steps[i];
        calls(1, RESIL_SUCCESS); /* the deadline is too far ahead: due */
        assert_state(CLOSED);
        trip();

        now = look().retry_at_ns;
        (void)granted();
        now = RESIL_SEC(1); /* the lease is too far ahead as well */
        calls(1, RESIL_SUCCESS);
        assert_state(CLOSED);
        calls(5, RESIL_FAILURE);
        assert_int_equal(look().calls, 5);
    }
}

static void a_clock_set_back_by_an_hour_keeps_the_breaker_tripping(void **state)
{
    (void)state;
    make((struct resil_breaker_config){0});
    now = RESIL_SEC(10000);
    calls(50, RESIL_SUCCESS);
    now -= RESIL_SEC(3600);
    assert_int_equal(look().calls, 0);
    calls(10, RESIL_FAILURE);
    assert_state(OPEN);
    assert_int_equal(refused(), now + RESIL_SEC(5));
}

static void a_jump_by_years_leaves_nothing_stuck(void **state)
{
    const uint64_t year = RESIL_SEC(86400 * 365);

    (void)state;
    for (uint64_t years = 1; years <= 40; years++) {
        make((struct resil_breaker_config){.probes = 2, .ramp_ns = RESIL_SEC(10)});
        calls(9, RESIL_FAILURE);
        now += years * year;
        assert_int_equal(look().calls, 0);
        calls(9, RESIL_FAILURE);
        assert_state(CLOSED);
        calls(1, RESIL_FAILURE);
        assert_state(OPEN);
        now += years * year;
        (void)granted();
        now += years * year;
        calls(2, RESIL_SUCCESS);
        assert_state(CLOSED);
        now += years * year;
        assert_int_equal(look().admit_pct, 100);
        calls(10, RESIL_FAILURE);
        now -= 3 * years * year;
        calls(2, RESIL_SUCCESS);
        assert_state(CLOSED);
    }
}

static void the_end_of_the_clock_is_survived(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.probes = 1});
    now = UINT64_MAX - RESIL_SEC(1);
    trip();
    assert_int_equal(refused(), UINT64_MAX); /* saturates */
    now = RESIL_SEC(4) - 1;                  /* wrapped */
    calls(1, RESIL_SUCCESS);
    assert_state(CLOSED);
    make((struct resil_breaker_config){.probes = 1});
    now = 0;
    trip();
    assert_int_equal(refused(), RESIL_SEC(5));
}

static void a_window_idle_for_any_number_of_slices_is_empty(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = RESIL_OFF});
    for (uint64_t power = 4; power < 34; power++) {
        calls(3, RESIL_FAILURE);
        now += RESIL_SEC(1) << power;
        assert_int_equal(look().calls, 0);
        calls(1, RESIL_SUCCESS);
        assert_int_equal(look().calls, 1);
        assert_int_equal(look().failures, 0);
        now += RESIL_SEC(20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forced_open_refuses_for_ever),
        cmocka_unit_test(disabled_passes_and_records_nothing),
        cmocka_unit_test(metrics_only_records_and_never_trips),
        cmocka_unit_test(a_mode_can_be_forced_in_every_state_and_given_back),
        cmocka_unit_test(a_mode_that_holds_changes_nothing),
        cmocka_unit_test(no_older_result_ends_a_forced_mode),
        cmocka_unit_test(the_ramp_runs_after_forced_open),
        cmocka_unit_test(reset_closes_and_keeps_the_counters),
        cmocka_unit_test(reconfigure_keeps_state_window_and_permits),
        cmocka_unit_test(reconfigure_restarts_half_open),
        cmocka_unit_test(reconfigure_names_what_can_not_change),
        cmocka_unit_test(one_reconfigure_at_a_time),
        cmocka_unit_test(rebase_takes_an_open_breaker_to_the_new_clock),
        cmocka_unit_test(rebase_frees_probes_and_empties_the_window),
        cmocka_unit_test(rebase_frees_probes_whose_leases_would_last),
        cmocka_unit_test(of_two_reasons_to_open_the_longer_holds),
        cmocka_unit_test(an_older_now_never_shortens_the_open_time),
        cmocka_unit_test(a_trip_by_an_older_now_counts_from_the_newest_slice),
        cmocka_unit_test(an_older_now_does_not_move_the_window_back),
        cmocka_unit_test(a_clock_set_back_leaves_nothing_stuck),
        cmocka_unit_test(a_clock_set_back_by_an_hour_keeps_the_breaker_tripping),
        cmocka_unit_test(a_jump_by_years_leaves_nothing_stuck),
        cmocka_unit_test(the_end_of_the_clock_is_survived),
        cmocka_unit_test(a_window_idle_for_any_number_of_slices_is_empty),
    };

    return cmocka_run_group_tests_name("breaker control", tests, NULL, NULL);
}
