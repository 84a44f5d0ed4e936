/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The processor's counter as a clock, and whether it may be one. Linux tests the counters against
 * each other when it starts them and keeps an eye on them ever after, so its own choice counts for
 * more than anything that could be found out here. Where it doesn't say, there remain CPUID's word
 * and the comparison with CLOCK_MONOTONIC at the end of each line.
 */
#define _GNU_SOURCE
#include "platform/cancel.h"
#include "platform/env.h"

#include <pthread.h>

#ifdef RESIL__HAS_TSC
#include <cpuid.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/math.h"
#include "platform/tsc.h"
#endif

static struct resil_env tsc_env = {
    .size = sizeof(struct resil_env),
    .now = resil__posix_now,
    .random = resil__posix_random,
    .wait = resil__posix_wait,
    .wake = resil__posix_wake,
};

#ifdef RESIL__HAS_TSC

/* How far the clock may be behind the kernel's, by which a wait ends. */
#define BEHIND_NS 1000

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

static struct resil__tsc tsc;

static uint64_t read_counter(void)
{
    return __builtin_ia32_rdtsc();
}

uint64_t resil__tsc_env_now(void *arg)
{
    static const struct resil__tsc_source source = {read_counter, resil_now_ns};

    (void)arg;
    return resil__tsc_now(&tsc, &source);
}

bool resil__tsc_env_runs(void)
{
    return resil__tsc_runs(&tsc);
}

static void tsc_wait(void *arg, uint32_t *word, uint32_t expected, uint64_t until_ns)
{
    resil__posix_wait(arg, word, expected, resil__add_sat(until_ns, BEHIND_NS));
}

/* By the bare instruction: __get_cpuid of some compilers takes the highest leaf for a signed number. */
static bool is_invariant(void)
{
    unsigned highest, eax, ebx, ecx, edx;

    __cpuid(0x80000000, highest, ebx, ecx, edx);
    if (highest < 0x80000007)
        return false; /* unreachable: unless on a processor of before 2008 */
    __cpuid(0x80000007, eax, ebx, ecx, edx);
    return (edx & 1u << 8) != 0;
}

/* False only if the kernel says that it keeps time by something else. */
static bool kernel_trusts_it(void)
{
    char name[16] = "";
    int fd = open(CLOCKSOURCE, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (fd < 0)
        return true;
    length = read(fd, name, sizeof name - 1);
    (void)close(fd);
    return length <= 0 || strcmp(name, "tsc\n") == 0;
}

/* A thread of the parent may have been drawing a line. */
static void forked(void)
{
    resil__store_release(&tsc.busy, 0);
}

static void fill(void)
{
    if (!is_invariant() || !kernel_trusts_it() || pthread_atfork(NULL, NULL, forked) != 0)
        return;
    tsc_env.now = resil__tsc_env_now;
    tsc_env.wait = tsc_wait;
    (void)resil__tsc_env_now(NULL); /* it takes 10 ms to learn the rate: begin */
}

#else

static void fill(void)
{
}

#endif

const struct resil_env *resil_env_tsc(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int before = resil__cancel_off();

    (void)pthread_once(&once, fill);
    resil__cancel_restore(before);
    return &tsc_env;
}
