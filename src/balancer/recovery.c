/* SPDX-License-Identifier: BSD-2-Clause */

/* Coming back by degrees: a level that was bad, and a balancer of which everything was down. */
#include "balancer/priority.h"

#include "base/math.h"

#define ALL UINT64_C(10000)

/* How long it has been. A clock that was set back starts the wait anew. */
static uint64_t waited_ns(uint64_t *since_ns, uint64_t now_ns)
{
    if (now_ns < *since_ns)
        *since_ns = now_ns;
    return now_ns - *since_ns;
}

uint32_t resil__failback(const struct resil__priority_rules *rules, struct resil__failback *state,
                         uint32_t health_pct, uint64_t now_ns)
{
    if (!state->known || rules->failback_ns == 0 || health_pct <= state->used_pct) {
        *state = (struct resil__failback){.used_pct = health_pct, .known = true};
        return 0;
    }
    if (!state->waits) {
        state->waits = true;
        state->since_ns = now_ns;
        state->least_pct = health_pct;
    }
    if (health_pct < state->least_pct)
        state->least_pct = health_pct;
    if (waited_ns(&state->since_ns, now_ns) >= rules->failback_ns) {
        state->used_pct = state->least_pct;
        state->waits = health_pct > state->used_pct;
        state->since_ns = now_ns;
        state->least_pct = health_pct;
    }
    return health_pct - state->used_pct;
}

uint32_t resil__recovery_share(uint64_t usable, uint64_t total, uint64_t overprovision_pct)
{
    uint64_t share = resil__mul_div(usable, overprovision_pct * (ALL / 100), total);

    return (uint32_t)resil__min(share, ALL);
}

uint32_t resil__recovery(const struct resil__priority_rules *rules, struct resil__recovery *state,
                         uint64_t usable, uint64_t total, uint64_t now_ns)
{
    uint32_t share;

    if (rules->recovery_ns == 0 || total == 0) {
        state->on = false;
        return ALL;
    }
    if (usable == 0) {
        *state = (struct resil__recovery){.since_ns = now_ns, .on = true};
        return ALL;
    }
    if (!state->on)
        return ALL;
    if (usable != state->usable) {
        state->usable = usable;
        state->since_ns = now_ns;
    }
    share = resil__recovery_share(usable, total, rules->overprovision_pct);
    if (share == ALL || waited_ns(&state->since_ns, now_ns) >= rules->recovery_ns) {
        state->on = false;
        return ALL;
    }
    return share;
}
