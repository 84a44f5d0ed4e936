/* SPDX-License-Identifier: BSD-2-Clause */
#include "shrink.h"

#include <resil/backoff.h>

#define OPERATIONS 1000000

/* The bounds of a delay, by the formulas of the header in floating point. */
struct range {
    long double low;
    long double high;
};

static struct range model(const struct resil_backoff_config *config, uint64_t retry,
                          uint64_t previous_ns)
{
    long double top = (long double)config->base_ns;
    long double cap = (long double)config->cap_ns;

    if (config->jitter == RESIL_JITTER_DECORRELATED) {
        top = 3 * (long double)(previous_ns > config->base_ns ? previous_ns : config->base_ns);
        top = top < cap ? top : cap;
        return (struct range){
            (long double)config->base_ns < top / 2 ? (long double)config->base_ns : top / 2, top};
    }
    if (config->kind == RESIL_BACKOFF_LINEAR)
        top *= (long double)retry;
    else if (config->kind == RESIL_BACKOFF_EXPONENTIAL)
        for (uint64_t i = 1; i < retry && top < cap; i++)
            top *= (long double)config->factor_pct / 100;
    top = top < cap ? top : cap;
    if (config->jitter == RESIL_JITTER_FULL)
        return (struct range){0, top};
    return (struct range){config->jitter == RESIL_JITTER_EQUAL ? top / 2 : top, top};
}

static struct {
    uint64_t random, seed, operation;
} bench;

/* The control: a formula that grows faster, in parts of a million. */
static uint64_t too_fast;

/* Truncation may cost a ns and, growing from a base of few ns, a part in 4,000; nothing may come on
   top. */
static bool is_close(uint64_t actual, long double expected)
{
    return (long double)actual <= expected + 1e-6L * expected &&
           (long double)actual >= expected - expected / 4000 - 1;
}

static void begin(void)
{
}

static void step(void)
{
    uint64_t *seed = &bench.random;
    uint64_t cap = 1 + test_below(seed, RESIL_SEC(86400) >> test_below(seed, 46));
    struct resil_backoff_config config = {.kind = (enum resil_backoff_kind)test_below(seed, 3),
                                          .jitter = (enum resil_backoff_jitter)test_below(seed, 4),
                                          .base_ns =
                                              1 + (test_below(seed, cap) >> test_below(seed, 46)),
                                          .cap_ns = cap,
                                          .factor_pct = 110 + test_below(seed, 891)};
    uint64_t retry = 1 + test_below(seed, 40);
    uint64_t previous = test_below(seed, cap + 1);
    uint64_t random = test_random(seed);
    struct range range = model(&config, retry, previous);
    uint64_t low = resil_backoff_next(&config, retry, previous, 0);
    uint64_t high = resil_backoff_next(&config, retry, previous, UINT64_MAX);
    uint64_t drawn = resil_backoff_next(&config, retry, previous, random);

    range.high += range.high * (long double)too_fast / 1000000;
    MODEL_CHECK(&bench, is_close(low, range.low));
    MODEL_CHECK(&bench, is_close(high, range.high));
    MODEL_CHECK(&bench, drawn >= low && drawn <= high && high <= cap);
    /* The same part of the range as random is of 2^64. */
    MODEL_CHECK(&bench, is_close(drawn - low, (long double)random / 18446744073709551616.0L *
                                                  ((long double)(high - low) + 1)));
}

static const struct model_subject subject = {begin, step, &bench.random};

static void backoff_agrees_with_its_formulas(void **state)
{
    (void)state;
    model_run(&subject, test_seed(2026), OPERATIONS);
}

static void a_faster_formula_is_found(void **state)
{
    (void)state;
    too_fast = 1000;
    model_finds(&subject, 2026, OPERATIONS, 1, "a delay that is 0.1 % longer");
    too_fast = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backoff_agrees_with_its_formulas),
        cmocka_unit_test(a_faster_formula_is_found),
    };

    return cmocka_run_group_tests_name("model_backoff", tests, NULL, NULL);
}
