/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TESTS_LEASE_FIBERS_H
#define RESIL_TESTS_LEASE_FIBERS_H

/*
 * A leased limiter between fibers, with two stripes of two: what they do with it, and what must hold
 * in the end. For who has included the source, and says on which stripe a fiber is.
 */

#define NOW RESIL_SEC(1000)

typedef void body(int self);

static const uint32_t together[] = {0, 0, 0, 0};
static const uint32_t two_and_one[] = {0, 1, 0, 1};

/* Sixteen at once and one a second; of the sixteen, four are kept. */
static struct resil_limiter limiter;
static struct resil_leased_limiter leased;
static uint64_t start, granted;
static bool drained;

/* So many tokens are had, above what is kept and in the stripes. */
static void lease_set_up(uint64_t above, uint64_t in_first, uint64_t in_second)
{
    struct resil_leased_limiter blank = {
        .limiter_ = &limiter, .batch_max_ = 2, .stripe_mask_ = 1, .share_bits_ = 3};

    (void)resil_limiter_init(&limiter, &(struct resil_limiter_config){.tokens = 1, .burst = 16});
    leased = blank;
    (void)resil_limiter_acquire(&limiter, 12 - above, NOW, NULL);
    leased.stripe_[0].word_ = in_first;
    leased.stripe_[1].word_ = in_second;
    start = above + in_first + in_second;
    granted = 0;
    drained = false;
}

static bool take(uint64_t cost)
{
    bool passed = resil_leased_limiter_acquire(&leased, cost, NOW, NULL) == RESIL_OK;

    granted += passed ? cost : 0;
    return passed;
}

static void take_one(int self)
{
    (void)self;
    (void)take(1);
}

static void take_two(int self)
{
    (void)self;
    (void)take(2);
}

static void take_one_twice(int self)
{
    take_one(self);
    take_one(self);
}

/* What is put back may be forfeited: start counts it as gone. */
static void take_and_put_back(int self)
{
    (void)self;
    if (!take(1))
        return;
    granted--;
    start--;
    resil__leased_limiter_put_back(&leased, 1);
}

static uint64_t available(void)
{
    struct resil_leased_limiter_snapshot snapshot;

    (void)resil_leased_limiter_snapshot(&leased, NOW, &snapshot);
    return snapshot.available;
}

static void drain(int self)
{
    (void)self;
    resil_leased_limiter_drain(&leased, RESIL_SEC(50), NOW);
    drained = true;
}

/* Whoever asks after the drain gets nothing. */
static void take_unless_drained(int self)
{
    bool late = drained;

    (void)self;
    interleave_check(!take(1) || !late);
    late = drained;
    interleave_check(!take(1) || !late);
}

static void verify_drained(void)
{
    interleave_check(available() == 0);
    interleave_check(leased.stripe_[0].word_ == RESIL__LEASE_NEXT &&
                     leased.stripe_[1].word_ == RESIL__LEASE_NEXT);
}

#endif
