/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The hashes, of messages of every length at every alignment: XXH64 against its authors' library,
 * SipHash-1-3 of 128 bits against a plain writing of its definition (Jean-Philippe Aumasson, Daniel
 * J. Bernstein, "SipHash: a fast short-input PRF", 2012), byte by byte.
 */
#include "shrink.h"

#include <resil/hash.h>
#include <xxhash.h>

#include "base/siphash.h"

#define OPERATIONS MODEL_OPERATIONS(1000000, 200000)

#define LENGTH_MAX 200

static struct bench {
    uint64_t random, seed, operation;
    unsigned char bytes[LENGTH_MAX + 8];
} bench;

/* The control: one round less at the end. */
static int too_few;

static void begin(void)
{
}

static uint64_t turned(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void rounds(uint64_t v[4], int n)
{
    while (n-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = turned(v[1], 13) ^ v[0];
        v[3] = turned(v[3], 16) ^ v[2];
        v[0] = turned(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = turned(v[1], 17) ^ v[2];
        v[3] = turned(v[3], 21) ^ v[0];
        v[2] = turned(v[2], 32);
    }
}

static struct resil__print plain_siphash(const uint64_t key[2], const unsigned char *bytes,
                                         size_t n)
{
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f83),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    struct resil__print print;

    for (size_t at = 0; at <= n / 8 * 8; at += 8) {
        uint64_t word = 0;

        for (size_t i = 0; i < 8 && at + i < n; i++)
            word |= (uint64_t)bytes[at + i] << (8 * i);
        if (at == n / 8 * 8)
            word |= (uint64_t)n << 56;
        v[3] ^= word;
        rounds(v, 1);
        v[0] ^= word;
    }
    v[2] ^= 0xee;
    rounds(v, 3);
    print.word[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    rounds(v, 3 - too_few);
    print.word[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
    return print;
}

static void step(void)
{
    size_t n = test_below(&bench.random, 1 + test_below(&bench.random, LENGTH_MAX));
    unsigned char *bytes = bench.bytes + test_below(&bench.random, 8);
    uint64_t key[2] = {test_random(&bench.random), test_random(&bench.random)};
    struct resil__print is, says;

    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(test_random(&bench.random) >> 32);
    MODEL_CHECK(&bench, resil_hash64(bytes, n, key[0]) == XXH64(bytes, n, key[0]));
    is = resil__siphash(key, bytes, n);
    says = plain_siphash(key, bytes, n);
    MODEL_CHECK(&bench, memcmp(&is, &says, sizeof is) == 0);
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(key[1] >> (8 * i));
    is = resil__siphash_u64(key, key[1]);
    says = plain_siphash(key, bytes, 8);
    MODEL_CHECK(&bench, memcmp(&is, &says, sizeof is) == 0);
}

static const struct model_subject model = {begin, step, &bench.random};

static void hashes_agree_with_their_definitions(void **state)
{
    (void)state;
    model_run(&model, test_seed(128), OPERATIONS);
}

static void a_round_less_is_found(void **state)
{
    (void)state;
    too_few = 1;
    model_finds(&model, 128, OPERATIONS, 1, "a round less");
    too_few = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_agree_with_their_definitions),
        cmocka_unit_test(a_round_less_is_found),
    };

    return cmocka_run_group_tests_name("hash model", tests, NULL, NULL);
}
