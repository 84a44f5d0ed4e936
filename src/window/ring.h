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

#include "base/compiler.h"
#include "base/contend.h"
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

#define RESIL__RING_PLACE UINT64_C(0xffff)
#define RESIL__RING_LAP   UINT64_C(0xffffffff)

static inline uint64_t resil__ring_place(uint64_t cursor)
{
    return cursor & RESIL__RING_PLACE;
}

static inline uint64_t resil__ring_lap(uint64_t cursor)
{
    return (cursor >> 16) & RESIL__RING_LAP;
}

/** The cursor once its place is taken. */
static inline uint64_t resil__ring_next(uint64_t cursor, uint64_t size)
{
    if (resil__ring_place(cursor) + 1 != size)
        return cursor + 1;
    return (cursor >> 48) << 48 | ((resil__ring_lap(cursor) + 1) & RESIL__RING_LAP) << 16;
}

/** The nibble of a quick success in a lap: its mark alone. */
static inline uint64_t resil__ring_mark(uint64_t lap)
{
    return (lap % 3 + 1) << 2;
}

static inline uint64_t resil__ring_mark_before(uint64_t mark)
{
    return mark == 1 << 2 ? 3 << 2 : mark - (1 << 2);
}

/** True if a cell that was just loaded is of this epoch, the current one, and holds this nibble. */
static inline bool resil__ring_holds(const struct resil__ring *window, uint64_t word,
                                     uint64_t shift, uint64_t nibble)
{
    return word >> 60 == (window->epoch & 0xf) && ((word >> shift) & 0xf) == nibble &&
           resil__epoch_current(window->epoch_word, window->epoch);
}

/**
 * Adds a quick success in the place of one that is a lap older: then the sum stays what it was, and
 * the totals needn't be looked at. False: nothing was done; it is none of these, or another thread
 * was quicker. Else taken is STEADY, or DROPPED as resil__ring_add would.
 *
 * The cell is looked at before the place is taken, so that one swap follows the other. It is the
 * same as looking afterwards: what changes in between fails the second swap.
 */
static inline bool resil__ring_success(const struct resil__ring *window, enum resil__taken *taken)
{
    uint64_t cursor = resil__load_acquire(window->cursor);
    uint64_t place = resil__ring_place(cursor), lap = resil__ring_lap(cursor);
    uint64_t *cell = &window->cells[place / 15];
    uint64_t shift = place % 15 * 4;
    uint64_t mark = resil__ring_mark(lap), before = resil__ring_mark_before(mark);
    uint64_t word = resil__load_acquire(cell);
    struct resil__contend contend = RESIL__CONTEND;

    if (cursor >> 48 != (window->epoch & 0xffff) ||
        !resil__ring_holds(window, word, shift, before) ||
        !resil__cas(window->cursor, &cursor, resil__ring_next(cursor, window->size)))
        return false;
    *taken = RESIL__STEADY;
    while (RESIL__UNLIKELY(!resil__cas(cell, &word, word ^ (before ^ mark) << shift))) {
        if (!resil__ring_holds(window, word, shift, before)) {
            *taken = RESIL__DROPPED;
            break;
        }
        resil__contend(&contend);
    }
    return true;
}

/** Adds a result; sum receives what the window holds with it, if it was counted. */
enum resil__taken resil__ring_add(const struct resil__ring *window, bool failed, bool slow,
                                  struct resil__tally *sum);

/** What the window holds. */
struct resil__tally resil__ring_sum(const struct resil__ring *window);

#endif
