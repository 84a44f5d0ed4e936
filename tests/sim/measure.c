/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What is counted, by the second in which it arrived (requests) or began (attempts, probes), and
 * what that comes to. The definitions are in README.md.
 */
#include "sim.h"

#include <math.h>
#include <string.h>

#define FAIR_S 60 /* fairness is measured from BEGIN until so long after END */

/* The seconds of a span, added up. */
static struct sim_second sum(const struct sim *sim, uint32_t from, uint32_t until)
{
    struct sim_second total = {0};

    for (uint32_t i = from; i < until; i++) {
        total.offered += sim->seconds[i].offered;
        total.good += sim->seconds[i].good;
        total.attempts += sim->seconds[i].attempts;
        total.lost += sim->seconds[i].lost;
        total.probes += sim->seconds[i].probes;
    }
    return total;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole != 0 ? (double)part / (double)whole : 0;
}

static double goodput(const struct sim *sim, uint32_t from, uint32_t until)
{
    const struct sim_second total = sum(sim, from, until);

    return 100 * share(total.good, total.offered);
}

void sim_measure_end(struct sim *sim, const struct sim_request *request, bool success)
{
    struct sim_client *client = &sim->clients[request->client];
    const uint64_t took_ns = sim->now_ns - request->begin_ns;
    const uint64_t second = request->begin_ns / RESIL_SEC(1);
    const bool good = success && took_ns <= SIM_DEADLINE;
    const bool counted = second >= SIM_BEGIN_S && second < SIM_END_S + FAIR_S;

    if (took_ns > sim->longest_ns)
        sim->longest_ns = took_ns;
    sim->overdue += sim->config.policy->bounded && took_ns > SIM_DEADLINE;
    if (success)
        sim_budget_earn(client);
    client->offered += counted;
    client->good += counted && good;
    if (!good)
        return;
    sim_second_of(sim, request->begin_ns)->good++;
    if (second >= SIM_WARM_S && second < sim->second_count - SIM_MARGIN_S) {
        const uint64_t step = took_ns / RESIL_US(100);

        sim->latencies[step < SIM_LATENCIES ? step : SIM_LATENCIES - 1]++;
    }
}

static uint64_t read_breaker(const struct resil_breaker *breaker, uint64_t now_ns, bool probes)
{
    struct resil_breaker_snapshot snapshot;

    (void)resil_breaker_snapshot(breaker, now_ns, &snapshot);
    return probes ? snapshot.probes_granted_total : snapshot.opened_total;
}

static uint64_t sum_breakers(const struct sim *sim, bool probes)
{
    const struct sim_policy *policy = sim->config.policy;
    const bool guards = policy->guarded;
    uint64_t count = 0;

    for (uint32_t i = 0; (policy->breaker || guards) && i < sim->config.clients; i++) {
        const struct sim_client *client = &sim->clients[i];
        const uint64_t now_ns = sim->now_ns + client->clock_ns;

        if (policy->breaker)
            count += read_breaker(&client->breaker, now_ns, probes);
        for (uint32_t j = 0; guards && j < sim->config.servers; j++)
            if (client->states[j] != NULL)
                count += read_breaker(&client->states[j]->breaker, now_ns, probes);
    }
    return count;
}

/* The events since the last second: a balancer keeps 64. */
static void count_ejections(struct sim *sim)
{
    struct resil_balancer_event event;

    for (uint32_t i = 0; sim->config.policy->balanced && i < sim->config.clients; i++)
        while (resil_balancer_event(&sim->clients[i].balancer, &event))
            sim->ejected += event.kind == RESIL_BALANCER_EJECTED;
}

void sim_measure_second(struct sim *sim)
{
    const uint64_t probes = sum_breakers(sim, true);

    sim_second_of(sim, sim->now_ns)->probes = probes - sim->probes_seen;
    sim->probes_seen = probes;
    sim->opened = sum_breakers(sim, false);
    count_ejections(sim);
}

/* The worst load factor of any window of so many seconds. */
static double amplification(const struct sim *sim, uint32_t until, uint32_t window)
{
    double worst = 0;

    for (uint32_t from = SIM_WARM_S; from + window <= until; from++) {
        const struct sim_second all = sum(sim, from, from + window);
        const double factor = share(all.attempts, all.offered);

        worst = factor > worst ? factor : worst;
    }
    return worst;
}

static int recovery(const struct sim *sim, uint32_t from, uint32_t until)
{
    int since = 0;

    for (uint32_t at = from; at + 5 <= until; at++) {
        if (goodput(sim, at, at + 5) < 95)
            since = (int)(at - from) + 1;
    }
    return from + (uint32_t)since + 5 <= until ? since : -1;
}

