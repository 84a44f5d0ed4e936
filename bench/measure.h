/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BENCH_MEASURE_H
#define RESIL_BENCH_MEASURE_H

/* Repetitions of benchmarks, round robin, and what is kept of them. */

#include "bench.h"

/** How many repetitions a bench is judged by, and how many may be thrown away for each of them. */
#define MEASURE_REPETITIONS 21
#define MEASURE_TRIES       8

/** The least part of a repetition in which all threads must have run at the same time, in
    percent. */
#define MEASURE_OVERLAP_PCT 80

struct measure_series {
    const struct bench *bench;
    uint64_t iterations; /* of a repetition, in each thread */
    uint32_t kept;
    bool baseline;                  /* measured for the ratios alone */
    double ns[MEASURE_REPETITIONS]; /* per operation and thread; ascending when done */
};

/** How many threads can be pinned to a processor each. */
uint32_t measure_threads_max(void);

/**
 * Measures all series, one repetition of each in turn. A series that doesn't reach
 * MEASURE_REPETITIONS within MEASURE_TRIES times as many has kept < MEASURE_REPETITIONS.
 *
 * Returns false, with a line on stderr, when a thread or a benchmark can't be set up.
 */
bool measure_all(struct measure_series *series, size_t count, uint32_t threads, uint64_t rep_ns);

#endif
