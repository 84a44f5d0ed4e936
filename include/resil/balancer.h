/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_H
#define RESIL_BALANCER_H

/*
 * A client-side load balancer: chooses for each call one endpoint of a list that changes while it
 * is in use, by one of a dozen algorithms (resil/picker.h), leaving out those that are ill, and
 * takes note of how each call ended.
 *
 *     resil_balancer_update  the list        ----.
 *     resil_balancer_tick    what is due     -----+--> builds a view, publishes it behind one
 *     resil_balancer_health, _admin, ...     ----'     pointer
 *                                                        |
 *     resil_balancer_pick  ---- reads the view <---------'     one epoch section, no lock
 *     resil_balancer_report --- counts the result at the endpoint
 *
 * The list. `update` takes the whole new list. An endpoint that stays, by its address, keeps what is
 * known of it: calls in flight, latency, errors, ejection, age. An address that stands twice in a
 * list counts once: the first line. Removed endpoints live until their last pick is reported.
 *
 * Who may be picked. An endpoint is a candidate unless it is ejected (resil/outlier.h), down by an
 * active check, set aside by hand, or of weight 0 among others that have one. Candidates form pools
 * by priority and, where these are in use, by subset, by version (a canary), and by zone:
 *
 *     subset of the request -> canary or baseline -> priority -> own zone or the others -> picker
 *
 * The share of each priority, panic and zones follow Envoy (resil/priority.h). When a pool has
 * nobody left whom the request doesn't exclude, the rest of its zone pair, then the other
 * priorities, then the other version are asked; and at last the excluded ones again.
 *
 * Time. What happens by time (outlier sweeps, the end of an ejection, slow start, canary steps)
 * happens in resil_balancer_tick: the chain's policy calls it when it is due; who picks by hand
 * calls it from any thread, and is told when next. It allocates nothing.
 *
 * Reclamation: epochs (Keir Fraser, "Practical lock-freedom", 2004; Concurrency Kit). A reader that
 * stalls for ever inside of a pick costs memory up to a bound: beyond 16 retired lists an update is
 * refused.
 *
 * Memory. Updates allocate, updates and ticks free; during an update there are two lists, and up to
 * 16 more where readers stall. In bytes, at most, on 64-bit machines:
 *
 *     once               24 Ki; 2.6 Ki for each subset; 2 Ki for each pool that there ever was
 *     each endpoint      177 + its address, rounded up to 64; config.state_size, rounded up to 64
 *       in a list        160, and its strings
 *       in a pool        112
 *     each pool's table  smooth weighted        3 * (40 Ki + the lesser of 400 n and 400 Ki + 64 n)
 *                        weighted random        3 * 20 n
 *                        ring, bounded load     24 for each point of the ring (at most ring_max)
 *                        maglev                 16 Ki + 2 M + 48 n
 *                        the others             none
 *
 *     all of it, one pool of      100      10,000 endpoints with addresses of 15 letters
 *       least requests           62 Ki     4.3 Mi
 *       smooth weighted         176 Ki     7.1 Mi
 *       ring                     80 Ki     4.5 Mi
 *       maglev                  202 Ki     5.9 Mi
 *
 * Which calls may overlap on one balancer:
 *
 *                            | init, fini |  pick, report   | update, tick, the others
 *   init, fini               |    no      |       no          |    no
 *   pick, report             |    no      |       yes         |    yes
 *   update, tick, the others |    no      |       yes         |    yes; one waits for the other
 *
 * A balancer lives in one process: after a fork the child may use its copy, but picks made before
 * are the parent's. Fork while no other thread is inside of update and the like.
 */

#include <resil/allocator.h>
#include <resil/canary.h>
#include <resil/common.h>
#include <resil/endpoint.h>
#include <resil/outcome.h>
#include <resil/outlier.h>
#include <resil/picker.h>
#include <resil/policy.h>
#include <resil/priority.h>
#include <resil/slow_start.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** How many subsets a config can declare. */
#define RESIL_SUBSETS 16

/** Where a request goes when its subset has no candidate. */
enum resil_subset_fallback {
    RESIL_SUBSET_FALLBACK_ANY = 0,  /* to any endpoint */
    RESIL_SUBSET_FALLBACK_NONE = 1, /* nowhere: RESIL_EUNAVAILABLE */
};

