/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Why the limit holds: the bulkhead's word counts every permit that was taken from it, wherever it
 * is: with a call, in a stripe, in the hands of a thread between the two. Permits are only moved
 * here. Taking more is one compare-and-swap that looks at the limit in the same word.
 */
#include "bulkhead/leased_bulkhead_fast.h"

/* Gives permits back; never more than are out, even if somebody released too many. */
static void give(struct resil_bulkhead *bulkhead, uint64_t count)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t word = resil__load_relaxed(&bulkhead->word_);

    for (;;) {
        int32_t out = resil__bulkhead_in_flight(word);
        uint64_t back = resil__min(count, out > 0 ? (uint64_t)out : 0);

        if (back == 0 || resil__cas(&bulkhead->word_, &word, word - back * RESIL__BULKHEAD_ONE))
            return;
        resil__contend(&contend);
    }
}

/* Takes a batch. Of the last two one permit at a time: what is in a thread's hands, others are
   refused. */
static uint64_t lease(const struct resil_leased_bulkhead *leased, uint64_t word)
{
    struct resil__contend contend = RESIL__CONTEND;

    while (!resil__bulkhead_full(word)) {
        uint64_t room = (uint64_t)((int64_t)resil__bulkhead_limit(word) -
                                   (int64_t)resil__bulkhead_in_flight(word));
        uint64_t batch = resil__leased_bulkhead_batch(leased, word);
        uint64_t taken = batch != 0 && room >= 2 * batch ? batch : 1;

        if (resil__cas(&leased->bulkhead_->word_, &word, word + taken * RESIL__BULKHEAD_ONE))
            return taken;
        resil__contend(&contend);
    }
    return 0;
}

/* Takes half of what lies in the next stripe that has any; the own one comes last. */
static uint64_t reclaim(struct resil_leased_bulkhead *leased, const uint64_t *own)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint32_t first = 0;

    while (&leased->stripe_[first].free_ != own)
        first++;
    for (uint32_t i = 1; i <= leased->stripe_mask_ + 1; i++) {
        uint64_t *stripe = &leased->stripe_[(first + i) & leased->stripe_mask_].free_;
        uint64_t have = resil__load_acquire(stripe);

        while (have != 0) {
            if (resil__cas(stripe, &have, have / 2))
                return have - have / 2;
            resil__contend(&contend);
        }
    }
    return 0;
}

/* One of these permits is the caller's, the others are his stripe's. */
static int share(uint64_t *own, uint64_t permits)
{
    if (permits > 1)
        (void)resil__add(own, permits - 1);
    return RESIL_OK;
}

int resil__leased_bulkhead_acquire_slow(struct resil_leased_bulkhead *leased)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t *own = resil__leased_bulkhead_stripe(leased, resil__cpu());

    for (;;) {
        uint64_t word = resil__load_acquire(&leased->bulkhead_->word_);
        uint64_t have = resil__load_acquire(own);
        uint64_t permits;

        if (resil__leased_bulkhead_drains(word)) {
            resil_leased_bulkhead_flush(leased);
            return resil__bulkhead_acquire(leased->bulkhead_);
        }
        if (have != 0 && resil__cas(own, &have, have - 1))
            return RESIL_OK;
        if (have == 0) {
            permits = lease(leased, word);
            if (permits == 0)
                permits = reclaim(leased, own);
            if (permits != 0)
                return share(own, permits);
            if (resil__bulkhead_full(resil__load_acquire(&leased->bulkhead_->word_)))
                return RESIL_EFULL;
        }
        resil__contend(&contend);
    }
}

int resil__leased_bulkhead_release_slow(struct resil_leased_bulkhead *leased)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t *own = resil__leased_bulkhead_stripe(leased, resil__cpu());

    for (;;) {
        uint64_t word = resil__load_acquire(&leased->bulkhead_->word_);
        uint64_t batch = resil__leased_bulkhead_batch(leased, word);
        uint64_t have = resil__load_acquire(own);
        uint64_t back = have < 2 * batch ? 0 : batch;

        if (batch == 0 || resil__leased_bulkhead_drains(word) ||
            resil__bulkhead_in_flight(word) <= 0)
            return resil__bulkhead_release(leased->bulkhead_);
        if (resil__cas(own, &have, have + 1 - back)) {
            if (back != 0)
                give(leased->bulkhead_, back);
            return RESIL_OK;
        }
        resil__contend(&contend);
    }
}

RESIL__HOT int resil_leased_bulkhead_acquire(struct resil_leased_bulkhead *leased)
{
    return resil__leased_bulkhead_acquire(leased);
}

RESIL__HOT int resil_leased_bulkhead_release(struct resil_leased_bulkhead *leased)
{
    return resil__leased_bulkhead_release(leased);
}

void resil_leased_bulkhead_flush(struct resil_leased_bulkhead *leased)
{
    uint64_t permits = 0;

    if (leased == NULL)
        return;
    for (uint32_t i = 0; i <= leased->stripe_mask_; i++)
        if (resil__load_relaxed(&leased->stripe_[i].free_) != 0)
            permits += resil__xchg(&leased->stripe_[i].free_, 0);
    if (permits != 0)
        give(leased->bulkhead_, permits);
}
