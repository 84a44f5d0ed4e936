/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The breaker: one call that succeeds, acquire and record, with a time window and with a window of
 * calls; and the refusal of an open one. The time is the caller's.
 */
#include <resil/breaker.h>
#include <resil/env.h>

#include "bench.h"

static void guard(struct resil_breaker *breaker, const char *name, uint64_t iterations)
{
    static const struct resil_result success = {.outcome = RESIL_SUCCESS};
    uint64_t now_ns = resil_now_ns();
    uint64_t wrong = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        struct resil_permit permit;
        int rc = resil_breaker_acquire(breaker, now_ns, &permit);

        wrong += rc != RESIL_OK;
        /* A thread that was held up while the others filled the window comes too late, rightly. */
        rc = resil_breaker_record(breaker, &permit, now_ns, &success);
        wrong += rc != RESIL_OK && rc != RESIL_ELATE;
        now_ns += BENCH_TICK_NS;
    }
    if (wrong != 0)
        bench_fail(name);
}

static BENCH_APART struct resil_breaker by_time;

static bool setup_time(uint32_t threads)
{
    (void)threads;
    return resil_breaker_init(&by_time, NULL) == RESIL_OK;
}

static void run_time(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    guard(&by_time, "breaker.time", iterations);
}

/* 16 stripes: as many processors have one of their own. */
static BENCH_APART RESIL_STRIPED_BREAKER(16) striped;

static bool setup_striped(uint32_t threads)
{
    (void)threads;
    return resil_breaker_init_striped(&striped.breaker, sizeof striped, NULL, 16) == RESIL_OK;
}

static void run_striped(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    guard(&striped.breaker, "breaker.time_striped", iterations);
}

static BENCH_APART struct resil_breaker by_count;

static bool setup_count(uint32_t threads)
{
    struct resil_breaker_config config = {.calls = 100};

    (void)threads;
    return resil_breaker_init(&by_count, &config) == RESIL_OK;
}

static void run_count(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    guard(&by_count, "breaker.count", iterations);
}

static BENCH_APART struct resil_breaker open_breaker;

/* Trips it by a failure; it stays open longer than anybody measures. */
static bool setup_open(uint32_t threads)
{
    static const struct resil_result failure = {.outcome = RESIL_FAILURE};
    struct resil_breaker_config config = {.consecutive = 1, .open_ns = RESIL_SEC(86400)};
    struct resil_permit permit;
    uint64_t now_ns = resil_now_ns();

    (void)threads;
    return resil_breaker_init(&open_breaker, &config) == RESIL_OK &&
           resil_breaker_acquire(&open_breaker, now_ns, &permit) == RESIL_OK &&
           resil_breaker_record(&open_breaker, &permit, now_ns, &failure) == RESIL_OK;
}

static void run_open(uint64_t iterations, uint32_t thread)
{
    uint64_t now_ns = resil_now_ns();
    uint64_t refused = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        struct resil_permit permit;

        refused += resil_breaker_acquire(&open_breaker, now_ns, &permit) == RESIL_EOPEN;
        now_ns += BENCH_TICK_NS;
    }
    if (refused != iterations)
        bench_fail("breaker.open");
}

static const struct bench rows[] = {
    {.name = "breaker.time", .setup = setup_time, .run = run_time},
    {.name = "breaker.time_striped", .setup = setup_striped, .run = run_striped},
    {.name = "breaker.count", .setup = setup_count, .run = run_count},
    {.name = "breaker.open", .setup = setup_open, .run = run_open},
};

BENCH_GROUP(breaker, rows);
