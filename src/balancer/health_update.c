/* SPDX-License-Identifier: BSD-2-Clause */

/* From one list of the health checks to the next. */
#include "balancer/health.h"

#include <string.h>

#include "base/atomic.h"
#include "base/math.h"
#include "base/random.h"

/* Bytes of the addresses; 0 when one of them can't be used or they don't fit. */
static size_t text_bytes(const struct resil_health_endpoint *endpoints, size_t count)
{
    size_t bytes = 1;

    for (size_t i = 0; i < count; i++) {
        const char *address = endpoints[i].address;

        if (address == NULL || address[0] == '\0' ||
            __builtin_add_overflow(bytes, strlen(address) + 1, &bytes))
            return 0;
    }
    return bytes <= SIZE_MAX / 2 ? bytes : 0;
}

static struct resil__health_table *new_table(const struct resil_allocator *from, size_t count,
                                             size_t text)
{
    struct resil__health_table *table;
    size_t places = 2;
    size_t bytes;

    while (places < 2 * count)
        places *= 2;
    bytes = sizeof *table + count * (sizeof *table->nodes + sizeof *table->heap) +
            places * sizeof *table->index + text;
    table = from->allocate(from->arg, bytes, 64);
    if (table == NULL)
        return NULL;
    *table = (struct resil__health_table){.bytes = bytes, .mask = (uint32_t)places - 1};
    table->nodes = (struct resil__health_node *)(table + 1);
    table->heap = (struct resil__health_due *)(table->nodes + count);
    table->index = (uint32_t *)(table->heap + count);
    table->text = (char *)(table->index + places);
    memset(table->index, 0xff, places * sizeof *table->index);
    return table;
}

/* Fills a table with fresh nodes; false when an id comes twice. */
static bool fill(struct resil__health_table *table, const struct resil_health_endpoint *endpoints,
                 size_t count)
{
    char *text = table->text;

    for (size_t i = 0; i < count; i++) {
        size_t bytes = strlen(endpoints[i].address) + 1;
        uint32_t place = resil__health_place(table, endpoints[i].id);

        if (table->index[place] != RESIL__HEALTH_NONE)
            return false;
        table->index[place] = (uint32_t)i;
        table->nodes[i] = (struct resil__health_node){
            .id = endpoints[i].id,
            .address = memcpy(text, endpoints[i].address, bytes),
            .user = endpoints[i].user,
            .slot = RESIL__HEALTH_NONE,
        };
        text += bytes;
        table->count++;
    }
    return true;
}

static bool make_slots(struct resil_health *health)
{
    const struct resil_allocator *from = health->allocator_;
    uint32_t count = (uint32_t)health->config_.probes_max;

    if (health->slots_ != NULL)
        return true;
    health->slots_ = from->allocate(from->arg, count * sizeof *health->slots_, 64);
    if (health->slots_ == NULL)
        return false;
    for (uint32_t at = 0; at < count; at++)
        health->slots_[at] = (struct resil__health_slot){
            .after = at + 1 < count ? at + 1 : RESIL__HEALTH_NONE,
        };
    health->free_ = 0;
    return true;
}

static const struct resil__health_node *kept(const struct resil__health_table *old,
                                             const struct resil__health_node *node)
{
    uint32_t at = resil__health_find(old, node->id);

    if (at == RESIL__HEALTH_NONE || strcmp(old->nodes[at].address, node->address) != 0)
        return NULL;
    return &old->nodes[at];
}

/* Without order: resil__health_order follows. */
static void append(struct resil__health_table *table, uint32_t node, uint64_t at_ns)
{
    table->nodes[node].due_ns = at_ns;
    table->heap[table->waiting++] = (struct resil__health_due){at_ns, node};
}

