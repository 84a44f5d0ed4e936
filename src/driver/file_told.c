/* SPDX-License-Identifier: BSD-2-Clause */
#include "driver/file_told.h"

#include <string.h>

#include "base/atomic.h"
#include "base/check.h"
#include "base/contend.h"

static void lock(struct resil_file_resolver *file)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint32_t seen = 0;

    while (!resil__cas32(&file->lock_, &seen, 1)) {
        resil__contend(&contend);
        seen = 0;
    }
}

static void unlock(struct resil_file_resolver *file)
{
    resil__store_release32(&file->lock_, 0); /* pairs with the swap in lock */
}

/* The file or its text is wrong: told until a good look. */
void resil__file_tell_error(struct resil_file_resolver *file, const char *why)
{
    lock(file);
    file->told_.errors++;
    file->told_.failing = true;
    memcpy(file->told_.why, why, RESIL__FILE_WHY);
    unlock(file);
    file->push_failed_ = false;
}

void resil__file_tell_good(struct resil_file_resolver *file)
{
    lock(file);
    file->told_.failing = false;
    file->told_.why[0] = '\0';
    unlock(file);
    file->push_failed_ = false;
}

void resil__file_tell_look(struct resil_file_resolver *file)
{
    lock(file);
    file->told_.looks++;
    file->told_.settling = false;
    unlock(file);
}

void resil__file_tell_settling(struct resil_file_resolver *file)
{
    lock(file);
    file->told_.settling = true;
    unlock(file);
}

void resil__file_tell_read(struct resil_file_resolver *file)
{
    lock(file);
    file->told_.reads++;
    unlock(file);
}

void resil__file_tell_taken(struct resil_file_resolver *file, uint64_t now_ns)
{
    lock(file);
    file->told_.pushes++;
    file->told_.pushed_ns = now_ns;
    file->told_.endpoints = file->pending_.count;
    unlock(file);
    if (file->push_failed_)
        resil__file_tell_good(file);
}

void resil__file_tell_not_taken(struct resil_file_resolver *file, int rc)
{
    lock(file);
    file->told_.push_failures++;
    file->told_.failing = true;
    (void)resil__check_fail((struct resil__why){file->told_.why, RESIL__FILE_WHY}, "push",
                            resil_status_str(rc));
    unlock(file);
    file->push_failed_ = true;
}

void resil__file_tell_nothing(struct resil_file_resolver *file)
{
    lock(file);
    file->told_ = (struct resil_file_resolver_snapshot){0};
    unlock(file);
}

int resil_file_resolver_snapshot_sized(struct resil_file_resolver *file,
                                       struct resil_file_resolver_snapshot *snapshot,
                                       size_t snapshot_size)
{
    if (snapshot_size != sizeof *snapshot)
        return RESIL_EABI;
    if (file == NULL || snapshot == NULL)
        return RESIL_EINVAL;
    lock(file);
    *snapshot = file->told_;
    unlock(file);
    return RESIL_OK;
}
