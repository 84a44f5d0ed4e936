/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RESOLVER_H
#define RESIL_RESOLVER_H

/*
 * A resolver knows which endpoints there are, and pushes the whole list whenever it has changed: to
 * a balancer, or to any other function. It never asks what became of a list, and who takes a list
 * never asks the resolver.
 *
 *     resolver --- push(arg, endpoints, n, now_ns) ---> balancer
 *        ^
 *        |  tick(now_ns) -> when to come again
 *     an event loop, or resil/resolver_driver.h
 *
 * Sans-I/O where it can be: a resolver has no thread and no timer of its own. It is ticked, and says
 * when it wants to be ticked again. One that speaks a protocol (DNS, a registry) may also be ticked
 * from its socket's event.
 *
 * The rules for every resolver:
 *   - a list replaces the one before; an empty list is a list, and what it means is up to who takes
 *     it;
 *   - an error is never a list: who takes lists keeps the last good one;
 *   - a list that was not taken for a passing reason (RESIL_EBUSY, RESIL_ENOMEM) is pushed again.
 *     The reasons that don't pass are RESIL_EINVAL and RESIL_EABI: such a list is dropped;
 *   - whatever a list points to may be gone when push returns.
 *
 * To write one: embed struct resil_resolver as a member, fill it with resil_resolver_init, and call
 * resil_resolver_push from your tick.
 *
 * Which calls may overlap on one resolver: none; start, tick and stop are serialised by the caller.
 * None of them may be called from inside of push.
 */

#include <resil/common.h>
#include <resil/endpoint.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

struct resil_resolver;

/**
 * Takes a list. It is called from inside of a tick.
 *
 * @return RESIL_OK, and it is copied; RESIL_EINVAL or RESIL_EABI when this list will never do; any
 *         other status when it should come again.
 */
typedef int resil_resolver_push_fn(void *arg, const struct resil_endpoint *endpoints, size_t n,
                                   uint64_t now_ns);

/** What a resolver is made of. Static and constant. */
struct resil_resolver_ops {
    size_t size;      /* sizeof(struct resil_resolver_ops) */
    const char *name; /* for logs; a static string */

    /** Begins anew, without waiting for anything. why receives one line on failure. NULL = nothing
        to do. */
    int (*start)(struct resil_resolver *resolver, char *why, size_t why_size);

    /** Does what is due, and pushes what is new. See resil_resolver_tick. */
    int (*tick)(struct resil_resolver *resolver, uint64_t now_ns, uint64_t *next_ns);

    /** Ends, and gives back what start and tick took. NULL = nothing to do. */
    void (*stop)(struct resil_resolver *resolver);
};

/** What all resolvers share. Fields are private. */
struct resil_resolver {
    const struct resil_resolver_ops *ops_;
    resil_resolver_push_fn *push_; /* NULL = not started */
    void *arg_;
    uint64_t reserved_;
};

/** A list that doesn't change. Fields are private, but for the first. */
struct resil_static_resolver {
    struct resil_resolver resolver; /* what the functions below are given */
    const struct resil_endpoint *endpoints_;
    size_t count_;
    uint64_t pushed_;
};

/**
 * Fills the shared part, for who writes a resolver.
 *
 * @param resolver  the caller's memory, any content.
 * @param ops       borrowed for the life of the resolver; tick is required.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument, or ops without name or tick; RESIL_EABI when
 *         ops->size differs.
 *
 * Threads:   nobody else may use the resolver yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_resolver_init(struct resil_resolver *resolver,
                                  const struct resil_resolver_ops *ops);

/**
 * Begins: says where lists go. The first list comes with the first tick, or later.
 *
 * @param resolver  initialised.
 * @param push      takes the lists.
 * @param arg       handed to push. Borrowed until stop.
 * @param why       receives one line on failure; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL for a NULL resolver or push; RESIL_EBUSY when it has been started
 *         already; what the resolver's own start answers.
 *
 * Threads:   see above.
 * Progress:  as the resolver; static and file: wait-free. Syscalls: as the resolver; static and
 *            file: none.
 * Signals:   async-signal-safe: no.
 * Ownership: on failure it is not started, and there is nothing to stop.
 * Since:     0.1
 */
