/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LEASED_BULKHEAD_H
#define RESIL_LEASED_BULKHEAD_H

/*
 * A bulkhead (resil/bulkhead.h) whose permits are leased to stripes: one for each processor, on a
 * cache line of its own. A stripe takes a batch of permits from the bulkhead, hands them out and
 * takes them in again without touching the shared word. The idea is that of the per-processor
 * caches of Jeff Bonwick and Jonathan Adams ("Magazines and Vmem", USENIX 2001).
 *
 *     acquire:  own stripe has one  ->  take it                (one compare-and-swap, own line)
 *               otherwise           ->  a batch from the bulkhead, what is over into the stripe;
 *                                       the last two batches one by one
 *               bulkhead is full    ->  take back from the other stripes, one after the other
 *               nothing anywhere    ->  RESIL_EFULL
 *     release:  own stripe has less than two batches  ->  put it there (one compare-and-swap)
 *               otherwise                             ->  a batch goes back to the bulkhead
 *
 * Never above the limit: a permit in a stripe counts as in flight in the bulkhead's word, so calls
 * and leases together are never more than `limit`, under any interleaving. A single thread is
 * refused only when `limit` calls are in flight; in a race also while permits are on their way from
 * one place to another, at most a batch in the hands of each thread inside acquire or release. A
 * permit may be released on another processor than it was acquired on.
 *
 * Change the limit with resil_bulkhead_reconfigure as ever. While more are in flight than a lowered
 * limit, nothing is handed out of stripes: they are emptied, and calls refused until they have
 * drained. Small limits aren't leased: the batch is at most limit / (4 * stripes * processes),
 * rounded down, and below 2 every call goes to the bulkhead itself.
 *
 * What it costs: permits that lie in stripes, about half of the limit at most, are out of the reach
 * of other processes and of calls that use the bulkhead past the leases: they are refused earlier.
 * resil_leased_bulkhead_flush gives them back. A release into a stripe wakes nobody: a resil_queue
 * on the same bulkhead isn't served, and not supported.
 *
 * Stripes are changed by compare-and-swaps, not in restartable sequences as those of a leased limiter
 * (resil/leased_limiter.h). That was measured to be worth nothing here, 5.14 ns for acquire and
 * release instead of 5.16; and in a full bulkhead that two threads share, one acquire in 90 takes
 * back from the other's stripe, for which the fence would cost 350 ns: 4 for each permit.
 *
 * Memory: holds a pointer and lives in one process; the bulkhead may lie in a shared mapping. In
 * the child of a fork init it again: the permits in its stripes are the parent's.
 *
 * Which calls may overlap on one leased bulkhead:
 *
 *                                      | init | all others
 *   init                               |  no  |    no
 *   acquire, release, flush, snapshot  |  no  |    yes
 */

#include <resil/bulkhead.h>
#include <resil/common.h>
#include <resil/policy.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** How permits are leased. All-zero is the default. */
struct resil_leased_bulkhead_config {
    /** Stripes, 1 to 16, rounded up to a power of two; 0 = 16. As many as there are processors is
        best, resil_stripes() of resil/stripes.h if that is no more than 16: fewer share lines, more
        keep more of the limit. */
    uint64_t stripes;

    /** The most permits of one lease, 2 to 65536; 0 = 16. */
    uint64_t batch;

    /** Processes that lease from the same bulkhead, 1 to 1024, rounded up to a power of two; 0 =
        1. */
    uint64_t processes;
};

/** Private. */
struct resil_leased_bulkhead_stripe_ {
    uint64_t free_; /* permits; all callers swap it */
    char pad_[56];
};

/** A leased bulkhead. Private. Holds a pointer: lives in one process. */
struct resil_leased_bulkhead {
    struct resil_bulkhead *bulkhead_; /* NULL = not initialised; constant, as the next three */
    uint64_t batch_max_;
    uint32_t stripe_mask_; /* stripes less one */
    uint32_t share_bits_;  /* a batch is the limit shifted by so much */
    char pad_[40];
    struct resil_leased_bulkhead_stripe_ stripe_[16];
};

