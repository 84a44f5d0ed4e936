/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The slow road of the time window.
 *
 * Rolling from head h to a newer slice s first gives each cell in between its new tag and zeroes
 * it, then swaps the head: no result can be added under a tag before its cell is ready. Several
 * threads may roll at once. Each loads a cell, then finds head and epoch as they were, then swaps
 * the cell; results of slice s are added only after the head has moved, so a cell loaded under the
 * old head holds none of them.
 */
#include "window/slices.h"

#include "base/contend.h"
#include "base/math.h"

#define TAG_SHIFT  RESIL__SLICE_TAG_SHIFT
#define FAIL_SHIFT RESIL__SLICE_FAIL_SHIFT
#define CALLS_MASK RESIL__SLICE_CALLS_MASK
#define FAIL_MASK  RESIL__SLICE_FAIL_MASK
#define SLOW_MASK  ((UINT64_C(1) << TAG_SHIFT) - 1)

static uint64_t head_of(const struct resil__slices *window, uint64_t number)
{
    return number << 16 | (uint64_t)(window->epoch & 0xff) << 8 | RESIL__SLICE_SET |
           number % window->count;
}

static uint64_t tag_of(const struct resil__slices *window, uint64_t number)
{
    return (number & 0xfff) << 8 | (window->epoch & 0xff);
}

static bool of_epoch(const struct resil__slices *window, uint64_t head)
{
    return resil__slices_of_epoch(head, window->epoch);
}

/* Undone only while the tag still is the one that was added to: a cell that was zeroed since has
   lost the addition already. Bound: another thread's progress. */
static void slices_undo(uint64_t *cell, uint64_t seen)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t now = resil__load_acquire(cell);

    while (now >> TAG_SHIFT == seen >> TAG_SHIFT && (now & CALLS_MASK) != 0) {
        if (resil__cas(cell, &now, now - 1))
            return;
        resil__contend(&contend);
    }
}

/* Zeroes one word under a tag, unless head or epoch moved. keep: not if it has the tag already. */
static bool prepare(const struct resil__slices *window, uint64_t head, uint64_t *word, uint64_t tag,
                    bool keep)
{
    struct resil__contend contend = RESIL__CONTEND;

    for (;;) {
        uint64_t old = resil__load_acquire(word);

        if (resil__load_acquire(window->head) != head ||
            !resil__epoch_current(window->epoch_word, window->epoch))
            return false;
        if (old == tag << TAG_SHIFT || (keep && old >> TAG_SHIFT == tag) ||
            resil__cas(word, &old, tag << TAG_SHIFT))
            return true;
        resil__contend(&contend);
    }
}

/* Prepares slices first to last, then moves the head to last. At most count slices. */
static void roll(const struct resil__slices *window, uint64_t head, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++) {
        uint64_t *cell = &window->cells[2 * (number % window->count)];
        uint64_t tag = tag_of(window, number);

        if (!prepare(window, head, cell, tag, false) ||
            !prepare(window, head, cell + 1, tag, false))
            return;
    }
    (void)resil__cas_seq(window->head, &head, head_of(window, last));
}

/* Finds the slice for now, rolling if it is new. False: too old, or the epoch is over. */
static bool locate(const struct resil__slices *window, uint64_t now_ns, uint64_t *number)
{
    uint64_t count = window->count;

    *number = now_ns / window->width_ns;
    for (;;) {
        uint64_t head = resil__load_acquire(window->head);
        uint64_t newest = head >> 16;
        uint64_t oldest = *number < count ? 0 : *number - count + 1;

        if (!resil__epoch_current(window->epoch_word, window->epoch))
            return false;
        if (!of_epoch(window, head) || newest >= *number + 2 * count)
            roll(window, head, oldest, *number); /* a new state, or the clock was set back */
        else if (*number > newest)
            roll(window, head, resil__max(oldest, newest + 1), *number);
        else
            return newest - *number < count;
    }
}

/* The cell, or half of it when it is full. */
static uint64_t trimmed(uint64_t cell)
{
    uint64_t calls = cell & CALLS_MASK;
    uint64_t failures = (cell >> FAIL_SHIFT) & FAIL_MASK;

    if (calls < RESIL__SLICE_CALLS_FULL && failures < RESIL__SLICE_FAIL_FULL)
        return cell;
    return (cell >> TAG_SHIFT) << TAG_SHIFT | (failures / 2) << FAIL_SHIFT | calls / 2;
}

