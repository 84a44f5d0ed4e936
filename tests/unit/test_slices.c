/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include "window/ring.h"
#include "window/slices.h"

#define WIDTH 100

static uint64_t epoch_word;
static uint64_t head;
static uint64_t totals;
static uint64_t cells[70];

static void clear(void)
{
    epoch_word = UINT64_C(5) << 32;
    head = 0;
    totals = 0;
    memset(cells, 0, sizeof cells);
}

static struct resil__slices slices(uint32_t epoch)
{
    return (struct resil__slices){.head = &head,
                                  .cells = cells,
                                  .count = 10,
                                  .width_ns = WIDTH,
                                  .epoch_word = &epoch_word,
                                  .epoch = epoch};
}

static struct resil__ring ring(uint64_t size, uint32_t epoch)
{
    return (struct resil__ring){.cursor = &head,
                                .totals = &totals,
                                .cells = cells,
                                .size = size,
                                .epoch_word = &epoch_word,
                                .epoch = epoch};
}

/* As a breaker does it: what the fast road leaves over is settled. */
static bool quick_in(uint32_t epoch, uint64_t now_ns, uint64_t enough, bool *counted)
{
    struct resil__slices window = slices(epoch);
    struct resil__slices_put put;
    enum resil__quick quick =
        resil__slices_success(&head, cells, WIDTH, epoch, now_ns, &enough, &put);

    *counted = quick == RESIL__QUICK_DONE ||
               (quick == RESIL__QUICK_ADDED && resil__slices_settle(&window, now_ns, put));
    return quick == RESIL__QUICK_DONE;
}

static bool quick(uint64_t now_ns, uint64_t enough, bool *counted)
{
    return quick_in(5, now_ns, enough, counted);
}

static void expect(struct resil__tally sum, uint64_t calls, uint64_t failures, uint64_t slow)
{
    assert_int_equal(sum.calls, calls);
    assert_int_equal(sum.failures, failures);
    assert_int_equal(sum.slow, slow);
}

static void slices_count_what_is_added(void **state)
{
    struct resil__slices window = slices(5);

    (void)state;
    clear();
    expect(resil__slices_sum(&window, 5000), 0, 0, 0);
    assert_int_equal(resil__slices_add(&window, 5000, false, false), RESIL__COUNTED);
    assert_int_equal(resil__slices_add(&window, 5000, true, false), RESIL__COUNTED);
    assert_int_equal(resil__slices_add(&window, 5150, true, true), RESIL__COUNTED);
    expect(resil__slices_sum(&window, 5199), 3, 2, 1);
    expect(resil__slices_sum(&window, 5999), 3, 2, 1);
    expect(resil__slices_sum(&window, 6000), 1, 1, 1);
    expect(resil__slices_sum(&window, 6100), 0, 0, 0);
    expect(resil__slices_sum(&window, UINT64_MAX), 0, 0, 0);
}

static void slices_take_the_fast_road_only_inside_the_newest(void **state)
{
    struct resil__slices window = slices(5);
    bool counted;

    (void)state;
    clear();
    assert_false(quick(0, 0, &counted));
    assert_false(counted);
    (void)resil__slices_add(&window, 5000, false, false);
    assert_true(quick(5000, 1, &counted));
    assert_true(quick(5099, 1, &counted));
    assert_false(quick(5099, 4, &counted)); /* counted, but to be judged */
    assert_true(counted);
    assert_false(quick(5100, 0, &counted));
    assert_false(counted);
    assert_false(quick(4999, 0, &counted));
    assert_false(counted);
    expect(resil__slices_sum(&window, 5000), 4, 0, 0);
}

/* An add that met `old` in a cell where it looked for slice 50 of epoch 5. True if it counts. */
static bool settled(uint64_t *cell, uint64_t old)
{
    struct resil__slices window = slices(5);

    return resil__slices_settle(&window, 5000, (struct resil__slices_put){cell, old});
}

