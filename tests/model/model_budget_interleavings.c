/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The retry budget under every interleaving of two or three callers. In most scenarios no time
 * passes: what was granted and what is left are then together exactly what there was and what was
 * earned.
 */
#include "test.h"

#include "interleave.h"

#include "../../src/retry/budget.c"
#include "../../src/retry/budget_config.c"

#define NOW   RESIL_SEC(1000)
#define LATER RESIL_SEC(1100) /* the budget has expired by then */

typedef void body(int self);

static struct resil_budget budget;
static unsigned granted, deposited, busy;

static const struct resil_budget_config by_success = {
    .share_pct = 100, .min_tokens = RESIL_OFF, .cap = 3};
static const struct resil_budget_config one_token = {.share_pct = RESIL_OFF, .cap = 1};
static const struct resil_budget_config slower = {
    .share_pct = 100, .min_period_ns = RESIL_SEC(20), .cap = 3};
static const struct resil_budget_config faster = {
    .share_pct = 100, .min_period_ns = RESIL_SEC(5), .cap = 2};

static void set_up_fresh(void)
{
    (void)resil_budget_init(&budget, &one_token);
    granted = deposited = busy = 0;
}

static void set_up_empty(void)
{
    (void)resil_budget_init(&budget, &by_success);
    (void)resil_budget_withdraw(&budget, 3, NOW);
    granted = deposited = busy = 0;
}

/* One token, in a budget that was used before. */
static void set_up_one(void)
{
    (void)resil_budget_init(&budget, &slower);
    (void)resil_budget_withdraw(&budget, 2, NOW);
    granted = deposited = busy = 0;
}

static void set_up_full(void)
{
    (void)resil_budget_init(&budget, &by_success);
    resil_budget_deposit(&budget, NOW);
    granted = deposited = busy = 0;
}

static void withdraw(int self)
{
    (void)self;
    granted += resil_budget_withdraw(&budget, 1, NOW) == RESIL_OK;
}

static void withdraw_later(int self)
{
    (void)self;
    granted += resil_budget_withdraw(&budget, 1, LATER) == RESIL_OK;
}

static void deposit(int self)
{
    (void)self;
    resil_budget_deposit(&budget, NOW);
    deposited++;
}

static void deposit_later(int self)
{
    (void)self;
    resil_budget_deposit(&budget, LATER);
    deposited++;
}

static void reconfigure(int self)
{
    int rc = resil_budget_reconfigure(&budget, self == 0 ? &faster : &slower, NOW);

    interleave_check(rc == RESIL_OK || rc == RESIL_EBUSY);
    busy += rc == RESIL_EBUSY;
}

/* Both slots of rules are written over. */
static void reconfigure_twice(int self)
{
    (void)self;
    interleave_check(resil_budget_reconfigure(&budget, &faster, NOW) == RESIL_OK);
    interleave_check(resil_budget_reconfigure(&budget, &one_token, NOW) == RESIL_OK);
}

static uint64_t left_at(uint64_t now_ns)
{
    struct resil_budget_snapshot snapshot = {0};

    (void)resil_budget_snapshot(&budget, now_ns, &snapshot);
    return snapshot.balance_pct;
}

/* Nothing is lost, nothing is made. (99: a conversion rounds down, by less than a ns.) */
static void verify_one(void)
{
    uint64_t sum = granted * 100 + left_at(NOW);

    interleave_check(sum == 100 || sum == 99);
    interleave_check(budget.busy_ == 0);
}

static void verify_earned(void)
{
    interleave_check(granted * 100 + left_at(NOW) == deposited * 100);
}

/* What there was before has expired, whoever comes first. */
static void verify_not_too_many(void)
{
    interleave_check(granted <= deposited);
}

static void verify_expired(void)
{
    verify_not_too_many();
    interleave_check(granted * 100 + left_at(LATER) == deposited * 100);
}

static void verify_one_busy(void)
{
    verify_one();
    interleave_check(busy <= 1);
}

static void the_last_token_goes_to_one(void **state)
{
    struct scenario fresh = {
        __func__, 3, (body *const[]){withdraw, withdraw, withdraw}, 0, set_up_fresh, verify_one};
    struct scenario used = {__func__, 3,          (body *const[]){withdraw, withdraw, withdraw},
                            0,        set_up_one, verify_one};
    struct fault blind = {"resil_budget_withdraw", &budget.word_, FAULT_BLIND};

    (void)state;
    interleave_explore(&fresh);
    interleave_explore(&used);
    interleave_finds(&fresh, blind);
    interleave_finds(&used, blind);
}

static void no_deposit_and_no_withdrawal_is_lost(void **state)
{
    struct scenario one = {
        __func__, 3, (body *const[]){deposit, withdraw, withdraw}, 0, set_up_empty, verify_earned};
    struct scenario two = {
        __func__, 3, (body *const[]){deposit, deposit, withdraw}, 0, set_up_empty, verify_earned};
    struct fault blind = {"resil__budget_deposit_slow", &budget.word_, FAULT_BLIND};

    (void)state;
    interleave_explore(&one);
    interleave_explore(&two);
    interleave_finds(&two, blind);
}

static void an_expired_balance_is_never_paid_out(void **state)
{
    struct scenario is = {
        __func__, 3,           (body *const[]){deposit_later, withdraw_later, withdraw_later},
        0,        set_up_full, verify_expired};

    (void)state;
    interleave_explore(&is);
    is.verify = verify_not_too_many;
    /* The old balance isn't dropped before the budget is marked as seen. */
    interleave_finds(&is, (struct fault){"resil__budget_deposit_slow", &budget.word_, FAULT_LOST});
}

static void reconfigure_keeps_the_balance(void **state)
{
    struct scenario once = {__func__, 3,          (body *const[]){reconfigure, withdraw, withdraw},
                            0,        set_up_one, verify_one};
    struct scenario twice = {
        __func__, 3,          (body *const[]){reconfigure_twice, withdraw, withdraw},
        0,        set_up_one, verify_one};
    struct fault blind_change = {"resil_budget_reconfigure", &budget.word_, FAULT_BLIND};
    struct fault blind = {"resil_budget_withdraw", &budget.word_, FAULT_BLIND};

    (void)state;
    interleave_explore(&once);
    interleave_explore(&twice);
    interleave_finds(&once, blind_change);
    interleave_finds(&twice, blind);
}

static void one_of_two_reconfigures_is_busy(void **state)
{
    struct scenario is = {__func__, 3,          (body *const[]){reconfigure, reconfigure, withdraw},
                          0,        set_up_one, verify_one_busy};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil_budget_reconfigure", &budget.busy_, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_token_goes_to_one),
        cmocka_unit_test(no_deposit_and_no_withdrawal_is_lost),
        cmocka_unit_test(an_expired_balance_is_never_paid_out),
        cmocka_unit_test(reconfigure_keeps_the_balance),
        cmocka_unit_test(one_of_two_reconfigures_is_busy),
    };

    return cmocka_run_group_tests_name("budget interleavings", tests, NULL, NULL);
}
