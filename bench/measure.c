/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Every repetition runs in threads of its own, also the one of a single thread: the C library
 * leaves out the lock prefix while a process has one thread, and a mutex then looks three times as
 * fast as it is. They are pinned, warmed up, start together at a barrier and note start and end
 * themselves.
 */
#define _GNU_SOURCE
#include "measure.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ck_barrier.h>

#define THREADS_MAX 256

static struct spread spreads[THREADS_MAX];

struct worker {
    pthread_t id;
    const struct bench *bench;
    ck_barrier_centralized_t *barrier;
    uint64_t iterations;
    uint64_t batch;        /* 0 = all at once */
    struct spread *spread; /* of its batches */
    uint32_t number;
    uint32_t threads;
    int cpu;
    uint64_t start_ns;
    uint64_t end_ns;
};

void bench_fail(const char *name)
{
    (void)fprintf(stderr, "resil-bench: %s does something else than it should\n", name);
    exit(1);
}

static uint64_t clock_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

/* Returns the number-th processor that this process may use, or -1. */
static int cpu_at(uint32_t number)
{
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, &allowed) && number-- == 0)
            return cpu;
    return -1;
}

uint32_t measure_threads_max(void)
{
    uint32_t count = 0;

    while (count < THREADS_MAX && cpu_at(count) >= 0)
        count++;
    return count;
}

/* The same number of operations in batches, each timed. */
static void run_batches(const struct worker *self)
{
    uint64_t before_ns = clock_ns();

    for (uint64_t done = 0; done < self->iterations; done += self->batch) {
        uint64_t after_ns;

        self->bench->run(self->batch, self->number);
        after_ns = clock_ns();
        spread_add(self->spread, after_ns - before_ns);
        before_ns = after_ns;
    }
}

static void *work(void *arg)
{
    struct worker *self = arg;
    ck_barrier_centralized_state_t state = CK_BARRIER_CENTRALIZED_STATE_INITIALIZER;
    cpu_set_t own;

    CPU_ZERO(&own);
    CPU_SET((size_t)self->cpu, &own);
    (void)pthread_setaffinity_np(pthread_self(), sizeof own, &own);
    self->bench->run(self->iterations / 16 + 1, self->number);

    ck_barrier_centralized(self->barrier, &state, self->threads);
    self->start_ns = clock_ns();
    if (self->batch == 0)
        self->bench->run(self->iterations, self->number);
    else
        run_batches(self);
    self->end_ns = clock_ns();
    return NULL;
}

/* Runs one repetition, of batches when batch isn't 0: their durations are left in spreads. Returns
   ns per operation and thread; *overlap_pct says how far the threads ran at once. */
static double repeat(const struct measure_series *series, uint64_t batch, uint32_t threads,
                     double *overlap_pct)
{
    static struct worker workers[THREADS_MAX];
    ck_barrier_centralized_t barrier = CK_BARRIER_CENTRALIZED_INITIALIZER;
    uint64_t first = UINT64_MAX, last_start = 0, first_end = UINT64_MAX, last = 0;
    double sum = 0;

    for (uint32_t i = 0; i < threads; i++) {
        workers[i] = (struct worker){.bench = series->bench,
                                     .barrier = &barrier,
                                     .iterations = series->iterations,
                                     .batch = batch,
                                     .spread = &spreads[i],
                                     .number = i,
                                     .threads = threads,
                                     .cpu = cpu_at(i)};
        if (pthread_create(&workers[i].id, NULL, work, &workers[i]) != 0) {
            /* The others spin at the barrier: there is no way back. */
            (void)fprintf(stderr, "resil-bench: no thread to be had\n");
            exit(1);
        }
    }
    for (uint32_t i = 0; i < threads; i++) {
        const struct worker *one = &workers[i];

        (void)pthread_join(one->id, NULL);
        first = one->start_ns < first ? one->start_ns : first;
        last_start = one->start_ns > last_start ? one->start_ns : last_start;
        first_end = one->end_ns < first_end ? one->end_ns : first_end;
        last = one->end_ns > last ? one->end_ns : last;
        sum += (double)(one->end_ns - one->start_ns);
    }
    *overlap_pct = first_end > last_start && last > first
                       ? 100.0 * (double)(first_end - last_start) / (double)(last - first)
                       : 0.0;
    return sum / (double)threads / (double)series->iterations;
}

/* Finds how many iterations fill a repetition and a batch. */
static void calibrate(struct measure_series *series, const struct measure_plan *plan)
{
    series->iterations = 256;
    for (;;) {
        double overlap_pct;
        double ns = repeat(series, 0, plan->threads, &overlap_pct);

        if (ns * (double)series->iterations >= (double)plan->rep_ns / 4 ||
            series->iterations > UINT64_MAX / 8) {
            series->iterations = (uint64_t)((double)plan->rep_ns / ns) + 1;
            series->batch = (uint64_t)(MEASURE_BATCH_NS / ns) + 1;
            return;
        }
        series->iterations *= 4;
    }
}

/* One repetition that the percentiles come from; it counts on the same condition as others. */
static void repeat_batches(struct measure_series *series, uint32_t threads)
{
    double overlap_pct;

    memset(spreads, 0, threads * sizeof *spreads);
    (void)repeat(series, series->batch, threads, &overlap_pct);
    for (uint32_t i = 0; i < threads && overlap_pct >= MEASURE_OVERLAP_PCT; i++)
        spread_merge(&series->spread, &spreads[i]);
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static bool prepare(struct measure_series *series, const struct measure_plan *plan)
{
    const struct bench *bench = series->bench;

    if (bench->setup != NULL && !bench->setup(plan->threads)) {
        (void)fprintf(stderr, "resil-bench: %s can't be set up\n", bench->name);
        return false;
    }
    series->kept = 0;
    series->spread = (struct spread){.count = 0};
    calibrate(series, plan);
    return true;
}

bool measure_all(struct measure_series *series, size_t count, const struct measure_plan *plan)
{
    for (size_t i = 0; i < count; i++)
        if (!prepare(&series[i], plan))
            return false;
    for (uint32_t turn = 0; turn < plan->repetitions * MEASURE_TRIES; turn++)
        for (size_t i = 0; i < count; i++) {
            double overlap_pct;
            double ns;

            if (series[i].kept == plan->repetitions)
                continue;
            ns = repeat(&series[i], 0, plan->threads, &overlap_pct);
            if (overlap_pct >= MEASURE_OVERLAP_PCT)
                series[i].ns[series[i].kept++] = ns;
            if (plan->percentiles)
                repeat_batches(&series[i], plan->threads);
        }
    for (size_t i = 0; i < count; i++) {
        qsort(series[i].ns, series[i].kept, sizeof series[i].ns[0], ascending);
        if (series[i].bench->teardown != NULL)
            series[i].bench->teardown();
    }
    return true;
}
