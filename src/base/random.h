/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_RANDOM_H
#define RESIL_BASE_RANDOM_H

/*
 * Random numbers for jitter, not for cryptography. splitmix64: Guy L. Steele Jr., Doug Lea,
 * Christine H. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014. Unbiased
 * ranges by multiplication: Daniel Lemire, "Fast Random Integer Generation in an Interval", 2019.
 */

#include <stdint.h>

#include "base/math.h"

/** Mixes 64 bits: a bijection in which every input bit reaches every output bit. */
static inline uint64_t resil__mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/** The next number of a generator whose whole state is one word; any start value will do. */
static inline uint64_t resil__random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return resil__mix(*state);
}

/** A number of 0 to bound - 1 from 64 random bits; the bias is at most bound / 2^64. bound 0 gives
    0. */
static inline uint64_t resil__random_below(uint64_t random, uint64_t bound)
{
    return resil__mul_wide(random, bound).high;
}

#endif
