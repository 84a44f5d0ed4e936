/* SPDX-License-Identifier: BSD-2-Clause */

/* The counter as a clock, with a counter and a clock of our own making: drift, jumps, sleep, wrap,
   and who is held up where. */
#include "test.h"

#include "platform/tsc.h"

#define PRECISE_NS 1000
#define RUNS_STEPS 2000

/* One true time; the counter counts it at a rate that may change, from an offset that may jump. */
static struct world {
    uint64_t ns;
    uint64_t counts;
    uint64_t khz;
    uint64_t rest;        /* of a count, in millionths */
    uint64_t clock_takes; /* ns */
    uint64_t counter_reads;
    unsigned counters_before;     /* during_counter: readings of the counter to let pass */
    void (*during_counter)(void); /* once, before the counter is read */
    void (*during_clock)(void);   /* once, after the clock was read */
} world;

static struct resil__tsc tsc;
static uint64_t last_ns;

static void pass(uint64_t ns)
{
    uint64_t parts = world.rest + ns % 1000000 * world.khz;

    world.ns += ns;
    world.counts += ns / 1000000 * world.khz + parts / 1000000;
    world.rest = parts % 1000000;
}

static uint64_t fake_counter(void)
{
    void (*hook)(void) = world.during_counter;

    world.counter_reads++;
    if (world.counters_before > 0) {
        world.counters_before--;
    } else if (hook != NULL) {
        world.during_counter = NULL;
        hook();
    }
    pass(5);
    return world.counts;
}

static uint64_t fake_clock(void)
{
    void (*hook)(void) = world.during_clock;
    uint64_t ns;

    pass(world.clock_takes / 2);
    ns = world.ns;
    pass(world.clock_takes - world.clock_takes / 2);
    world.during_clock = NULL;
    if (hook != NULL)
        hook();
    return ns;
}

static const struct resil__tsc_source source = {fake_counter, fake_clock};

static int setup(void **state)
{
    (void)state;
    tsc = (struct resil__tsc){.current = 0};
    world = (struct world){
        .ns = RESIL_SEC(5), .counts = 77000000000, .khz = 2600000, .clock_takes = 20};
    last_ns = 0;
    return 0;
}

static uint64_t off_by(uint64_t ns)
{
    return ns > world.ns ? ns - world.ns : world.ns - ns;
}

/* A reading, which never falls. */
static uint64_t read_ns(void)
{
    uint64_t ns = resil__tsc_now(&tsc, &source);

    assert_true(ns >= last_ns);
    last_ns = ns;
    return ns;
}

static uint64_t error_after(uint64_t ns)
{
    pass(ns);
    return off_by(read_ns());
}

static void learn(void)
{
    for (unsigned i = 0; i < 40 && !resil__tsc_runs(&tsc); i++)
        (void)error_after(RESIL_MS(1));
    assert_true(resil__tsc_runs(&tsc));
}

/* ---- learning ---- */

static void the_clock_serves_while_the_rate_is_learnt(void **state)
{
    (void)state;
    (void)read_ns();
    for (unsigned i = 0; i < 9; i++) {
        assert_true(error_after(RESIL_MS(1)) <= 40);
        assert_false(resil__tsc_runs(&tsc));
    }
    learn();
}

static void nobody_reads_the_clock_on_a_line(void **state)
{
    (void)state;
    learn();
    (void)error_after(RESIL_MS(2));
    world.clock_takes = RESIL_MS(100);
    assert_true(error_after(RESIL_US(900)) <= PRECISE_NS);
}

static void learning_over_a_sleep_begins_again(void **state)
{
    (void)state;
    (void)read_ns();
    (void)error_after(RESIL_MS(161));
    assert_false(resil__tsc_runs(&tsc));
    learn();
    assert_true(error_after(RESIL_US(500)) <= PRECISE_NS);
}

static void a_rate_that_no_processor_has_is_not_believed(void **state)
{
    (void)state;
    world.khz = 200000;
    for (unsigned i = 0; i < 200; i++)
        assert_true(error_after(RESIL_MS(1)) <= 40);
    assert_false(resil__tsc_runs(&tsc));
}

static void a_counter_that_stands_still_is_not_believed(void **state)
{
    (void)state;
    world.khz = 0;
    for (unsigned i = 0; i < 200; i++)
        assert_true(error_after(RESIL_MS(1)) <= 40);
    assert_false(resil__tsc_runs(&tsc));
}

