/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_HEALTH_H
#define RESIL_HEALTH_H

/*
 * Active health checks without the I/O: which endpoint to probe next, when, and what the results
 * make of it. Calls tell only of endpoints that get some; a probe finds out that a dead one is back
 * before a user has to. Whoever has sockets (resil_prober, or the program's own event loop) asks
 * for the next probe, makes it, and reports how it ended.
 *
 *                 1 pass                        rise passes in a row
 *     UNKNOWN -----------------> UP <--------------------------------- DOWN
 *        |                       |        fall failures in a row        ^
 *        |                       +--------------------------------------+
 *        +--------------------------------------------------------------+
 *                                 fall failures in a row
 *
 *     time from one probe to the next, each drawn from pace to pace + jitter_pct
 *       interval_ns   UP, and nothing speaks against it
 *       doubt_ns      the last result speaks against the state, or is a failure of an UNKNOWN
 *       down_ns       DOWN, and the last probe failed
 *
 * Rise, fall and the three paces are those of HAProxy's checks (rise 2, fall 3, inter 2 s,
 * fastinter, downinter), the one pass that is enough at first is Envoy's. Our own: new endpoints
 * are spread evenly over one interval, beginning at once and from a random place in the list, so
 * that a fleet of clients that starts together doesn't probe the same host together; DOWN is slower
 * and doubt faster by default.
 *
 * An endpoint has at most one probe in flight. A pace counts from the start of a probe; one that
 * ends later than that is followed at once. Where more are due than probes_max allows, the longest
 * overdue goes first.
 *
 *     may overlap?      next report cancel update peek fini   snapshot
 *     all but snapshot        no: one thread at a time           yes
 *     snapshot                        yes                        yes
 */

#include <resil/allocator.h>
#include <resil/common.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** What is known of an endpoint. */
enum resil_health_state {
    RESIL_HEALTH_UNKNOWN = 0, /* new: neither passed once nor failed often enough */
    RESIL_HEALTH_UP = 1,
    RESIL_HEALTH_DOWN = 2,
};

/** The longest list. */
#define RESIL_HEALTH_ENDPOINTS_MAX UINT64_C(1000000)

/** One endpoint of a list. */
struct resil_health_endpoint {
    uint64_t id;         /* names the endpoint; unique in its list */
    const char *address; /* what to probe: not empty; copied */
    void *user;          /* handed out with every probe; borrowed */
};

/**
 * Is told of each change to UP (healthy) or DOWN. Runs inside of next, report or cancel, and must
 * not call back into the same resil_health.
 */
typedef void resil_health_changed_fn(void *arg, uint64_t id, bool healthy);

/** All-zero is the default: probes every 2 s, down after 3 failures, up after 2 passes. */
struct resil_health_config {
    /** From probe to probe while all is well: 1 ms to 24 h; 0 = 2 s. */
    uint64_t interval_ns;

    /** Each wait is made longer by up to this share of it: 1 to 100; 0 = 10; RESIL_OFF = never, and
        the order of first probes is that of the list: for tests and for a client that is alone. */
    uint64_t jitter_pct;

    /** A probe without a result by then has failed: 1 ms to 1 h; 0 = 1 s. */
    uint64_t timeout_ns;

    uint64_t rise; /* passes in a row that end DOWN: 1 to 1000; 0 = 2 */
    uint64_t fall; /* failures in a row that end UP or UNKNOWN: 1 to 1000; 0 = 3 */

    /** From probe to probe in doubt: 1 ms to 24 h; 0 = interval_ns / 4; RESIL_OFF = no pace of its
        own. */
    uint64_t doubt_ns;

    /** From probe to probe while DOWN: 1 ms to 24 h; 0 = interval_ns * 5 / 2; RESIL_OFF = no pace
        of its own. */
    uint64_t down_ns;

    uint64_t probes_max; /* in flight at once: 1 to 1000000; 0 = 256 */

    resil_health_changed_fn *changed; /* may be NULL */
    void *changed_arg;
};

/** Numbers since init, and the present ones. Each is exact; they are not of one moment. */
struct resil_health_snapshot {
    uint64_t endpoints;
    uint64_t unknown; /* of the endpoints */
    uint64_t up;      /* of the endpoints */
    uint64_t down;    /* of the endpoints */
    uint64_t in_flight;
    uint64_t started;   /* probes handed out: those in flight and the next five */
    uint64_t passed;    /* reported well in time */
    uint64_t failed;    /* reported badly in time */
    uint64_t expired;   /* without a result at their deadline: failures, too */
    uint64_t cancelled; /* given back without a result */
    uint64_t forgotten; /* whose endpoint left the list */
    uint64_t late;      /* reports and cancels that came too late */
    uint64_t changes;   /* to UP or DOWN */
};

/** Private: see src/balancer/health.h. */
struct resil__health_table;
struct resil__health_slot;

/** The checks of one list. Process-local: it holds pointers. */
struct resil_health {
    const struct resil_allocator *allocator_;
    struct resil__health_table *table_; /* NULL before the first update */
    struct resil__health_slot *slots_;  /* probes in flight and free ones */
    struct resil_health_config config_; /* the defaults filled in; 0 = off */
    uint64_t now_ns_;                   /* the latest time that it was told */
    uint64_t random_;
    uint64_t serial_;                     /* probes started */
    uint32_t free_;                       /* list of free slots */
    uint32_t first_;                      /* in flight, oldest first */
    uint32_t last_;                       /* in flight, the youngest */
    uint32_t ready_;                      /* a mark that init has been here */
    struct resil_health_snapshot counts_; /* one thread writes, any reads; relaxed */
};

