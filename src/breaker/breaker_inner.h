/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BREAKER_INNER_H
#define RESIL_BREAKER_INNER_H

/* What the files of the breaker share beyond the hot halves. */

#include "breaker/breaker_fast.h"

/** One rule of a rule set: read by anyone while reconfigure writes the other set. */
#define RESIL__RULE(rules, field) resil__load_relaxed(&(rules)->field##_)

/** The windows of a breaker, for the epoch of a state word: one stripe of those of time, and that
    of calls. The breaker isn't changed by looking. */
struct resil__slices resil__breaker_slices(const struct resil_breaker *breaker, uint64_t word,
                                           uint64_t stripe);
struct resil__ring resil__breaker_ring(const struct resil_breaker *breaker, uint64_t word);

/** The later of now_ns and the begin of the newest slice of all stripes, unless the clock was set
    back. A window of time alone. */
uint64_t resil__breaker_latest(const struct resil_breaker *breaker, uint64_t word, uint64_t now_ns);

/** What the window holds, in all stripes. */
struct resil__tally resil__breaker_tally(const struct resil_breaker *breaker, uint64_t word,
                                         uint64_t now_ns);

/** In breaker_config.c: resolves a checked config. */
struct resil__breaker_shape {
    uint64_t slice_ns;
    uint64_t slices;
    uint64_t calls;
};
void resil__breaker_resolve(const struct resil_breaker_config *config,
                            struct resil__breaker_shape *shape, struct resil_breaker_rules_ *rules);

/** In breaker_open.c: leaves the time of the next open state in place and returns the word that
    opens. */
uint64_t resil__breaker_opening(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns,
                                uint64_t hint_ns);

/** In breaker_open.c: leaves the begin of the ramp in place and returns the word that closes. */
uint64_t resil__breaker_closing(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns);

/** In breaker_probe.c: asks for a probe; may move open to half-open. */
int resil__breaker_probe(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns,
                         uint64_t *token, uint64_t *retry_at_ns, bool *again);

/** In breaker_probe.c: gives the lease of a token back. False: it was not held. */
bool resil__breaker_unlease(struct resil_breaker *breaker, uint64_t token, uint64_t start_ns);

/** In breaker_probe.c: true if the lease of a token is still its own. */
bool resil__breaker_leased(const struct resil_breaker *breaker, uint64_t token, uint64_t start_ns);

#endif
