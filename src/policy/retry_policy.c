/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A retry in a chain. There is no admit: the chain zeroes the frame, and a zeroed frame is a call
 * whose first attempt runs. Which results settle is asked for depends on the config, so a call that
 * succeeds without a budget doesn't come here.
 */
#include "base/math.h"
#include "retry/budget_fast.h"
#include "retry/retry.h"

#define FRAME_WORDS 2

/* The peer's hint; for a refusal also the time that the refusing policy named. */
static uint64_t floor_ns(const struct resil_walk *walk)
{
    if (walk->result.outcome != RESIL_REFUSED)
        return walk->result.hint_ns;
    return resil__max(walk->result.hint_ns, resil__sub_sat(walk->retry_at_ns, walk->now_ns));
}

static int settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_retry *retry = self;
    struct resil_retry_progress progress;
    uint64_t hint_ns;
    int status;

    if (walk->result.outcome == RESIL_SUCCESS) {
        resil__budget_deposit(retry->budget_, walk->now_ns);
        return RESIL_PASS;
    }
    if (!resil__retry_wants(retry, walk->result.outcome, walk->request->idempotent))
        return RESIL_PASS;

    progress = (struct resil_retry_progress){.failed = frame[0], .previous_ns = frame[1]};
    hint_ns = floor_ns(walk);
    status = resil_retry_next(retry, &progress,
                              &(struct resil_retry_question){
                                  .outcome = walk->result.outcome,
                                  .idempotent = walk->request->idempotent,
                                  .hint_ns = hint_ns,
                                  .now_ns = walk->now_ns,
                                  .deadline_ns = walk->attempt.deadline_ns,
                                  .random = resil_walk_random(walk),
                              },
                              &walk->wake_ns);
    frame[0] = progress.failed;
    frame[1] = progress.previous_ns;
    if (status != RESIL_OK) {
        walk->stopped = status;
        if (hint_ns > 0)
            walk->retry_at_ns = resil__add_sat(walk->now_ns, hint_ns);
        return RESIL_DECIDED;
    }
    /* What an earlier attempt left must not be taken for the next one's. */
    walk->stopped = 0;
    walk->retry_at_ns = 0;
    return RESIL_AGAIN;
}

static int check(const void *self)
{
    const struct resil_retry *retry = self;

    if (retry == NULL || retry->attempts_ == 0)
        return RESIL_EINVAL;
    if (retry->budget_ != NULL && !resil__budget_is_ready(retry->budget_))
        return RESIL_EINVAL;
    return RESIL_OK;
}

#define OPS(asked)                                                                                 \
    {                                                                                              \
        .size = sizeof(struct resil_policy_ops), .name = "retry", .flags = (asked),                \
        .frame_words = FRAME_WORDS, .settle = settle, .check = check,                              \
    }

struct resil_policy resil_retry_policy(struct resil_retry *retry)
{
    static const struct resil_policy_ops ops[2][2] = {
        {OPS(RESIL_ON_FAILURE), OPS(RESIL_ON_FAILURE | RESIL_ON_REFUSED)},
        {OPS(RESIL_ON_FAILURE | RESIL_ON_SUCCESS), OPS(RESIL_ON_ALL)},
    };
    bool deposits = retry != NULL && retry->budget_ != NULL;
    bool refused = retry != NULL && ((retry->retry_mask_ | retry->idempotent_mask_) &
                                     RESIL_OUTCOME_BIT(RESIL_REFUSED)) != 0;

    return (struct resil_policy){.ops = &ops[deposits][refused], .self = retry};
}