/** What to do now. */
struct resil_health_probe {
    uint64_t ticket; /* for report; 0 = nothing to do before wake_ns */
    uint64_t id;
    const char *address; /* valid until the endpoint has left the list or the checks end */
    void *user;
    uint64_t deadline_ns; /* a result from then on is late */
    uint64_t wake_ns;     /* ticket 0: ask again by then; RESIL_NEVER = the list is empty */
};

/** One endpoint, looked at. */
struct resil_health_view {
    enum resil_health_state state;
    bool in_flight;  /* being probed */
    uint64_t streak; /* results in a row that speak against the state; UNKNOWN: failures */
    uint64_t due_ns; /* of the next probe; in flight: its deadline */
};

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
RESIL_API int resil_health_config_check(const struct resil_health_config *config, char *why,
                                        size_t why_size);

/** For the static inline function below. */
RESIL_API int resil_health_init_sized(struct resil_health *health, size_t health_size,
                                      const struct resil_health_config *config, size_t config_size,
                                      const struct resil_allocator *allocator, uint64_t random);

/**
 * Makes health checks of an empty list.
 *
 * @param health     the caller's memory, any content.
 * @param config     NULL = all defaults. Copied; changed_arg is borrowed.
 * @param allocator  for the tables of update; NULL = resil_allocator_default(). Borrowed: must
 *                   outlive the checks. Called by update and fini alone.
 * @param random     64 random bits: where all jitter comes from.
 * @return RESIL_OK; RESIL_EINVAL for a NULL health, an allocator of another size or a config that
 *         resil_health_config_check refuses; RESIL_EABI when the sizes of header and library
 *         differ.
 *
 * Threads:   nobody else may use it yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; resil_health_fini ends it.
 * Since:     0.1
 */
static inline int resil_health_init(struct resil_health *health,
                                    const struct resil_health_config *config,
                                    const struct resil_allocator *allocator, uint64_t random)
{
    return resil_health_init_sized(health, sizeof *health, config, sizeof *config, allocator,
                                   random);
}

/**
 * Ends the checks and releases their tables. Probes in flight are forgotten.
 *
 * @return RESIL_OK; RESIL_EINVAL for a NULL health or one that isn't initialised (or has ended).
 *
 * Threads:   nobody may be in another call on it.
 * Progress:  as the allocator's release. Syscalls: none of its own.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_health_fini(struct resil_health *health);

/**
 * Replaces the list.
 *
 * An endpoint whose id and address were in the old list keeps its state, its place in the schedule
 * and its probe in flight; only user is taken anew. Any other is new: UNKNOWN, its first probe due
 * within one interval_ns, the first of all of them at once. A probe in flight whose endpoint has
 * left is forgotten: its report will be late, and its place among probes_max is free.
 *
 * @param endpoints  the whole list, in any order; copied, addresses included. NULL if count is 0.
 * @param count      0 to RESIL_HEALTH_ENDPOINTS_MAX.
 * @param now_ns     the time.
 * @return RESIL_OK; RESIL_EINVAL for a bad argument, an address that is NULL or empty, or an id
 *         that comes twice; RESIL_ENOMEM. On failure nothing has changed.
 *
 * Threads:   see the table at the top.
 * Progress:  O(n). Syscalls: none of its own. Allocates: once; at the first time, twice.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_health_update(struct resil_health *health,
                                  const struct resil_health_endpoint *endpoints, size_t count,
                                  uint64_t now_ns);

/**
 * Says what to do now: start this probe, or nothing before wake_ns. To be called until it says
 * nothing, after start, update and each report, and at wake_ns.
 *
 * Probes whose deadline has passed have failed; this is where it is noticed.
 *
 * @param now_ns  the time. One that is older than an earlier one by a second or less is taken for
 *                the earlier one; a clock that was set back further takes the schedule with it.
 * @param probe   receives what to do.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument or checks that aren't initialised.
 *
 * Threads:   see the table at the top.
 * Progress:  O(log n), and O(log n) more for each probe that has expired. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_health_next(struct resil_health *health, uint64_t now_ns,
                                struct resil_health_probe *probe);

/**
 * Reports how a probe ended.
 *
 * @param ticket  of the probe.
 * @param passed  whether the endpoint is well.
 * @param now_ns  the time, as for resil_health_next.
 * @return RESIL_OK; RESIL_ELATE when the probe has been reported, cancelled, forgotten or has
 *         expired: at or after its deadline it counts as failed, whatever passed says;
 *         RESIL_EINVAL for a NULL health or one that isn't initialised, or for ticket 0.
 *
 * Threads:   see the table at the top.
 * Progress:  O(log n). Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_health_report(struct resil_health *health, uint64_t ticket, bool passed,
                                  uint64_t now_ns);

/**
 * Gives a probe back without a result, because it couldn't be made for reasons of our own (no
 * descriptor, no memory). It is no failure of the endpoint's: its state and streak stay, and it is
 * probed again after the usual pace.
 *
 * @return as resil_health_report.
 *
 * Threads:   see the table at the top.
 * Progress:  O(log n). Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_health_cancel(struct resil_health *health, uint64_t ticket, uint64_t now_ns);

/**
 * Looks at one endpoint.
 *
 * @return RESIL_OK; RESIL_ELATE when there is no such id in the list; RESIL_EINVAL for a NULL
 *         argument or checks that aren't initialised.
 *
 * Threads:   see the table at the top.
 * Progress:  O(1). Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_health_peek(const struct resil_health *health, uint64_t id,
                                struct resil_health_view *view);

/**
 * Copies the numbers.
 *
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument.
 *
 * Threads:   any, at any time between init and fini.
 * Progress:  wait-free. Syscalls: none.
 * Ordering:  none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_health_snapshot(const struct resil_health *health,
                                    struct resil_health_snapshot *snapshot);

RESIL_END_DECLS

#endif
