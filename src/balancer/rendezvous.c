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

struct draw {
    uint64_t x;
    uint64_t wait; /* the exponential of x; UINT64_MAX = not yet known */
    uint32_t weight;
};

/* a / b < c / d. */
static bool less(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct resil__wide left = resil__mul_wide(a, d), right = resil__mul_wide(c, b);

    return left.high != right.high ? left.high < right.high : left.low < right.low;
}

/* Whether the one comes before the best so far, of another weight. */
static bool earlier(struct draw *one, struct draw *best)
{
    if (best->wait == UINT64_MAX)
        best->wait = resil__exponential(best->x);
    if (!less(one->x >> 6, one->weight, best->wait, best->weight))
        return false;
    one->wait = resil__exponential(one->x);
    return less(one->wait, one->weight, best->wait, best->weight);
}

uint32_t resil__rendezvous(const struct resil_pool *pool, const struct resil_pick_context *context,
                           uint64_t key)
{
    struct draw best = {0};
    uint32_t found = RESIL_PICK_NONE;
    uint64_t salt = resil__mix(key);

    for (uint32_t i = 0; i < pool->count; i++) {
        const struct resil_candidate *candidate = &pool->candidates[i];
        struct draw one = {.x = resil__mix(salt ^ pool->members[candidate->member].hash),
                           .wait = UINT64_MAX,
                           .weight = candidate->weight};

        if (found != RESIL_PICK_NONE &&
            !(one.weight == best.weight ? one.x < best.x : earlier(&one, &best)))
            continue;
        if (!resil__pick_allowed(pool, context, i))
            continue;
        best = one;
        found = i;
    }
    return found;
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
