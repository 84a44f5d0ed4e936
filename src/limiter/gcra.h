/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_GCRA_H
#define RESIL_LIMITER_GCRA_H

/* What limiter.c, pacer.c and their policy adapters share: the loops around gcra_state.h. */

#include <resil/reservation.h>
#include <resil/status.h>

#include "base/compiler.h"
#include "limiter/gcra_state.h"

/** A question to a limiter or pacer. */
struct resil__gcra_ask {
    uint64_t cost; /* 0 = 1 */
    uint64_t now_ns;
    uint64_t wait_ns_max;
    uint64_t kept; /* tokens that must be left behind; the limiter's alone */
    bool paced;
};

/** Takes, waiting at most as long as asked for. Fills in the receipt in every case. */
int resil__gcra_take(struct resil_gcra_ *gcra, const struct resil__gcra_ask *ask,
                     struct resil_reservation *receipt);

/** What take would answer; *retry_at_ns is when it passes (now, if it does), if not NULL. */
int resil__gcra_peek(const struct resil_gcra_ *gcra, const struct resil__gcra_ask *ask,
                     uint64_t *retry_at_ns);

/** Gives back what a state word was reached with, if it still stands: RESIL_OK or RESIL_ELATE. */
int resil__gcra_give_back(struct resil_gcra_ *gcra, uint64_t word, uint64_t price);

/** The price of a cost under the slot that a word names. */
static inline uint64_t resil__gcra_price(const struct resil_gcra_ *gcra, uint64_t word,
                                         uint64_t cost)
{
    return (cost != 0 ? cost : 1) * resil__load_acquire(&gcra->slot_[word & 1].interval_);
}

int resil__gcra_cancel(struct resil_gcra_ *gcra, struct resil_reservation *receipt,
                       uint64_t now_ns);
void resil__gcra_drain(struct resil_gcra_ *gcra, bool paced, uint64_t for_ns, uint64_t now_ns);
int resil__gcra_reconfigure(struct resil_gcra_ *gcra, bool paced,
                            const struct resil_gcra_slot_ *next, uint64_t now_ns);
void resil__gcra_rebase(struct resil_gcra_ *gcra, bool paced, uint64_t now_ns);
void resil__gcra_init(struct resil_gcra_ *gcra, const struct resil_gcra_slot_ *slot);

/** A consistent view: the slot in force, and how far ahead the state lies in units. */
struct resil__gcra_view {
    struct resil_gcra_slot_ slot;
    uint64_t ahead;
};

struct resil__gcra_view resil__gcra_look(const struct resil_gcra_ *gcra, uint64_t now_ns);

/** Fills in interval, shift, tokens and period of a slot. */
void resil__gcra_set_rate(struct resil_gcra_slot_ *slot, uint64_t tokens, uint64_t period_ns);

/** The answer of try when it has none: ask resil__gcra_take. */
#define RESIL__GCRA_UNDECIDED 1

/** What a question comes to under one slot; in units, but for the generation. */
struct resil__gcra_sum {
    uint64_t generation;
    uint64_t shift;
    uint64_t now;
    uint64_t ahead; /* signed: an arrival time that has passed is behind */
    uint64_t price;
    uint64_t room; /* how far ahead a call that passes may find the arrival time */
};

/** False: not for the quick way. cost isn't 0. */
RESIL__INLINE bool resil__gcra_sum(const struct resil_gcra_slot_ *slot, unsigned which,
                                   uint64_t old, bool paced, uint64_t cost, uint64_t now_ns,
                                   struct resil__gcra_sum *sum)
{
    sum->generation = resil__load_acquire(&slot->generation_);
    sum->shift = resil__load_acquire(&slot->shift_);
    if (sum->shift > 63)
        RESIL__UNREACHABLE(); /* unreachable: init refuses such a rate */
    sum->now = now_ns << sum->shift;
    sum->ahead = old - which - sum->now;
    sum->room = paced ? 0 : resil__load_acquire(&slot->tau_);
    if (RESIL__UNLIKELY(old == 0 || (cost != 1 && cost > resil__load_acquire(&slot->cost_max_))))
        return false;
    sum->price = cost * resil__load_acquire(&slot->interval_);
    sum->room -= paced ? 0 : sum->price;
    return true;
}

static inline bool resil__gcra_passes(const struct resil__gcra_sum *sum)
{
    return (int64_t)sum->ahead <= (int64_t)sum->room;
}

/** Takes what passes. *word is then the state that this makes. */
RESIL__INLINE bool resil__gcra_swap(struct resil_gcra_ *gcra, unsigned which, uint64_t old,
                                    const struct resil__gcra_sum *sum, uint64_t *word)
{
    uint64_t next = (sum->now + (sum->ahead >> 63 != 0 ? 0 : sum->ahead) + sum->price) | which;

    *word = next;
    return RESIL__LIKELY(next != 0) && RESIL__LIKELY(resil__cas(&gcra->word_, &old, next)) &&
           RESIL__LIKELY(resil__gcra_stands(&gcra->slot_[which], sum->generation));
}

