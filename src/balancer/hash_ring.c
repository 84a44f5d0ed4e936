/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The points are counted by their leading bits, then put where the counts say, the few of the same
 * bits in order: two passes over the hashes are cheaper than keeping them for a sort.
 *
 * Shares are doubles, in the very steps of Envoy and gRPC: their tables are only ours if the
 * roundings are the same. Product and sum are statements apart, so that no compiler fuses them.
 */
#include "balancer/hash_ring.h"

#include <string.h>

#include <resil/hash.h>

#include "balancer/order.h"

struct layout {
    double scale;
    uint64_t weight; /* of all members */
    size_t points;   /* at most */
    uint32_t shift;
    size_t hashes, owners, starts, order, scratch, text, size; /* places in the table */
};

/* Running sums over the members: how many points there should be by now, and how many there are. */
struct share {
    double target;
    double given;
};

static double round_up(double x)
{
    double whole = (double)(uint64_t)x;

    return whole < x ? whole + 1 : whole;
}

static double scale_of(const struct resil_picker_options *options, double least)
{
    double scale = round_up(least * (double)options->ring_min) / least;

    return scale < (double)options->ring_max ? scale : (double)options->ring_max;
}

static struct layout layout_of(const struct resil_pool *pool)
{
    struct layout layout = {.points = 1, .shift = 63};
    uint32_t least = UINT32_MAX;
    size_t longest = 0, buckets = 2;

    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct resil_member *member = &pool->members[i];
        size_t length = strlen(member->address);

        layout.weight += member->weight;
        if (member->weight > 0 && member->weight < least)
            least = member->weight;
        if (length > longest)
            longest = length;
    }
    if (layout.weight > 0) {
        layout.scale = scale_of(&pool->options, (double)least / (double)layout.weight);
        layout.points = (size_t)round_up(layout.scale) + 1; /* the sum of the shares is rounded */
    }
    for (; 2 * buckets < layout.points; buckets *= 2) /* one or two points in each */
        layout.shift--;
    layout.size = sizeof(struct resil__hash_ring);
    layout.size = (layout.size + 63) & ~(size_t)63;
    layout.hashes = resil__table_part(&layout.size, (layout.points + 1) * sizeof(uint64_t));
    layout.owners = resil__table_part(&layout.size, (layout.points + 1) * sizeof(uint32_t));
    layout.starts = resil__table_part(&layout.size, (buckets + 2) * sizeof(uint32_t));
    layout.order = resil__table_part(&layout.size, pool->member_count * sizeof(uint32_t));
    layout.scratch = resil__table_part(&layout.size, pool->member_count * sizeof(uint32_t));
    layout.text = resil__table_part(&layout.size, longest + sizeof "_18446744073709551615");
    return layout;
}

size_t resil__hash_ring_size(const struct resil_pool *pool)
{
    return layout_of(pool).size;
}

/* How many points the next member gets. */
static uint32_t points_of(struct share *share, const struct layout *layout, uint32_t weight)
{
    double normal = (double)weight / (double)layout->weight;
    double points = layout->scale * normal;
    uint32_t count = 0;

    share->target += points;
    for (; share->given < share->target; share->given += 1)
        count++;
    return count;
}

/* Writes a number in decimal; returns its length. */
static size_t decimal(char *text, uint32_t number)
{
    char digits[10];
    size_t length = 0;

    do {
        digits[length++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (size_t i = 0; i < length; i++)
        text[i] = digits[length - 1 - i];
    return length;
}

/* A point is put behind those of its bucket that are there already, and then up to its place: what
   is still free holds zeros. cursor: by bucket, the first free entry. */
static void put(uint64_t *hashes, uint32_t *owners, uint32_t *cursor, uint64_t hash, uint32_t owner)
{
    uint32_t at = (*cursor)++;

    for (; at > 0 && hashes[at - 1] > hash; at--) {
        hashes[at] = hashes[at - 1];
        owners[at] = owners[at - 1];
    }
    hashes[at] = hash;
    owners[at] = owner;
}

/* All points of all members: counts them by bucket where hashes is NULL, else puts them. cursors:
   of the buckets. Returns how many there are. */
static uint32_t go_round(const struct resil_pool *pool, const struct layout *layout, char *table,
                         uint64_t *hashes, uint32_t *cursors)
{
    const uint32_t *order = (const uint32_t *)(const void *)(table + layout->order);
    uint32_t *owners = (uint32_t *)(void *)(table + layout->owners);
    char *text = table + layout->text;
    struct share share = {0};
    uint32_t sum = 0;

    for (uint32_t i = 0; i < pool->member_count; i++) {
        const struct resil_member *member = &pool->members[order[i]];
        uint32_t count = points_of(&share, layout, member->weight);
        size_t stem = strlen(member->address);

        memcpy(text, member->address, stem);
        text[stem++] = '_';
        for (uint32_t point = 0; point < count; point++) {
            uint64_t hash = resil_hash64(text, stem + decimal(text + stem, point), 0);
            uint32_t *cursor = &cursors[hash >> layout->shift];

            if (hashes == NULL)
                ++*cursor;
            else
                put(hashes, owners, cursor, hash, order[i]);
        }
        sum += count;
    }
    return sum;
}

void resil__hash_ring_build(const struct resil_pool *pool, void *table)
{
    struct layout layout = layout_of(pool);
    char *base = table;
    uint64_t *hashes = (uint64_t *)(void *)(base + layout.hashes);
    uint32_t *owners = (uint32_t *)(void *)(base + layout.owners);
    uint32_t *starts = (uint32_t *)(void *)(base + layout.starts);
    size_t buckets = (size_t)1 << (64 - layout.shift);
    uint32_t count;

    resil__order_by_address(pool->members, pool->member_count,
                            (uint32_t *)(void *)(base + layout.order),
                            (uint32_t *)(void *)(base + layout.scratch));
    memset(hashes, 0, (layout.points + 1) * sizeof *hashes);
    memset(starts, 0, (buckets + 2) * sizeof *starts);
    /* Counted two further on, summed up one further on is where a bucket starts; when all are put,
       where the next one does. */
    count = go_round(pool, &layout, base, NULL, starts + 2);
    for (size_t i = 2; i < buckets + 2; i++)
        starts[i] += starts[i - 1];
    (void)go_round(pool, &layout, base, hashes, starts + 1);
    if (count == 0) { /* nobody has a weight: never asked for */
        owners[0] = 0;
        count = 1;
    }
    hashes[count] = UINT64_MAX;
    owners[count] = owners[0];
    *(struct resil__hash_ring *)table = (struct resil__hash_ring){.hashes = hashes,
                                                                  .owners = owners,
                                                                  .starts = starts,
                                                                  .count = count,
                                                                  .shift = layout.shift};
}
