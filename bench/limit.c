/* SPDX-License-Identifier: BSD-2-Clause */

/* What the machine takes: nothing that does the same work can be faster. All threads share one
   word. */
#define _POSIX_C_SOURCE 200809L
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include <resil/env.h>

#include <ck_epoch.h>

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

#ifdef __x86_64__
static void run_tsc(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        bench_keep(__builtin_ia32_rdtsc());
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

/* Aligned: all others are read against this one, and a line boundary in the loop costs it a cycle. */
__attribute__((noinline, aligned(64))) static void empty(void)
{
    __asm__ volatile("");
}

__attribute__((aligned(64))) static void run_call(uint64_t iterations, uint32_t thread)
{
    void (*fn)(void) = empty;

    (void)thread;
    __asm__ volatile("" : "+r"(fn));
    for (uint64_t i = 0; i < iterations; i++)
        fn();
}

/* A record of each thread's own, at hand: nothing to look up. */
static ck_epoch_t epoch;
static ck_epoch_record_t *records;

static bool setup_epoch(uint32_t threads)
{
    records = aligned_alloc(_Alignof(ck_epoch_record_t), threads * sizeof *records);
    if (records == NULL)
        return false;
    ck_epoch_init(&epoch);
    for (uint32_t i = 0; i < threads; i++)
        ck_epoch_register(&epoch, &records[i], NULL);
    return true;
}

static void run_epoch(uint64_t iterations, uint32_t thread)
{
    ck_epoch_record_t *record = &records[thread];

    for (uint64_t i = 0; i < iterations; i++) {
        ck_epoch_begin(record, NULL);
        bench_keep(i);
        (void)ck_epoch_end(record, NULL);
    }
}

static void teardown_epoch(void)
{
    free(records);
}

/* This function loads an address and returns. */
static void run_library(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        bench_keep((uint64_t)(uintptr_t)resil_env_posix());
}

static const struct bench rows[] = {
    {.name = "limit.xadd", .run = run_xadd},
    {.name = "limit.cas", .run = run_cas},
    {.name = "limit.epoch", .setup = setup_epoch, .run = run_epoch, .teardown = teardown_epoch},
    {.name = "limit.call", .run = run_call},
    {.name = "limit.library", .run = run_library},
    {.name = "limit.clock", .run = run_clock},
#ifdef CLOCK_MONOTONIC_COARSE
    {.name = "limit.clock_coarse", .run = run_clock_coarse},
#endif
#ifdef __x86_64__
    {.name = "limit.tsc", .run = run_tsc},
#endif
};

BENCH_GROUP(limit, rows);
