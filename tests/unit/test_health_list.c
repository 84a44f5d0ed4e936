/* SPDX-License-Identifier: BSD-2-Clause */

/* Lists of health checks: what comes, stays and goes, order, bounds, memory. */
#include "health_fixture.h"

#define MANY 10000

static void an_empty_list_has_nothing_to_do(void **state)
{
    struct bench bench;

    (void)state;
    set_up(&bench, NULL, 0);
    assert_int_equal(ask(&bench).ticket, 0);
    assert_true(ask(&bench).wake_ns == RESIL_NEVER);
    assert_int_equal(set_list(&bench, 1, 0), RESIL_OK);
    assert_true(ask(&bench).wake_ns == RESIL_NEVER);
    tear_down(&bench);
}

static void who_stays_keeps_its_state_its_time_and_its_probe(void **state)
{
    struct bench bench;
    struct resil_health_view before;
    struct resil_health_probe due;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.fall = 2}, 1);
    probe(&bench, true);
    probe(&bench, false);
    before = view_of(&bench, 1);
    assert_int_equal(set_list(&bench, 1, 5), RESIL_OK);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UP);
    assert_int_equal(view_of(&bench, 1).streak, 1);
    assert_int_equal(view_of(&bench, 1).due_ns, before.due_ns);
    assert_int_equal(numbers(&bench).up, 1);
    assert_int_equal(numbers(&bench).unknown, 4);

    assert_int_equal(set_list(&bench, 1, 1), RESIL_OK);
    bench.now = before.due_ns;
    due = ask(&bench);
    assert_int_equal(set_list(&bench, 1, 3), RESIL_OK);
    assert_true(view_of(&bench, 1).in_flight);
    assert_int_equal(report(&bench, due.ticket, false), RESIL_OK);
    expect_told(&bench, 2, 1, false);
    tear_down(&bench);
}

static void who_leaves_is_forgotten_with_its_probe(void **state)
{
    struct bench bench;
    struct resil_health_probe due;
    struct resil_health_view view;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.fall = 1, .probes_max = 1}, 1);
    due = ask(&bench);
    assert_int_equal(set_list(&bench, 2, 1), RESIL_OK);
    assert_int_equal(numbers(&bench).forgotten, 1);
    assert_int_equal(numbers(&bench).in_flight, 0);
    assert_int_equal(resil_health_peek(&bench.health, 1, &view), RESIL_ELATE);
    assert_int_equal(ask(&bench).id, 2); /* the only place is free again */
    assert_int_equal(report(&bench, due.ticket, false), RESIL_ELATE);
    assert_int_equal(bench.told, 0);
    assert_true(view_of(&bench, 2).in_flight);
    tear_down(&bench);
}

static void who_comes_back_is_new(void **state)
{
    struct bench bench;

    (void)state;
    set_up(&bench, NULL, 1);
    probe(&bench, true);
    assert_int_equal(set_list(&bench, 2, 1), RESIL_OK);
    assert_int_equal(set_list(&bench, 1, 2), RESIL_OK);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UNKNOWN);
    tear_down(&bench);
}

static void another_address_is_another_endpoint(void **state)
{
    struct bench bench;
    struct resil_health_probe due;

    (void)state;
    set_up(&bench, NULL, 1);
    probe(&bench, true);
    bench.now += RESIL_SEC(60);
    due = ask(&bench);
    assert_int_not_equal(due.ticket, 0);
    assert_int_equal(resil_health_update(&bench.health,
                                         &(struct resil_health_endpoint){.id = 1, .address = "b"},
                                         1, bench.now),
                     RESIL_OK);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UNKNOWN);
    assert_int_equal(report(&bench, due.ticket, true), RESIL_ELATE);
    assert_string_equal(ask(&bench).address, "b");
    tear_down(&bench);
}

static void user_is_taken_anew_and_addresses_are_copied(void **state)
{
    struct bench bench;
    char address[] = "a1";
    struct resil_health_endpoint endpoint = {1, address, &bench};
    struct resil_health_probe due;

    (void)state;
    set_up(&bench, NULL, 1);
    probe(&bench, true);
    assert_int_equal(resil_health_update(&bench.health, &endpoint, 1, bench.now), RESIL_OK);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UP);
    address[0] = 'x';
    bench.now += RESIL_SEC(60);
    due = ask(&bench);
    assert_string_equal(due.address, "a1");
    assert_ptr_equal(due.user, &bench);
    tear_down(&bench);
}

