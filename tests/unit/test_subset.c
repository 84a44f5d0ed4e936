/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include "balancer/subset.h"
#include "base/random.h"

#define MOST 500

static uint64_t hashes[MOST];
static uint32_t order[MOST], scratch[MOST], counts[MOST];
static bool kept[MOST], other[MOST];

static int name_them(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < MOST; i++)
        hashes[i] = resil__mix(i + 1);
    return 0;
}

static uint32_t choose(uint64_t size, uint64_t client, uint32_t count, bool *into)
{
    return resil__subset((struct resil__subset){.size = size, .client = client}, hashes, count,
                         into, order, scratch);
}

static void subset_loads_every_endpoint_alike_after_any_number_of_clients(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 10, 20, 33, 50, 99};
    static const uint32_t many[] = {100, 1, 2, 7, 99, 101, 137};

    (void)state;
    for (size_t n = 0; n < sizeof many / sizeof many[0]; n++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            memset(counts, 0, sizeof counts);
            for (uint64_t client = 0; client < 250; client++) {
                uint32_t most = 0, least = UINT32_MAX,
                         said = choose(sizes[s], client, many[n], kept);
                uint32_t found = 0;

                for (uint32_t i = 0; i < many[n]; i++) {
                    found += kept[i];
                    counts[i] += kept[i];
                    most = counts[i] > most ? counts[i] : most;
                    least = counts[i] < least ? counts[i] : least;
                }
                assert_int_equal(found, said);
                assert_true(most - least <= 1);
            }
        }
}

static void subset_has_the_size_asked_for_or_a_little_more(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < 130; count++)
        for (uint64_t size = 1; size < 140; size++)
            for (uint64_t client = 0; client < 3; client++) {
                uint32_t found = choose(size, client, count, kept);

                if (size >= count)
                    assert_int_equal(found, count);
                else if (count % size == 0)
                    assert_int_equal(found, size);
                else
                    assert_in_range(found, size, 2 * size - 1);
            }
}

static void subset_of_size_0_is_everybody(void **state)
{
    (void)state;
    assert_int_equal(choose(0, 5, 9, kept), 9);
    for (uint32_t i = 0; i < 9; i++)
        assert_true(kept[i]);
    assert_int_equal(choose(0, 5, 0, kept), 0);
    assert_int_equal(choose(3, 5, 0, kept), 0);
}

static void subset_shuffles_anew_each_round(void **state)
{
    uint32_t same = 0;

    (void)state;
    (void)choose(10, 0, 100, kept);
    (void)choose(10, 10, 100, other);
    for (uint32_t i = 0; i < 100; i++)
        same += kept[i] && other[i];
    assert_true(same < 6);
    (void)choose(10, UINT64_MAX, 100, other); /* as good a client as any */
}

static void subset_ignores_the_order_of_the_list(void **state)
{
    uint64_t straight[MOST];

    (void)state;
    for (uint64_t client = 0; client < 30; client++) {
        memcpy(straight, hashes, sizeof hashes);
        (void)choose(12, client, 101, kept);
        for (uint32_t i = 0; i < 101; i++)
            hashes[i] = straight[100 - i];
        (void)choose(12, client, 101, other);
        memcpy(hashes, straight, sizeof hashes);
        for (uint32_t i = 0; i < 101; i++)
            assert_int_equal(kept[i], other[100 - i]);
    }
}

/* 205 and 206 endpoints make 10 subsets of 20 each: one more shifts, it doesn't shuffle. */
static void subset_changes_little_when_the_list_does(void **state)
{
    uint32_t changed = 0;

    (void)state;
    for (uint64_t client = 0; client < 100; client++) {
        (void)choose(20, client, 205, kept);
        (void)choose(20, client, 206, other);
        for (uint32_t i = 0; i < 205; i++)
            changed += kept[i] != other[i];
    }
    assert_true(changed < 100 * 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subset_loads_every_endpoint_alike_after_any_number_of_clients),
        cmocka_unit_test(subset_has_the_size_asked_for_or_a_little_more),
        cmocka_unit_test(subset_of_size_0_is_everybody),
        cmocka_unit_test(subset_shuffles_anew_each_round),
        cmocka_unit_test(subset_ignores_the_order_of_the_list),
        cmocka_unit_test(subset_changes_little_when_the_list_does),
    };

    return cmocka_run_group_tests_name("subset", tests, name_them, NULL);
}
