/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_DRIVER_FILE_READ_H
#define RESIL_DRIVER_FILE_READ_H

/* The system calls of the file resolver. Each error is one line in why. */

#include <resil/file_resolver.h>

#include "base/check.h"

/** The text of a file, given back with the same allocator. */
struct resil__file_text {
    char *at;
    size_t size;
    size_t bytes_; /* allocated */
};

/** Looks at a file, through links. RESIL_OK; RESIL_EFAILED: not there, not a regular file, or too
    large. */
int resil__file_look(const char *path, struct resil__file_stamp *stamp, struct resil__why why);

/** Reads the file if it is what the stamp says, and stays it. RESIL_OK; RESIL_EBUSY: it has changed
    meanwhile (why untouched); RESIL_EFAILED; RESIL_ENOMEM. */
int resil__file_read(const char *path, const struct resil__file_stamp *stamp,
                     const struct resil_allocator *allocator, struct resil__file_text *text,
                     struct resil__why why);

void resil__file_release(struct resil__file_text *text, const struct resil_allocator *allocator);

static inline bool resil__file_same(const struct resil__file_stamp *a,
                                    const struct resil__file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

#endif
