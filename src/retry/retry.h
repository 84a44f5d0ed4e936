/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RETRY_RETRY_H
#define RESIL_RETRY_RETRY_H

#include <resil/retry.h>

/** True when this outcome is one to be retried; one that isn't in the list is read as FAILURE. */
static inline bool resil__retry_wants(const struct resil_retry *retry, enum resil_outcome outcome,
                                      bool idempotent)
{
    unsigned known = outcome == RESIL_NONE || (unsigned)outcome >= RESIL_OUTCOMES
                         ? (unsigned)RESIL_FAILURE
                         : (unsigned)outcome;
    uint64_t mask = retry->retry_mask_ | (idempotent ? retry->idempotent_mask_ : 0);

    return (mask & RESIL_OUTCOME_BIT(known)) != 0;
}

#endif
