/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BREAKER_KEYED_BREAKER_STATE_H
#define RESIL_BREAKER_KEYED_BREAKER_STATE_H

/*
 * The word of a key, pure: word in, word out.
 *
 *     time 28 | generation 11 | tripped 1 | calls 6 | failures 6 | streak 5 | trips 4 | code 2 | 0
 *
 * time: closed, the begin of the window; open, the end of the open time; half-open, of the lease. In
 * ticks, modulo 2^28. The generation grows with each transition, and when a place is given to
 * another key. tripped: the key has been open since it got its place; only then does the generation
 * tell permits apart. A base of the table is a time and a generation.
 *
 *     token = generation, tripped: as in the word | probe 2 | live 1
 */

#include <resil/keyed_breaker.h>

#include "base/math.h"
#include "base/outcomes.h"
#include "base/random.h"

#define RESIL__KB_CODE_SHIFT 1
#define RESIL__KB_TRIP_SHIFT 3
#define RESIL__KB_ROW_SHIFT  7 /* the streak */
#define RESIL__KB_FAIL_SHIFT 12
#define RESIL__KB_CALL_SHIFT 18
#define RESIL__KB_TRIPPED    (UINT64_C(1) << 24)
#define RESIL__KB_GEN_SHIFT  25
#define RESIL__KB_GEN_MASK   (UINT64_C(2047) << RESIL__KB_GEN_SHIFT)
#define RESIL__KB_TIME_SHIFT 36
#define RESIL__KB_TIME_MASK  ((UINT64_C(1) << 28) - 1)

/** Spans take at most so many bits in ticks. */
#define RESIL__KB_SPAN_BITS 20

#define RESIL__KB_LIVE  UINT64_C(1)
#define RESIL__KB_PROBE UINT64_C(2)

enum resil__kb_code {
    RESIL__KB_CLOSED = 1,
    RESIL__KB_OPEN = 2,
    RESIL__KB_HALF_OPEN = 3,
};

/** A word, taken apart. */
struct resil__kb {
    unsigned code, trips, streak, failures, calls;
    bool tripped;
    uint64_t gen, time;
};

static inline struct resil__kb resil__kb_parts(uint64_t word)
{
    return (struct resil__kb){
        .code = (unsigned)(word >> RESIL__KB_CODE_SHIFT) & 3,
        .trips = (unsigned)(word >> RESIL__KB_TRIP_SHIFT) & 15,
        .streak = (unsigned)(word >> RESIL__KB_ROW_SHIFT) & 31,
        .failures = (unsigned)(word >> RESIL__KB_FAIL_SHIFT) & 63,
        .calls = (unsigned)(word >> RESIL__KB_CALL_SHIFT) & 63,
        .tripped = (word & RESIL__KB_TRIPPED) != 0,
        .gen = (word & RESIL__KB_GEN_MASK) >> RESIL__KB_GEN_SHIFT,
        .time = word >> RESIL__KB_TIME_SHIFT,
    };
}

static inline uint64_t resil__kb_word(const struct resil__kb *kb)
{
    return (uint64_t)kb->code << RESIL__KB_CODE_SHIFT |
           (uint64_t)kb->trips << RESIL__KB_TRIP_SHIFT |
           (uint64_t)kb->streak << RESIL__KB_ROW_SHIFT |
           (uint64_t)kb->failures << RESIL__KB_FAIL_SHIFT |
           (uint64_t)kb->calls << RESIL__KB_CALL_SHIFT | (kb->tripped ? RESIL__KB_TRIPPED : 0) |
           (kb->gen << RESIL__KB_GEN_SHIFT & RESIL__KB_GEN_MASK) |
           (kb->time & RESIL__KB_TIME_MASK) << RESIL__KB_TIME_SHIFT;
}

static inline uint64_t resil__kb_tick(const struct resil_keyed_rules_ *rules, uint64_t now_ns)
{
    return (now_ns >> rules->tick_bits_) & RESIL__KB_TIME_MASK;
}

