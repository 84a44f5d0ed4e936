/* SPDX-License-Identifier: BSD-2-Clause */

/* The retry of a call that succeeds at once: the callback, and one question whether to go on. */
#include <resil/env.h>
#include <resil/retry.h>

#include "bench.h"

static BENCH_APART struct resil_retry retry;

static bool setup(uint32_t threads)
{
    (void)threads;
    return resil_retry_init(&retry, NULL) == RESIL_OK;
}

__attribute__((noinline)) static enum resil_outcome succeed(void)
{
    __asm__ volatile("");
    return RESIL_SUCCESS;
}

static void run_success(uint64_t iterations, uint32_t thread)
{
    enum resil_outcome (*fn)(void) = succeed;
    uint64_t now_ns = resil_now_ns();
    uint64_t again = 0;

    (void)thread;
    __asm__ volatile("" : "+r"(fn));
    for (uint64_t i = 0; i < iterations; i++) {
        struct resil_retry_progress progress = {0, 0};
        struct resil_retry_question question = {.outcome = fn(), .now_ns = now_ns, .random = i};
        uint64_t wake_ns;

        again += resil_retry_next(&retry, &progress, &question, &wake_ns) == RESIL_OK;
        now_ns += BENCH_TICK_NS;
    }
    if (again != 0)
        bench_fail("retry.success");
}

static const struct bench rows[] = {
    {.name = "retry.success", .setup = setup, .run = run_success},
};

BENCH_GROUP(retry, rows);
