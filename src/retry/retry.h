/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RETRY_RETRY_H
#define RESIL_RETRY_RETRY_H

#include <resil/retry.h>

#include "base/outcomes.h"

/** True when this outcome is one to be retried; one that isn't in the list is read as FAILURE. */
static inline bool resil__retry_wants(const struct resil_retry *retry, enum resil_outcome outcome,
                                      bool idempotent)
{
    uint64_t mask = retry->retry_mask_ | (idempotent ? retry->idempotent_mask_ : 0);

    return (mask & RESIL_OUTCOME_BIT(resil__outcome(outcome))) != 0;
}

#endif
