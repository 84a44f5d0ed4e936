/* SPDX-License-Identifier: BSD-2-Clause */

/* The probes of Prequal: which one is due, and its answer. */
#include "balancer/pick.h"

static void hold(struct resil_probe *probe, const struct resil_pool *pool, uint64_t random)
{
    const struct resil_candidate *candidate =
        &pool->candidates[resil__random_below(random, pool->count)];
    const struct resil_member *member = &pool->members[candidate->member];

    (void)resil__add_relaxed(&candidate->load->in_flight_, 1);
    *probe = (struct resil_probe){
        .id = member->id,
        .address = member->address,
        .user = member->user,
        .host_ = candidate->load,
        .probes_ = pool->probes_,
        .hot_pct_ = (uint32_t)pool->options.hot_pct,
        .member_ = candidate->member,
    };
}

bool resil_balancer_probe(struct resil_balancer *balancer, struct resil_probe *probe)
{
    struct resil__balancer *lb = resil__balancer(balancer);
    struct resil__reader *reader;
    const struct resil__view *view;
    bool due = false;

    if (balancer == NULL || probe == NULL)
        return false;
    reader = resil__epoch_enter();
    view = resil__load_ptr_acquire(&lb->view);
    for (uint32_t g = 0; view != NULL && g < view->list->group_count && !due; g++) {
        const struct resil_pool *pool = &view->pools[g];

        if (pool->count == 0 || view->picker != resil_picker_prequal() ||
            resil__probes_want(pool->probes_, 1) == 0)
            continue;
        hold(probe, pool, resil__random_next(resil__reader_random(reader)) ^ lb->seed);
        due = true;
    }
    resil__epoch_leave(reader);
    return due;
}

int resil_balancer_probed(struct resil_balancer *balancer, struct resil_probe *probe, bool answered,
                          uint64_t in_flight, uint64_t latency_ns, uint64_t now_ns)
{
    struct resil_load *load;

    if (balancer == NULL || probe == NULL || probe->host_ == NULL)
        return RESIL_EINVAL;
    load = probe->host_;
    probe->host_ = NULL;
    if (answered)
        resil__probes_add(probe->probes_,
                          &(struct resil__probe){.id = probe->id,
                                                 .rif = in_flight,
                                                 .latency_ns = latency_ns,
                                                 .member = probe->member_},
                          now_ns, probe->hot_pct_);
    /* As in a report: from here on the host can be gone. */
    (void)resil__sub(&load->in_flight_, 1);
    return RESIL_OK;
}
