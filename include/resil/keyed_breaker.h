/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_KEYED_BREAKER_H
#define RESIL_KEYED_BREAKER_H

/*
 * A small circuit breaker for each key: per tenant, host, shard. Millions of keys in memory of a
 * fixed size (see resil/keyed.h), one word each.
 *
 *                consecutive or failure_pct                  the probe succeeds
 *     +--------+ ------------------------> +------+           +-----------+
 *     | CLOSED |                           | OPEN | --------> | HALF_OPEN | --> CLOSED
 *     +--------+                           +------+ open time +-----------+
 *                                             ^      passed        |
 *                                             +--------------------+
 *                                            the probe fails, or OVERLOAD
 *
 * A key that doesn't fail takes no memory: its first failure gives it a place and opens its window.
 * From then on its calls are counted for window_ns; then all counts are halved, and after twice
 * that time they are gone. Counts above 63 are halved as well, which keeps the shares. Half-open
 * admits one probe; if it never reports, its lease gives it to another call. What resil/breaker.h
 * has beside that (exact windows, slow calls, ramps, several probes) this breaker has not.
 *
 * A key keeps its place while its window holds a failure, and while it is open; after its open time
 * for keep_ns more, so that it comes back through a probe. Then its place goes to the next key that
 * fails. When there is no place for a key that fails it passes unguarded, and the failure is counted
 * as untracked: a shared breaker would stop keys that are well.
 *
 * Permits carry the generation of the key's state, so a result of an older state changes nothing. A
 * generation comes again after 2048 transitions; what happened before a key was forgotten can't be
 * told from new.
 *
 * Time is counted in ticks of 2^k ns, at most 2^-19 of the longest span of the config (1 ms with
 * the defaults), and rounded up. A deadline further ahead than twice that span counts as due: the
 * clock was set back. Times come again after 2^28 ticks (3 days at the defaults): a key that nobody
 * asked for so long, and that nobody's failure drove out, may look open for twice the longest span.
 *
 * Memory: plain words, no pointers. In a MAP_SHARED mapping the processes share the breakers. Init
 * in one process.
 * A key takes a look at memory that no cache holds: among a million of them that is nearly all of
 * the cost, and in small pages a third of it is the walk to the page. Huge pages (madvise with
 * MADV_HUGEPAGE on memory that starts at 2 MiB) save that.
 *
 * Which calls may overlap on one breaker:
 *
 *                                     | init, rebase | all others
 *   init, rebase                      |      no      |    no
 *   acquire, record, look, top, snapshot |   no      |    yes
 */

#include <resil/breaker.h>
#include <resil/common.h>
#include <resil/keyed.h>
#include <resil/outcome.h>
#include <resil/policy.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** How many keys, and how each breaker behaves. 0 is the default in brackets; RESIL_OFF switches an
    optional rule off. */
struct resil_keyed_breaker_config {
    /** Keys that can be open or have failures at the same time, 1 to 2^31. No default. */
    uint64_t keys;

    /** A secret: 128 random bits, drawn once at start. Not both words 0: there is no default, and
        who knows it can choose keys that crowd out others. */
    uint64_t seed[2];

    /** Trip: so many failures in a row [5], optional; 1 to 31. */
    uint64_t consecutive;

    /** Trip: share of failures in the window, percent [50], optional; 1 to 100. */
    uint64_t failure_pct;

    /** failure_pct needs so many calls in the window [10]; 1 to 31. */
    uint64_t calls_min;

    /** Length of the window [10 s]; 10 ms to 1 day. */
    uint64_t window_ns;

    /** How long to stay open [5 s]; 1 ms to 1 day. */
    uint64_t open_ns;

    /** Each trip before the next close multiplies open_ns by so many percent [150]; 100 (constant)
        to 1000. It stops growing at the 15th trip. */
    uint64_t open_factor_pct;

    /** The open time grows up to this, before jitter [15 s, or open_ns if that is more]; 1 ms to 1
        day, and no less than open_ns. A peer's hint with OVERLOAD is cut down to it, too. */
    uint64_t open_ns_max;

    /** Stretches the open time by 0 to so many percent, by key and trip [100], optional; 1 to
        1000. */
    uint64_t jitter_pct;

    /** A probe that hasn't reported by then is given to another call [10 s]; 1 ms to 1 day. */
    uint64_t probe_lease_ns;

    /** How long an open key that nobody asks for keeps its place after its open time [10 min];
        1 ms to 1 day; RESIL_OFF = for ever. */
    uint64_t keep_ns;

    /** RESIL_OUTCOME_BIT of the outcomes that count as failures [FAILURE, NOT_SENT, TIMEOUT,
        PERMANENT]. SUCCESS, and CALLER outside of the mask, are successes; what is neither is
        neutral. */
    uint64_t failure_mask;
};

