/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The balancer in a chain. The frame: the pick, and when it was made. What was tried lies in the
 * call, where the attempts of all lanes find it.
 */
#include "balancer/pick.h"
#include "policy/tried.h"

struct frame {
    struct resil_pick pick;
    uint64_t start_ns;
};

#define FRAME_WORDS 8

_Static_assert(sizeof(struct frame) == FRAME_WORDS * sizeof(uint64_t), "the frame is as declared");

static int admit(void *self, uint64_t *words, struct resil_walk *walk)
{
    struct resil__balancer *lb = resil__balancer(self);
    struct frame *frame = (struct frame *)(void *)words;
    struct resil_pick_request request;
    int rc;

    if (RESIL__UNLIKELY(resil__lb_due(lb, walk->now_ns)))
        (void)resil_balancer_tick(self, walk->now_ns, NULL);
    resil__tried_request(lb, walk, &request);
    rc = resil__lb_pick(lb, &request, walk->now_ns, &frame->pick);
    if (RESIL__UNLIKELY(rc != RESIL_OK))
        return rc;
    resil__tried_add(walk, frame->pick.id);
    frame->start_ns = walk->now_ns;
    walk->attempt.endpoint = &frame->pick;
    if (resil__lb_timed(lb))
        walk->timed = true;
    return RESIL_PASS;
}

static int settle(void *self, uint64_t *words, struct resil_walk *walk)
{
    struct resil__balancer *lb = resil__balancer(self);
    struct frame *frame = (struct frame *)(void *)words;

    walk->attempt.endpoint = NULL;
    (void)resil__lb_report(lb, &frame->pick, walk->result.outcome,
                           resil__sub_sat(walk->now_ns, frame->start_ns), walk->now_ns);
    return RESIL_PASS;
}

static int check(const void *self)
{
    return self != NULL && resil__balancer_ready(self) ? RESIL_OK : RESIL_EINVAL;
}

struct resil_policy resil_balancer_policy(struct resil_balancer *balancer)
{
    static const struct resil_policy_ops ops = {
        .size = sizeof(struct resil_policy_ops),
        .name = "balancer",
        .flags = RESIL_ON_ALL,
        .frame_words = FRAME_WORDS,
        .admit = admit,
        .settle = settle,
        .abandon = settle,
        .check = check,
    };

    return (struct resil_policy){.ops = &ops, .self = balancer};
}
