/* SPDX-License-Identifier: BSD-2-Clause */

/* The clients' policies: naive, the library with its defaults, and twins that lack one thing. */
#include <string.h>

#include "base/random.h"
#include "sim.h"

/* The fields that all naive, all balanced and all guarded clients share. A twin names its own last. */
#define NAIVE    .attempts = 4, .queue = 1000, .rejected = RESIL_OVERLOAD
#define BALANCED .bounded = true, .balanced = true, .queue = 1000, .rejected = RESIL_OVERLOAD
#define BUDGET   .budget_cap = SIM_CAP_DEFAULT
#define NO_OUTLIERS                                                                                \
    {                                                                                              \
        .consecutive = RESIL_OFF, .consecutive_local = RESIL_OFF,                                  \
        .success_rate_factor_pct = RESIL_OFF, .failure_pct = RESIL_OFF                             \
    }
#define RESIL BALANCED, BUDGET, .breaker = true

static const struct sim_policy policies[] = {
    {.name = "naive", .what = "a random server, 3 immediate retries", NAIVE},
    {.name = "naive-r0",
     .what = "naive without retries: must not collapse",
     .attempts = 1,
     .queue = 1000,
     .rejected = RESIL_OVERLOAD},
    {.name = "naive-q400",
     .what = "naive at servers with a queue of 400: must not collapse",
     .attempts = 4,
     .queue = 400,
     .rejected = RESIL_OVERLOAD},
    {.name = "resil",
     .what = "balancer, breaker, retry and budget with the library's defaults",
     RESIL},
    {.name = "resil-503",
     .what = "resil where a full queue's answer reads as FAILURE",
     .bounded = true,
     .balanced = true,
     .queue = 1000,
     .rejected = RESIL_FAILURE,
     .breaker = true,
     BUDGET},
    {.name = "resil-subset",
     .what = "resil at as many servers as each client meets 5 times in 10 s",
     RESIL,
     .subset = true},
    {.name = "resil-guard",
     .what = "resil with a breaker for each endpoint in place of the service's",
     BALANCED,
     BUDGET,
     .guarded = true},
    {.name = "resil-both",
     .what = "resil with breakers for service and endpoints",
     RESIL,
     .guarded = true},
    {.name = "resil-guard-3",
     .what = "resil-guard with the breaker's own defaults: 3 probes, open for 5 s, 150 % jitter",
     BALANCED,
     BUDGET,
     .guarded = true,
     .rules = {.probes = 3, .open_ns = RESIL_SEC(5), .jitter_pct = 150}},
    {.name = "resil-turns",
     .what = "resil by round robin",
     RESIL,
     .picker = resil_picker_round_robin},
    {.name = "resil-ewma", .what = "resil by peak EWMA", RESIL, .picker = resil_picker_peak_ewma},
    {.name = "resil-turns-blind",
     .what = "resil by round robin, without outlier detection",
     RESIL,
     .picker = resil_picker_round_robin,
     .outlier = NO_OUTLIERS},
    {.name = "resil-bulkhead",
     .what = "resil with at most 2 calls in flight at each endpoint",
     RESIL,
     .in_flight = 2},
    {.name = "resil-bulkhead-4",
     .what = "resil with at most 4 calls in flight at each endpoint: too many",
     RESIL,
     .in_flight = 4},
    {.name = "resil-bulkhead-guard",
     .what = "resil-guard with at most 2 calls in flight at each endpoint",
     BALANCED,
     BUDGET,
     .guarded = true,
     .in_flight = 2},
    {.name = "resil-bulkhead-alone",
     .what = "no breaker, at most 2 calls in flight at each endpoint",
     BALANCED,
     BUDGET,
     .in_flight = 2},
    {.name = "resil-random",
     .what = "resil at a random server, without outlier detection",
     RESIL,
     .picker = resil_picker_random,
     .outlier = NO_OUTLIERS},
    {.name = "resil-blind",
     .what = "resil without outlier detection",
     RESIL,
     .outlier = NO_OUTLIERS},
    {.name = "resil-nocap",
     .what = "resil whose outlier detection may eject all, without panic",
     RESIL,
     .outlier = {.max_ejected_pct = 100},
     .panic_pct = RESIL_OFF},
    {.name = "resil-cap50",
     .what = "resil whose outlier detection may eject half",
     RESIL,
     .outlier = {.max_ejected_pct = 50}},
    {.name = "resil-noretry", .what = "resil without retries", RESIL, .attempts = 1},
    {.name = "resil-limiter",
     .what = "resil with a limiter of twice each client's rate",
     RESIL,
     .limited = true},
    {.name = "resil-loose",
     .what = "limiter and budget twice as large as they are held to: must be found",
     RESIL,
     .limited = true,
     .loose = true},
    {.name = "resil-budget", .what = "resil without breaker", BALANCED, BUDGET},
    {.name = "resil-nobudget", .what = "resil without budget", BALANCED, .breaker = true},
    {.name = "resil-uncapped",
     .what = "resil with a budget that saves 1000 tokens",
     BALANCED,
     .breaker = true,
     .budget_cap = 1000},
    {.name = "resil-min10",
     .what = "no breaker, and a budget that earns 10 tokens a second: must collapse",
     BALANCED,
     .budget_cap = 10,
     .budget_min = 10},
    {.name = "resil-backoff", .what = "neither breaker nor budget", BALANCED},
    {.name = "resil-spread",
     .what = "resil with 300 % jitter, for clients with few calls",
     RESIL,
     .rules = {.jitter_pct = 300}},
    {.name = "resil-five",
     .what = "resil with 5 probes and 100 % jitter: too many for clients with few calls",
     RESIL,
     .rules = {.probes = 5, .jitter_pct = 100}},
    {.name = "resil-instep",
     .what = "resil with 10 % jitter and probes without a gap",
     RESIL,
     .rules = {.jitter_pct = 10, .probe_gap_ns = RESIL_OFF}},
};

