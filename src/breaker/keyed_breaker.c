/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The loops around keyed_breaker_state.h. A word comes again in its place only after 2048
 * transitions within one tick: each transition, and each new key in a place, is a new generation.
 */
#include "breaker/keyed_breaker_fast.h"

#include "base/contend.h"

/* A pending place belongs to who wrote it until the tick is over: two callers that are given the
   last place of a bucket don't take it from each other for ever. */
static bool find_base(const void *self, uint64_t word, uint64_t now_ns, uint64_t *base)
{
    const struct resil_keyed_rules_ *rules = self;
    struct resil__kb kb = {
        .gen = resil__kb_parts(word).gen + 1,
        .time = resil__kb_tick(rules, now_ns),
    };

    *base = resil__kb_word(&kb);
    if (word == 0 || resil__keyed_is(word, RESIL__KEYED_FREE))
        return true;
    if (resil__keyed_is_live(word))
        return resil__kb_idle(rules, word, now_ns);
    return resil__kb_since(rules, resil__kb_parts(word).time, now_ns) > 0;
}

static const struct resil__keyed_owner owner = {.base = find_base};

static struct resil__keyed_spot find(struct resil_keyed_breaker *breaker, struct resil__print print)
{
    return resil__keyed_find(&breaker->table_, resil__keyed_breaker_buckets(breaker), print);
}

/* The state refuses until its time has come; then the next call is the probe. */
static bool is_shut(const struct resil_keyed_rules_ *rules, uint64_t word, uint64_t now_ns,
                    uint64_t *retry_at_ns)
{
    uint64_t left = resil__kb_left(rules, resil__kb_parts(word).time, now_ns);

    if (left == 0)
        return false;
    *retry_at_ns = ((now_ns >> rules->tick_bits_) + left) << rules->tick_bits_;
    return true;
}

__attribute__((noinline)) int resil__keyed_breaker_ask(struct resil_keyed_breaker *breaker,
                                                       struct resil__print print, uint64_t now_ns,
                                                       uint64_t *token, uint64_t *retry_at_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    const struct resil_keyed_rules_ *rules = &breaker->rules_;

    for (;;) {
        struct resil__keyed_spot spot = find(breaker, print);
        uint64_t next;

        if (spot.word == NULL) {
            *token = RESIL__KB_LIVE;
            return RESIL_OK;
        }
        /* The fingerprint was read after the word: it is this word's if that still stands. */
        if (resil__kb_parts(spot.value).code == RESIL__KB_CLOSED) {
            *token = resil__kb_token(spot.value, false);
            if (resil__load_acquire(spot.word) == spot.value)
                return RESIL_OK;
        } else if (is_shut(rules, spot.value, now_ns, retry_at_ns)) {
            *token = 0;
            if (resil__load_acquire(spot.word) == spot.value)
                return RESIL_EOPEN;
        } else {
            next = resil__kb_probed(rules, spot.value, now_ns);
            *token = resil__kb_token(next, true);
            if (resil__cas(spot.word, &spot.value, next))
                return RESIL_OK;
        }
        resil__contend(&contend);
    }
}

static int too_late(struct resil_keyed_breaker *breaker)
{
    (void)resil__add_relaxed(&breaker->late_, 1);
    return RESIL_ELATE;
}

/* One try to change a key's state; false: another was faster. */
static bool change(struct resil_keyed_breaker *breaker, struct resil__keyed_spot spot, uint64_t old,
                   uint64_t next, enum resil__kb_sense sense)
{
    unsigned from = resil__kb_parts(old).code;
    unsigned to = resil__kb_parts(next).code;

    if (!resil__cas(spot.word, &spot.value, next))
        return false;
    if (from == RESIL__KB_HALF_OPEN && to == RESIL__KB_CLOSED)
        (void)resil__add_relaxed(&breaker->closed_, 1);
    if (to == RESIL__KB_OPEN && sense != RESIL__KB_NEUTRAL)
        (void)resil__add_relaxed(&breaker->opened_, 1);
    return true;
}

