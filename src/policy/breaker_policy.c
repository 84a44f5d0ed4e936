/* SPDX-License-Identifier: BSD-2-Clause */

/* The breaker in a chain: the cold halves, and the adapter that tells of transitions. */
#include "policy/hot.h"

int resil__breaker_policy_admit_cold(struct resil_breaker *breaker, uint64_t word, uint64_t *frame,
                                     struct resil_walk *walk)
{
    int rc;

    if (resil__word_code(word) == RESIL__CODE_OPEN &&
        resil__breaker_refuses(breaker, word, walk->now_ns, &walk->retry_at_ns))
        return RESIL_EOPEN;
    rc = resil__breaker_acquire_cold(breaker, word, walk->now_ns, &frame[0], &frame[1],
                                     &walk->retry_at_ns);
    if (rc != RESIL_OK)
        return rc;
    if ((frame[0] & RESIL__TOKEN_PROBE) != 0)
        walk->timed = true;
    resil__breaker_policy_time(resil__breaker_rules(breaker, word), walk);
    return RESIL_PASS;
}

/* A call that was refused further in has nothing to tell, unless it was a probe. Returns what there
   is to tell. */
__attribute__((noinline)) static uint64_t settle_cold(struct resil_breaker *breaker,
                                                      const uint64_t *frame,
                                                      const struct resil_walk *walk,
                                                      struct resil__slices_put put)
{
    uint64_t event = 0;

    if (walk->result.outcome == RESIL_REFUSED && (frame[0] & RESIL__TOKEN_PROBE) == 0)
        return 0;
    (void)resil__breaker_record_cold(breaker, frame[0], frame[1], walk->now_ns, &walk->result, put,
                                     &event);
    return event;
}

/* A window of calls. Returns what there is to tell. */
RESIL__NOINLINE static uint64_t settle_count(struct resil_breaker *breaker, const uint64_t *frame,
                                             const struct resil_walk *walk)
{
    int unused;

    if (resil__breaker_count_quick(breaker, &frame[0], &frame[1], walk->now_ns, &walk->result,
                                   &unused))
        return 0;
    return settle_cold(breaker, frame, walk, RESIL__NOT_PUT);
}

RESIL__HOT static int breaker_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    return resil__breaker_policy_admit(self, frame, walk);
}

RESIL__NOINLINE static int breaker_settle_count(struct resil_breaker *breaker,
                                                const uint64_t *frame,
                                                const struct resil_walk *walk)
{
    (void)settle_count(breaker, frame, walk);
    return RESIL_PASS;
}

int resil__breaker_policy_settle_not(struct resil_breaker *breaker, const uint64_t *frame,
                                     const struct resil_walk *walk)
{
    (void)settle_cold(breaker, frame, walk, RESIL__NOT_PUT);
    return RESIL_PASS;
}

int resil__breaker_policy_settle_added(struct resil_breaker *breaker, const uint64_t *frame,
                                       const struct resil_walk *walk, uint64_t *cell, uint64_t old)
{
    (void)settle_cold(breaker, frame, walk, (struct resil__slices_put){.cell = cell, .old = old});
    return RESIL_PASS;
}

int resil__breaker_policy_settle_asked(struct resil_breaker *breaker, const uint64_t *frame,
                                       const struct resil_walk *walk)
{
    return resil__breaker_policy_settle_in(breaker, resil__cpu_ask() & breaker->stripes_,
                                           walk->result.outcome, frame, walk);
}

RESIL__NOINLINE RESIL__HOT static int breaker_settle_striped(struct resil_breaker *breaker,
                                                             const uint64_t *frame,
                                                             const struct resil_walk *walk)
{
    return resil__breaker_policy_settle_striped(breaker, walk->result.outcome, frame, walk);
}

RESIL__HOT static int breaker_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct resil_breaker *breaker = self;

    if (resil__breaker_plain(breaker))
        return resil__breaker_policy_settle_in(breaker, 0, walk->result.outcome, frame, walk);
    return resil__breaker_striped(breaker) ? breaker_settle_striped(breaker, frame, walk)
                                           : breaker_settle_count(breaker, frame, walk);
}

static int breaker_check(const void *self)
{
    const struct resil_breaker *breaker = self;

    return breaker != NULL && resil__load_acquire(&breaker->word_) != 0 ? RESIL_OK : RESIL_EINVAL;
}

