/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_LEASED_LIMITER_FAST_H
#define RESIL_LIMITER_LEASED_LIMITER_FAST_H

/*
 * The hot half of the leased limiter, shared by the public function and the policy.
 *
 * The word of a stripe: a generation that grows with each drain, a mark that somebody is about to
 * fill it, and the tokens in it. With the mark there are none: what the filler has in its hands
 * belongs to this stripe, so that a stripe never stands for more than a batch.
 */

#include <resil/leased_limiter.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/math.h"
#include "platform/cpu.h"
#include "platform/owners.h"

#define RESIL__LEASE_TOKENS  UINT64_C(0x7fffffff)
#define RESIL__LEASE_FILLING UINT64_C(0x80000000)
#define RESIL__LEASE_NEXT    UINT64_C(0x100000000) /* one generation */

/** What the limiter's burst allows at this moment. */
struct resil__lease_shape {
    uint64_t batch; /* 0 = off */
    uint64_t kept;
};

static inline struct resil__lease_shape
resil__lease_shape(const struct resil_leased_limiter *leased)
{
    const struct resil_gcra_ *gcra = &leased->limiter_->gcra_;
    uint64_t slot = resil__load_acquire(&gcra->word_) & 1;
    uint64_t burst = resil__load_acquire(&gcra->slot_[slot].cost_max_);
    uint64_t batch = resil__min(burst >> leased->share_bits_, leased->batch_max_);

    if (batch < 2)
        return (struct resil__lease_shape){0, 0};
    return (struct resil__lease_shape){batch, batch << (leased->share_bits_ - 2)};
}

static inline uint64_t resil__lease_tokens(uint64_t word)
{
    return word & RESIL__LEASE_TOKENS;
}

/** A question to the leases. cost isn't 0. */
struct resil__lease_ask {
    uint64_t cost;
    uint64_t now_ns;
    uint32_t own;  /* the stripe of the caller */
    bool homeless; /* it isn't, and can't be written */
};

/** What acquire does when the own stripe can't serve. word receives the limiter's state if it gave
    the tokens itself, else 0; retry_at_ns is set with RESIL_ELIMITED alone and may be NULL. */
int resil__leased_limiter_acquire_slow(struct resil_leased_limiter *leased, uint64_t cost,
                                       uint64_t now_ns, uint64_t *word, uint64_t *retry_at_ns);

/** Puts unused tokens into the caller's stripe if there is room. */
void resil__leased_limiter_put_back(struct resil_leased_limiter *leased, uint64_t cost);

/** Takes from the own stripe, if it is known without asking: else slow asks. A full generation and a
    mark stay as they are: no borrow reaches them. Calls nothing, so that its callers need no
    stack. */
RESIL__INLINE bool resil__leased_limiter_try(struct resil_leased_limiter *leased, uint64_t cost)
{
    uint64_t *own;
    uint64_t word;
    uint32_t cpu;

#if RESIL__RSEQ
    if (RESIL__LIKELY(!resil__owners_none(&leased->barred_)))
        return RESIL__LIKELY(resil__rseq_take(&leased->stripe_[0].word_, &leased->stripe_mask_,
                                              &leased->barred_, cost));
#endif
    if (RESIL__UNLIKELY(!resil__cpu_kept(&cpu)))
        return false;
    own = &leased->stripe_[cpu & leased->stripe_mask_].word_;
    word = resil__load_relaxed(own);
    return RESIL__LIKELY((word & RESIL__LEASE_TOKENS) >= cost) &&
           RESIL__LIKELY(resil__cas(own, &word, word - cost));
}

#endif
