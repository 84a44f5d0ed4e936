/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PICKER_H
#define RESIL_PICKER_H

/*
 * A picker: the algorithm by which a balancer chooses one endpoint of a pool, as a small table of
 * functions. The library's own algorithms are such tables, and a program can write its own.
 *
 * A balancer sorts its endpoints into pools (by priority, subset, version, zone); health decides
 * who of a pool's members is a candidate at the moment. A picker sees one pool at a time and
 * answers with the index of a candidate. It is pure: everything that it reads is in the pool and in
 * the context, and the only words that it may write are those behind the functions below.
 *
 *     members      everybody in the pool, in the order of the list
 *     candidates   those of them who may be picked now; each knows its member
 *     table        what the picker's build made of either, once per list (members) or once per
 *                  change of health (candidates)
 *
 * Sources of the algorithms stand in their files.
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/** What moves while an endpoint serves: one cache line, written by picks and reports. Private. */
struct resil_load {
    uint64_t in_flight_;  /* picks not yet reported */
    uint64_t ewma_;       /* moving latency and its stamp */
    uint64_t counts_;     /* reports of this interval << 32 | bad ones */
    uint64_t latency_ns_; /* sum over the reports of this interval */
    uint64_t streak_;     /* results in a row that were not good */
    char pad_[24];
};

/** One endpoint of a pool. Constant for the life of the list. */
struct resil_member {
    struct resil_load *load;
    const char *address;
    void *user;
    uint64_t id;     /* never used again by this balancer */
    uint64_t hash;   /* resil_hash64 of the address, seed 0 */
    uint32_t weight; /* as given; 1 where all of the pool are 0 */
    uint32_t place_; /* in the balancer's list */
};

/** One member who may be picked now. */
struct resil_candidate {
    struct resil_load *load; /* that of the member: saves a step */
    uint32_t member;         /* index into the members */
    uint32_t weight;         /* in 1/256 of the member's: slow start makes it smaller; never 0 */
};

/** No candidate. */
#define RESIL_PICK_NONE UINT32_MAX

/** What the algorithms can be told; 0 = the default. Checked by the balancer's config check. */
struct resil_picker_options {
    uint64_t choices;     /* p2c, prequal: hosts drawn, 2 to 16; 0 = 2 */
    uint64_t decay_ns;    /* peak EWMA: time constant, 10 ms to 10 min; 0 = 10 s */
    uint64_t first_ns;    /* peak EWMA: latency of one never heard of, 1 us to 10 min; 0 = 30 ms */
    uint64_t ring_min;    /* ring: entries at least, 1 to 8388608; 0 = 1024 */
    uint64_t ring_max;    /* ring: entries at most, ring_min to 8388608; 0 = 65536; where only one
                             of the two is given, it moves the other's default */
    uint64_t maglev_size; /* maglev: a prime, at most 5000011; 0, or below the number of members =
                             65537; 655373 above 655 members; 5000011 above 655373 */
    uint64_t bounded_pct; /* bounded load: 101 to 1000; 0 = 125 */
    uint64_t hot_pct;     /* prequal: quantile of requests in flight, 1 to 100; 0 = 84 */
    uint64_t probe_ns;    /* prequal: age at which an answer is dropped, 1 ms to 10 min; 0 = 1 s */
    const void *user;     /* for a picker of the program's own; borrowed */
};

/** A set of endpoints among which a picker chooses. Immutable. */
struct resil_pool {
    const struct resil_candidate *candidates;
    const struct resil_member *members;
    const uint32_t *candidate_of; /* by member: index of its candidate, or RESIL_PICK_NONE */
    uint32_t count;               /* candidates, at least 1 when a picker is asked */
    uint32_t member_count;
    uint64_t weight; /* sum over the candidates, in 1/256 */
    const void *table;
    struct resil_picker_options options; /* with the defaults filled in */
    struct resil__turns *turns_;
    struct resil__probes *probes_;
};

/** One pick on its way. */
struct resil_pick_context {
    uint64_t key;             /* what a hash goes by; 0 = none: choose at random */
    uint64_t now_ns;          /* the time as told */
    const uint64_t *excluded; /* ids that must not be picked */
    size_t excluded_count;
    uint64_t random_; /* state of the generator */
    uint32_t stripe_; /* which of the pool's counters is this thread's */
};

/** build makes its table from the members: once per list, not per change of health. Such a picker
    walks on where candidate_of says RESIL_PICK_NONE. */
#define RESIL_PICKER_MEMBERS 1u

/** pick looks at the excluded ids itself (resil_pick_allowed) and answers RESIL_PICK_NONE when
    nobody is left; of another picker the balancer asks again. */
#define RESIL_PICKER_EXCLUDES 2u

/** Needs the moving latency of its endpoints. */
#define RESIL_PICKER_LATENCY 4u

/** Chooses by key: a retry keeps its host unless told otherwise. */
#define RESIL_PICKER_KEYED 8u

/** The library's own: pick has already raised in_flight_ of the candidate it answers with, and of
    its stripe. */
