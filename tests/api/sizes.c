/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The sizes that a caller's program is compiled with. A change of one of these numbers is a change
 * of the ABI: it needs a new soname, or the reserve of the struct. Pinned for x86-64; the layouts
 * hold nothing but words, pointers and arrays of them, so another 64-bit machine comes to the same.
 */
#include <resil/resil.h>

#if defined(__x86_64__) && defined(__LP64__)

#define PIN(type, size)                                                                            \
    _Static_assert(sizeof(struct type) == (size), "the size of struct " #type " is ABI")

PIN(resil_allocator, 32);
PIN(resil_env, 56);
PIN(resil_request, 56);
PIN(resil_attempt, 64);
PIN(resil_result, 16);
PIN(resil_walk, 144);
PIN(resil_policy_ops, 80);
PIN(resil_policy, 16);
PIN(resil_chain, 1720);
PIN(resil_report, 64);
PIN(resil_step, 16);
PIN(resil_call, 1024);

PIN(resil_endpoint_list, 40);
PIN(resil_file_resolver, 464);
PIN(resil_file_resolver_config, 48);
PIN(resil_file_resolver_snapshot, 224);
PIN(resil_resolver, 32);
PIN(resil_resolver_driver, 32);
PIN(resil_resolver_ops, 40);
PIN(resil_static_resolver, 56);

/* The primitives in alphabetic order of the nouns: object, config, and what else a caller holds. */
PIN(resil_backoff_config, 32);
PIN(resil_balancer, 2048);
PIN(resil_balancer_config, 536);
PIN(resil_balancer_event, 184);
PIN(resil_balancer_snapshot, 256);
PIN(resil_breaker, 1280);
PIN(resil_breaker_config, 176);
PIN(resil_breaker_event, 24);
PIN(resil_breaker_snapshot, 112);
PIN(resil_breaker_watch, 24);
PIN(resil_budget, 256);
PIN(resil_budget_config, 40);
PIN(resil_budget_snapshot, 24);
PIN(resil_bulkhead, 64);
PIN(resil_bulkhead_config, 8);
PIN(resil_bulkhead_snapshot, 16);
PIN(resil_canary_config, 120);
PIN(resil_canary_numbers, 56);
PIN(resil_candidate, 16);
PIN(resil_endpoint, 64);
PIN(resil_endpoint_snapshot, 184);
PIN(resil_counters, 64);
PIN(resil_counters_sum, 680);
PIN(resil_fallback, 16);
PIN(resil_fallback_config, 16);
PIN(resil_guard, 200);
PIN(resil_guard_config, 16);
PIN(resil_guard_state, 1344);
PIN(resil_health, 248);
PIN(resil_health_config, 80);
PIN(resil_health_endpoint, 24);
PIN(resil_health_probe, 48);
PIN(resil_health_snapshot, 104);
PIN(resil_health_view, 24);
PIN(resil_hedge, 24);
PIN(resil_hedge_config, 24);
PIN(resil_keyed_breaker, 256);
PIN(resil_keyed_breaker_config, 112);
PIN(resil_keyed_breaker_entry, 40);
PIN(resil_keyed_breaker_snapshot, 64);
PIN(resil_keyed_limiter, 512);
PIN(resil_keyed_limiter_config, 64);
PIN(resil_keyed_limiter_entry, 32);
PIN(resil_keyed_limiter_snapshot, 48);
PIN(resil_keyed_permit, 32);
PIN(resil_leased_bulkhead, 1088);
PIN(resil_leased_bulkhead_config, 24);
PIN(resil_leased_bulkhead_snapshot, 32);
PIN(resil_leased_limiter, 1088);
PIN(resil_leased_limiter_config, 24);
PIN(resil_leased_limiter_snapshot, 32);
PIN(resil_limiter, 240);
PIN(resil_limiter_config, 40);
PIN(resil_limiter_snapshot, 64);
PIN(resil_limiter_wait, 16);
PIN(resil_load, 64);
PIN(resil_log, 128);
PIN(resil_log_config, 24);
PIN(resil_log_snapshot, 48);
PIN(resil_member, 48);
PIN(resil_outlier_config, 144);
PIN(resil_pacer, 240);
PIN(resil_pacer_config, 32);
PIN(resil_pacer_snapshot, 48);
PIN(resil_permit, 24);
PIN(resil_pick, 56);
PIN(resil_pick_context, 48);
PIN(resil_pick_request, 56);
PIN(resil_picker, 48);
PIN(resil_picker_options, 80);
PIN(resil_pool, 144);
PIN(resil_priority_config, 56);
PIN(resil_probe, 48);
PIN(resil_prober_config, 144);
PIN(resil_queue, 160);
PIN(resil_queue_config, 32);
PIN(resil_queue_snapshot, 40);
PIN(resil_reservation, 32);
PIN(resil_retry, 64);
PIN(resil_retry_config, 64);
PIN(resil_retry_progress, 16);
PIN(resil_retry_question, 40);
PIN(resil_slow_start_config, 24);
PIN(resil_subset, 24);
PIN(resil_ticket, 56);
PIN(resil_timeout, 8);
PIN(resil_timeout_config, 8);
PIN(resil_window, 176);
PIN(resil_window_config, 24);
PIN(resil_window_snapshot, 48);

#ifdef WRONG_SIZE /* the negative control: see meson.build */
PIN(resil_result, 17);
#endif

#endif

/* A caller keeps one on the stack, or one per connection. */
_Static_assert(sizeof(struct resil_call) <= 1024, "a call is at most 1 KiB");

/* Values that end up in logs and in users' switches. */
_Static_assert(RESIL_NONE == 0 && RESIL_REFUSED == 10 && RESIL_OUTCOMES == 11, "outcomes");
_Static_assert(RESIL_EOPEN == -100 && RESIL_ECANCELLED == -106, "statuses");
_Static_assert(RESIL_PASS == 0 && RESIL_EXPIRE == 9 && RESIL_SPAWN == 10, "verdicts");
_Static_assert(RESIL_STEP_DONE == 0 && RESIL_STEP_WAIT == 3, "steps");

int main(void)
{
    return 0;
}
