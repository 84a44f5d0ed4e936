/* SPDX-License-Identifier: BSD-2-Clause */

/* What holds for every picker that goes by key: stable, even, and nothing moves that needn't. */
#include "hash_fixture.h"

#include "balancer/bounded_load.h"

#define KEYS 5000

static const struct resil_picker *pickers[4];
static uint32_t before[KEYS], counts[10000];

static int gather(void **state)
{
    (void)state;
    pickers[0] = resil_picker_ring_hash();
    pickers[1] = resil_picker_maglev();
    pickers[2] = resil_picker_rendezvous();
    pickers[3] = resil_picker_bounded_load();
    return 0;
}

static bool claims(const struct town *town)
{
    return (town->picker->flags & RESIL_PICKER_CLAIMS_) != 0;
}

/* A pick that ends at once. */
static uint32_t quick(struct town *town, struct resil_pick_context *context)
{
    uint32_t member = town_ask(town, context);

    if (member != RESIL_PICK_NONE && claims(town))
        resil__bounded_release(&town->turns, context->stripe_, &town->loads[member]);
    return member;
}

static uint64_t key_of(uint32_t i)
{
    return resil__mix(i + 1);
}

static uint32_t pick_key(struct town *town, uint32_t i)
{
    struct resil_pick_context context = {.key = key_of(i)};

    return quick(town, &context);
}

static struct town *plain(const struct resil_picker *picker, uint32_t count)
{
    struct town *town = town_new(picker, count, (struct resil_picker_options){.ring_min = 65536});

    town_build(town);
    return town;
}

static void remember(struct town *town)
{
    for (uint32_t i = 0; i < KEYS; i++)
        before[i] = pick_key(town, i);
}

static void pickers_say_what_they_are(void **state)
{
    static const char *const names[] = {"ring_hash", "maglev", "rendezvous", "bounded_load"};
    uint32_t flags = RESIL_PICKER_MEMBERS | RESIL_PICKER_EXCLUDES | RESIL_PICKER_KEYED;

    (void)state;
    for (int p = 0; p < 4; p++) {
        assert_int_equal(pickers[p]->size, sizeof(struct resil_picker));
        assert_string_equal(pickers[p]->name, names[p]);
        assert_int_equal(pickers[p]->flags & ~RESIL_PICKER_CLAIMS_, flags);
        assert_int_equal((pickers[p]->flags & RESIL_PICKER_CLAIMS_) != 0, p == 3);
        assert_int_equal(pickers[p]->table_size == NULL, pickers[p]->build == NULL);
    }
}

static void picker_keeps_the_host_of_a_key(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        struct town *town = plain(pickers[p], 37), *other = plain(pickers[p], 37);

        for (uint32_t i = 0; i < KEYS; i++) {
            uint32_t first = pick_key(town, i);

            assert_int_equal(pick_key(town, i), first);
            assert_int_equal(pick_key(other, i), first);
        }
        town_free(town);
        town_free(other);
    }
}

static void picker_ignores_the_order_of_the_list(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        struct town *town = town_new(pickers[p], 50, (struct resil_picker_options){0});
        struct town *turned = town_new(pickers[p], 50, (struct resil_picker_options){0});

        for (uint32_t i = 0; i < 50; i++) {
            town->members[i].weight = 1 + i % 7;
            turned->members[49 - i] = town->members[i];
            turned->members[49 - i].load = &turned->loads[49 - i];
        }
        town_build(town);
        town_build(turned);
        for (uint32_t i = 0; i < KEYS; i++)
            assert_int_equal(pick_key(turned, i), 49 - pick_key(town, i));
        town_free(town);
        town_free(turned);
    }
}

static void picker_moves_only_the_keys_of_who_is_out(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        struct town *town = plain(pickers[p], 20);
        uint64_t random = test_seed(41);

        for (int round = 0; round < 19; round++) { /* until one is left */
            uint32_t out;

            do
                out = (uint32_t)test_below(&random, 20);
            while (town->ill[out]);
            remember(town);
            town_ill(town, out, true);
            for (uint32_t i = 0; i < KEYS; i++) {
                uint32_t now = pick_key(town, i);

                assert_true(before[i] == out ? now != out : now == before[i]);
            }
            town_ill(town, out, false);
            for (uint32_t i = 0; i < KEYS; i++)
                assert_int_equal(pick_key(town, i), before[i]);
            town_ill(town, out, true);
        }
        town_free(town);
    }
}

/* The keys of one who is out are shared by all. */
static void picker_spreads_the_keys_of_who_is_out(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        struct town *town = plain(pickers[p], 10);
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

static void picker_walks_on_past_the_excluded(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        struct town *town = plain(pickers[p], 5);
        struct town *less = plain(pickers[p], 5);

        for (uint32_t i = 0; i < 200; i++) {
            uint64_t excluded[5];
            struct resil_pick_context context = {.key = key_of(i), .excluded = excluded};

            for (uint32_t n = 0; n < 5; n++) {
                uint32_t member = quick(town, &context);

                assert_true(member < 5);
                assert_false(less->ill[member]); /* nobody twice */
                assert_int_equal(pick_key(less, i), member);
                town_ill(less, member, true);
                excluded[n] = town->members[member].id;
                context.excluded_count++;
            }
            assert_int_equal(quick(town, &context), RESIL_PICK_NONE);
            for (uint32_t n = 0; n < 5; n++)
                town_ill(less, n, false);
        }
        for (int i = 0; i < RESIL__STRIPES; i++)
            assert_int_equal(town->turns.stripes[i].in_flight, 0);
        town_free(town);
        town_free(less);
    }
}

