/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_BALANCER_H
#define RESIL_BALANCER_BALANCER_H

/*
 * What the files of the balancer share.
 *
 *   balancer --> list     everything that comes with an update: entries, groups, the tables over
 *                |        members. Immutable once published, one allocation arena.
 *                +-> view what health makes of it: candidates, shares of the priorities, the tables
 *                         over candidates. A list owns VIEWS of them, so that a tick allocates
 *                         nothing: it fills one that nobody reads and publishes it.
 *
 *   balancer --> host     one address, with what moves. Outlives lists; freed when no list that a
 *                         reader may see names it and its last pick is reported.
 *
 * Readers see lb->view, by an epoch section. Everything else is the writers', under lb->lock.
 */

#include <resil/balancer.h>

#include <resil/env.h>
#include <resil/hash.h>

#include "balancer/canary.h"
#include "balancer/outlier.h"
#include "balancer/picker_options.h"
#include "balancer/pool.h"
#include "balancer/prequal.h"
#include "balancer/priority.h"
#include "balancer/slow_start.h"
#include "base/epoch.h"
#include "base/lock.h"

/** Views of one list: one that is published, others that are being left or filled. */
#define RESIL__VIEWS 3

/** Retired lists that may wait for readers. */
#define RESIL__RETIRED 16

/** Events kept until somebody reads them. */
#define RESIL__EVENTS 64

/** How many excluded ids a pick looks at. */
#define RESIL__EXCLUDED 64

/** The place of a host that the current list doesn't name; UINT32_MAX: not yet in any. */
#define RESIL__LEAVING (UINT32_MAX - 1)

/** Pools that don't exist. */
#define RESIL__NO_POOL UINT32_MAX

enum resil__side {
    RESIL__SIDE_ALL = 0,   /* no zone preference here */
    RESIL__SIDE_LOCAL = 1, /* own zone */
    RESIL__SIDE_REST = 2,
};

/** One address. The load stands first: a cache line of its own. */
struct resil__host {
    struct resil_load load;
    uint64_t id;
    uint64_t hash;
    void *state;

    /* the writers' */
    uint64_t back_ns;  /* ejected until then */
    uint64_t away_ns;  /* the length of that ejection */
    uint64_t fresh_ns; /* slow start began; RESIL_NEVER = no slow start */
    uint64_t reports;  /* what the sweeps have collected */
    uint64_t failures;
    uint64_t dropped_by; /* serial of the first list without it */
    struct resil__host *next;
    size_t bytes;
    uint32_t ejections;
    uint32_t place; /* in the current list */
    uint8_t reason;
    uint8_t admin;
    bool ejected;
    bool down;
    char *address;
};

/** One line of a list. */
struct resil__entry {
    struct resil__host *host;
    struct resil_endpoint given; /* strings of the list's own */
    bool canary;
    bool local;
};

/** The members of one pool: what doesn't change with health. */
struct resil__group {
    struct resil_member *members;
    uint32_t *places; /* by member: index into the entries */
    struct resil__turns_of *turns;
    void *table;
    size_t table_size; /* of a table over candidates */
    uint32_t count;
};

/** One priority of a slice. */
struct resil__tier {
    uint32_t pool[2]; /* all, or own zone and the others; RESIL__NO_POOL */
    uint8_t priority;
    uint32_t zones; /* how many different ones its endpoints stand in */

    /* of a view */
    uint8_t upto; /* sum of the shares up to here, in percent */
    bool panic;
    uint16_t local_bp; /* share of pool[0] in 1/10000 */
};

/** The way of one kind of request: subset and version. */
struct resil__slice {
    struct resil__tier tiers[RESIL_PRIORITIES];
    uint32_t count;
};

struct resil__list;

/** What readers see. The first line is what most picks need. */
struct resil__view {
    uint32_t (*pick)(const struct resil_pool *pool, struct resil_pick_context *context);
    struct resil_pool *pools;
    uint32_t flags;   /* of the picker */
    bool single;      /* one pool of our own picker serves everybody who asks for nothing special */
    bool pinned;      /* the picker is the program's: it runs on a pinned view */
    bool stateful;    /* endpoints have state of the program's */
    uint8_t priority; /* of that pool */
    struct resil__list *list;
    struct resil__slice *slices; /* by subset * 2 + arm */
    const struct resil_picker *picker;
    uint8_t *sticky;   /* by place: whether a sticky request may stay */
    void **tables;     /* by pool, the writers': room for a table over candidates */
    uint64_t salt;     /* of the canary's split */
    uint32_t admit_bp; /* share of calls that are let in, in 1/10000 */
    bool by_chance;

