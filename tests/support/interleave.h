/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_H
#define RESIL_INTERLEAVE_H

/*
 * Runs a few fibers through every interleaving of their atomic operations that needs at most so
 * many preemptions (Madanlal Musuvathi, Shaz Qadeer, "Iterative Context Bounding for Systematic
 * Testing of Multithreaded Programs", PLDI 2007). Depth first, each run replayed from its choices.
 *
 * Takes the place of base/atomic.h and base/contend.h: include it before any header of src/, then
 * include the .c files under test. Every operation is sequentially consistent here; weaker orders
 * are the business of ThreadSanitizer. Fibers may not use cmocka's asserts: they say
 * interleave_check.
 *
 * A preemption is tried before operations on words alone that one fiber writes and another touches:
 * elsewhere it makes no difference. Which words these are is found out on the way; when one more
 * shows up, all begins anew.
 *
 * A checker that never fails proves nothing: interleave_finds runs the same code with one operation
 * of it broken, and fails unless that is found.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#define RESIL_BASE_ATOMIC_H
#define RESIL_BASE_CONTEND_H

#define INTERLEAVE_FIBERS 4
#define INTERLEAVE_DEPTH  4096
#define INTERLEAVE_WORDS  1024  /* a power of two, more than the words of any object under test */
#define INTERLEAVE_STEPS  20000 /* operations of one run: more is for ever */

enum fiber_state {
    FIBER_READY,
    FIBER_SPINNING,
    FIBER_ASLEEP,
    FIBER_DONE
};

/** What a broken operation does. */
enum fault_kind {
    FAULT_NONE,
    FAULT_BLIND, /* a compare-and-swap that doesn't compare */
    FAULT_LOST,  /* a write that isn't made */
    FAULT_STALE, /* a load that repeats what the fiber saw there before: a check left out */
};

/** The operations of one function on one word, broken. */
struct fault {
    const char *in;
    const void *word;
    enum fault_kind kind;
};

/** What is known of a word. */
struct interleave_word {
    const void *word;
    unsigned fibers; /* that touched it */
    bool written, contested;
};

static struct {
    struct interleave_word words[INTERLEAVE_WORDS];
    struct fault fault;
    uint64_t seen[INTERLEAVE_FIBERS]; /* in the word of the fault */
    bool has_seen[INTERLEAVE_FIBERS];
    bool news[INTERLEAVE_FIBERS]; /* another has written since the fiber last had to retry */
    bool running, grown;
    unsigned steps;
    ucontext_t home, contexts[INTERLEAVE_FIBERS];
    enum fiber_state states[INTERLEAVE_FIBERS];
    char stacks[INTERLEAVE_FIBERS][65536];
    int count, current;
    unsigned preemptions;    /* left in this run */
    unsigned idle;           /* spins of fibers that were alone, since the last write */
    unsigned depth, planned; /* choices made in this run, and taken over from the last */
    unsigned short chosen[INTERLEAVE_DEPTH], of[INTERLEAVE_DEPTH];
    int failed; /* line of the first check that failed; -1 = too deep, -2 = nobody gets on */
    uint64_t runs;
} interleave;

static void interleave_check_at(bool kept, int line)
{
    if (!kept && interleave.failed == 0)
        interleave.failed = line;
}

#define interleave_check(condition) interleave_check_at((condition), __LINE__)

/* One of n ways: as planned, or the first. */
static unsigned interleave_pick(unsigned n)
{
    unsigned at = interleave.depth;

    if (n < 2 || interleave.failed != 0)
        return 0;
    if (at == INTERLEAVE_DEPTH) {
        interleave.failed = -1;
        return 0;
    }
    if (at >= interleave.planned)
        interleave.chosen[at] = 0;
    interleave.of[at] = (unsigned short)n;
    interleave.depth++;
    return interleave.chosen[at];
}

static void interleave_switch(int next)
{
    int self = interleave.current;

    interleave.current = next;
    if (next != self)
        (void)swapcontext(&interleave.contexts[self], &interleave.contexts[next]);
}

static unsigned interleave_others(int *others)
{
    unsigned n = 0;

    for (int i = 0; i < interleave.count; i++)
        if (i != interleave.current && interleave.states[i] == FIBER_READY)
            others[n++] = i;
    return n;
}

