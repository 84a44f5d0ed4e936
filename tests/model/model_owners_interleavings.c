/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Stripes whose owners write them in restartable sequences, without a lock, under every interleaving
 * with those who take from them: on the same processor, on others, moved from one to another, in
 * front of a drain. model_leased_interleavings has the same stripes under locked operations alone.
 */
#include "test.h"

#include <resil/leased_limiter.h>

#include "interleave.h"
#include "interleave_rseq.h"

#include "../../src/limiter/gcra.c"
#include "../../src/limiter/leased_limiter.c"
#include "../../src/limiter/limiter.c"
#include "../../src/platform/owners.c"

#include "lease_fibers.h"

static const uint32_t *of;
static unsigned movable;
static bool refuses;

static void set_up_tokens(uint64_t above, uint64_t in_first, uint64_t in_second)
{
    lease_set_up(above, in_first, in_second);
    processors_set_up(of, movable, 1);
    processors.refuses = refuses;
}

static void set_up_two_here(void)
{
    set_up_tokens(0, 2, 0);
}

static void set_up_two_and_one(void)
{
    set_up_tokens(1, 2, 0);
}

static void set_up_both(void)
{
    set_up_tokens(0, 2, 1);
}

static void set_up_one_and_three(void)
{
    set_up_tokens(3, 1, 0);
}

static void set_up_five(void)
{
    set_up_tokens(5, 0, 0);
}

/* Nothing made, nothing lost, no mark left, no stripe above its batch, nobody held off. */
static void verify_tokens(void)
{
    interleave_check(granted + available() == start);
    interleave_check(leased.stripe_[0].word_ % RESIL__LEASE_NEXT <= 2);
    interleave_check(leased.stripe_[1].word_ % RESIL__LEASE_NEXT <= 2);
    interleave_check(leased.barred_ % RESIL__OWNERS_NONE == 0);
}

/* Who was refused may come again when the others are through. */
static void verify_then_all(void)
{
    verify_tokens();
    while (take(1))
        ;
    interleave_check(granted == start);
}

static struct fault no_fence(void)
{
    return (struct fault){"resil__rseq_fence", &processors.fence, FAULT_LOST};
}

static void an_owner_and_a_taker_share_what_is_there(void **state)
{
    struct scenario two = {
        __func__,       2, (body *const[]){take_one_twice, take_one_twice}, 4, set_up_two_here,
        verify_then_all};
    struct scenario three = {
        __func__,       3, (body *const[]){take_one, take_one, take_one}, 3, set_up_two_here,
        verify_then_all};
    struct scenario all = {__func__,
                           3,
                           (body *const[]){take_one_twice, take_two, take_one},
                           3,
                           set_up_two_and_one,
                           verify_then_all};

    (void)state;
    of = two_and_one;
    movable = 0;
    interleave_explore(&two);
    interleave_finds(&two, no_fence());
    /* The word is looked at before the sequence alone. */
    interleave_finds(&two, (struct fault){"resil__rseq_take", &leased.barred_, FAULT_STALE});
    interleave_explore(&three);
    interleave_finds(&three, no_fence());
    interleave_finds(&three,
                     (struct fault){"resil__rseq_take", &processors.interrupted, FAULT_LOST});
    interleave_explore(&all);
}

/* Both have run dry at once, and each looks into the other's stripe. */
static void two_takers_dont_take_the_same(void **state)
{
    struct scenario both = {
        __func__, 3,           (body *const[]){take_one_twice, take_one_twice, take_one},
        3,        set_up_both, verify_then_all};
    struct scenario fillers = {
        __func__, 3,           (body *const[]){take_one_twice, take_one, take_two},
        3,        set_up_five, verify_then_all};

    (void)state;
    of = two_and_one;
    movable = 0;
    interleave_explore(&both);
    interleave_finds(&both, no_fence());
    interleave_finds(&both, (struct fault){"take_from", &leased.stripe_[0].word_, FAULT_BLIND});
    interleave_explore(&fillers);
}

/* On one processor: no fence is needed, and nobody comes between. */
static void threads_of_one_processor_interrupt_one_another(void **state)
{
    struct scenario is = {
        __func__,       3, (body *const[]){take_one_twice, take_one, take_two}, 3, set_up_two_here,
        verify_then_all};
    struct scenario fill_too = {
        __func__, 3,           (body *const[]){take_one_twice, take_one, take_two},
        3,        set_up_five, verify_then_all};

    (void)state;
    of = together;
    movable = 0;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__rseq_take", &processors.interrupted, FAULT_LOST});
    interleave_explore(&fill_too);
}

/* The first may be moved to the second's processor at any moment: between the look and the write,
   with a mark on a stripe that isn't his any more. */
