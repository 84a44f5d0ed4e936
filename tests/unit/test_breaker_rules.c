/* SPDX-License-Identifier: BSD-2-Clause */

/* The breaker's rules: what trips it, what counts as what, and what a config may say. */
#include "breaker_support.h"

static void failure_pct_trips_at_exactly_its_share(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = 30, .calls_min = 10});
    calls(8, RESIL_SUCCESS);
    calls(3, RESIL_FAILURE); /* 3 of 11 */
    assert_state(CLOSED);
    calls(1, RESIL_FAILURE); /* 4 of 12 */
    assert_state(OPEN);
    make((struct resil_breaker_config){.failure_pct = 30});
    calls(7, RESIL_SUCCESS);
    calls(2, RESIL_FAILURE);
    assert_state(CLOSED);
    calls(1, RESIL_FAILURE); /* 3 of 10: at least */
    assert_state(OPEN);
}

static void failure_pct_waits_for_calls_min(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.calls_min = 20});
    calls(19, RESIL_FAILURE);
    assert_state(CLOSED);
    calls(1, RESIL_FAILURE);
    assert_state(OPEN);
}

static void a_success_can_be_the_call_that_trips(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.calls_min = 10});
    calls(9, RESIL_FAILURE);
    assert_state(CLOSED);
    calls(1, RESIL_SUCCESS);
    assert_state(OPEN);
    make((struct resil_breaker_config){.calls = 20, .calls_min = 10});
    calls(9, RESIL_FAILURE);
    calls(1, RESIL_SUCCESS);
    assert_state(OPEN);
}

static void a_success_trips_when_old_successes_slide_out(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = 50, .calls_min = 2});
    now = RESIL_SEC(1000);
    calls(50, RESIL_SUCCESS);
    now = RESIL_SEC(1005);
    calls(5, RESIL_FAILURE);
    assert_state(CLOSED);
    now = RESIL_SEC(1010); /* the slice of the 50 has left: 5 of 6 */
    calls(1, RESIL_SUCCESS);
    assert_state(OPEN);
}

static void failure_pct_can_be_off(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = RESIL_OFF});
    calls(1000, RESIL_FAILURE);
    assert_state(CLOSED);
    assert_int_equal(look().failures, 1000);
}

static void consecutive_failures_trip(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = RESIL_OFF, .consecutive = 3});
    calls(2, RESIL_FAILURE);
    assert_int_equal(look().consecutive, 2);
    calls(1, RESIL_SUCCESS);
    assert_int_equal(look().consecutive, 0);
    calls(2, RESIL_FAILURE);
    calls(3, RESIL_LOCAL); /* neutral: doesn't break the row */
    assert_state(CLOSED);
    calls(1, RESIL_FAILURE);
    assert_state(OPEN);
    make((struct resil_breaker_config){.calls = 5, .failure_pct = RESIL_OFF, .consecutive = 3});
    calls(3, RESIL_FAILURE);
    assert_state(OPEN);
}

static void consecutive_failures_start_anew_after_closing(void **state)
{
    (void)state;
    make((struct resil_breaker_config){
        .failure_pct = RESIL_OFF, .consecutive = 3, .probes = 1, .failures = 100});
    calls(2, RESIL_FAILURE);
    assert_int_equal(resil_breaker_reset(&breaker), RESIL_OK);
    assert_int_equal(look().consecutive, 0);
    calls(2, RESIL_FAILURE);
    assert_state(CLOSED);
}

static void number_of_failures_trips(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = RESIL_OFF, .failures = 3});
    for (int i = 0; i < 2; i++) {
        calls(1, RESIL_FAILURE);
        calls(100, RESIL_SUCCESS);
    }
    assert_state(CLOSED);
    calls(1, RESIL_FAILURE);
    assert_state(OPEN);
}

static void failures_leave_the_window_in_time(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = RESIL_OFF, .failures = 3});
    for (int i = 0; i < 20; i++) {
        calls(1, RESIL_FAILURE);
        now += RESIL_SEC(5);
    }
    assert_state(CLOSED);
}

static void slow_call(uint64_t took_ns, enum resil_outcome outcome)
{
    struct resil_permit permit = granted();

    now += took_ns;
    assert_int_equal(report(&permit, outcome), RESIL_OK);
    now -= took_ns;
}

