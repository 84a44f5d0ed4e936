/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_HEDGE_H
#define RESIL_HEDGE_H

/*
 * A hedge: when an attempt has not answered after a while, another one starts beside it, and the
 * first good answer wins. It cuts the slow tail of a peer whose slowness is a matter of luck (a
 * busy replica, a lost packet), at the price of a few more requests. Jeffrey Dean and Luiz Andre
 * Barroso, "The Tail at Scale", Communications of the ACM, 2013: a delay at the 95th percentile of
 * the latency costs about 5 % more requests.
 *
 *     attempt 1  |-------------- delay -------------------------- x  ABORT
 *     attempt 2                  |---------- SUCCESS: the result of all
 *
 * SUCCESS and CALLER (an answer) win at once: the other attempts are aborted and give back what
 * they held, their policies learn CANCELLED. Any other result waits while another attempt is on its
 * way; when all have failed, the last one that ran goes on outwards. An attempt that fails before
 * the delay is over is not hedged: that is a retry's matter.
 *
 * Only idempotent requests are hedged: both attempts may be executed. Each hedge takes a token of a
 * retry budget, and each success of the hedged call earns its share back: a peer that is slow as a
 * whole is not asked twice as often. A retry in the same chain with the same budget earns a share
 * for that success too: give the two budgets of their own, or halve share_pct.
 *
 * Event loops only (resil/call.h). A callback that blocks its thread leaves nobody to start a
 * second one: in resil_chain_run a hedge passes everything on and starts nothing; only a success
 * still earns its share of the budget.
 *
 * At most one hedge in a chain. The policies inside of it run once for each attempt with frames of
 * their own: the frame words from the hedge on count three times (resil_chain_init says when that
 * is too much). Inside: what guards one attempt (a bulkhead, a limiter, a timeout); outside: what
 * guards the call (a retry, a fallback).
 *
 * Which calls may overlap on one hedge: everything but init. What it changes is the budget.
 */

#include <resil/budget.h>
#include <resil/common.h>
#include <resil/policy.h>

RESIL_BEGIN_DECLS

/** When to hedge, and what pays for it. */
struct resil_hedge_config {
    /** How long an attempt may take before the next one starts, 1 ns to 1 h. No default: take the
        95th percentile of the peer's latency. */
    uint64_t delay_ns;

    /** The most attempts beside the first one, 1 to 2; 0 = 1. */
    uint64_t hedges;

    /** What pays for them. No default; initialised; may be shared with retries. Borrowed: must
        outlive the chain. */
    struct resil_budget *budget;
};

/** Holds a pointer: lives in one process. The fields are private, and constant after init. */
struct resil_hedge {
    uint64_t delay_ns_;
    uint64_t hedges_;
    struct resil_budget *budget_;
};

/** For the static inline function below. */
RESIL_API int resil_hedge_init_sized(struct resil_hedge *hedge, size_t hedge_size,
                                     const struct resil_hedge_config *config, size_t config_size);

/**
 * Makes a hedge. It doesn't change afterwards.
 *
 * @param hedge   the caller's memory, any content, aligned to 8.
 * @param config  not NULL. Copied, but for the budget, which is borrowed.
 * @return RESIL_OK; RESIL_EINVAL for a NULL hedge or a config that resil_hedge_config_check
 *         refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the hedge yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_hedge_init(struct resil_hedge *hedge,
                                   const struct resil_hedge_config *config)
{
    return resil_hedge_init_sized(hedge, sizeof *hedge, config, sizeof *config);
}

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL is refused: delay_ns and budget have no default.
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
RESIL_API int resil_hedge_config_check(const struct resil_hedge_config *config, char *why,
                                       size_t why_size);

/**
 * Makes a hedge a policy of a chain.
 *
 * @param hedge  an initialised hedge. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "hedge"; 2 frame words, which count three times, as do those of all
 *         policies inside of it. resil_chain_init refuses it when the hedge isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_hedge_policy(struct resil_hedge *hedge);

RESIL_END_DECLS

#endif
