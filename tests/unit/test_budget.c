/* SPDX-License-Identifier: BSD-2-Clause */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "budget_fixture.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void budget_is_full_when_fresh(void **state)
{
    const uint64_t clocks[] = {0, 1, NOW, UINT64_C(1) << 55, UINT64_C(1) << 56, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        make(NULL);
        assert_int_equal(balance(clocks[i]), 300);
        assert_int_equal(drain(clocks[i]), 3);
        assert_int_equal(balance(clocks[i]), 0);
    }
}

static void budget_refuses_when_empty_and_changes_nothing(void **state)
{
    struct resil_budget before;

    (void)state;
    make(NULL);
    assert_int_equal(drain(NOW), 3);
    memcpy(&before, &budget, sizeof before);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW), RESIL_EBUDGET);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW + RESIL_SEC(9)), RESIL_EBUDGET);
    assert_memory_equal(&budget, &before, sizeof before);
}

static void success_earns_its_share_exactly(void **state)
{
    (void)state;
    for (uint64_t pct = 1; pct <= 100; pct++) {
        make(&(struct resil_budget_config){.share_pct = pct, .cap = 200, .ttl_ns = RESIL_OFF});
        assert_int_equal(drain(NOW), 200);
        deposit(99, NOW);
        assert_int_equal(balance(NOW), 99 * pct);
        deposit(1, NOW);
        assert_int_equal(drain(NOW), pct);
        assert_int_equal(balance(NOW), 0);
    }
}

static void time_earns_its_minimum_to_the_ns(void **state)
{
    (void)state;
    make(NULL);
    assert_int_equal(drain(NOW), 3);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW + RESIL_SEC(10) - 1), RESIL_EBUDGET);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW + RESIL_SEC(10)), RESIL_OK);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW + RESIL_SEC(20) - 1), RESIL_EBUDGET);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW + RESIL_SEC(20)), RESIL_OK);

    make(&(struct resil_budget_config){.min_tokens = 1000, .min_period_ns = RESIL_MS(100)});
    assert_int_equal(drain(NOW), 3);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW + RESIL_US(100) - 1), RESIL_EBUDGET);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW + RESIL_US(100)), RESIL_OK);
}

/* 3 tokens in 1 s: 333,333,333.3 ns for one, rounded up to 333,333,400. */
static void time_never_earns_faster_than_configured(void **state)
{
    uint64_t granted = 0;

    (void)state;
    make(&(struct resil_budget_config){
        .min_tokens = 3, .min_period_ns = RESIL_SEC(1), .share_pct = RESIL_OFF});
    assert_int_equal(drain(NOW), 3);
    for (uint64_t ms = 1; ms <= 1000000; ms++)
        granted += resil_budget_withdraw(&budget, 1, NOW + RESIL_MS(ms)) == RESIL_OK;
    assert_in_range(granted, 2998, 3000);
}

static void share_and_minimum_can_be_off(void **state)
{
    (void)state;
    make(&(struct resil_budget_config){.share_pct = RESIL_OFF});
    assert_int_equal(drain(NOW), 3);
    deposit(1000, NOW);
    assert_int_equal(balance(NOW), 0);

    make(&(struct resil_budget_config){.min_tokens = RESIL_OFF});
    assert_int_equal(drain(NOW), 3);
    assert_int_equal(drain(NOW + RESIL_SEC(100000)), 0);
    deposit(9, NOW + RESIL_SEC(100000));
    assert_int_equal(drain(NOW + RESIL_SEC(100000)), 0);
    deposit(1, NOW + RESIL_SEC(100000));
    assert_int_equal(drain(NOW + RESIL_SEC(100000)), 1);
}

static void balance_never_exceeds_the_cap(void **state)
{
    (void)state;
    make(NULL);
    deposit(1000, NOW);
    assert_int_equal(drain(NOW), 3);
    deposit(1000, NOW + 5);
    assert_int_equal(drain(NOW + 5), 3);
    make(&(struct resil_budget_config){.cap = 7, .ttl_ns = RESIL_OFF});
    assert_int_equal(drain(NOW), 7);
    assert_int_equal(drain(NOW + RESIL_SEC(100000)), 7);
}