const struct sim_policy *sim_policy_at(unsigned index)
{
    return index < sizeof policies / sizeof *policies ? &policies[index] : NULL;
}

const struct sim_policy *sim_policy_find(const char *name)
{
    const struct sim_policy *policy;

    for (unsigned i = 0; (policy = sim_policy_at(i)) != NULL; i++) {
        if (strcmp(policy->name, name) == 0)
            break;
    }
    return policy;
}

static struct resil_breaker_config rules_of(struct sim *sim)
{
    struct resil_breaker_config rules = sim->config.policy->rules;

    rules.seed = resil__random_next(&sim->random_choice);
    return rules;
}

static bool has_guard(const struct sim_policy *policy)
{
    return policy->guarded || policy->in_flight != 0;
}

/* The balancer, guarded or not, with its list. */
static bool init_balancer(struct sim *sim, struct sim_client *client)
{
    const struct sim_policy *policy = sim->config.policy;
    const struct resil_breaker_config rules = rules_of(sim);
    const struct resil_bulkhead_config bulkhead = {policy->in_flight};
    struct resil_balancer_config config = {
        .picker = policy->picker != NULL ? policy->picker() : NULL,
        .outlier = policy->outlier,
        .priority.panic_pct = policy->panic_pct,
        .client_endpoints = sim_subset(&sim->config),
        .client_number = (uint64_t)(client - sim->clients),
        .seed = resil__random_next(&sim->random_choice),
    };

    if (has_guard(policy)) {
        config.state_size = RESIL_GUARD_STATE;
        config.state_init = resil_guard_state;
        config.state_arg = &client->guard;
        if (resil_guard_init(&client->guard, &client->balancer,
                             &(struct resil_guard_config){
                                 .breaker = policy->guarded ? &rules : NULL,
                                 .bulkhead = policy->in_flight != 0 ? &bulkhead : NULL}) !=
            RESIL_OK)
            return false;
    }
    return resil_balancer_init(&client->balancer, &config) == RESIL_OK &&
           resil_balancer_update(&client->balancer, sim->endpoints, sim->config.servers,
                                 SIM_CLOCK) == RESIL_OK;
}

static uint64_t budget_cap(const struct sim_policy *policy)
{
    const uint64_t cap = policy->budget_cap;

    return policy->loose ? 2 * SIM_CAP_DEFAULT : cap == SIM_CAP_DEFAULT ? 0 : cap;
}

static bool init_parts(struct sim *sim, struct sim_client *client)
{
    const struct sim_policy *policy = sim->config.policy;
    const struct resil_budget_config budget = {
        .share_pct = policy->loose ? 20 : 0,
        .cap = budget_cap(policy),
        .min_tokens = policy->budget_min,
        .min_period_ns = policy->budget_min != 0 ? RESIL_SEC(1) : 0,
    };
    const struct resil_breaker_config rules = rules_of(sim);
    const struct resil_retry_config retry = {
        .attempts = policy->attempts,
        .backoff.base_ns = policy->attempts != 0 ? RESIL_OFF : 0,
        .budget = policy->budget_cap != 0 ? &client->budget : NULL,
    };
    const struct resil_limiter_config limiter = {
        .tokens = (uint64_t)(sim_rate(client) * 1000) * (policy->loose ? 2 : 1),
        .period_ns = RESIL_SEC(1000),
        .burst = sim_burst(client),
    };

    return resil_timeout_init(&client->whole, &(struct resil_timeout_config){SIM_DEADLINE}) ==
               RESIL_OK &&
           resil_timeout_init(&client->each, &(struct resil_timeout_config){SIM_TIMEOUT}) ==
               RESIL_OK &&
           resil_limiter_init(&client->limiter, &limiter) == RESIL_OK &&
           resil_budget_init(&client->budget, &budget) == RESIL_OK &&
           resil_retry_init(&client->retry, &retry) == RESIL_OK &&
           resil_breaker_init(&client->breaker, &rules) == RESIL_OK &&
           (!policy->balanced || init_balancer(sim, client));
}

/* From the outermost to the innermost. */
bool sim_client_init(struct sim *sim, struct sim_client *client)
{
    const struct sim_policy *policy = sim->config.policy;
    size_t count = 0;

    if (!init_parts(sim, client))
        return false;
    if (policy->limited)
        client->policies[count++] = resil_limiter_policy(&client->limiter);
    if (policy->bounded)
        client->policies[count++] = resil_timeout_policy(&client->whole);
    client->policies[count++] = resil_retry_policy(&client->retry);
    if (policy->breaker)
        client->policies[count++] = resil_breaker_policy(&client->breaker);
    if (policy->balanced)
        client->policies[count++] = has_guard(policy) ? resil_guard_policy(&client->guard)
                                                      : resil_balancer_policy(&client->balancer);
    client->policies[count++] = resil_timeout_policy(&client->each);
    return resil_chain_init(&client->chain, client->policies, count, NULL, 0) == RESIL_OK;
}

bool sim_client_fini(struct sim *sim, struct sim_client *client)
{
    return !sim->config.policy->balanced || resil_balancer_fini(&client->balancer) == RESIL_OK;
}
