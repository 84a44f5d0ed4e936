/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_LIMITER_FIXTURE_H
#define RESIL_TEST_LIMITER_FIXTURE_H

/* What the two programs that test the limiter share. */

#include "test.h"

#include <resil/limiter.h>

#define T0 RESIL_SEC(1000)

static inline struct resil_limiter make(uint64_t tokens, uint64_t period_ns, uint64_t burst,
                                        uint64_t initial)
{
    struct resil_limiter limiter;

    assert_int_equal(
        resil_limiter_init(&limiter, &(struct resil_limiter_config){.tokens = tokens,
                                                                    .period_ns = period_ns,
                                                                    .burst = burst,
                                                                    .initial = initial}),
        RESIL_OK);
    return limiter;
}

static inline int take(struct resil_limiter *limiter, uint64_t cost, uint64_t now_ns)
{
    return resil_limiter_acquire(limiter, cost, now_ns, NULL);
}

static inline struct resil_limiter_snapshot look(const struct resil_limiter *limiter,
                                                 uint64_t now_ns)
{
    struct resil_limiter_snapshot snapshot;

    resil_limiter_snapshot(limiter, now_ns, &snapshot);
    return snapshot;
}

#endif
