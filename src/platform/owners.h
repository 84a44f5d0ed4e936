/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_OWNERS_H
#define RESIL_PLATFORM_OWNERS_H

/*
 * Stripes that belong to processors: who runs on one changes its word by a plain write in a
 * restartable sequence (platform/rseq.h), and others can take from it all the same. That is how
 * tcmalloc's per-processor caches work. One word of the object says whether owners may do so:
 *
 *     0           each processor writes to its own word in sequences that find this 0
 *     n           n threads hold the owners off
 *     NONE (bit)  never again: all use locked operations, on any word, as they like
 *
 * Who needs another's word, or what was his own before he was moved, adds one here, and fences:
 * every sequence that found 0 has written by then, or never will. Until he takes off the one, no
 * new plain write begins, so that locked operations are all there is. Each does so for himself: that
 * somebody else holds the owners off doesn't say that his fence is through. A thread that is stopped
 * for ever while it does makes the others slower and stops nobody.
 *
 * Owners who are held off, and those who change more than a sequence can, use a locked operation in
 * a sequence of their own, whatever this word says: two threads on one processor are never in one
 * at the same time, and against those who hold the owners off it is locked. So a stripe is filled by
 * its owner without a fence.
 *
 * A number beyond the stripes belongs to a processor that wasn't said to be there, or to a thread
 * without an area; whoever has one ends ownership. A fence that the system refuses after
 * it was had (a filter of system calls) leaves everybody with what is his.
 */

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform/cpu.h"
#include "platform/rseq.h"

#define RESIL__OWNERS_NONE (UINT64_C(1) << 63)

/** What the word of an object is at first, whose stripes are 0 to last: 0, or NONE where processors
    share stripes or sequences aren't to be had. A system call. */
uint64_t resil__owners_init(uint32_t last);

/** What a swap came to. */
enum resil__owners {
    RESIL__OWNERS_DONE,
    RESIL__OWNERS_DIFFERS, /* *expected receives what was there */
    RESIL__OWNERS_REFUSED, /* somebody else's word, and no fence to be had: nothing was done */
};

#if RESIL__RSEQ

void resil__owners_end(uint64_t *barred);

static inline bool resil__owners_none(const uint64_t *barred)
{
    return resil__load_acquire(barred) >= RESIL__OWNERS_NONE;
}

/** From here to resil__owners_release every stripe can be changed by locked operations. False: it
    can't, and there is nothing to release. */
static inline bool resil__owners_hold(uint64_t *barred, uint64_t *held)
{
    *held = !resil__owners_none(barred);
    if (*held == 0)
        return true;
    (void)resil__add(barred, 1);
    if (RESIL__LIKELY(resil__rseq_fence()))
        return true;
    (void)resil__sub(barred, 1);
    return false;
}

static inline void resil__owners_release(uint64_t *barred, uint64_t held)
{
    if (held != 0)
        (void)resil__sub(barred, held);
}

/** The stripe of the caller. */
static inline uint32_t resil__owners_stripe(uint64_t *barred, uint32_t last)
{
    uint32_t cpu = resil__cpu();

    if (RESIL__UNLIKELY(cpu > last) && !resil__owners_none(barred))
        resil__owners_end(barred);
    return cpu & last;
}

/** Swaps the word of a stripe that is the caller's, unless he was moved meanwhile. */
static inline enum resil__owners resil__owners_swap(uint64_t *barred, uint64_t *word,
                                                    uint32_t stripe, uint64_t *expected,
                                                    uint64_t desired)
{
    enum resil__rseq rseq = RESIL__RSEQ_LEFT;
    uint64_t held;
    bool done;

    if (resil__owners_none(barred))
        return resil__cas(word, expected, desired) ? RESIL__OWNERS_DONE : RESIL__OWNERS_DIFFERS;
    /* Once more: he may only have been interrupted. Who is always, by a debugger, goes on. */
    for (int i = 0; i < 2 && rseq == RESIL__RSEQ_LEFT; i++)
        rseq = resil__rseq_swap(word, stripe, *expected, desired);
    if (rseq == RESIL__RSEQ_DONE)
        return RESIL__OWNERS_DONE;
    if (rseq == RESIL__RSEQ_DIFFERS) {
        *expected = resil__load_acquire(word);
        return RESIL__OWNERS_DIFFERS;
    }
    if (!resil__owners_hold(barred, &held))
        return RESIL__OWNERS_REFUSED;
    done = resil__cas(word, expected, desired);
    resil__owners_release(barred, held);
    return done ? RESIL__OWNERS_DONE : RESIL__OWNERS_DIFFERS;
}

#else

static inline bool resil__owners_none(const uint64_t *barred)
{
    (void)barred;
    return true;
}

static inline bool resil__owners_hold(uint64_t *barred, uint64_t *held)
{
    (void)barred;
    *held = 0;
    return true;
}

static inline void resil__owners_release(uint64_t *barred, uint64_t held)
{
    (void)barred;
    (void)held;
}

static inline uint32_t resil__owners_stripe(uint64_t *barred, uint32_t last)
{
    (void)barred;
    return resil__cpu() & last;
}

static inline enum resil__owners resil__owners_swap(uint64_t *barred, uint64_t *word,
                                                    uint32_t stripe, uint64_t *expected,
                                                    uint64_t desired)
{
    (void)barred;
    (void)stripe;
    return resil__cas(word, expected, desired) ? RESIL__OWNERS_DONE : RESIL__OWNERS_DIFFERS;
}

#endif

#endif
