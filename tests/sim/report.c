/* SPDX-License-Identifier: BSD-2-Clause */

/* Results as text, as JSON, and as a row of a table over many seeds. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

void sim_print_text(const struct sim_config *config, const struct sim_result *r)
{
    printf("%s, %s: %u clients, %u servers, seed %" PRIu64 "\n", config->scenario->name,
           config->policy->name, config->clients, config->servers, config->seed);
    printf("  trigger          %s\n", config->scenario->what);
    printf("  clients          %s\n", config->policy->what);
    printf("  metastable if    queue over timeout %.2f > 1 and load times attempts %.2f > 1\n",
           r->queue_over_timeout, r->load_times_attempts);
    printf("  calls            %.1f of a client at a server in a breaker's window of 10 s\n",
           r->calls_per_pair);
    printf("  offered          %" PRIu64 ", good %" PRIu64 ", attempts %" PRIu64
           ", late answers %" PRIu64 "\n",
           r->offered, r->good, r->attempts, r->late);
    printf("  goodput          before %.1f %%, during %.1f %%, after %.1f %%, last 30 s %.1f %%\n",
           r->before_pct, r->during_pct, r->after_pct, r->last_pct);
    printf("                   worst second %.1f %%, worst 5 s %.1f %%, best 10 s afterwards %.1f "
           "%%%s\n",
           r->worst_second_pct, r->worst_5s_pct, r->best_window_pct,
           r->collapsed ? ": COLLAPSED" : "");
    if (r->recovery_s >= 0)
        printf("  recovered after  %d s\n", r->recovery_s);
    else
        printf("  recovered after  never\n");
    printf("  amplification    %.3f, worst 10 s %.3f, worst second %.3f\n", r->amplification,
           r->amplification_10s, r->amplification_1s);
    printf("  breakers         opened %" PRIu64 " times, probes up to %.2f %% of capacity\n",
           r->opened, r->probe_pct);
    printf("  balancers        ejected %" PRIu64
           " times, %.2f %% of the attempts at servers that hang\n",
           r->ejected, r->lost_pct);
    printf("  fairness (Jain)  %.3f\n", r->jain);
    printf("  latency          p50 %.1f ms, p99 %.1f ms, longest call %.3f s\n", r->p50_ms,
           r->p99_ms, (double)r->longest_ns / 1e9);
    printf("  broken promises  %" PRIu64 " budget, %" PRIu64 " limiter, %" PRIu64
           " answers or steps, %" PRIu64 " deadlines, %" PRIu64 " calls without end\n",
           r->budget_broken, r->limit_broken, r->faults, r->overdue, r->unfinished);
    printf("  trace            %016" PRIx64 "\n", r->trace);
}

/* One count of every second from the beginning. */
static void print_series(const struct sim_config *config, const char *name, size_t offset)
{
    printf("\"%s\": [", name);
    for (uint32_t i = 0; config->series != NULL && i < sim_seconds(config); i++)
        printf("%s%" PRIu64, i != 0 ? ", " : "",
               *(const uint64_t *)(const void *)((const char *)&config->series[i] + offset));
    printf("], ");
}

