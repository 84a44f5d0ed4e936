/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_TRACE_H
#define RESIL_INTERLEAVE_TRACE_H

/*
 * A part of interleave.h: schedules as text. Each choice that is not the first way is
 * <operation of the run><kind><way>, with .n behind it where it is the n-th choice of that kind at
 * that operation, from 0. All others are the first way, so that a schedule doesn't depend on what
 * else was offered.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* How many choices of the same kind there were at the same operation, before the n-th. */
static unsigned interleave_before_it(unsigned n)
{
    const struct interleave_choice *choices = interleave.choices, *is = &choices[n];
    unsigned same = 0;

    while (n > 0 && choices[n - 1].step == is->step)
        same += choices[--n].kind == is->kind;
    return same;
}

/* What the schedule that is replayed says about the choice that is being made. */
static unsigned char interleave_replayed(unsigned n)
{
    const struct interleave_choice *is = &interleave.choices[interleave.depth];
    unsigned same = interleave_before_it(interleave.depth);

    for (unsigned i = 0; i < interleave.replay_count; i++) {
        const struct interleave_choice *planned = &interleave.replay[i];

        if (planned->step == is->step && planned->kind == is->kind && planned->of == same)
            return planned->way < n ? planned->way : 0;
    }
    return 0;
}

/** Writes the choices of the last run. */
static inline void interleave_print_schedule(char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < interleave.depth && used < size; i++) {
        const struct interleave_choice *is = &interleave.choices[i];
        unsigned same = interleave_before_it(i);

        if (is->way == 0)
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%u%c%u", used == 0 ? "" : " ",
                                 is->step, is->kind, is->way);
        if (same > 0 && used < size)
            used += (size_t)snprintf(text + used, size - used, ".%u", same);
    }
}

/** Reads choices; `of` holds the number behind the point. Returns how many. */
static inline unsigned interleave_read_schedule(const char *text, struct interleave_choice *choices,
                                                unsigned size)
{
    unsigned n = 0;

    while (n < size) {
        struct interleave_choice is = {0};
        char *end;

        is.step = (unsigned)strtoul(text, &end, 10);
        if (end == text || *end == '\0')
            break;
        is.kind = *end;
        text = end + 1;
        is.way = (unsigned char)strtoul(text, &end, 10);
        if (*end == '.')
            is.of = (unsigned char)strtoul(end + 1, &end, 10);
        text = end;
        choices[n++] = is;
    }
    return n;
}

/* What an operation did, when a schedule is replayed aloud. Words are told apart by their place. */
static inline void interleave_say(const char *in, int fiber, const char *what, const void *word,
                                  uint64_t value)
{
    if (interleave.saying && interleave.running)
        fprintf(stderr, "%5u  fiber %d  %-30s %-14s ..%05" PRIxPTR "  %016" PRIx64 "\n",
                interleave.steps, fiber, in, what, (uintptr_t)word & 0xfffff, value);
}

#endif
