/* SPDX-License-Identifier: BSD-2-Clause */
#include "hash_fixture.h"

#include <math.h>

#include "balancer/exponential.h"

#define UNIT 288230376151711744.0 /* 2^58 */

/* The truth, rounded down, is another program's, to 60 digits. */
static void exponential_is_at_most_two_units_off(void **state)
{
    static const struct {
        uint64_t x, truth;
    } rows[] = {{UINT64_C(0x1), UINT64_C(0)},
                {UINT64_C(0x3f), UINT64_C(0)},
                {UINT64_C(0x40), UINT64_C(1)},
                {UINT64_C(0x100001), UINT64_C(16384)},
                {UINT64_C(0x10000003039), UINT64_C(17179869888)},
                {UINT64_C(0x200000000000001), UINT64_C(2260641989816120)},
                {UINT64_C(0x1000000000000007), UINT64_C(18601962223757338)},
                {UINT64_C(0x2000000000000000), UINT64_C(38487803524228062)},
                {UINT64_C(0x3fffffffffffffff), UINT64_C(82918711954880807)},
                {UINT64_C(0x4000000000000000), UINT64_C(82918711954880807)},
                {UINT64_C(0x6000000000000000), UINT64_C(135469322850168025)},
                {UINT64_C(0x7fffffffffffffff), UINT64_C(199786072581291494)},
                {UINT64_C(0x8000000000000000), UINT64_C(199786072581291494)},
                {UINT64_C(0x8000000000000001), UINT64_C(199786072581291494)},
                {UINT64_C(0xc000000000000000), UINT64_C(399572145162582989)},
                {UINT64_C(0xfff0000000000000), UINT64_C(2397432870975497936)},
                {UINT64_C(0xffffffff00000000), UINT64_C(6393154322601327829)},
                {UINT64_C(0xfffffffffff00000), UINT64_C(8790587193576825766)},
                {UINT64_C(0xfffffffffffffffd), UINT64_C(12469655211994953477)},
                {UINT64_C(0xfffffffffffffffe), UINT64_C(12586522572621364165)},
                {UINT64_C(0xffffffffffffffff), UINT64_C(12786308645202655659)},
                {UINT64_C(0x97b750923ceb3ffd), UINT64_C(258848229115012419)},
                {UINT64_C(0x216363698b529b4a), UINT64_C(40279663960584660)},
                {UINT64_C(0xea7b5bf55eb561a4), UINT64_C(713739605367712553)},
                {UINT64_C(0x795b929e9a9a80fd), UINT64_C(185204116250999604)},
                {UINT64_C(0x94b2b8fda02f34a6), UINT64_C(250625367110770723)},
                {UINT64_C(0x9b08923d10c67fd9), UINT64_C(268166222086195985)},
                {UINT64_C(0xe8a8529f035efa25), UINT64_C(690283553143154904)},
                {UINT64_C(0x781f9c58d6645fa9), UINT64_C(182574028893898153)},
                {UINT64_C(0x8d0038ec42650644), UINT64_C(230657185438327106)},
                {UINT64_C(0x311624273bfd1d33), UINT64_C(61357491115657889)},
                {UINT64_C(0xb7970386fee29476), UINT64_C(363986432426323613)}};

    (void)state;
    assert_int_equal(resil__exponential(0), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_in_range(resil__exponential(rows[i].x) + 2, rows[i].truth, rows[i].truth + 2);
}

static void exponential_follows_the_logarithm_and_is_never_below_its_floor(void **state)
{
    uint64_t random = test_seed(31);

    (void)state;
    for (int n = 0; n < 100000; n++) {
        uint64_t x = test_random(&random) >> test_below(&random, 54);
        double want = -log1p(-(double)x / 18446744073709551616.0);
        double got = (double)resil__exponential(x) / UNIT;

        assert_true(fabs(got - want) <= 1e-12 + 1e-12 * want);
        assert_true(resil__exponential(x) >= x >> 6);
    }
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
        double least = 1e300;
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
            double wait = -log1p(-(double)x / 18446744073709551616.0) / town->members[i].weight;

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
        cmocka_unit_test(exponential_is_at_most_two_units_off),
        cmocka_unit_test(exponential_follows_the_logarithm_and_is_never_below_its_floor),
        cmocka_unit_test(rendezvous_gives_each_its_share),
        cmocka_unit_test(rendezvous_agrees_with_logarithms),
        cmocka_unit_test(rendezvous_moves_keys_only_to_a_weight_that_grows),
    };

    return cmocka_run_group_tests_name("rendezvous", tests, NULL, NULL);
}
