/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BULKHEAD_H
#define RESIL_BULKHEAD_H

/*
 * A bulkhead: at most `limit` calls in flight, so that one slow peer can't take all threads,
 * connections or memory of a service. The name and the idea: Michael T. Nygard, "Release It!",
 * 2007. The mechanism is the counting semaphore of Edsger W. Dijkstra ("Over de sequentialiteit van
 * procesbeschrijvingen", 1962), here without waiting: a full bulkhead refuses. Who wants to wait
 * puts a queue in front of it (resil/queue.h).
 *
 *     acquire:  in flight < limit  ->  in flight + 1     (one compare-and-swap)
 *               otherwise          ->  RESIL_EFULL       (one load, nothing is written)
 *     release:  in flight - 1                            (one subtraction)
 *
 * Around the calls to one peer it also keeps goodput up in overload: what would wait at the peer for
 * longer than its time-out is refused at once. resil/guard.h says how to choose the limit for that.
 *
 * Limit and calls in flight share one word, so the limit is exact: no interleaving exceeds it, and
 * nobody is refused below it. (Add first, take back if it was too much, would let others see a full
 * bulkhead that is not.) The limit can be changed at any time; lowered below what is in flight,
 * nothing is interrupted and nobody blocks: calls drain, and are refused until they have.
 *
 * The state is one word without a pointer: static, on the heap, or in a MAP_SHARED mapping where
 * several processes keep one limit together. A process that dies keeps its permits; the snapshot
 * shows them.
 *
 * Which calls may overlap on one bulkhead:
 *
 *                 | init | acquire, release, snapshot | reconfigure            | reset
 *   init          |  no  |  no                        |  no                    |  no
 *   acquire, ...  |  no  |  yes                       |  yes                   |  yes
 *   reconfigure   |  no  |  yes                       |  yes; RESIL_EBUSY      |  yes
 *   reset         |  no  |  yes                       |  yes                   |  yes
 */

#include <resil/common.h>
#include <resil/policy.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** How many calls at once. All-zero is the default. */
struct resil_bulkhead_config {
    uint64_t limit; /* calls in flight, 1 to 2147483647; 0 = 25 */
};

/** The state: plain words, 64 bytes so that two in an array don't share a cache line. Private. */
struct resil_bulkhead {
    uint64_t word_; /* in flight << 32 | limit; all callers write; 0 = not initialised */
    char pad_[56];
};

/** Limit and calls in flight as one load saw them. */
struct resil_bulkhead_snapshot {
    uint64_t limit;
    uint64_t in_flight; /* above limit only while a lowered limit drains */
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
RESIL_API int resil_bulkhead_config_check(const struct resil_bulkhead_config *config, char *why,
                                          size_t why_size);

/** For the static inline function below. */
RESIL_API int resil_bulkhead_init_sized(struct resil_bulkhead *bulkhead, size_t bulkhead_size,
                                        const struct resil_bulkhead_config *config,
                                        size_t config_size);

/**
 * Makes a bulkhead with nothing in flight.
 *
 * In a shared mapping one process does it, once, before the others look.
 *
 * @param bulkhead  the caller's memory, any content, aligned to 8.
 * @param config    NULL = all defaults. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL bulkhead or a config that resil_bulkhead_config_check
 *         refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the bulkhead yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_bulkhead_init(struct resil_bulkhead *bulkhead,
                                      const struct resil_bulkhead_config *config)
{
    return resil_bulkhead_init_sized(bulkhead, sizeof *bulkhead, config, sizeof *config);
}

/**
 * Takes a permit for one call, or refuses at once.
 *
 * @param bulkhead  an initialised bulkhead.
 * @return RESIL_OK: give the permit back with resil_bulkhead_release, from any thread or process;
 *         RESIL_EFULL when `limit` calls are in flight.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free (a failed swap means that another call got in or out). Atomics: one load and
 *            one read-modify-write; refused: one load. Syscalls: none.
 * Ordering:  acquire: what was done under a permit before its release is visible to who gets it
 *            next.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_bulkhead_acquire(struct resil_bulkhead *bulkhead);

/**
 * Gives a permit back.
 *
 * Knows of no queue: where calls wait in a resil_queue for this bulkhead, release through the queue
 * (resil_queue_release), or call resil_queue_wake afterwards.
 *
 * Permits carry no name. One release too many is detected when nothing is in flight; while others
 * are, it can't be told from theirs, and lets in a call too many.
 *
 * @param bulkhead  an initialised bulkhead.
 * @return RESIL_OK; RESIL_EINVAL when nothing is in flight: a bug of the caller, and the count is
 *         as before.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free. Atomics: one load and one read-modify-write. Syscalls: none.
 * Ordering:  release, see acquire.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_bulkhead_release(struct resil_bulkhead *bulkhead);

/**
 * Reads limit and calls in flight, both from one load: they belong together.
 *
 * @param bulkhead  an initialised bulkhead.
 * @param snapshot  receives the values.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument or a bulkhead that isn't initialised.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free. Atomics: one load. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_bulkhead_snapshot(const struct resil_bulkhead *bulkhead,
                                      struct resil_bulkhead_snapshot *snapshot);

/**
 * Changes the limit while the bulkhead is in use.
 *
 * A higher limit lets calls in at once; those that wait in a resil_queue need a resil_queue_wake. A
 * lower one interrupts nothing and never blocks: calls are refused until fewer than `limit` are in
 * flight.
 *
 * @param bulkhead  an initialised bulkhead.
 * @param config    copied. Not NULL; a field of 0 is its default again.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument, a bulkhead that isn't initialised or a field
 *         out of range; RESIL_EBUSY when another reconfigure changed the limit in the same moment.
 *         Only RESIL_OK changes anything.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_bulkhead_reconfigure(struct resil_bulkhead *bulkhead,
                                         const struct resil_bulkhead_config *config);

/**
 * Forgets the calls in flight and keeps the limit: for a mapping whose former users are dead.
 *
 * A call that is still in flight is no longer counted: the limit can be exceeded by as many, and
 * its release is either detected (RESIL_EINVAL) or takes another call's place.
 *
 * @param bulkhead  an initialised bulkhead; NULL is ignored.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_bulkhead_reset(struct resil_bulkhead *bulkhead);

/**
 * Puts a bulkhead into a chain: a call takes a permit on its way in or is refused with RESIL_EFULL,
 * and gives it back however it ends: any result, a timeout, a cancel.
 *
 * @param bulkhead  an initialised bulkhead. Borrowed: must outlive every chain that holds the
 *                  policy.
 * @return the policy, named "bulkhead"; no frame words. resil_chain_init refuses it when the
 *         bulkhead isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_bulkhead_policy(struct resil_bulkhead *bulkhead);

RESIL_END_DECLS

#endif
