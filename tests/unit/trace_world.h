/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_TRACE_WORLD_H
#define RESIL_TEST_TRACE_WORLD_H

/* Two chains of all policies, the one hedged over a balancer, the other guarded, and a hash of what
   happens in them. */

#include "test.h"

#include <resil/resil.h>

#define SLOTS  16 /* calls at the same time */
#define HOSTS  4
#define LEVELS 8

struct world;

/* One attempt in flight. */
struct running {
    uint64_t id; /* 0 = none */
    uint64_t done_ns;
    struct resil_result result;
};

struct slot {
    struct world *world;
    struct resil_call call;
    struct resil_request request;
    struct running running[RESIL_LANES_MAX];
    uint64_t wake_ns;
    bool busy;
};

/* A chain and what it is made of. */
struct side {
    struct resil_fallback fallback;
    struct resil_timeout timeout;
    struct resil_budget budget;
    struct resil_retry retry;
    struct resil_hedge hedge;
    struct resil_limiter limiter;
    struct resil_limiter_wait limiter_wait;
    struct resil_breaker breaker;
    struct resil_breaker_watch watch;
    struct resil_bulkhead bulkhead;
    struct resil_queue queue;
    struct resil_guard guard;
    struct resil_balancer balancer;
    struct resil_policy policies[LEVELS];
    struct resil_chain chain;
};

struct world {
    struct side sides[2];
    struct slot slots[SLOTS];
    uint64_t now_ns;
    uint64_t random;
    uint64_t hash;
    bool leaks; /* the control: an address gets in */
    unsigned trips, ejections, retries, kinds[3], decided[16], waited;
    void *memory;
};

static const char *const names[] = {"fallback", "timeout", "retry",    "limiter",
                                    "queue",    "breaker", "bulkhead", "balancer"};