static void a_clock_that_takes_too_long_is_read_alone(void **state)
{
    uint64_t reads;

    (void)state;
    world.clock_takes = 400;
    for (unsigned i = 0; i < 200; i++)
        assert_true(error_after(RESIL_MS(1)) <= 400);
    assert_false(resil__tsc_runs(&tsc));
    reads = world.counter_reads;
    (void)error_after(RESIL_SEC(100));
    assert_int_equal(world.counter_reads, reads);
}

static uint64_t no_clock(void)
{
    return 0;
}

static void a_clock_that_can_not_be_read_answers_0(void **state)
{
    static const struct resil__tsc_source broken = {fake_counter, no_clock};

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        pass(RESIL_MS(1));
        assert_int_equal(resil__tsc_now(&tsc, &broken), 0);
    }
    assert_false(resil__tsc_runs(&tsc));
}

/* ---- precision ---- */

static void it_stays_within_a_microsecond(void **state)
{
    uint64_t seed = test_seed(1);

    (void)state;
    learn();
    for (unsigned i = 0; i < 200000; i++)
        assert_true(error_after(test_below(&seed, 20000)) <= PRECISE_NS);
    assert_int_equal(tsc.keeper.strikes, 0);
}

static void it_follows_a_clock_that_is_being_slewed(void **state)
{
    uint64_t seed = test_seed(2);

    (void)state;
    learn();
    for (unsigned i = 0; i < RUNS_STEPS; i++) {
        if (i % 200 == 0)
            world.khz = 2600000 + test_below(&seed, 2601) - 1300; /* 500 ppm */
        assert_true(error_after(test_below(&seed, RESIL_US(500))) <= PRECISE_NS + 1050);
    }
    assert_int_equal(tsc.keeper.strikes, 0);
}

static void a_long_pause_costs_no_precision(void **state)
{
    (void)state;
    learn();
    for (unsigned i = 0; i < 100; i++)
        assert_true(error_after(RESIL_SEC(3600)) <= PRECISE_NS);
    assert_true(resil__tsc_runs(&tsc));
}

static void the_counter_may_wrap(void **state)
{
    (void)state;
    world.counts = (uint64_t)-RESIL_MS(50);
    learn();
    for (unsigned i = 0; i < RUNS_STEPS; i++)
        assert_true(error_after(RESIL_US(30)) <= PRECISE_NS);
    assert_true(world.counts < RESIL_SEC(1));
    assert_int_equal(tsc.keeper.strikes, 0);
}

static void any_usual_frequency_will_do(void **state)
{
    static const uint64_t khz[] = {400000, 1000000, 1999999, 3800000, 5200000, 15000000};

    for (unsigned k = 0; k < sizeof khz / sizeof *khz; k++) {
        assert_int_equal(setup(state), 0);
        world.khz = khz[k];
        learn();
        for (unsigned i = 0; i < RUNS_STEPS; i++)
            assert_true(error_after(RESIL_US(70)) <= PRECISE_NS);
        assert_int_equal(tsc.keeper.strikes, 0);
    }
}

/* ---- what counters do ---- */

/* After something that the counter did: never off by more than a line, and right again when the
   rate has been measured anew. */
static void expect_recovery(void)
{
    for (unsigned i = 0; i < 1200; i++)
        assert_true(error_after(RESIL_US(100)) <= RESIL__TSC_LINE_NS + PRECISE_NS);
    for (unsigned i = 0; i < 400; i++)
        assert_true(error_after(RESIL_US(100)) <= PRECISE_NS);
    assert_true(resil__tsc_runs(&tsc));
}

static void a_jump_ahead_is_noticed(void **state)
{
    static const uint64_t jumps[] = {1000000, 2500000, 3000000, UINT64_C(1) << 40,
                                     UINT64_C(1) << 63};

    for (unsigned j = 0; j < sizeof jumps / sizeof *jumps; j++) {
        assert_int_equal(setup(state), 0);
        learn();
        (void)error_after(RESIL_MS(3));
        world.counts += jumps[j];
        expect_recovery();
    }
}

static void a_jump_back_is_noticed(void **state)
{
    static const uint64_t jumps[] = {3000, 1000000, 2500000, UINT64_C(1) << 40, 76000000000};

    for (unsigned j = 0; j < sizeof jumps / sizeof *jumps; j++) {
        assert_int_equal(setup(state), 0);
        learn();
        (void)error_after(RESIL_MS(3));
        (void)error_after(RESIL_US(300));
        world.counts -= jumps[j];
        /* On the line it had begun the time falls: to another thread's eye, as the counter fell. */
        last_ns = 0;
        expect_recovery();
    }
}

