/* SPDX-License-Identifier: BSD-2-Clause */

/* The C library's memory. errno is left as it was: posix_memalign and free may change it. */
#define _GNU_SOURCE
#include <resil/allocator.h>

#include <errno.h>
#include <stdlib.h>

static void *posix_allocate(void *arg, size_t bytes, size_t alignment)
{
    void *memory = NULL;
    int saved = errno;

    (void)arg;
    if (posix_memalign(&memory, alignment, bytes) != 0)
        memory = NULL;
    errno = saved;
    return memory;
}

static void posix_release(void *arg, void *memory, size_t bytes)
{
    int saved = errno;

    (void)arg;
    (void)bytes;
    free(memory);
    errno = saved;
}

const struct resil_allocator *resil_allocator_default(void)
{
    static const struct resil_allocator allocator = {
        .size = sizeof(struct resil_allocator),
        .allocate = posix_allocate,
        .release = posix_release,
    };

    return &allocator;
}
