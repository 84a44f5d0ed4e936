/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_HASH_FIXTURE_H
#define RESIL_HASH_FIXTURE_H

/*
 * A pool for the hash pickers, as a balancer would make it: members with addresses and weights,
 * candidates among them, a table of exactly the size that the picker asks for.
 *
 *     struct town *town = town_new(picker, n, options);
 *     town->members[3].weight = 7;
 *     town_build(town);
 *     town_ill(town, 3, true);
 *     member = town_pick(town, key);
 *     town_free(town);
 */

#include "test.h"

#include <resil/hash.h>
#include <resil/picker.h>

#include "balancer/picker_options.h"
#include "balancer/pool.h"

struct town {
    const struct resil_picker *picker;
    struct resil_pool pool;
    struct resil__turns turns;
    uint32_t count;
    struct resil_member *members;
    struct resil_candidate *candidates;
    struct resil_load *loads;
    uint32_t *candidate_of;
    bool *ill;
    char (*addresses)[40];
    void *table;
};

static inline void town_name(struct town *town, uint32_t member, const char *address)
{
    (void)snprintf(town->addresses[member], sizeof *town->addresses, "%s", address);
    town->members[member].address = town->addresses[member];
    town->members[member].hash = resil_hash64(address, strlen(address), 0);
}

/* Who may be picked now. */
static inline void town_sort_out(struct town *town)
{
    town->pool.count = 0;
    town->pool.weight = 0;
    for (uint32_t i = 0; i < town->count; i++) {
        uint32_t weight = town->members[i].weight * 256;

        town->candidate_of[i] = RESIL_PICK_NONE;
        if (town->ill[i] || weight == 0)
            continue;
        town->candidate_of[i] = town->pool.count;
        town->candidates[town->pool.count++] =
            (struct resil_candidate){.load = &town->loads[i], .member = i, .weight = weight};
        town->pool.weight += weight;
    }
}

static inline void *town_get(size_t size)
{
    void *memory = calloc(1, size + (size == 0));

    assert_non_null(memory);
    return memory;
}

static inline struct town *town_new(const struct resil_picker *picker, uint32_t count,
                                    struct resil_picker_options options)
{
    struct town *town = town_get(sizeof *town);

    town->picker = picker;
    town->count = count;
    town->members = town_get(count * sizeof *town->members);
    town->candidates = town_get(count * sizeof *town->candidates);
    town->loads = town_get(count * sizeof *town->loads);
    town->candidate_of = town_get(count * sizeof *town->candidate_of);
    town->ill = town_get(count * sizeof *town->ill);
    town->addresses = town_get(count * sizeof *town->addresses);
    resil__picker_options_fill(&options);
    town->pool = (struct resil_pool){.candidates = town->candidates,
                                     .members = town->members,
                                     .candidate_of = town->candidate_of,
                                     .member_count = count,
                                     .options = options,
                                     .turns_ = &town->turns};
    for (uint32_t i = 0; i < count; i++) {
        char address[40];

        (void)snprintf(address, sizeof address, "10.%u.%u.%u:8080", i >> 16, i >> 8 & 255, i & 255);
        town_name(town, i, address);
        town->members[i].load = &town->loads[i];
        town->members[i].id = 1000 + i;
        town->members[i].weight = 1;
        town->members[i].place_ = i;
    }
    return town;
}

/* The table is as large as asked and no larger, filled with what a heap may hold. */
static inline void town_build(struct town *town)
{
    size_t size;

    town_sort_out(town);
    free(town->table);
    town->table = NULL;
    if (town->picker->table_size != NULL) {
        size = town->picker->table_size(&town->pool);
        town->table = aligned_alloc(64, (size + 63) & ~(size_t)63);
        assert_non_null(town->table);
        memset(town->table, 0xa5, (size + 63) & ~(size_t)63);
        town->picker->build(&town->pool, town->table);
    }
    town->pool.table = town->table;
}

static inline void town_ill(struct town *town, uint32_t member, bool ill)
{
    town->ill[member] = ill;
    town_sort_out(town);
}

static inline uint32_t town_ask(struct town *town, struct resil_pick_context *context)
{
    uint32_t candidate = town->picker->pick(&town->pool, context);

    if (candidate == RESIL_PICK_NONE)
        return RESIL_PICK_NONE;
    assert_true(candidate < town->pool.count);
    return town->candidates[candidate].member;
}

/* The member that a key gets. */
static inline uint32_t town_pick(struct town *town, uint64_t key)
{
    struct resil_pick_context context = {.key = key};

    return town_ask(town, &context);
}

static inline void town_free(struct town *town)
{
    free(town->members);
    free(town->candidates);
    free(town->loads);
    free(town->candidate_of);
    free(town->ill);
    free(town->addresses);
    free(town->table);
    free(town);
}

#endif