/** Private: a config, resolved, with spans in ns and in ticks. */
struct resil_keyed_rules_ {
    uint64_t tick_bits_;
    uint64_t longest_; /* ticks */
    uint64_t window_;  /* ticks */
    uint64_t keep_;    /* ticks; RESIL_NEVER = for ever */
    uint64_t consecutive_;
    uint64_t failure_pct_;
    uint64_t calls_min_;
    uint64_t failure_mask_;
    uint64_t open_ns_;
    uint64_t open_factor_pct_;
    uint64_t open_ns_max_;
    uint64_t jitter_pct_;
    uint64_t lease_ns_;
};

/** A keyed breaker: the head of the memory; its buckets follow. The fields are private. */
struct resil_keyed_breaker {
    /* read by every call, written by init only */
    struct resil_keyed_ table_;
    struct resil_keyed_rules_ rules_;
    /* the slow paths */
    struct resil_keyed_counts_ counts_;
    uint64_t opened_;
    uint64_t closed_;
    uint64_t late_;
    uint64_t pad_[9];
};

/** One guarded call of one key. Fields that end in _ are private. Belongs to one thread at a time;
    don't copy it. Needs no initialisation before acquire. */
struct resil_keyed_permit {
    uint64_t token_; /* 0 = spent, or never granted */
    uint64_t print_[2];

    /** After a refusal, and only then: when it makes sense to ask again, a point in time. */
    uint64_t retry_at_ns;
};

/** What a keyed breaker looks like, and what it has done since init. */
struct resil_keyed_breaker_snapshot {
    uint64_t keys;      /* that have a place, forgotten ones among them */
    uint64_t places;    /* in the whole table */
    uint64_t inserted;  /* how often a key was given a place */
    uint64_t evicted;   /* how often it was taken from one */
    uint64_t untracked; /* failures of keys that found no place */
    uint64_t opened;    /* how often a key's breaker opened, after a probe too */
    uint64_t closed;    /* how often a probe closed one */
    uint64_t late;      /* results that came too late and changed nothing */
};

/** The state of one key. */
struct resil_keyed_breaker_entry {
    uint64_t print[2]; /* the fingerprint */
    enum resil_breaker_state state;
    uint32_t trips;    /* since it was last closed, at most 15 */
    uint32_t failures; /* closed: in the window, at most 63 */
    uint32_t calls;    /* closed: in the window, at most 63 */
    uint64_t until_ns; /* open: the end of the open time; half-open: of the probe's lease; else 0 */
};

/** For the static inline function below. */
RESIL_API int resil_keyed_breaker_init_sized(struct resil_keyed_breaker *breaker,
                                             size_t breaker_size, size_t size,
                                             const struct resil_keyed_breaker_config *config,
                                             size_t config_size);

