/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_QUEUE_FAST_H
#define RESIL_QUEUE_FAST_H

/* The hot halves of the queue, shared by the public functions and the policy. The proof is in
   queue.c. */

#include <resil/queue.h>

#include "bulkhead/bulkhead_fast.h"

/** Where a ticket is. 0: not in a queue. */
enum ticket_state {
    TICKET_OUTSIDE = 0,
    TICKET_WAITING = 1, /* in the list */
    TICKET_GRANTED = 2, /* out of the list, owns a permit, not yet confirmed */
    TICKET_DROPPED = 3, /* out of the list, refused, not yet confirmed */
};

/** enter for a ticket that is outside, once a permit was not to be had at once. */
int resil__queue_enter_slow(struct resil_queue *queue, struct resil_ticket *ticket,
                            uint64_t now_ns);

/** Hands free permits to waiters. */
void resil__queue_serve(struct resil_queue *queue);

/** A permit if one is free and nobody waits for it; else RESIL_EFULL. */
static inline int resil__queue_acquire(struct resil_queue *queue)
{
    if (resil__load_acquire32(&queue->waiting_) != 0)
        return RESIL_EFULL;
    return resil__bulkhead_acquire(queue->bulkhead_);
}

/** The load comes after the subtraction in the one order of all sequentially consistent
    operations. */
static inline int resil__queue_release(struct resil_queue *queue)
{
    int rc = resil__bulkhead_release(queue->bulkhead_);

    if (resil__load_seq32(&queue->waiting_) != 0)
        resil__queue_serve(queue);
    return rc;
}

#endif