    bool retired;
    uint32_t ticket;
    uint64_t pins; /* programs' pickers at work */
};

/** An open-addressing table from a hash to a place. */
struct resil__index {
    uint32_t *slots;
    uint32_t mask;
};

/** Memory of a list: blocks that are freed together. */
struct resil__arena {
    struct resil__block *blocks;
    char *next; /* in the chunk for small things */
    size_t left;
    bool failed;
};

struct resil__list {
    struct resil__arena arena;
    struct resil__entry *entries;
    struct resil__group *groups;
    uint8_t *verdicts; /* scratch of the sweeps, by place */
    struct resil__outlier_stat *stats;
    struct resil__index by_address;
    struct resil__index by_id;
    struct resil__view views[RESIL__VIEWS];
    struct resil__list *next; /* retired ones */
    uint64_t serial;
    uint32_t ticket;
    uint32_t count;
    uint32_t duplicates;
    uint32_t group_count;
    uint32_t slice_count;
    uint32_t fallbacks; /* bit n: a request for subset n may go anywhere */
    bool canary;        /* somebody runs the canary's version */
};

/** A pool's counters, by the name of the pool. */
struct resil__turns_of {
    struct resil__turns turns;
    struct resil__probes probes;
    struct resil__turns_of *next;
    uint64_t name;
};

/** The private face of struct resil_balancer. */
struct __attribute__((may_alias)) resil__balancer {
    /* read by picks and reports */
    struct resil__view *view;
    uint64_t next_ns; /* when a tick is due: never more than gap_ns ahead */
    uint64_t gap_ns;
    uint64_t seed;
    uint64_t decay_ns; /* of the moving latency; 0 = not kept */
    uint64_t first_ns;
    uint32_t streak; /* bad reports in a row that make a tick due */
    uint32_t streak_local;
    uint32_t canary_bp;
    uint32_t sums;  /* latency is summed for the sweeps */
    uint32_t keyed; /* a retry with a key keeps its endpoint */

    /* the writers' */
    struct resil__lock lock;
    struct resil_balancer_config config;
    struct resil__outlier_rules outlier;
    struct resil__priority_rules priority;
    struct resil__slow_start_rules slow_start;
    struct resil__failback failback[RESIL_PRIORITIES];
    struct resil__recovery recovery;
    struct resil__canary_rules canary_rules;
    struct resil__canary_state canary;
    struct resil__arm_stat arms[2];
    const struct resil_allocator *allocator;
    struct resil__list *list;
    struct resil__list *retired;
    struct resil__host *dropped;
    struct resil__turns_of *turns;
    struct resil_balancer_event *events; /* a ring */
    uint64_t event_first;
    uint64_t event_next;
    uint64_t events_lost;
    uint64_t memory;
    uint64_t last_id;
    uint64_t last_random; /* jitter of ejections */
    uint64_t serial;
    uint64_t retired_count;
    uint64_t stalls;
    uint64_t updates;
    uint64_t sweep_ns;  /* when the next interval ends */
    uint64_t change_ns; /* when the view is no longer what the hosts are, by time alone */
    uint64_t empty_ns;  /* since when the list is empty; RESIL_NEVER = it isn't */
    uint64_t panic;     /* bits */
    bool dirty;         /* the view is older than what it shows */
    bool ready;
};

/** One report in resil_load.counts_. */
#define RESIL__COUNT_ONE (UINT64_C(1) << 32)

static inline struct resil__balancer *resil__balancer(struct resil_balancer *lb)
{
    return (struct resil__balancer *)(void *)lb;
}

/* config.c */

/** Takes a config that has passed the check. */
void resil__lb_apply(struct resil__balancer *lb, const struct resil_balancer_config *config);

/** Begins a canary anew. */
void resil__lb_begin_canary(struct resil__balancer *lb);

/* memory.c */

/** Memory through the balancer's allocator, zeroed, aligned to 64; NULL without memory. */
void *resil__lb_allocate(struct resil__balancer *lb, size_t bytes);
void resil__lb_release(struct resil__balancer *lb, void *memory, size_t bytes);

/** n things of a size, zeroed, that live as long as the list; large ones aligned to 64, small ones to
    8. Sets arena->failed and returns NULL without memory. */
