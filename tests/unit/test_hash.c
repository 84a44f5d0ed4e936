/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/hash.h>
#include <xxhash.h>

#include "base/random.h"
#include "base/reciprocal.h"

static void hash_of_known_inputs_is_the_published_one(void **state)
{
    static const char text[] = "Nobody inspects the spammish repetition";

    (void)state;
    assert_int_equal(resil_hash64(NULL, 0, 0), UINT64_C(0xef46db3751d8e999));
    assert_int_equal(resil_hash64("", 0, 0), UINT64_C(0xef46db3751d8e999));
    assert_int_equal(resil_hash64("a", 1, 0), UINT64_C(0xd24ec4f1a98c6e5b));
    assert_int_equal(resil_hash64("abc", 3, 0), UINT64_C(0x44bc2cf5ad770999));
    assert_int_equal(resil_hash64(text, sizeof text - 1, 0), UINT64_C(0xfbcea83c8a378bf1));
}

static void hash_agrees_with_libxxhash_at_every_length_and_alignment(void **state)
{
    unsigned char bytes[300 + 8];
    uint64_t random = test_seed(11);

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)test_random(&random);
    for (size_t n = 0; n <= 300; n++)
        for (size_t shift = 0; shift < 8; shift++) {
            uint64_t seed = test_random(&random) >> test_below(&random, 64);

            assert_int_equal(resil_hash64(bytes + shift, n, seed), XXH64(bytes + shift, n, seed));
            assert_int_equal(resil_hash64(bytes + shift, n, 0), XXH64(bytes + shift, n, 0));
        }
}

static void hash_agrees_with_libxxhash_on_long_inputs(void **state)
{
    static unsigned char bytes[100003];
    uint64_t random = test_seed(12);

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)test_random(&random);
    for (size_t n = 1000; n <= sizeof bytes; n += 33001)
        assert_int_equal(resil_hash64(bytes, n, n), XXH64(bytes, n, n));
}

static void hash_reads_no_byte_too_many(void **state)
{
    (void)state;
    /* At the very end of an allocation, for the sanitizer's eyes. */
    for (size_t n = 1; n <= 100; n++) {
        unsigned char *bytes = malloc(n);

        assert_non_null(bytes);
        memset(bytes, (int)n, n);
        assert_int_equal(resil_hash64(bytes, n, 1), XXH64(bytes, n, 1));
        free(bytes);
    }
}

static void remainder_is_exact(void **state)
{
    static const uint64_t divisors[] = {1,          2,          3,          5,
                                        7,          641,        65521,      65536,
                                        65537,      655373,     5000011,    4294967291,
                                        4294967296, 4294967311, 1 << 20,    8388593,
                                        999999937,  123456789,  2147483647, UINT64_C(1) << 63};
    uint64_t random = test_seed(13);

    (void)state;
    for (size_t i = 0; i < sizeof divisors / sizeof divisors[0]; i++) {
        uint64_t d = divisors[i];
        struct resil__reciprocal by = resil__reciprocal(d);

        for (uint64_t near = 0; near < 100; near++) {
            uint64_t last = UINT64_MAX / d * d; /* the greatest multiple */

            assert_int_equal(resil__modulo(near, by), near % d);
            assert_int_equal(resil__modulo(UINT64_MAX - near, by), (UINT64_MAX - near) % d);
            assert_int_equal(resil__modulo(d + near, by), (d + near) % d);
            assert_int_equal(resil__modulo(d - 1 - near, by), (d - 1 - near) % d);
            assert_int_equal(resil__modulo(last + near, by), (last + near) % d);
            assert_int_equal(resil__modulo(last - 1 - near, by), (last - 1 - near) % d);
        }
        for (int n = 0; n < 20000; n++) {
            uint64_t x = test_random(&random) >> (n & 63);

            assert_int_equal(resil__modulo(x, by), x % d);
            x -= x % d;
            assert_int_equal(resil__modulo(x, by), 0);
            assert_int_equal(resil__modulo(x - 1, by), (x - 1) % d);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_of_known_inputs_is_the_published_one),
        cmocka_unit_test(hash_agrees_with_libxxhash_at_every_length_and_alignment),
        cmocka_unit_test(hash_agrees_with_libxxhash_on_long_inputs),
        cmocka_unit_test(hash_reads_no_byte_too_many),
        cmocka_unit_test(remainder_is_exact),
    };

    return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
