/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The limiter under every interleaving of two or three callers: never above the limit, nothing
 * lost, nothing given back twice.
 */
#include "test.h"

#include <resil/limiter.h>

#include "interleave.h"

#include "../../src/limiter/gcra.c"
#include "../../src/limiter/limiter.c"

#define NOW RESIL_SEC(1000)

typedef void body(int self);

static struct resil_limiter limiter;
static unsigned granted, back, forfeited, waited;
static bool drained;
static struct resil_reservation reserved[INTERLEAVE_FIBERS];

static void reset(void)
{
    granted = back = forfeited = waited = 0;
    drained = false;
    memset(reserved, 0, sizeof reserved);
}

static void init_limiter(uint64_t tokens, uint64_t burst)
{
    reset();
    (void)resil_limiter_init(&limiter,
                             &(struct resil_limiter_config){.tokens = tokens, .burst = burst});
}

static void set_up_fresh(void)
{
    init_limiter(1, 1);
}

static void set_up_one(void)
{
    init_limiter(1, 2);
    (void)resil_limiter_acquire(&limiter, 1, NOW, NULL);
}

static void set_up_two(void)
{
    init_limiter(1, 3);
    (void)resil_limiter_acquire(&limiter, 1, NOW, NULL);
}

static void take(int self)
{
    (void)self;
    granted += resil_limiter_acquire(&limiter, 1, NOW, NULL) == RESIL_OK;
}

static void reserve_and_cancel(int self)
{
    int rc = resil_limiter_reserve(&limiter, 1, NOW, 0, &reserved[self]);

    if (rc != RESIL_OK)
        return;
    rc = resil_limiter_cancel(&limiter, &reserved[self], NOW);
    interleave_check(rc == RESIL_OK || rc == RESIL_ELATE);
    back += rc == RESIL_OK;
    forfeited += rc == RESIL_ELATE;
}

static void reserve_ahead(int self)
{
    if (resil_limiter_reserve(&limiter, 1, NOW, RESIL_SEC(10), &reserved[self]) == RESIL_OK)
        waited++;
}

static uint64_t tokens_left(void)
{
    struct resil_limiter_snapshot snapshot;

    resil_limiter_snapshot(&limiter, NOW, &snapshot);
    return snapshot.available;
}

static void verify_one(void)
{
    interleave_check(granted == 1 && tokens_left() == 0);
}

/* Two tokens at the start: granted, forfeited or still there. */
static void verify_two(void)
{
    interleave_check(granted + forfeited + tokens_left() == 2);
}

/* One token now, the others a second apart. */
static void verify_slots(void)
{
    interleave_check(waited == 3);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < i; j++)
            interleave_check(reserved[i].at_ns >= reserved[j].at_ns + RESIL_SEC(1) ||
                             reserved[j].at_ns >= reserved[i].at_ns + RESIL_SEC(1));
}

static void the_last_token_goes_to_one(void **state)
{
    struct scenario fresh = {__func__,     3,         (body *const[]){take, take, take}, 0,
                             set_up_fresh, verify_one};
    struct scenario used = {__func__, 3,          (body *const[]){take, take, take},
                            0,        set_up_one, verify_one};

    (void)state;
    interleave_explore(&fresh);
    interleave_explore(&used);
    interleave_finds(&fresh, (struct fault){"load_word", &limiter.gcra_.word_, FAULT_BLIND});
    interleave_finds(&used, (struct fault){"resil__gcra_swap", &limiter.gcra_.word_, FAULT_BLIND});
}

static void cancel_gives_back_its_own_alone(void **state)
{
    struct scenario is = {__func__, 3,          (body *const[]){reserve_and_cancel, take, take},
                          0,        set_up_two, verify_two};
    struct scenario two = {
        __func__, 3,          (body *const[]){reserve_and_cancel, reserve_and_cancel, take},
        0,        set_up_two, verify_two};
    struct fault blind = {"resil__gcra_give_back", &limiter.gcra_.word_, FAULT_BLIND};

    (void)state;
    interleave_explore(&is);
    interleave_explore(&two);
    interleave_finds(&is, blind);
    interleave_finds(&two, blind);
}

