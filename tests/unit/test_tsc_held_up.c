/* SPDX-License-Identifier: BSD-2-Clause */

/* The counter as a clock: who is held up where, and what others have published meanwhile. */
#include "tsc_fixture.h"

static void publish_two_lines(void)
{
    for (unsigned i = 0; i < 2; i++) {
        pass(RESIL_MS(2));
        (void)resil__tsc_now(&tsc, &source);
    }
}

static void a_reader_that_slept_through_two_lines_reads_again(void **state)
{
    uint64_t number;

    (void)state;
    learn();
    (void)error_after(RESIL_US(500));
    number = tsc.current;
    world.during_counter = publish_two_lines;
    assert_true(off_by(read_ns()) <= PRECISE_NS);
    assert_int_equal(tsc.current, number + 2);
}

/* The words of line n + 2 lie in line n's slot while the number is still that of n + 1. */
static void spoil_the_slot(void)
{
    tsc.slot[tsc.current & 1].line.from_ns = RESIL_SEC(999);
    tsc.current++;
    tsc.slot[tsc.current & 1].line = tsc.slot[(tsc.current + 1) & 1].line;
    tsc.slot[tsc.current & 1].line.from_ns = world.ns + 100;
    tsc.slot[tsc.current & 1].line.from = world.counts;
}

static void a_torn_line_is_never_believed(void **state)
{
    (void)state;
    learn();
    (void)error_after(RESIL_US(500));
    world.during_counter = spoil_the_slot;
    assert_true(off_by(read_ns()) <= PRECISE_NS);
}

static void a_writer_that_is_held_up_begins_again(void **state)
{
    (void)state;
    learn();
    for (unsigned i = 0; i < 100; i++) {
        pass(RESIL_MS(2));
        if (i % 2 == 0)
            world.during_clock = held_up_for_5_ms;
        else
            world.during_counter = held_up_for_5_ms;
        assert_true(off_by(read_ns()) <= PRECISE_NS || i % 2 == 0);
        assert_true(error_after(RESIL_US(10)) <= PRECISE_NS);
    }
    assert_int_equal(tsc.keeper.strikes, 0);
}

/* Between its sample and its store: what it had is a line of the past. Returns the number of the line
   before. */
static uint64_t hold_up_a_writer(void (*how)(void))
{
    uint64_t number;

    learn();
    (void)error_after(RESIL_US(100));
    number = tsc.current;
    pass(RESIL_MS(2));
    world.counters_before = 3; /* the reader's, slow's, the sample's */
    world.during_counter = how;
    assert_true(off_by(read_ns()) <= PRECISE_NS);
    return number;
}

static void a_writer_that_is_held_up_publishes_nothing_old(void **state)
{
    uint64_t number;

    (void)state;
    number = hold_up_a_writer(held_up_for_5_ms);
    assert_int_equal(tsc.current, number + 1);
}

/* As after a fork in the middle, when two are at it at once. */
static void another_publishes_while_held_up(void)
{
    pass(RESIL_MS(5));
    tsc.current += 2;
}

static void a_writer_that_was_overtaken_leaves_the_line_alone(void **state)
{
    uint64_t number;

    (void)state;
    number = hold_up_a_writer(another_publishes_while_held_up);
    assert_true(tsc.current >= number + 2);
    assert_int_equal(tsc.busy, 0);
}

/* A line that lies 500 ns low, as it may while the clock is being slewed. */
static void publish_a_low_line(void)
{
    struct resil__tsc_line line = tsc.slot[tsc.current & 1].line;

    line.from = world.counts;
    line.from_ns = world.ns - 500;
    tsc.slot[(tsc.current + 1) & 1].line = line;
    tsc.current++;
}

static void a_reading_behind_the_end_does_not_count_beside_a_new_line(void **state)
{
    (void)state;
    learn();
    (void)error_after(RESIL_US(100));
    pass(RESIL_MS(2));
    tsc.busy = 1;
    world.during_clock = publish_a_low_line;
    assert_true(read_ns() < world.ns - 400);
    (void)error_after(10);
}

