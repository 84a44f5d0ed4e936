/* SPDX-License-Identifier: BSD-2-Clause */

/* What can be seen of a keyed breaker. */
#include "breaker/keyed_breaker_fast.h"

static struct resil_keyed_breaker_entry entry_of(const struct resil_keyed_rules_ *rules,
                                                 struct resil__print print, uint64_t word,
                                                 uint64_t now_ns)
{
    static const unsigned char states[4] = {RESIL_BREAKER_CLOSED, RESIL_BREAKER_CLOSED,
                                            RESIL_BREAKER_OPEN, RESIL_BREAKER_HALF_OPEN};
    struct resil__kb kb = resil__kb_parts(word);
    struct resil_keyed_breaker_entry entry = {
        .print = {print.word[0], print.word[1]},
        .state = (enum resil_breaker_state)states[kb.code],
        .trips = kb.trips,
    };
    uint64_t left = resil__kb_left(rules, kb.time, now_ns);
    uint64_t since = resil__kb_since(rules, kb.time, now_ns);

    if (entry.state == RESIL_BREAKER_CLOSED) {
        resil__kb_slide(rules, &kb, now_ns);
        entry.failures = kb.failures;
        entry.calls = kb.calls;
    } else {
        entry.until_ns = (now_ns >> rules->tick_bits_) + left - (left == 0 ? since : 0);
        entry.until_ns <<= rules->tick_bits_;
    }
    return entry;
}

void resil_keyed_breaker_look(const struct resil_keyed_breaker *breaker, const void *key,
                              size_t key_size, uint64_t now_ns,
                              struct resil_keyed_breaker_entry *entry)
{
    struct resil__print print = resil__siphash(breaker->table_.seed_, key, key_size);
    uint64_t count = breaker->table_.buckets_;
    uint64_t at[2] = {resil__keyed_first(print, count), resil__keyed_second(print, count)};

    *entry = entry_of(&breaker->rules_, print, 0, now_ns);
    for (unsigned i = 0; i < 2; i++)
        for (unsigned way = 0; way < RESIL_KEYED_WAYS_; way++) {
            struct resil__print found;
            uint64_t word;

            if (resil__keyed_read(&resil__keyed_after(breaker + 1)[at[i]], way, &word, &found) &&
                found.word[0] == print.word[0] && found.word[1] == print.word[1])
                *entry = entry_of(&breaker->rules_, print, word, now_ns);
        }
}

static bool is_worse(const struct resil_keyed_breaker_entry *entry,
                     const struct resil_keyed_breaker_entry *than)
{
    return entry->trips != than->trips ? entry->trips > than->trips
                                       : entry->failures > than->failures;
}

size_t resil_keyed_breaker_top(const struct resil_keyed_breaker *breaker, uint64_t now_ns,
                               struct resil_keyed_breaker_entry *top, size_t n)
{
    size_t places = (size_t)breaker->table_.buckets_ * RESIL_KEYED_WAYS_;
    size_t filled = 0;

    for (size_t place = 0; place < places && n > 0; place++) {
        struct resil_keyed_breaker_entry entry;
        struct resil__print print;
        uint64_t word;
        size_t at;

        if (!resil__keyed_read(&resil__keyed_after(breaker + 1)[place / RESIL_KEYED_WAYS_],
                               (unsigned)(place % RESIL_KEYED_WAYS_), &word, &print))
            continue;
        entry = entry_of(&breaker->rules_, print, word, now_ns);
        if (entry.trips + entry.failures == 0 || (filled == n && !is_worse(&entry, &top[n - 1])))
            continue;
        filled += filled < n;
        for (at = filled - 1; at > 0 && is_worse(&entry, &top[at - 1]); at--)
            top[at] = top[at - 1];
        top[at] = entry;
    }
    return filled;
}

void resil_keyed_breaker_snapshot(const struct resil_keyed_breaker *breaker,
                                  struct resil_keyed_breaker_snapshot *snapshot)
{
    /* Evicted first: a key is inserted before it is evicted. */
    uint64_t evicted = resil__load_acquire(&breaker->counts_.evicted_);
    uint64_t inserted = resil__load_acquire(&breaker->counts_.inserted_);

    *snapshot = (struct resil_keyed_breaker_snapshot){
        .keys = resil__sub_sat(inserted, evicted),
        .places = breaker->table_.buckets_ * RESIL_KEYED_WAYS_,
        .inserted = inserted,
        .evicted = evicted,
        .untracked = resil__load_acquire(&breaker->counts_.crowded_),
        .opened = resil__load_acquire(&breaker->opened_),
        .closed = resil__load_acquire(&breaker->closed_),
        .late = resil__load_acquire(&breaker->late_),
    };
}
