/* SPDX-License-Identifier: BSD-2-Clause */

/* The cold half of the leased limiter: its config and beginning, and what it tells. */
#include "limiter/leased_limiter_fast.h"

#include <string.h>

#include "base/check.h"
#include "base/math.h"

#define STRIPES_MAX   UINT64_C(16)
#define BATCH_DEFAULT UINT64_C(64)
#define BATCH_MAX     UINT64_C(65536)
#define PROCESSES_MAX UINT64_C(1024)

_Static_assert(offsetof(struct resil_leased_limiter, stripe_) == 64, "constants on a line apart");
_Static_assert(sizeof(struct resil_leased_limiter) == 64 * (1 + STRIPES_MAX), "a line a stripe");
#if RESIL__RSEQ
_Static_assert(RESIL__LEASE_TOKENS == RESIL__RSEQ_COUNT, "what owners take from");
#endif

int resil_leased_limiter_config_check(const struct resil_leased_limiter_config *config, char *why,
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

int resil_leased_limiter_init_sized(struct resil_leased_limiter *leased, size_t leased_size,
                                    struct resil_limiter *limiter,
                                    const struct resil_leased_limiter_config *config,
                                    size_t config_size)
{
    static const struct resil_leased_limiter_config defaults;
    uint32_t stripe_bits;

    if (leased_size != sizeof *leased || config_size != sizeof *config)
        return RESIL_EABI;
    if (leased == NULL || limiter == NULL || limiter->gcra_.slot_[0].interval_ == 0 ||
        resil_leased_limiter_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    if (config == NULL)
        config = &defaults;
    memset(leased, 0, sizeof *leased);
    stripe_bits = resil__bits_for(resil__default(config->stripes, STRIPES_MAX));
    leased->limiter_ = limiter;
    leased->batch_max_ = resil__default(config->batch, BATCH_DEFAULT);
    leased->stripe_mask_ = (UINT32_C(1) << stripe_bits) - 1;
    leased->barred_ = resil__owners_init(leased->stripe_mask_);
    leased->share_bits_ = 2 + stripe_bits + resil__bits_for(resil__default(config->processes, 1));
    return RESIL_OK;
}

int resil_leased_limiter_snapshot(const struct resil_leased_limiter *leased, uint64_t now_ns,
                                  struct resil_leased_limiter_snapshot *snapshot)
{
    struct resil_limiter_snapshot limiter;
    struct resil__lease_shape shape;
    uint64_t lying = 0;

    if (leased == NULL || snapshot == NULL || leased->limiter_ == NULL)
        return RESIL_EINVAL;
    shape = resil__lease_shape(leased);
    for (uint32_t i = 0; i <= leased->stripe_mask_; i++)
        lying += resil__lease_tokens(resil__load_acquire(&leased->stripe_[i].word_));
    resil_limiter_snapshot(leased->limiter_, now_ns, &limiter);
    *snapshot = (struct resil_leased_limiter_snapshot){
        .batch = shape.batch,
        .kept = shape.kept,
        .leased = lying,
        .available = resil__sub_sat(limiter.available, shape.kept) + lying,
    };
    return RESIL_OK;
}