static void slow_calls_trip(void **state)
{
    for (uint64_t size = 0; size <= 20; size += 20) {
        (void)state;
        make((struct resil_breaker_config){.slow_ns = RESIL_MS(10), .slow_pct = 40, .calls = size});
        for (int i = 0; i < 6; i++)
            slow_call(RESIL_MS(10), RESIL_SUCCESS); /* exactly: not slow */
        for (int i = 0; i < 3; i++)
            slow_call(RESIL_MS(10) + 1, RESIL_SUCCESS);
        assert_state(CLOSED);
        assert_int_equal(look().slow, 3);
        slow_call(RESIL_MS(20), RESIL_SUCCESS);
        assert_state(OPEN);
    }
}

static void slow_pct_is_100_by_default(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.slow_ns = RESIL_MS(10)});
    for (int i = 0; i < 9; i++)
        slow_call(RESIL_MS(11), RESIL_SUCCESS);
    assert_state(CLOSED);
    slow_call(RESIL_MS(11), RESIL_SUCCESS);
    assert_state(OPEN);
    make((struct resil_breaker_config){.slow_ns = RESIL_MS(10)});
    slow_call(0, RESIL_SUCCESS);
    for (int i = 0; i < 50; i++)
        slow_call(RESIL_MS(11), RESIL_SUCCESS);
    assert_state(CLOSED);
}

static void a_slow_failure_counts_in_both(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.slow_ns = RESIL_MS(10), .slow_pct = RESIL_OFF});
    slow_call(RESIL_MS(11), RESIL_FAILURE);
    assert_int_equal(look().slow, 1);
    assert_int_equal(look().failures, 1);
    for (int i = 0; i < 50; i++)
        slow_call(RESIL_MS(11), RESIL_SUCCESS);
    assert_state(CLOSED);
}

static void a_call_that_ends_before_it_began_is_not_slow(void **state)
{
    struct resil_permit permit;

    (void)state;
    make((struct resil_breaker_config){.slow_ns = 1});
    permit = granted();
    now -= 5;
    assert_int_equal(report(&permit, RESIL_SUCCESS), RESIL_OK);
    assert_int_equal(look().slow, 0);
    assert_int_equal(look().calls, 1);
}

static void outcomes_are_read_as_the_table_says(void **state)
{
    static const struct {
        enum resil_outcome outcome;
        unsigned calls, failures;
    } rows[] = {
        {RESIL_NONE, 1, 1},      {RESIL_SUCCESS, 1, 0},  {RESIL_FAILURE, 1, 1},
        {RESIL_NOT_SENT, 1, 1},  {RESIL_OVERLOAD, 0, 0}, {RESIL_TIMEOUT, 1, 1},
        {RESIL_PERMANENT, 1, 1}, {RESIL_CALLER, 1, 0},   {RESIL_LOCAL, 0, 0},
        {RESIL_CANCELLED, 0, 0}, {RESIL_REFUSED, 0, 0},  {(enum resil_outcome)77, 1, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make((struct resil_breaker_config){0});
        calls(1, rows[i].outcome);
        assert_int_equal(look().calls, rows[i].calls);
        assert_int_equal(look().failures, rows[i].failures);
    }
}

static void the_mask_chooses_what_is_a_failure(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_mask = RESIL_OUTCOME_BIT(RESIL_OVERLOAD) |
                                                       RESIL_OUTCOME_BIT(RESIL_CALLER)});
    calls(1, RESIL_OVERLOAD);
    calls(1, RESIL_CALLER);
    calls(1, RESIL_SUCCESS);
    calls(3, RESIL_TIMEOUT); /* neither failure nor success */
    assert_int_equal(look().calls, 3);
    assert_int_equal(look().failures, 2);
}

static void an_overload_that_trips_opens_until_its_hint(void **state)
{
    struct resil_permit permit;

    (void)state;
    make((struct resil_breaker_config){.failure_mask = RESIL_OUTCOME_BIT(RESIL_OVERLOAD),
                                       .consecutive = 1});
    permit = granted();
    assert_int_equal(report_hint(&permit, RESIL_OVERLOAD, RESIL_SEC(42)), RESIL_OK);
    assert_int_equal(refused(), now + RESIL_SEC(42));
}

