/* SPDX-License-Identifier: BSD-2-Clause */
/* What a picker of the program's own may use: the public face of pool.h. */
#include "balancer/ewma.h"
#include "balancer/pool.h"

uint64_t resil_pick_random(struct resil_pick_context *context)
{
    return resil__pick_random(context);
}

uint64_t resil_pick_turn(const struct resil_pool *pool, const struct resil_pick_context *context)
{
    return resil__pick_turn(pool, context);
}

bool resil_pick_allowed(const struct resil_pool *pool, const struct resil_pick_context *context,
                        uint32_t candidate)
{
    return resil__pick_allowed(pool, context, candidate);
}

uint64_t resil_member_in_flight(const struct resil_member *member)
{
    return resil__load_in_flight(member->load);
}

uint64_t resil_member_latency_ns(const struct resil_member *member, const struct resil_pool *pool,
                                 uint64_t now_ns)
{
    return resil__ewma_read(resil__load_relaxed(&member->load->ewma_), now_ns,
                            pool->options.decay_ns, pool->options.first_ns);
}
