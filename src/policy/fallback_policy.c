/* SPDX-License-Identifier: BSD-2-Clause */
#include <resil/fallback.h>

#include "base/check.h"

#define OUTCOMES_DEFAULT                                                                           \
    (RESIL_OUTCOME_BIT(RESIL_FAILURE) | RESIL_OUTCOME_BIT(RESIL_NOT_SENT) |                        \
     RESIL_OUTCOME_BIT(RESIL_OVERLOAD) | RESIL_OUTCOME_BIT(RESIL_TIMEOUT) |                        \
     RESIL_OUTCOME_BIT(RESIL_PERMANENT) | RESIL_OUTCOME_BIT(RESIL_REFUSED))

static int check(const struct resil_fallback_config *config, struct resil__why why)
{
    if (resil__check_outcomes(why, "outcomes", config->outcomes) != RESIL_OK)
        return RESIL_EINVAL;
    if (config->refusals != 0 && config->outcomes != 0 &&
        (config->outcomes & RESIL_OUTCOME_BIT(RESIL_REFUSED)) == 0)
        return resil__check_fail(why, "refusals", "given, but outcomes leaves REFUSED out");
    return RESIL_OK;
}

int resil_fallback_config_check(const struct resil_fallback_config *config, char *why,
                                size_t why_size)
{
    return config == NULL ? RESIL_OK : check(config, (struct resil__why){why, why_size});
}

int resil_fallback_init_sized(struct resil_fallback *fallback, size_t fallback_size,
                              const struct resil_fallback_config *config, size_t config_size)
{
    static const struct resil_fallback_config defaults;

    if (fallback_size != sizeof *fallback || config_size != sizeof *config)
        return RESIL_EABI;
    if (config == NULL)
        config = &defaults;
    if (fallback == NULL || check(config, (struct resil__why){0}) != RESIL_OK)
        return RESIL_EINVAL;
    fallback->outcomes_ = resil__default(config->outcomes, OUTCOMES_DEFAULT);
    fallback->refusals_ = resil__default(config->refusals, UINT64_MAX);
    return RESIL_OK;
}

/* A status without a bit is replaced if all are: -164 to -199, which a program's own policies may
   use. */
static bool replaces(const struct resil_fallback *fallback, int status)
{
    if (!resil_status_is_refusal(status) || fallback->refusals_ == UINT64_MAX)
        return true;
    return status >= -163 && (fallback->refusals_ & RESIL_REFUSAL_BIT(status)) != 0;
}

static int settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_fallback *fallback = self;

    (void)frame;
    if ((fallback->outcomes_ & RESIL_OUTCOME_BIT(walk->result.outcome)) == 0)
        return RESIL_PASS;
    if (walk->result.outcome == RESIL_REFUSED && !replaces(fallback, walk->status))
        return RESIL_PASS;
    return RESIL_RUN;
}

static int ready(const void *self)
{
    const struct resil_fallback *fallback = self;

    return fallback != NULL && fallback->outcomes_ != 0 ? RESIL_OK : RESIL_EINVAL;
}

struct resil_policy resil_fallback_policy(struct resil_fallback *fallback)
{
    static const struct resil_policy_ops ops = {
        .size = sizeof ops,
        .name = "fallback",
        .flags = RESIL_ON_FAILURE | RESIL_ON_REFUSED,
        .settle = settle,
        .check = ready,
    };

    return (struct resil_policy){.ops = &ops, .self = fallback};
}
