/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_EPOCH_FIXTURE_H
#define RESIL_TEST_EPOCH_FIXTURE_H

/* Threads that enter and leave sections as they are told, and memory that can run out (the program is
   linked with --wrap=aligned_alloc). */

#include "test.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/epoch.h"
#include "base/random.h"

#define HANDS 5

static uint32_t no_memory; /* 1: nothing to be had */

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return resil__load_acquire32(&no_memory) != 0 ? NULL : __real_aligned_alloc(alignment, size);
}

/* A thread that does as it is told, one thing at a time. */
enum order {
    ORDER_ENTER = 1,
    ORDER_LEAVE,
    ORDER_END
};

struct hand {
    pthread_t thread;
    pthread_barrier_t told, done;
    enum order order;
    struct resil__reader *reader;
    uint64_t random;
};

static inline void *obey(void *arg)
{
    struct hand *hand = arg;

    for (;;) {
        (void)pthread_barrier_wait(&hand->told);
        if (hand->order == ORDER_END)
            return NULL;
        if (hand->order == ORDER_ENTER) {
            hand->reader = resil__epoch_enter();
            hand->random = resil__random_next(resil__reader_random(hand->reader));
        } else {
            resil__epoch_leave(hand->reader);
        }
        (void)pthread_barrier_wait(&hand->done);
    }
}

static inline void hire(struct hand *hand)
{
    *hand = (struct hand){0};
    assert_int_equal(pthread_barrier_init(&hand->told, NULL, 2), 0);
    assert_int_equal(pthread_barrier_init(&hand->done, NULL, 2), 0);
    assert_int_equal(pthread_create(&hand->thread, NULL, obey, hand), 0);
}

static inline void tell(struct hand *hand, enum order order)
{
    hand->order = order;
    (void)pthread_barrier_wait(&hand->told);
    if (order != ORDER_END) {
        (void)pthread_barrier_wait(&hand->done);
        return;
    }
    assert_int_equal(pthread_join(hand->thread, NULL), 0);
    (void)pthread_barrier_destroy(&hand->told);
    (void)pthread_barrier_destroy(&hand->done);
}

static inline bool ticket_passes(void)
{
    return resil__epoch_passed(resil__epoch_retire());
}

#endif
