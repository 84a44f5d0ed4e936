/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_H
#define RESIL_LIMITER_H

/*
 * A rate limit: so many tokens per period, and a bucket that saves unused ones up to a burst.
 *
 * The algorithm is the token bucket in the form of the generic cell rate algorithm: one word holds
 * the theoretical arrival time T, the time at which the bucket will be full again. (ITU-T
 * Recommendation I.371, "Traffic control and congestion control in B-ISDN", annex A, virtual
 * scheduling; first: Jonathan S. Turner, "New directions in communications", IEEE Communications
 * Magazine, 1986.)
 *
 *     cost passes at now  <=>  max(T, now) + cost * interval <= now + burst * interval
 *     then                     T = max(T, now) + cost * interval           one compare-and-swap
 *
 * Never more than burst + rate * t tokens are granted over any span of told time t, under any
 * interleaving. The interval of a token is counted in 2^-k ns, k chosen from the rate, and rounded
 * up: at saturation the rate is at most 0.05 % below the one asked for, never above.
 *
 * Ours: several tokens at once; a slot in the future can be reserved within a given wait, and the
 * last one given back; the rate can change in use: the tokens that are there stay, up to the new
 * burst.
 *
 * Time: an older now never loosens the limit, as long as it is at most a minute old. If T lies
 * further ahead than a full burst, the longest wait or drain ever granted and that minute together,
 * the clock was set back and T counts as due: a limiter never sticks. T wraps after 2^(63-k) ns. k
 * is at most 11 (52 days, at a token per nanosecond), at most 6 from 30 million a second down (4
 * years), 0 from 900 a second down (292 years). After so long without a call, and for no longer
 * than that sum, T may look ahead and calls may be refused without need; more are never granted.
 *
 * Memory: plain words. In a MAP_SHARED mapping the processes share one limit, and it outlives them.
 * Init in one process. After a reboot resil_limiter_rebase.
 *
 * Which calls may overlap on one limiter:
 *
 *                              | init, rebase | reconfigure | all others
 *   init, rebase               |      no      |     no      |    no
 *   reconfigure                |      no      | yes (EBUSY) |    yes
 *   acquire, reserve, cancel,  |              |             |
 *   peek, drain, snapshot      |      no      |     yes     |    yes
 */

#include <resil/common.h>
#include <resil/policy.h>
#include <resil/reservation.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** The rate, tokens per period_ns, and how it is used. */
struct resil_limiter_config {
    /** Tokens per period; 1 to period_ns, so at most one a nanosecond. No default. */
    uint64_t tokens;

    /** 1 ns to 366 days; 0 = 1 s. */
    uint64_t period_ns;

    /** The most tokens at once; 1 to what fills in 6 days at 1e9/s, in 36 years from 900/s down. 0
        = what the rate gives in 1 s, at least 1. */
    uint64_t burst;

    /** Tokens at the first use, 1 to burst; 0 = burst, RESIL_OFF = none. */
    uint64_t initial;

    /** Policy: an OVERLOAD with a hint drains the limiter for the hint. */
    bool drain_on_overload;
};

/** A limiter. Plain words; the fields are private. */
struct resil_limiter {
    struct resil_gcra_ gcra_;
};

/** What a limiter looks like at one moment. */
struct resil_limiter_snapshot {
    uint64_t available;  /* whole tokens that can be taken now */
    uint64_t owed;       /* whole tokens lent ahead, rounded up; 0 while any are available */
    uint64_t next_at_ns; /* when one token can be taken: now, or later */
    uint64_t full_at_ns; /* when the bucket is full if nobody takes any */
    uint64_t tokens;     /* the config in force */
    uint64_t period_ns;
    uint64_t burst;
    uint64_t reconfigured; /* how often reconfigure succeeded */
};

/** For the static inline function below. */
RESIL_API int resil_limiter_init_sized(struct resil_limiter *limiter, size_t limiter_size,
                                       const struct resil_limiter_config *config,
                                       size_t config_size);

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL is refused: tokens has no default.
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
RESIL_API int resil_limiter_config_check(const struct resil_limiter_config *config, char *why,
                                         size_t why_size);

