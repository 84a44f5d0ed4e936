/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * resil-bench: ns per operation of the library beside what the machine takes. bench/README.md says
 * how to read it.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <resil/version.h>

#include "bench_groups.h"
#include "measure.h"

#define BASELINE   "limit.xadd"
#define SERIES_MAX 128
#define COUNT_MAX  UINT64_C(1000000000)

#define DECLARE(name) extern const struct bench_group bench_group_##name;
BENCH_GROUPS(DECLARE)
#undef DECLARE

static const struct bench_group *const groups[] = {
#define POINT(name) &bench_group_##name,
    BENCH_GROUPS(POINT)
#undef POINT
};

struct options {
    const char *filter;
    uint64_t ms;
    uint64_t count; /* 0 = measure */
    uint32_t threads;
    bool json;
};

static const char usage[] =
    "usage: resil-bench [--json] [--threads N] [--filter PREFIX[,PREFIX...]] [--ms M]\n"
    "       resil-bench --count N --filter NAME[,NAME...]\n"
    "  --json     one JSON object a line instead of a table\n"
    "  --threads  so many threads on the same object, one a processor (default 1)\n"
    "  --filter   only benchmarks whose name starts with one of these\n"
    "  --ms       milliseconds of one repetition (default 10)\n"
    "  --count    measure nothing, do these operations so many times: for callgrind\n";

static bool read_number(const char *text, uint64_t high, uint64_t *number)
{
    char *end;

    if (*text < '0' || *text > '9')
        return false;
    *number = strtoull(text, &end, 10);
    return *end == '\0' && *number >= 1 && *number <= high;
}

