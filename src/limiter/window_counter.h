/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_WINDOW_COUNTER_H
#define RESIL_LIMITER_WINDOW_COUNTER_H

/* What window_counter.c and the policy adapter share. */

#include <resil/status.h>
#include <resil/window.h>

#include "limiter/drained.h"
#include "limiter/window_state.h"

/** What a receipt keeps: the word without its counts. */
static inline uint64_t resil__slide_receipt(uint64_t word, uint64_t bits)
{
    return word & ~(((UINT64_C(1) << (2 * bits)) - 1) << 2);
}

/** The whole of acquire: refuses, or counts and leaves a receipt. */
int resil__slide_take(struct resil_window *window, uint64_t cost, uint64_t now_ns,
                      uint64_t *receipt, uint64_t *retry_at_ns);

/** Takes cost out of the window that the receipt names: RESIL_OK or RESIL_ELATE. */
int resil__slide_give_back(struct resil_window *window, uint64_t receipt, uint64_t cost);

#endif
