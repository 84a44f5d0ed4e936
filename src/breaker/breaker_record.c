/* SPDX-License-Identifier: BSD-2-Clause */
#include "breaker/breaker_inner.h"

#include "base/contend.h"
#include "base/math.h"
#include "base/outcomes.h"

enum verdict {
    NEUTRAL = 0,
    GOOD = 1,
    BAD = 2,
};

static enum verdict read_outcome(const struct resil_breaker_rules_ *rules,
                                 enum resil_outcome outcome)
{
    outcome = resil__outcome(outcome);
    if ((RESIL__RULE(rules, failure_mask) & RESIL_OUTCOME_BIT(outcome)) != 0)
        return BAD;
    return outcome == RESIL_SUCCESS || outcome == RESIL_CALLER ? GOOD : NEUTRAL;
}

static int late(struct resil_breaker *breaker)
{
    (void)resil__add_relaxed(&breaker->late_, 1);
    return RESIL_ELATE;
}

/* Failures in a row: generation 32 | count 32. Success writes only what isn't zero already. */
static uint64_t streak(struct resil_breaker *breaker, uint64_t word, enum verdict verdict)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t gen = word & ~UINT64_C(0xffffffff);
    uint64_t old = resil__load_acquire(&breaker->streak_);

    for (;;) {
        bool mine = ((old ^ gen) >> RESIL__WORD_GEN_SHIFT) == 0;
        uint64_t count = mine ? old & UINT32_MAX : 0;
        uint64_t next = verdict == BAD ? resil__min(count + 1, UINT32_MAX) : 0;

        if (next == count && mine)
            return next;
        if (resil__word_gen(resil__load_acquire(&breaker->word_)) != resil__word_gen(word))
            return 0;
        if (resil__cas(&breaker->streak_, &old, gen | next))
            return next;
        resil__contend(&contend);
    }
}

/* The rule that holds, if any. Integers, at least. */
static enum resil_breaker_reason judge(const struct resil_breaker_rules_ *rules,
                                       struct resil__tally sum, uint64_t in_a_row)
{
    uint64_t consecutive = RESIL__RULE(rules, consecutive);
    uint64_t failures = RESIL__RULE(rules, failures);
    uint64_t failure_pct = RESIL__RULE(rules, failure_pct);
    uint64_t slow_pct = RESIL__RULE(rules, slow_pct);

    if (consecutive != 0 && in_a_row >= consecutive)
        return RESIL_BREAKER_BY_CONSECUTIVE;
    if (failures != 0 && sum.failures >= failures)
        return RESIL_BREAKER_BY_FAILURES;
    if (sum.calls < RESIL__RULE(rules, calls_min))
        return RESIL_BREAKER_BY_NOTHING;
    if (failure_pct != 0 && sum.failures * 100 >= failure_pct * sum.calls)
        return RESIL_BREAKER_BY_FAILURE_PCT;
    if (slow_pct != 0 && sum.slow * 100 >= slow_pct * sum.calls)
        return RESIL_BREAKER_BY_SLOW_PCT;
    return RESIL_BREAKER_BY_NOTHING;
}

/* Judges the window and opens if a rule holds. The swap fails if anything changed since the word
   was read; then it is judged again, under the rules that hold now. */
static void judge_and_trip(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns,
                           struct resil__tally sum, uint64_t in_a_row, uint64_t hint_ns,
                           uint64_t *event)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint32_t gen = resil__word_gen(word);

    for (;;) {
        enum resil__breaker_code code = resil__word_code(word);
        enum resil_breaker_reason why;
        uint64_t next, before = word;

        if (resil__word_gen(word) != gen ||
            (code != RESIL__CODE_CLOSED && code != RESIL__CODE_RAMP))
            return;
        why = judge(resil__breaker_rules(breaker, word), sum, in_a_row);
        if (why == RESIL_BREAKER_BY_NOTHING)
            return;
        if (breaker->calls_ == 0)
            now_ns = resil__breaker_latest(breaker, word, now_ns);
        next = resil__breaker_opening(breaker, word, now_ns, hint_ns);
        if (resil__cas(&breaker->word_, &word, next)) {
            (void)resil__add_relaxed(&breaker->opened_, 1);
            *event = resil__token_event(before, next, why);
            return;
        }
        resil__contend(&contend);
    }
}

