/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_KEYED_LIMITER_FAST_H
#define RESIL_LIMITER_KEYED_LIMITER_FAST_H

/* The hot half of acquire, for the public functions and the policy alike: a key that has a place.
   The live word of a key is its arrival time, as in gcra_state.h, slot 0. */

#include <resil/keyed_limiter.h>

#include "keyed/table.h"
#include "limiter/gcra_state.h"

/** The answer of a charge that met another: ask resil__keyed_limiter_slow. */
#define RESIL__KEYED_AGAIN 1

static inline struct resil_keyed_bucket_ *
resil__keyed_limiter_buckets(struct resil_keyed_limiter *limiter)
{
    return (struct resil_keyed_bucket_ *)(void *)(limiter + 1);
}

/** Written by init alone, so plain loads do. */
static inline struct resil__rate
resil__keyed_limiter_rate(const struct resil_keyed_limiter *limiter)
{
    return (struct resil__rate){
        .interval = limiter->rate_.interval_,
        .tau = limiter->rate_.tau_,
        .shift = limiter->rate_.shift_ & 63,
        .cost_max = limiter->rate_.cost_max_,
    };
}

/**
 * Acquire when the quick try says no: a refusal, a key that has no place in sight, another that took
 * tokens of the key at the same moment. The fingerprint in two words, as all fits into registers.
 */
int resil__keyed_limiter_rest(struct resil_keyed_limiter *limiter, uint64_t print0, uint64_t print1,
                              uint64_t cost, uint64_t now_ns, uint64_t *retry_at_ns);

/** The whole of acquire: calls nothing if the key is in its first bucket and has the tokens. */
RESIL__INLINE int resil__keyed_limiter_take(struct resil_keyed_limiter *limiter,
                                            struct resil__print print, uint64_t cost,
                                            uint64_t now_ns, uint64_t *retry_at_ns)
{
    struct resil_keyed_bucket_ *bucket =
        &resil__keyed_limiter_buckets(limiter)[resil__keyed_first(print, limiter->table_.buckets_)];
    unsigned way;

    RESIL__PREFETCH(&bucket->word_[0]);
    cost = cost != 0 ? cost : 1;
    way = resil__keyed_way(bucket, print);
    if (RESIL__LIKELY(way != RESIL_KEYED_WAYS_ && cost <= limiter->rate_.cost_max_)) {
        uint64_t price = cost * limiter->rate_.interval_;
        uint64_t now = now_ns << (limiter->rate_.shift_ & 63);
        uint64_t old = resil__load_acquire(&bucket->word_[way]);
        uint64_t ahead = old - now;

        ahead = ahead >> 63 != 0 ? 0 : ahead;
        if (resil__keyed_holds(bucket, way, old, print) &&
            RESIL__LIKELY(ahead <= limiter->rate_.tau_ - price && now + ahead + price != 0 &&
                          resil__cas(&bucket->word_[way], &old, now + ahead + price)))
            return RESIL_OK;
    }
    return resil__keyed_limiter_rest(limiter, print.word[0], print.word[1], cost, now_ns,
                                     retry_at_ns);
}

#endif
