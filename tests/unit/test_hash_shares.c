/* SPDX-License-Identifier: BSD-2-Clause */

/* How the keys are shared out: evenly, by weight, and with few that move. */
#include "hash_pickers_fixture.h"

static uint32_t counts[1000];

/* The keys of one who is out are shared by all. */
static void picker_spreads_the_keys_of_who_is_out(void **state)
{
    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = plain(picker_of(p), 10);
        uint32_t lost = 0;

        remember(town);
        town_ill(town, 3, true);
        memset(counts, 0, sizeof counts);
        for (uint32_t i = 0; i < KEYS; i++)
            if (before[i] == 3) {
                lost++;
                counts[pick_key(town, i)]++;
            }
        for (uint32_t i = 0; i < 10; i++)
            if (i != 3)
                assert_in_range(counts[i], lost / 9 / 2, lost / 9 * 2);
        town_free(town);
    }
}

/* Without a key: at random, by weight. */
static void picker_without_a_key_is_random_and_fair(void **state)
{
    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        struct town *town =
            town_new(picker_of(p), 4, (struct resil_picker_options){.ring_min = 65536});
        struct resil_pick_context context = {.random_ = test_seed(42)};

        for (uint32_t i = 0; i < 4; i++)
            town->members[i].weight = 1 + i;
        town_build(town);
        memset(counts, 0, sizeof counts);
        for (uint32_t i = 0; i < 40000; i++)
            counts[quick(town, &context)]++;
        for (uint32_t i = 0; i < 4; i++)
            assert_in_range(counts[i], 3700 * (i + 1), 4300 * (i + 1));
        town_free(town);
    }
}

/* max / mean over 100 equals, in thousandths. */
static uint64_t imbalance(struct town *town)
{
    uint64_t most = 0, random = test_seed(43);

    memset(counts, 0, sizeof counts);
    for (uint32_t i = 0; i < 300000; i++) {
        struct resil_pick_context context = {.key = test_random(&random) | 1};

        counts[quick(town, &context)]++;
    }
    for (uint32_t i = 0; i < town->count; i++)
        most = counts[i] > most ? counts[i] : most;
    return most * town->count / 300;
}

/* Chance alone makes it 1.05 with three thousand keys each. */
static void picker_is_even(void **state)
{
    static const uint64_t bounds[] = {1200, 1070, 1070, 1200};

    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = plain(picker_of(p), 100);

        assert_in_range(imbalance(town), 1000, bounds[p]);
        town_free(town);
    }
}

/* Slots, not keys: with M > 100 n nobody has 1 % more than another. */
static void maglev_shares_differ_by_less_than_a_hundredth(void **state)
{
    static const uint32_t members[] = {2, 10, 100, 655};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct town *town = plain(picker_of(1), members[i]);
        uint64_t most = 0, least = UINT64_MAX;

        memset(counts, 0, sizeof counts);
        for (uint64_t slot = 0; slot < 65537; slot++)
            counts[town_pick(town, slot + 65537)]++;
        for (uint32_t m = 0; m < members[i]; m++) {
            most = counts[m] > most ? counts[m] : most;
            least = counts[m] < least ? counts[m] : least;
        }
        assert_true((most - least) * 100 <= least);
        town_free(town);
    }
}

static void picker_respects_weights(void **state)
{
    static const uint32_t weights[] = {1, 5, 10, 50, 100, 834};
    static const uint64_t slack[] = {12, 4, 4, 12}; /* percent of the share, beside chance */

    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        struct town *town =
            town_new(picker_of(p), 6, (struct resil_picker_options){.ring_min = 1 << 17});
        uint64_t random = test_seed(44);

        for (uint32_t i = 0; i < 6; i++)
            town->members[i].weight = weights[i];
        town_build(town);
        memset(counts, 0, sizeof counts);
        for (uint32_t i = 0; i < 300000; i++) {
            struct resil_pick_context context = {.key = test_random(&random) | 1};

            counts[quick(town, &context)]++;
        }
        for (uint32_t i = 0; i < 6; i++) {
            uint64_t want = weights[i] * UINT64_C(300), off = want * slack[p] / 100 + 60;

            assert_in_range(counts[i], want - off, want + off);
        }
        town_free(town);
    }
}

/* The lightest may have no point, no slot; alone it is found all the same. */
static void picker_takes_weight_1_beside_65535(void **state)
{
    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = town_new(picker_of(p), 10, (struct resil_picker_options){0});

        for (uint32_t i = 0; i < 9; i++)
            town->members[i].weight = 65535;
        town_build(town);
        memset(counts, 0, sizeof counts);
        for (uint32_t i = 0; i < KEYS; i++)
            counts[pick_key(town, i)]++;
        assert_true(counts[9] <= 5);
        for (uint32_t i = 0; i < 9; i++) {
            assert_in_range(counts[i], KEYS / 9 * 8 / 10, KEYS / 9 * 12 / 10);
            town_ill(town, i, true);
        }
        assert_int_equal(pick_key(town, 1), 9);
        town_free(town);
    }
}

static void picker_leaves_out_weight_0(void **state)
{
    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = town_new(picker_of(p), 10, (struct resil_picker_options){0});
        struct town *without = town_new(picker_of(p), 9, (struct resil_picker_options){0});

        town->members[9].weight = 0;
        town_build(town);
        town_build(without);
        for (uint32_t i = 0; i < KEYS; i++)
            assert_int_equal(pick_key(town, i), pick_key(without, i));
        town_free(town);
        town_free(without);
    }
}

/* A list with one more: how many keys move, and whether any moves between the old ones. */
static void list_that_grows_by_one_moves_few_keys(void **state)
{
    /* 1 / n is 5 %; a ring with points for a multiple of both doesn't round. */
    static const uint32_t bounds[] = {6, 10, 6, 6};

    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        struct resil_picker_options whole = {.ring_min = 19 * 20 * 100, .ring_max = 19 * 20 * 100};
        struct town *town = town_new(picker_of(p), 19, whole), *more;
        uint32_t moved = 0, between = 0;

        whole.ring_min = whole.ring_max = 20 * 20 * 100;
        more = town_new(picker_of(p), 20, whole);
        town_build(town);
        town_build(more);
        for (uint32_t i = 0; i < KEYS; i++) {
            uint32_t old = pick_key(town, i), now = pick_key(more, i);

            moved += old != now;
            between += old != now && now != 19;
        }
        assert_in_range(moved, KEYS * 4 / 100, KEYS * bounds[p] / 100);
        if (p != 1)
            assert_int_equal(between, 0);
        else
            assert_true(between < KEYS * 5 / 100);
        town_free(town);
        town_free(more);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picker_spreads_the_keys_of_who_is_out),
        cmocka_unit_test(picker_without_a_key_is_random_and_fair),
        cmocka_unit_test(picker_is_even),
        cmocka_unit_test(maglev_shares_differ_by_less_than_a_hundredth),
        cmocka_unit_test(picker_respects_weights),
        cmocka_unit_test(picker_takes_weight_1_beside_65535),
        cmocka_unit_test(picker_leaves_out_weight_0),
        cmocka_unit_test(list_that_grows_by_one_moves_few_keys),
    };

    return cmocka_run_group_tests_name("hash_shares", tests, NULL, NULL);
}
