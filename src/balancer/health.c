/* SPDX-License-Identifier: BSD-2-Clause */

/* The health checks at work: handing probes out, judging what they bring. */
#include "balancer/health.h"

#include "base/atomic.h"
#include "base/math.h"
#include "base/random.h"

/* An older time within this span is a thread that stalled, beyond it a clock that was set back. */
#define CLOCK_SLACK_NS RESIL_SEC(1)

/* One thread writes the counters; others may read them. */
static void count(uint64_t *counter)
{
    resil__store_relaxed(counter, *counter + 1);
}

static void discount(uint64_t *counter)
{
    resil__store_relaxed(counter, *counter - 1);
}

uint64_t resil__health_random(struct resil_health *health)
{
    return health->config_.jitter_pct != 0 ? resil__random_next(&health->random_) : 0;
}

static uint32_t slot_of(uint64_t ticket)
{
    return (uint32_t)(ticket & ((UINT64_C(1) << RESIL__HEALTH_SLOT_BITS) - 1));
}

static bool in_flight(const struct resil_health *health, uint64_t ticket)
{
    uint32_t at = slot_of(ticket);

    return ticket != 0 && health->slots_ != NULL && at < health->config_.probes_max &&
           health->slots_[at].ticket == ticket;
}

const char *resil__health_address(const struct resil_health *health, uint64_t ticket)
{
    if (!in_flight(health, ticket))
        return NULL;
    return health->table_->nodes[health->slots_[slot_of(ticket)].node].address;
}

uint64_t resil__health_clock(struct resil_health *health, uint64_t now_ns)
{
    uint64_t back_ns = resil__sub_sat(health->now_ns_, now_ns);

    if (back_ns == 0 || back_ns > CLOCK_SLACK_NS)
        health->now_ns_ = now_ns;
    if (back_ns <= CLOCK_SLACK_NS || health->table_ == NULL)
        return health->now_ns_;
    resil__health_shift(health->table_, back_ns);
    for (uint32_t at = health->first_; at != RESIL__HEALTH_NONE; at = health->slots_[at].after) {
        struct resil__health_slot *slot = &health->slots_[at];

        slot->start_ns = resil__sub_sat(slot->start_ns, back_ns);
        slot->deadline_ns = resil__sub_sat(slot->deadline_ns, back_ns);
    }
    return now_ns;
}

void resil__health_land(struct resil_health *health, uint32_t at)
{
    struct resil__health_slot *slot = &health->slots_[at];

    if (slot->before == RESIL__HEALTH_NONE)
        health->first_ = slot->after;
    else
        health->slots_[slot->before].after = slot->after;
    if (slot->after == RESIL__HEALTH_NONE)
        health->last_ = slot->before;
    else
        health->slots_[slot->after].before = slot->before;
    slot->ticket = 0;
    slot->after = health->free_;
    health->free_ = at;
    discount(&health->counts_.in_flight);
}

/* Takes the free slot that there is for a node that has left the heap. */
static struct resil__health_slot *take_off(struct resil_health *health, uint32_t node,
                                           uint64_t now_ns)
{
    uint32_t at = health->free_;
    struct resil__health_slot *slot = &health->slots_[at];

    health->free_ = slot->after;
    *slot = (struct resil__health_slot){
        .ticket = ++health->serial_ << RESIL__HEALTH_SLOT_BITS | at,
        .start_ns = now_ns,
        .deadline_ns = resil__add_sat(now_ns, health->config_.timeout_ns),
        .node = node,
        .before = health->last_,
        .after = RESIL__HEALTH_NONE,
    };
    if (health->last_ == RESIL__HEALTH_NONE)
        health->first_ = at;
    else
        health->slots_[health->last_].after = at;
    health->last_ = at;
    health->table_->nodes[node].slot = at;
    count(&health->counts_.started);
    count(&health->counts_.in_flight);
    return slot;
}

/* Ends a probe: its endpoint waits for the next one. */
static void settle(struct resil_health *health, uint32_t at, uint64_t now_ns)
{
    const struct resil_health_config *is = &health->config_;
    uint64_t start_ns = health->slots_[at].start_ns;
    uint32_t which = health->slots_[at].node;
    struct resil__health_node *node = &health->table_->nodes[which];
    uint64_t pace_ns = is->interval_ns;

    if (node->streak != 0)
        pace_ns = is->doubt_ns;
    else if (node->state == RESIL_HEALTH_DOWN)
        pace_ns = is->down_ns;
    pace_ns +=
        resil__random_below(resil__health_random(health), pace_ns * is->jitter_pct / 100 + 1);
    resil__health_land(health, at);
    node->slot = RESIL__HEALTH_NONE;
    resil__health_push(health->table_, which,
                       resil__max(now_ns, resil__add_sat(start_ns, pace_ns)));
}

