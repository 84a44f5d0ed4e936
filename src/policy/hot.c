/* SPDX-License-Identifier: BSD-2-Clause */
#include "policy/hot.h"

enum resil__known resil__known_in(const struct resil_policy *policy)
{
    if (policy->ops == &resil__breaker_ops)
        return RESIL__KNOWN_BREAKER;
    if (policy->ops == &resil__limiter_ops)
        return RESIL__KNOWN_LIMITER;
    if (policy->ops == &resil__bulkhead_ops)
        return RESIL__KNOWN_BULKHEAD;
    if (policy->ops == &resil__leased_limiter_ops)
        return RESIL__KNOWN_LEASED_LIMITER;
    if (policy->ops == &resil__leased_bulkhead_ops)
        return RESIL__KNOWN_LEASED_BULKHEAD;
    return RESIL__KNOWN_NOT;
}

enum resil__known resil__known_out(const struct resil_policy *policy)
{
    const struct resil_breaker *breaker = policy->self;

    if (policy->ops != &resil__breaker_ops)
        return resil__known_in(policy);
    if (breaker->calls_ != 0)
        return RESIL__KNOWN_NOT;
    return breaker->stripes_ != 0 ? RESIL__KNOWN_STRIPED_BREAKER : RESIL__KNOWN_BREAKER;
}
