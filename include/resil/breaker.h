/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BREAKER_H
#define RESIL_BREAKER_H

/*
 * A circuit breaker: stops calling a peer that keeps failing, and finds out with a few probes when
 * it works again. The idea is Michael T. Nygard's ("Release It!", 2007); windows, slow calls and
 * the rated half-open state follow what Hystrix (2012) and resilience4j made common.
 *
 *                      a trip rule holds                   a share of the probes succeeds
 *           +--------+ ---------------> +------+            +-----------+
 *     +---> | CLOSED |                  | OPEN | ---------> | HALF_OPEN | ---+
 *     |     +--------+                  +------+  open time +-----------+    |
 *     |                                    ^       passed         |          |
 *     |                                    +----------------------+          |
 *     |                          too many probes fail, or OVERLOAD           |
 *     +----------------------------------------------------------------------+
 *
 *     FORCED_OPEN (refuses), DISABLED (passes, records nothing) and METRICS_ONLY (passes, records,
 *     never trips) are entered and left by resil_breaker_force and resil_breaker_reset alone.
 *
 * Ours differs in this: every permit carries the generation of the state that granted it, so a
 * result of an older state changes nothing; a probe that never reports is given back by its lease,
 * so half-open can't get stuck; probes are granted a gap apart and the open time is spread widely,
 * so that a fleet doesn't probe in step; after closing the load can be let in gradually; an outcome
 * can be neutral.
 *
 * The defaults (window, open time and jitter, probes and their gap) were chosen by a simulated fleet
 * in overload (tests/sim/README.md has the tables), so that all probes together cost the peers at
 * most 5 % of their capacity, though all clients trip at once. They weigh more where a client calls
 * less: 2 % at 14 calls a second in each client, 4.2 % at 5.6, 7 % at 2.8; there a jitter_pct of 300
 * keeps it below 5 %, and recovery takes up to 15 s longer. Five probes and 100 % jitter would be
 * 3.8, 7.7 and 14 %, and recover 2 to 4 s sooner; 10 % jitter without a gap 10 % at 14 calls.
 *
 * All state is plain words without pointers. A breaker may lie in a shared mapping: all processes
 * that map it share it, and it outlives them. Zero its memory, initialise it once, in one process.
 *
 * Which calls may overlap on one breaker:
 *
 *                               | init, rebase | reconfigure | all others
 *   init, rebase                |      no      |     no      |     no
 *   reconfigure                 |      no      |  one EBUSY  |     yes
 *   acquire, record, force, ... |      no      |     yes     |     yes
 *
 * Striped: a time window can have a stripe for each processor (resil_breaker_init_striped), so that
 * a success costs one addition to memory that no other processor writes. Every failure, every slow
 * call, and every success until its own stripe has calls_min calls in the slice adds itself and
 * then judges the sum of all stripes. The sum is not an atomic picture, and this is what holds:
 *
 *   - one call after another: verdicts and counts are those of a plain breaker, call by call;
 *   - at the same time: whoever records what makes a rule hold finds it so in its own sum, unless
 *     successes recorded meanwhile make it not hold again; so it trips before it returns. Others
 *     that are inside record then may still be counted: a trip comes at most as many results late
 *     as other calls are inside record, which is one less than there are threads. When nobody is
 *     inside, everything has been judged;
 *   - a sum may hold a failure that was recorded while it was made and miss a success of that time:
 *     a percentage is off by no more than the results recorded meanwhile;
 *   - a result that is too old for the window is late (RESIL_ELATE) only if its own stripe has moved
 *     on past it; otherwise it is counted in a slice that has left the window already.
 *
 * Judging reads a head and 2 * slices words of each stripe: with many stripes keep calls_min small.
 *
 * Time: a now_ns that is a little older than another thread's never shortens an open time and never
 * moves the window back. A clock that was set back or jumps by years leaves nothing stuck: a
 * deadline further ahead than twice the longest that the config allows counts as due, and a window
 * that is two windows ahead of the clock starts afresh.
 */

