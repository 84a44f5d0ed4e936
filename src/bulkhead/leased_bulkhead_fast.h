/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BULKHEAD_LEASED_BULKHEAD_FAST_H
#define RESIL_BULKHEAD_LEASED_BULKHEAD_FAST_H

/*
 * The hot halves of the leased bulkhead, shared by the public functions and the policy.
 *
 * Both look at the bulkhead's word before they touch a stripe: while a lowered limit drains, no
 * permit comes out of a stripe and none goes in. The word is written once a batch, so it mostly
 * lies in the caches of all. A limit that is lowered after the look and before the swap is lowered
 * during the call: it is as if the permit had been handed out before.
 */

#include <resil/leased_bulkhead.h>

#include "base/compiler.h"
#include "base/math.h"
#include "bulkhead/bulkhead_fast.h"
#include "platform/cpu.h"

/** Permits of one lease under this word; 0 = too few, off. */
static inline uint64_t resil__leased_bulkhead_batch(const struct resil_leased_bulkhead *leased,
                                                    uint64_t word)
{
    uint64_t batch =
        resil__min(resil__bulkhead_limit(word) >> leased->share_bits_, leased->batch_max_);

    return batch >= 2 ? batch : 0;
}

/** More are in flight than the limit, which was lowered. */
static inline bool resil__leased_bulkhead_drains(uint64_t word)
{
    return resil__bulkhead_in_flight(word) > (int32_t)resil__bulkhead_limit(word);
}

static inline uint64_t *resil__leased_bulkhead_stripe(struct resil_leased_bulkhead *leased,
                                                      uint32_t cpu)
{
    return &leased->stripe_[cpu & leased->stripe_mask_].free_;
}

int resil__leased_bulkhead_acquire_slow(struct resil_leased_bulkhead *leased);
int resil__leased_bulkhead_release_slow(struct resil_leased_bulkhead *leased);

/* Who doesn't know his processor without asking goes the slow way, which asks: so these call nothing
   else, and need no stack. */

RESIL__INLINE int resil__leased_bulkhead_acquire(struct resil_leased_bulkhead *leased)
{
    uint64_t word = resil__load_acquire(&leased->bulkhead_->word_);
    uint32_t cpu;

    if (RESIL__LIKELY(resil__cpu_kept(&cpu))) {
        uint64_t *own = resil__leased_bulkhead_stripe(leased, cpu);
        uint64_t have = resil__load_relaxed(own);

        if (RESIL__LIKELY(have != 0) && RESIL__LIKELY(!resil__leased_bulkhead_drains(word)) &&
            RESIL__LIKELY(resil__cas(own, &have, have - 1)))
            return RESIL_OK;
    }
    return resil__leased_bulkhead_acquire_slow(leased);
}

/** In flight is at least 1 and at most the limit: one comparison of unsigned numbers. An odd batch
    counts as the even one below, so that a batch of one, which is none, needs no question. */
RESIL__INLINE int resil__leased_bulkhead_release(struct resil_leased_bulkhead *leased)
{
    uint64_t word = resil__load_acquire(&leased->bulkhead_->word_);
    uint32_t cpu;

    if (RESIL__LIKELY(resil__cpu_kept(&cpu))) {
        uint64_t *own = resil__leased_bulkhead_stripe(leased, cpu);
        uint64_t have = resil__load_relaxed(own);
        uint64_t batch =
            resil__min(resil__bulkhead_limit(word) >> leased->share_bits_, leased->batch_max_);

        if (RESIL__LIKELY(have < 2 * (batch & ~UINT64_C(1))) &&
            RESIL__LIKELY((uint32_t)resil__bulkhead_in_flight(word) - 1 <
                          resil__bulkhead_limit(word)) &&
            RESIL__LIKELY(resil__cas(own, &have, have + 1)))
            return RESIL_OK;
    }
    return resil__leased_bulkhead_release_slow(leased);
}

#endif
