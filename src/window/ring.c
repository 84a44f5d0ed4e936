/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The totals are one word of three fields. A thread adds the difference that its nibble made;
 * differences of two threads may land in the other order, so a field can dip below what it should
 * be: each starts at a bias that no number of threads exhausts, and no field ever borrows from the
 * next.
 */
#include "window/ring.h"

#include "base/contend.h"
#include "base/math.h"

#define BIAS         UINT64_C(0x4000)
#define TOTALS_START (BIAS << 32 | BIAS << 16 | BIAS)
#define FIELD_MASK   UINT64_C(0xffff)

#define NIBBLE_FAILED 1u
#define NIBBLE_SLOW   2u

static uint64_t epoch16(const struct resil__ring *window)
{
    return window->epoch & 0xffff;
}

static bool current(const struct resil__ring *window)
{
    return resil__epoch_current(window->epoch_word, window->epoch);
}

/* Empties the window for this epoch, unless another did or the epoch is over. */
static void start(const struct resil__ring *window, uint64_t cursor)
{
    uint64_t blank = (uint64_t)(window->epoch & 0xf) << 60;
    uint64_t totals;

    for (uint64_t i = 0; i < resil__ring_words(window->size); i++) {
        uint64_t old = resil__load_acquire(&window->cells[i]);

        do {
            if (resil__load_acquire(window->cursor) != cursor || !current(window))
                return;
        } while (old != blank && !resil__cas(&window->cells[i], &old, blank));
    }
    totals = resil__load_acquire(window->totals);
    do {
        if (resil__load_acquire(window->cursor) != cursor || !current(window))
            return;
    } while (!resil__cas(window->totals, &totals, epoch16(window) << 48 | TOTALS_START));
    (void)resil__cas(window->cursor, &cursor, epoch16(window) << 48);
}

/* Takes the next place. False: the epoch is over. */
static bool take(const struct resil__ring *window, uint64_t *place, uint64_t *lap)
{
    struct resil__contend contend = RESIL__CONTEND;

    for (;;) {
        uint64_t cursor = resil__load_acquire(window->cursor);

        if (!current(window))
            return false;
        if (cursor >> 48 != epoch16(window) || resil__load_relaxed(window->totals) == 0) {
            start(window, cursor);
            continue;
        }
        *place = resil__ring_place(cursor);
        *lap = resil__ring_lap(cursor);
        if (resil__cas(window->cursor, &cursor, resil__ring_next(cursor, window->size)))
            return true;
        resil__contend(&contend);
    }
}

/* Writes a nibble and tells the old one. False: a newer lap is there, or the epoch is over. */
static bool put(const struct resil__ring *window, uint64_t place, unsigned nibble, unsigned *old)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t *cell = &window->cells[place / 15];
    unsigned shift = (unsigned)(place % 15) * 4;

    for (;;) {
        uint64_t word = resil__load_acquire(cell);
        uint64_t changed;

        if (!current(window) || word >> 60 != (window->epoch & 0xf))
            return false;
        *old = (unsigned)(word >> shift) & 0xf;
        if (*old != 0 && ((*old >> 2) + 3 - (nibble >> 2)) % 3 == 1)
            return false;
        changed = (word & ~(UINT64_C(0xf) << shift)) | (uint64_t)nibble << shift;
        if (resil__cas(cell, &word, changed))
            return true;
        resil__contend(&contend);
    }
}

static struct resil__tally unpack(uint64_t totals)
{
    return (struct resil__tally){
        .calls = resil__sub_sat(totals & FIELD_MASK, BIAS),
        .failures = resil__sub_sat((totals >> 16) & FIELD_MASK, BIAS),
        .slow = resil__sub_sat((totals >> 32) & FIELD_MASK, BIAS),
    };
}

/* What a result does to the totals, as one addition: no field borrows, so fields add
   independently. */
static uint64_t difference(unsigned old, unsigned nibble)
{
    uint64_t calls = old == 0;
    uint64_t failures = (uint64_t)(nibble & NIBBLE_FAILED) - (old & NIBBLE_FAILED);
    uint64_t slow = (uint64_t)((nibble & NIBBLE_SLOW) >> 1) - ((old & NIBBLE_SLOW) >> 1);

    return calls + (failures << 16) + (slow << 32);
}

enum resil__taken resil__ring_add(const struct resil__ring *window, bool failed, bool slow,
                                  struct resil__tally *sum)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t place, lap, change, totals;
    unsigned nibble, old;

    if (!take(window, &place, &lap))
        return RESIL__DROPPED;
    nibble =
        (unsigned)resil__ring_mark(lap) | (slow ? NIBBLE_SLOW : 0) | (failed ? NIBBLE_FAILED : 0);
    if (!put(window, place, nibble, &old))
        return RESIL__DROPPED;
    change = difference(old, nibble);
    totals = resil__load_acquire(window->totals);
    do {
        if (!current(window) || totals >> 48 != epoch16(window))
            return RESIL__DROPPED;
        *sum = unpack(totals + change);
        if (change == 0)
            return RESIL__STEADY;
        if (resil__cas(window->totals, &totals, totals + change))
            return RESIL__COUNTED;
        resil__contend(&contend);
    } while (true);
}

struct resil__tally resil__ring_sum(const struct resil__ring *window)
{
    uint64_t totals = resil__load_acquire(window->totals);

    if (totals == 0 || totals >> 48 != epoch16(window))
        return (struct resil__tally){0};
    return unpack(totals);
}
