/* SPDX-License-Identifier: BSD-2-Clause */

/* Negative controls: each bound of test_fleet.c has a twin, which lacks one thing and breaks it. */
#include "fleet.h"

static void recovery_is_broken_by_a_generous_budget(void **state)
{
    (void)state;
    /* Ten tokens a second for each client, as resil/budget.h says of the default elsewhere. */
    assert_true(fleet("slowdown", "resil-min10", 1, 120).collapsed);
    assert_true(fleet("reconnect", "resil-min10", 1, 120).collapsed);
    assert_true(fleet("clock-ahead", "naive", 1, 60).collapsed);
    assert_true(fleet("clock-back", "naive", 1, 60).collapsed);
}

static void amplification_is_broken_without_a_budget_or_with_a_saved_one(void **state)
{
    (void)state;
    assert_true(fleet("slowdown", "resil-nobudget", 1, 60).amplification_10s > 1.5);
    assert_true(fleet("deploy", "resil-nobudget", 1, 60).amplification_10s > 1.3);
    assert_true(fleet("deploy-some", "naive", 1, 60).amplification_10s > 1.3);
    assert_true(fleet("slowdown", "resil-uncapped", 1, 60).amplification_10s > 1.5);
    assert_true(fleet("clock-ahead", "resil-uncapped", 1, 60).amplification_10s > 1.5);
    assert_true(fleet("clock-back", "resil-uncapped", 1, 60).amplification_10s > 1.5);
}

static void probes_are_too_many_in_step_or_three_at_each_server(void **state)
{
    (void)state;
    assert_true(fleet("reconnect", "resil-instep", 1, 60).probe_pct > 8);
    assert_true(fleet("spike", "resil-guard-3", 1, 60).probe_pct > 8);
}

/* 5.6 calls a second, each. */
static void five_probes_are_too_many_where_clients_have_few_calls(void **state)
{
    const struct sim_config config = {.clients = 500, .seed = 1, .after_s = 60};

    (void)state;
    assert_true(fleet_of("slowdown", "resil-five", config).probe_pct > 5);
    assert_true(fleet_of("spike", "resil-five", config).probe_pct > 6);
    assert_true(fleet_of("reconnect", "resil-five", config).probe_pct > 6);
}

static void fairness_is_broken_by_collapse(void **state)
{
    (void)state;
    assert_true(fleet("slowdown", "naive", 1, 60).jain < 0.9);
}

static void a_rolling_restart_is_seen_without_retries(void **state)
{
    (void)state;
    assert_true(fleet("restart", "resil-noretry", 1, 60).worst_5s_pct < 97);
}

static void a_black_hole_swallows_who_chooses_by_chance(void **state)
{
    (void)state;
    assert_true(fleet("blackhole", "resil-random", 1, 60).lost_pct > 5);
}

static void flapping_servers_are_found_by_chance_and_sink_the_naive(void **state)
{
    (void)state;
    assert_true(fleet("flap", "resil-random", 1, 60).during_pct < 80);
    assert_true(fleet("flap", "naive", 1, 60).collapsed);
}

/* Twice the load is what the limiters let through; they are held to it for every span of time. */
static void no_limiter_exceeds_burst_and_rate(void **state)
{
    (void)state;
    assert_true(fleet("spike", "resil-limiter", 1, 60).worst_second_pct < 80);
    (void)fleet("reconnect", "resil-limiter", 1, 60);
    (void)fleet("clock-ahead", "resil-limiter", 1, 60);
}

/* Limiter and budget are larger than they are held to. */
static void what_exceeds_a_limit_is_found(void **state)
{
    (void)state;
    assert_true(fleet_any("spike", "resil-loose", (struct sim_config){.seed = 1, .after_s = 60})
                    .limit_broken > 0);
    assert_true(fleet_any("deploy", "resil-loose", (struct sim_config){.seed = 1, .after_s = 60})
                    .budget_broken > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recovery_is_broken_by_a_generous_budget),
        cmocka_unit_test(amplification_is_broken_without_a_budget_or_with_a_saved_one),
        cmocka_unit_test(probes_are_too_many_in_step_or_three_at_each_server),
        cmocka_unit_test(five_probes_are_too_many_where_clients_have_few_calls),
        cmocka_unit_test(fairness_is_broken_by_collapse),
        cmocka_unit_test(a_rolling_restart_is_seen_without_retries),
        cmocka_unit_test(a_black_hole_swallows_who_chooses_by_chance),
        cmocka_unit_test(flapping_servers_are_found_by_chance_and_sink_the_naive),
        cmocka_unit_test(no_limiter_exceeds_burst_and_rate),
        cmocka_unit_test(what_exceeds_a_limit_is_found),
    };

    return cmocka_run_group_tests_name("twins", tests, NULL, NULL);
}
