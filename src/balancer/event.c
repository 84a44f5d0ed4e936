/* SPDX-License-Identifier: BSD-2-Clause */

/* Events wait in a ring until somebody reads them; the oldest makes room. */
#include <string.h>

#include "balancer/balancer.h"

void resil__copy_address(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);

    if (length >= size)
        length = size - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

void resil__lb_event(struct resil__balancer *lb, enum resil_balancer_event_kind kind,
                     const struct resil__host *host, uint32_t reason, uint64_t value,
                     uint64_t now_ns)
{
    struct resil_balancer_event *event;

    if (lb->events == NULL)
        return;
    event = &lb->events[lb->event_next++ % RESIL__EVENTS];
    if (lb->event_next - lb->event_first > RESIL__EVENTS) {
        lb->event_first++;
        lb->events_lost++;
    }
    *event = (struct resil_balancer_event){
        .now_ns = now_ns, .kind = kind, .reason = reason, .value = value};
    if (kind == RESIL_BALANCER_CANARY)
        event->numbers = lb->canary.numbers;
    if (host == NULL)
        return;
    event->id = host->id;
    resil__copy_address(event->address, sizeof event->address, host->address);
}

bool resil_balancer_event(struct resil_balancer *balancer, struct resil_balancer_event *event)
{
    struct resil__balancer *lb = resil__balancer(balancer);
    bool found;

    if (balancer == NULL || !lb->ready || event == NULL)
        return false;
    resil__lock(&lb->lock);
    found = lb->event_first != lb->event_next;
    if (found)
        *event = lb->events[lb->event_first++ % RESIL__EVENTS];
    resil__unlock(&lb->lock);
    return found;
}