static void no_two_reservations_share_a_slot(void **state)
{
    struct scenario is = {
        __func__, 3,          (body *const[]){reserve_ahead, reserve_ahead, reserve_ahead},
        0,        set_up_one, verify_slots};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__gcra_take", &limiter.gcra_.word_, FAULT_BLIND});
}

static void set_up_none(void)
{
    init_limiter(1, 1);
    (void)resil_limiter_acquire(&limiter, 1, NOW, NULL);
}

/* Whoever is told to come later than he would is refused, behind the back of those who weren't. */
static void reserve_soon(int self)
{
    struct resil_reservation own;

    (void)self;
    waited += resil_limiter_reserve(&limiter, 1, NOW, RESIL_SEC(1), &own) == RESIL_OK;
}

/* A time further ahead than anybody was told to come is a clock that was set back. */
static void verify_reach(void)
{
    interleave_check(waited >= 2);
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        interleave_check(reserved[i].at_ns == 0 ||
                         limiter.gcra_.reach_ns_ >= reserved[i].at_ns - NOW);
}

static void nobody_is_told_to_come_beyond_the_reach(void **state)
{
    struct scenario is = {
        __func__, 3,           (body *const[]){reserve_soon, reserve_ahead, reserve_ahead},
        3,        set_up_none, verify_reach};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"raise_reach", &limiter.gcra_.reach_ns_, FAULT_BLIND});
}

static void drain(int self)
{
    (void)self;
    resil_limiter_drain(&limiter, RESIL_SEC(5), NOW);
    drained = true;
}

/* Whoever asks after the drain gets nothing. */
static void take_twice(int self)
{
    bool late = drained;

    (void)self;
    interleave_check(resil_limiter_acquire(&limiter, 1, NOW, NULL) != RESIL_OK || !late);
    late = drained;
    interleave_check(resil_limiter_acquire(&limiter, 1, NOW, NULL) != RESIL_OK || !late);
}

static void verify_drained(void)
{
    struct resil_limiter_snapshot snapshot;

    resil_limiter_snapshot(&limiter, NOW, &snapshot);
    interleave_check(snapshot.available == 0 && snapshot.next_at_ns >= NOW + RESIL_SEC(5));
}

static void nothing_passes_a_drain(void **state)
{
    struct scenario is = {__func__, 3,          (body *const[]){drain, take_twice, take_twice},
                          0,        set_up_two, verify_drained};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__gcra_swap", &limiter.gcra_.word_, FAULT_BLIND});
}

static void change(uint64_t tokens, uint64_t burst)
{
    interleave_check(resil_limiter_reconfigure(
                         &limiter, &(struct resil_limiter_config){.tokens = tokens, .burst = burst},
                         NOW) == RESIL_OK);
}

static void faster(int self)
{
    (void)self;
    change(3, 5);
}

static void faster_and_slower(int self)
{
    (void)self;
    change(3, 5);
    change(2, 4);
}

static void take_two(int self)
{
    (void)self;
    granted += resil_limiter_acquire(&limiter, 2, NOW, NULL) == RESIL_OK ? 2 : 0;
}

/* The tokens that were there are the tokens that there are, but for one lost in rounding. */
static void verify_kept(void)
{
    interleave_check(granted + tokens_left() <= 2 && granted + tokens_left() >= 1);
}

/* Two changes later what was taken may have been forfeited. */
static void verify_not_more(void)
{
    interleave_check(granted + tokens_left() <= 2);
}

static void change_of_rate_makes_no_tokens(void **state)
{
    struct scenario once = {__func__, 3,          (body *const[]){faster, take_two, take},
                            0,        set_up_two, verify_kept};
    struct scenario twice = {
        __func__, 3,          (body *const[]){faster_and_slower, take_two, take},
        3,        set_up_two, verify_not_more};

    (void)state;
    interleave_explore(&once);
    interleave_explore(&twice);
    interleave_finds(&once,
                     (struct fault){"resil__gcra_reconfigure", &limiter.gcra_.word_, FAULT_BLIND});
    interleave_finds(&twice, (struct fault){"resil__gcra_swap", &limiter.gcra_.word_, FAULT_BLIND});
}

/*
 * Ten at once and one a second; six are taken, so the bucket lacks six seconds. Five at once and
 * one in six seconds, one taken, lacks six seconds as well: the same word, where the same four
 * tokens cost six times as much.
 */
