/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RESOLVER_DRIVER_H
#define RESIL_RESOLVER_DRIVER_H

/*
 * A thread that ticks a resolver, for programs without a loop of their own. Any resolver will do.
 *
 *     resil_file_resolver_init(&file, &(struct resil_file_resolver_config){.path = path});
 *     resil_resolver_start(&file.resolver, push, balancer, why, sizeof why);
 *     rc = resil_resolver_tick(&file.resolver, resil_now_ns(), &next_ns);   // the first list
 *     resil_resolver_driver_start(&driver, &file.resolver, NULL);
 *     ...
 *     resil_resolver_driver_stop(&driver);
 *     resil_resolver_stop(&file.resolver);
 *
 * The thread blocks all signals: they stay with the program's own threads. pthread_cancel has no
 * effect on it, and push may not end it (pthread_exit). It sleeps between ticks, for at least a
 * millisecond whatever the resolver asks for. A child of a fork has no such thread: it may not stop
 * the driver, and may start another one in other memory.
 *
 * Which calls may overlap on one driver: none, and none of them may be called from inside of push.
 * Between its start and its stop the resolver belongs to the thread, and push is called by it.
 */

#include <resil/common.h>
#include <resil/env.h>
#include <resil/resolver.h>

RESIL_BEGIN_DECLS

/** A thread. Fields are private. */
struct resil_resolver_driver {
    struct resil_resolver *resolver_;
    const struct resil_env *env_;
    uint64_t thread_;
    uint32_t running_; /* 1 from start to stop */
    uint32_t ending_;  /* written by stop; the thread waits on it */
};

/** For the static inline function below. */
RESIL_API int resil_resolver_driver_start_sized(struct resil_resolver_driver *driver,
                                                size_t driver_size, struct resil_resolver *resolver,
                                                const struct resil_env *env);

/**
 * Starts a thread that ticks a resolver, at once and whenever it is due.
 *
 * @param driver    the caller's memory, any content. May not be moved until it is stopped.
 * @param resolver  started; borrowed until the driver is stopped.
 * @param env       the clock and the waiting; borrowed. NULL = resil_env_posix().
 * @return RESIL_OK; RESIL_EINVAL for a NULL driver or resolver; RESIL_EABI when the sizes of header
 *         and library differ; RESIL_ENOMEM when the system has no further thread.
 *
 * Threads:   see above.
 * Progress:  as pthread_create.
 * Signals:   async-signal-safe: no.
 * Ownership: on failure there is nothing to stop.
 * Since:     0.1
 */
static inline int resil_resolver_driver_start(struct resil_resolver_driver *driver,
                                              struct resil_resolver *resolver,
                                              const struct resil_env *env)
{
    return resil_resolver_driver_start_sized(driver, sizeof *driver, resolver, env);
}

/**
 * Ends the thread, and waits until it is gone. The resolver stays started.
 *
 * @param driver  started; all-zero or stopped already: nothing happens.
 * @return RESIL_OK; RESIL_EINVAL for NULL.
 *
 * Threads:   see above.
 * Progress:  blocking, for as long as a tick takes.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_resolver_driver_stop(struct resil_resolver_driver *driver);

RESIL_END_DECLS

#endif
