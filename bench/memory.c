/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a key costs before anybody has looked at its state: its hash, and a line of memory that no
 * cache holds, in pages of either size. The limits of the keyed objects.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>

#include <resil/env.h>

#include "base/atomic.h"
#include "base/random.h"
#include "base/siphash.h"
#include "bench.h"

#define HUGE_PAGE  (UINT64_C(2) << 20)
#define LINE_WORDS 8
#define BYTES      (UINT64_C(64) << 20)
#define LINES      (BYTES / LINE_WORDS / sizeof(uint64_t))

void *bench_memory(size_t size, bool huge)
{
    void *memory = aligned_alloc(HUGE_PAGE, (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);

#if defined(MADV_HUGEPAGE) && defined(MADV_NOHUGEPAGE)
    if (memory != NULL)
        (void)madvise(memory, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
    (void)huge;
#endif
    return memory;
}

static uint64_t *words[2];

static bool setup(bool huge)
{
    words[huge] = bench_memory(BYTES, huge);
    if (words[huge] == NULL)
        return false;
    for (uint64_t line = 0; line < LINES; line++)
        words[huge][line * LINE_WORDS] = 1;
    return true;
}

static bool setup_miss(uint32_t threads)
{
    (void)threads;
    return setup(false);
}

static bool setup_miss_huge(uint32_t threads)
{
    (void)threads;
    return setup(true);
}

/* Which line is next hangs on what the last one held (always the same, which no processor knows): a
   caller with work of his own between two keys has none of them overlap either. */
static void run(uint64_t *lines, uint64_t iterations, uint32_t thread)
{
    uint64_t random = resil__mix(resil_now_ns() + thread); /* other lines each time */

    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t held = resil__add(&lines[resil__mix(random) % LINES * LINE_WORDS], 1);

        random += 1 + (held >> 63);
    }
    bench_keep(random);
}

static void run_miss(uint64_t iterations, uint32_t thread)
{
    run(words[0], iterations, thread);
}

static void run_miss_huge(uint64_t iterations, uint32_t thread)
{
    run(words[1], iterations, thread);
}

static void teardown_miss(void)
{
    free(words[0]);
}

static void teardown_miss_huge(void)
{
    free(words[1]);
}

/* One after the other, and as a caller sees them they overlap. */
static void run_hash(uint64_t iterations, uint32_t thread)
{
    static const uint64_t seed[2] = {0x5eed, 0xfeed};
    uint64_t key = thread;

    for (uint64_t i = 0; i < iterations; i++) {
        struct resil__print print = resil__siphash_u64(seed, key + i);

        bench_keep(print.word[0]);
        bench_keep(print.word[1]);
    }
}

static const struct bench rows[] = {
    {.name = "limit.miss", .setup = setup_miss, .run = run_miss, .teardown = teardown_miss},
    {.name = "limit.miss_huge",
     .setup = setup_miss_huge,
     .run = run_miss_huge,
     .teardown = teardown_miss_huge},
    {.name = "limit.hash", .run = run_hash},
};

BENCH_GROUP(memory, rows);
