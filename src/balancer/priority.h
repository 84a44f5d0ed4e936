/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_PRIORITY_H
#define RESIL_BALANCER_PRIORITY_H

/* Which level, which zone and how many of the calls: pure functions. What they mean stands in
   resil/priority.h. */

#include <resil/priority.h>

/** A config with its defaults filled in. */
struct resil__priority_rules {
    uint64_t overprovision_pct;
    uint64_t panic_pct;      /* 0 = off */
    uint64_t failback_ns;    /* 0 = at once */
    uint64_t recovery_ns;    /* 0 = off */
    uint64_t callers_bp;     /* in 1/10000; 0 = unknown */
    uint64_t zone_hosts_min; /* 0 = any number will do */
    bool fail_on_panic;
};

/** One level of priority: endpoints or sums of their weights, below 2^48. */
struct resil__level {
    uint64_t total;    /* all that count (not those that drain) */
    uint64_t healthy;  /* of them; at most total */
    uint64_t held_pct; /* points of health that wait: resil__failback; 0 = none */
};

struct resil__level_load {
    uint32_t load_pct; /* of the calls */
    bool panic;        /* pick among all that count, not among the healthy */
    bool refuse;       /* no endpoint of it may be picked: fail_on_panic, or nobody is healthy */
};

/** config NULL = all defaults. It has passed the check. */
struct resil__priority_rules resil__priority_rules(const struct resil_priority_config *config);

/** min(100, overprovision_pct * healthy / total); 0 for an empty level. Without what is held. */
uint32_t resil__level_health(const struct resil__priority_rules *rules,
                             const struct resil__level *level);

/** The load of each of n levels, in order of preference. The loads sum up to 100 when any level has
    total > 0; else all are 0 and refuse. */
void resil__priority_loads(const struct resil__level *levels, size_t n,
                           const struct resil__priority_rules *rules,
                           struct resil__level_load *out);

/** A level that may be waiting for its load. All-zero = never asked. While waits, ask again at
    since_ns + failback_ns. */
struct resil__failback {
    uint64_t since_ns;
    uint32_t used_pct;  /* the health that counts */
    uint32_t least_pct; /* the least since since_ns */
    bool known;
    bool waits;
};

/** Takes note of a level's health; returns how many points of it are to be held. The first health
    of all counts at once. */
uint32_t resil__failback(const struct resil__priority_rules *rules, struct resil__failback *state,
                         uint32_t health_pct, uint64_t now_ns);

/** The share of the calls that is admitted while usable of total endpoints are back, in 1/10000. */
uint32_t resil__recovery_share(uint64_t usable, uint64_t total, uint64_t overprovision_pct);

/** Whether a balancer is coming back. All-zero = it is not. While on, ask again at since_ns +
    recovery_ns. */
struct resil__recovery {
    uint64_t since_ns; /* usable has been the same since then */
    uint64_t usable;
    bool on;
};

/** Takes note of how many endpoints are usable; returns the share of the calls to admit, in
    1/10000. That is 10000 while nobody is usable: then panic decides. */
uint32_t resil__recovery(const struct resil__priority_rules *rules, struct resil__recovery *state,
                         uint64_t usable, uint64_t total, uint64_t now_ns);

/** The share of the calls that stays in the local zone, in 1/10000: local and total are healthy
    weights of a level (below 2^48), callers_bp is this zone's share of the callers. 0 when local
    is 0. */
uint32_t resil__zone_local_share(uint64_t local, uint64_t total, uint64_t callers_bp);

#endif
