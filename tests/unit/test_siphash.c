/* SPDX-License-Identifier: BSD-2-Clause */

/* SipHash against published values of SipHash-2-4 (the authors' reference), and SipHash-1-3 against
   values that another, plain implementation gave. Key 00 01 ... 0f, message 00 01 02 ... */
#include "test.h"

#include "base/siphash.h"

static const uint64_t seed[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};

struct sample {
    size_t size;
    struct resil__print print;
};

static unsigned char message[64];

static int fill(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof message; i++)
        message[i] = (unsigned char)i;
    return 0;
}

static void siphash_2_4_is_as_published(void **state)
{
    static const struct sample samples[] = {
        {0, {{UINT64_C(0xe6a825ba047f81a3), UINT64_C(0x930255c71472f66d)}}},
        {1, {{UINT64_C(0x44af996bd8c187da), UINT64_C(0x45fc229b11597634)}}},
        {8, {{UINT64_C(0x61f55862baa9623b), UINT64_C(0xb49714f364e2830f)}}},
        {15, {{UINT64_C(0x11a8b03399e99354), UINT64_C(0xd9c3cf970fec087e)}}},
        {63, {{UINT64_C(0x4a83502f77d15051), UINT64_C(0x7cbd3f979a063e50)}}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct resil__print print = resil__sip_hash(seed, message, samples[i].size, 2, 4);

        assert_memory_equal(&print, &samples[i].print, sizeof print);
    }
}

static void siphash_1_3_is_as_another_computes_it(void **state)
{
    static const struct sample samples[] = {
        {0, {{UINT64_C(0xbea58827b2bc7ee7), UINT64_C(0x013030dd6adb62fd)}}},
        {1, {{UINT64_C(0xa8edd36004376ffc), UINT64_C(0x63f02f2bcc73055e)}}},
        {7, {{UINT64_C(0xc3e0aaf223b98410), UINT64_C(0x77ab4808c82e2fa6)}}},
        {8, {{UINT64_C(0xb4dae3d5e1fe12aa), UINT64_C(0x99c7f935ab164f72)}}},
        {9, {{UINT64_C(0x9439f32c04b8dd81), UINT64_C(0x427c1394000e72f4)}}},
        {15, {{UINT64_C(0x6c52bdb205557ec1), UINT64_C(0x09017e1eeccd2129)}}},
        {16, {{UINT64_C(0xeb8e511557d9a8d0), UINT64_C(0x93179e3df8b013b5)}}},
        {63, {{UINT64_C(0x6f42fe4ee300584c), UINT64_C(0xad6052a70a6b9f07)}}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct resil__print print = resil__siphash(seed, message, samples[i].size);

        assert_memory_equal(&print, &samples[i].print, sizeof print);
    }
}

static void siphash_of_a_number_is_that_of_its_bytes(void **state)
{
    uint64_t random = 5;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = test_random(&random);
        unsigned char bytes[8];
        struct resil__print as_bytes, as_number = resil__siphash_u64(seed, value);

        for (unsigned at = 0; at < 8; at++)
            bytes[at] = (unsigned char)(value >> (8 * at));
        as_bytes = resil__siphash(seed, bytes, sizeof bytes);
        assert_memory_equal(&as_bytes, &as_number, sizeof as_number);
    }
}

static void siphash_of_nothing_reads_nothing(void **state)
{
    struct resil__print none = resil__siphash(seed, NULL, 0);
    struct resil__print empty = resil__siphash(seed, message, 0);

    (void)state;
    assert_memory_equal(&none, &empty, sizeof none);
}

static void siphash_depends_on_each_half_of_the_seed(void **state)
{
    uint64_t others[2][2] = {{seed[0] ^ 1, seed[1]}, {seed[0], seed[1] ^ 1}};
    struct resil__print print = resil__siphash_u64(seed, 7);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct resil__print other = resil__siphash_u64(others[i], 7);

        assert_true(other.word[0] != print.word[0] && other.word[1] != print.word[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_2_4_is_as_published),
        cmocka_unit_test(siphash_1_3_is_as_another_computes_it),
        cmocka_unit_test(siphash_of_a_number_is_that_of_its_bytes),
        cmocka_unit_test(siphash_of_nothing_reads_nothing),
        cmocka_unit_test(siphash_depends_on_each_half_of_the_seed),
    };

    return cmocka_run_group_tests_name("siphash", tests, fill, NULL);
}
