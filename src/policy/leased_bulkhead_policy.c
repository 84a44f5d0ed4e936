/* SPDX-License-Identifier: BSD-2-Clause */

/* The leased bulkhead in a chain: whatever the result, the permit goes back. */
#include "policy/hot.h"

RESIL__HOT static int admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)frame;
    (void)walk;
    return resil__leased_bulkhead_acquire(self);
}

/* The chain calls it once for each admit that passed, so it can't release too much by itself. */
RESIL__HOT static int give_back(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)frame;
    (void)walk;
    (void)resil__leased_bulkhead_release(self);
    return RESIL_PASS;
}

static int check(const void *self)
{
    struct resil_leased_bulkhead_snapshot unused;

    return resil_leased_bulkhead_snapshot(self, &unused);
}

const struct resil_policy_ops resil__leased_bulkhead_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "leased-bulkhead",
    .flags = RESIL_ON_ALL,
    .admit = admit,
    .settle = give_back,
    .abandon = give_back,
    .check = check,
};

struct resil_policy resil_leased_bulkhead_policy(struct resil_leased_bulkhead *leased)
{
    return (struct resil_policy){.ops = &resil__leased_bulkhead_ops, .self = leased};
}