static void withdrawal_is_all_or_nothing(void **state)
{
    (void)state;
    make(NULL);
    assert_int_equal(resil_budget_withdraw(&budget, 2, NOW), RESIL_OK);
    assert_int_equal(resil_budget_withdraw(&budget, 2, NOW), RESIL_EBUDGET);
    assert_int_equal(balance(NOW), 100);
    assert_int_equal(resil_budget_withdraw(&budget, 0, NOW), RESIL_OK); /* 0 = 1 */
    assert_int_equal(balance(NOW), 0);
}

static void withdrawal_above_the_cap_is_never_granted(void **state)
{
    /* 2^46 tokens of 10 s are a multiple of 2^64 of what the word counts in. */
    const uint64_t costs[] = {4, 1000, UINT64_C(1) << 32, UINT64_C(1) << 46, UINT64_MAX};

    (void)state;
    make(NULL);
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++)
        assert_int_equal(resil_budget_withdraw(&budget, costs[i], NOW), RESIL_EBUDGET);
    assert_int_equal(balance(NOW), 300);
}

static void success_on_a_full_budget_writes_nothing(void **state)
{
    struct resil_budget before;

    (void)state;
    make(NULL);
    deposit(1, NOW);
    memcpy(&before, &budget, sizeof before);
    for (uint64_t ms = 0; ms <= 625; ms++) /* a sixteenth of the ttl */
        deposit(1, NOW + RESIL_MS(ms));
    assert_memory_equal(&budget, &before, sizeof before);
    deposit(1, NOW + RESIL_MS(626));
    assert_memory_not_equal(&budget, &before, sizeof before);
    assert_int_equal(drain(NOW + RESIL_MS(626)), 3);
}

static void balance_expires_without_a_success(void **state)
{
    struct resil_budget_snapshot snapshot;

    (void)state;
    make(NULL);
    deposit(1, NOW);
    assert_int_equal(balance(NOW + RESIL_SEC(10)), 300);
    assert_int_equal(balance(NOW + RESIL_SEC(10) + 1), 100);
    assert_int_equal(resil_budget_snapshot(&budget, NOW + RESIL_SEC(11), &snapshot), RESIL_OK);
    assert_true(snapshot.expired);
    assert_int_equal(snapshot.cap, 3);
    assert_int_equal(drain(NOW + RESIL_SEC(3600)), 1);
}

static void balance_of_a_first_use_expires_too(void **state)
{
    (void)state;
    make(NULL);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW), RESIL_OK);
    assert_int_equal(balance(NOW + RESIL_SEC(10)), 300);
    assert_int_equal(drain(NOW + RESIL_SEC(10) + 1), 1);
}

static void balance_is_kept_while_calls_succeed(void **state)
{
    (void)state;
    make(&(struct resil_budget_config){.min_tokens = RESIL_OFF});
    for (uint64_t s = 0; s < 1000; s += 9)
        deposit(1, NOW + RESIL_SEC(s));
    assert_int_equal(drain(NOW + RESIL_SEC(1000)), 3);
}

static void success_does_not_revive_what_expired(void **state)
{
    (void)state;
    make(NULL);
    deposit(1, NOW);
    deposit(1, NOW + RESIL_SEC(60));
    assert_int_equal(balance(NOW + RESIL_SEC(60)), 110);
    make(&(struct resil_budget_config){.min_tokens = RESIL_OFF});
    deposit(1, NOW);
    deposit(1, NOW + RESIL_SEC(60));
    assert_int_equal(balance(NOW + RESIL_SEC(60)), 10);
}

static void expired_budget_still_grants_the_minimum(void **state)
{
    uint64_t granted = 0;

    (void)state;
    make(&(struct resil_budget_config){.min_period_ns = RESIL_SEC(40)}); /* longer than the ttl */
    assert_int_equal(drain(NOW), 3);
    for (uint64_t s = 1; s <= 400; s++)
        granted += (uint64_t)drain(NOW + RESIL_SEC(s));
    assert_int_equal(granted, 10);
}

static void expiry_can_be_off(void **state)
{
    (void)state;
    make(&(struct resil_budget_config){.ttl_ns = RESIL_OFF, .min_tokens = RESIL_OFF});
    deposit(1, NOW);
    assert_int_equal(drain(NOW + RESIL_SEC(1000000)), 3);
}

static void older_time_never_loosens(void **state)
{
    (void)state;
    make(NULL);
    assert_int_equal(drain(NOW), 3);
    assert_int_equal(drain(NOW - RESIL_SEC(5)), 0);
    deposit(10, NOW - RESIL_SEC(5)); /* a success is one whenever its call began */
    assert_int_equal(balance(NOW), 100);
    assert_int_equal(balance(NOW - RESIL_SEC(5)), 50);
    assert_int_equal(drain(NOW - RESIL_SEC(5)), 0);
    assert_int_equal(drain(NOW), 1);
    deposit(1000, NOW - RESIL_SEC(5));
    assert_int_equal(drain(NOW), 3);
}

