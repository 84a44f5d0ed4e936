/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_TOLD_STRIPE_H
#define RESIL_TEST_TOLD_STRIPE_H

/* Takes the place of platform/cpu.h: the test says which stripe a caller uses. Include it before
   any header of src/, then include the .c files under test. */

#include <stdbool.h>
#include <stdint.h>

#define RESIL_PLATFORM_CPU_H

static uint32_t told_stripe;

static inline uint32_t resil__cpu(void)
{
    return told_stripe;
}

static inline bool resil__cpu_kept(uint32_t *cpu)
{
    *cpu = told_stripe;
    return true;
}

#endif
