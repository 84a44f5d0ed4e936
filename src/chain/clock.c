/* SPDX-License-Identifier: BSD-2-Clause */

/* Refusing a clock that is too coarse for what a chain's policies measure by it. */
#include <resil/chain.h>

#include <inttypes.h>
#include <stdio.h>

int resil_chain_check_env(const struct resil_chain *chain, const struct resil_env *env, char *why,
                          size_t why_size)
{
    if (chain == NULL || env == NULL || chain->count_ == 0)
        return RESIL_EINVAL;
    if (env->size != sizeof *env)
        return RESIL_EABI;
    for (uint32_t level = 0; level < chain->count_; level++) {
        const struct resil_policy *policy = &chain->policies_[level];
        uint64_t finest_ns =
            policy->ops->finest_ns != NULL ? policy->ops->finest_ns(policy->self) : 0;

        if (finest_ns == 0 || finest_ns >= env->tick_ns)
            continue;
        if (why != NULL && why_size > 0)
            (void)snprintf(why, why_size,
                           "policy %" PRIu32 " (%s): measures %" PRIu64
                           " ns, by a clock that moves by %" PRIu64 " ns",
                           level, policy->ops->name, finest_ns, env->tick_ns);
        return RESIL_EINVAL;
    }
    return RESIL_OK;
}
