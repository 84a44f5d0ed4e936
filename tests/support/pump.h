/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_PUMP_H
#define RESIL_TEST_PUMP_H

/* A call stepped from an event loop that reads its clock where resil_chain_run does: from the same
   state both must come to the same end. */

#include <limits.h>
#include <string.h>

#include <resil/call.h>

#include "virtual_env.h"

/** No status: a step that can't be. */
#define PUMP_BROKEN INT_MAX

struct pump {
    const struct resil_chain *chain;
    struct virtual_env *env;
    const struct resil_request *request;
    resil_call_fn *callback;
    void *arg;
    uint64_t late_ns; /* the loop comes so much too late: for controls */
};

/** Returns what resil_call_fini does, or PUMP_BROKEN. */
static inline int pump_call(const struct pump *pump, struct resil_report *report)
{
    struct virtual_env *env = pump->env;
    uint64_t now_ns =
        pump->request->now_ns != 0 ? pump->request->now_ns : env->env.now(env->env.arg);
    struct resil_call call;
    struct resil_step step;

    memset(&call, 0xa5, sizeof call);
    if (resil_call_begin(&call, pump->chain, pump->request, now_ns, 0) != RESIL_OK)
        return PUMP_BROKEN;
    for (;;) {
        struct resil_result result;
        enum resil_step_kind kind = resil_call_step(&call, now_ns, &step);

        if (kind == RESIL_STEP_DONE)
            return resil_call_fini(&call, report);
        if (kind == RESIL_STEP_WAIT && step.wake_ns != RESIL_NEVER) {
            env->env.wait(env->env.arg, &call.lane_.walk.wake_word_, 0, step.wake_ns);
            env->now_ns += pump->late_ns;
            now_ns = env->now_ns;
            continue;
        }
        if (kind != RESIL_STEP_CALL)
            return PUMP_BROKEN;
        result.outcome = pump->callback(pump->arg, step.attempt);
        result.call_rc = step.attempt->call_rc;
        result.hint_ns = step.attempt->hint_ns;
        if (result.outcome != RESIL_SUCCESS || call.lane_.walk.timed || call.lane_.timers != 0 ||
            step.attempt->deadline_ns != RESIL_NEVER)
            now_ns = env->now_ns;
        if (resil_call_report(&call, step.attempt->id, &result) != RESIL_OK)
            return PUMP_BROKEN;
    }
}

#endif
