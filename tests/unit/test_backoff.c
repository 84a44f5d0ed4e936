/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/backoff.h>

#define DRAWS 20000

static const enum resil_backoff_jitter spreading[] = {RESIL_JITTER_FULL, RESIL_JITTER_EQUAL,
                                                      RESIL_JITTER_DECORRELATED};

static void expect_refused(const struct resil_backoff_config *config, const char *line)
{
    char why[120] = "";

    assert_int_equal(resil_backoff_config_check(config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, line);
}

static void expect_delays(const struct resil_backoff_config *config, const uint64_t *delays,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(resil_backoff_next(config, i + 1, 0, 0), delays[i]);
}

static void backoff_doubles_from_100_ms_to_2_s_by_default(void **state)
{
    const struct resil_backoff_config config = {.jitter = RESIL_JITTER_NONE};
    const uint64_t delays[] = {RESIL_MS(100),  RESIL_MS(200),  RESIL_MS(400), RESIL_MS(800),
                               RESIL_MS(1600), RESIL_MS(2000), RESIL_MS(2000)};

    (void)state;
    expect_delays(&config, delays, 7);
    assert_int_equal(resil_backoff_next(NULL, 3, 0, UINT64_MAX), RESIL_MS(400));
    assert_int_equal(resil_backoff_next(NULL, 3, 0, 0), 0);
}

static void backoff_fixed_stays_the_same(void **state)
{
    const struct resil_backoff_config config = {
        .kind = RESIL_BACKOFF_FIXED, .jitter = RESIL_JITTER_NONE, .base_ns = 7, .cap_ns = 100};
    const uint64_t delays[] = {7, 7, 7, 7};

    (void)state;
    expect_delays(&config, delays, 4);
}

static void backoff_linear_grows_by_its_base(void **state)
{
    const struct resil_backoff_config config = {
        .kind = RESIL_BACKOFF_LINEAR, .jitter = RESIL_JITTER_NONE, .base_ns = 7, .cap_ns = 25};
    const uint64_t delays[] = {7, 14, 21, 25, 25};

    (void)state;
    expect_delays(&config, delays, 5);
}

static void backoff_exponential_grows_by_its_factor(void **state)
{
    const struct resil_backoff_config half = {
        .jitter = RESIL_JITTER_NONE, .base_ns = 1000, .cap_ns = 5000, .factor_pct = 150};
    const struct resil_backoff_config ten = {
        .jitter = RESIL_JITTER_NONE, .base_ns = 3, .cap_ns = RESIL_SEC(1), .factor_pct = 1000};
    const uint64_t half_delays[] = {1000, 1500, 2250, 3375, 5000};
    const uint64_t ten_delays[] = {3, 30, 300, 3000, 30000};

    (void)state;
    expect_delays(&half, half_delays, 5);
    expect_delays(&ten, ten_delays, 5);
}

static void backoff_grows_even_from_one_ns_by_a_tenth(void **state)
{
    const struct resil_backoff_config config = {
        .jitter = RESIL_JITTER_NONE, .base_ns = 1, .cap_ns = RESIL_SEC(86400), .factor_pct = 110};

    (void)state;
    assert_int_equal(resil_backoff_next(&config, 1, 0, 0), 1);
    assert_in_range(resil_backoff_next(&config, 101, 0, 0), 13750, 13781); /* 1.1^100 = 13780.6 */
    assert_true(resil_backoff_next(&config, 330, 0, 0) < RESIL_SEC(86400));
    assert_int_equal(resil_backoff_next(&config, 340, 0, 0), RESIL_SEC(86400));
}

static void backoff_saturates_at_any_retry_number(void **state)
{
    /* Two of them leave nothing, or next to nothing, of 100 ms times themselves in 64 bits. */
    const uint64_t numbers[] = {63,
                                64,
                                65,
                                127,
                                UINT32_MAX,
                                UINT64_C(1) << 32,
                                UINT64_MAX / RESIL_MS(100) + 1,
                                UINT64_C(1) << 63,
                                UINT64_MAX - 1,
                                UINT64_MAX};

    (void)state;
    for (int kind = 0; kind <= RESIL_BACKOFF_LINEAR; kind++) {
        const struct resil_backoff_config config = {.kind = (enum resil_backoff_kind)kind,
                                                    .jitter = RESIL_JITTER_NONE};
        uint64_t expected = kind == RESIL_BACKOFF_FIXED ? RESIL_MS(100) : RESIL_SEC(2);

        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            assert_int_equal(resil_backoff_next(&config, numbers[i], 0, 0), expected);
        assert_int_equal(resil_backoff_next(&config, 0, 0, 0), RESIL_MS(100));
    }
}

static void backoff_jitters_within_the_documented_range(void **state)
{
    struct resil_backoff_config config = {.base_ns = 1000, .cap_ns = 10000};

    (void)state;
    assert_int_equal(resil_backoff_next(&config, 2, 0, 0), 0);
    assert_int_equal(resil_backoff_next(&config, 2, 0, UINT64_MAX), 2000);
    config.jitter = RESIL_JITTER_EQUAL;
    assert_int_equal(resil_backoff_next(&config, 2, 0, 0), 1000);
    assert_int_equal(resil_backoff_next(&config, 2, 0, UINT64_MAX), 2000);
    config.jitter = RESIL_JITTER_DECORRELATED;
    assert_int_equal(resil_backoff_next(&config, 1, 0, 0), 1000);
    assert_int_equal(resil_backoff_next(&config, 1, 0, UINT64_MAX), 3000);
    assert_int_equal(resil_backoff_next(&config, 2, 2500, 0), 1000);
    assert_int_equal(resil_backoff_next(&config, 2, 2500, UINT64_MAX), 7500);
    assert_int_equal(resil_backoff_next(&config, 9, 9000, UINT64_MAX), 10000);
    assert_int_equal(resil_backoff_next(&config, 9, UINT64_MAX, UINT64_MAX), 10000);
}

static void backoff_never_exceeds_the_cap(void **state)
{
    uint64_t seed = test_seed(3);

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t cap = 1 + test_below(&seed, RESIL_SEC(10) >> test_below(&seed, 33));
        struct resil_backoff_config config = {.kind = (enum resil_backoff_kind)test_below(&seed, 3),
                                              .jitter =
                                                  (enum resil_backoff_jitter)test_below(&seed, 4),
                                              .base_ns = 1 + test_below(&seed, cap),
                                              .cap_ns = cap,
                                              .factor_pct = 110 + test_below(&seed, 891)};

        assert_int_equal(resil_backoff_config_check(&config, NULL, 0), RESIL_OK);
        assert_true(resil_backoff_next(&config, test_random(&seed) >> test_below(&seed, 64),
                                       test_random(&seed) >> test_below(&seed, 64),
                                       test_random(&seed)) <= cap);
    }
}

