/* SPDX-License-Identifier: BSD-2-Clause */

/* The pacer in a chain. */
#include <resil/pacer.h>

#include "policy/gcra_policy.h"

static int pacer_check(const void *self)
{
    const struct resil_pacer *pacer = self;

    return pacer != NULL && pacer->gcra_.slot_[0].interval_ != 0 ? RESIL_OK : RESIL_EINVAL;
}

static int pacer_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_pacer *pacer = self;
    uint64_t slot = resil__load_acquire(&pacer->gcra_.word_) & 1;

    return resil__gcra_policy_enter(
        &pacer->gcra_, true, resil__load_acquire(&pacer->gcra_.slot_[slot].wait_ns_), frame, walk);
}

static int pacer_resume(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)self;
    return resil__gcra_policy_resume(frame, walk);
}

static int pacer_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_pacer *pacer = self;

    return resil__gcra_policy_settle(&pacer->gcra_, true, frame, walk);
}

static int pacer_abandon(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_pacer *pacer = self;

    return resil__gcra_policy_leave(&pacer->gcra_, frame, walk);
}

static uint64_t pacer_finest(const void *self)
{
    const struct resil_pacer *pacer = self;

    return resil__gcra_policy_finest(&pacer->gcra_, true);
}

static const struct resil_policy_ops pacer_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "pacer",
    .flags = RESIL_ON_FAILURE | RESIL_ON_REFUSED,
    .frame_words = FRAME_WORDS,
    .admit = pacer_admit,
    .resume = pacer_resume,
    .settle = pacer_settle,
    .abandon = pacer_abandon,
    .check = pacer_check,
    .finest_ns = pacer_finest,
};

struct resil_policy resil_pacer_policy(struct resil_pacer *pacer)
{
    return (struct resil_policy){.ops = &pacer_ops, .self = pacer};
}
