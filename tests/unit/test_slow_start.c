/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <math.h>

#include "balancer/slow_start.h"

#define WINDOW RESIL_SEC(30)

static struct resil__slow_start_rules rules_of(uint64_t window_ns, uint64_t aggression_pct,
                                               uint64_t min_pct)
{
    const struct resil_slow_start_config config = {window_ns, aggression_pct, min_pct};

    assert_int_equal(resil_slow_start_config_check(&config, NULL, 0), RESIL_OK);
    return resil__slow_start_rules(&config);
}

static void slow_start_is_off_by_default(void **state)
{
    struct resil__slow_start_rules none = resil__slow_start_rules(NULL);
    struct resil__slow_start_rules off = rules_of(RESIL_OFF, 0, 0);

    (void)state;
    assert_int_equal(resil__slow_start_weight(&none, 0), 256);
    assert_int_equal(resil__slow_start_weight(&off, 0), 256);
}

static void slow_start_is_a_line_by_default(void **state)
{
    struct resil__slow_start_rules rules = rules_of(WINDOW, 0, 0);

    (void)state;
    assert_int_equal(resil__slow_start_weight(&rules, WINDOW / 2), 128);
    assert_int_equal(resil__slow_start_weight(&rules, WINDOW / 4 * 3), 192);
    assert_int_equal(resil__slow_start_weight(&rules, WINDOW / 2 - 1), 127);
    assert_int_equal(resil__slow_start_weight(&rules, WINDOW - 1), 255);
}

static void slow_start_never_goes_below_its_least_share(void **state)
{
    struct resil__slow_start_rules rules = rules_of(WINDOW, 0, 0);

    (void)state;
    assert_int_equal(resil__slow_start_weight(&rules, 0), 26);
    assert_int_equal(resil__slow_start_weight(&rules, WINDOW / 20), 26);
    rules = rules_of(WINDOW, 50, 25);
    assert_int_equal(resil__slow_start_weight(&rules, 0), 64);
    rules = rules_of(WINDOW, 0, 100);
    assert_int_equal(resil__slow_start_weight(&rules, 0), 256);
    rules = rules_of(WINDOW, 0, RESIL_OFF);
    assert_int_equal(resil__slow_start_weight(&rules, 0), 1);
    rules = rules_of(WINDOW, 30, RESIL_OFF);
    assert_int_equal(resil__slow_start_weight(&rules, 0), 1);
}

static void slow_start_ends_with_its_window(void **state)
{
    const uint64_t aggressions[] = {10, 50, 99, 100, 101, 200, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof aggressions / sizeof *aggressions; i++) {
        struct resil__slow_start_rules rules = rules_of(WINDOW, aggressions[i], 0);

        assert_int_equal(resil__slow_start_weight(&rules, WINDOW), 256);
        assert_int_equal(resil__slow_start_weight(&rules, UINT64_MAX), 256);
        assert_true(resil__slow_start_weight(&rules, WINDOW - 1) < 256);
        /* a step of 1/256 is all that is left to the end */
        assert_true(resil__slow_start_weight(&rules, WINDOW - 1) >= 254);
    }
}

static void slow_start_never_falls_while_time_passes(void **state)
{
    uint64_t seed = test_seed(11);

    (void)state;
    for (int round = 0; round < 400; round++) {
        uint64_t window =
            RESIL_MS(1) + test_below(&seed, RESIL_SEC(1)) * (1 + test_below(&seed, 80000));
        struct resil__slow_start_rules rules =
            rules_of(window, 10 + test_below(&seed, 991), RESIL_OFF);
        uint32_t before = 0;

        for (int i = 0; i < 200; i++) {
            uint64_t age = window / 200 * (uint64_t)i;
            uint32_t first = resil__slow_start_weight(&rules, age);
            uint32_t next = resil__slow_start_weight(&rules, age + 1);

            assert_in_range(first, 1, 256);
            assert_true(before <= first && first <= next);
            before = next;
        }
    }
}

/* Settled by doubles but for one step of 1/256, where rounding may decide either way. */
static void slow_start_follows_its_formula(void **state)
{
    uint64_t seed = test_seed(12);

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t aggression = 10 + test_below(&seed, 991);
        uint64_t age = test_below(&seed, WINDOW);
        struct resil__slow_start_rules rules = rules_of(WINDOW, aggression, RESIL_OFF);
        double exact = 256 * pow((double)age / (double)WINDOW, 100.0 / (double)aggression);
        double is = resil__slow_start_weight(&rules, age);

        if (exact < 1)
            assert_true(is == 1);
        else
            assert_true(is <= exact + 1e-3 && is + 1 > exact - 1e-3);
    }
}

static void slow_start_reads_aggression_as_more_load_early(void **state)
{
    struct resil__slow_start_rules eager = rules_of(WINDOW, 200, 0);
    struct resil__slow_start_rules wary = rules_of(WINDOW, 50, 0);

    (void)state;
    assert_in_range(resil__slow_start_weight(&eager, WINDOW / 4), 127, 128);
    assert_in_range(resil__slow_start_weight(&wary, WINDOW / 2), 63, 64);
}

static void slow_start_config_names_the_field(void **state)
{
    const struct {
        struct resil_slow_start_config config;
        const char *line;
    } bad[] = {
        {{.window_ns = 999999},
         "window_ns is 999999: must be 1000000 to 86400000000000 (0 = default, RESIL_OFF = off)"},
        {{.aggression_pct = 9}, "aggression_pct is 9: must be 10 to 1000 (0 = default)"},
        {{.aggression_pct = RESIL_OFF},
         "aggression_pct is RESIL_OFF: must be 10 to 1000 (0 = default)"},
        {{.min_pct = 101}, "min_pct is 101: must be 1 to 100 (0 = default, RESIL_OFF = off)"},
    };

    (void)state;
    assert_int_equal(resil_slow_start_config_check(NULL, NULL, 0), RESIL_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[120] = "";

        assert_int_equal(resil_slow_start_config_check(&bad[i].config, why, sizeof why),
                         RESIL_EINVAL);
        assert_string_equal(why, bad[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_start_is_off_by_default),
        cmocka_unit_test(slow_start_is_a_line_by_default),
        cmocka_unit_test(slow_start_never_goes_below_its_least_share),
        cmocka_unit_test(slow_start_ends_with_its_window),
        cmocka_unit_test(slow_start_never_falls_while_time_passes),
        cmocka_unit_test(slow_start_follows_its_formula),
        cmocka_unit_test(slow_start_reads_aggression_as_more_load_early),
        cmocka_unit_test(slow_start_config_names_the_field),
    };

    return cmocka_run_group_tests_name("slow_start", tests, NULL, NULL);
}
