/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Why it is exact. While a key stays in its place its word is a limiter's arrival time T and never
 * moves back (see gcra.c). It leaves the place only if T has passed at the evictor's now, and by
 * then the bucket's floor is at least T. Whoever misses the key has seen the place taken, so it
 * reads that floor, and starts the key no earlier: over any span the key is granted what one T that
 * never moves back allows. Another key may start at the floor too: that costs it no more than the
 * age of its own now.
 *
 * A base is the time of the claim, without its low three bits. A place is claimed only at a time
 * whose base is greater than all that stood there; what a key makes of it is later still, as no
 * price is below 2^12 units. So words only grow, but for a clock that was set back by more than a
 * full bucket and a minute.
 */
#include "limiter/keyed_limiter_fast.h"

#include "base/contend.h"

/** A question about one key. */
struct ask {
    struct resil__print print;
    uint64_t cost;
    uint64_t now_ns;
};

/** The answer of a charge that met another: look again. */
#define AGAIN 1

/* For base and floor: a word that is 0 says nothing. */
static uint64_t ahead_of(const struct resil__rate *rate, uint64_t word, uint64_t now_ns)
{
    return word != 0 ? resil__gcra_ahead(word, rate, 0, now_ns) : 0;
}

static bool find_base(const void *self, uint64_t word, uint64_t now_ns, uint64_t *base)
{
    const struct resil__rate *rate = self;
    uint64_t since = word & ~RESIL__KEYED_PHASE;

    *base = (now_ns << rate->shift) & ~RESIL__KEYED_PHASE;
    return word == 0 || (since != *base && ahead_of(rate, since, now_ns) == 0 &&
                         ahead_of(rate, word & ~UINT64_C(1), now_ns) == 0);
}

static uint64_t find_floor(const void *self, uint64_t floor, uint64_t word, uint64_t now_ns)
{
    const struct resil__rate *rate = self;
    uint64_t now = now_ns << rate->shift;

    /* Both have passed, or the clock was set back: then the floor is of no use any more. */
    if (floor != 0 && ahead_of(rate, floor, now_ns) == 0 && (floor - now) >> 63 == 0 &&
        floor != now)
        floor = 0;
    if ((word - now) >> 63 == 0 && word != now)
        return floor;
    return floor == 0 || (word - floor) >> 63 == 0 ? word : floor;
}

static const struct resil__keyed_owner owner = {.base = find_base, .floor = find_floor};

/* No place: the tokens that all newcomers share. */
static int take_overflow(struct resil_keyed_limiter *limiter, const struct ask *ask,
                         uint64_t *retry_at_ns)
{
    int rc = RESIL_ELIMITED;

    if (limiter->overflow_on_ != 0)
        rc = resil_limiter_acquire(&limiter->overflow_, ask->cost, ask->now_ns, retry_at_ns);
    else if (retry_at_ns != NULL)
        *retry_at_ns = RESIL_NEVER;
    (void)resil__add_relaxed(
        rc == RESIL_OK ? &limiter->counts_.crowded_ : &limiter->counts_.refused_, 1);
    return rc;
}

/* Takes tokens from the state of a key that lies so far ahead, if its place still is as it was. */
static int charge(const struct resil__rate *rate, struct resil__keyed_spot spot, uint64_t ahead,
                  const struct ask *ask, uint64_t *retry_at_ns)
{
    uint64_t price = ask->cost * rate->interval;
    uint64_t wait = resil__gcra_wait(rate, false, ahead, price);

    if (wait == 0)
        return resil__cas(spot.word, &spot.value,
                          resil__gcra_taken(0, rate, ahead, price, ask->now_ns))
                   ? RESIL_OK
                   : AGAIN;
    /* The fingerprint was read after the word: it is this word's if that still stands. */
    if (resil__load_acquire(spot.word) != spot.value)
        return AGAIN;
    if (retry_at_ns != NULL)
        *retry_at_ns = resil__add_sat(ask->now_ns, resil__gcra_ns(wait, rate->shift));
    return RESIL_ELIMITED;
}

