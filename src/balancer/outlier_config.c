/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/outlier.h"

#include "base/check.h"
#include "base/math.h"

#define COUNT_MAX            UINT64_C(1000000)
#define STREAK_DEFAULT       UINT64_C(5)
#define FACTOR_DEFAULT_PCT   UINT64_C(190)
#define FACTOR_MAX_PCT       UINT64_C(1000)
#define MARGIN_DEFAULT_PCT   UINT64_C(5)
#define HOSTS_DEFAULT        UINT64_C(5)
#define RATE_VOLUME_DEFAULT  UINT64_C(100)
#define VOLUME_DEFAULT       UINT64_C(50)
#define FAILURE_DEFAULT_PCT  UINT64_C(85)
#define FLOOR_DEFAULT_NS     RESIL_MS(10)
#define HOUR_NS              RESIL_SEC(3600)
#define DAY_NS               RESIL_SEC(86400)
#define INTERVAL_MIN_NS      RESIL_MS(10)
#define INTERVAL_DEFAULT_NS  RESIL_SEC(10)
#define EJECT_MIN_NS         RESIL_MS(1)
#define EJECT_DEFAULT_NS     RESIL_SEC(30)
#define EJECT_MAX_DEFAULT_NS RESIL_SEC(300)
#define JITTER_DEFAULT_PCT   UINT64_C(10)
#define EJECTED_DEFAULT_PCT  UINT64_C(10)

static int check_rules(struct resil__why line, const struct resil_outlier_config *is)
{
    if (resil__check_optional(line, "consecutive", is->consecutive, 1, COUNT_MAX) != RESIL_OK ||
        resil__check_optional(line, "consecutive_local", is->consecutive_local, 1, COUNT_MAX) !=
            RESIL_OK ||
        resil__check_optional(line, "success_rate_factor_pct", is->success_rate_factor_pct, 1,
                              FACTOR_MAX_PCT) != RESIL_OK ||
        resil__check_optional(line, "success_rate_margin_pct", is->success_rate_margin_pct, 1,
                              100) != RESIL_OK ||
        resil__check_range(line, "success_rate_hosts", is->success_rate_hosts, 2, COUNT_MAX) !=
            RESIL_OK ||
        resil__check_range(line, "success_rate_volume", is->success_rate_volume, 1, COUNT_MAX) !=
            RESIL_OK ||
        resil__check_optional(line, "failure_pct", is->failure_pct, 1, 100) != RESIL_OK ||
        resil__check_range(line, "failure_hosts", is->failure_hosts, 1, COUNT_MAX) != RESIL_OK ||
        resil__check_range(line, "failure_volume", is->failure_volume, 1, COUNT_MAX) != RESIL_OK ||
        resil__check_optional(line, "latency_pct", is->latency_pct, 101, 10000) != RESIL_OK ||
        resil__check_optional(line, "latency_floor_ns", is->latency_floor_ns, 1, HOUR_NS) !=
            RESIL_OK ||
        resil__check_range(line, "latency_hosts", is->latency_hosts, 2, COUNT_MAX) != RESIL_OK ||
        resil__check_range(line, "latency_volume", is->latency_volume, 1, COUNT_MAX) != RESIL_OK)
        return RESIL_EINVAL;
    return RESIL_OK;
}

int resil_outlier_config_check(const struct resil_outlier_config *config, char *why,
                               size_t why_size)
{
    struct resil__why line = {why, why_size};

    if (config == NULL)
        return RESIL_OK;
    if (check_rules(line, config) != RESIL_OK ||
        resil__check_range(line, "interval_ns", config->interval_ns, INTERVAL_MIN_NS, HOUR_NS) !=
            RESIL_OK ||
        resil__check_range(line, "eject_ns", config->eject_ns, EJECT_MIN_NS, DAY_NS) != RESIL_OK ||
        resil__check_range(line, "eject_max_ns", config->eject_max_ns, EJECT_MIN_NS, DAY_NS) !=
            RESIL_OK ||
        resil__check_optional(line, "jitter_pct", config->jitter_pct, 1, 100) != RESIL_OK ||
        resil__check_range(line, "max_ejected_pct", config->max_ejected_pct, 1, 100) != RESIL_OK)
        return RESIL_EINVAL;
    /* A default gives way to what was asked for. */
    if (config->eject_max_ns != 0 && config->eject_ns > config->eject_max_ns)
        return resil__check_fail(line, "eject_ns", "must not exceed eject_max_ns");
    return RESIL_OK;
}

struct resil__outlier_rules resil__outlier_rules(const struct resil_outlier_config *config)
{
    static const struct resil_outlier_config defaults = {.consecutive = 0};
    const struct resil_outlier_config *is = config != NULL ? config : &defaults;
    uint64_t max_ns =
        resil__default(is->eject_max_ns, resil__max(EJECT_MAX_DEFAULT_NS, is->eject_ns));

    return (struct resil__outlier_rules){
        .consecutive = resil__optional(is->consecutive, STREAK_DEFAULT),
        .consecutive_local = resil__optional(is->consecutive_local, STREAK_DEFAULT),
        .success_rate_factor_pct = resil__optional(is->success_rate_factor_pct, FACTOR_DEFAULT_PCT),
        .success_rate_margin_pct = resil__optional(is->success_rate_margin_pct, MARGIN_DEFAULT_PCT),
        .success_rate_hosts = resil__default(is->success_rate_hosts, HOSTS_DEFAULT),
        .success_rate_volume = resil__default(is->success_rate_volume, RATE_VOLUME_DEFAULT),
        .failure_pct = resil__optional(is->failure_pct, FAILURE_DEFAULT_PCT),
        .failure_hosts = resil__default(is->failure_hosts, HOSTS_DEFAULT),
        .failure_volume = resil__default(is->failure_volume, VOLUME_DEFAULT),
        .latency_pct = resil__optional(is->latency_pct, 0),
        .latency_floor_ns = resil__optional(is->latency_floor_ns, FLOOR_DEFAULT_NS),
        .latency_hosts = resil__default(is->latency_hosts, HOSTS_DEFAULT),
        .latency_volume = resil__default(is->latency_volume, VOLUME_DEFAULT),
        .interval_ns = resil__default(is->interval_ns, INTERVAL_DEFAULT_NS),
        .eject_ns = resil__default(is->eject_ns, resil__min(EJECT_DEFAULT_NS, max_ns)),
        .eject_max_ns = max_ns,
        .jitter_pct = resil__optional(is->jitter_pct, JITTER_DEFAULT_PCT),
        .max_ejected_pct = resil__default(is->max_ejected_pct, EJECTED_DEFAULT_PCT),
    };
}

const char *resil_ejection_str(enum resil_ejection ejection)
{
    switch (ejection) {
    case RESIL_EJECTION_NONE:
        return "none";
    case RESIL_EJECTION_CONSECUTIVE:
        return "consecutive";
    case RESIL_EJECTION_LOCAL:
        return "local";
    case RESIL_EJECTION_FAILURE_PCT:
        return "failure_pct";
    case RESIL_EJECTION_SUCCESS_RATE:
        return "success_rate";
    case RESIL_EJECTION_LATENCY:
        return "latency";
    default:
        return "unknown";
    }
}
