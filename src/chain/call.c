/* SPDX-License-Identifier: BSD-2-Clause */

/* The machine as an event loop sees it: begin, step, report, cancel, fini. */
#include <resil/call.h>

#include "base/math.h"
#include "chain/machine.h"

const struct resil_request resil__request_default;

int resil_call_begin_sized(struct resil_call *call, size_t call_size,
                           const struct resil_chain *chain, const struct resil_request *request,
                           uint64_t now_ns, uint64_t random)
{
    if (call == NULL || chain == NULL || chain->count_ == 0)
        return RESIL_EINVAL;
    if (call_size != sizeof *call)
        return RESIL_EABI;
    if (request == NULL)
        request = &resil__request_default;
    call->chain_ = chain;
    call->begin_ns_ = now_ns;
    call->id_ = random;
    call->attempts_ = 0;
    call->aborts_ = 0;
    call->forked_ = 0;
    call->cancelled_ = false;
    resil__walk_begin(&call->lane_.walk, request, NULL, random | 1, now_ns);
    resil__tried_begin(call);
    resil__lane_begin(&call->lane_, 0);
    return RESIL_OK;
}

/* An older time than before is read as the time of before. */
static void tell_time(struct resil_call *call, uint64_t now_ns)
{
    now_ns = resil__max(now_ns, call->lane_.walk.now_ns);
    for (uint32_t index = 0; index < resil__lanes(call); index++)
        resil__lane(call, index)->walk.now_ns = now_ns;
}

static struct resil_attempt *take_abort(struct resil_call *call)
{
    for (uint32_t index = 0; index < RESIL_LANES_MAX; index++) {
        uint32_t bit = UINT32_C(1) << index;

        if ((call->aborts_ & bit) == 0)
            continue;
        call->aborts_ = (uint8_t)(call->aborts_ & ~bit);
        return &resil__lane(call, index)->walk.attempt;
    }
    return NULL;
}

static uint64_t next_wake(struct resil_call *call)
{
    uint64_t wake_ns = resil__timers_next(call);

    for (uint32_t index = 0; index < resil__lanes(call); index++) {
        const struct resil_lane_ *lane = resil__lane(call, index);

        if (!resil__lane_lives(lane))
            continue;
        wake_ns = resil__min(wake_ns, lane->walk.attempt.deadline_ns);
        if (lane->phase == LANE_WAITING || lane->phase == LANE_AGAIN)
            wake_ns = resil__min(wake_ns, lane->walk.wake_ns);
    }
    return wake_ns;
}

/* Takes every lane as far as it goes; the index of one that calls, or RESIL_LANES_MAX. *turned
   tells that the call must be looked at again. */
static uint32_t advance(struct resil_call *call, bool *turned)
{
    *turned = false;
    for (uint32_t index = 0; index < resil__lanes(call); index++) {
        enum lane_way way;

        if (!resil__lane_lives(resil__lane(call, index)))
            continue;
        way = resil__lane_advance(call, index);
        if (way == LANE_CALLS)
            return index;
        if (way == LANE_TURNED) {
            *turned = true;
            break;
        }
    }
    return RESIL_LANES_MAX;
}

enum resil_step_kind resil_call_step(struct resil_call *call, uint64_t now_ns,
                                     struct resil_step *step)
{
    step->wake_ns = RESIL_NEVER;
    if (call->lane_.phase != LANE_DONE)
        tell_time(call, now_ns);
    for (;;) {
        bool turned;
        uint32_t index;

        step->attempt = take_abort(call);
        if (step->attempt != NULL)
            return RESIL_STEP_ABORT;
        if (call->lane_.phase == LANE_DONE)
            return RESIL_STEP_DONE;
        if (resil__timers_fire(call, false))
            continue;
        index = advance(call, &turned);
        if (index < RESIL_LANES_MAX) {
            step->attempt = &resil__lane(call, index)->walk.attempt;
            return RESIL_STEP_CALL;
        }
        if (turned || resil__timers_fire(call, true))
            continue;
        step->wake_ns = next_wake(call);
        return RESIL_STEP_WAIT;
    }
}

int resil_call_report(struct resil_call *call, uint64_t attempt_id,
                      const struct resil_result *result)
{
    if (call == NULL || result == NULL)
        return RESIL_EINVAL;
    for (uint32_t index = 0; index < resil__lanes(call); index++) {
        struct resil_lane_ *lane = resil__lane(call, index);

        if (lane->phase != LANE_CALLING || lane->walk.attempt.id != attempt_id)
            continue;
        lane->walk.result = *result;
        lane->walk.result.outcome = resil__outcome(result->outcome);
        lane->result_id = attempt_id;
        lane->phase = LANE_REPORTED;
        return RESIL_OK;
    }
    return RESIL_ELATE;
}

int resil_call_cancel(struct resil_call *call, uint64_t now_ns)
{
    struct resil_lane_ *trunk;

    if (call == NULL)
        return RESIL_EINVAL;
    trunk = &call->lane_;
    if (trunk->phase == LANE_DONE)
        return RESIL_ELATE;
    tell_time(call, now_ns);
    for (uint32_t index = 1; index < call->forked_; index++)
        resil__lane_abandon(call, index, call->chain_->hedge_ + 1, RESIL_CANCELLED);
    resil__lane_abandon(call, 0, 0, RESIL_CANCELLED);
    trunk->walk.result = (struct resil_result){.outcome = RESIL_CANCELLED};
    trunk->decided = RESIL__NO_LEVEL;
    trunk->result_id = 0;
    trunk->phase = LANE_DONE;
    call->cancelled_ = true;
    call->forked_ = 0;
    return RESIL_OK;
}

static int final_status(const struct resil_call *call)
{
    const struct resil_walk *walk = &call->lane_.walk;

    if (call->cancelled_)
        return RESIL_ECANCELLED;
    if (walk->result.outcome == RESIL_SUCCESS)
        return RESIL_OK;
    if (walk->result.outcome == RESIL_REFUSED && walk->status != 0)
        return walk->status;
    return RESIL_EFAILED;
}

/* When a caller who didn't get its answer is told to ask again. */
static uint64_t come_back(const struct resil_walk *walk)
{
    if (walk->result.outcome == RESIL_SUCCESS)
        return 0;
    if (walk->retry_at_ns == 0 && walk->result.hint_ns != 0)
        return resil__add_sat(walk->now_ns, walk->result.hint_ns);
    return walk->retry_at_ns;
}

int resil_call_fini(const struct resil_call *call, struct resil_report *report)
{
    const struct resil_walk *walk;
    uint32_t decided;

    if (call == NULL)
        return RESIL_EINVAL;
    if (call->lane_.phase != LANE_DONE)
        return RESIL_EBUSY;
    walk = &call->lane_.walk;
    decided = call->lane_.decided;
    if (report == NULL)
        return final_status(call);
    *report = (struct resil_report){
        .status = final_status(call),
        .outcome = walk->result.outcome,
        .decided_level = decided,
        .attempts = call->attempts_,
        .stopped = walk->stopped,
        .call_rc = walk->result.call_rc,
        .attempt_id = call->lane_.result_id,
        .elapsed_ns = walk->now_ns - call->begin_ns_,
        .retry_at_ns = come_back(walk),
        .late_success = walk->late_success,
    };
    if (decided != RESIL__NO_LEVEL)
        report->decided_by = call->chain_->policies_[decided].ops->name;
    return report->status;
}