/** try, for a state word that names a slot. */
RESIL__INLINE int resil__gcra_try_slot(struct resil_gcra_ *gcra, unsigned which, uint64_t old,
                                       bool paced, uint64_t cost, uint64_t now_ns, uint64_t *word,
                                       uint64_t *at_ns)
{
    const struct resil_gcra_slot_ *slot = &gcra->slot_[which];
    struct resil__gcra_sum sum RESIL__UNINITIALISED;

    if (RESIL__UNLIKELY(!resil__gcra_sum(slot, which, old, paced, cost, now_ns, &sum)))
        return RESIL__GCRA_UNDECIDED;
    if (RESIL__UNLIKELY(resil__gcra_passes(&sum))) /* so that a refusal falls through */
        return resil__gcra_swap(gcra, which, old, &sum, word) ? RESIL_OK : RESIL__GCRA_UNDECIDED;
    if (RESIL__UNLIKELY(
            sum.ahead > resil__load_acquire(&slot->tau_) + (RESIL__STALL_NS << sum.shift) ||
            resil__load_acquire(&gcra->word_) != old || !resil__gcra_stands(slot, sum.generation)))
        return RESIL__GCRA_UNDECIDED;
    if (at_ns != NULL) /* rounded up: ahead > room */
        *at_ns = resil__add_sat(now_ns, ((sum.ahead - sum.room - 1) >> sum.shift) + 1);
    return RESIL_ELIMITED;
}

/** grant, for a state word that names a slot. */
RESIL__INLINE bool resil__gcra_grant_slot(struct resil_gcra_ *gcra, unsigned which, uint64_t old,
                                          uint64_t now_ns, uint64_t *word)
{
    struct resil__gcra_sum sum RESIL__UNINITIALISED;

    return RESIL__LIKELY(
               resil__gcra_sum(&gcra->slot_[which], which, old, false, 1, now_ns, &sum)) &&
           RESIL__LIKELY(resil__gcra_passes(&sum)) &&
           resil__gcra_swap(gcra, which, old, &sum, word);
}

/** The granting half of try for one token, for who can do with fewer registers than both take. False:
    it wasn't granted this way; ask try. */
RESIL__INLINE bool resil__gcra_grant(struct resil_gcra_ *gcra, uint64_t now_ns, uint64_t *word)
{
    uint64_t old = resil__load_acquire(&gcra->word_);

    return RESIL__LIKELY((old & 1) == 0) ? resil__gcra_grant_slot(gcra, 0, old, now_ns, word)
                                         : resil__gcra_grant_slot(gcra, 1, old, now_ns, word);
}

/**
 * The hot path: a grant without a wait is a load and a compare-and-swap, and the arrival time in
 * the past costs nothing extra; a refusal is a few loads, and meets no jump that is taken. What is
 * rare is left undecided: the first use, a swap that another won, a slot that has just changed, a
 * state so far ahead that the clock may have been set back.
 *
 * cost isn't 0. *word receives the state that a grant made, *at_ns when a refused call would
 * pass, if not NULL.
 *
 * Once for each slot: a branch is predicted, so the slot's words are loaded beside the state word,
 * not after it.
 */
RESIL__INLINE int resil__gcra_try(struct resil_gcra_ *gcra, bool paced, uint64_t cost,
                                  uint64_t now_ns, uint64_t *word, uint64_t *at_ns)
{
    uint64_t old = resil__load_acquire(&gcra->word_);

    return RESIL__LIKELY((old & 1) == 0)
               ? resil__gcra_try_slot(gcra, 0, old, paced, cost, now_ns, word, at_ns)
               : resil__gcra_try_slot(gcra, 1, old, paced, cost, now_ns, word, at_ns);
}

/**
 * What acquire does when try is undecided; apart, so that the hot path needs no stack. word may be
 * NULL; retry_at_ns is set with RESIL_ELIMITED alone, and may be NULL too.
 */
int resil__gcra_acquire_slow(struct resil_gcra_ *gcra, bool paced, uint64_t cost, uint64_t now_ns,
                             uint64_t *word, uint64_t *retry_at_ns);

/** Acquire for a cost above 1, or who wants to know when to come back; apart, as one token now or
    not at all is what most ask for, and takes no stack. */
int resil__gcra_acquire_more(struct resil_gcra_ *gcra, bool paced, uint64_t cost, uint64_t now_ns,
                             uint64_t *retry_at_ns);

/** Acquire for a cost that isn't 0. retry_at_ns may be NULL; it is set with RESIL_ELIMITED. */
RESIL__INLINE int resil__gcra_acquire_cost(struct resil_gcra_ *gcra, bool paced, uint64_t cost,
                                           uint64_t now_ns, uint64_t *retry_at_ns)
{
    uint64_t word;
    int rc = resil__gcra_try(gcra, paced, cost, now_ns, &word, retry_at_ns);

    if (RESIL__UNLIKELY(rc == RESIL__GCRA_UNDECIDED))
        return resil__gcra_acquire_slow(gcra, paced, cost, now_ns, NULL, retry_at_ns);
    return rc;
}

/** The whole of acquire. */
static inline int resil__gcra_acquire(struct resil_gcra_ *gcra, bool paced, uint64_t cost,
                                      uint64_t now_ns, uint64_t *retry_at_ns)
{
    if (RESIL__UNLIKELY(cost > 1) || RESIL__UNLIKELY(retry_at_ns != NULL))
        return resil__gcra_acquire_more(gcra, paced, cost, now_ns, retry_at_ns);
    return resil__gcra_acquire_cost(gcra, paced, 1, now_ns, NULL);
}

#endif
