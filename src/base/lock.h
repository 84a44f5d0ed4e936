/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_LOCK_H
#define RESIL_BASE_LOCK_H

/*
 * A mutex for writers: control calls that change what others read without it. Nothing that admits,
 * picks or records may take one. A child of a fork that happened while another thread held it must
 * not touch it again: whoever offers a lock's object to its users says so.
 */

#include <pthread.h>
#include <stdbool.h>

struct resil__lock {
    pthread_mutex_t mutex;
};

/** False when the system has no room for one; then there is nothing to fini. */
static inline bool resil__lock_init(struct resil__lock *lock)
{
    return pthread_mutex_init(&lock->mutex, NULL) == 0;
}

static inline void resil__lock_fini(struct resil__lock *lock)
{
    (void)pthread_mutex_destroy(&lock->mutex);
}

/** Blocks. */
static inline void resil__lock(struct resil__lock *lock)
{
    (void)pthread_mutex_lock(&lock->mutex);
}

/** Never blocks; true when the lock is now the caller's. */
static inline bool resil__trylock(struct resil__lock *lock)
{
    return pthread_mutex_trylock(&lock->mutex) == 0;
}

static inline void resil__unlock(struct resil__lock *lock)
{
    (void)pthread_mutex_unlock(&lock->mutex);
}

#endif
