/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BREAKER_STATE_H
#define RESIL_BREAKER_STATE_H

/*
 * The words of a breaker, pure: word in, word out.
 *
 *     word  = generation 32 | trips 4 | slots 10 x 2 | revision 5 | code 3
 *     time  = mark 5 | time 59                                     (until, gate, ramp)
 *     lease = ticket 4 | held 1 | start 59
 *     token = generation 32 | event 10 | 0... | ticket 4 | slot 4 | probe 1 | live 1
 *
 * The generation grows with each transition and belongs to permits. The revision grows by one with
 * each reconfigure, and its lowest bit says which of the two rule sets holds; it grows by two when
 * a probe's place is taken over. So each change that a compare-and-swap must notice changes the
 * word.
 *
 * The mark of a time word is the low 4 bits of the generation it was written for (and for until a
 * fifth: the time is a peer's hint). It is written before the word moves to that generation. Times
 * are compared modulo 2^59 ns, 18 years.
 */

#include <resil/breaker.h>

enum resil__breaker_code {
    RESIL__CODE_NONE = 0,
    RESIL__CODE_CLOSED = 1,
    RESIL__CODE_RAMP = 2, /* closed, letting calls in gradually */
    RESIL__CODE_OPEN = 3,
    RESIL__CODE_HALF_OPEN = 4,
    RESIL__CODE_FORCED_OPEN = 5,
    RESIL__CODE_DISABLED = 6,
    RESIL__CODE_METRICS_ONLY = 7,
};

enum resil__breaker_slot {
    RESIL__SLOT_FREE = 0,
    RESIL__SLOT_OUT = 1,
    RESIL__SLOT_GOOD = 2,
    RESIL__SLOT_BAD = 3,
};

#define RESIL__WORD_CODE       UINT64_C(7)
#define RESIL__WORD_REV        (UINT64_C(31) << 3)
#define RESIL__WORD_REV_ONE    (UINT64_C(1) << 3)
#define RESIL__WORD_SLOT_SHIFT 8
#define RESIL__WORD_SLOTS      (((UINT64_C(1) << 20) - 1) << RESIL__WORD_SLOT_SHIFT)
#define RESIL__WORD_TRIP_SHIFT 28
#define RESIL__WORD_TRIPS      (UINT64_C(15) << RESIL__WORD_TRIP_SHIFT)
#define RESIL__WORD_GEN_SHIFT  32

#define RESIL__TIME_BITS  59
#define RESIL__TIME_MASK  ((UINT64_C(1) << RESIL__TIME_BITS) - 1)
#define RESIL__TIME_HINT  (UINT64_C(1) << 63)
#define RESIL__LEASE_HELD (UINT64_C(1) << 59)

#define RESIL__TOKEN_LIVE       UINT64_C(1)
#define RESIL__TOKEN_PROBE      UINT64_C(2)
#define RESIL__TOKEN_SLOT_SHIFT 2
#define RESIL__TOKEN_TICK_SHIFT 6
#define RESIL__TOKEN_FROM_SHIFT 22
#define RESIL__TOKEN_TO_SHIFT   25
#define RESIL__TOKEN_WHY_SHIFT  28

static inline enum resil__breaker_code resil__word_code(uint64_t word)
{
    return (enum resil__breaker_code)(word & RESIL__WORD_CODE);
}

static inline uint32_t resil__word_gen(uint64_t word)
{
    return (uint32_t)(word >> RESIL__WORD_GEN_SHIFT);
}

static inline unsigned resil__word_trips(uint64_t word)
{
    return (unsigned)((word & RESIL__WORD_TRIPS) >> RESIL__WORD_TRIP_SHIFT);
}

static inline unsigned resil__word_rules(uint64_t word)
{
    return (unsigned)(word >> 3) & 1;
}

static inline enum resil__breaker_slot resil__word_slot(uint64_t word, unsigned slot)
{
    return (enum resil__breaker_slot)((word >> (RESIL__WORD_SLOT_SHIFT + 2 * slot)) & 3);
}

static inline uint64_t resil__word_with_slot(uint64_t word, unsigned slot,
                                             enum resil__breaker_slot what)
{
    unsigned shift = RESIL__WORD_SLOT_SHIFT + 2 * slot;

    return (word & ~(UINT64_C(3) << shift)) | (uint64_t)what << shift;
}

