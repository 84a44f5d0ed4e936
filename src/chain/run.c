/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The blocking way through the machine. Where every policy passes, run walks straight in and
 * straight out and sets nothing of the machine's own; whatever else happens, `leave` sets it and
 * the machine goes on from there, with the very functions that an event loop steps.
 */
#include "base/atomic.h"
#include "base/math.h"
#include "chain/straight.h"

/* A clock that stands still in spite of waiting is taken to be broken after so many waits. */
#define STALLED_WAITS 1000

/* How the callback's end is told the time: by the begin's, if nobody needs to know. */
static bool end_needs_clock(const struct resil_walk *walk, enum resil_outcome outcome)
{
    return RESIL__UNLIKELY(outcome != RESIL_SUCCESS) || RESIL__UNLIKELY(walk->timed) ||
           RESIL__UNLIKELY(walk->attempt.deadline_ns != RESIL_NEVER);
}

static struct resil_result result_of(const struct resil_attempt *attempt,
                                     enum resil_outcome outcome)
{
    return (struct resil_result){
        .outcome = outcome, .call_rc = attempt->call_rc, .hint_ns = attempt->hint_ns};
}

/* Sets the machine's own fields of a call that has come straight so far. */
static void leave(struct resil_call *call, const struct resil_chain *chain, uint64_t begin_ns,
                  uint32_t attempts)
{
    call->chain_ = chain;
    call->begin_ns_ = begin_ns;
    call->id_ = attempts;
    call->attempts_ = attempts;
    call->aborts_ = 0;
    call->forked_ = 0;
    call->cancelled_ = false;
    resil__lane_begin(&call->lane_, 0);
}

/* Blocks until a wake or until the time; returns the time. */
static uint64_t wait(struct resil_walk *walk, uint32_t expected, uint64_t until_ns,
                     unsigned *stalled)
{
    const struct resil_env *env = walk->env_;
    uint64_t now_ns;

    env->wait(env->arg, &walk->wake_word_, expected, until_ns);
    now_ns = env->now(env->arg);
    if (now_ns > walk->now_ns || resil__load_acquire32(&walk->wake_word_) != expected)
        *stalled = 0;
    else if (++*stalled > STALLED_WAITS && until_ns != RESIL_NEVER)
        now_ns = until_ns;
    return now_ns;
}

static int finish(struct resil_call *call, resil_call_fn *fn, void *arg,
                  struct resil_report *report)
{
    struct resil_walk *walk = &call->lane_.walk;
    const struct resil_env *env = walk->env_;
    uint64_t now_ns = walk->now_ns;
    unsigned stalled = 0;
    uint32_t expected =
        0; /* the word as it was before the policies were asked: no wake gets lost */

    for (;; expected = resil__load_acquire32(&walk->wake_word_)) {
        enum resil_outcome outcome;
        struct resil_result result;
        struct resil_step step;

        switch (resil_call_step(call, now_ns, &step)) {
        case RESIL_STEP_CALL:
            outcome = fn(arg, step.attempt);
            result = result_of(step.attempt, outcome);
            if (end_needs_clock(walk, outcome) || call->lane_.timers != 0)
                now_ns = env->now(env->arg);
            (void)resil_call_report(call, step.attempt->id, &result);
            continue;
        case RESIL_STEP_WAIT:
            now_ns = wait(walk, expected, step.wake_ns, &stalled);
            continue;
        case RESIL_STEP_ABORT: /* never: what runs is reported before the next step */
        case RESIL_STEP_DONE:
        default:
            return resil_call_fini(call, report);
        }
    }
}

/* A policy on the way in said something else than PASS, or the deadline has come. */
RESIL__COLD static int leave_in(struct resil_call *call, const struct resil_chain *chain,
                                struct resil__way way, resil_call_fn *fn, void *arg,
                                struct resil_report *report)
{
    leave(call, chain, call->lane_.walk.now_ns, 0);
    if (way.verdict == RESIL__END) {
        call->lane_.phase = LANE_READY;
        call->lane_.level = chain->count_;
    } else {
        call->lane_.level = way.hop->level;
        resil__lane_admitted(call, 0, way.verdict);
    }
    return finish(call, fn, arg, report);
}

