/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random, each candidate alike, and random by weight. The latter by an alias table: Alastair J.
 * Walker, "An Efficient Method for Generating Discrete Random Variables with General
 * Distributions", 1977; the linear build is Michael D. Vose's of 1991.
 *
 * The table is exact. A column holds n parts of W, W being the sum of the weights: `keep` of them
 * are its own candidate's and the rest its alias's, all in integers. A coin of 64 bits decides for
 * its own when floor(coin * W / 2^64) < keep, that is when coin < ceil(keep * 2^64 / W): the build
 * keeps that bound, so that a pick neither multiplies nor divides.
 */
#include "balancer/draw.h"

/* Draws that hit an excluded candidate before all are looked at. */
#define DRAWS_MAX 8

struct column {
    uint64_t bound; /* coins below it keep the column's own candidate */
    uint32_t alias; /* the candidate of all other coins */
    uint32_t own;
};

static uint32_t pick_alike(const struct resil_pool *pool, struct resil_pick_context *context)
{
    for (int draws = 0; draws < DRAWS_MAX; draws++) {
        uint32_t candidate = resil__draw(pool, context);

        if (RESIL__LIKELY(resil__pick_allowed(pool, context, candidate)))
            return candidate;
    }
    return resil__draw_rest(pool, context, false);
}

static uint32_t pick_weighted(const struct resil_pool *pool, struct resil_pick_context *context)
{
    const struct column *columns = pool->table;

    for (int draws = 0; draws < DRAWS_MAX; draws++) {
        const struct column *column = &columns[resil__draw(pool, context)];
        uint32_t candidate =
            resil__pick_random(context) < column->bound ? column->own : column->alias;

        if (RESIL__LIKELY(resil__pick_allowed(pool, context, candidate)))
            return candidate;
    }
    return resil__draw_rest(pool, context, true);
}

/* The columns, and the work list of the build. */
static size_t size_weighted(const struct resil_pool *pool)
{
    return (sizeof(struct column) + sizeof(uint32_t)) * (size_t)pool->member_count;
}

/* Columns that hold too little stand at the front of the list, those that hold too much at its
   back. Weights are below 2^24 and n below 2^32: nothing here reaches 2^57. */
static void build_weighted(const struct resil_pool *pool, void *table)
{
    struct column *columns = table;
    uint32_t *list = (uint32_t *)(void *)(columns + pool->count);
    uint32_t poor = 0;
    uint32_t rich = pool->count;
    uint64_t total = 0;

    for (uint32_t i = 0; i < pool->count; i++)
        total += pool->candidates[i].weight;
    for (uint32_t i = 0; i < pool->count; i++) {
        columns[i] = (struct column){
            .bound = (uint64_t)pool->candidates[i].weight * pool->count, .alias = i, .own = i};
        if (columns[i].bound < total)
            list[poor++] = i;
        else
            list[--rich] = i;
    }
    while (poor > 0) {
        struct column *taker = &columns[list[--poor]];
        struct column *giver = &columns[list[rich]];

        /* The sum over the columns that are left is their number times W: while one is poor,
           another is rich. */
        taker->alias = list[rich];
        giver->bound -= total - taker->bound;
        taker->bound = resil__mul_div_up(taker->bound * 2, UINT64_C(1) << 63, total);
        if (giver->bound < total)
            list[poor++] = list[rich++];
    }
    /* Whoever was never poor holds W exactly, and is its own alias: any bound will do. */
}

static const struct resil_picker picker_alike = {
    .size = sizeof picker_alike,
    .name = "random",
    .flags = RESIL_PICKER_EXCLUDES,
    .pick = pick_alike,
};

static const struct resil_picker picker_weighted = {
    .size = sizeof picker_weighted,
    .name = "weighted_random",
    .flags = RESIL_PICKER_EXCLUDES,
    .table_size = size_weighted,
    .build = build_weighted,
    .pick = pick_weighted,
};

const struct resil_picker *resil_picker_random(void)
{
    return &picker_alike;
}

const struct resil_picker *resil_picker_weighted_random(void)
{
    return &picker_weighted;
}
