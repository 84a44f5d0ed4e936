/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LEASED_LIMITER_H
#define RESIL_LEASED_LIMITER_H

/*
 * A limiter (resil/limiter.h) whose tokens are leased to stripes: one for each processor, on a
 * cache line of its own. A stripe takes a batch of tokens from the limiter at once and hands them
 * out without touching the shared word. The idea is that of the per-processor caches of Jeff
 * Bonwick and Jonathan Adams ("Magazines and Vmem", USENIX 2001), for tokens instead of memory.
 *
 *     acquire:  own stripe has them  ->  take them there         (one write, own line)
 *               otherwise            ->  a batch from the limiter, what is over into the stripe;
 *                             one by one when the bucket runs low
 *               limiter refuses      ->  take back from the other stripes, one after the other
 *               nothing anywhere     ->  RESIL_ELIMITED
 *
 * Never above the limit. Leased tokens come out of the burst: if all stripes together can hold K
 * tokens, a lease leaves K in the limiter's bucket. So over any run of calls at most K that lay in
 * stripes, burst - K that lay in the bucket and rate * t new ones are handed out, where t is the
 * span between the earliest and the latest time that these calls tell: burst + rate * t together,
 * as without leases. Tokens don't grow old in a stripe, and none are lost there.
 *
 * What it costs: up to K tokens can't be part of a burst while the stripes are empty, K <= burst /
 * 4; at saturation the rate is the limiter's. A call is refused if the bucket has no more than K
 * and the stripes nothing: a single thread is refused only then. In a race also while its tokens
 * are in the hands of threads inside acquire, at most a batch each. Costs above a batch are asked
 * of the limiter, then of single stripes.
 *
 * Small limits aren't leased: the batch is at most burst / (4 * stripes * processes), rounded down,
 * and below 2 every call asks the limiter itself. It follows a resil_limiter_reconfigure; what lay
 * in the stripes at that moment can once be used on top of the new burst.
 *
 * A stripe belongs to its processor. Who runs there takes tokens in a restartable sequence, without
 * a lock: the kernel sends whoever it moves or interrupts in the middle out of it (an idea of Paul
 * Turner and Andrew Hunter, brought into Linux 4.18 by Mathieu Desnoyers; tcmalloc keeps its
 * per-processor caches so). Who takes back or drains holds the owners off meanwhile, by a mark that
 * every sequence looks at and a fence, membarrier, that sends them all out (Linux 5.10). The others
 * then take their tokens by a compare-and-swap in a sequence, so that a thread that stops for ever
 * with the mark up makes them slower and stops nobody. A fence takes about 350 ns; at saturation
 * one call in 100,000 needs one.
 *
 * That takes x86-64, Linux 5.10, glibc 2.35 and no more processors than stripes, or two would share
 * one. Elsewhere, under sanitizers, and where the kernel refuses at init, stripes are changed by
 * compare-and-swaps of all callers. A processor that shows up later with a number above the stripes
 * ends ownership for good. Where the kernel refuses a fence later on (a filter of system calls), who
 * would take back finds nothing; a thread that is moved in the middle of a lease forfeits what it
 * has in its hands, and its stripe gets no more leases until a drain; and a call that overlaps a
 * drain may undo it on its own stripe. The limit holds.
 *
 * Memory: holds a pointer and lives in one process; the limiter may lie in a shared mapping. In the
 * child of a fork init it again, or the tokens in the stripes are used twice. Calls that take from
 * the limiter directly, past the leases, may use the K as well: then the bound is K higher.
 *
 * Which calls may overlap on one leased limiter:
 *
 *                              | init | all others
 *   init                       |  no  |    no
 *   acquire, drain, snapshot   |  no  |    yes
 */

#include <resil/common.h>
#include <resil/limiter.h>
#include <resil/policy.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** How tokens are leased. All-zero is the default. */
struct resil_leased_limiter_config {
    /** Stripes, 1 to 16, rounded up to a power of two; 0 = 16. As many as there are processors is
        best, resil_stripes() of resil/stripes.h if that is no more than 16: fewer share lines, more
        keep more of the burst. */
    uint64_t stripes;

    /** The most tokens of one lease, 2 to 65536; 0 = 64. */
    uint64_t batch;

    /** Processes that lease from the same limiter, 1 to 1024, rounded up to a power of two; 0 =
        1. */
    uint64_t processes;
};

/** Private. */
struct resil_leased_limiter_stripe_ {
    uint64_t word_; /* generation << 32 | filling << 31 | tokens; see platform/owners.h */
    char pad_[56];
};

