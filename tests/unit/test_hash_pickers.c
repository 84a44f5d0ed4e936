/* SPDX-License-Identifier: BSD-2-Clause */

/* What holds for every picker that goes by key: stable, and nothing moves that needn't. */
#include "hash_pickers_fixture.h"

static void pickers_say_what_they_are(void **state)
{
    static const char *const names[] = {"ring_hash", "maglev", "rendezvous", "bounded_load"};
    uint32_t flags = RESIL_PICKER_MEMBERS | RESIL_PICKER_EXCLUDES | RESIL_PICKER_KEYED;

    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        assert_int_equal(picker_of(p)->size, sizeof(struct resil_picker));
        assert_string_equal(picker_of(p)->name, names[p]);
        assert_int_equal(picker_of(p)->flags & ~RESIL_PICKER_CLAIMS_, flags);
        assert_int_equal((picker_of(p)->flags & RESIL_PICKER_CLAIMS_) != 0, p == 3);
        assert_int_equal(picker_of(p)->table_size == NULL, picker_of(p)->build == NULL);
    }
}

static void picker_keeps_the_host_of_a_key(void **state)
{
    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = plain(picker_of(p), 37), *other = plain(picker_of(p), 37);

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
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = town_new(picker_of(p), 50, (struct resil_picker_options){0});
        struct town *turned = town_new(picker_of(p), 50, (struct resil_picker_options){0});

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
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = plain(picker_of(p), 20);
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

static void picker_walks_on_past_the_excluded(void **state)
{
    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = plain(picker_of(p), 5);
        struct town *less = plain(picker_of(p), 5);

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
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = plain(picker_of(p), 7), *empty = plain(picker_of(p), 0);

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
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = town_new(picker_of(p), 10000, (struct resil_picker_options){0});

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
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = plain(picker_of(p), 1);

        for (uint32_t i = 0; i < 100; i++)
            assert_int_equal(pick_key(town, i), 0);
        assert_int_equal(town_pick(town, UINT64_MAX), 0);
        town_free(town);
    }
}

/* Twice the same address: all the same, and neither is lost. */
static void picker_copes_with_an_address_twice(void **state)
{
    (void)state;
    for (int p = 0; p < PICKERS; p++) {
        struct town *town = town_new(picker_of(p), 6, (struct resil_picker_options){0});

        for (uint32_t i = 0; i < 6; i++)
            town_name(town, i, i < 3 ? "twin" : "other");
        town_build(town);
        for (uint32_t i = 0; i < 100; i++) {
            uint32_t first = pick_key(town, i);

            assert_true(first < 6);
            if (p == 0 || p == 3) /* all points are shared: the first in the list has them */
                assert_int_equal(first % 3, 0);
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
        cmocka_unit_test(picker_walks_on_past_the_excluded),
        cmocka_unit_test(picker_finds_nobody_where_all_are_ill),
        cmocka_unit_test(picker_finds_the_last_one_of_ten_thousand),
        cmocka_unit_test(picker_of_one_picks_it),
        cmocka_unit_test(picker_copes_with_an_address_twice),
    };

    return cmocka_run_group_tests_name("hash_pickers", tests, NULL, NULL);
}
