/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BENCH_OPTIONS_H
#define RESIL_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_THREADS_MAX 256

struct options {
    const char *filter; /* NULL = all */
    uint64_t ms;
    uint64_t count; /* 0 = measure */
    uint64_t repetitions;
    uint32_t sweep[OPTIONS_THREADS_MAX]; /* the numbers of threads, in the order given */
    uint32_t sweep_length;
    bool json;
    bool percentiles;
    bool list;
};

/** Returns 0 to go on, or the exit status + 1; threads_max bounds the numbers of threads. */
int options_read(int argc, char **argv, uint32_t threads_max, struct options *options);

#endif
