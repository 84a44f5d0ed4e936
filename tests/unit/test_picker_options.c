/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include "balancer/picker_options.h"

static int check(struct resil_picker_options options, const char **line)
{
    static char text[200];

    (void)snprintf(text, sizeof text, "-");
    *line = text;
    return resil__picker_options_check(&options,
                                       (struct resil__why){.text = text, .size = sizeof text});
}

static void passes(struct resil_picker_options options)
{
    const char *line;

    assert_int_equal(check(options, &line), RESIL_OK);
    assert_string_equal(line, "-");
}

static void fails(struct resil_picker_options options, const char *want)
{
    const char *line;

    assert_int_equal(check(options, &line), RESIL_EINVAL);
    assert_string_equal(line, want);
}

static void options_at_the_ends_of_their_ranges_pass(void **state)
{
    (void)state;
    passes((struct resil_picker_options){0});
    passes((struct resil_picker_options){.choices = 2,
                                         .decay_ns = RESIL_MS(10),
                                         .first_ns = RESIL_US(1),
                                         .ring_min = 1,
                                         .ring_max = 1,
                                         .maglev_size = 2,
                                         .bounded_pct = 101,
                                         .hot_pct = 1,
                                         .probe_ns = RESIL_MS(1)});
    passes((struct resil_picker_options){.choices = 16,
                                         .decay_ns = RESIL_SEC(600),
                                         .first_ns = RESIL_SEC(600),
                                         .ring_min = 8388608,
                                         .ring_max = 8388608,
                                         .maglev_size = 5000011,
                                         .bounded_pct = 1000,
                                         .hot_pct = 100,
                                         .probe_ns = RESIL_SEC(600)});
}

#define FAILS(field, value, range)                                                                 \
    fails((struct resil_picker_options){.field = (value)},                                         \
          #field " is " #value ": must be " range " (0 = default)")

static void options_out_of_range_are_named(void **state)
{
    (void)state;
    FAILS(choices, 1, "2 to 16");
    FAILS(choices, 17, "2 to 16");
    FAILS(decay_ns, 9999999, "10000000 to 600000000000");
    FAILS(decay_ns, 600000000001, "10000000 to 600000000000");
    FAILS(first_ns, 999, "1000 to 600000000000");
    FAILS(first_ns, 600000000001, "1000 to 600000000000");
    FAILS(ring_min, 8388609, "1 to 8388608");
    FAILS(ring_max, 8388609, "1 to 8388608");
    FAILS(maglev_size, 1, "2 to 5000011");
    FAILS(maglev_size, 5000012, "2 to 5000011");
    FAILS(bounded_pct, 100, "101 to 1000");
    FAILS(bounded_pct, 1001, "101 to 1000");
    FAILS(bounded_pct, RESIL_OFF, "101 to 1000");
    FAILS(hot_pct, 101, "1 to 100");
    FAILS(probe_ns, 999999, "1000000 to 600000000000");
    FAILS(probe_ns, 600000000001, "1000000 to 600000000000");
    fails((struct resil_picker_options){.ring_min = 20, .ring_max = 10},
          "ring_max is 10: must be 20 to 8388608 (0 = default)");
}

static void options_want_a_prime(void **state)
{
    static const uint64_t primes[] = {2, 3, 5, 7, 641, 65521, 65537, 655373, 4999999, 5000011};
    static const uint64_t others[] = {4, 9, 65536, 65539 - 2 + 1, 4295 * 5, 2233 * 2237, 5000010};

    (void)state;
    for (size_t i = 0; i < sizeof primes / sizeof primes[0]; i++)
        passes((struct resil_picker_options){.maglev_size = primes[i]});
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        fails((struct resil_picker_options){.maglev_size = others[i]},
              "maglev_size: must be a prime");
}

static void options_are_filled_with_the_defaults(void **state)
{
    struct resil_picker_options options = {.user = &options};

    (void)state;
    resil__picker_options_fill(&options);
    assert_int_equal(options.choices, 2);
    assert_int_equal(options.decay_ns, RESIL_SEC(10));
    assert_int_equal(options.first_ns, RESIL_MS(30));
    assert_int_equal(options.ring_min, 1024);
    assert_int_equal(options.ring_max, 65536);
    assert_int_equal(options.maglev_size, 0); /* by the members of each pool */
    assert_int_equal(options.bounded_pct, 125);
    assert_int_equal(options.hot_pct, 84);
    assert_int_equal(options.probe_ns, RESIL_SEC(1));
    assert_ptr_equal(options.user, &options);
}

static void options_that_are_given_stay(void **state)
{
    struct resil_picker_options options = {3, 4, 5, 6, 7, 11, 150, 50, 8, NULL}, given = options;

    (void)state;
    resil__picker_options_fill(&options);
    assert_memory_equal(&options, &given, sizeof given);
}

static void options_of_a_ring_move_each_others_defaults(void **state)
{
    struct resil_picker_options large = {.ring_min = 100000}, small = {.ring_max = 500};

    (void)state;
    passes(large);
    passes(small);
    resil__picker_options_fill(&large);
    resil__picker_options_fill(&small);
    assert_int_equal(large.ring_max, 100000);
    assert_int_equal(small.ring_min, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_at_the_ends_of_their_ranges_pass),
        cmocka_unit_test(options_out_of_range_are_named),
        cmocka_unit_test(options_want_a_prime),
        cmocka_unit_test(options_are_filled_with_the_defaults),
        cmocka_unit_test(options_that_are_given_stay),
        cmocka_unit_test(options_of_a_ring_move_each_others_defaults),
    };

    return cmocka_run_group_tests_name("picker_options", tests, NULL, NULL);
}
