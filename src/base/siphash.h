/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_SIPHASH_H
#define RESIL_BASE_SIPHASH_H

/*
 * SipHash with a result of 128 bits: a keyed hash whose values nobody can foretell without the seed
 * (Jean-Philippe Aumasson, Daniel J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT 2012).
 * The rounds are parameters, so that a test can compare with the published values of SipHash-2-4;
 * the library uses SipHash-1-3, one round a block and three at the end.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

/** The hash of a key: 128 bits that stand for it. */
struct resil__print {
    uint64_t word[2];
};

struct resil__sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t resil__sip_turn(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

RESIL__INLINE void resil__sip_rounds(struct resil__sip *sip, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        sip->v0 += sip->v1;
        sip->v2 += sip->v3;
        sip->v1 = resil__sip_turn(sip->v1, 13) ^ sip->v0;
        sip->v3 = resil__sip_turn(sip->v3, 16) ^ sip->v2;
        sip->v0 = resil__sip_turn(sip->v0, 32);
        sip->v2 += sip->v1;
        sip->v0 += sip->v3;
        sip->v1 = resil__sip_turn(sip->v1, 17) ^ sip->v2;
        sip->v3 = resil__sip_turn(sip->v3, 21) ^ sip->v0;
        sip->v2 = resil__sip_turn(sip->v2, 32);
    }
}

/** The start for a result of 128 bits. */
RESIL__INLINE struct resil__sip resil__sip_start(const uint64_t seed[2])
{
    return (struct resil__sip){
        .v0 = seed[0] ^ UINT64_C(0x736f6d6570736575),
        .v1 = seed[1] ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
        .v2 = seed[0] ^ UINT64_C(0x6c7967656e657261),
        .v3 = seed[1] ^ UINT64_C(0x7465646279746573),
    };
}

RESIL__INLINE void resil__sip_block(struct resil__sip *sip, uint64_t block, unsigned rounds)
{
    sip->v3 ^= block;
    resil__sip_rounds(sip, rounds);
    sip->v0 ^= block;
}

RESIL__INLINE struct resil__print resil__sip_end(struct resil__sip *sip, unsigned rounds)
{
    struct resil__print print;

    sip->v2 ^= 0xee;
    resil__sip_rounds(sip, rounds);
    print.word[0] = sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3;
    sip->v1 ^= 0xdd;
    resil__sip_rounds(sip, rounds);
    print.word[1] = sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3;
    return print;
}

/** Up to eight bytes as a number, the first is the lowest. */
static inline uint64_t resil__sip_bytes(const unsigned char *bytes, size_t count)
{
    uint64_t word = 0;

    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

/** Any bytes; data may be NULL when size is 0. */
RESIL__INLINE struct resil__print resil__sip_hash(const uint64_t seed[2], const void *data,
                                                  size_t size, unsigned block_rounds,
                                                  unsigned end_rounds)
{
    struct resil__sip sip = resil__sip_start(seed);
    const unsigned char *bytes = data;
    size_t left = size;

    for (; left >= 8; left -= 8, bytes += 8)
        resil__sip_block(&sip, resil__sip_bytes(bytes, 8), block_rounds);
    resil__sip_block(&sip, (uint64_t)size << 56 | resil__sip_bytes(bytes, left), block_rounds);
    return resil__sip_end(&sip, end_rounds);
}

/** SipHash-1-3 of a number: of its eight bytes, the lowest first. */
RESIL__INLINE struct resil__print resil__siphash_u64(const uint64_t seed[2], uint64_t value)
{
    struct resil__sip sip = resil__sip_start(seed);

    resil__sip_block(&sip, value, 1);
    resil__sip_block(&sip, UINT64_C(8) << 56, 1);
    return resil__sip_end(&sip, 3);
}

/** SipHash-1-3 of any bytes; data may be NULL when size is 0. */
struct resil__print resil__siphash(const uint64_t seed[2], const void *data, size_t size);

#endif
