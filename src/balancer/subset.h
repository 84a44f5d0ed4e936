/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_SUBSET_H
#define RESIL_BALANCER_SUBSET_H

/*
 * Deterministic subsetting: each of many clients talks to a few of many endpoints, and no endpoint
 * has more clients than another. Alejandro Forero Cuervo, "Load Balancing in the Datacenter", in
 * "Site Reliability Engineering", 2016.
 *
 * The clients number themselves. As many of them in a row as there are subsets make up a round: they
 * share out one shuffled list, a slice each, so that every endpoint is in exactly one of them. After
 * any number of clients the counts of two endpoints differ by at most one.
 *
 * - Shuffled means sorted by the endpoints' hashes mixed with the round: the list's own order
 *   doesn't matter, and an endpoint that comes or goes shifts the rest by one place, where another
 *   shuffle would change every connection.
 * - The number of subsets is count / size, rounded down, at least one. What that leaves over is
 *   spread over the slices instead of being left out: a client gets at least `size` endpoints (or
 *   all of them), and less than twice as many.
 */

#include <stdbool.h>
#include <stdint.h>

struct resil__subset {
    uint64_t size;   /* endpoints wanted; 0 = all */
    uint64_t client; /* which of the clients, from 0 */
};

/** Says of each endpoint whether this client keeps it; returns how many it keeps. order, scratch:
    count words each. O(n log n). */
uint32_t resil__subset(struct resil__subset subset, const uint64_t *hashes, uint32_t count,
                       bool *kept, uint32_t *order, uint32_t *scratch);

#endif
