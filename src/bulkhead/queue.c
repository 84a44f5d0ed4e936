/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Why nobody sleeps beside a free permit. A releaser subtracts from the bulkhead's word (S1) and
 * then loads waiting_ (L1). A waiter stores waiting_ (S2) and then loads the word (L2), both under
 * the lock, before it goes to sleep. All four are sequentially consistent, so they stand in one
 * order: either S2 comes before L1 and the releaser serves the queue, or L1 and with it S1 come
 * before S2 and L2, and the waiter sees the permit.
 *
 * Whoever ends a turn at the lock has served since the last mark. The lock word is HELD while
 * somebody is inside, and HELD | AGAIN once a releaser came by, who then goes away. Unlocking swaps
 * HELD for 0 and fails on the mark; the holder takes the mark off and serves once more. It does
 * that by an exchange, which reads what the releaser swapped in and so sees the permit that came
 * back.
 *
 * Why nobody is woken after it is gone: wake is called under the lock, and a ticket gets out only
 * under the lock. Why no permit is lost between a grant and a timeout: a grant changes the ticket's
 * state under the lock, and confirm and leave look at the state before they look at the time.
 */
#include "bulkhead/queue_fast.h"

#include "base/math.h"

#define HELD  1u
#define AGAIN 2u

/* Takes the lock. The wait is bounded by the time that the holder runs: a few list operations. */
static void lock(struct resil_queue *queue)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint32_t seen = 0;

    while (resil__load_relaxed32(&queue->lock_) != 0 || !resil__cas32(&queue->lock_, &seen, HELD)) {
        resil__contend(&contend);
        seen = 0;
    }
}

/* Takes the lock, or leaves its holder the mark to serve again. */
static bool lock_or_mark(struct resil_queue *queue)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint32_t seen = resil__load_relaxed32(&queue->lock_);

    while (!resil__cas32(&queue->lock_, &seen, seen == 0 ? HELD : HELD | AGAIN))
        resil__contend(&contend);
    return seen == 0;
}

static void count(uint64_t *counter)
{
    resil__store_relaxed(counter, resil__load_relaxed(counter) + 1);
}

static void unlink_ticket(struct resil_queue *queue, struct resil_ticket *ticket,
                          enum ticket_state state)
{
    struct resil_ticket *prev = ticket->prev_, *next = ticket->next_;

    *(prev != NULL ? &prev->next_ : &queue->head_) = next;
    *(next != NULL ? &next->prev_ : &queue->tail_) = prev;
    ticket->state_ = state;
    resil__store_relaxed32(&queue->waiting_, queue->waiting_ - 1); /* read late, it costs a serve */
}

static void link_newest(struct resil_queue *queue, struct resil_ticket *ticket)
{
    struct resil_ticket *tail = queue->tail_;

    ticket->next_ = NULL;
    ticket->prev_ = tail;
    *(tail != NULL ? &tail->next_ : &queue->head_) = ticket;
    queue->tail_ = ticket;
    ticket->state_ = TICKET_WAITING;
    queue->present_++;
    resil__store_seq32(&queue->waiting_, queue->waiting_ + 1); /* S2 */
    count(&queue->entered_);
}

static void wake_owner(const struct resil_ticket *ticket)
{
    if (ticket->wake != NULL)
        ticket->wake(ticket->wake_arg);
}

/* Hands free permits to waiters, under the lock. Bounded by the number of waiters. */
static void serve(struct resil_queue *queue)
{
    struct resil_bulkhead *bulkhead = queue->bulkhead_;

    while (queue->head_ != NULL &&
           resil__bulkhead_acquire_from(bulkhead, resil__load_seq(&bulkhead->word_)) == RESIL_OK) {
        struct resil_ticket *next = queue->lifo_ ? queue->tail_ : queue->head_;

        unlink_ticket(queue, next, TICKET_GRANTED);
        count(&queue->granted_);
        wake_owner(next);
    }
}

/* Each further round answers another call's release. */
static void unlock(struct resil_queue *queue)
{
    uint32_t seen = HELD;

    while (!resil__cas32(&queue->lock_, &seen, 0)) {
        (void)resil__xchg32(&queue->lock_, HELD);
        serve(queue);
        seen = HELD;
    }
}

void resil__queue_serve(struct resil_queue *queue)
{
    if (!lock_or_mark(queue))
        return;
    serve(queue);
    unlock(queue);
}

static void drop_oldest(struct resil_queue *queue)
{
    struct resil_ticket *oldest = queue->head_;

    unlink_ticket(queue, oldest, TICKET_DROPPED);
    count(&queue->dropped_);
    wake_owner(oldest);
}

static void get_out(struct resil_queue *queue, struct resil_ticket *ticket)
{
    ticket->state_ = TICKET_OUTSIDE;
    queue->present_--;
}

