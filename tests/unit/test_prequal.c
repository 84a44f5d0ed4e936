/* SPDX-License-Identifier: BSD-2-Clause */
#include "picker_fixture.h"

#define MS UINT64_C(1000000)

static struct fixture *prequal(uint32_t n)
{
    struct fixture *f = fixture_new(resil_picker_prequal(), NULL, n);

    resil__probes_init(&f->probes);
    return f;
}

static void hear_at(struct fixture *f, uint32_t member, uint64_t rif, uint64_t latency_ns,
                    uint64_t now_ns)
{
    const struct resil__probe probe = {
        .id = f->members[member].id, .rif = rif, .latency_ns = latency_ns, .member = member};

    resil__probes_add(&f->probes, &probe, now_ns, f->pool.options.hot_pct);
}

static void hear(struct fixture *f, uint32_t member, uint64_t rif, uint64_t latency_ns)
{
    hear_at(f, member, rif, latency_ns, f->context.now_ns);
}

/* What is picked while no answer is usable: least_requests sends all to the last. */
static bool falls_back(struct fixture *f)
{
    bool back;

    f->pool.options.choices = 16;
    for (uint32_t i = 0; i + 1 < f->pool.count; i++)
        f->loads[i].in_flight_ = 5;
    f->loads[f->pool.count - 1].in_flight_ = 0;
    back = fixture_pick(f) == f->pool.count - 1;
    f->loads[f->pool.count - 1].in_flight_ = 9;
    return back;
}

static void fewer_than_two_answers_fall_back_on_least_requests(void **state)
{
    struct fixture *f = prequal(5);

    (void)state;
    assert_true(falls_back(f));
    hear(f, 0, 1, MS);
    assert_true(falls_back(f));
    hear(f, 1, 1, MS);
    assert_false(falls_back(f));
    fixture_free(f);
}

static void a_pool_without_probes_falls_back(void **state)
{
    struct fixture *f = prequal(5);

    (void)state;
    f->pool.probes_ = NULL;
    assert_true(falls_back(f));
    fixture_free(f);
}

static void the_least_latency_of_the_cold_is_picked(void **state)
{
    struct fixture *f = prequal(6);

    (void)state;
    hear(f, 0, 2, 30 * MS);
    hear(f, 1, 1, 20 * MS);
    hear(f, 2, 3, 10 * MS);
    hear(f, 3, 1, 40 * MS);
    hear(f, 4, 50, MS); /* hot: above the 84 % of five */
    hear(f, 5, 3, 15 * MS);
    assert_int_equal(f->probes.hot, 50);
    hear(f, 5, 3, 15 * MS);
    assert_int_equal(f->probes.hot, 3);
    /* Picks heat by one each: the second would find it at 4. */
    assert_int_equal(fixture_pick(f), 2);
    assert_int_equal(fixture_pick(f), 5);
    assert_int_equal(fixture_pick(f), 1);
    fixture_free(f);
}

static void the_least_rif_is_picked_when_all_are_hot(void **state)
{
    struct fixture *f = prequal(4);

    (void)state;
    hear(f, 0, 9, MS);
    hear(f, 1, 7, 90 * MS);
    hear(f, 2, 8, 2 * MS);
    f->probes.hot = 5;
    assert_int_equal(fixture_pick(f), 1);
    fixture_free(f);
}

static void the_quantile_at_its_ends_is_rif_or_latency_alone(void **state)
{
    struct fixture *f = prequal(4);

    (void)state;
    f->pool.options.hot_pct = 100;
    hear(f, 0, 1, 9 * MS);
    hear(f, 1, 1000, MS);
    hear(f, 2, 2, 5 * MS);
    for (int i = 0; i < 4; i++)
        assert_int_equal(fixture_pick(f), 1);

    resil__probes_init(&f->probes);
    f->pool.options.hot_pct = 1;
    hear(f, 0, 7, MS);
    hear(f, 1, 3, 9 * MS);
    hear(f, 2, 5, 5 * MS);
    assert_int_equal(f->probes.hot, 3);
    assert_int_equal(fixture_pick(f), 1);
    assert_int_equal(fixture_pick(f), 1);
    fixture_free(f);
}

static void the_quantile_is_of_the_last_heard(void **state)
{
    struct fixture *f = prequal(4);

    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        hear(f, (uint32_t)(i % 4), 1000, MS);
    for (uint64_t i = 1; i <= RESIL__PROBES_HEARD; i++)
        hear(f, (uint32_t)(i % 4), i * 7 % 33, MS); /* each of 1 to 32 once */
    assert_int_equal(f->probes.hot, 27);            /* ceil(0.84 * 32) */
    hear(f, 0, UINT64_MAX, MS);
    assert_true(f->probes.hot <= 28);
    fixture_free(f);
}

static void old_answers_are_not_used(void **state)
{
    struct fixture *f = prequal(4);

    (void)state;
    hear(f, 0, 1, MS);
    hear(f, 1, 1, MS);
    f->context.now_ns += f->pool.options.probe_ns;
    assert_false(falls_back(f));
    f->context.now_ns++;
    assert_true(falls_back(f));
    fixture_free(f);
}

