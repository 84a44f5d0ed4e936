/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_CPU_H
#define RESIL_PLATFORM_CPU_H

/*
 * Which stripe of a striped object a thread uses: the number of the processor that it runs on.
 *
 * A hint and no promise: the thread may move before it has used the number, so what lies in a
 * stripe is changed by locked operations. Two threads with one number share a line, that is all.
 *
 * The kernel keeps the number in the thread's rseq area, which the C library registers (glibc 2.35
 * and later): two loads and no call. Elsewhere, and where registration failed, a number made from
 * the thread's own address: no processor, but the same for all calls of the thread.
 */

#include <stdint.h>

#include "base/compiler.h"

#if defined(__linux__) && defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))
#if __GLIBC_PREREQ(2, 35)
#include <sys/rseq.h>
#define RESIL__CPU_RSEQ 1
#endif
#endif

/** A number that stays the same for a thread. */
uint32_t resil__cpu_of_thread(void);

/** The number of a stripe; the caller takes as many of its low bits as it has stripes for. */
RESIL__INLINE uint32_t resil__cpu_stripe(void)
{
#ifdef RESIL__CPU_RSEQ
    const struct rseq *area =
        (const struct rseq *)(const void *)((const char *)__builtin_thread_pointer() +
                                            __rseq_offset);
    /* The kernel writes it whenever the thread runs again; with the top bit set it never will. */
    uint32_t cpu = *(const volatile uint32_t *)&area->cpu_id;

    if (RESIL__LIKELY(cpu <= INT32_MAX))
        return cpu;
#endif
    return resil__cpu_of_thread();
}

#endif
