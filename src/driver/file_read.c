/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L
#include "driver/file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_errno(struct resil__why why, const char *what, int err)
{
    char text[96];

    if (strerror_r(err, text, sizeof text) != 0)
        (void)snprintf(text, sizeof text, "error %d", err);
    (void)resil__check_fail(why, what, text);
    return RESIL_EFAILED;
}

static uint64_t ns_of(struct timespec time)
{
    return (uint64_t)time.tv_sec * RESIL_SEC(1) + (uint64_t)time.tv_nsec;
}

/* What stat or fstat said. */
static int stamp_of(const struct stat *status, struct resil__file_stamp *stamp,
                    struct resil__why why)
{
    if (S_ISDIR(status->st_mode)) {
        (void)resil__check_fail(why, "file", "is a directory");
        return RESIL_EFAILED;
    }
    if (!S_ISREG(status->st_mode)) {
        (void)resil__check_fail(why, "file", "is not a regular file");
        return RESIL_EFAILED;
    }
    if (status->st_size < 0 || (uint64_t)status->st_size > RESIL_ENDPOINTS_SIZE_MAX) {
        (void)resil__check_fail(why, "file", "is larger than 16777216 bytes");
        return RESIL_EFAILED;
    }
    *stamp = (struct resil__file_stamp){
        .device = (uint64_t)status->st_dev,
        .inode = (uint64_t)status->st_ino,
        .size = (uint64_t)status->st_size,
        .modified_ns = ns_of(status->st_mtim),
        .changed_ns = ns_of(status->st_ctim),
    };
    return RESIL_OK;
}

int resil__file_look(const char *path, struct resil__file_stamp *stamp, struct resil__why why)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return fail_errno(why, "stat", errno);
    return stamp_of(&status, stamp, why);
}

/* Reads to the end of the file or of the memory, which is one byte longer than the file should be.
   Bounded by that; a signal costs one more round. */
static int read_all(int fd, struct resil__file_text *text, struct resil__why why)
{
    while (text->size < text->bytes_) {
        ssize_t got = read(fd, text->at + text->size, text->bytes_ - text->size);

        if (got == 0)
            break;
        if (got > 0)
            text->size += (size_t)got;
        else if (errno != EINTR)
            return fail_errno(why, "read", errno);
    }
    return RESIL_OK;
}

/* RESIL_OK when the open file is still what the stamp says. */
static int check_open(int fd, const struct resil__file_stamp *stamp, struct resil__why why)
{
    struct resil__file_stamp now;
    struct stat status;
    int rc;

    if (fstat(fd, &status) != 0)
        return fail_errno(why, "fstat", errno);
    rc = stamp_of(&status, &now, why);
    if (rc != RESIL_OK)
        return rc;
    return resil__file_same(stamp, &now) ? RESIL_OK : RESIL_EBUSY;
}

static int read_open(int fd, const struct resil__file_stamp *stamp,
                     const struct resil_allocator *allocator, struct resil__file_text *text,
                     struct resil__why why)
{
    int rc = check_open(fd, stamp, why);

    if (rc != RESIL_OK)
        return rc;
    text->bytes_ = (size_t)stamp->size + 1;
    text->at = allocator->allocate(allocator->arg, text->bytes_, sizeof(void *));
    if (text->at == NULL) {
        if (why.text != NULL && why.size > 0)
            (void)snprintf(why.text, why.size, "out of memory: %zu bytes of text", text->bytes_);
        return RESIL_ENOMEM;
    }
    rc = read_all(fd, text, why);
    if (rc == RESIL_OK)
        rc = check_open(fd, stamp, why);
    if (rc == RESIL_OK && text->size != stamp->size)
        rc = RESIL_EBUSY; /* unreachable: a file system whose sizes are wrong, as some of /proc */
    return rc;
}

int resil__file_read(const char *path, const struct resil__file_stamp *stamp,
                     const struct resil_allocator *allocator, struct resil__file_text *text,
                     struct resil__why why)
{
    /* Without O_NONBLOCK, a FIFO that has just taken the file's place would hold us for good. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), rc;

    *text = (struct resil__file_text){0};
    if (fd < 0)
        return fail_errno(why, "open", errno);
    rc = read_open(fd, stamp, allocator, text, why);
    (void)close(fd);
    if (rc != RESIL_OK)
        resil__file_release(text, allocator);
    return rc;
}

void resil__file_release(struct resil__file_text *text, const struct resil_allocator *allocator)
{
    if (text->at != NULL)
        allocator->release(allocator->arg, text->at, text->bytes_);
    *text = (struct resil__file_text){0};
}
