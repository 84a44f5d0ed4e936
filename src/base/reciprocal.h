/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_RECIPROCAL_H
#define RESIL_BASE_RECIPROCAL_H

/*
 * The remainder of a division by a number that is known in advance, without dividing. (Torbjörn
 * Granlund, Peter L. Montgomery, "Division by Invariant Integers using Multiplication", 1994.)
 *
 * With r = floor((2^64 - 1) / d), 2^64 / d - r is at most 1. So x * r / 2^64 is less than 1 below
 * x / d, its floor is the quotient or one less, and the remainder at most d too great.
 */

#include "base/math.h"

struct resil__reciprocal {
    uint64_t divisor;
    uint64_t inverse;
};

/** divisor: 1 to 2^63. */
static inline struct resil__reciprocal resil__reciprocal(uint64_t divisor)
{
    return (struct resil__reciprocal){.divisor = divisor, .inverse = UINT64_MAX / divisor};
}

/** x % by.divisor. */
static inline uint64_t resil__modulo(uint64_t x, struct resil__reciprocal by)
{
    uint64_t rest = x - resil__mul_wide(x, by.inverse).high * by.divisor;

    return rest >= by.divisor ? rest - by.divisor : rest;
}

#endif