/* Adds to the stripe of this processor. The first result of an epoch empties all stripes first, and
   so does who finds his own of an older one. */
static enum resil__taken add_here(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns,
                                  bool failed, bool slow)
{
    uint64_t stripe = resil__breaker_striped(breaker) ? resil__cpu() & breaker->stripes_ : 0;
    struct resil__slices window = resil__breaker_slices(breaker, word, stripe);

    if (resil__breaker_striped(breaker) &&
        !resil__slices_of_epoch(resil__load_acquire(window.head), window.epoch))
        for (uint64_t i = 0; i <= breaker->stripes_; i++) {
            struct resil__slices other = resil__breaker_slices(breaker, word, i);

            resil__slices_forget(&other);
        }
    return resil__slices_add(&window, now_ns, failed, slow);
}

/* A result of a closed breaker, or of one that only measures. */
static int record_closed(struct resil_breaker *breaker, uint64_t word, uint64_t start_ns,
                         uint64_t now_ns, const struct resil_result *result, bool counted,
                         uint64_t *event)
{
    const struct resil_breaker_rules_ *rules = resil__breaker_rules(breaker, word);
    enum verdict verdict = read_outcome(rules, result->outcome);
    uint64_t slow_ns = RESIL__RULE(rules, slow_ns);
    bool slow = resil__sub_sat(now_ns, start_ns) > slow_ns;
    enum resil__taken taken = RESIL__COUNTED;
    struct resil__tally sum = {0};
    uint64_t in_a_row = 0, hint_ns;

    if (verdict == NEUTRAL)
        return RESIL_OK;
    if (breaker->calls_ != 0) {
        struct resil__ring window = resil__breaker_ring(breaker, word);

        taken = resil__ring_add(&window, verdict == BAD, slow, &sum);
    } else {
        if (!counted)
            taken = add_here(breaker, word, now_ns, verdict == BAD, slow);
        if (taken == RESIL__COUNTED)
            sum = resil__breaker_tally(breaker, word, now_ns);
    }
    if (taken == RESIL__DROPPED)
        return late(breaker);
    if (RESIL__RULE(rules, consecutive) != 0 ||
        (uint32_t)resil__load_relaxed(&breaker->streak_) != 0)
        in_a_row = streak(breaker, word, verdict);
    if (resil__word_code(word) == RESIL__CODE_METRICS_ONLY)
        return RESIL_OK;
    hint_ns = result->outcome == RESIL_OVERLOAD ? result->hint_ns : 0;
    if (taken == RESIL__COUNTED || verdict == BAD || slow)
        judge_and_trip(breaker, word, now_ns, sum, in_a_row, hint_ns, event);
    return RESIL_OK;
}

/* The state word that a probe's result makes of this one. */
static uint64_t decide(struct resil_breaker *breaker, uint64_t word, unsigned slot, uint64_t now_ns,
                       enum verdict verdict, const struct resil_result *result, uint64_t *event)
{
    const struct resil_breaker_rules_ *rules = resil__breaker_rules(breaker, word);
    uint64_t probes = RESIL__RULE(rules, probes);
    uint64_t needed = RESIL__RULE(rules, probes_needed);
    uint64_t next;