static void set_wake_ns(const struct resil_queue *queue, struct resil_ticket *ticket,
                        uint64_t now_ns)
{
    uint64_t poll_ns = queue->poll_ns_;

    if (poll_ns == 0 && ticket->wake == NULL)
        poll_ns = RESIL_QUEUE_POLL_NS;
    ticket->wake_ns = ticket->until_ns;
    if (poll_ns != 0)
        ticket->wake_ns = resil__min(ticket->until_ns, resil__add_sat(now_ns, poll_ns));
}

/* Under the lock: a permit, a place, or a refusal. */
static int enter(struct resil_queue *queue, struct resil_ticket *ticket, uint64_t now_ns)
{
    serve(queue);
    if (queue->waiting_ == 0 && resil__bulkhead_acquire(queue->bulkhead_) == RESIL_OK)
        return RESIL_OK;
    if (ticket->until_ns <= now_ns)
        return RESIL_EFULL;
    if (queue->waiting_ == queue->length_) {
        if (!queue->lifo_)
            return RESIL_EFULL;
        drop_oldest(queue);
    }
    link_newest(queue, ticket);
    serve(queue);
    if (ticket->state_ != TICKET_GRANTED)
        return RESIL_WAIT;
    get_out(queue, ticket);
    return RESIL_OK;
}

int resil__queue_enter_slow(struct resil_queue *queue, struct resil_ticket *ticket, uint64_t now_ns)
{
    uint64_t end_ns = resil__add_sat(now_ns, queue->wait_ns_);
    int rc;

    /* Nobody overtakes, so a full queue is an answer, unless a permit was overlooked. */
    if (!queue->lifo_ && resil__load_acquire32(&queue->waiting_) >= queue->length_ &&
        resil__bulkhead_full(resil__load_acquire(&queue->bulkhead_->word_)))
        return RESIL_EFULL;
    ticket->until_ns = ticket->until_ns == 0 ? end_ns : resil__min(ticket->until_ns, end_ns);
    set_wake_ns(queue, ticket, now_ns);
    lock(queue);
    rc = enter(queue, ticket, now_ns);
    unlock(queue);
    return rc;
}

int resil_queue_enter(struct resil_queue *queue, struct resil_ticket *ticket, uint64_t now_ns)
{
    if (ticket->state_ != TICKET_OUTSIDE)
        return RESIL_EINVAL;
    if (resil__queue_acquire(queue) == RESIL_OK)
        return RESIL_OK;
    return resil__queue_enter_slow(queue, ticket, now_ns);
}

/* The end of the wait has come, or the clock was set back. */
static bool due(const struct resil_queue *queue, const struct resil_ticket *ticket, uint64_t now_ns)
{
    return ticket->until_ns <= now_ns || ticket->until_ns - now_ns > 2 * queue->wait_ns_;
}

/* Under the lock: what became of a ticket. */
static int confirm(struct resil_queue *queue, struct resil_ticket *ticket, uint64_t now_ns)
{
    int rc = RESIL_EFULL;

    if (ticket->state_ == TICKET_OUTSIDE)
        return RESIL_EINVAL;
    if (ticket->state_ == TICKET_WAITING)
        serve(queue);
    if (ticket->state_ == TICKET_WAITING && !due(queue, ticket, now_ns)) {
        set_wake_ns(queue, ticket, now_ns);
        return RESIL_WAIT;
    }
    if (ticket->state_ == TICKET_WAITING) {
        unlink_ticket(queue, ticket, TICKET_DROPPED);
        count(&queue->expired_);
    } else if (ticket->state_ == TICKET_GRANTED) {
        rc = RESIL_OK;
    }
    get_out(queue, ticket);
    return rc;
}

int resil_queue_confirm(struct resil_queue *queue, struct resil_ticket *ticket, uint64_t now_ns)
{
    int rc;

    lock(queue);
    rc = confirm(queue, ticket, now_ns);
    unlock(queue);
    return rc;
}

int resil_queue_leave(struct resil_queue *queue, struct resil_ticket *ticket)
{
    int rc = RESIL_OK;

    lock(queue);
    if (ticket->state_ == TICKET_OUTSIDE) {
        rc = RESIL_EINVAL;
    } else {
        if (ticket->state_ == TICKET_WAITING)
            unlink_ticket(queue, ticket, TICKET_DROPPED);
        else if (ticket->state_ == TICKET_GRANTED)
            (void)resil__bulkhead_release(queue->bulkhead_);
        get_out(queue, ticket);
        serve(queue);
    }
    unlock(queue);
    return rc;
}

int resil_queue_release(struct resil_queue *queue)
{
    return resil__queue_release(queue);
}

void resil_queue_wake(struct resil_queue *queue)
{
    if (resil__load_seq32(&queue->waiting_) != 0)
        resil__queue_serve(queue);
}
