/* SPDX-License-Identifier: BSD-2-Clause */
#include <resil/hedge.h>

#include "base/check.h"
#include "base/math.h"

#define HEDGES_DEFAULT 1
#define DELAY_MAX_NS   RESIL_SEC(60 * 60)

static int check(const struct resil_hedge_config *config, struct resil__why why)
{
    int rc;

    if (config == NULL)
        return resil__check_fail(why, "config", "is NULL, and delay_ns has no default");
    rc = resil__check_required(why, "delay_ns", config->delay_ns, 1, DELAY_MAX_NS);
    if (rc == RESIL_OK)
        rc = resil__check_range(why, "hedges", config->hedges, 1, 2);
    if (rc == RESIL_OK && config->budget == NULL)
        rc = resil__check_fail(why, "budget", "is NULL: a hedge takes from a budget");
    return rc;
}

int resil_hedge_config_check(const struct resil_hedge_config *config, char *why, size_t why_size)
{
    return check(config, (struct resil__why){why, why_size});
}

int resil_hedge_init_sized(struct resil_hedge *hedge, size_t hedge_size,
                           const struct resil_hedge_config *config, size_t config_size)
{
    if (hedge_size != sizeof *hedge || config_size != sizeof *config)
        return RESIL_EABI;
    if (hedge == NULL || check(config, (struct resil__why){0}) != RESIL_OK)
        return RESIL_EINVAL;
    hedge->delay_ns_ = config->delay_ns;
    hedge->hedges_ = resil__default(config->hedges, HEDGES_DEFAULT);
    hedge->budget_ = config->budget;
    return RESIL_OK;
}

/*
 * Frame word 0: when the next hedge starts; word 1: how many have started. Only the first lane's
 * frame is used. In blocking code, and for a request that must not run twice, the hedge doesn't
 * fork: it passes.
 */
static int admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_hedge *hedge = self;

    if (walk->env_ != NULL || !walk->request->idempotent)
        return RESIL_PASS;
    frame[0] = resil__add_sat(walk->now_ns, hedge->delay_ns_);
    frame[1] = 0;
    return RESIL_ARMED;
}

static int timer(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_hedge *hedge = self;

    frame[0] = RESIL_NEVER;
    if (resil_budget_withdraw(hedge->budget_, 1, walk->now_ns) != RESIL_OK)
        return RESIL_PASS;
    if (++frame[1] < hedge->hedges_)
        frame[0] = resil__add_sat(walk->now_ns, hedge->delay_ns_);
    return RESIL_SPAWN;
}

static int settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_hedge *hedge = self;

    (void)frame;
    if (walk->result.outcome == RESIL_SUCCESS)
        resil_budget_deposit(hedge->budget_, walk->now_ns);
    return walk->env_ != NULL ? RESIL_PASS : RESIL_HOLD;
}

static int ready(const void *self)
{
    const struct resil_hedge *hedge = self;

    return hedge != NULL && hedge->budget_ != NULL ? RESIL_OK : RESIL_EINVAL;
}

struct resil_policy resil_hedge_policy(struct resil_hedge *hedge)
{
    static const struct resil_policy_ops ops = {
        .size = sizeof ops,
        .name = "hedge",
        .flags = RESIL_ON_ALL | RESIL_FORKS,
        .frame_words = 2,
        .admit = admit,
        .settle = settle,
        .timer = timer,
        .check = ready,
    };

    return (struct resil_policy){.ops = &ops, .self = hedge};
}
