/* SPDX-License-Identifier: BSD-2-Clause */

/* Building a chain: refusing what can't work, and flattening the policies into arrays of hops. */
#include <resil/chain.h>

#include <stdio.h>
#include <string.h>

#include "chain/machine.h"
#include "policy/hot.h"

/* More than any policy needs: a queue's ticket takes seven. */
#define FRAME_WORDS_MAX 16

_Static_assert(sizeof(struct resil_call) <= 1024, "a call is at most 1 KiB");
_Static_assert(sizeof(struct resil_lane_) % 8 == 0, "lanes and words share memory");

/* Stands in for the admit of a policy that has none but is asked on SUCCESS: its frame begins
   zeroed. */
static int zero_frame(void *self, uint64_t *frame, struct resil_walk *walk)
{
    const struct resil_policy_ops *const *ops = self;

    (void)walk;
    memset(frame, 0, (*ops)->frame_words * sizeof *frame);
    return RESIL_PASS;
}

static int refuse(char *why, size_t why_size, size_t level, const char *name, const char *fault)
{
    if (why != NULL && why_size > 0)
        (void)snprintf(why, why_size, "policy %zu (%s): %s", level, name, fault);
    return RESIL_EINVAL;
}

static int check_policy(const struct resil_policy *policy, size_t level, char *why, size_t why_size)
{
    const struct resil_policy_ops *ops = policy->ops;
    const char *name;

    if (ops == NULL)
        return refuse(why, why_size, level, "?", "has no table of functions");
    if (ops->size != sizeof *ops) {
        (void)refuse(why, why_size, level, "?", "its table has another size than the library's");
        return RESIL_EABI;
    }
    name = ops->name != NULL ? ops->name : "?";
    if (ops->name == NULL)
        return refuse(why, why_size, level, name, "has no name");
    if (ops->frame_words > FRAME_WORDS_MAX)
        return refuse(why, why_size, level, name, "frame_words must be 0 to 16");
    if ((ops->flags & ~(RESIL_ON_ALL | RESIL_FORKS)) != 0)
        return refuse(why, why_size, level, name, "unknown flags");
    if ((ops->flags & RESIL_ON_ALL) != 0 && ops->settle == NULL)
        return refuse(why, why_size, level, name, "flags ask for settle, which is NULL");
    if ((ops->flags & RESIL_ON_ALL) == 0 && ops->settle != NULL)
        return refuse(why, why_size, level, name, "settle is never asked: set RESIL_ON_... flags");
    if (ops->timer != NULL && (ops->frame_words == 0 || ops->admit == NULL))
        return refuse(why, why_size, level, name, "a timer needs admit and a frame word");
    if ((ops->flags & RESIL_FORKS) != 0 &&
        (ops->timer == NULL || (ops->flags & RESIL_ON_ALL) != RESIL_ON_ALL))
        return refuse(why, why_size, level, name, "a fork needs timer and settle of all kinds");
    if (ops->check != NULL && ops->check(policy->self) != RESIL_OK)
        return refuse(why, why_size, level, name, "its object is not initialised");
    return RESIL_OK;
}

/* Lays the frames out: those outside of the fork once, those from the fork on for each lane. */
static int lay_frames(struct resil_chain *chain, char *why, size_t why_size)
{
    uint32_t trunk_words = 0;
    uint32_t lane_words = 0;
    uint32_t words = RESIL_CALL_WORDS_;
    uint32_t first = 0; /* behind the lanes of a chain that forks */
    uint32_t level;

    if (chain->hedge_ != RESIL__NO_LEVEL) {
        first = (RESIL_LANES_MAX - 1) * sizeof(struct resil_lane_) / sizeof(uint64_t);
        words -= first;
    }

    for (level = 0; level < chain->count_; level++) {
        uint32_t frame_words = chain->policies_[level].ops->frame_words;

        chain->frame_[level] = first + trunk_words + lane_words;
        if (chain->hedge_ != RESIL__NO_LEVEL && level >= chain->hedge_)
            lane_words += frame_words;
        else
            trunk_words += frame_words;
    }
    chain->lane_words_ = lane_words;
    if (trunk_words + RESIL_LANES_MAX * lane_words <= words)
        return RESIL_OK;
    if (why != NULL && why_size > 0)
        (void)snprintf(
            why, why_size,
            "the policies need %u frame words, inside of a fork three times each: a call "
            "holds %u",
            trunk_words + RESIL_LANES_MAX * lane_words, words);
    return RESIL_EINVAL;
}

