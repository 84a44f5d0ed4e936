/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LINEAR_H
#define RESIL_LINEAR_H

/*
 * Linearizability: three threads of six operations each, on fibers that are cut into by chance, and
 * then a search for one order of the operations that respects which had ended before which began
 * and in which each answers what it answered (Jeannette M. Wing, Chun Gong, "Testing and Verifying
 * Concurrent Objects", JPDC 1993; with memory of what was in vain, as Gavin Lowe has it).
 *
 * What an order answers is asked of the object itself, by one thread: model_*.c compare that with
 * models. Its state must be its bytes alone.
 */

#include "test.h"

#include "interleave.h"
#include "shrink.h"

#define LINEAR_THREADS    3
#define LINEAR_OPERATIONS 6
#define LINEAR_ALL        (LINEAR_THREADS * LINEAR_OPERATIONS)
#define LINEAR_STATE      4096 /* bytes at most */
#define LINEAR_VAIN       4096 /* a power of two */

struct linear_op {
    int thread;
    unsigned kind;
    uint64_t n, now_ns;
    uint64_t answer;
    unsigned from, to; /* when it began and ended */
};

struct linear_subject {
    const char *name;
    void *state;
    size_t size;
    void (*set_up)(void);
    void (*draw)(struct linear_op *op, uint64_t *random);
    uint64_t (*apply)(const struct linear_op *op); /* returns the answer */
    uint64_t (*look)(void);                        /* after all: must be the same, too */
    bool (*bound)(void); /* what is claimed where there need be no order: asked instead */
};

static struct {
    const struct linear_subject *subject;
    struct linear_op ops[LINEAR_ALL]; /* by thread, then in order */
    bool keep[LINEAR_ALL];
    unsigned clock;
    uint64_t last;              /* what look said */
    uint64_t vain[LINEAR_VAIN]; /* hashes of what can't be completed */
    unsigned char saved[LINEAR_ALL + 1][LINEAR_STATE];
    unsigned char start[LINEAR_STATE];
} linear;

static void linear_body(int self)
{
    for (int i = 0; i < LINEAR_OPERATIONS; i++) {
        struct linear_op *op = &linear.ops[self * LINEAR_OPERATIONS + i];

        if (!linear.keep[self * LINEAR_OPERATIONS + i])
            continue;
        interleave_point();
        op->from = ++linear.clock;
        op->answer = linear.subject->apply(op);
        op->to = ++linear.clock;
    }
}

static void linear_begin(void)
{
    linear.clock = 0;
    memcpy(linear.subject->state, linear.start, linear.subject->size);
}

static void linear_end(void)
{
    linear.last = linear.subject->look();
}

