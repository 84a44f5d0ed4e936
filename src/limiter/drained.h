/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_DRAINED_H
#define RESIL_LIMITER_DRAINED_H

/* The drain of the window and the log: one word, the time until which nothing passes; 0 = never
   drained. */

#include <resil/common.h>

#include "base/atomic.h"
#include "base/contend.h"
#include "base/math.h"

/** The longest drain; a time further ahead counts as due, but for this much age of a told time. */
#define RESIL__DRAINED_NS_MAX   RESIL_SEC(86400)
#define RESIL__DRAINED_STALL_NS RESIL_SEC(60)

static inline bool resil__drained_at(uint64_t until_ns, uint64_t now_ns)
{
    return now_ns < until_ns &&
           until_ns - now_ns <= RESIL__DRAINED_NS_MAX + RESIL__DRAINED_STALL_NS;
}

static inline void resil__drained_extend(uint64_t *word, uint64_t for_ns, uint64_t now_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t until_ns = resil__add_sat(now_ns, resil__min(for_ns, RESIL__DRAINED_NS_MAX));
    uint64_t old = resil__load_acquire(word);

    if (for_ns == 0)
        return;
    while (!(resil__drained_at(old, now_ns) && old >= until_ns) &&
           !resil__cas(word, &old, until_ns))
        resil__contend(&contend);
}

#endif
