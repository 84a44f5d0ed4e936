/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smooth weighted order (Maxim Dounin's of 2012, in nginx): before each pick every candidate's
 * credit grows by its weight; the one with the most is picked, the first of several, and pays the
 * sum S of all weights. After S picks all credits are back at 0.
 *
 * Played once, when the table is built, and not by candidate but by weight: among candidates of one
 * weight the one with the most credit is the one with the fewest picks, and of those the first. So
 * they take turns in the order of the list, and a group of them needs to be known only by the
 * credit and the index of its next. Its credit falls by S when a new turn of the group begins. A
 * step costs an addition for each distinct weight, at most 361, four at a time.
 */
#include "balancer/schedule.h"

/* Four credits side by side. They stay far inside 32 bits: S is at most 65,536. */
typedef int32_t lanes __attribute__((vector_size(16)));

#define LANES 4u

/* Four rows of them make a block, which is looked into only when the winner is in it. */
#define ROWS   4u
#define BLOCK  (ROWS * LANES)
#define BLOCKS ((RESIL__SMOOTH_GROUPS + BLOCK - 1) / BLOCK)

/* More than twice the groups: an open table finds the group of a weight. */
#define SLOTS 1024u

struct group {
    uint32_t weight;
    uint32_t first; /* in order[] */
    uint32_t count;
    uint32_t next; /* 0 to count - 1: whose turn it is */
};

struct scratch {
    lanes credits[BLOCKS * ROWS];
    lanes weights[BLOCKS * ROWS];
    lanes bests[BLOCKS]; /* the greatest credit of each lane of a block */
    struct group groups[BLOCKS * BLOCK];
    uint16_t slots[SLOTS]; /* group + 1 by weight, 0 = free */
    uint32_t order[];      /* candidates by group */
};

size_t resil__smooth_scratch(uint32_t n)
{
    return sizeof(struct scratch) + sizeof(uint32_t) * (size_t)n;
}

/* The group of a weight, founded if there is none yet. A sum of 65,536 has room for 361. */
static struct group *group_of(struct scratch *scratch, uint32_t *groups, uint32_t weight)
{
    uint32_t slot = (weight * UINT32_C(2654435769)) >> 22;

    while (scratch->slots[slot] != 0 && scratch->groups[scratch->slots[slot] - 1].weight != weight)
        slot = (slot + 1) % SLOTS;
    if (scratch->slots[slot] == 0) {
        scratch->groups[*groups] = (struct group){.weight = weight};
        scratch->slots[slot] = (uint16_t)++ * groups;
    }
    return &scratch->groups[scratch->slots[slot] - 1];
}

/* Sorts the candidates by group, each group in the order of the list. Returns how many groups. */
static uint32_t group_all(const struct resil_pool *pool, uint64_t divisor, struct scratch *scratch)
{
    uint32_t groups = 0;
    uint32_t first = 0;

    for (uint32_t i = 0; i < SLOTS; i++)
        scratch->slots[i] = 0;
    for (uint32_t i = 0; i < pool->count; i++)
        group_of(scratch, &groups, (uint32_t)(pool->candidates[i].weight / divisor))->count++;
    for (uint32_t g = 0; g < groups; g++) {
        scratch->groups[g].first = first;
        first += scratch->groups[g].count;
    }
    for (uint32_t i = 0; i < pool->count; i++) {
        struct group *group =
            group_of(scratch, &groups, (uint32_t)(pool->candidates[i].weight / divisor));

        scratch->order[group->first + group->next++] = i;
    }
    return groups;
}

/* Rows beyond the groups have no weight, and less credit than anybody ever has. */
static void start(struct scratch *scratch, uint32_t groups)
{
    for (uint32_t g = 0; g < BLOCKS * BLOCK; g++) {
        bool used = g < groups;

        scratch->credits[g / LANES][g % LANES] = used ? 0 : INT32_MIN;
        scratch->weights[g / LANES][g % LANES] = used ? (int32_t)scratch->groups[g].weight : 0;
        if (used)
            scratch->groups[g].next = 0;
    }
}

static inline lanes greater(lanes a, lanes b)
{
    lanes above = a > b;

    return (a & above) | (b & ~above);
}

static inline bool any(lanes lane)
{
    return (lane[0] | lane[1] | lane[2] | lane[3]) != 0;
}

/* Every credit grows; returns the greatest. */
static int32_t grow(struct scratch *scratch, uint32_t blocks)
{
    lanes best = {INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN};
    int32_t top = INT32_MIN;

    for (uint32_t block = 0; block < blocks; block++) {
        lanes *credits = &scratch->credits[block * ROWS];
        const lanes *weights = &scratch->weights[block * ROWS];
        lanes even = credits[0] += weights[0];
        lanes odd = credits[1] += weights[1];

        for (uint32_t row = 2; row < ROWS; row += 2) {
            even = greater(even, credits[row] += weights[row]);
            odd = greater(odd, credits[row + 1] += weights[row + 1]);
        }
        scratch->bests[block] = greater(even, odd);
        best = greater(best, scratch->bests[block]);
    }
    for (uint32_t lane = 0; lane < LANES; lane++)
        if (best[lane] > top)
            top = best[lane];
    return top;
}

/* The group whose credit is the greatest; of several, that whose next stands first in the list. */
static uint32_t winner(const struct scratch *scratch, uint32_t blocks, int32_t top)
{
    uint32_t best = 0;
    uint32_t first = UINT32_MAX;

    for (uint32_t row = 0; row < blocks * ROWS; row++) {
        lanes equal = scratch->credits[row] == top;

        if (row % ROWS == 0 && !any(scratch->bests[row / ROWS] == top)) {
            row += ROWS - 1;
            continue;
        }
        for (uint32_t lane = 0; lane < LANES && any(equal); lane++) {
            uint32_t g = row * LANES + lane;
            const struct group *group = &scratch->groups[g];

            if (equal[lane] != 0 && scratch->order[group->first + group->next] < first) {
                first = scratch->order[group->first + group->next];
                best = g;
            }
        }
    }
    return best;
}

void resil__smooth_build(const struct resil_pool *pool, uint64_t divisor,
                         struct resil__schedule *schedule)
{
    struct scratch *scratch = resil__schedule_scratch(schedule);
    uint32_t groups = group_all(pool, divisor, scratch);
    /* A store of one lane would stall the next load of all four. */
    static const lanes lane_of[LANES] = {{-1}, {0, -1}, {0, 0, -1}, {0, 0, 0, -1}};
    uint32_t blocks = (groups + BLOCK - 1) / BLOCK;

    start(scratch, groups);
    for (uint32_t slot = 0; slot < schedule->length; slot++) {
        int32_t top = grow(scratch, blocks);
        uint32_t g = winner(scratch, blocks, top);
        struct group *group = &scratch->groups[g];

        resil__schedule_put(schedule, slot, scratch->order[group->first + group->next]);
        if (++group->next == group->count) {
            group->next = 0;
            scratch->credits[g / LANES] -= lane_of[g % LANES] & (int32_t)schedule->length;
        }
    }
}
