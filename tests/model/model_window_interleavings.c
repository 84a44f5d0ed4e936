/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The windows of the breaker under every interleaving of two or three callers: at rest a window
 * holds the results that were counted in it, each once, and none of another epoch.
 */
#include "test.h"

#include <resil/common.h>

#include "interleave.h"

#include "../../src/window/ring.c"
#undef CALLS_MASK
#include "../../src/window/slices.c"

#define WIDTH RESIL_MS(100)
#define BASE  UINT64_C(100) /* the newest slice at the start */

typedef void body(int self);

static uint64_t epoch_word, head, totals, cells[8];
static uint64_t slices;                /* of the window */
static unsigned counted[8], failed[8]; /* results by slice, from BASE on */
static unsigned kept;                  /* results in a ring */

static struct resil__slices view(void)
{
    uint64_t word = resil__load_acquire(&epoch_word);

    return (struct resil__slices){.head = &head,
                                  .cells = cells,
                                  .count = slices,
                                  .width_ns = WIDTH,
                                  .epoch_word = &epoch_word,
                                  .epoch = (uint32_t)(word >> 32)};
}

static void reset(void)
{
    head = totals = 0;
    memset(cells, 0, sizeof cells);
    memset(counted, 0, sizeof counted);
    memset(failed, 0, sizeof failed);
    kept = 0;
    epoch_word = UINT64_C(1) << 32;
}

static bool is_over(uint32_t epoch)
{
    return epoch_word >> 32 != epoch;
}

/* A result in slice BASE + at. What was counted in an epoch that is over by now may not show. */
static void add_in(struct resil__slices window, uint64_t at, bool is_failure)
{
    if (resil__slices_add(&window, (BASE + at) * WIDTH + 1, is_failure, is_failure) ==
            RESIL__COUNTED &&
        !is_over(window.epoch)) {
        counted[at]++;
        failed[at] += is_failure;
    }
}

static void set_up_slices(void)
{
    reset();
    add_in(view(), 0, true);
}

static void success(int self)
{
    struct resil__slices window = view();
    const uint64_t now_ns = BASE * WIDTH + 2, enough = 0;
    struct resil__slices_put put;
    enum resil__quick quick = resil__slices_success(window.head, window.cells, window.width_ns,
                                                    window.epoch, now_ns, &enough, &put);
    bool is_counted = quick == RESIL__QUICK_DONE ||
                      (quick == RESIL__QUICK_ADDED && resil__slices_settle(&window, now_ns, put));

    (void)self;
    counted[0] += is_counted && !is_over(window.epoch);
}

static void fail_here(int self)
{
    (void)self;
    add_in(view(), 0, true);
}

static void fail_next(int self)
{
    (void)self;
    add_in(view(), 1, true);
}

static void succeed_next(int self)
{
    (void)self;
    add_in(view(), 1, false);
}

/* A whole window later: into the cell of the first slice. */
static void fail_far(int self)
{
    (void)self;
    add_in(view(), slices, true);
}

/* Two windows on, by steps. */
static void fail_far_twice(int self)
{
    (void)self;
    add_in(view(), slices, true);
    add_in(view(), 2 * slices, true);
}

static uint64_t newest_slice(void)
{
    return (head >> 16) - BASE;
}

/* Every slice in the window holds what was counted in it. (Slow marks may be lost: see slices.h.)
   */
static void verify_slices_but(uint64_t stray)
{
    struct resil__slices window = view();
    uint64_t newest = newest_slice();
    struct resil__tally sum = resil__slices_sum(&window, (BASE + newest) * WIDTH);
    uint64_t calls = 0, bad = 0;

    for (uint64_t at = newest < slices ? 0 : newest - slices + 1; at <= newest; at++) {
        calls += counted[at];
        bad += failed[at];
    }
    interleave_check(sum.calls <= calls && sum.calls + stray >= calls);
    interleave_check(sum.failures == bad);
    interleave_check(sum.slow <= bad);
}

static void verify_slices(void)
{
    verify_slices_but(0);
}

/* One quick success was under way: see slices.h on what it may take with it. */
static void verify_but_one(void)
{
    verify_slices_but(1);
}

/* An epoch ends in the middle: as the breaker does, the word moves first. */
static void next_epoch(int self)
{
    uint64_t word = resil__load_acquire(&epoch_word);
    struct resil__slices window;

    (void)self;
    (void)resil__cas(&epoch_word, &word, word + (UINT64_C(1) << 32));
    memset(counted, 0, sizeof counted);
    memset(failed, 0, sizeof failed);
    window = view();
    add_in(window, 0, true);
    add_in(window, 1, false);
}