/** A leased limiter. Private. Holds a pointer: lives in one process. */
struct resil_leased_limiter {
    struct resil_limiter *limiter_; /* NULL = not initialised; constant, as the next three */
    uint64_t batch_max_;
    uint32_t stripe_mask_; /* stripes less one */
    uint32_t share_bits_;  /* a batch is the burst shifted by so much */
    uint64_t barred_;      /* 0 = who runs on a processor owns its stripe; seldom written */
    char pad_[32];
    struct resil_leased_limiter_stripe_ stripe_[16];
};

/** What the leases look like. The numbers are read one after the other. */
struct resil_leased_limiter_snapshot {
    uint64_t batch;     /* tokens of one lease under the limiter's burst; 0 = too small, off */
    uint64_t kept;      /* tokens that leases leave in the bucket: K above */
    uint64_t leased;    /* tokens in stripes */
    uint64_t available; /* tokens that can be acquired now, in stripes or bucket */
};

/** For the static inline function below. */
RESIL_API int resil_leased_limiter_init_sized(struct resil_leased_limiter *leased,
                                              size_t leased_size, struct resil_limiter *limiter,
                                              const struct resil_leased_limiter_config *config,
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
RESIL_API int resil_leased_limiter_config_check(const struct resil_leased_limiter_config *config,
                                                char *why, size_t why_size);

/**
 * Makes leases on a limiter, all of them empty.
 *
 * @param leased   the caller's memory, any content, aligned to 8; 64 keeps the lines apart.
 * @param limiter  initialised. Borrowed: must outlive the leases.
 * @param config   NULL = all defaults. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument, a limiter that isn't initialised or a config
 *         that resil_leased_limiter_config_check refuses; RESIL_EABI when the sizes of header and
 *         library differ.
 *
 * Threads:   nobody else may use the leases yet; the limiter may be in use.
 * Progress:  wait-free. Syscalls: the registration for the fence, which in the first call of a
 *            process may take milliseconds, and the number of processors. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini: tokens
 *            in stripes are forfeited.
 * Since:     0.1
 */
static inline int resil_leased_limiter_init(struct resil_leased_limiter *leased,
                                            struct resil_limiter *limiter,
                                            const struct resil_leased_limiter_config *config)
{
    return resil_leased_limiter_init_sized(leased, sizeof *leased, limiter, config, sizeof *config);
}

/**
 * Takes tokens now or not at all.
 *
 * @param leased       initialised.
 * @param cost         tokens, 1 to burst - K; 0 = 1.
 * @param now_ns       the time; not looked at while the own stripe has tokens.
 * @param retry_at_ns  receives, with RESIL_ELIMITED alone, the first time at which the same call
 *                     would pass if nobody else takes tokens; may be NULL.
 * @return RESIL_OK; RESIL_ELIMITED when there are too few tokens; RESIL_ECOST when the cost exceeds
 *         burst - K: it would never pass. A refusal takes nothing.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free; who is stopped in the middle of a lease leaves the threads of its stripe to
 *            ask the limiter directly. Atomics: none on the own stripe, or one compare-and-swap
 *            where it has no owner; for each batch three more; a refusal only loads, one word of
 *            each stripe. Syscalls: a membarrier for who takes tokens back from others, or was moved
 *            to another processor in the middle of a lease; none where stripes have no owners.
 * Ordering:  acquire and release on success.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_leased_limiter_acquire(struct resil_leased_limiter *leased, uint64_t cost,
                                           uint64_t now_ns, uint64_t *retry_at_ns);

/**
 * Empties bucket and stripes and lets nothing pass for a while, as resil_limiter_drain.
 *
 * Calls that begin after it returned get none of the tokens that were leased before. Leases of
 * other processes are not reached.
 *
 * @param leased  initialised.
 * @param for_ns  a span; 0 = only empty; capped at 24 hours.
 * @param now_ns  the time.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Syscalls: a membarrier, where stripes have owners.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_leased_limiter_drain(struct resil_leased_limiter *leased, uint64_t for_ns,
                                          uint64_t now_ns);

/**
 * Says what is leased. Exact at rest.
 *
 * @param leased    initialised.
 * @param now_ns    the time.
 * @param snapshot  filled in.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument or leases that aren't initialised.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_leased_limiter_snapshot(const struct resil_leased_limiter *leased,
                                            uint64_t now_ns,
                                            struct resil_leased_limiter_snapshot *snapshot);

/**
 * Makes the policy that refuses, as resil_limiter_policy: each call takes request->cost tokens (0 =
 * 1).
 *
 * When nothing ran because a policy inside refused, tokens that came from a stripe go back into
 * one, if it has room; others as in resil_limiter_policy. So the bound counts the calls that run.
 * Where the limiter's config says drain_on_overload, an OVERLOAD with a hint drains the leases too.
 *
 * @param leased  initialised. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "leased-limiter"; 2 frame words. resil_chain_init refuses it when the
 *         leases aren't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_leased_limiter_policy(struct resil_leased_limiter *leased);

RESIL_END_DECLS

#endif
