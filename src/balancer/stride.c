/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The order for weights whose sum is too long for an exact round: a fixed round of L slots, and
 * every candidate within one slot of its share of them.
 *
 * Shares. A candidate whose share w L / W is below one gets one slot all the same, and the others
 * share what is left by weight; that may push further ones below one, so it is repeated until none
 * is. Each repetition shrinks the shares by less than a fifteenth of what the one before it did (no
 * more than n slots of at least 16 n are given away), so that a handful is enough. What is then
 * left is rounded along the running sum, which leaves everyone at the floor or the ceiling of
 * their share and adds up to L without sorting remainders.
 *
 * Places. The k-th of a candidate's q picks belongs at (2k + 1) L / 2q: evenly apart, half a gap at
 * either end. One counting sort by that place, ties in the order of the list. After Carl A.
 * Waldspurger, William E. Weihl, "Stride Scheduling: Deterministic Proportional-Share Resource
 * Management", 1995, run once over a round.
 */
#include "balancer/schedule.h"

#include <stdbool.h>

/* Walks the places of one candidate's picks without dividing. */
struct places {
    uint64_t at;
    uint64_t rest;
    uint64_t step;
    uint64_t step_rest;
    uint64_t divisor;
};

static struct places places_of(uint32_t length, uint32_t quota)
{
    uint64_t divisor = 2 * (uint64_t)quota;

    return (struct places){
        .at = length / divisor,
        .rest = length % divisor,
        .step = 2 * (uint64_t)length / divisor,
        .step_rest = 2 * (uint64_t)length % divisor,
        .divisor = divisor,
    };
}

static void places_next(struct places *places)
{
    places->at += places->step;
    places->rest += places->step_rest;
    if (places->rest >= places->divisor) {
        places->rest -= places->divisor;
        places->at++;
    }
}

uint32_t resil__stride_length(uint32_t n)
{
    uint64_t length = 64 * (uint64_t)n;

    if (length < 4096)
        length = 4096;
    if (length > 65536)
        length = 65536;
    if (length < 16 * (uint64_t)n)
        length = 16 * (uint64_t)n;
    return (uint32_t)length;
}

/* A quota each, and a count for each slot and one more. */
size_t resil__stride_scratch(uint32_t n)
{
    return sizeof(uint32_t) * ((size_t)n + resil__stride_length(n) + 1);
}

/* Gives one slot to those whose share is below one. quotas: 1 for them, 0 for the rest. Leaves in
   *slots and *weight what the rest has to share. */
static void raise_small(const struct resil_pool *pool, uint32_t *quotas, uint64_t *slots,
                        uint64_t *weight)
{
    bool again = true;

    while (again) {
        uint64_t slots_now = *slots;
        uint64_t weight_now = *weight;

        again = false;
        for (uint32_t i = 0; i < pool->count; i++) {
            uint64_t own = pool->candidates[i].weight;

            if (quotas[i] == 0 && own * slots_now < weight_now) {
                quotas[i] = 1;
                --*slots;
                *weight -= own;
                again = true;
            }
        }
    }
}

static void share(const struct resil_pool *pool, uint32_t length, uint32_t *quotas)
{
    uint64_t slots = length;
    uint64_t weight = 0;
    uint64_t rest = 0;

    for (uint32_t i = 0; i < pool->count; i++) {
        quotas[i] = 0;
        weight += pool->candidates[i].weight;
    }
    raise_small(pool, quotas, &slots, &weight);
    /* Weights are below 2^24 and slots below 2^32: no product reaches 2^57. */
    for (uint32_t i = 0; i < pool->count; i++)
        if (quotas[i] == 0) {
            rest += pool->candidates[i].weight * slots;
            quotas[i] = (uint32_t)(rest / weight);
            rest %= weight;
        }
}

void resil__stride_build(const struct resil_pool *pool, struct resil__schedule *schedule)
{
    uint32_t length = schedule->length;
    uint32_t *quotas = resil__schedule_scratch(schedule);
    uint32_t *starts = quotas + pool->count;

    share(pool, length, quotas);
    for (uint32_t i = 0; i <= length; i++)
        starts[i] = 0;
    for (uint32_t i = 0; i < pool->count; i++) {
        struct places places = places_of(length, quotas[i]);

        for (uint32_t k = 0; k < quotas[i]; k++, places_next(&places))
            starts[places.at + 1]++;
    }
    for (uint32_t i = 1; i <= length; i++)
        starts[i] += starts[i - 1];
    for (uint32_t i = 0; i < pool->count; i++) {
        struct places places = places_of(length, quotas[i]);

        for (uint32_t k = 0; k < quotas[i]; k++, places_next(&places))
            resil__schedule_put(schedule, starts[places.at]++, i);
    }
}