    *event = 0;
    if (result->outcome == RESIL_OVERLOAD) {
        next = resil__breaker_opening(breaker, word, now_ns, result->hint_ns);
        *event = resil__token_event(word, next, RESIL_BREAKER_BY_OVERLOAD);
        return next;
    }
    if (verdict == NEUTRAL)
        return resil__word_with_slot(word, slot, RESIL__SLOT_FREE);
    next = resil__word_with_slot(word, slot, verdict == GOOD ? RESIL__SLOT_GOOD : RESIL__SLOT_BAD);
    if (resil__word_slots(next, RESIL__SLOT_GOOD) >= needed) {
        next = resil__breaker_closing(breaker, word, now_ns);
        *event = resil__token_event(word, next, RESIL_BREAKER_BY_PROBES);
    } else if (resil__word_slots(next, RESIL__SLOT_BAD) > probes - needed) {
        next = resil__breaker_opening(breaker, word, now_ns, 0);
        *event = resil__token_event(word, next, RESIL_BREAKER_BY_PROBES);
    }
    return next;
}

/* A probe's result. The lease is given back last: see breaker_probe.c. */
static int record_probe(struct resil_breaker *breaker, uint64_t word, uint64_t token,
                        uint64_t start_ns, uint64_t now_ns, const struct resil_result *result,
                        uint64_t *event)
{
    struct resil__contend contend = RESIL__CONTEND;
    unsigned slot = (unsigned)(token >> RESIL__TOKEN_SLOT_SHIFT) & 15;
    uint64_t told;

    for (;;) {
        const struct resil_breaker_rules_ *rules = resil__breaker_rules(breaker, word);
        enum verdict verdict = read_outcome(rules, result->outcome);
        uint64_t slow_ns = RESIL__RULE(rules, slow_ns);
        uint64_t next;

        if (resil__word_gen(word) != (uint32_t)(token >> RESIL__WORD_GEN_SHIFT)) {
            (void)resil__breaker_unlease(breaker, token, start_ns);
            return late(breaker);
        }
        if (!resil__breaker_leased(breaker, token, start_ns))
            return late(breaker);
        if (resil__word_slot(word, slot) != RESIL__SLOT_OUT)
            return RESIL_EINVAL; /* a copy of a permit that was reported */
        if (verdict == GOOD && resil__sub_sat(now_ns, start_ns) > slow_ns)
            verdict = BAD;
        next = decide(breaker, word, slot, now_ns, verdict, result, &told);
        if (resil__cas(&breaker->word_, &word, next)) {
            if (told != 0)
                *event = told;
            if (resil__word_code(next) == RESIL__CODE_OPEN)
                (void)resil__add_relaxed(&breaker->opened_, 1);
            else if (told != 0)
                (void)resil__add_relaxed(&breaker->closed_, 1);
            (void)resil__breaker_unlease(breaker, token, start_ns);
            return RESIL_OK;
        }
        resil__contend(&contend);
    }
}

int resil__breaker_record_cold(struct resil_breaker *breaker, uint64_t token, uint64_t start_ns,
                               uint64_t now_ns, const struct resil_result *result,
                               struct resil__slices_put put, uint64_t *event)
{
    uint64_t word = resil__load_acquire(&breaker->word_);
    bool counted = false;

    if (put.cell != NULL) {
        struct resil__slices window = resil__breaker_slices(breaker, token, 0); /* its epoch */

        counted = resil__slices_settle(&window, now_ns, put);
    }
    if (word == 0 || (token & RESIL__TOKEN_LIVE) == 0)
        return RESIL_EINVAL;
    if ((token & RESIL__TOKEN_PROBE) != 0)
        return record_probe(breaker, word, token, start_ns, now_ns, result, event);
    if (resil__word_gen(word) != (uint32_t)(token >> RESIL__WORD_GEN_SHIFT))
        return counted ? RESIL_OK : late(breaker);
    if (resil__word_code(word) == RESIL__CODE_DISABLED)
        return RESIL_OK;
    return record_closed(breaker, word, start_ns, now_ns, result, counted, event);
}

