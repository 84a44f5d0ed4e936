/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef QUEUE_FIXTURE_H
#define QUEUE_FIXTURE_H

/* What the tests of the queue share: a full bulkhead, a queue, and some tickets that count their
   wakes. */
#include "test.h"

#include <resil/queue.h>

#define WAITERS 5
#define T0      RESIL_SEC(1000)

static struct resil_bulkhead bulkhead;
static struct resil_queue queue;
static struct resil_ticket tickets[WAITERS];
static unsigned woken[WAITERS];

static inline void count_wake(void *arg)
{
    ++*(unsigned *)arg;
}

/* A bulkhead of one permit, which is taken, and a queue in front of it. */
static inline void with(struct resil_queue_config config)
{
    assert_int_equal(resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = 1}),
                     RESIL_OK);
    memset(&queue, 0xa5, sizeof queue);
    assert_int_equal(resil_queue_init(&queue, &bulkhead, &config), RESIL_OK);
    memset(woken, 0, sizeof woken);
    for (unsigned i = 0; i < WAITERS; i++)
        tickets[i] = (struct resil_ticket){.wake = count_wake, .wake_arg = &woken[i]};
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_OK);
}

static inline void enter_all(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(resil_queue_enter(&queue, &tickets[i], T0), RESIL_WAIT);
}

static inline int confirm(unsigned i, uint64_t after_ns)
{
    return resil_queue_confirm(&queue, &tickets[i], T0 + after_ns);
}

static inline void assert_in_flight(uint64_t in_flight)
{
    struct resil_bulkhead_snapshot snapshot;

    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.in_flight, in_flight);
}

static inline void set_limit(uint64_t limit)
{
    assert_int_equal(
        resil_bulkhead_reconfigure(&bulkhead, &(struct resil_bulkhead_config){.limit = limit}),
        RESIL_OK);
}

static inline void assert_counts(uint64_t waiting, uint64_t entered, uint64_t granted,
                                 uint64_t expired, uint64_t dropped)
{
    struct resil_queue_snapshot snapshot;

    assert_int_equal(resil_queue_snapshot(&queue, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.waiting, waiting);
    assert_int_equal(snapshot.entered, entered);
    assert_int_equal(snapshot.granted, granted);
    assert_int_equal(snapshot.expired, expired);
    assert_int_equal(snapshot.dropped, dropped);
}

#endif
