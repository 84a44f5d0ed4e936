/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * 200 clients, 10 servers, 70 % load: what the library claims to keep from happening does happen
 * without it, and doesn't with its defaults. Each bound has a twin that breaks it.
 */
#include "test.h"

#include "sim.h"

static const char *const metastable[] = {"slowdown", "crash", "crash-fewer", "spike", "reconnect"};

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Runs a fleet; whatever the policy, no promise of the library may be broken. */
static struct sim_result fleet(const char *scenario, const char *policy, uint64_t seed,
                               uint32_t after_s)
{
    const struct sim_config config = {
        .scenario = sim_scenario_find(scenario),
        .policy = sim_policy_find(policy),
        .clients = 200,
        .servers = 10,
        .seed = seed,
        .after_s = after_s,
        .workers = SIM_WORKERS,
        .load = 0.7,
    };
    struct sim_result result;

    assert_non_null(config.scenario);
    assert_non_null(config.policy);
    assert_true(sim_run(&config, &result));
    if (result.faults != 0 || result.unfinished != 0 || result.budget_broken != 0)
        print_message("%s, %s, seed %" PRIu64 "\n", scenario, policy, seed);
    assert_int_equal(result.faults, 0);
    assert_int_equal(result.unfinished, 0);
    assert_int_equal(result.budget_broken, 0);
    assert_int_equal(result.limit_broken, 0);
    return result;
}

static void in_calm_weather_all_is_answered_and_nothing_is_added(void **state)
{
    struct sim_result naive = fleet("calm", "naive", 1, 60);
    struct sim_result resil = fleet("calm", "resil", 1, 60);

    (void)state;
    /* 2800 requests a second for 110 s; four standard deviations are 2200. */
    assert_in_range(naive.offered, 308000 - 2200, 308000 + 2200);
    assert_int_equal(naive.offered, resil.offered);
    assert_int_equal(naive.good, naive.offered);
    assert_int_equal(naive.attempts, naive.offered);
    assert_int_equal(resil.good, resil.offered);
    assert_int_equal(resil.attempts, resil.offered);
    assert_int_equal(resil.opened, 0);
    /* M/M/4 at 70 %: the median is near the service's own 6.9 ms and the round trip. */
    assert_true(naive.p50_ms > 8 && naive.p50_ms < 14);
    assert_true(resil.p50_ms > 7 && resil.p50_ms <= naive.p50_ms);
}

static void naive_clients_collapse_for_five_minutes(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(metastable); i++) {
        for (uint64_t seed = 1; seed <= 2; seed++) {
            struct sim_result result = fleet(metastable[i], "naive", seed, 300);

            assert_true(result.before_pct > 99.9);
            assert_true(result.collapsed);
            assert_true(result.last_pct < 10);
            assert_true(result.recovery_s < 0);
            assert_true(result.amplification_10s > 3);
        }
    }
}

static void without_retries_or_with_short_queues_they_don_t(void **state)
{
    static const char *const twins[] = {"naive-r0", "naive-q400"};

    (void)state;
    for (size_t i = 0; i < LENGTH(metastable); i++) {
        for (size_t twin = 0; twin < LENGTH(twins); twin++) {
            struct sim_result result = fleet(metastable[i], twins[twin], 1, 120);

            assert_false(result.collapsed);
            assert_in_range(result.recovery_s, 0, 60);
        }
    }
}

static void backoff_and_deadline_alone_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(metastable); i++)
        assert_true(fleet(metastable[i], "resil-backoff", 1, 120).collapsed);
}

static void with_the_defaults_the_fleet_comes_back_within_a_minute(void **state)
{
    (void)state;
    for (unsigned i = 0; sim_scenario_at(i) != NULL; i++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            const char *scenario = sim_scenario_at(i)->name;
            struct sim_result result = fleet(scenario, "resil", seed, 120);

            assert_true(result.before_pct > 99.9);
            assert_in_range(result.recovery_s, 0, 60);
            assert_true(result.last_pct > 99.9);
            assert_true(result.amplification_10s <= 1.2);
            assert_true(result.probe_pct <= 5);
            assert_true(result.jain >= 0.95);
            if (strcmp(scenario, "clock-back") != 0)
                assert_int_equal(result.overdue, 0);
        }
    }
}

