/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Leased tokens and permits under every interleaving of two or three callers, some of them on one
 * stripe: never above the limit, nothing lost, nothing left behind by a drain or a lowered limit.
 */
#include "test.h"

#include <resil/leased_bulkhead.h>
#include <resil/leased_limiter.h>

#include "interleave.h"

/* The stripe of each fiber; outside of fibers that of the first. */
#define RESIL_PLATFORM_CPU_H
static const uint32_t *stripes;

static inline uint32_t resil__cpu(void)
{
    return interleave.running ? stripes[interleave.current] : 0;
}

static inline bool resil__cpu_kept(uint32_t *cpu)
{
    *cpu = resil__cpu();
    return true;
}

#include "../../src/bulkhead/bulkhead.c"
#include "../../src/bulkhead/leased_bulkhead.c"
#include "../../src/limiter/gcra.c"
#include "../../src/limiter/leased_limiter.c"
#include "../../src/limiter/limiter.c"

#include "lease_fibers.h"

static const uint32_t apart[] = {0, 1, 2, 3};

static void set_up_seven(void)
{
    lease_set_up(7, 0, 0);
}

static void set_up_five(void)
{
    lease_set_up(5, 0, 0);
}

static void set_up_two_apart(void)
{
    lease_set_up(0, 0, 2);
}

static void set_up_two_and_one(void)
{
    lease_set_up(1, 0, 2);
}

static bool tidy(void)
{
    return leased.stripe_[0].word_ % RESIL__LEASE_NEXT <= 2 &&
           leased.stripe_[1].word_ % RESIL__LEASE_NEXT <= 2;
}

/* Nothing made, nothing lost, no mark left, no stripe above its batch; what is kept is there. */
static void verify_tokens(void)
{
    struct resil_limiter_snapshot snapshot;

    resil_limiter_snapshot(&limiter, NOW, &snapshot);
    interleave_check(granted + available() == start);
    interleave_check(tidy());
    interleave_check(snapshot.available >= 4);
}

/* Who was refused may come again when the others are through. */
static void verify_then_all(void)
{
    verify_tokens();
    while (take(1))
        ;
    interleave_check(granted == start);
}

static void tokens_are_neither_made_nor_lost(void **state)
{
    struct scenario same = {__func__, 3,           (body *const[]){take_one, take_one, take_one},
                            0,        set_up_five, verify_then_all};
    struct scenario both = {
        __func__, 3,           (body *const[]){take_one_twice, take_one_twice, take_two},
        3,        set_up_five, verify_then_all};
    struct scenario thieves = {
        __func__,       3, (body *const[]){take_one, take_one, take_one}, 0, set_up_two_apart,
        verify_then_all};
    struct scenario short_of = {
        __func__,       3, (body *const[]){take_two, take_one, take_two}, 3, set_up_two_and_one,
        verify_then_all};

    (void)state;
    stripes = together;
    interleave_explore(&same);
    interleave_finds(&same,
                     (struct fault){"resil__owners_swap", &leased.stripe_[0].word_, FAULT_BLIND});
    interleave_finds(&same,
                     (struct fault){"resil__owners_swap", &leased.stripe_[0].word_, FAULT_LOST});
    interleave_finds(&same, (struct fault){"resil__leased_limiter_acquire_slow",
                                           &leased.stripe_[0].word_, FAULT_BLIND});
    stripes = two_and_one;
    interleave_explore(&both);
    interleave_finds(
        &both, (struct fault){"resil__leased_limiter_try", &leased.stripe_[0].word_, FAULT_BLIND});
    interleave_explore(&thieves);
    interleave_finds(&thieves, (struct fault){"take_from", &leased.stripe_[1].word_, FAULT_BLIND});
    interleave_finds(&thieves, (struct fault){"resil__leased_limiter_try", &leased.stripe_[1].word_,
                                              FAULT_BLIND});
    interleave_explore(&short_of);
    interleave_finds(&short_of, (struct fault){"take_from", &leased.stripe_[1].word_, FAULT_LOST});
}

/* Put back or forfeited, never doubled. */
static void verify_not_more(void)
{
    interleave_check(granted + available() <= start + 1);
    interleave_check(granted + available() >= start);
    interleave_check(tidy());
}

