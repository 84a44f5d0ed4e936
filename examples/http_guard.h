/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HTTP_GUARD_H
#define HTTP_GUARD_H

/*
 * The policies around requests to one server, built once at start-up. Copy it and put your own
 * numbers in.
 *
 *     call timeout > retry (budget) > breaker > limiter > bulkhead > attempt timeout > the request
 *
 * Outermost first. The breaker is inside of the retry, so that it sees every attempt, and an open
 * breaker ends the call at once. The limiter and the bulkhead come after it: what the breaker
 * refuses uses none of their room.
 */

#include <resil/breaker.h>
#include <resil/budget.h>
#include <resil/bulkhead.h>
#include <resil/chain.h>
#include <resil/limiter.h>
#include <resil/retry.h>
#include <resil/timeout.h>

/** What differs from service to service. */
struct http_guard_config {
    uint64_t rate_max;      /* attempts per second */
    uint64_t in_flight_max; /* attempts at the same time */
};

/** Everything that calls to the server share. Must not move: the chain points into it. */
struct http_guard {
    struct resil_timeout call_timeout;
    struct resil_budget budget;
    struct resil_retry retry;
    struct resil_breaker breaker;
    struct resil_limiter limiter;
    struct resil_bulkhead bulkhead;
    struct resil_timeout attempt_timeout;
    struct resil_policy policies[6];
    struct resil_chain chain;
};

/** How long an attempt may take. */
#define HTTP_ATTEMPT_NS RESIL_MS(150)

/**
 * @return RESIL_OK, or what the first init that failed returned; then why holds one line.
 */
int http_guard_init(struct http_guard *guard, const struct http_guard_config *config, char *why,
                    size_t why_size);

/** The breaker's state in a word, for people; "ramp" while it lets in a part of the calls after
    closing. */
const char *http_guard_state(const struct http_guard *guard);

#endif
