/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_RSEQ_H
#define RESIL_INTERLEAVE_RSEQ_H

/*
 * Processors for the fibers of interleave.h: takes the place of platform/cpu.h and platform/rseq.h.
 * Include it behind interleave.h and before any header of src/.
 *
 * Fibers on different processors run at the same time; of those on one, another runs only when the
 * first was interrupted, and that sends it out of its sequence. So does being moved to another
 * processor, which may happen wherever the number counts, and costs as much of the bound as a
 * preemption; and so does a fence, which reaches the others one after the other. Who is interrupted,
 * moved or fenced has all his stores made first, as by the kernel's entry. The steps of a sequence
 * are those of the assembly: what it loads and, last, what it writes, without a lock.
 *
 * Faults: FAULT_LOST of "resil__rseq_fence" on processors.fence (there is none), of
 * "resil__rseq_take" on processors.interrupted (it goes on after an interruption), of
 * "resil__rseq_swap" on processors.number (it begins wherever it is).
 */

#define RESIL_PLATFORM_CPU_H
#define RESIL_PLATFORM_RSEQ_H
#define RESIL__RSEQ       1
#define RESIL__RSEQ_COUNT 0x7fffffff

enum resil__rseq {
    RESIL__RSEQ_DONE,
    RESIL__RSEQ_DIFFERS,
    RESIL__RSEQ_LEFT
};

static struct {
    uint32_t of[INTERLEAVE_FIBERS];
    bool sent[INTERLEAVE_FIBERS]; /* out of the sequence that it was in */
    unsigned moves;               /* left in this run */
    unsigned movable;             /* fibers, by bit */
    uint32_t to;                  /* where they are moved */
    bool refuses;                 /* fences */
    uint64_t fence, interrupted, number;
} processors;

/* The fiber runs: whoever was on its processor was interrupted. */
static inline void processors_switch(int next)
{
    for (int i = 0; i < interleave.count; i++)
        if (i != next && processors.of[i] == processors.of[next]) {
            processors.sent[i] = true;
            interleave_drain(i);
        }
}

/** Before a run: where each fiber is, and how often those that are movable are moved. */
static inline void processors_set_up(const uint32_t *of, unsigned movable, uint32_t to)
{
    memcpy(processors.of, of, sizeof processors.of);
    memset(processors.sent, 0, sizeof processors.sent);
    processors.movable = movable;
    processors.moves = movable != 0;
    processors.to = to;
    processors.refuses = false;
    interleave.switches = processors_switch;
}

/* The kernel may move the fiber here. */
static inline void processors_may_move(void)
{
    int self = interleave.current;

    if (!interleave.running || processors.moves == 0 || interleave.budget == 0 ||
        (processors.movable >> self & 1) == 0 || processors.of[self] == processors.to ||
        interleave_pick('m', 2) == 0)
        return;
    interleave.budget--;
    processors.moves--;
    processors.of[self] = processors.to;
    processors.sent[self] = true;
    interleave_drain(self);
    processors_switch(self);
    interleave_say("", self, "is moved", NULL, processors.to);
}

static inline uint32_t processors_number(void)
{
    return interleave.running ? processors.of[interleave.current] : 0;
}

/* In a sequence, before a step. */
static inline bool processors_sent(const char *in)
{
    processors_may_move();
    return interleave.running && processors.sent[interleave.current] &&
           !interleave_broken(in, &processors.interrupted, FAULT_LOST);
}

static inline bool resil__cpu_kept(uint32_t *cpu)
{
    processors_may_move();
    *cpu = processors_number();
    return true;
}

static inline uint32_t resil__cpu(void)
{
    uint32_t cpu;

    (void)resil__cpu_kept(&cpu);
    return cpu;
}

static inline bool resil__rseq_register(void)
{
    return true;
}

/* A write of a sequence, its end: nothing comes between the last look and the write. */
static inline bool processors_write(uint64_t *word, uint64_t value, const char *in)
{
    interleave_before(word);
    if (processors_sent(in))
        return false;
    interleave_say(in, interleave.current, "plain store", word, value);
    if (interleave_keep(word, value, false, interleave.running && interleave_touch(word, true)))
        return true;
    if (interleave.running)
        interleave_offer(word, interleave.current);
    *word = value;
    interleave_after(word);
    return true;
}

static inline bool resil__rseq_take(uint64_t *lines, const uint32_t *last, const uint64_t *barred,
                                    uint64_t count)
{
    uint64_t *word, value;
    uint32_t cpu;

    interleave_point();
    processors.sent[interleave.current] = false;
    if (resil__load_relaxed(barred) != 0 || processors_sent(__func__))
        return false;
    cpu = processors_number();
    if (cpu > *last)
        return false;
    word = &lines[8 * (uint64_t)cpu];
    value = resil__load_relaxed(word);
    return (value & RESIL__RSEQ_COUNT) >= count && processors_write(word, value - count, __func__);
}

static inline enum resil__rseq resil__rseq_swap(uint64_t *word, uint32_t cpu, uint64_t expected,
                                                uint64_t desired)
{
    bool here;

    processors.sent[interleave.current] = false;
    processors_may_move();
    here =
        processors_number() == cpu || interleave_broken(__func__, &processors.number, FAULT_LOST);
    interleave_before_rmw(word, __func__);
    if (processors_sent(__func__) || !here)
        return RESIL__RSEQ_LEFT;
    if (*word != expected) {
        interleave_say(__func__, interleave.current, "swap failed", word, *word);
        return RESIL__RSEQ_DIFFERS;
    }
    *word = desired;
    interleave_say(__func__, interleave.current, "swap", word, desired);
    interleave_after(word);
    return RESIL__RSEQ_DONE;
}

static inline bool resil__rseq_fence(void)
{
    if (processors.refuses)
        return false;
    if (!interleave.running || interleave_broken(__func__, &processors.fence, FAULT_LOST))
        return true;
    interleave_fence();
    for (int i = 0; i < interleave.count; i++) {
        if (i == interleave.current)
            continue;
        interleave_point();
        processors.sent[i] = true;
        interleave_drain(i);
    }
    interleave_say(__func__, interleave.current, "fence", NULL, 0);
    return true;
}

#endif
