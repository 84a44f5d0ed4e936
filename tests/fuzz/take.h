/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_FUZZ_TAKE_H
#define RESIL_TEST_FUZZ_TAKE_H

/* Decisions from a fuzzer's bytes. Where they are used up every decision is 0. */

#include <string.h>

#include "fuzz.h"

struct fuzz_bytes {
    const uint8_t *at;
    size_t left;
};

static inline uint64_t take(struct fuzz_bytes *bytes, unsigned count)
{
    uint64_t value = 0;

    for (; count > 0 && bytes->left > 0; count--, bytes->at++, bytes->left--)
        value = value << 8 | *bytes->at;
    return value;
}

/** 0 to bound - 1, of as many bytes as that takes. */
static inline uint64_t take_below(struct fuzz_bytes *bytes, uint64_t bound)
{
    return take(bytes, bound <= 256 ? 1 : bound <= 65536 ? 2 : 8) % bound;
}

/** What fields are filled with: the values where rules change, and any other. */
static inline uint64_t take_value(struct fuzz_bytes *bytes)
{
    unsigned shift;

    switch (take_below(bytes, 8)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX;
    case 2:
        return take(bytes, 1);
    case 3:
        return take(bytes, 2);
    case 4:
        return take(bytes, 4);
    case 5:
        shift = (unsigned)take_below(bytes, 64);
        return (UINT64_C(1) << shift) - 1 + take_below(bytes, 3);
    case 6: /* a span in decimal units, and its neighbours */
        shift = (unsigned)take_below(bytes, 5);
        return (const uint64_t[]){1000, 1000000, 1000000000, UINT64_C(60000000000),
                                  UINT64_C(86400000000000)}[shift] *
                   take(bytes, 1) -
               1 + take_below(bytes, 3);
    default:
        return take(bytes, 8);
    }
}

#endif
