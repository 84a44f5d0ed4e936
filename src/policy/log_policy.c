/* SPDX-License-Identifier: BSD-2-Clause */

/* The sliding log in a chain. */
#include "limiter/log.h"

#include "limiter/drained.h"

enum {
    FRAME_PLACE,
    FRAME_STAMP,
    FRAME_BEFORE,
    FRAME_NUMBER,
    FRAME_WORDS
};

static int log_check(const void *self)
{
    const struct resil_log *log = self;

    return log != NULL && log->limit_ != 0 ? RESIL_OK : RESIL_EINVAL;
}

static int log_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil__log_receipt receipt;
    int rc = resil__log_take(self, walk->now_ns, &receipt, &walk->retry_at_ns);

    if (rc != RESIL_OK)
        return rc;
    frame[FRAME_PLACE] = receipt.place;
    frame[FRAME_STAMP] = receipt.stamp;
    frame[FRAME_BEFORE] = receipt.before;
    frame[FRAME_NUMBER] = walk->attempt.number;
    return RESIL_PASS;
}

/* A call that was refused inside before anything ran doesn't count: the attempt to come still
   is. */
static int log_abandon(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil__log_receipt receipt = {frame[FRAME_PLACE], frame[FRAME_STAMP],
                                               frame[FRAME_BEFORE]};

    if (walk->result.outcome == RESIL_REFUSED && frame[FRAME_NUMBER] == walk->attempt.number)
        (void)resil__log_give_back(self, &receipt);
    return RESIL_PASS;
}

static int log_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_log *log = self;

    (void)log_abandon(self, frame, walk);
    if (walk->result.outcome == RESIL_OVERLOAD && resil__load_acquire(&log->drain_) != 0)
        resil__drained_extend(&log->until_ns_, walk->result.hint_ns, walk->now_ns);
    return RESIL_PASS;
}

static uint64_t log_finest(const void *self)
{
    const struct resil_log *log = self;

    return resil__load_acquire(&log->period_ns_);
}

static const struct resil_policy_ops log_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "log",
    .flags = RESIL_ON_FAILURE | RESIL_ON_REFUSED,
    .frame_words = FRAME_WORDS,
    .admit = log_admit,
    .settle = log_settle,
    .abandon = log_abandon,
    .check = log_check,
    .finest_ns = log_finest,
};

struct resil_policy resil_log_policy(struct resil_log *log)
{
    return (struct resil_policy){.ops = &log_ops, .self = log};
}