/** The tick that ends a span from now on: rounded up. */
static inline uint64_t resil__kb_end(const struct resil_keyed_rules_ *rules, uint64_t now_ns,
                                     uint64_t span_ns)
{
    return resil__kb_tick(rules, now_ns + span_ns + (UINT64_C(1) << rules->tick_bits_) - 1);
}

/** Ticks until a time; 0 = it has passed, or the clock was set back. */
static inline uint64_t resil__kb_left(const struct resil_keyed_rules_ *rules, uint64_t time,
                                      uint64_t now_ns)
{
    uint64_t left = (time - resil__kb_tick(rules, now_ns)) & RESIL__KB_TIME_MASK;

    return left <= 2 * rules->longest_ ? left : 0;
}

/** Ticks since a time; 0 while it is ahead; the most there is, if the clock was set back. */
static inline uint64_t resil__kb_since(const struct resil_keyed_rules_ *rules, uint64_t time,
                                       uint64_t now_ns)
{
    uint64_t since = (resil__kb_tick(rules, now_ns) - time) & RESIL__KB_TIME_MASK;

    if (since <= RESIL__KB_TIME_MASK / 2)
        return since;
    return resil__kb_left(rules, time, now_ns) > 0 ? 0 : RESIL__KB_TIME_MASK;
}

/** True if the state says no more than that of a key never seen. */
static inline bool resil__kb_idle(const struct resil_keyed_rules_ *rules, uint64_t word,
                                  uint64_t now_ns)
{
    struct resil__kb kb = resil__kb_parts(word);
    uint64_t since = resil__kb_since(rules, kb.time, now_ns);

    return kb.code == RESIL__KB_CLOSED ? since >= 2 * rules->window_ : since >= rules->keep_;
}

/** Closed: the window as it stands now. */
static inline void resil__kb_slide(const struct resil_keyed_rules_ *rules, struct resil__kb *kb,
                                   uint64_t now_ns)
{
    uint64_t since = resil__kb_since(rules, kb->time, now_ns);

    if (since >= 2 * rules->window_) {
        kb->calls = kb->failures = kb->streak = 0;
        kb->time = resil__kb_tick(rules, now_ns);
    } else if (since >= rules->window_) {
        kb->calls /= 2;
        kb->failures /= 2;
        kb->time += rules->window_;
    }
}

static inline void resil__kb_count(struct resil__kb *kb, bool failed)
{
    if (kb->calls == 63) {
        kb->calls /= 2;
        kb->failures /= 2;
    }
    kb->calls++;
    kb->failures += failed;
    kb->streak = failed ? kb->streak + (kb->streak < 31) : 0;
}

static inline bool resil__kb_trips(const struct resil_keyed_rules_ *rules,
                                   const struct resil__kb *kb)
{
    return (rules->consecutive_ != 0 && kb->streak >= rules->consecutive_) ||
           (rules->failure_pct_ != 0 && kb->calls >= rules->calls_min_ &&
            kb->failures * 100 >= rules->failure_pct_ * kb->calls);
}

/** Opens, for at least so long. The stretch of the open time is drawn from salt and generation. */
static inline void resil__kb_open(const struct resil_keyed_rules_ *rules, struct resil__kb *kb,
                                  uint64_t now_ns, uint64_t hint_ns, uint64_t salt)
{
    uint64_t span = rules->open_ns_;
    uint64_t random = resil__mix(salt ^ (kb->gen << 32 | kb->time));

    kb->trips += kb->trips < 15;
    for (unsigned i = 1; i < kb->trips && span < rules->open_ns_max_; i++)
        span = resil__min(span * rules->open_factor_pct_ / 100, rules->open_ns_max_);
    span += resil__random_below(random, span * rules->jitter_pct_ / 100 + 1);
    span = resil__max(span, resil__min(hint_ns, rules->open_ns_max_));
    *kb = (struct resil__kb){
        .code = RESIL__KB_OPEN,
        .trips = kb->trips,
        .tripped = true,
        .gen = kb->gen + 1,
        .time = resil__kb_end(rules, now_ns, span),
    };
}

