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

#include <stdbool.h>
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

#if RESIL__CPU_RSEQ
/** From the thread pointer to where the kernel keeps the number; 0 = nowhere. The C library's words
    for it lie two loads away, this one none: written once, when the library is loaded. */
extern ptrdiff_t resil__cpu_at __attribute__((visibility("hidden")));
#endif

/** The number that the kernel keeps. False: nobody does; then resil__cpu_ask, or a slower way that
    does. A thread whose area is missing has a number that fits no processor, and shares a stripe
    with others of its kind. */
static inline bool resil__cpu_kept(uint32_t *cpu)
{
#if RESIL__CPU_RSEQ
    ptrdiff_t at = resil__cpu_at;

    if (RESIL__UNLIKELY(at == 0))
        return false;
#if defined(__x86_64__)
    __asm__ volatile("movl %%fs:(%1), %0" : "=r"(*cpu) : "r"(at));
#else
    const char *self;

    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(self));
    *cpu = *(const volatile uint32_t *)(const void *)(self + at);
#endif
    return true;
#else
    (void)cpu;
    return false;
#endif
}

static inline uint32_t resil__cpu(void)
{
    uint32_t cpu;

    return resil__cpu_kept(&cpu) ? cpu : resil__cpu_ask();
}

#endif
