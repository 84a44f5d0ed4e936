/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/priority.h"

#include "base/check.h"

#define OVERPROVISION_DEFAULT_PCT UINT64_C(140)
#define PANIC_DEFAULT_PCT         UINT64_C(50)
#define RECOVERY_DEFAULT_NS       RESIL_SEC(10)
#define ZONE_HOSTS_DEFAULT        UINT64_C(6)
#define ZONE_HOSTS_MAX            UINT64_C(1000000)
#define SPAN_MIN_NS               RESIL_MS(1)
#define SPAN_MAX_NS               RESIL_SEC(86400)

int resil_priority_config_check(const struct resil_priority_config *config, char *why,
                                size_t why_size)
{
    struct resil__why line = {why, why_size};

    if (config == NULL)
        return RESIL_OK;
    if (resil__check_range(line, "overprovision_pct", config->overprovision_pct, 100, 1000) !=
            RESIL_OK ||
        resil__check_optional(line, "panic_pct", config->panic_pct, 1, 100) != RESIL_OK ||
        resil__check_optional(line, "failback_ns", config->failback_ns, SPAN_MIN_NS, SPAN_MAX_NS) !=
            RESIL_OK ||
        resil__check_optional(line, "recovery_ns", config->recovery_ns, SPAN_MIN_NS, SPAN_MAX_NS) !=
            RESIL_OK ||
        resil__check_range(line, "zone_callers_pct", config->zone_callers_pct, 1, 100) !=
            RESIL_OK ||
        resil__check_optional(line, "zone_hosts_min", config->zone_hosts_min, 1, ZONE_HOSTS_MAX) !=
            RESIL_OK)
        return RESIL_EINVAL;
    if (config->fail_on_panic && config->panic_pct == RESIL_OFF)
        return resil__check_fail(line, "fail_on_panic", "needs a panic_pct that is not off");
    return RESIL_OK;
}

struct resil__priority_rules resil__priority_rules(const struct resil_priority_config *config)
{
    static const struct resil_priority_config defaults = {.panic_pct = 0};
    const struct resil_priority_config *is = config != NULL ? config : &defaults;

    return (struct resil__priority_rules){
        .overprovision_pct = resil__default(is->overprovision_pct, OVERPROVISION_DEFAULT_PCT),
        .panic_pct = resil__optional(is->panic_pct, PANIC_DEFAULT_PCT),
        .failback_ns = resil__optional(is->failback_ns, 0),
        .recovery_ns = resil__optional(is->recovery_ns, RECOVERY_DEFAULT_NS),
        .callers_bp = is->zone_callers_pct * 100,
        .zone_hosts_min = resil__optional(is->zone_hosts_min, ZONE_HOSTS_DEFAULT),
        .fail_on_panic = is->fail_on_panic,
    };
}
