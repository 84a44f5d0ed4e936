/* SPDX-License-Identifier: BSD-2-Clause */

/* A balancer whose endpoints have a breaker and a bulkhead of their own. */
#include <resil/guard.h>

#include <string.h>

#include "balancer/pick.h"
#include "breaker/breaker_fast.h"
#include "bulkhead/bulkhead_fast.h"
#include "policy/tried.h"

/* How many endpoints an attempt asks. */
#define TRIES 8

/* Of an endpoint's breaker. */
#define OPEN_NS    RESIL_SEC(10)
#define JITTER_PCT 200
#define PROBES     1

struct frame {
    struct resil_pick pick;
    struct resil_permit permit;
    uint64_t start_ns;
    uint64_t unused;
};

#define FRAME_WORDS 12

_Static_assert(sizeof(struct frame) == FRAME_WORDS * sizeof(uint64_t), "the frame is as declared");

/* Takes what the endpoint's own policies grant; nothing is held after a refusal. */
static int enter(const struct resil_guard *guard, struct frame *frame, struct resil_walk *walk)
{
    struct resil_guard_state *state = frame->pick.state;
    int rc = RESIL_OK;

    if (guard->has_bulkhead_)
        rc = resil__bulkhead_acquire(&state->bulkhead);
    if (rc != RESIL_OK || !guard->has_breaker_)
        return rc;
    rc = resil_breaker_acquire(&state->breaker, walk->now_ns, &frame->permit);
    if (rc == RESIL_OK)
        return RESIL_OK;
    walk->retry_at_ns = frame->permit.retry_at_ns;
    if (guard->has_bulkhead_)
        (void)resil__bulkhead_release(&state->bulkhead);
    return rc;
}

/* Picks until an endpoint lets the call through. */
static int pick(const struct resil_guard *guard, struct resil__balancer *lb, struct frame *frame,
                struct resil_walk *walk)
{
    uint64_t excluded[RESIL_TRIED_MAX_ + TRIES];
    struct resil_pick_request request;
    int refused = RESIL_EUNAVAILABLE;

    resil__tried_request(lb, walk, &request);
    if (request.excluded_count != 0)
        memcpy(excluded, request.excluded, request.excluded_count * sizeof *excluded);
    request.excluded = excluded;
    for (size_t i = 0; i < TRIES; i++) {
        int rc = resil__lb_pick(lb, &request, walk->now_ns, &frame->pick);

        /* When all that are left have refused, those that were tried before come back. */
        if (rc != RESIL_OK)
            return refused;
        for (size_t e = request.excluded_count - i; i != 0 && e < request.excluded_count; e++)
            if (excluded[e] == frame->pick.id)
                rc = RESIL_EBUSY;
        if (rc == RESIL_OK)
            rc = enter(guard, frame, walk);
        if (rc == RESIL_OK)
            return RESIL_OK;
        excluded[request.excluded_count++] = frame->pick.id;
        (void)resil__lb_report(lb, &frame->pick, RESIL_REFUSED, 0, walk->now_ns);
        if (rc == RESIL_EBUSY)
            return refused;
        refused = rc;
    }
    return refused;
}

static int admit(void *self, uint64_t *words, struct resil_walk *walk)
{
    const struct resil_guard *guard = self;
    struct resil__balancer *lb = resil__balancer(guard->balancer_);
    struct frame *frame = (struct frame *)(void *)words;
    int rc;

    if (RESIL__UNLIKELY(resil__lb_due(lb, walk->now_ns)))
        (void)resil_balancer_tick(guard->balancer_, walk->now_ns, NULL);
    rc = pick(guard, lb, frame, walk);
    if (rc != RESIL_OK)
        return rc;
    resil__tried_add(walk, frame->pick.id);
    frame->start_ns = walk->now_ns;
    walk->attempt.endpoint = &frame->pick;
    if (guard->has_breaker_ || resil__lb_timed(lb))
        walk->timed = true;
    return RESIL_PASS;
}

static int settle(void *self, uint64_t *words, struct resil_walk *walk)
{
    const struct resil_guard *guard = self;
    struct frame *frame = (struct frame *)(void *)words;
    struct resil_guard_state *state = frame->pick.state;

    walk->attempt.endpoint = NULL;
    if (guard->has_breaker_)
        (void)resil_breaker_record(&state->breaker, &frame->permit, walk->now_ns, &walk->result);
    if (guard->has_bulkhead_)
        (void)resil__bulkhead_release(&state->bulkhead);
    (void)resil__lb_report(resil__balancer(guard->balancer_), &frame->pick, walk->result.outcome,
                           resil__sub_sat(walk->now_ns, frame->start_ns), walk->now_ns);
    return RESIL_PASS;
}

static int check(const void *self)
{
    const struct resil_guard *guard = self;
    const struct resil__balancer *lb;

    if (guard == NULL || guard->balancer_ == NULL || !resil__balancer_ready(guard->balancer_))
        return RESIL_EINVAL;
    lb = resil__balancer(guard->balancer_);
    return lb->config.state_init == resil_guard_state && lb->config.state_arg == self &&
                   lb->config.state_size >= RESIL_GUARD_STATE
               ? RESIL_OK
               : RESIL_EINVAL;
}

/* Fields left 0 are the guard's own defaults, as its header says. */
static void fill_in(struct resil_breaker_config *breaker)
{
    if (breaker->open_ns == 0)
        breaker->open_ns = OPEN_NS;
    if (breaker->jitter_pct == 0)
        breaker->jitter_pct = JITTER_PCT;
    if (breaker->probes == 0)
        breaker->probes = PROBES;
}

int resil_guard_init_sized(struct resil_guard *guard, size_t guard_size,
                           struct resil_balancer *balancer, const struct resil_guard_config *config,
                           size_t config_size)
{
    struct resil_breaker_config breaker = {0};

    if (guard == NULL || balancer == NULL || config == NULL)
        return RESIL_EINVAL;
    if (guard_size != sizeof *guard || config_size != sizeof *config)
        return RESIL_EABI;
    if (config->breaker == NULL && config->bulkhead == NULL)
        return RESIL_EINVAL;
    if (config->breaker != NULL) {
        breaker = *config->breaker;
        fill_in(&breaker);
    }
    if (resil_breaker_config_check(&breaker, NULL, 0) != RESIL_OK ||
        resil_bulkhead_config_check(config->bulkhead, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    *guard = (struct resil_guard){
        .balancer_ = balancer,
        .breaker_ = breaker,
        .has_breaker_ = config->breaker != NULL,
        .has_bulkhead_ = config->bulkhead != NULL,
    };
    if (config->bulkhead != NULL)
        guard->bulkhead_ = *config->bulkhead;
    return RESIL_OK;
}

int resil_guard_state(void *self, void *memory, const struct resil_endpoint *endpoint)
{
    const struct resil_guard *guard = self;
    struct resil_guard_state *state = memory;
    struct resil_breaker_config config = guard->breaker_;
    int rc = RESIL_OK;

    config.seed ^= resil_hash64(endpoint->address, strlen(endpoint->address), 0);
    if (guard->has_breaker_)
        rc = resil_breaker_init(&state->breaker, &config);
    if (rc == RESIL_OK && guard->has_bulkhead_)
        rc = resil_bulkhead_init(&state->bulkhead, &guard->bulkhead_);
    return rc;
}

struct resil_policy resil_guard_policy(struct resil_guard *guard)
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

    return (struct resil_policy){.ops = &ops, .self = guard};
}
