/* SPDX-License-Identifier: BSD-2-Clause */

/* The frames of a lane: readying those that no admit initialises, and tearing down what was
   entered. */
#include <string.h>

#include "chain/machine.h"

void resil__lane_frames(struct resil_call *call, uint32_t index)
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

void resil__level_abandon(struct resil_call *call, uint32_t index, uint32_t level,
                          enum resil_outcome why)
{
    const struct resil_policy *policy = &call->chain_->policies_[level];
    struct resil_walk *walk = &resil__lane(call, index)->walk;
    const struct resil_result result = walk->result;

    if (policy->ops->abandon == NULL)
        return;
    walk->result = (struct resil_result){.outcome = why};
    (void)policy->ops->abandon(policy->self, resil__frame(call, index, level), walk);
    walk->result = result;
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
    case LANE_IDLE: /* unreachable: who holds nothing is not torn down */
    case LANE_DONE:
        return 0; /* unreachable: who holds nothing is not torn down */
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
    const bool late = lane->phase == LANE_REPORTED && lane->walk.result.outcome == RESIL_SUCCESS;
    uint32_t inner = held_levels(call, lane);

    resil__lane_frames(call, index);
    if (lane->phase == LANE_CALLING)
        call->aborts_ = (uint8_t)(call->aborts_ | UINT32_C(1) << index);
    if (late || lane->walk.late_success)
        call->lane_.walk.late_success = true;
    while (inner-- > level)
        resil__level_abandon(call, index, inner, why);
    lane->timers &= (UINT32_C(1) << level) - 1;
    lane->phase = LANE_IDLE;
}
