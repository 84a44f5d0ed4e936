/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RETRY_BUDGET_CONFIG_H
#define RESIL_RETRY_BUDGET_CONFIG_H

#include <resil/budget.h>

#include "base/atomic.h"

/** The rules that a checked config means; NULL = all defaults. */
struct resil_budget_rules_ resil__budget_rules(const struct resil_budget_config *config);

/** The rules that a word, loaded with acquire, belongs to. */
struct resil_budget_rules_ resil__budget_rules_of(const struct resil_budget *budget, uint64_t word);

/** True when there was no success for ttl_ns. */
static inline bool resil__budget_has_expired(const struct resil_budget *budget,
                                             const struct resil_budget_rules_ *rules,
                                             uint64_t now_ns)
{
    return (int64_t)(now_ns - resil__load_relaxed(&budget->seen_)) > (int64_t)rules->ttl_ns_;
}

#endif
