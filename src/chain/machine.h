/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_CHAIN_MACHINE_H
#define RESIL_CHAIN_MACHINE_H

/*
 * What the files of the chain share. A call has one lane, or up to three inside of a policy that
 * forks; the trunk (the levels outside of that policy) always belongs to lane 0. A lane is in one
 * phase:
 *
 *     IDLE -> ADMIT <-> PARKED, WAITING  level: the policy to ask next, or that waits (PARKED until
 *               |                        the step in which it said so is over)
 *               v
 *             READY -> CALLING           level: where settling will begin (policies below it)
 *                        |   |
 *               REPORTED <   | deadline
 *                        v   v
 *             AGAIN <-> SETTLE -> DONE   level: policies below it are still to be settled; AGAIN:
 *                         |              the one that asked for it
 *                         v
 *                       HELD             this lane has a result that doesn't win
 *
 * Frames: the levels outside of the fork, then those from the fork on once for each lane.
 */

#include <stddef.h>
#include <string.h>

#include <resil/call.h>
#include <resil/chain.h>

#include "base/compiler.h"
#include "base/outcomes.h"

enum lane_phase {
    LANE_IDLE = 0,
    LANE_ADMIT,
    LANE_PARKED,
    LANE_WAITING,
    LANE_READY,
    LANE_CALLING,
    LANE_REPORTED,
    LANE_SETTLE,
    LANE_AGAIN,
    LANE_HELD,
    LANE_DONE,
};

/** What a lane comes to when it is taken as far as it goes. */
enum lane_way {
    LANE_BLOCKED, /* waits for a report, a time or a wake */
    LANE_CALLS,   /* the callback is to be run */
    LANE_TURNED,  /* look at the whole call again: something ended, or is to be aborted */
};

#define RESIL__NO_LEVEL UINT32_MAX

/** The verdict of the hop behind the last one. */
#define RESIL__END 100

/** Which settle array an outcome takes: success, failure, refusal. */
static inline unsigned resil__kind(enum resil_outcome outcome)
{
    if (outcome == RESIL_SUCCESS)
        return 0;
    return outcome == RESIL_REFUSED ? 2 : 1;
}

/** How many lanes are in use. */
static inline uint32_t resil__lanes(const struct resil_call *call)
{
    return call->forked_ != 0 ? call->forked_ : 1;
}

static inline struct resil_lane_ *resil__lane(struct resil_call *call, uint32_t index)
{
    return index == 0 ? &call->lane_ : &call->u_.hedged_.lanes_[index - 1];
}

/** The base to which the frame offsets of a lane's hops are added. */
static inline uint64_t *resil__frames(struct resil_call *call, uint32_t index)
{
    return call->u_.words_ + (size_t)index * call->chain_->lane_words_;
}

static inline uint64_t *resil__frame(struct resil_call *call, uint32_t index, uint32_t level)
{
    return resil__frames(call, index) + call->chain_->frame_[level];
}

/** Asks one policy; true to go on to the next hop. */
RESIL__INLINE bool resil__hop(const struct resil_hop_ *hop, uint64_t *frames,
                              struct resil_walk *walk, const struct resil_hop_ **at, int *verdict)
{
    if (hop->fn == NULL) {
        *verdict = RESIL__END;
        return false;
    }
    *verdict = hop->fn(hop->self, frames + hop->frame, walk);
    if (RESIL__LIKELY(*verdict == RESIL_PASS))
        return true;
    *at = hop;
    return false;
}

/**
 * Asks the policies of an array of hops in turn until one says anything but PASS; *at is then that
 * one. Behind the last one is a hop without a function: RESIL__END, and *at is as it was. Four call
 * sites, so that each has a branch target of its own.
 */
RESIL__INLINE int resil__walk(const struct resil_hop_ **at, uint64_t *frames,
                              struct resil_walk *walk)
{
    const struct resil_hop_ *hop = *at;
    int verdict;

    while (resil__hop(&hop[0], frames, walk, at, &verdict) &&
           resil__hop(&hop[1], frames, walk, at, &verdict) &&
           resil__hop(&hop[2], frames, walk, at, &verdict) &&
           resil__hop(&hop[3], frames, walk, at, &verdict))
        hop += 4;
    return verdict;
}

/** Lets a lane's policies find what was tried in any lane. */
RESIL__INLINE void resil__lane_tried(struct resil_call *call, struct resil_lane_ *lane)
{
    lane->walk.tried_at_ = (uint16_t)((char *)&call->tried_ - (char *)&lane->walk);
}

RESIL__INLINE void resil__tried_begin(struct resil_call *call)
{
    call->tried_.count = 0;
    resil__lane_tried(call, &call->lane_);
}

/** Sets what the first policy may read. */
RESIL__INLINE void resil__walk_begin(struct resil_walk *walk, const struct resil_request *request,
                                     const struct resil_env *env, uint64_t seed, uint64_t now_ns)
{
    const size_t zeros = offsetof(struct resil_walk, attempt.hint_ns);

    walk->attempt.id = 1;
    walk->attempt.deadline_ns = request->deadline_ns != 0 ? request->deadline_ns : RESIL_NEVER;
    walk->attempt.now_ns = now_ns;
    walk->attempt.number = 1;
    walk->attempt.kind = RESIL_ATTEMPT_NORMAL;
    memset((char *)walk + zeros, 0, offsetof(struct resil_walk, timed) - zeros);
    if (seed != 0)
        walk->seed_ = seed;
    walk->timed = false;
    walk->late_success = false;
    walk->wake_word_ = 0;
    walk->request = request;
    walk->now_ns = now_ns;
    walk->env_ = env;
}

/** The request of those who pass none. */
extern const struct resil_request resil__request_default;

/** Sets the machine's own fields of a lane that begins to walk in at a level. */
void resil__lane_begin(struct resil_lane_ *lane, uint32_t level);

/**
 * Zeroes the frames of policies without admit, once after each time that the walk came in and
 * before anyone is asked on the way out.
 */
void resil__lane_frames(struct resil_call *call, uint32_t index);

/** Takes a verdict of admit or resume at lane->level. */
void resil__lane_admitted(struct resil_call *call, uint32_t index, int verdict);

/** Takes a verdict of settle at a level. */
void resil__lane_settled(struct resil_call *call, uint32_t index, uint32_t level, int verdict);

/** Takes a lane as far as it goes. */
enum lane_way resil__lane_advance(struct resil_call *call, uint32_t index);

/** Tells the policy at one level that its frame is torn down; the result of the walk is kept. */
void resil__level_abandon(struct resil_call *call, uint32_t index, uint32_t level,
                          enum resil_outcome why);

/** Tears down what a lane holds at a level and inside of it; why is told to its policies. */
void resil__lane_abandon(struct resil_call *call, uint32_t index, uint32_t level,
                         enum resil_outcome why);

/** The hedge: a lane has settled down to the fork, or the fork's timer says SPAWN. */
void resil__fork_hold(struct resil_call *call, uint32_t index);
void resil__fork_spawn(struct resil_call *call);

/** Fires what is due among the timers, of the fork alone or of all others; true when something
    changed. */
bool resil__timers_fire(struct resil_call *call, bool fork);

/** When the next timer is due. */
uint64_t resil__timers_next(struct resil_call *call);

/** True for a lane that is on its way to the callback or back. */
static inline bool resil__lane_lives(const struct resil_lane_ *lane)
{
    return lane->phase != LANE_IDLE && lane->phase != LANE_HELD && lane->phase != LANE_DONE;
}

#endif
