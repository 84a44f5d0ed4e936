/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The breaker in a chain. The frame is the permit: frame[0] its token, frame[1] its start. The start is read
 * only for a latency rule and for probes.
 */
#include "breaker/breaker_fast.h"

static int admit(struct resil_breaker *breaker, uint64_t *frame, struct resil_walk *walk)
{
    int rc =
        resil__breaker_acquire(breaker, walk->now_ns, &frame[0], &frame[1], &walk->retry_at_ns);
    const struct resil_breaker_rules_ *rules;

    if (__builtin_expect(rc != RESIL_OK, 0))
        return rc;
    rules = &breaker->rules_[resil__word_rules(resil__load_relaxed(&breaker->word_))];
    if (resil__load_relaxed(&rules->slow_ns_) != RESIL_NEVER ||
        (frame[0] & RESIL__TOKEN_PROBE) != 0)
        walk->timed = true;
    return RESIL_PASS;
}

/* A call that was refused further in has nothing to tell, unless it was a probe. */
static uint64_t settle(struct resil_breaker *breaker, const uint64_t *frame,
                       const struct resil_walk *walk)
{
    uint64_t event = 0;

    if (walk->result.outcome == RESIL_REFUSED && (frame[0] & RESIL__TOKEN_PROBE) == 0)
        return 0;
    (void)resil__breaker_record(breaker, frame[0], frame[1], walk->now_ns, &walk->result, &event);
    return event;
}

static int breaker_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    return admit(self, frame, walk);
}

static int breaker_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)settle(self, frame, walk);
    return RESIL_PASS;
}

static int breaker_check(const void *self)
{
    const struct resil_breaker *breaker = self;

    return breaker != NULL && resil__load_acquire(&breaker->word_) != 0 ? RESIL_OK : RESIL_EINVAL;
}

static const struct resil_policy_ops breaker_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "breaker",
    .flags = RESIL_ON_ALL,
    .frame_words = 2,
    .admit = breaker_admit,
    .settle = breaker_settle,
    .abandon = breaker_settle,
    .check = breaker_check,
};

struct resil_policy resil_breaker_policy(struct resil_breaker *breaker)
{
    return (struct resil_policy){.ops = &breaker_ops, .self = breaker};
}

static void tell(const struct resil_breaker_watch *watch, uint64_t token, uint64_t now_ns)
{
    struct resil_breaker_event event;

    if (watch->fn != NULL && resil__breaker_event(token, now_ns, &event))
        watch->fn(watch->arg, &event);
}

static int watch_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_breaker_watch *watch = self;
    int rc = admit(watch->breaker, frame, walk);

    if (rc == RESIL_PASS && (frame[0] & RESIL__TOKEN_PROBE) != 0)
        tell(watch, frame[0], walk->now_ns);
    return rc;
}

static int watch_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_breaker_watch *watch = self;
    uint64_t event = settle(watch->breaker, frame, walk);

    if (__builtin_expect(event != 0, 0))
        tell(watch, event, walk->now_ns);
    return RESIL_PASS;
}

static int watch_check(const void *self)
{
    const struct resil_breaker_watch *watch = self;

    return watch != NULL ? breaker_check(watch->breaker) : RESIL_EINVAL;
}

static const struct resil_policy_ops watch_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "breaker",
    .flags = RESIL_ON_ALL,
    .frame_words = 2,
    .admit = watch_admit,
    .settle = watch_settle,
    .abandon = watch_settle,
    .check = watch_check,
};

struct resil_policy resil_breaker_watch_policy(struct resil_breaker_watch *watch)
{
    return (struct resil_policy){.ops = &watch_ops, .self = watch};
}
