/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/priority.h"

#include "base/math.h"

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

/* What a zone can take of the others' calls: its share of the endpoints beyond its share of the
   callers. plain: rounding left nobody any, then all that it has. */
static uint64_t spare_of(uint64_t weight, uint64_t total, uint64_t callers_each, bool plain)
{
    return plain ? weight : resil__sub_sat(share_of(weight, total), callers_each);
}

/* Splits left among the others; what rounding leaves goes to the first that can take any. */
static void spread(const uint64_t *weights, size_t zones, size_t local, uint64_t total,
                   uint64_t callers_each, uint64_t left, uint32_t *shares)
{
    uint64_t spare = 0;
    uint64_t rest = left;
    size_t first = zones;
    bool plain;

    for (size_t i = 0; i < zones; i++)
        if (i != local)
            spare += spare_of(weights[i], total, callers_each, false);
    plain = spare == 0;
    if (plain)
        spare = total - weights[local];
    for (size_t i = 0; i < zones; i++)
        if (i != local) {
            uint64_t mine = spare_of(weights[i], total, callers_each, plain);

            if (mine > 0 && first == zones)
                first = i;
            shares[i] = (uint32_t)resil__mul_div(left, mine, spare);
            rest -= shares[i];
        }
    if (first < zones)
        shares[first] += (uint32_t)rest;
}

bool resil__zone_shares(const struct resil__priority_rules *rules, const uint64_t *weights,
                        size_t zones, size_t local, uint64_t hosts, uint32_t *shares)
{
    uint64_t total = 0;
    uint64_t filled = 0;
    uint64_t callers_bp;

    for (size_t i = 0; i < zones; i++) {
        total += weights[i];
        filled += weights[i] > 0;
    }
    if (local >= zones || weights[local] == 0 || filled < 2 || hosts < rules->zone_hosts_min)
        return false;
    callers_bp = rules->callers_bp != 0 ? rules->callers_bp : ALL / filled;
    shares[local] = resil__zone_local_share(weights[local], total, callers_bp);
    spread(weights, zones, local, total, (ALL - callers_bp) / (filled - 1), ALL - shares[local],
           shares);
    return true;
}
