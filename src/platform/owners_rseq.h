/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_OWNERS_RSEQ_H
#define RESIL_PLATFORM_OWNERS_RSEQ_H

/* Part of owners.h: where there are restartable sequences. */

/** What the word of an object is at first, whose stripes are 0 to last: 0, or NONE where processors
    share stripes or sequences aren't to be had. A system call. */
uint64_t resil__owners_init(uint32_t last);

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

#endif
