/* SPDX-License-Identifier: BSD-2-Clause */

/* The striped counters: the report of a success, without a time and with one, and a counter of the
   caller's own. */
#include <resil/counters.h>

#include "bench.h"

static BENCH_APART RESIL_COUNTERS(16) counters;

static bool setup(uint32_t threads)
{
    (void)threads;
    return resil_counters_init(&counters.counters, sizeof counters, 16) == RESIL_OK;
}

static void report(uint64_t iterations, uint64_t elapsed_ns)
{
    struct resil_report is = {.outcome = RESIL_SUCCESS,
                              .decided_level = UINT32_MAX,
                              .attempts = 1,
                              .elapsed_ns = elapsed_ns};
    uint64_t wrong = 0;

    for (uint64_t i = 0; i < iterations; i++)
        wrong += resil_counters_report(&counters.counters, &is) != RESIL_OK;
    if (wrong != 0)
        bench_fail("counters.report");
}

static void run_report(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    report(iterations, 0);
}

static void run_report_timed(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    report(iterations, RESIL_MS(3));
}

static void run_add(uint64_t iterations, uint32_t thread)
{
    uint64_t wrong = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        wrong += resil_counters_add(&counters.counters, 1, 1) != RESIL_OK;
    if (wrong != 0)
        bench_fail("counters.add");
}

static const struct bench rows[] = {
    {.name = "counters.add", .setup = setup, .run = run_add},
    {.name = "counters.report", .setup = setup, .run = run_report},
    {.name = "counters.report_timed", .setup = setup, .run = run_report_timed},
};

BENCH_GROUP(counters, rows);
