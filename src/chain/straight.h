/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_CHAIN_STRAIGHT_H
#define RESIL_CHAIN_STRAIGHT_H

/*
 * The two walks of a call that goes straight in and straight out, laid out in the order that most
 * chains have: what stands outside, a breaker, perhaps a balancer, a limiter, a bulkhead, what
 * stands inside. Who stands in his place there is asked without a call, so that the processor meets
 * no jump; all others, and those in another order, are called.
 */

#include "chain/machine.h"
#include "policy/hot.h"

/** How far a walk has come. */
struct resil__way {
    const struct resil_hop_ *hop; /* the policy that gave the verdict */
    int verdict;                  /* PASS: go on with hop; RESIL__END: there is none left */
};

/** Takes a policy's verdict; true to go on to the next one. */
RESIL__INLINE bool resil__way_on(struct resil__way *way, int verdict)
{
    way->verdict = verdict;
    if (RESIL__UNLIKELY(verdict != RESIL_PASS))
        return false;
    way->hop++;
    return true;
}

RESIL__INLINE bool resil__way_call(struct resil__way *way, uint64_t *frames,
                                   struct resil_walk *walk)
{
    const struct resil_hop_ *hop = way->hop;

    return resil__way_on(way, hop->fn(hop->self, frames + hop->frame, walk));
}

/** Calls those who aren't known; true when one of the others is next. */
RESIL__INLINE bool resil__way_calls(struct resil__way *way, uint64_t *frames,
                                    struct resil_walk *walk)
{
    while (RESIL__UNLIKELY(way->hop->known == RESIL__KNOWN_NOT))
        if (!resil__way_call(way, frames, walk))
            return false;
    return true;
}

/** Calls those who are left. */
RESIL__INLINE void resil__way_end(struct resil__way *way, uint64_t *frames, struct resil_walk *walk)
{
    while (RESIL__UNLIKELY(way->hop->known != RESIL__KNOWN_END))
        if (!resil__way_call(way, frames, walk))
            return;
    way->verdict = RESIL__END;
}

RESIL__INLINE struct resil__way resil__way_in(const struct resil_chain *chain, uint64_t *frames,
                                              struct resil_walk *walk)
{
    struct resil__way way = {.hop = chain->admit_};
    const struct resil_hop_ *hop;

    if (!resil__way_calls(&way, frames, walk))
        return way;
    hop = way.hop;
    if (RESIL__LIKELY(hop->known == RESIL__KNOWN_BREAKER) &&
        !resil__way_on(&way, resil__breaker_policy_admit(hop->self, frames + hop->frame, walk)))
        return way;
    if (!resil__way_calls(&way, frames, walk))
        return way;
    hop = way.hop;
    if (RESIL__LIKELY(hop->known == RESIL__KNOWN_LIMITER)) {
        if (!resil__way_on(&way, resil__limiter_policy_admit(hop->self, frames + hop->frame, walk)))
            return way;
    } else if (hop->known == RESIL__KNOWN_LEASED_LIMITER) {
        if (!resil__way_on(
                &way, resil__leased_limiter_policy_admit(hop->self, frames + hop->frame, walk)))
            return way;
    }
    hop = way.hop;
    if (RESIL__LIKELY(hop->known == RESIL__KNOWN_BULKHEAD)) {
        if (!resil__way_on(&way, resil__bulkhead_acquire(hop->self)))
            return way;
    } else if (hop->known == RESIL__KNOWN_LEASED_BULKHEAD) {
        if (!resil__way_on(&way, resil__leased_bulkhead_acquire(hop->self)))
            return way;
    }
    resil__way_end(&way, frames, walk);
    return way;
}

/** The way out of a SUCCESS. Bulkhead and breaker pass always. */
RESIL__INLINE struct resil__way resil__way_out(const struct resil_chain *chain, uint64_t *frames,
                                               struct resil_walk *walk)
{
    struct resil__way way = {.hop = chain->settle_[0]};
    const struct resil_hop_ *hop;

    if (!resil__way_calls(&way, frames, walk))
        return way;
    hop = way.hop;
    if (RESIL__LIKELY(hop->known == RESIL__KNOWN_BULKHEAD)) {
        (void)resil__bulkhead_give_back(hop->self);
        way.hop++;
    } else if (hop->known == RESIL__KNOWN_LEASED_BULKHEAD) {
        (void)resil__leased_bulkhead_release(hop->self);
        way.hop++;
    }
    if (!resil__way_calls(&way, frames, walk))
        return way;
    hop = way.hop;
    if (RESIL__LIKELY(hop->known == RESIL__KNOWN_BREAKER)) {
        (void)resil__breaker_policy_settle_in(hop->self, 0, RESIL_SUCCESS, frames + hop->frame,
                                              walk);
        way.hop++;
    } else if (hop->known == RESIL__KNOWN_STRIPED_BREAKER) {
        (void)resil__breaker_policy_settle_striped(hop->self, RESIL_SUCCESS, frames + hop->frame,
                                                   walk);
        way.hop++;
    }
    resil__way_end(&way, frames, walk);
    return way;
}

#endif