/* As resil/budget.h says of the default elsewhere. */
static void ten_tokens_a_second_for_each_client_sustain_the_collapse(void **state)
{
    (void)state;
    assert_true(fleet("slowdown", "resil-min10", 1, 120).collapsed);
    assert_true(fleet("reconnect", "resil-min10", 1, 120).collapsed);
}

/* (1 - errors) * amplification is all that there can be. */
static void errors_everywhere_trip_nothing(void **state)
{
    struct sim_result resil = fleet("deploy", "resil", 1, 60);
    struct sim_result without = fleet("deploy", "resil-nobudget", 1, 60);

    (void)state;
    assert_true(resil.during_pct > 75 && resil.during_pct < 70 * 1.2);
    assert_true(without.amplification_10s > 1.2);
}

/* Half of the servers carry 2000 of 2800 requests: 71.4 %. Least requests reaches 42 to 49 of that
   (README.md, "The library's own balancer"), peak EWMA 66, chance 22 to 25. */
static void survivors_of_a_crash_do_most_of_what_they_can(void **state)
{
    struct sim_result choosing = fleet("crash", "resil", 1, 60);
    struct sim_result blind = fleet("crash", "resil-random", 1, 60);

    (void)state;
    assert_true(choosing.during_pct > 35);
    assert_true(fleet("crash", "resil-ewma", 1, 60).during_pct > 60);
    assert_true(blind.during_pct < 30);
}

static void the_budget_alone_drains_the_queues(void **state)
{
    struct sim_result result = fleet("slowdown", "resil-budget", 1, 120);

    (void)state;
    /* (Q / mu - T) / (1 - load) = 5 s */
    assert_in_range(result.recovery_s, 4, 8);
    assert_int_equal(result.opened, 0);
}

static void each_bound_has_a_twin_that_breaks_it(void **state)
{
    (void)state;
    assert_true(fleet("slowdown", "resil-nobudget", 1, 60).amplification_10s > 1.5);
    assert_true(fleet("slowdown", "resil-uncapped", 1, 60).amplification_10s > 1.5);
    assert_true(fleet("spike", "resil-instep", 1, 60).probe_pct > 8);
    assert_true(fleet("slowdown", "naive", 1, 60).jain < 0.9);
}

static void the_same_seed_is_the_same_fleet(void **state)
{
    struct sim_result one = fleet("reconnect", "resil", 5, 60);
    struct sim_result two = fleet("reconnect", "resil", 5, 60);
    struct sim_result other = fleet("reconnect", "resil", 6, 60);

    (void)state;
    assert_int_equal(one.trace, two.trace);
    assert_int_not_equal(one.trace, other.trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_calm_weather_all_is_answered_and_nothing_is_added),
        cmocka_unit_test(naive_clients_collapse_for_five_minutes),
        cmocka_unit_test(without_retries_or_with_short_queues_they_don_t),
        cmocka_unit_test(backoff_and_deadline_alone_change_nothing),
        cmocka_unit_test(with_the_defaults_the_fleet_comes_back_within_a_minute),
        cmocka_unit_test(ten_tokens_a_second_for_each_client_sustain_the_collapse),
        cmocka_unit_test(errors_everywhere_trip_nothing),
        cmocka_unit_test(survivors_of_a_crash_do_most_of_what_they_can),
        cmocka_unit_test(the_budget_alone_drains_the_queues),
        cmocka_unit_test(each_bound_has_a_twin_that_breaks_it),
        cmocka_unit_test(the_same_seed_is_the_same_fleet),
    };

    return cmocka_run_group_tests_name("fleet", tests, NULL, NULL);
}
