/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_MATH_H
#define RESIL_BASE_MATH_H

/* Saturating arithmetic on unsigned 64-bit words, and the one multiply-divide with a 128-bit
   middle. */

#include <stdint.h>

static inline uint64_t resil__add_sat(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;

    return sum < a ? UINT64_MAX : sum;
}

static inline uint64_t resil__sub_sat(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static inline uint64_t resil__mul_sat(uint64_t a, uint64_t b)
{
    uint64_t product;

    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline uint64_t resil__min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t resil__max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/** The high and low half of a 128-bit product. */
struct resil__wide {
    uint64_t high;
    uint64_t low;
};

/** The portable twins of what follows, compared with it in a test; used where the compiler has no
    128-bit integer. */
struct resil__wide resil__mul_wide_portable(uint64_t a, uint64_t b);
uint64_t resil__mul_div_portable(uint64_t a, uint64_t b, uint64_t divisor);

/** a * b without loss. */
static inline struct resil__wide resil__mul_wide(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    return (struct resil__wide){.high = (uint64_t)(product >> 64), .low = (uint64_t)product};
#else
    return resil__mul_wide_portable(a, b);
#endif
}

/** floor(a * b / divisor) with a 128-bit middle; UINT64_MAX when it doesn't fit or divisor is 0. */
uint64_t resil__mul_div(uint64_t a, uint64_t b, uint64_t divisor);

/** ceil(a * b / divisor); UINT64_MAX when it doesn't fit or divisor is 0. */
uint64_t resil__mul_div_up(uint64_t a, uint64_t b, uint64_t divisor);

/** How many bits of a number count to n things: 0 for 1, 4 for 9 to 16. */
static inline uint32_t resil__bits_for(uint64_t n)
{
    return n > 1 ? 64 - (uint32_t)__builtin_clzll(n - 1) : 0;
}

#endif
