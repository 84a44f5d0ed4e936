/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One lane of a call, from phase to phase: in through the policies, to the callback, and out again.
 * Nothing here reads a clock: walk->now_ns is the time.
 */
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

/* Turns round at a level: the policies outside of it are to be settled. */
static void turn(struct resil_lane_ *lane, uint32_t level, enum resil_outcome outcome, int status)
{
    lane->walk.result = (struct resil_result){.outcome = outcome};
    lane->walk.status = status;
    lane->result_id = outcome == RESIL_TIMEOUT ? lane->walk.attempt.id : 0;
    lane->phase = LANE_SETTLE;
    lane->level = level;
}

/* Starts the timer of the lane's level. Blocking code has one thread, which lane 0 blocks: nothing
   forks there. */
static void arm(struct resil_call *call, struct resil_lane_ *lane)
{
    if (lane->level == call->chain_->hedge_) {
        if (lane->walk.env_ != NULL)
            return;
        call->forked_ = 1;
        call->trunk_deadline_ns_ = lane->walk.attempt.deadline_ns;
        call->trunk_endpoint_ = lane->walk.attempt.endpoint;
    }
    lane->timers |= UINT32_C(1) << lane->level;
}

void resil__lane_admitted(struct resil_call *call, uint32_t index, int verdict)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const uint32_t level = lane->level;

    switch (verdict) {
    case RESIL_ARMED:
        arm(call, lane);
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
        lane->result_id = 0;
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
        resil__level_abandon(call, index, lane->level, RESIL_REFUSED);
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

    resil__lane_frames(call, index);
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
static bool again(struct resil_call *call, uint32_t index)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    struct resil_walk *walk = &lane->walk;

    if (walk->now_ns >= walk->attempt.deadline_ns) {
        walk->stopped = RESIL_EDEADLINE;
        resil__level_abandon(call, index, lane->level, RESIL_REFUSED);
        lane->timers &= (UINT32_C(1) << lane->level) - 1;
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
    walk->attempt.number = call->attempts_ + 1;
    lane->decided = RESIL__NO_LEVEL;
    lane->phase = LANE_ADMIT;
    lane->level++;
    lane->entry = lane->level;
    return false;
}

enum lane_way resil__lane_advance(struct resil_call *call, uint32_t index)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const uint32_t timers = lane->timers;

    /* An ABORT is delivered, and a timer just armed is looked at, before anything else happens. */
    while (call->aborts_ == 0 && (lane->timers & ~timers) == 0) {
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
            call->aborts_ = (uint8_t)(call->aborts_ | UINT32_C(1) << index);
            turn(lane, lane->level, RESIL_TIMEOUT, 0);
            return LANE_TURNED;
        case LANE_REPORTED:
            take_result(lane);
            break;
        case LANE_SETTLE:
            settle(call, index);
            break;
        case LANE_AGAIN:
            if (again(call, index))
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
