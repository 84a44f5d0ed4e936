/* SPDX-License-Identifier: BSD-2-Clause */

/* The list of the health checks: its index by id and its heap by time. */
#include "balancer/health.h"

#include "base/math.h"
#include "base/random.h"

static bool sooner(const struct resil__health_table *table, struct resil__health_due a,
                   struct resil__health_due b)
{
    if (a.at_ns != b.at_ns)
        return a.at_ns < b.at_ns;
    return table->nodes[a.node].id < table->nodes[b.node].id;
}

/* Moves an entry down to where none below it is sooner: at most log2(n) steps. */
static void sink(struct resil__health_table *table, uint32_t at)
{
    struct resil__health_due moved = table->heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= table->waiting)
            break;
        if (child + 1 < table->waiting && sooner(table, table->heap[child + 1], table->heap[child]))
            child++;
        if (!sooner(table, table->heap[child], moved))
            break;
        table->heap[at] = table->heap[child];
        at = child;
    }
    table->heap[at] = moved;
}

void resil__health_order(struct resil__health_table *table)
{
    for (uint32_t at = table->waiting / 2; at > 0; at--)
        sink(table, at - 1);
}

void resil__health_push(struct resil__health_table *table, uint32_t node, uint64_t at_ns)
{
    struct resil__health_due moved = {at_ns, node};
    uint32_t at = table->waiting++;

    table->nodes[node].due_ns = at_ns;
    while (at > 0 && sooner(table, moved, table->heap[(at - 1) / 2])) {
        table->heap[at] = table->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    table->heap[at] = moved;
}

uint32_t resil__health_pop(struct resil__health_table *table)
{
    uint32_t node = table->heap[0].node;

    table->heap[0] = table->heap[--table->waiting];
    if (table->waiting > 0)
        sink(table, 0);
    return node;
}

/* Times that were before the start of the clock become equal, so the order is made anew. */
void resil__health_shift(struct resil__health_table *table, uint64_t by_ns)
{
    for (uint32_t at = 0; at < table->waiting; at++) {
        struct resil__health_due *due = &table->heap[at];

        due->at_ns = resil__sub_sat(due->at_ns, by_ns);
        table->nodes[due->node].due_ns = due->at_ns;
    }
    resil__health_order(table);
}

/* Returns where in the index the id is, or would be: a free place is always near, because the index
   is at most half full. */
uint32_t resil__health_place(const struct resil__health_table *table, uint64_t id)
{
    uint32_t at = (uint32_t)resil__mix(id) & table->mask;

    while (table->index[at] != RESIL__HEALTH_NONE && table->nodes[table->index[at]].id != id)
        at = (at + 1) & table->mask;
    return at;
}

uint32_t resil__health_find(const struct resil__health_table *table, uint64_t id)
{
    return table != NULL ? table->index[resil__health_place(table, id)] : RESIL__HEALTH_NONE;
}

int resil_health_peek(const struct resil_health *health, uint64_t id,
                      struct resil_health_view *view)
{
    const struct resil__health_node *node;
    uint32_t at;

    if (health == NULL || view == NULL || health->ready_ != RESIL__HEALTH_READY)
        return RESIL_EINVAL;
    at = resil__health_find(health->table_, id);
    if (at == RESIL__HEALTH_NONE)
        return RESIL_ELATE;
    node = &health->table_->nodes[at];
    *view = (struct resil_health_view){
        .state = (enum resil_health_state)node->state,
        .in_flight = node->slot != RESIL__HEALTH_NONE,
        .streak = node->streak,
        .due_ns = node->slot != RESIL__HEALTH_NONE ? health->slots_[node->slot].deadline_ns
                                                   : node->due_ns,
    };
    return RESIL_OK;
}