#include <resil/common.h>
#include <resil/outcome.h>
#include <resil/permit.h>
#include <resil/policy.h>
#include <resil/status.h>
#include <resil/stripes.h>

RESIL_BEGIN_DECLS

/** The most slices of a time window, calls of a last-N window, and probes. */
#define RESIL_BREAKER_SLICES_MAX 32
#define RESIL_BREAKER_CALLS_MAX  1024
#define RESIL_BREAKER_PROBES_MAX 10

/** The state of a breaker. The values are frozen. */
enum resil_breaker_state {
    RESIL_BREAKER_NONE = 0, /* not initialised */
    RESIL_BREAKER_CLOSED = 1,
    RESIL_BREAKER_OPEN = 2,
    RESIL_BREAKER_HALF_OPEN = 3,
    RESIL_BREAKER_FORCED_OPEN = 4,
    RESIL_BREAKER_DISABLED = 5,
    RESIL_BREAKER_METRICS_ONLY = 6,
};

/** Who decides: the breaker itself, or the operator. The values are frozen. */
enum resil_breaker_mode {
    RESIL_BREAKER_MODE_AUTOMATIC = 0,
    RESIL_BREAKER_MODE_FORCED_OPEN = 1,  /* refuse every call */
    RESIL_BREAKER_MODE_DISABLED = 2,     /* pass every call, record nothing */
    RESIL_BREAKER_MODE_METRICS_ONLY = 3, /* pass every call, record, never trip */
};

/** Why a breaker changed its state. The values are frozen. */
enum resil_breaker_reason {
    RESIL_BREAKER_BY_NOTHING = 0,
    RESIL_BREAKER_BY_FAILURE_PCT = 1,
    RESIL_BREAKER_BY_SLOW_PCT = 2,
    RESIL_BREAKER_BY_CONSECUTIVE = 3,
    RESIL_BREAKER_BY_FAILURES = 4,
    RESIL_BREAKER_BY_OVERLOAD = 5, /* a probe was answered with OVERLOAD */
    RESIL_BREAKER_BY_TIME = 6,     /* the open time has passed */
    RESIL_BREAKER_BY_PROBES = 7,   /* enough probes have succeeded, or failed */
};

/**
 * How a breaker behaves. 0 is the default in brackets; RESIL_OFF switches a rule off where it says
 * optional, and where off is the default. The trip rules are failure_pct, slow_pct, consecutive and
 * failures: any of them opens the breaker. They are judged after every result that counts, with
 * integers, and "at least" (>=).
 */
struct resil_breaker_config {
    /** Length of a time window [10 s]; 10 ms to 1 day. */
    uint64_t window_ns;

    /** The window slides by one of so many slices [10]; 1 to 32. A slice (window_ns / slices,
        rounded up) lasts at least 10 ms. It is exact up to 8 million calls and 500000 failures;
        then it halves its counts, which keeps the shares. */
    uint64_t slices;

    /** Instead of a time window: the last so many calls [0 = a time window]; 1 to 1024. */
    uint64_t calls;

    /** Trip: share of failures in the window, percent [50], optional; 1 to 100. */
    uint64_t failure_pct;

    /** Both percentages need so many calls in the window [10, or calls if that is less]; 1 to
        1000000, and no more than calls. */
    uint64_t calls_min;

    /** A call that took longer than this is slow [none is]; 1 ns to 1 day. RESIL_OFF = none is. */
    uint64_t slow_ns;

    /** Trip: share of slow calls in the window, percent [100], optional; 1 to 100. */
    uint64_t slow_pct;

    /** Trip: so many failures in a row [off]; 1 to 1000000. */
    uint64_t consecutive;

    /** Trip: so many failures in the window [off]; 1 to 1000000, and no more than calls. */
    uint64_t failures;

    /** How long to stay open [5 s]; 1 ns to 1 day. */
    uint64_t open_ns;

