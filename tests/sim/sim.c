/* SPDX-License-Identifier: BSD-2-Clause */

/* Builds a fleet, lets its events happen, takes it down. */
#include "sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"

double sim_uniform(uint64_t *stream)
{
    return (double)((resil__random_next(stream) >> 11) + 1) * 0x1p-53;
}

uint64_t sim_exponential(uint64_t *stream, double mean_ns)
{
    return (uint64_t)(-log(sim_uniform(stream)) * mean_ns) + 1;
}

/* Rates by quantile of a log-uniform distribution over 10:1, rescaled so that the load is exact. */
static void set_rates(struct sim *sim)
{
    const uint32_t count = sim->config.clients;
    const double total =
        sim->config.load * sim_capacity(&sim->config) * (double)sim->config.servers;
    double sum = 0;

    for (uint32_t i = 0; i < count; i++)
        sum += pow(10, ((double)i + 0.5) / (double)count);
    for (uint32_t i = 0; i < count; i++) {
        const double rate = pow(10, ((double)i + 0.5) / (double)count) * total / sum;

        sim->clients[i].gap_ns = 1e9 / rate;
    }
}

static bool begin_clients(struct sim *sim)
{
    set_rates(sim);
    for (uint32_t i = 0; i < sim->config.clients; i++) {
        struct sim_client *client = &sim->clients[i];

        client->states = &sim->states[(size_t)i * sim->config.servers];
        client->clock_ns = SIM_CLOCK;
        if (!sim_client_init(sim, client))
            return false;
    }
    for (uint32_t i = 0; i < sim->config.clients; i++) {
        uint64_t first_ns = sim_exponential(&sim->random_arrival, sim->clients[i].gap_ns);

        sim_events_push(&sim->events,
                        (struct sim_event){.at_ns = first_ns, .kind = SIM_ARRIVAL, .index = i});
    }
    return true;
}

static void begin_timeline(struct sim *sim)
{
    static const uint64_t triggers[] = {SIM_BEGIN_S, SIM_JUMP_S, SIM_END_S};

    for (uint32_t i = 0; i < 3; i++)
        sim_events_push(
            &sim->events,
            (struct sim_event){.at_ns = RESIL_SEC(triggers[i]), .kind = SIM_TRIGGER, .index = i});
    for (uint32_t i = 0; i < SIM_EACH_S && sim->config.scenario->each != NULL; i++)
        sim_events_push(&sim->events, (struct sim_event){.at_ns = RESIL_SEC(SIM_BEGIN_S + i),
                                                         .kind = SIM_TRIGGER,
                                                         .index = SIM_EACH,
                                                         .tag = i});
    for (uint32_t i = 1; i <= sim->second_count; i++)
        sim_events_push(&sim->events,
                        (struct sim_event){.at_ns = RESIL_SEC(i) - 1, .kind = SIM_SECOND});
}

/* Room for whom there will be; what is missing is NULL. */
static bool allocate(struct sim *sim)
{
    const struct sim_config *config = &sim->config;

    sim->clients = calloc(config->clients, sizeof *sim->clients);
    sim->servers = calloc(config->servers, sizeof *sim->servers);
    sim->endpoints = calloc(config->servers, sizeof *sim->endpoints);
    sim->addresses = calloc(config->servers, sizeof *sim->addresses);
    sim->states = calloc((size_t)config->clients * config->servers, sizeof(*sim->states));
    sim->seconds = calloc(sim->second_count, sizeof *sim->seconds);
    return sim->clients != NULL && sim->servers != NULL && sim->endpoints != NULL &&
           sim->addresses != NULL && sim->states != NULL && sim->seconds != NULL;
}

static bool begin_servers(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->config.servers; i++) {
        struct sim_server *server = &sim->servers[i];

        server->slowness = 1;
        server->queue = calloc(sim_queue(&sim->config), sizeof *server->queue);
        if (server->queue == NULL)
            return false;
        (void)snprintf(sim->addresses[i], sizeof sim->addresses[i], "server-%u", i);
        sim->endpoints[i] = (struct resil_endpoint){.address = sim->addresses[i], .user = server};
    }
    return true;
}

static bool begin(struct sim *sim)
{
    uint64_t seed = resil__mix(sim->config.seed);

    sim->second_count = sim_seconds(&sim->config) + SIM_MARGIN_S;
    sim->slowness = 1;
    sim->load = 1;
    sim->random_arrival = resil__random_next(&seed);
    sim->random_service = resil__random_next(&seed);
    sim->random_choice = resil__random_next(&seed);
    sim->random_fault = resil__random_next(&seed);
    if (!allocate(sim) || !begin_servers(sim))
        return false;
    begin_timeline(sim);
    return begin_clients(sim);
}

static void trigger(struct sim *sim, uint32_t index, uint32_t second)
{
    const struct sim_scenario *scenario = sim->config.scenario;
    void (*const turn[])(struct sim *) = {scenario->begin, scenario->jump, scenario->end};

    if (index == SIM_EACH)
        scenario->each(sim, second);
    else if (turn[index] != NULL)
        turn[index](sim);
}

static void happen(struct sim *sim, const struct sim_event *event)
{
    sim->now_ns = event->at_ns;
    sim->trace = resil__mix(sim->trace ^ event->at_ns) + event->index + event->tag + event->detail;
    switch ((enum sim_event_kind)event->kind) {
    case SIM_ARRIVAL:
        sim_client_arrival(sim, event->index);
        break;
    case SIM_RELEASE:
        sim_client_request(sim, event->index);
        break;
    case SIM_SERVED:
        sim_server_served(sim, event);
        break;
    case SIM_ANSWER:
        sim_client_answer(sim, event);
        break;
    case SIM_TIMER:
        sim_client_timer(sim, event);
        break;
    case SIM_SECOND:
        sim_measure_second(sim);
        break;
    case SIM_TRIGGER:
        trigger(sim, event->index, (uint32_t)event->tag);
        break;
    }
}

/* No request is left: if a balancer thinks otherwise, that is a fault. */
static void end_clients(struct sim *sim)
{
    for (uint32_t i = 0; i < sim->config.clients; i++)
        if (!sim_client_fini(sim, &sim->clients[i]))
            sim->faults++;
}

static void end(struct sim *sim)
{
    for (uint32_t i = 0; sim->servers != NULL && i < sim->config.servers; i++)
        free(sim->servers[i].queue);
    for (uint32_t i = 0; i < sim->block_count; i++)
        free(sim->blocks[i]);
    free(sim->blocks);
    free(sim->servers);
    free(sim->clients);
    free(sim->endpoints);
    free(sim->addresses);
    free(sim->states);
    free(sim->seconds);
    free(sim->events.heap);
}

bool sim_run(const struct sim_config *config, struct sim_result *result)
{
    struct sim *sim = calloc(1, sizeof *sim);
    struct sim_event event;
    bool good;

    if (sim == NULL)
        return false;
    sim->config = *config;
    good = begin(sim);
    while (good && sim_events_pop(&sim->events, &event))
        happen(sim, &event);
    good = good && !sim->events.failed;
    if (sim->clients != NULL)
        end_clients(sim);
    if (good)
        sim_measure(sim, result);
    end(sim);
    free(sim);
    return good;
}
