/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DISPLAY_H
#define DISPLAY_H

/*
 * Shows what requests came to: a line for each slice of time, and sums at the end. Colours on a
 * terminal only (and not if NO_COLOR is set); plain text into a file or a pipe.
 */

#include <pthread.h>
#include <resil/chain.h>
#include <stdio.h>

enum display_style {
    DISPLAY_PLAIN = 0,
    DISPLAY_BOLD = 1,
    DISPLAY_DIM = 2,
    DISPLAY_GOOD = 3,
    DISPLAY_WARN = 4,
    DISPLAY_BAD = 5,
};

struct display {
    FILE *out;
    bool colour;
};

/** A display on a stream; the stream stays the caller's. */
struct display display_on(FILE *out);

/** printf in a style. */
void display_print(const struct display *display, enum display_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Who may refuse: policies by name, and what is none of them. */
#define TALLY_REFUSERS 6

/** What requests came to. A request may be sent never, once or several times. */
struct tally_counts {
    uint64_t sent;      /* attempts that went to the server */
    uint64_t unreached; /* of these, those that found nobody there */
    uint64_t ok;        /* requests answered well */
    uint64_t failed;    /* requests that came to nothing, after all attempts */
    uint64_t refused;   /* requests that a policy ended without asking the server (again) */
    uint64_t left;      /* requests given up in line: nobody was free to make them */

    /** Of all requests that were not answered well, from asking to the bad news. */
    uint64_t waited_ns;

    uint64_t latency_ns;     /* of those answered well: the sum */
    uint64_t latency_ns_max; /* and the slowest */

    struct {
        const char *name;
        uint64_t count;
    } refusers[TALLY_REFUSERS];
};

/** Counts for many threads at once. */
struct tally {
    pthread_mutex_t lock;
    struct tally_counts slice; /* since the last tally_slice */
    struct tally_counts total; /* without the slice */
};

#define TALLY_INIT                                                                                 \
    {                                                                                              \
        .lock = PTHREAD_MUTEX_INITIALIZER                                                          \
    }

/** An attempt has ended. */
void tally_sent(struct tally *tally, enum resil_outcome outcome);

/** A request has ended as the report says, span_ns after it was wanted. */
void tally_ended(struct tally *tally, const struct resil_report *report, uint64_t span_ns);

/** A request was given up before anybody was free to make it. */
void tally_left(struct tally *tally, uint64_t span_ns);

/** Copies what was counted since the last time, and starts the next slice. */
struct tally_counts tally_slice(struct tally *tally);

/** Copies what was counted up to the last slice. */
struct tally_counts tally_total(struct tally *tally);

/** The header of the timeline; others: there will be a column for a neighbour. */
void display_header(const struct display *display, bool others);

/** One line of the timeline. others: users of a neighbour; NULL = there is none. */
void display_line(const struct display *display, uint64_t at_ns, const char *server,
                  const char *breaker, const struct tally_counts *slice,
                  const struct tally_counts *others);

enum display_better {
    DISPLAY_LESS = 0,
    DISPLAY_MORE = 1,
};

/** One row of a table of two columns; the second number is shown as good or bad. */
void display_row(const struct display *display, const char *label, double before, double after,
                 enum display_better better, const char *unit);

#endif
