/* SPDX-License-Identifier: BSD-2-Clause */
#include "endpoint_table.h"

#include <resil/env.h>

/* Makes room for what is written next: on a terminal where the last table stood. */
static void clear(struct endpoint_table *table)
{
    if (table->display.colour && table->lines_ > 0)
        (void)fprintf(table->display.out, "\033[%uA\033[J", table->lines_);
    else if (table->lines_ > 0)
        (void)fputc('\n', table->display.out);
    table->lines_ = 0;
}

static double seconds(const struct endpoint_table *table, uint64_t at_ns)
{
    return (double)(at_ns - table->start_ns) / 1e9;
}

/* What was reported since the last time; an id is never used again. */
static uint64_t since_last(const struct endpoint_table *table,
                           const struct resil_endpoint_snapshot *endpoint)
{
    for (size_t i = 0; i < TABLE_ROWS; i++)
        if (table->rows_[i].id == endpoint->id)
            return endpoint->reports - table->rows_[i].reports;
    return endpoint->reports;
}

/* Why an endpoint gets less than its share, if it does. */
static void write_why(char *text, size_t size, const struct resil_endpoint_snapshot *endpoint,
                      uint64_t now_ns)
{
    if (endpoint->state == RESIL_ENDPOINT_EJECTED)
        (void)snprintf(text, size, "%s, back in %.1f s", resil_ejection_str(endpoint->reason),
                       endpoint->back_ns > now_ns ? (double)(endpoint->back_ns - now_ns) / 1e9 : 0);
    else if (endpoint->weight_pct < 100)
        (void)snprintf(text, size, "slow start, weight at %u %%", (unsigned)endpoint->weight_pct);
    else
        text[0] = '\0';
}

static void show_row(const struct endpoint_table *table,
                     const struct resil_endpoint_snapshot *endpoint, uint64_t calls, uint64_t all,
                     uint64_t now_ns)
{
    char why[64];

    write_why(why, sizeof why, endpoint, now_ns);
    display_print(&table->display,
                  endpoint->state != RESIL_ENDPOINT_UP ? DISPLAY_BAD
                  : why[0] != '\0'                     ? DISPLAY_WARN
                                                       : DISPLAY_PLAIN,
                  "  %-17s %5.1f %% %9u %8.1f ms  %s%s%s\n", endpoint->address,
                  all > 0 ? 100.0 * (double)calls / (double)all : 0, (unsigned)endpoint->in_flight,
                  (double)endpoint->latency_ns / 1e6, resil_endpoint_state_str(endpoint->state),
                  why[0] != '\0' ? ": " : "", why);
}

void endpoint_table_show(struct endpoint_table *table, const char *title)
{
    struct resil_endpoint_snapshot snapshots[TABLE_ROWS];
    uint64_t calls[TABLE_ROWS];
    uint64_t now_ns = resil_now_ns();
    uint64_t all = 0;
    size_t count = 0;

    while (count < TABLE_ROWS &&
           resil_balancer_endpoint(table->balancer, count, now_ns, &snapshots[count]) == RESIL_OK)
        count++;
    for (size_t i = 0; i < count; i++) {
        calls[i] = since_last(table, &snapshots[i]);
        all += calls[i];
    }
    clear(table);
    display_print(&table->display, DISPLAY_BOLD, "%5.1f s  %s\n", seconds(table, now_ns), title);
    display_print(&table->display, DISPLAY_DIM, "  %-17s %7s %9s %11s  %s\n", "endpoint", "share",
                  "in flight", "latency", "state: why");
    for (size_t i = 0; i < count; i++) {
        show_row(table, &snapshots[i], calls[i], all, now_ns);
        table->rows_[i] = (struct table_row){snapshots[i].id, snapshots[i].reports};
    }
    table->lines_ = (unsigned)count + 2;
    (void)fflush(table->display.out);
}

static const char *name_of(enum resil_balancer_event_kind kind)
{
    switch (kind) {
    case RESIL_BALANCER_EJECTED:
        return "ejected";
    case RESIL_BALANCER_RETURNED:
        return "back from ejection";
    case RESIL_BALANCER_DOWN:
        return "down, says the check";
    case RESIL_BALANCER_UP:
        return "up, says the check";
    case RESIL_BALANCER_PANIC:
        return "panic: calls go to ill endpoints, too";
    case RESIL_BALANCER_PANIC_ENDED:
        return "the panic is over";
    case RESIL_BALANCER_CANARY:
        return "the canary's share changes";
    case RESIL_BALANCER_STALE:
        return "an empty list is not believed";
    case RESIL_BALANCER_EMPTIED:
        return "the list is empty";
    case RESIL_BALANCER_STALLED:
        return "a reader holds up reclamation";
    default:
        return "?";
    }
}

void endpoint_table_event(struct endpoint_table *table, const struct resil_balancer_event *event)
{
    clear(table);
    display_print(&table->display, DISPLAY_WARN, "%5.1f s  * %s %s", seconds(table, event->now_ns),
                  event->address, name_of(event->kind));
    if (event->kind == RESIL_BALANCER_EJECTED)
        display_print(&table->display, DISPLAY_WARN, " for %.1f s: %s", (double)event->value / 1e9,
                      resil_ejection_str((enum resil_ejection)event->reason));
    (void)fputc('\n', table->display.out);
}
