/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include "balancer/ewma.h"

#define MS    UINT64_C(1000000)
#define SEC   UINT64_C(1000000000)
#define DECAY (10 * SEC)
#define FIRST (30 * MS)
#define START (UINT64_C(1000000) * SEC)

/* exp(-x) by its series, after halving x until it is small. */
static double decayed(double x)
{
    double term = 1;
    double sum = 1;
    int squarings = 0;

    for (; x > 0.01; x /= 2)
        squarings++;
    for (int k = 1; k < 12; k++)
        sum += term *= -x / k;
    for (; squarings > 0; squarings--)
        sum *= sum;
    return sum;
}

static double apart(double a, double b)
{
    return a > b ? a - b : b - a;
}

static uint64_t read_at(uint64_t word, uint64_t now_ns)
{
    return resil__ewma_read(word, now_ns, DECAY, FIRST);
}

/* A word that heard of latency_ns at START. */
static uint64_t heard(uint64_t latency_ns)
{
    uint64_t word = 0;

    resil__ewma_observe(&word, latency_ns, START, DECAY);
    return word;
}

static void exp_keeps_its_stated_error(void **state)
{
    static const uint64_t decays[] = {10 * MS, 16777215, 16777216, 100 * MS, SEC, DECAY, 600 * SEC};

    (void)state;
    for (size_t i = 0; i < sizeof decays / sizeof *decays; i++) {
        struct resil__ewma_scale scale = resil__ewma_scale(decays[i]);
        double step_ns = (double)(UINT64_C(1) << scale.shift);

        assert_in_range(decays[i] >> scale.shift, 4096, 8191);
        assert_int_equal(resil__ewma_exp(&scale, 0), UINT32_C(1) << 31);
        for (uint32_t steps = 1; steps < 300000; steps += 1 + steps / 1000) {
            double exact = decayed(steps * step_ns / (double)decays[i]);
            double ours = resil__ewma_exp(&scale, steps) / 2147483648.0;

            assert_true(apart(exact, ours) < 2e-5);
            /* What is averaged in, 1 - exp, to within a hundredth even in one step. */
            assert_true(apart(1 - exact, 1 - ours) < 0.01 * (1 - exact));
        }
        assert_int_equal(resil__ewma_exp(&scale, UINT32_MAX), 0);
    }
}

static void a_word_never_heard_of_reads_as_the_first_latency(void **state)
{
    (void)state;
    assert_int_equal(resil__ewma_read(0, START, DECAY, FIRST), FIRST);
    assert_int_equal(resil__ewma_read(0, 0, DECAY, 7), 7);
}

static void the_first_sample_is_the_average(void **state)
{
    (void)state;
    assert_in_range(read_at(heard(5 * MS), START), 5 * MS - 1, 5 * MS);
    assert_in_range(read_at(heard(7 * SEC), START), 7 * SEC - 300, 7 * SEC);
}

static void a_sample_above_replaces(void **state)
{
    uint64_t word = heard(5 * MS);

    (void)state;
    resil__ewma_observe(&word, 80 * MS, START + SEC, DECAY);
    assert_in_range(read_at(word, START + SEC), 80 * MS - 3, 80 * MS);
    /* Within one step of time, too. */
    resil__ewma_observe(&word, 90 * MS, START + SEC, DECAY);
    assert_in_range(read_at(word, START + SEC), 90 * MS - 3, 90 * MS);
}

static void a_sample_below_is_averaged_in_by_the_time_passed(void **state)
{
    (void)state;
    for (uint64_t ms = 10; ms <= 60000; ms *= 2) {
        uint64_t word = heard(500 * MS);
        double weight = decayed((double)ms / 10000);
        double exact = 20e6 + 480e6 * weight;

        resil__ewma_observe(&word, 20 * MS, START + ms * MS, DECAY);
        /* Time is rounded to steps, of at most a 4096th of the decay at either end. */
        assert_true(apart((double)read_at(word, START + ms * MS), exact) <
                    480e6 * (1.0 / 4096 + 2e-5) + 100);
    }
}