    /** Each trip before the next close multiplies open_ns by so many percent [150]; 100 (constant)
        to 1000. It stops growing at the 15th trip. */
    uint64_t open_factor_pct;

    /** The open time grows up to this, before jitter [15 s, or open_ns if that is more]; 1 ns to 1
        day, and no less than open_ns. */
    uint64_t open_ns_max;

    /** Stretches the open time by 0 to so many percent, at random [150], optional; 1 to 1000. */
    uint64_t jitter_pct;

    /** A peer's hint beyond this is cut down to it [5 min], optional (off: hints are not read); 1
        ns to 1 day. */
    uint64_t hint_ns_max;

    /** How many calls half-open asks for [3]; 1 to 10. */
    uint64_t probes;

    /** Share of the probes that must succeed, percent [60], rounded up to whole probes; 1 to
        100. */
    uint64_t probe_success_pct;

    /** A probe that hasn't reported by then is given to another call [10 s]; 1 ms to 1 day. Let it
        exceed the time-out of a call. */
    uint64_t probe_lease_ns;

    /** Least time between two probes [1 s], optional; 1 ns to 1 hour. */
    uint64_t probe_gap_ns;

    /** After closing, let calls in gradually for so long [off]; 1 ns to 1 day. */
    uint64_t ramp_ns;

    /** Share of the calls that pass at the begin of the ramp, percent [10]; 1 to 100. */
    uint64_t ramp_start_pct;

    /** RESIL_OUTCOME_BIT of the outcomes that count as failures [FAILURE, NOT_SENT, TIMEOUT,
        PERMANENT]; OVERLOAD, CALLER and LOCAL can be added. SUCCESS, and CALLER outside of the
        mask, are successes; what is neither is neutral. */
    uint64_t failure_mask;

    /** Of the jitter, which is a hash of seed, generation and time [0]; any value. Give each
        process its own where many trip on the same tick of a clock. */
    uint64_t seed;
};

/** Private: a config, resolved. Two of them; the state word says which one holds. */
struct resil_breaker_rules_ {
    uint64_t calls_min_;
    uint64_t failure_pct_;
    uint64_t slow_ns_; /* RESIL_NEVER = off */
    uint64_t slow_pct_;
    uint64_t consecutive_;
    uint64_t failures_;
    uint64_t failure_mask_;
    uint64_t open_ns_;
    uint64_t open_factor_pct_;
    uint64_t open_ns_max_;
    uint64_t jitter_pct_;
    uint64_t open_longest_; /* open_ns_max with all of its jitter */
    uint64_t hint_ns_max_;
    uint64_t probes_;
    uint64_t probes_needed_;
    uint64_t probe_lease_ns_;
    uint64_t probe_gap_ns_;
    uint64_t ramp_ns_;
    uint64_t ramp_start_pct_;
    uint64_t seed_;
};

/** Private: words for the window: 32 slices of two, or 1024 calls, 15 in a word. */
#define RESIL_BREAKER_CELLS_ 69

/** Private: from one stripe of the window to the next. */
#define RESIL_BREAKER_STRIPE_WORDS_ 88

/** A circuit breaker. The fields are private. No pointers: may lie in a shared mapping. */
struct resil_breaker {
    /* read by every call, written on a transition and by reconfigure */
    uint64_t word_; /* state, generation, probes: see src/breaker/breaker_state.h */
    uint64_t
        slice_ns_;     /* 0 = a window of calls; these three and slices_ are written by init only */
    uint64_t stripes_; /* less one: a mask */
    uint64_t calls_;
    struct resil_breaker_rules_ rules_[2];
    uint64_t slices_;
    uint64_t pad0_[3];
    /* away from closed */
    uint64_t until_; /* end of the open time, belongs to one generation */
    uint64_t gate_;  /* time of the last probe, belongs to one generation */
    uint64_t ramp_;  /* begin of the ramp, belongs to one generation */
    uint64_t thin_;  /* calls that asked during a ramp */
    uint64_t busy_;  /* 1 while somebody reconfigures */
    uint64_t opened_;
    uint64_t closed_;
    uint64_t late_;
    uint64_t granted_;
    uint64_t lost_;
    uint64_t leases_[RESIL_BREAKER_PROBES_MAX];
    uint64_t pad1_[4];
    /* the window: from here on the words of stripe 0; the other stripes follow the struct */
    uint64_t head_;   /* time: the newest slice; last-N: the next position */
    uint64_t streak_; /* generation and failures in a row */
    uint64_t pad2_[6];
    uint64_t totals_; /* last-N: what the window holds */
    uint64_t pad3_[7];
    uint64_t cells_[RESIL_BREAKER_CELLS_];
    uint64_t pad4_[3];
};