/** The endpoints that carry all of these tags. */
struct resil_subset {
    const char *const *tags;
    size_t tag_count;
    enum resil_subset_fallback fallback;
};

/**
 * What a balancer does. All-zero is a good default: least requests of two choices, outlier
 * detection, failover between priorities, panic below half. Strings, arrays, picker and allocator
 * are borrowed and must outlive the balancer, or the next reconfigure.
 */
struct resil_balancer_config {
    const struct resil_picker *picker; /* NULL = resil_picker_least_requests() */
    struct resil_picker_options options;
    struct resil_outlier_config outlier;
    struct resil_slow_start_config slow_start;
    struct resil_priority_config priority;
    struct resil_canary_config canary; /* version NULL = no canary */

    /** This client's own zone: preferred as far as its endpoints can carry it. NULL = none. */
    const char *zone;

    /** What resil_pick_request.subset can name. */
    const struct resil_subset *subsets;
    size_t subset_count; /* 0 to 16 */

    /** Deterministic subsetting for many clients: this one uses only so many endpoints of a list, 1
        to 1000000; 0 = all. Which, says its number among the clients, 0 to 1000000000. A good size
        is this client's calls a second * outlier.interval_ns in seconds / outlier.consecutive: who
        meets an endpoint less often than that can't tell that it fails, and with many endpoints to
        find out about loses calls at each. In a simulated fleet (tests/sim/README.md) of clients
        with 5.6 calls a second, 10 black holes among 100 endpoints got 4.7 % of the calls, and 1.4 %
        where each client had 11 of them. */
    uint64_t client_endpoints;
    uint64_t client_number;

    /** In a chain: a retry with a key goes elsewhere, too, with a picker that goes by key [it keeps
        its endpoint]. */
    bool rehash_on_retry;

    /** How long an empty list is not believed, a span, up to 100 years: the endpoints before it
        stay. 0 = for ever; RESIL_OFF = an empty list empties the balancer at once. */
    uint64_t stale_keep_ns;

    /** Where each round robin begins and how long ejections last; part of what random picks draw.
        With it and random bits in every request one thread's picks can be repeated. 0 = differs in
        each process. */
    uint64_t seed;

    const struct resil_allocator *allocator; /* NULL = resil_allocator_default() */

    /** Memory of the program's own beside each endpoint, 0 to 65536 bytes, aligned to 64, zeroed:
        pick.state. A breaker, a connection pool. `state_init` makes it for a new endpoint, in
        update, and its code below 0 fails the update; `state_fini` ends it when the endpoint is
        gone. Both may be NULL; they may not call the balancer. */
    size_t state_size;
    int (*state_init)(void *arg, void *state, const struct resil_endpoint *endpoint);
    void (*state_fini)(void *arg, void *state);
    void *state_arg;
};

/** The state. Private; 64 bytes of it are read by every pick. Not to be moved once in use. */
struct resil_balancer {
    uint64_t private_[256];
};

/** What a call wants of its endpoint. All-zero is the default. */
struct resil_pick_request {
    uint64_t key;             /* what a hash goes by, best a resil_hash64; 0 = none */
    uint64_t random;          /* 64 random bits; 0 = the balancer draws its own */
    uint64_t sticky;          /* id of the endpoint to prefer while it serves or drains; 0 = none */
    uint64_t subset;          /* 1 = the first of the config's subsets, ...; 0 = all endpoints */
    const uint64_t *excluded; /* ids of endpoints that were tried; at most 64 are looked at */
    size_t excluded_count;
    bool no_panic; /* refuse instead of picking among the ill */
    bool no_reuse; /* refuse instead of picking an excluded endpoint */
};

/** One pick: which endpoint, and what its report needs. Belongs to one call; don't copy it. */
struct resil_pick {
    uint64_t id;         /* the endpoint's; never used again by this balancer */
    const char *address; /* valid until the report */
    void *user;          /* of the endpoint in the list that was picked from */
    void *state;         /* config.state_size bytes, valid until the report; else NULL */
    uint8_t priority;    /* of the pool */
    bool canary;         /* the endpoint runs the canary's version */
    bool panic;          /* picked regardless of health */
    bool reused;         /* it was among the excluded */

    void *host_;
    uint64_t *claim_;
};

