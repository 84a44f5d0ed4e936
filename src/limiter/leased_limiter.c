/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Why the limit holds. A stripe stands for its tokens and for those in the hands of who has marked
 * it. Only the marker adds tokens from the limiter, to a stripe that was empty by then, and puts at
 * most a batch into it; whoever takes back from another stripe moves tokens and makes none, and
 * marks its own stripe too, or uses them at once. So all stripes together never stand for more than
 * batch * stripes tokens per process, and that is what every lease and every direct question leaves
 * in the bucket. Tokens that a call uses at once never lie in a stripe.
 *
 * Why nothing survives a drain. It drains the limiter first and then swaps every stripe for an
 * empty one of the next generation. A filler has read its generation before it asked the limiter.
 * If it asked after the drain, it was refused; if before, its swap that puts the rest into the
 * stripe comes before the drain's, which sweeps it up, or finds another generation and the tokens
 * are forfeited. Tokens that are moved go only between stripes of one generation.
 *
 * What of this is a swap is an owner's plain write, or a locked operation of somebody who may:
 * platform/owners.h.
 */
#include "limiter/leased_limiter_fast.h"

#include "base/contend.h"
#include "base/math.h"
#include "limiter/gcra.h"

static bool same_generation(uint64_t one, uint64_t other)
{
    return ((one ^ other) & ~(RESIL__LEASE_NEXT - 1)) == 0;
}

/* Asks the limiter for so many tokens above those that are kept. */
static int ask_limiter(struct resil_leased_limiter *leased, uint64_t cost, uint64_t kept,
                       const struct resil__lease_ask *ask, struct resil_reservation *receipt)
{
    return resil__gcra_take(
        &leased->limiter_->gcra_,
        &(struct resil__gcra_ask){.cost = cost, .now_ns = ask->now_ns, .kept = kept}, receipt);
}

/* Takes tokens that were leased to another: up to `most`, none if there aren't `least`. Owners are
   held off. */
static uint64_t take_from(uint64_t *stripe, uint64_t least, uint64_t most)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t word = resil__load_acquire(stripe);

    while (resil__lease_tokens(word) >= least && resil__lease_tokens(word) != 0) {
        uint64_t taken = resil__min(resil__lease_tokens(word), most);

        if (resil__cas(stripe, &word, word - taken))
            return taken;
        resil__contend(&contend);
    }
    return 0;
}

/* For who has no stripe to collect in: all from the limiter, or all from one stripe. */
static int acquire_whole(struct resil_leased_limiter *leased, const struct resil__lease_ask *ask,
                         const struct resil__lease_shape *shape, struct resil_reservation *receipt)
{
    int rc = ask_limiter(leased, ask->cost, shape->kept, ask, receipt);

    for (uint32_t i = 0; i <= leased->stripe_mask_ && rc == RESIL_ELIMITED; i++) {
        uint64_t *stripe = &leased->stripe_[i].word_;
        uint64_t held;

        if (resil__lease_tokens(resil__load_relaxed(stripe)) < ask->cost ||
            !resil__owners_hold(&leased->barred_, &held))
            continue;
        if (take_from(stripe, ask->cost, ask->cost) != 0) {
            receipt->word_ = 0;
            rc = RESIL_OK;
        }
        resil__owners_release(&leased->barred_, held);
    }
    return rc;
}

/* Whether a collection in the own stripe can take anything from this one: never from another
   generation in parts. */
static bool has_some(uint64_t word, uint64_t mine, uint64_t hand, uint64_t lack)
{
    return same_generation(word, mine) ? resil__lease_tokens(word) != 0
                                       : hand == 0 && resil__lease_tokens(word) >= lack;
}

/* Up to `lack`; of a stripe that has more, half if that is more. */
static uint64_t take_some(uint64_t *stripe, uint64_t mine, uint64_t hand, uint64_t lack)
{
    uint64_t word = resil__load_relaxed(stripe);

    if (same_generation(word, mine))
        return take_from(stripe, 1, resil__max(lack, resil__lease_tokens(word) / 2));
    return hand == 0 ? take_from(stripe, lack, lack) : 0;
}

/* Takes back from the others until `missing` are there; of a stripe that has more, half at most, so
   that the next call needs no search. Holds the owners off from the first that has any. Returns how
   many. */
