/* SPDX-License-Identifier: BSD-2-Clause */

/* Servers: k workers, a bounded FIFO queue, no cancellation. Every answer takes the round trip. */
#include "sim.h"

#include <math.h>

static void answer(struct sim *sim, const struct sim_job *job, enum resil_outcome outcome)
{
    sim_events_push(&sim->events, (struct sim_event){
                                      .at_ns = sim->now_ns + SIM_RTT,
                                      .kind = SIM_ANSWER,
                                      .index = job->request,
                                      .tag = job->attempt_id,
                                      .detail = (uint16_t)outcome,
                                  });
}

static void work(struct sim *sim, uint32_t index, uint32_t worker, const struct sim_job *job)
{
    struct sim_server *server = &sim->servers[index];
    const uint64_t takes_ns = sim_exponential(
        &sim->random_service, (double)SIM_SERVICE * sim->slowness * server->slowness);

    server->busy |= UINT32_C(1) << worker;
    server->running[worker] = *job;
    sim_events_push(&sim->events, (struct sim_event){
                                      .at_ns = sim->now_ns + takes_ns,
                                      .kind = SIM_SERVED,
                                      .index = index,
                                      .detail = (uint16_t)worker,
                                      .tag = server->epoch,
                                  });
}

void sim_server_submit(struct sim *sim, uint32_t index, const struct sim_job *job)
{
    const uint32_t room = sim_queue(&sim->config);
    struct sim_server *server = &sim->servers[index];

    if (server->hangs)
        return;
    if (server->down) {
        answer(sim, job, RESIL_NOT_SENT);
        return;
    }
    for (uint32_t worker = 0; worker < sim->config.workers; worker++) {
        if ((server->busy & UINT32_C(1) << worker) == 0) {
            work(sim, index, worker, job);
            return;
        }
    }
    if (server->waiting == room) {
        answer(sim, job, sim->config.policy->rejected);
        return;
    }
    server->queue[(server->head + server->waiting++) % room] = *job;
}

static struct sim_job take(const struct sim *sim, struct sim_server *server)
{
    struct sim_job job = server->queue[server->head];

    server->head = (server->head + 1) % sim_queue(&sim->config);
    server->waiting--;
    return job;
}

void sim_server_served(struct sim *sim, const struct sim_event *event)
{
    struct sim_server *server = &sim->servers[event->index];
    const double errors = fmax(sim->errors, server->errors);
    bool failed;

    if (event->tag != server->epoch)
        return;
    failed = errors > 0 && sim_uniform(&sim->random_fault) <= errors;
    answer(sim, &server->running[event->detail], failed ? RESIL_FAILURE : RESIL_SUCCESS);
    server->busy &= ~(UINT32_C(1) << event->detail);
    if (server->waiting != 0) {
        struct sim_job job = take(sim, server);

        work(sim, event->index, event->detail, &job);
    }
}

/* The process dies: its peers see their connections reset. */
void sim_server_crash(struct sim *sim, uint32_t index)
{
    struct sim_server *server = &sim->servers[index];

    for (uint32_t worker = 0; worker < sim->config.workers; worker++) {
        if ((server->busy & UINT32_C(1) << worker) != 0)
            answer(sim, &server->running[worker], RESIL_FAILURE);
    }
    while (server->waiting != 0) {
        struct sim_job job = take(sim, server);

        answer(sim, &job, RESIL_FAILURE);
    }
    server->busy = 0;
    server->epoch++;
    server->down = true;
}
