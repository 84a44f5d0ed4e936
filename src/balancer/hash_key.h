/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_HASH_KEY_H
#define RESIL_BALANCER_HASH_KEY_H

/* What the hash pickers share. */

#include "balancer/pool.h"

/** What this pick goes by. Without a key a random one, which is a choice by weight, too. */
static inline uint64_t resil__hash_key(struct resil_pick_context *context)
{
    return context->key != 0 ? context->key : resil__pick_random(context);
}

/** The candidate that a member is, if it may be taken; else RESIL_PICK_NONE. */
static inline uint32_t resil__hash_taken(const struct resil_pool *pool,
                                         const struct resil_pick_context *context, uint32_t member)
{
    uint32_t candidate = pool->candidate_of[member];

    if (candidate != RESIL_PICK_NONE && !resil__pick_allowed(pool, context, candidate))
        return RESIL_PICK_NONE;
    return candidate;
}

#endif