/* Saturated delays: the highest hundredth below the cap may hold no more than a fair share of
   them. */
static void backoff_does_not_bunch_at_the_cap(void **state)
{
    uint64_t seed = test_seed(5);
    const uint64_t bases[] = {1, RESIL_MS(100), RESIL_SEC(1), RESIL_SEC(2)};

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        const struct resil_backoff_config config = {.jitter = spreading[i % 3],
                                                    .base_ns = bases[i / 3]};
        uint64_t previous = RESIL_SEC(2);
        int highest = 0;
        int lower_half = 0;

        for (int draw = 0; draw < DRAWS; draw++) {
            previous = resil_backoff_next(&config, 64, previous, test_random(&seed));
            highest += previous > RESIL_MS(1980);
            lower_half += previous < RESIL_MS(1500);
        }
        assert_true(highest < DRAWS / 25);
        assert_true(lower_half > DRAWS * 2 / 5);
    }
}

/* Chi-square over 16 cells: 15 degrees of freedom, 1e-6 lies at 56. */
static void backoff_full_jitter_is_uniform(void **state)
{
    const struct resil_backoff_config config = {.base_ns = 16000, .cap_ns = 16000};
    uint64_t seed = test_seed(9);
    unsigned cells[17] = {0};
    double chi = 0;

    (void)state;
    for (int i = 0; i < 16000; i++)
        cells[resil_backoff_next(&config, 1, 0, test_random(&seed)) / 1001]++;
    for (int i = 0; i < 16; i++)
        chi += ((double)cells[i] - 1000) * ((double)cells[i] - 1000) / 1000;
    assert_true(chi < 56);
}

