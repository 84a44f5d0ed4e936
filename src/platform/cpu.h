/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_CPU_H
#define RESIL_PLATFORM_CPU_H

/*
 * On which processor the caller runs: which stripe of a striped object is his. A hint alone: he may
 * be moved before he has used it, and two processors may share a stripe. So whatever is written by
 * it is written atomically.
 *
 * The kernel keeps the number in the restartable-sequence area that the C library registers for
 * each thread (glibc 2.35 on; Mathieu Desnoyers' rseq, Linux 4.18): one load. Where there is none,
 * resil__cpu_ask.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#if defined(__GLIBC__) && (__GLIBC__ > 2 || (__GLIBC__ == 2 && __GLIBC_MINOR__ >= 35)) &&          \
    ((defined(__x86_64__) && defined(__LP64__)) || defined(__aarch64__))
#define RESIL__CPU_RSEQ 1
#include <sys/rseq.h>
#else
#define RESIL__CPU_RSEQ 0
#endif

/** In cpu.c: asks the system (on Linux without entering the kernel), else a number of the thread's
    own. */
uint32_t resil__cpu_ask(void);

/** What is in cpu_id of the rseq area; negative when nobody keeps it. */
static inline int32_t resil__cpu_kept(void)
{
    int32_t cpu = -1;

#if RESIL__CPU_RSEQ
    if (RESIL__LIKELY(__rseq_size != 0)) {
#if defined(__x86_64__)
        __asm__ volatile("movl %%fs:%c2(%1), %0"
                         : "=r"(cpu)
                         : "r"(__rseq_offset), "i"(offsetof(struct rseq, cpu_id)));
#else
        const char *self;

        __asm__ volatile("mrs %0, tpidr_el0" : "=r"(self));
        cpu = *(const volatile int32_t *)(const void *)(self + __rseq_offset +
                                                        offsetof(struct rseq, cpu_id));
#endif
    }
#endif
    return cpu;
}

static inline uint32_t resil__cpu(void)
{
    int32_t cpu = resil__cpu_kept();

    if (RESIL__LIKELY(cpu >= 0))
        return (uint32_t)cpu;
    return resil__cpu_ask();
}

#endif