static void reads_fade_while_nobody_asks(void **state)
{
    uint64_t word = heard(500 * MS);

    (void)state;
    for (uint64_t ms = 1; ms < 100000; ms += 1 + ms / 20) {
        double exact = 500e6 * decayed((double)ms / 10000);

        assert_true(apart((double)read_at(word, START + ms * MS), exact) < 500e6 * (3.0 / 8192));
    }
    assert_int_equal(read_at(word, START + 1000 * SEC), RESIL__EWMA_MIN_NS);
    assert_int_equal(read_at(heard(1), START), RESIL__EWMA_MIN_NS);
}

static void no_latency_overflows(void **state)
{
    (void)state;
    assert_in_range(read_at(heard(UINT64_MAX), START), RESIL__EWMA_MAX_NS - 2000,
                    RESIL__EWMA_MAX_NS);
    assert_true(heard(0) != 0);
    for (uint64_t latency = 1000; latency < RESIL__EWMA_MAX_NS; latency += 1 + latency / 3) {
        uint64_t read = read_at(heard(latency), START);

        assert_true(read <= latency && latency - read <= 1 + (latency >> 25));
    }
}

/* A million samples a second, all below: the average still falls as the formula says. */
static void high_rates_are_averaged_like_low_ones(void **state)
{
    uint64_t word = heard(2 * MS);
    uint64_t now_ns = START;

    (void)state;
    for (int i = 0; i < 2000000; i++)
        resil__ewma_observe(&word, MS, now_ns += 1000, DECAY);
    assert_true(apart((double)read_at(word, now_ns), 1e6 + 1e6 * decayed(0.2)) < 0.01 * 1e6);
}

/* A difference of a thousandth still closes. */
static void small_differences_are_not_rounded_away(void **state)
{
    uint64_t word = heard(1001000);
    uint64_t now_ns = START;

    (void)state;
    for (int i = 0; i < 100000; i++)
        resil__ewma_observe(&word, MS, now_ns += MS, DECAY);
    assert_in_range(read_at(word, now_ns), MS - 2, MS + 2);
}

static void a_clock_a_little_behind_counts_as_now(void **state)
{
    uint64_t word = heard(50 * MS);
    uint64_t before = word;

    (void)state;
    assert_in_range(read_at(word, START - 5 * SEC), 50 * MS - 2, 50 * MS);
    resil__ewma_observe(&word, MS, START - 5 * SEC, DECAY);
    assert_true(word == before);
    /* A peak is taken, but the word doesn't age. */
    resil__ewma_observe(&word, 60 * MS, START - 5 * SEC, DECAY);
    assert_in_range(read_at(word, START), 60 * MS - 2, 60 * MS);
}

static void a_clock_far_behind_or_ahead_leaves_nothing_stuck(void **state)
{
    static const uint64_t jumps[] = {START - 11 * SEC, 0, START + 200000 * SEC, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        uint64_t word = heard(50 * MS);

        assert_int_equal(read_at(word, jumps[i]), RESIL__EWMA_MIN_NS);
        resil__ewma_observe(&word, 3 * MS, jumps[i], DECAY);
        assert_in_range(read_at(word, jumps[i]), 3 * MS - 1, 3 * MS);
        resil__ewma_observe(&word, 9 * MS, jumps[i], DECAY);
        assert_in_range(read_at(word, jumps[i]), 9 * MS - 1, 9 * MS);
    }
}

static void a_clock_that_stands_still_keeps_the_peak(void **state)
{
    uint64_t word = heard(5 * MS);

    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        resil__ewma_observe(&word, i * 10000, START, DECAY);
    assert_in_range(read_at(word, START), 9989999, 9990000);
}

static void any_decay_is_brought_into_its_range(void **state)
{
    static const uint64_t decays[] = {0, 1, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof decays / sizeof *decays; i++) {
        uint64_t word = 0;

        resil__ewma_observe(&word, 5 * MS, START, decays[i]);
        assert_in_range(resil__ewma_read(word, START, decays[i], FIRST), 5 * MS - 1, 5 * MS);
    }
}

