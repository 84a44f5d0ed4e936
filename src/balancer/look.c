/* SPDX-License-Identifier: BSD-2-Clause */

/* What the balancer shows of itself. */
#include "balancer/balancer.h"
#include "balancer/ewma.h"

static enum resil_endpoint_state state_of(const struct resil__host *host)
{
    if (host->admin == RESIL_ADMIN_MAINTENANCE)
        return RESIL_ENDPOINT_MAINTENANCE;
    if (host->admin == RESIL_ADMIN_DRAIN)
        return RESIL_ENDPOINT_DRAINING;
    if (host->down)
        return RESIL_ENDPOINT_DOWN;
    return host->ejected ? RESIL_ENDPOINT_EJECTED : RESIL_ENDPOINT_UP;
}

const char *resil_endpoint_state_str(enum resil_endpoint_state state)
{
    switch (state) {
    case RESIL_ENDPOINT_UP:
        return "up";
    case RESIL_ENDPOINT_EJECTED:
        return "ejected";
    case RESIL_ENDPOINT_DOWN:
        return "down";
    case RESIL_ENDPOINT_DRAINING:
        return "draining";
    case RESIL_ENDPOINT_MAINTENANCE:
        return "maintenance";
    default:
        return "unknown";
    }
}

static void look_at(const struct resil__balancer *lb, const struct resil__entry *entry,
                    struct resil_endpoint_snapshot *snapshot, uint64_t now_ns)
{
    const struct resil__host *host = entry->host;
    uint64_t counts = resil__load_relaxed(&host->load.counts_);
    uint64_t decay_ns = lb->decay_ns;
    uint64_t word = resil__load_relaxed(&host->load.ewma_);

    *snapshot = (struct resil_endpoint_snapshot){
        .id = host->id,
        .weight = entry->given.weight,
        .weight_pct = 100,
        .in_flight = resil__load_relaxed(&host->load.in_flight_),
        .reports = host->reports + (counts >> 32),
        .failures = host->failures + (uint32_t)counts,
        .back_ns = host->ejected ? host->back_ns : 0,
        .ejections = host->ejections,
        .priority = (uint8_t)entry->given.priority,
        .canary = entry->canary,
        .state = state_of(host),
        .reason = host->reason,
    };
    if (host->fresh_ns != RESIL_NEVER)
        snapshot->weight_pct =
            resil__slow_start_weight(&lb->slow_start, resil__sub_sat(now_ns, host->fresh_ns)) *
            UINT64_C(100) / RESIL__SLOW_START_FULL;
    if (decay_ns != 0 && word != 0)
        snapshot->latency_ns = resil__ewma_read(word, now_ns, decay_ns, 0);
    resil__copy_address(snapshot->address, sizeof snapshot->address, host->address);
}

int resil_balancer_endpoint(struct resil_balancer *balancer, size_t index, uint64_t now_ns,
                            struct resil_endpoint_snapshot *snapshot)
{
    struct resil__balancer *lb = resil__balancer(balancer);
    int rc = RESIL_EINVAL;

    if (balancer == NULL || !lb->ready || snapshot == NULL)
        return RESIL_EINVAL;
    resil__lock(&lb->lock);
    if (lb->list != NULL && index < lb->list->count) {
        look_at(lb, &lb->list->entries[index], snapshot, now_ns);
        rc = RESIL_OK;
    }
    resil__unlock(&lb->lock);
    return rc;
}

static void count_host(const struct resil__host *host, struct resil_balancer_snapshot *snapshot)
{
    snapshot->endpoints++;
    snapshot->in_flight += resil__load_relaxed(&host->load.in_flight_);
    switch (state_of(host)) {
    case RESIL_ENDPOINT_UP:
        snapshot->up++;
        break;
    case RESIL_ENDPOINT_EJECTED:
        snapshot->ejected++;
        break;
    case RESIL_ENDPOINT_DOWN:
        snapshot->down++;
        break;
    case RESIL_ENDPOINT_DRAINING:
    case RESIL_ENDPOINT_MAINTENANCE:
        snapshot->aside++;
        break;
    }
}

static void look_at_list(const struct resil__balancer *lb, struct resil_balancer_snapshot *snapshot)
{
    const struct resil__slice *slice = &lb->view->slices[0];
    uint64_t before = 0;

    for (uint32_t i = 0; i < lb->list->count; i++)
        count_host(lb->list->entries[i].host, snapshot);
    for (uint32_t t = 0; t < slice->count; t++) {
        snapshot->load[slice->tiers[t].priority] = slice->tiers[t].upto - before;
        before = slice->tiers[t].upto;
    }
    snapshot->duplicates = lb->list->duplicates;
    snapshot->panic = lb->panic;
}

int resil_balancer_snapshot(struct resil_balancer *balancer,
                            struct resil_balancer_snapshot *snapshot)
{
    struct resil__balancer *lb = resil__balancer(balancer);

    if (balancer == NULL || !lb->ready || snapshot == NULL)
        return RESIL_EINVAL;
    resil__lock(&lb->lock);
    *snapshot = (struct resil_balancer_snapshot){
        .retired = lb->retired_count,
        .stalls = lb->stalls,
        .updates = lb->updates,
        .memory = lb->memory,
        .canary_bp = lb->canary_bp,
        .events_lost = lb->events_lost,
        .stale = lb->empty_ns != RESIL_NEVER && lb->list != NULL,
    };
    if (lb->list != NULL)
        look_at_list(lb, snapshot);
    for (const struct resil__host *host = lb->dropped; host != NULL; host = host->next) {
        snapshot->leaving++;
        snapshot->in_flight += resil__load_relaxed(&host->load.in_flight_);
    }
    resil__unlock(&lb->lock);
    return RESIL_OK;
}
