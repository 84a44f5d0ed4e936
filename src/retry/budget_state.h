/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RETRY_BUDGET_STATE_H
#define RESIL_RETRY_BUDGET_STATE_H

/*
 * The budget's word and what may become of it: word in, word out, no atomics.
 *
 *     63                                8 7          1    0
 *     +----------------------------------+------------+------+
 *     | when the balance was zero, in ns | generation | used |
 *     +----------------------------------+------------+------+
 *
 * The time wraps every 2.3 years, so times are only ever subtracted and the difference read as
 * signed. Shifting it to the top lets 64-bit subtraction do the wrapping; spans are shifted alike
 * (2^-8 ns). A word that is not `used` stands for a full balance at any time.
 *
 * Why the bound holds. Take operations with told times in [a, b], in any order, and let z be
 * max(zero, a - depth). A withdrawal moves z forward by cost * interval at least: it starts at
 * max(zero, now - depth) >= z. A deposit moves z back by share at most. After the last grant z <=
 * its now <= b. So what was granted, times interval, is at most (b - a) + depth + share * deposits.
 * Expiry and an older generation only move the zero forward.
 */

#include <resil/budget.h>

#include "base/math.h"

#define RESIL__BUDGET_SHIFT 8
#define RESIL__BUDGET_USED  UINT64_C(1)
#define RESIL__BUDGET_MARKS UINT64_C(0xff) /* generation and used */

static inline unsigned resil__budget_slot(uint64_t word)
{
    return (unsigned)(word >> 1) & 1;
}

/** The told time as the word has it; always the same when time earns nothing. */
static inline uint64_t resil__budget_moment(uint64_t clock, uint64_t now_ns)
{
    return (now_ns << RESIL__BUDGET_SHIFT) & clock;
}

/** True when a lies after b. */
static inline bool resil__budget_after(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) > 0;
}

static inline uint64_t resil__budget_later(uint64_t a, uint64_t b)
{
    return resil__budget_after(a, b) ? a : b;
}

/** When the balance was zero, looked at from moment. */
static inline uint64_t resil__budget_zero(const struct resil_budget_rules_ *rules, uint64_t word,
                                          uint64_t moment, bool expired)
{
    uint64_t earliest = moment - (expired ? rules->idle_ : rules->depth_);

    if ((word & RESIL__BUDGET_USED) == 0)
        return earliest;
    return resil__budget_later(word & ~RESIL__BUDGET_MARKS, earliest);
}

static inline uint64_t resil__budget_word(uint64_t old, uint64_t zero)
{
    return zero | (old & RESIL__BUDGET_MARKS) | RESIL__BUDGET_USED;
}

/** The word after a success; the same word when the balance is full. What exceeds the depth is cut
    off by whoever looks next: see resil__budget_zero. */
static inline uint64_t resil__budget_earn(const struct resil_budget_rules_ *rules, uint64_t word,
                                          uint64_t moment, bool expired)
{
    uint64_t full = moment - rules->depth_;
    bool used = (word & RESIL__BUDGET_USED) != 0;

    if (used && !expired && !resil__budget_after(word & ~RESIL__BUDGET_MARKS, full))
        return word;
    return resil__budget_word(word,
                              resil__budget_zero(rules, word, moment, expired) - rules->share_);
}

/** The word of a clock that was set back: from here on time earns again after slack at most. */
static inline uint64_t resil__budget_repair(const struct resil_budget_rules_ *rules, uint64_t word,
                                            uint64_t moment)
{
    uint64_t latest = moment + rules->slack_;

    if ((word & RESIL__BUDGET_USED) == 0 ||
        !resil__budget_after(word & ~RESIL__BUDGET_MARKS, latest))
        return word;
    return resil__budget_word(word, latest);
}

/** The word after a withdrawal of span; the same word when the balance is too small. */
static inline uint64_t resil__budget_spend(const struct resil_budget_rules_ *rules, uint64_t word,
                                           uint64_t moment, bool expired, uint64_t span)
{
    uint64_t next = resil__budget_zero(rules, word, moment, expired) + span;

    return resil__budget_after(next, moment) ? word : resil__budget_word(word, next);
}

/** The word under new rules and the next generation, with the balance or debt it had, in tokens. */
static inline uint64_t resil__budget_convert(const struct resil_budget_rules_ *rules,
                                             const struct resil_budget_rules_ *next, uint64_t word,
                                             uint64_t now_ns, bool expired)
{
    uint64_t marks = ((word + 2) & RESIL__BUDGET_MARKS) | (word & RESIL__BUDGET_USED);
    uint64_t was = resil__budget_moment(rules->clock_, now_ns);
    uint64_t is = resil__budget_moment(next->clock_, now_ns);
    uint64_t zero = resil__budget_zero(rules, word, was, expired);
    uint64_t span;

    if ((word & RESIL__BUDGET_USED) == 0)
        return marks;
    if (resil__budget_after(zero, was)) {
        span = resil__mul_div_up(zero - was, next->interval_, rules->interval_);
        zero = is + resil__min(span, next->slack_);
    } else {
        /* What exceeds the new depth is cut off by whoever looks next. */
        zero = is - resil__mul_div(was - zero, next->interval_, rules->interval_);
    }
    /* To whole ns, forwards. */
    zero = (zero + RESIL__BUDGET_MARKS) & ~RESIL__BUDGET_MARKS;
    return zero | marks;
}

#endif
