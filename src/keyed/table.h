/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_KEYED_TABLE_H
#define RESIL_KEYED_TABLE_H

/*
 * The table of keys behind the keyed limiter and the keyed breaker. A place is a fingerprint of two
 * words and a state word:
 *
 *     0               never used
 *     even            live: the owner's state of the key in the fingerprint
 *     base | CLAIMED  somebody writes the fingerprint; it says nothing yet
 *     base | PENDING  the fingerprint stands, but the key has no state yet
 *     base | FREE     it was struck out: another place holds the key
 *
 *              claim              fingerprint written         sole place of the key
 *     0, idle -------> CLAIMED -------------------> PENDING ------------------------> live
 *        ^                                            |                                |
 *        +------------------ FREE <-------------------+                                |
 *        +------------------------------ idle again -----------------------------------+
 *
 * The base is the owner's: a point in time, or a count, that grows with every claim and stays below
 * the states that follow it, so that no word ever comes back in its place (see the owner for when
 * that ends). So a compare-and-swap that succeeds proves that the place held the same key all the
 * time since its word was read, if the fingerprint was read after that.
 *
 * Why a key never has two live places: a pending place becomes live by a compare-and-swap after a
 * look through both buckets, begun after it was seen pending, that found the key nowhere else. Had
 * two looks D and C made the places i and j live, D missed j though i was pending before D began:
 * so j became pending after D passed it; and i, likewise, after C passed it. Then i was pending
 * before D passed j, before j was pending, before C passed i, before i was pending. Seeing pending
 * places and writing them are sequentially consistent for this. Of two pending places of a key all
 * lookers strike out the later one in the order of the look; whoever strikes out loses to who makes
 * live, or the other way round, in that one word.
 *
 * Lock-free: a claim that fails means that another claimed or charged, and with a given time a
 * place can be claimed only so often: its base grows. A thread that is stopped while CLAIMED keeps
 * others out of that place alone; a process that is killed there loses it until a rebase.
 */

#include <resil/keyed.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/siphash.h"

#define RESIL__KEYED_CLAIMED UINT64_C(1)
#define RESIL__KEYED_PENDING UINT64_C(3)
#define RESIL__KEYED_FREE    UINT64_C(5)
#define RESIL__KEYED_PHASE   UINT64_C(7)

static inline bool resil__keyed_is_live(uint64_t word)
{
    return (word & 1) == 0 && word != 0;
}

/** Of one of the phases above, which are odd. */
static inline bool resil__keyed_is(uint64_t word, uint64_t phase)
{
    return (word & RESIL__KEYED_PHASE) == phase;
}

/** A place, and its word as it was read. */
struct resil__keyed_spot {
    uint64_t *word;
    uint64_t value;
};

/** How many bytes an object of object_size with room for so many keys takes; 0 = too many. */
size_t resil__keyed_size(size_t object_size, uint64_t keys);

/** How many buckets so many keys have. */
uint64_t resil__keyed_buckets(uint64_t keys);

/** The most keys of one table. */
#define RESIL__KEYED_MAX (UINT64_C(1) << 31)

/** A part of 32 bits of a fingerprint, as one of so many buckets. */
static inline uint64_t resil__keyed_index(uint64_t part, uint64_t buckets)
{
    return (part * buckets) >> 32;
}

static inline uint64_t resil__keyed_first(struct resil__print print, uint64_t buckets)
{
    return resil__keyed_index(print.word[0] >> 32, buckets);
}

static inline uint64_t resil__keyed_second(struct resil__print print, uint64_t buckets)
{
    return resil__keyed_index(print.word[1] >> 32, buckets);
}

/**
 * Which way of a bucket has the first half of a fingerprint; RESIL_KEYED_WAYS_ = none. Nobody can
 * predict which it is: it is computed, not branched on, so that a processor can go on with other
 * work while the lines come. Written out, as compilers don't unroll loops of atomic loads.
 */
RESIL__INLINE unsigned resil__keyed_way(const struct resil_keyed_bucket_ *bucket,
                                        struct resil__print print)
{
    const uint64_t *at = bucket->print_[0];
    unsigned way = RESIL_KEYED_WAYS_;