static uint64_t *population(struct resil_health *health, uint8_t state)
{
    if (state == RESIL_HEALTH_UP)
        return &health->counts_.up;
    return state == RESIL_HEALTH_DOWN ? &health->counts_.down : &health->counts_.unknown;
}

/* Returns whether the result has changed the state. */
static bool judge(struct resil_health *health, struct resil__health_node *node, bool passed)
{
    bool agrees = passed ? node->state == RESIL_HEALTH_UP : node->state == RESIL_HEALTH_DOWN;
    uint64_t needed = passed ? health->config_.rise : health->config_.fall;

    if (passed && node->state == RESIL_HEALTH_UNKNOWN)
        needed = 1;
    node->streak = agrees ? 0 : (uint16_t)(node->streak + 1);
    if (node->streak < needed)
        return false;
    discount(population(health, node->state));
    node->state = passed ? RESIL_HEALTH_UP : RESIL_HEALTH_DOWN;
    node->streak = 0;
    count(population(health, node->state));
    count(&health->counts_.changes);
    return true;
}

static void finish(struct resil_health *health, uint32_t at, bool passed, uint64_t now_ns)
{
    struct resil__health_node *node = &health->table_->nodes[health->slots_[at].node];
    uint64_t id = node->id;
    bool changed = judge(health, node, passed);

    settle(health, at, now_ns);
    if (changed && health->config_.changed != NULL)
        health->config_.changed(health->config_.changed_arg, id, passed);
}

static void expire(struct resil_health *health, uint32_t at, uint64_t now_ns)
{
    count(&health->counts_.expired);
    finish(health, at, false, now_ns);
}

int resil_health_next(struct resil_health *health, uint64_t now_ns,
                      struct resil_health_probe *probe)
{
    struct resil__health_table *table;

    if (health == NULL || probe == NULL || health->ready_ != RESIL__HEALTH_READY)
        return RESIL_EINVAL;
    *probe = (struct resil_health_probe){.wake_ns = RESIL_NEVER};
    now_ns = resil__health_clock(health, now_ns);
    table = health->table_;
    if (table == NULL)
        return RESIL_OK;
    /* Bounded by the probes in flight: none takes off in here. */
    while (health->first_ != RESIL__HEALTH_NONE &&
           health->slots_[health->first_].deadline_ns <= now_ns)
        expire(health, health->first_, now_ns);
    if (health->first_ != RESIL__HEALTH_NONE)
        probe->wake_ns = health->slots_[health->first_].deadline_ns;
    if (table->waiting == 0 || health->free_ == RESIL__HEALTH_NONE)
        return RESIL_OK;
    if (table->heap[0].at_ns > now_ns) {
        probe->wake_ns = resil__min(probe->wake_ns, table->heap[0].at_ns);
    } else {
        uint32_t which = resil__health_pop(table);
        const struct resil__health_node *node = &table->nodes[which];
        const struct resil__health_slot *slot = take_off(health, which, now_ns);

        *probe = (struct resil_health_probe){
            .ticket = slot->ticket,
            .id = node->id,
            .address = node->address,
            .user = node->user,
            .deadline_ns = slot->deadline_ns,
            .wake_ns = now_ns,
        };
    }
    return RESIL_OK;
}

/* Finds the slot of a ticket that is in time: RESIL_OK. One that has expired is judged. */
static int arrive(struct resil_health *health, uint64_t ticket, uint64_t *now_ns, uint32_t *at)
{
    if (health == NULL || health->ready_ != RESIL__HEALTH_READY || ticket == 0)
        return RESIL_EINVAL;
    *now_ns = resil__health_clock(health, *now_ns);
    *at = slot_of(ticket);
    if (in_flight(health, ticket)) {
        if (*now_ns < health->slots_[*at].deadline_ns)
            return RESIL_OK;
        expire(health, *at, *now_ns);
    }
    count(&health->counts_.late);
    return RESIL_ELATE;
}

int resil_health_report(struct resil_health *health, uint64_t ticket, bool passed, uint64_t now_ns)
{
    uint32_t at;
    int rc = arrive(health, ticket, &now_ns, &at);

    if (rc == RESIL_OK) {
        count(passed ? &health->counts_.passed : &health->counts_.failed);
        finish(health, at, passed, now_ns);
    }
    return rc;
}

int resil_health_cancel(struct resil_health *health, uint64_t ticket, uint64_t now_ns)
{
    uint32_t at;
    int rc = arrive(health, ticket, &now_ns, &at);

    if (rc == RESIL_OK) {
        count(&health->counts_.cancelled);
        settle(health, at, now_ns);
    }
    return rc;
}
