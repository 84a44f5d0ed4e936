/* SPDX-License-Identifier: BSD-2-Clause */

/* The counter as a clock: learning, precision, drift, jumps, sleep and wrap. */
#include "tsc_fixture.h"

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

/* 1000 ppm in all, of which no line may lag behind by more than 61. */
static void it_forgets_how_fast_the_counter_was(void **state)
{
    (void)state;
    learn();
    for (unsigned i = 0; i < 500; i++) {
        uint64_t rate;

        world.khz -= 5;
        for (unsigned j = 0; j < 100; j++)
            (void)error_after(RESIL_MS(2));
        rate = (UINT64_C(1000000) << 32) / world.khz;
        assert_in_range(tsc.keeper.rate, rate - (rate >> 14), rate + (rate >> 14));
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
        TEST(it_forgets_how_fast_the_counter_was),
        TEST(a_long_pause_costs_no_precision),
        TEST(the_counter_may_wrap),
        TEST(any_usual_frequency_will_do),
        TEST(a_jump_ahead_is_noticed),
        TEST(a_jump_back_is_noticed),
        TEST(another_frequency_is_noticed),
        TEST(sleeping_machines_are_not_held_against_the_counter),
        TEST(eight_doubts_in_a_row_switch_it_off),
        TEST(no_reading_ever_falls_whatever_happens),
    };

    return cmocka_run_group_tests_name("tsc", tests, NULL, NULL);
}