/** The type of a breaker with so many stripes (a constant: 1, 2, 4, ... RESIL_STRIPES_MAX), to lie in
    static memory or in the caller's struct: x.breaker is what all calls take. */
#define RESIL_STRIPED_BREAKER(stripes)                                                             \
    union {                                                                                        \
        struct resil_breaker breaker;                                                              \
        uint64_t words_[sizeof(struct resil_breaker) / sizeof(uint64_t) +                          \
                        ((stripes)-1) * RESIL_BREAKER_STRIPE_WORDS_];                              \
    } __attribute__((aligned(RESIL_STRIPES_ALIGN)))

/** What a breaker is doing, and what it has done since init. */
struct resil_breaker_snapshot {
    /* from one load: these fit together */

    /** NONE for a breaker that isn't initialised; then all the rest is 0. */
    enum resil_breaker_state state;

    /** Grows by one with every transition, and wraps. */
    uint32_t generation;

    /** Half-open: granted and not reported; an expired one until another call takes its place. */
    uint32_t probes_in_flight;

    /** Half-open: of this generation. */
    uint32_t probes_succeeded;
    uint32_t probes_failed;

    /** Trips since it was last closed, at most 15. */
    uint32_t trips;

    /* beside it */

    /** Open: the end of the open time, a point in time; else 0. */
    uint64_t retry_at_ns;

    /** Closed: 100, or less during a ramp; disabled and metrics only: 100; else 0. */
    uint64_t admit_pct;

    /** In the window: results that counted, and how many of these were failures, and slow. */
    uint64_t calls;
    uint64_t failures;
    uint64_t slow;

    /** Failures in a row; 0 while that rule is off. */
    uint64_t consecutive;

    /* since init; these never fall */

    /** How often results opened it, and closed it. What force and reset did isn't counted. */
    uint64_t opened_total;
    uint64_t closed_total;

    /** Results that came too late and changed nothing. */
    uint64_t late_total;

    /** Permits of the half-open state, and those of them whose lease ended and whose place was
        granted again. */
    uint64_t probes_granted_total;
    uint64_t probes_lost_total;
};

/** A transition, as told to whoever made it. */
struct resil_breaker_event {
    enum resil_breaker_state from;
    enum resil_breaker_state to;
    enum resil_breaker_reason reason;
    uint32_t generation; /* of the new state: a sequence number of the transitions */
    uint64_t now_ns;     /* the time that was told to the call that made it */
};

/**
 * Hears of transitions. Called outside of any critical section, after the new state is public:
 * events of two threads may arrive in the other order, the generation tells. May call the breaker.
 */
typedef void resil_breaker_listener_fn(void *arg, const struct resil_breaker_event *event);

/** A breaker and who listens to it, for resil_breaker_watch_policy. Holds pointers: one process's
    own. */
struct resil_breaker_watch {
    struct resil_breaker *breaker;
    resil_breaker_listener_fn *fn; /* NULL = nobody */
    void *arg;                     /* handed to fn */
};

/** For the static inline functions below. */
RESIL_API int resil_breaker_init_sized(struct resil_breaker *breaker, size_t breaker_size,
                                       const struct resil_breaker_config *config,
                                       size_t config_size);
RESIL_API int resil_breaker_init_striped_sized(struct resil_breaker *breaker, size_t breaker_size,
                                               const struct resil_breaker_config *config,
                                               size_t config_size, uint64_t stripes,
                                               size_t memory_size);
