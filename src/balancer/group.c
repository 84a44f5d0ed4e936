/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Who belongs together: the entries of a list sorted into groups, one for each pool that a request
 * can come to, and slices, which say in what order a request looks at them.
 */
#include <string.h>

#include "balancer/balancer.h"

/* More zones than this are counted as so many. */
#define ZONES 16

/* One pool in the making. */
struct sorting {
    struct resil__balancer *lb;
    struct resil__list *list;
    uint8_t *chosen; /* by place: belongs to this subset and version */
    uint32_t slice;
    uint8_t priority;
    bool weightless; /* nobody of this priority has a weight: all count alike */
};

static bool has_tag(const struct resil_endpoint *endpoint, const char *tag)
{
    for (size_t i = 0; i < endpoint->tag_count; i++)
        if (strcmp(endpoint->tags[i], tag) == 0)
            return true;
    return false;
}

static bool in_subset(const struct resil_endpoint *endpoint, const struct resil_subset *subset)
{
    for (size_t i = 0; i < subset->tag_count; i++)
        if (!has_tag(endpoint, subset->tags[i]))
            return false;
    return true;
}

/* The counters of a pool go on where a pool of that name was. */
static struct resil__turns_of *turns_of(struct sorting *sorting, enum resil__side side)
{
    struct resil__balancer *lb = sorting->lb;
    uint64_t name = (uint64_t)sorting->slice << 16 | (uint64_t)sorting->priority << 8 | side;
    struct resil__turns_of *turns;
    uint64_t random = lb->seed ^ resil__mix(name);

    for (turns = lb->turns; turns != NULL; turns = turns->next)
        if (turns->name == name)
            return turns;
    turns = resil__lb_allocate(lb, sizeof *turns);
    if (turns == NULL)
        return NULL;
    /* Half of the range, so that it never wraps while anybody lives. */
    for (size_t i = 0; i < RESIL__STRIPES; i++)
        turns->turns.stripes[i].turn = resil__random_next(&random) >> 1;
    turns->name = name;
    turns->next = lb->turns;
    lb->turns = turns;
    return turns;
}

static bool on_side(const struct resil__entry *entry, enum resil__side side)
{
    return side == RESIL__SIDE_ALL || entry->local == (side == RESIL__SIDE_LOCAL);
}

static bool belongs(const struct sorting *sorting, uint32_t place, enum resil__side side)
{
    const struct resil__entry *entry = &sorting->list->entries[place];

    return sorting->chosen[place] != 0 && entry->given.priority == sorting->priority &&
           on_side(entry, side);
}

static bool is_weightless(const struct sorting *sorting)
{
    for (uint32_t i = 0; i < sorting->list->count; i++)
        if (belongs(sorting, i, RESIL__SIDE_ALL) && sorting->list->entries[i].given.weight != 0)
            return false;
    return true;
}

static bool is_member(const struct sorting *sorting, uint32_t place, enum resil__side side)
{
    return belongs(sorting, place, side) &&
           (sorting->weightless || sorting->list->entries[place].given.weight != 0);
}

static uint32_t count_members(const struct sorting *sorting, enum resil__side side)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < sorting->list->count; i++)
        n += is_member(sorting, i, side);
    return n;
}

static bool fill_members(const struct sorting *sorting, struct resil__group *group,
                         enum resil__side side)
{
    struct resil__list *list = sorting->list;
    uint32_t n = 0;

    group->members =
        resil__arena_get(sorting->lb, &list->arena, group->count, sizeof *group->members);
    group->places =
        resil__arena_get(sorting->lb, &list->arena, group->count, sizeof *group->places);
    if (list->arena.failed)
        return false;
    for (uint32_t i = 0; i < list->count; i++) {
        struct resil__entry *entry = &list->entries[i];

        if (!is_member(sorting, i, side))
            continue;
        group->members[n] = (struct resil_member){
            .load = &entry->host->load,
            .address = entry->host->address,
            .user = entry->given.user,
            .id = entry->host->id,
            .hash = entry->host->hash,
            .weight = sorting->weightless ? 1 : (uint32_t)entry->given.weight,
            .place_ = i,
        };
        group->places[n++] = i;
    }
    return true;
}

static bool build_table(struct resil__balancer *lb, struct resil__list *list,
                        struct resil__group *group)
{
    const struct resil_picker *picker = lb->config.picker;
    struct resil_pool pool = resil__pool_of(lb, group);
    size_t size = picker->table_size != NULL ? picker->table_size(&pool) : 0;

    if (size == 0)
        return true;
    if ((picker->flags & RESIL_PICKER_MEMBERS) == 0) {
        group->table_size = size;
        return true;
    }
    group->table = resil__arena_get(lb, &list->arena, resil__lines(size), RESIL__LINE);
    if (group->table == NULL)
        return false;
    picker->build(&pool, group->table);
    return true;
}

