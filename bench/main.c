/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * resil-bench: ns per operation of the library beside what the machine takes. bench/README.md says
 * how to read it.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <resil/version.h>

#include "bench_groups.h"
#include "measure.h"
#include "options.h"

#define BASELINE "limit.xadd"

#define DECLARE(name) extern const struct bench_group bench_group_##name;
BENCH_GROUPS(DECLARE)
#undef DECLARE

static const struct bench_group *const groups[] = {
#define POINT(name) &bench_group_##name,
    BENCH_GROUPS(POINT)
#undef POINT
};

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
        for (size_t i = 0; i < groups[g]->count; i++) {
            const struct bench *bench = &groups[g]->rows[i];
            bool wanted = matches(bench->name, options->filter, options->count != 0, &used);
            bool baseline =
                !options->json && options->count == 0 && strcmp(bench->name, BASELINE) == 0;

            if ((wanted || baseline) && bench->here != NULL && !bench->here())
                (void)fprintf(stderr, "resil-bench: %s: not on this machine\n", bench->name);
            else if (wanted || baseline)
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

/* ns per operation; 1000 is the slowest batch. */
static double percentile(const struct measure_series *one, uint32_t per_mille)
{
    return (double)spread_percentile(&one->spread, per_mille) / (double)one->batch;
}

static void print_json(const struct measure_series *one, const struct measure_plan *plan)
{
    (void)printf("{\"bench\": \"%s\", \"threads\": %" PRIu32
                 ", \"min_ns\": %.3f, \"median_ns\": %.3f",
                 one->bench->name, plan->threads, one->ns[0], median(one));
    if (plan->percentiles)
        (void)printf(", \"batch\": %" PRIu64 ", \"p50_ns\": %.3f, \"p99_ns\": %.3f"
                     ", \"p999_ns\": %.3f, \"max_ns\": %.3f",
                     one->batch, percentile(one, 500), percentile(one, 990), percentile(one, 999),
                     percentile(one, 1000));
    (void)printf("}\n");
}

static void print_table(const struct measure_series *series, size_t count,
                        const struct measure_plan *plan)
{
    double xadd_ns = 0;

    for (size_t i = 0; i < count; i++)
        if (strcmp(series[i].bench->name, BASELINE) == 0 && series[i].kept == plan->repetitions)
            xadd_ns = series[i].ns[0];
    (void)printf("%-32s %7s %10s %10s %10s", "bench", "threads", "min", "median", "x xadd");
    if (plan->percentiles)
        (void)printf(" %7s %10s %10s %10s %10s", "batch", "p50", "p99", "p99.9", "max");
    (void)printf("\n");
    for (size_t i = 0; i < count; i++) {
        const struct measure_series *one = &series[i];

        if (one->kept < plan->repetitions)
            continue;
        (void)printf("%-32s %7" PRIu32 " %10.2f %10.2f", one->bench->name, plan->threads,
                     one->ns[0], median(one));
        if (xadd_ns > 0)
            (void)printf(" %10.2f", one->ns[0] / xadd_ns);
        if (plan->percentiles)
            (void)printf(" %7" PRIu64 " %10.2f %10.2f %10.2f %10.2f", one->batch,
                         percentile(one, 500), percentile(one, 990), percentile(one, 999),
                         percentile(one, 1000));
        (void)printf("%s\n", one->baseline ? "   (for the ratios)" : "");
    }
    (void)printf("\n");
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

/* Measures with so many threads, and says it. Returns false when a bench found no quiet moment. */
static bool measure(struct measure_series *series, size_t count, const struct measure_plan *plan,
                    bool json)
{
    bool complete = true;

    if (!measure_all(series, count, plan))
        return false;
    if (!json)
        print_table(series, count, plan);
    for (size_t i = 0; i < count; i++) {
        if (series[i].kept < plan->repetitions) {
            (void)fprintf(stderr,
                          "resil-bench: %s: only %" PRIu32 " of %" PRIu32 " repetitions had all "
                          "%" PRIu32 " threads running at once; left out\n",
                          series[i].bench->name, series[i].kept, plan->repetitions, plan->threads);
            complete = false;
        } else if (json) {
            print_json(&series[i], plan);
        }
    }
    (void)fflush(stdout);
    return complete;
}

int main(int argc, char **argv)
{
    struct options options;
    int stop = options_read(argc, argv, measure_threads_max(), &options);
    struct measure_series *series;
    size_t count = 0;
    int status = 0;

    if (stop != 0)
        return stop - 1;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        count += groups[g]->count;
    series = calloc(count, sizeof *series);
    if (series == NULL)
        return 1;
    count = choose(&options, series);
    if (count == 0) {
        status = 2;
    } else if (options.list) {
        for (size_t i = 0; i < count; i++)
            if (!series[i].baseline)
                (void)puts(series[i].bench->name);
    } else if (options.count != 0) {
        status = only_do(series, count, options.count);
    } else {
        if (!options.json)
            (void)printf("resil %s, ns per operation and thread, %" PRIu64
                         " repetitions of %" PRIu64 " ms\n\n",
                         resil_version(), options.repetitions, options.ms);
        for (uint32_t i = 0; i < options.sweep_length; i++) {
            const struct measure_plan plan = {.threads = options.sweep[i],
                                              .repetitions = (uint32_t)options.repetitions,
                                              .rep_ns = options.ms * UINT64_C(1000000),
                                              .percentiles = options.percentiles};

            if (!measure(series, count, &plan, options.json))
                status = 1;
        }
    }
    free(series);
    return status;
}
