/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Maglev: Daniel E. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
 * NSDI 2016. A table of M slots, M prime; every member goes through all slots in an order of its
 * own, and in turns each takes the next that is free.
 *
 *     slot j of a member's order = (XXH64(address, 0) % M + j * (XXH64(address, 1) % (M - 1) + 1)) % M
 *
 * Weights, the order of the turns (by address) and the next slot of a key whose owner is out (key
 * xor -attempt) are Envoy's, so that its tables and ours are equal: in turn t a member takes a slot
 * if t * share >= its target, which then grows by the greatest share. These are doubles, in Envoy's
 * very steps. We don't ask everybody in every turn, though: where one member outweighs ten
 * thousand, that would take a second. A heap says who is next.
 *
 * Past RESIL__MAGLEV_TRIES slots a key asks by rendezvous. So a key has a list of its own here, too,
 * and whoever leaves moves only the keys that were his; a table built anew moves some more.
 */
#include <string.h>

#include <resil/hash.h>

#include "base/compiler.h"
#include "base/reciprocal.h"
#include "balancer/hash_key.h"
#include "balancer/order.h"
#include "balancer/rendezvous.h"

#define RESIL__MAGLEV_TRIES 16

struct maglev {
    struct resil__reciprocal size;
    const uint16_t *narrow; /* members by slot; where there are too many for that: */
    const uint32_t *wide;
};

/* A member on its way through the slots. */
struct hiker {
    uint32_t at, skip;
};

struct layout {
    uint64_t slots;
    bool wide;
    size_t owners, taken, hikers, order, scratch, targets, heap, size;
};

struct filling {
    const struct resil_pool *pool;
    uint64_t *taken; /* a bit per slot */
    struct hiker *hikers;
    uint32_t *order; /* those that have a weight, by address */
    uint16_t *narrow;
    uint32_t *wide;
    uint32_t slots, count;
    uint64_t weight; /* of all */
    uint32_t greatest;
    bool equal;
};

/* A prime with room for everybody: the one asked for, or the first that is a hundred times as many,
   as the paper advises; above that, whatever there is. */
static uint64_t slots_for(const struct resil_pool *pool)
{
    uint64_t asked = pool->options.maglev_size;

    if (asked >= pool->member_count && asked > 1)
        return asked;
    if (pool->member_count <= 655)
        return 65537;
    return pool->member_count <= 655373 ? 655373 : 5000011;
}

static struct layout layout_of(const struct resil_pool *pool)
{
    struct layout layout = {.slots = slots_for(pool), .wide = pool->member_count > 65536};
    size_t members = pool->member_count, slots = (size_t)layout.slots;

    (void)resil__table_part(&layout.size, sizeof(struct maglev));
    layout.owners = resil__table_part(&layout.size,
                                      slots * (layout.wide ? sizeof(uint32_t) : sizeof(uint16_t)));
    layout.taken = resil__table_part(&layout.size, (slots / 64 + 1) * sizeof(uint64_t));
    layout.hikers = resil__table_part(&layout.size, members * sizeof(struct hiker));
    layout.order = resil__table_part(&layout.size, members * sizeof(uint32_t));
    layout.scratch = resil__table_part(&layout.size, members * sizeof(uint32_t));
    layout.targets = resil__table_part(&layout.size, members * sizeof(double));
    layout.heap = resil__table_part(&layout.size, members * sizeof(uint64_t));
    return layout;
}

static size_t table_size(const struct resil_pool *pool)
{
    return layout_of(pool).size;
}

/* The next free slot of a member becomes its own. */
static inline void take(struct filling *filling, uint32_t who)
{
    struct hiker *hiker = &filling->hikers[who];
    uint32_t at = hiker->at, skip = hiker->skip, slots = filling->slots;
    uint32_t next;

    while ((filling->taken[at >> 6] >> (at & 63) & 1) != 0) {
        next = at + skip;
        at = next < slots ? next : next - slots;
    }
    filling->taken[at >> 6] |= UINT64_C(1) << (at & 63);
    if (filling->wide != NULL)
        filling->wide[at] = filling->order[who];
    else
        filling->narrow[at] = (uint16_t)filling->order[who];
    next = at + skip;
    hiker->at = next < slots ? next : next - slots;
}

static void fill_equal(struct filling *filling)
{
    uint32_t who = 0;

    for (uint32_t i = 0; i < filling->slots; i++) {
        take(filling, who);
        if (++who == filling->count)
            who = 0;
    }
}

static double share_of(const struct filling *filling, uint32_t weight)
{
    return (double)weight / (double)filling->weight;
}

/* The first turn after `after` in which turn * share reaches the target. */
static uint64_t turn_of(double share, double target, uint64_t after)
{
    uint64_t turn = resil__max((uint64_t)(target / share), after + 1);

    while ((double)turn * share < target) /* by rounding, or by the fraction: once */
        turn++;
    return turn;
}