static struct resil_hop_ *add_hop(struct resil_hop_ *hop, const struct resil_chain *chain,
                                  uint32_t level, resil_policy_op *fn, void *self,
                                  enum resil__known known)
{
    hop->fn = fn;
    hop->self = self;
    hop->frame = (uint16_t)chain->frame_[level];
    hop->known = (uint16_t)known;
    hop->level = level;
    return hop + 1;
}

static void end_hops(struct resil_hop_ *hop)
{
    *hop = (struct resil_hop_){.known = RESIL__KNOWN_END, .level = RESIL__NO_LEVEL};
}

static void flatten(struct resil_chain *chain)
{
    struct resil_hop_ *hop = chain->admit_;

    for (uint32_t level = 0; level < chain->count_; level++) {
        const struct resil_policy *policy = &chain->policies_[level];
        const struct resil_policy_ops *ops = policy->ops;

        if (ops->admit != NULL)
            hop = add_hop(hop, chain, level, ops->admit, policy->self, resil__known_in(policy));
        else if (ops->frame_words > 0 && (ops->flags & RESIL_ON_SUCCESS) != 0)
            hop = add_hop(hop, chain, level, zero_frame, (void *)(uintptr_t)&policy->ops,
                          RESIL__KNOWN_NOT);
    }
    end_hops(hop);

    for (unsigned kind = 0; kind < 3; kind++) {
        hop = chain->settle_[kind];
        for (uint32_t level = chain->count_; level-- > 0;) {
            const struct resil_policy *policy = &chain->policies_[level];

            if ((policy->ops->flags & (RESIL_ON_SUCCESS << kind)) != 0)
                hop = add_hop(hop, chain, level, policy->ops->settle, policy->self,
                              resil__known_out(policy));
        }
        end_hops(hop);
    }
}

int resil_chain_init_sized(struct resil_chain *chain, size_t chain_size,
                           const struct resil_policy *policies, size_t policy_size, size_t count,
                           char *why, size_t why_size)
{
    int rc;

    if (chain_size != sizeof *chain || policy_size != sizeof *policies)
        return RESIL_EABI;
    if (chain == NULL || policies == NULL || count == 0 || count > RESIL_POLICIES_MAX) {
        if (why != NULL && why_size > 0)
            (void)snprintf(why, why_size, "count is %zu: must be 1 to %d, with policies given",
                           count, RESIL_POLICIES_MAX);
        return RESIL_EINVAL;
    }

    memset(chain, 0, sizeof *chain);
    chain->hedge_ = RESIL__NO_LEVEL;
    for (uint32_t level = 0; level < count; level++) {
        rc = check_policy(&policies[level], level, why, why_size);
        if (rc != RESIL_OK)
            return rc;
        if ((policies[level].ops->flags & RESIL_FORKS) == 0)
            continue;
        if (chain->hedge_ != RESIL__NO_LEVEL)
            return refuse(why, why_size, level, policies[level].ops->name,
                          "a second one that forks; a chain has at most one");
        chain->hedge_ = level;
    }
    chain->policies_ = policies;
    chain->count_ = (uint32_t)count;
    rc = lay_frames(chain, why, why_size);
    if (rc == RESIL_OK)
        flatten(chain);
    else
        chain->count_ = 0;
    return rc;
}
