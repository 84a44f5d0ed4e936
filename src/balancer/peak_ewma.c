/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one of a few drawn at random that promises the shortest wait: its moving latency, times the
 * calls in flight and this one, by weight. ewma.h says how the latency moves.
 */
#include "balancer/draw.h"
#include "balancer/ewma.h"

static uint64_t cost_of(const struct resil_pool *pool, uint64_t now_ns,
                        const struct resil_candidate *candidate)
{
    const struct resil__ewma_scale *scale = pool->table;
    uint64_t word = resil__load_relaxed(&candidate->load->ewma_);
    uint64_t in_flight = resil__load_in_flight(candidate->load);

    /* Nobody has heard of it, and at the first latency nobody might ever: faster peers with few
       calls are always the better choice. One call tells. */
    if (RESIL__UNLIKELY(word == 0 && in_flight == 0))
        return 0;
    return resil__mul_sat(resil__ewma_read_scaled(scale, word, now_ns, pool->options.first_ns),
                          in_flight + 1);
}

static bool less(const struct resil_pool *pool, uint64_t now_ns, const struct resil_candidate *a,
                 const struct resil_candidate *b)
{
    uint64_t cost_a = cost_of(pool, now_ns, a);
    uint64_t cost_b = cost_of(pool, now_ns, b);

    /* Weights are below 2^24. Costs beyond 18 minutes keep 16 bits or more. */
    if (RESIL__UNLIKELY((cost_a | cost_b) >> 40 != 0)) {
        cost_a >>= 24;
        cost_b >>= 24;
    }
    return cost_b * a->weight < cost_a * b->weight;
}

static RESIL__COLD uint32_t pick_slow(const struct resil_pool *pool,
                                      struct resil_pick_context *context)
{
    return resil__best_of_sample(pool, context, less);
}

static uint32_t pick(const struct resil_pool *pool, struct resil_pick_context *context)
{
    return resil__pick_better(pool, context, less, pick_slow);
}

static size_t table_size(const struct resil_pool *pool)
{
    (void)pool;
    return sizeof(struct resil__ewma_scale);
}

static void build(const struct resil_pool *pool, void *table)
{
    *(struct resil__ewma_scale *)table = resil__ewma_scale(pool->options.decay_ns);
}

static const struct resil_picker picker = {
    .size = sizeof picker,
    .name = "peak_ewma",
    .flags = RESIL_PICKER_EXCLUDES | RESIL_PICKER_LATENCY,
    .table_size = table_size,
    .build = build,
    .pick = pick,
};

const struct resil_picker *resil_picker_peak_ewma(void)
{
    return &picker;
}
