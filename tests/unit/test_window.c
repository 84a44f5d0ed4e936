/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/window.h>

#include "limiter/window_state.h"

/* A multiple of every period used here. */
#define T0 RESIL_SEC(1000)

static struct resil_window make(uint64_t limit, uint64_t period_ns)
{
    struct resil_window window;

    assert_int_equal(
        resil_window_init(&window,
                          &(struct resil_window_config){.limit = limit, .period_ns = period_ns}),
        RESIL_OK);
    return window;
}

static int take(struct resil_window *window, uint64_t cost, uint64_t now_ns)
{
    return resil_window_acquire(window, cost, now_ns, NULL);
}

static struct resil_window_snapshot look(const struct resil_window *window, uint64_t now_ns)
{
    struct resil_window_snapshot snapshot;

    resil_window_snapshot(window, now_ns, &snapshot);
    return snapshot;
}

static void window_grants_the_limit_and_no_more(void **state)
{
    struct resil_window window = make(5, 0);
    uint64_t at_ns = 7;

    (void)state;
    assert_int_equal(look(&window, T0).period_ns, RESIL_SEC(1));
    for (int i = 0; i < 5; i++)
        assert_int_equal(resil_window_acquire(&window, 0, T0, &at_ns), RESIL_OK);
    assert_int_equal(at_ns, 7);
    assert_int_equal(resil_window_acquire(&window, 1, T0, &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_MS(1200));
    assert_int_equal(take(&window, 1, at_ns - 1), RESIL_ELIMITED);
    assert_int_equal(take(&window, 1, at_ns), RESIL_OK);
}

static void window_weighs_the_last_one_by_what_is_left_of_it(void **state)
{
    struct resil_window window = make(100, RESIL_SEC(1));

    (void)state;
    assert_int_equal(take(&window, 100, T0 + RESIL_MS(500)), RESIL_OK);
    assert_int_equal(look(&window, T0 + RESIL_SEC(1)).used, 100);
    assert_int_equal(look(&window, T0 + RESIL_MS(1300)).used, 70);
    assert_int_equal(look(&window, T0 + RESIL_MS(1300)).available, 30);
    assert_int_equal(take(&window, 31, T0 + RESIL_MS(1300)), RESIL_ELIMITED);
    assert_int_equal(take(&window, 30, T0 + RESIL_MS(1300)), RESIL_OK);
    assert_int_equal(look(&window, T0 + RESIL_MS(2500)).used, 15);
    assert_int_equal(look(&window, T0 + RESIL_MS(3000)).used, 0);
}

static void window_tells_a_cost_above_the_limit_from_a_refusal(void **state)
{
    struct resil_window window = make(5, 0);
    struct resil_reservation reservation;
    uint64_t at_ns = 7;

    (void)state;
    assert_int_equal(resil_window_acquire(&window, 6, T0, &at_ns), RESIL_ECOST);
    assert_int_equal(resil_window_acquire(&window, UINT64_MAX, T0, &at_ns), RESIL_ECOST);
    assert_int_equal(at_ns, 7);
    assert_int_equal(resil_window_reserve(&window, 6, T0, &reservation), RESIL_ECOST);
    assert_true(reservation.at_ns == RESIL_NEVER);
    assert_int_equal(resil_window_cancel(&window, &reservation, T0), RESIL_EINVAL);
    assert_int_equal(resil_window_peek(&window, 6, T0, &at_ns), RESIL_ECOST);
    assert_true(at_ns == RESIL_NEVER);
}

static void window_gives_back_whatever_still_counts(void **state)
{
    struct resil_window window = make(10, RESIL_SEC(1));
    struct resil_reservation first;
    struct resil_reservation second;
    struct resil_reservation third;

    (void)state;
    assert_int_equal(resil_window_reserve(&window, 4, T0, &first), RESIL_OK);
    assert_int_equal(first.at_ns, T0);
    assert_int_equal(resil_window_reserve(&window, 3, T0, &second), RESIL_OK);
    assert_int_equal(resil_window_reserve(&window, 2, T0, &third), RESIL_OK);
    assert_int_equal(resil_window_cancel(&window, &first, T0), RESIL_OK);
    assert_int_equal(resil_window_cancel(&window, &first, T0), RESIL_EINVAL);
    assert_int_equal(look(&window, T0).used, 5);
    assert_int_equal(take(&window, 1, T0 + RESIL_SEC(1)), RESIL_OK);
    assert_int_equal(resil_window_cancel(&window, &second, T0 + RESIL_SEC(1)), RESIL_OK);
    assert_int_equal(look(&window, T0 + RESIL_SEC(1)).used, 3);
    assert_int_equal(take(&window, 1, T0 + RESIL_SEC(2)), RESIL_OK);
    assert_int_equal(resil_window_cancel(&window, &third, T0 + RESIL_SEC(2)), RESIL_ELATE);
    assert_int_equal(resil_window_reserve(&window, 2, T0 + RESIL_SEC(2), &third), RESIL_OK);
    assert_int_equal(resil_window_cancel(&window, &third, T0 + RESIL_SEC(9)), RESIL_ELATE);
}

static void refused_reservation_says_when_it_would_pass(void **state)
{
    struct resil_window window = make(1, RESIL_SEC(1));
    struct resil_reservation reservation;

    (void)state;
    assert_int_equal(take(&window, 1, T0), RESIL_OK);
    assert_int_equal(resil_window_reserve(&window, 1, T0, &reservation), RESIL_ELIMITED);
    assert_int_equal(reservation.at_ns, T0 + RESIL_SEC(2));
    assert_int_equal(resil_window_cancel(&window, &reservation, T0), RESIL_EINVAL);
}

static void window_peeks_and_refuses_without_writing(void **state)
{
    struct resil_window window = make(1, 0);
    struct resil_window before;
    uint64_t at_ns;

    (void)state;
    before = window;
    assert_int_equal(resil_window_peek(&window, 1, T0, &at_ns), RESIL_OK);
    assert_int_equal(at_ns, T0);
    assert_memory_equal(&before, &window, sizeof window);
    assert_int_equal(take(&window, 1, T0), RESIL_OK);
    before = window;
    assert_int_equal(resil_window_peek(&window, 1, T0, NULL), RESIL_ELIMITED);
    assert_int_equal(take(&window, 1, T0), RESIL_ELIMITED);
    assert_memory_equal(&before, &window, sizeof window);
}

/* A thread whose clock is behind isn't kept out either. */
static void window_drained_for_no_time_stays_as_it_is(void **state)
{
    struct resil_window window = make(5, 0);
    struct resil_window before;

    (void)state;
    assert_int_equal(take(&window, 1, T0), RESIL_OK);
    memcpy(&before, &window, sizeof before);
    resil_window_drain(&window, 0, T0);
    assert_memory_equal(&window, &before, sizeof before);
    assert_int_equal(take(&window, 1, T0 - 1), RESIL_OK);
}

static void window_rebased_after_a_change_has_nothing_of_its_new_limit_left(void **state)
{
    struct resil_window window = make(5, 0);

    (void)state;
    assert_int_equal(
        resil_window_reconfigure(&window, &(struct resil_window_config){.limit = 9}, T0), RESIL_OK);
    assert_int_equal(take(&window, 1, T0), RESIL_OK);
    resil_window_rebase(&window, RESIL_SEC(7));
    assert_int_equal(take(&window, 1, RESIL_SEC(7)), RESIL_ELIMITED);
}

static void window_drains_for_a_span(void **state)
{
    struct resil_window window = make(5, 0);
    uint64_t at_ns;

    (void)state;
    resil_window_drain(&window, 0, T0);
    assert_int_equal(take(&window, 1, T0), RESIL_OK);
    resil_window_drain(&window, RESIL_SEC(30), T0);
    resil_window_drain(&window, RESIL_SEC(3), T0);
    assert_int_equal(resil_window_acquire(&window, 1, T0, &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_SEC(30));
    assert_int_equal(look(&window, T0).available, 0);
    assert_int_equal(look(&window, T0).drained_until_ns, T0 + RESIL_SEC(30));
    assert_int_equal(take(&window, 5, at_ns), RESIL_OK);
    resil_window_drain(&window, UINT64_MAX, T0);
    assert_int_equal(look(&window, T0).drained_until_ns, T0 + RESIL_SEC(86400));
    assert_int_equal(take(&window, 1, T0 - RESIL_SEC(60)), RESIL_ELIMITED);
    window.until_ns_ = T0 + RESIL_SEC(90000);
    assert_int_equal(take(&window, 5, T0 + RESIL_SEC(60)), RESIL_OK);
}

static void older_now_never_loosens(void **state)
{
    (void)state;
    for (uint64_t age_ns = 0; age_ns <= RESIL_SEC(60); age_ns += RESIL_MS(700)) {
        struct resil_window window = make(5, RESIL_SEC(1));

        assert_int_equal(take(&window, 5, T0), RESIL_OK);
        assert_int_equal(take(&window, 1, T0 - age_ns), RESIL_ELIMITED);
        assert_int_equal(take(&window, 1, T0), RESIL_ELIMITED);
    }
}

static void older_call_counts_in_the_newest_window(void **state)
{
    struct resil_window window = make(5, RESIL_SEC(1));

    (void)state;
    assert_int_equal(take(&window, 1, T0), RESIL_OK);
    assert_int_equal(take(&window, 4, T0 - RESIL_SEC(3)), RESIL_OK);
    assert_int_equal(take(&window, 1, T0), RESIL_ELIMITED);
    assert_int_equal(look(&window, T0).used, 5);
}

static void clock_that_was_set_back_never_leaves_it_stuck(void **state)
{
    static const uint64_t spans[] = {RESIL_SEC(63), RESIL_SEC(3600),
                                     RESIL_SEC(UINT64_C(86400) * 3650)};
    const uint64_t start_ns = RESIL_SEC(UINT64_C(86400) * 3651);

    (void)state;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        struct resil_window window = make(5, RESIL_SEC(1));

        assert_int_equal(take(&window, 5, start_ns), RESIL_OK);
        assert_int_equal(take(&window, 5, start_ns - spans[i]), RESIL_OK);
        assert_int_equal(take(&window, 1, start_ns - spans[i]), RESIL_ELIMITED);
        assert_int_equal(take(&window, 5, start_ns), RESIL_OK);
    }
}

static void window_works_at_both_ends_of_time_and_of_the_limit(void **state)
{
    struct resil_window window = make(1000000, RESIL_MS(1));

    (void)state;
    assert_int_equal(take(&window, 1000000, 0), RESIL_OK);
    assert_int_equal(take(&window, 1, 0), RESIL_ELIMITED);
    window = make(1000000, RESIL_MS(1));
    assert_int_equal(take(&window, 999999, UINT64_MAX), RESIL_OK);
    assert_int_equal(take(&window, 1, UINT64_MAX), RESIL_OK);
    assert_int_equal(take(&window, 1, UINT64_MAX), RESIL_ELIMITED);
    window = make(1000000, RESIL_SEC(31622400));
    assert_int_equal(take(&window, 1000000, RESIL_SEC(31622399)), RESIL_OK);
    assert_int_equal(take(&window, 500001, RESIL_SEC(47433600)), RESIL_ELIMITED);
    assert_int_equal(take(&window, 500000, RESIL_SEC(47433600)), RESIL_OK);
}

/* The number of a window has 22 bits here; the seam lies at 2^22 ms. */
static void window_crosses_the_wrap_of_its_number(void **state)
{
    const uint64_t seam_ns = RESIL_MS(1) << 22;
    struct resil_window window = make(1000000, RESIL_MS(1));

    (void)state;
    assert_int_equal(take(&window, 1000000, seam_ns - 1), RESIL_OK);
    assert_int_equal(take(&window, 1, seam_ns), RESIL_ELIMITED);
    assert_int_equal(take(&window, 500000, seam_ns + RESIL_US(500)), RESIL_OK);
    assert_int_equal(take(&window, 1, seam_ns + RESIL_US(500)), RESIL_ELIMITED);
    /* Behind the seam, too, the window before is the one before. */
    assert_int_equal(take(&window, 500001, seam_ns + RESIL_MS(1)), RESIL_ELIMITED);
    assert_int_equal(take(&window, 500000, seam_ns + RESIL_MS(1)), RESIL_OK);
}

static void window_reconfigures_without_losing_count(void **state)
{
    struct resil_window window = make(10, RESIL_SEC(1));
    struct resil_reservation reservation;

    (void)state;
    assert_int_equal(take(&window, 5, T0), RESIL_OK);
    assert_int_equal(resil_window_reserve(&window, 3, T0, &reservation), RESIL_OK);
    assert_int_equal(
        resil_window_reconfigure(&window, &(struct resil_window_config){.limit = 2000}, T0),
        RESIL_OK);
    assert_int_equal(look(&window, T0).used, 8);
    assert_int_equal(look(&window, T0).limit, 2000);
    assert_int_equal(look(&window, T0).reconfigured, 1);
    assert_int_equal(resil_window_cancel(&window, &reservation, T0), RESIL_ELATE);
    assert_int_equal(
        resil_window_reconfigure(&window, &(struct resil_window_config){.limit = 6}, T0), RESIL_OK);
    assert_int_equal(look(&window, T0).used, 6);
    assert_int_equal(take(&window, 1, T0), RESIL_ELIMITED);
}

/* The word has two bits of generation: after four changes it looks as before. */
static void window_forfeits_what_is_from_before_a_reconfigure(void **state)
{
    (void)state;
    for (int changes = 1; changes <= 8; changes++) {
        struct resil_window window = make(10, RESIL_SEC(1));
        struct resil_reservation reservation;

        assert_int_equal(resil_window_reserve(&window, 3, T0, &reservation), RESIL_OK);
        for (int i = 0; i < changes; i++)
            assert_int_equal(
                resil_window_reconfigure(&window, &(struct resil_window_config){.limit = 10}, T0),
                RESIL_OK);
        assert_int_equal(resil_window_cancel(&window, &reservation, T0), RESIL_ELATE);
        assert_int_equal(look(&window, T0).used, 3);
    }
}

static void window_carries_the_estimate_to_another_period(void **state)
{
    struct resil_window window = make(100, RESIL_SEC(1));

    (void)state;
    assert_int_equal(take(&window, 100, T0), RESIL_OK);
    assert_int_equal(take(&window, 20, T0 + RESIL_MS(1500)), RESIL_OK);
    assert_int_equal(resil_window_reconfigure(
                         &window,
                         &(struct resil_window_config){.limit = 100, .period_ns = RESIL_SEC(60)},
                         T0 + RESIL_MS(1500)),
                     RESIL_OK);
    assert_int_equal(look(&window, T0 + RESIL_MS(1500)).used, 70);
    assert_int_equal(look(&window, T0 + RESIL_SEC(19)).used, 70);
}

static void window_refuses_a_second_reconfigure_at_a_time(void **state)
{
    struct resil_window window = make(10, RESIL_SEC(1));

    (void)state;
    assert_int_equal(resil_window_reconfigure(&window, NULL, T0), RESIL_EINVAL);
    window.busy_ = 1;
    assert_int_equal(
        resil_window_reconfigure(&window, &(struct resil_window_config){.limit = 5}, T0),
        RESIL_EBUSY);
    assert_int_equal(take(&window, 10, T0), RESIL_OK);
    resil_window_rebase(&window, T0);
    assert_int_equal(
        resil_window_reconfigure(&window, &(struct resil_window_config){.limit = 5}, T0), RESIL_OK);
}

static void window_is_full_after_a_rebase(void **state)
{
    struct resil_window window = make(10, RESIL_SEC(1));
    struct resil_window fresh = make(10, RESIL_SEC(1));

    (void)state;
    assert_int_equal(take(&window, 1, T0), RESIL_OK);
    resil_window_rebase(&window, RESIL_SEC(3));
    assert_int_equal(look(&window, RESIL_SEC(3)).used, 10);
    assert_int_equal(look(&window, RESIL_MS(4500)).used, 5);
    resil_window_rebase(&fresh, RESIL_SEC(3));
    assert_int_equal(look(&fresh, RESIL_SEC(3)).used, 0);
}

static void window_checks_its_config(void **state)
{
    static const struct {
        struct resil_window_config config;
        const char *why;
    } cases[] = {
        {{.limit = 0}, "limit is 0: must be 1 to 1000000"},
        {{.limit = 1000001}, "limit is 1000001: must be 1 to 1000000"},
        {{.limit = 1, .period_ns = 999999}, "period_ns is 999999: must be 1000000 to"},
        {{.limit = 1, .period_ns = RESIL_OFF}, "period_ns is RESIL_OFF"},
    };
    struct resil_window window;
    const struct resil_window_config good = {.limit = 1};
    char why[160] = "untouched";

    (void)state;
    assert_int_equal(resil_window_config_check(&good, why, sizeof why), RESIL_OK);
    assert_string_equal(why, "untouched");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(resil_window_config_check(&cases[i].config, why, sizeof why),
                         RESIL_EINVAL);
        assert_memory_equal(why, cases[i].why, strlen(cases[i].why));
        assert_int_equal(resil_window_init(&window, &cases[i].config), RESIL_EINVAL);
    }
    assert_int_equal(resil_window_init(NULL, &good), RESIL_EINVAL);
    assert_int_equal(resil_window_init(&window, NULL), RESIL_EINVAL);
    assert_int_equal(resil_window_init_sized(&window, 8, &good, sizeof good), RESIL_EABI);
    assert_int_equal(resil_window_init_sized(&window, sizeof window, &good, 8), RESIL_EABI);
}

