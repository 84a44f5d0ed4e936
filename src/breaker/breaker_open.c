/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The times that go with a state: when open ends, when a ramp began. Each is written, marked with
 * the generation it is for, before the state word moves to that generation; so whoever sees the
 * state sees its time. It is written only after the state word was found unmoved since the time
 * word was read, so nobody writes over the time of a later state. Callers that race for the same
 * transition may both write; the later time holds.
 */
#include "breaker/breaker_inner.h"

#include "base/contend.h"
#include "base/math.h"
#include "base/random.h"

/* The open time after so many trips: open_ns * factor^(trips - 1), capped, then stretched at
   random. */
static uint64_t open_time(const struct resil_breaker_rules_ *rules, unsigned trips, uint32_t gen,
                          uint64_t now_ns)
{
    uint64_t most = RESIL__RULE(rules, open_ns_max);
    uint64_t factor = RESIL__RULE(rules, open_factor_pct);
    uint64_t span = resil__min(RESIL__RULE(rules, open_ns), most);
    uint64_t stretch, random;

    for (unsigned i = 1; i < trips && span < most; i++)
        span = resil__min(span * factor / 100, most);
    stretch = span * RESIL__RULE(rules, jitter_pct) / 100;
    random = resil__mix(resil__mix(now_ns) ^ gen) ^ RESIL__RULE(rules, seed);
    random = resil__mix(random + UINT64_C(0x9e3779b97f4a7c15));
    return span + resil__random_below(random, stretch + 1);
}

/* Of two times for the same generation the later one stays, if it is one at all. */
static void leave_until(struct resil_breaker *breaker, uint64_t word, uint64_t until,
                        uint64_t now_ns)
{
    const struct resil_breaker_rules_ *rules = resil__breaker_rules(breaker, word);
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t old = resil__load_acquire(&breaker->until_);
    uint64_t left = (until - now_ns) & RESIL__TIME_MASK;

    while (resil__load_acquire(&breaker->word_) == word &&
           (!resil__time_is_of(old, resil__word_gen(word) + 1) ||
            resil__time_left(old, now_ns, resil__breaker_longest(rules, old)) < left)) {
        if (resil__cas(&breaker->until_, &old, until))
            return;
        resil__contend(&contend);
    }
}

uint64_t resil__breaker_opening(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns,
                                uint64_t hint_ns)
{
    const struct resil_breaker_rules_ *rules = resil__breaker_rules(breaker, word);
    uint64_t next = resil__word_next(word, RESIL__CODE_OPEN, resil__word_trips(word) + 1);
    uint64_t hint_max = RESIL__RULE(rules, hint_ns_max);
    uint32_t gen = resil__word_gen(next);
    uint64_t until;

    if (hint_ns != 0 && hint_max != 0)
        until = ((now_ns + resil__min(hint_ns, hint_max)) & RESIL__TIME_MASK) | RESIL__TIME_HINT;
    else
        until =
            (now_ns + open_time(rules, resil__word_trips(next), gen, now_ns)) & RESIL__TIME_MASK;
    leave_until(breaker, word, until | resil__time_mark(gen), now_ns);
    return next;
}

uint64_t resil__breaker_closing(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns)
{
    const struct resil_breaker_rules_ *rules = resil__breaker_rules(breaker, word);
    uint64_t next = resil__word_next(word, RESIL__CODE_RAMP, resil__word_trips(word));
    uint64_t begin = (now_ns & RESIL__TIME_MASK) | resil__time_mark(resil__word_gen(next));
    uint64_t old;

    if (RESIL__RULE(rules, ramp_ns) == 0)
        return resil__word_next(word, RESIL__CODE_CLOSED, 0);
    old = resil__load_acquire(&breaker->ramp_);
    while (resil__load_acquire(&breaker->word_) == word &&
           !resil__cas(&breaker->ramp_, &old, begin))
        continue;
    return next;
}
