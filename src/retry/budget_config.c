/* SPDX-License-Identifier: BSD-2-Clause */

/* From a config to the rules that the arithmetic reads, and changing them in use. */
#include "retry/budget_config.h"

#include <string.h>

#include "base/check.h"
#include "base/contend.h"
#include "retry/budget_fast.h"

#define SHARE_DEFAULT_PCT UINT64_C(10)
#define TOKENS_DEFAULT    UINT64_C(1)
#define PERIOD_DEFAULT_NS RESIL_SEC(10)
#define CAP_DEFAULT       UINT64_C(3)
#define TTL_DEFAULT_NS    RESIL_SEC(10)
#define COUNT_MAX         UINT64_C(1000)
#define SPAN_MIN_NS       RESIL_MS(1)
#define SPAN_MAX_NS       RESIL_SEC(3600)
#define TOKEN_MIN_NS      RESIL_US(100)
#define NEVER_NS          (UINT64_MAX / 4)

_Static_assert(sizeof(struct resil_budget_rules_) == 64, "one cache line");
_Static_assert(sizeof(struct resil_budget) == 256, "hot words, two rules, cold words");
_Static_assert(offsetof(struct resil_budget, rules_) == 64, "the hot words have their line");
/* Differences of times are signed: twice the deepest balance and the slack must stay below 2^63. */
_Static_assert(COUNT_MAX *SPAN_MAX_NS < UINT64_C(1) << (61 - RESIL__BUDGET_SHIFT),
               "a balance fits a difference of times");

int resil_budget_config_check(const struct resil_budget_config *config, char *why, size_t why_size)
{
    struct resil__why line = {why, why_size};

    if (config == NULL)
        return RESIL_OK;
    if (resil__check_optional(line, "share_pct", config->share_pct, 1, 100) != RESIL_OK ||
        resil__check_optional(line, "min_tokens", config->min_tokens, 1, COUNT_MAX) != RESIL_OK ||
        resil__check_range(line, "min_period_ns", config->min_period_ns, SPAN_MIN_NS,
                           SPAN_MAX_NS) != RESIL_OK ||
        resil__check_range(line, "cap", config->cap, 1, COUNT_MAX) != RESIL_OK ||
        resil__check_optional(line, "ttl_ns", config->ttl_ns, SPAN_MIN_NS, SPAN_MAX_NS) != RESIL_OK)
        return RESIL_EINVAL;
    if (config->share_pct == RESIL_OFF && config->min_tokens == RESIL_OFF)
        return resil__check_fail(line, "share_pct", "can't be off together with min_tokens");
    if (config->min_tokens != RESIL_OFF &&
        resil__default(config->min_period_ns, PERIOD_DEFAULT_NS) <
            resil__default(config->min_tokens, TOKENS_DEFAULT) * TOKEN_MIN_NS)
        return resil__check_fail(line, "min_period_ns", "must be 100 us or more for each token");
    return RESIL_OK;
}

struct resil_budget_rules_ resil__budget_rules(const struct resil_budget_config *config)
{
    static const struct resil_budget_config defaults = {.cap = 0};
    const struct resil_budget_config *is = config != NULL ? config : &defaults;
    uint64_t tokens = resil__optional(is->min_tokens, TOKENS_DEFAULT);
    uint64_t ttl_ns = resil__optional(is->ttl_ns, TTL_DEFAULT_NS);
    uint64_t period_ns = resil__default(is->min_period_ns, PERIOD_DEFAULT_NS);
    /* In hundreds, so that a share is exact. Without a minimum any unit would do. */
    uint64_t hundredth_ns =
        tokens > 0 ? (period_ns + tokens * 100 - 1) / (tokens * 100) : RESIL_MS(1);
    uint64_t interval_ns = hundredth_ns * 100;
    uint64_t depth_ns = resil__default(is->cap, CAP_DEFAULT) * interval_ns;
    uint64_t idle_ns = resil__min(depth_ns, resil__max(interval_ns, ttl_ns));

