/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BENCH_MEASURE_H
#define RESIL_BENCH_MEASURE_H

/* Repetitions of benchmarks, round robin, and what is kept of them. */

#include "bench.h"
#include "spread.h"

/** How many repetitions a bench is judged by unless asked otherwise, how many it can be, and how
    many may be thrown away for each of them. */
#define MEASURE_REPETITIONS     21
#define MEASURE_REPETITIONS_MAX 1001
#define MEASURE_TRIES           8

/** What a batch takes, roughly: the two readings of the clock around it are a fortieth of that. */
#define MEASURE_BATCH_NS 1000

/** The least part of a repetition in which all threads must have run at the same time, in
    percent. */
#define MEASURE_OVERLAP_PCT 80

struct measure_plan {
    uint32_t threads;
    uint32_t repetitions;
    uint64_t rep_ns;
    bool percentiles;
};

struct measure_series {
    const struct bench *bench;
    bool baseline;       /* measured for the ratios alone */
    uint32_t kept;       /* repetitions */
    uint64_t iterations; /* of a repetition, in each thread */
    uint64_t batch;      /* operations of a batch */
    struct spread
        spread; /* ns of batches, of all threads; empty unless percentiles are asked for */
    double ns[MEASURE_REPETITIONS_MAX]; /* per operation and thread; ascending when done */
};

/** How many threads can be pinned to a processor each. */
uint32_t measure_threads_max(void);

/**
 * Measures all series, one repetition of each in turn. A series that doesn't reach the plan's
 * repetitions within MEASURE_TRIES times as many has kept fewer. What a series held before is gone.
 *
 * Returns false, with a line on stderr, when a thread or a benchmark can't be set up.
 */
bool measure_all(struct measure_series *series, size_t count, const struct measure_plan *plan);

#endif
