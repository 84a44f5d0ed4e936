/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_QUEUE_H
#define RESIL_QUEUE_H

/*
 * A queue in front of a bulkhead: a call that finds it full waits for a permit, for a bounded time,
 * in a queue of bounded length. It sleeps until it is woken: blocking code in the kernel, an event
 * loop in its loop.
 *
 *                 enter                      a release                 confirm
 *     (outside) --------> WAITING in the queue --------> GRANTED, woken --------> holds the permit
 *         |  permit free     |          |                   |
 *         +----------> holds |          | LIFO and full     | leave: the permit goes to the next
 *            the permit      |          v                   v
 *                            |       DROPPED, woken      (outside)
 *                            v          |  confirm, leave
 *     leave, or confirm after the wait: (outside)
 *
 * Order. FIFO: who waits longest is served first. LIFO: who came last is served first, and a
 * newcomer to a full queue takes the place of the oldest, who is woken and refused: in overload the
 * oldest waiter's own caller has mostly given up, so serving in order means working for the dead
 * (Ben Maurer, "Fail at Scale", ACM Queue, 2015). While somebody waits no newcomer overtakes: it
 * queues even if a permit is free in that moment. Only calls that had looked before the first
 * waiter came can still get in front of him, each once.
 *
 * The lock and the sleeper are old: mutual exclusion around a list, and a waiter who registers
 * before it looks again (Dijkstra's "sleeping barber"). Ours: nobody sleeps or spins to release.
 * Who gives a permit back while the lock is held leaves a mark on it, and the holder serves the
 * waiters on its behalf (so do "flat combining", Danny Hendler et al., 2010, and many run queues).
 *
 * One process. The queue holds pointers and belongs to the process that initialised it; the
 * bulkhead behind it may be shared. In one process:
 *
 *     - every call enters and leaves a bulkhead that has a queue through the queue:
 *       resil_queue_release, not resil_bulkhead_release, and no resil_bulkhead_policy beside the
 *       queue's;
 *     - after a free permit came about in another way (a higher limit, a reset), call
 *       resil_queue_wake.
 *
 * A permit that came free behind the queue's back, also in another process, wakes nobody: the
 * waiters see it at the next enter, confirm or release through their queue, or when poll_ns makes
 * them look again, and at the latest when their wait ends, before they are refused. Between
 * processes there is no order of waiters. After a fork the child makes a queue of its own.
 *
 * Blocking: enter without a free permit, confirm and leave take a lock, a word that is spun on with
 * back-off for the time of a few list operations and of the wake functions of those who get a
 * permit, mostly one. The core makes no system call and can't sleep, so a thread of high real-time
 * priority may spin while a preempted holder on the same processor can't run: give threads that
 * share a queue one scheduling priority. A signal handler may release, but not enter, confirm or
 * leave. Release never spins.
 *
 * Which calls may overlap on one queue:
 *
 *                      | init | enter, confirm, leave | release, wake, snapshot | fini
 *   init               |  no  |  no                   |  no                     |  no
 *   enter, confirm,    |  no  |  yes, on different    |  yes                    |  no
 *   leave              |      |  tickets              |                         |
 *   release, wake, ... |  no  |  yes                  |  yes                    |  no
 */

#include <resil/attempt.h>
#include <resil/bulkhead.h>
#include <resil/common.h>
#include <resil/policy.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** A waiter without a wake function, in a queue without poll_ns, looks again after so long. */
#define RESIL_QUEUE_POLL_NS RESIL_MS(10)

/** How calls wait. All-zero is the default. */
struct resil_queue_config {
    /** Calls that wait, 1 to 1000000; 0 = 100. */
    uint64_t length;

    /** The longest wait, 1 ns to 1 h; 0 = 1 s. */
    uint64_t wait_ns;

    /** A waiter looks again by itself after so long, for a bulkhead that several processes share: 1
        us to 1 h; 0 and RESIL_OFF = never. */
    uint64_t poll_ns;

    /** Serve the newest first and drop the oldest; false = in order of arrival. */
    bool lifo;
};

/* A chain keeps its tickets in words of the call: they are read through this type. */
#if defined(__GNUC__)
#define RESIL_TICKET_ALIAS_ __attribute__((__may_alias__))
#else
#define RESIL_TICKET_ALIAS_
#endif

/** A place in the queue, in the caller's memory. Zero it, set the first three fields, enter. Must
    not move while it is in the queue. */