/* Returns 0 to go on, or the exit status + 1. */
static int read_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, 'j'},
        {"threads", required_argument, NULL, 't'},
        {"filter", required_argument, NULL, 'f'},
        {"ms", required_argument, NULL, 'm'},
        {"count", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    uint32_t threads_max = measure_threads_max();
    uint64_t number;
    int key;

    while ((key = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (key == 'j') {
            options->json = true;
        } else if (key == 'f') {
            options->filter = optarg;
        } else if (key == 't' && read_number(optarg, threads_max, &number)) {
            options->threads = (uint32_t)number;
        } else if (key == 'm' && read_number(optarg, 10000, &number)) {
            options->ms = number;
        } else if (key == 'c' && read_number(optarg, COUNT_MAX, &number)) {
            options->count = number;
        } else if (key == 'h') {
            (void)fputs(usage, stdout);
            return 1;
        } else {
            if (key == 't' || key == 'm' || key == 'c')
                (void)fprintf(stderr, "resil-bench: %s: must be 1 to %" PRIu64 "\n", optarg,
                              key == 't'   ? (uint64_t)threads_max
                              : key == 'm' ? UINT64_C(10000)
                                           : COUNT_MAX);
            (void)fputs(usage, stderr);
            return 3;
        }
    }
    if (optind < argc || (options->count != 0 && options->filter == NULL)) {
        (void)fputs(usage, stderr);
        return 3;
    }
    return 0;
}

/* True when name starts with one of the prefixes, or is one; *used gets a bit for the prefix. */
static bool matches(const char *name, const char *filter, bool whole, uint64_t *used)
{
    bool found = false;
    unsigned number = 0;

    if (filter == NULL)
        return true;
    for (const char *prefix = filter;; number++) {
        size_t length = strcspn(prefix, ",");

        if (length > 0 && strncmp(name, prefix, length) == 0 && (!whole || name[length] == '\0')) {
            found = true;
            *used |= UINT64_C(1) << number % 64;
        }
        if (prefix[length] == '\0')
            return found;
        prefix += length + 1;
    }
}

/* Returns how many series were chosen; 0, with a line on stderr, when a prefix names nothing. */
static size_t choose(const struct options *options, struct measure_series *series)
{
    uint64_t used = 0;
    uint64_t all = 1;
    size_t count = 0;

    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (size_t i = 0; i < groups[g]->count && count < SERIES_MAX; i++) {
            const struct bench *bench = &groups[g]->rows[i];
            bool wanted = matches(bench->name, options->filter, options->count != 0, &used);
            bool baseline =
                !options->json && options->count == 0 && strcmp(bench->name, BASELINE) == 0;

            if (wanted || baseline)
                series[count++] = (struct measure_series){.bench = bench, .baseline = !wanted};
        }
    if (options->filter == NULL)
        return count;
    for (const char *text = options->filter; *text != '\0'; text++)
        if (*text == ',')
            all = all << 1 | 1;
    if (used == all)
        return count;
    (void)fprintf(stderr, "resil-bench: a prefix of %s names no benchmark\n", options->filter);
    return 0;
}

static double median(const struct measure_series *one)
{
    return one->ns[one->kept / 2];
}

static void print_json(const struct measure_series *one, uint32_t threads)
{
    (void)printf("{\"bench\": \"%s\", \"threads\": %" PRIu32
                 ", \"min_ns\": %.3f, \"median_ns\": %.3f}\n",
                 one->bench->name, threads, one->ns[0], median(one));
}

static void print_table(const struct measure_series *series, size_t count,
                        const struct options *options)
{
    double xadd_ns = 0;

    for (size_t i = 0; i < count; i++)
        if (strcmp(series[i].bench->name, BASELINE) == 0 && series[i].kept == MEASURE_REPETITIONS)
            xadd_ns = series[i].ns[0];
    (void)printf("resil %s, ns per operation and thread, %d repetitions of %" PRIu64 " ms\n\n",
                 resil_version(), MEASURE_REPETITIONS, options->ms);
    (void)printf("%-24s %7s %10s %10s %10s\n", "bench", "threads", "min", "median", "x xadd");
    for (size_t i = 0; i < count; i++) {
        const struct measure_series *one = &series[i];

        if (one->kept < MEASURE_REPETITIONS)
            continue;
        (void)printf("%-24s %7" PRIu32 " %10.2f %10.2f", one->bench->name, options->threads,
                     one->ns[0], median(one));
        if (xadd_ns > 0)
            (void)printf(" %10.2f", one->ns[0] / xadd_ns);
        (void)printf("%s\n", one->baseline ? "   (for the ratios)" : "");
    }
}

/* Each operation so often, by this thread alone. */
static int only_do(const struct measure_series *series, size_t count, uint64_t times)
{
    for (size_t i = 0; i < count; i++) {
        const struct bench *bench = series[i].bench;

        if (bench->setup != NULL && !bench->setup(1)) {
            (void)fprintf(stderr, "resil-bench: %s can't be set up\n", bench->name);
            return 1;
        }
        bench->run(times, 0);
        if (bench->teardown != NULL)
            bench->teardown();
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct measure_series series[SERIES_MAX];
    struct options options = {.ms = 10, .threads = 1};
    int stop = read_options(argc, argv, &options);
    size_t count = stop == 0 ? choose(&options, series) : 0;
    int status = 0;

    if (stop != 0)
        return stop - 1;
    if (count == 0)
        return 2;
    if (options.count != 0)
        return only_do(series, count, options.count);
    if (!measure_all(series, count, options.threads, options.ms * UINT64_C(1000000)))
        return 1;
    if (!options.json)
        print_table(series, count, &options);
    for (size_t i = 0; i < count; i++) {
        if (series[i].kept < MEASURE_REPETITIONS) {
            (void)fprintf(stderr,
                          "resil-bench: %s: only %" PRIu32 " of %d repetitions had all threads "
                          "running at once; left out\n",
                          series[i].bench->name, series[i].kept, MEASURE_REPETITIONS);
            status = 1;
        } else if (options.json) {
            print_json(&series[i], options.threads);
        }
    }
    return status;
}
