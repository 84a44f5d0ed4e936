/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BREAKER_FAST_H
#define RESIL_BREAKER_FAST_H

/*
 * The hot halves of acquire and record, for the public functions and the policy alike, and the
 * doors to their cold halves. All work on bare words, so that a policy can keep them in its frame.
 */

#include <resil/breaker.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/math.h"
#include "breaker/breaker_state.h"
#include "platform/cpu.h"
#include "window/ring.h"
#include "window/slices.h"

/**
 * In breaker_acquire.c: any state. retry_at_ns is set on a refusal alone, and the token is then 0.
 */
int resil__breaker_acquire_cold(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns,
                                uint64_t *token, uint64_t *start_ns, uint64_t *retry_at_ns);

/** In breaker_record.c: any result, after a quick try that said no; put is where that added, no cell
    if it didn't. event: untouched without one. Of a token that isn't a probe's only the generation
    and the two marks are read. */
int resil__breaker_record_cold(struct resil_breaker *breaker, uint64_t token, uint64_t start_ns,
                               uint64_t now_ns, const struct resil_result *result,
                               struct resil__slices_put put, uint64_t *event);

/** Where nothing was added. */
#define RESIL__NOT_PUT ((struct resil__slices_put){.cell = NULL})

/** Makes the event that a token tells of; false if it tells of none. */
bool resil__breaker_event(uint64_t token, uint64_t now_ns, struct resil_breaker_event *event);

static inline const struct resil_breaker_rules_ *
resil__breaker_rules(const struct resil_breaker *breaker, uint64_t word)
{
    return &breaker->rules_[resil__word_rules(word)];
}

/** From the head of a stripe to its cells, in words. */
#define RESIL__STRIPE_CELLS                                                                        \
    ((offsetof(struct resil_breaker, cells_) - offsetof(struct resil_breaker, head_)) /            \
     sizeof(uint64_t))

/** The head of a stripe of the window: the first lies in the struct, the others follow it. */
static inline uint64_t *resil__breaker_stripe(struct resil_breaker *breaker, uint64_t stripe)
{
    return (uint64_t *)(void *)breaker + offsetof(struct resil_breaker, head_) / sizeof(uint64_t) +
           stripe * RESIL_BREAKER_STRIPE_WORDS_;
}

/** True if the window has more than one stripe. Its quick tries are other functions, so that a plain
    breaker pays for no more than this question. */
static inline bool resil__breaker_striped(const struct resil_breaker *breaker)
{
    return RESIL__UNLIKELY(breaker->stripes_ != 0);
}

/** True if the window is neither striped nor one of calls: one question for the most common kind. */
static inline bool resil__breaker_plain(const struct resil_breaker *breaker)
{
    return RESIL__LIKELY((breaker->stripes_ | breaker->calls_) == 0);
}

/** The longest time that an until word can lie ahead. */
static inline uint64_t resil__breaker_longest(const struct resil_breaker_rules_ *rules,
                                              uint64_t until)
{
    if (RESIL__UNLIKELY((until & RESIL__TIME_HINT) != 0))
        return resil__load_relaxed(&rules->hint_ns_max_);
    return resil__load_relaxed(&rules->open_longest_);
}

RESIL__INLINE bool resil__breaker_refuses_by(const struct resil_breaker *breaker,
                                             const struct resil_breaker_rules_ *rules,
                                             uint64_t word, uint64_t now_ns, uint64_t *retry_at_ns)
{
    uint64_t until = resil__load_acquire(&breaker->until_);
    uint64_t left;

    if (RESIL__UNLIKELY(!resil__time_is_of_word(until, word)))
        return false;
    left = resil__time_left(until, now_ns, resil__breaker_longest(rules, until));
    if (RESIL__UNLIKELY(left == 0))
        return false;
    *retry_at_ns = resil__add_sat(now_ns, left);
    return true;
}

/** Refuses while the open time of an open word lasts. False: it is over. Once for each rule set: a
    branch is predicted, an index is not. */
