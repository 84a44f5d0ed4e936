/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_KEYED_H
#define RESIL_KEYED_H

/*
 * What the keyed limiter and the keyed breaker have in common: a table of keys in the caller's
 * memory.
 *
 * A key is known by its fingerprint, 128 bits of SipHash-1-3 under a secret seed. Two of n keys
 * share a fingerprint, and so their state, with a chance of n * n / 2^129: 1.5e-15 for 1e12 keys.
 * Who doesn't know the seed can't choose keys that meet in a bucket or collide (Jean-Philippe
 * Aumasson, Daniel J. Bernstein, "SipHash: a fast short-input PRF", 2012).
 *
 * A bucket is two cache lines with room for five keys; each key has two buckets that it may live in
 * (Yossi Azar, Andrei Broder, Anna Karlin, Eli Upfal, "Balanced Allocations", 1994). The table has
 * 2.3 places for each of config.keys, in 60 bytes for each. A key whose state says no more than
 * that of one never seen gives its place up to the first newcomer that wants it, in constant time;
 * any other keeps it.
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/** Private: places in a bucket. */
#define RESIL_KEYED_WAYS_ 5

/** Private: a bucket, two cache lines. */
struct resil_keyed_bucket_ {
    uint64_t floor_; /* what is left to remember of keys that gave up their place */
    uint64_t print_[2][RESIL_KEYED_WAYS_];
    uint64_t word_[RESIL_KEYED_WAYS_]; /* see src/keyed/table.h */
};

/** Private: the table of a keyed object; its buckets follow the object. */
struct resil_keyed_ {
    uint64_t seed_[2];
    uint64_t buckets_;
};

/** Private: what the slow paths count. */
struct resil_keyed_counts_ {
    uint64_t inserted_;
    uint64_t evicted_;
    uint64_t crowded_; /* granted, refused or let pass without a place of its own */
    uint64_t refused_;
};

RESIL_END_DECLS

#endif