static void what_is_put_back_is_there_once(void **state)
{
    struct scenario is = {
        __func__,       3, (body *const[]){take_and_put_back, take_one, take_one}, 0, set_up_seven,
        verify_not_more};

    (void)state;
    stripes = together;
    interleave_explore(&is);
    interleave_finds(&is,
                     (struct fault){"resil__owners_swap", &leased.stripe_[0].word_, FAULT_BLIND});
}

static void nothing_passes_a_drain(void **state)
{
    body *const bodies[] = {drain, take_unless_drained, take_unless_drained};
    struct scenario fresh = {__func__, 3, bodies, 0, set_up_five, verify_drained};
    struct scenario moved = {__func__, 3, bodies, 0, set_up_two_and_one, verify_drained};
    struct fault sweep = {"resil_leased_limiter_drain", &leased.stripe_[0].word_, FAULT_LOST};

    (void)state;
    stripes = two_and_one;
    interleave_explore(&fresh);
    interleave_explore(&moved);
    interleave_finds(&fresh,
                     (struct fault){"resil__owners_swap", &leased.stripe_[0].word_, FAULT_BLIND});
    interleave_finds(&fresh, sweep);
    interleave_finds(&moved, sweep);
}

/* Sixteen permits, two stripes of two; most are with calls that stay. */
static struct resil_bulkhead bulkhead;
static struct resil_leased_bulkhead permits;
static uint64_t staying, inside, limit;
static bool lowered;

static void set_up_permits(uint64_t stay, uint64_t in_second)
{
    struct resil_leased_bulkhead blank = {
        .bulkhead_ = &bulkhead, .batch_max_ = 2, .stripe_mask_ = 1, .share_bits_ = 3};

    (void)resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = 16});
    permits = blank;
    permits.stripe_[1].free_ = in_second;
    for (uint64_t i = 0; i < stay + in_second; i++)
        (void)resil_bulkhead_acquire(&bulkhead);
    limit = 16;
    staying = stay;
    inside = stay;
    lowered = false;
}

static void set_up_two_left(void)
{
    set_up_permits(14, 0);
}

static void set_up_two_lent(void)
{
    set_up_permits(14, 2);
}

static void set_up_three_lent(void)
{
    set_up_permits(12, 3);
}

static void in_and_out(int self)
{
    bool late = lowered;

    (void)self;
    if (resil_leased_bulkhead_acquire(&permits) != RESIL_OK)
        return;
    interleave_check(++inside <= (late ? limit : 16));
    inside--;
    interleave_check(resil_leased_bulkhead_release(&permits) == RESIL_OK);
}

static void in_and_out_twice(int self)
{
    in_and_out(self);
    in_and_out(self);
}

static void go_in(int self)
{
    bool late = lowered;

    (void)self;
    if (resil_leased_bulkhead_acquire(&permits) != RESIL_OK)
        return;
    interleave_check(++inside <= (late ? limit : 16));
}

/* One of those that stayed. */
static void go_out(int self)
{
    (void)self;
    inside--;
    interleave_check(resil_leased_bulkhead_release(&permits) == RESIL_OK);
}

static void lower(int self)
{
    (void)self;
    (void)resil_bulkhead_reconfigure(&bulkhead, &(struct resil_bulkhead_config){.limit = 13});
    limit = 13;
    lowered = true;
}

static void flush(int self)
{
    (void)self;
    resil_leased_bulkhead_flush(&permits);
}

/* All permits are accounted for; and who comes when all are at rest gets every one that is free. */
static void verify_permits(void)
{
    struct resil_leased_bulkhead_snapshot snapshot = {0};
    uint64_t word = bulkhead.word_ >> 32;

    snapshot.leased = permits.stripe_[0].free_ + permits.stripe_[1].free_;
    interleave_check(word == inside + snapshot.leased);
    while (resil_leased_bulkhead_acquire(&permits) == RESIL_OK)
        inside++;
    interleave_check(inside == limit);
}

