/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Consistent hashing with bounded loads: Vahab Mirrokni, Mikkel Thorup, Morteza Zadimoghaddam,
 * 2016 (arXiv 1608.01350). Clockwise from the key, the first who has room is taken; nobody holds
 * more than ceil(c T w / W) calls, with T the pool's calls in flight and the new one.
 *
 * - First the pool's counter is raised, then T is read, then an endpoint is claimed by
 *   compare-and-swap, each try judged by the value it replaces; giving back goes the other way
 *   round. So the bound holds for the T that was read, whoever else picks or reports meanwhile, and
 *   T counts at least what the endpoints hold.
 * - As in_flight is whole, in_flight + 1 <= ceil(b) is in_flight < b: no division.
 * - Where the walk finds nobody for RESIL__RING_STEPS, the key asks by rendezvous. Where he has no
 *   room either (the others excluded, or busy for another pool), the relatively least loaded of
 *   those who may be taken is taken: with W their weight alone and T at least what they hold and
 *   one, he is below the average and so always has room. Only a lost race makes him lose it, and
 *   then someone else has won.
 */
#include "balancer/bounded_load.h"

#include "balancer/hash_key.h"
#include "balancer/hash_ring.h"
#include "balancer/rendezvous.h"
#include "base/contend.h"

/* in_flight * slope < load * weight: an endpoint has room. */
struct bound {
    uint64_t load;  /* percent * T */
    uint64_t slope; /* 100 * W */
};

static bool has_room(struct bound bound, uint64_t in_flight, uint64_t weight)
{
    struct resil__wide held = resil__mul_wide(in_flight, bound.slope);
    struct resil__wide most = resil__mul_wide(bound.load, weight);

    return held.high != most.high ? held.high < most.high : held.low < most.low;
}

/* The calls in flight of this pool. The stripes are read one after the other: a sum that came out
   below the one call that asks is just that. */
static uint64_t total_of(const struct resil_pool *pool)
{
    uint64_t sum = 0;

    for (int i = 0; i < RESIL__STRIPES; i++)
        sum += resil__load_acquire(&pool->turns_->stripes[i].in_flight);
    return sum > INT64_MAX || sum == 0 ? 1 : sum;
}

static bool claim(const struct resil_candidate *candidate, struct bound bound)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t held = resil__load_acquire(&candidate->load->in_flight_);

    while (has_room(bound, held, candidate->weight)) {
        if (resil__cas(&candidate->load->in_flight_, &held, held + 1))
            return true;
        resil__contend(&contend);
    }
    return false;
}

static uint32_t walk(const struct resil_pool *pool, const struct resil_pick_context *context,
                     uint64_t key)
{
    const struct resil__hash_ring *ring = pool->table;
    struct bound bound = {.load = pool->options.bounded_pct * total_of(pool),
                          .slope = 100 * pool->weight};
    uint32_t at = resil__hash_ring_find(ring, key);
    uint32_t last;

    for (int steps = 0; steps < RESIL__RING_STEPS; steps++) {
        uint32_t candidate = resil__hash_taken(pool, context, ring->owners[at]);

        if (candidate != RESIL_PICK_NONE && claim(&pool->candidates[candidate], bound))
            return candidate;
        at = resil__hash_ring_next(ring, at);
    }
    last = resil__rendezvous(pool, context, key);
    return last != RESIL_PICK_NONE && claim(&pool->candidates[last], bound) ? last
                                                                            : RESIL_PICK_NONE;
}

/* The relatively least loaded who may be taken, and what they all hold. */
struct survey {
    uint64_t held, weight; /* of all */
    uint64_t least_held;
    uint32_t least;
};

/* Starts at a place that depends on the key, so that equals share. */
static struct survey look_round(const struct resil_pool *pool,
                                const struct resil_pick_context *context, uint64_t key)
{
    struct survey survey = {.least = RESIL_PICK_NONE};
    uint32_t i = (uint32_t)resil__random_below(resil__mix(key), pool->count);

    for (uint32_t left = pool->count; left > 0; left--, i = i + 1 < pool->count ? i + 1 : 0) {
        const struct resil_candidate *candidate = &pool->candidates[i];
        uint64_t held;

        if (!resil__pick_allowed(pool, context, i))
            continue;
        held = resil__load_acquire(&candidate->load->in_flight_);
        survey.held += held;
        survey.weight += candidate->weight;
        if (survey.least == RESIL_PICK_NONE ||
            has_room((struct bound){survey.least_held, pool->candidates[survey.least].weight}, held,
                     candidate->weight)) {
            survey.least = i;
            survey.least_held = held;
        }
    }
    return survey;
}

static uint32_t claim_least(const struct resil_pool *pool, const struct resil_pick_context *context,
                            uint64_t key)
{
    struct resil__contend contend = RESIL__CONTEND;

    for (;;) {
        struct survey survey = look_round(pool, context, key);
        uint64_t *in_flight;

        if (survey.least == RESIL_PICK_NONE)
            return RESIL_PICK_NONE;
        in_flight = &pool->candidates[survey.least].load->in_flight_;
        if (resil__cas(in_flight, &survey.least_held, survey.least_held + 1))
            return survey.least;
        resil__contend(&contend);
    }
}

static uint32_t pick(const struct resil_pool *pool, struct resil_pick_context *context)
{
    uint64_t *stripe = &pool->turns_->stripes[context->stripe_].in_flight;
    uint64_t key = resil__hash_key(context);
    uint32_t candidate;

    if (pool->count == 0)
        return RESIL_PICK_NONE;
    (void)resil__add(stripe, 1);
    candidate = walk(pool, context, key);
    if (candidate == RESIL_PICK_NONE)
        candidate = claim_least(pool, context, key);
    if (candidate == RESIL_PICK_NONE)
        (void)resil__sub(stripe, 1);
    return candidate;
}

const struct resil_picker *resil_picker_bounded_load(void)
{
    static const struct resil_picker picker = {
        .size = sizeof picker,
        .name = "bounded_load",
        .flags = RESIL_PICKER_MEMBERS | RESIL_PICKER_EXCLUDES | RESIL_PICKER_KEYED |
                 RESIL_PICKER_CLAIMS_,
        .table_size = resil__hash_ring_size,
        .build = resil__hash_ring_build,
        .pick = pick,
    };

    return &picker;
}
