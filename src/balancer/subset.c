/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/subset.h"

#include "balancer/order.h"
#include "base/random.h"

struct shuffle {
    const uint64_t *hashes;
    uint64_t salt;
};

/* Mixing is a bijection: only equal hashes are equal. */
static bool shuffled_before(const void *items, uint32_t a, uint32_t b)
{
    const struct shuffle *shuffle = items;

    return resil__mix(shuffle->hashes[a] ^ shuffle->salt) <
           resil__mix(shuffle->hashes[b] ^ shuffle->salt);
}

uint32_t resil__subset(struct resil__subset subset, const uint64_t *hashes, uint32_t count,
                       bool *kept, uint32_t *order, uint32_t *scratch)
{
    uint64_t subsets = subset.size == 0 || subset.size >= count ? 1 : count / subset.size;
    uint64_t turn = subset.client / subsets, slice = subset.client % subsets;
    struct shuffle shuffle = {.hashes = hashes, .salt = resil__mix(turn + 1)};
    uint64_t from = slice * count / subsets, to = (slice + 1) * count / subsets;

    for (uint32_t i = 0; i < count; i++)
        kept[i] = subsets == 1;
    if (subsets == 1)
        return count;
    resil__order(&shuffle, count, shuffled_before, order, scratch);
    for (uint64_t i = from; i < to; i++)
        kept[order[i]] = true;
    return (uint32_t)(to - from);
}
