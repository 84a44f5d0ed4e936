/* SPDX-License-Identifier: BSD-2-Clause */

/* What budgets and limiters promise, counted by leaky buckets of the simulator's own. */
#include <math.h>

#include "sim.h"

/* As resil/budget.h promises it with its defaults, from any point on: cap + share * successes + min *
   t by the client's own time. That is what a leaky bucket says; a success drains it, too. */
bool sim_budget_broken(const struct sim *sim, struct sim_client *client)
{
    const struct sim_policy *policy = sim->config.policy;
    const double min = policy->budget_min != 0 ? (double)policy->budget_min : 0.1;
    const uint64_t now_ns = sim->now_ns + client->clock_ns;

    if (policy->budget_cap == 0)
        return false;
    if (now_ns > client->spent_ns)
        client->spent -= min * (double)(now_ns - client->spent_ns) / 1e9;
    client->spent = fmax(client->spent, 0) + 1;
    client->spent_ns = now_ns;
    return client->spent > (double)policy->budget_cap + 1e-3;
}

void sim_budget_earn(struct sim_client *client)
{
    client->spent = fmax(client->spent - 0.1, 0);
}

/* As resil/limiter.h promises: burst + rate * t, for every span of the client's own time. That is
   what a leaky bucket says. */
bool sim_limit_broken(const struct sim *sim, struct sim_client *client)
{
    const uint64_t now_ns = sim->now_ns + client->clock_ns;

    if (!sim->config.policy->limited)
        return false;
    if (now_ns > client->at_ns)
        client->level -= sim_rate(client) * (double)(now_ns - client->at_ns) / 1e9;
    client->level = fmax(client->level, 0) + 1;
    client->at_ns = now_ns;
    return client->level > (double)sim_burst(client) + 1e-3;
}
