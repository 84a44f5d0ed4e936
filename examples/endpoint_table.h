/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ENDPOINT_TABLE_H
#define ENDPOINT_TABLE_H

/*
 * Shows what a balancer knows of its endpoints, and what happens to them. All of it is read from the
 * balancer: a program of your own can do the same for its status page.
 */

#include "display.h"

#include <resil/balancer.h>

/** How many endpoints are shown. */
#define TABLE_ROWS 8

/** What an endpoint had reported when the table was shown last. */
struct table_row {
    uint64_t id;
    uint64_t reports;
};

struct endpoint_table {
    struct display display;
    struct resil_balancer *balancer;
    uint64_t start_ns; /* events and titles count from here */
    struct table_row rows_[TABLE_ROWS];
    unsigned lines_; /* of the table that stands on the terminal */
};

/** Shows the endpoints as they are now; shares are of the time since the last table. On a terminal
    it takes the place of the last one. */
void endpoint_table_show(struct endpoint_table *table, const char *title);

/** Shows one event. */
void endpoint_table_event(struct endpoint_table *table, const struct resil_balancer_event *event);

#endif
