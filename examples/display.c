/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L
#include "display.h"

#include <resil/status.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAR 10 /* characters of a line's picture; the whole fits into 80 columns */

struct display display_on(FILE *out)
{
    const char *term = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR"); /* https://no-color.org: any text in it counts */
    int fd = fileno(out);

    return (struct display){
        .out = out,
        .colour = fd >= 0 && isatty(fd) == 1 && (no_colour == NULL || *no_colour == '\0') &&
                  term != NULL && strcmp(term, "dumb") != 0,
    };
}

void display_print(const struct display *display, enum display_style style, const char *format, ...)
{
    static const char *const codes[] = {"",         "\033[1m",  "\033[2m",
                                        "\033[32m", "\033[33m", "\033[31m"};
    bool coloured = display->colour && style != DISPLAY_PLAIN;
    va_list args;

    if (coloured)
        (void)fputs(codes[style], display->out);
    va_start(args, format);
    (void)vfprintf(display->out, format, args);
    va_end(args);
    if (coloured)
        (void)fputs("\033[0m", display->out);
}

void tally_sent(struct tally *tally, enum resil_outcome outcome)
{
    (void)pthread_mutex_lock(&tally->lock);
    tally->slice.sent++;
    if (outcome == RESIL_NOT_SENT)
        tally->slice.unreached++;
    (void)pthread_mutex_unlock(&tally->lock);
}

/* Names are static strings of a few policies: a handful of places will do, the last for all
   others. */
static void count_refuser(struct tally_counts *counts, const char *name, uint64_t count)
{
    size_t i = 0;

    while (i < TALLY_REFUSERS - 1 && counts->refusers[i].name != NULL &&
           strcmp(counts->refusers[i].name, name) != 0)
        i++;
    counts->refusers[i].name = i < TALLY_REFUSERS - 1 ? name : "others";
    counts->refusers[i].count += count;
}

void tally_ended(struct tally *tally, const struct resil_report *report, uint64_t span_ns)
{
    struct tally_counts *slice = &tally->slice;

    (void)pthread_mutex_lock(&tally->lock);
    if (report->status == RESIL_OK) {
        slice->ok++;
        slice->latency_ns += span_ns;
        if (slice->latency_ns_max < span_ns)
            slice->latency_ns_max = span_ns;
    } else {
        slice->waited_ns += span_ns;
        if (resil_status_is_refusal(report->status)) {
            slice->refused++;
            count_refuser(slice, report->decided_by != NULL ? report->decided_by : "deadline", 1);
        } else {
            slice->failed++;
        }
    }
    (void)pthread_mutex_unlock(&tally->lock);
}

void tally_left(struct tally *tally, uint64_t span_ns)
{
    (void)pthread_mutex_lock(&tally->lock);
    tally->slice.left++;
    tally->slice.waited_ns += span_ns;
    (void)pthread_mutex_unlock(&tally->lock);
}

static void add(struct tally_counts *sum, const struct tally_counts *counts)
{
    sum->sent += counts->sent;
    sum->unreached += counts->unreached;
    sum->ok += counts->ok;
    sum->failed += counts->failed;
    sum->refused += counts->refused;
    sum->left += counts->left;
    sum->waited_ns += counts->waited_ns;
    sum->latency_ns += counts->latency_ns;
    if (sum->latency_ns_max < counts->latency_ns_max)
        sum->latency_ns_max = counts->latency_ns_max;
    for (size_t i = 0; i < TALLY_REFUSERS && counts->refusers[i].name != NULL; i++)
        count_refuser(sum, counts->refusers[i].name, counts->refusers[i].count);
}

struct tally_counts tally_slice(struct tally *tally)
{
    struct tally_counts slice;

    (void)pthread_mutex_lock(&tally->lock);
    slice = tally->slice;
    tally->slice = (struct tally_counts){0};
    add(&tally->total, &slice);
    (void)pthread_mutex_unlock(&tally->lock);
    return slice;
}

struct tally_counts tally_total(struct tally *tally)
{
    struct tally_counts total;

    (void)pthread_mutex_lock(&tally->lock);
    total = tally->total;
    (void)pthread_mutex_unlock(&tally->lock);
    return total;
}

