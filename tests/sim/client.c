/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Clients: arrivals that don't wait for answers, and one call of the library for each request,
 * driven as an event loop does. Timers are spans: what is armed before a clock jumps fires when it
 * would have.
 *
 * The simulator knows which attempt a call waits for, and so does the library: where they differ
 * about an answer, or a WAIT names a time that has come, that is a fault.
 */
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "sim.h"

static struct sim_request *slot_take(struct sim *sim, uint32_t *index)
{
    struct sim_request *request;

    if (sim->free_slot == 0) {
        const uint32_t first = sim->block_count * 1024;
        struct sim_request **blocks =
            realloc(sim->blocks, (sim->block_count + 1) * sizeof(*blocks));

        if (blocks == NULL)
            return NULL;
        sim->blocks = blocks;
        blocks[sim->block_count] = calloc(1024, sizeof **blocks);
        if (blocks[sim->block_count] == NULL)
            return NULL;
        for (uint32_t i = 0; i < 1024; i++)
            blocks[sim->block_count][i].next_free = i < 1023 ? first + i + 2 : 0;
        sim->block_count++;
        sim->free_slot = first + 1;
    }
    *index = sim->free_slot - 1;
    request = sim_slot(sim, *index);
    sim->free_slot = request->next_free;
    return request;
}

static uint64_t clock_of(const struct sim *sim, const struct sim_request *request)
{
    return sim->now_ns + sim->clients[request->client].clock_ns;
}

/* Whom the balancer has chosen, or anyone. */
static uint32_t choose(struct sim *sim, struct sim_client *client,
                       const struct resil_attempt *attempt)
{
    const struct resil_pick *pick = attempt->endpoint;
    uint32_t server;

    if (!sim->config.policy->balanced)
        return (uint32_t)resil__random_below(resil__random_next(&sim->random_choice),
                                             sim->config.servers);
    server = (uint32_t)((const struct sim_server *)pick->user - sim->servers);
    if (strcmp(pick->address, sim->addresses[server]) != 0)
        sim->faults++;
    client->states[server] = pick->state;
    return server;
}

static void start(struct sim *sim, struct sim_request *request, uint32_t index,
                  const struct resil_attempt *attempt)
{
    struct sim_client *client = &sim->clients[request->client];
    const uint32_t server = choose(sim, client, attempt);
    struct sim_second *second = sim_second_of(sim, sim->now_ns);

    second->attempts++;
    second->lost += sim->servers[server].hangs;
    if (request->attempt_id != 0)
        sim->faults++;
    request->attempt_id = attempt->id;
    if (!request->admitted && sim_limit_broken(sim, client))
        sim->limit_broken++;
    request->admitted = true;
    sim_server_submit(sim, server, &(struct sim_job){attempt->id, index});
}

/* The call goes on after an attempt has failed: a retry has been granted, now, not after its
   backoff. */
static void go_on(struct sim *sim, struct sim_request *request)
{
    if (request->failed && sim_budget_broken(sim, &sim->clients[request->client]))
        sim->budget_broken++;
    request->failed = false;
}

static void arm(struct sim *sim, struct sim_request *request, uint32_t index, uint64_t wake_ns)
{
    const uint64_t clock_ns = clock_of(sim, request);
    uint64_t at_ns;

    if (wake_ns == RESIL_NEVER)
        return;
    if (wake_ns <= clock_ns)
        sim->faults++;
    at_ns = sim->now_ns + (wake_ns > clock_ns ? wake_ns - clock_ns : 1);
    if (at_ns >= request->armed_ns)
        return;
    request->armed_ns = at_ns;
    sim_events_push(&sim->events,
                    (struct sim_event){
                        .at_ns = at_ns, .kind = SIM_TIMER, .index = index, .tag = request->serial});
}

static void finish(struct sim *sim, struct sim_request *request, uint32_t index)
{
    const bool success = resil_call_fini(&request->call, NULL) == RESIL_OK;

    if (request->attempt_id != 0)
        sim->faults++;
    sim_measure_end(sim, request, success);
    sim->live--;
    request->serial++;
    request->next_free = sim->free_slot;
    sim->free_slot = index + 1;
}

static void pump(struct sim *sim, struct sim_request *request, uint32_t index)
{
    for (;;) {
        struct resil_step step;

        switch (resil_call_step(&request->call, clock_of(sim, request), &step)) {
        case RESIL_STEP_CALL:
            go_on(sim, request);
            start(sim, request, index, step.attempt);
            break;
        case RESIL_STEP_ABORT:
            if (step.attempt->id != request->attempt_id)
                sim->faults++;
            request->attempt_id = 0; /* the server isn't told */
            request->failed = true;
            break;
        case RESIL_STEP_WAIT:
            go_on(sim, request);
            arm(sim, request, index, step.wake_ns);
            return;
        case RESIL_STEP_DONE:
            finish(sim, request, index);
            return;
        }
    }
}

void sim_client_request(struct sim *sim, uint32_t client)
{
    uint32_t index;
    struct sim_request *request = slot_take(sim, &index);

    if (request == NULL) {
        sim->events.failed = true;
        return;
    }
    request->begin_ns = sim->now_ns;
    request->client = client;
    request->admitted = false;
    request->failed = false;
    request->attempt_id = 0;
    request->armed_ns = RESIL_NEVER;
    request->request = (struct resil_request){.idempotent = true};
    sim->live++;
    sim_second_of(sim, sim->now_ns)->offered++;
    (void)resil_call_begin(&request->call, &sim->clients[client].chain, &request->request,
                           clock_of(sim, request), resil__random_next(&sim->random_choice));
    pump(sim, request, index);
}

void sim_client_arrival(struct sim *sim, uint32_t client)
{
    const double gap_ns = sim->clients[client].gap_ns / sim->load;
    const uint64_t next_ns = sim->now_ns + sim_exponential(&sim->random_arrival, gap_ns);

    /* Until all requests of the last measured second have been answered under full load. */
    if (next_ns < RESIL_SEC(sim->second_count))
        sim_events_push(&sim->events,
                        (struct sim_event){.at_ns = next_ns, .kind = SIM_ARRIVAL, .index = client});
    if (!sim->holding) {
        sim_client_request(sim, client);
        return;
    }
    sim_events_push(&sim->events,
                    (struct sim_event){.at_ns = RESIL_SEC(SIM_END_S) +
                                                (uint64_t)(1e8 * sim_uniform(&sim->random_fault)),
                                       .kind = SIM_RELEASE,
                                       .index = client});
}

void sim_client_answer(struct sim *sim, const struct sim_event *event)
{
    struct sim_request *request = sim_slot(sim, event->index);
    const enum resil_outcome outcome = (enum resil_outcome)event->detail;
    const bool awaited = request->attempt_id == event->tag;
    const int rc =
        resil_call_report(&request->call, event->tag, &(struct resil_result){.outcome = outcome});

    if (rc != (awaited ? RESIL_OK : RESIL_ELATE))
        sim->faults++;
    if (!awaited) {
        sim->late++;
        return;
    }
    request->attempt_id = 0;
    request->failed = outcome != RESIL_SUCCESS;
    pump(sim, request, event->index);
}

void sim_client_timer(struct sim *sim, const struct sim_event *event)
{
    struct sim_request *request = sim_slot(sim, event->index);

    if (event->tag != request->serial)
        return;
    if (request->armed_ns == sim->now_ns)
        request->armed_ns = RESIL_NEVER;
    pump(sim, request, event->index);
}
