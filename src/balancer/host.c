/* SPDX-License-Identifier: BSD-2-Clause */

/* A host in one block: load, state, address, and the program's own bytes. */
#include <string.h>

#include "balancer/balancer.h"

#define LINE 64

static size_t round_up(size_t bytes)
{
    return (bytes + LINE - 1) / LINE * LINE;
}

struct resil__host *resil__host_new(struct resil__balancer *lb,
                                    const struct resil_endpoint *endpoint, int *rc)
{
    size_t length = strlen(endpoint->address);
    size_t head = round_up(sizeof(struct resil__host) + length + 1);
    size_t bytes = head + round_up(lb->config.state_size);
    struct resil__host *host = resil__lb_allocate(lb, bytes);

    if (host == NULL) {
        *rc = RESIL_ENOMEM;
        return NULL;
    }
    host->bytes = bytes;
    host->address = (char *)(host + 1);
    memcpy(host->address, endpoint->address, length + 1);
    host->hash = resil_hash64(host->address, length, 0);
    host->id = ++lb->last_id;
    host->fresh_ns = RESIL_NEVER;
    if (lb->config.state_size == 0)
        return host;
    host->state = (char *)host + head;
    *rc = lb->config.state_init == NULL
              ? RESIL_OK
              : lb->config.state_init(lb->config.state_arg, host->state, endpoint);
    if (*rc < 0) {
        resil__lb_release(lb, host, bytes);
        return NULL;
    }
    return host;
}

void resil__host_free(struct resil__balancer *lb, struct resil__host *host)
{
    if (host->state != NULL && lb->config.state_fini != NULL)
        lb->config.state_fini(lb->config.state_arg, host->state);
    resil__lb_release(lb, host, host->bytes);
}
