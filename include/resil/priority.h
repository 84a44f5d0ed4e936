/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PRIORITY_H
#define RESIL_PRIORITY_H

/*
 * Where the calls of a balancer go: which level of priority, and within it which zone.
 *
 * A level is overprovisioned: it keeps all of the load until less than 100 / 140 of its endpoints
 * are healthy. What it can't carry spills over to the next, in whole percent:
 *
 *     health(i) = min(100, overprovision_pct * healthy / total)       rounded down, as all below
 *     sum       = min(100, health(0) + health(1) + ...)
 *     load(i)   = min(what is left of 100, health(i) * 100 / sum)
 *                 what rounding leaves goes to the first level with health
 *
 *     panic(i)  : sum < 100 and 100 * healthy / total < panic_pct
 *                 then the calls of the level go to everybody in it, healthy or not
 *     all panic : load(i) = 100 * total(i) / total of all; the rest to the first with endpoints
 *
 * Panic is the admission that health checks may be what is broken: it spreads the calls instead of
 * burying the last healthy endpoint. With it off, or with fail_on_panic, calls go to levels that
 * don't panic, and fail where there is none.
 *
 * Failback. A level that gets better takes its load back once it has been better for failback_ns,
 * with the least health that it had meanwhile; getting worse counts at once. It never waits while
 * the other levels can't carry everything.
 *
 * Recovery. When every endpoint was down and the first are back, the load of all would bury them.
 * Until their number has been steady for recovery_ns only this share of the calls is admitted:
 *
 *     min(1, overprovision_pct / 100 * usable / total)
 *
 * Zones. Calls stay in the caller's zone as long as its share of the endpoints is no smaller than
 * its share of the callers; else only the part stays that it can carry, and the rest is spread over
 * the endpoints of all other zones by weight. So local traffic never overloads a small zone.
 *
 *     share(own) = min(1, (weight(own) / weight of all) / share of the callers)     of the healthy
 *
 * Sources: Envoy's priority levels, panic threshold and zone aware routing, whose arithmetic this
 * is, without degraded hosts; brpc's cluster recovery policy, which needs the number of endpoints
 * configured. Ours differs in this: with panic off and no health above 0 % the load goes to the
 * first level with a healthy endpoint, else to the first with any, where Envoy names level 0 even
 * if that is empty; failback can wait; what doesn't stay in a zone goes to the others by weight, not
 * by the capacity that they have to spare, for how many callers they have isn't known here.
 */

#include <resil/common.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** All-zero is the default, in brackets. */
struct resil_priority_config {
    /** A level with this many percent of what it needs is whole [140]; 100 to 1000. */
    uint64_t overprovision_pct;

    /** Below so many percent of healthy endpoints a level panics [50], optional; 1 to 100. */
    uint64_t panic_pct;

    /** Refuse the calls of a level that panics [spread them over everybody]. */
    bool fail_on_panic;

    /** How long a level must be better before it gets load back [0 = at once]; 1 ms to 1 day.
        RESIL_OFF = at once. */
    uint64_t failback_ns;

    /** After everything was down: how long the number of usable endpoints must be steady until all
        calls are admitted [10 s], optional; 1 ms to 1 day. */
    uint64_t recovery_ns;

    /** The share of all callers that stand in this zone, percent [one part for each zone that has
        endpoints]; 1 to 100. */
    uint64_t zone_callers_pct;

    /** With fewer endpoints zones have no say [6], optional; 1 to 1000000. */
    uint64_t zone_hosts_min;
};

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL = all defaults.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL when a field is out of range, or fail_on_panic is set and
 *         panic_pct is off.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_priority_config_check(const struct resil_priority_config *config, char *why,
                                          size_t why_size);

RESIL_END_DECLS

#endif
