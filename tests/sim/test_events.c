/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include "sim.h"

#define EVENTS 5000

static void events_come_in_order_of_time_and_of_their_pushing(void **state)
{
    struct sim_events events = {0};
    struct sim_event event, former = {0};
    uint64_t random = test_seed(1), count = 0;

    (void)state;
    for (uint32_t i = 0; i < EVENTS; i++) {
        sim_events_push(&events, (struct sim_event){.at_ns = test_below(&random, 100), .index = i});
        if (i % 3 == 0)
            count += sim_events_pop(&events, &event);
    }

    while (sim_events_pop(&events, &event)) {
        assert_true(event.at_ns >= former.at_ns);
        if (event.at_ns == former.at_ns && former.sequence != 0)
            assert_true(event.index > former.index);
        former = event;
        count++;
    }
    assert_int_equal(count, EVENTS);
    assert_false(events.failed);
    free(events.heap);
}

/* Negative space of the fleet's check: it can say no. */
static void the_check_of_the_budget_finds_one_retry_too_many(void **state)
{
    struct sim *sim = calloc(1, sizeof *sim);
    struct sim_client client = {.clock_ns = SIM_CLOCK};

    (void)state;
    assert_non_null(sim);
    sim->config.policy = sim_policy_find("resil");
    for (int i = 0; i < 3; i++)
        assert_false(sim_budget_broken(sim, &client));
    for (int i = 0; i < 10; i++)
        sim_budget_earn(&client);
    assert_false(sim_budget_broken(sim, &client));
    sim->now_ns = RESIL_SEC(10);
    assert_false(sim_budget_broken(sim, &client));
    assert_true(sim_budget_broken(sim, &client));
    /* However much comes first, no more than the cap is saved. */
    for (int i = 0; i < 1000; i++)
        sim_budget_earn(&client);
    sim->now_ns = RESIL_SEC(1000);
    for (int i = 0; i < 3; i++)
        assert_false(sim_budget_broken(sim, &client));
    assert_true(sim_budget_broken(sim, &client));
    free(sim);
}

static void tables_know_their_names_and_no_others(void **state)
{
    (void)state;
    for (unsigned i = 0; sim_policy_at(i) != NULL; i++)
        assert_ptr_equal(sim_policy_find(sim_policy_at(i)->name), sim_policy_at(i));
    for (unsigned i = 0; sim_scenario_at(i) != NULL; i++)
        assert_ptr_equal(sim_scenario_find(sim_scenario_at(i)->name), sim_scenario_at(i));
    assert_null(sim_policy_find(""));
    assert_null(sim_scenario_find("none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_in_order_of_time_and_of_their_pushing),
        cmocka_unit_test(the_check_of_the_budget_finds_one_retry_too_many),
        cmocka_unit_test(tables_know_their_names_and_no_others),
    };

    return cmocka_run_group_tests_name("sim_events", tests, NULL, NULL);
}
