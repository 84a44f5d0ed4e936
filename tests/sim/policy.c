/* SPDX-License-Identifier: BSD-2-Clause */

/* The clients' policies: naive, the library with its defaults, and twins that lack one thing. */
#include <string.h>

#include "base/random.h"
#include "sim.h"

/* The fields that all naive and all guarded clients share. A twin names its own last. */
#define NAIVE   .attempts = 4, .queue = 1000, .rejected = RESIL_OVERLOAD
#define GUARDED .bounded = true, .p2c = true, .queue = 1000, .rejected = RESIL_OVERLOAD

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
     .what = "breaker, retry and budget with the library's defaults",
     GUARDED,
     .breaker = true,
     .budget_cap = SIM_CAP_DEFAULT},
    {.name = "resil-503",
     .what = "resil where a full queue's answer reads as FAILURE",
     .bounded = true,
     .p2c = true,
     .queue = 1000,
     .rejected = RESIL_FAILURE,
     .breaker = true,
     .budget_cap = SIM_CAP_DEFAULT},
    {.name = "resil-random",
     .what = "resil at a random server",
     .bounded = true,
     .queue = 1000,
     .rejected = RESIL_OVERLOAD,
     .breaker = true,
     .budget_cap = SIM_CAP_DEFAULT},
    {.name = "resil-budget",
     .what = "resil without breaker",
     GUARDED,
     .budget_cap = SIM_CAP_DEFAULT},
    {.name = "resil-nobudget", .what = "resil without budget", GUARDED, .breaker = true},
    {.name = "resil-uncapped",
     .what = "resil with a budget that saves 1000 tokens",
     GUARDED,
     .breaker = true,
     .budget_cap = 1000},
    {.name = "resil-min10",
     .what = "no breaker, and a budget that earns 10 tokens a second: must collapse",
     GUARDED,
     .budget_cap = 10,
     .budget_min = 10},
    {.name = "resil-backoff", .what = "neither breaker nor budget", GUARDED},
    {.name = "resil-spread",
     .what = "resil with 300 % jitter, for clients with few calls",
     GUARDED,
     .breaker = true,
     .budget_cap = SIM_CAP_DEFAULT,
     .jitter_pct = 300},
    {.name = "resil-instep",
     .what = "resil with 10 % jitter and probes without a gap",
     GUARDED,
     .breaker = true,
     .budget_cap = SIM_CAP_DEFAULT,
     .jitter_pct = 10,
     .probe_gap_ns = RESIL_OFF},
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

bool sim_client_init(struct sim *sim, struct sim_client *client)
{
    const struct sim_policy *policy = sim->config.policy;
    const struct resil_budget_config budget = {
        .cap = policy->budget_cap == SIM_CAP_DEFAULT ? 0 : policy->budget_cap,
        .min_tokens = policy->budget_min,
        .min_period_ns = policy->budget_min != 0 ? RESIL_SEC(1) : 0,
    };
    const struct resil_breaker_config breaker = {
        .jitter_pct = policy->jitter_pct,
        .probe_gap_ns = policy->probe_gap_ns,
        .seed = resil__random_next(&sim->random_choice),
    };
    const struct resil_retry_config retry = {
        .attempts = policy->attempts,
        .backoff.base_ns = policy->attempts != 0 ? RESIL_OFF : 0,
        .budget = policy->budget_cap != 0 ? &client->budget : NULL,
    };
    size_t count = 0;
    bool good = true;

    if (policy->bounded) {
        good = resil_timeout_init(&client->whole, &(struct resil_timeout_config){SIM_DEADLINE}) ==
               RESIL_OK;
        client->policies[count++] = resil_timeout_policy(&client->whole);
    }
    good = good && resil_budget_init(&client->budget, &budget) == RESIL_OK &&
           resil_retry_init(&client->retry, &retry) == RESIL_OK;
    client->policies[count++] = resil_retry_policy(&client->retry);
    if (policy->breaker) {
        good = good && resil_breaker_init(&client->breaker, &breaker) == RESIL_OK;
        client->policies[count++] = resil_breaker_policy(&client->breaker);
    }
    good = good && resil_timeout_init(&client->each, &(struct resil_timeout_config){SIM_TIMEOUT}) ==
                       RESIL_OK;
    client->policies[count++] = resil_timeout_policy(&client->each);
    return good && resil_chain_init(&client->chain, client->policies, count, NULL, 0) == RESIL_OK;
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

static uint32_t any_server(struct sim *sim)
{
    return (uint32_t)resil__random_below(resil__random_next(&sim->random_choice),
                                         sim->config.servers);
}

/* A server that failed during the last second is worse than any other. */
static uint64_t badness(const struct sim *sim, const struct sim_client *client, uint32_t server)
{
    const struct sim_view *view = &client->views[server];

    return view->in_flight + (view->avoid_ns > sim->now_ns ? UINT64_C(1) << 32 : 0);
}

/* The library's balancer comes later: until then the simulator chooses. */
uint32_t sim_client_choose(struct sim *sim, const struct sim_request *request)
{
    const struct sim_client *client = &sim->clients[request->client];
    uint32_t one = any_server(sim), two;

    if (!sim->config.policy->p2c || sim->config.servers < 3)
        return one;
    while (one == request->failed)
        one = any_server(sim);
    do
        two = any_server(sim);
    while (two == one || two == request->failed);
    return badness(sim, client, two) < badness(sim, client, one) ? two : one;
}
