/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_ENDPOINTS_PRINT_H
#define RESIL_TEST_ENDPOINTS_PRINT_H

/* The way back from a list of endpoints to text, and an allocator that fails on demand. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <resil/endpoints.h>

/** How long a printed list can be: each word of the text it came from, and every number in full. */
static inline size_t endpoints_print_size(size_t text_size, size_t count)
{
    return text_size + count * 64 + 1;
}

/** Writes the list as text and returns its bytes; all that differs from a default is named. */
static inline size_t endpoints_print(const struct resil_endpoint *endpoints, size_t n, char *text,
                                     size_t size)
{
    size_t used = 0;

#define ENDPOINTS_PUT(...) used += (size_t)snprintf(text + used, size - used, __VA_ARGS__)
    for (size_t i = 0; i < n; i++) {
        const struct resil_endpoint *endpoint = &endpoints[i];

        ENDPOINTS_PUT("%s", endpoint->address);
        if (endpoint->weight != 1)
            ENDPOINTS_PUT(" weight=%" PRIu64, endpoint->weight);
        if (endpoint->priority != 0)
            ENDPOINTS_PUT(" priority=%" PRIu64, endpoint->priority);
        if (endpoint->zone != NULL)
            ENDPOINTS_PUT(" zone=%s", endpoint->zone);
        if (endpoint->version != NULL)
            ENDPOINTS_PUT(" version=%s", endpoint->version);
        for (size_t tag = 0; tag < endpoint->tag_count; tag++)
            ENDPOINTS_PUT(" tag=%s", endpoint->tags[tag]);
        ENDPOINTS_PUT("\n");
    }
#undef ENDPOINTS_PUT
    return used;
}

/** Counts what is out; fails from the n-th allocation on, or only there. */
struct failing_allocator {
    struct resil_allocator allocator;
    size_t asked;
    size_t fail_at; /* 1 = the first; 0 = never */
    bool for_good;  /* every later one fails, too */
    size_t out;     /* pieces not given back */
    size_t bytes;   /* bytes not given back: shows a release with the wrong size */
};

static inline void *failing_allocate(void *arg, size_t bytes, size_t alignment)
{
    struct failing_allocator *self = (struct failing_allocator *)arg;
    void *memory;

    self->asked++;
    if (self->asked == self->fail_at ||
        (self->for_good && self->fail_at != 0 && self->asked > self->fail_at))
        return NULL;
    memory = resil_allocator_default()->allocate(NULL, bytes, alignment);
    if (memory == NULL)
        return NULL;
    self->out++;
    self->bytes += bytes;
    return memory;
}

static inline void failing_release(void *arg, void *memory, size_t bytes)
{
    struct failing_allocator *self = (struct failing_allocator *)arg;

    self->out--;
    self->bytes -= bytes;
    resil_allocator_default()->release(NULL, memory, bytes);
}

static inline void failing_allocator_init(struct failing_allocator *self)
{
    *self = (struct failing_allocator){
        .allocator = {.size = sizeof(struct resil_allocator),
                      .arg = self,
                      .allocate = failing_allocate,
                      .release = failing_release},
    };
}

#endif