void sim_print_json(const struct sim_config *config, const struct sim_result *r)
{
    printf("{\"scenario\": \"%s\", \"policy\": \"%s\", \"clients\": %u, \"servers\": %u, "
           "\"seed\": %" PRIu64 ", ",
           config->scenario->name, config->policy->name, config->clients, config->servers,
           config->seed);
    printf(
        "\"queue_over_timeout\": %.3f, \"load_times_attempts\": %.3f, \"calls_per_pair\": %.3f, ",
        r->queue_over_timeout, r->load_times_attempts, r->calls_per_pair);
    printf("\"offered\": %" PRIu64 ", \"good\": %" PRIu64 ", \"attempts\": %" PRIu64
           ", \"late\": %" PRIu64 ", ",
           r->offered, r->good, r->attempts, r->late);
    printf("\"before_pct\": %.3f, \"during_pct\": %.3f, \"after_pct\": %.3f, \"last_pct\": %.3f, ",
           r->before_pct, r->during_pct, r->after_pct, r->last_pct);
    printf("\"worst_second_pct\": %.3f, \"worst_5s_pct\": %.3f, \"best_window_pct\": %.3f, "
           "\"lost_pct\": %.3f, \"collapsed\": %s, \"recovery_s\": %d, ",
           r->worst_second_pct, r->worst_5s_pct, r->best_window_pct, r->lost_pct,
           r->collapsed ? "true" : "false", r->recovery_s);
    printf("\"amplification\": %.4f, \"amplification_10s\": %.4f, \"amplification_1s\": %.4f, ",
           r->amplification, r->amplification_10s, r->amplification_1s);
    printf("\"opened\": %" PRIu64 ", \"ejected\": %" PRIu64
           ", \"probe_pct\": %.3f, \"jain\": %.4f, ",
           r->opened, r->ejected, r->probe_pct, r->jain);
    printf("\"p50_ms\": %.1f, \"p99_ms\": %.1f, \"longest_s\": %.3f, ", r->p50_ms, r->p99_ms,
           (double)r->longest_ns / 1e9);
    print_series(config, "offered_by_second", offsetof(struct sim_second, offered));
    print_series(config, "good_by_second", offsetof(struct sim_second, good));
    print_series(config, "attempts_by_second", offsetof(struct sim_second, attempts));
    print_series(config, "probes_by_second", offsetof(struct sim_second, probes));
    printf("\"budget_broken\": %" PRIu64 ", \"limit_broken\": %" PRIu64 ", \"faults\": %" PRIu64
           ", \"overdue\": %" PRIu64 ", \"unfinished\": %" PRIu64 ", \"trace\": \"%016" PRIx64
           "\"}\n",
           r->budget_broken, r->limit_broken, r->faults, r->overdue, r->unfinished, r->trace);
}

struct spread {
    double least;
    double median;
    double most;
};

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sorts the values. */
static struct spread spread(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, compare);
    return (struct spread){values[0], values[count / 2], values[count - 1]};
}

enum column {
    RECOVERY,
    WORST,
    DURING,
    AFTER,
    AMPLIFIED,
    LOST,
    PROBES,
    FAIR,
    COLUMNS
};

static double cell(const struct sim_result *r, enum column column)
{
    switch (column) {
    case RECOVERY:
        return r->recovery_s >= 0 ? r->recovery_s : 1e9;
    case WORST:
        return r->worst_5s_pct;
    case LOST:
        return r->lost_pct;
    case DURING:
        return r->during_pct;
    case AFTER:
        return r->after_pct;
    case AMPLIFIED:
        return r->amplification_10s;
    case PROBES:
        return r->probe_pct;
    case FAIR:
    case COLUMNS:
        break;
    }
    return r->jain;
}

static void print_recovery(double seconds)
{
    if (seconds < 1e9)
        printf("%.0f", seconds);
    else
        printf("never");
}

void sim_print_row(const struct sim_config *config, const struct sim_result *results,
                   uint32_t count)
{
    struct spread all[COLUMNS];
    uint32_t collapsed = 0;
    double *values = malloc(count * sizeof *values);

    if (values == NULL)
        return;
    for (int column = 0; column < COLUMNS; column++) {
        for (uint32_t i = 0; i < count; i++)
            values[i] = cell(&results[i], (enum column)column);
        all[column] = spread(values, count);
    }
    free(values);
    for (uint32_t i = 0; i < count; i++)
        collapsed += results[i].collapsed;
    printf("| %s | %s | %u/%u | ", config->scenario->name, config->policy->name, collapsed, count);
    print_recovery(all[RECOVERY].least);
    printf(" / ");
    print_recovery(all[RECOVERY].median);
    printf(" / ");
    print_recovery(all[RECOVERY].most);
    printf(" | %.1f / %.1f | %.1f | %.1f | %.2f / %.2f | %.1f | %.1f | %.3f |\n", all[DURING].least,
           all[DURING].median, all[WORST].least, all[AFTER].median, all[AMPLIFIED].median,
           all[AMPLIFIED].most, all[PROBES].most, all[LOST].most, all[FAIR].least);
}