static int record_rest(struct resil_breaker *breaker, struct resil_permit *permit, uint64_t now_ns,
                       const struct resil_result *result, struct resil__slices_put put)
{
    uint64_t token = permit->token_, event = 0;
    int rc;

    permit->token_ = 0;
    rc = resil__breaker_record_cold(breaker, token, permit->start_ns_, now_ns, result, put, &event);
    if (event != 0) {
        permit->token_ = event;
        permit->start_ns_ = now_ns;
    }
    return rc;
}

/* What the quick tries leave over; each apart, so that the one before needs no stack frame. */
RESIL__NOINLINE static int record_not(struct resil_breaker *breaker, struct resil_permit *permit,
                                      uint64_t now_ns, const struct resil_result *result)
{
    return record_rest(breaker, permit, now_ns, result, RESIL__NOT_PUT);
}

RESIL__NOINLINE static int record_added(struct resil_breaker *breaker, struct resil_permit *permit,
                                        uint64_t now_ns, const struct resil_result *result,
                                        uint64_t *cell, uint64_t old)
{
    return record_rest(breaker, permit, now_ns, result,
                       (struct resil__slices_put){.cell = cell, .old = old});
}

RESIL__NOINLINE static int record_count(struct resil_breaker *breaker, struct resil_permit *permit,
                                        uint64_t now_ns, const struct resil_result *result)
{
    int rc;

    if (resil__breaker_count_quick(breaker, &permit->token_, &permit->start_ns_, now_ns, result,
                                   &rc)) {
        permit->token_ = 0;
        return rc;
    }
    return record_not(breaker, permit, now_ns, result);
}

RESIL__INLINE int record_in(struct resil_breaker *breaker, uint64_t stripe,
                            struct resil_permit *permit, uint64_t now_ns,
                            const struct resil_result *result)
{
    struct resil__slices_put put;
    uint64_t word = resil__load_acquire(&breaker->word_);

    if (RESIL__LIKELY(result->outcome == RESIL_SUCCESS) &&
        RESIL__LIKELY(resil__token_is_closed(permit->token_, word)))
        switch (resil__breaker_record_quick(breaker, word, stripe, true, permit->start_ns_, now_ns,
                                            &put)) {
        case RESIL__QUICK_DONE:
            permit->token_ = 0;
            return RESIL_OK;
        case RESIL__QUICK_ADDED:
            return record_added(breaker, permit, now_ns, result, put.cell, put.old);
        case RESIL__QUICK_NOT:
        default:
            break;
        }
    return record_not(breaker, permit, now_ns, result);
}

RESIL__NOINLINE static int record_asked(struct resil_breaker *breaker, struct resil_permit *permit,
                                        uint64_t now_ns, const struct resil_result *result)
{
    uint64_t stripe = resil__cpu_ask() & breaker->stripes_;

    return record_in(breaker, stripe, permit, now_ns, result);
}

RESIL__NOINLINE RESIL__HOT static int record_striped(struct resil_breaker *breaker,
                                                     struct resil_permit *permit, uint64_t now_ns,
                                                     const struct resil_result *result)
{
    uint32_t cpu;

    if (RESIL__UNLIKELY(!resil__cpu_kept(&cpu)))
        return record_asked(breaker, permit, now_ns, result);
    return record_in(breaker, cpu & breaker->stripes_, permit, now_ns, result);
}

RESIL__HOT int resil_breaker_record(struct resil_breaker *breaker, struct resil_permit *permit,
                                    uint64_t now_ns, const struct resil_result *result)
{
    if (breaker == NULL || permit == NULL || result == NULL)
        return RESIL_EINVAL;
    if (!resil__breaker_plain(breaker))
        return resil__breaker_striped(breaker) ? record_striped(breaker, permit, now_ns, result)
                                               : record_count(breaker, permit, now_ns, result);
    return record_in(breaker, 0, permit, now_ns, result);
}

int resil_breaker_cancel(struct resil_breaker *breaker, struct resil_permit *permit,
                         uint64_t now_ns)
{
    static const struct resil_result cancelled = {.outcome = RESIL_CANCELLED};

    return resil_breaker_record(breaker, permit, now_ns, &cancelled);
}
