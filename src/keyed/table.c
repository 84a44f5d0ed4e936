/* SPDX-License-Identifier: BSD-2-Clause */

/* How a key comes into the table; the proof stands in table.h. */
#include "keyed/table.h"

#include "base/contend.h"

uint64_t resil__keyed_buckets(uint64_t keys)
{
    return (keys * 15 + 31) / 32;
}

size_t resil__keyed_size(size_t object_size, uint64_t keys)
{
    if (keys == 0 || keys > RESIL__KEYED_MAX ||
        resil__keyed_buckets(keys) > (SIZE_MAX - object_size) / sizeof(struct resil_keyed_bucket_))
        return 0;
    return object_size + (size_t)resil__keyed_buckets(keys) * sizeof(struct resil_keyed_bucket_);
}

/** What one look through the buckets of a key found. */
struct look {
    struct resil__keyed_spot live;
    struct resil__keyed_spot pending;
    struct resil__keyed_spot victim;
    unsigned which, way;   /* where the victim is */
    unsigned room, unused; /* of the bucket that is being looked at */
    bool has_struck;
};

static bool is_ours(const struct resil_keyed_bucket_ *bucket, unsigned way,
                    struct resil__print print)
{
    return resil__load_relaxed(&bucket->print_[0][way]) == print.word[0] &&
           resil__load_relaxed(&bucket->print_[1][way]) == print.word[1];
}

/* A place of the key. Of several pending ones the first is kept. */
static void look_at_ours(struct look *look, uint64_t *word, uint64_t value)
{
    if (resil__keyed_is_live(value)) {
        look->live = (struct resil__keyed_spot){word, value};
    } else if (look->pending.word == NULL) {
        look->pending = (struct resil__keyed_spot){word, value};
    } else {
        look->has_struck = true;
        (void)resil__cas(word, &value, (value & ~RESIL__KEYED_PHASE) | RESIL__KEYED_FREE);
    }
}

static unsigned look_through(const struct resil__keyed_hunt *hunt, unsigned which,
                             struct look *look, struct resil__keyed_spot *victim, unsigned *way)
{
    struct resil_keyed_bucket_ *bucket = hunt->bucket[which];
    unsigned room = 0;

    victim->word = NULL;
    for (unsigned i = 0; i < RESIL_KEYED_WAYS_; i++) {
        uint64_t value = resil__load_seq(&bucket->word_[i]);
        uint64_t base;

        if ((resil__keyed_is_live(value) || resil__keyed_is(value, RESIL__KEYED_PENDING)) &&
            is_ours(bucket, i, hunt->print)) {
            look_at_ours(look, &bucket->word_[i], value);
            continue;
        }
        if (resil__keyed_is(value, RESIL__KEYED_CLAIMED) ||
            !hunt->owner->base(hunt->self, value, hunt->now_ns, &base))
            continue;
        room++;
        /* One that was never used rather than one that is idle. */
        if (victim->word == NULL || (value == 0 && victim->value != 0)) {
            *victim = (struct resil__keyed_spot){&bucket->word_[i], value};
            *way = i;
        }
    }
    return room;
}

/* The first bucket, unless it is almost full and the second has more room. */
static void look_around(const struct resil__keyed_hunt *hunt, struct look *look)
{
    struct resil__keyed_spot victims[2];
    unsigned ways[2] = {0, 0};
    unsigned rooms[2] = {0, 0};

    *look = (struct look){.has_struck = false};
    rooms[0] = look_through(hunt, 0, look, &victims[0], &ways[0]);
    if (hunt->bucket[1] != hunt->bucket[0])
        rooms[1] = look_through(hunt, 1, look, &victims[1], &ways[1]);
    look->which = rooms[0] < 2 && rooms[1] > rooms[0];
    if (rooms[look->which] > 0) {
        look->victim = victims[look->which];
        look->way = ways[look->which];
    }
}

/* Raised before the place is claimed: who misses the key there knows what was forgotten. */
static void raise_floor(const struct resil__keyed_hunt *hunt, struct resil_keyed_bucket_ *bucket,
                        uint64_t word)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t old = resil__load_acquire(&bucket->floor_);
    uint64_t next;

    if (hunt->owner->floor == NULL)
        return;
    for (;;) {
        next = hunt->owner->floor(hunt->self, old, word, hunt->now_ns);
        if (next == old || resil__cas(&bucket->floor_, &old, next))
            return;
        resil__contend(&contend);
    }
}

/* Takes the victim's place and writes the fingerprint. False: another was faster. */
static bool claim(struct resil__keyed_hunt *hunt, const struct look *look)
{
    struct resil_keyed_bucket_ *bucket = hunt->bucket[look->which];
    uint64_t *word = look->victim.word;
    uint64_t old = look->victim.value;
    uint64_t base;

    /* It said yes when the victim was chosen. */
    (void)hunt->owner->base(hunt->self, old, hunt->now_ns, &base);
    if (resil__keyed_is_live(old))
        raise_floor(hunt, bucket, old);
    if (!resil__cas(word, &old, base | RESIL__KEYED_CLAIMED))
        return false;
    resil__store_relaxed(&bucket->print_[0][look->way], hunt->print.word[0]);
    resil__store_relaxed(&bucket->print_[1][look->way], hunt->print.word[1]);
    resil__store_seq(word, base | RESIL__KEYED_PENDING);
    if (resil__keyed_is_live(old))
        (void)resil__add_relaxed(&hunt->counts->evicted_, 1);
    hunt->seen = (struct resil__keyed_spot){word, base | RESIL__KEYED_PENDING};
    return true;
}

enum resil__keyed_place resil__keyed_enter(struct resil__keyed_hunt *hunt,
                                           struct resil__keyed_spot *spot)
{
    struct resil__contend contend = RESIL__CONTEND;
    struct look look;

    for (;;) {
        look_around(hunt, &look);
        if (look.live.word != NULL) {
            *spot = look.live;
            return RESIL__KEYED_LIVE;
        }
        if (look.pending.word != NULL) {
            bool was_seen =
                look.pending.word == hunt->seen.word && look.pending.value == hunt->seen.value;

            hunt->seen = look.pending;
            if (was_seen && !look.has_struck) {
                *spot = look.pending;
                return RESIL__KEYED_NEW;
            }
        } else if (look.victim.word == NULL) {
            return RESIL__KEYED_NOWHERE;
        } else if (!claim(hunt, &look)) {
            resil__contend(&contend);
        }
    }
}
