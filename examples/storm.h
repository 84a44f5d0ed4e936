/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STORM_H
#define STORM_H

/*
 * What the demonstrations have in common: a server, its bad minute (healthy, failing, slow, dead,
 * healthy again) in seven seconds, and the timeline of it.
 */

#include "display.h"
#include "fault_server.h"
#include "http_guard.h"

/** One line of the timeline. */
#define STORM_TICK_NS RESIL_MS(250)

/** The first four are set by the caller. */
struct storm {
    struct display display;
    const struct http_guard *guard; /* whose breaker the timeline shows; NULL = none */
    struct tally *tally;            /* of the requests to the server */
    struct tally *others;           /* of those to a neighbour; NULL = none */
    char url[40];                   /* of the server */
    uint64_t start_ns;              /* when it began */
    uint64_t next_ns;               /* when storm_turn is due; RESIL_NEVER = the storm is over */
    struct fault_counts counts;     /* after the end: what the server counted */
    struct fault_server *server_;
    const char *phase_;
};

/** Starts the server and writes the header. Returns false when no server is to be had: nothing to
    end. */
bool storm_begin(struct storm *storm);

/** Writes the line and makes the weather that are due, if they are. Call it at next_ns, or more
    often. */
void storm_turn(struct storm *storm);

/** Stops the server. */
void storm_end(struct storm *storm);

/** How long every storm lasts. */
uint64_t storm_length_ns(void);

/** Sleeps until a point in time. */
void storm_sleep_until(uint64_t at_ns);

#endif
