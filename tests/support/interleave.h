/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_H
#define RESIL_INTERLEAVE_H

/*
 * Runs a few fibers through every interleaving of their atomic operations that needs at most so
 * many preemptions (Madanlal Musuvathi, Shaz Qadeer, "Iterative Context Bounding for Systematic
 * Testing of Multithreaded Programs", PLDI 2007). Depth first, each run replayed from its choices.
 *
 * Takes the place of base/atomic.h and base/contend.h: include it before any header of src/, then
 * include the .c files under test. Fibers may not use cmocka's asserts: they say interleave_check.
 *
 * Stores wait in a buffer for a while, as processors do it: see interleave_buffer.h. Weaker orders
 * than that are the business of ThreadSanitizer.
 *
 * A preemption is tried before operations on words alone that one fiber writes and another touches:
 * elsewhere it makes no difference. Which words these are is found out on the way; when one more
 * shows up, all begins anew.
 *
 * A checker that never fails proves nothing: interleave_finds runs the same code with one operation
 * of it broken, and fails unless that is found.
 *
 * A schedule that failed is printed as RESIL_SCHEDULE=...: with that in the environment the program
 * runs it alone, and says what every operation did. See interleave_trace.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "interleave_fiber.h"

#define RESIL_BASE_ATOMIC_H
#define RESIL_BASE_CONTEND_H

#define INTERLEAVE_FIBERS 4
#define INTERLEAVE_DEPTH  4096
#define INTERLEAVE_WORDS  1024  /* a power of two, more than the words of any object under test */
#define INTERLEAVE_STEPS  20000 /* operations of one run: more is for ever */
#define INTERLEAVE_STORES 16    /* in a buffer: the next one waits until the oldest is through */

enum fiber_state {
    FIBER_READY,
    FIBER_SPINNING,
    FIBER_ASLEEP,
    FIBER_STOPPED, /* for ever, wherever it was */
    FIBER_DONE
};

