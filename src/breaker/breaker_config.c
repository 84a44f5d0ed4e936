/* SPDX-License-Identifier: BSD-2-Clause */
#include "breaker/breaker_inner.h"

#include <string.h>

#include "base/check.h"
#include "base/math.h"

#define DAY          RESIL_SEC(86400)
#define SLICE_NS_MIN RESIL_MS(10)

#define MASK_DEFAULT                                                                               \
    (RESIL_OUTCOME_BIT(RESIL_FAILURE) | RESIL_OUTCOME_BIT(RESIL_NOT_SENT) |                        \
     RESIL_OUTCOME_BIT(RESIL_TIMEOUT) | RESIL_OUTCOME_BIT(RESIL_PERMANENT))
#define MASK_LEGAL                                                                                 \
    (MASK_DEFAULT | RESIL_OUTCOME_BIT(RESIL_OVERLOAD) | RESIL_OUTCOME_BIT(RESIL_CALLER) |          \
     RESIL_OUTCOME_BIT(RESIL_LOCAL))

/* Read-mostly, cold and hot words are a cache line apart; the layout is shared between
   processes. */
_Static_assert(sizeof(struct resil_breaker) == 1280, "layout");
_Static_assert(offsetof(struct resil_breaker, until_) == 384, "cold words start a line");
_Static_assert(offsetof(struct resil_breaker, head_) == 576, "the window starts a line");
_Static_assert(offsetof(struct resil_breaker, totals_) == 640, "totals start a line");
_Static_assert(offsetof(struct resil_breaker, cells_) == 704, "cells start a line");
_Static_assert(offsetof(struct resil_breaker, head_) + RESIL_BREAKER_STRIPE_WORDS_ * 8 ==
                   sizeof(struct resil_breaker),
               "stripe 0 ends the struct, and the next begins a line like it");
_Static_assert(sizeof(struct resil_breaker) % RESIL_STRIPES_ALIGN == 0, "stripes start a line");
_Static_assert(RESIL_BREAKER_STRIPE_WORDS_ * 8 % RESIL_STRIPES_ALIGN == 0, "stripes keep lines");
_Static_assert(RESIL_BREAKER_CELLS_ * 15 >= RESIL_BREAKER_CALLS_MAX, "room for last-N");
_Static_assert(RESIL_BREAKER_CELLS_ >= 2 * RESIL_BREAKER_SLICES_MAX, "room for slices");

static const struct resil_breaker_config defaults;

void resil__breaker_resolve(const struct resil_breaker_config *config,
                            struct resil__breaker_shape *shape, struct resil_breaker_rules_ *rules)
{
    uint64_t window_ns, probe_pct;

    if (config == NULL)
        config = &defaults;
    window_ns = resil__default(config->window_ns, RESIL_SEC(10));
    shape->calls = config->calls;
    shape->slices = resil__default(config->slices, 10);
    shape->slice_ns = config->calls != 0 ? 0 : (window_ns + shape->slices - 1) / shape->slices;

    memset(rules, 0, sizeof *rules);
    rules->failure_pct_ = resil__optional(config->failure_pct, 50);
    rules->calls_min_ = resil__default(config->calls_min, 10);
    if (config->calls != 0)
        rules->calls_min_ = resil__min(rules->calls_min_, config->calls);
    rules->slow_ns_ = resil__default(config->slow_ns, RESIL_NEVER);
    if (rules->slow_ns_ != RESIL_NEVER)
        rules->slow_pct_ = resil__optional(config->slow_pct, 100);
    rules->consecutive_ = resil__optional(config->consecutive, 0);
    rules->failures_ = resil__optional(config->failures, 0);
    rules->failure_mask_ = resil__default(config->failure_mask, MASK_DEFAULT);
    rules->open_ns_ = resil__default(config->open_ns, RESIL_SEC(5));
    rules->open_factor_pct_ = resil__default(config->open_factor_pct, 150);
    rules->open_ns_max_ =
        resil__default(config->open_ns_max, resil__max(RESIL_SEC(15), rules->open_ns_));
    rules->jitter_pct_ = resil__optional(config->jitter_pct, 150);
    rules->open_longest_ = rules->open_ns_max_ + rules->open_ns_max_ * rules->jitter_pct_ / 100;
    rules->hint_ns_max_ = resil__optional(config->hint_ns_max, RESIL_SEC(300));
    rules->probes_ = resil__default(config->probes, 3);
    probe_pct = resil__default(config->probe_success_pct, 60);
    rules->probes_needed_ = (rules->probes_ * probe_pct + 99) / 100;
    rules->probe_lease_ns_ = resil__default(config->probe_lease_ns, RESIL_SEC(10));
    rules->probe_gap_ns_ = resil__optional(config->probe_gap_ns, RESIL_SEC(1));
    rules->ramp_ns_ = resil__optional(config->ramp_ns, 0);
    rules->ramp_start_pct_ = resil__default(config->ramp_start_pct, 10);
    rules->seed_ = config->seed;
}

