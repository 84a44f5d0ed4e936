/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Threads that move between processors count on two stripes: nothing is lost, and no sum is below
 * the one before.
 */
#define _GNU_SOURCE
#include "test.h"

#include <resil/counters.h>

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "base/atomic.h"

#define THREADS 4

static RESIL_COUNTERS(2) mine;
static uint64_t stop;

struct job {
    pthread_t thread;
    uint64_t random;
    uint64_t calls, more, refused, added;
};

static uint64_t real_ms(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static void *work(void *arg)
{
    struct job *job = arg;

    while (resil__load_acquire(&stop) == 0) {
        uint64_t draw = test_below(&job->random, 1000);
        struct resil_report report = {.outcome = RESIL_SUCCESS,
                                      .attempts = (uint32_t)(1 + draw % 3),
                                      .elapsed_ns = draw * 1000};

        if (draw % 10 == 0) {
            report.outcome = RESIL_REFUSED;
            report.status = RESIL_EFULL;
        }
        (void)resil_counters_report(&mine.counters, &report);
        (void)resil_counters_add(&mine.counters, 5, draw);
        job->calls++;
        job->more += draw % 3;
        job->refused += draw % 10 == 0;
        job->added += draw;
        if (draw == 0)
            (void)sched_yield();
    }
    return NULL;
}

static void nothing_is_lost_and_nothing_falls(void **state)
{
    static struct job jobs[THREADS];
    uint64_t until = real_ms() + test_torture_ms(), latencies = 0;
    struct resil_counters_sum last = {.attempts_more = 0}, sum;
    struct job all = {.calls = 0};

    (void)state;
    assert_int_equal(resil_counters_init(&mine.counters, sizeof mine, 2), RESIL_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.random = i + 1};
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, work, &jobs[i]), 0);
    }
    do {
        assert_int_equal(resil_counters_sum(&mine.counters, &sum), RESIL_OK);
        assert_true(sum.outcomes[RESIL_SUCCESS] >= last.outcomes[RESIL_SUCCESS]);
        assert_true(sum.own[5] >= last.own[5] && sum.attempts_more >= last.attempts_more);
        last = sum;
    } while (real_ms() < until);
    resil__store_release(&stop, 1);
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(jobs[i].thread, NULL);
        all.calls += jobs[i].calls;
        all.more += jobs[i].more;
        all.refused += jobs[i].refused;
        all.added += jobs[i].added;
    }
    assert_int_equal(resil_counters_sum(&mine.counters, &sum), RESIL_OK);
    for (int i = 0; i < RESIL_COUNTERS_BUCKETS; i++)
        latencies += sum.latencies[i];
    assert_int_equal(sum.outcomes[RESIL_SUCCESS] + sum.outcomes[RESIL_REFUSED], all.calls);
    assert_int_equal(sum.outcomes[RESIL_REFUSED], all.refused);
    assert_int_equal(sum.refusals[RESIL_EOPEN - RESIL_EFULL], all.refused);
    assert_int_equal(sum.refusals_by_level[0], all.refused);
    assert_int_equal(sum.attempts_more, all.more);
    assert_int_equal(sum.own[5], all.added);
    assert_int_equal(sum.latency_ns_total, all.added * 1000);
    assert_true(latencies <= all.calls && latencies > all.calls / 2);
    print_message("%" PRIu64 " calls\n", all.calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost_and_nothing_falls)};

    return cmocka_run_group_tests_name("counters torture", tests, NULL, NULL);
}