void *resil__arena_get(struct resil__balancer *lb, struct resil__arena *arena, size_t n,
                       size_t size);
char *resil__arena_text(struct resil__balancer *lb, struct resil__arena *arena, const char *text);
void resil__arena_free(struct resil__balancer *lb, struct resil__arena *arena);

/** Frees the lists and hosts that nobody can see any more. */
void resil__lb_reap(struct resil__balancer *lb);

/* host.c */

struct resil__host *resil__host_new(struct resil__balancer *lb,
                                    const struct resil_endpoint *endpoint, int *rc);
void resil__host_free(struct resil__balancer *lb, struct resil__host *host);

/** Whether health and hand let calls through to it. */
static inline bool resil__host_up(const struct resil__host *host)
{
    return !host->ejected && !host->down && host->admin == RESIL_ADMIN_SERVE;
}

/* index.c */

bool resil__index_init(struct resil__balancer *lb, struct resil__list *list,
                       struct resil__index *index);
void resil__index_add(struct resil__index *index, uint64_t hash, uint32_t place);

/** The place of an address or id in a list, or UINT32_MAX. */
uint32_t resil__find_address(const struct resil__list *list, const char *address);
uint32_t resil__find_id(const struct resil__list *list, uint64_t id);

/* list.c */

/** Makes a list of endpoints, with new hosts for new addresses; NULL and *rc on failure, and then
    everything is as before. */
struct resil__list *resil__list_new(struct resil__balancer *lb,
                                    const struct resil_endpoint *endpoints, size_t n,
                                    uint64_t now_ns, int *rc);

/** Frees a list that no reader can see; not its hosts. */
void resil__list_free(struct resil__balancer *lb, struct resil__list *list);

/* group.c */

/** Sorts the entries of a list into groups and slices, and builds the tables over members. */
bool resil__list_group(struct resil__balancer *lb, struct resil__list *list);

/* view_init.c */

/** However small a table, it is aligned to a line. */
#define RESIL__LINE 64

static inline size_t resil__lines(size_t bytes)
{
    return bytes / RESIL__LINE + (bytes % RESIL__LINE != 0);
}

/** The part of a pool that every view of it shares. */
struct resil_pool resil__pool_of(const struct resil__balancer *lb,
                                 const struct resil__group *group);

/** Gets a view of a list that is grouped what it needs. */
bool resil__view_init(struct resil__balancer *lb, struct resil__list *list,
                      struct resil__view *view, const struct resil__slice *slices);

/* view.c */

/** Makes the current view anew and publishes it; if every view of the list is still being read,
    leaves it dirty for the next tick. */
void resil__lb_refresh(struct resil__balancer *lb, uint64_t now_ns);

/** Leaves the balancer without endpoints. Allocates nothing. */
void resil__lb_empty(struct resil__balancer *lb);

/** Publishes the first view of a list, and retires the list before. */
void resil__lb_publish(struct resil__balancer *lb, struct resil__list *list, uint64_t now_ns);

/* sweep.c: all but the last change hosts only; true when a view must be made anew */

/** What the intervals are for: counts are collected, the outlier rules and the canary judged. */
bool resil__sweep_interval(struct resil__balancer *lb, uint64_t now_ns);

/** Ejects who has failed too often in a row. */
bool resil__sweep_streaks(struct resil__balancer *lb, uint64_t now_ns);

/** Lets those back whose ejection is over. */
bool resil__sweep_returns(struct resil__balancer *lb, uint64_t now_ns);

/** A host is a candidate again: slow start and failback count from now. */
void resil__host_returns(struct resil__balancer *lb, struct resil__host *host, uint64_t now_ns);

/* tick.c */

void resil__lb_tick(struct resil__balancer *lb, uint64_t now_ns);

/* event.c */

void resil__lb_event(struct resil__balancer *lb, enum resil_balancer_event_kind kind,
                     const struct resil__host *host, uint32_t reason, uint64_t value,
                     uint64_t now_ns);

/** Copies as much as fits, with a NUL. */
void resil__copy_address(char *to, size_t size, const char *from);

/** Asks for a tick at once. Write what the tick is for, then swap next_ns; a tick swaps next_ns, then
    reads what it is for: whichever swap is second, the tick sees it or stays due. (With plain stores
    both could miss each other.) */
static inline void resil__lb_hurry(struct resil__balancer *lb)
{
    (void)resil__xchg(&lb->next_ns, 0);
}

#endif