static int charge_live(const struct resil__rate *rate, struct resil__keyed_spot spot,
                       const struct ask *ask, uint64_t *retry_at_ns)
{
    return charge(rate, spot, resil__gcra_ahead(spot.value, rate, 0, ask->now_ns), ask,
                  retry_at_ns);
}

/* A new key's first tokens: the swap gives it its place. */
static int charge_new(struct resil_keyed_limiter *limiter, const struct resil__rate *rate,
                      const struct resil__keyed_hunt *hunt, struct resil__keyed_spot spot,
                      const struct ask *ask, uint64_t *retry_at_ns)
{
    uint64_t ahead = ahead_of(rate, spot.value & ~RESIL__KEYED_PHASE, ask->now_ns);
    int rc;

    for (unsigned i = 0; i < 2; i++) {
        uint64_t floor = resil__load_acquire(&hunt->bucket[i]->floor_);

        ahead = resil__max(ahead, ahead_of(rate, floor, ask->now_ns));
    }
    rc = charge(rate, spot, ahead, ask, retry_at_ns);
    if (rc == RESIL_OK)
        (void)resil__add_relaxed(&limiter->counts_.inserted_, 1);
    return rc;
}

static int take_slowly(struct resil_keyed_limiter *limiter, const struct resil__rate *rate,
                       const struct ask *ask, uint64_t *retry_at_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    struct resil_keyed_bucket_ *buckets = resil__keyed_limiter_buckets(limiter);
    uint64_t count = limiter->table_.buckets_;
    struct resil__keyed_hunt hunt = {
        .owner = &owner,
        .self = rate,
        .bucket = {&buckets[resil__keyed_first(ask->print, count)],
                   &buckets[resil__keyed_second(ask->print, count)]},
        .counts = &limiter->counts_,
        .print = ask->print,
        .now_ns = ask->now_ns,
    };
    struct resil__keyed_spot spot;
    int rc;

    for (;;) {
        switch (resil__keyed_enter(&hunt, &spot)) {
        case RESIL__KEYED_LIVE:
            rc = charge_live(rate, spot, ask, retry_at_ns);
            break;
        case RESIL__KEYED_NEW:
            rc = charge_new(limiter, rate, &hunt, spot, ask, retry_at_ns);
            break;
        case RESIL__KEYED_NOWHERE:
        default:
            return take_overflow(limiter, ask, retry_at_ns);
        }
        if (rc != AGAIN)
            return rc;
        resil__contend(&contend);
    }
}

__attribute__((noinline)) int resil__keyed_limiter_rest(struct resil_keyed_limiter *limiter,
                                                        uint64_t print0, uint64_t print1,
                                                        uint64_t cost, uint64_t now_ns,
                                                        uint64_t *retry_at_ns)
{
    struct resil__rate rate = resil__keyed_limiter_rate(limiter);
    struct ask ask = {.print = {{print0, print1}}, .cost = cost, .now_ns = now_ns};
    struct resil__keyed_spot spot;
    int rc;

    if (cost > rate.cost_max)
        return RESIL_ECOST;
    spot = resil__keyed_find(&limiter->table_, resil__keyed_limiter_buckets(limiter), ask.print);
    if (spot.word != NULL) {
        rc = charge_live(&rate, spot, &ask, retry_at_ns);
        if (rc != AGAIN)
            return rc;
    }
    return take_slowly(limiter, &rate, &ask, retry_at_ns);
}

int resil_keyed_limiter_acquire(struct resil_keyed_limiter *limiter, const void *key,
                                size_t key_size, uint64_t cost, uint64_t now_ns,
                                uint64_t *retry_at_ns)
{
    return resil__keyed_limiter_take(limiter, resil__siphash(limiter->table_.seed_, key, key_size),
                                     cost, now_ns, retry_at_ns);
}

int resil_keyed_limiter_acquire_u64(struct resil_keyed_limiter *limiter, uint64_t key,
                                    uint64_t cost, uint64_t now_ns, uint64_t *retry_at_ns)
{
    return resil__keyed_limiter_take(limiter, resil__siphash_u64(limiter->table_.seed_, key), cost,
                                     now_ns, retry_at_ns);
}
