/* SPDX-License-Identifier: BSD-2-Clause */

/* The leased limiter in a chain. The frame is the limiter's; its word is 0 for tokens of a
   stripe. */
#include "policy/hot.h"

static int leased_check(const void *self)
{
    const struct resil_leased_limiter *leased = self;

    return leased != NULL && leased->limiter_ != NULL ? RESIL_OK : RESIL_EINVAL;
}

int resil__leased_limiter_policy_admit_not(struct resil_leased_limiter *leased, uint64_t *frame,
                                           struct resil_walk *walk)
{
    uint64_t cost = walk->request->cost;

    return resil__leased_limiter_acquire_slow(leased, cost + (cost == 0), walk->now_ns,
                                              &frame[FRAME_WORD], &walk->retry_at_ns);
}

RESIL__HOT static int leased_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    return resil__leased_limiter_policy_admit(self, frame, walk);
}

/* The inside said no before anything ran: tokens that nobody used go back where they came from. */
static void leased_refused(struct resil_leased_limiter *leased, uint64_t *frame,
                           const struct resil_walk *walk)
{
    if (walk->result.outcome != RESIL_REFUSED || frame[FRAME_NUMBER] != walk->attempt.number)
        return;
    frame[FRAME_NUMBER] = 0; /* attempts count from 1 */
    if (frame[FRAME_WORD] != 0)
        resil__gcra_policy_refund(&leased->limiter_->gcra_, frame, walk);
    else
        resil__leased_limiter_put_back(leased, walk->request->cost != 0 ? walk->request->cost : 1);
}

static int leased_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_leased_limiter *leased = self;
    struct resil_gcra_ *gcra = &leased->limiter_->gcra_;
    uint64_t slot = resil__load_acquire(&gcra->word_) & 1;

    leased_refused(leased, frame, walk);
    if (walk->result.outcome == RESIL_OVERLOAD && walk->result.hint_ns > 0 &&
        resil__load_acquire(&gcra->slot_[slot].drain_) != 0)
        resil_leased_limiter_drain(leased, walk->result.hint_ns, walk->now_ns);
    return RESIL_PASS;
}

static int leased_abandon(void *self, uint64_t *frame, struct resil_walk *walk)
{
    leased_refused(self, frame, walk);
    return RESIL_PASS;
}

static uint64_t leased_finest(const void *self)
{
    const struct resil_leased_limiter *leased = self;

    return resil__gcra_policy_finest(&leased->limiter_->gcra_, false);
}

const struct resil_policy_ops resil__leased_limiter_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "leased-limiter",
    .flags = RESIL_ON_FAILURE | RESIL_ON_REFUSED,
    .frame_words = FRAME_NUMBER + 1,
    .admit = leased_admit,
    .settle = leased_settle,
    .abandon = leased_abandon,
    .check = leased_check,
    .finest_ns = leased_finest,
};

struct resil_policy resil_leased_limiter_policy(struct resil_leased_limiter *leased)
{
    return (struct resil_policy){.ops = &resil__leased_limiter_ops, .self = leased};
}