static void set_up_alike(void)
{
    init_limiter(1, 10);
    (void)resil_limiter_acquire(&limiter, 6, NOW, NULL);
    granted = 6;
}

static void change_to_alike(int self)
{
    (void)self;
    interleave_check(
        resil_limiter_reconfigure(&limiter, &(struct resil_limiter_config){.tokens = 2, .burst = 8},
                                  NOW) == RESIL_OK);
    interleave_check(
        resil_limiter_reconfigure(
            &limiter,
            &(struct resil_limiter_config){.tokens = 1, .period_ns = RESIL_SEC(6), .burst = 5},
            NOW) == RESIL_OK);
}

static void take_four(int self)
{
    (void)self;
    granted += resil_limiter_acquire(&limiter, 4, NOW, NULL) == RESIL_OK ? 4 : 0;
}

static void verify_burst(void)
{
    interleave_check(granted + tokens_left() <= 10);
}

static void a_call_is_never_paid_at_an_older_rate(void **state)
{
    struct scenario is = {__func__,     2,           (body *const[]){change_to_alike, take_four}, 4,
                          set_up_alike, verify_burst};

    (void)state;
    interleave_explore(&is);
    /* Nobody looks at the generation again. */
    interleave_finds(&is, (struct fault){"resil__gcra_stands", &limiter.gcra_.slot_[0].generation_,
                                         FAULT_STALE});
}

/* Looks: at one moment there is never more to take than before, and nothing once it was drained. */
static void peek_at_limiter(int self)
{
    bool late = drained;
    int first = resil_limiter_peek(&limiter, 1, NOW, NULL);
    uint64_t at_ns = 0;
    int second = resil_limiter_peek(&limiter, 1, NOW, &at_ns);

    (void)self;
    interleave_check(first == RESIL_OK || second == RESIL_ELIMITED);
    interleave_check(!late || (second == RESIL_ELIMITED && at_ns >= NOW + RESIL_SEC(5)));
}

static void limiter_tells_of_no_more_than_there_is(void **state)
{
    struct scenario is = {__func__, 3,          (body *const[]){take, drain, peek_at_limiter},
                          3,        set_up_two, verify_drained};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__gcra_swap", &limiter.gcra_.word_, FAULT_BLIND});
}

/* Looks while the config changes twice: the words that are read are all of one config. */
static void look_at_limiter(int self)
{
    static const uint64_t bursts[] = {10, 8, 5};
    struct resil_limiter_snapshot snapshot;
    uint64_t at_ns = 0;
    int rc = resil_limiter_peek(&limiter, 9, NOW, &at_ns);

    (void)self;
    interleave_check(rc == RESIL_ECOST || (rc == RESIL_ELIMITED && at_ns == NOW + RESIL_SEC(5)));
    resil_limiter_snapshot(&limiter, NOW, &snapshot);
    interleave_check(snapshot.burst == bursts[snapshot.reconfigured]);
    interleave_check(snapshot.available >= 3 && snapshot.available <= 4);
}

static void reserve_four(int self)
{
    granted += resil_limiter_reserve(&limiter, 4, NOW, 0, &reserved[self]) == RESIL_OK ? 4 : 0;
}

/* One more than there is: each of the three configs has a time at which it would be. */
static void miss_one(int self)
{
    uint64_t at_ns = 0;
    int rc = resil_limiter_acquire(&limiter, 5, NOW, &at_ns);

    (void)self;
    interleave_check(rc == RESIL_ELIMITED);
    interleave_check(at_ns == NOW + RESIL_SEC(1) || at_ns == NOW + RESIL_MS(500) ||
                     at_ns == NOW + RESIL_SEC(6));
}

/* Ten at once and one in two seconds: other words than at first, in the same slot. */
static void change_to_slower(int self)
{
    (void)self;
    interleave_check(
        resil_limiter_reconfigure(&limiter, &(struct resil_limiter_config){.tokens = 2, .burst = 8},
                                  NOW) == RESIL_OK);
    interleave_check(
        resil_limiter_reconfigure(
            &limiter,
            &(struct resil_limiter_config){.tokens = 1, .period_ns = RESIL_SEC(2), .burst = 10},
            NOW) == RESIL_OK);
}

