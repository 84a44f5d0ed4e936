/* SPDX-License-Identifier: BSD-2-Clause */

/* The clocks of the library's environments, read as resil_chain_run reads them. Where the counter
   can't be used clock.tsc is another clock.posix. */
#include <resil/env.h>

#include "bench.h"

static const struct resil_env *coarse;
static const struct resil_env *tsc;

const struct resil_env *bench_env_tsc(void)
{
    const struct resil_env *env = resil_env_tsc();
    uint64_t until_ns = resil_now_ns() + RESIL_SEC(1);

    while (resil_env_clock(env) != RESIL_CLOCK_TSC && env->now(env->arg) < until_ns)
        ;
    return env;
}

static bool setup_coarse(uint32_t threads)
{
    (void)threads;
    coarse = resil_env_coarse();
    return coarse->now(coarse->arg) != 0;
}

static bool setup_tsc(uint32_t threads)
{
    (void)threads;
    tsc = bench_env_tsc();
    return tsc->now(tsc->arg) != 0;
}

static inline void read_clock(const struct resil_env *env, uint64_t iterations)
{
    for (uint64_t i = 0; i < iterations; i++)
        bench_keep(env->now(env->arg));
}

static void run_posix(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    read_clock(resil_env_posix(), iterations);
}

static void run_coarse(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    read_clock(coarse, iterations);
}

static void run_tsc(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    read_clock(tsc, iterations);
}

static const struct bench rows[] = {
    {.name = "clock.posix", .run = run_posix},
    {.name = "clock.coarse", .setup = setup_coarse, .run = run_coarse},
    {.name = "clock.tsc", .setup = setup_tsc, .run = run_tsc},
};

BENCH_GROUP(clock, rows);
