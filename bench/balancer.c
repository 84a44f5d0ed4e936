/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The balancer: one pick by each algorithm among 8, 100 and 10,000 endpoints. Rows without "report"
 * leave their picks in flight: what is measured is the pick. prequal sends a probe with each pick.
 * update.10000 replaces a list of 10,000 by one in which every tenth endpoint is another.
 */
#include <resil/balancer.h>
#include <resil/env.h>

#include <stdio.h>

#include "bench.h"

#define HOSTS 10000

static char names[HOSTS + HOSTS / 10][24];
static struct resil_endpoint endpoints[HOSTS + HOSTS / 10];

/* Ends with the program: picks that nobody reports can't be taken back. */
struct row {
    struct resil_balancer lb;
    bool ready;
};

static void name_hosts(void)
{
    if (endpoints[0].address != NULL)
        return;
    for (size_t i = 0; i < HOSTS + HOSTS / 10; i++) {
        (void)snprintf(names[i], sizeof names[i], "10.%zu.%zu.%zu:80", i >> 16, i >> 8 & 255,
                       i & 255);
        endpoints[i].address = names[i];
        endpoints[i].weight = 1 + i % 5;
    }
}

static bool setup(struct row *row, const struct resil_picker *picker, size_t hosts)
{
    const struct resil_balancer_config config = {.picker = picker, .seed = 1};

    if (row->ready)
        return true;
    name_hosts();
    row->ready = resil_balancer_init(&row->lb, &config) == RESIL_OK &&
                 resil_balancer_update(&row->lb, endpoints, hosts, RESIL_SEC(1)) == RESIL_OK;
    return row->ready;
}

static void pick(struct row *row, const char *name, uint64_t iterations, uint32_t thread)
{
    struct resil_pick_request request = {.key = UINT64_C(0x9e3779b97f4a7c15) * (thread + 1)};
    uint64_t now_ns = RESIL_SEC(1);
    struct resil_pick taken;
    int rc = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        request.key += UINT64_C(0x9e3779b97f4a7c15);
        now_ns += BENCH_TICK_NS;
        rc |= resil_balancer_pick(&row->lb, &request, now_ns, &taken);
        bench_keep(taken.id);
    }
    if (rc != RESIL_OK)
        bench_fail(name);
}

static void pick_report(struct row *row, const char *name, uint64_t iterations)
{
    uint64_t now_ns = RESIL_SEC(1);
    struct resil_pick taken;
    int rc = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        now_ns += BENCH_TICK_NS;
        rc |= resil_balancer_pick(&row->lb, NULL, now_ns, &taken);
        rc |= resil_balancer_report(&row->lb, &taken, RESIL_SUCCESS, RESIL_US(100), now_ns);
    }
    if (rc != RESIL_OK)
        bench_fail(name);
}

static void pick_probe(struct row *row, const char *name, uint64_t iterations)
{
    uint64_t now_ns = RESIL_SEC(1);
    struct resil_pick taken;
    struct resil_probe probe;
    int rc = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        now_ns += BENCH_TICK_NS;
        rc |= resil_balancer_pick(&row->lb, NULL, now_ns, &taken);
        rc |= resil_balancer_report(&row->lb, &taken, RESIL_SUCCESS, RESIL_US(100), now_ns);
        if (resil_balancer_probe(&row->lb, &probe))
            rc |=
                resil_balancer_probed(&row->lb, &probe, true, i % 8, RESIL_US(90 + i % 20), now_ns);
    }
    if (rc != RESIL_OK)
        bench_fail(name);
}

