/* SPDX-License-Identifier: BSD-2-Clause */

/* The config of the health checks, their beginning and their numbers. */
#include "balancer/health.h"

#include <string.h>

#include "base/atomic.h"
#include "base/check.h"

#define INTERVAL_DEFAULT RESIL_SEC(2)
#define TIMEOUT_DEFAULT  RESIL_SEC(1)
#define PACE_MIN         RESIL_MS(1)
#define PACE_MAX         RESIL_SEC(86400)
#define TIMEOUT_MAX      RESIL_SEC(3600)
#define STREAK_MAX       UINT64_C(1000)
#define PROBES_MAX       UINT64_C(1000000)

_Static_assert(PROBES_MAX < UINT64_C(1) << RESIL__HEALTH_SLOT_BITS, "a slot fits a ticket");
_Static_assert(STREAK_MAX < UINT16_MAX, "a streak fits a node");

int resil_health_config_check(const struct resil_health_config *config, char *why, size_t why_size)
{
    struct resil__why line = {why, why_size};

    if (config == NULL)
        return RESIL_OK;
    if (resil__check_range(line, "interval_ns", config->interval_ns, PACE_MIN, PACE_MAX) != 0 ||
        resil__check_optional(line, "jitter_pct", config->jitter_pct, 1, 100) != 0 ||
        resil__check_range(line, "timeout_ns", config->timeout_ns, RESIL_MS(1), TIMEOUT_MAX) != 0 ||
        resil__check_range(line, "rise", config->rise, 1, STREAK_MAX) != 0 ||
        resil__check_range(line, "fall", config->fall, 1, STREAK_MAX) != 0 ||
        resil__check_optional(line, "doubt_ns", config->doubt_ns, PACE_MIN, PACE_MAX) != 0 ||
        resil__check_optional(line, "down_ns", config->down_ns, PACE_MIN, PACE_MAX) != 0 ||
        resil__check_range(line, "probes_max", config->probes_max, 1, PROBES_MAX) != 0)
        return RESIL_EINVAL;
    return RESIL_OK;
}

/* The config as the checks go by it. */
static struct resil_health_config filled(const struct resil_health_config *config)
{
    static const struct resil_health_config defaults;
    struct resil_health_config is = config != NULL ? *config : defaults;

    is.interval_ns = resil__default(is.interval_ns, INTERVAL_DEFAULT);
    is.jitter_pct = resil__optional(is.jitter_pct, 10);
    is.timeout_ns = resil__default(is.timeout_ns, TIMEOUT_DEFAULT);
    is.rise = resil__default(is.rise, 2);
    is.fall = resil__default(is.fall, 3);
    is.doubt_ns =
        is.doubt_ns == RESIL_OFF ? is.interval_ns : resil__default(is.doubt_ns, is.interval_ns / 4);
    is.down_ns = is.down_ns == RESIL_OFF ? is.interval_ns
                                         : resil__default(is.down_ns, is.interval_ns / 2 * 5);
    is.probes_max = resil__default(is.probes_max, 256);
    return is;
}

int resil_health_init_sized(struct resil_health *health, size_t health_size,
                            const struct resil_health_config *config, size_t config_size,
                            const struct resil_allocator *allocator, uint64_t random)
{
    if (health_size != sizeof *health || config_size != sizeof *config)
        return RESIL_EABI;
    if (allocator == NULL)
        allocator = resil_allocator_default();
    if (health == NULL || allocator->size != sizeof *allocator ||
        resil_health_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    memset(health, 0, sizeof *health);
    health->allocator_ = allocator;
    health->config_ = filled(config);
    health->random_ = random;
    health->free_ = health->first_ = health->last_ = RESIL__HEALTH_NONE;
    health->ready_ = RESIL__HEALTH_READY;
    return RESIL_OK;
}

int resil_health_fini(struct resil_health *health)
{
    if (health == NULL || health->ready_ != RESIL__HEALTH_READY)
        return RESIL_EINVAL;
    resil__health_discard(health->allocator_, health->table_);
    if (health->slots_ != NULL)
        health->allocator_->release(health->allocator_->arg, health->slots_,
                                    health->config_.probes_max * sizeof *health->slots_);
    memset(health, 0, sizeof *health);
    return RESIL_OK;
}

int resil_health_snapshot(const struct resil_health *health, struct resil_health_snapshot *snapshot)
{
    const struct resil_health_snapshot *from;

    if (health == NULL || snapshot == NULL)
        return RESIL_EINVAL;
    from = &health->counts_;
    *snapshot = (struct resil_health_snapshot){
        .endpoints = resil__load_relaxed(&from->endpoints),
        .unknown = resil__load_relaxed(&from->unknown),
        .up = resil__load_relaxed(&from->up),
        .down = resil__load_relaxed(&from->down),
        .in_flight = resil__load_relaxed(&from->in_flight),
        .started = resil__load_relaxed(&from->started),
        .passed = resil__load_relaxed(&from->passed),
        .failed = resil__load_relaxed(&from->failed),
        .expired = resil__load_relaxed(&from->expired),
        .cancelled = resil__load_relaxed(&from->cancelled),
        .forgotten = resil__load_relaxed(&from->forgotten),
        .late = resil__load_relaxed(&from->late),
        .changes = resil__load_relaxed(&from->changes),
    };
    return RESIL_OK;
}
