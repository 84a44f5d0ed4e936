/* SPDX-License-Identifier: BSD-2-Clause */

/* What a policy may ask of the walk that it is given: randomness, and a way to be woken. */
#include <resil/policy.h>

#include "base/atomic.h"
#include "base/random.h"

uint64_t resil_walk_random(struct resil_walk *walk)
{
    if (walk->seed_ == 0)
        walk->seed_ = walk->env_ != NULL ? walk->env_->random(walk->env_->arg) | 1 : 1;
    return resil__random_next(&walk->seed_);
}

/* Called while the waiter can't go: it must still take the caller's lock to leave. */
static void wake_blocked(void *arg)
{
    struct resil_walk *walk = arg;

    (void)resil__add32(&walk->wake_word_, 1);
    walk->env_->wake(walk->env_->arg, &walk->wake_word_);
}

resil_wake_fn *resil_walk_waker(struct resil_walk *walk, void **arg)
{
    if (walk->env_ == NULL) {
        *arg = walk->request->wake_arg;
        return walk->request->wake;
    }
    *arg = walk;
    return wake_blocked;
}