static void the_last_n_calls_are_exact(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.calls = 7, .calls_min = 7, .failure_pct = 100});
    calls(6, RESIL_FAILURE);
    calls(7, RESIL_SUCCESS);
    assert_int_equal(look().calls, 7);
    assert_int_equal(look().failures, 0);
    calls(3, RESIL_FAILURE);
    assert_int_equal(look().failures, 3);
    now += RESIL_SEC(86400 * 365); /* no time in it */
    assert_int_equal(look().failures, 3);
    calls(3, RESIL_FAILURE);
    assert_state(CLOSED);
    calls(1, RESIL_FAILURE);
    assert_state(OPEN);
}

static void calls_min_is_at_most_calls_by_default(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.calls = 3});
    calls(2, RESIL_FAILURE);
    assert_state(CLOSED);
    calls(1, RESIL_FAILURE);
    assert_state(OPEN);
}

static void bad(struct resil_breaker_config config, const char *field)
{
    static struct resil_breaker fresh;
    char why[160] = "";

    assert_int_equal(resil_breaker_config_check(&config, why, sizeof why), RESIL_EINVAL);
    if (strncmp(why, field, strlen(field)) != 0)
        fail_msg("\"%s\" doesn't name %s", why, field);
    assert_int_equal(resil_breaker_init(&fresh, &config), RESIL_EINVAL);
    assert_int_equal(fresh.word_, 0);
}

#define BAD(field_, value) bad((struct resil_breaker_config){.field_ = (value)}, #field_)

static void a_bad_config_names_its_field(void **state)
{
    const uint64_t day = RESIL_SEC(86400);

    (void)state;
    BAD(window_ns, RESIL_MS(10) - 1);
    BAD(window_ns, day + 1);
    BAD(slices, RESIL_BREAKER_SLICES_MAX + 1);
    BAD(calls, RESIL_BREAKER_CALLS_MAX + 1);
    BAD(failure_pct, 101);
    BAD(calls_min, 1000001);
    BAD(slow_ns, day + 1);
    BAD(slow_pct, 101);
    BAD(consecutive, 1000001);
    BAD(failures, 1000001);
    BAD(open_ns, day + 1);
    BAD(open_ns, RESIL_OFF);
    BAD(open_factor_pct, 99);
    BAD(open_factor_pct, 1001);
    BAD(open_ns_max, day + 1);
    BAD(jitter_pct, 1001);
    BAD(hint_ns_max, day + 1);
    BAD(probes, RESIL_BREAKER_PROBES_MAX + 1);
    BAD(probe_success_pct, 101);
    BAD(probe_lease_ns, RESIL_MS(1) - 1);
    BAD(probe_gap_ns, RESIL_SEC(3600) + 1);
    BAD(ramp_ns, day + 1);
    BAD(ramp_start_pct, 101);
    BAD(failure_mask, RESIL_OUTCOME_BIT(RESIL_SUCCESS));
    BAD(failure_mask, RESIL_OUTCOME_BIT(RESIL_CANCELLED));
    BAD(failure_mask, RESIL_OFF);
    BAD(open_ns_max, RESIL_SEC(4));
    bad((struct resil_breaker_config){.window_ns = RESIL_MS(99), .slices = 10}, "slices");
    bad((struct resil_breaker_config){.calls = 5, .calls_min = 6}, "calls_min");
    bad((struct resil_breaker_config){.calls = 5, .failures = 6}, "failures");
}

