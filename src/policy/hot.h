/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_POLICY_HOT_H
#define RESIL_POLICY_HOT_H

/*
 * The hot halves of the adapters that most chains are made of: for their tables of functions, and
 * for the straight way through a chain, which reaches them without a call. A call and its return
 * cost more than most of what stands here; a comparison that is always answered alike costs nearly
 * nothing. (Speculative devirtualisation: David Detlefs and Ole Agesen, Inlining of Virtual Methods,
 * 1999.) What isn't hot stands behind functions of its own, so that none of this needs a stack.
 */

#include <resil/policy.h>

#include "breaker/breaker_fast.h"
#include "bulkhead/bulkhead_fast.h"
#include "bulkhead/leased_bulkhead_fast.h"
#include "limiter/leased_limiter_fast.h"
#include "policy/gcra_policy.h"

/** Whose hop it is. What an object was at the chain's init decides; if it has been made another since,
    its hop is as right, but slower. */
enum resil__known {
    RESIL__KNOWN_END = 0, /* the one behind the last */
    RESIL__KNOWN_NOT,     /* any other policy */
    RESIL__KNOWN_BREAKER,
    RESIL__KNOWN_STRIPED_BREAKER,
    RESIL__KNOWN_LIMITER,
    RESIL__KNOWN_BULKHEAD,
    RESIL__KNOWN_LEASED_LIMITER,
    RESIL__KNOWN_LEASED_BULKHEAD,
};

extern const struct resil_policy_ops resil__breaker_ops;
extern const struct resil_policy_ops resil__limiter_ops;
extern const struct resil_policy_ops resil__bulkhead_ops;
extern const struct resil_policy_ops resil__leased_limiter_ops;
extern const struct resil_policy_ops resil__leased_bulkhead_ops;

/*
 * The breaker. The frame is the permit: frame[0] its token, frame[1] its start. Of a permit that a
 * closed breaker granted, the token is the state word itself: its generation and marks are where a
 * token has them, and one comparison says that nothing has changed since. The start is read only
 * for a latency rule and for probes.
 */

/** The state isn't closed: a refusal, a probe, a ramp. */
int resil__breaker_policy_admit_cold(struct resil_breaker *breaker, uint64_t word, uint64_t *frame,
                                     struct resil_walk *walk);

/** What the quick tries leave over; cell and old are where one added, and what stood there. */
int resil__breaker_policy_settle_not(struct resil_breaker *breaker, const uint64_t *frame,
                                     const struct resil_walk *walk);
int resil__breaker_policy_settle_added(struct resil_breaker *breaker, const uint64_t *frame,
                                       const struct resil_walk *walk, uint64_t *cell, uint64_t old);

/** A striped one where nobody keeps the processor's number. */
int resil__breaker_policy_settle_asked(struct resil_breaker *breaker, const uint64_t *frame,
                                       const struct resil_walk *walk);

/** Calls with a latency rule need a clock at their end. */
RESIL__INLINE void resil__breaker_policy_time(const struct resil_breaker_rules_ *rules,
                                              struct resil_walk *walk)
{
    if (RESIL__UNLIKELY(resil__load_relaxed(&rules->slow_ns_) != RESIL_NEVER))
        walk->timed = true;
}

/** Once for each rule set: a branch is predicted, an index is not. */
RESIL__INLINE int resil__breaker_policy_admit(struct resil_breaker *breaker, uint64_t *frame,
                                              struct resil_walk *walk)
{
    uint64_t word = resil__load_acquire(&breaker->word_);
    uint64_t now_ns = walk->now_ns;

    if (RESIL__UNLIKELY(resil__word_code(word) != RESIL__CODE_CLOSED))
        return resil__breaker_policy_admit_cold(breaker, word, frame, walk);
    frame[0] = word;
    frame[1] = now_ns;
    if (RESIL__LIKELY(resil__word_rules(word) == 0))
        resil__breaker_policy_time(&breaker->rules_[0], walk);
    else
        resil__breaker_policy_time(&breaker->rules_[1], walk);
    return RESIL_PASS;
}