/* Takes the old list's state over and gives the new endpoints their first time. */
static void inherit(struct resil_health *health, struct resil__health_table *table, uint64_t now_ns)
{
    uint64_t fresh = 0, turn = 0;

    for (uint32_t i = 0; i < table->count; i++) {
        struct resil__health_node *node = &table->nodes[i];
        const struct resil__health_node *old = kept(health->table_, node);

        node->state = old != NULL ? old->state : RESIL_HEALTH_UNKNOWN;
        node->streak = old != NULL ? old->streak : 0;
        node->slot = old != NULL ? old->slot : RESIL__HEALTH_NONE;
        node->due_ns = old != NULL ? old->due_ns : RESIL_NEVER;
        fresh += old == NULL;
    }
    if (fresh != 0)
        turn = resil__random_below(resil__health_random(health), fresh);
    for (uint32_t i = 0; i < table->count; i++) {
        struct resil__health_node *node = &table->nodes[i];

        if (node->slot != RESIL__HEALTH_NONE)
            continue;
        if (node->due_ns == RESIL_NEVER) {
            node->due_ns =
                resil__add_sat(now_ns, resil__mul_div(health->config_.interval_ns, turn, fresh));
            turn = turn + 1 < fresh ? turn + 1 : 0;
        }
        append(table, i, node->due_ns);
    }
    resil__health_order(table);
}

/* Tells the probes in flight where their endpoints are now, and forgets those of endpoints that
   are gone. */
static void move_slots(struct resil_health *health, const struct resil__health_table *table)
{
    uint32_t at = health->first_;

    while (at != RESIL__HEALTH_NONE) {
        uint32_t after = health->slots_[at].after;
        uint32_t node =
            resil__health_find(table, health->table_->nodes[health->slots_[at].node].id);

        if (node != RESIL__HEALTH_NONE && table->nodes[node].slot == at) {
            health->slots_[at].node = node;
        } else {
            resil__health_land(health, at);
            resil__store_relaxed(&health->counts_.forgotten, health->counts_.forgotten + 1);
        }
        at = after;
    }
}

static void take_census(struct resil_health *health)
{
    uint64_t of[3] = {0};

    for (uint32_t i = 0; i < health->table_->count; i++)
        of[health->table_->nodes[i].state]++;
    resil__store_relaxed(&health->counts_.endpoints, health->table_->count);
    resil__store_relaxed(&health->counts_.unknown, of[RESIL_HEALTH_UNKNOWN]);
    resil__store_relaxed(&health->counts_.up, of[RESIL_HEALTH_UP]);
    resil__store_relaxed(&health->counts_.down, of[RESIL_HEALTH_DOWN]);
}

int resil__health_prepare(const struct resil_allocator *from,
                          const struct resil_health_endpoint *endpoints, size_t count,
                          struct resil__health_table **prepared)
{
    struct resil__health_table *table;
    size_t text;

    if (count > RESIL_HEALTH_ENDPOINTS_MAX || (endpoints == NULL && count != 0))
        return RESIL_EINVAL;
    text = text_bytes(endpoints, count);
    if (text == 0)
        return RESIL_EINVAL;
    table = new_table(from, count, text);
    if (table == NULL)
        return RESIL_ENOMEM;
    if (!fill(table, endpoints, count)) {
        resil__health_discard(from, table);
        return RESIL_EINVAL;
    }
    *prepared = table;
    return RESIL_OK;
}

void resil__health_discard(const struct resil_allocator *from, struct resil__health_table *table)
{
    if (table != NULL)
        from->release(from->arg, table, table->bytes);
}

void resil__health_adopt(struct resil_health *health, struct resil__health_table *table,
                         uint64_t now_ns)
{
    struct resil__health_table *old = health->table_;

    now_ns = resil__health_clock(health, now_ns);
    inherit(health, table, now_ns);
    move_slots(health, table);
    health->table_ = table;
    take_census(health);
    resil__health_discard(health->allocator_, old);
}

int resil_health_update(struct resil_health *health, const struct resil_health_endpoint *endpoints,
                        size_t count, uint64_t now_ns)
{
    struct resil__health_table *table;
    int rc;

    if (health == NULL || health->ready_ != RESIL__HEALTH_READY)
        return RESIL_EINVAL;
    rc = resil__health_prepare(health->allocator_, endpoints, count, &table);
    if (rc != RESIL_OK)
        return rc;
    if (!make_slots(health)) {
        resil__health_discard(health->allocator_, table);
        return RESIL_ENOMEM;
    }
    resil__health_adopt(health, table, now_ns);
    return RESIL_OK;
}
