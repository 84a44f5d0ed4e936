/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_POLICY_GCRA_POLICY_H
#define RESIL_POLICY_GCRA_POLICY_H

/*
 * What the adapters of the limiter and the pacer share. The frame:
 *
 *     [0]  the state word that our tokens made, 0 = given back
 *     [1]  the number of the attempt to come when we took them: if it is still to come, nothing ran
 *     [2]  waiting policies only: when our slot comes, 0 = no longer waiting
 */

#include <resil/policy.h>

#include "limiter/gcra.h"

enum {
    FRAME_WORD,
    FRAME_NUMBER,
    FRAME_WAKE_NS,
    FRAME_WORDS
};

static inline void resil__gcra_policy_refund(struct resil_gcra_ *gcra, uint64_t *frame,
                                             const struct resil_walk *walk)
{
    uint64_t word = frame[FRAME_WORD];

    if (word == 0)
        return;
    frame[FRAME_WORD] = 0;
    (void)resil__gcra_give_back(gcra, word, resil__gcra_price(gcra, word, walk->request->cost));
}

/** The inside said no before anything ran: tokens that nobody used go back. */
static inline void resil__gcra_policy_refused(struct resil_gcra_ *gcra, uint64_t *frame,
                                              const struct resil_walk *walk)
{
    if (walk->result.outcome == RESIL_REFUSED && frame[FRAME_NUMBER] == walk->attempt.number)
        resil__gcra_policy_refund(gcra, frame, walk);
}

static inline int resil__gcra_policy_settle(struct resil_gcra_ *gcra, bool paced, uint64_t *frame,
                                            const struct resil_walk *walk)
{
    uint64_t slot = resil__load_acquire(&gcra->word_) & 1;

    resil__gcra_policy_refused(gcra, frame, walk);
    if (walk->result.outcome == RESIL_OVERLOAD && walk->result.hint_ns > 0 &&
        resil__load_acquire(&gcra->slot_[slot].drain_) != 0)
        resil__gcra_drain(gcra, paced, walk->result.hint_ns, walk->now_ns);
    return RESIL_PASS;
}

/** Waits for a slot within wait_ns_max and before the deadline, or takes nothing. */
static inline int resil__gcra_policy_wait(struct resil_gcra_ *gcra, bool paced,
                                          uint64_t wait_ns_max, uint64_t *frame,
                                          struct resil_walk *walk)
{
    struct resil_reservation receipt;
    uint64_t left_ns = walk->attempt.deadline_ns == RESIL_NEVER
                           ? RESIL_NEVER
                           : resil__sub_sat(walk->attempt.deadline_ns, walk->now_ns);
    struct resil__gcra_ask ask = {
        .cost = walk->request->cost,
        .now_ns = walk->now_ns,
        .wait_ns_max = resil__min(wait_ns_max, resil__sub_sat(left_ns, 1)),
        .paced = paced,
    };
    int rc = resil__gcra_take(gcra, &ask, &receipt);

    if (rc != RESIL_OK) {
        if (rc == RESIL_ELIMITED)
            walk->retry_at_ns = receipt.at_ns;
        return rc;
    }
    frame[FRAME_WORD] = receipt.word_;
    if (receipt.at_ns <= walk->now_ns)
        return RESIL_PASS;
    frame[FRAME_WAKE_NS] = receipt.at_ns;
    walk->wake_ns = receipt.at_ns;
    return RESIL_WAIT;
}

/** Takes a slot now, as most calls can, or waits for one. */
static inline int resil__gcra_policy_enter(struct resil_gcra_ *gcra, bool paced,
                                           uint64_t wait_ns_max, uint64_t *frame,
                                           struct resil_walk *walk)
{
    uint64_t cost = walk->request->cost != 0 ? walk->request->cost : 1;
    uint64_t at_ns;

    frame[FRAME_NUMBER] = walk->attempt.number;
    frame[FRAME_WAKE_NS] = 0;
    if (resil__gcra_try(gcra, paced, cost, walk->now_ns, &frame[FRAME_WORD], &at_ns) == RESIL_OK)
        return RESIL_PASS;
    return resil__gcra_policy_wait(gcra, paced, wait_ns_max, frame, walk);
}

static inline int resil__gcra_policy_resume(uint64_t *frame, struct resil_walk *walk)
{
    if (walk->now_ns < frame[FRAME_WAKE_NS]) {
        walk->wake_ns = frame[FRAME_WAKE_NS];
        return RESIL_WAIT;
    }
    frame[FRAME_WAKE_NS] = 0;
    return RESIL_PASS;
}

/** A slot that was waited for goes back whatever the reason. */
static inline int resil__gcra_policy_leave(struct resil_gcra_ *gcra, uint64_t *frame,
                                           const struct resil_walk *walk)
{
    if (frame[FRAME_WAKE_NS] != 0)
        resil__gcra_policy_refund(gcra, frame, walk);
    else
        resil__gcra_policy_refused(gcra, frame, walk);
    return RESIL_PASS;
}

/** How long a full bucket takes to fill (limiter), or the gap between two calls (pacer). */
static inline uint64_t resil__gcra_policy_finest(const struct resil_gcra_ *gcra, bool paced)
{
    struct resil__rate rate = resil__gcra_rate(&gcra->slot_[resil__load_acquire(&gcra->word_) & 1]);

    return resil__gcra_ns(paced ? rate.interval : rate.tau, rate.shift);
}

#endif
