/* SPDX-License-Identifier: BSD-2-Clause */

/* From an address or an id to its place in a list: open addressing, at most half full. */
#include <string.h>

#include "balancer/balancer.h"

#define EMPTY UINT32_MAX

bool resil__index_init(struct resil__balancer *lb, struct resil__list *list,
                       struct resil__index *index)
{
    size_t size = 8;

    while (size < (size_t)list->count * 2)
        size *= 2;
    index->slots = resil__arena_get(lb, &list->arena, size, sizeof *index->slots);
    index->mask = (uint32_t)(size - 1);
    if (index->slots == NULL)
        return false;
    memset(index->slots, 0xff, size * sizeof *index->slots);
    return true;
}

void resil__index_add(struct resil__index *index, uint64_t hash, uint32_t place)
{
    uint32_t slot = (uint32_t)hash & index->mask;

    while (index->slots[slot] != EMPTY)
        slot = (slot + 1) & index->mask;
    index->slots[slot] = place;
}

uint32_t resil__find_address(const struct resil__list *list, const char *address)
{
    uint64_t hash = resil_hash64(address, strlen(address), 0);
    uint32_t slot = (uint32_t)hash & list->by_address.mask;

    for (; list->by_address.slots[slot] != EMPTY; slot = (slot + 1) & list->by_address.mask) {
        const struct resil__host *host = list->entries[list->by_address.slots[slot]].host;

        if (host->hash == hash && strcmp(host->address, address) == 0)
            return list->by_address.slots[slot];
    }
    return EMPTY;
}

uint32_t resil__find_id(const struct resil__list *list, uint64_t id)
{
    uint32_t slot = (uint32_t)resil__mix(id) & list->by_id.mask;

    for (; list->by_id.slots[slot] != EMPTY; slot = (slot + 1) & list->by_id.mask)
        if (list->entries[list->by_id.slots[slot]].host->id == id)
            return list->by_id.slots[slot];
    return EMPTY;
}
