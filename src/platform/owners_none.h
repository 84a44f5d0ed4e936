/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_OWNERS_NONE_H
#define RESIL_PLATFORM_OWNERS_NONE_H

/* Part of owners.h: where there are no restartable sequences, nobody owns a stripe. */

static inline uint64_t resil__owners_init(uint32_t last)
{
    (void)last;
    return RESIL__OWNERS_NONE;
}

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
