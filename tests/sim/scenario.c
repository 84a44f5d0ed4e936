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

/* One server in ten after the other: down for 3 s, then slow for 2 s, while the next is down. */
static void restart_each(struct sim *sim, uint32_t second)
{
    for (uint32_t i = 0; i < sim->config.servers; i++) {
        struct sim_server *server = &sim->servers[i];
        const uint32_t down = i * 10 / sim->config.servers * 3;

        if (second == down)
            sim_server_crash(sim, i);
        else if (second >= down + 3)
            server->down = false;
        server->slowness = second >= down + 3 && second < down + 5 ? 3 : 1;
    }
}

static void set_hanging(struct sim *sim, bool hangs)
{
    for (uint32_t i = 0; i == 0 || i < sim->config.servers / 10; i++)
        sim->servers[i].hangs = hangs;
}

static void hole_begin(struct sim *sim)
{
    set_hanging(sim, true);
}

static void hole_end(struct sim *sim)
{
    set_hanging(sim, false);
}

static void set_wrong(struct sim *sim, double errors)
{
    for (uint32_t i = 0; i < sim->config.servers * 3 / 10; i++)
        sim->servers[i].errors = errors;
}

static void wrong_begin(struct sim *sim)
{
    set_wrong(sim, 1);
}

static void wrong_end(struct sim *sim)
{
    set_wrong(sim, 0);
}

/* Half of the servers: 3 s down, 3 s up. */
static void flap_each(struct sim *sim, uint32_t second)
{
    if (second % 6 == 0 && second + SIM_BEGIN_S < SIM_END_S)
        crash_begin(sim);
    else if (second % 6 == 3)
        crash_end(sim);
}

static const struct sim_scenario scenarios[] = {
    {"slowdown", "every service takes ten times as long", slow_begin, NULL, slow_end, NULL, 0},
    {"crash", "half of the servers are down", crash_begin, NULL, crash_end, NULL, 0},
    {"crash-fewer", "half of the servers but one are down", crash_fewer_begin, NULL, crash_end,
     NULL, 0},
    {"restart", "a tenth of the servers after the other is down for 3 s, then slow for 2 s", NULL,
     NULL, NULL, restart_each, 0},
    {"blackhole", "a tenth of the servers take requests and don't answer", hole_begin, NULL,
     hole_end, NULL, 0},
    {"spike", "three times the load", spike_begin, NULL, spike_end, NULL, 0},
    {"reconnect", "all requests are held back, then come within 100 ms", hold_begin, NULL, hold_end,
     NULL, SIM_BURST_S},
    {"deploy", "30 % of the answers are errors", deploy_begin, NULL, deploy_end, NULL, 0},
    {"deploy-some", "all answers of 30 % of the servers are errors", wrong_begin, NULL, wrong_end,
     NULL, 0},
    {"flap", "half of the servers are down for 3 s, up for 3 s, and so on", NULL, NULL, NULL,
     flap_each, 0},
    {"clock-ahead", "slowdown; after 15 s half of the clients' clocks jump an hour ahead",
     slow_begin, clock_ahead, slow_end, NULL, 0},
    {"clock-back", "slowdown; after 15 s half of the clients' clocks jump an hour back", slow_begin,
     clock_back, slow_end, NULL, 0},
    {"calm", "nothing", NULL, NULL, NULL, NULL, 0},
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