static inline void note(struct world *world, uint64_t value)
{
    world->hash = (world->hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    world->hash ^= world->hash >> 29;
}

static inline void note_text(struct world *world, const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        note(world, (unsigned char)*text);
    note(world, 256);
}

static inline void heard(void *arg, const struct resil_breaker_event *event)
{
    struct world *world = arg;

    world->trips += event->to == RESIL_BREAKER_OPEN;
    note(world, event->from);
    note(world, event->to);
    note(world, event->reason);
    note(world, event->generation);
    note(world, event->now_ns);
}

static inline void woken(void *arg)
{
    struct slot *slot = arg;

    slot->world->waited++;
    slot->wake_ns = slot->world->now_ns;
}

static inline void begin_balancer(struct world *world, struct side *side, bool guarded)
{
    static const struct resil_endpoint hosts[HOSTS] = {{.address = "a", .weight = 1},
                                                       {.address = "b"},
                                                       {.address = "c", .weight = 3},
                                                       {.address = "d"}};
    static const struct resil_breaker_config breaker = {
        .consecutive = 4, .open_ns = RESIL_MS(30), .probe_gap_ns = RESIL_MS(5)};
    static const struct resil_bulkhead_config bulkhead = {.limit = 2};
    struct resil_balancer_config config = {
        .outlier = {.consecutive = 3, .interval_ns = RESIL_MS(50), .eject_ns = RESIL_MS(20)},
        .seed = 7,
    };

    if (guarded) {
        assert_int_equal(resil_guard_init(&side->guard, &side->balancer,
                                          &(struct resil_guard_config){&breaker, &bulkhead}),
                         RESIL_OK);
        config.picker = resil_picker_round_robin();
        config.state_size = RESIL_GUARD_STATE;
        config.state_init = resil_guard_state;
        config.state_arg = &side->guard;
    }
    assert_int_equal(resil_balancer_init(&side->balancer, &config), RESIL_OK);
    assert_int_equal(resil_balancer_update(&side->balancer, hosts, HOSTS, world->now_ns), RESIL_OK);
}

static inline void begin_side(struct world *world, struct side *side, bool guarded)
{
    struct resil_policy *to = side->policies;
    char why[160] = "";
    int rc = 0;

    /* Not everything: what the others decide is to be seen. */
    rc |= resil_fallback_init(&side->fallback, &(struct resil_fallback_config){
                                                   .outcomes = RESIL_OUTCOME_BIT(RESIL_PERMANENT) |
                                                               RESIL_OUTCOME_BIT(RESIL_OVERLOAD)});
    rc |= resil_timeout_init(&side->timeout,
                             &(struct resil_timeout_config){.timeout_ns = RESIL_MS(60)});
    rc |= resil_budget_init(&side->budget, NULL);
    rc |= resil_retry_init(
        &side->retry,
        &(struct resil_retry_config){.backoff = {.base_ns = RESIL_MS(4)}, .budget = &side->budget});
    rc |= resil_hedge_init(&side->hedge, &(struct resil_hedge_config){.delay_ns = RESIL_MS(8),
                                                                      .hedges = 2,
                                                                      .budget = &side->budget});
    rc |= resil_limiter_init(&side->limiter,
                             &(struct resil_limiter_config){.tokens = 230, .burst = 10});
    side->limiter_wait = (struct resil_limiter_wait){&side->limiter, RESIL_MS(15)};
    rc |=
        resil_breaker_init(&side->breaker, &(struct resil_breaker_config){.calls = 20,
                                                                          .calls_min = 10,
                                                                          .failure_pct = 40,
                                                                          .open_ns = RESIL_MS(40),
                                                                          .probes = 2,
                                                                          .probe_gap_ns = RESIL_OFF,
                                                                          .ramp_ns = RESIL_MS(40)});
    side->watch = (struct resil_breaker_watch){&side->breaker, heard, world};
    rc |= resil_bulkhead_init(&side->bulkhead,
                              &(struct resil_bulkhead_config){.limit = guarded ? 3 : 4});
    rc |= resil_queue_init(&side->queue, &side->bulkhead,
                           &(struct resil_queue_config){.length = 3, .wait_ns = RESIL_MS(20)});
    assert_int_equal(rc, RESIL_OK);
    begin_balancer(world, side, guarded);

    *to++ = resil_fallback_policy(&side->fallback);
    *to++ = resil_timeout_policy(&side->timeout);
    *to++ = resil_retry_policy(&side->retry);
    *to++ = guarded ? resil_limiter_policy(&side->limiter)
                    : resil_limiter_wait_policy(&side->limiter_wait);
    *to++ = resil_breaker_watch_policy(&side->watch);
    *to++ = guarded ? resil_bulkhead_policy(&side->bulkhead) : resil_queue_policy(&side->queue);
    if (!guarded)
        *to++ = resil_hedge_policy(&side->hedge);
    *to++ = guarded ? resil_guard_policy(&side->guard) : resil_balancer_policy(&side->balancer);
    rc = resil_chain_init(&side->chain, side->policies, (size_t)(to - side->policies), why,
                          sizeof why);
    if (rc != RESIL_OK)
        fail_msg("%s", why);
}

static inline struct world *world_new(uint64_t seed, size_t shift)
{
    void *memory = malloc(sizeof(struct world) + shift);
    struct world *world;

    assert_non_null(memory);
    world = (void *)((char *)memory + shift);
    memset(world, 0, sizeof *world);
    world->memory = memory;
    world->now_ns = RESIL_SEC(1000);
    world->random = seed;
    for (size_t i = 0; i < 2; i++)
        begin_side(world, &world->sides[i], i == 1);
    return world;
}

static inline void world_free(struct world *world)
{
    for (size_t i = 0; i < 2; i++) {
        struct resil_bulkhead_snapshot bulkhead;

        assert_int_equal(resil_bulkhead_snapshot(&world->sides[i].bulkhead, &bulkhead), RESIL_OK);
        assert_int_equal(bulkhead.in_flight, 0);
        assert_int_equal(resil_queue_fini(&world->sides[i].queue), RESIL_OK);
        assert_int_equal(resil_balancer_fini(&world->sides[i].balancer), RESIL_OK);
    }
    free(world->memory);
}

#endif