static void slices_take_back_an_add_under_a_moved_tag(void **state)
{
    struct resil__slices window = slices(5);
    uint64_t kept;
    bool counted;

    (void)state;
    clear();
    (void)resil__slices_add(&window, 5000, true, false);
    kept = cells[0] ^ (UINT64_C(1) << RESIL__SLICE_TAG_SHIFT);
    cells[0] = kept;
    assert_false(quick(5000, 0, &counted));
    assert_false(counted);
    assert_int_equal(cells[0], kept);
    assert_false(settled(&cells[0], cells[0] ^ (UINT64_C(2) << RESIL__SLICE_TAG_SHIFT)));
    assert_int_equal(cells[0], kept); /* zeroed under yet another tag since: nothing to take back */
    kept = 0;
    assert_false(settled(&kept, 0));
    assert_int_equal(kept, 0); /* never below zero */
    assert_int_equal(resil__slices_add(&window, 5000, false, false), RESIL__COUNTED);
    expect(resil__slices_sum(&window, 5000), 1, 0, 0); /* mended */
}

static void slices_halve_a_full_cell_and_keep_the_share(void **state)
{
    struct resil__slices window = slices(5);
    bool counted;

    (void)state;
    clear();
    (void)resil__slices_add(&window, 5000, false, false);
    cells[0] += RESIL__SLICE_CALLS_FULL + (UINT64_C(400000) << RESIL__SLICE_FAIL_SHIFT);
    assert_false(quick(5000, 1, &counted)); /* leaves the halving over */
    assert_true(counted);
    expect(resil__slices_sum(&window, 5000), RESIL__SLICE_CALLS_FULL / 2 + 1, 200000, 0);
    cells[0] += (RESIL__SLICE_FAIL_FULL - 200000) << RESIL__SLICE_FAIL_SHIFT;
    (void)resil__slices_add(&window, 5000, true, false);
    expect(resil__slices_sum(&window, 5000), RESIL__SLICE_CALLS_FULL / 4 + 1,
           RESIL__SLICE_FAIL_FULL / 2 + 1, 0);
}

static void slices_start_afresh_in_a_new_epoch(void **state)
{
    struct resil__slices old = slices(5), new = slices(6);
    bool counted;

    (void)state;
    clear();
    (void)resil__slices_add(&old, 5000, true, true);
    epoch_word = UINT64_C(6) << 32;
    expect(resil__slices_sum(&new, 5000), 0, 0, 0);
    assert_int_equal(resil__slices_add(&old, 5000, true, false), RESIL__DROPPED);
    assert_int_equal(resil__slices_add(&new, 5050, false, false), RESIL__COUNTED);
    expect(resil__slices_sum(&new, 5050), 1, 0, 0);
    assert_int_equal(resil__slices_add(&old, 6000, true, false), RESIL__DROPPED);
    assert_false(quick(5050, 0, &counted));
    expect(resil__slices_sum(&new, 5050), 1, 0, 0);
}

static void slices_of_an_epoch_that_ends_in_zero_work(void **state)
{
    struct resil__slices window = slices(0x100);
    bool counted;

    (void)state;
    clear();
    epoch_word = UINT64_C(0x100) << 32;
    assert_false(quick_in(0x100, 5, 0, &counted));
    assert_false(counted);
    assert_int_equal(resil__slices_add(&window, 5, true, false), RESIL__COUNTED);
    expect(resil__slices_sum(&window, 5), 1, 1, 0);
}

static void slices_tell_old_results_from_a_clock_set_back(void **state)
{
    struct resil__slices window = slices(5);

    (void)state;
    clear();
    (void)resil__slices_add(&window, 50000, false, false);
    assert_int_equal(resil__slices_add(&window, 49100, true, false), RESIL__COUNTED);
    assert_int_equal(resil__slices_add(&window, 49099, true, false), RESIL__DROPPED);
    assert_int_equal(resil__slices_add(&window, 48100, true, false), RESIL__DROPPED);
    expect(resil__slices_sum(&window, 50000), 2, 1, 0);
    expect(resil__slices_sum(&window, 48100), 2, 1, 0);
    expect(resil__slices_sum(&window, 48099), 0, 0, 0);
    assert_int_equal(resil__slices_latest(&window, 48100), 50000);
    assert_int_equal(resil__slices_latest(&window, 48000), 48000);
    assert_int_equal(resil__slices_latest(&window, 50050), 50050);
    assert_int_equal(resil__slices_add(&window, 48099, true, false), RESIL__COUNTED);
    expect(resil__slices_sum(&window, 48099), 1, 1, 0);
}

