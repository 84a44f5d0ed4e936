/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_ORDER_H
#define RESIL_BALANCER_ORDER_H

/* An order that doesn't depend on how a list happens to be arranged, and room for tables. */

#include <resil/picker.h>

/** Whether item a has to stand before item b. */
typedef bool resil__before_fn(const void *items, uint32_t a, uint32_t b);

/** Fills order with 0 to count - 1, sorted; what is equal keeps its place. O(n log n), O(n) where
    they are in order already. scratch: count words, too. */
void resil__order(const void *items, uint32_t count, resil__before_fn *before, uint32_t *order,
                  uint32_t *scratch);

/** By address, byte for byte; then by weight. */
void resil__order_by_address(const struct resil_member *members, uint32_t count, uint32_t *order,
                             uint32_t *scratch);

/** The place of the next part of a table, which takes up so many bytes; *used grows. Every part
    starts on a cache line. */
static inline size_t resil__table_part(size_t *used, size_t bytes)
{
    size_t at = *used;

    *used += (bytes + 63) & ~(size_t)63;
    return at;
}

#endif
