/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_POOL_H
#define RESIL_BALANCER_POOL_H

/* What every picker uses: the pool's counters, randomness, exclusion. */

#include <resil/picker.h>

#include "base/atomic.h"
#include "base/random.h"

/** Counters of a pool, striped by thread. They outlive lists: a pool of the same name goes on where
    it was. */
#define RESIL__STRIPES 8

struct resil__turns {
    struct {
        uint64_t turn;      /* whose turn it is; each stripe starts at a random one */
        uint64_t in_flight; /* kept for bounded load alone; may wrap below 0: only the sum counts */
        char pad[48];
    } stripes[RESIL__STRIPES];
};

/** Three counts in resil_load.streak_, each up to MAX: bad, never sent, refused by the endpoint. */
#define RESIL__STREAK_BAD    0
#define RESIL__STREAK_LOCAL  21
#define RESIL__STREAK_PUSHED 42
#define RESIL__STREAK_MAX    UINT64_C(0x1fffff)

/** 64 random bits of this pick. */
static inline uint64_t resil__pick_random(struct resil_pick_context *context)
{
    return resil__random_next(&context->random_);
}

/** The next turn of this thread's stripe. */
static inline uint64_t resil__pick_turn(const struct resil_pool *pool,
                                        const struct resil_pick_context *context)
{
    return resil__add_relaxed(&pool->turns_->stripes[context->stripe_].turn, 1);
}

static inline bool resil__pick_excluded(const struct resil_pick_context *context, uint64_t id)
{
    for (size_t i = 0; i < context->excluded_count; i++)
        if (context->excluded[i] == id)
            return true;
    return false;
}

/** Whether a candidate is not excluded. */
static inline bool resil__pick_allowed(const struct resil_pool *pool,
                                       const struct resil_pick_context *context, uint32_t candidate)
{
    return context->excluded_count == 0 ||
           !resil__pick_excluded(context, pool->members[pool->candidates[candidate].member].id);
}

static inline uint64_t resil__load_in_flight(const struct resil_load *load)
{
    return resil__load_relaxed(&load->in_flight_);
}

/** Results in a row that were not good, whatever was the matter: what keeps a host that fails fast
    from looking idle. */
static inline uint64_t resil__load_streak(const struct resil_load *load)
{
    uint64_t streak = resil__load_relaxed(&load->streak_);

    return (streak & RESIL__STREAK_MAX) + (streak >> RESIL__STREAK_LOCAL & RESIL__STREAK_MAX) +
           (streak >> RESIL__STREAK_PUSHED & RESIL__STREAK_MAX);
}

#endif
