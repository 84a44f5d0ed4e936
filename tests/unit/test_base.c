/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/resil.h>

#include "base/check.h"
#include "base/contend.h"
#include "base/math.h"
#include "base/outcomes.h"
#include "base/random.h"

static void status_str_names_every_status(void **state)
{
    (void)state;
#define EXPECT(name, value, text) assert_string_equal(resil_status_str(name), text);
    RESIL_STATUS_LIST(EXPECT)
#undef EXPECT
    assert_string_equal(resil_status_str(-50), "unknown status");
    assert_string_equal(resil_status_str(7), "unknown status");
}

static void status_values_are_frozen(void **state)
{
    (void)state;
    assert_int_equal(RESIL_OK, 0);
    assert_int_equal(RESIL_EINVAL, -1);
    assert_int_equal(RESIL_ECOST, -7);
    assert_int_equal(RESIL_EOPEN, -100);
    assert_int_equal(RESIL_ECANCELLED, -106);
}

static void status_tells_refusals_from_errors(void **state)
{
    (void)state;
    assert_true(resil_status_is_refusal(RESIL_EOPEN));
    assert_true(resil_status_is_refusal(-199));
    assert_false(resil_status_is_refusal(-200));
    assert_false(resil_status_is_refusal(RESIL_ECOST));
    assert_false(resil_status_is_refusal(RESIL_OK));
}

static void version_matches_the_headers(void **state)
{
    char text[32];

    (void)state;
    (void)snprintf(text, sizeof text, "%d.%d.%d", RESIL_VERSION_MAJOR, RESIL_VERSION_MINOR,
                   RESIL_VERSION_PATCH);
    assert_string_equal(resil_version(), text);
    assert_string_equal(resil_version(), RESIL_VERSION);
}

static void math_saturates(void **state)
{
    (void)state;
    assert_int_equal(resil__add_sat(UINT64_MAX, 1), UINT64_MAX);
    assert_int_equal(resil__add_sat(UINT64_MAX - 1, 1), UINT64_MAX);
    assert_int_equal(resil__add_sat(2, 3), 5);
    assert_int_equal(resil__sub_sat(2, 3), 0);
    assert_int_equal(resil__sub_sat(3, 2), 1);
    assert_int_equal(resil__mul_sat(UINT64_MAX, 2), UINT64_MAX);
    assert_int_equal(resil__mul_sat(1u << 31, 1u << 31), UINT64_C(1) << 62);
}

static void mul_div_keeps_the_128_bit_middle(void **state)
{
    (void)state;
    assert_int_equal(resil__mul_div(UINT64_MAX, UINT64_MAX, UINT64_MAX), UINT64_MAX);
    assert_int_equal(resil__mul_div(UINT64_MAX, 10, 20), UINT64_MAX / 2);
    assert_int_equal(resil__mul_div(7, 3, 2), 10);
    assert_int_equal(resil__mul_div_up(7, 3, 2), 11);
    assert_int_equal(resil__mul_div_up(8, 3, 2), 12);
}

static void mul_div_answers_the_maximum_when_it_does_not_fit(void **state)
{
    (void)state;
    assert_int_equal(resil__mul_div(UINT64_MAX, 2, 1), UINT64_MAX);
    assert_int_equal(resil__mul_div(1, 1, 0), UINT64_MAX);
    assert_int_equal(resil__mul_div_up(1, 1, 0), UINT64_MAX);
}

static void mul_div_and_its_portable_twin_agree(void **state)
{
    uint64_t seed = test_seed(7);

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint64_t a = test_random(&seed) >> test_below(&seed, 64);
        uint64_t b = test_random(&seed) >> test_below(&seed, 64);
        uint64_t divisor = test_random(&seed) >> test_below(&seed, 64);
        struct resil__wide wide = resil__mul_wide(a, b);
        struct resil__wide twin = resil__mul_wide_portable(a, b);

        assert_int_equal(wide.high, twin.high);
        assert_int_equal(wide.low, twin.low);
        assert_int_equal(resil__mul_div(a, b, divisor), resil__mul_div_portable(a, b, divisor));
    }
}

/* The published vectors of SplitMix64. */
static void random_numbers_are_those_of_splitmix64(void **state)
{
    uint64_t seed = 1234567;

    (void)state;
    assert_true(resil__random_next(&seed) == UINT64_C(6457827717110365317));
    assert_true(resil__random_next(&seed) == UINT64_C(3203168211198807973));
    assert_true(resil__random_next(&seed) == UINT64_C(9817491932198370423));
}