RESIL__INLINE bool resil__breaker_refuses(const struct resil_breaker *breaker, uint64_t word,
                                          uint64_t now_ns, uint64_t *retry_at_ns)
{
    return RESIL__LIKELY(resil__word_rules(word) == 0)
               ? resil__breaker_refuses_by(breaker, &breaker->rules_[0], word, now_ns, retry_at_ns)
               : resil__breaker_refuses_by(breaker, &breaker->rules_[1], word, now_ns, retry_at_ns);
}

/** Grants while closed. False: the word asks for the cold half. */
static inline bool resil__breaker_grants(uint64_t word, uint64_t now_ns, uint64_t *token,
                                         uint64_t *start_ns)
{
    if (RESIL__UNLIKELY(resil__word_code(word) != RESIL__CODE_CLOSED))
        return false;
    *token = resil__token_of(word);
    *start_ns = now_ns;
    return true;
}

/** record_quick under one rule set. A window of calls has slices of width 0. */
RESIL__INLINE enum resil__quick resil__breaker_record_by(struct resil_breaker *breaker,
                                                         const struct resil_breaker_rules_ *rules,
                                                         uint64_t word, uint64_t stripe, bool timed,
                                                         uint64_t start_ns, uint64_t now_ns,
                                                         struct resil__slices_put *put)
{
    uint64_t *head = resil__breaker_stripe(breaker, stripe);

    if (RESIL__LIKELY(!timed || now_ns - start_ns <= resil__load_relaxed(&rules->slow_ns_)) &&
        RESIL__LIKELY((uint32_t)resil__load_relaxed(&breaker->streak_) == 0))
        return resil__slices_success(head, head + RESIL__STRIPE_CELLS, breaker->slice_ns_,
                                     resil__word_gen(word), now_ns, &rules->calls_min_, put);
    return RESIL__QUICK_NOT;
}

/**
 * Records a success that changes nothing but a count: not slow, in the closed state that granted
 * the permit, which the caller has made sure of by the word just loaded; in a time window with
 * enough calls in this stripe. Else the cold half must, with put if it was added. Calls nothing and
 * reads as late as it can, so that its callers need no stack. Once for each rule set, as in refuses.
 * timed: false if it is known that these rules name no latency; the times are then not compared.
 */
RESIL__INLINE enum resil__quick resil__breaker_record_quick(struct resil_breaker *breaker,
                                                            uint64_t word, uint64_t stripe,
                                                            bool timed, uint64_t start_ns,
                                                            uint64_t now_ns,
                                                            struct resil__slices_put *put)
{
    return RESIL__LIKELY(resil__word_rules(word) == 0)
               ? resil__breaker_record_by(breaker, &breaker->rules_[0], word, stripe, timed,
                                          start_ns, now_ns, put)
               : resil__breaker_record_by(breaker, &breaker->rules_[1], word, stripe, timed,
                                          start_ns, now_ns, put);
}

/** The same for a window of calls. False: the cold half must;
    else *rc is the answer. */
static inline bool resil__breaker_count_quick(struct resil_breaker *breaker, const uint64_t *token,
                                              const uint64_t *start_ns, uint64_t now_ns,
                                              const struct resil_result *result, int *rc)
{
    uint64_t word = resil__load_acquire(&breaker->word_);
    struct resil__ring window = {
        .cursor = &breaker->head_,
        .totals = &breaker->totals_,
        .cells = breaker->cells_,
        .size = breaker->calls_,
        .epoch_word = &breaker->word_,
        .epoch = resil__word_gen(word),
    };
    enum resil__taken taken;

    if (breaker->calls_ == 0 || result->outcome != RESIL_SUCCESS ||
        !resil__token_is_of(*token, word) || resil__word_code(word) != RESIL__CODE_CLOSED ||
        now_ns - *start_ns > resil__load_relaxed(&resil__breaker_rules(breaker, word)->slow_ns_) ||
        (uint32_t)resil__load_relaxed(&breaker->streak_) != 0 ||
        !resil__ring_success(&window, &taken))
        return false;
    *rc = RESIL_OK;
    if (RESIL__UNLIKELY(taken == RESIL__DROPPED)) {
        (void)resil__add_relaxed(&breaker->late_, 1);
        *rc = RESIL_ELATE;
    }
    return true;
}

#endif