struct RESIL_TICKET_ALIAS_ resil_ticket {
    /** Called when there is something to confirm, and what is handed to it; NULL = poll. */
    resil_wake_fn *wake;
    void *wake_arg;

    /** In: give up at this point in time at the latest; 0 = wait_ns alone. Out, after RESIL_WAIT:
        when the wait ends. */
    uint64_t until_ns;

    /** Out, after RESIL_WAIT: confirm then even if nobody woke you. */
    uint64_t wake_ns;

    struct resil_ticket *next_;
    struct resil_ticket *prev_;
    uint32_t state_; /* enum ticket_state in src/bulkhead/queue_fast.h; all under the lock */
};

/** The queue. Private. Holds pointers: lives in one process. */
struct resil_queue {
    struct resil_bulkhead *bulkhead_; /* NULL = not initialised; constant till fini, as the next */
    uint64_t wait_ns_;
    uint64_t poll_ns_; /* 0 = off */
    uint32_t length_;
    uint32_t lifo_;
    char pad_[64];
    uint32_t lock_;             /* 0, HELD, HELD | AGAIN; all callers write */
    uint32_t waiting_;          /* tickets in the list; written under the lock, read by all */
    uint32_t present_;          /* tickets in the list, granted or dropped; under the lock */
    struct resil_ticket *head_; /* the oldest; under the lock */
    struct resil_ticket *tail_; /* the newest; under the lock */
    uint64_t entered_;          /* counters: written under the lock, read by all */
    uint64_t granted_;
    uint64_t expired_;
    uint64_t dropped_;
};

/** What the queue has done. Counters only grow; a permit that was free at once counts nowhere. */
struct resil_queue_snapshot {
    uint64_t waiting; /* calls in the queue now */
    uint64_t entered; /* calls that had to wait */
    uint64_t granted; /* of these, were given a permit (also if they then left) */
    uint64_t expired; /* of these, waited too long */
    uint64_t dropped; /* of these, gave way to a newer call (LIFO) */
};

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL = all defaults.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_queue_config_check(const struct resil_queue_config *config, char *why,
                                       size_t why_size);

/** For the static inline function below. */
RESIL_API int resil_queue_init_sized(struct resil_queue *queue, size_t queue_size,
                                     struct resil_bulkhead *bulkhead,
                                     const struct resil_queue_config *config, size_t config_size);

/**
 * Makes an empty queue in front of a bulkhead.
 *
 * One bulkhead has at most one queue in a process: two wouldn't know of each other's waiters.
 *
 * @param queue     the caller's memory, any content. Not in a mapping that other processes use.
 * @param bulkhead  an initialised bulkhead. Borrowed: must outlive the queue.
 * @param config    NULL = all defaults. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL queue, a bulkhead that is NULL or isn't initialised, or
 *         a config that resil_queue_config_check refuses; RESIL_EABI when the sizes of header and
 *         library differ.
 *
 * Threads:   nobody else may use the queue yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; resil_queue_fini ends it.
 * Since:     0.1
 */
static inline int resil_queue_init(struct resil_queue *queue, struct resil_bulkhead *bulkhead,
                                   const struct resil_queue_config *config)
{
    return resil_queue_init_sized(queue, sizeof *queue, bulkhead, config, sizeof *config);
}

/**
 * Ends a queue that nobody is in. The bulkhead stays as it is, with its calls in flight.
 *
 * @param queue  an initialised queue.
 * @return RESIL_OK: the memory is free for other use, and a chain that is built over it is refused;
 *         RESIL_EBUSY while a ticket is in the queue or has a grant to confirm: nothing was
 *         changed; RESIL_EINVAL for a NULL queue or one that isn't initialised (or has ended).
 *
 * Threads:   nobody may be in another call on the queue.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_queue_fini(struct resil_queue *queue);

/**
 * Takes a permit, or a place in the queue.
 *
 * After RESIL_WAIT the ticket belongs to the queue: sleep until wake is called or ticket->wake_ns
 * has come, then resil_queue_confirm; or resil_queue_leave at any time.
 *
 * @param queue   an initialised queue.
 * @param ticket  the caller's memory, zeroed but for wake, wake_arg and until_ns. Reusable as it is
 *                once it is outside again, but set until_ns anew.
 * @param now_ns  the time; used only where the call has to wait.
 * @return RESIL_OK: a permit, to be given back with resil_queue_release, the ticket is not needed;
 *         RESIL_WAIT: in the queue;
 *         RESIL_EFULL: no permit and no place, or until_ns has come;
 *         RESIL_EINVAL: the ticket is in a queue already.
 *
 * Threads:   see the table at the top. wake may be called before this returns.
 * Progress:  a free permit and no waiters, or a full FIFO queue: lock-free, one read-modify-write
 *            at most. Otherwise blocking, see the top. Syscalls: none but what wake functions make.
 * Ordering:  acquire, as resil_bulkhead_acquire.
 * Signals:   async-signal-safe: no.
 * Ownership: the ticket must stay in place until confirm answers something else than RESIL_WAIT, or
 *            leave.
 * Since:     0.1
 */
