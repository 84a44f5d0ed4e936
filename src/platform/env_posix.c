/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The system's clock, randomness and waiting. Waiting is a futex on Linux: it has no state of its
 * own, so a fork can't copy a locked one, and it works across processes on a word in a shared
 * mapping. Elsewhere a waiter looks again every millisecond.
 */
#define _GNU_SOURCE
#include <resil/env.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/random.h>
#include <sys/syscall.h>
#endif

#include "base/atomic.h"
#include "base/math.h"
#include "base/random.h"
#include "platform/cancel.h"
#include "platform/env.h"

uint64_t resil_now_ns(void)
{
    struct timespec ts;

    if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * RESIL_SEC(1) + (uint64_t)ts.tv_nsec;
}

uint64_t resil__posix_now(void *arg)
{
    (void)arg;
    return resil_now_ns();
}

/* Where the kernel has no entropy to give, the clock and the address of a thread's own variable
   must do. */
static uint64_t entropy(const void *own)
{
    uint64_t seed = 0;

#ifdef __linux__
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == (ssize_t)sizeof seed)
        return seed;
#endif
    return resil__mix(seed ^ resil_now_ns()) ^ resil__mix((uint64_t)(uintptr_t)own) ^
           ((uint64_t)getpid() << 32);
}

/* Counts the forks that this process has behind it: a child must not repeat its parent's
   numbers. */
static uint64_t forks = 1;

static void forked(void)
{
    (void)resil__add_relaxed(&forks, 1);
}

static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, forked);
}

uint64_t resil__posix_random(void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static _Thread_local uint64_t state;
    static _Thread_local uint64_t seeded_at; /* value of forks; 0 = never */
    uint64_t now = resil__load_relaxed(&forks);

    (void)arg;
    if (seeded_at != now) {
        int before = resil__cancel_off(); /* a call in the middle may be who asks */

        (void)pthread_once(&once, watch_forks);
        state = entropy(&state);
        seeded_at = now;
        resil__cancel_restore(before);
    }
    return resil__random_next(&state);
}

#ifdef __linux__

void resil__posix_wait(void *arg, uint32_t *word, uint32_t expected, uint64_t until_ns)
{
    struct timespec until = {
        .tv_sec = (time_t)(until_ns / RESIL_SEC(1)),
        .tv_nsec = (long)(until_ns % RESIL_SEC(1)),
    };

    (void)arg;
    /* FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time. EINTR and EAGAIN are early
       returns. */
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected,
                  until_ns == RESIL_NEVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void resil__posix_wake(void *arg, uint32_t *word)
{
    int saved = errno;

    (void)arg;
    (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    errno = saved;
}

#else

void resil__posix_wait(void *arg, uint32_t *word, uint32_t expected, uint64_t until_ns)
{
    while (resil__load_acquire32(word) == expected) {
        uint64_t left_ns = resil__sub_sat(until_ns, resil__posix_now(arg));
        struct timespec nap = {.tv_nsec = (long)resil__min(left_ns, RESIL_MS(1))};

        if (left_ns == 0)
            return;
        (void)nanosleep(&nap, NULL);
    }
}

void resil__posix_wake(void *arg, uint32_t *word)
{
    (void)arg;
    (void)word;
}

#endif

const struct resil_env *resil_env_posix(void)
{
    static const struct resil_env env = {
        .size = sizeof(struct resil_env),
        .now = resil__posix_now,
        .random = resil__posix_random,
        .wait = resil__posix_wait,
        .wake = resil__posix_wake,
    };

    return &env;
}