    if (ttl_ns == 0)
        idle_ns = depth_ns;
    else if (tokens == 0)
        idle_ns = 0;
    return (struct resil_budget_rules_){
        .interval_ = interval_ns << RESIL__BUDGET_SHIFT,
        .depth_ = depth_ns << RESIL__BUDGET_SHIFT,
        .idle_ = idle_ns << RESIL__BUDGET_SHIFT,
        .share_ = resil__optional(is->share_pct, SHARE_DEFAULT_PCT) * hundredth_ns
                  << RESIL__BUDGET_SHIFT,
        .slack_ = resil__default(ttl_ns, TTL_DEFAULT_NS) << RESIL__BUDGET_SHIFT,
        .clock_ = tokens > 0 ? UINT64_MAX : 0,
        .ttl_ns_ = resil__default(ttl_ns, NEVER_NS),
        .renew_ns_ = resil__default(ttl_ns, NEVER_NS) / 16,
    };
}

int resil_budget_init_sized(struct resil_budget *budget, size_t budget_size,
                            const struct resil_budget_config *config, size_t config_size)
{
    if (budget_size != sizeof *budget || config_size != sizeof *config)
        return RESIL_EABI;
    if (budget == NULL || resil_budget_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    memset(budget, 0, sizeof *budget);
    budget->rules_[0] = resil__budget_rules(config);
    return RESIL_OK;
}

bool resil__budget_is_ready(const struct resil_budget *budget)
{
    uint64_t word = resil__load_acquire(&budget->word_);

    return resil__load_relaxed(&budget->rules_[resil__budget_slot(word)].interval_) != 0;
}

struct resil_budget_rules_ resil__budget_rules_of(const struct resil_budget *budget, uint64_t word)
{
    const struct resil_budget_rules_ *rules = &budget->rules_[resil__budget_slot(word)];

    return (struct resil_budget_rules_){
        .interval_ = resil__load_relaxed(&rules->interval_),
        .depth_ = resil__load_relaxed(&rules->depth_),
        .idle_ = resil__load_relaxed(&rules->idle_),
        .share_ = resil__load_relaxed(&rules->share_),
        .slack_ = resil__load_relaxed(&rules->slack_),
        .clock_ = resil__load_relaxed(&rules->clock_),
        .ttl_ns_ = resil__load_relaxed(&rules->ttl_ns_),
        .renew_ns_ = resil__load_relaxed(&rules->renew_ns_),
    };
}

static void store_rules(struct resil_budget_rules_ *to, const struct resil_budget_rules_ *from)
{
    resil__store_relaxed(&to->interval_, from->interval_);
    resil__store_relaxed(&to->depth_, from->depth_);
    resil__store_relaxed(&to->idle_, from->idle_);
    resil__store_relaxed(&to->share_, from->share_);
    resil__store_relaxed(&to->slack_, from->slack_);
    resil__store_relaxed(&to->clock_, from->clock_);
    resil__store_relaxed(&to->ttl_ns_, from->ttl_ns_);
    resil__store_relaxed(&to->renew_ns_, from->renew_ns_);
}

/*
 * The swap publishes the slot that was written before it (release; pairs with the acquire load of
 * the word in every operation). A thread that still computes with the slot being overwritten took
 * its word two generations ago: its own swap fails. (128 generations within one operation, and the
 * same ns, would be needed to deceive it.)
 */
int resil_budget_reconfigure(struct resil_budget *budget, const struct resil_budget_config *config,
                             uint64_t now_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    struct resil_budget_rules_ is;
    struct resil_budget_rules_ next;
    uint64_t unused = 0;
    uint64_t word;

    if (budget == NULL || !resil__budget_is_ready(budget) ||
        resil_budget_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    if (!resil__cas(&budget->busy_, &unused, 1))
        return RESIL_EBUSY;
    next = resil__budget_rules(config);
    word = resil__load_acquire(&budget->word_);
    is = resil__budget_rules_of(budget, word);
    store_rules(&budget->rules_[!resil__budget_slot(word)], &next);
    while (!resil__cas(&budget->word_, &word,
                       resil__budget_convert(&is, &next, word, now_ns,
                                             resil__budget_has_expired(budget, &is, now_ns))))
        resil__contend(&contend);
    resil__store_release(&budget->busy_, 0);
    return RESIL_OK;
}
