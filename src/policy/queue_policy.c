/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A queue with its bulkhead in a chain. The frame is the ticket. Its wake_ns, which only the thread
 * that drives the call writes, tells abandon whether the call waits (then it is not 0) or holds a
 * permit.
 */
#include "bulkhead/queue_fast.h"

#define FRAME_WORDS 7

_Static_assert(sizeof(struct resil_ticket) <= FRAME_WORDS * sizeof(uint64_t), "fits the frame");

static struct resil_ticket *ticket_of(uint64_t *frame)
{
    return (struct resil_ticket *)frame;
}

static int answer(struct resil_ticket *ticket, struct resil_walk *walk, int verdict)
{
    if (verdict == RESIL_WAIT)
        walk->wake_ns = ticket->wake_ns;
    else
        ticket->wake_ns = 0;
    return verdict;
}

static int admit_slow(struct resil_queue *queue, struct resil_ticket *ticket,
                      struct resil_walk *walk)
{
    *ticket = (struct resil_ticket){.until_ns = walk->attempt.deadline_ns};
    ticket->wake = resil_walk_waker(walk, &ticket->wake_arg);
    return answer(ticket, walk, resil__queue_enter_slow(queue, ticket, walk->now_ns));
}

static int admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_ticket *ticket = ticket_of(frame);

    ticket->wake_ns = 0;
    if (resil__queue_acquire(self) == RESIL_OK)
        return RESIL_PASS;
    return admit_slow(self, ticket, walk);
}

static int resume(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_ticket *ticket = ticket_of(frame);

    return answer(ticket, walk, resil_queue_confirm(self, ticket, walk->now_ns));
}

static int settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)frame;
    (void)walk;
    (void)resil__queue_release(self);
    return RESIL_PASS;
}

static int abandon(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_ticket *ticket = ticket_of(frame);

    (void)walk;
    if (ticket->wake_ns != 0)
        (void)resil_queue_leave(self, ticket);
    else
        (void)resil__queue_release(self);
    return RESIL_PASS;
}

static int check(const void *self)
{
    struct resil_queue_snapshot unused;

    return resil_queue_snapshot(self, &unused);
}

static uint64_t finest(const void *self)
{
    const struct resil_queue *queue = self;

    return queue->wait_ns_;
}

struct resil_policy resil_queue_policy(struct resil_queue *queue)
{
    static const struct resil_policy_ops ops = {
        .size = sizeof(struct resil_policy_ops),
        .name = "queue",
        .flags = RESIL_ON_ALL,
        .frame_words = FRAME_WORDS,
        .admit = admit,
        .resume = resume,
        .settle = settle,
        .abandon = abandon,
        .check = check,
        .finest_ns = finest,
    };

    return (struct resil_policy){.ops = &ops, .self = queue};
}
