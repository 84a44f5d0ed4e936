/* SPDX-License-Identifier: BSD-2-Clause */

/* A view of a list before health has made anything of it: all the memory that it will ever need. */
#include <string.h>

#include "balancer/balancer.h"

struct resil_pool resil__pool_of(const struct resil__balancer *lb, const struct resil__group *group)
{
    return (struct resil_pool){
        .members = group->members,
        .member_count = group->count,
        .options = lb->config.options,
        .turns_ = &group->turns->turns,
        .probes_ = &group->turns->probes,
    };
}

/* Of our own pickers it is known that they don't dawdle inside of a section. */
static bool is_ours(const struct resil_picker *picker)
{
    const struct resil_picker *ours[] = {
        resil_picker_round_robin(),    resil_picker_smooth_weighted(),
        resil_picker_random(),         resil_picker_weighted_random(),
        resil_picker_least_requests(), resil_picker_weighted_least_requests(),
        resil_picker_peak_ewma(),      resil_picker_prequal(),
        resil_picker_ring_hash(),      resil_picker_maglev(),
        resil_picker_rendezvous(),     resil_picker_bounded_load(),
    };

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (picker == ours[i])
            return true;
    return false;
}

bool resil__view_init(struct resil__balancer *lb, struct resil__list *list,
                      struct resil__view *view, const struct resil__slice *slices)
{
    struct resil__arena *arena = &list->arena;

    view->list = list;
    view->picker = lb->config.picker;
    view->pick = view->picker->pick;
    view->flags = view->picker->flags;
    view->stateful = lb->config.state_size != 0;
    view->pinned = !is_ours(view->picker);
    view->pools = resil__arena_get(lb, arena, list->group_count, sizeof *view->pools);
    view->slices = resil__arena_get(lb, arena, list->slice_count, sizeof *view->slices);
    view->sticky = resil__arena_get(lb, arena, list->count, 1);
    view->tables = resil__arena_get(lb, arena, list->group_count, sizeof *view->tables);
    if (arena->failed)
        return false;
    memcpy(view->slices, slices, list->slice_count * sizeof *slices);
    for (uint32_t g = 0; g < list->group_count; g++) {
        struct resil__group *group = &list->groups[g];
        struct resil_pool *pool = &view->pools[g];

        *pool = resil__pool_of(lb, group);
        pool->candidates = resil__arena_get(lb, arena, group->count, sizeof *pool->candidates);
        pool->candidate_of = resil__arena_get(lb, arena, group->count, sizeof *pool->candidate_of);
        pool->table = group->table;
        if (group->table_size != 0)
            view->tables[g] =
                resil__arena_get(lb, arena, resil__lines(group->table_size), RESIL__LINE);
    }
    return !arena->failed;
}