RESIL_API int resil_queue_enter(struct resil_queue *queue, struct resil_ticket *ticket,
                                uint64_t now_ns);

/**
 * Looks whether a waiting ticket has its permit.
 *
 * A grant is never lost to a timeout: a ticket that was granted a permit keeps it until it confirms
 * or leaves, and confirms it even after its time. A clock that was set back doesn't prolong the
 * wait: an end of the wait more than twice wait_ns ahead counts as come.
 *
 * @param queue   the queue that the ticket entered.
 * @param ticket  a ticket for which enter answered RESIL_WAIT.
 * @param now_ns  the time.
 * @return RESIL_OK: a permit, to be given back with resil_queue_release;
 *         RESIL_WAIT: still in the queue, ticket->wake_ns is set anew;
 *         RESIL_EFULL: waited too long, or dropped by a newer call (LIFO);
 *         RESIL_EINVAL: the ticket is not in the queue.
 *         Except after RESIL_WAIT the ticket is outside and its wake is not called any more.
 *
 * Threads:   see the table at the top.
 * Progress:  blocking, see the top. Syscalls: none but what wake functions make.
 * Ordering:  acquire, as resil_bulkhead_acquire.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_queue_confirm(struct resil_queue *queue, struct resil_ticket *ticket,
                                  uint64_t now_ns);

/**
 * Gives a place in the queue up; a permit that was granted in the meantime goes to the next.
 *
 * @param queue   the queue that the ticket entered.
 * @param ticket  a ticket for which enter answered RESIL_WAIT.
 * @return RESIL_OK: outside, wake is not called any more;
 *         RESIL_EINVAL: the ticket was not in the queue (never entered, or confirmed).
 *
 * Threads:   see the table at the top.
 * Progress:  blocking, see the top. Syscalls: none but what wake functions make.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_queue_leave(struct resil_queue *queue, struct resil_ticket *ticket);

/**
 * Gives a permit back, to the next waiter if there is one, and wakes it.
 *
 * @param queue  an initialised queue.
 * @return RESIL_OK; RESIL_EINVAL when nothing is in flight: see resil_bulkhead_release.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free; never spins for the lock. Atomics: one read-modify-write while nobody
 *            waits. Syscalls: none but what wake functions make.
 * Ordering:  release, as resil_bulkhead_release.
 * Signals:   async-signal-safe: yes, if the wake functions are.
 * Since:     0.1
 */
RESIL_API int resil_queue_release(struct resil_queue *queue);

/**
 * Gives free permits to waiters: to call after the limit was raised, or permits were released past
 * the queue.
 *
 * @param queue  an initialised queue.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free; never spins for the lock. Syscalls: none but what wake functions make.
 * Signals:   async-signal-safe: yes, if the wake functions are.
 * Since:     0.1
 */
RESIL_API void resil_queue_wake(struct resil_queue *queue);

/**
 * Reads the number of waiters and the counters. Each value is exact, but they are read one after
 * the other.
 *
 * @param queue     an initialised queue.
 * @param snapshot  receives the values.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument or a queue that isn't initialised.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_queue_snapshot(const struct resil_queue *queue,
                                   struct resil_queue_snapshot *snapshot);

/**
 * Puts a queue and its bulkhead into a chain: a call takes a permit on its way in, waits for one if
 * it must, or is refused with RESIL_EFULL, and gives it back however it ends. Takes the place of
 * resil_bulkhead_policy.
 *
 * The wait ends with wait_ns or the deadline of the call. In an event loop a waiting call is woken
 * by request->wake; without one it looks again every poll_ns (RESIL_QUEUE_POLL_NS where that is
 * off).
 *
 * @param queue  an initialised queue. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "queue"; 7 frame words. resil_chain_init refuses it when the queue
 *         isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_queue_policy(struct resil_queue *queue);

RESIL_END_DECLS

#endif
