/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The windows of the breaker under every interleaving of two or three callers: at rest a window holds the
 * results that were counted in it, each once, and none of another epoch.
 */
#include "test.h"

#include "interleave.h"

#include "../../src/window/ring.c"
#undef CALLS_MASK
#include "../../src/window/slices.c"

#define WIDTH RESIL_MS(100)
#define BASE  UINT64_C(100) /* the newest slice at the start */

typedef void body(int self);

static uint64_t epoch_word, head, totals, cells[8];
static uint64_t slices; /* of the window */
static unsigned counted[8], failed[8]; /* results by slice, from BASE on */
static unsigned kept, failures; /* results in a ring */

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
    kept = failures = 0;
    epoch_word = UINT64_C(1) << 32;
}

/* A result of this epoch in slice BASE + at. */
static void add_in(struct resil__slices window, uint64_t at, bool is_failure)
{
    if (resil__slices_add(&window, (BASE + at) * WIDTH + 1, is_failure, is_failure) ==
        RESIL__COUNTED) {
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
    bool is_counted;

    (void)self;
    (void)resil__slices_success(window.head, window.cells, window.width_ns, window.epoch,
                                BASE * WIDTH + 2, 0, &is_counted);
    counted[0] += is_counted;
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

/* Every slice in the window holds what was counted in it; there is no tag of another. */
static void verify_slices(void)
{
    struct resil__slices window = view();
    uint64_t newest = newest_slice();
    struct resil__tally sum = resil__slices_sum(&window, (BASE + newest) * WIDTH);
    uint64_t calls = 0, bad = 0;

    for (uint64_t at = newest < slices ? 0 : newest - slices + 1; at <= newest; at++) {
        calls += counted[at];
        bad += failed[at];
    }
    interleave_check(sum.calls == calls);
    interleave_check(sum.failures == bad);
    interleave_check(sum.slow == bad);
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

/* Of the epoch that it began under, and perhaps over by now: then it may not show. */
static void fail_in_old_epoch(int self)
{
    struct resil__slices window = view();

    (void)self;
    (void)resil__slices_add(&window, (BASE + 1) * WIDTH + 1, true, true);
}

static void succeed_in_old_epoch(int self)
{
    struct resil__slices window = view();
    bool is_counted;

    (void)self;
    (void)resil__slices_success(window.head, window.cells, window.width_ns, window.epoch,
                                BASE * WIDTH + 2, 0, &is_counted);
}

static void verify_new_epoch(void)
{
    struct resil__slices window = view();
    struct resil__tally sum = resil__slices_sum(&window, (BASE + 1) * WIDTH);

    interleave_check(window.epoch == 2);
    interleave_check(counted[0] == 1 && counted[1] == 1);
    interleave_check(sum.calls == 2 && sum.failures == 1 && sum.slow == 1);
}

static void rotation_loses_no_result(void **state)
{
    struct scenario near = {__func__,      3,
                            (body *const[]){success, fail_here, fail_next},
                            0,             set_up_slices,
                            verify_slices};
    struct scenario far = {
        __func__, 3, (body *const[]){success, fail_far, fail_far}, 0, set_up_slices, verify_slices};
    struct scenario both = {__func__,      3,
                            (body *const[]){fail_next, succeed_next, fail_here},
                            0,             set_up_slices,
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
    interleave_finds(&far, (struct fault){"resil__slices_undo", &cells[0], FAULT_LOST});
    interleave_finds(&near, (struct fault){"resil__slices_add", &cells[0], FAULT_BLIND});
}

static void rolling_two_windows_on_loses_no_result(void **state)
{
    struct scenario is = {__func__,      3,
                          (body *const[]){success, fail_far_twice, fail_next},
                          0,             set_up_slices,
                          verify_slices};

    (void)state;
    for (slices = 1; slices <= 2; slices++)
        interleave_explore(&is);
    slices = 1;
    interleave_finds(&is, (struct fault){"resil__slices_undo", &cells[0], FAULT_LOST});
    interleave_finds(&is, (struct fault){"resil__slices_undo", &cells[0], FAULT_BLIND});
}

static void slices_of_an_old_epoch_never_show(void **state)
{
    struct scenario is = {__func__,        3,
                          (body *const[]){next_epoch, fail_in_old_epoch, succeed_in_old_epoch},
                          0,               set_up_slices,
                          verify_new_epoch};
    struct scenario rolls = {__func__,        3,
                             (body *const[]){next_epoch, fail_in_old_epoch, fail_in_old_epoch},
                             0,               set_up_slices,
                             verify_new_epoch};

    (void)state;
    for (slices = 1; slices <= 2; slices++) {
        interleave_explore(&is);
        interleave_explore(&rolls);
    }
    slices = 2;
    interleave_finds(&is, (struct fault){"resil__epoch_current", &epoch_word, FAULT_STALE});
    interleave_finds(&is, (struct fault){"resil__slices_undo", &cells[0], FAULT_LOST});
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

    if (resil__ring_add(&window, is_failure, is_failure, &sum) != RESIL__DROPPED) {
        kept++;
        interleave_check(sum.calls <= slices && sum.failures <= slices);
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
    struct scenario lap = {__func__,    3,
                           (body *const[]){push_failure, push_success, push_lap},
                           0,           set_up_ring,
                           verify_ring};
    struct scenario first = {__func__,    3,
                             (body *const[]){push_failure, push_success, push_failure},
                             0,           reset,
                             verify_ring};

    (void)state;
    for (slices = 1; slices <= 3; slices++) {
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

/* The late one is a lap behind: a newer result in its place must stay. */
static void push_two_laps(int self)
{
    (void)self;
    push(false);
    push(false);
}

static void verify_newest(void)
{
    unsigned lap = (unsigned)(cells[0] >> 2) & 3;

    verify_ring();
    /* Three or four results in a ring of one: what stands there is of the last lap but the late. */
    interleave_check(lap != 0);
}

static void late_nibble_never_replaces_a_newer_lap(void **state)
{
    struct scenario is = {
        __func__, 2, (body *const[]){push_failure, push_two_laps}, 4, set_up_ring, verify_newest};

    (void)state;
    slices = 1;
    interleave_explore(&is);
}

static void ring_next_epoch(int self)
{
    uint64_t word = resil__load_acquire(&epoch_word);

    (void)self;
    (void)resil__cas(&epoch_word, &word, word + (UINT64_C(1) << 32));
    push(true);
    push(false);
    failures = 1;
}

static void push_in_old_epoch(int self)
{
    struct resil__ring window = ring_view();
    struct resil__tally sum;

    (void)self;
    (void)resil__ring_add(&window, true, true, &sum);
}

static void verify_new_ring(void)
{
    struct resil__ring window = ring_view();
    struct resil__tally sum = resil__ring_sum(&window);

    interleave_check(window.epoch == 2);
    interleave_check(sum.failures == in_cells(0) && sum.slow == in_cells(1));
    interleave_check(sum.failures >= failures && sum.calls >= 2);
}

static void ring_of_an_old_epoch_never_shows(void **state)
{
    struct scenario is = {
        __func__,       3, (body *const[]){ring_next_epoch, push_in_old_epoch, push_in_old_epoch},
        0,              set_up_ring,
        verify_new_ring};

    (void)state;
    slices = 3;
    interleave_explore(&is);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotation_loses_no_result),
        cmocka_unit_test(rolling_two_windows_on_loses_no_result),
        cmocka_unit_test(slices_of_an_old_epoch_never_show),
        cmocka_unit_test(ring_adds_up_under_laps),
        cmocka_unit_test(late_nibble_never_replaces_a_newer_lap),
        cmocka_unit_test(ring_of_an_old_epoch_never_shows),
    };

    return cmocka_run_group_tests_name("window interleavings", tests, NULL, NULL);
}
