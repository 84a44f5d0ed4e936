/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The cheapest addition that no other processor sees: without a lock prefix, on a word of the
 * processor's own, in a restartable sequence (Linux's rseq: the kernel sends a thread that was moved
 * or interrupted in the middle back to the start). What a leased limiter does with its stripe, but
 * for the checks; counters and other stripes add with a lock: this row says what that leaves on the
 * table.
 */
#define _GNU_SOURCE
#include <resil/stripes.h>

#ifdef __linux__
#include <sched.h>
#endif

#include "bench.h"
#include "platform/cpu.h"

#if RESIL__CPU_RSEQ && defined(__x86_64__)

#define WORDS_MAX 1024 /* processors: one line each */

static BENCH_APART uint64_t words[WORDS_MAX][8];

static bool here(void)
{
    return __rseq_size != 0 && resil_stripes() <= WORDS_MAX;
}

/* Between 1 and 2 the kernel sends whoever it stops to 4, which begins anew. The word in front of 4
   is the one that the C library registered with. */
static inline void add_one(void)
{
    __asm__ volatile(".pushsection __rseq_cs, \"aw\"\n"
                     ".balign 32\n"
                     "3: .long 0, 0\n"
                     ".quad 1f, 2f - 1f, 4f\n"
                     ".popsection\n"
                     "5: leaq 3b(%%rip), %%rax\n"
                     "movq %%rax, %%fs:%c[section](%[area])\n"
                     "1: movl %%fs:%c[cpu](%[area]), %%eax\n"
                     "shlq $6, %%rax\n"
                     "addq $1, (%[words], %%rax)\n"
                     "2:\n"
                     ".pushsection __rseq_failure, \"ax\"\n"
                     ".byte 0x0f, 0xb9, 0x3d\n"
                     ".long %c[signature]\n"
                     "4: jmp 5b\n"
                     ".popsection\n"
                     :
                     : [area] "r"(__rseq_offset), [words] "r"(words),
                       [section] "i"(offsetof(struct rseq, rseq_cs)),
                       [cpu] "i"(offsetof(struct rseq, cpu_id)), [signature] "i"(RSEQ_SIG)
                     : "rax", "memory", "cc");
}

static void run(uint64_t iterations, uint32_t thread)
{
    uint64_t before = 0, after = 0;

    for (uint64_t i = 0; i < WORDS_MAX; i++)
        before += words[i][0];
    for (uint64_t i = 0; i < iterations; i++)
        add_one();
    for (uint64_t i = 0; i < WORDS_MAX; i++)
        after += words[i][0];
    (void)thread;
    if (after - before < iterations)
        bench_fail("limit.rseq");
}

#else

static bool here(void)
{
    return false;
}

static void run(uint64_t iterations, uint32_t thread)
{
    (void)iterations;
    (void)thread;
}

#endif

#ifdef __linux__

/* What is asked where there are none. */
static void run_getcpu(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    for (uint64_t i = 0; i < iterations; i++)
        bench_keep((uint64_t)sched_getcpu());
}

#endif

static const struct bench rows[] = {
    {.name = "limit.rseq", .here = here, .run = run},
#ifdef __linux__
    {.name = "limit.getcpu", .run = run_getcpu},
#endif
};

BENCH_GROUP(rseq, rows);
