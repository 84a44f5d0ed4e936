/* SPDX-License-Identifier: BSD-2-Clause */

/* The keyed breaker in a chain. The frame is the permit: its token, 0 = no key, and the
   fingerprint. */
#include "breaker/keyed_breaker_fast.h"

enum {
    FRAME_TOKEN,
    FRAME_PRINT,
    FRAME_WORDS = FRAME_PRINT + 2
};

static int keyed_breaker_check(const void *self)
{
    const struct resil_keyed_breaker *breaker = self;

    return breaker != NULL && breaker->table_.buckets_ != 0 ? RESIL_OK : RESIL_EINVAL;
}

static int keyed_breaker_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_keyed_breaker *breaker = self;
    uint64_t key = walk->request->key;
    struct resil__print print;
    int rc;

    frame[FRAME_TOKEN] = 0;
    if (key == 0)
        return RESIL_PASS;
    print = resil__siphash_u64(breaker->table_.seed_, key);
    frame[FRAME_PRINT] = print.word[0];
    frame[FRAME_PRINT + 1] = print.word[1];
    rc = resil__keyed_breaker_admit(breaker, print, walk->now_ns, &frame[FRAME_TOKEN],
                                    &walk->retry_at_ns);
    if (RESIL__UNLIKELY((frame[FRAME_TOKEN] & RESIL__KB_PROBE) != 0))
        walk->timed = true;
    return rc;
}

static int keyed_breaker_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    if (frame[FRAME_TOKEN] != 0)
        (void)resil__keyed_breaker_tell(
            self, (struct resil__print){{frame[FRAME_PRINT], frame[FRAME_PRINT + 1]}},
            frame[FRAME_TOKEN], walk->now_ns, &walk->result);
    return RESIL_PASS;
}

static const struct resil_policy_ops keyed_breaker_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "keyed-breaker",
    .flags = RESIL_ON_ALL,
    .frame_words = FRAME_WORDS,
    .admit = keyed_breaker_admit,
    .settle = keyed_breaker_settle,
    .abandon = keyed_breaker_settle,
    .check = keyed_breaker_check,
};

struct resil_policy resil_keyed_breaker_policy(struct resil_keyed_breaker *breaker)
{
    return (struct resil_policy){.ops = &keyed_breaker_ops, .self = breaker};
}