RESIL_API int resil_breaker_config_check_sized(const struct resil_breaker_config *config,
                                               size_t config_size, char *why, size_t why_size);
RESIL_API int resil_breaker_reconfigure_sized(struct resil_breaker *breaker, size_t breaker_size,
                                              const struct resil_breaker_config *config,
                                              size_t config_size, char *why, size_t why_size);
RESIL_API int resil_breaker_snapshot_sized(const struct resil_breaker *breaker, uint64_t now_ns,
                                           struct resil_breaker_snapshot *snapshot,
                                           size_t snapshot_size);

/**
 * Makes a breaker: closed, empty, generation 1.
 *
 * In a shared mapping one process does it, once, before the others look.
 *
 * @param breaker  the caller's memory, any content, aligned to 8, better to 64.
 * @param config   NULL = all defaults. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL breaker or a config that resil_breaker_config_check
 *         refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the breaker yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: yes.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_breaker_init(struct resil_breaker *breaker,
                                     const struct resil_breaker_config *config)
{
    return resil_breaker_init_sized(breaker, sizeof *breaker, config,
                                    sizeof(struct resil_breaker_config));
}

/**
 * How much memory a striped breaker takes.
 *
 * @param stripes  1, 2, 4, ... RESIL_STRIPES_MAX; resil_stripes() suits the machine.
 * @return bytes: those of a struct resil_breaker, and 704 for each further stripe; 0 for a number
 *         of stripes that can't be.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API size_t resil_breaker_striped_size(uint64_t stripes);

/**
 * Makes a breaker whose time window is striped: a success on one processor doesn't wait for the
 * cache lines of another. All other calls and the policies take it as they take a plain one.
 *
 * It judges as a plain one does, over all stripes; the top of this header says what differs when
 * calls end at the same moment. A result that is judged reads all stripes.
 *
 * @param breaker      the caller's memory, any content, aligned to RESIL_STRIPES_ALIGN.
 * @param memory_size  bytes at breaker; at least resil_breaker_striped_size(stripes).
 * @param config       NULL = all defaults. Copied. A window of calls can't be striped.
 * @param stripes      1, 2, 4, ... RESIL_STRIPES_MAX; resil_stripes() suits the machine. 1 is a
 *                     plain breaker.
 * @return RESIL_OK; RESIL_EINVAL for a NULL or misaligned breaker, too little memory, a number of
 *         stripes that can't be, more than one with config->calls, or a config that
 *         resil_breaker_config_check refuses; RESIL_EABI when the sizes of header and library
 *         differ.
 *
 * Threads:   nobody else may use the breaker yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: yes.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_breaker_init_striped(struct resil_breaker *breaker, size_t memory_size,
                                             const struct resil_breaker_config *config,
                                             uint64_t stripes)
{
    return resil_breaker_init_striped_sized(breaker, sizeof *breaker, config,
                                            sizeof(struct resil_breaker_config), stripes,
                                            memory_size);
}

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL = all defaults.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
static inline int resil_breaker_config_check(const struct resil_breaker_config *config, char *why,
                                             size_t why_size)
{
    return resil_breaker_config_check_sized(config, sizeof(struct resil_breaker_config), why,
                                            why_size);
}

/**
 * Asks whether a call may be made now.
 *
 * The result must be recorded, or the permit dropped; a dropped probe is given back after
 * probe_lease_ns. At exactly the end of the open time a call passes, as the first probe.
 *
 * @param breaker  an initialised breaker.
 * @param now_ns   the time.
 * @param permit   receives the permit, or permit->retry_at_ns after a refusal (0 = unknown: forced
 *                 open).
 * @return RESIL_OK; RESIL_EOPEN when the call must not be made: open, forced open, half-open
 *         without a free probe (or too soon after the last one), or held back by the ramp;
 *         RESIL_EINVAL for a NULL argument or a breaker that isn't initialised.
 *
 * Threads:   any number at once.
 * Progress:  wait-free while closed or open, otherwise lock-free. Atomics: closed: one load;
 *            refused while open: loads only, nothing shared is written. Syscalls: none.
 * Ordering:  acquire.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_breaker_acquire(struct resil_breaker *breaker, uint64_t now_ns,
                                    struct resil_permit *permit);

/**
 * Reports how a call ended and spends its permit.
 *
 * Closed: counts the result and judges the rules. Half-open: a success or a failure decides, a slow
 * call counts as a failure; OVERLOAD opens again, until the peer's hint if there is one; neutral
 * outcomes (LOCAL, CANCELLED, REFUSED) give the probe back. Metrics only: counts, and never trips.
 * Disabled: nothing. NONE and unknown values are read as FAILURE.
 *
 * @param breaker  an initialised breaker.
 * @param permit   as acquire granted it. resil_permit_event tells afterwards whether this made a
 *                 transition.
 * @param now_ns   the time.
 * @param result   outcome and, with OVERLOAD, hint_ns. call_rc is not read.
 * @return RESIL_OK; RESIL_ELATE when the state that granted the permit is gone, the lease of a
 *         probe ended and its place was granted again, or the window has moved on past now_ns (a
 *         last-N window: has gone round) meanwhile: counted as late, nothing else changed;
 *         RESIL_EINVAL for a NULL argument, a permit that is spent or was never granted, or a
 *         breaker that isn't initialised.
 *
 * Threads:   any number at once; one permit by one thread at a time.
 * Progress:  lock-free. Atomics: a success of a time window: one fetch-and-add. Syscalls: none.
 * Ordering:  acquire and release.
 * Signals:   async-signal-safe: yes.
 * Ownership: the permit is spent whatever the answer.
 * Since:     0.1
 */
