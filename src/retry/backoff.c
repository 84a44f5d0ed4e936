/* SPDX-License-Identifier: BSD-2-Clause */
#include <resil/backoff.h>

#include "base/check.h"
#include "base/math.h"
#include "base/random.h"

#define BASE_DEFAULT_NS RESIL_MS(100)
#define CAP_DEFAULT_NS  RESIL_SEC(2)
#define SPAN_MAX_NS     RESIL_SEC(86400)
#define FACTOR_DEFAULT  UINT64_C(200)
#define FACTOR_MIN      UINT64_C(110)
#define FACTOR_MAX      UINT64_C(1000)

/* The delay grows in 2^-16 ns, so that small growth of a small base isn't lost to truncation. */
#define FRACTION_BITS 16
_Static_assert(SPAN_MAX_NS >> (63 - FRACTION_BITS) == 0, "a span and its fraction fit a word");

int resil_backoff_config_check(const struct resil_backoff_config *config, char *why,
                               size_t why_size)
{
    struct resil__why line = {why, why_size};

    if (config == NULL)
        return RESIL_OK;
    if ((unsigned)config->kind > RESIL_BACKOFF_LINEAR)
        return resil__check_fail(line, "kind", "not one of enum resil_backoff_kind");
    if ((unsigned)config->jitter > RESIL_JITTER_DECORRELATED)
        return resil__check_fail(line, "jitter", "not one of enum resil_backoff_jitter");
    if (resil__check_optional(line, "base_ns", config->base_ns, 1, SPAN_MAX_NS) != RESIL_OK ||
        resil__check_range(line, "cap_ns", config->cap_ns, 1, SPAN_MAX_NS) != RESIL_OK ||
        resil__check_range(line, "factor_pct", config->factor_pct, FACTOR_MIN, FACTOR_MAX) !=
            RESIL_OK)
        return RESIL_EINVAL;
    /* The default base gives way to a smaller cap; one that was asked for does not. */
    if (resil__optional(config->base_ns, 0) > resil__default(config->cap_ns, CAP_DEFAULT_NS))
        return resil__check_fail(line, "base_ns", "must not exceed cap_ns (0 = 2 s)");
    return RESIL_OK;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return resil__max(low, resil__min(value, high));
}

/* min(base * (factor / 100)^(retry - 1), cap). Grows by a tenth at least: from 1 ns to 24 h in 337
   rounds. */
static uint64_t exponential(uint64_t base, uint64_t factor_pct, uint64_t cap, uint64_t retry)
{
    uint64_t delay = base << FRACTION_BITS;
    uint64_t top = cap << FRACTION_BITS;

    for (; retry > 1 && delay < top; retry--)
        delay = resil__mul_div(delay, factor_pct, 100);
    return resil__min(delay, top) >> FRACTION_BITS;
}

static uint64_t uniform(uint64_t low, uint64_t high, uint64_t random)
{
    return low + resil__random_below(random, high - low + 1);
}

uint64_t resil_backoff_next(const struct resil_backoff_config *config, uint64_t retry,
                            uint64_t previous_ns, uint64_t random)
{
    static const struct resil_backoff_config defaults = {.base_ns = 0};
    const struct resil_backoff_config *is = config != NULL ? config : &defaults;
    uint64_t cap = clamp(resil__default(is->cap_ns, CAP_DEFAULT_NS), 1, SPAN_MAX_NS);
    uint64_t base = resil__min(resil__optional(is->base_ns, BASE_DEFAULT_NS), cap);
    uint64_t factor = clamp(resil__default(is->factor_pct, FACTOR_DEFAULT), FACTOR_MIN, FACTOR_MAX);
    uint64_t top;

    if (base == 0)
        return 0;
    if (is->jitter == RESIL_JITTER_DECORRELATED) {
        top = resil__min(resil__mul_sat(resil__max(previous_ns, base), 3), cap);
        return uniform(resil__min(base, top / 2), top, random);
    }
    if (is->kind == RESIL_BACKOFF_FIXED)
        top = base;
    else if (is->kind == RESIL_BACKOFF_LINEAR)
        top = resil__min(resil__mul_sat(base, resil__max(retry, 1)), cap);
    else
        top = exponential(base, factor, cap, retry);

    if (is->jitter == RESIL_JITTER_NONE)
        return top;
    return uniform(is->jitter == RESIL_JITTER_EQUAL ? top / 2 : 0, top, random);
}

uint64_t resil_backoff_floor(const struct resil_backoff_config *config, uint64_t delay_ns,
                             uint64_t hint_ns, uint64_t random)
{
    uint64_t spread = resil__random_below(random, hint_ns / 2 + 1);

    if (config != NULL && config->jitter == RESIL_JITTER_NONE)
        spread = 0;
    return resil__max(delay_ns, resil__add_sat(hint_ns, spread));
}