static void bad_lists_change_nothing(void **state)
{
    const struct resil_health_endpoint twice[] = {{1, "a", NULL}, {2, "b", NULL}, {1, "c", NULL}};
    const struct resil_health_endpoint none[] = {{7, NULL, NULL}}, empty[] = {{7, "", NULL}};
    struct bench bench;

    (void)state;
    set_up(&bench, NULL, 1);
    probe(&bench, true);
    assert_int_equal(resil_health_update(&bench.health, twice, 3, bench.now), RESIL_EINVAL);
    assert_int_equal(resil_health_update(&bench.health, none, 1, bench.now), RESIL_EINVAL);
    assert_int_equal(resil_health_update(&bench.health, empty, 1, bench.now), RESIL_EINVAL);
    assert_int_equal(resil_health_update(&bench.health, NULL, 1, bench.now), RESIL_EINVAL);
    assert_int_equal(
        resil_health_update(&bench.health, twice, RESIL_HEALTH_ENDPOINTS_MAX + 1, bench.now),
        RESIL_EINVAL);
    assert_int_equal(resil_health_update(NULL, NULL, 0, bench.now), RESIL_EINVAL);
    bench.allocations = 0;
    assert_int_equal(set_list(&bench, 1, 9), RESIL_ENOMEM);
    assert_int_equal(numbers(&bench).endpoints, 1);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UP);
    tear_down(&bench);
}

static void a_first_update_without_memory_can_be_repeated(void **state)
{
    struct bench bench;

    (void)state;
    for (int succeed = 0; succeed < 2; succeed++) {
        set_up(&bench, NULL, 0);
        bench.allocations = succeed;
        assert_int_equal(set_list(&bench, 1, 3), RESIL_ENOMEM);
        assert_int_equal(ask(&bench).ticket, 0);
        bench.allocations = -1;
        assert_int_equal(set_list(&bench, 1, 3), RESIL_OK);
        assert_int_not_equal(ask(&bench).ticket, 0);
        tear_down(&bench);
    }
}

static void no_more_are_in_flight_than_allowed(void **state)
{
    struct bench bench;
    uint64_t tickets[4];

    (void)state;
    set_up(&bench, &(struct resil_health_config){.probes_max = 4}, 100);
    bench.now += RESIL_SEC(2);
    for (int i = 0; i < 4; i++)
        tickets[i] = ask(&bench).ticket;
    assert_int_not_equal(tickets[3], 0);
    assert_int_equal(ask(&bench).ticket, 0);
    assert_int_equal(ask(&bench).wake_ns, bench.now + RESIL_SEC(1)); /* the first deadline */
    assert_int_equal(numbers(&bench).in_flight, 4);
    assert_int_equal(report(&bench, tickets[2], true), RESIL_OK);
    assert_int_not_equal(ask(&bench).ticket, 0);
    assert_int_equal(ask(&bench).ticket, 0);
    tear_down(&bench);
}

static void new_endpoints_are_spread_over_one_interval(void **state)
{
    struct bench bench;
    uint64_t start, least = UINT64_MAX, most = 0;

    (void)state;
    set_up(&bench, NULL, MANY);
    start = bench.now;
    for (uint64_t id = 1; id <= MANY; id++) {
        uint64_t due = view_of(&bench, id).due_ns;

        least = due < least ? due : least;
        most = due > most ? due : most;
    }
    assert_int_equal(least, start);
    assert_int_equal(most, start + RESIL_SEC(2) / MANY * (MANY - 1));

    /* Only the new ones: who is there keeps its time. */
    start = view_of(&bench, 17).due_ns;
    assert_int_equal(set_list(&bench, 1, MANY + 2), RESIL_OK);
    assert_int_equal(view_of(&bench, 17).due_ns, start);
    least = view_of(&bench, MANY + 1).due_ns;
    most = view_of(&bench, MANY + 2).due_ns;
    assert_int_equal(least < most ? least : most, bench.now);
    assert_int_equal(least < most ? most : least, bench.now + RESIL_SEC(1));
    tear_down(&bench);
}

