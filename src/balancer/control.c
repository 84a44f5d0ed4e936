/* SPDX-License-Identifier: BSD-2-Clause */

/* What active checks and people say of an endpoint, and of the canary. */
#include "balancer/balancer.h"

int resil_balancer_health(struct resil_balancer *balancer, uint64_t id, bool healthy,
                          uint64_t now_ns)
{
    struct resil__balancer *lb = resil__balancer(balancer);
    uint32_t place = UINT32_MAX;

    if (balancer == NULL || !lb->ready)
        return RESIL_EINVAL;
    resil__lock(&lb->lock);
    if (lb->list != NULL)
        place = resil__find_id(lb->list, id);
    if (place != UINT32_MAX) {
        struct resil__host *host = lb->list->entries[place].host;

        if (host->down == healthy) {
            host->down = !healthy;
            if (healthy)
                resil__host_returns(lb, host, now_ns);
            resil__lb_event(lb, healthy ? RESIL_BALANCER_UP : RESIL_BALANCER_DOWN, host, 0, 0,
                            now_ns);
            lb->dirty = true;
            resil__lb_hurry(lb);
        }
    }
    resil__unlock(&lb->lock);
    return place != UINT32_MAX ? RESIL_OK : RESIL_ELATE;
}

int resil_balancer_admin(struct resil_balancer *balancer, const char *address,
                         enum resil_endpoint_admin admin, uint64_t now_ns)
{
    struct resil__balancer *lb = resil__balancer(balancer);
    uint32_t place = UINT32_MAX;

    if (balancer == NULL || !lb->ready || address == NULL ||
        (unsigned)admin > RESIL_ADMIN_MAINTENANCE)
        return RESIL_EINVAL;
    resil__lock(&lb->lock);
    if (lb->list != NULL)
        place = resil__find_address(lb->list, address);
    if (place != UINT32_MAX) {
        struct resil__host *host = lb->list->entries[place].host;

        if (host->admin != RESIL_ADMIN_SERVE && admin == RESIL_ADMIN_SERVE)
            resil__host_returns(lb, host, now_ns);
        host->admin = (uint8_t)admin;
        lb->dirty = true;
        resil__lb_tick(lb, now_ns);
    }
    resil__unlock(&lb->lock);
    return place != UINT32_MAX ? RESIL_OK : RESIL_ELATE;
}

int resil_balancer_canary(struct resil_balancer *balancer, uint64_t weight_bp, uint64_t now_ns)
{
    struct resil__balancer *lb = resil__balancer(balancer);

    if (balancer == NULL || !lb->ready || weight_bp > 10000)
        return RESIL_EINVAL;
    resil__lock(&lb->lock);
    if (lb->config.canary.version == NULL) {
        resil__unlock(&lb->lock);
        return RESIL_EINVAL;
    }
    resil__lb_begin_canary(lb);
    /* By hand there is one step; it is judged all the same, unless it is nothing. */
    lb->canary_rules.steps_bp[0] = weight_bp;
    lb->canary_rules.steps = 1;
    lb->canary.over = weight_bp == 0;
    resil__store_relaxed32(&lb->canary_bp, (uint32_t)weight_bp);
    resil__lb_tick(lb, now_ns);
    resil__unlock(&lb->lock);
    return RESIL_OK;
}
