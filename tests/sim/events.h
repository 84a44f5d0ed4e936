/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_SIM_EVENTS_H
#define RESIL_SIM_EVENTS_H

/* What is going to happen, in order of time; at one time in the order in which it was pushed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_event_kind {
    SIM_ARRIVAL, /* index: client */
    SIM_RELEASE, /* index: client; a request that was held back */
    SIM_SERVED,  /* index: server, detail: worker, tag: epoch */
    SIM_ANSWER,  /* index: request, detail: outcome, tag: attempt id */
    SIM_TIMER,   /* index: request, tag: serial of the slot's user */
    SIM_SECOND,  /* a second is over */
    SIM_TRIGGER, /* index: 0 begin, 1 jump, 2 end, or EACH; tag: seconds since the begin */
};

#define SIM_EACH 3

struct sim_event {
    uint64_t at_ns;
    uint64_t sequence; /* set by push */
    uint64_t tag;
    uint32_t index;
    uint16_t kind;
    uint16_t detail;
};

struct sim_events {
    struct sim_event *heap;
    size_t count;
    size_t room;
    uint64_t sequence;
    bool failed; /* out of memory: an event was lost */
};

void sim_events_push(struct sim_events *events, struct sim_event event);

/** Takes the first event; false when there is none. */
bool sim_events_pop(struct sim_events *events, struct sim_event *event);

#endif