static void rotation_loses_no_result(void **state)
{
    struct scenario near = {
        __func__,      3, (body *const[]){success, fail_here, fail_next}, 0, set_up_slices,
        verify_but_one};
    struct scenario far = {
        __func__,      3, (body *const[]){success, fail_far, fail_far}, 0, set_up_slices,
        verify_but_one};
    struct scenario both = {
        __func__,     3, (body *const[]){fail_next, succeed_next, fail_here}, 0, set_up_slices,
        verify_slices};

    (void)state;
    for (slices = 1; slices <= 2; slices++) {
        interleave_explore(&near);
        interleave_explore(&far);
        interleave_explore(&both);
    }
    slices = 1;
    interleave_finds(&both, (struct fault){"prepare", &head, FAULT_STALE});
    interleave_finds(&both, (struct fault){"prepare", &cells[0], FAULT_BLIND});
    interleave_finds(&far, (struct fault){"slices_undo", &cells[0], FAULT_LOST});
    interleave_finds(&near, (struct fault){"resil__slices_add", &cells[0], FAULT_BLIND});
}

static void rolling_two_windows_on_loses_no_result(void **state)
{
    struct scenario is = {
        __func__,      3, (body *const[]){success, fail_far_twice, fail_next}, 0, set_up_slices,
        verify_but_one};

    (void)state;
    for (slices = 1; slices <= 2; slices++)
        interleave_explore(&is);
    slices = 1;
    interleave_finds(&is, (struct fault){"slices_undo", &cells[0], FAULT_LOST});
    interleave_finds(&is, (struct fault){"slices_undo", &cells[0], FAULT_BLIND});
}

static void slices_of_an_old_epoch_never_show(void **state)
{
    struct scenario adds = {
        __func__, 2, (body *const[]){fail_next, next_epoch}, 3, set_up_slices, verify_slices};
    struct scenario quick = {
        __func__, 2, (body *const[]){success, next_epoch}, 4, set_up_slices, verify_but_one};
    struct scenario rolls = {
        __func__,     3, (body *const[]){next_epoch, fail_next, fail_next}, 3, set_up_slices,
        verify_slices};

    (void)state;
    for (slices = 1; slices <= 2; slices++) {
        interleave_explore(&adds);
        interleave_explore(&quick);
        interleave_explore(&rolls);
    }
    slices = 2;
    interleave_finds(&adds, (struct fault){"resil__epoch_current", &epoch_word, FAULT_STALE});
    interleave_finds(&quick, (struct fault){"slices_undo", &cells[0], FAULT_LOST});
}

static struct resil__ring ring_view(void)
{
    uint64_t word = resil__load_acquire(&epoch_word);

    return (struct resil__ring){.cursor = &head,
                                .totals = &totals,
                                .cells = cells,
                                .size = slices,
                                .epoch_word = &epoch_word,
                                .epoch = (uint32_t)(word >> 32)};
}

static void push(bool is_failure)
{
    struct resil__ring window = ring_view();
    struct resil__tally sum;

    if (resil__ring_add(&window, is_failure, is_failure, &sum) != RESIL__DROPPED &&
        !is_over(window.epoch)) {
        kept++;
        /* off by at most the results in flight */
        interleave_check(sum.calls <= slices && sum.failures <= slices + INTERLEAVE_FIBERS);
    }
}

static void push_failure(int self)
{
    (void)self;
    push(true);
}

static void push_success(int self)
{
    (void)self;
    push(false);
}

/* By the fast road, where there is one. */
static void push_quick(int self)
{
    struct resil__ring window = ring_view();
    enum resil__taken taken;

    (void)self;
    if (!resil__ring_success(&window, &taken))
        push(false);
    else if (taken != RESIL__DROPPED && !is_over(window.epoch))
        kept++;
}

static void push_quick_lap(int self)
{
    for (unsigned i = 0; i <= slices; i++)
        push_quick(self);
}

/* A lap and more. */
static void push_lap(int self)
{
    (void)self;
    push(false);
    push(true);
    push(true);
}

static void set_up_ring(void)
{
    reset();
    push(true);
}

static void set_up_full_ring(void)
{
    reset();
    for (unsigned i = 0; i < slices; i++)
        push(false);
}

