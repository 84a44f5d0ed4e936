/* SPDX-License-Identifier: BSD-2-Clause */

/* What health makes of a list: filled by a writer in a view that nobody reads, then published. */
#include <string.h>

#include "balancer/balancer.h"

/* What a priority amounts to. */
struct census {
    struct resil__level level;
    uint64_t healthy[2]; /* weights of the healthy, by pool */
    uint64_t total[2];   /* weights of all that count */
};

static void take_census(const struct resil__list *list, const struct resil__tier *tier,
                        struct census *census)
{
    *census = (struct census){.level = {0}};
    for (size_t side = 0; side < 2; side++) {
        const struct resil__group *group;

        if (tier->pool[side] == RESIL__NO_POOL)
            continue;
        group = &list->groups[tier->pool[side]];
        for (uint32_t m = 0; m < group->count; m++) {
            const struct resil__host *host = list->entries[group->places[m]].host;

            if (host->admin != RESIL_ADMIN_SERVE)
                continue;
            census->level.total++;
            census->total[side] += group->members[m].weight;
            if (!resil__host_up(host))
                continue;
            census->level.healthy++;
            census->healthy[side] += group->members[m].weight;
        }
    }
}

static uint16_t local_share(const struct resil__balancer *lb, const struct resil__tier *tier,
                            const struct census *census)
{
    uint64_t callers_bp = lb->priority.callers_bp;

    if (tier->pool[1] == RESIL__NO_POOL)
        return 10000;
    if (tier->panic)
        return (uint16_t)resil__mul_div(census->total[0], 10000,
                                        resil__max(1, census->total[0] + census->total[1]));
    if (callers_bp == 0)
        callers_bp = 10000 / tier->zones;
    return (uint16_t)resil__zone_local_share(census->healthy[0],
                                             census->healthy[0] + census->healthy[1], callers_bp);
}

/* In 1/256 of the member's weight. */
static uint32_t weight_of(const struct resil__balancer *lb, const struct resil__host *host,
                          uint32_t weight, uint64_t now_ns)
{
    uint32_t factor = 256;

    if (host->fresh_ns != RESIL_NEVER)
        factor = resil__slow_start_weight(&lb->slow_start, resil__sub_sat(now_ns, host->fresh_ns));
    return (uint32_t)resil__max(1, (uint64_t)weight * factor);
}

/* Where fail_on_panic refuses, or nobody is well, the pool is left empty. */
static void fill_pool(struct resil__balancer *lb, struct resil__view *view, uint32_t number,
                      const struct resil__level_load *load, uint64_t now_ns)
{
    const struct resil__group *group = &view->list->groups[number];
    struct resil_pool *pool = &view->pools[number];
    struct resil_candidate *candidates = (struct resil_candidate *)(uintptr_t)pool->candidates;
    uint32_t *candidate_of = (uint32_t *)(uintptr_t)pool->candidate_of;

    pool->count = 0;
    pool->weight = 0;
    pool->table = group->table;
    for (uint32_t m = 0; m < group->count; m++) {
        const struct resil__host *host = view->list->entries[group->places[m]].host;
        bool in = load->panic ? host->admin == RESIL_ADMIN_SERVE : resil__host_up(host);

        in = in && !load->refuse;
        candidate_of[m] = in ? pool->count : RESIL_PICK_NONE;
        if (!in)
            continue;
        candidates[pool->count] = (struct resil_candidate){
            .load = group->members[m].load,
            .member = m,
            .weight = weight_of(lb, host, group->members[m].weight, now_ns),
        };
        pool->weight += candidates[pool->count].weight;
        pool->count++;
    }
    if (view->tables[number] != NULL && pool->count != 0) {
        view->picker->build(pool, view->tables[number]);
        pool->table = view->tables[number];
    }
}

static void fill_slice(struct resil__balancer *lb, struct resil__view *view,
                       struct resil__slice *slice, const uint32_t *held_pct, uint64_t now_ns)
{
    struct census censuses[RESIL_PRIORITIES];
    struct resil__level levels[RESIL_PRIORITIES];
    struct resil__level_load loads[RESIL_PRIORITIES];
    uint32_t upto = 0;

    for (uint32_t t = 0; t < slice->count; t++) {
        take_census(view->list, &slice->tiers[t], &censuses[t]);
        levels[t] = censuses[t].level;
        levels[t].held_pct = held_pct[slice->tiers[t].priority];
    }
    resil__priority_loads(levels, slice->count, &lb->priority, loads);
    for (uint32_t t = 0; t < slice->count; t++) {
        struct resil__tier *tier = &slice->tiers[t];

        upto += loads[t].load_pct;
        tier->upto = (uint8_t)upto;
        tier->panic = loads[t].panic;
        tier->local_bp = local_share(lb, tier, &censuses[t]);
        for (size_t side = 0; side < 2; side++)
            if (tier->pool[side] != RESIL__NO_POOL)
                fill_pool(lb, view, tier->pool[side], &loads[t], now_ns);
    }
}

static void tell_panic(struct resil__balancer *lb, const struct resil__slice *slice,
                       uint64_t now_ns)
{
    uint64_t panic = 0;

    for (uint32_t t = 0; t < slice->count; t++)
        if (slice->tiers[t].panic)
            panic |= UINT64_C(1) << slice->tiers[t].priority;
    for (uint64_t p = 0; p < RESIL_PRIORITIES; p++)
        if (((panic ^ lb->panic) >> p & 1) != 0)
            resil__lb_event(
                lb, (panic >> p & 1) != 0 ? RESIL_BALANCER_PANIC : RESIL_BALANCER_PANIC_ENDED, NULL,
                0, p, now_ns);
    lb->panic = panic;
}

