/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_HASH_RING_H
#define RESIL_BALANCER_HASH_RING_H

/*
 * A ring of hashes: every member has points on it, as many as its weight asks for, and a key
 * belongs to the first point at or after it. David Karger et al., "Consistent Hashing and Random
 * Trees", STOC 1997. How many points, and where, as Envoy and gRPC (A42) do it, so that their
 * clients and ours agree:
 *
 *     share  = weight / sum of the weights             scale = ceil(least share * ring_min) / least share,
 *     point i of a member = XXH64(address "_" i, 0)            at most ring_max
 *
 * Members are taken in the order of their addresses, as gRPC does; scale * share is added up from
 * one to the next, and each gets points until there are as many as the sum. With whole shares all
 * have exactly theirs. Above ring_max a very light member may get none.
 *
 * The leading bits of the key say where to start looking; from there it is a step or two.
 */

#include <resil/picker.h>

#include "base/compiler.h"

/** How far a pick walks past those who can't be taken before it asks by rendezvous instead, where
    the few who are left are found in one pass. */
#define RESIL__RING_STEPS 256

struct resil__hash_ring {
    const uint64_t *hashes; /* ascending; behind the last stands UINT64_MAX */
    const uint32_t *owners; /* members; behind the last stands the first again */
    const uint32_t *starts; /* by the leading bits: the first entry that has them, or more */
    uint32_t count;
    uint32_t shift;
};

/** A picker's table_size and build. */
size_t resil__hash_ring_size(const struct resil_pool *pool);
void resil__hash_ring_build(const struct resil_pool *pool, void *table);

/** The entry to which a key belongs; count stands for 0. */
static inline uint32_t resil__hash_ring_find(const struct resil__hash_ring *ring, uint64_t key)
{
    uint32_t at = ring->starts[key >> ring->shift];

    while (ring->hashes[at] < key)
        at++;
    return at;
}

/** The next entry clockwise. */
static inline uint32_t resil__hash_ring_next(const struct resil__hash_ring *ring, uint32_t at)
{
    return at < ring->count ? at + 1 : 1;
}

#endif
