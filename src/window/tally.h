/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_WINDOW_TALLY_H
#define RESIL_WINDOW_TALLY_H

/*
 * What the windows share: the sum they answer with, and the epoch that ties their words to a state.
 *
 * An epoch is the generation of the state for which a window counts: 32 bits, and the high half of
 * the word *epoch_word says which one is current. A window whose words carry another epoch is empty
 * and is cleared by the first result of the current one. Whoever clears or changes a cell first
 * loads it, then finds the epoch still current, then swaps: cells of a later epoch are written
 * after the epoch word moved, so a cell that passes this order can't be one of them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

struct resil__tally {
    uint64_t calls;
    uint64_t failures;
    uint64_t slow;
};

/** How a result was taken. */
enum resil__taken {
    RESIL__DROPPED = 0, /* not counted: too old, or the epoch is over */
    RESIL__COUNTED = 1, /* counted, the sum may have moved towards a trip */
    RESIL__STEADY = 2,  /* counted, the sum is what it was */
};

/** True while epoch is the current one. Pairs with the release of the swap that moves the word. */
static inline bool resil__epoch_current(const uint64_t *epoch_word, uint32_t epoch)
{
    return (uint32_t)(resil__load_acquire(epoch_word) >> 32) == epoch;
}

#endif