static uint64_t linear_hash(const unsigned *done)
{
    uint64_t hash = model_start(0, done[0] + 8 * done[1] + 64 * done[2]);
    const unsigned char *bytes = linear.subject->state;

    for (size_t i = 0; i < linear.subject->size; i += 8) {
        uint64_t word = 0;

        memcpy(&word, bytes + i, linear.subject->size - i < 8 ? linear.subject->size - i : 8);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash | 1;
}

/* The next operation of a thread that is kept, or NULL. */
static const struct linear_op *linear_next_of(int thread, unsigned *done)
{
    for (; done[thread] < LINEAR_OPERATIONS; done[thread]++)
        if (linear.keep[(unsigned)thread * LINEAR_OPERATIONS + done[thread]])
            return &linear.ops[(unsigned)thread * LINEAR_OPERATIONS + done[thread]];
    return NULL;
}

static bool linear_search(const unsigned *before, unsigned depth)
{
    const struct linear_op *next[LINEAR_THREADS];
    unsigned done[LINEAR_THREADS], first = UINT32_MAX;
    uint64_t hash, at;

    memcpy(done, before, sizeof done);
    for (int t = 0; t < LINEAR_THREADS; t++) {
        next[t] = linear_next_of(t, done);
        if (next[t] != NULL && next[t]->to < first)
            first = next[t]->to;
    }
    if (first == UINT32_MAX)
        return linear.subject->look() == linear.last;
    hash = linear_hash(done);
    at = (hash >> 40) % LINEAR_VAIN;
    if (linear.vain[at] == hash)
        return false;
    memcpy(linear.saved[depth], linear.subject->state, linear.subject->size);
    for (int t = 0; t < LINEAR_THREADS; t++) {
        if (next[t] == NULL || next[t]->from > first)
            continue;
        if (linear.subject->apply(next[t]) == next[t]->answer) {
            done[t]++;
            if (linear_search(done, depth + 1))
                return true;
            done[t]--;
        }
        memcpy(linear.subject->state, linear.saved[depth], linear.subject->size);
    }
    linear.vain[at] = hash;
    return false;
}

/* One history of the operations that are kept; whether there is an order for it. */
static bool linear_history(uint64_t chance)
{
    static void (*const bodies[])(int) = {linear_body, linear_body, linear_body};
    static const unsigned none[LINEAR_THREADS];
    int line;

    interleave.random = chance;
    interleave.unbuffered = true;
    line = interleave_all(LINEAR_THREADS, bodies, UINT32_MAX, 0, linear_begin, linear_end);
    interleave.random = 0;
    interleave.unbuffered = false;
    if (line != 0)
        return false;
    if (linear.subject->bound != NULL)
        return linear.subject->bound();
    memset(linear.vain, 0, sizeof linear.vain);
    linear_begin();
    return linear_search(none, 0);
}

/** What one thread is answered, and after what; for a bound. */
static inline bool linear_did(int i, uint64_t answer)
{
    return linear.keep[i] && linear.ops[i].answer == answer;
}

/* The n-th history of a seed. */
static uint64_t linear_draw(const struct linear_subject *subject, uint64_t seed, uint64_t n)
{
    uint64_t random = model_start(seed, n);

    linear.subject = subject;
    memset(linear.keep, true, sizeof linear.keep);
    memset(subject->state, 0, subject->size);
    subject->set_up();
    memcpy(linear.start, subject->state, subject->size);
    for (int i = 0; i < LINEAR_ALL; i++) {
        linear.ops[i] = (struct linear_op){.thread = i / LINEAR_OPERATIONS};
        subject->draw(&linear.ops[i], &random);
    }
    return random | 1;
}

/* Other schedules, too: with fewer operations the same chance is another schedule. */
static bool linear_fails(void *arg, const bool *keep, size_t n)
{
    (void)arg;
    memcpy(linear.keep, keep, n);
    for (uint64_t chance = 1; chance <= 300; chance++)
        if (!linear_history(model_start(0, chance)))
            return true;
    return false;
}

static void linear_print(void)
{
    for (int i = 0; i < LINEAR_ALL; i++) {
        const struct linear_op *op = &linear.ops[i];

        if (linear.keep[i])
            print_message("  thread %d  %3u to %3u  kind %u  n %" PRIu64 "  now %" PRIu64
                          "  answer %" PRIx64 "\n",
                          op->thread, op->from, op->to, op->kind, op->n, op->now_ns, op->answer);
    }
}

/* Runs histories until one has no order. Returns its number, or n. */
static uint64_t linear_first_bad(const struct linear_subject *subject, uint64_t seed, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (!linear_history(linear_draw(subject, seed, i)))
            return i;
    return n;
}

/** Every one of so many histories has an order. */
static inline void linear_check(const struct linear_subject *subject, uint64_t seed, uint64_t n)
{
    uint64_t bad = linear_first_bad(subject, seed, n);
    bool keep[LINEAR_ALL];

    assert_true(subject->size <= LINEAR_STATE);
    if (bad == n) {
        print_message("%7" PRIu64 " histories%s: %s\n", n,
                      subject->bound != NULL ? " within the bound" : "", subject->name);
        return;
    }
    linear_print();
    memset(keep, true, sizeof keep);
    (void)shrink(keep, LINEAR_ALL, 200, linear_fails, NULL);
    if (linear_fails(NULL, keep, LINEAR_ALL)) {
        print_message("or shorter:\n");
        linear_print();
    }
    fail_msg("%s: RESIL_SEED=%" PRIu64 ", history %" PRIu64 " %s", subject->name, seed, bad,
             subject->bound != NULL ? "is out of bounds" : "has no order");
}

/** The negative control: with the fault there is a history without an order. */
static inline void linear_finds(const struct linear_subject *subject, struct fault fault,
                                uint64_t seed, uint64_t n)
{
    uint64_t bad;

    interleave.fault = fault;
    bad = linear_first_bad(subject, seed, n);
    interleave.fault = (struct fault){.in = NULL};
    if (bad == n)
        fail_msg("%s: fault in %s not found in %" PRIu64 " histories", subject->name, fault.in, n);
    print_message("%7" PRIu64 " until found: %s, fault in %s\n", bad + 1, subject->name, fault.in);
}

#endif
