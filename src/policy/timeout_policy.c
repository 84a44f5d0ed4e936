/* SPDX-License-Identifier: BSD-2-Clause */

/* A timeout is a deadline brought forward: the machine keeps the one deadline that is then in
   force. */
#include <resil/timeout.h>

#include "base/atomic.h"
#include "base/check.h"
#include "base/math.h"

#define TIMEOUT_DEFAULT_NS RESIL_SEC(1)
#define TIMEOUT_MAX_NS     RESIL_SEC(24 * 60 * 60)

static int check(const struct resil_timeout_config *config, struct resil__why why)
{
    return resil__check_range(why, "timeout_ns", config->timeout_ns, 1, TIMEOUT_MAX_NS);
}

int resil_timeout_config_check(const struct resil_timeout_config *config, char *why,
                               size_t why_size)
{
    return config == NULL ? RESIL_OK : check(config, (struct resil__why){why, why_size});
}

int resil_timeout_reconfigure(struct resil_timeout *timeout,
                              const struct resil_timeout_config *config)
{
    if (timeout == NULL || config == NULL || check(config, (struct resil__why){0}) != RESIL_OK)
        return RESIL_EINVAL;
    resil__store_relaxed(&timeout->timeout_ns_,
                         resil__default(config->timeout_ns, TIMEOUT_DEFAULT_NS));
    return RESIL_OK;
}

int resil_timeout_init_sized(struct resil_timeout *timeout, size_t timeout_size,
                             const struct resil_timeout_config *config, size_t config_size)
{
    static const struct resil_timeout_config defaults;

    if (timeout_size != sizeof *timeout || config_size != sizeof *config)
        return RESIL_EABI;
    return resil_timeout_reconfigure(timeout, config != NULL ? config : &defaults);
}

/* Frame word 0: the deadline outside of this policy. */
static int admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_timeout *timeout = self;
    uint64_t timeout_ns = resil__load_relaxed(&timeout->timeout_ns_);

    frame[0] = walk->attempt.deadline_ns;
    walk->attempt.deadline_ns = resil__min(frame[0], resil__add_sat(walk->now_ns, timeout_ns));
    return RESIL_PASS;
}

static int settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const enum resil_outcome outcome = walk->result.outcome;
    bool out_of_time =
        outcome == RESIL_TIMEOUT || (outcome == RESIL_REFUSED && walk->status == RESIL_EDEADLINE);
    bool mine = out_of_time && walk->attempt.deadline_ns < frame[0] &&
                walk->attempt.deadline_ns <= walk->now_ns;

    (void)self;
    walk->attempt.deadline_ns = frame[0];
    return mine ? RESIL_DECIDED : RESIL_PASS;
}

static int abandon(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)self;
    walk->attempt.deadline_ns = frame[0];
    return RESIL_PASS;
}

static int ready(const void *self)
{
    const struct resil_timeout *timeout = self;

    return timeout != NULL && resil__load_relaxed(&timeout->timeout_ns_) != 0 ? RESIL_OK
                                                                              : RESIL_EINVAL;
}

static uint64_t finest(const void *self)
{
    const struct resil_timeout *timeout = self;

    return resil__load_relaxed(&timeout->timeout_ns_);
}

struct resil_policy resil_timeout_policy(struct resil_timeout *timeout)
{
    static const struct resil_policy_ops ops = {
        .size = sizeof ops,
        .name = "timeout",
        .flags = RESIL_ON_ALL,
        .frame_words = 1,
        .admit = admit,
        .settle = settle,
        .abandon = abandon,
        .check = ready,
        .finest_ns = finest,
    };

    return (struct resil_policy){.ops = &ops, .self = timeout};
}