/* How health stands over all endpoints: what waits for failback, and what is let in while everything
   comes back. */
static void look_around(struct resil__balancer *lb, struct resil__view *view, uint32_t *held_pct,
                        uint64_t now_ns)
{
    const struct resil__list *list = view->list;
    struct resil__level levels[RESIL_PRIORITIES] = {{0}};
    uint64_t total = 0;
    uint64_t up = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        const struct resil__host *host = list->entries[i].host;
        struct resil__level *level = &levels[list->entries[i].given.priority];

        if (host->admin != RESIL_ADMIN_SERVE)
            continue;
        level->total++;
        level->healthy += resil__host_up(host);
        total++;
        up += resil__host_up(host);
    }
    for (size_t p = 0; p < RESIL_PRIORITIES; p++) {
        held_pct[p] = 0;
        if (levels[p].total == 0)
            lb->failback[p] = (struct resil__failback){.known = false};
        else
            held_pct[p] = resil__failback(&lb->priority, &lb->failback[p],
                                          resil__level_health(&lb->priority, &levels[p]), now_ns);
    }
    view->admit_bp = resil__recovery(&lb->priority, &lb->recovery, up, total, now_ns);
}

static void fill_view(struct resil__balancer *lb, struct resil__view *view, uint64_t now_ns)
{
    struct resil__list *list = view->list;
    uint32_t held_pct[RESIL_PRIORITIES];

    look_around(lb, view, held_pct, now_ns);
    for (uint32_t s = 0; s < list->slice_count; s++)
        fill_slice(lb, view, &view->slices[s], held_pct, now_ns);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct resil__host *host = list->entries[i].host;

        view->sticky[i] = !host->ejected && !host->down && host->admin != RESIL_ADMIN_MAINTENANCE;
    }
    view->salt = lb->canary_rules.salt;
    view->by_chance = lb->canary_rules.by_chance;
    view->single = list->group_count == 1 && !view->pinned && list->slice_count == 2 &&
                   !list->canary && !view->slices[0].tiers[0].panic && view->admit_bp == 10000 &&
                   view->pools[0].count != 0;
    view->priority = view->slices[0].tiers[0].priority;
    tell_panic(lb, &view->slices[0], now_ns);
}

static void publish(struct resil__balancer *lb, struct resil__view *view)
{
    struct resil__view *old = lb->view;

    view->retired = false;
    resil__store_ptr_release(&lb->view, view);
    lb->dirty = false;
    if (old == NULL)
        return;
    old->ticket = resil__epoch_retire();
    old->retired = true;
}

/* A view of the current list that nobody reads, or NULL. */
static struct resil__view *free_view(struct resil__balancer *lb)
{
    for (size_t i = 0; i < RESIL__VIEWS; i++) {
        struct resil__view *view = &lb->list->views[i];

        if (view == lb->view)
            continue;
        if (!view->retired)
            return view;
        if (resil__epoch_passed(view->ticket) && resil__load_acquire(&view->pins) == 0)
            return view;
    }
    return NULL;
}

void resil__lb_refresh(struct resil__balancer *lb, uint64_t now_ns)
{
    struct resil__view *view;

    view = free_view(lb);
    if (view == NULL) {
        lb->dirty = true;
        lb->stalls++;
        return;
    }
    fill_view(lb, view, now_ns);
    publish(lb, view);
}

static void unlink_returned(struct resil__balancer *lb)
{
    struct resil__host **link = &lb->dropped;

    while (*link != NULL)
        if ((*link)->place != RESIL__LEAVING)
            *link = (*link)->next;
        else
            link = &(*link)->next;
}

/* Hosts that the new list doesn't name leave; those that it brings back return. NULL: no list. */
static void exchange_hosts(struct resil__balancer *lb, struct resil__list *old,
                           struct resil__list *list)
{
    for (uint32_t i = 0; old != NULL && i < old->count; i++)
        old->entries[i].host->place = RESIL__LEAVING;
    for (uint32_t i = 0; list != NULL && i < list->count; i++)
        list->entries[i].host->place = i;
    unlink_returned(lb);
    for (uint32_t i = 0; old != NULL && i < old->count; i++) {
        struct resil__host *host = old->entries[i].host;

        if (host->place != RESIL__LEAVING)
            continue;
        host->dropped_by = lb->serial;
        host->next = lb->dropped;
        lb->dropped = host;
    }
}

static void retire_list(struct resil__balancer *lb, struct resil__list *list)
{
    if (list == NULL)
        return;
    list->ticket = resil__epoch_retire();
    list->next = lb->retired;
    lb->retired = list;
    lb->retired_count++;
}

void resil__lb_publish(struct resil__balancer *lb, struct resil__list *list, uint64_t now_ns)
{
    struct resil__list *old = lb->list;

    list->serial = ++lb->serial;
    exchange_hosts(lb, old, list);
    lb->list = list;
    fill_view(lb, &list->views[0], now_ns);
    publish(lb, &list->views[0]);
    retire_list(lb, old);
}

void resil__lb_empty(struct resil__balancer *lb)
{
    struct resil__list *old = lb->list;

    lb->serial++;
    exchange_hosts(lb, old, NULL);
    lb->list = NULL;
    resil__store_ptr_release(&lb->view, NULL);
    retire_list(lb, old);
    /* Nothing is left that could change by time. */
    memset(lb->failback, 0, sizeof lb->failback);
    lb->recovery.on = false;
    lb->dirty = false;
}