RESIL_API int resil_breaker_record(struct resil_breaker *breaker, struct resil_permit *permit,
                                   uint64_t now_ns, const struct resil_result *result);

/**
 * Gives a permit back without a result: as recording CANCELLED.
 *
 * @param breaker  an initialised breaker.
 * @param permit   as acquire granted it. resil_permit_event tells afterwards of no transition.
 * @param now_ns   the time.
 * @return as resil_breaker_record.
 *
 * Threads:   any number at once; one permit by one thread at a time.
 * Progress:  lock-free. Syscalls: none.
 * Ordering:  acquire and release.
 * Signals:   async-signal-safe: yes.
 * Ownership: the permit is spent whatever the answer.
 * Since:     0.1
 */
RESIL_API int resil_breaker_cancel(struct resil_breaker *breaker, struct resil_permit *permit,
                                   uint64_t now_ns);

/**
 * Tells which transition the last acquire or record with this permit made.
 *
 * @param permit  after acquire, record or cancel with it.
 * @param event   receives the transition; untouched if there was none.
 * @return true if there was one.
 *
 * Threads:   the thread that uses the permit.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API bool resil_permit_event(const struct resil_permit *permit,
                                  struct resil_breaker_event *event);

/**
 * Looks at a breaker without changing anything: an open time that has passed still reads as open
 * until a call asks.
 *
 * @param breaker   any breaker; one that isn't initialised reads as RESIL_BREAKER_NONE.
 * @param now_ns    the time; the window is counted as of it.
 * @param snapshot  receives the picture. State, generation and probes are from one load and fit
 *                  together; the rest is read beside it and may belong to a moment later.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument; RESIL_EABI when the sizes of header and
 *         library differ.
 *
 * Threads:   any number at once.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
static inline int resil_breaker_snapshot(const struct resil_breaker *breaker, uint64_t now_ns,
                                         struct resil_breaker_snapshot *snapshot)
{
    return resil_breaker_snapshot_sized(breaker, now_ns, snapshot, sizeof *snapshot);
}

/**
 * Changes the config in use. State, window, open time and permits of a closed breaker are kept; a
 * half-open one starts its probes again.
 *
 * Calls on their way under the old config can't make a transition with it. New rules are judged
 * from the next failure or slow call on, and from the next slice.
 *
 * @param breaker   an initialised breaker.
 * @param config    NULL = all defaults. window_ns, slices and calls must mean what they meant at
 *                  init.
 * @param why       receives one line that names the field at fault; untouched on success; may be
 *                  NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL for a config that can't be used or tries to change what can't
 *         change; RESIL_EBUSY when another caller reconfigures at this moment; RESIL_EABI when the
 *         sizes of header and library differ. On failure nothing has changed.
 *
 * Threads:   see the table at the top. A process that dies inside leaves EBUSY behind until rebase.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
static inline int resil_breaker_reconfigure(struct resil_breaker *breaker,
                                            const struct resil_breaker_config *config, char *why,
                                            size_t why_size)
{
    return resil_breaker_reconfigure_sized(breaker, sizeof *breaker, config,
                                           sizeof(struct resil_breaker_config), why, why_size);
}

/**
 * Takes the decision out of the breaker's hands, or gives it back.
 *
 * Going back to automatic closes it with an empty window; after FORCED_OPEN the ramp is run, if
 * there is one. A mode that holds already changes nothing. No result of an older state can end a
 * forced one.
 *
 * @param breaker  an initialised breaker.
 * @param mode     a value of the enum.
 * @param now_ns   the time.
 * @return RESIL_OK; RESIL_EINVAL for a NULL or uninitialised breaker or an unknown mode.
 *
 * Threads:   any number at once.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_breaker_force(struct resil_breaker *breaker, enum resil_breaker_mode mode,
                                  uint64_t now_ns);

/**
 * Closes a breaker with an empty window, whatever state or mode it is in.
 *
 * Permits out become late. The counters of the snapshot stay. No ramp is run.
 *
 * @param breaker  an initialised breaker.
 * @return RESIL_OK; RESIL_EINVAL for a NULL or uninitialised breaker.
 *
 * Threads:   any number at once.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_breaker_reset(struct resil_breaker *breaker);

/**
 * Takes a breaker over to another clock: once, after a reboot or when a mapping or file was
 * restored.
 *
 * An open breaker is open for a whole open time from now_ns; half-open starts its probes again;
 * closed keeps its state but not its window; a ramp starts again. Permits from before are late.
 * Whoever died inside reconfigure is forgotten.
 *
 * @param breaker  a breaker that was initialised once.
 * @param now_ns   the time on the new clock.
 * @return RESIL_OK; RESIL_EINVAL for a NULL or uninitialised breaker.
 *
 * Threads:   nobody else may use the breaker.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_breaker_rebase(struct resil_breaker *breaker, uint64_t now_ns);

/**
 * Names a state, for logs.
 *
 * @param state  any value.
 * @return a static string; "unknown state" for a value that is not in the enum; never NULL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API const char *resil_breaker_state_str(enum resil_breaker_state state);

/**
 * Makes a breaker a policy of a chain: it refuses with RESIL_EOPEN and learns every result.
 *
 * The clock is read at the end of a successful call only if slow_ns is set or the call is a probe.
 * Of a time-out outside of it the breaker learns through abandon.
 *
 * @param breaker  an initialised breaker. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "breaker"; 2 frame words. resil_chain_init refuses it when the breaker
 *         isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_breaker_policy(struct resil_breaker *breaker);

/**
 * As resil_breaker_policy, and tells the watch's listener of the transitions that calls of this
 * policy make.
 *
 * Those of other processes, of hand-made calls and of force, reset and reconfigure are told to
 * their makers alone. One breaker may have many watches.
 *
 * @param watch  a watch, with an initialised breaker. Borrowed: must outlive every chain that holds
 *               the policy.
 * @return the policy, named "breaker"; 2 frame words. resil_chain_init refuses it when the watch
 *         has no initialised breaker.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_breaker_watch_policy(struct resil_breaker_watch *watch);

RESIL_END_DECLS

#endif
