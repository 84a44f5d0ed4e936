/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A canary against the two tests of resil/canary.h in long doubles and the steps in plain words:
 * calls of both arms come in, time passes and steps back, counters start anew, and it is judged at
 * any pace. Where a double can't tell on which side of a bound an arm lies, either verdict is right.
 * Besides: a key that is the canary's stays so while the share grows, and the canary gets its share.
 */
#include "shrink.h"

#include <math.h>

#include "balancer/canary.h"

#define OPERATIONS MODEL_OPERATIONS(1000000, 200000)

/* What came in since the step began. */
struct arm {
    uint64_t calls, bad, latency_ns;
};

static struct bench {
    uint64_t random, seed, operation;
    struct resil_canary_config config;
    struct resil__canary_rules rules;
    struct resil__canary_state state;
    struct resil__arm_stat baseline, canary;     /* as told */
    struct arm of_baseline, of_canary;           /* the model's, from here on */
    uint64_t shares[RESIL_CANARY_STEPS_MAX + 1]; /* the start and the steps */
    size_t last, at;
    uint64_t bad_pct[2], mean_ns[2]; /* how the arms do */
    uint64_t since_ns, now_ns;
    uint64_t looked; /* calls of the canary at the last look */
    bool begun, over, back, reset;
    bool ended; /* a step, by the last judgement */
} bench;

/* Of all keys asked: how many were the canary's, and how many that should be, in 1/10000. */
static struct {
    uint64_t keys, chosen, share_bp;
} sum;

/* The control: what counts as a deviation. */
static long double narrow = 1;

static uint64_t below(uint64_t bound)
{
    return test_below(&bench.random, bound);
}

static void restart(void)
{
    bench.state = (struct resil__canary_state){.step = 0};
    bench.at = 0;
    bench.begun = bench.over = bench.back = false;
}

/* How the arms do from now on: often alike, at times one of them worse. */
static void fare(void)
{
    uint64_t which = below(2);

    bench.bad_pct[0] = bench.bad_pct[1] = below(2) == 0 ? below(10) : below(80);
    bench.mean_ns[0] = bench.mean_ns[1] = 1 + below(RESIL_MS(20));
    switch (below(6)) {
    case 0:
        bench.bad_pct[which] = below(101);
        break;
    case 1:
        bench.mean_ns[which] = 1 + below(RESIL_MS(60));
        break;
    case 2:
        bench.mean_ns[which] = below(8) == 0 ? 0 : 1 + below(RESIL_SEC(100));
        break;
    default:
        break;
    }
}

/* One after the other: in an initialiser the order of draws is the compiler's. */
static void configure(void)
{
    struct resil_canary_config *config = &bench.config;
    uint64_t steps = below(RESIL_CANARY_STEPS_MAX + 1);

    memset(config, 0, sizeof *config);
    if (below(32) != 0)
        config->version = below(2) == 0 ? "2" : "3";
    config->weight_bp = 1 + below(500);
    config->step_ns = RESIL_SEC(1) + below(RESIL_SEC(20));
    config->min_calls = 10 + below(below(4) == 0 ? 2000 : 90);
    config->failure_margin_pct = below(4) == 0 ? 0 : 1 + below(30);
    config->latency_margin_pct = below(4) == 0 ? 0 : 1 + below(300);
    if (below(8) == 0)
        config->failure_margin_pct = RESIL_OFF;
    else if (below(8) == 0)
        config->latency_margin_pct = RESIL_OFF;
    bench.shares[0] = config->weight_bp;
    for (bench.last = 0; bench.last < steps && bench.shares[bench.last] < 10000; bench.last++) {
        uint64_t left = 10000 - bench.shares[bench.last];

        bench.shares[bench.last + 1] =
            bench.shares[bench.last] + (below(4) == 0 ? left : 1 + below(left));
        config->steps_bp[bench.last] = bench.shares[bench.last + 1];
    }
    MODEL_CHECK(&bench, resil_canary_config_check(config, NULL, 0) == RESIL_OK);
    bench.rules = resil__canary_rules(config);
    restart();
    fare();
}

static void begin(void)
{
    bench = (struct bench){.random = bench.random, .now_ns = RESIL_SEC(1000)};
    configure();
}

static void come_in(struct resil__arm_stat *stat, struct arm *arm, unsigned which, uint64_t calls)
{
    uint64_t mean_ns = bench.mean_ns[which];
    uint64_t bad = calls * bench.bad_pct[which] / 100, latency_ns = calls * (mean_ns / 2);

    if (bad < calls)
        bad += below(2);
    if (mean_ns > 0)
        latency_ns += below(calls * mean_ns + 1);
    stat->total += calls;
    stat->bad += bad;
    stat->latency_ns += latency_ns;
    *arm = (struct arm){arm->calls + calls, arm->bad + bad, arm->latency_ns + latency_ns};
}