static void picker_finds_nobody_where_all_are_ill(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        struct town *town = plain(pickers[p], 7), *empty = plain(pickers[p], 0);

        for (uint32_t i = 0; i < 7; i++)
            town_ill(town, i, true);
        assert_int_equal(town_pick(town, 1), RESIL_PICK_NONE);
        assert_int_equal(town_pick(town, 0), RESIL_PICK_NONE);
        assert_int_equal(town_pick(empty, 1), RESIL_PICK_NONE);
        for (int i = 0; i < RESIL__STRIPES; i++)
            assert_int_equal(town->turns.stripes[i].in_flight, 0);
        town_free(town);
        town_free(empty);
    }
}

/* All but one of ten thousand are ill: the walk gives up and asks by rendezvous. */
static void picker_finds_the_last_one_of_ten_thousand(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        struct town *town = town_new(pickers[p], 10000, (struct resil_picker_options){0});

        for (uint32_t i = 0; i < 10000; i++)
            town->ill[i] = i != 8888;
        town_build(town);
        for (uint32_t i = 0; i < 300; i++)
            assert_int_equal(pick_key(town, i), 8888);
        for (uint32_t i = 0; i < 10000; i += 100)
            town->ill[i] = false;
        town_sort_out(town);
        remember(town);
        town_ill(town, 8800, true);
        for (uint32_t i = 0; i < KEYS / 10; i++)
            assert_true(before[i] == 8800 || pick_key(town, i) == before[i]);
        town_free(town);
    }
}

static void picker_of_one_picks_it(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        struct town *town = plain(pickers[p], 1);

        for (uint32_t i = 0; i < 100; i++)
            assert_int_equal(pick_key(town, i), 0);
        assert_int_equal(town_pick(town, UINT64_MAX), 0);
        town_free(town);
    }
}

/* Without a key: at random, by weight. */
static void picker_without_a_key_is_random_and_fair(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        struct town *town =
            town_new(pickers[p], 4, (struct resil_picker_options){.ring_min = 65536});
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
    for (int p = 0; p < 4; p++) {
        struct town *town = plain(pickers[p], 100);

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
        struct town *town = plain(pickers[1], members[i]);
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
    for (int p = 0; p < 4; p++) {
        struct town *town =
            town_new(pickers[p], 6, (struct resil_picker_options){.ring_min = 1 << 17});
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
    for (int p = 0; p < 4; p++) {
        struct town *town = town_new(pickers[p], 10, (struct resil_picker_options){0});

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
    for (int p = 0; p < 4; p++) {
        struct town *town = town_new(pickers[p], 10, (struct resil_picker_options){0});
        struct town *without = town_new(pickers[p], 9, (struct resil_picker_options){0});

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
    for (int p = 0; p < 4; p++) {
        struct resil_picker_options whole = {.ring_min = 19 * 20 * 100, .ring_max = 19 * 20 * 100};
        struct town *town = town_new(pickers[p], 19, whole), *more;
        uint32_t moved = 0, between = 0;

        whole.ring_min = whole.ring_max = 20 * 20 * 100;
        more = town_new(pickers[p], 20, whole);
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

/* Twice the same address: all the same, and neither is lost. */
static void picker_copes_with_an_address_twice(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        struct town *town = town_new(pickers[p], 6, (struct resil_picker_options){0});

        for (uint32_t i = 0; i < 6; i++)
            town_name(town, i, i < 3 ? "twin" : "other");
        town_build(town);
        for (uint32_t i = 0; i < 100; i++) {
            uint32_t first = pick_key(town, i);

            assert_true(first < 6);
            town_ill(town, first, true);
            assert_int_not_equal(pick_key(town, i), first);
            town_ill(town, first, false);
        }
        for (uint32_t i = 0; i < 5; i++)
            town_ill(town, i, true);
        assert_int_equal(pick_key(town, 1), 5);
        town_free(town);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pickers_say_what_they_are),
        cmocka_unit_test(picker_keeps_the_host_of_a_key),
        cmocka_unit_test(picker_ignores_the_order_of_the_list),
        cmocka_unit_test(picker_moves_only_the_keys_of_who_is_out),
        cmocka_unit_test(picker_spreads_the_keys_of_who_is_out),
        cmocka_unit_test(picker_walks_on_past_the_excluded),
        cmocka_unit_test(picker_finds_nobody_where_all_are_ill),
        cmocka_unit_test(picker_finds_the_last_one_of_ten_thousand),
        cmocka_unit_test(picker_of_one_picks_it),
        cmocka_unit_test(picker_without_a_key_is_random_and_fair),
        cmocka_unit_test(picker_is_even),
        cmocka_unit_test(maglev_shares_differ_by_less_than_a_hundredth),
        cmocka_unit_test(picker_respects_weights),
        cmocka_unit_test(picker_takes_weight_1_beside_65535),
        cmocka_unit_test(picker_leaves_out_weight_0),
        cmocka_unit_test(list_that_grows_by_one_moves_few_keys),
        cmocka_unit_test(picker_copes_with_an_address_twice),
    };

    return cmocka_run_group_tests_name("hash_pickers", tests, gather, NULL);
}
