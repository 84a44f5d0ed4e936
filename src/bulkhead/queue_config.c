/* SPDX-License-Identifier: BSD-2-Clause */

/* The cold half of the queue: its config, its beginning and end, and what it tells. */
#include "bulkhead/queue_fast.h"

#include <string.h>

#include "base/check.h"

#define LENGTH_DEFAULT UINT64_C(100)
#define LENGTH_MAX     UINT64_C(1000000)
#define WAIT_DEFAULT   RESIL_SEC(1)
#define SPAN_MAX       RESIL_SEC(3600)

_Static_assert(offsetof(struct resil_queue, lock_) - offsetof(struct resil_queue, lifo_) >= 64,
               "constants and changing words on lines of their own");

int resil_queue_config_check(const struct resil_queue_config *config, char *why, size_t why_size)
{
    struct resil__why line = {why, why_size};
    int rc;

    if (config == NULL)
        return RESIL_OK;
    rc = resil__check_range(line, "length", config->length, 1, LENGTH_MAX);
    if (rc == RESIL_OK)
        rc = resil__check_range(line, "wait_ns", config->wait_ns, 1, SPAN_MAX);
    if (rc == RESIL_OK)
        rc = resil__check_optional(line, "poll_ns", config->poll_ns, RESIL_US(1), SPAN_MAX);
    return rc;
}

int resil_queue_init_sized(struct resil_queue *queue, size_t queue_size,
                           struct resil_bulkhead *bulkhead, const struct resil_queue_config *config,
                           size_t config_size)
{
    static const struct resil_queue_config defaults;
    struct resil_bulkhead_snapshot unused;

    if (queue_size != sizeof *queue || config_size != sizeof *config)
        return RESIL_EABI;
    if (queue == NULL || resil_bulkhead_snapshot(bulkhead, &unused) != RESIL_OK ||
        resil_queue_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    if (config == NULL)
        config = &defaults;
    memset(queue, 0, sizeof *queue);
    queue->bulkhead_ = bulkhead;
    queue->wait_ns_ = resil__default(config->wait_ns, WAIT_DEFAULT);
    queue->poll_ns_ = resil__optional(config->poll_ns, 0);
    queue->length_ = (uint32_t)resil__default(config->length, LENGTH_DEFAULT);
    queue->lifo_ = config->lifo;
    return RESIL_OK;
}

int resil_queue_fini(struct resil_queue *queue)
{
    if (queue == NULL || queue->bulkhead_ == NULL)
        return RESIL_EINVAL;
    if (queue->present_ != 0)
        return RESIL_EBUSY;
    queue->bulkhead_ = NULL;
    return RESIL_OK;
}

int resil_queue_snapshot(const struct resil_queue *queue, struct resil_queue_snapshot *snapshot)
{
    if (queue == NULL || snapshot == NULL || queue->bulkhead_ == NULL)
        return RESIL_EINVAL;
    *snapshot = (struct resil_queue_snapshot){
        .waiting = resil__load_acquire32(&queue->waiting_),
        .entered = resil__load_relaxed(&queue->entered_),
        .granted = resil__load_relaxed(&queue->granted_),
        .expired = resil__load_relaxed(&queue->expired_),
        .dropped = resil__load_relaxed(&queue->dropped_),
    };
    return RESIL_OK;
}
