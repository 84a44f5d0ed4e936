/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_KEYED_LIMITER_H
#define RESIL_KEYED_LIMITER_H

/*
 * A rate limit for each key: per user, address, tenant. Millions of keys in memory of a fixed size,
 * in which a flood of new keys neither grows anything nor frees anybody who is at his limit.
 *
 * Each key has a token bucket (the algorithm of resil/limiter.h, one word) in a table (see
 * resil/keyed.h). A key whose bucket is full again is as good as one never seen: its place goes to
 * the next newcomer, and nothing is lost. A key that owes keeps its place.
 *
 *     found            -> its own bucket                                one compare-and-swap
 *     new, place left  -> a full bucket, but for what was forgotten too early (below)
 *     new, none left   -> the overflow bucket, shared by all such calls  (or refused)
 *
 * Never more than burst + rate * t tokens are granted to a key by its own bucket over any span of
 * told time t, under any interleaving, whoever is evicted: a place given up by the word of a later
 * now than another caller's is remembered by its pair of cache lines, so the key isn't forgiven
 * what it owes at the older time. Beside that, a key that came when there was no place may have
 * been granted tokens of the overflow bucket: all such keys together never more than its burst +
 * rate * t. overflow_tokens = RESIL_OFF makes the limit strict.
 *
 * Where two first calls of a key meet whose nows differ, its bucket begins at the later now: who was
 * told the older time may be refused, or be told to come later, by no more than that difference.
 *
 * Of config.keys keys that all owe at once about one in 100000 finds no place (measured with 1e6
 * keys); of twice as many one in 40. A newcomer may find none, too, where the last places of its
 * buckets are being given away at that moment.
 *
 * Ours: tokens aren't given back, and the rate can't be changed in use, because each key's word
 * only ever grows; that is what makes eviction safe without locks. For time, clock steps and wraps
 * what resil/limiter.h says holds for each key, without drains and reservations.
 *
 * Memory: plain words, no pointers. In a MAP_SHARED mapping the processes share the limits. Init in
 * one process. After a reboot resil_keyed_limiter_rebase.
 * A key takes a look at memory that no cache holds: among a million of them that is nearly all of
 * the cost, and in small pages a third of it is the walk to the page. Huge pages (madvise with
 * MADV_HUGEPAGE on memory that starts at 2 MiB) save that.
 *
 * Which calls may overlap on one limiter:
 *
 *                                 | init, rebase | all others
 *   init, rebase                  |      no      |    no
 *   acquire, peek, top, snapshot  |      no      |    yes
 */

#include <resil/common.h>
#include <resil/keyed.h>
#include <resil/limiter.h>
#include <resil/policy.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** How many keys, the rate of each, and the seed. */
struct resil_keyed_limiter_config {
    /** Keys that can owe at the same time, 1 to 2^31. No default. */
    uint64_t keys;

    /** A secret: 128 random bits, drawn once at start. Not both words 0: there is no default, and
        who knows it can choose keys that crowd out others. */
    uint64_t seed[2];

    /** Tokens per period for each key; 1 to period_ns. No default. */
    uint64_t tokens;

    /** 1 ns to 366 days; 0 = 1 s. */
    uint64_t period_ns;

    /** The most tokens of a key at once, as in resil_limiter_config; 0 = what the rate gives in 1
        s, at least 1. */
    uint64_t burst;

    /** Tokens per period_ns for all new keys without a place together; 1 to period_ns; 0 = tokens;
        RESIL_OFF = such calls are refused. */
    uint64_t overflow_tokens;

    /** As burst; 0 = what overflow_tokens give in 1 s, at least 1. No effect when overflow_tokens
        is off. */
    uint64_t overflow_burst;
};

/** A keyed limiter: the head of the memory; its buckets follow. The fields are private. */
struct resil_keyed_limiter {
    /* read by every call, written by init only */
    struct resil_keyed_ table_;
    uint64_t overflow_on_;
    struct resil_gcra_slot_ rate_;
    uint64_t pad0_[2];
    /* the slow paths */
    struct resil_keyed_counts_ counts_;
    uint64_t pad1_[4];
    struct resil_limiter overflow_;
    uint64_t pad2_[10];
};

/** What a keyed limiter looks like. */
struct resil_keyed_limiter_snapshot {
    uint64_t keys;             /* that have a place, idle ones among them */
    uint64_t places;           /* in the whole table */
    uint64_t inserted;         /* how often a key was given a place */
    uint64_t evicted;          /* how often an idle key lost it to another */
    uint64_t overflow_granted; /* calls without a place: granted */
    uint64_t overflow_refused; /* and refused */
};

/** One of the hottest keys. */
struct resil_keyed_limiter_entry {
    uint64_t print[2];   /* as resil_keyed_limiter_print tells it of a key */
    uint64_t used;       /* tokens that were taken and have not come back, rounded up */
    uint64_t full_at_ns; /* when the key's bucket is full if it takes no more */
};

/** For the static inline function below. */
RESIL_API int resil_keyed_limiter_init_sized(struct resil_keyed_limiter *limiter,
                                             size_t limiter_size, size_t size,
                                             const struct resil_keyed_limiter_config *config,
                                             size_t config_size);