static void old_success_does_not_age_the_budget(void **state)
{
    (void)state;
    make(NULL);
    deposit(1, NOW);
    deposit(100, NOW - RESIL_SEC(60));
    assert_int_equal(drain(NOW + RESIL_SEC(10)), 3);
}

static void a_clock_that_was_set_back_is_refused_like_any_other(void **state)
{
    (void)state;
    make(NULL);
    assert_int_equal(drain(NOW + RESIL_SEC(86400)), 3);
    assert_int_equal(resil_budget_withdraw(&budget, 1, NOW), RESIL_EBUDGET);
}

static void clock_that_was_set_back_recovers_within_the_ttl(void **state)
{
    const uint64_t steps[] = {RESIL_SEC(11), RESIL_SEC(3600), RESIL_SEC(900000),
                              RESIL_SEC(1000000)};

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        uint64_t now_ns = RESIL_SEC(1000000);

        make(NULL);
        assert_int_equal(drain(now_ns), 3);
        now_ns -= steps[i];
        assert_int_equal(drain(now_ns), 0);
        assert_int_equal(drain(now_ns + RESIL_SEC(20) - 1), 0);
        assert_int_equal(drain(now_ns + RESIL_SEC(20)), 1);
        assert_int_equal(drain(now_ns + RESIL_SEC(30)), 1);
        assert_int_equal(drain(now_ns + RESIL_SEC(90)), 1); /* and what is not renewed expires */
    }
}

static void clock_that_jumps_ahead_grants_no_more_than_the_cap(void **state)
{
    (void)state;
    for (int shift = 32; shift < 64; shift++) {
        uint64_t now_ns = NOW + (UINT64_C(1) << shift);
        int granted;

        make(NULL);
        assert_int_equal(drain(NOW), 3);
        granted = drain(now_ns);
        assert_in_range(granted, 0, 3);
        granted += drain(now_ns + RESIL_SEC(20)); /* and it isn't stuck */
        assert_in_range(granted, 1, 4);
        (void)drain(NOW);
        assert_in_range(drain(NOW + RESIL_SEC(20)), 1, 2); /* nor after the way back */
    }
}

static void budget_survives_years_of_idleness(void **state)
{
    (void)state;
    for (uint64_t months = 1; months < 100; months++) {
        uint64_t now_ns = NOW + months * RESIL_SEC(2600000);

        make(NULL);
        deposit(5, NOW);
        assert_in_range(drain(now_ns), 0, 1);
        assert_in_range(drain(now_ns + RESIL_SEC(20)), 1, 2);
        deposit(100, now_ns + RESIL_SEC(21));
        assert_int_equal(drain(now_ns + RESIL_SEC(21)), 3);
    }
}