static void who_is_moved_changes_nothing_behind_him(void **state)
{
    struct scenario is = {
        __func__,       3, (body *const[]){take_one_twice, take_one, take_one}, 3, set_up_two_here,
        verify_then_all};
    struct scenario fill_too = {
        __func__, 3,           (body *const[]){take_one_twice, take_one_twice, take_one},
        3,        set_up_five, verify_then_all};
    struct scenario mark = {
        __func__,       3, (body *const[]){take_two, take_one, take_one}, 3, set_up_one_and_three,
        verify_then_all};

    (void)state;
    of = two_and_one;
    movable = 1;
    interleave_explore(&is);
    interleave_explore(&mark);
    interleave_finds(&mark, (struct fault){"resil__rseq_swap", &processors.number, FAULT_LOST});
    interleave_explore(&fill_too);
    interleave_finds(&fill_too, no_fence());
}

static void verify_once(void)
{
    interleave_check(granted + available() <= start + 1);
    interleave_check(granted + available() >= start);
}

static void what_is_put_back_is_there_once(void **state)
{
    struct scenario is = {
        __func__,           3,          (body *const[]){take_and_put_back, take_one, take_one}, 3,
        set_up_two_and_one, verify_once};

    (void)state;
    of = two_and_one;
    movable = 1;
    interleave_explore(&is);
}

static void nothing_passes_a_drain(void **state)
{
    body *const bodies[] = {drain, take_unless_drained, take_unless_drained};
    struct scenario fresh = {__func__, 3, bodies, 3, set_up_five, verify_drained};
    struct scenario full = {__func__, 3, bodies, 3, set_up_both, verify_drained};

    (void)state;
    of = two_and_one;
    movable = 0;
    interleave_explore(&fresh);
    interleave_explore(&full);
    interleave_finds(&full, no_fence());
    /* The drain holds nobody off. */
    interleave_finds(&full, (struct fault){"resil__owners_hold", &leased.barred_, FAULT_LOST});
    movable = 4;
    interleave_explore(&full);
}

/* A processor that has no stripe ends it; from then on all is locked, with no fence. */
static void ownership_ends_with_a_processor_too_many(void **state)
{
    static const uint32_t beyond[] = {0, 2, 1, 0};
    struct scenario is = {
        __func__, 3,           (body *const[]){take_one_twice, take_one_twice, take_one},
        3,        set_up_both, verify_then_all};

    (void)state;
    of = beyond;
    movable = 0;
    interleave_explore(&is);
    interleave_finds(&is, no_fence());
}

/* Nothing above the limit; what lies with another stays there, and who was moved with a batch in his
   hands forfeits it. */
static void verify_not_more(void)
{
    interleave_check(granted + available() <= start);
    interleave_check(leased.barred_ % RESIL__OWNERS_NONE == 0);
}

static void drain_and_take(int self)
{
    drain(self);
    take_one(self);
}

/* Undone on a stripe, perhaps, but never more than there was. */
static void verify_not_more_than_before(void)
{
    interleave_check(granted + available() <= start);
    interleave_check(resil__lease_tokens(leased.stripe_[0].word_) <= 2);
    interleave_check(resil__lease_tokens(leased.stripe_[1].word_) <= 2);
}

static void without_a_fence_everybody_keeps_to_his_own(void **state)
{
    struct scenario drained_too = {
        __func__, 3,           (body *const[]){take_one_twice, drain_and_take, take_one},
        3,        set_up_both, verify_not_more_than_before};
    struct scenario is = {
        __func__, 3,           (body *const[]){take_one_twice, take_one_twice, take_two},
        3,        set_up_both, verify_not_more};
    struct scenario fill_too = {
        __func__, 3,           (body *const[]){take_one, take_one, take_two},
        3,        set_up_five, verify_not_more};

    (void)state;
    of = two_and_one;
    movable = 1;
    refuses = true;
    interleave_explore(&is);
    interleave_explore(&fill_too);
    interleave_explore(&drained_too);
    refuses = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_and_a_taker_share_what_is_there),
        cmocka_unit_test(two_takers_dont_take_the_same),
        cmocka_unit_test(threads_of_one_processor_interrupt_one_another),
        cmocka_unit_test(who_is_moved_changes_nothing_behind_him),
        cmocka_unit_test(what_is_put_back_is_there_once),
        cmocka_unit_test(nothing_passes_a_drain),
        cmocka_unit_test(ownership_ends_with_a_processor_too_many),
        cmocka_unit_test(without_a_fence_everybody_keeps_to_his_own),
    };

    return cmocka_run_group_tests_name("owners interleavings", tests, NULL, NULL);
}