/* Before an atomic operation: go on, or be preempted. */
static void interleave_point(void)
{
    int others[INTERLEAVE_FIBERS];
    unsigned n, way;

    if (interleave.preemptions == 0)
        return;
    n = interleave_others(others);
    way = interleave_pick(n + 1);
    if (way == 0)
        return;
    interleave.preemptions--;
    interleave_switch(others[way - 1]);
}

/* After a write: who spins may find something new. */
static void interleave_wrote(void)
{
    interleave.idle = 0;
    for (int i = 0; i < interleave.count; i++) {
        if (interleave.states[i] == FIBER_SPINNING)
            interleave.states[i] = FIBER_READY;
        interleave.news[i] |= i != interleave.current;
    }
}

/* The current fiber can't go on: another one, else one that spins, else the run is over. */
static void interleave_yield(enum fiber_state state)
{
    int others[INTERLEAVE_FIBERS];
    unsigned n = interleave_others(others);

    interleave.states[interleave.current] = state;
    if (n > 0) {
        interleave_switch(others[interleave_pick(n)]);
        return;
    }
    if (++interleave.idle < 100)
        for (int i = 0; i < interleave.count; i++)
            if (interleave.states[i] == FIBER_SPINNING) {
                interleave.states[i] = FIBER_READY;
                interleave_switch(i);
                return;
            }
    if (interleave.idle >= 100)
        interleave.failed = -2;
    (void)swapcontext(&interleave.contexts[interleave.current], &interleave.home);
}

/** Puts the current fiber to sleep until interleave_wake. */
static inline void interleave_sleep(void)
{
    interleave_yield(FIBER_ASLEEP);
}

/** Wakes a fiber if it sleeps. */
static inline void interleave_wake(int fiber)
{
    if (interleave.states[fiber] == FIBER_ASLEEP)
        interleave.states[fiber] = FIBER_READY;
}

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
    (void)getcontext(&interleave.contexts[fiber]);
    interleave.contexts[fiber].uc_stack.ss_sp = interleave.stacks[fiber];
    interleave.contexts[fiber].uc_stack.ss_size = sizeof interleave.stacks[fiber];
    makecontext(&interleave.contexts[fiber], interleave_fiber, 0);
}

static void interleave_run(void)
{
    interleave.depth = 0;
    interleave.idle = 0;
    interleave.steps = 0;
    interleave.runs++;
    interleave.running = true;
    for (int i = 0; i < interleave.count; i++)
        interleave_start(i);
    interleave.current = (int)interleave_pick((unsigned)interleave.count);
    (void)swapcontext(&interleave.home, &interleave.contexts[interleave.current]);
    interleave.running = false;
    for (int i = 0; i < interleave.count; i++)
        interleave_check(interleave.states[i] == FIBER_DONE); /* else: asleep for ever */
}

/* The choices of the next run; false when there is none. */
static bool interleave_next(void)
{
    unsigned planned = interleave.depth;

    if (interleave.grown) {
        interleave.grown = false;
        interleave.runs = 0;
        interleave.planned = 0;
        return true;
    }
    while (planned > 0 && interleave.chosen[planned - 1] + 1u == interleave.of[planned - 1])
        planned--;
    if (planned > 0)
        interleave.chosen[planned - 1]++;
    interleave.planned = planned;
    return planned > 0;
}

/**
 * Runs count fibers through all interleavings with at most so many preemptions.
 *
 * set_up and verify are called before and after each run, outside of any fiber. Stops at the first
 * failure.
 *
 * @return 0, or the line of the check that failed.
 */
static int interleave_all(int count, void (*const *bodies)(int self), unsigned preemptions,
                          void (*set_up)(void), void (*verify)(void))
{
    interleave_bodies = bodies;
    interleave.count = count;
    interleave.planned = 0;
    interleave.failed = 0;
    interleave.runs = 0;
    interleave.grown = false;
    memset(interleave.words, 0, sizeof interleave.words);
    do {
        interleave.preemptions = 0; /* nobody to preempt outside of fibers */
        set_up();
        interleave.preemptions = preemptions;
        interleave_run();
        interleave.preemptions = 0;
        if (interleave.failed == 0)
            verify();
    } while (interleave.failed == 0 && interleave_next());
    return interleave.failed;
}

#include "interleave_atomic.h"
#include "interleave_scenario.h"

#endif
