/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * XXH64. Four lanes swallow stripes of 32 bytes, are merged into one word, and the rest is added in
 * steps of 8, 4 and 1 bytes; the avalanche lets each of its bits reach all of the others.
 */
#include <resil/hash.h>

#define PRIME_1 UINT64_C(0x9e3779b185ebca87)
#define PRIME_2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define PRIME_3 UINT64_C(0x165667b19e3779f9)
#define PRIME_4 UINT64_C(0x85ebca77c2b2ae63)
#define PRIME_5 UINT64_C(0x27d4eb2f165667c5)

static inline uint64_t turn_left(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

/* Little-endian words made of bytes: compilers turn these into one load where the machine can. */
static inline uint64_t word32(const unsigned char *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24;
}

static inline uint64_t word64(const unsigned char *at)
{
    return word32(at) | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 | (uint64_t)at[6] << 48 |
           (uint64_t)at[7] << 56;
}

static inline uint64_t mixed(uint64_t lane, uint64_t word)
{
    return turn_left(lane + word * PRIME_2, 31) * PRIME_1;
}

static inline uint64_t merged(uint64_t hash, uint64_t lane)
{
    return (hash ^ mixed(0, lane)) * PRIME_1 + PRIME_4;
}

/* The whole stripes at *at, which is moved past them. */
static uint64_t stripes(const unsigned char **at, size_t n, uint64_t seed)
{
    const unsigned char *p = *at;
    const unsigned char *end = p + (n & ~(size_t)31);
    uint64_t a = seed + PRIME_1 + PRIME_2, b = seed + PRIME_2, c = seed, d = seed - PRIME_1;
    uint64_t hash;

    for (; p != end; p += 32) {
        a = mixed(a, word64(p));
        b = mixed(b, word64(p + 8));
        c = mixed(c, word64(p + 16));
        d = mixed(d, word64(p + 24));
    }
    *at = p;
    hash = turn_left(a, 1) + turn_left(b, 7) + turn_left(c, 12) + turn_left(d, 18);
    hash = merged(hash, a);
    hash = merged(hash, b);
    hash = merged(hash, c);
    return merged(hash, d);
}

static inline uint64_t avalanche(uint64_t hash)
{
    hash = (hash ^ hash >> 33) * PRIME_2;
    hash = (hash ^ hash >> 29) * PRIME_3;
    return hash ^ hash >> 32;
}

uint64_t resil_hash64(const void *bytes, size_t n, uint64_t seed)
{
    const unsigned char *at = bytes;
    uint64_t hash = n >= 32 ? stripes(&at, n, seed) : seed + PRIME_5;
    size_t rest = n & 31;

    hash += n;
    for (; rest >= 8; rest -= 8, at += 8)
        hash = turn_left(hash ^ mixed(0, word64(at)), 27) * PRIME_1 + PRIME_4;
    if (rest >= 4) {
        hash = turn_left(hash ^ word32(at) * PRIME_1, 23) * PRIME_2 + PRIME_3;
        rest -= 4;
        at += 4;
    }
    for (; rest > 0; rest--, at++)
        hash = turn_left(hash ^ *at * PRIME_5, 11) * PRIME_1;
    return avalanche(hash);
}
