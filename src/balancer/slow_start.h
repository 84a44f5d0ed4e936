/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_SLOW_START_H
#define RESIL_BALANCER_SLOW_START_H

/* The factor of a young endpoint's weight: a pure function. */

#include <resil/slow_start.h>

/** The factor of an endpoint that is not young. */
#define RESIL__SLOW_START_FULL 256

/** A config with its defaults filled in. */
struct resil__slow_start_rules {
    uint64_t window_ns; /* 0 = off */
    uint64_t aggression_pct;
    uint64_t min; /* in 1/256; at least 1 */
};

/** config NULL = off. It has passed the check. */
struct resil__slow_start_rules
resil__slow_start_rules(const struct resil_slow_start_config *config);

/** The factor in 1/256: rules->min to 256. Never falls while age_ns grows; 256 from the end of the
    window on. */
uint32_t resil__slow_start_weight(const struct resil__slow_start_rules *rules, uint64_t age_ns);

#endif
