/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_COUNTERS_H
#define RESIL_COUNTERS_H

/*
 * Counters for a caller's metrics: how calls ended, who refused them, how often they were retried
 * and how long they took. The primitives don't count refusals (a refusal writes nothing that is
 * shared); the report says who refused, and here it is counted, striped per processor
 * (resil/stripes.h):
 *
 *     rc = resil_chain_run(&chain, env, &request, fn, arg, &report);
 *     resil_counters_report(counters, &report);
 *
 * A stripe is 12 cache lines of one processor. A success at the first attempt adds to one word; if
 * the report has a time, to three. Nothing is lost, whatever moves between processors: every count
 * is one atomic addition. Latencies fall into buckets whose bounds are powers of two, so a quantile
 * read from them is off by a factor of two at most.
 *
 * No pointers: may lie in a shared mapping. Zero it, initialise it once, in one process.
 *
 * Which calls may overlap on one set of counters: all, but init with none.
 */

#include <resil/chain.h>
#include <resil/common.h>
#include <resil/outcome.h>
#include <resil/status.h>
#include <resil/stripes.h>

RESIL_BEGIN_DECLS

/** The kinds of refusal: of status -100 - i at i; what is further down counts as the last. */
#define RESIL_COUNTERS_REFUSALS 16

/** Buckets of latencies. */
#define RESIL_COUNTERS_BUCKETS 32

/** Counters of the caller's own. */
#define RESIL_COUNTERS_OWN 8

/** Private: words of a stripe. */
#define RESIL_COUNTERS_STRIPE_WORDS_ 96

/** The head of a set of counters; its stripes follow it. The fields are private. */
struct resil_counters {
    uint64_t stripes_; /* 0 = not initialised; written by init only */
    uint64_t pad_[7];
};

/** The type of a set of counters with so many stripes (a constant: 1, 2, 4, ...
    RESIL_STRIPES_MAX): x.counters is what all calls take. */
#define RESIL_COUNTERS(stripes)                                                                    \
    union {                                                                                        \
        struct resil_counters counters;                                                            \
        uint64_t words_[sizeof(struct resil_counters) / sizeof(uint64_t) +                         \
                        (stripes)*RESIL_COUNTERS_STRIPE_WORDS_];                                   \
    } __attribute__((aligned(RESIL_STRIPES_ALIGN)))

/** What has been counted since init. None of these ever falls. */
struct resil_counters_sum {
    /** Calls by their outcome: index enum resil_outcome. All calls are the sum of these. */
    uint64_t outcomes[RESIL_OUTCOMES];

    /** Calls by their refusal: index -100 - status (RESIL_EOPEN is 0, RESIL_ELIMITED 1, ...). */
    uint64_t refusals[RESIL_COUNTERS_REFUSALS];

    /** Refused calls by the level of the policy that decided, as report.decided_level; those that no
        policy decided (the deadline, a cancel) are in refusals alone. */
    uint64_t refusals_by_level[RESIL_POLICIES_MAX];

    /** Attempts beyond the first of a call: retries and hedges. */
    uint64_t attempts_more;

    /** Calls by how long they took, of those whose report tells: bucket 0 below 1024 ns, each
        further one up to twice as long; see resil_counters_bucket_ns. */
    uint64_t latencies[RESIL_COUNTERS_BUCKETS];

    /** The time of all these together. Wraps after 584 years of it. */
    uint64_t latency_ns_total;

    /** What resil_counters_add added. */
    uint64_t own[RESIL_COUNTERS_OWN];
};

/** For the static inline functions below. */
RESIL_API int resil_counters_init_sized(struct resil_counters *counters, size_t counters_size,
                                        uint64_t stripes, size_t memory_size);
RESIL_API int resil_counters_sum_sized(const struct resil_counters *counters,
                                       struct resil_counters_sum *sum, size_t sum_size);

/**
 * How much memory a set of counters takes.
 *
 * @param stripes  1, 2, 4, ... RESIL_STRIPES_MAX; resil_stripes() suits the machine.
 * @return bytes: 64, and 768 for each stripe; 0 for a number of stripes that can't be.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API size_t resil_counters_size(uint64_t stripes);

/**
 * Makes a set of counters, all zero.
 *
 * @param counters     the caller's memory, any content, aligned to RESIL_STRIPES_ALIGN.
 * @param memory_size  bytes at counters; at least resil_counters_size(stripes).
 * @param stripes      1, 2, 4, ... RESIL_STRIPES_MAX; resil_stripes() suits the machine.
 * @return RESIL_OK; RESIL_EINVAL for NULL or misaligned counters, too little memory or a number of
 *         stripes that can't be; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the counters yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: yes.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_counters_init(struct resil_counters *counters, size_t memory_size,
                                      uint64_t stripes)
{
    return resil_counters_init_sized(counters, sizeof *counters, stripes, memory_size);
}

/**
 * Counts a call by its report.
 *
 * @param counters  an initialised set.
 * @param report    as resil_chain_run or resil_call_fini left it.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument or counters that aren't initialised.
 *
 * Threads:   any number at once.
 * Progress:  wait-free. Atomics: a success at the first attempt without a time: one fetch-and-add;
 *            five at most. Syscalls: none where the rseq area tells the processor.
 * Ordering:  none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_counters_report(struct resil_counters *counters,
                                    const struct resil_report *report);

/**
 * Adds to a counter of the caller's own.
 *
 * @param counters  an initialised set.
 * @param own       which one: 0 to RESIL_COUNTERS_OWN - 1.
 * @param count     how much; wraps.
 * @return RESIL_OK; RESIL_EINVAL for NULL or uninitialised counters, or one that there isn't.
 *
 * Threads:   any number at once.
 * Progress:  wait-free. Atomics: one fetch-and-add. Syscalls: none where the rseq area tells the
 *            processor.
 * Ordering:  none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_counters_add(struct resil_counters *counters, unsigned own, uint64_t count);

/**
 * Sums all stripes.
 *
 * Exact when nobody counts meanwhile. Else each number lies between what it was at the begin and at
 * the end, never below what an earlier sum by the same thread told, and one call may show in one
 * number and not yet in another.
 *
 * @param counters  an initialised set; one that isn't gives all zero.
 * @param sum       receives the numbers.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument; RESIL_EABI when the sizes of header and
 *         library differ.
 *
 * Threads:   any number at once.
 * Progress:  wait-free: 12 cache lines of each stripe. Syscalls: none.
 * Ordering:  none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
static inline int resil_counters_sum(const struct resil_counters *counters,
                                     struct resil_counters_sum *sum)
{
    return resil_counters_sum_sized(counters, sum, sizeof *sum);
}

/**
 * The upper bound of a bucket of latencies: calls in it took less.
 *
 * @param bucket  0 to RESIL_COUNTERS_BUCKETS - 1.
 * @return ns: 1024 for bucket 0, twice as much for each further one; RESIL_NEVER for the last one
 *         and for one that there isn't.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API uint64_t resil_counters_bucket_ns(unsigned bucket);

RESIL_END_DECLS

#endif