static void clients_that_start_together_begin_in_different_places(void **state)
{
    uint64_t firsts[8];
    int same = 0;

    (void)state;
    for (uint64_t i = 0; i < 8; i++) {
        struct resil_health health;
        struct resil_health_endpoint list[100];
        struct resil_health_probe due;

        for (uint64_t id = 0; id < 100; id++)
            list[id] = (struct resil_health_endpoint){id, "a", NULL};
        assert_int_equal(resil_health_init(&health, NULL, NULL, i), RESIL_OK);
        assert_int_equal(resil_health_update(&health, list, 100, 5), RESIL_OK);
        assert_int_equal(resil_health_next(&health, 5, &due), RESIL_OK);
        firsts[i] = due.id;
        same += i > 0 && firsts[i] == firsts[0];
        assert_int_equal(resil_health_fini(&health), RESIL_OK);
    }
    assert_true(same <= 1);
}

/* Ten simulated seconds: every probe comes in the order of its time and in its time. */
static void ten_thousand_are_probed_in_their_order(void **state)
{
    struct bench bench;
    uint64_t end, last = 0, probes = 0;
    static uint64_t seen[MANY + 1];

    (void)state;
    memset(seen, 0, sizeof seen);
    set_up(&bench, NULL, MANY);
    end = bench.now + RESIL_SEC(10);
    while (bench.now < end) {
        struct resil_health_probe due;

        while (due = ask(&bench), due.ticket != 0) {
            assert_true(bench.now >= last);
            if (seen[due.id] != 0)
                assert_in_range(bench.now - seen[due.id], RESIL_MS(2000), RESIL_MS(2200));
            seen[due.id] = last = bench.now;
            probes++;
            assert_int_equal(report(&bench, due.ticket, true), RESIL_OK);
        }
        assert_true(due.wake_ns > bench.now);
        bench.now = due.wake_ns;
    }
    assert_in_range(probes, 45000, 50000);
    assert_int_equal(numbers(&bench).up, MANY);
    tear_down(&bench);
}

static void who_waits_longest_goes_first(void **state)
{
    struct bench bench;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.probes_max = 1, .jitter_pct = RESIL_OFF}, 10);
    bench.now += RESIL_SEC(3600);
    for (uint64_t id = 1; id <= 10; id++) {
        struct resil_health_probe due = ask(&bench);

        assert_int_equal(due.id, id);
        assert_int_equal(report(&bench, due.ticket, true), RESIL_OK);
    }
    tear_down(&bench);
}

static void the_numbers_add_up(void **state)
{
    struct bench bench;
    struct resil_health_snapshot is;
    uint64_t random = 7;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.probes_max = 20}, 100);
    for (int i = 0; i < 20000; i++) {
        struct resil_health_probe due = ask(&bench);

        if (due.ticket == 0)
            bench.now = due.wake_ns;
        else if (test_below(&random, 4) == 0)
            assert_int_equal(resil_health_cancel(&bench.health, due.ticket, bench.now), RESIL_OK);
        else if (test_below(&random, 50) != 0)
            assert_int_equal(report(&bench, due.ticket, test_below(&random, 2) == 0), RESIL_OK);
        if (i % 1000 == 0)
            assert_int_equal(set_list(&bench, 1 + test_below(&random, 30), 100), RESIL_OK);
    }
    is = numbers(&bench);
    assert_int_equal(is.unknown + is.up + is.down, 100);
    assert_int_equal(is.started, is.in_flight + is.passed + is.failed + is.expired + is.cancelled +
                                     is.forgotten);
    assert_true(is.passed != 0 && is.failed != 0 && is.expired != 0 && is.cancelled != 0 &&
                is.forgotten != 0);
    assert_int_equal(is.changes, bench.told);
    tear_down(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_has_nothing_to_do),
        cmocka_unit_test(who_stays_keeps_its_state_its_time_and_its_probe),
        cmocka_unit_test(who_leaves_is_forgotten_with_its_probe),
        cmocka_unit_test(who_comes_back_is_new),
        cmocka_unit_test(another_address_is_another_endpoint),
        cmocka_unit_test(user_is_taken_anew_and_addresses_are_copied),
        cmocka_unit_test(bad_lists_change_nothing),
        cmocka_unit_test(a_first_update_without_memory_can_be_repeated),
        cmocka_unit_test(no_more_are_in_flight_than_allowed),
        cmocka_unit_test(new_endpoints_are_spread_over_one_interval),
        cmocka_unit_test(clients_that_start_together_begin_in_different_places),
        cmocka_unit_test(ten_thousand_are_probed_in_their_order),
        cmocka_unit_test(who_waits_longest_goes_first),
        cmocka_unit_test(the_numbers_add_up),
    };

    return cmocka_run_group_tests_name("health_list", tests, NULL, NULL);
}
