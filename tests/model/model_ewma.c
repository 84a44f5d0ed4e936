/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The moving latency against its formula in long doubles, as the two ends of what the stated errors
 * allow: the exponential may be 2e-5, or 0.6 % of what it falls by, above the true one, and the word
 * keeps 26 bits. Samples and reads come at any pace, from threads that stalled and under clocks that
 * step back or ahead, with decays and latencies of all sizes.
 */
#include "shrink.h"

#include <math.h>

#include <resil/common.h>

#include "balancer/ewma.h"

#define OPERATIONS MODEL_OPERATIONS(1000000, 200000)

/* What the word loses of a latency. */
#define KEPT (1 - 1.0L / (1 << 25))

static struct bench {
    uint64_t random, seed, operation;
    uint64_t word;
    uint64_t decay_ns; /* as told, and as it counts */
    uint64_t decays_ns;
    uint64_t step_ns; /* of its clock */
    uint64_t first_ns;
    bool heard;
    long double least, most; /* the average is between them */
    uint64_t stamp_ns, now_ns;
} bench;

/* The control: a decay that is longer, in percent. */
static uint64_t too_long;

static uint64_t below(uint64_t bound)
{
    return test_below(&bench.random, bound);
}

/* A number whose size is drawn first. */
static uint64_t any(unsigned bits)
{
    return test_random(&bench.random) >> (63 - below(bits));
}

static void renew(void)
{
    uint64_t random = bench.random;

    bench = (struct bench){.random = random};
    bench.decay_ns = below(4) == 0 ? RESIL_SEC(10) : any(43);
    bench.decays_ns = bench.decay_ns;
    if (bench.decays_ns < RESIL_MS(1))
        bench.decays_ns = RESIL_MS(1);
    if (bench.decays_ns > RESIL_SEC(3600))
        bench.decays_ns = RESIL_SEC(3600);
    for (bench.step_ns = 1; bench.step_ns * 2 * 4096 <= bench.decays_ns;)
        bench.step_ns *= 2;
    bench.first_ns = any(36);
    bench.now_ns = any(60);
}

static void begin(void)
{
    renew();
}

/* Whether the clock is so far behind the stamp that it counts as set back. */
static bool set_back(void)
{
    return bench.stamp_ns > bench.now_ns && bench.stamp_ns - bench.now_ns > bench.decays_ns;
}

/* Nowhere near 2^32 steps off, where a stamp reads as fresh (the header says so), nor where it depends
   on the rounding whether a stamp is a decay ahead. */
static void keep_apart(void)
{
    uint64_t far_ns = bench.step_ns << 31, stamp_ns = bench.stamp_ns;

    if (bench.now_ns > stamp_ns && bench.now_ns - stamp_ns > far_ns)
        bench.now_ns = stamp_ns + far_ns + below(far_ns / 2);
    if (bench.now_ns < stamp_ns && stamp_ns - bench.now_ns > far_ns)
        bench.now_ns = stamp_ns - far_ns;
    if (set_back() && stamp_ns - bench.now_ns <= bench.decays_ns + 2 * bench.step_ns)
        bench.now_ns = stamp_ns - bench.decays_ns;
}

/* Another time. */
static void move(void)
{
    switch (below(32)) {
    case 0:
        bench.now_ns += below(8) == 0 ? any(60) : below(bench.decays_ns * 4);
        break;
    case 1: /* a thread stalled */
        bench.now_ns -=
            below((bench.decays_ns < bench.now_ns ? bench.decays_ns : bench.now_ns) + 1);
        break;
    case 2: /* the clock stepped back */
        bench.now_ns -= below(bench.now_ns + 1);
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        bench.now_ns += below(bench.decays_ns / 16);
        break;
    case 7:
    case 8:
        break;
    default:
        bench.now_ns += below(bench.step_ns * 3);
    }
    if (bench.heard)
        keep_apart();
}

/* Steps since the stamp; UINT64_MAX = long ago. */
static uint64_t elapsed(void)
{
    if (bench.now_ns >= bench.stamp_ns)
        return bench.now_ns / bench.step_ns - bench.stamp_ns / bench.step_ns;
    return set_back() ? UINT64_MAX : 0;
}

