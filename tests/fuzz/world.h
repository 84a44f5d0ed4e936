/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_FUZZ_WORLD_H
#define RESIL_TEST_FUZZ_WORLD_H

/* One of each primitive, and a chain of their policies in an order that the bytes choose. */

#include "take.h"
#include "virtual_env.h"
#include "words.h"

#define LEVELS   12
#define ATTEMPTS 3

struct world {
    struct words words;
    struct resil_timeout timeout[2];
    struct resil_fallback fallback;
    struct resil_retry retry[2];
    struct resil_limiter_wait limiter_wait;
    struct resil_queue queue;
    struct resil_hedge hedge;
    struct resil_policy policies[LEVELS];
    size_t count;
    struct resil_chain chain;
    struct virtual_env env;
    struct resil_request request;
    struct resil_report report;
    struct fuzz_bytes bytes; /* the decisions to come */
    uint64_t held;           /* permits of the bulkhead that the test itself holds */
    uint64_t begin_ns;
    unsigned runs, fallbacks; /* of the callback, in this call */
};

#ifdef FUZZ_CONTROL
/* A twin of the bulkhead that keeps the permit of an attempt that is abandoned or overloaded. */
static int leak(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)self;
    (void)frame;
    (void)walk;
    return RESIL_PASS;
}

static int settle_but_overload(void *self, uint64_t *frame, struct resil_walk *walk)
{
    if (walk->result.outcome == RESIL_OVERLOAD)
        return RESIL_PASS;
    return resil_bulkhead_policy(self).ops->settle(self, frame, walk);
}

static struct resil_policy twin(struct resil_bulkhead *bulkhead)
{
    static struct resil_policy_ops ops;
    struct resil_policy policy = resil_bulkhead_policy(bulkhead);

    ops = *policy.ops;
    ops.abandon = leak;
    ops.settle = settle_but_overload;
    policy.ops = &ops;
    return policy;
}
#define resil_bulkhead_policy twin
#endif

static inline struct resil_policy world_policy(struct world *world, uint64_t which)
{
    switch (which) {
    case 0:
        return resil_breaker_policy(&world->words.breaker[0]);
    case 1:
        return resil_breaker_policy(&world->words.breaker[1]);
    case 2:
        return resil_limiter_policy(&world->words.limiter[0]);
    case 3:
        return resil_limiter_wait_policy(&world->limiter_wait);
    case 4:
        return resil_window_policy(&world->words.window);
    case 5:
        return resil_pacer_policy(&world->words.pacer);
    case 6:
        return resil_bulkhead_policy(&world->words.bulkhead);
    case 7:
        return resil_queue_policy(&world->queue);
    case 8:
        return resil_timeout_policy(&world->timeout[0]);
    case 9:
        return resil_timeout_policy(&world->timeout[1]);
    case 10:
        return resil_fallback_policy(&world->fallback);
    case 11:
        return resil_retry_policy(&world->retry[0]);
    case 12:
        return resil_retry_policy(&world->retry[1]);
    default:
        return resil_hedge_policy(&world->hedge);
    }
}

/* Makes everything but the chain's policies. */
static inline void world_init(struct world *world, struct fuzz_bytes *bytes)
{
    struct resil_budget *budget = &world->words.budget;
    struct words_choice choice;
    int rc;

    memset(world, 0, sizeof *world);
    virtual_env_init(&world->env, RESIL_SEC(1));
    choice.consecutive = 1 + take_below(bytes, 3);
    choice.probes = 1 + take_below(bytes, 3);
    choice.burst = 1 + take_below(bytes, 4);
    rc = words_init(&world->words, &choice);
    for (unsigned i = 0; i < 2; i++)
        rc |= resil_timeout_init(&world->timeout[i],
                                 &(struct resil_timeout_config){
                                     .timeout_ns = 1 + take_below(bytes, i == 0 ? 900 : 200)});
    rc |= resil_fallback_init(&world->fallback, NULL);
    for (unsigned i = 0; i < 2; i++)
        rc |= resil_retry_init(&world->retry[i],
                               &(struct resil_retry_config){
                                   .attempts = ATTEMPTS,
                                   .backoff = {.base_ns = 40, .cap_ns = 300},
                                   .retry_mask = i == 0 ? 0
                                                        : RESIL_OUTCOME_BIT(RESIL_REFUSED) |
                                                              RESIL_OUTCOME_BIT(RESIL_NOT_SENT),
                                   .budget = i == 0 ? budget : NULL});
    world->limiter_wait =
        (struct resil_limiter_wait){.limiter = &world->words.limiter[1], .wait_ns_max = 500};
    rc |= resil_queue_init(&world->queue, &world->words.queued,
                           &(struct resil_queue_config){.wait_ns = 400});
    rc |= resil_hedge_init(
        &world->hedge, &(struct resil_hedge_config){
                           .delay_ns = 50, .hedges = 1 + take_below(bytes, 2), .budget = budget});
    FUZZ_CHECK(rc == RESIL_OK);
    world->request.idempotent = take_below(bytes, 2) != 0;
}

/* Chooses policies, kinds of them; returns what resil_chain_init said. A retry in a retry multiplies
   the attempts: four are enough. */
static inline int world_chain(struct world *world, struct fuzz_bytes *bytes, uint64_t kinds)
{
    unsigned retries = 0;

    world->count = 1 + (size_t)take_below(bytes, LEVELS);
    for (size_t i = 0; i < world->count; i++) {
        uint64_t which = take_below(bytes, kinds);

        if ((which == 11 || which == 12) && ++retries > 4)
            which = 6;
        world->policies[i] = world_policy(world, which);
    }
    return resil_chain_init(&world->chain, world->policies, world->count, NULL, 0);
}

/* Whatever happened: all permits but the test's own are back, and nobody waits. */
static inline void world_check_empty(const struct world *world)
{
    struct resil_bulkhead_snapshot bulkhead;
    struct resil_queue_snapshot queue;

    FUZZ_CHECK(resil_bulkhead_snapshot(&world->words.bulkhead, &bulkhead) == RESIL_OK);
    FUZZ_CHECK(bulkhead.in_flight == world->held);
    FUZZ_CHECK(resil_bulkhead_snapshot(&world->words.queued, &bulkhead) == RESIL_OK);
    FUZZ_CHECK(bulkhead.in_flight == 0);
    FUZZ_CHECK(resil_queue_snapshot(&world->queue, &queue) == RESIL_OK);
    FUZZ_CHECK(queue.waiting == 0);
}

#endif
