/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_CHAIN_H
#define RESIL_CHAIN_H

/*
 * A chain: policies in order, outermost first, around the caller's callback. Built once, immutable
 * after that, shared by any number of threads. resil_chain_run runs it from blocking code;
 * resil/call.h steps the same machine from an event loop.
 *
 * Which calls may overlap on one chain:
 *
 *              | init | run | call_begin, call_step, ...
 *   init       |  no  | no  |  no
 *   run        |  no  | yes |  yes
 *   call_*     |  no  | yes |  yes, on different calls
 *
 * What a call costs: resil_chain_run reaches a breaker, a limiter (or a leased one) and a bulkhead
 * (or a leased one) that stand in this order without a call of a function, as long as all pass;
 * other policies outside and inside of them and behind the breaker take one each way, and so do
 * these in another order.
 * Which order is right depends on what is to be refused first, not on this.
 */

#include <resil/attempt.h>
#include <resil/common.h>
#include <resil/env.h>
#include <resil/policy.h>

RESIL_BEGIN_DECLS

/** The most policies in a chain. */
#define RESIL_POLICIES_MAX 16

/** Private: one function of one policy, in the order in which a walk meets it. */
struct resil_hop_ {
    resil_policy_op *fn;
    void *self;
    uint16_t known; /* enum resil__known in src/policy/hot.h */
    uint16_t frame; /* in words of a call */
    uint32_t level;
};

/** Policies in order. The fields are private. Holds pointers: lives in one process. */
struct resil_chain {
    const struct resil_policy *policies_;
    uint32_t count_;
    uint32_t hedge_;      /* level of the policy that forks, or UINT32_MAX */
    uint32_t lane_words_; /* frame words of one lane: of the levels from the hedge on */
    uint32_t frame_[RESIL_POLICIES_MAX]; /* in words of a call: those of lane 0 */
    struct resil_hop_ admit_[RESIL_POLICIES_MAX + 1];
    struct resil_hop_ settle_[3][RESIL_POLICIES_MAX + 1];
};

/** What a call came to. */
struct resil_report {
    /** What resil_chain_run or resil_call_fini returned. */
    int status;

    /** The last result; REFUSED when nothing ran. */
    enum resil_outcome outcome;

    /** The policy that decided, and its index in the array of policies. NULL and UINT32_MAX = the
        callback, or the deadline. */
    const char *decided_by;
    uint32_t decided_level;

    /** Runs of the callback: hedges counted, fallbacks not. */
    uint32_t attempts;

    /** Why no further attempt was made: RESIL_EEXHAUSTED, RESIL_EBUDGET, RESIL_EDEADLINE; 0 = the
        result was not one to retry. */
    int stopped;

    /** The callback's own code of the last result. */
    int call_rc;

    /** Whose result this is, as attempt->id: the winner of a hedged call, the attempt that timed
        out. 0 = no attempt's: a policy refused or answered, or the caller cancelled. */
    uint64_t attempt_id;

    /** From the begin to the last reading of the clock: 0 on a SUCCESS for which nobody read it
        again. */
    uint64_t elapsed_ns;

    /** A refusal, or a peer's hint: when to come back, a point in time; 0 = unknown. */
    uint64_t retry_at_ns;

    /** An attempt succeeded after its deadline, beside another one that won, or as the call was
        cancelled: free what it produced. */
    bool late_success;
};

/** For the static inline function below. */
RESIL_API int resil_chain_init_sized(struct resil_chain *chain, size_t chain_size,
                                     const struct resil_policy *policies, size_t policy_size,
                                     size_t count, char *why, size_t why_size);