static double worst_window(const struct sim *sim, uint32_t from, uint32_t until)
{
    double worst = 100;

    for (uint32_t at = from; at + 5 <= until; at++)
        if (sum(sim, at, at + 5).offered != 0)
            worst = fmin(worst, goodput(sim, at, at + 5));
    return worst;
}

static double best_window(const struct sim *sim, uint32_t from, uint32_t until)
{
    double best = 0;

    for (uint32_t at = from; at + 10 <= until; at++) {
        const double good = goodput(sim, at, at + 10);

        best = good > best ? good : best;
    }
    return best;
}

/* Jain, Chiu, Hawe, "A Quantitative Measure of Fairness and Discrimination", 1984: 1 is fair, 1/n
   is not. */
static double fairness(const struct sim *sim)
{
    double linear = 0, square = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < sim->config.clients; i++) {
        const double x = share(sim->clients[i].good, sim->clients[i].offered);

        linear += x;
        square += x * x;
        count++;
    }
    return square > 0 ? linear * linear / (square * (double)count) : 0;
}

static double percentile(const struct sim *sim, unsigned pct)
{
    uint64_t all = 0, below = 0;

    for (uint32_t i = 0; i < SIM_LATENCIES; i++)
        all += sim->latencies[i];
    for (uint32_t i = 0; i < SIM_LATENCIES; i++) {
        below += sim->latencies[i];
        if (below * 100 >= all * pct)
            return (double)(i + 1) / 10;
    }
    return 0;
}

/* The worst seconds: of goodput, and of probes. */
static void worst_seconds(const struct sim *sim, uint32_t until, struct sim_result *result)
{
    const double capacity = sim_capacity(&sim->config) * (double)sim->config.servers;

    result->worst_second_pct = 100;
    for (uint32_t at = SIM_BEGIN_S; at < until; at++) {
        const struct sim_second *second = &sim->seconds[at];
        const double good = 100 * share(second->good, second->offered);
        const double probes = 100 * (double)second->probes / capacity;

        if (second->offered != 0 && good < result->worst_second_pct)
            result->worst_second_pct = good;
        if (probes > result->probe_pct)
            result->probe_pct = probes;
    }
}

void sim_measure(const struct sim *sim, struct sim_result *result)
{
    const struct sim_config *config = &sim->config;
    const uint64_t attempts = config->policy->attempts;
    const struct sim_second late = sum(sim, SIM_BEGIN_S + 10, SIM_END_S);
    const uint32_t until = sim_seconds(config);
    const uint32_t after = SIM_END_S + sim->config.scenario->burst_s;
    const struct sim_second all = sum(sim, SIM_WARM_S, until);

    *result = (struct sim_result){
        .offered = all.offered,
        .good = all.good,
        .attempts = all.attempts,
        .before_pct = goodput(sim, SIM_WARM_S, SIM_BEGIN_S),
        .during_pct = goodput(sim, SIM_BEGIN_S, SIM_END_S),
        .after_pct = goodput(sim, after, until),
        .last_pct = goodput(sim, until > after + 30 ? until - 30 : after, until),
        .best_window_pct = best_window(sim, after, until),
        .recovery_s = recovery(sim, after, until),
        .amplification = share(all.attempts, all.offered),
        .amplification_10s = amplification(sim, until, 10),
        .amplification_1s = amplification(sim, until, 1),
        .jain = fairness(sim),
        .p50_ms = percentile(sim, 50),
        .p99_ms = percentile(sim, 99),
        .worst_5s_pct = worst_window(sim, SIM_BEGIN_S, until),
        .lost_pct = 100 * share(late.lost, late.attempts),
        .queue_over_timeout =
            sim_queue(config) / (sim_capacity(config) * (double)SIM_TIMEOUT / 1e9),
        .load_times_attempts = config->load * (double)(attempts ? attempts : 3),
        .calls_per_pair = 10 * config->load * sim_capacity(config) * (double)config->servers /
                          ((double)config->clients * (double)sim_subset(config)),
        .opened = sim->opened,
        .ejected = sim->ejected,
        .late = sim->late,
        .overdue = sim->overdue,
        .longest_ns = sim->longest_ns,
        .unfinished = sim->live,
        .faults = sim->faults,
        .budget_broken = sim->budget_broken,
        .limit_broken = sim->limit_broken,
        .trace = sim->trace,
    };
    result->collapsed = result->best_window_pct < 50;
    worst_seconds(sim, until, result);
    if (config->series != NULL)
        memcpy(config->series, sim->seconds, until * sizeof *config->series);
}