static void slices_halve(uint64_t *cell)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t old = resil__load_acquire(cell);

    while (trimmed(old) != old && !resil__cas(cell, &old, trimmed(old)))
        resil__contend(&contend);
}

bool resil__slices_settle(const struct resil__slices *window, uint64_t now_ns,
                          struct resil__slices_put put)
{
    if (put.old >> TAG_SHIFT != tag_of(window, now_ns / window->width_ns)) {
        slices_undo(put.cell, put.old);
        return false;
    }
    slices_halve(put.cell);
    return true;
}

/* Returns false when the tag has moved. */
static bool add_slow(uint64_t *word, uint64_t tag)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t old = resil__load_acquire(word);

    while (old >> TAG_SHIFT == tag) {
        if (resil__cas_seq(word, &old, old + 1))
            return true;
        resil__contend(&contend);
    }
    return false;
}

enum resil__taken resil__slices_add(const struct resil__slices *window, uint64_t now_ns,
                                    bool failed, bool slow)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t number;

    while (locate(window, now_ns, &number)) {
        uint64_t *cell = &window->cells[2 * (number % window->count)];
        uint64_t tag = tag_of(window, number);
        uint64_t head = resil__load_acquire(window->head);
        uint64_t old = resil__load_acquire(cell);

        if (old >> TAG_SHIFT != tag) {
            /* Two rolls a whole window apart crossed: this slice is the newest, so its cell is ours
               to mend; unless another was faster and has counted there already. */
            if (head >> 16 != number || !of_epoch(window, head))
                return RESIL__DROPPED;
            (void)prepare(window, head, cell, tag, true);
            (void)prepare(window, head, cell + 1, tag, true);
            continue;
        }
        if (resil__cas_seq(cell, &old, trimmed(old) + 1 + ((uint64_t)failed << FAIL_SHIFT))) {
            if (slow)
                (void)add_slow(cell + 1, tag);
            return RESIL__COUNTED;
        }
        resil__contend(&contend);
    }
    return RESIL__DROPPED;
}

void resil__slices_forget(const struct resil__slices *window)
{
    uint64_t head = resil__load_acquire(window->head);

    if (head != 0 && !of_epoch(window, head) &&
        resil__epoch_current(window->epoch_word, window->epoch))
        (void)resil__cas(window->head, &head, 0);
}

struct resil__tally resil__slices_sum(const struct resil__slices *window, uint64_t now_ns)
{
    struct resil__tally sum = {0};
    uint64_t head = resil__load_seq(window->head);
    uint64_t newest = head >> 16;
    uint64_t count = window->count;
    uint64_t index = head & RESIL__SLICE_INDEX;
    uint64_t first;

    if (!of_epoch(window, head))
        return sum;
    if (now_ns - newest * window->width_ns < window->width_ns) {
        first = newest < count ? 0 : newest - count + 1;
    } else {
        uint64_t number = now_ns / window->width_ns;

        if (newest >= number + 2 * count || (number > newest && number - newest >= count))
            return sum;
        number = resil__max(number, newest);
        first = number < count ? 0 : number - count + 1;
    }
    for (uint64_t number = newest + 1; number-- > first;) {
        const uint64_t *cell = &window->cells[2 * index];
        uint64_t counts = resil__load_seq(cell);
        uint64_t slow = resil__load_seq(cell + 1);
        uint64_t tag = tag_of(window, number);

        if (counts >> TAG_SHIFT == tag) {
            sum.calls += counts & CALLS_MASK;
            sum.failures += (counts >> FAIL_SHIFT) & FAIL_MASK;
        }
        if (slow >> TAG_SHIFT == tag)
            sum.slow += slow & SLOW_MASK;
        index = index == 0 ? count - 1 : index - 1;
    }
    return sum;
}

uint64_t resil__slices_latest(const struct resil__slices *window, uint64_t now_ns)
{
    uint64_t head = resil__load_acquire(window->head);
    uint64_t begin = (head >> 16) * window->width_ns;

    if (!of_epoch(window, head) || begin <= now_ns ||
        begin - now_ns >= 2 * window->count * window->width_ns)
        return now_ns;
    return begin;
}