static void the_edges_of_a_config_are_legal(void **state)
{
    (void)state;
    assert_int_equal(resil_breaker_config_check(NULL, NULL, 0), RESIL_OK);
    make((struct resil_breaker_config){.window_ns = RESIL_MS(100), .slices = 10});
    make((struct resil_breaker_config){.window_ns = RESIL_MS(10), .slices = 1, .calls_min = 1});
    make((struct resil_breaker_config){.slices = RESIL_BREAKER_SLICES_MAX});
    make((struct resil_breaker_config){.calls = RESIL_BREAKER_CALLS_MAX, .failures = 1024});
    make((struct resil_breaker_config){.open_ns = RESIL_SEC(20)});
    make((struct resil_breaker_config){.probes = RESIL_BREAKER_PROBES_MAX, .jitter_pct = 1000});
    make((struct resil_breaker_config){.failure_pct = 1,
                                       .calls_min = 1,
                                       .slow_ns = 1,
                                       .slow_pct = 1,
                                       .consecutive = 1,
                                       .failures = 1,
                                       .open_ns = 1,
                                       .open_factor_pct = 100,
                                       .open_ns_max = 1,
                                       .jitter_pct = 1,
                                       .hint_ns_max = 1,
                                       .probes = 1,
                                       .probe_success_pct = 1,
                                       .probe_lease_ns = RESIL_MS(1),
                                       .probe_gap_ns = 1,
                                       .ramp_ns = 1,
                                       .ramp_start_pct = 1});
    make((struct resil_breaker_config){.window_ns = RESIL_SEC(86400),
                                       .failure_pct = 100,
                                       .calls_min = 1000000,
                                       .slow_ns = RESIL_SEC(86400),
                                       .slow_pct = 100,
                                       .consecutive = 1000000,
                                       .failures = 1000000,
                                       .open_ns = RESIL_SEC(86400),
                                       .open_factor_pct = 1000,
                                       .open_ns_max = RESIL_SEC(86400),
                                       .hint_ns_max = RESIL_SEC(86400),
                                       .probe_success_pct = 100,
                                       .probe_lease_ns = RESIL_SEC(86400),
                                       .probe_gap_ns = RESIL_SEC(3600),
                                       .ramp_ns = RESIL_SEC(86400),
                                       .ramp_start_pct = 100});
    make((struct resil_breaker_config){.slow_ns = RESIL_OFF,
                                       .consecutive = RESIL_OFF,
                                       .failures = RESIL_OFF,
                                       .ramp_ns = RESIL_OFF,
                                       .hint_ns_max = RESIL_OFF});
    calls(9, RESIL_FAILURE);
    assert_state(CLOSED);
}

static void a_window_slides_by_its_own_slices(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.window_ns = RESIL_MS(30), .slices = 3});
    now = RESIL_MS(3000);
    calls(4, RESIL_FAILURE);
    now += RESIL_MS(20);
    calls(1, RESIL_FAILURE);
    assert_int_equal(look().calls, 5);
    now += RESIL_MS(10) - 1;
    assert_int_equal(look().calls, 5);
    now += 1;
    assert_int_equal(look().calls, 1);
    now += RESIL_MS(20);
    assert_int_equal(look().calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failure_pct_trips_at_exactly_its_share),
        cmocka_unit_test(failure_pct_waits_for_calls_min),
        cmocka_unit_test(a_success_can_be_the_call_that_trips),
        cmocka_unit_test(a_success_trips_when_old_successes_slide_out),
        cmocka_unit_test(failure_pct_can_be_off),
        cmocka_unit_test(consecutive_failures_trip),
        cmocka_unit_test(consecutive_failures_start_anew_after_closing),
        cmocka_unit_test(number_of_failures_trips),
        cmocka_unit_test(failures_leave_the_window_in_time),
        cmocka_unit_test(slow_calls_trip),
        cmocka_unit_test(slow_pct_is_100_by_default),
        cmocka_unit_test(a_slow_failure_counts_in_both),
        cmocka_unit_test(a_call_that_ends_before_it_began_is_not_slow),
        cmocka_unit_test(outcomes_are_read_as_the_table_says),
        cmocka_unit_test(the_mask_chooses_what_is_a_failure),
        cmocka_unit_test(an_overload_that_trips_opens_until_its_hint),
        cmocka_unit_test(the_last_n_calls_are_exact),
        cmocka_unit_test(calls_min_is_at_most_calls_by_default),
        cmocka_unit_test(a_bad_config_names_its_field),
        cmocka_unit_test(the_edges_of_a_config_are_legal),
        cmocka_unit_test(a_window_slides_by_its_own_slices),
    };

    return cmocka_run_group_tests_name("breaker rules", tests, NULL, NULL);
}