/* Under a lowered limit those that were in may be more. */
static void verify_lowered(void)
{
    interleave_check(bulkhead.word_ >> 32 ==
                     inside + permits.stripe_[0].free_ + permits.stripe_[1].free_);
    while (resil_leased_bulkhead_acquire(&permits) == RESIL_OK)
        interleave_check(++inside <= limit);
    interleave_check(inside >= limit);
}

static void permits_are_neither_made_nor_lost(void **state)
{
    struct scenario left = {
        __func__,      3, (body *const[]){in_and_out, in_and_out, in_and_out}, 0, set_up_two_left,
        verify_permits};
    struct scenario lent = {
        __func__,      3, (body *const[]){in_and_out, in_and_out, go_in}, 0, set_up_two_lent,
        verify_permits};
    struct scenario more = {
        __func__,      3, (body *const[]){go_out, in_and_out_twice, flush}, 3, set_up_three_lent,
        verify_permits};
    struct scenario out = {
        __func__, 3, (body *const[]){go_out, go_out, go_in}, 0, set_up_three_lent, verify_permits};

    (void)state;
    stripes = together;
    interleave_explore(&left);
    interleave_finds(&left, (struct fault){"lease", &bulkhead.word_, FAULT_BLIND});
    interleave_finds(&left, (struct fault){"resil__leased_bulkhead_acquire",
                                           &permits.stripe_[0].free_, FAULT_BLIND});
    interleave_finds(&left, (struct fault){"resil__leased_bulkhead_release",
                                           &permits.stripe_[0].free_, FAULT_BLIND});
    stripes = two_and_one;
    interleave_explore(&left);
    interleave_explore(&lent);
    interleave_finds(&lent, (struct fault){"reclaim", &permits.stripe_[1].free_, FAULT_BLIND});
    interleave_finds(&lent, (struct fault){"reclaim", &permits.stripe_[1].free_, FAULT_LOST});
    interleave_explore(&more);
    interleave_finds(&more, (struct fault){"resil_leased_bulkhead_flush", &permits.stripe_[1].free_,
                                           FAULT_LOST});
    interleave_finds(&more, (struct fault){"give", &bulkhead.word_, FAULT_BLIND});
    stripes = apart;
    interleave_explore(&out);
}

static void a_lowered_limit_lets_nobody_in_above_it(void **state)
{
    struct scenario is = {
        __func__,      3, (body *const[]){lower, in_and_out_twice, go_in}, 0, set_up_two_lent,
        verify_lowered};
    struct scenario out = {
        __func__,      3, (body *const[]){lower, go_out, in_and_out_twice}, 0, set_up_two_lent,
        verify_lowered};

    (void)state;
    stripes = two_and_one;
    interleave_explore(&is);
    interleave_explore(&out);
    /* Nobody looks at the word before a stripe. */
    interleave_finds(
        &is, (struct fault){"resil__leased_bulkhead_acquire", &bulkhead.word_, FAULT_STALE});
}

/* Nobody else moves permits: then the last one is found wherever it lies. */
static void go_in_and_must(int self)
{
    (void)self;
    interleave_check(resil_leased_bulkhead_acquire(&permits) == RESIL_OK);
    inside++;
}

static void look_on(int self)
{
    struct resil_bulkhead_snapshot snapshot = {0};

    (void)self;
    (void)resil_bulkhead_snapshot(&bulkhead, &snapshot);
    interleave_check(snapshot.in_flight <= snapshot.limit);
}

static void two_who_run_dry_find_the_last_two(void **state)
{
    struct scenario is = {__func__,
                          3,
                          (body *const[]){go_in_and_must, look_on, go_in_and_must},
                          0,
                          set_up_two_left,
                          verify_permits};

    (void)state;
    stripes = apart;
    interleave_explore(&is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_neither_made_nor_lost),
        cmocka_unit_test(what_is_put_back_is_there_once),
        cmocka_unit_test(nothing_passes_a_drain),
        cmocka_unit_test(permits_are_neither_made_nor_lost),
        cmocka_unit_test(a_lowered_limit_lets_nobody_in_above_it),
        cmocka_unit_test(two_who_run_dry_find_the_last_two),
    };

    return cmocka_run_group_tests_name("leased interleavings", tests, NULL, NULL);
}
