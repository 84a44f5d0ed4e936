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
    uint32_t frame;
    uint32_t level;
};

/** Policies in order. The fields are private. Holds pointers: lives in one process. */
struct resil_chain {
    const struct resil_policy *policies_;
    uint32_t count_;
    uint32_t hedge_;      /* level of the policy that forks, or UINT32_MAX */
    uint32_t arena_;      /* where the frames begin, in words of a call */
    uint32_t lane_words_; /* frame words of one lane: of the levels from the hedge on */
    uint32_t frame_[RESIL_POLICIES_MAX];
    struct resil_hop_ admit_[RESIL_POLICIES_MAX + 1];
    struct resil_hop_ settle_[3][RESIL_POLICIES_MAX + 1];
};

/** What a call came to. */
struct resil_report {
    int status; /* 0 for SUCCESS; a refusal; RESIL_EFAILED: see outcome; RESIL_ECANCELLED */
    enum resil_outcome outcome; /* the last result; REFUSED when nothing ran */
    const char *decided_by;     /* the policy that decided; NULL = the callback, or the deadline */
    uint32_t decided_level;     /* its index in the array of policies; UINT32_MAX = none */
    uint32_t attempts;          /* runs of the callback: hedges counted, fallbacks not */

    /** Why no further attempt was made: RESIL_EEXHAUSTED, RESIL_EBUDGET, RESIL_EDEADLINE; 0 = the
        result was not one to retry. */
    int stopped;
    int call_rc; /* the callback's own code of the last result */

    /** From the begin to the last reading of the clock: 0 on a SUCCESS for which nobody read it
        again. */
    uint64_t elapsed_ns;
    uint64_t retry_at_ns; /* a refusal, or a peer's hint: when to come back; 0 = unknown */
    bool late_success;    /* an attempt succeeded after its deadline: free what it produced */
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
 * @return RESIL_OK; RESIL_EINVAL when a policy has no table, an object that isn't initialised, a
 *         settle flag without a settle function, more frame words than a call holds, or there is
 *         more than one hedge; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the chain yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the caller keeps everything, on success and on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_chain_init(struct resil_chain *chain, const struct resil_policy *policies,
                                   size_t count, char *why, size_t why_size)
{
    return resil_chain_init_sized(chain, sizeof *chain, policies, sizeof *policies, count, why,
                                  why_size);
}

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
 *         anything else (report->outcome); the refusal of the policy that said no; RESIL_EDEADLINE
 *         when the deadline left no time to run at all; RESIL_EINVAL for a NULL chain, env or fn
 *         (report untouched).
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
