/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_LIMITS_RIG_H
#define RESIL_TEST_LIMITS_RIG_H

/*
 * Threads that wear one limit down, on a clock that they move on themselves: each reads it, may be
 * stopped there by the scheduler, and calls with a time that has grown old. The wall clock only
 * says when to end.
 */

#include "test.h"

#include <pthread.h>
#include <time.h>

#include "base/atomic.h"

#define THREADS  4
#define START_NS UINT64_C(1000000000000)

/* One limit under test, as the threads see it. */
struct rig {
    void (*work)(struct rig *rig, uint64_t *random, uint64_t *granted);
    uint64_t clock_ns;
    char pad_[56];
    uint64_t go;
    uint64_t stop;
    uint64_t granted;
    uint64_t numbers;
    uint64_t rounds_max; /* of each thread; 0 = until the time is up */
};

static void *rig_thread(void *arg)
{
    struct rig *rig = arg;
    uint64_t random = resil__add(&rig->numbers, 1) * 7919 + 1;
    uint64_t granted = 0;
    uint64_t rounds = 0;

    while (resil__load_acquire(&rig->go) == 0)
        ;
    while (resil__load_relaxed(&rig->stop) == 0 &&
           (rig->rounds_max == 0 || rounds < rig->rounds_max)) {
        rig->work(rig, &random, &granted);
        rounds++;
    }
    (void)resil__add(&rig->granted, granted);
    return NULL;
}

/* Runs THREADS threads for ms milliseconds (or rounds_max rounds each) and returns what they
   granted. */
static inline uint64_t rig_run(struct rig *rig, uint64_t ms)
{
    struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    pthread_t threads[THREADS];

    if (rig->clock_ns == 0)
        rig->clock_ns = START_NS;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, rig_thread, rig), 0);
    resil__store_release(&rig->go, 1);
    if (rig->rounds_max == 0)
        (void)nanosleep(&span, NULL);
    if (rig->rounds_max == 0)
        resil__store_relaxed(&rig->stop, 1);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    return rig->granted;
}

/* Moves the clock on by less than step_ns and tells the time as it was before. */
static inline uint64_t rig_now(struct rig *rig, uint64_t *random, uint64_t step_ns)
{
    return resil__add(&rig->clock_ns, test_below(random, step_ns));
}

static inline int rig_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

#endif
