/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Consistent hashing over a ring of all members (hash_ring.h says which).
 *
 * A key has a list of its own: the owners clockwise from it for RESIL__RING_STEPS entries, then
 * everybody as rendezvous ranks them. Whoever of the list comes first and may be taken is taken, so
 * one who leaves moves the keys that were his, and no other.
 */
#include "balancer/hash_key.h"
#include "balancer/hash_ring.h"
#include "balancer/rendezvous.h"

static uint32_t pick(const struct resil_pool *pool, struct resil_pick_context *context)
{
    const struct resil__hash_ring *ring = pool->table;
    uint64_t key = resil__hash_key(context);
    uint32_t at = resil__hash_ring_find(ring, key);

    if (pool->count == 0)
        return RESIL_PICK_NONE;
    for (int steps = 0; steps < RESIL__RING_STEPS; steps++) {
        uint32_t candidate = resil__hash_taken(pool, context, ring->owners[at]);

        if (RESIL__LIKELY(candidate != RESIL_PICK_NONE))
            return candidate;
        at = resil__hash_ring_next(ring, at);
    }
    return resil__rendezvous(pool, context, key);
}

const struct resil_picker *resil_picker_ring_hash(void)
{
    static const struct resil_picker picker = {
        .size = sizeof picker,
        .name = "ring_hash",
        .flags = RESIL_PICKER_MEMBERS | RESIL_PICKER_EXCLUDES | RESIL_PICKER_KEYED,
        .table_size = resil__hash_ring_size,
        .build = resil__hash_ring_build,
        .pick = pick,
    };

    return &picker;
}
