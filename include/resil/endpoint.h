/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_ENDPOINT_H
#define RESIL_ENDPOINT_H

/*
 * An endpoint: one address behind a balancer, as a resolver, a file or the program itself tells of
 * it. What happens to it while it serves (calls in flight, latency, ejections) is the balancer's,
 * and stays with the address when the list is replaced.
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/** The greatest weight, and the number of priorities. */
#define RESIL_WEIGHT_MAX UINT64_C(65535)
#define RESIL_PRIORITIES 16

/** One endpoint of a list. Everything is copied by whoever takes the list, but for user. */
struct resil_endpoint {
    /** Names the endpoint: an opaque string, not empty. The balancer never reads it otherwise;
        hash tables are built from it, so that every client with the same strings agrees. */
    const char *address;

    /** Its share of the traffic, 0 to 65535. 0: no new calls while another endpoint of its pool has
        a weight; where all are 0 they count alike, so that a list without weights is a list of
        equals. */
    uint64_t weight;

    uint64_t priority;       /* 0 (the first choice) to 15 */
    const char *zone;        /* where it stands; NULL = unknown */
    const char *version;     /* what runs there, for a canary; NULL = unknown */
    const char *const *tags; /* metadata for subsets; NULL when there is none */
    size_t tag_count;
    void *user; /* handed out with every pick; borrowed until the endpoint is gone */
};

RESIL_END_DECLS

#endif
