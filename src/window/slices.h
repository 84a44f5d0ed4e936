/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_WINDOW_SLICES_H
#define RESIL_WINDOW_SLICES_H

/*
 * A time window of sliding slices. Slice number s holds the time s * width to (s + 1) * width; its
 * cells are at s % count, two words each:
 *
 *     tag 20 | failures 20 | calls 24     tag 20 | slow 44     tag = low 12 bits of s | epoch 8
 *
 * and one word says which slice is the newest:
 *
 *     head = s 48 | epoch 8 | set 1 | s % count 7
 *
 * So a result that falls into the newest slice finds its cell without a division, adds first and
 * tests the tag of what it got. All other results take the slow road (slices.c): it prepares every
 * cell between the old head and the new one, so tags never repeat unnoticed, however long the
 * window was idle.
 *
 * At rest failures are exact, and so are calls but for this: a quick success that stalls between
 * its load and its add for a window's length or over a change of epoch, while two threads prepare
 * the same new cell, can take one call of that slice with it when it undoes itself. Where two
 * threads a whole window apart roll at once, a slow call may be counted without its mark. Nothing
 * is ever counted twice.
 */

#include <stddef.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "window/tally.h"

#define RESIL__SLICE_TAG_SHIFT  44
#define RESIL__SLICE_FAIL_SHIFT 24
#define RESIL__SLICE_CALLS_MASK ((UINT64_C(1) << 24) - 1)
#define RESIL__SLICE_FAIL_MASK  ((UINT64_C(1) << 20) - 1)

/** From here on a cell is halved: far enough below the top for any number of threads. That of the
    calls is the top bit of their count. */
#define RESIL__SLICE_CALLS_FULL (UINT64_C(1) << 23)
#define RESIL__SLICE_FAIL_FULL  (UINT64_C(1) << 19)

/** A window: where its words are. */
struct resil__slices {
    uint64_t *head;
    uint64_t *cells; /* 2 * count */
    uint64_t count;
    uint64_t width_ns;
    const uint64_t *epoch_word;
    uint32_t epoch;
};

#define RESIL__SLICE_INDEX UINT64_C(0x7f)
#define RESIL__SLICE_SET   UINT64_C(0x80)

static inline bool resil__slices_of_epoch(uint64_t head, uint32_t epoch)
{
    return ((head ^ ((uint64_t)epoch << 8 | RESIL__SLICE_SET)) & UINT64_C(0xff80)) == 0;
}

/** True if a cell carries the tag of the slice that a head names, and isn't full: one test. */
static inline bool resil__slices_has_room(uint64_t cell, uint64_t head)
{
    return ((cell ^ head << (RESIL__SLICE_TAG_SHIFT - 8)) &
            (~UINT64_C(0) << RESIL__SLICE_TAG_SHIFT | RESIL__SLICE_CALLS_FULL)) == 0;
}

/** Where a quick success was added, and what stood there before. */
struct resil__slices_put {
    uint64_t *cell;
    uint64_t old;
};

enum resil__quick {
    RESIL__QUICK_NOT,   /* nothing was added */
    RESIL__QUICK_ADDED, /* it was: put goes to resil__slices_settle, and the window is judged */
    RESIL__QUICK_DONE,  /* it was, and that is all */
};

/**
 * Adds a quick success to the newest slice. DONE only if it was counted, nothing is left to be done
 * and it can't have moved the window towards a trip: the slice alone had *enough calls before, so
 * the share was judged when it last could rise. put is set with ADDED alone. Calls nothing, so that
 * its callers need no stack.
 */
RESIL__INLINE enum resil__quick resil__slices_success(uint64_t *head_word, uint64_t *cells,
                                                      uint64_t width_ns, uint32_t epoch,
                                                      uint64_t now_ns, const uint64_t *enough,
                                                      struct resil__slices_put *put)
{
    uint64_t head = resil__load_acquire(head_word); /* pairs with the release in roll */
    uint64_t *cell = &cells[2 * (head & RESIL__SLICE_INDEX)];
    uint64_t old;

    /* A width of 0 has no newest slice. */
    if (RESIL__UNLIKELY(now_ns - (head >> 16) * width_ns >= width_ns) ||
        RESIL__UNLIKELY(!resil__slices_of_epoch(head, epoch)))
        return RESIL__QUICK_NOT;
    old = resil__add_seq(cell, 1); /* who goes on to judge sums other stripes: see slices_sum */
    if (RESIL__LIKELY(resil__slices_has_room(old, head)) &&
        RESIL__LIKELY((old & RESIL__SLICE_CALLS_MASK) >= resil__load_relaxed(enough)))
        return RESIL__QUICK_DONE;
    *put = (struct resil__slices_put){.cell = cell, .old = old};
    return RESIL__QUICK_ADDED;
}

/** Finishes what resil__slices_success began at now_ns: undoes an add that met another tag, halves
    a full cell. True if the success is counted. */
bool resil__slices_settle(const struct resil__slices *window, uint64_t now_ns,
                          struct resil__slices_put put);

/** Adds any result, at any time. */
enum resil__taken resil__slices_add(const struct resil__slices *window, uint64_t now_ns,
                                    bool failed, bool slow);

/**
 * Empties a window that no result of this epoch has reached. Of a set of stripes each is emptied
 * before the first result of an epoch is counted in any: the eight bits of the epoch in a head that
 * nobody counted under for long might come round.
 */
void resil__slices_forget(const struct resil__slices *window);

/**
 * Sums what the window holds as of now_ns. Not an atomic picture: calls in flight may show in part.
 *
 * Additions and the loads here are sequentially consistent: of two callers that each add to a
 * window of their own and then sum both, at least one finds both additions. So the last of all
 * additions is summed by somebody together with all others.
 */
struct resil__tally resil__slices_sum(const struct resil__slices *window, uint64_t now_ns);

/** The later of now_ns and the begin of the newest slice, unless the clock was set back. */
uint64_t resil__slices_latest(const struct resil__slices *window, uint64_t now_ns);

#endif