/** The quick try, if the call is one for it. Rules that name a latency made admit set timed. */
RESIL__INLINE enum resil__quick
resil__breaker_policy_quick(struct resil_breaker *breaker, uint64_t stripe,
                            enum resil_outcome outcome, const uint64_t *frame,
                            const struct resil_walk *walk, struct resil__slices_put *put)
{
    uint64_t word = resil__load_acquire(&breaker->word_);

    if (RESIL__LIKELY(outcome == RESIL_SUCCESS) && RESIL__LIKELY(frame[0] == word))
        return resil__breaker_record_quick(breaker, word, stripe, RESIL__UNLIKELY(walk->timed),
                                           frame[1], walk->now_ns, put);
    return RESIL__QUICK_NOT;
}

/** outcome is the walk's; apart, because the straight way knows it. */
RESIL__INLINE int resil__breaker_policy_settle_in(struct resil_breaker *breaker, uint64_t stripe,
                                                  enum resil_outcome outcome, const uint64_t *frame,
                                                  const struct resil_walk *walk)
{
    struct resil__slices_put put;

    switch (resil__breaker_policy_quick(breaker, stripe, outcome, frame, walk, &put)) {
    case RESIL__QUICK_DONE:
        return RESIL_PASS;
    case RESIL__QUICK_ADDED:
        return resil__breaker_policy_settle_added(breaker, frame, walk, put.cell, put.old);
    case RESIL__QUICK_NOT:
    default:
        return resil__breaker_policy_settle_not(breaker, frame, walk);
    }
}

/** One that had several stripes at the chain's init. */
RESIL__INLINE int resil__breaker_policy_settle_striped(struct resil_breaker *breaker,
                                                       enum resil_outcome outcome,
                                                       const uint64_t *frame,
                                                       const struct resil_walk *walk)
{
    uint32_t cpu;

    if (RESIL__UNLIKELY(!resil__cpu_kept(&cpu)))
        return resil__breaker_policy_settle_asked(breaker, frame, walk);
    return resil__breaker_policy_settle_in(breaker, cpu & breaker->stripes_, outcome, frame, walk);
}

/** The limiter: what isn't granted at once, most often a refusal. */
int resil__limiter_policy_admit_not(struct resil_limiter *limiter, uint64_t *frame,
                                    struct resil_walk *walk);

RESIL__INLINE int resil__limiter_policy_admit(struct resil_limiter *limiter, uint64_t *frame,
                                              struct resil_walk *walk)
{
    frame[FRAME_NUMBER] = walk->attempt.number;
    if (RESIL__LIKELY(walk->request->cost <= 1) &&
        RESIL__LIKELY(resil__gcra_grant(&limiter->gcra_, walk->now_ns, &frame[FRAME_WORD])))
        return RESIL_PASS;
    return resil__limiter_policy_admit_not(limiter, frame, walk);
}

/** The leased limiter: what the own stripe can't serve. */
int resil__leased_limiter_policy_admit_not(struct resil_leased_limiter *leased, uint64_t *frame,
                                           struct resil_walk *walk);

RESIL__INLINE int resil__leased_limiter_policy_admit(struct resil_leased_limiter *leased,
                                                     uint64_t *frame, struct resil_walk *walk)
{
    uint64_t cost = walk->request->cost;

    frame[FRAME_NUMBER] = walk->attempt.number;
    frame[FRAME_WORD] = 0;
    if (RESIL__LIKELY(resil__leased_limiter_try(leased, cost + (cost == 0))))
        return RESIL_PASS;
    return resil__leased_limiter_policy_admit_not(leased, frame, walk);
}

/** Whose hop a policy's is on the way in. */
enum resil__known resil__known_in(const struct resil_policy *policy);

/** And on the way out. The limiters aren't asked about a SUCCESS. */
enum resil__known resil__known_out(const struct resil_policy *policy);

#endif
