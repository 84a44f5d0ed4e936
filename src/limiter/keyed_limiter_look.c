/* SPDX-License-Identifier: BSD-2-Clause */

/* What can be seen of a keyed limiter. */
#include "limiter/keyed_limiter_fast.h"

void resil_keyed_limiter_print(const struct resil_keyed_limiter *limiter, const void *key,
                               size_t key_size, uint64_t print[2])
{
    struct resil__print hash = resil__siphash(limiter->table_.seed_, key, key_size);

    print[0] = hash.word[0];
    print[1] = hash.word[1];
}

uint64_t resil_keyed_limiter_peek(const struct resil_keyed_limiter *limiter, const void *key,
                                  size_t key_size, uint64_t now_ns)
{
    struct resil__rate rate = resil__keyed_limiter_rate(limiter);
    struct resil__print hash = resil__siphash(limiter->table_.seed_, key, key_size);
    uint64_t count = limiter->table_.buckets_;
    uint64_t at[2] = {resil__keyed_first(hash, count), resil__keyed_second(hash, count)};

    for (unsigned i = 0; i < 2; i++)
        for (unsigned way = 0; way < RESIL_KEYED_WAYS_; way++) {
            struct resil__print print;
            uint64_t word;

            if (resil__keyed_read(&resil__keyed_after(limiter + 1)[at[i]], way, &word, &print) &&
                print.word[0] == hash.word[0] && print.word[1] == hash.word[1])
                return resil__sub_sat(rate.tau, resil__gcra_ahead(word, &rate, 0, now_ns)) /
                       rate.interval;
        }
    return rate.cost_max;
}

size_t resil_keyed_limiter_top(const struct resil_keyed_limiter *limiter, uint64_t now_ns,
                               struct resil_keyed_limiter_entry *top, size_t n)
{
    struct resil__rate rate = resil__keyed_limiter_rate(limiter);
    size_t places = (size_t)limiter->table_.buckets_ * RESIL_KEYED_WAYS_;
    size_t filled = 0;

    if (n == 0)
        return 0;
    /* Until the end full_at_ns holds how far ahead in units a key is. */
    for (size_t place = 0; place < places; place++) {
        struct resil__print print;
        uint64_t word, ahead;
        size_t at;

        if (!resil__keyed_read(&resil__keyed_after(limiter + 1)[place / RESIL_KEYED_WAYS_],
                               (unsigned)(place % RESIL_KEYED_WAYS_), &word, &print))
            continue;
        ahead = resil__gcra_ahead(word, &rate, 0, now_ns);
        if (ahead == 0 || (filled == n && ahead <= top[n - 1].full_at_ns))
            continue;
        filled += filled < n;
        for (at = filled - 1; at > 0 && top[at - 1].full_at_ns < ahead; at--)
            top[at] = top[at - 1];
        top[at] = (struct resil_keyed_limiter_entry){.print = {print.word[0], print.word[1]},
                                                     .full_at_ns = ahead};
    }
    for (size_t i = 0; i < filled; i++) {
        uint64_t ahead = top[i].full_at_ns;

        top[i].used = ahead / rate.interval + (ahead % rate.interval != 0);
        top[i].full_at_ns = resil__add_sat(now_ns, resil__gcra_ns(ahead, rate.shift));
    }
    return filled;
}

void resil_keyed_limiter_snapshot(const struct resil_keyed_limiter *limiter,
                                  struct resil_keyed_limiter_snapshot *snapshot)
{
    const struct resil_keyed_counts_ *counts = &limiter->counts_;
    /* Evicted first: a key is inserted before it is evicted. */
    uint64_t evicted = resil__load_acquire(&counts->evicted_);
    uint64_t inserted = resil__load_acquire(&counts->inserted_);

    *snapshot = (struct resil_keyed_limiter_snapshot){
        .keys = resil__sub_sat(inserted, evicted),
        .places = limiter->table_.buckets_ * RESIL_KEYED_WAYS_,
        .inserted = inserted,
        .evicted = evicted,
        .overflow_granted = resil__load_acquire(&counts->crowded_),
        .overflow_refused = resil__load_acquire(&counts->refused_),
    };
}
