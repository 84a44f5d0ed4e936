/* SPDX-License-Identifier: BSD-2-Clause */

/* Half-open: probes, their leases and gap, the verdict, hints, and the ramp after closing. */
#include "breaker_support.h"

static void open_then_due(struct resil_breaker_config config)
{
    make(config);
    trip();
    now = look().retry_at_ns;
}

static void never_more_probes_than_configured(void **state)
{
    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 3});
    for (unsigned i = 1; i <= 3; i++) {
        (void)granted();
        assert_int_equal(look().probes_in_flight, i);
    }
    (void)refused();
    assert_int_equal(look().probes_granted_total, 3);
}

static void the_share_of_successes_decides(void **state)
{
    /* 60 % of 5: three successes close, three failures open */
    static const struct {
        const char *results;
        enum resil_breaker_state end;
    } rows[] = {
        {"gg", RESIL_BREAKER_HALF_OPEN},   {"ggg", RESIL_BREAKER_CLOSED},
        {"bb", RESIL_BREAKER_HALF_OPEN},   {"bbb", RESIL_BREAKER_OPEN},
        {"gbgb", RESIL_BREAKER_HALF_OPEN}, {"gbgbg", RESIL_BREAKER_CLOSED},
        {"gbgbb", RESIL_BREAKER_OPEN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        open_then_due((struct resil_breaker_config){.probes = 5});
        for (const char *result = rows[i].results; *result != '\0'; result++)
            calls(1, *result == 'g' ? RESIL_SUCCESS : RESIL_FAILURE);
        assert_int_equal(state_of(), rows[i].end);
    }
}

static void each_share_rounds_up(void **state)
{
    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 3, .probe_success_pct = 34});
    calls(1, RESIL_SUCCESS);
    assert_state(HALF_OPEN);
    calls(1, RESIL_SUCCESS);
    assert_state(CLOSED);
    open_then_due((struct resil_breaker_config){.probes = 3, .probe_success_pct = 33});
    calls(1, RESIL_SUCCESS);
    assert_state(CLOSED);
    open_then_due((struct resil_breaker_config){.probes = 10, .probe_success_pct = 100});
    calls(9, RESIL_SUCCESS);
    assert_state(HALF_OPEN);
    calls(1, RESIL_FAILURE);
    assert_state(OPEN);
}

static void probes_out_at_the_verdict_become_late(void **state)
{
    struct resil_permit left;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 2, .probe_success_pct = 50});
    left = granted();
    calls(1, RESIL_SUCCESS);
    assert_state(CLOSED);
    assert_int_equal(report(&left, RESIL_FAILURE), RESIL_ELATE);
    assert_int_equal(look().failures, 0);
}

static void a_probe_that_never_reports_is_given_back(void **state)
{
    struct resil_permit lost, next;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 1, .probe_lease_ns = RESIL_SEC(3)});
    lost = granted();
    now += RESIL_SEC(3) - 1;
    assert_int_equal(refused(), now + 1);
    now += 1;
    next = granted();
    assert_int_equal(look().probes_lost_total, 1);
    assert_int_equal(look().probes_in_flight, 1);
    assert_int_equal(report(&lost, RESIL_FAILURE), RESIL_ELATE);
    assert_state(HALF_OPEN);
    assert_int_equal(report(&next, RESIL_SUCCESS), RESIL_OK);
    assert_state(CLOSED);
}

/* What a result that stalled between its load and its swap must notice. */
static void taking_a_place_over_changes_the_state_word(void **state)
{
    uint64_t word;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 1});
    (void)granted();
    word = breaker.word_;
    now += RESIL_SEC(10);
    (void)granted();
    assert_int_not_equal(breaker.word_, word);
    assert_int_equal(breaker.word_ >> 32, word >> 32);
}

/* As if the first report had stalled before it gave its lease back. */
static void a_copy_reported_in_the_middle_of_a_report_is_refused(void **state)
{
    struct resil_permit probe, copy;
    uint64_t lease;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 3, .probe_success_pct = 100});
    probe = granted();
    copy = probe;
    lease = breaker.leases_[0];
    assert_int_equal(report(&probe, RESIL_SUCCESS), RESIL_OK);
    breaker.leases_[0] = lease;
    assert_int_equal(report(&copy, RESIL_FAILURE), RESIL_EINVAL);
    assert_int_equal(look().probes_failed, 0);
}