/* Makes a pool of one member or more and returns its number, or RESIL__NO_POOL without memory. */
static uint32_t add_group(struct sorting *sorting, enum resil__side side)
{
    struct resil__list *list = sorting->list;
    struct resil__group *group = &list->groups[list->group_count];

    group->count = count_members(sorting, side);
    group->turns = turns_of(sorting, side);
    if (group->turns == NULL || !fill_members(sorting, group, side) ||
        !build_table(sorting->lb, list, group)) {
        list->arena.failed = true;
        return RESIL__NO_POOL;
    }
    return list->group_count++;
}

static bool prefers_zone(const struct sorting *sorting)
{
    uint32_t local;
    uint32_t rest;

    if (sorting->lb->config.zone == NULL)
        return false;
    local = count_members(sorting, RESIL__SIDE_LOCAL);
    rest = count_members(sorting, RESIL__SIDE_REST);
    return local != 0 && rest != 0 && local + rest >= sorting->lb->priority.zone_hosts_min;
}

static bool same_zone(const struct resil__entry *a, const struct resil__entry *b)
{
    if (a->given.zone == NULL || b->given.zone == NULL)
        return a->given.zone == b->given.zone;
    return strcmp(a->given.zone, b->given.zone) == 0;
}

/* How many different zones the endpoints of a priority stand in. */
static uint32_t count_zones(const struct sorting *sorting)
{
    const struct resil__entry *first[ZONES];
    uint32_t n = 0;

    if (sorting->lb->config.zone == NULL)
        return 1;
    for (uint32_t i = 0; i < sorting->list->count && n < ZONES; i++) {
        uint32_t z = 0;

        if (!is_member(sorting, i, RESIL__SIDE_ALL))
            continue;
        while (z < n && !same_zone(first[z], &sorting->list->entries[i]))
            z++;
        if (z == n)
            first[n++] = &sorting->list->entries[i];
    }
    return n;
}

static void add_tier(struct sorting *sorting, struct resil__slice *slice)
{
    struct resil__tier *tier = &slice->tiers[slice->count];

    *tier = (struct resil__tier){.pool = {RESIL__NO_POOL, RESIL__NO_POOL}};
    tier->priority = sorting->priority;
    tier->local_bp = 10000;
    sorting->weightless = is_weightless(sorting);
    tier->zones = count_zones(sorting);
    if (prefers_zone(sorting)) {
        tier->pool[0] = add_group(sorting, RESIL__SIDE_LOCAL);
        tier->pool[1] = add_group(sorting, RESIL__SIDE_REST);
    } else {
        tier->pool[0] = add_group(sorting, RESIL__SIDE_ALL);
    }
    if (tier->pool[0] != RESIL__NO_POOL)
        slice->count++;
}

/* One subset and version; the version counts only where somebody runs the canary's. */
static void add_slice(struct sorting *sorting, struct resil__slice *slice)
{
    struct resil__list *list = sorting->list;
    uint32_t subset = sorting->slice / 2;
    bool canary = sorting->slice % 2 != 0;
    uint32_t priorities = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        const struct resil__entry *entry = &list->entries[i];
        bool in = subset == 0 || in_subset(&entry->given, &sorting->lb->config.subsets[subset - 1]);

        if (list->canary ? entry->canary != canary : canary)
            in = false;
        sorting->chosen[i] = in;
        if (in)
            priorities |= 1u << entry->given.priority;
    }
    for (uint8_t p = 0; p < RESIL_PRIORITIES; p++)
        if ((priorities & (1u << p)) != 0) {
            sorting->priority = p;
            add_tier(sorting, slice);
        }
}

bool resil__list_group(struct resil__balancer *lb, struct resil__list *list)
{
    struct sorting sorting = {.lb = lb, .list = list};
    uint32_t priorities = 0;
    struct resil__slice *slices;

    for (uint32_t i = 0; i < list->count; i++)
        priorities |= 1u << list->entries[i].given.priority;
    list->slice_count = (uint32_t)(lb->config.subset_count + 1) * 2;
    for (size_t i = 0; i < lb->config.subset_count; i++)
        if (lb->config.subsets[i].fallback == RESIL_SUBSET_FALLBACK_ANY)
            list->fallbacks |= 2u << i;
    slices = resil__arena_get(lb, &list->arena, list->slice_count, sizeof *slices);
    sorting.chosen = resil__arena_get(lb, &list->arena, list->count, 1);
    list->groups = resil__arena_get(lb, &list->arena,
                                    list->slice_count * (size_t)__builtin_popcount(priorities) * 2,
                                    sizeof *list->groups);
    if (list->arena.failed)
        return false;
    for (uint32_t s = 0; s < list->slice_count && !list->arena.failed; s++) {
        sorting.slice = s;
        add_slice(&sorting, &slices[s]);
    }
    for (size_t v = 0; v < RESIL__VIEWS && !list->arena.failed; v++)
        (void)resil__view_init(lb, list, &list->views[v], slices);
    return !list->arena.failed;
}