static uint64_t take_back(struct resil_leased_limiter *leased, uint32_t own, uint64_t mine,
                          uint64_t missing)
{
    uint64_t hand = 0, held = 0;
    bool holds = false;

    for (uint32_t i = 1; i <= leased->stripe_mask_ && hand < missing; i++) {
        uint64_t *stripe = &leased->stripe_[(own + i) & leased->stripe_mask_].word_;

        if (!has_some(resil__load_relaxed(stripe), mine, hand, missing - hand))
            continue;
        if (!holds && !resil__owners_hold(&leased->barred_, &held))
            return 0;
        holds = true;
        hand += take_some(stripe, mine, hand, missing - hand);
    }
    if (holds)
        resil__owners_release(&leased->barred_, held);
    return hand;
}

/* A batch is taken only where another one is left above what is kept: what is in a thread's hands,
   others are refused. The own stripe is marked, `hand` tokens of it are with us. Returns how many then are. */
static uint64_t collect(struct resil_leased_limiter *leased, const struct resil__lease_ask *ask,
                        uint64_t mine, uint64_t hand, struct resil_reservation *receipt)
{
    struct resil__lease_shape shape = resil__lease_shape(leased);
    uint64_t lack = ask->cost - hand;

    if (shape.batch != 0 &&
        ask_limiter(leased, lack + shape.batch, shape.kept + shape.batch, ask, receipt) == RESIL_OK)
        return hand + lack + shape.batch;
    if (ask_limiter(leased, lack, shape.kept, ask, receipt) == RESIL_OK)
        return ask->cost;
    hand += take_back(leased, ask->own, mine, lack);
    if (hand < ask->cost &&
        ask_limiter(leased, ask->cost - hand, shape.kept, ask, receipt) == RESIL_OK)
        return ask->cost;
    return hand;
}

/* Takes the mark off and leaves the rest, if there was no drain. */
static void fill(struct resil_leased_limiter *leased, uint32_t own, uint64_t marked, uint64_t rest)
{
    (void)resil__owners_swap(&leased->barred_, &leased->stripe_[own].word_, own, &marked,
                             (marked & ~RESIL__LEASE_FILLING) + rest);
}

/* Without a write: can a collection succeed? */
static int look_around(const struct resil_leased_limiter *leased,
                       const struct resil__lease_ask *ask, uint64_t have,
                       const struct resil__lease_shape *shape, uint64_t *retry_at_ns)
{
    int rc =
        resil__gcra_peek(&leased->limiter_->gcra_,
                         &(struct resil__gcra_ask){
                             .cost = ask->cost - have, .now_ns = ask->now_ns, .kept = shape->kept},
                         retry_at_ns);

    for (uint32_t i = 1; i <= leased->stripe_mask_ && rc == RESIL_ELIMITED; i++)
        if (resil__lease_tokens(resil__load_relaxed(
                &leased->stripe_[(ask->own + i) & leased->stripe_mask_].word_)) != 0)
            rc = RESIL_OK;
    return rc;
}

/* Takes from the own stripe or marks it: a swap to `desired`. False: it wasn't made, and word is
   what is there now. Who may not write there has no stripe. */
static bool change_own(struct resil_leased_limiter *leased, struct resil__lease_ask *ask,
                       uint64_t *word, uint64_t desired)
{
    enum resil__owners owners = resil__owners_swap(
        &leased->barred_, &leased->stripe_[ask->own].word_, ask->own, word, desired);

    ask->homeless = owners == RESIL__OWNERS_REFUSED;
    return owners == RESIL__OWNERS_DONE;
}