/**
 * Makes a limiter. It counts time from its first use.
 *
 * In a shared mapping one process does it, once, before the others look.
 *
 * @param limiter  the caller's memory, any content, aligned to 8.
 * @param config   not NULL. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL limiter or a config that resil_limiter_config_check
 *         refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the limiter yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_limiter_init(struct resil_limiter *limiter,
                                     const struct resil_limiter_config *config)
{
    return resil_limiter_init_sized(limiter, sizeof *limiter, config, sizeof *config);
}

/**
 * Takes tokens now or not at all.
 *
 * @param limiter      an initialised limiter.
 * @param cost         tokens, 1 to burst; 0 = 1.
 * @param now_ns       the time.
 * @param retry_at_ns  receives, with RESIL_ELIMITED alone, the first time at which the same call
 *                     would pass if nobody else takes tokens; may be NULL.
 * @return RESIL_OK; RESIL_ELIMITED when there are too few tokens; RESIL_ECOST when the cost exceeds
 *         the burst: it would never pass. A refusal takes nothing.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: one compare-and-swap; a refusal only loads (the very first call
 *            after init writes). Syscalls: none.
 * Ordering:  acquire and release on success.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_limiter_acquire(struct resil_limiter *limiter, uint64_t cost, uint64_t now_ns,
                                    uint64_t *retry_at_ns);

/**
 * Takes tokens that will be there within a given wait, and says when.
 *
 * The caller then waits until reservation->at_ns and runs, or cancels. A wait that is too long is
 * refused at once and takes nothing.
 *
 * @param limiter      an initialised limiter.
 * @param cost         tokens, 1 to burst; 0 = 1.
 * @param now_ns       the time.
 * @param wait_ns_max  the longest acceptable wait; 0 = none; capped at 2^49 ns (6.5 days).
 * @param reservation  receives the receipt, whose at_ns is now_ns if there is no wait. After
 *                     RESIL_ELIMITED at_ns says when the tokens would have been there, and there is
 *                     nothing to cancel.
 * @return RESIL_OK; RESIL_ELIMITED; RESIL_ECOST when the cost exceeds the burst.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: one compare-and-swap; another when the wait is the longest yet.
 *            Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_limiter_reserve(struct resil_limiter *limiter, uint64_t cost, uint64_t now_ns,
                                    uint64_t wait_ns_max, struct resil_reservation *reservation);

/**
 * Gives a reservation back, if it is the last one.
 *
 * If anybody took tokens, drained or reconfigured since, putting them back would let more through
 * than the rate: they are forfeited.
 *
 * @param limiter      the limiter that was reserved from.
 * @param reservation  what reserve filled in; spent by this call whatever it returns.
 * @param now_ns       the time.
 * @return RESIL_OK: everything is as if it had not been taken; RESIL_ELATE: forfeited; RESIL_EINVAL
 *         when there is nothing to give back (spent, or refused).
 *
 * Threads:   see the table at the top; one reservation must not be cancelled by two threads.
 * Progress:  wait-free. Atomics: at most one compare-and-swap. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_limiter_cancel(struct resil_limiter *limiter,
                                   struct resil_reservation *reservation, uint64_t now_ns);

/**
 * Says what acquire would answer, and takes nothing.
 *
 * @param limiter      an initialised limiter.
 * @param cost         as in acquire.
 * @param now_ns       the time.
 * @param retry_at_ns  receives when it passes: now_ns with RESIL_OK, RESIL_NEVER with RESIL_ECOST;
 *                     may be NULL.
 * @return RESIL_OK, RESIL_ELIMITED, RESIL_ECOST.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free; waits for nobody but a reconfigure that has just happened. Atomics: loads.
 *            Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_limiter_peek(const struct resil_limiter *limiter, uint64_t cost,
                                 uint64_t now_ns, uint64_t *retry_at_ns);

/**
 * Empties the bucket and lets nothing pass for a while: what to do after a 429.
 *
 * The first token comes back at now_ns + for_ns, but no sooner than the rate gives one; then at the
 * rate. Never makes an earlier drain or reservation shorter. Reservations already made keep their
 * times.
 *
 * @param limiter  an initialised limiter.
 * @param for_ns   a span; 0 = only empty the bucket; capped at 24 hours.
 * @param now_ns   the time.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_limiter_drain(struct resil_limiter *limiter, uint64_t for_ns, uint64_t now_ns);

/**
 * Copies what a limiter looks like. Of one moment.
 *
 * @param limiter   an initialised limiter.
 * @param now_ns    the time.
 * @param snapshot  filled in.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_limiter_snapshot(const struct resil_limiter *limiter, uint64_t now_ns,
                                      struct resil_limiter_snapshot *snapshot);

/**
 * Changes rate and burst while the limiter is in use.
 *
 * The tokens that are there stay, up to the new burst: a larger burst is not filled for free.
 * Tokens lent ahead are paid back at the faster of the two rates, and the reservations keep their
 * times. Calls that compute with the old rate at this moment start again; should two changes
 * overtake one, what it took is forfeited.
 *
 * @param limiter  an initialised limiter.
 * @param config   as in init; initial is checked and has no effect.
 * @param now_ns   the time: the new rate counts from here.
 * @return RESIL_OK; RESIL_EINVAL for a config that can't be used; RESIL_EBUSY while another
 *         reconfigure runs. On failure nothing changes.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free for all others; a process that is killed inside leaves it EBUSY until a
 *            rebase.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_limiter_reconfigure(struct resil_limiter *limiter,
                                        const struct resil_limiter_config *config, uint64_t now_ns);

/**
 * Moves a limiter that lived through a reboot to the new clock: the bucket is empty, and fills from
 * now_ns.
 *
 * A limiter that was never used stays so. Earlier reservations are void.
 *
 * @param limiter  an initialised limiter.
 * @param now_ns   the time on the new clock.
 *
 * Threads:   nobody else may use the limiter; one process calls it, once.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API void resil_limiter_rebase(struct resil_limiter *limiter, uint64_t now_ns);

/**
 * Makes the policy that refuses: each call that enters takes request->cost tokens (0 = 1), or is
 * refused with RESIL_ELIMITED and walk->retry_at_ns, or with RESIL_ECOST.
 *
 * When nothing ran because a policy inside refused, the tokens are given back, if nobody took any
 * since (as in cancel); else they are forfeited.
 *
 * @param limiter  an initialised limiter. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "limiter"; 2 frame words. resil_chain_init refuses it when the limiter
 *         isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_limiter_policy(struct resil_limiter *limiter);

/** A limiter whose callers wait. Holds a pointer: lives in one process. Fill in by hand. */
struct resil_limiter_wait {
    /** Initialised. Borrowed: must outlive every chain that holds the policy. */
    struct resil_limiter *limiter;

    /** The longest wait of one call, any span; 0 = 1 s; RESIL_OFF = as far as its deadline. Capped
        at 2^49 ns (6.5 days). */
    uint64_t wait_ns_max;
};

/**
 * Makes the policy that waits: each call takes a slot within wait_ns_max and before its deadline,
 * and goes on when the slot has come. If there is none it is refused at once with RESIL_ELIMITED
 * and walk->retry_at_ns, or with RESIL_ECOST, and takes nothing.
 *
 * A call that is abandoned while it waits, and one that is refused further inside before anything
 * ran, gives its slot back, if it was the last (as in cancel).
 *
 * @param wait  filled in, with an initialised limiter. Borrowed: must outlive every chain that
 *              holds the policy.
 * @return the policy, named "limiter-wait"; 3 frame words. resil_chain_init refuses it when its
 *         limiter is NULL or isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_limiter_wait_policy(struct resil_limiter_wait *wait);

RESIL_END_DECLS

#endif
