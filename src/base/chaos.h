/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_CHAOS_H
#define RESIL_BASE_CHAOS_H

/*
 * In builds with -Dchaos=true, which are for tests, every atomic operation may give the processor
 * away first: one in 64, at random. A thread then stops at places where it would hardly ever be
 * interrupted.
 */

#ifdef RESIL_CHAOS

#include <sched.h>
#include <stdint.h>

static inline void resil__chaos(void)
{
    static _Thread_local uint32_t state;

    if (state == 0)
        state = (uint32_t)(uintptr_t)&state | 1;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    if (state >> 26 == 0)
        (void)sched_yield();
}

#else

static inline void resil__chaos(void)
{
}

#endif

#endif
