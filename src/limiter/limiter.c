/* SPDX-License-Identifier: BSD-2-Clause */

/* The token bucket: config, and the public face of gcra.c. */
#include <resil/limiter.h>

#include "base/check.h"
#include "limiter/gcra.h"

#define PERIOD_NS_MAX RESIL_SEC(366 * 86400)

static uint64_t period_of(const struct resil_limiter_config *config)
{
    return resil__default(config->period_ns, RESIL_SEC(1));
}

/** The slot of a config whose tokens and period are legal; burst and initial may not be. */
static struct resil_gcra_slot_ make_slot(const struct resil_limiter_config *config,
                                         uint64_t *burst_max)
{
    struct resil_gcra_slot_ slot = {.drain_ = config->drain_on_overload};
    uint64_t a_second;
    uint64_t initial;

    resil__gcra_set_rate(&slot, config->tokens, period_of(config));
    *burst_max = RESIL__TAU_MAX / slot.interval_;
    a_second = resil__mul_div(config->tokens, RESIL_SEC(1), slot.period_ns_);
    slot.cost_max_ = resil__default(config->burst, resil__max(a_second, 1));
    slot.tau_ = slot.cost_max_ * slot.interval_;
    initial = resil__optional(config->initial, slot.cost_max_);
    slot.start_ = (slot.cost_max_ - initial) * slot.interval_;
    return slot;
}

int resil_limiter_config_check(const struct resil_limiter_config *config, char *why,
                               size_t why_size)
{
    struct resil__why to = {why, why_size};
    struct resil_gcra_slot_ slot;
    uint64_t burst_max;

    if (config == NULL)
        return resil__check_fail(to, "config", "is NULL, and tokens has no default");
    if (resil__check_range(to, "period_ns", config->period_ns, 1, PERIOD_NS_MAX) != RESIL_OK ||
        resil__check_required(to, "tokens", config->tokens, 1, period_of(config)) != RESIL_OK)
        return RESIL_EINVAL;
    slot = make_slot(config, &burst_max);
    if (resil__check_range(to, "burst", config->burst, 1, burst_max) != RESIL_OK)
        return RESIL_EINVAL;
    return resil__check_optional(to, "initial", config->initial, 1, slot.cost_max_);
}

int resil_limiter_init_sized(struct resil_limiter *limiter, size_t limiter_size,
                             const struct resil_limiter_config *config, size_t config_size)
{
    struct resil_gcra_slot_ slot;
    uint64_t burst_max;

    if (limiter_size != sizeof *limiter || config_size != sizeof *config)
        return RESIL_EABI;
    if (limiter == NULL || resil_limiter_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    slot = make_slot(config, &burst_max);
    resil__gcra_init(&limiter->gcra_, &slot);
    return RESIL_OK;
}

RESIL__HOT int resil_limiter_acquire(struct resil_limiter *limiter, uint64_t cost, uint64_t now_ns,
                                     uint64_t *retry_at_ns)
{
    return resil__gcra_acquire(&limiter->gcra_, false, cost, now_ns, retry_at_ns);
}

int resil_limiter_reserve(struct resil_limiter *limiter, uint64_t cost, uint64_t now_ns,
                          uint64_t wait_ns_max, struct resil_reservation *reservation)
{
    return resil__gcra_take(
        &limiter->gcra_,
        &(struct resil__gcra_ask){.cost = cost, .now_ns = now_ns, .wait_ns_max = wait_ns_max},
        reservation);
}

int resil_limiter_cancel(struct resil_limiter *limiter, struct resil_reservation *reservation,
                         uint64_t now_ns)
{
    return resil__gcra_cancel(&limiter->gcra_, reservation, now_ns);
}

int resil_limiter_peek(const struct resil_limiter *limiter, uint64_t cost, uint64_t now_ns,
                       uint64_t *retry_at_ns)
{
    return resil__gcra_peek(&limiter->gcra_,
                            &(struct resil__gcra_ask){.cost = cost, .now_ns = now_ns}, retry_at_ns);
}

void resil_limiter_drain(struct resil_limiter *limiter, uint64_t for_ns, uint64_t now_ns)
{
    resil__gcra_drain(&limiter->gcra_, false, for_ns, now_ns);
}

void resil_limiter_snapshot(const struct resil_limiter *limiter, uint64_t now_ns,
                            struct resil_limiter_snapshot *snapshot)
{
    struct resil__gcra_view view = resil__gcra_look(&limiter->gcra_, now_ns);
    uint64_t interval = resil__max(view.slot.interval_, 1);
    uint64_t owed = resil__sub_sat(view.ahead, view.slot.tau_);
    uint64_t wait = resil__sub_sat(view.ahead, resil__sub_sat(view.slot.tau_, interval));

    *snapshot = (struct resil_limiter_snapshot){
        .available = resil__sub_sat(view.slot.tau_, view.ahead) / interval,
        .owed = owed / interval + (owed % interval != 0),
        .next_at_ns = resil__add_sat(now_ns, resil__gcra_ns(wait, view.slot.shift_)),
        .full_at_ns = resil__add_sat(now_ns, resil__gcra_ns(view.ahead, view.slot.shift_)),
        .tokens = view.slot.tokens_,
        .period_ns = view.slot.period_ns_,
        .burst = view.slot.cost_max_,
        .reconfigured = view.slot.generation_,
    };
}

int resil_limiter_reconfigure(struct resil_limiter *limiter,
                              const struct resil_limiter_config *config, uint64_t now_ns)
{
    struct resil_gcra_slot_ slot;
    uint64_t burst_max;

    if (resil_limiter_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    slot = make_slot(config, &burst_max);
    return resil__gcra_reconfigure(&limiter->gcra_, false, &slot, now_ns);
}

void resil_limiter_rebase(struct resil_limiter *limiter, uint64_t now_ns)
{
    resil__gcra_rebase(&limiter->gcra_, false, now_ns);
}
