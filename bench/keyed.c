/* SPDX-License-Identifier: BSD-2-Clause */

/* The keyed limiter: one key for ever, and a million keys at random, each with a place of its own in
   memory that no cache holds, in small pages and in huge ones. */
#include <stdlib.h>

#include <resil/env.h>
#include <resil/keyed_limiter.h>

#include "base/random.h"
#include "bench.h"

#define KEYS UINT64_C(1000000)

/* In which pages; the index of a limiter. */
enum pages {
    SMALL,
    HUGE,
};

static uint64_t tick_ns;
static struct resil_keyed_limiter *limiters[2];
static unsigned users[2];

static bool setup_in(enum pages pages, uint32_t threads)
{
    struct resil_keyed_limiter_config config = {
        .keys = KEYS, .seed = {0x5eed, 0xfeed}, .tokens = 1000000000};
    size_t size = resil_keyed_limiter_size(config.keys);
    uint64_t now_ns = resil_now_ns();
    struct resil_keyed_limiter *limiter;

    tick_ns = BENCH_TICK_NS * (uint64_t)threads;
    if (users[pages]++ > 0)
        return true;
    limiter = limiters[pages] = bench_memory(size, pages == HUGE);
    if (limiter == NULL || resil_keyed_limiter_init(limiter, size, &config) != RESIL_OK)
        return false;
    /* A whole burst each: all keys owe while the bench is running, so none gives up its place. */
    for (uint64_t key = 0; key < KEYS; key++)
        (void)resil_keyed_limiter_acquire_u64(limiter, key, 900000000, now_ns, NULL);
    return true;
}

static bool setup(uint32_t threads)
{
    return setup_in(SMALL, threads);
}

static bool setup_huge(uint32_t threads)
{
    return setup_in(HUGE, threads);
}

static void teardown_in(enum pages pages)
{
    if (--users[pages] == 0)
        free(limiters[pages]);
}

static void teardown(void)
{
    teardown_in(SMALL);
}

static void teardown_huge(void)
{
    teardown_in(HUGE);
}

static void run_hot(uint64_t iterations, uint32_t thread)
{
    uint64_t now_ns = resil_now_ns();
    int rc = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        rc |= resil_keyed_limiter_acquire_u64(limiters[SMALL], KEYS - 1, 1, now_ns, NULL);
        now_ns += tick_ns;
    }
    if (rc != RESIL_OK)
        bench_fail("keyed.hot");
}

static void run_in(enum pages pages, uint64_t iterations, uint32_t thread)
{
    uint64_t now_ns = resil_now_ns();
    uint64_t random = resil__mix(now_ns + thread); /* other keys each time */
    int rc = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t key = resil__mix(random++) % KEYS;

        rc |= resil_keyed_limiter_acquire_u64(limiters[pages], key, 1, now_ns, NULL);
        now_ns += tick_ns;
    }
    if (rc != RESIL_OK)
        bench_fail("keyed.random");
}

static void run_random(uint64_t iterations, uint32_t thread)
{
    run_in(SMALL, iterations, thread);
}

static void run_random_huge(uint64_t iterations, uint32_t thread)
{
    run_in(HUGE, iterations, thread);
}

static const struct bench rows[] = {
    {.name = "keyed.hot", .setup = setup, .run = run_hot, .teardown = teardown},
    {.name = "keyed.random", .setup = setup, .run = run_random, .teardown = teardown},
    {.name = "keyed.random_huge",
     .setup = setup_huge,
     .run = run_random_huge,
     .teardown = teardown_huge},
};

BENCH_GROUP(keyed, rows);
