/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_HEALTH_H
#define RESIL_BALANCER_HEALTH_H

/*
 * What the files of the health checks share.
 *
 *   table    the list: nodes, an index by id, and a heap of the nodes that wait for their time.
 *            One block of memory, replaced whole by an update.
 *   slots    the probes in flight, oldest first, and free ones. All have the same time-out, so the
 *            oldest is the first to expire. They outlive tables.
 */

#include <resil/health.h>

#define RESIL__HEALTH_NONE  UINT32_MAX
#define RESIL__HEALTH_READY UINT32_C(0x4ea17b0b)

/** A ticket: serial << 20 | slot. */
#define RESIL__HEALTH_SLOT_BITS 20

struct resil__health_node {
    uint64_t id;
    const char *address;
    void *user;
    uint64_t due_ns; /* of the next probe, while it waits */
    uint32_t slot;   /* in flight; NONE = it waits in the heap */
    uint16_t streak; /* results in a row against the state */
    uint8_t state;
};

/** A waiting node: the earliest due first, of equals the lower id. */
struct resil__health_due {
    uint64_t at_ns;
    uint32_t node;
};

struct resil__health_table {
    size_t bytes;
    struct resil__health_node *nodes;
    struct resil__health_due *heap;
    uint32_t *index; /* by hash of the id: node, or NONE */
    char *text;      /* the addresses */
    uint32_t count;
    uint32_t waiting; /* entries of the heap */
    uint32_t mask;    /* of the index */
};

struct resil__health_slot {
    uint64_t ticket; /* 0 = free */
    uint64_t start_ns;
    uint64_t deadline_ns;
    uint32_t node;
    uint32_t before;
    uint32_t after; /* in flight; of a free one, the next free one */
};

/* health_table.c */

/** Where in the index the id is, or would be. */
uint32_t resil__health_place(const struct resil__health_table *table, uint64_t id);

/** The node of an id; NONE, also for a NULL table. */
uint32_t resil__health_find(const struct resil__health_table *table, uint64_t id);

/** Makes a heap of entries in any order. */
void resil__health_order(struct resil__health_table *table);

void resil__health_push(struct resil__health_table *table, uint32_t node, uint64_t at_ns);
uint32_t resil__health_pop(struct resil__health_table *table);

/** Moves the times of all that waits back. */
void resil__health_shift(struct resil__health_table *table, uint64_t by_ns);

/* health.c */

/** Takes the time: never an older one than before. */
uint64_t resil__health_clock(struct resil_health *health, uint64_t now_ns);

/** Takes a slot out of those in flight. */
void resil__health_land(struct resil_health *health, uint32_t slot);

/** 64 random bits, or 0 without jitter. */
uint64_t resil__health_random(struct resil_health *health);

/** The address of a probe in flight; NULL when it no longer is. */
const char *resil__health_address(const struct resil_health *health, uint64_t ticket);

/* health_update.c: an update in two halves. The first may run in any thread; the second can't fail
   once there has been an update. */
int resil__health_prepare(const struct resil_allocator *from,
                          const struct resil_health_endpoint *endpoints, size_t count,
                          struct resil__health_table **prepared);
void resil__health_discard(const struct resil_allocator *from, struct resil__health_table *table);
void resil__health_adopt(struct resil_health *health, struct resil__health_table *table,
                         uint64_t now_ns);

#endif
