/* SPDX-License-Identifier: BSD-2-Clause */

/* Checking, making and ending a balancer. */
#include <string.h>

#include "balancer/balancer.h"
#include "base/check.h"

#define STATE_MAX     65536
#define CLIENTS_MAX   UINT64_C(1000000000)
#define ENDPOINTS_MAX UINT64_C(1000000)
#define KEEP_MAX      (RESIL_SEC(86400) * 36525)

_Static_assert(sizeof(struct resil__balancer) <= sizeof(struct resil_balancer),
               "the private face fits into the public one");

static int check_subsets(const struct resil_balancer_config *config, struct resil__why why)
{
    int rc = resil__check_range(why, "subset_count", config->subset_count, 1, RESIL_SUBSETS);

    if (rc == RESIL_OK && config->subset_count != 0 && config->subsets == NULL)
        rc = resil__check_fail(why, "subsets", "must not be NULL while subset_count is not 0");
    for (size_t i = 0; rc == RESIL_OK && i < config->subset_count; i++) {
        const struct resil_subset *subset = &config->subsets[i];

        if (subset->tag_count == 0 || subset->tags == NULL)
            return resil__check_fail(why, "subsets.tags", "a subset must name a tag");
        for (size_t t = 0; t < subset->tag_count; t++)
            if (subset->tags[t] == NULL || subset->tags[t][0] == '\0')
                return resil__check_fail(why, "subsets.tags", "a tag must not be NULL or empty");
        if (subset->fallback != RESIL_SUBSET_FALLBACK_ANY &&
            subset->fallback != RESIL_SUBSET_FALLBACK_NONE)
            return resil__check_fail(why, "subsets.fallback",
                                     "must be one of enum resil_subset_fallback");
    }
    return rc;
}

static int check_tables(const struct resil_balancer_config *config, struct resil__why why)
{
    const struct resil_picker *picker = config->picker;
    const struct resil_allocator *allocator = config->allocator;

    if (picker != NULL &&
        (picker->size != sizeof *picker || picker->pick == NULL || picker->name == NULL))
        return resil__check_fail(why, "picker", "must have its size, a name and a pick");
    if (picker != NULL && (picker->table_size == NULL) != (picker->build == NULL))
        return resil__check_fail(why, "picker", "must have both of table_size and build, or none");
    if (allocator != NULL && (allocator->size != sizeof *allocator || allocator->allocate == NULL ||
                              allocator->release == NULL))
        return resil__check_fail(why, "allocator", "must have its size and both functions");
    return RESIL_OK;
}

int resil_balancer_config_check(const struct resil_balancer_config *config, char *text,
                                size_t text_size)
{
    struct resil__why why = {text, text_size};
    int rc;

    if (config == NULL)
        return RESIL_OK;
    rc = check_tables(config, why);
    if (rc == RESIL_OK)
        rc = resil__picker_options_check(&config->options, why);
    if (rc == RESIL_OK)
        rc = resil_outlier_config_check(&config->outlier, text, text_size);
    if (rc == RESIL_OK)
        rc = resil_slow_start_config_check(&config->slow_start, text, text_size);
    if (rc == RESIL_OK)
        rc = resil_priority_config_check(&config->priority, text, text_size);
    if (rc == RESIL_OK && config->canary.version != NULL)
        rc = resil_canary_config_check(&config->canary, text, text_size);
    if (rc == RESIL_OK)
        rc = check_subsets(config, why);
    if (rc == RESIL_OK)
        rc =
            resil__check_range(why, "client_endpoints", config->client_endpoints, 1, ENDPOINTS_MAX);
    if (rc == RESIL_OK)
        rc = resil__check_range(why, "client_number", config->client_number, 1, CLIENTS_MAX);
    if (rc == RESIL_OK)
        rc = resil__check_optional(why, "stale_keep_ns", config->stale_keep_ns, 1, KEEP_MAX);
    if (rc == RESIL_OK)
        rc = resil__check_range(why, "state_size", config->state_size, 1, STATE_MAX);
    return rc;
}

