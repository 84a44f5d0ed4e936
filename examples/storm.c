/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L
#include "storm.h"

#include <errno.h>
#include <time.h>

static const struct {
    const char *name;
    uint64_t ticks;
    struct fault_weather weather;
} phases[] = {
    {"healthy", 4, {.kind = FAULT_HEALTHY, .delay_ms = 5}},
    {"failing", 4, {.kind = FAULT_FAILING, .delay_ms = 5, .failure_pct = 95}},
    {"slow", 7, {.kind = FAULT_SLOW, .delay_ms = 1000}},
    {"dead", 5, {.kind = FAULT_DEAD}},
    {"healthy", 8, {.kind = FAULT_HEALTHY, .delay_ms = 5}},
};

#define PHASES (sizeof phases / sizeof *phases)

uint64_t storm_length_ns(void)
{
    uint64_t ticks = 0;

    for (size_t i = 0; i < PHASES; i++)
        ticks += phases[i].ticks;
    return ticks * STORM_TICK_NS;
}

/* Makes the weather of a moment and returns its name. */
static const char *set_weather(struct fault_server *server, uint64_t since_ns)
{
    size_t i = 0;

    for (uint64_t end_ns = phases[0].ticks * STORM_TICK_NS; i < PHASES - 1 && since_ns >= end_ns;
         end_ns += phases[i].ticks * STORM_TICK_NS)
        i++;
    fault_server_set_weather(server, phases[i].weather);
    return phases[i].name;
}

bool storm_begin(struct storm *storm)
{
    storm->server_ = fault_server_start();
    if (storm->server_ == NULL)
        return false;
    (void)snprintf(storm->url, sizeof storm->url, "http://127.0.0.1:%u/",
                   fault_server_port(storm->server_));
    storm->phase_ = set_weather(storm->server_, 0);
    display_header(&storm->display, storm->others != NULL);
    storm->start_ns = resil_now_ns();
    storm->next_ns = storm->start_ns + STORM_TICK_NS;
    return true;
}

void storm_turn(struct storm *storm)
{
    uint64_t since_ns = storm->next_ns - storm->start_ns;
    struct tally_counts slice;
    struct tally_counts others;

    if (resil_now_ns() < storm->next_ns)
        return;
    slice = tally_slice(storm->tally);
    if (storm->others != NULL)
        others = tally_slice(storm->others);
    display_line(&storm->display, since_ns, storm->phase_,
                 storm->guard != NULL ? http_guard_state(storm->guard) : "-", &slice,
                 storm->others != NULL ? &others : NULL);
    storm->phase_ = set_weather(storm->server_, since_ns);
    storm->next_ns = since_ns < storm_length_ns() ? storm->next_ns + STORM_TICK_NS : RESIL_NEVER;
}

void storm_end(struct storm *storm)
{
    (void)tally_slice(storm->tally); /* what ended after the last line */
    if (storm->others != NULL)
        (void)tally_slice(storm->others);
    fault_server_counts(storm->server_, &storm->counts);
    fault_server_stop(storm->server_);
}

void storm_sleep_until(uint64_t at_ns)
{
    struct timespec at = {(time_t)(at_ns / RESIL_SEC(1)), (long)(at_ns % RESIL_SEC(1))};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        continue;
}
