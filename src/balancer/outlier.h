/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_OUTLIER_H
#define RESIL_BALANCER_OUTLIER_H

/* Who of a list of endpoints is ejected, and for how long: pure functions. What they mean stands in
   resil/outlier.h. */

#include <resil/outlier.h>

/** More endpoints than this are not judged by their success rate: its squares would not fit. */
#define RESIL__OUTLIER_HOSTS_MAX (UINT64_C(1) << 20)

/** A config with its defaults filled in. 0 = the rule is off. */
struct resil__outlier_rules {
    uint64_t consecutive;
    uint64_t consecutive_local;
    uint64_t success_rate_factor_pct;
    uint64_t success_rate_margin_pct;
    uint64_t success_rate_hosts;
    uint64_t success_rate_volume;
    uint64_t failure_pct;
    uint64_t failure_hosts;
    uint64_t failure_volume;
    uint64_t latency_pct;
    uint64_t latency_floor_ns;
    uint64_t latency_hosts;
    uint64_t latency_volume;
    uint64_t interval_ns;
    uint64_t eject_ns;
    uint64_t eject_max_ns;
    uint64_t jitter_pct;
    uint64_t max_ejected_pct;
};

/** What one interval saw of an endpoint. */
struct resil__outlier_stat {
    uint64_t latency_ns; /* sum over total */
    uint32_t total;
    uint32_t bad; /* at most total; what exceeds it is ignored */
    uint32_t streak;
    uint32_t local_streak;
    bool ejected; /* already: is not judged, is nobody's peer, and counts against the cap */
    bool counts;  /* false: as if it weren't in the list (draining, weight 0, an empty place) */
};

/** config NULL = all defaults. It has passed the check. */
struct resil__outlier_rules resil__outlier_rules(const struct resil_outlier_config *config);

/** The two rules that need no interval: for use at a report. */
static inline enum resil_ejection resil__outlier_streak(const struct resil__outlier_rules *rules,
                                                        uint32_t streak, uint32_t local_streak)
{
    if (rules->consecutive != 0 && streak >= rules->consecutive)
        return RESIL_EJECTION_CONSECUTIVE;
    if (rules->consecutive_local != 0 && local_streak >= rules->consecutive_local)
        return RESIL_EJECTION_LOCAL;
    return RESIL_EJECTION_NONE;
}

/** Writes for each of n endpoints the enum resil_ejection for which it should go, or 0. Knows no
    cap: that is resil__outlier_admit. O(n), with the latency rule O(64 n). */
void resil__outlier_judge(const struct resil__outlier_rules *rules,
                          const struct resil__outlier_stat *stats, size_t n, uint8_t *verdict);

/** Takes back the verdicts that exceed the cap, so that the worst remain. Returns how many remain.
    verdict may come from anywhere: an operator, a check. O(n * remaining). */
size_t resil__outlier_admit(const struct resil__outlier_rules *rules,
                            const struct resil__outlier_stat *stats, size_t n, uint8_t *verdict);

/** The number of an endpoint's ejections after one more; before was 0 at first. */
uint64_t resil__ejection_raise(const struct resil__outlier_rules *rules, uint64_t before);

/** The number of an endpoint's ejections after it was healthy for so long since it was let back. A
    caller that asks each interval passes interval_ns. */
uint64_t resil__ejection_decay(const struct resil__outlier_rules *rules, uint64_t count,
                               uint64_t healthy_ns);

/** How long the count-th ejection lasts; 0 is read as 1. random: 64 bits. */
uint64_t resil__ejection_ns(const struct resil__outlier_rules *rules, uint64_t count,
                            uint64_t random);

#endif