RESIL_API int resil_resolver_start(struct resil_resolver *resolver, resil_resolver_push_fn *push,
                                   void *arg, char *why, size_t why_size);

/**
 * Does what is due, pushes what is new, and says when to come again.
 *
 * To come earlier is harmless, and so is a time that is older than the last one.
 *
 * @param resolver  started.
 * @param now_ns    the time. Unit: ns of the monotonic clock.
 * @param next_ns   receives when the next tick is wanted; RESIL_NEVER: not again. Set in any case
 *                  but for RESIL_EINVAL of a NULL argument or of a resolver that isn't started. May
 *                  not be NULL.
 * @return RESIL_OK: nothing went wrong in this tick; RESIL_EINVAL: see next_ns, or the source
 *         says what is no list; RESIL_EFAILED: the source can't be read; RESIL_ENOMEM; what push
 *         answered. In each of these cases the last good list stands, and the resolver goes on.
 *
 * Threads:   see above.
 * Progress:  as the resolver and push. Syscalls: as the resolver; a static list: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_resolver_tick(struct resil_resolver *resolver, uint64_t now_ns,
                                  uint64_t *next_ns);

/**
 * Ends: push isn't called any more. What was pushed stands. It can be started again.
 *
 * @param resolver  initialised; NULL, or one that isn't started: nothing happens.
 *
 * Threads:   see above. Stop a driver first.
 * Progress:  as the resolver. Syscalls: as the resolver; static and file: none but the allocator's.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API void resil_resolver_stop(struct resil_resolver *resolver);

/**
 * Hands a list to whoever takes them, for who writes a resolver. Call it from inside of tick.
 *
 * @param resolver   started.
 * @param endpoints  may be NULL when n is 0. Borrowed for the call.
 * @param n          how many.
 * @param now_ns     the time of the tick.
 * @return what push answered; RESIL_EINVAL when the resolver isn't started.
 *
 * Threads:   see above.
 * Progress:  as push. Syscalls: none but push's.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_resolver_push(struct resil_resolver *resolver,
                                  const struct resil_endpoint *endpoints, size_t n,
                                  uint64_t now_ns);

/**
 * Names a resolver, for logs.
 *
 * @param resolver  initialised.
 * @return its name; "" for NULL or one that isn't initialised but all-zero.
 *
 * Threads:   any, at any time after init.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API const char *resil_resolver_name(const struct resil_resolver *resolver);

/** For the static inline function below. */
RESIL_API int resil_static_resolver_init_sized(struct resil_static_resolver *resolver,
                                               size_t resolver_size,
                                               const struct resil_endpoint *endpoints, size_t n,
                                               size_t endpoint_size);

/**
 * Makes a resolver of a list that doesn't change. It pushes once; when the list isn't taken it asks
 * to be ticked again 100 ms later, unless it will never be taken.
 *
 * @param resolver   the caller's memory, any content.
 * @param endpoints  borrowed, with all that it points to, until the list has been taken (or
 *                   stopped). May be NULL when n is 0.
 * @param n          how many. 0 is an empty list.
 * @return RESIL_OK; RESIL_EINVAL for a NULL resolver, or no endpoints and an n; RESIL_EABI when the
 *         sizes of header and library differ.
 *
 * Threads:   nobody else may use the resolver yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: yes.
 * Ownership: the memory stays the caller's; there is no fini.
 * Since:     0.1
 */
static inline int resil_static_resolver_init(struct resil_static_resolver *resolver,
                                             const struct resil_endpoint *endpoints, size_t n)
{
    return resil_static_resolver_init_sized(resolver, sizeof *resolver, endpoints, n,
                                            sizeof *endpoints);
}

RESIL_END_DECLS

#endif
