/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Threads on one window whose epoch moves under their feet: at rest it holds exactly the results of
 * the last epoch, and nothing of an older one.
 */
#define _GNU_SOURCE
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "window/ring.h"
#include "window/slices.h"

#define THREADS  2
#define WIDTH_NS 1000

static uint64_t epoch_word, head, totals, cells[70];
static uint64_t clock_ns, stop, paused, waiting;

struct job {
    pthread_t thread;
    uint64_t random;
    bool by_count;
    uint32_t epoch; /* that the counts below are of */
    uint64_t calls, failures, slow;
};

static uint64_t real_ms(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static struct resil__slices slices(uint32_t epoch)
{
    return (struct resil__slices){.head = &head,
                                  .cells = cells,
                                  .count = 32,
                                  .width_ns = WIDTH_NS,
                                  .epoch_word = &epoch_word,
                                  .epoch = epoch};
}

static struct resil__ring ring(uint32_t epoch)
{
    return (struct resil__ring){.cursor = &head,
                                .totals = &totals,
                                .cells = cells,
                                .size = 1000,
                                .epoch_word = &epoch_word,
                                .epoch = epoch};
}

static bool add(const struct job *job, uint32_t epoch, bool failed, bool slow)
{
    struct resil__slices by_time = slices(epoch);
    struct resil__ring by_count = ring(epoch);
    struct resil__tally sum;
    uint64_t now = resil__load_acquire(&clock_ns);
    uint64_t enough = 0;
    bool counted = false;

    if (job->by_count) {
        enum resil__taken taken;

        if (!failed && !slow && resil__ring_success(&by_count, &taken))
            return taken != RESIL__DROPPED;
        return resil__ring_add(&by_count, failed, slow, &sum) != RESIL__DROPPED;
    }
    if (!failed && !slow) {
        struct resil__slices_put put;
        enum resil__quick quick =
            resil__slices_success(&head, cells, WIDTH_NS, epoch, now, &enough, &put);

        counted = quick == RESIL__QUICK_DONE ||
                  (quick == RESIL__QUICK_ADDED && resil__slices_settle(&by_time, now, put));
    }
    return counted || resil__slices_add(&by_time, now, failed, slow) == RESIL__COUNTED;
}

static void *work(void *arg)
{
    struct job *job = arg;

    while (resil__load_acquire(&stop) == 0) {
        uint32_t epoch = (uint32_t)(resil__load_acquire(&epoch_word) >> 32);
        uint64_t kind = test_below(&job->random, 16);
        bool failed = (kind & 5) == 5, slow = (kind & 10) == 10;

        if (resil__load_acquire(&paused) != 0) {
            (void)resil__add(&waiting, 1);
            while (resil__load_acquire(&paused) != 0)
                (void)sched_yield();
            (void)resil__sub(&waiting, 1);
            continue;
        }
        if (epoch != job->epoch) {
            job->epoch = epoch;
            job->calls = job->failures = job->slow = 0;
        }
        if (add(job, epoch, failed, slow)) {
            job->calls++;
            job->failures += failed;
            job->slow += slow;
        }
    }
    return NULL;
}

/* Everybody is at rest: the window and the threads must agree. */
static void compare(const struct job *jobs, bool by_count)
{
    uint32_t epoch = (uint32_t)(epoch_word >> 32);
    struct resil__slices by_time = slices(epoch);
    struct resil__ring in_ring = ring(epoch);
    struct resil__tally sum =
        by_count ? resil__ring_sum(&in_ring) : resil__slices_sum(&by_time, clock_ns);
    uint64_t calls = 0, failures = 0, slow = 0;

    for (int i = 0; i < THREADS; i++) {
        if (jobs[i].epoch != epoch)
            continue;
        calls += jobs[i].calls;
        failures += jobs[i].failures;
        slow += jobs[i].slow;
    }
    if (by_count && calls > 1000) {
        assert_int_equal(sum.calls, 1000);
        return;
    }
    if (failures >= RESIL__SLICE_FAIL_FULL)
        return; /* a cell may have been halved */
    assert_int_equal(sum.calls, calls);
    assert_int_equal(sum.failures, failures);
    assert_int_equal(sum.slow, slow);
}

/* Up to a few microseconds, in which the others go on. */
static void linger(uint64_t *random)
{
    for (uint64_t i = test_below(random, 1000); i > 0; i--)
        (void)resil__load_acquire(&stop);
}

static void torture(bool by_count)
{
    static struct job jobs[THREADS];
    uint64_t until = real_ms() + test_torture_ms(), random = 7, rests = 0;

    head = totals = stop = paused = waiting = 0;
    memset(cells, 0, sizeof cells);
    epoch_word = UINT64_C(1) << 32;
    clock_ns = 32 * WIDTH_NS * UINT64_C(1000);
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.random = i + 1, .by_count = by_count};
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, work, &jobs[i]), 0);
    }
    while (real_ms() < until) {
        /* A few epochs in quick succession, then less than a window of time in the last one. */
        for (uint64_t i = test_below(&random, 5); i > 0; i--) {
            (void)resil__add(&clock_ns, 40 * WIDTH_NS);
            (void)resil__add(&epoch_word, UINT64_C(1) << 32);
            linger(&random);
        }
        for (uint64_t i = test_below(&random, 30); i > 0; i--) {
            (void)resil__add(&clock_ns, test_below(&random, WIDTH_NS / 4));
            linger(&random);
        }
        resil__store_release(&paused, 1);
        while (resil__load_acquire(&waiting) != THREADS)
            (void)sched_yield();
        compare(jobs, by_count);
        rests++;
        (void)resil__add(&clock_ns, 40 * WIDTH_NS); /* the next round starts with an empty window */
        (void)resil__add(&epoch_word, UINT64_C(1) << 32);
        resil__store_release(&paused, 0);
        while (resil__load_acquire(&waiting) != 0)
            (void)sched_yield();
    }
    resil__store_release(&stop, 1);
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(jobs[i].thread, NULL);
    print_message("%" PRIu64 " rests\n", rests);
}

static void slices_are_exact_at_rest_after_any_epochs(void **state)
{
    (void)state;
    torture(false);
}

static void ring_is_exact_at_rest_after_any_epochs(void **state)
{
    (void)state;
    torture(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_exact_at_rest_after_any_epochs),
        cmocka_unit_test(ring_is_exact_at_rest_after_any_epochs),
    };

    return cmocka_run_group_tests_name("slices", tests, NULL, NULL);
}
