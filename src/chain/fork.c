/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Several attempts of one call side by side, and the timers of policies. Lane 0 walks through the
 * trunk; where the policy that forks answered ARMED, lanes 1 and 2 may start inside of it, each
 * with a copy of what the trunk had told the walk so far. What comes out of the fork goes on in
 * lane 0.
 */
#include "base/math.h"
#include "base/random.h"
#include "chain/machine.h"

/* Ends the fork: lane `index` has the result, lane 0 takes it outwards. */
static void join(struct resil_call *call, uint32_t index)
{
    struct resil_lane_ *from = resil__lane(call, index);
    struct resil_lane_ *trunk = &call->lane_;
    const uint32_t hedge = call->chain_->hedge_;

    if (from != trunk) {
        from->phase = LANE_IDLE;
        trunk->walk.result = from->walk.result;
        trunk->walk.status = from->walk.status;
        trunk->walk.stopped = from->walk.stopped;
        trunk->walk.retry_at_ns = from->walk.retry_at_ns;
        trunk->decided = from->decided;
        trunk->result_id = from->result_id;
    }
    for (uint32_t other = 1; other < call->forked_; other++) {
        resil__lane(call, other)->phase = LANE_IDLE;
        if (resil__lane(call, other)->walk.late_success)
            trunk->walk.late_success = true;
    }
    /* The trunk tells by the number whether any lane ran: a refusal names the attempt to come. */
    if (trunk->walk.status != 0)
        trunk->walk.attempt.number = call->attempts_ + 1;
    trunk->timers &= (UINT32_C(1) << hedge) - 1;
    trunk->phase = LANE_SETTLE;
    trunk->level = hedge;
    call->forked_ = 0;
}

/* A result that says more than "never run" beats one that doesn't; of equals the later one
   counts. */
static uint32_t best_held(struct resil_call *call, uint32_t last)
{
    uint32_t best = last;

    for (uint32_t index = 0; index < call->forked_; index++) {
        const struct resil_lane_ *lane = resil__lane(call, index);

        if (lane->phase == LANE_HELD && lane->walk.result.outcome != RESIL_REFUSED &&
            resil__lane(call, best)->walk.result.outcome == RESIL_REFUSED)
            best = index;
    }
    return best;
}

void resil__fork_hold(struct resil_call *call, uint32_t index)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const enum resil_outcome outcome = lane->walk.result.outcome;

    lane->phase = LANE_HELD;
    if (outcome == RESIL_SUCCESS || outcome == RESIL_CALLER) {
        for (uint32_t other = 0; other < call->forked_; other++)
            if (resil__lane_lives(resil__lane(call, other)))
                resil__lane_abandon(call, other, call->chain_->hedge_ + 1, RESIL_CANCELLED);
        join(call, index);
        return;
    }
    for (uint32_t other = 0; other < call->forked_; other++)
        if (resil__lane_lives(resil__lane(call, other)))
            return;
    join(call, best_held(call, index));
}

void resil__fork_spawn(struct resil_call *call)
{
    const struct resil_walk *trunk = &call->lane_.walk;
    struct resil_lane_ *lane;
    uint32_t index = call->forked_;

    if (index == 0 || index >= RESIL_LANES_MAX)
        return;
    lane = resil__lane(call, index);
    resil__walk_begin(&lane->walk, trunk->request, trunk->env_,
                      resil__mix(resil_walk_random(&call->lane_.walk)) | 1, trunk->now_ns);
    lane->walk.attempt.deadline_ns = call->trunk_deadline_ns_;
    lane->walk.attempt.number = call->attempts_ + 1;
    lane->walk.attempt.endpoint = call->trunk_endpoint_; /* lane 0 may have one of its own */
    resil__lane_tried(call, lane);
    resil__lane_begin(lane, call->chain_->hedge_ + 1);
    call->forked_ = (uint8_t)(index + 1);
}

static bool runs(const struct resil_lane_ *lane)
{
    return lane->phase == LANE_CALLING || lane->phase == LANE_REPORTED;
}

static enum resil_outcome why_expired(bool ran)
{
    return ran ? RESIL_TIMEOUT : RESIL_REFUSED;
}

/* A timer says that everything inside of its level has lasted long enough. */
static void expire(struct resil_call *call, uint32_t index, uint32_t level)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const bool trunk = call->forked_ != 0 && level <= call->chain_->hedge_;
    bool ran = runs(lane);

    if (trunk) {
        for (uint32_t other = 0; other < call->forked_; other++) {
            ran |= runs(resil__lane(call, other));
            resil__lane_abandon(call, other, call->chain_->hedge_ + 1,
                                why_expired(runs(resil__lane(call, other))));
        }
        call->forked_ = 0;
        /* What is left of lane 0: the fork and those outside of it. */
        lane->phase = LANE_HELD;
    }
    resil__lane_abandon(call, index, level + 1, why_expired(ran));
    lane->walk.result.call_rc = 0;
    lane->walk.result.hint_ns = 0;
    lane->walk.result.outcome = call->attempts_ > 0 ? RESIL_TIMEOUT : RESIL_REFUSED;
    lane->walk.status = call->attempts_ > 0 ? 0 : RESIL_EDEADLINE;
    lane->decided = level;
    lane->result_id = 0;
    lane->phase = LANE_SETTLE;
    lane->level = level + 1;
}

/* Fires one timer; true when it changed something besides its own time. */
static bool fire(struct resil_call *call, uint32_t index, uint32_t level)
{
    struct resil_lane_ *lane = resil__lane(call, index);
    const struct resil_policy *policy = &call->chain_->policies_[level];
    uint64_t *frame = resil__frame(call, index, level);
    int verdict = RESIL_PASS;

    if (policy->ops->timer != NULL)
        verdict = policy->ops->timer(policy->self, frame, &lane->walk);
    if (verdict == RESIL_EXPIRE) {
        expire(call, index, level);
        return true;
    }
    if (policy->ops->timer == NULL || frame[0] <= lane->walk.now_ns)
        lane->timers &= ~(UINT32_C(1) << level);
    if (verdict == RESIL_SPAWN && level == call->chain_->hedge_)
        resil__fork_spawn(call);
    return verdict == RESIL_SPAWN;
}

bool resil__timers_fire(struct resil_call *call, bool fork)
{
    for (uint32_t index = 0; index < resil__lanes(call); index++) {
        struct resil_lane_ *lane = resil__lane(call, index);

        for (uint32_t level = 0; lane->timers >> level != 0; level++) {
            if ((lane->timers >> level & 1) == 0 || (level == call->chain_->hedge_) != fork)
                continue;
            if (*resil__frame(call, index, level) <= lane->walk.now_ns && fire(call, index, level))
                return true;
        }
    }
    return false;
}

uint64_t resil__timers_next(struct resil_call *call)
{
    uint64_t next_ns = RESIL_NEVER;

    for (uint32_t index = 0; index < resil__lanes(call); index++) {
        uint32_t timers = resil__lane(call, index)->timers;

        for (uint32_t level = 0; timers >> level != 0; level++)
            if ((timers >> level & 1) != 0)
                next_ns = resil__min(next_ns, *resil__frame(call, index, level));
    }
    return next_ns;
}
