/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One after the other in the order of the list. Each stripe of threads goes round on its own, from
 * its own random place, so that a fleet that starts together doesn't begin with the same endpoint.
 * Weights have no say.
 */
#include "balancer/pool.h"
#include "base/compiler.h"

/* Whose turn it is may be excluded: then the next in order who isn't. */
static RESIL__COLD uint32_t next_allowed(const struct resil_pool *pool,
                                         const struct resil_pick_context *context, uint32_t from)
{
    for (uint32_t walked = 0; walked < pool->count; walked++) {
        uint32_t candidate = (uint32_t)(((uint64_t)from + walked) % pool->count);

        if (resil__pick_allowed(pool, context, candidate))
            return candidate;
    }
    return RESIL_PICK_NONE;
}

static uint32_t pick(const struct resil_pool *pool, struct resil_pick_context *context)
{
    uint32_t candidate = (uint32_t)(resil__pick_turn(pool, context) % pool->count);

    if (RESIL__UNLIKELY(context->excluded_count > 0))
        return next_allowed(pool, context, candidate);
    return candidate;
}

static const struct resil_picker picker = {
    .size = sizeof picker,
    .name = "round_robin",
    .flags = RESIL_PICKER_EXCLUDES,
    .pick = pick,
};

const struct resil_picker *resil_picker_round_robin(void)
{
    return &picker;
}
