/* SPDX-License-Identifier: BSD-2-Clause */

/* What goes wrong from BEGIN to END. */
#include <string.h>

#include "sim.h"

static void slow_begin(struct sim *sim)
{
    sim->slowness = 10;
}

static void slow_end(struct sim *sim)
{
    sim->slowness = 1;
}

static void crash(struct sim *sim, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        sim_server_crash(sim, i);
}

static void crash_begin(struct sim *sim)
{
    crash(sim, sim->config.servers / 2);
}

static void crash_fewer_begin(struct sim *sim)
{
    crash(sim, sim->config.servers / 2 - 1);
}

static void crash_end(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->config.servers; i++)
        sim->servers[i].down = false;
}

static void spike_begin(struct sim *sim)
{
    sim->load = 3;
}

static void spike_end(struct sim *sim)
{
    sim->load = 1;
}

static void hold_begin(struct sim *sim)
{
    sim->holding = true;
}

static void hold_end(struct sim *sim)
{
    sim->holding = false;
}

static void deploy_begin(struct sim *sim)
{
    sim->errors = 0.3;
}

static void deploy_end(struct sim *sim)
{
    sim->errors = 0;
}

/* Every other client: of all rates. */
static void clock_ahead(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->config.clients; i += 2)
        sim->clients[i].clock_ns += RESIL_SEC(3600);
}

static void clock_back(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->config.clients; i += 2)
        sim->clients[i].clock_ns -= RESIL_SEC(3600);
}

static const struct sim_scenario scenarios[] = {
    {"slowdown", "every service takes ten times as long", slow_begin, NULL, slow_end, 0},
    {"crash", "half of the servers are down", crash_begin, NULL, crash_end, 0},
    {"crash-fewer", "half of the servers but one are down", crash_fewer_begin, NULL, crash_end, 0},
    {"spike", "three times the load", spike_begin, NULL, spike_end, 0},
    {"reconnect", "all requests are held back, then come within 100 ms", hold_begin, NULL, hold_end,
     SIM_BURST_S},
    {"deploy", "30 % of the answers are errors", deploy_begin, NULL, deploy_end, 0},
    {"clock-ahead", "slowdown; after 15 s half of the clients' clocks jump an hour ahead",
     slow_begin, clock_ahead, slow_end, 0},
    {"clock-back", "slowdown; after 15 s half of the clients' clocks jump an hour back", slow_begin,
     clock_back, slow_end, 0},
    {"calm", "nothing", NULL, NULL, NULL, 0},
};

const struct sim_scenario *sim_scenario_at(unsigned index)
{
    return index < sizeof scenarios / sizeof *scenarios ? &scenarios[index] : NULL;
}

const struct sim_scenario *sim_scenario_find(const char *name)
{
    const struct sim_scenario *scenario;

    for (unsigned i = 0; (scenario = sim_scenario_at(i)) != NULL; i++) {
        if (strcmp(scenario->name, name) == 0)
            break;
    }
    return scenario;
}
