/* SPDX-License-Identifier: BSD-2-Clause */

/* The counters under every interleaving: nothing is lost, and no sum falls. */
#include "test.h"

#include "interleave.h"

#include "../../src/counters/counters.c"

typedef void body(int self);

static RESIL_COUNTERS(1) set;

static void set_up(void)
{
    (void)resil_counters_init(&set.counters, sizeof set, 1);
}

static void report_slow(int self)
{
    const struct resil_report report = {
        .outcome = RESIL_SUCCESS, .attempts = 2, .elapsed_ns = 2000 + (uint64_t)self};

    (void)resil_counters_report(&set.counters, &report);
}

static void report_refused(int self)
{
    const struct resil_report report = {
        .status = RESIL_EOPEN, .outcome = RESIL_REFUSED, .decided_level = (uint32_t)self};

    (void)resil_counters_report(&set.counters, &report);
    (void)resil_counters_add(&set.counters, 0, 7);
}

static void report_both(int self)
{
    report_slow(self);
    report_refused(self);
}

static void look_twice(int self)
{
    struct resil_counters_sum first, second;

    (void)self;
    (void)resil_counters_sum(&set.counters, &first);
    (void)resil_counters_sum(&set.counters, &second);
    interleave_check(first.outcomes[RESIL_SUCCESS] <= second.outcomes[RESIL_SUCCESS]);
    interleave_check(first.refusals[0] <= second.refusals[0] && second.refusals[0] <= 2);
    interleave_check(first.latency_ns_total <= second.latency_ns_total);
    interleave_check(first.own[0] <= second.own[0] && second.own[0] % 7 == 0);
}

static void verify(void)
{
    struct resil_counters_sum sum;

    (void)resil_counters_sum(&set.counters, &sum);
    interleave_check(sum.outcomes[RESIL_SUCCESS] == 2 && sum.outcomes[RESIL_REFUSED] == 2);
    interleave_check(sum.refusals[0] == 2 && sum.attempts_more == 2 && sum.latencies[1] == 2);
    interleave_check(sum.latency_ns_total == 4001 && sum.own[0] == 14);
    interleave_check(sum.refusals_by_level[0] == 1 && sum.refusals_by_level[1] == 1);
}

static void nothing_is_lost_and_no_sum_falls(void **state)
{
    struct scenario is = {__func__, 3,      (body *const[]){report_both, report_both, look_twice},
                          3,        set_up, verify};
    uint64_t *success = (uint64_t *)(void *)(&set.counters + 1) + WORD(outcomes) + RESIL_SUCCESS;

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil_counters_report", success, FAULT_LOST});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_and_no_sum_falls),
    };

    return cmocka_run_group_tests_name("counters interleavings", tests, NULL, NULL);
}
