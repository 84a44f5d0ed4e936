/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_TSC_LINE_H
#define RESIL_PLATFORM_TSC_LINE_H

/*
 * From a counter to a time, pure. Time is a chain of lines, each a millisecond long:
 *
 *     ns = from_ns + (counter - from) * rate / 2^32          while counter - from < span
 *
 * A line begins at a reading of the true clock, or above it: never below what the line before could
 * have answered at its end (its floor). A line that begins ahead of the truth is less steep, so
 * that it has come down to it at its own end. Behind the end the clock itself is read, and never
 * answers less than the floor.
 *
 * Lines lie rather above the truth than below it: counter and time are paired so that the time was
 * read last, and the rate is 15 ppm up. So who has read the clock behind the end of one line
 * doesn't find himself ahead of the next one.
 */

#include <resil/common.h>

#include "base/math.h"

/** A line lasts 2^20 ns of its own time: no product below leaves 64 bits. */
#define RESIL__TSC_LINE_BITS 20
#define RESIL__TSC_LINE_NS   (UINT64_C(1) << RESIL__TSC_LINE_BITS)

/** The rate is learnt over the first, and measured again over the second. A first one that took
    more than the third is not believed: the machine may have slept. */
#define RESIL__TSC_LEARN_NS     RESIL_MS(10)
#define RESIL__TSC_BASE_NS      RESIL_MS(100)
#define RESIL__TSC_LEARN_NS_MAX RESIL_MS(160)

/** Further than this from the truth at its end, or more than this share (2^-n) off in its rate, and
    a line is doubted. */
#define RESIL__TSC_DOUBT_NS   (RESIL__TSC_LINE_NS / 32)
#define RESIL__TSC_DOUBT_BITS 10

/** A doubt weighs 64, a base without one takes 1 away: eight doubts in 51 s switch the counter
    off. */
#define RESIL__TSC_STRIKE      64
#define RESIL__TSC_STRIKES_MAX (8 * RESIL__TSC_STRIKE)

/** What a count may last: 16 GHz to 250 MHz. */
#define RESIL__TSC_RATE_MIN (UINT64_C(1) << 28)
#define RESIL__TSC_RATE_MAX (UINT64_C(1) << 34)

/** A line; all-zero: there is none yet. */
struct resil__tsc_line {
    uint64_t from;     /* counts */
    uint64_t from_ns;  /* without a line: when to try again, RESIL_NEVER = the counter is off */
    uint64_t rate;     /* 2^-32 ns per count; 0 = no line, read the clock */
    uint64_t span;     /* counts; 0 = no line */
    uint64_t floor_ns; /* no later answer is less */
};

/** Counter and clock, read together. */
struct resil__tsc_sample {
    uint64_t counts;
    uint64_t ns;
    bool close; /* they were: nothing came in between */
};

/** What only the writer of lines needs. All-zero is a fresh one. */
struct resil__tsc_keeper {
    uint64_t base_counts; /* since when the rate is being measured */
    uint64_t base_ns;     /* 0 = not yet */
    uint64_t rate;
    uint64_t strikes;
};

/** Answers by a line; false: the line has ended. A counter just in front of it belongs to another
    processor, or was read early. */
static inline bool resil__tsc_answers(const struct resil__tsc_line *line, uint64_t counts,
                                      uint64_t *ns)
{
    uint64_t since = counts - line->from;

    if (since < line->span)
        *ns = line->from_ns + (since * line->rate >> 32);
    else if (-since < line->span / 64)
        *ns = line->from_ns;
    else
        return false;
    return true;
}

/** The next line. keeper: the writer's own, is brought up to date. */
struct resil__tsc_line resil__tsc_next(struct resil__tsc_keeper *keeper,
                                       const struct resil__tsc_line *line,
                                       const struct resil__tsc_sample *sample);

#endif
