/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_DRAW_H
#define RESIL_BALANCER_DRAW_H

/* Drawing candidates at random, and the sampled comparison that all of "the better of a few" share.
   Two choices: Michael Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 1996.
   A sample without repetition: Robert W. Floyd in Jon Bentley, "Programming Pearls: A Sample of
   Brilliance", CACM 1987. */

#include "balancer/pool.h"
#include "base/compiler.h"

/** floor(random * bound / 2^64) without a 128-bit product. The bias is at most bound / 2^64. */
static inline uint32_t resil__below32(uint64_t random, uint32_t bound)
{
    return (uint32_t)(((random >> 32) * bound + (((random & UINT32_MAX) * bound) >> 32)) >> 32);
}

/** Any candidate, each as likely as the next. */
static inline uint32_t resil__draw(const struct resil_pool *pool,
                                   struct resil_pick_context *context)
{
    return resil__below32(resil__pick_random(context), pool->count);
}

/** One of the candidates that are not excluded, by weight or each alike; RESIL_PICK_NONE when there
    is none. Looks at every candidate: the last resort of pickers whose draws only hit excluded
    ones. */
uint32_t resil__draw_rest(const struct resil_pool *pool, struct resil_pick_context *context,
                          bool weighted);

/** Whether candidate b is to be preferred to candidate a. */
typedef bool resil__better_fn(const struct resil_pool *pool, uint64_t now_ns,
                              const struct resil_candidate *a, const struct resil_candidate *b);

/** Distinct candidates of which no more than this many are drawn; beyond, all are looked at. */
#define RESIL__SAMPLE_MAX 64u

/** How many draws leave `choices` candidates whoever is excluded: as many as that, or all. */
uint32_t resil__sample_size(const struct resil_pool *pool,
                            const struct resil_pick_context *context);

/** Draws size distinct candidates; size is below pool->count and at most RESIL__SAMPLE_MAX. */
void resil__sample(const struct resil_pool *pool, struct resil_pick_context *context,
                   uint32_t *sample, uint32_t size);

/** The best of a sample from which no `choices` allowed candidates can be missing; among equals
    each is as likely. Inlined with its comparison. */
RESIL__INLINE uint32_t resil__best_of_sample(const struct resil_pool *pool,
                                             struct resil_pick_context *context,
                                             resil__better_fn *better)
{
    uint32_t sample[RESIL__SAMPLE_MAX];
    uint32_t size = resil__sample_size(pool, context);
    uint32_t best = RESIL_PICK_NONE;
    uint32_t equals = 0;

    if (size < pool->count)
        resil__sample(pool, context, sample, size);
    for (uint32_t i = 0; i < size; i++) {
        uint32_t next = size < pool->count ? sample[i] : i;
        const struct resil_candidate *candidate = &pool->candidates[next];

        if (!resil__pick_allowed(pool, context, next))
            continue;
        if (best == RESIL_PICK_NONE ||
            better(pool, context->now_ns, &pool->candidates[best], candidate)) {
            best = next;
            equals = 1;
        } else if (!better(pool, context->now_ns, candidate, &pool->candidates[best]) &&
                   resil__below32(resil__pick_random(context), ++equals) == 0) {
            best = next;
        }
    }
    return best;
}

/** A picker's pick, here: the one for more than two choices, or with somebody excluded. */
typedef uint32_t resil__pick_fn(const struct resil_pool *pool, struct resil_pick_context *context);

/** The better of two distinct candidates, or the best of options.choices. The first draw wins a
    tie, and is any candidate alike. Half of one random number each: the bias is count / 2^32 at
    most, too little to matter to a choice that load corrects. */
RESIL__INLINE uint32_t resil__pick_better(const struct resil_pool *pool,
                                          struct resil_pick_context *context,
                                          resil__better_fn *better, resil__pick_fn *slow)
{
    uint64_t random;
    uint32_t a;
    uint32_t b;

    if (RESIL__UNLIKELY(pool->count < 2 || pool->options.choices > 2 ||
                        context->excluded_count > 0))
        return slow(pool, context);
    random = resil__pick_random(context);
    a = (uint32_t)((random >> 32) * pool->count >> 32);
    b = (uint32_t)((random & UINT32_MAX) * (pool->count - 1) >> 32);
    b += b >= a;
    /* Which of two is the better can't be predicted: no branch. */
    return a ^ ((a ^ b) & (0 - (uint32_t)better(pool, context->now_ns, &pool->candidates[a],
                                                &pool->candidates[b])));
}

#endif