static void backoff_can_be_switched_off(void **state)
{
    struct resil_backoff_config config = {.base_ns = RESIL_OFF};

    (void)state;
    for (int jitter = 0; jitter <= RESIL_JITTER_DECORRELATED; jitter++) {
        config.jitter = (enum resil_backoff_jitter)jitter;
        assert_int_equal(resil_backoff_config_check(&config, NULL, 0), RESIL_OK);
        assert_int_equal(resil_backoff_next(&config, 5, RESIL_SEC(9), UINT64_MAX), 0);
    }
}

static void backoff_with_an_unchecked_config_does_no_harm(void **state)
{
    uint64_t seed = test_seed(13);

    (void)state;
    for (int i = 0; i < 100000; i++) {
        struct resil_backoff_config config = {
            .kind = (enum resil_backoff_kind)test_below(&seed, 9),
            .jitter = (enum resil_backoff_jitter)test_below(&seed, 9),
            .base_ns = test_random(&seed) >> test_below(&seed, 64),
            .cap_ns = test_random(&seed) >> test_below(&seed, 64),
            .factor_pct = test_random(&seed) >> test_below(&seed, 64)};

        assert_true(resil_backoff_next(&config, test_random(&seed), test_random(&seed),
                                       test_random(&seed)) <= RESIL_SEC(86400));
    }
}

static void hint_is_a_floor(void **state)
{
    uint64_t seed = test_seed(17);

    (void)state;
    for (int i = 0; i < 100000; i++) {
        uint64_t delay = test_random(&seed) >> test_below(&seed, 64);
        uint64_t hint = test_random(&seed) >> test_below(&seed, 64);
        uint64_t raised = resil_backoff_floor(NULL, delay, hint, test_random(&seed));

        assert_true(raised >= delay);
        assert_true(raised >= hint);
        assert_true(raised <= delay || raised - hint <= hint / 2);
    }
}

static void hint_beyond_the_cap_wins(void **state)
{
    (void)state;
    assert_int_equal(resil_backoff_floor(NULL, RESIL_SEC(2), RESIL_SEC(60), 0), RESIL_SEC(60));
    assert_int_equal(resil_backoff_floor(NULL, RESIL_SEC(2), RESIL_SEC(60), UINT64_MAX),
                     RESIL_SEC(90));
    assert_int_equal(resil_backoff_floor(NULL, RESIL_SEC(2), RESIL_MS(10), UINT64_MAX),
                     RESIL_SEC(2));
    assert_int_equal(resil_backoff_floor(NULL, 5, 0, UINT64_MAX), 5);
    assert_int_equal(resil_backoff_floor(NULL, 0, UINT64_MAX, UINT64_MAX), UINT64_MAX);
}

static void hint_without_jitter_is_kept_to_the_ns(void **state)
{
    const struct resil_backoff_config config = {.jitter = RESIL_JITTER_NONE};

    (void)state;
    assert_int_equal(resil_backoff_floor(&config, 1, 1000, UINT64_MAX), 1000);
    assert_int_equal(resil_backoff_floor(&config, 2000, 1000, UINT64_MAX), 2000);
}

