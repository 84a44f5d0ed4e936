/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/math.h"

struct resil__wide resil__mul_wide_portable(uint64_t a, uint64_t b)
{
    uint64_t a_low = a & UINT32_MAX, a_high = a >> 32;
    uint64_t b_low = b & UINT32_MAX, b_high = b >> 32;
    uint64_t low = a_low * b_low;
    uint64_t middle = a_high * b_low + (low >> 32);
    uint64_t middle2 = a_low * b_high + (middle & UINT32_MAX);

    return (struct resil__wide){
        .high = a_high * b_high + (middle >> 32) + (middle2 >> 32),
        .low = (middle2 << 32) | (low & UINT32_MAX),
    };
}

/* Schoolbook division, one bit of the low half at a time: 64 rounds. */
uint64_t resil__mul_div_portable(uint64_t a, uint64_t b, uint64_t divisor)
{
    struct resil__wide product = resil__mul_wide_portable(a, b);
    uint64_t rest = product.high;
    uint64_t quotient = 0;

    if (rest >= divisor)
        return UINT64_MAX;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t carry = rest >> 63;

        rest = (rest << 1) | ((product.low >> bit) & 1);
        quotient <<= 1;
        if (carry || rest >= divisor) {
            rest -= divisor;
            quotient |= 1;
        }
    }
    return quotient;
}

#ifdef __SIZEOF_INT128__

__extension__ typedef unsigned __int128 wide_uint;

uint64_t resil__mul_div(uint64_t a, uint64_t b, uint64_t divisor)
{
    wide_uint product = (wide_uint)a * b;

    if ((uint64_t)(product >> 64) >= divisor)
        return UINT64_MAX;
    return (uint64_t)(product / divisor);
}

#else

uint64_t resil__mul_div(uint64_t a, uint64_t b, uint64_t divisor)
{
    return resil__mul_div_portable(a, b, divisor);
}

#endif

uint64_t resil__mul_div_up(uint64_t a, uint64_t b, uint64_t divisor)
{
    uint64_t quotient = resil__mul_div(a, b, divisor);
    struct resil__wide product;
    struct resil__wide back;

    if (quotient == UINT64_MAX)
        return quotient;
    product = resil__mul_wide(a, b);
    back = resil__mul_wide(quotient, divisor);
    return quotient + (product.high != back.high || product.low != back.low);
}
