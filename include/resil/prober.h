/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PROBER_H
#define RESIL_PROBER_H

/*
 * A thread that makes the health checks of resil/health.h, for programs that have no event loop to
 * make them from. It knows no balancer: it is given lists by resil_prober_update and tells of
 * changes by health.changed.
 *
 *     TCP       passes when the connection is established. The kernel of a host does that even when
 *               its program hangs: where there is HTTP, ask by HTTP.
 *     HTTP      sends one GET on a new connection and reads the status line, no more (at most 13
 *               bytes). Passes when the status lies in status_min to status_max. An interim answer
 *               (103) counts as the answer.
 *     CALLBACK  asks a function of the program's own.
 *
 * All TCP and HTTP probes run at once in the one thread, on non-blocking sockets under one poll; a
 * host that drops packets, never answers or drips its answer is cut off at timeout_ns. A callback
 * blocks the whole prober while it runs: it should obey its deadline, and probes that are many and
 * slow want a pool of threads of the program's own over resil_health.
 *
 * What is our own fault (no descriptor, no memory, no free port) judges nobody: the probe is
 * dropped, counted as cancelled, and made again after the usual pace. Everything else that keeps a
 * connection from being made is the endpoint's failure, "no route" included: calls would meet it,
 * too.
 *
 *     addresses     "192.0.2.1:80"   "[2001:db8::1]:80"   "[fe80::1%eth0]:80"   "unix:/run/a.sock"
 *
 * Numeric only: a name would have to be looked up, which blocks. CALLBACK takes any string.
 *
 * The thread is called resil-prober, has all signals blocked and raises none (SIGPIPE).
 * pthread_cancel has no effect on it, and no callback may end it (pthread_exit). After a
 * fork it doesn't run in the child: there the prober can only be left alone, and a new one started.
 *
 *     may overlap?    update snapshot stop
 *     update            yes    yes     no
 *     snapshot                 yes     no
 */

#include <resil/allocator.h>
#include <resil/common.h>
#include <resil/health.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** How an endpoint is probed. */
enum resil_prober_kind {
    RESIL_PROBER_TCP = 0,
    RESIL_PROBER_HTTP = 1,
    RESIL_PROBER_CALLBACK = 2,
};

/**
 * A probe of the program's own. Runs in the prober's thread.
 *
 * @param address      as in the list; valid during the call.
 * @param user         as in the list.
 * @param deadline_ns  on the clock of resil_now_ns; a pass from then on counts as a failure.
 * @return whether the endpoint is well.
 */
typedef bool resil_prober_fn(void *arg, const char *address, void *user, uint64_t deadline_ns);

/** All-zero is the default: TCP, every 2 s, telling nobody. */
struct resil_prober_config {
    /** Pace and judgement. health.changed is called in the prober's thread, without any lock held:
        it may call resil_prober_update. It may still name an endpoint that an update has just
        removed. */
    struct resil_health_config health;

    enum resil_prober_kind kind;

    const char *http_path; /* HTTP: begins with '/', no spaces, at most 1024 bytes; NULL = "/" */
    const char *http_host; /* HTTP: the Host field, at most 255 bytes; NULL = the address */
    uint64_t status_min;   /* HTTP: 100 to 599; 0 = 200 */
    uint64_t status_max;   /* HTTP: status_min to 599; 0 = 399 */

    resil_prober_fn *probe; /* CALLBACK: required */
    void *probe_arg;

    /** For lists and sockets' records; called by whoever calls start, update and stop, and by the
        prober's thread. NULL = resil_allocator_default(). Borrowed. */
    const struct resil_allocator *allocator;
};

struct resil_prober;

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL = all defaults.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_prober_config_check(const struct resil_prober_config *config, char *why,
                                        size_t why_size);

/** For the static inline function below. */
RESIL_API int resil_prober_start_sized(struct resil_prober **prober,
                                       const struct resil_prober_config *config,
                                       size_t config_size);

/**
 * Starts a prober with an empty list.
 *
 * @param prober  receives the prober; untouched on failure.
 * @param config  NULL = all defaults. Copied, http_path and http_host included; the two args and
 *                the allocator are borrowed until resil_prober_stop.
 * @return RESIL_OK; RESIL_EINVAL for a NULL prober, an allocator of another size or a config that
 *         resil_prober_config_check refuses; RESIL_EABI when the sizes of header and library
 *         differ; RESIL_ENOMEM when there is no memory, no descriptor (it needs two) or no thread
 *         to be had.
 *
 * Threads:   any, at any time.
 * Progress:  Syscalls: for a pipe and a thread.
 * Signals:   async-signal-safe: no.
 * Ownership: to be given to resil_prober_stop.
 * Since:     0.1
 */
static inline int resil_prober_start(struct resil_prober **prober,
                                     const struct resil_prober_config *config)
{
    return resil_prober_start_sized(prober, config, sizeof *config);
}

/**
 * Replaces the list, as resil_health_update does, a moment later.
 *
 * @param endpoints  the whole list; copied, but for user, which is borrowed until the endpoint has
 *                   left the list and a probe of it that was under way has ended. NULL if count is
 *                   0.
 * @param count      0 to RESIL_HEALTH_ENDPOINTS_MAX.
 * @return RESIL_OK; RESIL_EINVAL for a bad argument, an id that comes twice, or an address that is
 *         empty, NULL or (TCP, HTTP) can't be read, or in a process that was forked since the
 *         start; RESIL_ENOMEM. On failure nothing has changed.
 *
 * Threads:   see the table at the top. Of two that overlap, one wins as a whole.
 * Progress:  O(n). Takes a lock for a bounded time. Syscalls: one, to wake the thread.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_prober_update(struct resil_prober *prober,
                                  const struct resil_health_endpoint *endpoints, size_t count);

/**
 * Copies the numbers of the checks. cancelled counts the probes that were dropped because of our
 * own faults.
 *
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_prober_snapshot(const struct resil_prober *prober,
                                    struct resil_health_snapshot *snapshot);

/**
 * Ends a prober: its thread, its probes, its memory. Nothing is called back afterwards. Waits for a
 * callback that is running, but for no socket.
 *
 * @param prober  NULL is allowed.
 * @return RESIL_OK; RESIL_EBUSY inside of one of its own callbacks, where it can't wait for itself;
 *         RESIL_EINVAL in a process that was forked since the start. On failure nothing has
 *         changed.
 *
 * Threads:   nobody may be in another call on it, or make one afterwards.
 * Progress:  blocking, as said above. Syscalls: to join the thread and to close what is open.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_prober_stop(struct resil_prober *prober);

RESIL_END_DECLS

#endif
