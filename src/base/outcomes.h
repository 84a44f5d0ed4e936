/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_OUTCOMES_H
#define RESIL_BASE_OUTCOMES_H

/* How every reader of an outcome reads it. */

#include <resil/outcome.h>

/** All that can be asked for in a mask of results that went wrong: neither NONE nor SUCCESS. */
#define RESIL__OUTCOMES_WRONG                                                                      \
    (RESIL_OUTCOME_BIT(RESIL_OUTCOMES) - 1 - RESIL_OUTCOME_BIT(RESIL_NONE) -                       \
     RESIL_OUTCOME_BIT(RESIL_SUCCESS))

/** What an answer counts as: a forgotten or impossible one is a failure. */
static inline enum resil_outcome resil__outcome(enum resil_outcome outcome)
{
    return outcome > RESIL_NONE && outcome < RESIL_OUTCOMES ? outcome : RESIL_FAILURE;
}

#endif