static void check_missing_five(int rc, uint64_t at_ns)
{
    interleave_check(rc == RESIL_ECOST || rc == RESIL_ELIMITED);
    if (rc == RESIL_ELIMITED)
        interleave_check(at_ns == NOW + RESIL_SEC(5) || at_ns == NOW + RESIL_SEC(10));
}

static void miss_five(int self)
{
    uint64_t at_ns = 0;
    int rc = resil_limiter_acquire(&limiter, 9, NOW, &at_ns);

    (void)self;
    check_missing_five(rc, at_ns);
}

static void peek_at_nine(int self)
{
    uint64_t at_ns = 0;
    int rc = resil_limiter_peek(&limiter, 9, NOW, &at_ns);

    (void)self;
    check_missing_five(rc, at_ns);
}

static void a_refusal_is_of_one_config(void **state)
{
    struct scenario is = {__func__,     2,           (body *const[]){change_to_alike, miss_one}, 5,
                          set_up_alike, verify_burst};
    struct scenario slower = {
        __func__, 2, (body *const[]){change_to_slower, miss_five}, 4, set_up_alike, verify_burst};
    struct scenario peek = {
        __func__,     2,           (body *const[]){change_to_slower, peek_at_nine}, 4,
        set_up_alike, verify_burst};

    (void)state;
    interleave_explore(&slower);
    interleave_explore(&peek);
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__gcra_stands", &limiter.gcra_.slot_[0].generation_,
                                         FAULT_STALE});
    /* A word or a generation that is seen before its slot. */
    interleave_finds(
        &is, (struct fault){"resil__gcra_reconfigure", &limiter.gcra_.word_, FAULT_RELAXED});
    interleave_finds(
        &is, (struct fault){"write_slot", &limiter.gcra_.slot_[0].generation_, FAULT_RELAXED});
}

/* Without the generation a refusal, too, can mix the words of two configs. */
static void a_look_shows_one_config(void **state)
{
    struct scenario look = {
        __func__,     2,           (body *const[]){change_to_alike, look_at_limiter}, 3,
        set_up_alike, verify_burst};
    struct scenario reserve = {
        __func__, 2, (body *const[]){change_to_alike, reserve_four}, 3, set_up_alike, verify_burst};

    (void)state;
    interleave_explore(&look);
    interleave_explore(&reserve);
    interleave_finds(&look, (struct fault){"resil__gcra_stands",
                                           &limiter.gcra_.slot_[0].generation_, FAULT_STALE});
}

/* Two change the rate at once: one may be busy, and the last one's slot is whole. */
static void set_burst(int self)
{
    int rc = resil_limiter_reconfigure(
        &limiter, &(struct resil_limiter_config){.tokens = 1, .burst = 3 + (uint64_t)self}, NOW);

    interleave_check(rc == RESIL_OK || rc == RESIL_EBUSY);
    granted += rc == RESIL_OK;
}

static void verify_whole(void)
{
    struct resil_limiter_snapshot snapshot;

    resil_limiter_snapshot(&limiter, NOW, &snapshot);
    interleave_check(snapshot.burst == 3 || snapshot.burst == 4);
    interleave_check(snapshot.reconfigured == granted && granted > 0);
}

static void of_two_changes_of_the_limiter_one_stands(void **state)
{
    struct scenario is = {__func__,     2,           (body *const[]){set_burst, set_burst}, 3,
                          set_up_fresh, verify_whole};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is,
                     (struct fault){"resil__gcra_reconfigure", &limiter.gcra_.busy_, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_token_goes_to_one),
        cmocka_unit_test(cancel_gives_back_its_own_alone),
        cmocka_unit_test(no_two_reservations_share_a_slot),
        cmocka_unit_test(nobody_is_told_to_come_beyond_the_reach),
        cmocka_unit_test(nothing_passes_a_drain),
        cmocka_unit_test(change_of_rate_makes_no_tokens),
        cmocka_unit_test(a_call_is_never_paid_at_an_older_rate),
        cmocka_unit_test(limiter_tells_of_no_more_than_there_is),
        cmocka_unit_test(a_look_shows_one_config),
        cmocka_unit_test(a_refusal_is_of_one_config),
        cmocka_unit_test(of_two_changes_of_the_limiter_one_stands),
    };

    return cmocka_run_group_tests_name("limiter interleavings", tests, NULL, NULL);
}
