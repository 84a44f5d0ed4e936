/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_PICK_H
#define RESIL_BALANCER_PICK_H

/* The hot halves of the balancer, shared by the public functions and the policy. */

#include "balancer/balancer.h"

int resil__lb_pick(struct resil__balancer *lb, const struct resil_pick_request *request,
                   uint64_t now_ns, struct resil_pick *pick);
int resil__lb_report(struct resil__balancer *lb, struct resil_pick *pick,
                     enum resil_outcome outcome, uint64_t latency_ns, uint64_t now_ns);

/** Whether a report needs to know how long the call took. */
static inline bool resil__lb_timed(const struct resil__balancer *lb)
{
    return resil__load_relaxed(&lb->decay_ns) != 0 || resil__load_relaxed32(&lb->sums) != 0;
}

static inline bool resil__balancer_ready(const struct resil_balancer *balancer)
{
    return ((const struct resil__balancer *)(const void *)balancer)->ready;
}

/** Next is never more than the gap ahead: further means behind (the difference wraps), or that the
    clock was set back. */
static inline bool resil__lb_due(const struct resil__balancer *lb, uint64_t now_ns)
{
    return resil__load_relaxed(&lb->next_ns) - now_ns - 1 >= resil__load_relaxed(&lb->gap_ns);
}

#endif
