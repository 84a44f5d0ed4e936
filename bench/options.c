/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "options.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "measure.h"

#define COUNT_MAX UINT64_C(1000000000)
#define MS_MAX    UINT64_C(10000)

static const char usage[] =
    "usage: resil-bench [--json] [--threads LIST] [--filter PREFIX[,PREFIX...]] [--ms M]\n"
    "                   [--repetitions R] [--percentiles]\n"
    "       resil-bench --count N --filter NAME[,NAME...]\n"
    "       resil-bench --list\n"
    "  --json         one JSON object a line instead of a table\n"
    "  --threads      so many threads on the same object, one a processor: 1 (default), 1,2,4, "
    "1-4\n"
    "  --filter       only benchmarks whose name starts with one of these\n"
    "  --ms           milliseconds of one repetition (default 10)\n"
    "  --repetitions  how many (default 21)\n"
    "  --percentiles  of short batches of operations as well\n"
    "  --count        measure nothing, do these operations so many times: for callgrind\n"
    "  --list         say which there are\n";

/* Reads a number that ends at one of the characters of stops or with the text. */
static bool read_part(const char **text, uint64_t high, const char *stops, uint64_t *number)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    *number = strtoull(*text, &end, 10);
    *text = end;
    for (; *stops != '\0' && *end != '\0'; stops++)
        if (*end == *stops)
            return *number >= 1 && *number <= high;
    return *end == '\0' && *number >= 1 && *number <= high;
}

static bool read_number(const char *text, uint64_t high, uint64_t *number)
{
    return read_part(&text, high, "", number);
}

/* A comma between numbers and ranges. */
static bool read_sweep(const char *text, uint32_t threads_max, struct options *options)
{
    options->sweep_length = 0;
    for (;;) {
        uint64_t low, high;

        if (!read_part(&text, threads_max, "-,", &low))
            return false;
        high = low;
        if (*text == '-') {
            text++;
            if (!read_part(&text, threads_max, ",", &high) || high < low)
                return false;
        }
        for (uint64_t threads = low; threads <= high; threads++) {
            if (options->sweep_length == OPTIONS_THREADS_MAX)
                return false;
            options->sweep[options->sweep_length++] = (uint32_t)threads;
        }
        if (*text == '\0')
            return true;
        text++;
    }
}

static bool read_option(int key, const char *text, uint32_t threads_max, struct options *options)
{
    switch (key) {
    case 'j':
        options->json = true;
        return true;
    case 'l':
        options->list = true;
        return true;
    case 'p':
        options->percentiles = true;
        return true;
    case 'f':
        options->filter = text;
        return true;
    case 't':
        return read_sweep(text, threads_max, options);
    case 'm':
        return read_number(text, MS_MAX, &options->ms);
    case 'r':
        return read_number(text, MEASURE_REPETITIONS_MAX, &options->repetitions);
    case 'c':
        return read_number(text, COUNT_MAX, &options->count);
    default:
        return false;
    }
}

int options_read(int argc, char **argv, uint32_t threads_max, struct options *options)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, 'j'},
        {"threads", required_argument, NULL, 't'},
        {"filter", required_argument, NULL, 'f'},
        {"ms", required_argument, NULL, 'm'},
        {"repetitions", required_argument, NULL, 'r'},
        {"percentiles", no_argument, NULL, 'p'},
        {"count", required_argument, NULL, 'c'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int key;

    *options = (struct options){
        .ms = 10, .repetitions = MEASURE_REPETITIONS, .sweep = {1}, .sweep_length = 1};
    while ((key = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (key == 'h') {
            (void)fputs(usage, stdout);
            return 1;
        }
        if (read_option(key, optarg, threads_max, options))
            continue;
        if (key == 't')
            (void)fprintf(stderr,
                          "resil-bench: %s: must be numbers from 1 to %" PRIu32
                          ", the processors that there are\n",
                          optarg, threads_max);
        else if (key != '?')
            (void)fprintf(stderr, "resil-bench: %s: must be 1 to %" PRIu64 "\n", optarg,
                          key == 'm'   ? MS_MAX
                          : key == 'r' ? (uint64_t)MEASURE_REPETITIONS_MAX
                                       : COUNT_MAX);
        (void)fputs(usage, stderr);
        return 3;
    }
    if (optind < argc || (options->count != 0 && options->filter == NULL)) {
        (void)fputs(usage, stderr);
        return 3;
    }
    return 0;
}
