/* SPDX-License-Identifier: BSD-2-Clause */

/* Making a keyed limiter. Its rates are those of limiters: so are the checks. */
#include "base/check.h"
#include "limiter/keyed_limiter_fast.h"

_Static_assert(sizeof(struct resil_keyed_limiter) == 512, "512 and 60 for each key");
_Static_assert(sizeof(struct resil_keyed_bucket_) == 128, "two cache lines");

static struct resil_limiter_config each_of(const struct resil_keyed_limiter_config *config)
{
    return (struct resil_limiter_config){
        .tokens = config->tokens, .period_ns = config->period_ns, .burst = config->burst};
}

static struct resil_limiter_config overflow_of(const struct resil_keyed_limiter_config *config)
{
    return (struct resil_limiter_config){
        .tokens = resil__default(config->overflow_tokens, config->tokens),
        .period_ns = config->period_ns,
        .burst = config->overflow_burst,
    };
}

int resil_keyed_limiter_config_check(const struct resil_keyed_limiter_config *config, char *why,
                                     size_t why_size)
{
    struct resil__why to = {why, why_size};
    struct resil_limiter_config each, overflow;

    if (config == NULL)
        return resil__check_fail(to, "config",
                                 "is NULL, and keys, seed and tokens have no default");
    if (resil__check_required(to, "keys", config->keys, 1, RESIL__KEYED_MAX) != RESIL_OK)
        return RESIL_EINVAL;
    if ((config->seed[0] | config->seed[1]) == 0)
        return resil__check_fail(to, "seed", "is 0: must be 128 random bits");
    each = each_of(config);
    if (resil_limiter_config_check(&each, why, why_size) != RESIL_OK)
        return RESIL_EINVAL;
    if (config->overflow_tokens == RESIL_OFF)
        return RESIL_OK;
    overflow = overflow_of(config);
    if (resil__check_range(to, "overflow_tokens", config->overflow_tokens, 1,
                           resil__default(config->period_ns, RESIL_SEC(1))) != RESIL_OK)
        return RESIL_EINVAL;
    if (resil_limiter_config_check(&overflow, NULL, 0) != RESIL_OK)
        return resil__check_fail(to, "overflow_burst",
                                 "takes too long to fill at overflow_tokens: see burst");
    return RESIL_OK;
}

size_t resil_keyed_limiter_size(uint64_t keys)
{
    return resil__keyed_size(sizeof(struct resil_keyed_limiter), keys);
}

int resil_keyed_limiter_init_sized(struct resil_keyed_limiter *limiter, size_t limiter_size,
                                   size_t size, const struct resil_keyed_limiter_config *config,
                                   size_t config_size)
{
    struct resil_limiter_config each, overflow;
    struct resil_limiter one;
    size_t needed;

    if (limiter_size != sizeof *limiter || config_size != sizeof *config)
        return RESIL_EABI;
    if (limiter == NULL || resil_keyed_limiter_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    needed = resil_keyed_limiter_size(config->keys);
    if (needed == 0 || size < needed)
        return RESIL_EINVAL;
    each = each_of(config);
    overflow = overflow_of(config);
    (void)resil_limiter_init(&one, &each);
    *limiter = (struct resil_keyed_limiter){
        .table_ = {.seed_ = {config->seed[0], config->seed[1]},
                   .buckets_ = resil__keyed_buckets(config->keys)},
        .overflow_on_ = config->overflow_tokens != RESIL_OFF,
        .rate_ = one.gcra_.slot_[0],
    };
    if (limiter->overflow_on_ != 0)
        (void)resil_limiter_init(&limiter->overflow_, &overflow);
    for (uint64_t i = 0; i < limiter->table_.buckets_; i++)
        resil__keyed_limiter_buckets(limiter)[i] = (struct resil_keyed_bucket_){.floor_ = 0};
    return RESIL_OK;
}

void resil_keyed_limiter_rebase(struct resil_keyed_limiter *limiter, uint64_t now_ns)
{
    struct resil__rate rate = resil__keyed_limiter_rate(limiter);
    uint64_t empty = resil__gcra_taken(0, &rate, 0, rate.tau, now_ns);

    for (uint64_t i = 0; i < limiter->table_.buckets_; i++) {
        struct resil_keyed_bucket_ *bucket = &resil__keyed_limiter_buckets(limiter)[i];

        bucket->floor_ = 0;
        for (unsigned way = 0; way < RESIL_KEYED_WAYS_; way++)
            bucket->word_[way] = resil__keyed_is_live(bucket->word_[way]) ? empty : 0;
    }
    if (limiter->overflow_on_ != 0)
        resil_limiter_rebase(&limiter->overflow_, now_ns);
}
