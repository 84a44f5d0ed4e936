/* SPDX-License-Identifier: BSD-2-Clause */

/* Other rules and another clock for a budget that is in use. */
#include "budget_fixture.h"

static void reconfigure_keeps_the_balance_in_tokens(void **state)
{
    (void)state;
    make(&(struct resil_budget_config){.cap = 10, .ttl_ns = RESIL_OFF});
    assert_int_equal(resil_budget_withdraw(&budget, 6, NOW), RESIL_OK);
    assert_int_equal(resil_budget_reconfigure(
                         &budget,
                         &(struct resil_budget_config){.cap = 20, .min_tokens = 7, .share_pct = 50},
                         NOW),
                     RESIL_OK);
    assert_in_range(balance(NOW), 399, 400); /* rounded down, never up */
    deposit(1, NOW);
    assert_in_range(balance(NOW), 449, 450);
    assert_int_equal(
        resil_budget_reconfigure(
            &budget, &(struct resil_budget_config){.cap = 2, .min_tokens = RESIL_OFF}, NOW),
        RESIL_OK);
    assert_int_equal(balance(NOW), 200);
    assert_int_equal(balance(NOW + RESIL_SEC(5)), 200);
    assert_int_equal(resil_budget_reconfigure(&budget, NULL, NOW), RESIL_OK);
    assert_int_equal(balance(NOW), 200);
    assert_int_equal(balance(NOW + RESIL_SEC(5)), 250);
}

/* One ns of 10 s is missing to a token, so less than a ns of 1/3 s: it is still missing. */
static void reconfigure_rounds_the_balance_down(void **state)
{
    (void)state;
    make(NULL);
    assert_int_equal(drain(NOW), 3);
    assert_int_equal(
        resil_budget_reconfigure(
            &budget, &(struct resil_budget_config){.min_tokens = 3, .min_period_ns = RESIL_SEC(1)},
            NOW + RESIL_SEC(10) - 1),
        RESIL_OK);
    assert_int_equal(drain(NOW + RESIL_SEC(10) - 1), 0);
    assert_int_equal(drain(NOW + RESIL_SEC(10)), 1);
}

/* A ns short of a token, of a thousand seconds then and of one now: a thousandth of a ns is less than
   what a budget counts in. */
static void reconfigure_rounds_what_it_cannot_count_down(void **state)
{
    uint64_t late_ns = NOW + RESIL_SEC(1000) - 1;

    (void)state;
    make(&(struct resil_budget_config){.min_tokens = 1, .min_period_ns = RESIL_SEC(1000)});
    assert_true(drain(NOW) > 0);
    assert_int_equal(
        resil_budget_reconfigure(
            &budget, &(struct resil_budget_config){.min_tokens = 1, .min_period_ns = RESIL_SEC(1)},
            late_ns),
        RESIL_OK);
    assert_int_equal(drain(late_ns), 0);
    assert_int_equal(drain(late_ns + 1), 1);
}

static void reconfigure_keeps_a_fresh_budget_full(void **state)
{
    (void)state;
    make(NULL);
    assert_int_equal(
        resil_budget_reconfigure(&budget, &(struct resil_budget_config){.cap = 9}, NOW), RESIL_OK);
    assert_int_equal(drain(NOW), 9);
}

static void reconfigure_never_forgives_a_debt(void **state)
{
    (void)state;
    make(NULL);
    assert_int_equal(drain(NOW), 3);
    /* Seen from 5 s ago the balance is half a token below zero. */
    assert_int_equal(resil_budget_reconfigure(&budget,
                                              &(struct resil_budget_config){.min_tokens = 2},
                                              NOW - RESIL_SEC(5)),
                     RESIL_OK);
    assert_int_equal(drain(NOW - RESIL_SEC(5) + RESIL_MS(7500) - 1), 0);
    assert_int_equal(drain(NOW - RESIL_SEC(5) + RESIL_MS(7500)), 1);
}

static void reconfigure_outlives_the_wrap_of_its_generation(void **state)
{
    (void)state;
    make(&(struct resil_budget_config){.cap = 5});
    assert_int_equal(resil_budget_withdraw(&budget, 3, NOW), RESIL_OK);
    for (uint64_t i = 0; i < 1000; i++) {
        const struct resil_budget_config config = {.cap = 5 + i % 2};

        assert_int_equal(resil_budget_reconfigure(&budget, &config, NOW), RESIL_OK);
        assert_int_equal(balance(NOW), 200);
    }
}

static void reconfigure_refuses_without_changing_anything(void **state)
{
    struct resil_budget before;
    struct resil_budget zero = {.word_ = 0};

    (void)state;
    make(NULL);
    memcpy(&before, &budget, sizeof before);
    assert_int_equal(
        resil_budget_reconfigure(&budget, &(struct resil_budget_config){.cap = 1001}, NOW),
        RESIL_EINVAL);
    assert_int_equal(resil_budget_reconfigure(NULL, NULL, NOW), RESIL_EINVAL);
    assert_int_equal(resil_budget_reconfigure(&zero, NULL, NOW), RESIL_EINVAL);
    assert_memory_equal(&budget, &before, sizeof before);
    budget.busy_ = 1; /* another caller is at it, or died */
    assert_int_equal(resil_budget_reconfigure(&budget, NULL, NOW), RESIL_EBUSY);
    resil_budget_rebase(&budget, NOW);
    assert_int_equal(resil_budget_reconfigure(&budget, NULL, NOW), RESIL_OK);
}

static void rebase_carries_the_balance_to_a_new_clock(void **state)
{
    (void)state;
    make(NULL);
    deposit(1, NOW);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW), RESIL_OK);
    resil_budget_rebase(&budget, 5);
    assert_int_equal(balance(5), 200);
    assert_int_equal(drain(5), 2);
    resil_budget_rebase(&budget, NOW);
    assert_int_equal(drain(NOW), 0);
    assert_int_equal(drain(NOW + RESIL_SEC(10)), 1);
    make(NULL);
    resil_budget_rebase(&budget, 5);
    assert_int_equal(drain(5), 3);
    resil_budget_rebase(NULL, 5);
}

static void rebase_of_a_drained_budget_gives_nothing(void **state)
{
    (void)state;
    make(NULL);
    deposit(1, NOW);
    assert_int_equal(drain(NOW + RESIL_SEC(5)), 3);
    resil_budget_rebase(&budget, 0);
    assert_int_equal(drain(0), 0);
    assert_int_equal(drain(RESIL_SEC(10)), 1);
    make(&(struct resil_budget_config){.min_tokens = RESIL_OFF});
    deposit(1, NOW);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW + RESIL_SEC(5)), RESIL_OK);
    resil_budget_rebase(&budget, 0);
    assert_int_equal(drain(0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reconfigure_keeps_the_balance_in_tokens),
        cmocka_unit_test(reconfigure_rounds_the_balance_down),
        cmocka_unit_test(reconfigure_rounds_what_it_cannot_count_down),
        cmocka_unit_test(reconfigure_keeps_a_fresh_budget_full),
        cmocka_unit_test(reconfigure_never_forgives_a_debt),
        cmocka_unit_test(reconfigure_outlives_the_wrap_of_its_generation),
        cmocka_unit_test(reconfigure_refuses_without_changing_anything),
        cmocka_unit_test(rebase_carries_the_balance_to_a_new_clock),
        cmocka_unit_test(rebase_of_a_drained_budget_gives_nothing),
    };

    return cmocka_run_group_tests_name("budget change", tests, NULL, NULL);
}