/* What picks and reports read of a config. */
void resil__lb_apply(struct resil__balancer *lb, const struct resil_balancer_config *config)
{
    bool keeps_latency;

    lb->config = *config;
    if (lb->config.picker == NULL)
        lb->config.picker = resil_picker_least_requests();
    lb->outlier = resil__outlier_rules(&config->outlier);
    lb->priority = resil__priority_rules(&config->priority);
    lb->slow_start = resil__slow_start_rules(&config->slow_start);
    keeps_latency = (lb->config.picker->flags & RESIL_PICKER_LATENCY) != 0;
    resil__picker_options_fill(&lb->config.options);
    resil__store_relaxed(&lb->decay_ns, keeps_latency ? lb->config.options.decay_ns : 0);
    resil__store_relaxed(&lb->first_ns, lb->config.options.first_ns);
    resil__store_relaxed32(&lb->streak, (uint32_t)lb->outlier.consecutive);
    resil__store_relaxed32(&lb->streak_local, (uint32_t)lb->outlier.consecutive_local);
    resil__store_relaxed32(&lb->sums,
                           lb->outlier.latency_pct != 0 || config->canary.version != NULL);
    resil__store_relaxed32(&lb->keyed, (lb->config.picker->flags & RESIL_PICKER_KEYED) != 0 &&
                                           !config->rehash_on_retry);
    resil__store_relaxed(&lb->gap_ns, lb->outlier.interval_ns);
}

void resil__lb_begin_canary(struct resil__balancer *lb)
{
    lb->canary_rules =
        resil__canary_rules(lb->config.canary.version != NULL ? &lb->config.canary : NULL);
    lb->canary = (struct resil__canary_state){.step = 0};
    resil__store_relaxed32(&lb->canary_bp,
                           (uint32_t)resil__canary_weight(&lb->canary_rules, &lb->canary));
}

int resil_balancer_init_sized(struct resil_balancer *balancer, size_t balancer_size,
                              const struct resil_balancer_config *config, size_t config_size)
{
    static const struct resil_balancer_config defaults;
    struct resil__balancer *lb = resil__balancer(balancer);

    if (balancer_size != sizeof *balancer || config_size != sizeof *config)
        return RESIL_EABI;
    if (balancer == NULL || resil_balancer_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    memset(balancer, 0, sizeof *balancer);
    if (!resil__lock_init(&lb->lock))
        return RESIL_ENOMEM;
    if (config == NULL)
        config = &defaults;
    resil__lb_apply(lb, config);
    resil__lb_begin_canary(lb);
    lb->seed = config->seed != 0 ? config->seed : resil_env_posix()->random(NULL);
    lb->last_random = lb->seed;
    /* Ids of two balancers in one chain must differ. */
    lb->last_id = resil__mix(lb->seed ^ (uint64_t)(uintptr_t)lb) & ~UINT64_C(0xffffffff);
    lb->allocator = config->allocator != NULL ? config->allocator : resil_allocator_default();
    lb->empty_ns = RESIL_NEVER;
    lb->change_ns = RESIL_NEVER;
    lb->ready = true;
    return RESIL_OK;
}

static bool idle(const struct resil__balancer *lb)
{
    for (uint32_t i = 0; lb->list != NULL && i < lb->list->count; i++)
        if (resil__load_acquire(&lb->list->entries[i].host->load.in_flight_) != 0)
            return false;
    for (const struct resil__host *host = lb->dropped; host != NULL; host = host->next)
        if (resil__load_acquire(&host->load.in_flight_) != 0)
            return false;
    return true;
}

static void free_hosts(struct resil__balancer *lb)
{
    for (uint32_t i = 0; lb->list != NULL && i < lb->list->count; i++)
        resil__host_free(lb, lb->list->entries[i].host);
    while (lb->dropped != NULL) {
        struct resil__host *host = lb->dropped;

        lb->dropped = host->next;
        resil__host_free(lb, host);
    }
}

int resil_balancer_fini(struct resil_balancer *balancer)
{
    struct resil__balancer *lb = resil__balancer(balancer);

    if (balancer == NULL || !lb->ready)
        return RESIL_EINVAL;
    if (!idle(lb))
        return RESIL_EBUSY;
    free_hosts(lb);
    if (lb->list != NULL)
        resil__list_free(lb, lb->list);
    while (lb->retired != NULL) {
        struct resil__list *list = lb->retired;

        lb->retired = list->next;
        resil__list_free(lb, list);
    }
    while (lb->turns != NULL) {
        struct resil__turns_of *turns = lb->turns;

        lb->turns = turns->next;
        resil__lb_release(lb, turns, sizeof *turns);
    }
    resil__lb_release(lb, lb->events, RESIL__EVENTS * sizeof *lb->events);
    resil__lock_fini(&lb->lock);
    lb->ready = false;
    return RESIL_OK;
}
