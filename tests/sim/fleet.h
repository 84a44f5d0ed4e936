/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_SIM_FLEET_H
#define RESIL_SIM_FLEET_H

/* What the programs of the suite share: 200 clients, 10 servers, 70 % load unless told otherwise. */

#include "test.h"

#include "sim.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

/* Runs a fleet, whatever becomes of it. Sizes that are 0 are those above. */
static inline struct sim_result fleet_any(const char *scenario, const char *policy,
                                          struct sim_config config)
{
    struct sim_result result;

    config.scenario = sim_scenario_find(scenario);
    config.policy = sim_policy_find(policy);
    config.clients = config.clients != 0 ? config.clients : 200;
    config.servers = config.servers != 0 ? config.servers : 10;
    config.load = config.load > 0 ? config.load : 0.7;
    config.workers = SIM_WORKERS;
    assert_non_null(config.scenario);
    assert_non_null(config.policy);
    assert_true(sim_run(&config, &result));
    return result;
}

/* Whatever the policy, no promise of the library may be broken. */
static inline struct sim_result fleet_of(const char *scenario, const char *policy,
                                         struct sim_config config)
{
    struct sim_result result = fleet_any(scenario, policy, config);

    if (result.faults != 0 || result.unfinished != 0 || result.budget_broken != 0)
        print_message("%s, %s, seed %" PRIu64 "\n", scenario, policy, config.seed);
    assert_int_equal(result.faults, 0);
    assert_int_equal(result.unfinished, 0);
    assert_int_equal(result.budget_broken, 0);
    assert_int_equal(result.limit_broken, 0);
    return result;
}

static inline struct sim_result fleet(const char *scenario, const char *policy, uint64_t seed,
                                      uint32_t after_s)
{
    return fleet_of(scenario, policy, (struct sim_config){.seed = seed, .after_s = after_s});
}

/* How many seeds the main claims are shown with: RESIL_SIM_SEEDS, or few. */
static inline uint64_t fleet_seeds(uint64_t few)
{
    const char *text = getenv("RESIL_SIM_SEEDS");
    uint64_t seeds = text != NULL ? strtoull(text, NULL, 10) : 0;

    return seeds != 0 ? seeds : few;
}

#endif
