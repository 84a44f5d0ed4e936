/* SPDX-License-Identifier: BSD-2-Clause */
#include "limiter_fixture.h"

static void limiter_grants_the_burst_and_then_the_rate(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    uint64_t retry_at_ns = 7;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(resil_limiter_acquire(&limiter, 1, T0, &retry_at_ns), RESIL_OK);
    assert_int_equal(retry_at_ns, 7);
    assert_int_equal(resil_limiter_acquire(&limiter, 1, T0, &retry_at_ns), RESIL_ELIMITED);
    assert_int_equal(retry_at_ns, T0 + RESIL_MS(100));
    assert_int_equal(take(&limiter, 1, retry_at_ns - 1), RESIL_ELIMITED);
    assert_int_equal(take(&limiter, 1, retry_at_ns), RESIL_OK);
    assert_int_equal(take(&limiter, 1, retry_at_ns), RESIL_ELIMITED);
}

static void limiter_saves_no_more_than_the_burst(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);

    (void)state;
    assert_int_equal(take(&limiter, 5, T0), RESIL_OK);
    assert_int_equal(take(&limiter, 5, T0 + RESIL_SEC(3600)), RESIL_OK);
    assert_int_equal(take(&limiter, 1, T0 + RESIL_SEC(3600)), RESIL_ELIMITED);
}

static void limiter_takes_several_tokens_or_none(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    uint64_t retry_at_ns;

    (void)state;
    assert_int_equal(take(&limiter, 3, T0), RESIL_OK);
    assert_int_equal(resil_limiter_acquire(&limiter, 4, T0, &retry_at_ns), RESIL_ELIMITED);
    assert_int_equal(retry_at_ns, T0 + RESIL_MS(200));
    assert_int_equal(take(&limiter, 2, T0), RESIL_OK);
}

static void limiter_reads_a_cost_of_zero_as_one(void **state)
{
    struct resil_limiter limiter = make(1, RESIL_SEC(1), 1, 0);

    (void)state;
    assert_int_equal(take(&limiter, 0, T0), RESIL_OK);
    assert_int_equal(take(&limiter, 0, T0), RESIL_ELIMITED);
}

static void limiter_tells_a_cost_above_the_burst_from_a_refusal(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    struct resil_reservation reservation;
    uint64_t at_ns = 7;

    (void)state;
    assert_int_equal(resil_limiter_acquire(&limiter, 6, T0, &at_ns), RESIL_ECOST);
    assert_int_equal(resil_limiter_acquire(&limiter, UINT64_MAX, T0, &at_ns), RESIL_ECOST);
    assert_int_equal(at_ns, 7);
    assert_int_equal(resil_limiter_reserve(&limiter, 6, T0, RESIL_SEC(9), &reservation),
                     RESIL_ECOST);
    assert_int_equal(resil_limiter_cancel(&limiter, &reservation, T0), RESIL_EINVAL);
    assert_int_equal(resil_limiter_peek(&limiter, 6, T0, &at_ns), RESIL_ECOST);
    assert_true(at_ns == RESIL_NEVER);
    assert_int_equal(look(&limiter, T0).available, 5);
}

static void limiter_that_starts_empty_fills_from_the_first_use(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, RESIL_OFF);
    struct resil_limiter two = make(10, RESIL_SEC(1), 5, 2);
    uint64_t retry_at_ns;

    (void)state;
    assert_int_equal(resil_limiter_acquire(&limiter, 1, T0, &retry_at_ns), RESIL_ELIMITED);
    assert_int_equal(retry_at_ns, T0 + RESIL_MS(100));
    assert_int_equal(take(&limiter, 1, retry_at_ns), RESIL_OK);
    assert_int_equal(take(&two, 3, T0), RESIL_ELIMITED);
    assert_int_equal(take(&two, 2, T0), RESIL_OK);
}

static void limiter_has_documented_defaults(void **state)
{
    struct resil_limiter fast = make(50, 0, 0, 0);
    struct resil_limiter slow = make(1, RESIL_SEC(3600), 0, 0);

    (void)state;
    assert_int_equal(look(&fast, T0).period_ns, RESIL_SEC(1));
    assert_int_equal(look(&fast, T0).burst, 50);
    assert_int_equal(look(&fast, T0).available, 50);
    assert_int_equal(look(&slow, T0).burst, 1);
}

