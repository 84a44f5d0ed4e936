/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "platform/cpu.h"

#ifdef __linux__
#include <sched.h>
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