static void lines_lie_above_a_clock_that_is_a_little_faster(void **state)
{
    (void)state;
    world.clock_takes = 2;
    learn();
    world.khz -= 26; /* 10 ppm */
    for (unsigned i = 0; i < RUNS_STEPS; i++) {
        pass(RESIL_US(20));
        assert_true(read_ns() >= world.ns - 6);
    }
}

static void a_line_that_begins_ahead_comes_down(void **state)
{
    struct resil__tsc_keeper keeper = {.base_ns = 1, .rate = UINT64_C(1) << 32};
    struct resil__tsc_line old = {.rate = 1, .floor_ns = 50200000};
    struct resil__tsc_sample sample = {.counts = 50000000, .ns = 50000000, .close = true};
    struct resil__tsc_line line = resil__tsc_next(&keeper, &old, &sample);

    (void)state;
    assert_int_equal(line.from_ns, 50200000);
    assert_in_range(line.floor_ns, 50000000 + RESIL__TSC_LINE_NS - 100,
                    50000000 + RESIL__TSC_LINE_NS + 100);
}

static void nobody_waits_for_a_writer_that_is_gone(void **state)
{
    (void)state;
    learn();
    tsc.busy = 1;
    for (unsigned i = 0; i < RUNS_STEPS; i++)
        assert_true(error_after(RESIL_US(10)) <= PRECISE_NS);
    tsc.busy = 0;
    assert_true(error_after(RESIL_MS(1)) <= PRECISE_NS);
    assert_true(resil__tsc_runs(&tsc));
}

/* Reads in the middle of what another thread is doing. */
static void read_beside(void)
{
    assert_true(resil__tsc_now(&tsc, &source) >= last_ns);
}

static void a_reader_beside_the_writer_gets_the_clock(void **state)
{
    uint64_t number;

    (void)state;
    learn();
    (void)error_after(RESIL_US(100));
    number = tsc.current;
    pass(RESIL_MS(2));
    /* The first reading of the clock is the gap's own: renew comes behind it. */
    world.during_counter = NULL;
    tsc.busy = 1;
    world.during_clock = read_beside;
    assert_true(off_by(read_ns()) <= PRECISE_NS);
    assert_int_equal(tsc.current, number);
    tsc.busy = 0;
}

static void a_counter_in_front_of_its_line_reads_the_beginning(void **state)
{
    struct resil__tsc_line line = {.from = 6400, .from_ns = 1000, .rate = 1, .span = 6400};
    uint64_t ns = 0;

    (void)state;
    assert_true(resil__tsc_answers(&line, 6301, &ns));
    assert_int_equal(ns, 1000);
    assert_false(resil__tsc_answers(&line, 6300, &ns));
    assert_true(resil__tsc_answers(&line, 12799, &ns));
    assert_false(resil__tsc_answers(&line, 12800, &ns));
    assert_false(resil__tsc_answers(&(struct resil__tsc_line){.from = 0}, 0, &ns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reader_that_slept_through_two_lines_reads_again),
        TEST(a_torn_line_is_never_believed),
        TEST(a_writer_that_is_held_up_begins_again),
        TEST(a_writer_that_is_held_up_publishes_nothing_old),
        TEST(a_writer_that_was_overtaken_leaves_the_line_alone),
        TEST(a_reading_behind_the_end_does_not_count_beside_a_new_line),
        TEST(lines_lie_above_a_clock_that_is_a_little_faster),
        TEST(a_line_that_begins_ahead_comes_down),
        TEST(nobody_waits_for_a_writer_that_is_gone),
        TEST(a_reader_beside_the_writer_gets_the_clock),
        TEST(a_counter_in_front_of_its_line_reads_the_beginning),
    };

    return cmocka_run_group_tests_name("tsc held up", tests, NULL, NULL);
}
