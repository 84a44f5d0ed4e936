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

enum fiber_state {
    FIBER_READY,
    FIBER_SPINNING,
    FIBER_ASLEEP,
    FIBER_DONE
};

static struct {
    ucontext_t home, contexts[INTERLEAVE_FIBERS];
    enum fiber_state states[INTERLEAVE_FIBERS];
    char stacks[INTERLEAVE_FIBERS][65536];
    int count, current;
    unsigned preemptions;    /* left in this run */
    unsigned idle;           /* spins of fibers that were alone, since the last write */
    unsigned depth, planned; /* choices made in this run, and taken over from the last */
    unsigned short chosen[INTERLEAVE_DEPTH], of[INTERLEAVE_DEPTH];
    int failed; /* line of the first check that failed; -1 = too deep, -2 = everybody spins */
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
    for (int i = 0; i < interleave.count; i++)
        if (interleave.states[i] == FIBER_SPINNING)
            interleave.states[i] = FIBER_READY;
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
    (void)getcontext(&interleave.contexts[fiber]);
    interleave.contexts[fiber].uc_stack.ss_sp = interleave.stacks[fiber];
    interleave.contexts[fiber].uc_stack.ss_size = sizeof interleave.stacks[fiber];
    makecontext(&interleave.contexts[fiber], interleave_fiber, 0);
}

static void interleave_run(void)
{
    interleave.depth = 0;
    interleave.idle = 0;
    interleave.runs++;
    for (int i = 0; i < interleave.count; i++)
        interleave_start(i);
    interleave.current = (int)interleave_pick((unsigned)interleave.count);
    (void)swapcontext(&interleave.home, &interleave.contexts[interleave.current]);
    for (int i = 0; i < interleave.count; i++)
        interleave_check(interleave.states[i] == FIBER_DONE); /* else: asleep for ever */
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
    for (;;) {
        interleave.preemptions = 0; /* nobody to preempt outside of fibers */
        set_up();
        interleave.preemptions = preemptions;
        interleave_run();
        interleave.preemptions = 0;
        verify();
        if (interleave.failed != 0)
            return interleave.failed;
        interleave.planned = interleave.depth;
        while (interleave.planned > 0 && interleave.chosen[interleave.planned - 1] + 1u ==
                                             interleave.of[interleave.planned - 1])
            interleave.planned--;
        if (interleave.planned == 0)
            return 0;
        interleave.chosen[interleave.planned - 1]++;
    }
}

struct resil__contend {
    int unused;
};

#define RESIL__CONTEND                                                                             \
    {                                                                                              \
        0                                                                                          \
    }

static inline void resil__contend(struct resil__contend *contend)
{
    (void)contend;
    interleave_yield(FIBER_SPINNING);
}

#define INTERLEAVE_LOAD(name, suffix, type)                                                        \
    static inline type name##suffix(const type *word)                                              \
    {                                                                                              \
        interleave_point();                                                                        \
        return *word;                                                                              \
    }
#define INTERLEAVE_STORE(name, suffix, type)                                                       \
    static inline void name##suffix(type *word, type value)                                        \
    {                                                                                              \
        interleave_point();                                                                        \
        *word = value;                                                                             \
        interleave_wrote();                                                                        \
    }
#define INTERLEAVE_CHANGE(name, suffix, type, result)                                              \
    static inline type name##suffix(type *word, type value)                                        \
    {                                                                                              \
        type old;                                                                                  \
                                                                                                   \
        interleave_point();                                                                        \
        old = *word;                                                                               \
        *word = (result);                                                                          \
        interleave_wrote();                                                                        \
        return old;                                                                                \
    }
#define INTERLEAVE_OPS(suffix, type)                                                               \
    INTERLEAVE_LOAD(resil__load_relaxed, suffix, type)                                             \
    INTERLEAVE_LOAD(resil__load_acquire, suffix, type)                                             \
    INTERLEAVE_LOAD(resil__load_seq, suffix, type)                                                 \
    INTERLEAVE_STORE(resil__store_relaxed, suffix, type)                                           \
    INTERLEAVE_STORE(resil__store_release, suffix, type)                                           \
    INTERLEAVE_STORE(resil__store_seq, suffix, type)                                               \
    INTERLEAVE_CHANGE(resil__add_relaxed, suffix, type, old + value)                               \
    INTERLEAVE_CHANGE(resil__add, suffix, type, old + value)                                       \
    INTERLEAVE_CHANGE(resil__sub, suffix, type, old - value)                                       \
    INTERLEAVE_CHANGE(resil__sub_seq, suffix, type, old - value)                                   \
    INTERLEAVE_CHANGE(resil__or, suffix, type, old | value)                                        \
    INTERLEAVE_CHANGE(resil__xchg, suffix, type, value)                                            \
    static inline bool resil__cas##suffix(type *word, type *expected, type desired)                \
    {                                                                                              \
        interleave_point();                                                                        \
        if (*word != *expected) {                                                                  \
            *expected = *word;                                                                     \
            return false;                                                                          \
        }                                                                                          \
        *word = desired;                                                                           \
        interleave_wrote();                                                                        \
        return true;                                                                               \
    }

INTERLEAVE_OPS(, uint64_t)
INTERLEAVE_OPS(32, uint32_t)

#endif
