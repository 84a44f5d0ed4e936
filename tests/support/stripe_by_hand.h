/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_STRIPE_BY_HAND_H
#define RESIL_STRIPE_BY_HAND_H

/*
 * Takes the place of platform/cpu.h: a test says on which processor it runs. For what is compiled
 * into the test with `-include stripe_by_hand.h`, and one file that defines test_cpu. Negative:
 * nobody keeps the number, and the system is asked (which says test_cpu_asked).
 */

/* Included before the file's own first line. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stdint.h>

#define RESIL_PLATFORM_CPU_H

extern __thread int32_t test_cpu;
extern __thread uint32_t test_cpu_asked;

static inline bool resil__cpu_kept(uint32_t *cpu)
{
    *cpu = (uint32_t)test_cpu;
    return test_cpu >= 0;
}

static inline uint32_t resil__cpu_ask(void)
{
    return test_cpu_asked;
}

static inline uint32_t resil__cpu(void)
{
    return test_cpu >= 0 ? (uint32_t)test_cpu : test_cpu_asked;
}

#endif