#define RESIL_PICKER_CLAIMS_ 16u

/** A picker's table. Static and constant. */
struct resil_picker {
    size_t size;      /* sizeof(struct resil_picker) */
    const char *name; /* for logs; a static string */
    uint32_t flags;   /* RESIL_PICKER_... */

    /** Bytes of table (and of scratch inside of it) that build needs for this pool, whoever of its
        members are candidates. NULL = none. candidates is not to be read. */
    size_t (*table_size)(const struct resil_pool *pool);

    /** Fills pool->table's memory, handed in writable; aligned to 64. pool->table is not set. */
    void (*build)(const struct resil_pool *pool, void *table);

    /** The index of a candidate, below pool->count, or RESIL_PICK_NONE. Any number of threads at
        once. A program's own function may not call the balancer. */
    uint32_t (*pick)(const struct resil_pool *pool, struct resil_pick_context *context);
};

/*
 * The pickers that go by key. The key has to be a hash (resil_hash64), for it is taken as it is;
 * the same key gets the same endpoint as long as that is a candidate, from every client that has
 * the same addresses and weights, in whatever order. A candidate that is lost moves the keys that
 * it had and no others, and when it is back has them again: tables are built over the members, ill
 * or well, and whoever can't be picked is walked past. Without a key the choice is a random one, by
 * weight.
 *
 *     picker         a pick      table           when the list changes by one of n
 *     ring_hash      1 step      ring_max * 16 B 1 / n of the keys move, and some by rounding
 *     maglev         1 step      M * 2 B         about 2 / n; shares are even to 1 % at M > 100 n
 *     rendezvous     O(n)        none            1 / n: never more than must
 *     bounded_load   some steps  as ring_hash    1 / n, and what overflows
 *
 * All are static, never fail, and may be called and used by any number of threads at once.
 */

/**
 * Consistent hashing over a ring of points, as many for each member as its weight asks for.
 *
 * The points are those of Envoy and gRPC (XXH64 of "address_0", "address_1", ...), so that their
 * clients and ours agree. A member much lighter than the rest may have none where ring_max is too
 * small for the range of weights: then it only gets keys when few others are candidates.
 *
 * @return the picker; options read: ring_min, ring_max.
 *
 * Threads:   may run concurrently with everything.
 * Progress:  wait-free; a pick takes at most 256 steps, and then O(n). Atomics: none. Syscalls:
 *            none.
 * Signals:   async-signal-safe: yes.
 * Ownership: a static table.
 * Since:     0.1
 */
RESIL_API const struct resil_picker *resil_picker_ring_hash(void);

/**
 * Consistent hashing by Google's Maglev: one table look-up a pick, shares more even than a ring's,
 * at the price of a few more keys that move when the list itself changes.
 *
 * The table is that of Envoy for the same addresses, weights and size.
 *
 * @return the picker; options read: maglev_size.
 *
 * Threads:   may run concurrently with everything.
 * Progress:  wait-free; a pick takes at most 16 steps, and then O(n). Atomics: none. Syscalls:
 *            none.
 * Signals:   async-signal-safe: yes.
 * Ownership: a static table.
 * Since:     0.1
 */
RESIL_API const struct resil_picker *resil_picker_maglev(void);

/**
 * Highest random weight: every candidate draws a number for the key, the best one has it. No table,
 * shares exact to the weight, and no key moves but those that have to: for small pools.
 *
 * It goes by the weights of the candidates, so that slow start gives an endpoint its keys little by
 * little.
 *
 * @return the picker; no options.
 *
 * Threads:   may run concurrently with everything.
 * Progress:  wait-free, O(n) a pick. Atomics: none. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Ownership: a static table.
 * Since:     0.1
 */
RESIL_API const struct resil_picker *resil_picker_rendezvous(void);

/**
 * ring_hash with a bound: no endpoint has more than bounded_pct percent of its fair share of the
 * calls in flight, rounded up; what is too much for it goes to the next ones clockwise.
 *
 * The bound is ceil(bounded_pct / 100 * T * w / W): T the calls in flight of the pool and this one,
 * w and W the weights of the endpoint and of the candidates. It holds at every pick, under any
 * interleaving, for the T that the pick has read. Where nobody within reach has room (the rest
 * excluded, or busy for other pools), the relatively least loaded is picked, and the bound is
 * that of those who are left, with T at least what they hold and one.
 *
 * @return the picker; options read: ring_min, ring_max, bounded_pct.
 *
 * Threads:   may run concurrently with everything.
 * Progress:  lock-free: an endpoint is claimed by compare-and-swap. Atomics: 2 RMW a pick.
 *            Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Ownership: a static table.
 * Since:     0.1
 */
RESIL_API const struct resil_picker *resil_picker_bounded_load(void);