static uint64_t shorter(uint64_t span_ns, uint64_t finest_ns)
{
    return span_ns != 0 ? resil__min(span_ns, finest_ns) : finest_ns;
}

/* What is off is 0 or RESIL_NEVER. */
static uint64_t breaker_finest(const void *self)
{
    const struct resil_breaker *breaker = self;
    const struct resil_breaker_rules_ *rules =
        resil__breaker_rules(breaker, resil__load_acquire(&breaker->word_));
    uint64_t finest_ns = resil__load_relaxed(&rules->open_ns_);

    if (breaker->calls_ == 0)
        finest_ns = shorter(breaker->slice_ns_, finest_ns);
    finest_ns = shorter(resil__load_relaxed(&rules->slow_ns_), finest_ns);
    finest_ns = shorter(resil__load_relaxed(&rules->probe_lease_ns_), finest_ns);
    finest_ns = shorter(resil__load_relaxed(&rules->probe_gap_ns_), finest_ns);
    return shorter(resil__load_relaxed(&rules->ramp_ns_), finest_ns);
}

const struct resil_policy_ops resil__breaker_ops = {
    .size = sizeof(struct resil_policy_ops),
    .name = "breaker",
    .flags = RESIL_ON_ALL,
    .frame_words = 2,
    .admit = breaker_admit,
    .settle = breaker_settle,
    .abandon = breaker_settle,
    .check = breaker_check,
    .finest_ns = breaker_finest,
};

struct resil_policy resil_breaker_policy(struct resil_breaker *breaker)
{
    return (struct resil_policy){.ops = &resil__breaker_ops, .self = breaker};
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
    int rc = resil__breaker_policy_admit(watch->breaker, frame, walk);

    if (rc == RESIL_PASS && (frame[0] & RESIL__TOKEN_PROBE) != 0)
        tell(watch, frame[0], walk->now_ns);
    return rc;
}

static int watch_tell(const struct resil_breaker_watch *watch, uint64_t event,
                      const struct resil_walk *walk)
{
    if (event != 0)
        tell(watch, event, walk->now_ns);
    return RESIL_PASS;
}

RESIL__NOINLINE static int watch_settle_count(const struct resil_breaker_watch *watch,
                                              const uint64_t *frame, const struct resil_walk *walk)
{
    return watch_tell(watch, settle_count(watch->breaker, frame, walk), walk);
}

RESIL__NOINLINE static int watch_settle_cold(const struct resil_breaker_watch *watch,
                                             const uint64_t *frame, const struct resil_walk *walk,
                                             struct resil__slices_put put)
{
    return watch_tell(watch, settle_cold(watch->breaker, frame, walk, put), walk);
}

RESIL__INLINE int watch_settle_in(const struct resil_breaker_watch *watch, uint64_t stripe,
                                  const uint64_t *frame, const struct resil_walk *walk)
{
    struct resil__slices_put put;

    switch (resil__breaker_policy_quick(watch->breaker, stripe, walk->result.outcome, frame, walk,
                                        &put)) {
    case RESIL__QUICK_DONE:
        return RESIL_PASS;
    case RESIL__QUICK_ADDED:
        return watch_settle_cold(watch, frame, walk, put);
    case RESIL__QUICK_NOT:
    default:
        return watch_settle_cold(watch, frame, walk, RESIL__NOT_PUT);
    }
}

RESIL__NOINLINE static int watch_settle_striped(const struct resil_breaker_watch *watch,
                                                const uint64_t *frame,
                                                const struct resil_walk *walk)
{
    return watch_settle_in(watch, resil__cpu() & watch->breaker->stripes_, frame, walk);
}

static int watch_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_breaker_watch *watch = self;

    if (!resil__breaker_plain(watch->breaker))
        return resil__breaker_striped(watch->breaker) ? watch_settle_striped(watch, frame, walk)
                                                      : watch_settle_count(watch, frame, walk);
    return watch_settle_in(watch, 0, frame, walk);
}

static int watch_check(const void *self)
{
    const struct resil_breaker_watch *watch = self;

    return watch != NULL ? breaker_check(watch->breaker) : RESIL_EINVAL;
}

static uint64_t watch_finest(const void *self)
{
    const struct resil_breaker_watch *watch = self;

    return breaker_finest(watch->breaker);
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
    .finest_ns = watch_finest,
};

struct resil_policy resil_breaker_watch_policy(struct resil_breaker_watch *watch)
{
    return (struct resil_policy){.ops = &watch_ops, .self = watch};
}
