/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RESIL_H
#define RESIL_RESIL_H

/* Everything. Each header can also be included alone. */

#include <resil/allocator.h>
#include <resil/attempt.h>
#include <resil/backoff.h>
#include <resil/balancer.h>
#include <resil/breaker.h>
#include <resil/budget.h>
#include <resil/bulkhead.h>
#include <resil/call.h>
#include <resil/canary.h>
#include <resil/chain.h>
#include <resil/common.h>
#include <resil/counters.h>
#include <resil/endpoint.h>
#include <resil/endpoints.h>
#include <resil/env.h>
#include <resil/fallback.h>
#include <resil/guard.h>
#include <resil/hash.h>
#include <resil/file_resolver.h>
#include <resil/health.h>
#include <resil/hedge.h>
#include <resil/keyed.h>
#include <resil/keyed_breaker.h>
#include <resil/keyed_limiter.h>
#include <resil/leased_bulkhead.h>
#include <resil/leased_limiter.h>
#include <resil/limiter.h>
#include <resil/log.h>
#include <resil/outcome.h>
#include <resil/outlier.h>
#include <resil/pacer.h>
#include <resil/permit.h>
#include <resil/picker.h>
#include <resil/policy.h>
#include <resil/priority.h>
#include <resil/prober.h>
#include <resil/queue.h>
#include <resil/reservation.h>
#include <resil/resolver.h>
#include <resil/resolver_driver.h>
#include <resil/retry.h>
#include <resil/slow_start.h>
#include <resil/status.h>
#include <resil/stripes.h>
#include <resil/timeout.h>
#include <resil/version.h>
#include <resil/window.h>

#endif
