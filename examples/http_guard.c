/* SPDX-License-Identifier: BSD-2-Clause */
#include "http_guard.h"

#include <stdio.h>

/* The times are short, so that a demonstration of some seconds shows what takes minutes in
 * production: leave them out, and you have defaults that suit a service. */
static int init_policies(struct http_guard *guard, const struct http_guard_config *config)
{
    int rc = resil_timeout_init(&guard->call_timeout,
                                &(struct resil_timeout_config){.timeout_ns = RESIL_MS(500)});

    if (rc == RESIL_OK)
        rc = resil_timeout_init(&guard->attempt_timeout,
                                &(struct resil_timeout_config){.timeout_ns = HTTP_ATTEMPT_NS});
    if (rc == RESIL_OK)
        rc =
            resil_budget_init(&guard->budget, &(struct resil_budget_config){
                                                  .share_pct = 10, /* one retry for ten successes */
                                                  .cap = 10,
                                              });
    if (rc == RESIL_OK)
        rc = resil_retry_init(&guard->retry,
                              &(struct resil_retry_config){
                                  .attempts = 3,
                                  .backoff = {.base_ns = RESIL_MS(20), .cap_ns = RESIL_MS(100)},
                                  .budget = &guard->budget,
                              });
    if (rc == RESIL_OK)
        rc = resil_breaker_init(&guard->breaker, &(struct resil_breaker_config){
                                                     .window_ns = RESIL_SEC(1),
                                                     .failure_pct = 50,
                                                     .calls_min = 10,
                                                     .open_ns = RESIL_MS(200),
                                                     .open_ns_max = RESIL_MS(250),
                                                     .jitter_pct = 20,
                                                     .probes = 3,
                                                     .probe_gap_ns = RESIL_MS(20),
                                                     .ramp_ns = RESIL_MS(400),
                                                     .ramp_start_pct = 20,
                                                 });
    if (rc == RESIL_OK)
        rc = resil_limiter_init(&guard->limiter, &(struct resil_limiter_config){
                                                     .tokens = config->rate_max,
                                                     .period_ns = RESIL_SEC(1),
                                                     .burst = config->rate_max / 10,
                                                 });
    if (rc == RESIL_OK)
        rc = resil_bulkhead_init(&guard->bulkhead,
                                 &(struct resil_bulkhead_config){.limit = config->in_flight_max});
    return rc;
}

int http_guard_init(struct http_guard *guard, const struct http_guard_config *config, char *why,
                    size_t why_size)
{
    int rc = init_policies(guard, config);

    if (rc != RESIL_OK) {
        (void)snprintf(why, why_size, "a policy: %s", resil_status_str(rc));
        return rc;
    }
    guard->policies[0] = resil_timeout_policy(&guard->call_timeout);
    guard->policies[1] = resil_retry_policy(&guard->retry);
    guard->policies[2] = resil_breaker_policy(&guard->breaker);
    guard->policies[3] = resil_limiter_policy(&guard->limiter);
    guard->policies[4] = resil_bulkhead_policy(&guard->bulkhead);
    guard->policies[5] = resil_timeout_policy(&guard->attempt_timeout);
    return resil_chain_init(&guard->chain, guard->policies, 6, why, why_size);
}

const char *http_guard_state(const struct http_guard *guard)
{
    struct resil_breaker_snapshot snapshot;

    if (resil_breaker_snapshot(&guard->breaker, resil_now_ns(), &snapshot) != RESIL_OK)
        return "-";
    if (snapshot.state == RESIL_BREAKER_CLOSED && snapshot.admit_pct < 100)
        return "ramp";
    return resil_breaker_state_str(snapshot.state);
}
