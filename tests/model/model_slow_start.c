/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Slow start against its formula in long doubles, at the ages of endpoints that grow older under
 * windows of all sizes and shapes: the factor is the greatest step of 1/256 that the curve has
 * reached, never less than the least share, never less than it was, and whole at the end. Where a
 * double can't tell on which side of a step the curve is, either is right.
 */
#include "shrink.h"

#include <math.h>

#include "balancer/slow_start.h"

#define OPERATIONS MODEL_OPERATIONS(1000000, 200000)

static struct bench {
    uint64_t random, seed, operation;
    struct resil_slow_start_config config;
    struct resil__slow_start_rules rules;
    uint64_t age_ns;
    uint32_t before; /* the factor when it was younger */
} bench;

/* The control: a window that is longer, in percent. */
static uint64_t too_long;

static uint64_t below(uint64_t bound)
{
    return test_below(&bench.random, bound);
}

static void configure(void)
{
    struct resil_slow_start_config *config = &bench.config;

    config->window_ns = RESIL_SEC(1) / (1 + below(1000));
    config->window_ns *= 1 + below(80000);
    config->aggression_pct = below(4) == 0 ? 0 : 10 + below(991);
    config->min_pct = below(3) == 0 ? RESIL_OFF : below(101);
    if (below(16) == 0)
        config->window_ns = RESIL_OFF;
    MODEL_CHECK(&bench, resil_slow_start_config_check(config, NULL, 0) == RESIL_OK);
    bench.rules = resil__slow_start_rules(config);
    bench.age_ns = 0;
    bench.before = 0;
}

static void begin(void)
{
    configure();
}

/* The least factor allowed: the first step that is not below the share. */
static uint64_t least(void)
{
    uint64_t pct = bench.config.min_pct == 0 ? 10 : bench.config.min_pct, factor = 1;

    while (bench.config.min_pct != RESIL_OFF && factor * 100 < pct * 256)
        factor++;
    return factor;
}

/* How far the curve has come, in 1/256. The first nanosecond counts as over. */
static long double curve(void)
{
    long double aggression =
        bench.config.aggression_pct == 0 ? 100 : (long double)bench.config.aggression_pct;
    long double window = (long double)bench.config.window_ns * (long double)(100 + too_long) / 100;

    return 256 *
           powl((long double)(bench.age_ns > 0 ? bench.age_ns : 1) / window, 100 / aggression);
}

static void check(uint32_t factor)
{
    long double reached = curve();

    MODEL_CHECK(&bench, factor >= bench.before && factor <= 256);
    MODEL_CHECK(&bench, factor >= least());
    if (bench.config.window_ns == RESIL_OFF || bench.age_ns >= bench.config.window_ns) {
        MODEL_CHECK(&bench, factor == 256);
        return;
    }
    MODEL_CHECK(&bench, factor == least() || factor <= reached + 1e-4L);
    MODEL_CHECK(&bench, factor + 1 > reached - 1e-4L);
}

static void step(void)
{
    uint64_t window_ns = bench.config.window_ns == RESIL_OFF ? 1000 : bench.config.window_ns;
    uint32_t factor;

    if (below(16) == 0)
        configure();
    switch (below(4)) {
    case 0:
        bench.age_ns += below(3); /* neighbours */
        break;
    case 1:
        bench.age_ns += bench.age_ns < window_ns ? below(window_ns - bench.age_ns) : 1;
        break;
    default:
        bench.age_ns += below(window_ns / 24);
    }
    factor = resil__slow_start_weight(&bench.rules, bench.age_ns);
    check(factor);
    bench.before = factor;
}

static const struct model_subject model = {begin, step, &bench.random};

static void slow_start_agrees_with_its_formula(void **state)
{
    (void)state;
    model_run(&model, test_seed(256), OPERATIONS);
}

static void a_longer_window_is_found(void **state)
{
    (void)state;
    too_long = 1;
    model_finds(&model, 256, OPERATIONS, 8, "a window 1 % longer");
    too_long = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_start_agrees_with_its_formula),
        cmocka_unit_test(a_longer_window_is_found),
    };

    return cmocka_run_group_tests_name("slow_start model", tests, NULL, NULL);
}
