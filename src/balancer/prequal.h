/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_PREQUAL_H
#define RESIL_BALANCER_PREQUAL_H

/*
 * Bartek Wydrowski, Robert Kleinberg, Stephen M. Rumble, Aaron Archer, "Load is not what you should
 * balance: Introducing Prequal", NSDI 2024. Servers are asked ahead of time how many requests they
 * have in flight (RIF) and how long one takes; the answers wait in a small pool for the picks.
 *
 *     hot      RIF above the hot_pct quantile of the RIFs last heard
 *     choice   among the cold the least latency; if all are hot, the least RIF
 *     reuse    each answer serves b = (1 + d) / ((1 - m / n) * r_probe - r_remove) picks, at least
 *              1, and its RIF grows by one with each
 *     removal  r_remove answers a pick, by turns the oldest and the worst: of the hot the greatest
 *              RIF, else the greatest latency
 *
 * From the paper: all of this, m = 16 answers, their age limit of 1 s, d = 1. Ours: one probe a
 * pick instead of three (r_probe = 1, r_remove = 1/4; the paper finds little loss down to one, and
 * here the program pays for them); at most one answer of each endpoint, a newer takes the place of
 * an older; m counts as n / 2 at most, so that b is 8 in small pools and not without bound; b is rounded at random, once per answer; nothing is removed when fewer than two would be
 * left; and with fewer than two usable answers the pick is least_requests', not blind.
 *
 * Lock-free. An entry is written between two steps of its version, odd meanwhile; a reader whose
 * version moved doesn't use what it read. A writer that finds an entry odd takes another, or drops
 * its answer; a lost count of a use lets an answer serve once more. Neither waits.
 */

#include <resil/picker.h>

#define RESIL__PROBES 16u

/** RIFs of which the quantile is taken. */
#define RESIL__PROBES_HEARD 32u

struct resil__probes {
    struct {
        uint64_t version; /* odd while it is written */
        uint64_t id;
        uint64_t place; /* member's index << 32 | RIF */
        uint64_t latency_ns;
        uint64_t heard_ns;
        uint64_t used; /* low 32 bits of the version << 32 | picks served, all ones = removed */
        uint64_t pad[2];
    } entries[RESIL__PROBES];
    uint64_t picks; /* all picks of this pool */
    uint64_t asked; /* of those, how many have had their probe */
    uint64_t pad[6];
    uint64_t hot;   /* RIFs above it are hot */
    uint64_t heard; /* answers so far */
    uint32_t rifs[RESIL__PROBES_HEARD];
};

/** An answer. */
struct resil__probe {
    uint64_t id;         /* the member's */
    uint64_t rif;        /* requests in flight at the server */
    uint64_t latency_ns; /* that the server expects */
    uint32_t member;     /* index into the members when it was asked: an answer is only used while
                            it is the same */
};

/** All-zero memory is an empty pool, too. */
void resil__probes_init(struct resil__probes *probes);

/** Takes an answer in. hot_pct as in the options. It may be dropped: a probe is a hint. */
void resil__probes_add(struct resil__probes *probes, const struct resil__probe *probe,
                       uint64_t now_ns, uint64_t hot_pct);

/** How many probes are due, at most max: one for each pick since, 16 at most. Whoever asks has to
    send them. */
uint32_t resil__probes_want(struct resil__probes *probes, uint32_t max);

#endif
