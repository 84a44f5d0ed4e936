/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BULKHEAD_FAST_H
#define RESIL_BULKHEAD_FAST_H

/*
 * The hot halves of the bulkhead, shared by the public functions, the queue and the policies.
 *
 * One word: calls in flight in the upper half, limit in the lower. In flight stands on top so that
 * a subtraction too many wraps out of the word and not into the limit. It is read as signed: the
 * moment in which two releases too many race for the last permit shows -1 and not four thousand
 * million, so nobody is refused for it.
 *
 * Why a subtraction is enough: a correct caller holds one of the permits counted, so the count is
 * at least 1 until he subtracts. The load in front catches the wrong caller without touching the
 * word; only two racing releases get past it, and the second sees a count of 0 in what it
 * subtracted from and takes that back.
 *
 * The swap of acquire reads what the subtraction of a former holder wrote, or a later
 * read-modify-write of the same word: release and acquire pair up, in one process and across
 * processes.
 */

#include <resil/bulkhead.h>

#include "base/atomic.h"
#include "base/contend.h"

#define RESIL__BULKHEAD_LIMIT_MAX UINT64_C(2147483647)
#define RESIL__BULKHEAD_ONE       (UINT64_C(1) << 32)

static inline uint32_t resil__bulkhead_limit(uint64_t word)
{
    return (uint32_t)word;
}

/** May be -1 for a moment: see above. */
static inline int32_t resil__bulkhead_in_flight(uint64_t word)
{
    return (int32_t)(uint32_t)(word >> 32);
}

static inline bool resil__bulkhead_full(uint64_t word)
{
    return resil__bulkhead_in_flight(word) >= (int32_t)resil__bulkhead_limit(word);
}

/** Takes a permit on top of a word that the caller has just loaded. */
static inline int resil__bulkhead_acquire_from(struct resil_bulkhead *bulkhead, uint64_t word)
{
    struct resil__contend contend = RESIL__CONTEND;

    while (!resil__bulkhead_full(word)) {
        if (resil__cas(&bulkhead->word_, &word, word + RESIL__BULKHEAD_ONE))
            return RESIL_OK;
        resil__contend(&contend);
    }
    return RESIL_EFULL;
}

static inline int resil__bulkhead_acquire(struct resil_bulkhead *bulkhead)
{
    return resil__bulkhead_acquire_from(bulkhead, resil__load_relaxed(&bulkhead->word_));
}

/** Sequentially consistent for the queue, which looks for waiters after it: see queue.c. */
static inline int resil__bulkhead_give_back(struct resil_bulkhead *bulkhead)
{
    if (resil__bulkhead_in_flight(resil__sub_seq(&bulkhead->word_, RESIL__BULKHEAD_ONE)) > 0)
        return RESIL_OK;
    (void)resil__add(&bulkhead->word_, RESIL__BULKHEAD_ONE);
    return RESIL_EINVAL;
}

/** The same for who may have nothing to give back. */
static inline int resil__bulkhead_release(struct resil_bulkhead *bulkhead)
{
    if (resil__bulkhead_in_flight(resil__load_relaxed(&bulkhead->word_)) <= 0)
        return RESIL_EINVAL;
    return resil__bulkhead_give_back(bulkhead);
}

#endif
