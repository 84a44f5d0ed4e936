/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One lane of a call, from phase to phase: in through the policies, to the callback, and out again. Nothing
 * here reads a clock: walk->now_ns is the time.
 */
#include <string.h>

#include "base/math.h"
#include "chain/machine.h"

void resil__lane_begin(struct resil_lane_ *lane, uint32_t level)
{
    lane->phase = LANE_ADMIT;
    lane->level = level;
    lane->entry = level;
    lane->timers = 0;
    lane->decided = RESIL__NO_LEVEL;
}

/* Policies without admit find their frame zeroed when they are first asked after the walk came in. */
static void ready_frames(struct resil_call *call, uint32_t index)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const struct resil_chain *chain = call->chain_;

    for (uint32_t level = lane->entry; level < chain->count_; level++) {
        const struct resil_policy_ops *ops = chain->policies_[level].ops;

        if (ops->admit == NULL && (ops->flags & RESIL_ON_SUCCESS) == 0)
            memset(resil__frame(call, index, level), 0, ops->frame_words * sizeof(uint64_t));
    }
    lane->entry = chain->count_;
}

/* Turns round at a level: the policies outside of it are to be settled. */
static void turn(struct resil_lane_ *lane, uint32_t level, enum resil_outcome outcome, int status)
{
    lane->walk.result = (struct resil_result){.outcome = outcome};
    lane->walk.status = status;
    lane->phase = LANE_SETTLE;
    lane->level = level;
}

void resil__lane_admitted(struct resil_call *call, uint32_t index, int verdict)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const uint32_t level = lane->level;

    switch (verdict) {
    case RESIL_ARMED:
        lane->timers |= UINT32_C(1) << level;
        if (level == call->chain_->hedge_) {
            call->forked_ = 1;
            call->trunk_deadline_ns_ = lane->walk.attempt.deadline_ns;
        }
        lane->phase = LANE_ADMIT;
        lane->level = level + 1;
        return;
    case RESIL_PASS:
        lane->phase = LANE_ADMIT;
        lane->level = level + 1;
        return;
    case RESIL_WAIT:
        lane->phase = LANE_PARKED;
        return;
    case RESIL_ANSWER:
        lane->decided = level;
        lane->phase = LANE_SETTLE;
        lane->walk.result.outcome = resil__outcome(lane->walk.result.outcome);
        return;
    default:
        /* A verdict that admit can't give refuses: nothing runs past a policy that is wrong. */
        lane->decided = level;
        turn(lane, level, RESIL_REFUSED, verdict < 0 ? verdict : RESIL_EINVAL);
    }
}

static void admit(struct resil_call *call, uint32_t index)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const struct resil_hop_ *hop = call->chain_->admit_;
    int verdict;

    while (hop->level < lane->level)
        hop++;
    verdict = resil__walk(&hop, resil__frames(call, index), &lane->walk);
    if (verdict == RESIL__END) {
        lane->phase = LANE_READY;
        lane->level = call->chain_->count_;
        lane->walk.attempt.kind = index == 0 ? RESIL_ATTEMPT_NORMAL : RESIL_ATTEMPT_HEDGE;
        return;
    }
    lane->level = hop->level;
    resil__lane_admitted(call, index, verdict);
}

static void resume(struct resil_call *call, uint32_t index)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const struct resil_policy *policy = &call->chain_->policies_[lane->level];
    uint64_t *frame = resil__frame(call, index, lane->level);
    resil_policy_op *op = policy->ops->resume != NULL ? policy->ops->resume : policy->ops->admit;

    if (lane->walk.now_ns >= lane->walk.attempt.deadline_ns) {
        lane->walk.result.outcome = RESIL_REFUSED;
        if (policy->ops->abandon != NULL)
            (void)policy->ops->abandon(policy->self, frame, &lane->walk);
        turn(lane, lane->level, RESIL_REFUSED, RESIL_EDEADLINE);
        return;
    }
    resil__lane_admitted(call, index, op(policy->self, frame, &lane->walk));
}

