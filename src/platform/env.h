/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PLATFORM_ENV_H
#define RESIL_PLATFORM_ENV_H

/* What the environments share: all but the clock is env_posix.c's. For files that define
   _GNU_SOURCE. */

#include <resil/env.h>

#include <time.h>

uint64_t resil__posix_now(void *arg);
uint64_t resil__posix_random(void *arg);
void resil__posix_wait(void *arg, uint32_t *word, uint32_t expected, uint64_t until_ns);
void resil__posix_wake(void *arg, uint32_t *word);

#ifdef CLOCK_MONOTONIC_COARSE
#define RESIL__HAS_COARSE 1
uint64_t resil__coarse_now(void *arg);
#endif

#if defined(__x86_64__) && defined(__linux__)
#define RESIL__HAS_TSC 1
uint64_t resil__tsc_env_now(void *arg);
/** True unless its next reading is CLOCK_MONOTONIC's. */
bool resil__tsc_env_runs(void);
#endif

#endif