static void another_frequency_is_noticed(void **state)
{
    static const uint64_t khz[] = {1300000, 2590000, 2610000, 5200000};

    for (unsigned k = 0; k < sizeof khz / sizeof *khz; k++) {
        assert_int_equal(setup(state), 0);
        learn();
        (void)error_after(RESIL_MS(3));
        world.khz = khz[k];
        expect_recovery();
    }
}

/* CLOCK_MONOTONIC stands still while the machine sleeps, the counter doesn't. */
static void sleeping_machines_are_not_held_against_the_counter(void **state)
{
    (void)state;
    learn();
    for (unsigned i = 0; i < 20; i++) {
        world.counts += UINT64_C(7200000000000); /* three quarters of an hour */
        expect_recovery();
        for (unsigned minute = 0; minute < 700; minute++)
            assert_true(error_after(RESIL_MS(101)) <= PRECISE_NS);
    }
    assert_true(resil__tsc_runs(&tsc));
}

static void eight_doubts_in_a_row_switch_it_off(void **state)
{
    uint64_t reads;
    unsigned doubts = 0;

    (void)state;
    for (; doubts < 20; doubts++) {
        for (unsigned i = 0; i < 40 && !resil__tsc_runs(&tsc); i++)
            (void)error_after(RESIL_MS(1));
        if (!resil__tsc_runs(&tsc))
            break;
        world.counts += 1000000;
        for (unsigned i = 0; i < 20; i++)
            (void)error_after(RESIL_US(100));
    }
    assert_int_equal(doubts, 8);
    reads = world.counter_reads;
    for (unsigned i = 0; i < 1000; i++)
        assert_true(error_after(RESIL_SEC(1)) <= 40);
    assert_int_equal(world.counter_reads, reads);
    assert_false(resil__tsc_runs(&tsc));
}

/* ---- who is held up where ---- */

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

static void held_up_for_5_ms(void)
{
    pass(RESIL_MS(5));
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

/* ---- all together ---- */

static void no_reading_ever_falls_whatever_happens(void **state)
{
    uint64_t seed = test_seed(3);

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        assert_int_equal(setup(state), 0);
        for (unsigned i = 0; i < RUNS_STEPS; i++) {
            uint64_t dice = test_below(&seed, 1000);

            if (dice == 0)
                world.counts += test_below(&seed, 5000000);
            else if (dice == 1)
                world.counts += test_random(&seed) >> test_below(&seed, 64);
            else if (dice == 2)
                world.khz = 2600000 + test_below(&seed, 200000) - 100000;
            else if (dice == 3)
                world.during_clock = held_up_for_5_ms;
            else if (dice == 4)
                world.during_counter = held_up_for_5_ms;
            else if (dice == 5)
                pass(RESIL_SEC(60));
            else if (dice == 6)
                world.clock_takes = 20 + test_below(&seed, 300);
            else if (dice == 7)
                tsc.busy ^= 1;
            pass(test_below(&seed, RESIL_US(100)) >> test_below(&seed, 16));
            assert_true(read_ns() <= world.ns + 2 * RESIL__TSC_LINE_NS);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_clock_serves_while_the_rate_is_learnt),
        TEST(nobody_reads_the_clock_on_a_line),
        TEST(learning_over_a_sleep_begins_again),
        TEST(a_rate_that_no_processor_has_is_not_believed),
        TEST(a_counter_that_stands_still_is_not_believed),
        TEST(a_clock_that_takes_too_long_is_read_alone),
        TEST(a_clock_that_can_not_be_read_answers_0),
        TEST(it_stays_within_a_microsecond),
        TEST(it_follows_a_clock_that_is_being_slewed),
        TEST(a_long_pause_costs_no_precision),
        TEST(the_counter_may_wrap),
        TEST(any_usual_frequency_will_do),
        TEST(a_jump_ahead_is_noticed),
        TEST(a_jump_back_is_noticed),
        TEST(another_frequency_is_noticed),
        TEST(sleeping_machines_are_not_held_against_the_counter),
        TEST(eight_doubts_in_a_row_switch_it_off),
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
        TEST(no_reading_ever_falls_whatever_happens),
    };

    return cmocka_run_group_tests_name("tsc", tests, NULL, NULL);
}
