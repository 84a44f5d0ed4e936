/* SPDX-License-Identifier: BSD-2-Clause */

/* The limiter in a chain: one adapter that refuses, one that waits. */
#include <resil/limiter.h>

#include "policy/hot.h"

static bool is_initialised(const struct resil_limiter *limiter)
{
    return limiter != NULL && limiter->gcra_.slot_[0].interval_ != 0;
}

static int limiter_check(const void *self)
{
    return is_initialised(self) ? RESIL_OK : RESIL_EINVAL;
}

int resil__limiter_policy_admit_not(struct resil_limiter *limiter, uint64_t *frame,
                                    struct resil_walk *walk)
{
    uint64_t cost = walk->request->cost + (walk->request->cost == 0);
    int rc = resil__gcra_try(&limiter->gcra_, false, cost, walk->now_ns, &frame[FRAME_WORD],
                             &walk->retry_at_ns);

    if (RESIL__LIKELY(rc != RESIL__GCRA_UNDECIDED))
        return rc;
    return resil__gcra_acquire_slow(&limiter->gcra_, false, cost, walk->now_ns, &frame[FRAME_WORD],
                                    &walk->retry_at_ns);
}

RESIL__HOT static int limiter_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    return resil__limiter_policy_admit(self, frame, walk);
}

static int limiter_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_limiter *limiter = self;

    return resil__gcra_policy_settle(&limiter->gcra_, false, frame, walk);
}

static int limiter_abandon(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_limiter *limiter = self;

    resil__gcra_policy_refused(&limiter->gcra_, frame, walk);
    return RESIL_PASS;
}

static uint64_t limiter_finest(const void *self)
{
    const struct resil_limiter *limiter = self;

    return resil__gcra_policy_finest(&limiter->gcra_, false);
}

const struct resil_policy_ops resil__limiter_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "limiter",
    .flags = RESIL_ON_FAILURE | RESIL_ON_REFUSED,
    .frame_words = FRAME_NUMBER + 1,
    .admit = limiter_admit,
    .settle = limiter_settle,
    .abandon = limiter_abandon,
    .check = limiter_check,
    .finest_ns = limiter_finest,
};

struct resil_policy resil_limiter_policy(struct resil_limiter *limiter)
{
    return (struct resil_policy){.ops = &resil__limiter_ops, .self = limiter};
}

static int wait_check(const void *self)
{
    const struct resil_limiter_wait *wait = self;

    return wait != NULL && is_initialised(wait->limiter) ? RESIL_OK : RESIL_EINVAL;
}

static int wait_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_limiter_wait *wait = self;
    uint64_t wait_ns_max = wait->wait_ns_max != 0 ? wait->wait_ns_max : RESIL_SEC(1);

    return resil__gcra_policy_enter(&wait->limiter->gcra_, false, wait_ns_max, frame, walk);
}

static int wait_resume(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)self;
    return resil__gcra_policy_resume(frame, walk);
}

static int wait_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_limiter_wait *wait = self;

    return resil__gcra_policy_settle(&wait->limiter->gcra_, false, frame, walk);
}

static int wait_abandon(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_limiter_wait *wait = self;

    return resil__gcra_policy_leave(&wait->limiter->gcra_, frame, walk);
}

static uint64_t wait_finest(const void *self)
{
    const struct resil_limiter_wait *wait = self;

    return limiter_finest(wait->limiter);
}

static const struct resil_policy_ops wait_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "limiter-wait",
    .flags = RESIL_ON_FAILURE | RESIL_ON_REFUSED,
    .frame_words = FRAME_WORDS,
    .admit = wait_admit,
    .resume = wait_resume,
    .settle = wait_settle,
    .abandon = wait_abandon,
    .check = wait_check,
    .finest_ns = wait_finest,
};

struct resil_policy resil_limiter_wait_policy(struct resil_limiter_wait *wait)
{
    return (struct resil_policy){.ops = &wait_ops, .self = wait};
}