/* A counter that began anew: what came in since the step began is forgotten, or it is told from the
   step's own. */
static void fall(uint64_t *told, uint64_t *since)
{
    if (*told > *since)
        bench.reset = true;
    else
        *since = 0;
    *told = 0;
}

/* A list was replaced: all three begin anew, or what was bad and slow alone. */
static void forget(struct resil__arm_stat *stat, struct arm *arm)
{
    uint64_t what = below(3);

    if (what == 0)
        fall(&stat->total, &arm->calls);
    if (what <= 1)
        fall(&stat->bad, &arm->bad);
    if (what != 1)
        fall(&stat->latency_ns, &arm->latency_ns);
}

static uint64_t mean_of(const struct arm *arm)
{
    return arm->calls == 0 ? 0 : arm->latency_ns / arm->calls;
}

/* -1 = can't say. */
static int beyond(long double excess, long double deviation, long double unsure)
{
    long double bound = 3 * narrow * deviation;

    if (fabsl(excess - bound) < unsure || (fabsl(excess) < unsure && bound < unsure))
        return -1;
    return excess > 0 && excess >= bound;
}

static int fails_more(void)
{
    const struct arm *b = &bench.of_baseline, *c = &bench.of_canary;
    uint64_t margin = bench.config.failure_margin_pct;
    long double of_b = (long double)(b->bad + 1) / (long double)(b->calls + 2);
    long double of_c = (long double)(c->bad + 1) / (long double)(c->calls + 2);

    if (margin == RESIL_OFF)
        return 0;
    return beyond(of_c - of_b - (long double)(margin == 0 ? 1 : margin) / 100,
                  sqrtl(of_c * (1 - of_c) / (long double)(c->calls + 2) +
                        of_b * (1 - of_b) / (long double)(b->calls + 2)),
                  1e-7L);
}

static int is_slower(void)
{
    const struct arm *b = &bench.of_baseline, *c = &bench.of_canary;
    uint64_t margin = bench.config.latency_margin_pct;
    long double of_b = (long double)(mean_of(b) > 0 ? mean_of(b) : 1);
    long double ratio = (long double)mean_of(c) / of_b;

    if (margin == RESIL_OFF)
        return 0;
    return beyond((ratio < 1000 ? ratio : 1000) - 1 -
                      (long double)(margin == 0 ? 50 : margin) / 100,
                  2 * sqrtl(1 / (long double)c->calls + 1 / (long double)b->calls), 1e-4L);
}

static void begin_step(void)
{
    bench.begun = true;
    bench.since_ns = bench.now_ns;
    bench.looked = 0;
    bench.of_baseline = bench.of_canary = (struct arm){0};
}

/* How often so many calls have reached min_calls, twice that, four times that ... */
static unsigned marks(uint64_t calls)
{
    unsigned passed = 0;

    for (uint64_t mark = bench.rules.min_calls; mark <= calls; mark *= 2)
        passed++;
    return passed;
}

/* What the verdict may be, two of them where a double can't tell. */
static void expected(enum resil_canary_event *one, enum resil_canary_event *other)
{
    uint64_t least = bench.rules.min_calls;
    int fails, slower;
    bool due;

    *one = *other = RESIL_CANARY_HOLD;
    bench.ended = false;
    if (bench.config.version == NULL || bench.over)
        return;
    if (!bench.begun || bench.reset) {
        begin_step();
        return;
    }
    if (bench.now_ns < bench.since_ns)
        bench.since_ns = bench.now_ns;
    due = bench.now_ns - bench.since_ns >= bench.config.step_ns;
    if (bench.of_baseline.calls < least || bench.of_canary.calls < least ||
        (!due && marks(bench.of_canary.calls) <= marks(bench.looked)))
        return;
    bench.looked = bench.of_canary.calls;
    bench.ended = due;
    fails = fails_more();
    slower = is_slower();
    if (due && bench.at < bench.last)
        *one = bench.shares[bench.at + 1] == 10000 ? RESIL_CANARY_FINISH : RESIL_CANARY_PROMOTE;
    *other = *one;
    if (slower != 0)
        *one = RESIL_CANARY_LATENCY;
    if (slower > 0)
        *other = *one;
    if (fails != 0)
        *one = RESIL_CANARY_FAILURES;
    if (fails > 0)
        *other = *one;
}