static int acquire(struct resil_leased_limiter *leased, struct resil__lease_ask *ask,
                   struct resil_reservation *receipt)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t word = resil__load_acquire(&leased->stripe_[ask->own].word_);
    uint64_t marked;
    uint64_t hand;

    for (;;) {
        struct resil__lease_shape shape;
        int rc;

        if (resil__lease_tokens(word) >= ask->cost && !ask->homeless) {
            if (change_own(leased, ask, &word, word - ask->cost))
                return RESIL_OK;
            resil__contend(&contend);
            continue;
        }
        shape = resil__lease_shape(leased);
        if ((word & RESIL__LEASE_FILLING) != 0 || ask->cost > shape.batch || ask->homeless)
            return acquire_whole(leased, ask, &shape, receipt);
        rc = look_around(leased, ask, resil__lease_tokens(word), &shape, &receipt->at_ns);
        if (rc != RESIL_OK)
            return rc;
        marked = (word & ~RESIL__LEASE_TOKENS) | RESIL__LEASE_FILLING;
        if (change_own(leased, ask, &word, marked))
            break;
        resil__contend(&contend);
    }
    hand = collect(leased, ask, marked, resil__lease_tokens(word), receipt);
    receipt->word_ = 0;
    fill(leased, ask->own, marked, hand < ask->cost ? hand : hand - ask->cost);
    return hand < ask->cost ? RESIL_ELIMITED : RESIL_OK;
}

static RESIL__NOINLINE int acquire_on(struct resil_leased_limiter *leased, uint64_t cost,
                                      uint64_t now_ns, uint32_t own, uint64_t *word,
                                      uint64_t *retry_at_ns)
{
    struct resil_reservation receipt = {0};
    struct resil__lease_ask ask = {.cost = cost, .now_ns = now_ns, .own = own};
    int rc = acquire(leased, &ask, &receipt);

    if (word != NULL)
        *word = receipt.word_;
    if (rc == RESIL_ELIMITED && retry_at_ns != NULL)
        *retry_at_ns = receipt.at_ns;
    return rc;
}

/* Who had to ask for his processor mostly finds tokens there, and needs nothing of the rest. */
int resil__leased_limiter_acquire_slow(struct resil_leased_limiter *leased, uint64_t cost,
                                       uint64_t now_ns, uint64_t *word, uint64_t *retry_at_ns)
{
    uint32_t own = resil__owners_stripe(&leased->barred_, leased->stripe_mask_);
    uint64_t *stripe = &leased->stripe_[own].word_;
    uint64_t there = resil__load_relaxed(stripe);

    if (resil__owners_none(&leased->barred_) && resil__lease_tokens(there) >= cost &&
        resil__cas(stripe, &there, there - cost)) {
        if (word != NULL)
            *word = 0;
        return RESIL_OK;
    }
    return acquire_on(leased, cost, now_ns, own, word, retry_at_ns);
}

RESIL__HOT int resil_leased_limiter_acquire(struct resil_leased_limiter *leased, uint64_t cost,
                                            uint64_t now_ns, uint64_t *retry_at_ns)
{
    cost += cost == 0;
    if (RESIL__LIKELY(resil__leased_limiter_try(leased, cost)))
        return RESIL_OK;
    return resil__leased_limiter_acquire_slow(leased, cost, now_ns, NULL, retry_at_ns);
}

void resil__leased_limiter_put_back(struct resil_leased_limiter *leased, uint64_t cost)
{
    uint32_t own = resil__owners_stripe(&leased->barred_, leased->stripe_mask_);
    uint64_t *stripe = &leased->stripe_[own].word_;
    uint64_t batch = resil__lease_shape(leased).batch;
    uint64_t word = resil__load_acquire(stripe);

    while ((word & RESIL__LEASE_FILLING) == 0 && resil__lease_tokens(word) + cost <= batch)
        if (resil__owners_swap(&leased->barred_, stripe, own, &word, word + cost) !=
            RESIL__OWNERS_DIFFERS)
            return;
}

/* Where owners can't be held off, one that takes at this very moment may undo it on his stripe. */
void resil_leased_limiter_drain(struct resil_leased_limiter *leased, uint64_t for_ns,
                                uint64_t now_ns)
{
    uint64_t held;
    bool holds;

    resil_limiter_drain(leased->limiter_, for_ns, now_ns);
    holds = resil__owners_hold(&leased->barred_, &held);
    for (uint32_t i = 0; i <= leased->stripe_mask_; i++) {
        struct resil__contend contend = RESIL__CONTEND;
        uint64_t *stripe = &leased->stripe_[i].word_;
        uint64_t word = resil__load_acquire(stripe);

        while (!resil__cas(stripe, &word, (word & ~(RESIL__LEASE_NEXT - 1)) + RESIL__LEASE_NEXT))
            resil__contend(&contend);
    }
    if (holds)
        resil__owners_release(&leased->barred_, held);
}
