/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_SLOW_START_H
#define RESIL_SLOW_START_H

/*
 * Slow start: an endpoint that is new, or back from an ejection, gets its share of the calls little
 * by little, so that its caches and connections warm up before the full load comes.
 *
 *     factor(t) = max((t / window)^(100 / aggression_pct), min_pct / 100)      1 from t = window on
 *
 *     aggression_pct = 100: a straight line; above: more load early; below: more load late
 *
 * Source: Envoy's slow start; HAProxy's is the straight line. Ours differs in this:
 * the factor comes in steps of 1/256, in integers, never falls while t grows, and works for every
 * algorithm that reads weights. Where an endpoint has no peer to take the rest it changes nothing.
 */

#include <resil/common.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** All-zero is off. Defaults in brackets. */
struct resil_slow_start_config {
    /** How long it lasts [off]; 1 ms to 1 day. RESIL_OFF = off. */
    uint64_t window_ns;

    /** The shape, percent [100]; 10 to 1000. */
    uint64_t aggression_pct;

    /** The factor is at least this, percent [10], optional (off: 1/256); 1 to 100. */
    uint64_t min_pct;
};

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL = all defaults.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL when a field is out of range.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_slow_start_config_check(const struct resil_slow_start_config *config, char *why,
                                            size_t why_size);

RESIL_END_DECLS

#endif
