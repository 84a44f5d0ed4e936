/* SPDX-License-Identifier: BSD-2-Clause */

/* The sliding window counter in a chain. */
#include "limiter/window_counter.h"

enum {
    FRAME_RECEIPT,
    FRAME_NUMBER,
    FRAME_WORDS
};

static int window_check(const void *self)
{
    const struct resil_window *window = self;

    return window != NULL && window->slot_[0].limit_ != 0 ? RESIL_OK : RESIL_EINVAL;
}

static int window_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    frame[FRAME_NUMBER] = walk->attempt.number;
    return resil__slide_take(self, walk->request->cost, walk->now_ns, &frame[FRAME_RECEIPT],
                             &walk->retry_at_ns);
}

/* A call that was refused inside before anything ran doesn't count: the attempt to come still
   is. */
static int window_abandon(void *self, uint64_t *frame, struct resil_walk *walk)
{
    if (walk->result.outcome == RESIL_REFUSED && frame[FRAME_NUMBER] == walk->attempt.number)
        (void)resil__slide_give_back(self, frame[FRAME_RECEIPT], walk->request->cost);
    return RESIL_PASS;
}

static int window_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_window *window = self;
    uint64_t slot = resil__load_acquire(&window->word_) & 1;

    (void)window_abandon(self, frame, walk);
    if (walk->result.outcome == RESIL_OVERLOAD &&
        resil__load_acquire(&window->slot_[slot].drain_) != 0)
        resil__drained_extend(&window->until_ns_, walk->result.hint_ns, walk->now_ns);
    return RESIL_PASS;
}

static uint64_t window_finest(const void *self)
{
    const struct resil_window *window = self;

    return resil__load_acquire(&window->slot_[resil__load_acquire(&window->word_) & 1].period_ns_);
}

static const struct resil_policy_ops window_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "window",
    .flags = RESIL_ON_FAILURE | RESIL_ON_REFUSED,
    .frame_words = FRAME_WORDS,
    .admit = window_admit,
    .settle = window_settle,
    .abandon = window_abandon,
    .check = window_check,
    .finest_ns = window_finest,
};

struct resil_policy resil_window_policy(struct resil_window *window)
{
    return (struct resil_policy){.ops = &window_ops, .self = window};
}