static void ring_holds_exactly_the_last_n(void **state)
{
    static const uint64_t sizes[] = {1, 2, 14, 15, 16, 30, 100, 1024};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct resil__ring window = ring(sizes[i], 5);
        uint8_t last[1024] = {0};
        uint64_t random = 42;

        clear();
        for (uint64_t n = 0; n < 5000; n++) {
            struct resil__tally sum = {0};
            uint64_t failures = 0, slow = 0;
            uint64_t kind = test_below(&random, 4);

            assert_int_not_equal(resil__ring_add(&window, kind & 1, kind & 2, &sum),
                                 RESIL__DROPPED);
            last[n % sizes[i]] = (uint8_t)kind;
            for (uint64_t j = 0; j < sizes[i]; j++) {
                failures += last[j] & 1;
                slow += last[j] >> 1;
            }
            expect(sum, n + 1 < sizes[i] ? n + 1 : sizes[i], failures, slow);
            expect(resil__ring_sum(&window), sum.calls, sum.failures, sum.slow);
        }
    }
}

static void ring_never_overwrites_a_newer_lap(void **state)
{
    struct resil__ring window = ring(3, 5);
    struct resil__tally sum;

    (void)state;
    clear();
    for (int i = 0; i < 3; i++)
        (void)resil__ring_add(&window, false, false, &sum);
    cells[0] =
        (cells[0] & ~UINT64_C(0xf)) | 3 << 2; /* place 0 has lap 3; the next result is of lap 2 */
    assert_int_equal(resil__ring_add(&window, true, false, &sum), RESIL__DROPPED);
    expect(resil__ring_sum(&window), 3, 0, 0);
}

static void ring_tells_when_nothing_changed(void **state)
{
    struct resil__ring window = ring(2, 5);
    struct resil__tally sum;

    (void)state;
    clear();
    assert_int_equal(resil__ring_add(&window, true, false, &sum), RESIL__COUNTED);
    assert_int_equal(resil__ring_add(&window, false, false, &sum), RESIL__COUNTED);
    assert_int_equal(resil__ring_add(&window, true, false, &sum), RESIL__STEADY);
    assert_int_equal(resil__ring_add(&window, true, false, &sum), RESIL__COUNTED);
}

static void ring_takes_the_fast_road_where_a_success_replaces_one(void **state)
{
    struct resil__ring window = ring(40, 5);
    enum resil__taken taken = RESIL__COUNTED;
    struct resil__tally sum;
    uint64_t before;

    (void)state;
    clear();
    assert_false(resil__ring_success(&window, &taken)); /* nothing is there yet */
    for (int i = 0; i < 40; i++) {
        assert_false(resil__ring_success(&window, &taken));
        assert_int_equal(resil__ring_add(&window, i == 1, i == 2, &sum), RESIL__COUNTED);
    }
    for (int lap = 1; lap < 8; lap++) {
        for (int i = 0; i < 40; i++) {
            bool ours = i != 1 && i != 2;

            before = head;
            assert_int_equal(resil__ring_success(&window, &taken), ours);
            if (ours)
                assert_int_equal(taken, RESIL__STEADY);
            else
                assert_int_equal(head, before); /* the place is still to be had */
            if (!ours)
                assert_int_equal(resil__ring_add(&window, i == 1, i == 2, &sum), RESIL__STEADY);
            expect(resil__ring_sum(&window), 40, 1, 1);
        }
    }
    epoch_word = UINT64_C(6) << 32;
    assert_false(resil__ring_success(&window, &taken)); /* the epoch is over */
    epoch_word = UINT64_C(21) << 32;
    window.epoch = 21; /* which cells can't tell from 5 */
    assert_false(resil__ring_success(&window, &taken));
}