/**
 * Says how many bytes a limiter takes: 512 and 60 for each key.
 *
 * @param keys  as in the config.
 * @return the size; 0 when keys is 0 or more than 2^31, or the size exceeds a size_t.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API size_t resil_keyed_limiter_size(uint64_t keys);

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL is refused: keys, seed and tokens have no default.
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
RESIL_API int resil_keyed_limiter_config_check(const struct resil_keyed_limiter_config *config,
                                               char *why, size_t why_size);

/**
 * Makes a limiter in the caller's memory: no key has been seen.
 *
 * In a shared mapping one process does it, once, before the others look.
 *
 * @param limiter  the memory, any content, aligned to 8, better to 128.
 * @param size     bytes there; at least resil_keyed_limiter_size(config->keys). More is not used.
 * @param config   not NULL. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL limiter, too little memory, or a config that
 *         resil_keyed_limiter_config_check refuses; RESIL_EABI when the sizes of header and library
 *         differ.
 *
 * Threads:   nobody else may use the limiter yet.
 * Progress:  wait-free; writes all of the memory. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_keyed_limiter_init(struct resil_keyed_limiter *limiter, size_t size,
                                           const struct resil_keyed_limiter_config *config)
{
    return resil_keyed_limiter_init_sized(limiter, sizeof *limiter, size, config, sizeof *config);
}

/**
 * Takes tokens of a key, now or not at all.
 *
 * @param limiter      an initialised limiter.
 * @param key          the key's bytes; may be NULL when key_size is 0, which is a key like others.
 * @param key_size     bytes at key.
 * @param cost         tokens, 1 to burst; 0 = 1.
 * @param now_ns       the time.
 * @param retry_at_ns  receives, with RESIL_ELIMITED alone, the first time at which the same call
 *                     would pass if nobody else takes tokens of the key (of the overflow bucket);
 *                     RESIL_NEVER = unknown: there was no place, and the overflow is off; may be
 *                     NULL.
 * @return RESIL_OK; RESIL_ELIMITED when there are too few tokens; RESIL_ECOST when the cost exceeds
 *         the burst, of the overflow bucket if that is asked. A refusal takes nothing.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: one compare-and-swap for a key that has a place, and nothing that
 *            another key's calls write; a refusal only loads. Syscalls: none.
 * Ordering:  acquire and release on success.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_keyed_limiter_acquire(struct resil_keyed_limiter *limiter, const void *key,
                                          size_t key_size, uint64_t cost, uint64_t now_ns,
                                          uint64_t *retry_at_ns);

/**
 * The same for a key that is a number: it is the key of its eight bytes, the lowest first.
 *
 * @param limiter      an initialised limiter.
 * @param key          any value.
 * @param cost         tokens, 1 to burst; 0 = 1.
 * @param now_ns       the time.
 * @param retry_at_ns  as in resil_keyed_limiter_acquire.
 * @return as resil_keyed_limiter_acquire.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: one compare-and-swap. Syscalls: none.
 * Ordering:  acquire and release on success.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_keyed_limiter_acquire_u64(struct resil_keyed_limiter *limiter, uint64_t key,
                                              uint64_t cost, uint64_t now_ns,
                                              uint64_t *retry_at_ns);

/**
 * Says how many whole tokens a key can take now, and takes none.
 *
 * @param limiter   an initialised limiter.
 * @param key       as in acquire.
 * @param key_size  as in acquire.
 * @param now_ns    the time.
 * @return the tokens; the burst for a key that has no place.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API uint64_t resil_keyed_limiter_peek(const struct resil_keyed_limiter *limiter,
                                            const void *key, size_t key_size, uint64_t now_ns);

/**
 * Tells the fingerprint of a key, to find it among what resil_keyed_limiter_top lists.
 *
 * @param limiter   an initialised limiter.
 * @param key       as in acquire.
 * @param key_size  as in acquire.
 * @param print     receives 128 bits. They depend on the seed.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_keyed_limiter_print(const struct resil_keyed_limiter *limiter, const void *key,
                                         size_t key_size, uint64_t print[2]);

/**
 * Lists the keys that owe most: those that took tokens recently and fast. A key that keeps asking
 * at its limit stays within one call of the full burst; how often it was refused isn't counted.
 *
 * Each entry is exact for the moment at which its place was read, and the list holds the n largest
 * of these; while others call, the entries are of different moments. Keys in the overflow aren't
 * told apart, and aren't listed.
 *
 * @param limiter  an initialised limiter.
 * @param now_ns   the time.
 * @param top      room for n entries; filled from the hottest down.
 * @param n        entries asked for. Meant to be small: ten, a hundred.
 * @return how many were filled in.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free; reads all places, and moves at most n entries for each. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API size_t resil_keyed_limiter_top(const struct resil_keyed_limiter *limiter, uint64_t now_ns,
                                         struct resil_keyed_limiter_entry *top, size_t n);

/**
 * Copies the counts. At rest they fit together; while others insert, each is of its own moment.
 *
 * @param limiter   an initialised limiter.
 * @param snapshot  filled in.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_keyed_limiter_snapshot(const struct resil_keyed_limiter *limiter,
                                            struct resil_keyed_limiter_snapshot *snapshot);

/**
 * Moves a limiter that lived through a reboot to the new clock: every key that has a place starts
 * with an empty bucket, and so does the overflow. Places that a killed process left half made are
 * free again.
 *
 * @param limiter  an initialised limiter.
 * @param now_ns   the time on the new clock.
 *
 * Threads:   nobody else may use the limiter; one process calls it, once.
 * Progress:  wait-free; visits all places. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API void resil_keyed_limiter_rebase(struct resil_keyed_limiter *limiter, uint64_t now_ns);

/**
 * Makes the policy: each call that enters takes request->cost tokens (0 = 1) of request->key as in
 * resil_keyed_limiter_acquire_u64, or is refused with its answer and walk->retry_at_ns. Tokens are
 * not given back.
 *
 * A key of 0 means that the call has none: it passes, and nothing is taken.
 *
 * @param limiter  an initialised limiter. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "keyed-limiter"; no frame words. resil_chain_init refuses it when the
 *         limiter isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_keyed_limiter_policy(struct resil_keyed_limiter *limiter);

RESIL_END_DECLS

#endif
