/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The factor is the greatest w / 256 with (w / 256)^(aggression) <= t / window. With logarithms to
 * base 2 no power is needed:
 *
 *     aggression * (log 256 - log w)  >=  log window - log t
 *
 * The left side falls with w, the right side falls with t: so w grows with t, whatever the last bit
 * of a logarithm is, as long as the logarithm never falls. Two neighbours w are further apart than
 * the error by far, so w can be found by halving.
 */
#include "balancer/slow_start.h"

#include "base/check.h"
#include "base/math.h"

#define AGGRESSION_DEFAULT_PCT UINT64_C(100)
#define AGGRESSION_MIN_PCT     UINT64_C(10)
#define AGGRESSION_MAX_PCT     UINT64_C(1000)
#define MIN_DEFAULT_PCT        UINT64_C(10)
#define WINDOW_MIN_NS          RESIL_MS(1)
#define WINDOW_MAX_NS          RESIL_SEC(86400)
#define FRACTION_BITS          32

int resil_slow_start_config_check(const struct resil_slow_start_config *config, char *why,
                                  size_t why_size)
{
    struct resil__why line = {why, why_size};

    if (config == NULL)
        return RESIL_OK;
    if (resil__check_optional(line, "window_ns", config->window_ns, WINDOW_MIN_NS, WINDOW_MAX_NS) !=
            RESIL_OK ||
        resil__check_range(line, "aggression_pct", config->aggression_pct, AGGRESSION_MIN_PCT,
                           AGGRESSION_MAX_PCT) != RESIL_OK ||
        resil__check_optional(line, "min_pct", config->min_pct, 1, 100) != RESIL_OK)
        return RESIL_EINVAL;
    return RESIL_OK;
}

struct resil__slow_start_rules resil__slow_start_rules(const struct resil_slow_start_config *config)
{
    static const struct resil_slow_start_config defaults = {.window_ns = 0};
    const struct resil_slow_start_config *is = config != NULL ? config : &defaults;
    uint64_t min_pct = resil__optional(is->min_pct, MIN_DEFAULT_PCT);

    return (struct resil__slow_start_rules){
        .window_ns = resil__optional(is->window_ns, 0),
        .aggression_pct = resil__default(is->aggression_pct, AGGRESSION_DEFAULT_PCT),
        .min = resil__max((min_pct * RESIL__SLOW_START_FULL + 99) / 100, 1),
    };
}

/* The logarithm of x >= 1 to base 2 in 2^-32, rounded down. Never falls: of two numbers squared in
   step, with the same rounding, the greater one is the first to pass 2. */
static uint64_t log2_of(uint64_t x)
{
    uint64_t whole = 63 - (uint64_t)__builtin_clzll(x);
    uint64_t mantissa = x << (63 - whole); /* 1 to 2 in 2^-63 */
    uint64_t log = whole << FRACTION_BITS;

    for (uint64_t bit = UINT64_C(1) << (FRACTION_BITS - 1); bit != 0; bit >>= 1) {
        uint64_t square = resil__mul_wide(mantissa, mantissa).high; /* 1 to 4 in 2^-62 */

        if (square >> 63) {
            log |= bit;
            mantissa = square;
        } else {
            mantissa = square << 1;
        }
    }
    return log;
}

static uint64_t curved(const struct resil__slow_start_rules *rules, uint64_t age_ns)
{
    uint64_t left = 100 * (log2_of(rules->window_ns) - log2_of(age_ns));
    uint64_t low = 1;
    uint64_t high = RESIL__SLOW_START_FULL - 1;

    while (low < high) { /* 8 rounds */
        uint64_t middle = (low + high + 1) / 2;

        if (rules->aggression_pct * (log2_of(RESIL__SLOW_START_FULL) - log2_of(middle)) >= left)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

uint32_t resil__slow_start_weight(const struct resil__slow_start_rules *rules, uint64_t age_ns)
{
    uint64_t factor;

    if (age_ns >= rules->window_ns)
        return RESIL__SLOW_START_FULL;
    if (rules->aggression_pct == 100) /* a line needs no logarithm */
        factor = age_ns * RESIL__SLOW_START_FULL / rules->window_ns;
    else
        factor = curved(rules, resil__max(age_ns, 1));
    return (uint32_t)resil__max(factor, rules->min);
}