/* What is left of a latency, at least and at most. */
static long double left_least(uint64_t steps)
{
    long double decay = (long double)bench.decays_ns * (long double)(100 + too_long) / 100;

    if (steps == 0)
        return 1;
    return steps == UINT64_MAX ? 0 : expl(-(long double)steps * (long double)bench.step_ns / decay);
}

static long double left_most(uint64_t steps)
{
    long double left = left_least(steps), slow = 0.006L * (1 - left);

    return left + (slow < 2e-5L ? slow : 2e-5L);
}

static long double above(long double a, long double b)
{
    return a > b ? a : b;
}

static void observe(void)
{
    uint64_t latency_ns = below(64) == 0 ? below(2) * UINT64_MAX : any(38), steps = elapsed();
    long double sample = (long double)latency_ns;

    if (below(2) == 0 && bench.heard) /* near what it is */
        sample = (long double)(latency_ns = (uint64_t)(bench.most * (long double)below(200) / 100));
    sample = sample < 1 ? 1 : sample > 60e9L ? 60e9L : sample;
    resil__ewma_observe(&bench.word, latency_ns, bench.now_ns, bench.decay_ns);
    MODEL_CHECK(&bench, bench.word != 0);
    if (!bench.heard) {
        bench.least = bench.most = sample;
    } else if (steps == 0) {
        bench.least = above(bench.least, sample);
        bench.most = above(bench.most, sample);
    } else {
        bench.least = sample + above(bench.least - sample, 0) * (left_least(steps) - 2e-9L);
        bench.most = sample + above(bench.most - sample, 0) * (left_most(steps) + 2e-9L);
    }
    bench.least *= KEPT;
    if (!bench.heard || steps > 0)
        bench.stamp_ns = bench.now_ns;
    bench.heard = true;
}

static void check(void)
{
    uint64_t ns = resil__ewma_read(bench.word, bench.now_ns, bench.decay_ns, bench.first_ns);
    uint64_t steps = elapsed();

    if (!bench.heard) {
        MODEL_CHECK(&bench, ns == bench.first_ns);
        return;
    }
    MODEL_CHECK(&bench, ns >= 1000);
    MODEL_CHECK(&bench, (long double)ns > bench.least * (left_least(steps) - 2e-9L) - 1);
    MODEL_CHECK(&bench, ns == 1000 || (long double)ns <= bench.most * (left_most(steps) + 2e-9L));
}

static void check_penalty(void)
{
    uint64_t latency_ns = any(40), timeout_ns = below(2) * any(40);
    uint64_t ns = resil__ewma_penalty(bench.word, latency_ns, timeout_ns, bench.first_ns);
    long double least = above((long double)latency_ns, (long double)timeout_ns), most = least;

    least = above(least, 2 * (bench.heard ? bench.least - 1 : (long double)bench.first_ns));
    most = above(most, 2 * (bench.heard ? bench.most : (long double)bench.first_ns));
    MODEL_CHECK(&bench, ns <= RESIL_SEC(30) && (long double)ns <= most);
    MODEL_CHECK(&bench, ns == RESIL_SEC(30) || (long double)ns >= least);
}

static void step(void)
{
    if (below(400) == 0)
        renew();
    move();
    switch (below(8)) {
    case 0:
        check_penalty();
        break;
    case 1:
    case 2:
        break;
    default:
        observe();
    }
    check();
}

static const struct model_subject model = {begin, step, &bench.random};

static void the_average_agrees_with_its_formula(void **state)
{
    (void)state;
    model_run(&model, test_seed(10), OPERATIONS);
}

static void a_longer_decay_is_found(void **state)
{
    (void)state;
    too_long = 2;
    model_finds(&model, 10, OPERATIONS, 6, "a decay 2 % longer");
    too_long = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_average_agrees_with_its_formula),
        cmocka_unit_test(a_longer_decay_is_found),
    };

    return cmocka_run_group_tests_name("ewma model", tests, NULL, NULL);
}