static void ring_fast_road_leaves_a_newer_lap_alone(void **state)
{
    struct resil__ring window = ring(3, 5);
    enum resil__taken taken = RESIL__COUNTED;
    struct resil__tally sum;
    uint64_t before = 0;

    (void)state;
    clear();
    for (int i = 0; i < 3; i++)
        (void)resil__ring_add(&window, false, false, &sum);
    cells[0] =
        (cells[0] & ~UINT64_C(0xf)) | 3 << 2; /* place 0 has lap 3; the next result is of lap 2 */
    before = head;
    assert_false(resil__ring_success(&window, &taken));
    assert_int_equal(head, before);
}

/* The same results by both roads leave the same words. */
static void ring_roads_agree(void **state)
{
    static uint64_t twin_head, twin_totals, twin_cells[256];
    const uint64_t sizes[] = {1, 2, 14, 15, 16, 100};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct resil__ring window = ring(sizes[i], 5), twin = window;
        uint64_t random = 7;

        clear();
        twin_head = twin_totals = 0;
        memset(twin_cells, 0, sizeof twin_cells);
        twin.cursor = &twin_head;
        twin.totals = &twin_totals;
        twin.cells = twin_cells;
        for (int n = 0; n < 5000; n++) {
            uint64_t kind = test_below(&random, 32) / 28;
            enum resil__taken taken;
            struct resil__tally sum;

            if (kind != 0 || !resil__ring_success(&window, &taken))
                (void)resil__ring_add(&window, kind & 1, kind & 2, &sum);
            (void)resil__ring_add(&twin, kind & 1, kind & 2, &sum);
            assert_int_equal(head, twin_head);
            assert_int_equal(totals, twin_totals);
            assert_memory_equal(cells, twin_cells, resil__ring_words(sizes[i]) * sizeof *cells);
        }
    }
}

static void ring_starts_afresh_in_a_new_epoch(void **state)
{
    struct resil__tally sum;

    (void)state;
    clear();
    for (uint32_t epoch = 5; epoch < 300; epoch++) {
        struct resil__ring window = ring(40, epoch), old = ring(40, epoch - 1);

        epoch_word = (uint64_t)epoch << 32;
        expect(resil__ring_sum(&window), 0, 0, 0);
        for (uint64_t i = 1; i <= 1 + epoch % 100; i++) {
            assert_int_not_equal(resil__ring_add(&window, true, false, &sum), RESIL__DROPPED);
            expect(sum, i < 40 ? i : 40, i < 40 ? i : 40, 0);
        }
        assert_int_equal(resil__ring_add(&old, true, false, &sum), RESIL__DROPPED);
    }
}

static void ring_of_epoch_zero_works(void **state)
{
    struct resil__ring window = ring(4, 0x10000);
    struct resil__tally sum;

    (void)state;
    clear();
    epoch_word = UINT64_C(0x10000) << 32;
    assert_int_equal(resil__ring_add(&window, true, false, &sum), RESIL__COUNTED);
    expect(sum, 1, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_count_what_is_added),
        cmocka_unit_test(slices_take_the_fast_road_only_inside_the_newest),
        cmocka_unit_test(slices_take_back_an_add_under_a_moved_tag),
        cmocka_unit_test(slices_halve_a_full_cell_and_keep_the_share),
        cmocka_unit_test(slices_start_afresh_in_a_new_epoch),
        cmocka_unit_test(slices_of_an_epoch_that_ends_in_zero_work),
        cmocka_unit_test(slices_tell_old_results_from_a_clock_set_back),
        cmocka_unit_test(ring_holds_exactly_the_last_n),
        cmocka_unit_test(ring_never_overwrites_a_newer_lap),
        cmocka_unit_test(ring_tells_when_nothing_changed),
        cmocka_unit_test(ring_takes_the_fast_road_where_a_success_replaces_one),
        cmocka_unit_test(ring_fast_road_leaves_a_newer_lap_alone),
        cmocka_unit_test(ring_roads_agree),
        cmocka_unit_test(ring_starts_afresh_in_a_new_epoch),
        cmocka_unit_test(ring_of_epoch_zero_works),
    };

    return cmocka_run_group_tests_name("slices", tests, NULL, NULL);
}
