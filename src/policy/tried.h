/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_POLICY_TRIED_H
#define RESIL_POLICY_TRIED_H

/* What a call has tried so far, for the policies that choose endpoints. */

#include <resil/policy.h>

#include "balancer/pick.h"

/** NULL in a walk that belongs to no call. */
static inline struct resil_tried_ *resil__tried(struct resil_walk *walk)
{
    return walk->tried_at_ != 0 ? (struct resil_tried_ *)(void *)((char *)walk + walk->tried_at_)
                                : NULL;
}

static inline void resil__tried_add(struct resil_walk *walk, uint64_t id)
{
    struct resil_tried_ *tried = resil__tried(walk);

    if (tried != NULL)
        tried->ids[tried->count++ % RESIL_TRIED_MAX_] = id;
}

/** What an attempt of this call asks a balancer for. */
static inline void resil__tried_request(const struct resil__balancer *lb, struct resil_walk *walk,
                                        struct resil_pick_request *request)
{
    const struct resil_tried_ *tried = resil__tried(walk);

    *request = (struct resil_pick_request){.key = walk->request->key};
    request->random = walk->env_ == NULL ? resil_walk_random(walk) : 0;
    if (tried == NULL || tried->count == 0 ||
        (request->key != 0 && resil__load_relaxed32(&lb->keyed) != 0))
        return;
    request->excluded = tried->ids;
    request->excluded_count = resil__min(tried->count, RESIL_TRIED_MAX_);
}

#endif