/** What a result means to a key. */
enum resil__kb_sense {
    RESIL__KB_NEUTRAL,
    RESIL__KB_GOOD,
    RESIL__KB_BAD,
    RESIL__KB_PUSHED, /* OVERLOAD that isn't in the mask */
};

static inline enum resil__kb_sense resil__kb_sense(const struct resil_keyed_rules_ *rules,
                                                   enum resil_outcome outcome)
{
    outcome = resil__outcome(outcome);
    if ((rules->failure_mask_ & RESIL_OUTCOME_BIT(outcome)) != 0)
        return RESIL__KB_BAD;
    if (outcome == RESIL_SUCCESS || outcome == RESIL_CALLER)
        return RESIL__KB_GOOD;
    return outcome == RESIL_OVERLOAD ? RESIL__KB_PUSHED : RESIL__KB_NEUTRAL;
}

/** The token of a permit for this state. */
static inline uint64_t resil__kb_token(uint64_t word, bool probe)
{
    return (word & (RESIL__KB_GEN_MASK | RESIL__KB_TRIPPED)) | (probe ? RESIL__KB_PROBE : 0) |
           RESIL__KB_LIVE;
}

/** True if a result with this token may change this state. */
static inline bool resil__kb_belongs(uint64_t token, uint64_t word)
{
    struct resil__kb kb = resil__kb_parts(word);

    if ((token & RESIL__KB_PROBE) != 0)
        return kb.code == RESIL__KB_HALF_OPEN && token == resil__kb_token(word, true);
    return kb.code == RESIL__KB_CLOSED && (!kb.tripped || token == resil__kb_token(word, false));
}

/** The probe: half-open, for as long as its lease. */
static inline uint64_t resil__kb_probed(const struct resil_keyed_rules_ *rules, uint64_t word,
                                        uint64_t now_ns)
{
    struct resil__kb kb = resil__kb_parts(word);

    kb.code = RESIL__KB_HALF_OPEN;
    kb.gen++;
    kb.time = resil__kb_end(rules, now_ns, rules->lease_ns_);
    return resil__kb_word(&kb);
}

/** The state after a result that belongs to it; the same word = nothing changes. */
static inline uint64_t resil__kb_told(const struct resil_keyed_rules_ *rules, uint64_t word,
                                      enum resil__kb_sense sense, uint64_t now_ns, uint64_t hint_ns,
                                      uint64_t salt)
{
    struct resil__kb kb = resil__kb_parts(word);

    if (kb.code == RESIL__KB_HALF_OPEN && (sense == RESIL__KB_BAD || sense == RESIL__KB_PUSHED)) {
        resil__kb_open(rules, &kb, now_ns, sense == RESIL__KB_PUSHED ? hint_ns : 0, salt);
    } else if (kb.code == RESIL__KB_HALF_OPEN) {
        kb.code = sense == RESIL__KB_GOOD ? RESIL__KB_CLOSED : RESIL__KB_OPEN;
        kb.trips = sense == RESIL__KB_GOOD ? 0 : kb.trips;
        kb.gen++;
        kb.time = resil__kb_tick(rules, now_ns);
    } else if (sense == RESIL__KB_GOOD || sense == RESIL__KB_BAD) {
        resil__kb_slide(rules, &kb, now_ns);
        if (sense == RESIL__KB_GOOD && kb.calls == 0 && kb.streak == 0)
            return word;
        resil__kb_count(&kb, sense == RESIL__KB_BAD);
        if (sense == RESIL__KB_BAD && resil__kb_trips(rules, &kb))
            resil__kb_open(rules, &kb, now_ns, 0, salt);
    }
    return resil__kb_word(&kb);
}

/** A key's first state: closed since now, in the place of a base. */
static inline uint64_t resil__kb_first(const struct resil_keyed_rules_ *rules, uint64_t base,
                                       uint64_t now_ns)
{
    struct resil__kb kb = {
        .code = RESIL__KB_CLOSED,
        .gen = resil__kb_parts(base).gen,
        .time = resil__kb_tick(rules, now_ns),
    };

    return resil__kb_word(&kb);
}

#endif