/**
 * Says how many bytes a breaker takes: 256 and 60 for each key.
 *
 * @param keys  as in the config.
 * @return the size; 0 when keys is 0 or more than 2^31, or the size exceeds a size_t.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API size_t resil_keyed_breaker_size(uint64_t keys);

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL is refused: keys and seed have no default.
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
RESIL_API int resil_keyed_breaker_config_check(const struct resil_keyed_breaker_config *config,
                                               char *why, size_t why_size);

/**
 * Makes a breaker in the caller's memory: no key has failed.
 *
 * In a shared mapping one process does it, once, before the others look.
 *
 * @param breaker  the memory, any content, aligned to 8, better to 128.
 * @param size     bytes there; at least resil_keyed_breaker_size(config->keys). More is not used.
 * @param config   not NULL. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL breaker, too little memory, or a config that
 *         resil_keyed_breaker_config_check refuses; RESIL_EABI when the sizes of header and library
 *         differ.
 *
 * Threads:   nobody else may use the breaker yet.
 * Progress:  wait-free; writes all of the memory. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_keyed_breaker_init(struct resil_keyed_breaker *breaker, size_t size,
                                           const struct resil_keyed_breaker_config *config)
{
    return resil_keyed_breaker_init_sized(breaker, sizeof *breaker, size, config, sizeof *config);
}

/**
 * Asks whether a call for a key may be made now.
 *
 * The result must be recorded, or the permit dropped; a dropped probe is given back after
 * probe_lease_ns.
 *
 * @param breaker   an initialised breaker.
 * @param key       the key's bytes; may be NULL when key_size is 0, which is a key like others.
 * @param key_size  bytes at key.
 * @param now_ns    the time.
 * @param permit    receives the permit, or permit->retry_at_ns after a refusal.
 * @return RESIL_OK; RESIL_EOPEN when the key is open, or half-open with a probe out.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: loads; a probe is one compare-and-swap. Syscalls: none.
 * Ordering:  acquire.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_keyed_breaker_acquire(struct resil_keyed_breaker *breaker, const void *key,
                                          size_t key_size, uint64_t now_ns,
                                          struct resil_keyed_permit *permit);

/**
 * The same for a key that is a number: it is the key of its eight bytes, the lowest first.
 *
 * @param breaker  an initialised breaker.
 * @param key      any value.
 * @param now_ns   the time.
 * @param permit   as in resil_keyed_breaker_acquire.
 * @return as resil_keyed_breaker_acquire.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: loads; a probe is one compare-and-swap. Syscalls: none.
 * Ordering:  acquire.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_keyed_breaker_acquire_u64(struct resil_keyed_breaker *breaker, uint64_t key,
                                              uint64_t now_ns, struct resil_keyed_permit *permit);

/**
 * Reports how a call ended and spends its permit.
 *
 * Closed: counts a success or a failure and judges the rules. The probe: a success closes; a
 * failure, or OVERLOAD, opens again, for as long as the peer's hint if that is longer; a neutral
 * outcome gives the probe back. NONE and unknown values are read as FAILURE.
 *
 * @param breaker  an initialised breaker.
 * @param permit   as acquire granted it.
 * @param now_ns   the time.
 * @param result   outcome and, with OVERLOAD, hint_ns. call_rc is not read.
 * @return RESIL_OK; RESIL_ELATE when the state that granted the permit is gone: nothing changed;
 *         RESIL_EINVAL for a permit that is spent or was never granted.
 *
 * Threads:   see the table at the top; one permit by one thread at a time.
 * Progress:  lock-free. Atomics: none for a success of a key without failures, else one
 *            compare-and-swap. Syscalls: none.
 * Ordering:  acquire and release.
 * Signals:   async-signal-safe: yes.
 * Ownership: the permit is spent whatever the answer.
 * Since:     0.1
 */
RESIL_API int resil_keyed_breaker_record(struct resil_keyed_breaker *breaker,
                                         struct resil_keyed_permit *permit, uint64_t now_ns,
                                         const struct resil_result *result);

/**
 * Copies the state of one key, of one moment.
 *
 * @param breaker   an initialised breaker.
 * @param key       as in acquire.
 * @param key_size  as in acquire.
 * @param now_ns    the time.
 * @param entry     filled in; CLOSED and all counts 0 for a key that has no place. The state is
 *                  OPEN until a probe is granted, even when the open time has passed.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_keyed_breaker_look(const struct resil_keyed_breaker *breaker, const void *key,
                                        size_t key_size, uint64_t now_ns,
                                        struct resil_keyed_breaker_entry *entry);

/**
 * Lists the keys that fail most: those with most trips, then those with most failures. Each entry
 * is exact for the moment at which its place was read; keys without a trip or failure aren't
 * listed.
 *
 * @param breaker  an initialised breaker.
 * @param now_ns   the time.
 * @param top      room for n entries; filled from the worst down.
 * @param n        entries asked for. Meant to be small: ten, a hundred.
 * @return how many were filled in.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free; reads all places, and moves at most n entries for each. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API size_t resil_keyed_breaker_top(const struct resil_keyed_breaker *breaker, uint64_t now_ns,
                                         struct resil_keyed_breaker_entry *top, size_t n);

/**
 * Copies the counts. At rest they fit together; while others call, each is of its own moment.
 *
 * @param breaker   an initialised breaker.
 * @param snapshot  filled in.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_keyed_breaker_snapshot(const struct resil_keyed_breaker *breaker,
                                            struct resil_keyed_breaker_snapshot *snapshot);

/**
 * Moves a breaker that lived through a reboot to the new clock: open keys may be probed at once,
 * counts begin anew. Permits of before are void.
 *
 * @param breaker  an initialised breaker.
 * @param now_ns   the time on the new clock.
 *
 * Threads:   nobody else may use the breaker; one process calls it, once.
 * Progress:  wait-free; visits all places. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API void resil_keyed_breaker_rebase(struct resil_keyed_breaker *breaker, uint64_t now_ns);

/**
 * Makes the policy: each call that enters asks for request->key as in
 * resil_keyed_breaker_acquire_u64, or is refused with RESIL_EOPEN and walk->retry_at_ns; its result
 * is recorded. A key of 0 means that the call has none: it passes, and nothing is recorded.
 *
 * @param breaker  an initialised breaker. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "keyed-breaker"; 3 frame words. resil_chain_init refuses it when the
 *         breaker isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_keyed_breaker_policy(struct resil_keyed_breaker *breaker);

RESIL_END_DECLS

#endif
