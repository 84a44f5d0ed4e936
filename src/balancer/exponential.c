/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * With y = 2^64 - x, shifted left by z until its top bit is set, and n = 2^64 - (y << z):
 *
 *     -ln(y / 2^64) = z ln 2 + 2 artanh(s),   s = n / (2^65 - n) <= 1/3
 *     artanh(s) = s + s^3 / 3 + s^5 / 5 + ...
 *
 * The term of s^39 is below 2^-66. All numbers are fractions of 2^64, rounded down.
 */
#include "balancer/exponential.h"

#include "base/math.h"

#define TERMS     18                           /* after the first */
#define LN_2      UINT64_C(0xb17217f7d1cf79ab) /* ln 2 * 2^64 */
#define LN_2_LOSS 6                            /* from 2^-64 to 2^-58 */

static uint64_t artanh(uint64_t s)
{
    uint64_t square = resil__mul_wide(s, s).high;
    uint64_t sum = 0;

    for (uint64_t odd = 2 * TERMS + 1; odd > 1; odd -= 2)
        sum = resil__mul_wide(sum, square).high + UINT64_MAX / odd;
    return s + resil__mul_wide(resil__mul_wide(s, square).high, sum).high;
}

uint64_t resil__exponential(uint64_t x)
{
    uint64_t y = 0 - x, zeros, n, sum;

    if (x == 0)
        return 0;
    zeros = (uint64_t)__builtin_clzll(y);
    n = 0 - (y << zeros);
    /* n / (2^65 - n) = (n / 2) / (2^64 - n / 2); n is at most 2^63, and 0 where y is a power. */
    sum = n < 2 ? n / 2 : resil__mul_div(n, UINT64_C(1) << 63, 0 - (n >> 1));
    sum = (artanh(sum) >> (LN_2_LOSS - 1)) + zeros * (LN_2 >> LN_2_LOSS) +
          (zeros * (LN_2 & ((1 << LN_2_LOSS) - 1)) >> LN_2_LOSS);
    return resil__max(sum, x >> LN_2_LOSS);
}
