/* SPDX-License-Identifier: BSD-2-Clause */

/* Who is ejected and who comes back: the writers' half of health, under the lock. */
#include "balancer/balancer.h"

void resil__host_returns(struct resil__balancer *lb, struct resil__host *host, uint64_t now_ns)
{
    if (lb->slow_start.window_ns != 0)
        host->fresh_ns = now_ns;
    resil__store_relaxed(&host->load.streak_, 0);
}

static void eject(struct resil__balancer *lb, struct resil__host *host, uint8_t reason,
                  uint64_t now_ns)
{
    uint64_t length_ns;

    host->ejections = (uint32_t)resil__ejection_raise(&lb->outlier, host->ejections);
    length_ns =
        resil__ejection_ns(&lb->outlier, host->ejections, resil__random_next(&lb->last_random));
    host->ejected = true;
    host->reason = reason;
    host->back_ns = resil__add_sat(now_ns, length_ns);
    host->away_ns = length_ns;
    resil__store_relaxed(&host->load.streak_, 0);
    resil__lb_event(lb, RESIL_BALANCER_EJECTED, host, reason, length_ns, now_ns);
}

/* Ejects whom the verdicts name and the cap admits. */
static bool execute(struct resil__balancer *lb, uint64_t now_ns)
{
    struct resil__list *list = lb->list;

    if (resil__outlier_admit(&lb->outlier, list->stats, list->count, list->verdicts) == 0)
        return false;
    for (uint32_t i = 0; i < list->count; i++)
        if (list->verdicts[i] != 0)
            eject(lb, list->entries[i].host, list->verdicts[i], now_ns);
    return true;
}

static void read_streaks(struct resil__outlier_stat *stat, const struct resil__host *host)
{
    uint64_t streak = resil__load_relaxed(&host->load.streak_);

    *stat = (struct resil__outlier_stat){
        .streak = (uint32_t)(streak >> RESIL__STREAK_BAD & RESIL__STREAK_MAX),
        .local_streak = (uint32_t)(streak >> RESIL__STREAK_LOCAL & RESIL__STREAK_MAX),
        .ejected = host->ejected,
        .counts = host->admin == RESIL_ADMIN_SERVE,
    };
}

bool resil__sweep_streaks(struct resil__balancer *lb, uint64_t now_ns)
{
    struct resil__list *list = lb->list;
    bool found = false;

    for (uint32_t i = 0; i < list->count; i++) {
        struct resil__outlier_stat *stat = &list->stats[i];

        read_streaks(stat, list->entries[i].host);
        list->verdicts[i] = 0;
        if (!stat->ejected && stat->counts)
            list->verdicts[i] =
                (uint8_t)resil__outlier_streak(&lb->outlier, stat->streak, stat->local_streak);
        found = found || list->verdicts[i] != 0;
    }
    return found && list->count > 1 && execute(lb, now_ns);
}

/* Nobody has asked it, perhaps because of what it did before: it gets another chance. But a report
   that comes now, and may have asked for a tick, is not forgotten: reports count before they lengthen
   the streak, so that of one which isn't counted yet the streak is not what it was. */
static void forgive(struct resil__host *host, uint64_t streak)
{
    if (streak != 0)
        (void)resil__cas(&host->load.streak_, &streak, 0);
}

/* Takes a host's counts of the interval. */
static void collect(struct resil__balancer *lb, const struct resil__entry *entry,
                    struct resil__outlier_stat *stat)
{
    struct resil__host *host = entry->host;
    uint64_t streak =
        resil__load_acquire(&host->load.streak_); /* pairs with the swap in lengthen */
    uint64_t counts = resil__xchg(&host->load.counts_, 0);
    struct resil__arm_stat *arm = &lb->arms[entry->canary];

    if (counts >> 32 == 0)
        forgive(host, streak);
    read_streaks(stat, host);
    stat->latency_ns = resil__xchg(&host->load.latency_ns_, 0);
    stat->total = (uint32_t)(counts >> 32);
    stat->bad = (uint32_t)counts;
    host->reports += stat->total;
    host->failures += stat->bad;
    arm->total += stat->total;
    arm->bad += stat->bad;
    arm->latency_ns += stat->latency_ns;
    if (!host->ejected && host->ejections != 0)
        host->ejections =
            (uint32_t)resil__ejection_decay(&lb->outlier, host->ejections, lb->outlier.interval_ns);
}

bool resil__sweep_interval(struct resil__balancer *lb, uint64_t now_ns)
{
    struct resil__list *list = lb->list;

    for (uint32_t i = 0; i < list->count; i++)
        collect(lb, &list->entries[i], &list->stats[i]);
    resil__outlier_judge(&lb->outlier, list->stats, list->count, list->verdicts);
    return execute(lb, now_ns);
}

bool resil__sweep_returns(struct resil__balancer *lb, uint64_t now_ns)
{
    bool changed = false;

    for (uint32_t i = 0; i < lb->list->count; i++) {
        struct resil__host *host = lb->list->entries[i].host;

        if (!host->ejected)
            continue;
        /* After a clock was set back: never longer than an ejection from now. */
        host->back_ns = resil__min(host->back_ns, resil__add_sat(now_ns, host->away_ns));
        if (now_ns < host->back_ns)
            continue;
        host->ejected = false;
        resil__host_returns(lb, host, now_ns);
        resil__lb_event(lb, RESIL_BALANCER_RETURNED, host, host->reason, 0, now_ns);
        changed = true;
    }
    return changed;
}