/* The worst that the header admits to: a burst at the very end of a window, then an even
   trickle. */
static void window_errs_by_at_most_its_stated_bound_and_reaches_it(void **state)
{
    const uint64_t limit = 50;
    struct resil_window window = make(limit, RESIL_SEC(1));
    uint64_t granted = 0;

    (void)state;
    assert_int_equal(take(&window, limit, T0 - 1), RESIL_OK);
    granted = limit;
    for (uint64_t now_ns = T0; now_ns < T0 - 1 + RESIL_SEC(1); now_ns += RESIL_US(100))
        granted += take(&window, 1, now_ns) == RESIL_OK;
    granted += take(&window, 1, T0 - 2 + RESIL_SEC(1)) == RESIL_OK;
    assert_int_equal(granted, 2 * limit - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_grants_the_limit_and_no_more),
        cmocka_unit_test(window_weighs_the_last_one_by_what_is_left_of_it),
        cmocka_unit_test(window_tells_a_cost_above_the_limit_from_a_refusal),
        cmocka_unit_test(window_gives_back_whatever_still_counts),
        cmocka_unit_test(refused_reservation_says_when_it_would_pass),
        cmocka_unit_test(window_peeks_and_refuses_without_writing),
        cmocka_unit_test(window_drained_for_no_time_stays_as_it_is),
        cmocka_unit_test(window_rebased_after_a_change_has_nothing_of_its_new_limit_left),
        cmocka_unit_test(window_drains_for_a_span),
        cmocka_unit_test(older_now_never_loosens),
        cmocka_unit_test(older_call_counts_in_the_newest_window),
        cmocka_unit_test(clock_that_was_set_back_never_leaves_it_stuck),
        cmocka_unit_test(window_works_at_both_ends_of_time_and_of_the_limit),
        cmocka_unit_test(window_crosses_the_wrap_of_its_number),
        cmocka_unit_test(window_reconfigures_without_losing_count),
        cmocka_unit_test(window_forfeits_what_is_from_before_a_reconfigure),
        cmocka_unit_test(window_carries_the_estimate_to_another_period),
        cmocka_unit_test(window_refuses_a_second_reconfigure_at_a_time),
        cmocka_unit_test(window_is_full_after_a_rebase),
        cmocka_unit_test(window_checks_its_config),
        cmocka_unit_test(window_errs_by_at_most_its_stated_bound_and_reaches_it),
    };

    return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
