/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RETRY_BUDGET_FAST_H
#define RESIL_RETRY_BUDGET_FAST_H

/* The hot half of a deposit, for the public function and the retry's adapter: a full budget is only
   read. */

#include <resil/budget.h>

#include "base/atomic.h"
#include "retry/budget_state.h"

/** Everything but a success on a full budget. */
void resil__budget_deposit_slow(struct resil_budget *budget, uint64_t now_ns);

/** True when init was called. */
bool resil__budget_is_ready(const struct resil_budget *budget);

static inline void resil__budget_deposit(struct resil_budget *budget, uint64_t now_ns)
{
    uint64_t word = resil__load_acquire(&budget->word_);
    const struct resil_budget_rules_ *rules = &budget->rules_[resil__budget_slot(word)];
    uint64_t moment = resil__budget_moment(resil__load_relaxed(&rules->clock_), now_ns);
    uint64_t full = moment - resil__load_relaxed(&rules->depth_);
    uint64_t age_ns = now_ns - resil__load_relaxed(&budget->seen_);

    /* An age below zero is a success that another thread dated later. */
    if ((word & RESIL__BUDGET_USED) != 0 &&
        !resil__budget_after(word & ~RESIL__BUDGET_MARKS, full) &&
        (int64_t)age_ns <= (int64_t)resil__load_relaxed(&rules->renew_ns_))
        return;
    resil__budget_deposit_slow(budget, now_ns);
}

#endif