/**
 * Builds a chain and refuses what can't work.
 *
 * @param chain     the caller's memory, any content.
 * @param policies  outermost first. Borrowed: must outlive the chain, with every object in it.
 * @param count     1 to RESIL_POLICIES_MAX.
 * @param why       receives one line that names the policy and the fault; untouched on success; may
 *                  be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument (but why) or a count out of range, when a
 *         policy has no table, no name, an object that isn't initialised, unknown flags, flags
 *         without a settle function or the other way round, a timer without an admit and a frame
 *         word, or more than 16 frame words, when the policies together need more frame words than
 *         a call holds, or more than one forks (and one that forks has timer and settle for all
 *         kinds); RESIL_EABI when the sizes of header and library differ, those of a policy's table
 *         too.
 *
 * Threads:   nobody else may use the chain yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the caller keeps everything, on success and on failure; there is no fini. After a
 *            failure the chain's content is not to be used.
 * Since:     0.1
 */
static inline int resil_chain_init(struct resil_chain *chain, const struct resil_policy *policies,
                                   size_t count, char *why, size_t why_size)
{
    return resil_chain_init_sized(chain, sizeof *chain, policies, sizeof *policies, count, why,
                                  why_size);
}

/**
 * Says whether a chain's policies can work by an environment's clock, and which one can't.
 *
 * Only a clock that moves by whole ticks, such as resil_env_coarse's, can be too coarse. By a clock
 * that stands still for longer than the span it measures, a limiter loses the tokens that its burst
 * can't hold, and a timeout or a latency rule judges by chance. What has to be at least a tick
 * long: a limiter's time to fill its burst, a pacer's gap, the period of a window and a log, a
 * timeout, a queue's longest wait, a breaker's slice, open time, slow_ns, probe_gap_ns,
 * probe_lease_ns and ramp_ns. A backoff below it only lasts longer. Ask once, when the program
 * starts, and after a reconfigure: resil_chain_run doesn't.
 *
 * @param chain     an initialised chain.
 * @param env       the environment that it is to run in.
 * @param why       receives one line that names the policy, its span and the tick; untouched on
 *                  success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL when env->tick_ns is longer than what a policy measures, for a NULL
 *         chain or env, or a chain that isn't initialised; RESIL_EABI when env->size isn't that of
 *         the library's struct.
 *
 * Threads:   any, at any time; it judges the configs that are in force meanwhile.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_chain_check_env(const struct resil_chain *chain, const struct resil_env *env,
                                    char *why, size_t why_size);

/**
 * Runs the callback under the chain's policies and blocks until the call has ended.
 *
 * Every policy that passes costs a function call. Only what waits (a backoff, a queue) sleeps, in
 * env->wait. The clock is read once when the call succeeds and neither a deadline nor a policy
 * needs the end (request->now_ns given: not at all); otherwise once more after each run of the
 * callback and each wait. A hedge can't start a second attempt while the first one blocks this
 * thread: in run it does nothing.
 *
 * @param chain    an initialised chain.
 * @param env      resil_env_posix(), or the caller's own. Borrowed for the time of the call.
 * @param request  NULL = the default request. request->wake is not used here.
 * @param fn       the callback; called in this thread, any number of times, 0 included.
 * @param arg      handed to fn.
 * @param report   receives how it went; may be NULL.
 * @return RESIL_OK for SUCCESS alone; RESIL_EFAILED when the last attempt or a policy's answer was
 *         anything else (report->outcome); the status with which a policy said no: a refusal,
 *         RESIL_ECOST from a limit, RESIL_EINVAL for a policy of one's own that answered what it
 *         can't; RESIL_EDEADLINE when the deadline left no time to run at all; RESIL_EINVAL for a
 *         NULL chain, env or fn, or a chain that isn't initialised; RESIL_EABI when env->size isn't
 *         that of the library's struct (both: report untouched).
 *
 * Threads:   any number at once. May be called from inside a callback and from a listener.
 * Progress:  blocking. Syscalls: those of env and of fn.
 * Signals:   async-signal-safe: no.
 * Ownership: chain, request and env are borrowed for the time of the call.
 * Since:     0.1
 */
RESIL_API int resil_chain_run(const struct resil_chain *chain, const struct resil_env *env,
                              const struct resil_request *request, resil_call_fn *fn, void *arg,
                              struct resil_report *report);

RESIL_END_DECLS

#endif
