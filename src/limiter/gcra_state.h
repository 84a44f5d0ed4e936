/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_GCRA_STATE_H
#define RESIL_LIMITER_GCRA_STATE_H

/*
 * The arithmetic of the limiter and the pacer: words in, words out.
 *
 * A unit is 2^-shift ns. Bit 0 of the state word is no time but the number of the slot in force; so
 * times and spans are even numbers of units, and their resolution is a tick of two units. All
 * comparisons are differences modulo 2^64: only the distance between the state and now counts.
 */

#include <resil/reservation.h>

#include "base/atomic.h"
#include "base/math.h"

/** How much older than the newest a told time may be without loosening anything. */
#define RESIL__STALL_NS RESIL_SEC(60)

/** The furthest ahead of now that a caller can be told to come: 2^49 ns, six and a half days. */
#define RESIL__REACH_NS_MAX (UINT64_C(1) << 49)

/** The longest drain. */
#define RESIL__DRAIN_NS_MAX RESIL_SEC(86400)

/** The longest a full bucket may take to fill, in units. With the reach it stays below 2^63. */
#define RESIL__TAU_MAX (UINT64_C(1) << 61)

/** Ticks of 2^-11 ns at the finest, so that the reach fits: 2^49 << 12 = 2^61. */
#define RESIL__TICK_BITS_MAX 11

/** A slot as one caller has read it. */
struct resil__rate {
    uint64_t interval;
    uint64_t tau;
    uint64_t shift;
    uint64_t cost_max;
    uint64_t start;
    uint64_t generation;
};

/* Acquire, so that who reads a word of a slot that is being rewritten sees the state word that had
   left this slot: its compare-and-swap fails, its refusal is not final. The generation first: it is
   written last, so that the rest belongs to it if it still stands after a swap. */
static inline struct resil__rate resil__gcra_rate(const struct resil_gcra_slot_ *slot)
{
    uint64_t generation = resil__load_acquire(&slot->generation_);

    return (struct resil__rate){
        .interval = resil__load_acquire(&slot->interval_),
        .tau = resil__load_acquire(&slot->tau_),
        .shift = resil__load_acquire(&slot->shift_) & 63,
        .cost_max = resil__load_acquire(&slot->cost_max_),
        .start = resil__load_acquire(&slot->start_),
        .generation = generation,
    };
}

/** After a swap: true if the slot wasn't written since its generation was read. */
static inline bool resil__gcra_stands(const struct resil_gcra_slot_ *slot, uint64_t generation)
{
    return resil__load_acquire(&slot->generation_) == generation;
}

/** Nanoseconds, rounded up. */
static inline uint64_t resil__gcra_ns(uint64_t units, uint64_t shift)
{
    return (units >> shift) + ((units & ((UINT64_C(1) << shift) - 1)) != 0);
}

/** A state is never 0, which means "never used": it comes a tick later instead. */
static inline uint64_t resil__gcra_nonzero(uint64_t word)
{
    return word != 0 ? word : 2;
}

/**
 * How far the arrival time lies ahead of now. 0 when it has passed, and when it lies further ahead
 * than anybody was told to come plus the age that a told time may have: then the clock was set
 * back.
 */
static inline uint64_t resil__gcra_ahead(uint64_t word, const struct resil__rate *rate,
                                         uint64_t reach_ns, uint64_t now_ns)
{
    uint64_t ahead = (word & ~UINT64_C(1)) - (now_ns << rate->shift);

    if (ahead >> 63 != 0 || ahead > rate->tau + ((reach_ns + RESIL__STALL_NS) << rate->shift))
        return 0;
    return ahead;
}

/** How long a call must wait: until its tokens are there, or, paced, until the calls before it are
    over. */
static inline uint64_t resil__gcra_wait(const struct resil__rate *rate, bool paced, uint64_t ahead,
                                        uint64_t price)
{
    return resil__sub_sat(ahead, paced ? 0 : rate->tau - price);
}

/** The state after a call. */
static inline uint64_t resil__gcra_taken(uint64_t word, const struct resil__rate *rate,
                                         uint64_t ahead, uint64_t price, uint64_t now_ns)
{
    return resil__gcra_nonzero(((now_ns << rate->shift) + ahead + price) | (word & 1));
}

/** The state at first use: what the config says is missing. Slot 0, as in every word that is 0. */
static inline uint64_t resil__gcra_first(const struct resil__rate *rate, uint64_t now_ns)
{
    uint64_t word = (now_ns << rate->shift) + rate->start;

    /* A full bucket has an arrival time that has passed: a tick before now is as good as now. */
    return word == 0 && rate->start == 0 ? ~UINT64_C(1) : resil__gcra_nonzero(word);
}

/** The state after a drain, never before the state as it is: empty, and the next token in
    for_ns. */
static inline uint64_t resil__gcra_drained(uint64_t word, const struct resil__rate *rate,
                                           bool paced, uint64_t ahead, uint64_t for_ns,
                                           uint64_t now_ns)
{
    uint64_t span = for_ns << rate->shift;
    uint64_t target = paced ? span : resil__max(span, rate->interval) + rate->tau - rate->interval;

    return resil__gcra_taken(word, rate, resil__max(ahead, target), 0, now_ns);
}

/**
 * The state under another rate, in the other slot. Tokens that are there stay, up to the new burst.
 * Tokens lent ahead are paid back at the faster of the two rates: the calls that they were lent to
 * keep their times, and the balance is never worse than before.
 *
 * A bucket that is full gets an arrival time that no earlier generation had, so that a
 * compare-and-swap that slept through two changes fails. One that isn't full can show an old word
 * again: if the old config is back, or by the chance of one tick. So whoever has swapped looks at
 * the generation again: see gcra.c.
 */
static inline uint64_t resil__gcra_converted(uint64_t word, const struct resil__rate *from,
                                             const struct resil__rate *to, bool paced,
                                             uint64_t ahead, uint64_t now_ns)
{
    uint64_t full_from = paced ? 0 : from->tau;
    uint64_t full_to = paced ? 0 : to->tau;
    uint64_t now = now_ns << to->shift;
    uint64_t next;

    if (ahead <= full_from) {
        uint64_t there = resil__mul_div(full_from - ahead, to->interval, from->interval);

        next = full_to - (resil__min(there, full_to) & ~UINT64_C(1));
    } else {
        uint64_t owed = ahead - full_from;
        uint64_t tokens = resil__mul_div_up(owed, to->interval, from->interval);
        uint64_t time =
            resil__mul_div_up(owed, UINT64_C(1) << to->shift, UINT64_C(1) << from->shift);

        next = full_to + ((resil__min(tokens, time) + 1) & ~UINT64_C(1));
    }
    if (next == 0)
        now -= (to->generation & UINT16_MAX) << 1;
    return resil__gcra_nonzero((now + next) | (~word & 1));
}

#endif
