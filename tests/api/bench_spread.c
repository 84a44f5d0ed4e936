/* SPDX-License-Identifier: BSD-2-Clause */

/* The histogram behind the benchmarks' percentiles: a wrong one would lie about the library. */
#include "test.h"

#include "spread.h"

static struct spread spread;
static struct spread other;

static int empty(void **state)
{
    (void)state;
    spread = (struct spread){.count = 0};
    other = (struct spread){.count = 0};
    return 0;
}

static void an_empty_one_has_no_percentile(void **state)
{
    (void)state;
    assert_int_equal(spread_percentile(&spread, 500), 0);
}

static void small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= 100; value++)
        spread_add(&spread, value);

    assert_int_equal(spread_percentile(&spread, 10), 1);
    assert_int_equal(spread_percentile(&spread, 500), 50);
    assert_int_equal(spread_percentile(&spread, 501), 51);
    assert_int_equal(spread_percentile(&spread, 990), 99);
    assert_int_equal(spread_percentile(&spread, 1000), 100);
}

/* Every power of two and its neighbours: none lands beside the cells, each is found again. */
static void any_value_is_found_within_a_64th(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        for (int step = -1; step <= 1; step++) {
            uint64_t value = (UINT64_C(1) << bit) + (uint64_t)step;
            uint64_t found;

            spread = (struct spread){.count = 0};
            spread_add(&spread, value);
            /* A greater one, so that the maximum doesn't hide the cell's end. */
            spread_add(&spread, UINT64_MAX);
            found = spread_percentile(&spread, 500);
            assert_true(found >= value);
            assert_true(found - value <= value / 64);
        }
}

static void no_percentile_exceeds_the_maximum(void **state)
{
    (void)state;
    spread_add(&spread, 1000001);

    assert_int_equal(spread_percentile(&spread, 1), 1000001);
    assert_int_equal(spread_percentile(&spread, 1000), 1000001);
}

static void merging_is_adding_all_of_the_other(void **state)
{
    (void)state;
    for (uint64_t value = 1; value <= 50; value++) {
        spread_add(&spread, value);
        spread_add(&other, 50 + value);
    }
    spread_merge(&spread, &other);

    assert_int_equal(spread.count, 100);
    assert_int_equal(spread.max, 100);
    assert_int_equal(spread_percentile(&spread, 500), 50);
    assert_int_equal(spread_percentile(&spread, 510), 51);
    assert_int_equal(spread_percentile(&spread, 999), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_one_has_no_percentile, empty),
        cmocka_unit_test_setup(small_values_are_exact, empty),
        cmocka_unit_test_setup(any_value_is_found_within_a_64th, empty),
        cmocka_unit_test_setup(no_percentile_exceeds_the_maximum, empty),
        cmocka_unit_test_setup(merging_is_adding_all_of_the_other, empty),
    };

    return cmocka_run_group_tests_name("bench_spread", tests, NULL, NULL);
}
