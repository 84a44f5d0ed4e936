/* SPDX-License-Identifier: BSD-2-Clause */

/* The balancer's memory: counted, in arenas for lists, freed when no reader can see it. */
#include <string.h>

#include "balancer/balancer.h"

/* Small things share chunks of so many bytes. */
#define CHUNK 4096

struct resil__block {
    struct resil__block *next;
    size_t bytes;
    char pad[48]; /* what follows is aligned to 64, too */
};

void *resil__lb_allocate(struct resil__balancer *lb, size_t bytes)
{
    void *memory = lb->allocator->allocate(lb->allocator->arg, bytes, 64);

    if (memory == NULL)
        return NULL;
    memset(memory, 0, bytes);
    lb->memory += bytes;
    return memory;
}

void resil__lb_release(struct resil__balancer *lb, void *memory, size_t bytes)
{
    if (memory == NULL)
        return;
    lb->memory -= bytes;
    lb->allocator->release(lb->allocator->arg, memory, bytes);
}

/* A block of a size of its own, or a chunk for small things. */
static struct resil__block *block_new(struct resil__balancer *lb, struct resil__arena *arena,
                                      size_t bytes)
{
    struct resil__block *block = NULL;

    if (!__builtin_add_overflow(bytes, sizeof *block, &bytes))
        block = resil__lb_allocate(lb, bytes);
    if (block == NULL) {
        arena->failed = true;
        return NULL;
    }
    block->bytes = bytes;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *resil__arena_get(struct resil__balancer *lb, struct resil__arena *arena, size_t n,
                       size_t size)
{
    struct resil__block *block;
    size_t bytes;
    size_t align;
    size_t skip;
    void *memory;

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    if (bytes > CHUNK / 8) {
        block = block_new(lb, arena, bytes);
        return block != NULL ? block + 1 : NULL;
    }
    align = bytes < 64 ? 8 : 64;
    bytes = (bytes + align - 1) / align * align;
    if (arena->left < bytes + 64) {
        block = block_new(lb, arena, CHUNK);
        if (block == NULL)
            return NULL;
        arena->next = (char *)(block + 1);
        arena->left = CHUNK;
    }
    skip = arena->left % align;
    memory = arena->next + skip;
    arena->next += skip + bytes;
    arena->left -= skip + bytes;
    return memory;
}

char *resil__arena_text(struct resil__balancer *lb, struct resil__arena *arena, const char *text)
{
    size_t bytes = text != NULL ? strlen(text) + 1 : 0;
    char *copy = bytes != 0 ? resil__arena_get(lb, arena, bytes, 1) : NULL;

    return copy != NULL ? memcpy(copy, text, bytes) : NULL;
}

void resil__arena_free(struct resil__balancer *lb, struct resil__arena *arena)
{
    struct resil__block *block = arena->blocks;

    while (block != NULL) {
        struct resil__block *next = block->next;

        resil__lb_release(lb, block, block->bytes);
        block = next;
    }
    arena->blocks = NULL;
}

static bool pinned(const struct resil__list *list)
{
    for (size_t i = 0; i < RESIL__VIEWS; i++)
        if (resil__load_acquire(&list->views[i].pins) != 0)
            return true;
    return false;
}

/* Lists are retired in the order of their serials, and freed in any. Returns the serial of the
   oldest that somebody may still see. */
static uint64_t reap_lists(struct resil__balancer *lb)
{
    struct resil__list **link = &lb->retired;
    uint64_t oldest = lb->serial;

    while (*link != NULL) {
        struct resil__list *list = *link;

        if (resil__epoch_passed(list->ticket) && !pinned(list)) {
            *link = list->next;
            lb->retired_count--;
            resil__list_free(lb, list);
            continue;
        }
        oldest = resil__min(oldest, list->serial);
        link = &list->next;
    }
    return oldest;
}

/* A host that the oldest visible list doesn't name can't be picked any more; then its in flight only
   falls. The last report writes in_flight_ and nothing after it. */
void resil__lb_reap(struct resil__balancer *lb)
{
    uint64_t oldest = reap_lists(lb);
    struct resil__host **link = &lb->dropped;

    while (*link != NULL) {
        struct resil__host *host = *link;

        if (host->dropped_by <= oldest && resil__load_acquire(&host->load.in_flight_) == 0) {
            *link = host->next;
            resil__host_free(lb, host);
            continue;
        }
        link = &host->next;
    }
}