/** One probe that Prequal wants: ask the endpoint how many requests it has in flight, and how long one
    takes. Belongs to one probe; don't copy it. */
struct resil_probe {
    uint64_t id;
    const char *address; /* valid until resil_balancer_probed */
    void *user;

    void *host_;
    struct resil__probes *probes_;
    uint32_t hot_pct_;
    uint32_t member_;
};

/** What an endpoint is doing. */
enum resil_endpoint_state {
    RESIL_ENDPOINT_UP = 0,
    RESIL_ENDPOINT_EJECTED = 1,     /* by outlier detection, for a time */
    RESIL_ENDPOINT_DOWN = 2,        /* by an active check */
    RESIL_ENDPOINT_DRAINING = 3,    /* by hand: sticky requests only */
    RESIL_ENDPOINT_MAINTENANCE = 4, /* by hand: nobody, not even in panic */
};

/** What a person can make an endpoint do. */
enum resil_endpoint_admin {
    RESIL_ADMIN_SERVE = 0,
    RESIL_ADMIN_DRAIN = 1,
    RESIL_ADMIN_MAINTENANCE = 2,
};

/** One endpoint as it was seen. */
struct resil_endpoint_snapshot {
    uint64_t id;
    uint64_t weight;
    uint64_t weight_pct; /* what slow start leaves of it */
    uint64_t in_flight;  /* picks not yet reported */
    uint64_t latency_ns; /* moving; 0 = unknown, or the config needs none */
    uint64_t reports;    /* that counted as good or bad, since the endpoint came */
    uint64_t failures;   /* the bad ones of them */
    uint64_t back_ns;    /* ejected: the end of it, a point in time */
    uint64_t ejections;  /* in a row, as the length of the next one is computed */
    uint8_t priority;
    bool canary;
    enum resil_endpoint_state state;
    enum resil_ejection reason; /* of the last ejection */
    char address[96];           /* cut to fit */
};

/** The balancer as it was seen. */
struct resil_balancer_snapshot {
    uint64_t endpoints;
    uint64_t up; /* neither ejected nor down nor set aside */
    uint64_t ejected;
    uint64_t down;
    uint64_t aside;       /* draining or in maintenance */
    uint64_t leaving;     /* removed from the list, their last pick not yet reported */
    uint64_t in_flight;   /* over all of these */
    uint64_t retired;     /* lists that a reader may still see, 0 to 16 */
    uint64_t stalls;      /* how often an update or a view waited for such a reader */
    uint64_t updates;     /* lists taken */
    uint64_t duplicates;  /* lines of the last list whose address stood before */
    uint64_t memory;      /* bytes allocated */
    uint64_t canary_bp;   /* share of the canary in 1/10000 */
    uint64_t events_lost; /* events that were overwritten before somebody read them */
    uint64_t panic;       /* bit n: priority n of all endpoints picks regardless of health */
    uint64_t load[RESIL_PRIORITIES]; /* share of each priority in percent (without the canary) */
    bool stale;                      /* an empty list was not believed */
};

/** What happened to a balancer. */
enum resil_balancer_event_kind {
    RESIL_BALANCER_EJECTED = 1,     /* value: how long in ns */
    RESIL_BALANCER_RETURNED = 2,    /* from ejection */
    RESIL_BALANCER_DOWN = 3,        /* by an active check */
    RESIL_BALANCER_UP = 4,          /* by an active check */
    RESIL_BALANCER_PANIC = 5,       /* value: the priority */
    RESIL_BALANCER_PANIC_ENDED = 6, /* value: the priority */
    RESIL_BALANCER_CANARY = 7,      /* value: the new share in 1/10000; reason, numbers: why */
    RESIL_BALANCER_STALE = 8,       /* an empty list was not believed */
    RESIL_BALANCER_EMPTIED = 9,     /* an empty list was believed */
    RESIL_BALANCER_STALLED = 10,    /* a reader holds up reclamation */
};