/* 1,000 clients that were all told 1 s: no 50 ms may see more than twice their share. */
static void hint_does_not_bring_a_fleet_back_in_step(void **state)
{
    uint64_t seed = test_seed(19);
    int cells[10] = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t random = test_random(&seed);
        uint64_t delay =
            resil_backoff_floor(NULL, resil_backoff_next(NULL, 1, 0, random), RESIL_SEC(1), random);

        cells[(delay - RESIL_SEC(1)) / (RESIL_MS(50) + 1)]++;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(cells[i], 50, 200);
}

static void config_check_names_each_field(void **state)
{
    (void)state;
    assert_int_equal(resil_backoff_config_check(NULL, NULL, 0), RESIL_OK);
    expect_refused(&(struct resil_backoff_config){.kind = (enum resil_backoff_kind)3},
                   "kind: not one of enum resil_backoff_kind");
    expect_refused(&(struct resil_backoff_config){.jitter = (enum resil_backoff_jitter)4},
                   "jitter: not one of enum resil_backoff_jitter");
    expect_refused(&(struct resil_backoff_config){.base_ns = RESIL_SEC(86401)},
                   "base_ns is 86401000000000: must be 1 to 86400000000000 (0 = default, "
                   "RESIL_OFF = off)");
    expect_refused(&(struct resil_backoff_config){.cap_ns = RESIL_OFF},
                   "cap_ns is RESIL_OFF: must be 1 to 86400000000000 (0 = default)");
    expect_refused(&(struct resil_backoff_config){.factor_pct = 109},
                   "factor_pct is 109: must be 110 to 1000 (0 = default)");
    expect_refused(&(struct resil_backoff_config){.factor_pct = 1001},
                   "factor_pct is 1001: must be 110 to 1000 (0 = default)");
    expect_refused(&(struct resil_backoff_config){.base_ns = RESIL_SEC(2) + 1},
                   "base_ns: must not exceed cap_ns (0 = 2 s)");
    expect_refused(&(struct resil_backoff_config){.base_ns = RESIL_MS(100), .cap_ns = RESIL_MS(99)},
                   "base_ns: must not exceed cap_ns (0 = 2 s)");
}

static void the_default_base_gives_way_to_a_smaller_cap(void **state)
{
    const struct resil_backoff_config config = {.jitter = RESIL_JITTER_NONE,
                                                .cap_ns = RESIL_MS(30)};

    (void)state;
    assert_int_equal(resil_backoff_config_check(&config, NULL, 0), RESIL_OK);
    assert_int_equal(resil_backoff_next(&config, 1, 0, 0), RESIL_MS(30));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backoff_doubles_from_100_ms_to_2_s_by_default),
        cmocka_unit_test(backoff_fixed_stays_the_same),
        cmocka_unit_test(backoff_linear_grows_by_its_base),
        cmocka_unit_test(backoff_exponential_grows_by_its_factor),
        cmocka_unit_test(backoff_grows_even_from_one_ns_by_a_tenth),
        cmocka_unit_test(backoff_saturates_at_any_retry_number),
        cmocka_unit_test(backoff_jitters_within_the_documented_range),
        cmocka_unit_test(backoff_never_exceeds_the_cap),
        cmocka_unit_test(backoff_does_not_bunch_at_the_cap),
        cmocka_unit_test(backoff_full_jitter_is_uniform),
        cmocka_unit_test(backoff_can_be_switched_off),
        cmocka_unit_test(backoff_with_an_unchecked_config_does_no_harm),
        cmocka_unit_test(hint_is_a_floor),
        cmocka_unit_test(hint_beyond_the_cap_wins),
        cmocka_unit_test(hint_without_jitter_is_kept_to_the_ns),
        cmocka_unit_test(hint_does_not_bring_a_fleet_back_in_step),
        cmocka_unit_test(config_check_names_each_field),
        cmocka_unit_test(the_default_base_gives_way_to_a_smaller_cap),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