static void a_failure_costs_what_it_could_have_taken(void **state)
{
    uint64_t word = heard(100 * MS);

    (void)state;
    assert_in_range(resil__ewma_penalty(word, MS, 0, FIRST), 200 * MS - 10, 200 * MS);
    assert_int_equal(resil__ewma_penalty(word, MS, 500 * MS, FIRST), 500 * MS);
    assert_int_equal(resil__ewma_penalty(word, 900 * MS, 500 * MS, FIRST), 900 * MS);
    assert_int_equal(resil__ewma_penalty(0, MS, 0, FIRST), 2 * FIRST);
    assert_int_equal(resil__ewma_penalty(0, UINT64_MAX, 0, FIRST), RESIL__EWMA_PENALTY_MAX_NS);
    assert_int_equal(resil__ewma_penalty(heard(40 * SEC), 0, 0, FIRST), RESIL__EWMA_PENALTY_MAX_NS);
    assert_int_equal(resil__ewma_penalty(0, 0, 0, UINT64_MAX), RESIL__EWMA_PENALTY_MAX_NS);
}

/* A host that fails at once every time ends at the ceiling, not at nothing. */
static void failing_fast_never_looks_fast(void **state)
{
    uint64_t word = heard(MS);

    (void)state;
    for (uint64_t i = 0; i < 20; i++)
        resil__ewma_observe(&word, resil__ewma_penalty(word, 1000, 0, FIRST), START + i, DECAY);
    assert_true(read_at(word, START) > 29 * SEC);
}

/* Random samples at random times against doubles. Times are whole steps, so that only the
   arithmetic differs: the model falls by a decay that is up to 0.6 % shorter, and gap is how far
   apart that can have brought them since the last peak. */
static void the_word_follows_a_model_in_doubles(void **state)
{
    uint64_t seed = test_seed(3);
    struct resil__ewma_scale scale = resil__ewma_scale(DECAY);
    uint64_t now_ns = START >> scale.shift << scale.shift;
    uint64_t word = 0;
    double model = 0;
    double gap = 0;
    double steps = (double)DECAY / (double)(UINT64_C(1) << scale.shift);

    (void)state;
    for (int i = 0; i < 300000; i++) {
        uint64_t passed =
            test_below(&seed, 4) == 0 ? test_below(&seed, 20000) : test_below(&seed, 9);
        uint64_t sample = MS + test_below(&seed, (uint64_t)1 << (10 + test_below(&seed, 23)));
        double sampled = (double)sample;

        now_ns += passed << scale.shift;
        resil__ewma_observe(&word, sample, now_ns, DECAY);
        if (i == 0 || sampled > model + gap) {
            model = sampled;
            gap = 2 + model * 1e-7;
        } else if (sampled > model) {
            gap += sampled - model; /* a peak to one of them, maybe */
            model = sampled;
        } else if (passed > 0) {
            double rest = decayed((double)passed / steps);

            gap = gap * rest +
                  (model - sampled) * (0.006 * (1 - rest) < 2e-5 ? 0.006 * (1 - rest) : 2e-5) +
                  model * 1e-7 + 0.01;
            model = sampled + (model - sampled) * rest;
        }
        assert_true(apart((double)read_at(word, now_ns), model) < gap + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_keeps_its_stated_error),
        cmocka_unit_test(a_word_never_heard_of_reads_as_the_first_latency),
        cmocka_unit_test(the_first_sample_is_the_average),
        cmocka_unit_test(a_sample_above_replaces),
        cmocka_unit_test(a_sample_below_is_averaged_in_by_the_time_passed),
        cmocka_unit_test(reads_fade_while_nobody_asks),
        cmocka_unit_test(no_latency_overflows),
        cmocka_unit_test(high_rates_are_averaged_like_low_ones),
        cmocka_unit_test(small_differences_are_not_rounded_away),
        cmocka_unit_test(a_clock_a_little_behind_counts_as_now),
        cmocka_unit_test(a_clock_far_behind_or_ahead_leaves_nothing_stuck),
        cmocka_unit_test(a_clock_that_stands_still_keeps_the_peak),
        cmocka_unit_test(any_decay_is_brought_into_its_range),
        cmocka_unit_test(a_failure_costs_what_it_could_have_taken),
        cmocka_unit_test(failing_fast_never_looks_fast),
        cmocka_unit_test(the_word_follows_a_model_in_doubles),
    };

    return cmocka_run_group_tests_name("ewma", tests, NULL, NULL);
}
