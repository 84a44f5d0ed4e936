/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_THINGS_H
#define RESIL_TEST_THINGS_H

/* One of each primitive in a chain, for tests of who leaves without a word. */

#include "test.h"

#include <resil/resil.h>

#include "virtual_env.h"

#define LEASE_NS RESIL_MS(10)
#define OPEN_NS  RESIL_MS(5)

struct things {
    struct resil_bulkhead bulkhead;
    struct resil_breaker breaker;
    struct resil_limiter limiter;
    struct resil_window window;
    struct resil_pacer pacer;
    struct resil_budget budget;
    uint32_t ready;
};

static uint64_t lease_ns = LEASE_NS;
static struct resil_policy policies[5];
static struct resil_chain chain;

static inline void things_init(struct things *things)
{
    int rc = resil_bulkhead_init(&things->bulkhead, NULL);

    rc |= resil_breaker_init(&things->breaker,
                             &(struct resil_breaker_config){.consecutive = 1,
                                                            .open_ns = OPEN_NS,
                                                            .jitter_pct = RESIL_OFF,
                                                            .open_factor_pct = 100,
                                                            .probes = 1,
                                                            .probe_gap_ns = RESIL_OFF,
                                                            .probe_lease_ns = lease_ns});
    rc |= resil_limiter_init(&things->limiter, &(struct resil_limiter_config){.tokens = 1000000});
    rc |= resil_window_init(&things->window, &(struct resil_window_config){.limit = 1000000});
    rc |= resil_pacer_init(&things->pacer, &(struct resil_pacer_config){.tokens = 1000000000});
    rc |= resil_budget_init(&things->budget, NULL);
    assert_int_equal(rc, 0);
    policies[0] = resil_bulkhead_policy(&things->bulkhead);
    policies[1] = resil_breaker_policy(&things->breaker);
    policies[2] = resil_limiter_policy(&things->limiter);
    policies[3] = resil_window_policy(&things->window);
    policies[4] = resil_pacer_policy(&things->pacer);
    assert_int_equal(resil_chain_init(&chain, policies, 5, NULL, 0), 0);
}

static inline uint64_t in_flight(const struct things *things)
{
    struct resil_bulkhead_snapshot snapshot;

    assert_int_equal(resil_bulkhead_snapshot(&things->bulkhead, &snapshot), 0);
    return snapshot.in_flight;
}

static inline enum resil_outcome succeed(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_SUCCESS;
}

static inline enum resil_outcome be_down(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_FAILURE;
}

/* Within what the open time and the lease take, calls go through and the breaker is closed. */
static inline void expect_recovery(struct things *things, struct virtual_env *env)
{
    struct resil_breaker_snapshot snapshot;

    for (unsigned i = 0; i < 8; i++) {
        env->now_ns += LEASE_NS;
        (void)resil_chain_run(&chain, &env->env, NULL, succeed, NULL, NULL);
    }
    assert_int_equal(resil_chain_run(&chain, &env->env, NULL, succeed, NULL, NULL), RESIL_OK);
    assert_int_equal(resil_breaker_snapshot(&things->breaker, env->now_ns, &snapshot), 0);
    assert_int_equal(snapshot.state, RESIL_BREAKER_CLOSED);
}

static inline void open_the_breaker(struct virtual_env *env)
{
    assert_int_equal(resil_chain_run(&chain, &env->env, NULL, be_down, NULL, NULL), RESIL_EFAILED);
    assert_int_equal(resil_chain_run(&chain, &env->env, NULL, be_down, NULL, NULL), RESIL_EOPEN);
    env->now_ns += OPEN_NS * 2;
}

#endif