/** How many slots are in a condition. */
static inline unsigned resil__word_slots(uint64_t word, enum resil__breaker_slot what)
{
    unsigned count = 0;

    for (unsigned slot = 0; slot < RESIL_BREAKER_PROBES_MAX; slot++)
        count += resil__word_slot(word, slot) == what;
    return count;
}

/** The revision plus some, modulo 32. */
static inline uint64_t resil__word_revised(uint64_t word, unsigned by)
{
    return (word & ~RESIL__WORD_REV) | ((word + by * RESIL__WORD_REV_ONE) & RESIL__WORD_REV);
}

/** A transition: the next generation in another state, no probes, so many trips. */
static inline uint64_t resil__word_next(uint64_t word, enum resil__breaker_code code,
                                        unsigned trips)
{
    return (uint64_t)(uint32_t)(resil__word_gen(word) + 1) << RESIL__WORD_GEN_SHIFT |
           (uint64_t)(trips > 15 ? 15 : trips) << RESIL__WORD_TRIP_SHIFT |
           (word & RESIL__WORD_REV) | (uint64_t)code;
}

/** The state that users see. */
static inline enum resil_breaker_state resil__word_state(uint64_t word)
{
    static const unsigned char states[8] = {
        RESIL_BREAKER_NONE,     RESIL_BREAKER_CLOSED,       RESIL_BREAKER_CLOSED,
        RESIL_BREAKER_OPEN,     RESIL_BREAKER_HALF_OPEN,    RESIL_BREAKER_FORCED_OPEN,
        RESIL_BREAKER_DISABLED, RESIL_BREAKER_METRICS_ONLY,
    };

    return (enum resil_breaker_state)states[word & RESIL__WORD_CODE];
}

static inline uint64_t resil__time_mark(uint32_t gen)
{
    return (uint64_t)(gen & 15) << RESIL__TIME_BITS;
}

/** True if a time word was written for this generation. */
static inline bool resil__time_is_of(uint64_t time, uint32_t gen)
{
    return ((time ^ ((uint64_t)gen << RESIL__TIME_BITS)) &
            ~(RESIL__TIME_MASK | RESIL__TIME_HINT)) == 0;
}

/** The same for the generation of a word, in fewer steps: one shift brings it below the mark. */
static inline bool resil__time_is_of_word(uint64_t time, uint64_t word)
{
    return ((time ^ word << (RESIL__TIME_BITS - RESIL__WORD_GEN_SHIFT)) &
            ~(RESIL__TIME_MASK | RESIL__TIME_HINT)) == 0;
}

/**
 * How long until a deadline; 0 = due. Further ahead than twice the longest counts as due: then the
 * clock was set back. Twice, so that no now that is a little older than the deadline's own shortens
 * it.
 */
static inline uint64_t resil__time_left(uint64_t deadline, uint64_t now_ns, uint64_t longest)
{
    uint64_t left = (deadline - now_ns) & RESIL__TIME_MASK;

    return left - 1 < 2 * longest ? left : 0;
}

/** The token of a permit that isn't a probe. */
static inline uint64_t resil__token_of(uint64_t word)
{
    return (word & ~UINT64_C(0xffffffff)) | RESIL__TOKEN_LIVE;
}

/** True if this is the token of a permit that isn't a probe, of the word's generation. */
static inline bool resil__token_is_of(uint64_t token, uint64_t word)
{
    return ((token ^ word) & ~UINT64_C(0xffffffff)) == 0 &&
           (token & (RESIL__TOKEN_LIVE | RESIL__TOKEN_PROBE)) == RESIL__TOKEN_LIVE;
}

/** The same for a word that is closed, in one comparison: the mark of a permit that isn't a probe is
    the code of closed. A probe's is the code of another state, which its generation never has. */
static inline bool resil__token_is_closed(uint64_t token, uint64_t word)
{
    return token == (word & (~UINT64_C(0xffffffff) | RESIL__WORD_CODE));
}

/** What a transition is told as, in a token of the new generation. */
static inline uint64_t resil__token_event(uint64_t from, uint64_t to, enum resil_breaker_reason why)
{
    return (to & ~UINT64_C(0xffffffff)) |
           (uint64_t)resil__word_state(from) << RESIL__TOKEN_FROM_SHIFT |
           (uint64_t)resil__word_state(to) << RESIL__TOKEN_TO_SHIFT |
           (uint64_t)why << RESIL__TOKEN_WHY_SHIFT;
}

#endif
