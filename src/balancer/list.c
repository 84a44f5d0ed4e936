/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Making a list out of what an update brought. Addresses are looked up in the list before, so that
 * who stays keeps its host. Until the list is published nothing of the balancer has changed but the
 * hosts that came into being, and these are freed again on failure.
 */
#include <string.h>

#include "balancer/balancer.h"
#include "balancer/subset.h"

/* A list in the making. The hosts that are leaving are found by address: open addressing, at most half
   full. */
struct making {
    struct resil__balancer *lb;
    struct resil__list *list;
    struct resil__host **leaving;
    size_t mask;
    uint64_t now_ns;
};

static size_t leaving_bytes(const struct making *making)
{
    return (making->mask + 1) * sizeof(struct resil__host *);
}

static bool find_leaving(struct making *making)
{
    size_t count = 0;

    for (const struct resil__host *host = making->lb->dropped; host != NULL; host = host->next)
        count++;
    if (count == 0)
        return true;
    making->mask = 1;
    while (making->mask < 2 * count)
        making->mask = 2 * making->mask + 1;
    making->leaving = resil__lb_allocate(making->lb, leaving_bytes(making));
    if (making->leaving == NULL)
        return false;
    for (struct resil__host *host = making->lb->dropped; host != NULL; host = host->next) {
        size_t slot = host->hash & making->mask;

        while (making->leaving[slot] != NULL)
            slot = (slot + 1) & making->mask;
        making->leaving[slot] = host;
    }
    return true;
}

/* An address that left a moment ago and comes back is the same host: a list that flickers must not
   wash an ejection off. */
static struct resil__host *still_leaving(const struct making *making, const char *address)
{
    uint64_t hash = resil_hash64(address, strlen(address), 0);
    size_t slot = hash & making->mask;

    for (; making->leaving != NULL && making->leaving[slot] != NULL;
         slot = (slot + 1) & making->mask)
        if (making->leaving[slot]->hash == hash &&
            strcmp(making->leaving[slot]->address, address) == 0)
            return making->leaving[slot];
    return NULL;
}

/* Whether a host is new is seen by its place: UINT32_MAX until the list is published. */
static struct resil__host *host_for(const struct making *making,
                                    const struct resil_endpoint *endpoint, int *rc)
{
    struct resil__balancer *lb = making->lb;
    struct resil__host *host = NULL;
    uint32_t place = UINT32_MAX;

    if (lb->list != NULL)
        place = resil__find_address(lb->list, endpoint->address);
    if (place != UINT32_MAX)
        return lb->list->entries[place].host;
    host = still_leaving(making, endpoint->address);
    if (host != NULL)
        return host;
    host = resil__host_new(lb, endpoint, rc);
    if (host == NULL)
        return NULL;
    host->place = UINT32_MAX;
    /* At the start of the process everybody is new, and nobody may be spared. */
    if (lb->slow_start.window_ns != 0 && lb->list != NULL && lb->list->count != 0)
        host->fresh_ns = making->now_ns;
    return host;
}

static bool same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bool copy_given(struct resil__balancer *lb, struct resil__list *list,
                       struct resil__entry *entry, const struct resil_endpoint *given)
{
    const char **tags = NULL;

    entry->given = *given;
    entry->given.address = entry->host->address;
    entry->given.zone = resil__arena_text(lb, &list->arena, given->zone);
    entry->given.version = resil__arena_text(lb, &list->arena, given->version);
    if (given->tag_count != 0)
        tags = resil__arena_get(lb, &list->arena, given->tag_count, sizeof *tags);
    for (size_t i = 0; tags != NULL && i < given->tag_count; i++)
        tags[i] = resil__arena_text(lb, &list->arena, given->tags[i]);
    entry->given.tags = tags;
    entry->canary = same(given->version, lb->config.canary.version);
    entry->local = same(given->zone, lb->config.zone);
    list->canary = list->canary || entry->canary;
    return !list->arena.failed;
}