/* Puts what stands at the top of the heap in its place. */
static void sift(uint64_t *heap, uint32_t count)
{
    uint64_t sinking = heap[0];
    size_t at = 0, below;

    while ((below = 2 * at + 1) < count) {
        if (below + 1 < count && heap[below + 1] < heap[below])
            below++;
        if (heap[below] >= sinking)
            break;
        heap[at] = heap[below];
        at = below;
    }
    heap[at] = sinking;
}

/* The heap holds turn << 32 | who: the turns in order, and in each the members in theirs. */
static void fill_weighted(struct filling *filling, double *targets, uint64_t *heap)
{
    double greatest = share_of(filling, filling->greatest);

    for (uint32_t i = 0; i < filling->count; i++) {
        targets[i] = 0;
        heap[i] = UINT64_C(1) << 32 | i;
    }
    for (uint32_t i = 0; i < filling->slots; i++) {
        uint32_t who = (uint32_t)heap[0];
        uint32_t weight = filling->pool->members[filling->order[who]].weight;

        take(filling, who);
        targets[who] += greatest;
        heap[0] = turn_of(share_of(filling, weight), targets[who], heap[0] >> 32) << 32 | who;
        sift(heap, filling->count);
    }
}

/* Lines the members up at their first slots. */
static void line_up(struct filling *filling)
{
    struct resil__reciprocal slots = resil__reciprocal(filling->slots);
    struct resil__reciprocal skips = resil__reciprocal(filling->slots - 1);
    uint32_t count = 0;

    filling->equal = true;
    for (uint32_t i = 0; i < filling->pool->member_count; i++) {
        uint32_t index = filling->order[i];
        const struct resil_member *member = &filling->pool->members[index];
        uint64_t second;

        if (member->weight == 0)
            continue;
        second = resil_hash64(member->address, strlen(member->address), 1);
        filling->hikers[count] = (struct hiker){
            .at = (uint32_t)resil__modulo(member->hash, slots),
            .skip = (uint32_t)resil__modulo(second, skips) + 1,
        };
        if (count > 0 && member->weight != filling->greatest)
            filling->equal = false;
        if (member->weight > filling->greatest)
            filling->greatest = member->weight;
        filling->weight += member->weight;
        filling->order[count++] = index;
    }
    filling->count = count;
}

static void build(const struct resil_pool *pool, void *table)
{
    struct layout layout = layout_of(pool);
    char *base = table;
    void *owners = base + layout.owners;
    struct filling filling = {.pool = pool,
                              .taken = (uint64_t *)(void *)(base + layout.taken),
                              .hikers = (struct hiker *)(void *)(base + layout.hikers),
                              .order = (uint32_t *)(void *)(base + layout.order),
                              .narrow = layout.wide ? NULL : owners,
                              .wide = layout.wide ? owners : NULL,
                              .slots = (uint32_t)layout.slots};

    memset(base + layout.owners, 0, layout.hikers - layout.owners);
    resil__order_by_address(pool->members, pool->member_count, filling.order,
                            (uint32_t *)(void *)(base + layout.scratch));
    line_up(&filling);
    if (filling.count > 0 && filling.equal)
        fill_equal(&filling);
    else if (filling.count > 0)
        fill_weighted(&filling, (double *)(void *)(base + layout.targets),
                      (uint64_t *)(void *)(base + layout.heap));
    *(struct maglev *)table = (struct maglev){
        .size = resil__reciprocal(layout.slots), .narrow = filling.narrow, .wide = filling.wide};
}

static inline uint32_t owner_of(const struct maglev *maglev, uint64_t key)
{
    uint64_t slot = resil__modulo(key, maglev->size);

    return maglev->wide != NULL ? maglev->wide[slot] : maglev->narrow[slot];
}

static uint32_t pick(const struct resil_pool *pool, struct resil_pick_context *context)
{
    const struct maglev *maglev = pool->table;
    uint64_t key = resil__hash_key(context);

    if (pool->count == 0)
        return RESIL_PICK_NONE;
    for (uint64_t attempt = 0; attempt < RESIL__MAGLEV_TRIES; attempt++) {
        uint32_t candidate =
            resil__hash_taken(pool, context, owner_of(maglev, key ^ (0 - attempt)));

        if (RESIL__LIKELY(candidate != RESIL_PICK_NONE))
            return candidate;
    }
    return resil__rendezvous(pool, context, key);
}

const struct resil_picker *resil_picker_maglev(void)
{
    static const struct resil_picker picker = {
        .size = sizeof picker,
        .name = "maglev",
        .flags = RESIL_PICKER_MEMBERS | RESIL_PICKER_EXCLUDES | RESIL_PICKER_KEYED,
        .table_size = table_size,
        .build = build,
        .pick = pick,
    };

    return &picker;
}
