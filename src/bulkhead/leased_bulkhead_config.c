/* SPDX-License-Identifier: BSD-2-Clause */

/* The cold half of the leased bulkhead: its config and beginning, and what it tells. */
#include "bulkhead/leased_bulkhead_fast.h"

#include <string.h>

#include "base/check.h"

#define STRIPES_MAX   UINT64_C(16)
#define BATCH_DEFAULT UINT64_C(16)
#define BATCH_MAX     UINT64_C(65536)
#define PROCESSES_MAX UINT64_C(1024)

_Static_assert(offsetof(struct resil_leased_bulkhead, stripe_) == 64, "constants on a line apart");
_Static_assert(sizeof(struct resil_leased_bulkhead) == 64 * (1 + STRIPES_MAX), "a line a stripe");

int resil_leased_bulkhead_config_check(const struct resil_leased_bulkhead_config *config, char *why,
                                       size_t why_size)
{
    struct resil__why line = {why, why_size};
    int rc;

    if (config == NULL)
        return RESIL_OK;
    rc = resil__check_range(line, "stripes", config->stripes, 1, STRIPES_MAX);
    if (rc == RESIL_OK)
        rc = resil__check_range(line, "batch", config->batch, 2, BATCH_MAX);
    if (rc == RESIL_OK)
        rc = resil__check_range(line, "processes", config->processes, 1, PROCESSES_MAX);
    return rc;
}

int resil_leased_bulkhead_init_sized(struct resil_leased_bulkhead *leased, size_t leased_size,
                                     struct resil_bulkhead *bulkhead,
                                     const struct resil_leased_bulkhead_config *config,
                                     size_t config_size)
{
    static const struct resil_leased_bulkhead_config defaults;
    struct resil_bulkhead_snapshot unused;
    uint32_t stripe_bits;

    if (leased_size != sizeof *leased || config_size != sizeof *config)
        return RESIL_EABI;
    if (leased == NULL || resil_bulkhead_snapshot(bulkhead, &unused) != RESIL_OK ||
        resil_leased_bulkhead_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    if (config == NULL)
        config = &defaults;
    memset(leased, 0, sizeof *leased);
    stripe_bits = resil__bits_for(resil__default(config->stripes, STRIPES_MAX));
    leased->bulkhead_ = bulkhead;
    leased->batch_max_ = resil__default(config->batch, BATCH_DEFAULT);
    leased->stripe_mask_ = (UINT32_C(1) << stripe_bits) - 1;
    leased->share_bits_ = 2 + stripe_bits + resil__bits_for(resil__default(config->processes, 1));
    return RESIL_OK;
}

int resil_leased_bulkhead_snapshot(const struct resil_leased_bulkhead *leased,
                                   struct resil_leased_bulkhead_snapshot *snapshot)
{
    uint64_t word;
    uint64_t lying = 0;
    int32_t out;

    if (leased == NULL || snapshot == NULL || leased->bulkhead_ == NULL)
        return RESIL_EINVAL;
    for (uint32_t i = 0; i <= leased->stripe_mask_; i++)
        lying += resil__load_acquire(&leased->stripe_[i].free_);
    word = resil__load_acquire(&leased->bulkhead_->word_);
    out = resil__bulkhead_in_flight(word);
    *snapshot = (struct resil_leased_bulkhead_snapshot){
        .limit = resil__bulkhead_limit(word),
        .in_flight = resil__sub_sat(out > 0 ? (uint64_t)out : 0, lying),
        .leased = lying,
        .batch = resil__leased_bulkhead_batch(leased, word),
    };
    return RESIL_OK;
}
