/* SPDX-License-Identifier: BSD-2-Clause */
#include "hash_fixture.h"

#include <math.h>

#include "balancer/exponential.h"

#define UNIT 288230376151711744.0L /* 2^58 */

static void exponential_is_close_and_never_below_its_floor(void **state)
{
    uint64_t random = test_seed(31);
    long double worst = 0;

    (void)state;
    assert_int_equal(resil__exponential(0), 0);
    for (int n = 0; n < 300000; n++) {
        uint64_t x = test_random(&random) >> test_below(&random, 64);
        long double want, off;

        if (n & 1)
            x = ~x;
        want = -log1pl(-(long double)x / 18446744073709551616.0L);
        off = fabsl((long double)resil__exponential(x) / UNIT - want);
        if (off > worst)
            worst = off;
        assert_true(resil__exponential(x) >= x >> 6);
    }
    assert_true(worst < 4 / UNIT);
    assert_true(fabsl((long double)resil__exponential(UINT64_MAX) / UNIT - 64 * logl(2)) <
                4 / UNIT);
}

static void exponential_of_known_inputs_is_the_same_everywhere(void **state)
{
    (void)state;
    /* The truth, by another program, is at most 2 more. */
    assert_int_equal(resil__exponential(UINT64_C(1) << 63), UINT64_C(199786072581291494));
    assert_int_equal(resil__exponential(UINT64_C(1) << 62), UINT64_C(82918711954880807));
    assert_int_equal(resil__exponential(UINT64_C(3) << 62), UINT64_C(399572145162582988));
    assert_int_equal(resil__exponential(UINT64_C(3) << 61), UINT64_C(135469322850168025));
    assert_int_equal(resil__exponential(UINT64_C(0x123456789abcdef0)), UINT64_C(21261645230826220));
    assert_int_equal(resil__exponential(UINT64_MAX), UINT64_C(12786308645202655658));
    assert_int_equal(resil__exponential(1 << 6), 1);
    assert_int_equal(resil__exponential(63), 0);
}

/* The share of the keys that each member has. */
static void count_keys(struct town *town, uint32_t *counts, int keys)
{
    uint64_t random = test_seed(32);

    memset(counts, 0, town->count * sizeof *counts);
    for (int n = 0; n < keys; n++)
        counts[town_pick(town, test_random(&random) | 1)]++;
}

static void rendezvous_gives_each_its_share(void **state)
{
    static const uint32_t weights[] = {1, 2, 3, 4, 10, 10, 10, 60};
    struct town *town = town_new(resil_picker_rendezvous(), 8, (struct resil_picker_options){0});
    uint32_t counts[8];

    (void)state;
    for (uint32_t i = 0; i < 8; i++)
        town->members[i].weight = weights[i];
    town_build(town);
    count_keys(town, counts, 400000);
    for (uint32_t i = 0; i < 8; i++) { /* six times the deviation that chance has */
        double want = 400000.0 * weights[i] / 100;

        assert_true(fabs(counts[i] - want) < 6 * sqrt(want));
    }
    town_free(town);
}

static void rendezvous_agrees_with_logarithms(void **state)
{
    uint64_t random = test_seed(33);
    struct town *town = town_new(resil_picker_rendezvous(), 40, (struct resil_picker_options){0});

    (void)state;
    for (int n = 0; n < 20000; n++) {
        uint64_t key = test_random(&random) | 1;
        long double least = INFINITY;
        uint32_t want = 0;

        if (n % 100 == 0) {
            for (uint32_t i = 0; i < town->count; i++) {
                uint64_t weight = test_below(&random, n % 200 ? 65535 : 3);

                town->members[i].weight = 1 + (uint32_t)weight;
            }
            town_build(town);
        }
        for (uint32_t i = 0; i < town->count; i++) {
            uint64_t x = resil__mix(resil__mix(key) ^ town->members[i].hash);
            long double wait =
                -log1pl(-(long double)x / 18446744073709551616.0L) / town->members[i].weight;

            if (wait < least) {
                least = wait;
                want = i;
            }
        }
        assert_int_equal(town_pick(town, key), want);
    }
    town_free(town);
}

static void rendezvous_moves_keys_only_to_a_weight_that_grows(void **state)
{
    struct town *town = town_new(resil_picker_rendezvous(), 9, (struct resil_picker_options){0});
    uint32_t before[5000], moved = 0;

    (void)state;
    for (uint32_t i = 0; i < 9; i++)
        town->members[i].weight = 10;
    town_build(town);
    /* Slow start: the candidate's own weight counts. */
    town->candidates[4].weight /= 10;
    for (uint64_t key = 1; key < 5000; key++)
        before[key] = town_pick(town, resil__mix(key));
    for (uint32_t step = 2; step <= 10; step++) {
        town->candidates[4].weight = step * 256;
        for (uint64_t key = 1; key < 5000; key++) {
            uint32_t now = town_pick(town, resil__mix(key));

            assert_true(now == before[key] || now == 4);
            moved += now != before[key];
            before[key] = now;
        }
    }
    assert_in_range(moved, 400, 600); /* from a share of 1 / 81 to 1 / 9 */
    town_free(town);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_is_close_and_never_below_its_floor),
        cmocka_unit_test(exponential_of_known_inputs_is_the_same_everywhere),
        cmocka_unit_test(rendezvous_gives_each_its_share),
        cmocka_unit_test(rendezvous_agrees_with_logarithms),
        cmocka_unit_test(rendezvous_moves_keys_only_to_a_weight_that_grows),
    };

    return cmocka_run_group_tests_name("rendezvous", tests, NULL, NULL);
}