/** Limit, calls and leases; read one after the other. */
struct resil_leased_bulkhead_snapshot {
    uint64_t limit;
    uint64_t in_flight; /* calls; of other processes: calls and leases */
    uint64_t leased;    /* permits in stripes that nobody uses; with in_flight never above limit */
    uint64_t batch;     /* permits of one lease under this limit; 0 = too small, off */
};

/** For the static inline function below. */
RESIL_API int resil_leased_bulkhead_init_sized(struct resil_leased_bulkhead *leased,
                                               size_t leased_size, struct resil_bulkhead *bulkhead,
                                               const struct resil_leased_bulkhead_config *config,
                                               size_t config_size);

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
RESIL_API int resil_leased_bulkhead_config_check(const struct resil_leased_bulkhead_config *config,
                                                 char *why, size_t why_size);

/**
 * Makes leases on a bulkhead, all of them empty.
 *
 * @param leased    the caller's memory, any content, aligned to 8; 64 keeps the lines apart.
 * @param bulkhead  initialised. Borrowed: must outlive the leases.
 * @param config    NULL = all defaults. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument, a bulkhead that isn't initialised or a config
 *         that resil_leased_bulkhead_config_check refuses; RESIL_EABI when the sizes of header and
 *         library differ.
 *
 * Threads:   nobody else may use the leases yet; the bulkhead may be in use.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure. There is no fini, but a
 *            bulkhead that outlives its leases needs a flush, or stays as much smaller.
 * Since:     0.1
 */
static inline int resil_leased_bulkhead_init(struct resil_leased_bulkhead *leased,
                                             struct resil_bulkhead *bulkhead,
                                             const struct resil_leased_bulkhead_config *config)
{
    return resil_leased_bulkhead_init_sized(leased, sizeof *leased, bulkhead, config,
                                            sizeof *config);
}

/**
 * Takes a permit for one call, or refuses at once.
 *
 * @param leased  initialised.
 * @return RESIL_OK: give the permit back with resil_leased_bulkhead_release, from any thread;
 *         RESIL_EFULL when `limit` calls are in flight.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: two loads and one compare-and-swap on the own stripe; for each
 *            batch two more; a refusal loads one word of each stripe. Syscalls: none.
 * Ordering:  acquire: what was done under a permit before its release is visible to who gets it
 *            next.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_leased_bulkhead_acquire(struct resil_leased_bulkhead *leased);

/**
 * Gives a permit back.
 *
 * Permits carry no name. One release too many is detected when neither calls nor leases are in
 * flight; otherwise it can't be told from others, and lets in a call too many.
 *
 * @param leased  initialised; of the process that acquired the permit.
 * @return RESIL_OK; RESIL_EINVAL when nothing is in flight: a bug of the caller, and nothing has
 *         changed.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: two loads and one compare-and-swap on the own stripe; for each
 *            batch one more. Syscalls: none.
 * Ordering:  release, see acquire.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_leased_bulkhead_release(struct resil_leased_bulkhead *leased);

/**
 * Gives all leased permits back to the bulkhead; those in use stay in use.
 *
 * For leases that end, and for other processes' sake after a busy time. The next acquire leases
 * again.
 *
 * @param leased  initialised; NULL is ignored.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_leased_bulkhead_flush(struct resil_leased_bulkhead *leased);

/**
 * Says how many calls are in flight, and how much is leased. Exact at rest.
 *
 * @param leased    initialised.
 * @param snapshot  filled in.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument or leases that aren't initialised.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_leased_bulkhead_snapshot(const struct resil_leased_bulkhead *leased,
                                             struct resil_leased_bulkhead_snapshot *snapshot);

/**
 * Puts leases into a chain, as resil_bulkhead_policy: a call takes a permit on its way in or is
 * refused with RESIL_EFULL, and gives it back however it ends.
 *
 * @param leased  initialised. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "leased-bulkhead"; no frame words. resil_chain_init refuses it when the
 *         leases aren't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_leased_bulkhead_policy(struct resil_leased_bulkhead *leased);

RESIL_END_DECLS

#endif