static void a_clock_that_steps_back_leaves_no_answer_for_ever(void **state)
{
    struct fixture *f = prequal(4);

    (void)state;
    hear(f, 0, 1, MS);
    hear(f, 1, 1, MS);
    f->context.now_ns -= f->pool.options.probe_ns;
    assert_false(falls_back(f));
    f->context.now_ns -= 1;
    assert_true(falls_back(f));
    fixture_free(f);
}

static void a_newer_answer_takes_the_place_of_an_older(void **state)
{
    struct fixture *f = prequal(3);

    (void)state;
    hear(f, 0, 1, MS);
    hear(f, 1, 1, 5 * MS);
    hear(f, 0, 1, 9 * MS);
    assert_int_equal(fixture_pick(f), 1);
    /* And stands alone: one more answer of the same doesn't make two. */
    resil__probes_init(&f->probes);
    hear(f, 0, 1, MS);
    hear(f, 0, 1, MS);
    assert_true(falls_back(f));
    fixture_free(f);
}

static void the_oldest_makes_room(void **state)
{
    struct fixture *f = prequal(20);

    (void)state;
    for (uint32_t i = 0; i < 16; i++)
        hear_at(f, i, 1, i == 3 ? MS : 9 * MS, f->context.now_ns - (i == 3 ? 50 : 10));
    hear(f, 17, 1, 9 * MS);
    assert_int_not_equal(fixture_pick(f), 3);
    fixture_free(f);
}

static void who_is_no_candidate_is_not_picked(void **state)
{
    static const uint64_t excluded[] = {101};
    struct fixture *f = prequal(5);

    (void)state;
    hear(f, 1, 1, MS);
    hear(f, 2, 1, 5 * MS);
    hear(f, 3, 1, 9 * MS);
    f->probes.hot = 100;
    f->context.excluded = excluded;
    f->context.excluded_count = 1;
    assert_int_equal(fixture_pick(f), 2);
    f->context.excluded_count = 0;
    f->candidate_of[1] = RESIL_PICK_NONE;
    assert_int_equal(fixture_pick(f), 2);
    fixture_free(f);
}

static void an_answer_of_another_list_is_not_used(void **state)
{
    struct fixture *f = prequal(5);

    (void)state;
    hear(f, 0, 1, MS);
    hear(f, 1, 1, 5 * MS);
    hear(f, 2, 1, 9 * MS);
    f->members[0].id = 777; /* the place is somebody else's now */
    assert_int_equal(fixture_pick(f), 1);
    f->pool.member_count = 2; /* and the list is shorter */
    assert_true(falls_back(f));
    fixture_free(f);
}

/* Counts the picks that a thousand answers serve before they are spent. */
static uint64_t served(uint32_t n)
{
    struct fixture *f = prequal(n);
    uint64_t picks = 0;

    f->pool.options.hot_pct = 100;
    for (int round = 0; round < 1000; round++) {
        f->probes.picks = 1; /* no removal for three picks: two answers don't lose one anyway */
        hear(f, 0, 0, MS);
        hear(f, 1, 0, 2 * MS);
        while ((uint32_t)f->probes.entries[0].used != UINT32_MAX) {
            assert_int_equal(fixture_pick(f), 0);
            picks++;
        }
    }
    fixture_free(f);
    return picks;
}

static void an_answer_serves_as_many_picks_as_its_budget(void **state)
{
    (void)state;
    /* 2 / (1 - m / n - 1 / 4), m = min(16, n / 2): 8 for 4 and for 32, 2.7 for 10,000. */
    assert_int_equal(served(4), 8000);
    assert_int_equal(served(32), 8000);
    assert_in_range(served(100), 3380 - 60, 3389 + 60);
    assert_in_range(served(10000), 2600, 2740);
}

static void a_served_pick_adds_to_the_rif(void **state)
{
    struct fixture *f = prequal(4);

    (void)state;
    hear(f, 0, 10, MS);
    hear(f, 1, 11, MS);
    f->probes.hot = 0;
    f->probes.picks = 1;
    /* 10 and 11, 11 and 11, 12 and 11, 12 and 12: the first wins a tie. */
    assert_int_equal(fixture_pick(f), 0);
    assert_int_equal(fixture_pick(f), 0);
    assert_int_equal(fixture_pick(f), 1);
    assert_int_equal(fixture_pick(f), 0);
    fixture_free(f);
}

static uint32_t usable(const struct fixture *f)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < RESIL__PROBES; i++)
        count +=
            f->probes.entries[i].version != 0 && (uint32_t)f->probes.entries[i].used != UINT32_MAX;
    return count;
}

