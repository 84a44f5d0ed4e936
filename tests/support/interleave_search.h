/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_SEARCH_H
#define RESIL_INTERLEAVE_SEARCH_H

/* A part of interleave.h: one run, and the search through all of them. */

static void (*const *interleave_bodies)(int self);

static void interleave_fiber(void)
{
    interleave_bodies[interleave.current](interleave.current);
    interleave_yield(FIBER_DONE);
}

static void interleave_start(int fiber)
{
    interleave.states[fiber] = FIBER_READY;
    interleave.has_seen[fiber] = false;
    interleave.news[fiber] = false;
    interleave.stored[fiber] = 0;
    interleave.swapped[fiber].word = NULL;
    interleave.taken[fiber] = 0;
    interleave_prepare(&interleave.contexts[fiber], interleave.stacks[fiber],
                       sizeof interleave.stacks[fiber], interleave_fiber);
}

/* Returns whether every fiber has come to its end. */
static bool interleave_run(void)
{
    bool all = true;

    interleave.depth = 0;
    interleave.idle = 0;
    interleave.steps = 0;
    interleave.through = 0;
    interleave.runs++;
    if (interleave.fault.kind == FAULT_EARLY)
        memcpy(interleave.content.before, interleave.content.memory, interleave.content.bytes);
    interleave.running = true;
    for (int i = 0; i < interleave.count; i++)
        interleave_start(i);
    interleave.current = (int)interleave_pick('y', (unsigned)interleave.count);
    interleave_jump(&interleave.home, &interleave.contexts[interleave.current]);
    interleave.running = false;
    for (int i = 0; i < interleave.count; i++) {
        all = all && interleave.states[i] == FIBER_DONE;
        /* else: asleep for ever */
        interleave_check(interleave.states[i] == FIBER_DONE ||
                         interleave.states[i] == FIBER_STOPPED);
        if (interleave.taken[i] > interleave.taken_max)
            interleave.taken_max = interleave.taken[i];
    }
    return all;
}

/* The choices of the next run; false when there is none. */
static bool interleave_next(void)
{
    unsigned planned = interleave.depth;
    struct interleave_choice *last;

    if (interleave.replay != NULL || interleave.random != 0)
        return false;
    if (interleave.grown) {
        interleave.grown = false;
        interleave.runs = 0;
        interleave.planned = 0;
        return true;
    }
    while (planned > 0) {
        last = &interleave.choices[planned - 1];
        if (last->way + 1u < last->of) {
            last->way++;
            break;
        }
        planned--;
    }
    interleave.planned = planned;
    return planned > 0;
}

/**
 * Runs count fibers through all interleavings with at most so many preemptions and delayed stores,
 * and so many of them stopped for ever.
 *
 * set_up and verify are called before and after each run, outside of any fiber; verify not where
 * one was stopped. Ends at the first failure.
 *
 * @return 0, or the line of the check that failed.
 */
static int interleave_all(int count, void (*const *bodies)(int self), unsigned budget,
                          unsigned stops, void (*set_up)(void), void (*verify)(void))
{
    interleave_bodies = bodies;
    interleave.count = count;
    interleave.planned = 0;
    interleave.failed = 0;
    interleave.runs = 0;
    interleave.taken_max = 0;
    interleave.grown = false;
    memset(interleave.words, 0, sizeof interleave.words);
    do {
        set_up();
        interleave.budget = budget;
        interleave.stops = stops;
        if (interleave_run() && interleave.failed == 0)
            verify();
    } while (interleave.failed == 0 && interleave_next());
    return interleave.failed;
}

#endif
