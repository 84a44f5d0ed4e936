/* SPDX-License-Identifier: BSD-2-Clause */

/* A new list, and a new config. */
#include <string.h>

#include "balancer/balancer.h"
#include "base/check.h"

/* So that places fit into 31 bits and all sizes into a size_t. */
#define ENDPOINTS_MAX UINT64_C(1000000)

int resil_endpoints_check(const struct resil_endpoint *endpoints, size_t n, char *text,
                          size_t text_size)
{
    struct resil__why why = {text, text_size};
    int rc = RESIL_OK;

    if (n > ENDPOINTS_MAX)
        return resil__check_fail(why, "n", "must be 0 to 1000000");
    if (n != 0 && endpoints == NULL)
        return resil__check_fail(why, "endpoints", "must not be NULL while n is not 0");
    for (size_t i = 0; rc == RESIL_OK && i < n; i++) {
        const struct resil_endpoint *endpoint = &endpoints[i];

        if (endpoint->address == NULL || endpoint->address[0] == '\0')
            return resil__check_fail(why, "address", "must not be NULL or empty");
        if (endpoint->tag_count != 0 && endpoint->tags == NULL)
            return resil__check_fail(why, "tags", "must not be NULL while tag_count is not 0");
        for (size_t t = 0; t < endpoint->tag_count; t++)
            if (endpoint->tags[t] == NULL)
                return resil__check_fail(why, "tags", "a tag must not be NULL");
        rc = resil__check_required(why, "weight", endpoint->weight, 0, RESIL_WEIGHT_MAX);
        if (rc == RESIL_OK)
            rc =
                resil__check_required(why, "priority", endpoint->priority, 0, RESIL_PRIORITIES - 1);
    }
    return rc;
}

/* What a balancer needs besides its lists, from the first update on. */
static int make_core(struct resil__balancer *lb)
{
    if (lb->events == NULL)
        lb->events = resil__lb_allocate(lb, RESIL__EVENTS * sizeof *lb->events);
    return lb->events != NULL ? RESIL_OK : RESIL_ENOMEM;
}

static int take_list(struct resil__balancer *lb, const struct resil_endpoint *endpoints, size_t n,
                     uint64_t now_ns)
{
    struct resil__list *list;
    int rc = make_core(lb);

    if (rc != RESIL_OK)
        return rc;
    if (lb->retired_count >= RESIL__RETIRED) {
        lb->stalls++;
        resil__lb_event(lb, RESIL_BALANCER_STALLED, NULL, 0, lb->retired_count, now_ns);
        return RESIL_EBUSY;
    }
    list = resil__list_new(lb, endpoints, n, now_ns, &rc);
    if (list == NULL)
        return rc;
    resil__lb_publish(lb, list, now_ns);
    return RESIL_OK;
}

static int take_empty(struct resil__balancer *lb, uint64_t now_ns)
{
    if (lb->list == NULL)
        return RESIL_OK;
    if (lb->config.stale_keep_ns != RESIL_OFF) {
        if (lb->empty_ns == RESIL_NEVER) {
            lb->empty_ns = now_ns;
            resil__lb_event(lb, RESIL_BALANCER_STALE, NULL, 0, 0, now_ns);
        }
        return RESIL_OK;
    }
    if (lb->retired_count >= RESIL__RETIRED) {
        lb->stalls++;
        return RESIL_EBUSY;
    }
    resil__lb_empty(lb);
    resil__lb_event(lb, RESIL_BALANCER_EMPTIED, NULL, 0, 0, now_ns);
    return RESIL_OK;
}

int resil_balancer_update(struct resil_balancer *balancer, const struct resil_endpoint *endpoints,
                          size_t n, uint64_t now_ns)
{
    struct resil__balancer *lb = resil__balancer(balancer);
    int rc;

    if (balancer == NULL || !lb->ready || resil_endpoints_check(endpoints, n, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    resil__lock(&lb->lock);
    resil__lb_reap(lb);
    rc = n == 0 ? take_empty(lb, now_ns) : take_list(lb, endpoints, n, now_ns);
    if (rc == RESIL_OK) {
        if (n != 0)
            lb->empty_ns = RESIL_NEVER;
        lb->updates++;
    }
    resil__lb_tick(lb, now_ns);
    resil__unlock(&lb->lock);
    return rc;
}

/* The current list as an update would bring it. */
static int rebuild(struct resil__balancer *lb, uint64_t now_ns)
{
    uint32_t n = lb->list->count;
    uint32_t duplicates = lb->list->duplicates;
    struct resil_endpoint *endpoints = resil__lb_allocate(lb, n * sizeof *endpoints);
    int rc;

    if (endpoints == NULL)
        return RESIL_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        endpoints[i] = lb->list->entries[i].given;
    rc = take_list(lb, endpoints, n, now_ns);
    if (rc == RESIL_OK)
        lb->list->duplicates = duplicates;
    resil__lb_release(lb, endpoints, n * sizeof *endpoints);
    return rc;
}

/* What can't change: it was decided when hosts were made, or lists cut. */
static bool compatible(const struct resil_balancer_config *a, const struct resil_balancer_config *b)
{
    return a->client_endpoints == b->client_endpoints && a->client_number == b->client_number &&
           a->seed == b->seed && a->allocator == b->allocator && a->state_size == b->state_size &&
           a->state_init == b->state_init && a->state_fini == b->state_fini &&
           a->state_arg == b->state_arg;
}

/* Whether a canary that is on its way can go on. */
static bool same_canary(const struct resil_canary_config *a, const struct resil_canary_config *b)
{
    if (a->version == NULL || b->version == NULL)
        return a->version == b->version;
    return strcmp(a->version, b->version) == 0 && a->weight_bp == b->weight_bp &&
           memcmp(a->steps_bp, b->steps_bp, sizeof a->steps_bp) == 0 && a->step_ns == b->step_ns &&
           a->min_calls == b->min_calls && a->failure_margin_pct == b->failure_margin_pct &&
           a->latency_margin_pct == b->latency_margin_pct && a->by_chance == b->by_chance;
}

int resil_balancer_reconfigure(struct resil_balancer *balancer,
                               const struct resil_balancer_config *config, uint64_t now_ns)
{
    struct resil__balancer *lb = resil__balancer(balancer);
    struct resil_balancer_config before;
    uint32_t canary_bp;
    bool fresh_canary;
    int rc = RESIL_OK;

    if (balancer == NULL || !lb->ready || config == NULL ||
        resil_balancer_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    resil__lock(&lb->lock);
    before = lb->config;
    if (!compatible(config, &before)) {
        resil__unlock(&lb->lock);
        return RESIL_EINVAL;
    }
    canary_bp = lb->canary_bp;
    fresh_canary = !same_canary(&config->canary, &before.canary);
    resil__lb_reap(lb);
    resil__lb_apply(lb, config);
    /* No call goes to another version by the share of the one before. */
    if (fresh_canary)
        resil__store_relaxed32(&lb->canary_bp, 0);
    if (lb->list != NULL)
        rc = rebuild(lb, now_ns);
    if (rc != RESIL_OK) {
        resil__lb_apply(lb, &before);
        resil__store_relaxed32(&lb->canary_bp, canary_bp);
    } else if (fresh_canary) {
        resil__lb_begin_canary(lb);
    }
    lb->dirty = lb->list != NULL;
    resil__lb_tick(lb, now_ns);
    resil__unlock(&lb->lock);
    return rc;
}
