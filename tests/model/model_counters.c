/* SPDX-License-Identifier: BSD-2-Clause */

/* The counters against a struct of plain numbers. */
#include "shrink.h"

#include <resil/counters.h>

#define OPERATIONS MODEL_OPERATIONS(1000000, 200000)

static struct bench {
    uint64_t random, seed, operation;
    RESIL_COUNTERS(4) set;
    struct resil_counters_sum sum;
} bench;

/* The control: buckets that end 1 ns later. */
static uint64_t too_wide_ns;

static void begin(void)
{
    uint64_t random = bench.random;

    memset(&bench, 0, sizeof bench);
    bench.random = random;
    assert_int_equal(resil_counters_init(&bench.set.counters, sizeof bench.set, 4), RESIL_OK);
}

/* The first bucket whose bound is above, by doubling. */
static unsigned bucket_of(uint64_t ns)
{
    unsigned bucket = 0;

    for (uint64_t below = 1024; bucket < RESIL_COUNTERS_BUCKETS - 1 && ns >= below + too_wide_ns;
         below *= 2)
        bucket++;
    return bucket;
}

static void count(const struct resil_report *report)
{
    struct resil_counters_sum *sum = &bench.sum;
    bool is_known = (unsigned)report->outcome < RESIL_OUTCOMES;

    sum->outcomes[is_known ? report->outcome : RESIL_NONE]++;
    if (report->status <= -100) {
        int kind = -100 - report->status;

        sum->refusals[kind < RESIL_COUNTERS_REFUSALS ? kind : RESIL_COUNTERS_REFUSALS - 1]++;
        if (report->decided_level < RESIL_POLICIES_MAX)
            sum->refusals_by_level[report->decided_level]++;
    }
    if (report->attempts > 1)
        sum->attempts_more += report->attempts - 1;
    if (report->elapsed_ns != 0) {
        sum->latencies[bucket_of(report->elapsed_ns)]++;
        sum->latency_ns_total += report->elapsed_ns;
    }
}

static void report(void)
{
    static const int statuses[] = {
        RESIL_OK, RESIL_OK, RESIL_EFAILED, RESIL_EOPEN, RESIL_EFULL, RESIL_EDEADLINE,
        -99,      -100,     -115,          -116,        -190,        INT32_MIN};
    uint64_t ns = test_random(&bench.random) >> test_below(&bench.random, 64);
    struct resil_report report = {
        .status = statuses[test_below(&bench.random, 12)],
        .outcome = (enum resil_outcome)test_below(&bench.random, RESIL_OUTCOMES + 2),
        .decided_level = test_below(&bench.random, 4) == 0
                             ? UINT32_MAX
                             : (uint32_t)test_below(&bench.random, RESIL_POLICIES_MAX + 2),
        .attempts = (uint32_t)test_below(&bench.random, 5),
        .elapsed_ns = test_below(&bench.random, 3) == 0 ? 0 : ns,
    };

    /* At the edges of the buckets. */
    if (test_below(&bench.random, 4) == 0)
        report.elapsed_ns =
            (UINT64_C(1) << test_below(&bench.random, 45)) - test_below(&bench.random, 2);
    MODEL_CHECK(&bench, resil_counters_report(&bench.set.counters, &report) == RESIL_OK);
    count(&report);
}

static void step(void)
{
    unsigned own = (unsigned)test_below(&bench.random, RESIL_COUNTERS_OWN + 1);
    uint64_t more = test_random(&bench.random) >> test_below(&bench.random, 64);
    struct resil_counters_sum sum;

    if (test_below(&bench.random, 8) != 0) {
        report();
    } else if (own == RESIL_COUNTERS_OWN) {
        MODEL_CHECK(&bench, resil_counters_add(&bench.set.counters, own, more) == RESIL_EINVAL);
    } else {
        MODEL_CHECK(&bench, resil_counters_add(&bench.set.counters, own, more) == RESIL_OK);
        bench.sum.own[own] += more;
    }
    MODEL_CHECK(&bench, resil_counters_sum(&bench.set.counters, &sum) == RESIL_OK);
    MODEL_CHECK(&bench, memcmp(&sum, &bench.sum, sizeof sum) == 0);
}

static const struct model_subject model = {begin, step, &bench.random};

static void counters_agree_with_plain_numbers(void **state)
{
    (void)state;
    model_run(&model, test_seed(77), OPERATIONS);
}

static void wider_buckets_are_found(void **state)
{
    (void)state;
    too_wide_ns = 1;
    model_finds(&model, 77, OPERATIONS, 1, "buckets that end 1 ns later");
    too_wide_ns = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_agree_with_plain_numbers),
        cmocka_unit_test(wider_buckets_are_found),
    };

    return cmocka_run_group_tests_name("counters model", tests, NULL, NULL);
}
