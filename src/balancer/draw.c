/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/draw.h"

uint32_t resil__draw_rest(const struct resil_pool *pool, struct resil_pick_context *context,
                          bool weighted)
{
    uint64_t total = 0;
    uint64_t drawn;
    uint32_t found = RESIL_PICK_NONE;

    for (uint32_t i = 0; i < pool->count; i++)
        if (resil__pick_allowed(pool, context, i))
            total += weighted ? pool->candidates[i].weight : 1;
    if (total == 0)
        return RESIL_PICK_NONE;
    drawn = resil__random_below(resil__pick_random(context), total);
    for (uint32_t i = 0; i < pool->count; i++) {
        uint64_t weight = weighted ? pool->candidates[i].weight : 1;

        if (!resil__pick_allowed(pool, context, i))
            continue;
        found = i;
        if (drawn < weight)
            break;
        drawn -= weight;
    }
    return found;
}

uint32_t resil__sample_size(const struct resil_pool *pool, const struct resil_pick_context *context)
{
    uint64_t size = resil__add_sat(pool->options.choices, context->excluded_count);

    return size > RESIL__SAMPLE_MAX || size > pool->count ? pool->count : (uint32_t)size;
}

/* Floyd: every set of that size is as likely as the next. size is small, so a scan finds whether
   one was drawn before. */
void resil__sample(const struct resil_pool *pool, struct resil_pick_context *context,
                   uint32_t *sample, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        uint32_t top = pool->count - size + i;
        uint32_t drawn = resil__below32(resil__pick_random(context), top + 1);

        for (uint32_t before = 0; before < i; before++)
            if (sample[before] == drawn) {
                drawn = top;
                break;
            }
        sample[i] = drawn;
    }
}
