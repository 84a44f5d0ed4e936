/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_WORDS_H
#define RESIL_TEST_WORDS_H

/* One or two of each primitive, with small numbers, so that everything trips, empties and fills within a
   few calls. Without pointers: they can be compared. */

#include <resil/resil.h>

struct words {
    struct resil_breaker breaker[2];
    struct resil_limiter limiter[2];
    struct resil_window window;
    struct resil_pacer pacer;
    struct resil_bulkhead bulkhead;
    struct resil_bulkhead queued;
    struct resil_budget budget;
};

/** What differs from chain to chain. */
struct words_choice {
    uint64_t consecutive; /* failures that trip the first breaker */
    uint64_t probes;      /* of it */
    uint64_t burst;       /* of the first limiter */
};

/** RESIL_OK, or not. */
static inline int words_init(struct words *words, const struct words_choice *choice)
{
    int rc = 0;

    rc |= resil_breaker_init(&words->breaker[0],
                             &(struct resil_breaker_config){.consecutive = choice->consecutive,
                                                            .open_ns = 200,
                                                            .probe_gap_ns = RESIL_OFF,
                                                            .probes = choice->probes});
    rc |= resil_breaker_init(&words->breaker[1], &(struct resil_breaker_config){.calls = 4,
                                                                                .calls_min = 2,
                                                                                .slow_ns = 100,
                                                                                .slow_pct = 50,
                                                                                .ramp_ns = 400,
                                                                                .open_ns = 150,
                                                                                .probes = 1});
    rc |= resil_limiter_init(&words->limiter[0], &(struct resil_limiter_config){
                                                     .tokens = 10000000, .burst = choice->burst});
    rc |= resil_limiter_init(&words->limiter[1],
                             &(struct resil_limiter_config){.tokens = 10000000, .burst = 1});
    rc |= resil_window_init(&words->window,
                            &(struct resil_window_config){.limit = 4, .period_ns = RESIL_MS(1)});
    rc |= resil_pacer_init(
        &words->pacer, &(struct resil_pacer_config){.tokens = 20000000, .wait_ns = RESIL_US(1)});
    rc |= resil_bulkhead_init(&words->bulkhead, &(struct resil_bulkhead_config){.limit = 2});
    rc |= resil_bulkhead_init(&words->queued, &(struct resil_bulkhead_config){.limit = 1});
    return rc | resil_budget_init(&words->budget, NULL);
}

#endif