static void uninitialised_budget_grants_nothing(void **state)
{
    struct resil_budget zero = {.word_ = 0};
    struct resil_budget_snapshot snapshot;

    (void)state;
    assert_int_equal(resil_budget_withdraw(&zero, 1, NOW), RESIL_EINVAL);
    assert_int_equal(resil_budget_withdraw(NULL, 1, NOW), RESIL_EINVAL);
    assert_int_equal(resil_budget_snapshot(&zero, NOW, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_budget_snapshot(NULL, NOW, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_budget_snapshot(&budget, NOW, NULL), RESIL_EINVAL);
    resil_budget_deposit(&zero, NOW);
    resil_budget_deposit(NULL, NOW);
    resil_budget_rebase(&zero, NOW);
    assert_int_equal(resil_budget_withdraw(&zero, 1, NOW), RESIL_EINVAL);
}

static void processes_share_a_budget(void **state)
{
    struct resil_budget *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t child;

    (void)state;
    assert_ptr_not_equal(shared, MAP_FAILED);
    assert_int_equal(resil_budget_init(shared, NULL), RESIL_OK);
    child = fork();
    if (child == 0)
        _exit(resil_budget_withdraw(shared, 2, NOW) == RESIL_OK ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(resil_budget_withdraw(shared, 1, NOW), RESIL_OK);
    assert_int_equal(resil_budget_withdraw(shared, 1, NOW), RESIL_EBUDGET);
    assert_int_equal(munmap(shared, sizeof *shared), 0);
}

static void init_refuses_a_bad_call(void **state)
{
    struct resil_budget before;

    (void)state;
    memset(&budget, 0x5a, sizeof budget);
    memcpy(&before, &budget, sizeof before);
    assert_int_equal(resil_budget_init(NULL, NULL), RESIL_EINVAL);
    assert_int_equal(resil_budget_init(&budget, &(struct resil_budget_config){.cap = RESIL_OFF}),
                     RESIL_EINVAL);
    assert_int_equal(resil_budget_init_sized(&budget, sizeof budget + 8, NULL,
                                             sizeof(struct resil_budget_config)),
                     RESIL_EABI);
    assert_int_equal(resil_budget_init_sized(&budget, sizeof budget, NULL, 8), RESIL_EABI);
    assert_memory_equal(&budget, &before, sizeof before);
}

static void expect_refused(const struct resil_budget_config *config, const char *line)
{
    char why[120] = "";

    assert_int_equal(resil_budget_config_check(config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, line);
}

static void config_check_names_each_field(void **state)
{
    (void)state;
    assert_int_equal(resil_budget_config_check(NULL, NULL, 0), RESIL_OK);
    expect_refused(&(struct resil_budget_config){.share_pct = 101},
                   "share_pct is 101: must be 1 to 100 (0 = default, RESIL_OFF = off)");
    expect_refused(&(struct resil_budget_config){.min_tokens = 1001},
                   "min_tokens is 1001: must be 1 to 1000 (0 = default, RESIL_OFF = off)");
    expect_refused(&(struct resil_budget_config){.min_period_ns = 999999},
                   "min_period_ns is 999999: must be 1000000 to 3600000000000 (0 = default)");
    expect_refused(&(struct resil_budget_config){.cap = 1001},
                   "cap is 1001: must be 1 to 1000 (0 = default)");
    expect_refused(&(struct resil_budget_config){.ttl_ns = 5},
                   "ttl_ns is 5: must be 1000000 to 3600000000000 (0 = default, RESIL_OFF = off)");
    expect_refused(&(struct resil_budget_config){.share_pct = RESIL_OFF, .min_tokens = RESIL_OFF},
                   "share_pct: can't be off together with min_tokens");
    expect_refused(&(struct resil_budget_config){.min_tokens = 11, .min_period_ns = RESIL_MS(1)},
                   "min_period_ns: must be 100 us or more for each token");
    assert_int_equal(
        resil_budget_config_check(
            &(struct resil_budget_config){.min_tokens = 10, .min_period_ns = RESIL_MS(1)}, NULL, 0),
        RESIL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_is_full_when_fresh),
        cmocka_unit_test(budget_refuses_when_empty_and_changes_nothing),
        cmocka_unit_test(success_earns_its_share_exactly),
        cmocka_unit_test(time_earns_its_minimum_to_the_ns),
        cmocka_unit_test(time_never_earns_faster_than_configured),
        cmocka_unit_test(share_and_minimum_can_be_off),
        cmocka_unit_test(balance_never_exceeds_the_cap),
        cmocka_unit_test(withdrawal_is_all_or_nothing),
        cmocka_unit_test(withdrawal_above_the_cap_is_never_granted),
        cmocka_unit_test(success_on_a_full_budget_writes_nothing),
        cmocka_unit_test(balance_expires_without_a_success),
        cmocka_unit_test(balance_of_a_first_use_expires_too),
        cmocka_unit_test(balance_is_kept_while_calls_succeed),
        cmocka_unit_test(success_does_not_revive_what_expired),
        cmocka_unit_test(expired_budget_still_grants_the_minimum),
        cmocka_unit_test(expiry_can_be_off),
        cmocka_unit_test(older_time_never_loosens),
        cmocka_unit_test(old_success_does_not_age_the_budget),
        cmocka_unit_test(a_clock_that_was_set_back_is_refused_like_any_other),
        cmocka_unit_test(clock_that_was_set_back_recovers_within_the_ttl),
        cmocka_unit_test(clock_that_jumps_ahead_grants_no_more_than_the_cap),
        cmocka_unit_test(budget_survives_years_of_idleness),
        cmocka_unit_test(uninitialised_budget_grants_nothing),
        cmocka_unit_test(processes_share_a_budget),
        cmocka_unit_test(init_refuses_a_bad_call),
        cmocka_unit_test(config_check_names_each_field),
    };

    return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
