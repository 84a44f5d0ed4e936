/* SPDX-License-Identifier: BSD-2-Clause */

/* The clients' policies: naive, the library with its defaults, and twins that lack one thing. */
#include <math.h>
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
    {.name = "resil-guard",
     .what = "resil with a breaker for each endpoint in place of the service's",
     BALANCED,
     BUDGET,
     .guarded = true},
    {.name = "resil-both",
     .what = "resil with breakers for service and endpoints",
     RESIL,
     .guarded = true},
    {.name = "resil-tuned",
     .what = "resil-guard that trips at 3 in a row, one probe at a time, long open times",
     BALANCED,
     BUDGET,
     .guarded = true,
     .rules = {.consecutive = 3,
               .probes = 2,
               .probe_gap_ns = RESIL_SEC(5),
               .open_ns = RESIL_SEC(10),
               .jitter_pct = 200}},
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
     .guarded = true,
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

static double rate_of(const struct sim_client *client)
{
    return 2e9 / client->gap_ns;
}

static uint64_t burst_of(const struct sim_client *client)
{
    return (uint64_t)rate_of(client) + 1;
}

static struct resil_breaker_config rules_of(struct sim *sim)
{
    struct resil_breaker_config rules = sim->config.policy->rules;

    rules.seed = resil__random_next(&sim->random_choice);
    return rules;
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
        .seed = resil__random_next(&sim->random_choice),
    };

    if (policy->guarded) {
        config.state_size = RESIL_GUARD_STATE;
        config.state_init = resil_guard_state;
        config.state_arg = &client->guard;
        if (resil_guard_init(&client->guard, &client->balancer,
                             &(struct resil_guard_config){
                                 .breaker = policy->in_flight == 0 ? &rules : NULL,
                                 .bulkhead = policy->in_flight != 0 ? &bulkhead : NULL}) !=
            RESIL_OK)
            return false;
    }
    return resil_balancer_init(&client->balancer, &config) == RESIL_OK &&
           resil_balancer_update(&client->balancer, sim->endpoints, sim->config.servers,
                                 SIM_CLOCK) == RESIL_OK;
}

static bool init_parts(struct sim *sim, struct sim_client *client)
{
    const struct sim_policy *policy = sim->config.policy;
    const struct resil_budget_config budget = {
        .cap = policy->budget_cap == SIM_CAP_DEFAULT ? 0 : policy->budget_cap,
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
        .tokens = (uint64_t)(rate_of(client) * 1000),
        .period_ns = RESIL_SEC(1000),
        .burst = burst_of(client),
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
        client->policies[count++] = policy->guarded ? resil_guard_policy(&client->guard)
                                                    : resil_balancer_policy(&client->balancer);
    client->policies[count++] = resil_timeout_policy(&client->each);
    return resil_chain_init(&client->chain, client->policies, count, NULL, 0) == RESIL_OK;
}

bool sim_client_fini(struct sim *sim, struct sim_client *client)
{
    return !sim->config.policy->balanced || resil_balancer_fini(&client->balancer) == RESIL_OK;
}

/* As resil/budget.h promises it with its defaults: cap + share * successes + min * t. A clock that
   jumped may have filled it once more. */
bool sim_budget_broken(const struct sim *sim, const struct sim_client *client)
{
    const struct sim_policy *policy = sim->config.policy;
    const double cap = (double)policy->budget_cap;
    const double min = policy->budget_min != 0 ? (double)policy->budget_min : 0.1;

    if (policy->budget_cap == 0)
        return false;
    return (double)client->retries > cap * (client->clock_ns == SIM_CLOCK ? 1 : 2) +
                                         0.1 * (double)client->successes +
                                         min * (double)sim->now_ns / 1e9 + 1e-6;
}

/* As resil/limiter.h promises: burst + rate * t, for every span of the client's own time. That is
   what a leaky bucket says. */
bool sim_limit_broken(const struct sim *sim, struct sim_client *client)
{
    const uint64_t now_ns = sim->now_ns + client->clock_ns;

    if (!sim->config.policy->limited)
        return false;
    if (now_ns > client->at_ns)
        client->level -= rate_of(client) * (double)(now_ns - client->at_ns) / 1e9;
    client->level = fmax(client->level, 0) + 1;
    client->at_ns = now_ns;
    return client->level > (double)burst_of(client) + 1e-3;
}
