/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The least loaded of a few drawn at random, alike or by weight. Consecutive failures count as
 * calls in flight: a host that fails fast would otherwise look idle and draw all traffic.
 */
#include "balancer/least_requests.h"

#include "balancer/draw.h"

static uint64_t load_of(const struct resil_candidate *candidate)
{
    return resil__load_in_flight(candidate->load) + resil__load_streak(candidate->load);
}

static bool less(const struct resil_pool *pool, uint64_t now_ns, const struct resil_candidate *a,
                 const struct resil_candidate *b)
{
    (void)pool;
    (void)now_ns;
    return load_of(b) < load_of(a);
}

/* (load + 1) / weight without dividing. Weights are below 2^24, loads below 2^40. */
static bool less_weighted(const struct resil_pool *pool, uint64_t now_ns,
                          const struct resil_candidate *a, const struct resil_candidate *b)
{
    (void)pool;
    (void)now_ns;
    return (load_of(b) + 1) * a->weight < (load_of(a) + 1) * b->weight;
}

static RESIL__COLD uint32_t pick_slow(const struct resil_pool *pool,
                                      struct resil_pick_context *context)
{
    return resil__best_of_sample(pool, context, less);
}

static RESIL__COLD uint32_t pick_weighted_slow(const struct resil_pool *pool,
                                               struct resil_pick_context *context)
{
    return resil__best_of_sample(pool, context, less_weighted);
}

uint32_t resil__least_requests(const struct resil_pool *pool, struct resil_pick_context *context)
{
    return resil__pick_better(pool, context, less, pick_slow);
}

static uint32_t pick_weighted(const struct resil_pool *pool, struct resil_pick_context *context)
{
    return resil__pick_better(pool, context, less_weighted, pick_weighted_slow);
}

static const struct resil_picker picker = {
    .size = sizeof picker,
    .name = "least_requests",
    .flags = RESIL_PICKER_EXCLUDES,
    .pick = resil__least_requests,
};

static const struct resil_picker picker_weighted = {
    .size = sizeof picker_weighted,
    .name = "weighted_least_requests",
    .flags = RESIL_PICKER_EXCLUDES,
    .pick = pick_weighted,
};

const struct resil_picker *resil_picker_least_requests(void)
{
    return &picker;
}

const struct resil_picker *resil_picker_weighted_least_requests(void)
{
    return &picker_weighted;
}
