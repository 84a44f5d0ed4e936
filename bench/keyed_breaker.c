/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The keyed breaker: acquire, and record a success, of one key for ever, and of a million keys at
 * random. All are well, as nearly all are at any time: such a key has no place, which takes a look at
 * both buckets where it could be.
 */
#include <stdlib.h>

#include <resil/env.h>
#include <resil/keyed_breaker.h>

#include "base/random.h"
#include "bench.h"

#define KEYS UINT64_C(1000000)

static struct resil_keyed_breaker *breaker;
static unsigned users;

static bool setup(uint32_t threads)
{
    struct resil_keyed_breaker_config config = {.keys = KEYS, .seed = {0x5eed, 0xfeed}};
    size_t size = resil_keyed_breaker_size(config.keys);

    (void)threads;
    if (users++ > 0)
        return true;
    breaker = bench_memory(size, false);
    return breaker != NULL && resil_keyed_breaker_init(breaker, size, &config) == RESIL_OK;
}

static void teardown(void)
{
    if (--users == 0)
        free(breaker);
}

static bool succeed(uint64_t key, uint64_t now_ns)
{
    static const struct resil_result success = {.outcome = RESIL_SUCCESS};
    struct resil_keyed_permit permit;

    return resil_keyed_breaker_acquire_u64(breaker, key, now_ns, &permit) == RESIL_OK &&
           resil_keyed_breaker_record(breaker, &permit, now_ns, &success) == RESIL_OK;
}

static void run_hot(uint64_t iterations, uint32_t thread)
{
    uint64_t now_ns = resil_now_ns();
    uint64_t passed = 0;

    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        passed += succeed(KEYS - 1, now_ns);
        now_ns += BENCH_TICK_NS;
    }
    if (passed != iterations)
        bench_fail("keyed_breaker.hot");
}

static void run_random(uint64_t iterations, uint32_t thread)
{
    uint64_t now_ns = resil_now_ns();
    uint64_t random = resil__mix(now_ns + thread); /* other keys each time */
    uint64_t passed = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        passed += succeed(resil__mix(random++) % KEYS, now_ns);
        now_ns += BENCH_TICK_NS;
    }
    if (passed != iterations)
        bench_fail("keyed_breaker.random");
}

static const struct bench rows[] = {
    {.name = "keyed_breaker.hot", .setup = setup, .run = run_hot, .teardown = teardown},
    {.name = "keyed_breaker.random", .setup = setup, .run = run_random, .teardown = teardown},
};

BENCH_GROUP(keyed_breaker, rows);