/* Fields that depend on one another; each alone is in range. */
static int check_together(const struct resil_breaker_config *config, struct resil__why why)
{
    struct resil__breaker_shape shape;
    struct resil_breaker_rules_ rules;

    resil__breaker_resolve(config, &shape, &rules);
    if (shape.calls == 0 && shape.slice_ns < SLICE_NS_MIN)
        return resil__check_fail(why, "slices", "a slice (window_ns / slices) is below 10 ms");
    if (shape.calls != 0 && config->calls_min > shape.calls)
        return resil__check_fail(why, "calls_min", "more than the window's calls");
    if (shape.calls != 0 && rules.failures_ > shape.calls)
        return resil__check_fail(why, "failures", "more than the window's calls");
    if (rules.open_ns_max_ < rules.open_ns_)
        return resil__check_fail(why, "open_ns_max", "less than open_ns");
    if ((config->failure_mask & ~MASK_LEGAL) != 0)
        return resil__check_fail(why, "failure_mask",
                                 "only FAILURE, NOT_SENT, OVERLOAD, TIMEOUT, PERMANENT, CALLER and "
                                 "LOCAL can count as failures");
    return RESIL_OK;
}

int resil_breaker_config_check_sized(const struct resil_breaker_config *config, size_t config_size,
                                     char *why_text, size_t why_size)
{
    struct resil__why why = {.text = why_text, .size = why_size};

    if (config_size != sizeof *config)
        return RESIL_EABI;
    if (config == NULL)
        return RESIL_OK;
#define RANGE(field, low, high)                                                                    \
    if (resil__check_range(why, #field, config->field, low, high) != RESIL_OK)                     \
    return RESIL_EINVAL
#define OPTIONAL(field, low, high)                                                                 \
    if (resil__check_optional(why, #field, config->field, low, high) != RESIL_OK)                  \
    return RESIL_EINVAL
    RANGE(window_ns, SLICE_NS_MIN, DAY);
    RANGE(slices, 1, RESIL_BREAKER_SLICES_MAX);
    RANGE(calls, 1, RESIL_BREAKER_CALLS_MAX);
    OPTIONAL(failure_pct, 1, 100);
    RANGE(calls_min, 1, 1000000);
    OPTIONAL(slow_ns, 1, DAY);
    OPTIONAL(slow_pct, 1, 100);
    OPTIONAL(consecutive, 1, 1000000);
    OPTIONAL(failures, 1, 1000000);
    RANGE(open_ns, 1, DAY);
    RANGE(open_factor_pct, 100, 1000);
    RANGE(open_ns_max, 1, DAY);
    OPTIONAL(jitter_pct, 1, 1000);
    OPTIONAL(hint_ns_max, 1, DAY);
    RANGE(probes, 1, RESIL_BREAKER_PROBES_MAX);
    RANGE(probe_success_pct, 1, 100);
    RANGE(probe_lease_ns, RESIL_MS(1), DAY);
    OPTIONAL(probe_gap_ns, 1, RESIL_SEC(3600));
    OPTIONAL(ramp_ns, 1, DAY);
    RANGE(ramp_start_pct, 1, 100);
#undef RANGE
#undef OPTIONAL
    return check_together(config, why);
}

static bool legal_stripes(uint64_t stripes)
{
    return stripes != 0 && stripes <= RESIL_STRIPES_MAX && (stripes & (stripes - 1)) == 0;
}

static size_t size_of(uint64_t stripes)
{
    return sizeof(struct resil_breaker) +
           (size_t)(stripes - 1) * RESIL_BREAKER_STRIPE_WORDS_ * sizeof(uint64_t);
}

size_t resil_breaker_striped_size(uint64_t stripes)
{
    return legal_stripes(stripes) ? size_of(stripes) : 0;
}

static int init(struct resil_breaker *breaker, const struct resil_breaker_config *config,
                size_t config_size, uint64_t stripes)
{
    struct resil__breaker_shape shape;
    int rc = resil_breaker_config_check_sized(config, config_size, NULL, 0);

    if (rc != RESIL_OK)
        return rc;
    if (stripes != 1 && config != NULL && config->calls != 0)
        return RESIL_EINVAL;
    memset(breaker, 0, size_of(stripes));
    resil__breaker_resolve(config, &shape, &breaker->rules_[0]);
    breaker->slice_ns_ = shape.slice_ns;
    breaker->slices_ = shape.slices;
    breaker->calls_ = shape.calls;
    breaker->stripes_ = stripes - 1;
    resil__store_release(&breaker->word_,
                         UINT64_C(1) << RESIL__WORD_GEN_SHIFT | RESIL__CODE_CLOSED);
    return RESIL_OK;
}

int resil_breaker_init_sized(struct resil_breaker *breaker, size_t breaker_size,
                             const struct resil_breaker_config *config, size_t config_size)
{
    if (breaker == NULL)
        return RESIL_EINVAL;
    if (breaker_size != sizeof *breaker)
        return RESIL_EABI;
    return init(breaker, config, config_size, 1);
}

int resil_breaker_init_striped_sized(struct resil_breaker *breaker, size_t breaker_size,
                                     const struct resil_breaker_config *config, size_t config_size,
                                     uint64_t stripes, size_t memory_size)
{
    if (breaker == NULL || (uintptr_t)breaker % RESIL_STRIPES_ALIGN != 0)
        return RESIL_EINVAL;
    if (breaker_size != sizeof *breaker)
        return RESIL_EABI;
    if (!legal_stripes(stripes) || memory_size < size_of(stripes))
        return RESIL_EINVAL;
    return init(breaker, config, config_size, stripes);
}

static int check_shape(const struct resil_breaker *breaker,
                       const struct resil__breaker_shape *shape, struct resil__why why)
{
    if (shape->calls != breaker->calls_)
        return resil__check_fail(why, "calls", "the window can't change while in use");
    if (shape->calls != 0)
        return RESIL_OK;
    if (shape->slices != breaker->slices_)
        return resil__check_fail(why, "slices", "the window can't change while in use");
    if (shape->slice_ns != breaker->slice_ns_)
        return resil__check_fail(why, "window_ns", "the window can't change while in use");
    return RESIL_OK;
}

/* Rule sets are words only: written one by one, as a caller under an older word may still read
   them. */
static void store_rules(struct resil_breaker_rules_ *to, const struct resil_breaker_rules_ *from)
{
    uint64_t *words = (uint64_t *)(void *)to;
    const uint64_t *values = (const uint64_t *)(const void *)from;

    for (size_t i = 0; i < sizeof *to / sizeof *words; i++)
        resil__store_relaxed(&words[i], values[i]);
}

int resil_breaker_reconfigure_sized(struct resil_breaker *breaker, size_t breaker_size,
                                    const struct resil_breaker_config *config, size_t config_size,
                                    char *why_text, size_t why_size)
{
    struct resil__why why = {.text = why_text, .size = why_size};
    struct resil__breaker_shape shape;
    struct resil_breaker_rules_ rules;
    uint64_t word, next, idle = 0;
    int rc;

    if (breaker == NULL)
        return RESIL_EINVAL;
    if (breaker_size != sizeof *breaker)
        return RESIL_EABI;
    rc = resil_breaker_config_check_sized(config, config_size, why_text, why_size);
    if (rc != RESIL_OK)
        return rc;
    resil__breaker_resolve(config, &shape, &rules);
    if (resil__load_acquire(&breaker->word_) == 0 || check_shape(breaker, &shape, why) != RESIL_OK)
        return RESIL_EINVAL;
    if (!resil__cas(&breaker->busy_, &idle, 1))
        return RESIL_EBUSY;

    word = resil__load_acquire(&breaker->word_);
    store_rules(&breaker->rules_[!resil__word_rules(word)], &rules);
    do {
        next = word;
        if (resil__word_code(word) == RESIL__CODE_HALF_OPEN)
            next = resil__word_next(word, RESIL__CODE_HALF_OPEN, resil__word_trips(word));
        next = resil__word_revised(next, 1);
    } while (!resil__cas(&breaker->word_, &word, next));
    resil__store_release(&breaker->busy_, 0);
    return RESIL_OK;
}
