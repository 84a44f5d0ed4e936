/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RETRY_H
#define RESIL_RETRY_H

/*
 * Retry: runs an operation again when that can help and can't harm. What decides is the outcome
 * (resil/outcome.h), not the fact of an error: a request that was certainly not executed is
 * repeated, one that was perhaps executed only if the caller says that it is idempotent, one that
 * was answered or refused for good never.
 *
 *     outcome          not in the masks ------------------>  goes on outwards, untouched
 *        |
 *     attempts         used up --------------------------->  RESIL_EEXHAUSTED
 *     wait             would reach the deadline ---------->  RESIL_EDEADLINE, without sleeping
 *     budget           empty ----------------------------->  RESIL_EBUDGET
 *        |
 *     again after      resil_backoff_next, raised by resil_backoff_floor to the peer's hint
 *
 * A call that gives up returns the operation's own last outcome; the status above is report.stopped
 * and says why there was no further attempt. A call never sleeps past its deadline to find out that
 * it is over. Without a deadline it waits as long as a peer's hint says, whatever the cap: give
 * requests a deadline.
 *
 * A retry inside of a retry multiplies: three attempts of three each are nine runs of the callback.
 * What bounds them together is the request's deadline, and a budget that both take from.
 *
 * What a retry takes from the budget: 1 token, 2 after an OVERLOAD. It is taken last, so that a
 * retry that isn't made for another reason takes nothing. Each SUCCESS earns its share.
 *
 * Source: attempts as a bound per call are folklore; outcomes as the criterion follow RFC 9110
 * 9.2.2 (idempotent methods) and RFC 9113 8.7 (requests certainly not processed). Backoff and
 * budget: see their headers.
 *
 * struct resil_retry is immutable after init and holds the address of the budget: it belongs to one
 * process. What processes share is the budget.
 *
 * Which calls may overlap on one retry: everything but init, and next with the same progress.
 */

#include <resil/backoff.h>
#include <resil/budget.h>
#include <resil/common.h>
#include <resil/outcome.h>
#include <resil/policy.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** The most attempts that a config can ask for, but for RESIL_OFF. */
#define RESIL_RETRY_ATTEMPTS_MAX 1000

/** All-zero is the default: 3 attempts, 100 ms doubling to 2 s, full jitter, no budget. With these
    alone, without budget and breaker, a simulated fleet never came back from an overload
    (tests/sim/README.md): backoff bounds nothing. */
struct resil_retry_config {
    /** How often the operation may run, the first time included: 1 (never retry) to 1000; 0 = 3;
        RESIL_OFF = no limit but the deadline and the budget. */
    uint64_t attempts;

    /** How long to wait in between: see resil/backoff.h. */
    struct resil_backoff_config backoff;

    /** RESIL_OUTCOME_BIT()s that are always retried, any but NONE and SUCCESS; 0 = NOT_SENT and
        OVERLOAD; RESIL_OFF = none. */
    uint64_t retry_mask;

    /** Those that are retried if request.idempotent; 0 = FAILURE and TIMEOUT; RESIL_OFF = none. */
    uint64_t idempotent_mask;

    /** What pays for retries; initialised. Borrowed: must outlive the retry. NULL = nothing
        does. */
    struct resil_budget *budget;
};

/** A config that was checked. Private. */
struct resil_retry {
    struct resil_backoff_config backoff_;
    uint64_t attempts_; /* 0 = not initialised */
    uint64_t retry_mask_;
    uint64_t idempotent_mask_;
    struct resil_budget *budget_;
};

/** How far one call has come. Zeroed memory is a call whose first attempt runs. */
struct resil_retry_progress {
    uint64_t failed;      /* attempts that ended in an outcome to be retried */
    uint64_t previous_ns; /* the backoff before the last of them, without hint */
};

/** What resil_retry_next is asked about. */
struct resil_retry_question {
    enum resil_outcome outcome; /* of the attempt that has just ended */
    bool idempotent;            /* the operation may run twice without harm */
    uint64_t hint_ns;           /* the peer's retry-after, a span; 0 = none */
    uint64_t now_ns;            /* the time, freshly read */
    uint64_t deadline_ns; /* the call ends here, a point in time; 0 or RESIL_NEVER = no deadline */
    uint64_t random;      /* 64 random bits, drawn anew */
};

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL = all defaults.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL when a field (of the backoff too) is out of range, when the budget
 *         isn't initialised, or for unlimited attempts with neither a delay nor a budget.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_retry_config_check(const struct resil_retry_config *config, char *why,
                                       size_t why_size);

/** For the static inline function below. */
RESIL_API int resil_retry_init_sized(struct resil_retry *retry, size_t retry_size,
                                     const struct resil_retry_config *config, size_t config_size);

/**
 * Makes a retry. It doesn't change afterwards.
 *
 * @param retry   the caller's memory, any content, aligned to 8.
 * @param config  NULL = all defaults. Copied, but for the budget, which is borrowed.
 * @return RESIL_OK; RESIL_EINVAL for a NULL retry or a config that resil_retry_config_check
 *         refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the retry yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_retry_init(struct resil_retry *retry,
                                   const struct resil_retry_config *config)
{
    return resil_retry_init_sized(retry, sizeof *retry, config, sizeof *config);
}

/**
 * Decides by hand, without a chain, whether an attempt that has just ended is made again.
 *
 * After a SUCCESS there is nothing to decide: call resil_budget_deposit if there is a budget.
 *
 * @param retry     an initialised retry.
 * @param progress  zeroed before the first question of a call, handed on unchanged to the next.
 * @param question  how the attempt ended, and the rest that counts.
 * @param wake_ns   receives the point in time of the next attempt on RESIL_OK; else untouched.
 * @return RESIL_OK: run again at *wake_ns; RESIL_EFAILED when the outcome isn't one to be retried
 *         (SUCCESS included); RESIL_EEXHAUSTED when all attempts are used up; RESIL_EDEADLINE when
 *         the wait would reach the deadline; RESIL_EBUDGET when the budget is empty; RESIL_EINVAL
 *         for a NULL argument or a retry that is not initialised.
 *
 * Threads:   any, on different progress.
 * Progress:  lock-free, wait-free without a budget. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_retry_next(const struct resil_retry *retry,
                               struct resil_retry_progress *progress,
                               const struct resil_retry_question *question, uint64_t *wake_ns);

/**
 * Puts a retry into a chain: what is inside of it is entered again for each attempt.
 *
 * Place it outside of the breaker and the limits that each attempt should pass, and inside of a
 * timeout that bounds the whole call. A refusal of a policy inside is retried only if retry_mask or
 * idempotent_mask says REFUSED; the time that the refusal names is then a floor like a hint. On a
 * call that gives up with a hint, report.retry_at_ns says when to come back.
 *
 * A call that succeeds doesn't touch a retry without a budget; with one it deposits, dated by the
 * begin of the attempt's call unless another policy had the clock read.
 *
 * @param retry  an initialised retry. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "retry"; 2 frame words. resil_chain_init refuses it when the retry
 *         isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_retry_policy(struct resil_retry *retry);

RESIL_END_DECLS

#endif