static void a_probe_may_report_after_its_lease_if_nobody_took_its_place(void **state)
{
    struct resil_permit slow;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 1, .probe_lease_ns = RESIL_SEC(3)});
    slow = granted();
    now += RESIL_SEC(30);
    assert_int_equal(report(&slow, RESIL_SUCCESS), RESIL_OK);
    assert_state(CLOSED);
}

static void half_open_ends_even_if_no_probe_ever_reports_for_hours(void **state)
{
    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 2});
    for (int i = 0; i < 1000; i++) {
        (void)granted();
        (void)granted();
        (void)refused();
        now += RESIL_SEC(10);
    }
    calls(2, RESIL_SUCCESS);
    assert_state(CLOSED);
}

static void unexpired_probes_of_an_older_generation_still_count(void **state)
{
    struct resil_permit hung;

    (void)state;
    open_then_due((struct resil_breaker_config){
        .probes = 2, .probe_success_pct = 100, .probe_lease_ns = RESIL_SEC(60)});
    hung = granted();
    calls(1, RESIL_FAILURE);
    assert_state(OPEN);
    now = look().retry_at_ns;
    (void)granted();
    assert_state(HALF_OPEN);
    (void)refused(); /* two are out: the hung one and this */
    assert_int_equal(report(&hung, RESIL_FAILURE), RESIL_ELATE);
    (void)granted(); /* it came back, though late */
}

static void neutral_outcomes_give_the_probe_back(void **state)
{
    static const enum resil_outcome neutral[] = {RESIL_LOCAL, RESIL_CANCELLED, RESIL_REFUSED};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct resil_permit probe;

        open_then_due((struct resil_breaker_config){.probes = 1});
        probe = granted();
        assert_int_equal(report(&probe, neutral[i]), RESIL_OK);
        assert_state(HALF_OPEN);
        assert_int_equal(look().probes_in_flight, 0);
        calls(1, RESIL_SUCCESS);
        assert_state(CLOSED);
    }
}

static void cancel_gives_the_probe_back(void **state)
{
    struct resil_permit probe;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 1});
    probe = granted();
    assert_int_equal(resil_breaker_cancel(&breaker, &probe, now), RESIL_OK);
    assert_int_equal(resil_breaker_cancel(&breaker, &probe, now), RESIL_EINVAL);
    assert_int_equal(look().probes_in_flight, 0);
    (void)granted();
}

static void a_copy_of_a_reported_probe_changes_nothing(void **state)
{
    struct resil_permit probe, copy;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 3, .probe_success_pct = 100});
    probe = granted();
    copy = probe;
    assert_int_equal(report(&probe, RESIL_SUCCESS), RESIL_OK);
    assert_int_not_equal(report(&copy, RESIL_FAILURE), RESIL_OK);
    assert_state(HALF_OPEN);
    assert_int_equal(look().probes_succeeded, 1);
    assert_int_equal(look().probes_failed, 0);
}

static void probes_keep_their_gap(void **state)
{
    uint64_t first;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 3, .probe_gap_ns = RESIL_SEC(2)});
    first = now;
    calls(1, RESIL_SUCCESS);
    assert_int_equal(refused(), first + RESIL_SEC(2));
    now = first + RESIL_SEC(2) - 1;
    (void)refused();
    now += 1;
    calls(1, RESIL_LOCAL); /* given back: not granted again before the gap */
    (void)refused();
    now += RESIL_SEC(2);
    calls(1, RESIL_SUCCESS);
    assert_state(CLOSED);
}

static void the_gap_does_not_delay_the_end_of_the_open_time(void **state)
{
    (void)state;
    open_then_due((struct resil_breaker_config){
        .probes = 1, .probe_gap_ns = RESIL_SEC(60), .open_ns = RESIL_SEC(1)});
    calls(1, RESIL_FAILURE);
    assert_state(OPEN);
    now = look().retry_at_ns;
    calls(1, RESIL_SUCCESS);
    assert_state(CLOSED);
}

