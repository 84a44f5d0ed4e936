/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "platform/cpu.h"

#include <resil/stripes.h>

#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#endif

#if RESIL__CPU_RSEQ
ptrdiff_t resil__cpu_at;

/* A caller that comes before this was run asks: the number is a hint, and so is where it is. */
__attribute__((constructor)) static void look_where(void)
{
    if (__rseq_size != 0)
        resil__cpu_at = __rseq_offset + (ptrdiff_t)offsetof(struct rseq, cpu_id);
}
#endif

/* Spread over the stripes as well as addresses let it: thread areas are pages apart. */
static uint32_t of_thread(void)
{
    static __thread char mine;

    return (uint32_t)(((uint64_t)(uintptr_t)&mine * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

RESIL__NOINLINE uint32_t resil__cpu_ask(void)
{
    int cpu = -1;

#ifdef __linux__
    cpu = sched_getcpu();
#endif
    return cpu >= 0 ? (uint32_t)cpu : of_thread();
}

uint64_t resil_stripes(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF);
    uint64_t stripes = 1;

    while (stripes < RESIL_STRIPES_MAX && (long)stripes < cpus)
        stripes *= 2;
    return stripes;
}