    way = resil__load_relaxed(&at[4]) == print.word[0] ? 4 : way;
    way = resil__load_relaxed(&at[3]) == print.word[0] ? 3 : way;
    way = resil__load_relaxed(&at[2]) == print.word[0] ? 2 : way;
    way = resil__load_relaxed(&at[1]) == print.word[0] ? 1 : way;
    return resil__load_relaxed(&at[0]) == print.word[0] ? 0 : way;
}

/** True if the word of a way, read before, is the state of this key. */
RESIL__INLINE bool resil__keyed_holds(const struct resil_keyed_bucket_ *bucket, unsigned way,
                                      uint64_t value, struct resil__print print)
{
    return RESIL__LIKELY(resil__keyed_is_live(value) &&
                         resil__load_relaxed(&bucket->print_[0][way]) == print.word[0] &&
                         resil__load_relaxed(&bucket->print_[1][way]) == print.word[1]);
}

/** The live place of a key in a bucket, or word == NULL. Doesn't miss one that stays. */
RESIL__INLINE struct resil__keyed_spot resil__keyed_peer(struct resil_keyed_bucket_ *bucket,
                                                         struct resil__print print)
{
    /* A place that was struck out may still have the fingerprint: so all ways from the first. */
    for (unsigned way = resil__keyed_way(bucket, print); way < RESIL_KEYED_WAYS_; way++) {
        /* Acquire, and then the fingerprint: see above. */
        uint64_t value = resil__load_acquire(&bucket->word_[way]);

        if (resil__keyed_holds(bucket, way, value, print))
            return (struct resil__keyed_spot){&bucket->word_[way], value};
    }
    return (struct resil__keyed_spot){NULL, 0};
}

/** The live place of a key, or word == NULL. */
RESIL__INLINE struct resil__keyed_spot resil__keyed_find(const struct resil_keyed_ *table,
                                                         struct resil_keyed_bucket_ *buckets,
                                                         struct resil__print print)
{
    struct resil__keyed_spot spot =
        resil__keyed_peer(&buckets[resil__keyed_first(print, table->buckets_)], print);

    if (RESIL__LIKELY(spot.word != NULL))
        return spot;
    return resil__keyed_peer(&buckets[resil__keyed_second(print, table->buckets_)], print);
}

/** The buckets behind an object, for who only looks. */
static inline const struct resil_keyed_bucket_ *resil__keyed_after(const void *end)
{
    return end;
}

/** A live place as it was at one moment; false if it says nothing of any key. */
static inline bool resil__keyed_read(const struct resil_keyed_bucket_ *bucket, unsigned way,
                                     uint64_t *word, struct resil__print *print)
{
    uint64_t old;

    do {
        old = resil__load_acquire(&bucket->word_[way]);
        print->word[0] = resil__load_acquire(&bucket->print_[0][way]);
        print->word[1] = resil__load_acquire(&bucket->print_[1][way]);
        *word = resil__load_acquire(&bucket->word_[way]);
    } while (*word != old);
    return resil__keyed_is_live(old);
}

/**
 * What the owner of a table knows of its words.
 *
 * base: if the place can be given to another key at this time, *base receives the base of the
 * claim, with its low three bits 0: greater than what the place held before.
 * floor: what a bucket remembers once a live word is given up; NULL = nothing.
 */
struct resil__keyed_owner {
    bool (*base)(const void *self, uint64_t word, uint64_t now_ns, uint64_t *base);
    uint64_t (*floor)(const void *self, uint64_t floor, uint64_t word, uint64_t now_ns);
};

/** A key on its way to a place. Fill in up to now_ns, zero the rest. */
struct resil__keyed_hunt {
    const struct resil__keyed_owner *owner;
    const void *self; /* for the owner's functions */
    struct resil_keyed_bucket_ *bucket[2];
    struct resil_keyed_counts_ *counts;
    struct resil__print print;
    uint64_t now_ns;
    struct resil__keyed_spot seen; /* a pending place of ours, seen before this look */
};

enum resil__keyed_place {
    RESIL__KEYED_NOWHERE, /* both buckets are full of keys that keep their places */
    RESIL__KEYED_LIVE,    /* the spot is the key's */
    RESIL__KEYED_NEW,     /* the spot is the key's once its word is swapped for a live one */
};

/**
 * Finds the place of a key, or makes one. If the caller's compare-and-swap of the spot fails, it
 * asks again.
 */
enum resil__keyed_place resil__keyed_enter(struct resil__keyed_hunt *hunt,
                                           struct resil__keyed_spot *spot);

#endif
