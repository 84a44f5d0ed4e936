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

struct worker {
    pthread_t id;
    const struct bench *bench;
    ck_barrier_centralized_t *barrier;
    uint64_t iterations;
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
    self->bench->run(self->iterations, self->number);
    self->end_ns = clock_ns();
    return NULL;
}

/* Runs one repetition. Returns ns per operation and thread; *overlap_pct says how far the threads
   ran at once. */
static double repeat(const struct bench *bench, uint64_t iterations, uint32_t threads,
                     double *overlap_pct)
{
    static struct worker workers[THREADS_MAX];
    ck_barrier_centralized_t barrier = CK_BARRIER_CENTRALIZED_INITIALIZER;
    uint64_t first = UINT64_MAX, last_start = 0, first_end = UINT64_MAX, last = 0;
    double sum = 0;

    for (uint32_t i = 0; i < threads; i++) {
        workers[i] = (struct worker){.bench = bench,
                                     .barrier = &barrier,
                                     .iterations = iterations,
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
    return sum / (double)threads / (double)iterations;
}

/* Finds how many iterations fill a repetition. */
static uint64_t calibrate(const struct bench *bench, uint32_t threads, uint64_t rep_ns)
{
    uint64_t iterations = 256;

    for (;;) {
        double overlap_pct;
        double ns = repeat(bench, iterations, threads, &overlap_pct);

        if (ns * (double)iterations >= (double)rep_ns / 4)
            return (uint64_t)((double)rep_ns / ns) + 1;
        if (iterations > UINT64_MAX / 8)
            return iterations;
        iterations *= 4;
    }
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

bool measure_all(struct measure_series *series, size_t count, uint32_t threads, uint64_t rep_ns)
{
    for (size_t i = 0; i < count; i++) {
        const struct bench *bench = series[i].bench;

        if (bench->setup != NULL && !bench->setup(threads)) {
            (void)fprintf(stderr, "resil-bench: %s can't be set up\n", bench->name);
            return false;
        }
        series[i].iterations = calibrate(bench, threads, rep_ns);
    }
    for (uint32_t turn = 0; turn < MEASURE_REPETITIONS * MEASURE_TRIES; turn++)
        for (size_t i = 0; i < count; i++) {
            double overlap_pct;
            double ns;

            if (series[i].kept == MEASURE_REPETITIONS)
                continue;
            ns = repeat(series[i].bench, series[i].iterations, threads, &overlap_pct);
            if (overlap_pct >= MEASURE_OVERLAP_PCT)
                series[i].ns[series[i].kept++] = ns;
        }
    for (size_t i = 0; i < count; i++) {
        qsort(series[i].ns, series[i].kept, sizeof series[i].ns[0], ascending);
        if (series[i].bench->teardown != NULL)
            series[i].bench->teardown();
    }
    return true;
}