/**
 * The next of this pick's random numbers, for a picker of the program's own.
 *
 * Reproducible: all of them follow from the one number that the balancer drew for this pick.
 *
 * @param context  of this pick.
 * @return 64 random bits, not for cryptography.
 *
 * Threads:   the one that picks.
 * Progress:  wait-free. Atomics: none. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API uint64_t resil_pick_random(struct resil_pick_context *context);

/**
 * Takes the next turn of the pool's counter, for a picker that goes round.
 *
 * Each stripe of threads has a counter of its own, from a random start: take it modulo the length of
 * the round. It outlives lists and changes of health.
 *
 * @param pool     as handed to pick.
 * @param context  of this pick.
 * @return one more than the last time on this stripe.
 *
 * Threads:   any number at once.
 * Progress:  wait-free. Atomics: 1 RMW. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API uint64_t resil_pick_turn(const struct resil_pool *pool,
                                   const struct resil_pick_context *context);

/**
 * Says whether a candidate may be picked, or is one of those excluded.
 *
 * A picker with RESIL_PICKER_EXCLUDES asks before it answers.
 *
 * @param pool       as handed to pick.
 * @param context    of this pick.
 * @param candidate  its index. Range: 0 to pool->count - 1.
 * @return true when it isn't excluded.
 *
 * Threads:   any number at once.
 * Progress:  wait-free, in excluded_count steps. Atomics: none. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API bool resil_pick_allowed(const struct resil_pool *pool,
                                  const struct resil_pick_context *context, uint32_t candidate);

/**
 * How many picks of an endpoint have not been reported yet.
 *
 * All pools that the endpoint stands in count together.
 *
 * @param member  of the pool handed to pick.
 * @return the number, as of one moment during the call.
 *
 * Threads:   any number at once.
 * Progress:  wait-free. Atomics: none beyond a load. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API uint64_t resil_member_in_flight(const struct resil_member *member);

/**
 * The moving latency of an endpoint: its last peak, or the average since, fading while nobody asks.
 *
 * Kept only for a picker with RESIL_PICKER_LATENCY; of others nothing is ever heard.
 *
 * @param member  of the pool.
 * @param pool    as handed to pick: decay and first latency are its options'.
 * @param now_ns  the time as told.
 * @return nanoseconds, at least 1,000; options.first_ns of an endpoint never heard of.
 *
 * Threads:   any number at once.
 * Progress:  wait-free. Atomics: none beyond a load. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API uint64_t resil_member_latency_ns(const struct resil_member *member,
                                           const struct resil_pool *pool, uint64_t now_ns);

/*
 * The library's pickers that don't go by key. Each function returns a static constant table, and can
 * be called by any thread at any time, in a signal handler, too. Since: 0.1. All look at the
 * excluded ids themselves. A pick takes as many steps whatever the number of candidates, but where
 * so many are excluded that draws keep hitting them: then it looks at all.
 */

/** One after the other, in the order of the list; weights have no say. Each stripe of threads goes
    round on its own and exactly; the whole is even to one pick a stripe. Wait-free, 1 RMW. */
RESIL_API const struct resil_picker *resil_picker_round_robin(void);

/**
 * By weight, each endpoint's picks as far apart as can be. Weights that, divided by their greatest
 * common divisor, add up to at most 65,536 follow the smooth weighted order exactly, pick by pick on
 * each stripe of threads. Others (and some in slow start) follow a round of 64 slots for each
 * candidate, 4,096 to 65,536 but never below 16 for each: everybody is within one slot of their
 * share of it, and has one at least, for which the others pay by weight. Wait-free, 1 RMW.
 */
RESIL_API const struct resil_picker *resil_picker_smooth_weighted(void);

/** Any, each alike. Wait-free, no RMW. */
RESIL_API const struct resil_picker *resil_picker_random(void);

/** Any, by weight, from an alias table that is exact in integers. Wait-free, no RMW. */
RESIL_API const struct resil_picker *resil_picker_weighted_random(void);

/**
 * Of options.choices distinct ones drawn at random that with the least load: calls in flight plus
 * consecutive failures, so that one who fails fast doesn't look idle. Wait-free, no RMW.
 *
 * Both who are drawn may fail, and then one of them gets the call. That is meant: where a share f of
 * the endpoints is dead, the others get about 1 + f times their calls, not 1 / (1 - f) times, which
 * they may be unable to bear. In a simulated fleet with half of the servers dead 91 % of the calls
 * were answered if the others could do all; outlier.h says what ejecting more of them changes.
 */
RESIL_API const struct resil_picker *resil_picker_least_requests(void);

/** As least_requests, by (load + 1) / weight. */
RESIL_API const struct resil_picker *resil_picker_weighted_least_requests(void);

/** Of options.choices distinct ones drawn at random that with the least latency * (calls in flight
    + 1) / weight; the latency is that of resil_member_latency_ns. One never heard of, and idle, comes
    first: one call tells what it is worth. Wait-free, no RMW. */
RESIL_API const struct resil_picker *resil_picker_peak_ewma(void);

/** By what the endpoints themselves said of their load, ahead of time: among those not hot the one
    with the least latency, else that with the fewest requests in flight (Prequal). As least_requests
    while fewer than two answers are at hand. Wait-free, at most 3 RMW. */
RESIL_API const struct resil_picker *resil_picker_prequal(void);

RESIL_END_DECLS

#endif
