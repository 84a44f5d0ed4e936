/* SPDX-License-Identifier: BSD-2-Clause */
#include "events.h"

#include <stdlib.h>

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

static bool grow(struct sim_events *events)
{
    size_t room = events->room != 0 ? events->room * 2 : 4096;
    struct sim_event *heap = realloc(events->heap, room * sizeof *heap);

    if (heap == NULL) {
        events->failed = true;
        return false;
    }
    events->heap = heap;
    events->room = room;
    return true;
}

void sim_events_push(struct sim_events *events, struct sim_event event)
{
    size_t at;

    if (events->count == events->room && !grow(events))
        return;
    event.sequence = events->sequence++;
    for (at = events->count++; at != 0 && before(&event, &events->heap[(at - 1) / 2]);
         at = (at - 1) / 2)
        events->heap[at] = events->heap[(at - 1) / 2];
    events->heap[at] = event;
}

bool sim_events_pop(struct sim_events *events, struct sim_event *event)
{
    const struct sim_event *last;
    size_t at = 0;

    if (events->count == 0)
        return false;
    *event = events->heap[0];
    last = &events->heap[--events->count];
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= events->count)
            break;
        if (child + 1 < events->count && before(&events->heap[child + 1], &events->heap[child]))
            child++;
        if (!before(&events->heap[child], last))
            break;
        events->heap[at] = events->heap[child];
        at = child;
    }
    events->heap[at] = *last;
    return true;
}
