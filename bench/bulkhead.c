/* SPDX-License-Identifier: BSD-2-Clause */

/* The bulkhead: getting in and out, and being refused. */
#include <resil/bulkhead.h>
#include <resil/leased_bulkhead.h>

#include "bench.h"

static BENCH_APART struct resil_bulkhead bulkhead;

static bool setup_pair(uint32_t threads)
{
    struct resil_bulkhead_config config = {.limit = 100 + (uint64_t)threads};

    return resil_bulkhead_init(&bulkhead, &config) == RESIL_OK;
}

static void run_pair(uint64_t iterations, uint32_t thread)
{
    int rc = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        rc |= resil_bulkhead_acquire(&bulkhead);
        rc |= resil_bulkhead_release(&bulkhead);
    }
    if (rc != RESIL_OK)
        bench_fail("bulkhead.pair");
}

static BENCH_APART struct resil_bulkhead full;

static bool setup_full(uint32_t threads)
{
    struct resil_bulkhead_config config = {.limit = 1};

    (void)threads;
    return resil_bulkhead_init(&full, &config) == RESIL_OK &&
           resil_bulkhead_acquire(&full) == RESIL_OK;
}

static void run_full(uint64_t iterations, uint32_t thread)
{
    uint64_t refused = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        refused += resil_bulkhead_acquire(&full) == RESIL_EFULL;
    if (refused != iterations)
        bench_fail("bulkhead.full");
}

static BENCH_APART struct resil_bulkhead behind;
static BENCH_APART struct resil_leased_bulkhead leased;

static bool setup_leased(uint32_t threads)
{
    struct resil_bulkhead_config config = {.limit = 1000 * (uint64_t)threads};

    return resil_bulkhead_init(&behind, &config) == RESIL_OK &&
           resil_leased_bulkhead_init(&leased, &behind, NULL) == RESIL_OK;
}

static void run_leased(uint64_t iterations, uint32_t thread)
{
    int rc = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        rc |= resil_leased_bulkhead_acquire(&leased);
        rc |= resil_leased_bulkhead_release(&leased);
    }
    if (rc != RESIL_OK)
        bench_fail("bulkhead.leased");
}

static const struct bench rows[] = {
    {.name = "bulkhead.pair", .setup = setup_pair, .run = run_pair},
    {.name = "bulkhead.leased", .setup = setup_leased, .run = run_leased},
    {.name = "bulkhead.full", .setup = setup_full, .run = run_full},
};

BENCH_GROUP(bulkhead, rows);
