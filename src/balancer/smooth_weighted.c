/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each candidate by its weight, and as far from its own last pick as that allows. The whole round is
 * written down when the table is built, so that a pick is one fetch-and-add and one load whatever
 * the number of candidates.
 *
 * Weights that, divided by their greatest common divisor, add up to at most 65,536 are walked
 * through in the exact smooth order (smooth.c), others in stride order (stride.c). Outside slow
 * start every weight is 256 times what the list says, which the divisor takes out again.
 */
#include "balancer/draw.h"
#include "balancer/schedule.h"

/* Slots walked past excluded candidates before all are looked at. */
#define WALK_MAX 16

static uint64_t divisor_of(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Slots that any set of candidates of these members can need: those of the exact round of all of
   them, where that is short enough, or those of a stride round. Fewer candidates have a shorter
   exact round, as their divisor is a multiple of everybody's. */
static uint32_t slots_max(const struct resil_pool *pool)
{
    uint32_t stride = resil__stride_length(pool->member_count);
    uint64_t divisor = 0;
    uint64_t total = 0;

    for (uint32_t i = 0; i < pool->member_count; i++) {
        total += pool->members[i].weight;
        divisor = divisor_of(pool->members[i].weight, divisor);
    }
    if (divisor == 0 || total / divisor > RESIL__SMOOTH_MAX || total / divisor < stride)
        return stride;
    return (uint32_t)(total / divisor);
}

static size_t table_size(const struct resil_pool *pool)
{
    size_t width = pool->member_count > 65536 ? 4 : 2;
    size_t smooth = resil__smooth_scratch(pool->member_count);
    size_t stride = resil__stride_scratch(pool->member_count);

    return sizeof(struct resil__schedule) + width * slots_max(pool) + 16 +
           (smooth > stride ? smooth : stride);
}

/* In slow start a round of less than RESIL__SMOOTH_MAX slots may be longer than the table: then it
   takes strides, too. */
static void build(const struct resil_pool *pool, void *table)
{
    struct resil__schedule *schedule = table;
    uint64_t length_max = resil__min(slots_max(pool), RESIL__SMOOTH_MAX);
    uint64_t divisor = 0;
    uint64_t total = 0;

    for (uint32_t i = 0; i < pool->count; i++) {
        total += pool->candidates[i].weight;
        divisor = divisor_of(pool->candidates[i].weight, divisor);
    }
    *schedule = (struct resil__schedule){.wide = pool->count > 65536};
    if (total / divisor <= length_max) {
        schedule->length = (uint32_t)(total / divisor);
        resil__smooth_build(pool, divisor, schedule);
    } else {
        schedule->length = resil__stride_length(pool->count);
        resil__stride_build(pool, schedule);
    }
}

static uint32_t at(const struct resil__schedule *schedule, uint64_t slot)
{
    const void *slots = schedule + 1;

    return schedule->wide ? ((const uint32_t *)slots)[slot] : ((const uint16_t *)slots)[slot];
}

/* Whose turn it is may be excluded: then the next in the round who isn't. */
static RESIL__COLD uint32_t next_allowed(const struct resil_pool *pool,
                                         struct resil_pick_context *context, uint64_t slot)
{
    const struct resil__schedule *schedule = pool->table;

    for (int walked = 0; walked < WALK_MAX; walked++) {
        uint32_t candidate = at(schedule, (slot + (uint64_t)walked) % schedule->length);

        if (resil__pick_allowed(pool, context, candidate))
            return candidate;
    }
    return resil__draw_rest(pool, context, true);
}

static uint32_t pick(const struct resil_pool *pool, struct resil_pick_context *context)
{
    const struct resil__schedule *schedule = pool->table;
    uint64_t slot = resil__pick_turn(pool, context) % schedule->length;

    if (RESIL__UNLIKELY(context->excluded_count > 0))
        return next_allowed(pool, context, slot);
    return at(schedule, slot);
}

static const struct resil_picker picker = {
    .size = sizeof picker,
    .name = "smooth_weighted",
    .flags = RESIL_PICKER_EXCLUDES,
    .table_size = table_size,
    .build = build,
    .pick = pick,
};

const struct resil_picker *resil_picker_smooth_weighted(void)
{
    return &picker;
}
