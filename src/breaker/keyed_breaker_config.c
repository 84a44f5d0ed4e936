/* SPDX-License-Identifier: BSD-2-Clause */

/* Making a keyed breaker. */
#include "base/check.h"
#include "breaker/keyed_breaker_fast.h"

#define DAY RESIL_SEC(86400)

#define MASK_DEFAULT                                                                               \
    (RESIL_OUTCOME_BIT(RESIL_FAILURE) | RESIL_OUTCOME_BIT(RESIL_NOT_SENT) |                        \
     RESIL_OUTCOME_BIT(RESIL_TIMEOUT) | RESIL_OUTCOME_BIT(RESIL_PERMANENT))

_Static_assert(sizeof(struct resil_keyed_breaker) == 256, "256 and 60 for each key");

static uint64_t open_ns_of(const struct resil_keyed_breaker_config *config)
{
    return resil__default(config->open_ns, RESIL_SEC(5));
}

int resil_keyed_breaker_config_check(const struct resil_keyed_breaker_config *config, char *why,
                                     size_t why_size)
{
    struct resil__why to = {why, why_size};

#define CHECK(how, field, low, high)                                                               \
    if (resil__check_##how(to, #field, config->field, (low), (high)) != RESIL_OK)                  \
    return RESIL_EINVAL

    if (config == NULL)
        return resil__check_fail(to, "config", "is NULL, and keys and seed have no default");
    CHECK(required, keys, 1, RESIL__KEYED_MAX);
    if ((config->seed[0] | config->seed[1]) == 0)
        return resil__check_fail(to, "seed", "is 0: must be 128 random bits");
    CHECK(optional, consecutive, 1, 31);
    CHECK(optional, failure_pct, 1, 100);
    CHECK(range, calls_min, 1, 31);
    CHECK(range, window_ns, RESIL_MS(10), DAY);
    CHECK(range, open_ns, RESIL_MS(1), DAY);
    CHECK(range, open_factor_pct, 100, 1000);
    CHECK(range, open_ns_max, open_ns_of(config), DAY);
    CHECK(optional, jitter_pct, 1, 1000);
    CHECK(range, probe_lease_ns, RESIL_MS(1), DAY);
    CHECK(optional, keep_ns, RESIL_MS(1), DAY);
#undef CHECK
    return resil__check_outcomes(to, "failure_mask", config->failure_mask);
}

static uint64_t ticks(uint64_t span_ns, uint64_t bits)
{
    return (span_ns + (UINT64_C(1) << bits) - 1) >> bits;
}

static struct resil_keyed_rules_ rules_of(const struct resil_keyed_breaker_config *config)
{
    uint64_t window_ns = resil__default(config->window_ns, RESIL_SEC(10));
    uint64_t keep_ns = resil__optional(config->keep_ns, RESIL_SEC(600));
    struct resil_keyed_rules_ rules = {
        .consecutive_ = resil__optional(config->consecutive, 5),
        .failure_pct_ = resil__optional(config->failure_pct, 50),
        .calls_min_ = resil__default(config->calls_min, 10),
        .failure_mask_ = resil__default(config->failure_mask, MASK_DEFAULT),
        .open_ns_ = open_ns_of(config),
        .open_factor_pct_ = resil__default(config->open_factor_pct, 150),
        .open_ns_max_ =
            resil__default(config->open_ns_max, resil__max(RESIL_SEC(15), open_ns_of(config))),
        .jitter_pct_ = resil__optional(config->jitter_pct, 100),
        .lease_ns_ = resil__default(config->probe_lease_ns, RESIL_SEC(10)),
    };
    uint64_t longest_ns = rules.open_ns_max_ + rules.open_ns_max_ * rules.jitter_pct_ / 100;

    longest_ns =
        resil__max(resil__max(longest_ns, rules.lease_ns_), resil__max(2 * window_ns, keep_ns));
    while (longest_ns >> rules.tick_bits_ >= UINT64_C(1) << RESIL__KB_SPAN_BITS)
        rules.tick_bits_++;
    rules.longest_ = ticks(longest_ns, rules.tick_bits_) + 1;
    rules.window_ = ticks(window_ns, rules.tick_bits_);
    rules.keep_ = config->keep_ns == RESIL_OFF ? RESIL_NEVER
                                               : resil__max(ticks(keep_ns, rules.tick_bits_), 1);
    return rules;
}

size_t resil_keyed_breaker_size(uint64_t keys)
{
    return resil__keyed_size(sizeof(struct resil_keyed_breaker), keys);
}

int resil_keyed_breaker_init_sized(struct resil_keyed_breaker *breaker, size_t breaker_size,
                                   size_t size, const struct resil_keyed_breaker_config *config,
                                   size_t config_size)
{
    size_t needed;

    if (breaker_size != sizeof *breaker || config_size != sizeof *config)
        return RESIL_EABI;
    if (breaker == NULL || resil_keyed_breaker_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    needed = resil_keyed_breaker_size(config->keys);
    if (needed == 0 || size < needed)
        return RESIL_EINVAL;
    *breaker = (struct resil_keyed_breaker){
        .table_ = {.seed_ = {config->seed[0], config->seed[1]},
                   .buckets_ = resil__keyed_buckets(config->keys)},
        .rules_ = rules_of(config),
    };
    for (uint64_t i = 0; i < breaker->table_.buckets_; i++)
        resil__keyed_breaker_buckets(breaker)[i] = (struct resil_keyed_bucket_){.floor_ = 0};
    return RESIL_OK;
}

/* Generations go on, so permits of before don't fit. */
static uint64_t rebased(const struct resil_keyed_rules_ *rules, uint64_t word, uint64_t now_ns)
{
    struct resil__kb kb = resil__kb_parts(word);

    if (!resil__keyed_is_live(word))
        return 0;
    kb.code = kb.code == RESIL__KB_CLOSED ? RESIL__KB_CLOSED : RESIL__KB_OPEN;
    kb.calls = kb.failures = kb.streak = 0;
    kb.tripped = true;
    kb.gen++;
    kb.time = resil__kb_tick(rules, now_ns);
    return resil__kb_word(&kb);
}

void resil_keyed_breaker_rebase(struct resil_keyed_breaker *breaker, uint64_t now_ns)
{
    for (uint64_t i = 0; i < breaker->table_.buckets_; i++) {
        struct resil_keyed_bucket_ *bucket = &resil__keyed_breaker_buckets(breaker)[i];

        for (unsigned way = 0; way < RESIL_KEYED_WAYS_; way++)
            bucket->word_[way] = rebased(&breaker->rules_, bucket->word_[way], now_ns);
    }
}