/* False when the deadline has come: then nothing runs. */
static bool start(struct resil_call *call, uint32_t index)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    struct resil_attempt *attempt = &lane->walk.attempt;

    if (attempt->deadline_ns <= lane->walk.now_ns) {
        if (attempt->kind != RESIL_ATTEMPT_FALLBACK)
            turn(lane, lane->level, RESIL_REFUSED, RESIL_EDEADLINE);
        lane->phase = LANE_SETTLE;
        return false;
    }
    if (++call->id_ == 0)
        call->id_ = 1;
    attempt->id = call->id_;
    attempt->now_ns = lane->walk.now_ns;
    attempt->hint_ns = 0;
    attempt->call_rc = 0;
    if (attempt->kind != RESIL_ATTEMPT_FALLBACK) {
        attempt->number = ++call->attempts_;
        attempt->reason = RESIL_NONE;
        attempt->reason_status = 0;
    } else {
        lane->decided = lane->level;
    }
    lane->phase = LANE_CALLING;
    return true;
}

/* The deadline beats a result that comes with it. */
static void take_result(struct resil_lane_ *lane)
{
    lane->walk.status = 0;
    lane->phase = LANE_SETTLE;
    if (lane->walk.now_ns < lane->walk.attempt.deadline_ns)
        return;
    if (lane->walk.result.outcome == RESIL_SUCCESS)
        lane->walk.late_success = true;
    lane->walk.result =
        (struct resil_result){.outcome = RESIL_TIMEOUT, .call_rc = lane->walk.result.call_rc};
}

static void settle(struct resil_call *call, uint32_t index)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const struct resil_hop_ *hop = call->chain_->settle_[resil__kind(lane->walk.result.outcome)];
    uint32_t level;
    int verdict;

    ready_frames(call, index);
    while (hop->level != RESIL__NO_LEVEL && hop->level >= lane->level)
        hop++;
    verdict = resil__walk(&hop, resil__frames(call, index), &lane->walk);
    level = verdict == RESIL__END ? 0 : hop->level;
    resil__lane_settled(call, index, level, verdict);
}

/* Asks for a substitute, unless the deadline has come. */
static void substitute(struct resil_lane_ *lane)
{
    struct resil_attempt *attempt = &lane->walk.attempt;

    lane->phase = LANE_READY;
    attempt->kind = RESIL_ATTEMPT_FALLBACK;
    attempt->reason = lane->walk.result.outcome;
    attempt->reason_status = lane->walk.status != 0 ? lane->walk.status : RESIL_EFAILED;
}

void resil__lane_settled(struct resil_call *call, uint32_t index, uint32_t level, int verdict)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    bool keeps;

    lane->level = level;
    /* A policy that goes on working keeps its timer. */
    keeps = verdict == RESIL_AGAIN || verdict == RESIL_HOLD;
    lane->timers &= (UINT32_C(1) << (level + keeps)) - 1;
    switch (verdict) {
    case RESIL__END:
        lane->phase = LANE_DONE;
        return;
    case RESIL_AGAIN:
        lane->phase = LANE_AGAIN;
        return;
    case RESIL_RUN:
        substitute(lane);
        return;
    case RESIL_HOLD:
        if (call->forked_ != 0)
            resil__fork_hold(call, index);
        return;
    case RESIL_CHANGED:
        lane->walk.result.outcome = resil__outcome(lane->walk.result.outcome);
        if (lane->walk.result.outcome != RESIL_REFUSED)
            lane->walk.status = 0;
        lane->decided = level;
        return;
    case RESIL_DECIDED:
        lane->decided = level;
        return;
    default:
        return;
    }
}

