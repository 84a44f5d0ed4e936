/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_HASH_PICKERS_FIXTURE_H
#define RESIL_HASH_PICKERS_FIXTURE_H

/* What the tests of all four hash pickers share: the pickers, keys, and picks that end at once. */

#include "hash_fixture.h"

#include "balancer/bounded_load.h"

#define KEYS    5000
#define PICKERS 4 /* in this order: ring_hash, maglev, rendezvous, bounded_load */

static uint32_t before[KEYS];

static inline const struct resil_picker *picker_of(int p)
{
    switch (p) {
    case 0:
        return resil_picker_ring_hash();
    case 1:
        return resil_picker_maglev();
    case 2:
        return resil_picker_rendezvous();
    default:
        return resil_picker_bounded_load();
    }
}

static inline bool claims(const struct town *town)
{
    return (town->picker->flags & RESIL_PICKER_CLAIMS_) != 0;
}

/* A pick that ends at once. */
static inline uint32_t quick(struct town *town, struct resil_pick_context *context)
{
    uint32_t member = town_ask(town, context);

    if (member != RESIL_PICK_NONE && claims(town))
        resil__bounded_release(&town->turns, context->stripe_, &town->loads[member]);
    return member;
}

static inline uint64_t key_of(uint32_t i)
{
    return resil__mix(i + 1);
}

static inline uint32_t pick_key(struct town *town, uint32_t i)
{
    struct resil_pick_context context = {.key = key_of(i)};

    return quick(town, &context);
}

static inline struct town *plain(const struct resil_picker *picker, uint32_t count)
{
    struct town *town = town_new(picker, count, (struct resil_picker_options){.ring_min = 65536});

    town_build(town);
    return town;
}

static inline void remember(struct town *town)
{
    for (uint32_t i = 0; i < KEYS; i++)
        before[i] = pick_key(town, i);
}

#endif