static void every_fourth_pick_removes_the_oldest_or_the_worst(void **state)
{
    struct fixture *f = prequal(40);

    (void)state;
    hear_at(f, 0, 1, 5 * MS, f->context.now_ns - 30);
    hear(f, 1, 1, 9 * MS);
    hear(f, 2, 1, MS);
    hear(f, 3, 1, 6 * MS);
    f->probes.hot = 100;
    f->probes.picks = 4; /* the worst's turn: the greatest latency */
    fixture_pick(f);
    assert_int_equal((uint32_t)f->probes.entries[1].used, UINT32_MAX);
    assert_int_equal(usable(f), 3);
    f->probes.picks = 8; /* the oldest's */
    fixture_pick(f);
    assert_int_equal((uint32_t)f->probes.entries[0].used, UINT32_MAX);
    assert_int_equal(usable(f), 2);
    f->probes.picks = 12; /* two stay */
    fixture_pick(f);
    assert_int_equal(usable(f), 2);

    hear(f, 4, 50, MS / 2);
    f->probes.hot = 20;
    f->probes.picks = 4; /* of the hot the greatest RIF, whatever its latency */
    fixture_pick(f);
    assert_int_equal(usable(f), 2);
    for (uint32_t i = 0; i < RESIL__PROBES; i++)
        if (f->probes.entries[i].id == 104)
            assert_int_equal((uint32_t)f->probes.entries[i].used, UINT32_MAX);
    fixture_free(f);
}

static void one_probe_is_due_for_each_pick(void **state)
{
    struct fixture *f = prequal(4);

    (void)state;
    assert_int_equal(resil__probes_want(&f->probes, 5), 0);
    for (int i = 0; i < 7; i++)
        fixture_pick(f);
    assert_int_equal(resil__probes_want(&f->probes, 0), 0);
    assert_int_equal(resil__probes_want(&f->probes, 5), 5);
    assert_int_equal(resil__probes_want(&f->probes, 5), 2);
    assert_int_equal(resil__probes_want(&f->probes, 5), 0);
    for (int i = 0; i < 100; i++)
        fixture_pick(f);
    assert_int_equal(resil__probes_want(&f->probes, 10), 10);
    assert_int_equal(resil__probes_want(&f->probes, 10), 6);
    assert_int_equal(resil__probes_want(&f->probes, 10), 0);
    fixture_free(f);
}

static void an_entry_that_is_being_written_is_neither_used_nor_waited_for(void **state)
{
    struct fixture *f = prequal(6);

    (void)state;
    hear(f, 0, 1, MS);
    hear(f, 1, 1, 5 * MS);
    hear(f, 2, 1, 9 * MS);
    f->probes.entries[0].version++;
    assert_int_equal(fixture_pick(f), 1);
    hear(f, 3, 1, 2 * MS);
    assert_int_equal(f->probes.entries[0].version % 2, 1);
    assert_int_equal(fixture_pick(f), 3);
    /* All of them in other hands: the answer is dropped. */
    for (uint32_t i = 0; i < RESIL__PROBES; i++)
        f->probes.entries[i].version |= 1;
    hear(f, 4, 1, MS);
    assert_true(falls_back(f));
    fixture_free(f);
}

/* A server that is twice as slow as the rest gets less than its share, and the pool is kept alive
   by one probe a pick. */
static void probes_lead_around_a_slow_server(void **state)
{
    struct fixture *f = prequal(10);
    uint64_t seed = test_seed(9);
    uint64_t slow = 0;
    uint64_t back = 0;

    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        uint32_t picked = fixture_pick(f);

        slow += picked == 0;
        back += usable(f) < 2;
        f->context.now_ns += MS / 10;
        for (uint32_t due = resil__probes_want(&f->probes, 16); due > 0; due--) {
            uint32_t target = (uint32_t)test_below(&seed, 10);

            hear(f, target, 1 + test_below(&seed, 4), (target == 0 ? 20 : 10) * MS);
        }
    }
    assert_true(slow < 600); /* a tenth would be 2000 */
    assert_true(back < 100);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_than_two_answers_fall_back_on_least_requests),
        cmocka_unit_test(a_pool_without_probes_falls_back),
        cmocka_unit_test(the_least_latency_of_the_cold_is_picked),
        cmocka_unit_test(the_least_rif_is_picked_when_all_are_hot),
        cmocka_unit_test(the_quantile_at_its_ends_is_rif_or_latency_alone),
        cmocka_unit_test(the_quantile_is_of_the_last_heard),
        cmocka_unit_test(old_answers_are_not_used),
        cmocka_unit_test(a_clock_that_steps_back_leaves_no_answer_for_ever),
        cmocka_unit_test(a_newer_answer_takes_the_place_of_an_older),
        cmocka_unit_test(the_oldest_makes_room),
        cmocka_unit_test(who_is_no_candidate_is_not_picked),
        cmocka_unit_test(an_answer_of_another_list_is_not_used),
        cmocka_unit_test(an_answer_serves_as_many_picks_as_its_budget),
        cmocka_unit_test(a_served_pick_adds_to_the_rif),
        cmocka_unit_test(every_fourth_pick_removes_the_oldest_or_the_worst),
        cmocka_unit_test(one_probe_is_due_for_each_pick),
        cmocka_unit_test(an_entry_that_is_being_written_is_neither_used_nor_waited_for),
        cmocka_unit_test(probes_lead_around_a_slow_server),
    };

    return cmocka_run_group_tests_name("prequal", tests, NULL, NULL);
}
