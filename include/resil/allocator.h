/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_ALLOCATOR_H
#define RESIL_ALLOCATOR_H

/*
 * Where memory comes from, for the few parts that need more than the caller's struct: the
 * balancer's lists, the health checks' tables. Breakers, limits, chains and calls never allocate.
 *
 * Whoever releases names the bytes that were asked for, so that an arena or a counting allocator
 * needs no headers of its own.
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/**
 * A table of functions; arg is handed to each. It is borrowed and must outlive what was allocated
 * with it. A part that takes one says which threads call it.
 */
struct resil_allocator {
    size_t size; /* sizeof(struct resil_allocator) */
    void *arg;

    /** Returns uninitialised memory, or NULL when there is none. bytes is at least 1; alignment is
        a power of two, at least sizeof(void *) and at most 4096. */
    void *(*allocate)(void *arg, size_t bytes, size_t alignment);

    /** Takes back what allocate returned, whole. bytes is what was asked for. memory may be NULL. */
    void (*release)(void *arg, void *memory, size_t bytes);
};

/**
 * Returns the allocator of the C library: posix_memalign and free.
 *
 * @return a static table; never NULL. Its functions may be called by any number of threads at once.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free; its functions take the locks of the C library. Syscalls: none here.
 * Signals:   async-signal-safe; its functions are not.
 * Since:     0.1
 */
RESIL_API const struct resil_allocator *resil_allocator_default(void);

RESIL_END_DECLS

#endif