static void check_numbers(enum resil_canary_event event)
{
    const struct resil_canary_numbers *numbers = &bench.state.numbers;

    MODEL_CHECK(&bench, bench.state.last == event);
    MODEL_CHECK(&bench, numbers->weight_bp == bench.shares[bench.at]);
    MODEL_CHECK(&bench, numbers->canary_calls == bench.of_canary.calls);
    MODEL_CHECK(&bench, numbers->canary_bad == bench.of_canary.bad);
    MODEL_CHECK(&bench, numbers->canary_mean_ns == mean_of(&bench.of_canary));
    MODEL_CHECK(&bench, numbers->baseline_calls == bench.of_baseline.calls);
    MODEL_CHECK(&bench, numbers->baseline_bad == bench.of_baseline.bad);
    MODEL_CHECK(&bench, numbers->baseline_mean_ns == mean_of(&bench.of_baseline));
}

static void judge(void)
{
    enum resil_canary_event one, other, event;

    event = resil__canary_judge(&bench.rules, &bench.state, &bench.baseline, &bench.canary,
                                bench.now_ns);
    expected(&one, &other);
    /* Of three in a row the middle one, too, where neither test can tell. */
    MODEL_CHECK(&bench, event == one || event == other ||
                            (one == RESIL_CANARY_FAILURES && other != one &&
                             event == RESIL_CANARY_LATENCY && is_slower() != 0));
    bench.reset = false;
    if (event != RESIL_CANARY_HOLD)
        check_numbers(event);
    switch (event) {
    case RESIL_CANARY_FAILURES:
    case RESIL_CANARY_LATENCY:
        bench.over = bench.back = true;
        break;
    case RESIL_CANARY_PROMOTE:
    case RESIL_CANARY_FINISH:
        bench.at++;
        bench.over = event == RESIL_CANARY_FINISH;
        begin_step();
        break;
    case RESIL_CANARY_HOLD:
    default:
        if (bench.ended)
            begin_step();
    }
}

static void choose(void)
{
    uint64_t key = test_random(&bench.random), low = below(10001), high = low + below(10001 - low);
    bool chosen = resil__canary_choose(bench.rules.salt, low, key);

    MODEL_CHECK(&bench, !chosen || resil__canary_choose(bench.rules.salt, high, key));
    MODEL_CHECK(&bench, chosen == resil__canary_choose(bench.rules.salt, low, key));
    MODEL_CHECK(&bench, !resil__canary_choose(bench.rules.salt, 0, key));
    MODEL_CHECK(&bench, resil__canary_choose(bench.rules.salt, 10000, key));
    sum.keys++;
    sum.chosen += chosen;
    sum.share_bp += low;
}

static void step(void)
{
    switch (below(32)) {
    case 0:
        if (below(20) == 0)
            configure();
        break;
    case 1:
        fare();
        break;
    case 2:
        if (below(16) == 0)
            restart();
        break;
    case 3:
        if (below(8) != 0)
            break;
        if (below(2) == 0)
            forget(&bench.baseline, &bench.of_baseline);
        else
            forget(&bench.canary, &bench.of_canary);
        break;
    case 4:
        bench.now_ns -= below(RESIL_SEC(4));
        break;
    case 5:
        choose();
        break;
    default:
        if (bench.over && below(8) == 0)
            restart();
        come_in(&bench.baseline, &bench.of_baseline, 0, below(800));
        come_in(&bench.canary, &bench.of_canary, 1, below(below(8) == 0 ? 2000 : 80));
        bench.now_ns += below(RESIL_SEC(1));
    }
    judge();
    MODEL_CHECK(&bench,
                resil__canary_weight(&bench.rules, &bench.state) ==
                    (bench.config.version == NULL || bench.back ? 0 : bench.shares[bench.at]));
}

static const struct model_subject model = {begin, step, &bench.random};

static void a_canary_agrees_with_its_definition(void **state)
{
    long double expected_keys, deviation;

    (void)state;
    sum.keys = sum.chosen = sum.share_bp = 0;
    model_run(&model, test_seed(7), OPERATIONS);
    if (getenv("RESIL_OPERATIONS") != NULL)
        return;
    /* Five deviations of a fair coin, the widest. */
    expected_keys = (long double)sum.share_bp / 10000;
    deviation = sqrtl((long double)sum.keys) / 2;
    assert_true(sum.keys > 1000);
    assert_true(fabsl((long double)sum.chosen - expected_keys) < 5 * deviation);
}

static void narrower_deviations_are_found(void **state)
{
    (void)state;
    narrow = 0.9L;
    model_finds(&model, 3, OPERATIONS, 12, "deviations a tenth narrower");
    narrow = 1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_canary_agrees_with_its_definition),
        cmocka_unit_test(narrower_deviations_are_found),
    };

    return cmocka_run_group_tests_name("canary model", tests, NULL, NULL);
}
