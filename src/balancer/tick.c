/* SPDX-License-Identifier: BSD-2-Clause */

/* What happens by time. */
#include "balancer/pick.h"

/* How often slow start is looked at: so many steps in its window, but not more often than this. */
#define SLOW_START_STEPS    20
#define SLOW_START_LEAST_NS RESIL_MS(10)

/* Two ticks that no report asks for are at least so far apart; and when to look again for memory to
   free. */
#define LEAST_NS RESIL_MS(1)
#define REAP_NS  RESIL_SEC(1)

/* A span that began in the future did so by a clock that was set back since: it begins now. */
static void not_ahead(uint64_t *since_ns, uint64_t now_ns)
{
    *since_ns = resil__min(*since_ns, now_ns);
}

/* The first time after now at which a host is something else without a report. */
static uint64_t next_of_host(const struct resil__balancer *lb, struct resil__host *host,
                             uint64_t now_ns)
{
    uint64_t window_ns = lb->slow_start.window_ns;
    uint64_t step_ns = resil__max(window_ns / SLOW_START_STEPS, SLOW_START_LEAST_NS);
    uint64_t next_ns = host->ejected ? host->back_ns : RESIL_NEVER;

    if (host->fresh_ns == RESIL_NEVER)
        return next_ns;
    not_ahead(&host->fresh_ns, now_ns);
    if (resil__sub_sat(now_ns, host->fresh_ns) >= window_ns) {
        host->fresh_ns = RESIL_NEVER;
        return next_ns;
    }
    return resil__min(next_ns, resil__add_sat(now_ns, step_ns));
}

/* When the view changes without a report. */
static uint64_t next_change(struct resil__balancer *lb, uint64_t now_ns)
{
    uint64_t next_ns = RESIL_NEVER;

    for (uint32_t i = 0; lb->list != NULL && i < lb->list->count; i++)
        next_ns = resil__min(next_ns, next_of_host(lb, lb->list->entries[i].host, now_ns));
    for (size_t p = 0; p < RESIL_PRIORITIES; p++)
        if (lb->failback[p].waits) {
            not_ahead(&lb->failback[p].since_ns, now_ns);
            next_ns = resil__min(
                next_ns, resil__add_sat(lb->failback[p].since_ns, lb->priority.failback_ns));
        }
    if (lb->recovery.on) {
        not_ahead(&lb->recovery.since_ns, now_ns);
        next_ns =
            resil__min(next_ns, resil__add_sat(lb->recovery.since_ns, lb->priority.recovery_ns));
    }
    return next_ns;
}

/* Unless a report has made the next tick due meanwhile. */
static void schedule(struct resil__balancer *lb, uint64_t told_ns, uint64_t now_ns)
{
    uint64_t next_ns = lb->list != NULL ? resil__min(told_ns, lb->sweep_ns) : told_ns;

    lb->change_ns = next_change(lb, now_ns);
    next_ns = resil__min(next_ns, lb->change_ns);
    if (lb->empty_ns != RESIL_NEVER && lb->list != NULL && lb->config.stale_keep_ns != 0)
        next_ns = resil__min(next_ns, resil__add_sat(lb->empty_ns, lb->config.stale_keep_ns));
    if (lb->dirty)
        next_ns = now_ns;
    if (lb->retired != NULL || lb->dropped != NULL)
        next_ns = resil__min(next_ns, resil__add_sat(now_ns, REAP_NS));
    next_ns = resil__max(next_ns, resil__add_sat(now_ns, LEAST_NS));
    (void)resil__cas(&lb->next_ns, &told_ns, next_ns);
}

/* An empty list that was told of for long enough is believed. */
static bool believe_empty(struct resil__balancer *lb, uint64_t now_ns)
{
    uint64_t keep_ns = lb->config.stale_keep_ns;

    if (lb->empty_ns == RESIL_NEVER || keep_ns == 0)
        return false;
    not_ahead(&lb->empty_ns, now_ns);
    if (keep_ns != RESIL_OFF && now_ns - lb->empty_ns < keep_ns)
        return false;
    if (lb->retired_count >= RESIL__RETIRED) {
        lb->stalls++;
        return false;
    }
    resil__lb_empty(lb);
    resil__lb_event(lb, RESIL_BALANCER_EMPTIED, NULL, 0, 0, now_ns);
    return true;
}

/* Whether a point in time has come; one that is further ahead than it can have been set is of a clock
   that was set back. */
static bool has_come(uint64_t at_ns, uint64_t longest_ns, uint64_t now_ns)
{
    return now_ns >= at_ns || at_ns - now_ns > longest_ns;
}

static void judge_canary(struct resil__balancer *lb, uint64_t now_ns)
{
    enum resil_canary_event event;
    uint64_t weight_bp;

    if (lb->canary_rules.steps == 0 || !lb->list->canary)
        return;
    event = resil__canary_judge(&lb->canary_rules, &lb->canary, &lb->arms[0], &lb->arms[1], now_ns);
    weight_bp = resil__canary_weight(&lb->canary_rules, &lb->canary);
    resil__store_relaxed32(&lb->canary_bp, (uint32_t)weight_bp);
    if (event != RESIL_CANARY_HOLD)
        resil__lb_event(lb, RESIL_BALANCER_CANARY, NULL, event, weight_bp, now_ns);
}

static void run(struct resil__balancer *lb, uint64_t now_ns)
{
    bool changed = lb->dirty;

    if (lb->list == NULL || believe_empty(lb, now_ns))
        return;
    changed = resil__sweep_streaks(lb, now_ns) || changed;
    if (has_come(lb->sweep_ns, lb->outlier.interval_ns, now_ns)) {
        changed = resil__sweep_interval(lb, now_ns) || changed;
        judge_canary(lb, now_ns);
        lb->sweep_ns = resil__add_sat(now_ns, lb->outlier.interval_ns);
    }
    changed = resil__sweep_returns(lb, now_ns) || changed;
    if (changed || now_ns >= lb->change_ns)
        resil__lb_refresh(lb, now_ns);
}

void resil__lb_tick(struct resil__balancer *lb, uint64_t now_ns)
{
    uint64_t told_ns = resil__add_sat(now_ns, lb->outlier.interval_ns);

    /* First, so that a report which asks for a tick from here on is heard. */
    (void)resil__xchg(&lb->next_ns, told_ns);
    resil__lb_reap(lb);
    run(lb, now_ns);
    schedule(lb, told_ns, now_ns);
}

int resil_balancer_tick(struct resil_balancer *balancer, uint64_t now_ns, uint64_t *next_ns)
{
    struct resil__balancer *lb = resil__balancer(balancer);

    if (balancer == NULL || !lb->ready)
        return RESIL_EINVAL;
    if (resil__lb_due(lb, now_ns) && resil__trylock(&lb->lock)) {
        resil__lb_tick(lb, now_ns);
        resil__unlock(&lb->lock);
    }
    if (next_ns != NULL)
        *next_ns = resil__load_relaxed(&lb->next_ns);
    return RESIL_OK;
}