/* The callback came back with something else than a plain SUCCESS. */
RESIL__COLD static int leave_called(struct resil_call *call, const struct resil_chain *chain,
                                    uint64_t begin_ns, enum resil_outcome outcome,
                                    resil_call_fn *fn, void *arg, struct resil_report *report)
{
    struct resil_walk *walk = &call->lane_.walk;

    leave(call, chain, begin_ns, 1);
    walk->result = result_of(&walk->attempt, resil__outcome(outcome));
    call->lane_.result_id = walk->attempt.id;
    call->lane_.phase = LANE_REPORTED;
    call->lane_.level = chain->count_;
    return finish(call, fn, arg, report);
}

/* A policy on the way out of a SUCCESS said something else than PASS. */
RESIL__COLD static int leave_out(struct resil_call *call, const struct resil_chain *chain,
                                 uint64_t begin_ns, struct resil__way way, resil_call_fn *fn,
                                 void *arg, struct resil_report *report)
{
    leave(call, chain, begin_ns, 1);
    resil__lane_frames(call, 0);
    call->lane_.result_id = call->lane_.walk.attempt.id;
    call->lane_.phase = LANE_SETTLE;
    resil__lane_settled(call, 0, way.hop->level, way.verdict);
    return finish(call, fn, arg, report);
}

static void report_success(struct resil_report *report, const struct resil_walk *walk,
                           uint64_t begin_ns)
{
    *report = (struct resil_report){
        .outcome = RESIL_SUCCESS,
        .decided_level = RESIL__NO_LEVEL,
        .attempts = 1,
        .call_rc = walk->result.call_rc,
        .attempt_id = walk->attempt.id,
        .elapsed_ns = resil__sub_sat(walk->now_ns, begin_ns),
    };
}

RESIL__HOT int resil_chain_run(const struct resil_chain *chain, const struct resil_env *env,
                               const struct resil_request *request, resil_call_fn *fn, void *arg,
                               struct resil_report *report)
{
    struct resil_call call RESIL__UNINITIALISED;
    struct resil_walk *walk = &call.lane_.walk;
    struct resil__way way;
    enum resil_outcome outcome;
    uint64_t begin_ns;

    if (RESIL__UNLIKELY(chain == NULL || chain->count_ == 0 || env == NULL))
        return RESIL_EINVAL;
    if (RESIL__UNLIKELY(env->size != sizeof *env))
        return RESIL_EABI;
    if (RESIL__UNLIKELY(fn == NULL))
        return RESIL_EINVAL;
    request = request != NULL ? request : &resil__request_default;
    begin_ns = request->now_ns != 0 ? request->now_ns : env->now(env->arg);
    resil__walk_begin(walk, request, env, 0, begin_ns);
    resil__tried_begin(&call);

    way = resil__way_in(chain, call.u_.words_, walk);
    if (RESIL__UNLIKELY(way.verdict != RESIL__END || walk->attempt.deadline_ns <= begin_ns))
        return leave_in(&call, chain, way, fn, arg, report);

    outcome = fn(arg, &walk->attempt);
    if (RESIL__UNLIKELY(end_needs_clock(walk, outcome))) {
        walk->now_ns = resil__max(walk->env_->now(walk->env_->arg), begin_ns);
        if (outcome != RESIL_SUCCESS || walk->attempt.deadline_ns <= walk->now_ns)
            return leave_called(&call, chain, begin_ns, outcome, fn, arg, report);
    }

    walk->result = result_of(&walk->attempt, outcome);
    way = resil__way_out(chain, call.u_.words_, walk);
    if (RESIL__UNLIKELY(way.verdict != RESIL__END))
        return leave_out(&call, chain, begin_ns, way, fn, arg, report);
    if (report != NULL)
        report_success(report, walk, begin_ns);
    return RESIL_OK;
}