static void a_refusal_without_a_gap_tells_the_end_of_the_soonest_lease(void **state)
{
    uint64_t first;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 2});
    first = now;
    (void)granted();
    now += RESIL_SEC(1);
    (void)granted();
    now += RESIL_SEC(1);
    assert_int_equal(refused(), first + RESIL_SEC(10));
}

static void overload_in_half_open_opens_until_the_hint(void **state)
{
    struct resil_permit probe;

    (void)state;
    open_then_due((struct resil_breaker_config){0});
    probe = granted();
    assert_int_equal(report_hint(&probe, RESIL_OVERLOAD, RESIL_SEC(77)), RESIL_OK);
    assert_state(OPEN);
    assert_int_equal(refused(), now + RESIL_SEC(77));
    now += RESIL_SEC(77) - 1;
    (void)refused();
    now += 1;
    (void)granted();
}

static void overload_without_a_hint_opens_for_the_open_time(void **state)
{
    (void)state;
    open_then_due((struct resil_breaker_config){0});
    calls(1, RESIL_OVERLOAD);
    assert_state(OPEN);
    assert_int_equal(refused(), now + RESIL_MS(7500));
}

static void a_hint_is_cut_to_its_maximum(void **state)
{
    struct resil_permit probe;

    (void)state;
    open_then_due((struct resil_breaker_config){.hint_ns_max = RESIL_SEC(20)});
    probe = granted();
    (void)report_hint(&probe, RESIL_OVERLOAD, UINT64_MAX);
    assert_int_equal(refused(), now + RESIL_SEC(20));
    open_then_due((struct resil_breaker_config){.hint_ns_max = RESIL_OFF});
    probe = granted();
    (void)report_hint(&probe, RESIL_OVERLOAD, RESIL_SEC(1000));
    assert_int_equal(refused(), now + RESIL_MS(7500));
}

static void a_hint_with_another_outcome_is_not_read(void **state)
{
    struct resil_permit probe;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 1});
    probe = granted();
    (void)report_hint(&probe, RESIL_FAILURE, RESIL_SEC(1000));
    assert_int_equal(refused(), now + RESIL_MS(7500));
}

static void a_slow_probe_is_a_failed_one(void **state)
{
    struct resil_permit probe;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 1, .slow_ns = RESIL_MS(10)});
    probe = granted();
    now += RESIL_MS(11);
    assert_int_equal(report(&probe, RESIL_SUCCESS), RESIL_OK);
    assert_state(OPEN);
}

static unsigned passed(unsigned tries)
{
    unsigned count = 0;

    for (unsigned i = 0; i < tries; i++) {
        struct resil_permit permit;

        count += resil_breaker_acquire(&breaker, now, &permit) == RESIL_OK;
    }
    return count;
}

static void the_ramp_lets_calls_in_gradually(void **state)
{
    uint64_t begin;

    (void)state;
    open_then_due(
        (struct resil_breaker_config){.probes = 1, .ramp_ns = RESIL_SEC(90), .ramp_start_pct = 10});
    calls(1, RESIL_SUCCESS);
    assert_state(CLOSED);
    begin = now;
    for (unsigned pct = 10; pct < 100; pct += 10) {
        now = begin + RESIL_SEC(pct - 10);
        assert_int_equal(look().admit_pct, pct);
        assert_in_range(passed(1000), pct * 10 - 10, pct * 10 + 10);
    }
    now = begin + RESIL_SEC(90);
    assert_int_equal(look().admit_pct, 100);
    assert_int_equal(passed(1000), 1000);
}

static void permits_outlive_the_end_of_the_ramp(void **state)
{
    struct resil_permit permit = {0};

    (void)state;
    open_then_due((struct resil_breaker_config){
        .probes = 1, .ramp_ns = RESIL_SEC(10), .ramp_start_pct = 100});
    calls(1, RESIL_SUCCESS);
    permit = granted();
    now += RESIL_SEC(10);
    calls(1, RESIL_SUCCESS);
    assert_int_equal(report(&permit, RESIL_FAILURE), RESIL_OK);
    assert_int_equal(look().failures, 1);
}

