/* SPDX-License-Identifier: BSD-2-Clause */

/* What the machine takes: nothing that does the same work can be faster. All threads share one
   word. */
#define _POSIX_C_SOURCE 200809L
#define _GNU_SOURCE
#include <time.h>

#include "base/atomic.h"
#include "bench.h"

static BENCH_APART uint64_t word;

static inline void read_clock(clockid_t clock, uint64_t iterations)
{
    struct timespec ts = {0, 0};

    for (uint64_t i = 0; i < iterations; i++) {
        (void)clock_gettime(clock, &ts);
        bench_keep((uint64_t)ts.tv_nsec);
    }
}

static void run_clock(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    read_clock(CLOCK_MONOTONIC, iterations);
}

#ifdef CLOCK_MONOTONIC_COARSE
static void run_clock_coarse(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    read_clock(CLOCK_MONOTONIC_COARSE, iterations);
}
#endif

static void run_xadd(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        bench_keep(resil__add(&word, 1));
}

static void run_cas(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t old = resil__load_relaxed(&word);

        while (!resil__cas(&word, &old, old + 1))
            ;
    }
}

__attribute__((noinline)) static void empty(void)
{
    __asm__ volatile("");
}

static void run_call(uint64_t iterations, uint32_t thread)
{
    void (*fn)(void) = empty;

    (void)thread;
    __asm__ volatile("" : "+r"(fn));
    for (uint64_t i = 0; i < iterations; i++)
        fn();
}

static const struct bench rows[] = {
    {.name = "limit.xadd", .run = run_xadd},
    {.name = "limit.cas", .run = run_cas},
    {.name = "limit.call", .run = run_call},
    {.name = "limit.clock", .run = run_clock},
#ifdef CLOCK_MONOTONIC_COARSE
    {.name = "limit.clock_coarse", .run = run_clock_coarse},
#endif
};

BENCH_GROUP(limit, rows);
