/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BREAKER_FAST_H
#define RESIL_BREAKER_FAST_H

/*
 * The hot halves of acquire and record, for the public functions and the policy alike, and the
 * doors to their cold halves. All work on bare words, so that a policy can keep them in its frame.
 */

#include <resil/breaker.h>

#include "base/atomic.h"
#include "breaker/breaker_state.h"
#include "window/slices.h"

/** In breaker_acquire.c: any state but closed. retry_at_ns is set on a refusal alone. */
int resil__breaker_acquire_cold(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns,
                                uint64_t *token, uint64_t *start_ns, uint64_t *retry_at_ns);

/** In breaker_record.c: any result. counted: the window has it already. event: untouched without
    one. */
int resil__breaker_record_cold(struct resil_breaker *breaker, uint64_t token, uint64_t start_ns,
                               uint64_t now_ns, const struct resil_result *result, bool counted,
                               uint64_t *event);

/** Makes the event that a token tells of; false if it tells of none. */
bool resil__breaker_event(uint64_t token, uint64_t now_ns, struct resil_breaker_event *event);

static inline int resil__breaker_acquire(struct resil_breaker *breaker, uint64_t now_ns,
                                         uint64_t *token, uint64_t *start_ns, uint64_t *retry_at_ns)
{
    uint64_t word = resil__load_acquire(&breaker->word_); /* pairs with every swap of it */

    if (__builtin_expect(resil__word_code(word) == RESIL__CODE_CLOSED, 1)) {
        *token = resil__token_of(word);
        *start_ns = now_ns;
        return RESIL_OK;
    }
    return resil__breaker_acquire_cold(breaker, word, now_ns, token, start_ns, retry_at_ns);
}

static inline int resil__breaker_record(struct resil_breaker *breaker, uint64_t token,
                                        uint64_t start_ns, uint64_t now_ns,
                                        const struct resil_result *result, uint64_t *event)
{
    uint64_t word = resil__load_acquire(&breaker->word_);
    const struct resil_breaker_rules_ *rules = &breaker->rules_[resil__word_rules(word)];
    uint64_t enough = resil__load_relaxed(&rules->fast_min_);
    bool counted = false;

    if (__builtin_expect(result->outcome == RESIL_SUCCESS && enough != 0 &&
                             (word ^ token) >> RESIL__WORD_GEN_SHIFT == 0 &&
                             resil__word_code(word) == RESIL__CODE_CLOSED &&
                             now_ns - start_ns <= resil__load_relaxed(&rules->slow_ns_),
                         1)) {
        if (resil__slices_success(&breaker->head_, breaker->cells_, breaker->slice_ns_,
                                  resil__word_gen(word), now_ns, enough, &counted) &&
            (uint32_t)resil__load_relaxed(&breaker->streak_) == 0)
            return RESIL_OK;
    }
    return resil__breaker_record_cold(breaker, token, start_ns, now_ns, result, counted, event);
}

#endif
