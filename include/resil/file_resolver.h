/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_FILE_RESOLVER_H
#define RESIL_FILE_RESOLVER_H

/*
 * A resolver that watches a file of endpoints (the text of resil/endpoints.h): whoever changes the
 * file changes the list of every process that watches it.
 *
 * It looks by stat every interval_ns, through symbolic links, and reads only what has changed:
 * device, inode, size, time of modification or time of status. That works where notifications
 * don't: on network file systems, and for the mounted configuration of containers, which swaps a
 * symbolic link. A link swapped, a file replaced by rename, one rewritten in place: all are seen
 * within an interval.
 *
 *     looks --- unchanged ------------------------------> nothing
 *       |
 *       +------ changed, then the same for settle_ns ---> read --- a list ---> pushed
 *       |                                                  |
 *       +------ gone, no regular file, too large           +--- an error
 *                      |                                   |
 *                      +-----> counted, told, the last good list stands
 *
 * Half a file: what changes while it is read (fstat before and after, on the same descriptor) is
 * not used, nor what has changed less than settle_ns ago. Until the first list has been pushed it
 * doesn't wait for settle_ns, because a service that starts has nothing better; but an empty file
 * is what a writer in place begins with, so an empty one always waits. A writer in place that pauses
 * in the middle for longer than settle_ns can't be told from one that is done: write another file,
 * and rename it over the old one.
 *
 * Two changes within one tick of the file system's clock look like one: a file that was read while
 * its time was new is read once more after two seconds. What is read and has the same 64-bit digest
 * as the last list isn't pushed again.
 *
 * Errors are not lists. A file that is missing, unreadable, no regular file (a FIFO isn't waited
 * for), larger than 16 MiB or no list in one of its lines changes nothing but the counters and the
 * line that resil_file_resolver_snapshot shows. An empty file is an empty list: what it means is up
 * to who takes it. Files of /proc, whose size says nothing, can't be watched.
 *
 * A thread that is cancelled (pthread_cancel) in the middle of a tick ends after it: nothing is left
 * open or half done.
 *
 * Which calls may overlap on one resolver: snapshot with everything but init; no other two.
 */

#include <resil/allocator.h>
#include <resil/common.h>
#include <resil/endpoints.h>
#include <resil/resolver.h>

RESIL_BEGIN_DECLS

/** What to watch. path has no default. */
struct resil_file_resolver_config {
    /** Borrowed for the life of the resolver. A relative one is resolved at every look. */
    const char *path;

    uint64_t interval_ns; /* between looks: 10 ms to 1 h; 0 = 1 s */
    uint64_t jitter_pct;  /* of the interval, either way: 1 to 50; 0 = 10; RESIL_OFF = none */
    uint64_t settle_ns;   /* 1 ms to 1 min; 0 = 100 ms; RESIL_OFF = don't wait */
    uint64_t seed;        /* of the jitter; 0 = drawn by init from the system */
    const struct resil_allocator *allocator; /* NULL = resil_allocator_default(); borrowed */
};

/** What became of it so far. */
struct resil_file_resolver_snapshot {
    uint64_t looks;         /* at the file */
    uint64_t reads;         /* of its whole text */
    uint64_t pushes;        /* lists that were taken */
    uint64_t push_failures; /* that were not */
    uint64_t errors;        /* looks that ended in an error of the file or its text */
    uint64_t pushed_ns;     /* when the last list was taken */
    uint64_t endpoints;     /* in that list */
    bool settling;          /* the file has changed, and may still be written */
    bool failing;           /* the last look or push went wrong; why says how */
    char why[160];          /* one line; "" when not failing */
};

/** Tells one version of a file from another. Private. */
struct resil__file_stamp {
    uint64_t device, inode, size, modified_ns, changed_ns;
};

/** A resolver. Fields are private, but for the first. */
struct resil_file_resolver {
    struct resil_resolver resolver; /* what start, tick and stop are given */
    struct resil_file_resolver_config config_;
    struct resil_file_resolver_snapshot told_; /* under lock_; written by tick */
    struct resil__file_stamp seen_;            /* by the last look */
    struct resil__file_stamp judged_;          /* read, and found to be a list or not */
    struct resil_endpoint_list pending_;       /* not taken yet */
    uint64_t seen_ns_;                         /* when seen_ was seen first */
    uint64_t next_ns_;                         /* the next look */
    uint64_t digest_;                          /* of the text that was judged */
    uint64_t random_;
    bool has_pending_;
    bool good_;      /* digest_ is that of a list which was taken, or waits to be */
    bool confirmed_; /* judged_ was read when its time was old */
    bool push_failed_;
    uint32_t lock_;
};

/** For the static inline functions below. */
RESIL_API int resil_file_resolver_init_sized(struct resil_file_resolver *file, size_t file_size,
                                             const struct resil_file_resolver_config *config,
                                             size_t config_size);
RESIL_API int resil_file_resolver_snapshot_sized(struct resil_file_resolver *file,
                                                 struct resil_file_resolver_snapshot *snapshot,
                                                 size_t snapshot_size);

/**
 * Says whether a config can be used, and what is wrong with it. It doesn't look at the file.
 *
 * @param config    what resil_file_resolver_init is to be given.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL, also for a NULL config; RESIL_EABI for an allocator of another
 *         size.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_file_resolver_config_check(const struct resil_file_resolver_config *config,
                                               char *why, size_t why_size);

/**
 * Makes a resolver of a file. The file is looked at by the first tick: give &file->resolver to
 * resil_resolver_start, resil_resolver_tick and resil_resolver_stop.
 *
 * tick answers RESIL_EFAILED when the file can't be read, RESIL_EINVAL when it is found to be no
 * list, RESIL_ENOMEM, or what push answered. Only tick and stop call the allocator. A list that isn't taken is pushed again by every tick, the
 * next of which is asked for 100 ms later.
 *
 * @param file    the caller's memory, any content, aligned to 8. May not be moved.
 * @param config  copied, but for what it points to.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument or a config that
 *         resil_file_resolver_config_check refuses; RESIL_EABI when the sizes of header and library
 *         differ.
 *
 * Threads:   nobody else may use the resolver yet.
 * Progress:  wait-free. Syscalls: one for a seed of 0. Allocates: nothing; tick allocates the text
 *            for as long as it is read, and the list until it is taken.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; after resil_resolver_stop
 *            nothing is held.
 * Since:     0.1
 */
static inline int resil_file_resolver_init(struct resil_file_resolver *file,
                                           const struct resil_file_resolver_config *config)
{
    return resil_file_resolver_init_sized(file, sizeof *file, config, sizeof *config);
}

/**
 * Shows the counters and the last error. They begin anew with resil_resolver_start.
 *
 * @param file      initialised.
 * @param snapshot  receives values of one moment.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument; RESIL_EABI when the sizes differ.
 *
 * Threads:   any, at any time after init.
 * Progress:  blocking, for as long as another copies 300 bytes. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
static inline int resil_file_resolver_snapshot(struct resil_file_resolver *file,
                                               struct resil_file_resolver_snapshot *snapshot)
{
    return resil_file_resolver_snapshot_sized(file, snapshot, sizeof *snapshot);
}

RESIL_END_DECLS

#endif