static void a_call_held_back_by_the_ramp_passes_at_the_time_it_was_told(void **state)
{
    unsigned held = 0;
    uint64_t begin;

    (void)state;
    open_then_due((struct resil_breaker_config){.probes = 1, .ramp_ns = RESIL_SEC(100)});
    calls(1, RESIL_SUCCESS);
    begin = now;
    for (int i = 0; i < 100; i++) {
        struct resil_permit permit = {0};

        if (resil_breaker_acquire(&breaker, now, &permit) == RESIL_EOPEN) {
            held++;
            assert_in_range(permit.retry_at_ns, now + 1, begin + RESIL_SEC(100));
        }
    }
    assert_in_range(held, 85, 95);
}

/* By then the share has grown by a whole number of percents; a nanosecond before, it hasn't. */
static void the_time_told_by_the_ramp_is_rounded_up(void **state)
{
    const uint64_t lasts = RESIL_SEC(100) + 7;
    unsigned held = 0;
    uint64_t begin;

    (void)state;
    open_then_due(
        (struct resil_breaker_config){.probes = 1, .ramp_ns = lasts, .ramp_start_pct = 10});
    calls(1, RESIL_SUCCESS);
    begin = now;
    for (int i = 0; i < 100; i++) {
        struct resil_permit permit = {0};

        if (resil_breaker_acquire(&breaker, now, &permit) == RESIL_EOPEN) {
            held++;
            assert_true((permit.retry_at_ns - begin) * 90 % lasts < 90);
        }
    }
    assert_in_range(held, 85, 95);
}

static void a_trip_during_the_ramp_counts_as_one_more(void **state)
{
    (void)state;
    open_then_due((struct resil_breaker_config){
        .probes = 1, .ramp_ns = RESIL_SEC(10), .ramp_start_pct = 100});
    calls(1, RESIL_SUCCESS);
    trip();
    assert_int_equal(look().trips, 2);
    now = look().retry_at_ns;
    calls(1, RESIL_SUCCESS);
    now += RESIL_SEC(10);
    trip();
    assert_int_equal(look().trips, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_more_probes_than_configured),
        cmocka_unit_test(the_share_of_successes_decides),
        cmocka_unit_test(each_share_rounds_up),
        cmocka_unit_test(probes_out_at_the_verdict_become_late),
        cmocka_unit_test(a_probe_that_never_reports_is_given_back),
        cmocka_unit_test(taking_a_place_over_changes_the_state_word),
        cmocka_unit_test(a_copy_reported_in_the_middle_of_a_report_is_refused),
        cmocka_unit_test(a_probe_may_report_after_its_lease_if_nobody_took_its_place),
        cmocka_unit_test(half_open_ends_even_if_no_probe_ever_reports_for_hours),
        cmocka_unit_test(unexpired_probes_of_an_older_generation_still_count),
        cmocka_unit_test(neutral_outcomes_give_the_probe_back),
        cmocka_unit_test(cancel_gives_the_probe_back),
        cmocka_unit_test(a_copy_of_a_reported_probe_changes_nothing),
        cmocka_unit_test(probes_keep_their_gap),
        cmocka_unit_test(the_gap_does_not_delay_the_end_of_the_open_time),
        cmocka_unit_test(a_refusal_without_a_gap_tells_the_end_of_the_soonest_lease),
        cmocka_unit_test(overload_in_half_open_opens_until_the_hint),
        cmocka_unit_test(overload_without_a_hint_opens_for_the_open_time),
        cmocka_unit_test(a_hint_is_cut_to_its_maximum),
        cmocka_unit_test(a_hint_with_another_outcome_is_not_read),
        cmocka_unit_test(a_slow_probe_is_a_failed_one),
        cmocka_unit_test(the_ramp_lets_calls_in_gradually),
        cmocka_unit_test(permits_outlive_the_end_of_the_ramp),
        cmocka_unit_test(a_call_held_back_by_the_ramp_passes_at_the_time_it_was_told),
        cmocka_unit_test(the_time_told_by_the_ramp_is_rounded_up),
        cmocka_unit_test(a_trip_during_the_ramp_counts_as_one_more),
    };

    return cmocka_run_group_tests_name("breaker probes", tests, NULL, NULL);
}
