/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The limiters at a rate that is never reached, and one that refuses. The time is the caller's; it
 * passes faster the more threads there are, so that they stay below the rate together.
 */
#include <stdlib.h>

#include <resil/env.h>
#include <resil/leased_limiter.h>
#include <resil/limiter.h>
#include <resil/log.h>
#include <resil/window.h>

#include "bench.h"

static uint64_t tick_ns;

static BENCH_APART struct resil_limiter gcra;

static bool setup_gcra(uint32_t threads)
{
    struct resil_limiter_config config = {.tokens = 1000000000};

    tick_ns = BENCH_TICK_NS * (uint64_t)threads;
    return resil_limiter_init(&gcra, &config) == RESIL_OK;
}

static void run_gcra(uint64_t iterations, uint32_t thread)
{
    uint64_t now_ns = resil_now_ns();
    int rc = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        rc |= resil_limiter_acquire(&gcra, 1, now_ns, NULL);
        now_ns += tick_ns;
    }
    if (rc != RESIL_OK)
        bench_fail("limiter.gcra");
}

static BENCH_APART struct resil_limiter empty;

/* One token in a year, and it is gone. */
static bool setup_gcra_refuse(uint32_t threads)
{
    struct resil_limiter_config config = {
        .tokens = 1, .period_ns = RESIL_SEC(365 * 86400), .burst = 1};

    (void)threads;
    return resil_limiter_init(&empty, &config) == RESIL_OK &&
           resil_limiter_acquire(&empty, 1, resil_now_ns(), NULL) == RESIL_OK;
}

static void run_gcra_refuse(uint64_t iterations, uint32_t thread)
{
    uint64_t now_ns = resil_now_ns();
    uint64_t refused = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        refused += resil_limiter_acquire(&empty, 1, now_ns, NULL) == RESIL_ELIMITED;
        now_ns += BENCH_TICK_NS;
    }
    if (refused != iterations)
        bench_fail("limiter.gcra_refuse");
}

static BENCH_APART struct resil_limiter behind;
static BENCH_APART struct resil_leased_limiter leased;

static bool setup_leased(uint32_t threads)
{
    struct resil_limiter_config config = {.tokens = 1000000000};

    tick_ns = BENCH_TICK_NS * (uint64_t)threads;
    return resil_limiter_init(&behind, &config) == RESIL_OK &&
           resil_leased_limiter_init(&leased, &behind, NULL) == RESIL_OK;
}

static void run_leased(uint64_t iterations, uint32_t thread)
{
    uint64_t now_ns = resil_now_ns();
    int rc = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        rc |= resil_leased_limiter_acquire(&leased, 1, now_ns, NULL);
        now_ns += tick_ns;
    }
    if (rc != RESIL_OK)
        bench_fail("limiter.leased");
}

static BENCH_APART struct resil_window window;

static bool setup_window(uint32_t threads)
{
    struct resil_window_config config = {.limit = 1000000, .period_ns = RESIL_MS(1)};

    tick_ns = BENCH_TICK_NS * (uint64_t)threads;
    return resil_window_init(&window, &config) == RESIL_OK;
}

static void run_window(uint64_t iterations, uint32_t thread)
{
    uint64_t now_ns = resil_now_ns();
    int rc = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        rc |= resil_window_acquire(&window, 1, now_ns, NULL);
        now_ns += tick_ns;
    }
    if (rc != RESIL_OK)
        bench_fail("limiter.window");
}

static struct resil_log *log_;

/* 4096 a microsecond is more than any loop asks for, in 32 KiB. */
static bool setup_log(uint32_t threads)
{
    struct resil_log_config config = {.limit = 4096, .period_ns = RESIL_US(1)};
    size_t size = resil_log_size(config.limit);

    (void)threads;
    log_ = aligned_alloc(128, (size + 127) / 128 * 128);
    return log_ != NULL && resil_log_init(log_, size, &config) == RESIL_OK;
}

/*
 * A log refuses who comes with an old time while the others fill it. So the time follows the clock
 * here, read every 64 operations, and what a thread that was held up is refused in between is let
 * go: at most one in a hundred.
 */
static void run_log(uint64_t iterations, uint32_t thread)
{
    uint64_t now_ns = 0;
    uint64_t refused = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        now_ns = i % 64 == 0 ? resil_now_ns() : now_ns + BENCH_TICK_NS;
        refused += resil_log_acquire(log_, now_ns, NULL) != RESIL_OK;
    }
    if (refused > iterations / 100)
        bench_fail("limiter.log");
}

static void teardown_log(void)
{
    free(log_);
}

static const struct bench rows[] = {
    {.name = "limiter.gcra", .setup = setup_gcra, .run = run_gcra},
    {.name = "limiter.gcra_refuse", .setup = setup_gcra_refuse, .run = run_gcra_refuse},
    {.name = "limiter.leased", .setup = setup_leased, .run = run_leased},
    {.name = "limiter.window", .setup = setup_window, .run = run_window},
    {.name = "limiter.log", .setup = setup_log, .run = run_log, .teardown = teardown_log},
};

BENCH_GROUP(limiter, rows);
