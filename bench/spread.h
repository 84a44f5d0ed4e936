/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BENCH_SPREAD_H
#define RESIL_BENCH_SPREAD_H

/*
 * A histogram of durations: each power of two in 64 cells, so that a percentile is off by at most
 * 1/64 of itself, whatever its size.
 */

#include <stdint.h>

#define SPREAD_SUB_BITS 6
#define SPREAD_CELLS    ((64 - SPREAD_SUB_BITS + 1) << SPREAD_SUB_BITS)

struct spread {
    uint64_t count;
    uint64_t max;
    uint32_t cells[SPREAD_CELLS];
};

void spread_add(struct spread *spread, uint64_t value);

/** Adds all that from holds to into. */
void spread_merge(struct spread *into, const struct spread *from);

/** Returns the least value that per_mille thousandths of all don't exceed (0 when there is none):
    the end of its cell, and never more than the maximum. */
uint64_t spread_percentile(const struct spread *spread, uint32_t per_mille);

#endif
