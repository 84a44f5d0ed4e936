/* SPDX-License-Identifier: BSD-2-Clause */

/* The keyed limiter in a chain. Nothing is given back, so there is nothing to settle. */
#include "limiter/keyed_limiter_fast.h"

static int keyed_limiter_check(const void *self)
{
    const struct resil_keyed_limiter *limiter = self;

    return limiter != NULL && limiter->rate_.interval_ != 0 ? RESIL_OK : RESIL_EINVAL;
}

static int keyed_limiter_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_keyed_limiter *limiter = self;
    uint64_t key = walk->request->key;

    (void)frame;
    if (key == 0)
        return RESIL_PASS;
    return resil__keyed_limiter_take(limiter, resil__siphash_u64(limiter->table_.seed_, key),
                                     walk->request->cost, walk->now_ns, &walk->retry_at_ns);
}

static const struct resil_policy_ops keyed_limiter_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "keyed-limiter",
    .admit = keyed_limiter_admit,
    .check = keyed_limiter_check,
};

struct resil_policy resil_keyed_limiter_policy(struct resil_keyed_limiter *limiter)
{
    return (struct resil_policy){.ops = &keyed_limiter_ops, .self = limiter};
}