static void what_is_no_outcome_is_a_failure(void **state)
{
    (void)state;
    assert_int_equal(resil__outcome((enum resil_outcome)RESIL_OUTCOMES), RESIL_FAILURE);
    assert_int_equal(resil__outcome((enum resil_outcome)(RESIL_OUTCOMES - 1)), RESIL_OUTCOMES - 1);
    assert_int_equal(resil__outcome(RESIL_NONE), RESIL_FAILURE);
}

static void random_below_stays_below(void **state)
{
    uint64_t seed = 1;

    (void)state;
    assert_int_equal(resil__random_below(UINT64_MAX, 0), 0);
    assert_int_equal(resil__random_below(UINT64_MAX, 1), 0);
    assert_int_equal(resil__random_below(UINT64_MAX, 10), 9);
    assert_int_equal(resil__random_below(0, 10), 0);
    for (int i = 0; i < 1000; i++)
        assert_true(resil__random_below(resil__random_next(&seed), 7) < 7);
}

/* Chi-square over 16 cells of 16,000 draws: 15 degrees of freedom, 1e-6 lies at 56. */
static void random_below_is_uniform(void **state)
{
    uint64_t seed = 42;
    unsigned cells[16] = {0};
    double chi = 0;

    (void)state;
    for (int i = 0; i < 16000; i++)
        cells[resil__random_below(resil__random_next(&seed), 16)]++;
    for (int i = 0; i < 16; i++)
        chi += ((double)cells[i] - 1000) * ((double)cells[i] - 1000) / 1000;
    assert_true(chi < 56);
}

static void check_names_field_value_and_range(void **state)
{
    char text[120] = "untouched";
    struct resil__why why = {text, sizeof text};

    (void)state;
    assert_int_equal(resil__check_range(why, "burst", 0, 1, 9), RESIL_OK);
    assert_int_equal(resil__check_range(why, "burst", 9, 1, 9), RESIL_OK);
    assert_string_equal(text, "untouched");
    assert_int_equal(resil__check_range(why, "burst", 10, 1, 9), RESIL_EINVAL);
    assert_string_equal(text, "burst is 10: must be 1 to 9 (0 = default)");
    assert_int_equal(resil__check_range(why, "burst", RESIL_OFF, 1, 9), RESIL_EINVAL);
    assert_string_equal(text, "burst is RESIL_OFF: must be 1 to 9 (0 = default)");
    assert_int_equal(resil__check_optional(why, "pct", RESIL_OFF, 1, 100), RESIL_OK);
    assert_int_equal(resil__check_optional(why, "pct", 101, 1, 100), RESIL_EINVAL);
    assert_string_equal(text, "pct is 101: must be 1 to 100 (0 = default, RESIL_OFF = off)");
    assert_int_equal(resil__check_required(why, "limit", 0, 1, 100), RESIL_EINVAL);
    assert_string_equal(text, "limit is 0: must be 1 to 100");
    assert_int_equal(resil__check_fail(why, "base_ns", "must not exceed cap_ns"), RESIL_EINVAL);
    assert_string_equal(text, "base_ns: must not exceed cap_ns");
}

static void check_can_do_without_a_text(void **state)
{
    struct resil__why none = {NULL, 10};
    char byte = 'x';
    struct resil__why empty = {&byte, 0};

    (void)state;
    assert_int_equal(resil__check_range(none, "a", 2, 3, 4), RESIL_EINVAL);
    assert_int_equal(resil__check_fail(empty, "a", "b"), RESIL_EINVAL);
    assert_int_equal(byte, 'x');
}

static void contend_is_bounded(void **state)
{
    struct resil__contend contend = RESIL__CONTEND;

    (void)state;
    for (int i = 0; i < 100; i++)
        resil__contend(&contend);
    assert_int_equal(contend.spins, 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_str_names_every_status),
        cmocka_unit_test(status_values_are_frozen),
        cmocka_unit_test(status_tells_refusals_from_errors),
        cmocka_unit_test(version_matches_the_headers),
        cmocka_unit_test(math_saturates),
        cmocka_unit_test(mul_div_keeps_the_128_bit_middle),
        cmocka_unit_test(mul_div_answers_the_maximum_when_it_does_not_fit),
        cmocka_unit_test(mul_div_and_its_portable_twin_agree),
        cmocka_unit_test(random_numbers_are_those_of_splitmix64),
        cmocka_unit_test(what_is_no_outcome_is_a_failure),
        cmocka_unit_test(random_below_stays_below),
        cmocka_unit_test(random_below_is_uniform),
        cmocka_unit_test(check_names_field_value_and_range),
        cmocka_unit_test(check_can_do_without_a_text),
        cmocka_unit_test(contend_is_bounded),
    };

    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
