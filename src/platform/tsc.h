/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_TSC_H
#define RESIL_PLATFORM_TSC_H

/*
 * The lines of tsc_line.h, shared by all threads.
 *
 * Line n lies in slot n % 2 and `current` is n. Whoever finds it ended takes `busy`, if nobody has
 * it, writes line n + 1 into the other slot and publishes it. The words of a line are loaded with
 * acquire and stored with release: a reader that was held up and sees a word of line n + 2 then
 * also sees that `current` has moved on, and reads again. So a reader repeats only because others
 * have published meanwhile, and never waits for one that is publishing, or died doing it: he reads
 * the clock.
 *
 * Order, for one thread. On one line the counter orders the readings. Behind a line's end they are
 * the clock's, and at least the line's floor; such a reading counts only if no new line was
 * published meanwhile. A new line begins at the floor of the old one or above, and at a reading of
 * the clock made behind the old one's end, so above all that was read before that. What others read
 * from then until it is published is below it, too, but for the error of its rate over that time,
 * of which the 15 ppm are taken off: a writer that was held up there for a 64th of a line begins
 * again. What remains is a writer that is stopped between this last look and its store while the
 * rate of the clock is changing by more than 15 ppm: then a thread that reads just before and just
 * after it may see the clock fall by that share of the stop.
 */

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform/tsc_line.h"

/** Where the time comes from: a test has its own. */
struct resil__tsc_source {
    uint64_t (*counter)(void);
    uint64_t (*clock_ns)(void);
};

/** All-zero is a fresh one. */
struct resil__tsc {
    uint64_t current; /* written by who has busy, release; read by all, acquire */
    uint64_t busy;    /* 1 while somebody draws the next line */
    uint64_t pad0[6];
    struct {
        struct resil__tsc_line line; /* of the slot that isn't current: who has busy writes it */
        uint64_t pad[3];
    } slot[2];
    struct resil__tsc_keeper keeper; /* of who has busy */
};

/** What now does where the line doesn't answer. */
uint64_t resil__tsc_now_slow(struct resil__tsc *tsc, const struct resil__tsc_source *source);

/** True unless the next reading comes from the clock. */
bool resil__tsc_runs(const struct resil__tsc *tsc);

/** The time. Without a line the counter isn't touched: there are machines that don't let us. */
RESIL__INLINE uint64_t resil__tsc_now(struct resil__tsc *tsc,
                                      const struct resil__tsc_source *source)
{
    uint64_t number = resil__load_acquire(&tsc->current);
    const struct resil__tsc_line *line = &tsc->slot[number & 1].line;
    uint64_t span = resil__load_acquire(&line->span);
    uint64_t since, ns;

    if (RESIL__UNLIKELY(span == 0))
        return resil__tsc_now_slow(tsc, source);
    since = source->counter() - resil__load_acquire(&line->from);
    ns = resil__load_acquire(&line->from_ns) + (since * resil__load_acquire(&line->rate) >> 32);
    if (RESIL__UNLIKELY(since >= span || resil__load_relaxed(&tsc->current) != number))
        return resil__tsc_now_slow(tsc, source);
    return ns;
}

#endif