static uint64_t in_cells(unsigned bit)
{
    uint64_t sum = 0;

    for (unsigned place = 0; place < slices; place++)
        sum += (cells[0] >> (4 * place + bit)) & 1;
    return sum;
}

/* The totals say what the nibbles say, and all places that were ever taken are written. */
static void verify_ring(void)
{
    struct resil__ring window = ring_view();
    struct resil__tally sum = resil__ring_sum(&window);
    uint64_t used = 0;

    for (unsigned place = 0; place < slices; place++)
        used += ((cells[0] >> (4 * place)) & 0xf) != 0;
    interleave_check(sum.calls == used && used == resil__min(kept, slices));
    interleave_check(sum.failures == in_cells(0) && sum.slow == in_cells(1));
}

static void ring_adds_up_under_laps(void **state)
{
    struct scenario lap = {
        __func__, 3,           (body *const[]){push_failure, push_success, push_lap},
        0,        set_up_ring, verify_ring};
    struct scenario first = {
        __func__, 3,     (body *const[]){push_failure, push_success, push_failure},
        0,        reset, verify_ring};

    (void)state;
    for (slices = 1; slices <= 3; slices += 2) {
        interleave_explore(&lap);
        interleave_explore(&first);
    }
    slices = 2;
    interleave_finds(&lap, (struct fault){"put", &cells[0], FAULT_BLIND});
    interleave_finds(&lap, (struct fault){"resil__ring_add", &totals, FAULT_BLIND});
    slices = 3;
    interleave_finds(&first, (struct fault){"take", &head, FAULT_BLIND});
    interleave_finds(&first, (struct fault){"start", &head, FAULT_STALE});
}

static void ring_adds_up_by_its_fast_road(void **state)
{
    struct scenario lap = {
        __func__,         3,          (body *const[]){push_quick, push_failure, push_quick_lap}, 0,
        set_up_full_ring, verify_ring};

    (void)state;
    for (slices = 1; slices <= 3; slices++)
        interleave_explore(&lap);
    slices = 2;
    interleave_finds(&lap, (struct fault){"resil__ring_success", &cells[0], FAULT_BLIND});
}

static void ring_next_epoch(int self)
{
    uint64_t word = resil__load_acquire(&epoch_word);

    (void)self;
    (void)resil__cas(&epoch_word, &word, word + (UINT64_C(1) << 32));
    kept = 0;
    push(true);
    push(true);
}

static void ring_of_an_old_epoch_never_shows(void **state)
{
    struct scenario is = {
        __func__, 3,           (body *const[]){ring_next_epoch, push_failure, push_success},
        3,        set_up_ring, verify_ring};
    struct scenario quick = {
        __func__,         3,          (body *const[]){ring_next_epoch, push_failure, push_quick}, 3,
        set_up_full_ring, verify_ring};

    (void)state;
    slices = 3;
    interleave_explore(&is);
    interleave_explore(&quick);
    interleave_finds(&is, (struct fault){"resil__epoch_current", &epoch_word, FAULT_STALE});
}

/* A full cell is halved once, whoever finds it full. */
static void set_up_full_cell(void)
{
    reset();
    cells[0] = UINT64_C(3) << TAG_SHIFT | UINT64_C(1000) << FAIL_SHIFT | RESIL__SLICE_CALLS_FULL;
}

static void halve(int self)
{
    (void)self;
    slices_halve(&cells[0]);
}

static void verify_half(void)
{
    interleave_check(cells[0] >> TAG_SHIFT == 3);
    interleave_check((cells[0] & CALLS_MASK) == RESIL__SLICE_CALLS_FULL / 2);
    interleave_check((cells[0] >> FAIL_SHIFT & FAIL_MASK) == 500);
}

static void a_full_cell_is_halved_once(void **state)
{
    struct scenario is = {__func__,         3,          (body *const[]){halve, halve, halve}, 0,
                          set_up_full_cell, verify_half};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"slices_halve", &cells[0], FAULT_LOST});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotation_loses_no_result),
        cmocka_unit_test(rolling_two_windows_on_loses_no_result),
        cmocka_unit_test(slices_of_an_old_epoch_never_show),
        cmocka_unit_test(ring_adds_up_under_laps),
        cmocka_unit_test(ring_adds_up_by_its_fast_road),
        cmocka_unit_test(ring_of_an_old_epoch_never_shows),
        cmocka_unit_test(a_full_cell_is_halved_once),
    };

    return cmocka_run_group_tests_name("window interleavings", tests, NULL, NULL);
}