static void config_check_names_what_is_wrong(void **state)
{
    static const struct {
        struct resil_limiter_config config;
        const char *why;
    } cases[] = {
        {{.tokens = 0}, "tokens is 0: must be 1 to 1000000000"},
        {{.tokens = RESIL_SEC(1) + 1}, "tokens is 1000000001: must be 1 to 1000000000"},
        {{.tokens = 1, .period_ns = RESIL_OFF}, "period_ns is RESIL_OFF"},
        {{.tokens = 1, .period_ns = RESIL_SEC(31622401)},
         "period_ns is 31622401000000000: must be 1 to"},
        {{.tokens = 1, .burst = RESIL_OFF}, "burst is RESIL_OFF: must be 1 to 1152921504"},
        {{.tokens = 1, .burst = 1152921505}, "burst is 1152921505: must be 1 to 1152921504"},
        {{.tokens = 1, .burst = 5, .initial = 6}, "initial is 6: must be 1 to 5"},
    };
    struct resil_limiter limiter;
    char why[160] = "untouched";

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(resil_limiter_config_check(&cases[i].config, why, sizeof why),
                         RESIL_EINVAL);
        assert_memory_equal(why, cases[i].why, strlen(cases[i].why));
        assert_int_equal(resil_limiter_init(&limiter, &cases[i].config), RESIL_EINVAL);
    }
    (void)strcpy(why, "untouched");
    assert_int_equal(
        resil_limiter_config_check(&(struct resil_limiter_config){.tokens = 1}, why, sizeof why),
        RESIL_OK);
    assert_string_equal(why, "untouched");
    assert_int_equal(resil_limiter_config_check(NULL, why, sizeof why), RESIL_EINVAL);
    assert_int_equal(resil_limiter_init(&limiter, NULL), RESIL_EINVAL);
    assert_int_equal(resil_limiter_init(NULL, &(struct resil_limiter_config){.tokens = 1}),
                     RESIL_EINVAL);
}

static void init_refuses_structs_of_another_size(void **state)
{
    struct resil_limiter limiter;
    const struct resil_limiter_config config = {.tokens = 1};

    (void)state;
    assert_int_equal(resil_limiter_init_sized(&limiter, sizeof limiter - 8, &config, sizeof config),
                     RESIL_EABI);
    assert_int_equal(resil_limiter_init_sized(&limiter, sizeof limiter, &config, sizeof config + 8),
                     RESIL_EABI);
}

static void reserve_lends_a_slot_within_the_wait(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 1, 0);
    struct resil_reservation reservation;

    (void)state;
    assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, 0, &reservation), RESIL_OK);
    assert_int_equal(reservation.at_ns, T0);
    assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, RESIL_MS(250), &reservation), RESIL_OK);
    assert_int_equal(reservation.at_ns, T0 + RESIL_MS(100));
    assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, RESIL_MS(250), &reservation), RESIL_OK);
    assert_int_equal(reservation.at_ns, T0 + RESIL_MS(200));
    assert_int_equal(look(&limiter, T0).owed, 2);
}

static void reserve_refuses_a_hopeless_wait_and_takes_nothing(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 1, 0);
    struct resil_reservation reservation;

    (void)state;
    assert_int_equal(take(&limiter, 1, T0), RESIL_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, RESIL_MS(100) - 1, &reservation),
                         RESIL_ELIMITED);
        assert_int_equal(reservation.at_ns, T0 + RESIL_MS(100));
        assert_int_equal(resil_limiter_cancel(&limiter, &reservation, T0), RESIL_EINVAL);
    }
    assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, RESIL_MS(100), &reservation), RESIL_OK);
}

static void cancel_gives_back_the_last_reservation_only(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 2, 0);
    struct resil_reservation first;
    struct resil_reservation second;

    (void)state;
    assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, 0, &first), RESIL_OK);
    assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, 0, &second), RESIL_OK);
    assert_int_equal(resil_limiter_cancel(&limiter, &first, T0), RESIL_ELATE);
    assert_int_equal(look(&limiter, T0).available, 0);
    assert_int_equal(resil_limiter_cancel(&limiter, &second, T0), RESIL_OK);
    assert_int_equal(look(&limiter, T0).available, 1);
    assert_int_equal(resil_limiter_cancel(&limiter, &second, T0), RESIL_EINVAL);
    assert_int_equal(resil_limiter_cancel(&limiter, &first, T0), RESIL_EINVAL);
    assert_int_equal(look(&limiter, T0).available, 1);
}

static void cancel_unwinds_in_reverse_order(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 2, 0);
    struct resil_reservation first;
    struct resil_reservation second;

    (void)state;
    assert_int_equal(resil_limiter_reserve(&limiter, 2, T0, 0, &first), RESIL_OK);
    assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, RESIL_SEC(1), &second), RESIL_OK);
    assert_int_equal(resil_limiter_cancel(&limiter, &second, T0), RESIL_OK);
    assert_int_equal(resil_limiter_cancel(&limiter, &first, T0), RESIL_OK);
    assert_int_equal(look(&limiter, T0).available, 2);
}

static void cancel_after_the_tokens_came_back_changes_nothing(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 2, 0);
    struct resil_reservation reservation;

    (void)state;
    assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, 0, &reservation), RESIL_OK);
    assert_int_equal(resil_limiter_cancel(&limiter, &reservation, T0 + RESIL_SEC(5)), RESIL_OK);
    assert_int_equal(look(&limiter, T0 + RESIL_SEC(5)).available, 2);
}

