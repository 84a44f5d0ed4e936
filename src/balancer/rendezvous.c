/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Rendezvous, or highest random weight: David G. Thaler, Chinya V. Ravishankar, "Using Name-Based
 * Mappings to Increase Hit Rates", IEEE/ACM Transactions on Networking 6(1), 1998.
 *
 * Every candidate draws a number from the key and its own hash; the best one has the key. With
 * weights the draw is a waiting time, -ln(1 - u) / weight, and the least wins: each then has its
 * share exactly, and a weight that grows only ever takes keys to its own. u = x / 2^64, so among
 * equal weights the least x wins, and no logarithm is needed. Nor is it where even x, which the
 * waiting time is never below, is too long a wait: there remain some ln(n) logarithms a pick.
 */
#include "balancer/rendezvous.h"

#include "balancer/exponential.h"
#include "balancer/hash_key.h"
#include "balancer/pool.h"
#include "base/compiler.h"

/* The best of the candidates so far. */
struct best {
    uint64_t x;
    uint64_t wait; /* the exponential of x: only where weights differ */
    uint32_t weight;
    uint32_t found;
};

/* a / b < c / d. */
static inline bool less(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct resil__wide left = resil__mul_wide(a, d), right = resil__mul_wide(c, b);

    return left.high != right.high ? left.high < right.high : left.low < right.low;
}

static inline uint64_t draw(const struct resil_pool *pool, uint32_t candidate, uint64_t salt)
{
    return resil__mix(salt ^ pool->members[pool->candidates[candidate].member].hash);
}

/* The candidates from i on, whose weights differ. */
static void rest(const struct resil_pool *pool, const struct resil_pick_context *context,
                 uint64_t salt, uint32_t i, struct best *best)
{
    for (; i < pool->count; i++) {
        uint64_t x = draw(pool, i, salt), wait;
        uint32_t weight = pool->candidates[i].weight;

        if (RESIL__LIKELY(best->found != RESIL_PICK_NONE &&
                          !less(x >> 6, weight, best->wait, best->weight)))
            continue;
        wait = resil__exponential(x);
        if ((best->found == RESIL_PICK_NONE || less(wait, weight, best->wait, best->weight)) &&
            resil__pick_allowed(pool, context, i))
            *best = (struct best){.x = x, .wait = wait, .weight = weight, .found = i};
    }
}

uint32_t resil__rendezvous(const struct resil_pool *pool, const struct resil_pick_context *context,
                           uint64_t key)
{
    struct best best = {.x = UINT64_MAX, .found = RESIL_PICK_NONE};
    uint64_t salt = resil__mix(key);
    uint32_t weight = pool->count > 0 ? pool->candidates[0].weight : 0;
    uint32_t i = 0;

    for (; i < pool->count && pool->candidates[i].weight == weight; i++) {
        uint64_t x = draw(pool, i, salt);

        if ((x < best.x || best.found == RESIL_PICK_NONE) && resil__pick_allowed(pool, context, i))
            best = (struct best){.x = x, .weight = weight, .found = i};
    }
    if (i < pool->count) {
        if (best.found != RESIL_PICK_NONE)
            best.wait = resil__exponential(best.x);
        rest(pool, context, salt, i, &best);
    }
    return best.found;
}

static uint32_t pick(const struct resil_pool *pool, struct resil_pick_context *context)
{
    return resil__rendezvous(pool, context, resil__hash_key(context));
}

const struct resil_picker *resil_picker_rendezvous(void)
{
    static const struct resil_picker picker = {
        .size = sizeof picker,
        .name = "rendezvous",
        .flags = RESIL_PICKER_MEMBERS | RESIL_PICKER_EXCLUDES | RESIL_PICKER_KEYED,
        .pick = pick,
    };

    return &picker;
}