void display_header(const struct display *display, bool others)
{
    display_print(display, DISPLAY_DIM, "%58s%s%s\n", "latency ms  ", others ? "others" : "",
                  " # ok  x failed");
    display_print(display, DISPLAY_DIM, "%5s %-7s %-9s%5s%5s%5s%5s %-11s %-7s %s%s\n", "time",
                  "server", "breaker", "sent", "ok", "fail", "left", "refused by", "avg/max",
                  others ? "ok/no " : "", ". refused");
}

static enum display_style style_of(const char *word)
{
    if (strcmp(word, "healthy") == 0 || strcmp(word, "closed") == 0)
        return DISPLAY_GOOD;
    if (strcmp(word, "slow") == 0 || strcmp(word, "half-open") == 0 || strcmp(word, "ramp") == 0)
        return DISPLAY_WARN;
    return strcmp(word, "-") == 0 ? DISPLAY_DIM : DISPLAY_BAD;
}

/* A part of a line's picture, from where the last part ended. Returns where this one ends. */
static uint64_t bar(const struct display *display, enum display_style style, char sign,
                    uint64_t from, uint64_t part, uint64_t all)
{
    char text[BAR + 1];
    size_t length = all == 0 ? 0 : (size_t)((from + part) * BAR / all - from * BAR / all);

    memset(text, sign, length);
    text[length] = '\0';
    display_print(display, style, "%s", text);
    return from + part;
}

/* "breaker 12, limiter 3" */
static void name_refusers(const struct tally_counts *slice, char *text, size_t size)
{
    size_t used = 0;

    (void)snprintf(text, size, "-");
    for (size_t i = 0; i < TALLY_REFUSERS && slice->refusers[i].name != NULL; i++) {
        int length =
            snprintf(text + used, size - used, "%s%s %llu", used > 0 ? ", " : "",
                     slice->refusers[i].name, (unsigned long long)slice->refusers[i].count);

        if (length < 0 || (size_t)length >= size - used)
            return;
        used += (size_t)length;
    }
}

void display_line(const struct display *display, uint64_t at_ns, const char *server,
                  const char *breaker, const struct tally_counts *slice,
                  const struct tally_counts *others)
{
    uint64_t lost = slice->failed + slice->left;
    uint64_t all = slice->ok + lost + slice->refused;
    uint64_t drawn;
    char text[64];

    name_refusers(slice, text, sizeof text);
    display_print(display, DISPLAY_DIM, "%5.2f ", (double)at_ns / 1e9);
    display_print(display, style_of(server), "%-7s ", server);
    display_print(display, style_of(breaker), "%-9s", breaker);
    display_print(display, DISPLAY_PLAIN, "%5llu%5llu%5llu%5llu %-11s %3.0f/%-3.0f ",
                  (unsigned long long)slice->sent, (unsigned long long)slice->ok,
                  (unsigned long long)slice->failed, (unsigned long long)slice->left, text,
                  slice->ok == 0 ? 0.0 : (double)slice->latency_ns / 1e6 / (double)slice->ok,
                  (double)slice->latency_ns_max / 1e6);
    if (others != NULL) {
        uint64_t others_lost = others->failed + others->left + others->refused;

        (void)snprintf(text, sizeof text, "%llu/%llu", (unsigned long long)others->ok,
                       (unsigned long long)others_lost);
        display_print(display, others_lost == 0 ? DISPLAY_GOOD : DISPLAY_BAD, "%-5s ", text);
    }
    drawn = bar(display, DISPLAY_GOOD, '#', 0, slice->ok, all);
    drawn = bar(display, DISPLAY_BAD, 'x', drawn, lost, all);
    (void)bar(display, DISPLAY_DIM, '.', drawn, slice->refused, all);
    (void)fputc('\n', display->out);
    (void)fflush(display->out);
}

void display_row(const struct display *display, const char *label, double before, double after,
                 enum display_better better, const char *unit)
{
    double gain = better == DISPLAY_MORE ? after - before : before - after;
    enum display_style style = gain > 0 ? DISPLAY_GOOD : gain < 0 ? DISPLAY_BAD : DISPLAY_PLAIN;

    display_print(display, DISPLAY_PLAIN, "  %-42s%12.0f %-3s", label, before, unit);
    display_print(display, style, "%12.0f %s\n", after, unit);
}
