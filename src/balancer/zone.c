/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/priority.h"

#define ALL UINT64_C(10000)

/* part of whole in 1/10000, rounded down. */
static uint64_t share_of(uint64_t part, uint64_t whole)
{
    return part * ALL / whole;
}

uint32_t resil__zone_local_share(uint64_t local, uint64_t total, uint64_t callers_bp)
{
    uint64_t share;

    if (local == 0 || total == 0)
        return 0;
    share = share_of(local, total);
    if (share >= callers_bp)
        return ALL;
    return (uint32_t)(share * ALL / callers_bp);
}
