/* SPDX-License-Identifier: BSD-2-Clause */
#include "bulkhead/bulkhead_fast.h"

#include <string.h>

#include "base/check.h"
#include "base/compiler.h"

#define LIMIT_DEFAULT UINT64_C(25)

_Static_assert(sizeof(struct resil_bulkhead) == 64, "one cache line");

int resil_bulkhead_config_check(const struct resil_bulkhead_config *config, char *why,
                                size_t why_size)
{
    if (config == NULL)
        return RESIL_OK;
    return resil__check_range((struct resil__why){why, why_size}, "limit", config->limit, 1,
                              RESIL__BULKHEAD_LIMIT_MAX);
}

int resil_bulkhead_init_sized(struct resil_bulkhead *bulkhead, size_t bulkhead_size,
                              const struct resil_bulkhead_config *config, size_t config_size)
{
    if (bulkhead_size != sizeof *bulkhead || config_size != sizeof *config)
        return RESIL_EABI;
    if (bulkhead == NULL || resil_bulkhead_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    memset(bulkhead, 0, sizeof *bulkhead);
    resil__store_release(&bulkhead->word_,
                         resil__default(config != NULL ? config->limit : 0, LIMIT_DEFAULT));
    return RESIL_OK;
}

/* Laid out for the refusal: a jump that is taken costs a full bulkhead a sixth of its time, and one
   that grants nothing beside its locked instruction. */
RESIL__HOT int resil_bulkhead_acquire(struct resil_bulkhead *bulkhead)
{
    uint64_t word = resil__load_relaxed(&bulkhead->word_);

    if (RESIL__LIKELY(resil__bulkhead_full(word)))
        return RESIL_EFULL;
    return resil__bulkhead_acquire_from(bulkhead, word);
}

RESIL__HOT int resil_bulkhead_release(struct resil_bulkhead *bulkhead)
{
    return resil__bulkhead_release(bulkhead);
}

int resil_bulkhead_snapshot(const struct resil_bulkhead *bulkhead,
                            struct resil_bulkhead_snapshot *snapshot)
{
    uint64_t word;
    int32_t in_flight;

    if (bulkhead == NULL || snapshot == NULL)
        return RESIL_EINVAL;
    word = resil__load_acquire(&bulkhead->word_);
    if (resil__bulkhead_limit(word) == 0)
        return RESIL_EINVAL;
    in_flight = resil__bulkhead_in_flight(word);
    *snapshot = (struct resil_bulkhead_snapshot){
        .limit = resil__bulkhead_limit(word),
        .in_flight = in_flight > 0 ? (uint64_t)in_flight : 0,
    };
    return RESIL_OK;
}

int resil_bulkhead_reconfigure(struct resil_bulkhead *bulkhead,
                               const struct resil_bulkhead_config *config)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t word, limit;
    uint32_t before;

    if (bulkhead == NULL || config == NULL ||
        resil_bulkhead_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    limit = resil__default(config->limit, LIMIT_DEFAULT);
    word = resil__load_relaxed(&bulkhead->word_);
    before = resil__bulkhead_limit(word);
    if (before == 0)
        return RESIL_EINVAL;
    while (!resil__cas(&bulkhead->word_, &word, (word & ~(uint64_t)UINT32_MAX) | limit)) {
        if (resil__bulkhead_limit(word) != before)
            return RESIL_EBUSY;
        resil__contend(&contend);
    }
    return RESIL_OK;
}

void resil_bulkhead_reset(struct resil_bulkhead *bulkhead)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t word;

    if (bulkhead == NULL)
        return;
    word = resil__load_relaxed(&bulkhead->word_);
    while (!resil__cas(&bulkhead->word_, &word, resil__bulkhead_limit(word)))
        resil__contend(&contend);
}
