/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The clock of the kernel's last timer tick. Its table is filled at the first call, because only
 * the kernel knows how long a tick is.
 */
#define _GNU_SOURCE
#include "platform/env.h"

#include <pthread.h>

#include "base/math.h"

static struct resil_env coarse = {
    .size = sizeof(struct resil_env),
    .now = resil__posix_now,
    .random = resil__posix_random,
    .wait = resil__posix_wait,
    .wake = resil__posix_wake,
};

#ifdef RESIL__HAS_COARSE

uint64_t resil__coarse_now(void *arg)
{
    struct timespec ts;

    (void)arg;
    if (clock_gettime(CLOCK_MONOTONIC_COARSE, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * RESIL_SEC(1) + (uint64_t)ts.tv_nsec;
}

/* The kernel's timers keep CLOCK_MONOTONIC, which is a tick ahead of this one, or two where the
   processor that counts the ticks idles. Who woke by it would find that it is too early, again and
   again: so no sleep is shorter than a quarter of a tick. */
static void coarse_wait(void *arg, uint32_t *word, uint32_t expected, uint64_t until_ns)
{
    uint64_t shortest_ns = resil_now_ns() + coarse.tick_ns / 4;

    resil__posix_wait(arg, word, expected,
                      resil__max(resil__add_sat(until_ns, coarse.tick_ns), shortest_ns));
}

static void fill(void)
{
    struct timespec tick;

    if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0)
        return;
    coarse.now = resil__coarse_now;
    coarse.wait = coarse_wait;
    coarse.tick_ns = (uint64_t)tick.tv_sec * RESIL_SEC(1) + (uint64_t)tick.tv_nsec;
}

#else

static void fill(void)
{
}

#endif

const struct resil_env *resil_env_coarse(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, fill);
    return &coarse;
}
