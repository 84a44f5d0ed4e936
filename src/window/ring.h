/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_WINDOW_RING_H
#define RESIL_WINDOW_RING_H

/*
 * A window over the last N results, N up to 1024: a ring of nibbles, 15 in a word,
 *
 *     cell   = epoch 4 | 15 x (lap 2 | slow 1 | failed 1)    laps 1, 2, 3 in turn; nibble 0: none
 *     cursor = epoch 16 | lap 32 | position 16               the next place
 *     totals = epoch 16 | slow 16 | failures 16 | calls 16   each biased, see ring.c
 *
 * A result takes a place from the cursor, writes its nibble and adds to the totals the difference
 * to what the nibble held: exact at rest, off by at most the results in flight. A nibble of a newer
 * lap is never overwritten by an older one; a newer one that comes while the result of the lap
 * before is still on its way to the same place is dropped.
 */

#include "window/tally.h"

/** A window: where its words are. */
struct resil__ring {
    uint64_t *cursor;
    uint64_t *totals;
    uint64_t *cells; /* resil__ring_words(size) */
    uint64_t size;   /* N */
    const uint64_t *epoch_word;
    uint32_t epoch;
};

static inline uint64_t resil__ring_words(uint64_t size)
{
    return (size + 14) / 15;
}

/** Adds a result; sum receives what the window holds with it, if it was counted. */
enum resil__taken resil__ring_add(const struct resil__ring *window, bool failed, bool slow,
                                  struct resil__tally *sum);

/** What the window holds. */
struct resil__tally resil__ring_sum(const struct resil__ring *window);

#endif