/* A failure of a key that has no place, or none that was seen. */
static int tell_newcomer(struct resil_keyed_breaker *breaker, struct resil__print print,
                         uint64_t token, uint64_t now_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    const struct resil_keyed_rules_ *rules = &breaker->rules_;
    struct resil_keyed_bucket_ *buckets = resil__keyed_breaker_buckets(breaker);
    struct resil__keyed_hunt hunt = {
        .owner = &owner,
        .self = rules,
        .bucket = {&buckets[resil__keyed_first(print, breaker->table_.buckets_)],
                   &buckets[resil__keyed_second(print, breaker->table_.buckets_)]},
        .counts = &breaker->counts_,
        .print = print,
        .now_ns = now_ns,
    };

    for (;;) {
        struct resil__keyed_spot spot;
        enum resil__keyed_place place = resil__keyed_enter(&hunt, &spot);
        uint64_t old;

        if (place == RESIL__KEYED_NOWHERE) {
            (void)resil__add_relaxed(&breaker->counts_.crowded_, 1);
            return RESIL_OK;
        }
        old = place == RESIL__KEYED_NEW ? resil__kb_first(rules, spot.value, now_ns) : spot.value;
        if (!resil__kb_belongs(token, old)) {
            if (resil__load_acquire(spot.word) == spot.value)
                return too_late(breaker);
        } else if (change(breaker, spot, old,
                          resil__kb_told(rules, old, RESIL__KB_BAD, now_ns, 0, print.word[0]),
                          RESIL__KB_BAD)) {
            if (place == RESIL__KEYED_NEW)
                (void)resil__add_relaxed(&breaker->counts_.inserted_, 1);
            return RESIL_OK;
        }
        resil__contend(&contend);
    }
}

int resil__keyed_breaker_tell(struct resil_keyed_breaker *breaker, struct resil__print print,
                              uint64_t token, uint64_t now_ns, const struct resil_result *result)
{
    struct resil__contend contend = RESIL__CONTEND;
    const struct resil_keyed_rules_ *rules = &breaker->rules_;
    enum resil__kb_sense sense = resil__kb_sense(rules, result->outcome);

    for (;;) {
        struct resil__keyed_spot spot = find(breaker, print);
        uint64_t next;

        if (spot.word == NULL) {
            if ((token & RESIL__KB_PROBE) != 0)
                return too_late(breaker);
            return sense == RESIL__KB_BAD ? tell_newcomer(breaker, print, token, now_ns) : RESIL_OK;
        }
        if (resil__kb_belongs(token, spot.value)) {
            next = resil__kb_told(rules, spot.value, sense, now_ns, result->hint_ns, print.word[0]);
            if (next == spot.value || change(breaker, spot, spot.value, next, sense))
                return RESIL_OK;
        } else if (resil__load_acquire(spot.word) == spot.value) {
            return too_late(breaker);
        }
        resil__contend(&contend);
    }
}

static int acquire(struct resil_keyed_breaker *breaker, struct resil__print print, uint64_t now_ns,
                   struct resil_keyed_permit *permit)
{
    permit->print_[0] = print.word[0];
    permit->print_[1] = print.word[1];
    return resil__keyed_breaker_admit(breaker, print, now_ns, &permit->token_,
                                      &permit->retry_at_ns);
}

int resil_keyed_breaker_acquire(struct resil_keyed_breaker *breaker, const void *key,
                                size_t key_size, uint64_t now_ns, struct resil_keyed_permit *permit)
{
    return acquire(breaker, resil__siphash(breaker->table_.seed_, key, key_size), now_ns, permit);
}

int resil_keyed_breaker_acquire_u64(struct resil_keyed_breaker *breaker, uint64_t key,
                                    uint64_t now_ns, struct resil_keyed_permit *permit)
{
    return acquire(breaker, resil__siphash_u64(breaker->table_.seed_, key), now_ns, permit);
}

int resil_keyed_breaker_record(struct resil_keyed_breaker *breaker,
                               struct resil_keyed_permit *permit, uint64_t now_ns,
                               const struct resil_result *result)
{
    uint64_t token = permit->token_;

    permit->token_ = 0;
    if ((token & RESIL__KB_LIVE) == 0)
        return RESIL_EINVAL;
    return resil__keyed_breaker_tell(breaker,
                                     (struct resil__print){{permit->print_[0], permit->print_[1]}},
                                     token, now_ns, result);
}
