/* SPDX-License-Identifier: BSD-2-Clause */

/* Pacing: config, and the public face of gcra.c. */
#include <resil/pacer.h>

#include "base/check.h"
#include "limiter/gcra.h"

#define PERIOD_NS_MAX RESIL_SEC(366 * 86400)

static uint64_t period_of(const struct resil_pacer_config *config)
{
    return resil__default(config->period_ns, RESIL_SEC(1));
}

/* The dearest call is a minute's worth: fewer than 2^36 ns << 12, or one interval of 366 days << 1.
   */
static struct resil_gcra_slot_ make_slot(const struct resil_pacer_config *config)
{
    struct resil_gcra_slot_ slot = {.drain_ = config->drain_on_overload};
    uint64_t a_minute;

    resil__gcra_set_rate(&slot, config->tokens, period_of(config));
    a_minute = resil__mul_div(config->tokens, RESIL_SEC(60), slot.period_ns_);
    slot.cost_max_ = resil__max(a_minute, 1);
    slot.tau_ = slot.cost_max_ * slot.interval_;
    slot.wait_ns_ = resil__optional(config->wait_ns, RESIL_MS(500));
    return slot;
}

int resil_pacer_config_check(const struct resil_pacer_config *config, char *why, size_t why_size)
{
    struct resil__why to = {why, why_size};

    if (config == NULL)
        return resil__check_fail(to, "config", "is NULL, and tokens has no default");
    if (resil__check_range(to, "period_ns", config->period_ns, 1, PERIOD_NS_MAX) != RESIL_OK ||
        resil__check_required(to, "tokens", config->tokens, 1, period_of(config)) != RESIL_OK)
        return RESIL_EINVAL;
    return resil__check_optional(to, "wait_ns", config->wait_ns, 1, RESIL__REACH_NS_MAX);
}

int resil_pacer_init_sized(struct resil_pacer *pacer, size_t pacer_size,
                           const struct resil_pacer_config *config, size_t config_size)
{
    struct resil_gcra_slot_ slot;

    if (pacer_size != sizeof *pacer || config_size != sizeof *config)
        return RESIL_EABI;
    if (pacer == NULL || resil_pacer_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    slot = make_slot(config);
    resil__gcra_init(&pacer->gcra_, &slot);
    return RESIL_OK;
}

int resil_pacer_acquire(struct resil_pacer *pacer, uint64_t cost, uint64_t now_ns,
                        uint64_t *retry_at_ns)
{
    return resil__gcra_acquire(&pacer->gcra_, true, cost, now_ns, retry_at_ns);
}

int resil_pacer_reserve(struct resil_pacer *pacer, uint64_t cost, uint64_t now_ns,
                        struct resil_reservation *reservation)
{
    uint64_t word = resil__load_acquire(&pacer->gcra_.word_);

    return resil__gcra_take(
        &pacer->gcra_,
        &(struct resil__gcra_ask){
            .cost = cost,
            .now_ns = now_ns,
            .wait_ns_max = resil__load_acquire(&pacer->gcra_.slot_[word & 1].wait_ns_),
            .paced = true,
        },
        reservation);
}

int resil_pacer_cancel(struct resil_pacer *pacer, struct resil_reservation *reservation,
                       uint64_t now_ns)
{
    return resil__gcra_cancel(&pacer->gcra_, reservation, now_ns);
}

int resil_pacer_peek(const struct resil_pacer *pacer, uint64_t cost, uint64_t now_ns,
                     uint64_t *retry_at_ns)
{
    return resil__gcra_peek(
        &pacer->gcra_, &(struct resil__gcra_ask){.cost = cost, .now_ns = now_ns, .paced = true},
        retry_at_ns);
}

void resil_pacer_drain(struct resil_pacer *pacer, uint64_t for_ns, uint64_t now_ns)
{
    resil__gcra_drain(&pacer->gcra_, true, for_ns, now_ns);
}

void resil_pacer_snapshot(const struct resil_pacer *pacer, uint64_t now_ns,
                          struct resil_pacer_snapshot *snapshot)
{
    struct resil__gcra_view view = resil__gcra_look(&pacer->gcra_, now_ns);
    uint64_t interval = resil__max(view.slot.interval_, 1);

    *snapshot = (struct resil_pacer_snapshot){
        .next_at_ns = resil__add_sat(now_ns, resil__gcra_ns(view.ahead, view.slot.shift_)),
        .queued = view.ahead / interval + (view.ahead % interval != 0),
        .tokens = view.slot.tokens_,
        .period_ns = view.slot.period_ns_,
        .wait_ns = view.slot.wait_ns_,
        .reconfigured = view.slot.generation_,
    };
}

int resil_pacer_reconfigure(struct resil_pacer *pacer, const struct resil_pacer_config *config,
                            uint64_t now_ns)
{
    struct resil_gcra_slot_ slot;

    if (resil_pacer_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    slot = make_slot(config);
    return resil__gcra_reconfigure(&pacer->gcra_, true, &slot, now_ns);
}

void resil_pacer_rebase(struct resil_pacer *pacer, uint64_t now_ns)
{
    resil__gcra_rebase(&pacer->gcra_, true, now_ns);
}