static void cancel_after_a_reconfigure_is_forfeited(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 2, 0);
    struct resil_reservation reservation;

    (void)state;
    assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, 0, &reservation), RESIL_OK);
    assert_int_equal(resil_limiter_reconfigure(
                         &limiter, &(struct resil_limiter_config){.tokens = 10, .burst = 2}, T0),
                     RESIL_OK);
    assert_int_equal(resil_limiter_cancel(&limiter, &reservation, T0), RESIL_ELATE);
    assert_int_equal(look(&limiter, T0).available, 1);
}

static void peek_answers_like_acquire_and_takes_nothing(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 1, 0);
    uint64_t at_ns;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(resil_limiter_peek(&limiter, 1, T0, &at_ns), RESIL_OK);
        assert_int_equal(at_ns, T0);
    }
    assert_int_equal(take(&limiter, 1, T0), RESIL_OK);
    assert_int_equal(resil_limiter_peek(&limiter, 1, T0, &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_MS(100));
    assert_int_equal(resil_limiter_peek(&limiter, 1, T0, NULL), RESIL_ELIMITED);
}

static void refusal_writes_nothing(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 1, 0);
    struct resil_limiter before;

    (void)state;
    assert_int_equal(take(&limiter, 1, T0), RESIL_OK);
    before = limiter;
    assert_int_equal(take(&limiter, 1, T0), RESIL_ELIMITED);
    assert_int_equal(take(&limiter, 2, T0), RESIL_ECOST);
    assert_memory_equal(&before, &limiter, sizeof limiter);
}

static void drain_empties_and_holds_back_for_a_span(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    uint64_t at_ns;

    (void)state;
    resil_limiter_drain(&limiter, RESIL_SEC(30), T0);
    assert_int_equal(resil_limiter_acquire(&limiter, 1, T0, &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_SEC(30));
    assert_int_equal(take(&limiter, 2, at_ns), RESIL_ELIMITED);
    assert_int_equal(take(&limiter, 1, at_ns), RESIL_OK);
    assert_int_equal(take(&limiter, 1, at_ns + RESIL_MS(99)), RESIL_ELIMITED);
    assert_int_equal(take(&limiter, 1, at_ns + RESIL_MS(100)), RESIL_OK);
}

static void drain_never_shortens_a_longer_one(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);

    (void)state;
    resil_limiter_drain(&limiter, RESIL_SEC(30), T0);
    resil_limiter_drain(&limiter, RESIL_SEC(10), T0);
    resil_limiter_drain(&limiter, 0, T0);
    assert_int_equal(look(&limiter, T0).next_at_ns, T0 + RESIL_SEC(30));
}

static void drain_of_no_span_only_empties(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);

    (void)state;
    resil_limiter_drain(&limiter, 0, T0);
    assert_int_equal(look(&limiter, T0).available, 0);
    assert_int_equal(look(&limiter, T0).next_at_ns, T0 + RESIL_MS(100));
    assert_int_equal(look(&limiter, T0).full_at_ns, T0 + RESIL_MS(500));
}

static void drain_is_capped_at_a_day(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);

    (void)state;
    resil_limiter_drain(&limiter, UINT64_MAX, T0);
    assert_int_equal(look(&limiter, T0).next_at_ns, T0 + RESIL_SEC(86400));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limiter_grants_the_burst_and_then_the_rate),
        cmocka_unit_test(limiter_saves_no_more_than_the_burst),
        cmocka_unit_test(limiter_takes_several_tokens_or_none),
        cmocka_unit_test(limiter_reads_a_cost_of_zero_as_one),
        cmocka_unit_test(limiter_tells_a_cost_above_the_burst_from_a_refusal),
        cmocka_unit_test(limiter_that_starts_empty_fills_from_the_first_use),
        cmocka_unit_test(limiter_has_documented_defaults),
        cmocka_unit_test(config_check_names_what_is_wrong),
        cmocka_unit_test(init_refuses_structs_of_another_size),
        cmocka_unit_test(reserve_lends_a_slot_within_the_wait),
        cmocka_unit_test(reserve_refuses_a_hopeless_wait_and_takes_nothing),
        cmocka_unit_test(cancel_gives_back_the_last_reservation_only),
        cmocka_unit_test(cancel_unwinds_in_reverse_order),
        cmocka_unit_test(cancel_after_the_tokens_came_back_changes_nothing),
        cmocka_unit_test(cancel_after_a_reconfigure_is_forfeited),
        cmocka_unit_test(peek_answers_like_acquire_and_takes_nothing),
        cmocka_unit_test(refusal_writes_nothing),
        cmocka_unit_test(drain_empties_and_holds_back_for_a_span),
        cmocka_unit_test(drain_never_shortens_a_longer_one),
        cmocka_unit_test(drain_of_no_span_only_empties),
        cmocka_unit_test(drain_is_capped_at_a_day),
    };

    return cmocka_run_group_tests_name("limiter", tests, NULL, NULL);
}