/* Room for n entries, and for what the sweeps need of them. */
static bool make_room(struct resil__balancer *lb, struct resil__list *list, size_t n)
{
    list->count = (uint32_t)n; /* the indexes are sized by it */
    list->entries = resil__arena_get(lb, &list->arena, n, sizeof *list->entries);
    list->stats = resil__arena_get(lb, &list->arena, n, sizeof *list->stats);
    list->verdicts = resil__arena_get(lb, &list->arena, n, sizeof *list->verdicts);
    if (list->arena.failed || !resil__index_init(lb, list, &list->by_address) ||
        !resil__index_init(lb, list, &list->by_id))
        return false;
    list->count = 0;
    return true;
}

static int add_entry(const struct making *making, const struct resil_endpoint *given)
{
    struct resil__list *list = making->list;
    struct resil__entry *entry = &list->entries[list->count];
    int rc = RESIL_OK;

    if (resil__find_address(list, given->address) != UINT32_MAX) {
        list->duplicates++;
        return RESIL_OK;
    }
    entry->host = host_for(making, given, &rc);
    if (entry->host == NULL)
        return rc;
    resil__index_add(&list->by_address, entry->host->hash, list->count);
    resil__index_add(&list->by_id, resil__mix(entry->host->id), list->count);
    list->count++;
    return copy_given(making->lb, list, entry, given) ? RESIL_OK : RESIL_ENOMEM;
}

static void forget(struct resil__balancer *lb, struct resil__list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->entries[i].host->place == UINT32_MAX)
            resil__host_free(lb, list->entries[i].host);
    resil__list_free(lb, list);
}

/* Of all endpoints those which deterministic subsetting leaves to this client. NULL = all. */
static bool choose_mine(struct resil__balancer *lb, struct resil__list *list,
                        const struct resil_endpoint *endpoints, size_t n, bool **kept)
{
    struct resil__subset subset = {lb->config.client_endpoints, lb->config.client_number};
    uint64_t *hashes;
    uint32_t *scratch;

    *kept = NULL;
    if (subset.size == 0 || subset.size >= n)
        return true;
    hashes = resil__arena_get(lb, &list->arena, n, sizeof *hashes);
    scratch = resil__arena_get(lb, &list->arena, n, 2 * sizeof *scratch);
    *kept = resil__arena_get(lb, &list->arena, n, sizeof **kept);
    if (list->arena.failed)
        return false;
    for (size_t i = 0; i < n; i++)
        hashes[i] = resil_hash64(endpoints[i].address, strlen(endpoints[i].address), 0);
    (void)resil__subset(subset, hashes, (uint32_t)n, *kept, scratch, scratch + n);
    return true;
}

struct resil__list *resil__list_new(struct resil__balancer *lb,
                                    const struct resil_endpoint *endpoints, size_t n,
                                    uint64_t now_ns, int *rc)
{
    struct resil__list *list = resil__lb_allocate(lb, sizeof *list);
    struct making making = {.lb = lb, .list = list, .now_ns = now_ns};
    bool *kept;

    *rc = RESIL_ENOMEM;
    if (list == NULL)
        return NULL;
    if (!make_room(lb, list, n) || !choose_mine(lb, list, endpoints, n, &kept) ||
        !find_leaving(&making)) {
        resil__list_free(lb, list);
        return NULL;
    }
    *rc = RESIL_OK;
    for (size_t i = 0; i < n && *rc == RESIL_OK; i++)
        if (kept == NULL || kept[i])
            *rc = add_entry(&making, &endpoints[i]);
    resil__lb_release(lb, making.leaving, leaving_bytes(&making));
    if (*rc == RESIL_OK && !resil__list_group(lb, list))
        *rc = RESIL_ENOMEM;
    if (*rc != RESIL_OK) {
        forget(lb, list);
        return NULL;
    }
    return list;
}

void resil__list_free(struct resil__balancer *lb, struct resil__list *list)
{
    resil__arena_free(lb, &list->arena);
    resil__lb_release(lb, list, sizeof *list);
}