/** One event. */
struct resil_balancer_event {
    uint64_t now_ns;
    uint64_t id; /* of the endpoint; 0 = none */
    uint64_t value;
    enum resil_balancer_event_kind kind;
    uint32_t reason;                     /* enum resil_ejection, or enum resil_canary_event */
    char address[96];                    /* cut to fit; empty when there is none */
    struct resil_canary_numbers numbers; /* of a canary's event */
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
RESIL_API int resil_balancer_config_check(const struct resil_balancer_config *config, char *why,
                                          size_t why_size);

/**
 * Says whether a list can be taken, and what is wrong with it.
 *
 * @param endpoints  n of them; may be NULL when n is 0.
 * @param n          0 to 1000000.
 * @param why        as above.
 * @param why_size   bytes at why.
 * @return RESIL_OK; RESIL_EINVAL for an address that is NULL or empty, a weight above 65535, a
 *         priority above 15, or tags that are NULL. Duplicates are legal.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_endpoints_check(const struct resil_endpoint *endpoints, size_t n, char *why,
                                    size_t why_size);

/** For the static inline function below. */
RESIL_API int resil_balancer_init_sized(struct resil_balancer *balancer, size_t balancer_size,
                                        const struct resil_balancer_config *config,
                                        size_t config_size);

/**
 * Makes a balancer without endpoints: picks are refused until the first update.
 *
 * @param balancer  the caller's memory, any content, aligned to 8. Stays where it is.
 * @param config    NULL = all defaults. Copied; what it points to is borrowed.
 * @return RESIL_OK; RESIL_EINVAL for a NULL balancer or a config that resil_balancer_config_check
 *         refuses; RESIL_ENOMEM when the system has no room for a mutex; RESIL_EABI when the sizes
 *         of header and library differ.
 *
 * Threads:   nobody else may use the balancer yet.
 * Progress:  wait-free. Syscalls: at most one, for the seed. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's; resil_balancer_fini before it goes.
 * Since:     0.1
 */
static inline int resil_balancer_init(struct resil_balancer *balancer,
                                      const struct resil_balancer_config *config)
{
    return resil_balancer_init_sized(balancer, sizeof *balancer, config, sizeof *config);
}

/**
 * Frees everything that a balancer has allocated.
 *
 * @param balancer  nobody else uses it any more.
 * @return RESIL_OK; RESIL_EBUSY, and nothing is freed, while a pick is not yet reported;
 *         RESIL_EINVAL for NULL or a balancer that isn't initialised.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free. Syscalls: the allocator's. Calls config.state_fini.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_fini(struct resil_balancer *balancer);

/**
 * Takes the whole new list of endpoints.
 *
 * An endpoint that stays keeps what is known of it. One that is gone gets no further picks and
 * lives until its last is reported; if it comes back before that, it is the same. An empty list is
 * not believed for config.stale_keep_ns.
 *
 * @param balancer   an initialised balancer.
 * @param endpoints  n of them, copied but for user; may be NULL when n is 0.
 * @param n          0 to 1000000.
 * @param now_ns     the time.
 * @return RESIL_OK, also for an empty list that isn't believed yet; RESIL_EINVAL for what
 *         resil_endpoints_check refuses; RESIL_ENOMEM; RESIL_EBUSY when 16 lists before this one are
 *         still seen by a reader that stalls inside of a pick; a code below 0 of config.state_init.
 *         Only RESIL_OK changes the list.
 *
 * Threads:   see the table at the top. Never holds up a pick.
 * Progress:  blocking: waits for another update or tick to end. O(n), and what the picker's table
 *            costs. Syscalls: the allocator's.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_update(struct resil_balancer *balancer,
                                    const struct resil_endpoint *endpoints, size_t n,
                                    uint64_t now_ns);

/**
 * Changes the config while the balancer is in use: another picker, other rules.
 *
 * What is known of the endpoints stays. A canary goes on where it was unless its own config
 * differs. The seed, the allocator, client_endpoints and client_number, and the state of endpoints
 * can't change.
 *
 * @param balancer  an initialised balancer.
 * @param config    not NULL. Copied; what it points to is borrowed.
 * @param now_ns    the time.
 * @return as resil_balancer_update; RESIL_EINVAL also for a config that resil_balancer_config_check
 *         refuses or that changes what can't change. Only RESIL_OK changes anything.
 *
 * Threads:   see the table at the top. Never holds up a pick. No pick reads what the config before
 *            this one points to once it returns, but a program's own picker at work may.
 * Progress:  as resil_balancer_update.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_reconfigure(struct resil_balancer *balancer,
                                         const struct resil_balancer_config *config,
                                         uint64_t now_ns);

/**
 * Chooses an endpoint for one call.
 *
 * @param balancer  an initialised balancer.
 * @param request   NULL = all defaults.
 * @param now_ns    the time; only a little older than that of other threads.
 * @param pick      receives the endpoint. To be given to resil_balancer_report exactly once, by any
 *                  thread, also when nothing was sent.
 * @return RESIL_OK; RESIL_EUNAVAILABLE when nobody may be picked: no list, everybody ill and panic
 *         off or not wanted, everybody excluded and no_reuse, or a call too many while everything
 *         is coming back; RESIL_EINVAL for NULL, or a subset that the config doesn't have.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free; wait-free with most pickers. Atomics: one epoch section and one
 *            read-modify-write, and the picker's. Syscalls: none. A thread's first pick may allocate
 *            its place among the readers.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_pick(struct resil_balancer *balancer,
                                  const struct resil_pick_request *request, uint64_t now_ns,
                                  struct resil_pick *pick);

/**
 * Says how the call ended that a pick was made for.
 *
 * SUCCESS and CALLER are good, NOT_SENT is bad and of local origin, OVERLOAD is neither but makes
 * the endpoint look busier, LOCAL, CANCELLED and REFUSED say nothing, everything else is bad.
 *
 * @param balancer    the one that made the pick.
 * @param pick        spent by this call.
 * @param outcome     how it ended.
 * @param latency_ns  how long it took, a span. A bad one is remembered as slow, however fast it was.
 * @param now_ns      the time.
 * @return RESIL_OK; RESIL_EINVAL for NULL or a pick that is spent.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: two to four read-modify-writes on a line of the endpoint. Syscalls:
 *            none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_report(struct resil_balancer *balancer, struct resil_pick *pick,
                                    enum resil_outcome outcome, uint64_t latency_ns,
                                    uint64_t now_ns);

/**
 * Does what is due: ejections and their end, slow start, failback, the canary's steps, freeing what
 * was removed.
 *
 * @param balancer  an initialised balancer.
 * @param now_ns    the time.
 * @param next_ns   receives when it is due again, a point in time; a report or another thread can
 *                  make it due earlier; 0 = at once. May be NULL.
 * @return RESIL_OK, also when it isn't due, or another thread is at it; RESIL_EINVAL for NULL.
 *
 * Threads:   see the table at the top. Never holds up a pick.
 * Progress:  never waits. When due O(n), and what a picker's table over candidates costs. Syscalls:
 *            none but those of the allocator's release. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_tick(struct resil_balancer *balancer, uint64_t now_ns,
                                  uint64_t *next_ns);

/**
 * Says that an active check found an endpoint well or ill. Takes effect with the next tick, which it
 * makes due.
 *
 * @param balancer  an initialised balancer.
 * @param id        of the endpoint: resil_endpoint_snapshot.id.
 * @param healthy   false: no picks, but in panic, until it is true again.
 * @param now_ns    the time.
 * @return RESIL_OK; RESIL_ELATE when the list doesn't name it any more; RESIL_EINVAL for NULL.
 *
 * Threads:   see the table at the top.
 * Progress:  blocking: waits for an update or tick to end. Syscalls: none else.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_health(struct resil_balancer *balancer, uint64_t id, bool healthy,
                                    uint64_t now_ns);

/**
 * Sets an endpoint aside by hand, or back. Takes effect at once.
 *
 * @param balancer  an initialised balancer.
 * @param address   of the endpoint.
 * @param admin     RESIL_ADMIN_DRAIN: only requests that are sticky to it; RESIL_ADMIN_MAINTENANCE:
 *                  nobody, not even in panic; RESIL_ADMIN_SERVE: as before. Kept while the endpoint
 *                  stays in the list.
 * @param now_ns    the time.
 * @return RESIL_OK; RESIL_ELATE when the list doesn't name the address; RESIL_EINVAL for NULL or
 *         another value.
 *
 * Threads:   see the table at the top.
 * Progress:  blocking: waits for an update or tick to end. Syscalls: none else.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_admin(struct resil_balancer *balancer, const char *address,
                                   enum resil_endpoint_admin admin, uint64_t now_ns);

/**
 * Sets the canary's share by hand, and begins its judgement anew: at that share, without further
 * steps.
 *
 * @param balancer   an initialised balancer whose config has a canary.
 * @param weight_bp  in 1/10000, 0 to 10000; 0 = no calls.
 * @param now_ns     the time.
 * @return RESIL_OK; RESIL_EINVAL.
 *
 * Threads:   see the table at the top.
 * Progress:  blocking: waits for an update or tick to end. Syscalls: none else.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_canary(struct resil_balancer *balancer, uint64_t weight_bp,
                                    uint64_t now_ns);

/**
 * Takes the oldest event that nobody has taken yet. The last 64 are kept.
 *
 * @param balancer  an initialised balancer.
 * @param event     receives it.
 * @return true; false when there is none.
 *
 * Threads:   see the table at the top.
 * Progress:  blocking: waits for an update or tick to end. Syscalls: none else.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API bool resil_balancer_event(struct resil_balancer *balancer,
                                    struct resil_balancer_event *event);

/**
 * Reads one endpoint of the list.
 *
 * @param balancer  an initialised balancer.
 * @param index     0 to the number of endpoints - 1, in the order of the list without duplicates.
 * @param now_ns    the time.
 * @param snapshot  receives the values; those that move are read one by one.
 * @return RESIL_OK; RESIL_EINVAL for NULL or an index beyond the list.
 *
 * Threads:   see the table at the top.
 * Progress:  blocking: waits for an update or tick to end. Syscalls: none else.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_endpoint(struct resil_balancer *balancer, size_t index,
                                      uint64_t now_ns, struct resil_endpoint_snapshot *snapshot);

/**
 * Reads the whole: counts, shares of the priorities, memory. O(n).
 *
 * @param balancer  an initialised balancer.
 * @param snapshot  receives the values; those that move are read one by one.
 * @return RESIL_OK; RESIL_EINVAL for NULL.
 *
 * Threads:   see the table at the top.
 * Progress:  blocking: waits for an update or tick to end. Syscalls: none else.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_snapshot(struct resil_balancer *balancer,
                                      struct resil_balancer_snapshot *snapshot);

/**
 * Names a state, for logs.
 *
 * @param state  any value.
 * @return a static string; "unknown" for a value that is not in the list; never NULL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API const char *resil_endpoint_state_str(enum resil_endpoint_state state);

/**
 * Tells of a probe that is due, with the picker prequal: one for each pick. Ask after picks, or now
 * and then, until it says false. With other pickers none ever is.
 *
 * @param balancer  an initialised balancer.
 * @param probe     receives the endpoint to ask. To be given to resil_balancer_probed exactly once;
 *                  until then it counts as a call in flight.
 * @return true; false when none is due.
 *
 * Threads:   see the table at the top, as pick.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API bool resil_balancer_probe(struct resil_balancer *balancer, struct resil_probe *probe);

/**
 * Takes the answer of a probe.
 *
 * @param balancer    the one that wanted it.
 * @param probe       spent by this call.
 * @param answered    false: no answer came; the rest isn't read.
 * @param in_flight   requests in flight at the endpoint, by its own count.
 * @param latency_ns  that the endpoint expects of a request now, a span.
 * @param now_ns      the time.
 * @return RESIL_OK; RESIL_EINVAL for NULL or a probe that is spent.
 *
 * Threads:   see the table at the top, as report.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_balancer_probed(struct resil_balancer *balancer, struct resil_probe *probe,
                                    bool answered, uint64_t in_flight, uint64_t latency_ns,
                                    uint64_t now_ns);

/**
 * Puts a balancer into a chain: each attempt picks anew, and reports its result and latency.
 *
 * Put it inside of the retry and the hedge. attempt->endpoint is then a `const struct resil_pick *`,
 * valid while the attempt runs. The endpoints of the last three attempts of the same call are
 * excluded as long as there are others; with a key and a picker that goes by key an attempt keeps its endpoint,
 * unless config.rehash_on_retry. request->key is the pick's. The policy calls resil_balancer_tick
 * when it is due. Where latency is needed (peak EWMA, the latency rule, a canary) a run that
 * succeeds reads the clock twice.
 *
 * @param balancer  an initialised balancer. Borrowed: must outlive every chain that holds the
 *                  policy.
 * @return the policy, named "balancer"; 8 frame words. resil_chain_init refuses it when the balancer
 *         isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_balancer_policy(struct resil_balancer *balancer);

RESIL_END_DECLS

#endif