/* For each algorithm and number of hosts its state, its setup and its loop. */
#define ROW(what, hosts, picker, loop)                                                             \
    static struct row row_##what##_##hosts;                                                        \
    static bool setup_##what##_##hosts(uint32_t threads)                                           \
    {                                                                                              \
        (void)threads;                                                                             \
        return setup(&row_##what##_##hosts, picker(), hosts);                                      \
    }                                                                                              \
    static void run_##what##_##hosts(uint64_t iterations, uint32_t thread)                         \
    {                                                                                              \
        (void)thread;                                                                              \
        loop(what, hosts);                                                                         \
    }

#define PICK(what, hosts)                                                                          \
    pick(&row_##what##_##hosts, "balancer." #what "." #hosts, iterations, thread)
#define PICK_REPORT(what, hosts)                                                                   \
    pick_report(&row_##what##_##hosts, "balancer." #what "." #hosts, iterations)
#define PICK_PROBE(what, hosts)                                                                    \
    pick_probe(&row_##what##_##hosts, "balancer." #what "." #hosts, iterations)

#define ROWS(what, picker, loop)                                                                   \
    ROW(what, 8, picker, loop)                                                                     \
    ROW(what, 100, picker, loop)                                                                   \
    ROW(what, 10000, picker, loop)

/* name, picker, loop */
#define LIST(X)                                                                                    \
    X(rr, resil_picker_round_robin, PICK)                                                          \
    X(swrr, resil_picker_smooth_weighted, PICK)                                                    \
    X(random, resil_picker_random, PICK)                                                           \
    X(weighted, resil_picker_weighted_random, PICK)                                                \
    X(p2c, resil_picker_least_requests, PICK)                                                      \
    X(p2c_report, resil_picker_least_requests, PICK_REPORT)                                        \
    X(least_weighted, resil_picker_weighted_least_requests, PICK)                                  \
    X(peak_ewma, resil_picker_peak_ewma, PICK)                                                     \
    X(peak_ewma_report, resil_picker_peak_ewma, PICK_REPORT)                                       \
    X(ring, resil_picker_ring_hash, PICK)                                                          \
    X(maglev, resil_picker_maglev, PICK)                                                           \
    X(bounded, resil_picker_bounded_load, PICK_REPORT)                                             \
    X(rendezvous, resil_picker_rendezvous, PICK)                                                   \
    X(prequal, resil_picker_prequal, PICK_PROBE)

LIST(ROWS)

static struct row row_update;
static struct row row_update_large;

static bool setup_maglev(struct row *row, uint64_t size)
{
    const struct resil_balancer_config config = {.picker = resil_picker_maglev(),
                                                 .options = {.maglev_size = size}};

    name_hosts();
    if (!row->ready)
        row->ready = resil_balancer_init(&row->lb, &config) == RESIL_OK;
    return row->ready;
}

static bool setup_update(uint32_t threads)
{
    (void)threads;
    return setup_maglev(&row_update, 65537);
}

static bool setup_update_large(uint32_t threads)
{
    (void)threads;
    return setup_maglev(&row_update_large, 655373);
}

static void update(struct row *row, const char *name, uint64_t iterations)
{
    int rc = 0;

    for (uint64_t i = 0; i < iterations; i++)
        rc |= resil_balancer_update(&row->lb, endpoints + i % 2 * (HOSTS / 10), HOSTS,
                                    RESIL_SEC(2) + RESIL_MS(i));
    if (rc != RESIL_OK)
        bench_fail(name);
}

static void run_update(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    update(&row_update, "balancer.update.10000", iterations);
}

static void run_update_large(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    update(&row_update_large, "balancer.update_655373.10000", iterations);
}

#define TABLE_ROW(what, hosts)                                                                     \
    {.name = "balancer." #what "." #hosts,                                                         \
     .setup = setup_##what##_##hosts,                                                              \
     .run = run_##what##_##hosts},
#define TABLE(what, picker, loop) TABLE_ROW(what, 8) TABLE_ROW(what, 100) TABLE_ROW(what, 10000)

static const struct bench rows[] = {
    LIST(TABLE){.name = "balancer.update.10000", .setup = setup_update, .run = run_update},
    {.name = "balancer.update_655373.10000", .setup = setup_update_large, .run = run_update_large},
};

BENCH_GROUP(balancer, rows);
