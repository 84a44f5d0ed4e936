/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Operations as other libraries do them, for bench/compare.sh: a limiter that reads the clock
 * itself, and endpoints picked by a key of 16 characters that has still to be hashed.
 */
#include <string.h>

#include <resil/balancer.h>
#include <resil/env.h>
#include <resil/hash.h>
#include <resil/limiter.h>

#include "bench.h"

#define HOSTS 8

static BENCH_APART struct resil_limiter limiter;
static BENCH_APART struct resil_limiter empty;

static bool setup_clock(uint32_t threads)
{
    struct resil_limiter_config config = {.tokens = 1000000000};

    (void)threads;
    return resil_limiter_init(&limiter, &config) == RESIL_OK;
}

static void run_clock(uint64_t iterations, uint32_t thread)
{
    int rc = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        rc |= resil_limiter_acquire(&limiter, 1, resil_now_ns(), NULL);
    if (rc != RESIL_OK)
        bench_fail("like.limiter_clock");
}

/* One token in a year, and it is gone. */
static bool setup_clock_refuse(uint32_t threads)
{
    struct resil_limiter_config config = {
        .tokens = 1, .period_ns = RESIL_SEC(365 * 86400), .burst = 1};

    (void)threads;
    return resil_limiter_init(&empty, &config) == RESIL_OK &&
           resil_limiter_acquire(&empty, 1, resil_now_ns(), NULL) == RESIL_OK;
}

static void run_clock_refuse(uint64_t iterations, uint32_t thread)
{
    uint64_t refused = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        refused += resil_limiter_acquire(&empty, 1, resil_now_ns(), NULL) == RESIL_ELIMITED;
    if (refused != iterations)
        bench_fail("like.limiter_clock_refuse");
}

struct hosts {
    struct resil_balancer lb;
    bool ready;
};

static struct hosts maglev;
static struct hosts ring;

static bool setup(struct hosts *hosts, const struct resil_picker *picker)
{
    static const struct resil_endpoint endpoints[HOSTS] = {
        {.address = "10.0.0.1:11211"}, {.address = "10.0.0.2:11211"}, {.address = "10.0.0.3:11211"},
        {.address = "10.0.0.4:11211"}, {.address = "10.0.0.5:11211"}, {.address = "10.0.0.6:11211"},
        {.address = "10.0.0.7:11211"}, {.address = "10.0.0.8:11211"}};
    const struct resil_balancer_config config = {.picker = picker};

    if (!hosts->ready)
        hosts->ready =
            resil_balancer_init(&hosts->lb, &config) == RESIL_OK &&
            resil_balancer_update(&hosts->lb, endpoints, HOSTS, RESIL_SEC(1)) == RESIL_OK;
    return hosts->ready;
}

static bool setup_maglev(uint32_t threads)
{
    (void)threads;
    return setup(&maglev, resil_picker_maglev());
}

static bool setup_ring(uint32_t threads)
{
    (void)threads;
    return setup(&ring, resil_picker_ring_hash());
}

/* The picks stay in flight: what is measured is the pick. */
static void pick(struct hosts *hosts, const char *name, uint64_t iterations, uint32_t thread)
{
    char key[16] = "session:";
    struct resil_pick_request request = {.key = 0};
    struct resil_pick taken;
    int rc = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t session = ((uint64_t)thread << 32) + i;

        memcpy(key + 8, &session, sizeof session);
        request.key = resil_hash64(key, sizeof key, 0);
        rc |= resil_balancer_pick(&hosts->lb, &request, RESIL_SEC(1), &taken);
        bench_keep(taken.id);
    }
    if (rc != RESIL_OK)
        bench_fail(name);
}

static void run_maglev(uint64_t iterations, uint32_t thread)
{
    pick(&maglev, "like.maglev_text.8", iterations, thread);
}

static void run_ring(uint64_t iterations, uint32_t thread)
{
    pick(&ring, "like.ring_text.8", iterations, thread);
}

static const struct bench rows[] = {
    {.name = "like.limiter_clock", .setup = setup_clock, .run = run_clock},
    {.name = "like.limiter_clock_refuse", .setup = setup_clock_refuse, .run = run_clock_refuse},
    {.name = "like.maglev_text.8", .setup = setup_maglev, .run = run_maglev},
    {.name = "like.ring_text.8", .setup = setup_ring, .run = run_ring},
};

BENCH_GROUP(like, rows);