/* Enters the inside of the policy that asked for it; true when that has to wait. */
static bool again(struct resil_lane_ *lane)
{
    struct resil_walk *walk = &lane->walk;

    if (walk->now_ns >= walk->attempt.deadline_ns) {
        walk->stopped = RESIL_EDEADLINE;
        lane->phase = LANE_SETTLE;
        return false;
    }
    if (walk->now_ns < walk->wake_ns)
        return true;
    walk->result = (struct resil_result){.outcome = RESIL_NONE};
    walk->status = 0;
    walk->stopped = 0;
    walk->retry_at_ns = 0;
    walk->attempt.kind = RESIL_ATTEMPT_NORMAL;
    walk->attempt.hint_ns = 0;
    lane->decided = RESIL__NO_LEVEL;
    lane->phase = LANE_ADMIT;
    lane->level++;
    lane->entry = lane->level;
    return false;
}

enum lane_way resil__lane_advance(struct resil_call *call, uint32_t index)
{
    struct resil_lane_ *lane = resil__lane(call, index);

    /* An ABORT is delivered before anything else happens to the lane that it belongs to. */
    while (call->aborts_ == 0) {
        switch ((enum lane_phase)lane->phase) {
        case LANE_ADMIT:
            admit(call, index);
            break;
        case LANE_PARKED:
            lane->phase = LANE_WAITING;
            return LANE_BLOCKED;
        case LANE_WAITING:
            resume(call, index);
            break;
        case LANE_READY:
            if (start(call, index))
                return LANE_CALLS;
            break;
        case LANE_CALLING:
            if (lane->walk.now_ns < lane->walk.attempt.deadline_ns)
                return LANE_BLOCKED;
            call->aborts_ |= UINT32_C(1) << index;
            turn(lane, lane->level, RESIL_TIMEOUT, 0);
            return LANE_TURNED;
        case LANE_REPORTED:
            take_result(lane);
            break;
        case LANE_SETTLE:
            settle(call, index);
            break;
        case LANE_AGAIN:
            if (again(lane))
                return LANE_BLOCKED;
            break;
        case LANE_IDLE:
        case LANE_HELD:
        case LANE_DONE:
        default:
            return LANE_TURNED;
        }
    }
    return LANE_TURNED;
}

/* One past the innermost level that holds something. */
static uint32_t held_levels(const struct resil_call *call, const struct resil_lane_ *lane)
{
    switch ((enum lane_phase)lane->phase) {
    case LANE_PARKED:
    case LANE_WAITING:
    case LANE_AGAIN:
        return lane->level + 1;
    case LANE_HELD:
        return call->chain_->hedge_ + 1;
    case LANE_IDLE:
    case LANE_DONE:
        return 0;
    case LANE_ADMIT:
    case LANE_READY:
    case LANE_CALLING:
    case LANE_REPORTED:
    case LANE_SETTLE:
    default:
        return lane->level;
    }
}

void resil__lane_abandon(struct resil_call *call, uint32_t index, uint32_t level,
                         enum resil_outcome why)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const bool ran = lane->phase == LANE_CALLING || lane->phase == LANE_REPORTED;
    const bool late = lane->phase == LANE_REPORTED && lane->walk.result.outcome == RESIL_SUCCESS;
    uint32_t inner = held_levels(call, lane);

    ready_frames(call, index);
    if (lane->phase == LANE_CALLING)
        call->aborts_ |= UINT32_C(1) << index;
    if (late)
        call->lane_.walk.late_success = true;
    if (why == RESIL_TIMEOUT && !ran)
        why = RESIL_REFUSED;
    while (inner-- > level) {
        const struct resil_policy *policy = &call->chain_->policies_[inner];

        lane->walk.result = (struct resil_result){.outcome = why};
        if (policy->ops->abandon != NULL)
            (void)policy->ops->abandon(policy->self, resil__frame(call, index, inner), &lane->walk);
    }
    lane->timers &= (UINT32_C(1) << level) - 1;
    lane->phase = LANE_IDLE;
}
