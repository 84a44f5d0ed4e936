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
 * whole is not asked twice as often.
 *
 * Event loops only (resil/call.h). A callback that blocks its thread leaves nobody to start a
 * second one: in resil_chain_run a hedge passes everything on and does nothing.
 *
 * At most one hedge in a chain. The policies inside of it run once for each attempt with frames of
 * their own: the frame words from the hedge on count three times (resil_chain_init says when that
 * is too much). Inside: what guards one attempt (a bulkhead, a limiter, a timeout); outside: what
 * guards the call (a retry, a fallback).
 */

#include <resil/budget.h>
#include <resil/common.h>
#include <resil/policy.h>

RESIL_BEGIN_DECLS

struct resil_hedge_config {
    /** How long an attempt may take before the next one starts, 1 ns to 1 h. No default: take the
        95th percentile of the peer's latency. */
    uint64_t delay_ns;

    /** The most attempts beside the first one, 1 to 2; 0 = 1. */
    uint64_t hedges;

    /** What pays for them. Required; may be shared with retries. Borrowed: must outlive the
        chain. */
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
 * Sets a hedge up.
 *
 * @param hedge   the caller's memory, any content.
 * @param config  not NULL. Not kept.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument, a NULL budget or a value out of range
 *         (resil_hedge_config_check names it); RESIL_EABI when the sizes of header and library
 *         differ.
 *
 * Threads:   nobody else may use the hedge yet.
 * Progress:  wait-free. Syscalls: none.
 * Ownership: the caller's on success and on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_hedge_init(struct resil_hedge *hedge,
                                   const struct resil_hedge_config *config)
{
    return resil_hedge_init_sized(hedge, sizeof *hedge, config, sizeof *config);
}

/**
 * Checks a config as init does, and says what is wrong with it.
 *
 * @param config    not NULL.
 * @param why       receives one line that names the field, its value and its range; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK (why untouched); RESIL_EINVAL.
 *
 * Threads:   any.
 * Progress:  wait-free. Syscalls: none.
 * Since:     0.1
 */
RESIL_API int resil_hedge_config_check(const struct resil_hedge_config *config, char *why,
                                       size_t why_size);

/**
 * Makes a hedge a policy. Frame: two words, and those of all policies inside of it, three times.
 *
 * @param hedge  an initialised hedge. Borrowed: must outlive the chain.
 * @return the policy, "hedge".
 *
 * Threads:   any.
 * Progress:  wait-free; in a chain lock-free, by the budget.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_hedge_policy(struct resil_hedge *hedge);

RESIL_END_DECLS

#endif