/** What a broken operation does. */
enum fault_kind {
    FAULT_NONE,
    FAULT_BLIND,   /* a compare-and-swap that doesn't compare */
    FAULT_LOST,    /* a write that isn't made */
    FAULT_STALE,   /* a load that repeats what the fiber saw there before: a check left out */
    FAULT_WEAK,    /* a sequentially consistent store or an exchange that is a store with release */
    FAULT_EARLY,   /* a pointer that is stored before what it points to: see interleave.content */
    FAULT_RELAXED, /* a write with release order made relaxed: stores before it may come later */
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

/** A choice: at which operation of the run, about what, which way. */
struct interleave_choice {
    unsigned step;
    char
        kind; /* p preempt, y who is next, d delay a store, f how many stores go through, o overtake,
                  s stop */
    unsigned char way, of;
};

/** A store that only its own fiber sees as yet. */
struct interleave_store {
    void *word;
    uint64_t value;
    uint64_t under; /* while the fiber runs: what the others see there */
    bool narrow;    /* 32 bits */
    bool swaps;     /* of a read-modify-write: nobody's write comes between what it read and this */
};

/* Words of whatever type: what is stored in them is read by its own type, too. */
typedef uint64_t __attribute__((may_alias)) interleave_wide;
typedef uint32_t __attribute__((may_alias)) interleave_narrow;

#define INTERLEAVE_CONTENT 512

/** What others find for a moment behind a pointer that is stored too early: what was there when the
    run began. */
struct interleave_content {
    void *memory;
    size_t bytes; /* INTERLEAVE_CONTENT at most */
    unsigned char before[INTERLEAVE_CONTENT];
};

static struct {
    struct interleave_word words[INTERLEAVE_WORDS];
    struct fault fault;
    struct interleave_content content;
    uint64_t seen[INTERLEAVE_FIBERS]; /* in the word of the fault */
    bool has_seen[INTERLEAVE_FIBERS];
    bool news[INTERLEAVE_FIBERS]; /* another has written since the fiber last had to retry */
    bool running, grown;
    unsigned steps;
    struct interleave_context home, contexts[INTERLEAVE_FIBERS];
    enum fiber_state states[INTERLEAVE_FIBERS];
    _Alignas(64) char stacks[INTERLEAVE_FIBERS][65536];
    int count, current;
    unsigned budget;         /* preemptions and delays left in this run */
    unsigned stops;          /* fibers that may still be stopped for ever */
    unsigned victims;        /* which they may be, by bit */
    unsigned idle;           /* spins of fibers that were alone, since the last write */
    unsigned depth, planned; /* choices made in this run, and taken over from the last */
    struct interleave_choice choices[INTERLEAVE_DEPTH];
    struct interleave_store stores[INTERLEAVE_FIBERS][INTERLEAVE_STORES]; /* the oldest first */
    unsigned stored[INTERLEAVE_FIBERS];
    struct interleave_store
        swapped[INTERLEAVE_FIBERS];    /* last, and not looked at as yet; or NULL */
    unsigned through;                  /* the fibers whose stores go through just now, by bit */
    unsigned taken[INTERLEAVE_FIBERS]; /* points a fiber has passed in this run */
    unsigned taken_max;                /* by any, in any run */
    const struct interleave_choice *replay; /* what to do instead of all */
    unsigned replay_count;
    uint64_t random;            /* not 0: no search, every choice by chance */
    bool unbuffered;            /* all stores go through at once */
    bool saying;                /* prints each operation */
    void (*switches)(int next); /* if set: told who runs from now on */
    int failed; /* line of the first check that failed; -1 = too deep, -2 = nobody gets on */
    uint64_t runs;
} interleave;

static void interleave_check_at(bool kept, int line)
{
    if (!kept && interleave.failed == 0)
        interleave.failed = line;
}

#define interleave_check(condition) interleave_check_at((condition), __LINE__)

#include "interleave_trace.h"

/* One in four, so that operations are often cut into but rarely all of them. */
static unsigned interleave_pick_by_chance(unsigned n)
{
    uint64_t x = interleave.random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    interleave.random = x;
    return (x >> 20) % 4 != 0 ? 0 : (unsigned)((x >> 32) % n);
}

/* One of n ways: as planned, or the first. */
static unsigned interleave_pick(char kind, unsigned n)
{
    struct interleave_choice *choice = &interleave.choices[interleave.depth];

    if (n < 2 || interleave.failed != 0)
        return 0;
    if (interleave.random != 0)
        return interleave_pick_by_chance(n);
    if (interleave.depth == INTERLEAVE_DEPTH) {
        interleave.failed = -1;
        return 0;
    }
    if (interleave.depth >= interleave.planned)
        choice->way = 0;
    choice->step = interleave.steps;
    choice->kind = kind;
    choice->of = (unsigned char)n;
    if (interleave.replay != NULL)
        choice->way = interleave_replayed(n);
    interleave.depth++;
    return choice->way;
}

static void interleave_lay(int fiber);
static void interleave_lift(int fiber);

static void interleave_switch(int next)
{
    int self = interleave.current;

    if (next == self)
        return;
    if (interleave.switches != NULL)
        interleave.switches(next);
    interleave_lift(self);
    interleave.current = next;
    interleave_lay(next);
    interleave_jump(&interleave.contexts[self], &interleave.contexts[next]);
}

/* The run is over. */
static void interleave_go_home(void)
{
    interleave_lift(interleave.current);
    interleave_jump(&interleave.contexts[interleave.current], &interleave.home);
}

static unsigned interleave_others(int *others)
{
    unsigned n = 0;

    for (int i = 0; i < interleave.count; i++)
        if (i != interleave.current && interleave.states[i] == FIBER_READY)
            others[n++] = i;
    return n;
}

static void interleave_yield(enum fiber_state state);

/* Go on, be preempted, or be stopped for ever. */
static void interleave_cut(void)
{
    int others[INTERLEAVE_FIBERS];
    unsigned n, way;

    interleave.taken[interleave.current]++;
    if (interleave.stops > 0 && (interleave.victims >> interleave.current & 1) != 0 &&
        interleave_pick('s', 2) == 1) {
        interleave.stops--;
        interleave_yield(FIBER_STOPPED);
    }
    if (interleave.budget == 0)
        return;
    n = interleave_others(others);
    way = interleave_pick('p', n + 1);
    if (way == 0)
        return;
    interleave.budget--;
    interleave_switch(others[way - 1]);
}

/** Where a fiber may be cut into beside its atomic operations. */
static inline void interleave_point(void)
{
    if (!interleave.running)
        return;
    interleave.steps++;
    interleave_cut();
}

/* After a write of a fiber: who spins may find something new. */
static void interleave_wrote(int fiber)
{
    interleave.idle = 0;
    for (int i = 0; i < interleave.count; i++) {
        if (interleave.states[i] == FIBER_SPINNING)
            interleave.states[i] = FIBER_READY;
        interleave.news[i] |= i != fiber;
    }
}

#include "interleave_buffer.h"

/* The current fiber can't go on: another one, else one that spins, else the run is over. What is
   still in the buffers when nobody has anything to do has all the time it needs. */
static void interleave_yield(enum fiber_state state)
{
    int others[INTERLEAVE_FIBERS];
    unsigned n = interleave_others(others);

    interleave.states[interleave.current] = state;
    if (n == 0 && interleave_drain_all())
        n = interleave_others(others);
    if (n == 0 && interleave.states[interleave.current] == FIBER_READY)
        return;
    if (n > 0) {
        interleave_switch(others[interleave_pick('y', n)]);
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
    interleave_go_home();
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

#include "interleave_search.h"
#include "interleave_atomic.h"
#include "interleave_names.h"
#include "interleave_scenario.h"

#endif
