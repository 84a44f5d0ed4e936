/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/canary.h"

#include "base/check.h"
#include "base/random.h"

#define SHARE_MAX_BP               UINT64_C(10000)
#define WEIGHT_DEFAULT_BP          UINT64_C(100)
#define STEP_DEFAULT_NS            RESIL_SEC(300)
#define STEP_MIN_NS                RESIL_SEC(1)
#define STEP_MAX_NS                RESIL_SEC(7 * 86400)
#define CALLS_DEFAULT              UINT64_C(100)
#define CALLS_MIN                  UINT64_C(10)
#define CALLS_MAX                  UINT64_C(1000000)
#define FAILURE_MARGIN_DEFAULT_PCT UINT64_C(1)
#define LATENCY_MARGIN_DEFAULT_PCT UINT64_C(50)

static int check_steps(struct resil__why line, const struct resil_canary_config *is)
{
    uint64_t before = resil__default(is->weight_bp, WEIGHT_DEFAULT_BP);

    for (size_t i = 0; i < RESIL_CANARY_STEPS_MAX; i++) {
        if (resil__check_range(line, "steps_bp", is->steps_bp[i], 1, SHARE_MAX_BP) != RESIL_OK)
            return RESIL_EINVAL;
        if (is->steps_bp[i] == 0) {
            before = SHARE_MAX_BP; /* the end: nothing may follow */
            continue;
        }
        if (is->steps_bp[i] <= before)
            return resil__check_fail(line, "steps_bp",
                                     "each must exceed the one before (weight_bp, 0 = 100), "
                                     "nothing may follow a 0 or 10000");
        before = is->steps_bp[i];
    }
    return RESIL_OK;
}

int resil_canary_config_check(const struct resil_canary_config *config, char *why, size_t why_size)
{
    struct resil__why line = {why, why_size};

    if (config == NULL)
        return RESIL_OK;
    if (config->version != NULL && config->version[0] == '\0')
        return resil__check_fail(line, "version", "must not be empty (NULL = no canary)");
    if (resil__check_range(line, "weight_bp", config->weight_bp, 1, SHARE_MAX_BP - 1) != RESIL_OK ||
        check_steps(line, config) != RESIL_OK ||
        resil__check_range(line, "step_ns", config->step_ns, STEP_MIN_NS, STEP_MAX_NS) !=
            RESIL_OK ||
        resil__check_range(line, "min_calls", config->min_calls, CALLS_MIN, CALLS_MAX) !=
            RESIL_OK ||
        resil__check_optional(line, "failure_margin_pct", config->failure_margin_pct, 1, 99) !=
            RESIL_OK ||
        resil__check_optional(line, "latency_margin_pct", config->latency_margin_pct, 1, 1000) !=
            RESIL_OK)
        return RESIL_EINVAL;
    if (config->failure_margin_pct == RESIL_OFF && config->latency_margin_pct == RESIL_OFF)
        return resil__check_fail(line, "failure_margin_pct",
                                 "can't be off together with latency_margin_pct");
    return RESIL_OK;
}

/* A number that depends on every byte of a version. */
static uint64_t salt_of(const char *version)
{
    uint64_t salt = 0;

    for (; *version != '\0'; version++)
        salt = resil__mix(salt + UINT64_C(0x9e3779b97f4a7c15) + (unsigned char)*version);
    return salt;
}

struct resil__canary_rules resil__canary_rules(const struct resil_canary_config *config)
{
    struct resil__canary_rules rules = {.steps = 0};

    if (config == NULL || config->version == NULL)
        return rules;
    rules.steps_bp[rules.steps++] = resil__default(config->weight_bp, WEIGHT_DEFAULT_BP);
    for (size_t i = 0; i < RESIL_CANARY_STEPS_MAX && config->steps_bp[i] != 0; i++)
        rules.steps_bp[rules.steps++] = config->steps_bp[i];
    rules.step_ns = resil__default(config->step_ns, STEP_DEFAULT_NS);
    rules.min_calls = resil__default(config->min_calls, CALLS_DEFAULT);
    rules.judge_failures = config->failure_margin_pct != RESIL_OFF;
    rules.judge_latency = config->latency_margin_pct != RESIL_OFF;
    rules.failure_margin_pct =
        resil__optional(config->failure_margin_pct, FAILURE_MARGIN_DEFAULT_PCT);
    rules.latency_margin_pct =
        resil__optional(config->latency_margin_pct, LATENCY_MARGIN_DEFAULT_PCT);
    rules.by_chance = config->by_chance;
    rules.salt = salt_of(config->version);
    return rules;
}

const char *resil_canary_event_str(enum resil_canary_event event)
{
    switch (event) {
    case RESIL_CANARY_HOLD:
        return "hold";
    case RESIL_CANARY_PROMOTE:
        return "promote";
    case RESIL_CANARY_FINISH:
        return "finish";
    case RESIL_CANARY_FAILURES:
        return "failures";
    case RESIL_CANARY_LATENCY:
        return "latency";
    default:
        return "unknown";
    }
}
