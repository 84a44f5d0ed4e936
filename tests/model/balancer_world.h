/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_BALANCER_WORLD_H
#define RESIL_TEST_BALANCER_WORLD_H

/* A balancer of which two make the same picks when they are asked the same: for chains that are run
   and stepped. Random pickers are left out: run and pump draw from different sources. */

#include "test.h"

#include <resil/balancer.h>

#define BALANCER_HOSTS 4

static inline void balancer_world_init(struct resil_balancer *balancer, uint64_t choice,
                                       uint64_t now_ns)
{
    static const struct resil_endpoint endpoints[BALANCER_HOSTS] = {
        {.address = "a"}, {.address = "b"}, {.address = "c"}, {.address = "d"}};
    const struct resil_picker *const pickers[] = {
        resil_picker_round_robin(),
        resil_picker_ring_hash(),
        resil_picker_rendezvous(),
    };
    const struct resil_balancer_config config = {
        .picker = pickers[choice % 3],
        .options = {.ring_min = 64, .ring_max = 64},
        .outlier = {.consecutive = 1 + choice % 5,
                    .consecutive_local = 2,
                    .latency_pct = choice % 2 == 0 ? 300 : RESIL_OFF,
                    .interval_ns = RESIL_MS(10),
                    .eject_ns = RESIL_MS(1)},
        .rehash_on_retry = choice % 7 < 3,
        .seed = 1 + choice,
    };

    assert_int_equal(resil_balancer_init(balancer, &config), RESIL_OK);
    assert_int_equal(resil_balancer_update(balancer, endpoints, BALANCER_HOSTS, now_ns), RESIL_OK);
}

/** Nothing is in flight, so that it can end; and it ends. */
static inline void balancer_world_end(struct resil_balancer *balancer)
{
    struct resil_balancer_snapshot snapshot;

    assert_int_equal(resil_balancer_snapshot(balancer, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.in_flight, 0);
    assert_int_equal(resil_balancer_fini(balancer), RESIL_OK);
}

/** Whether what is known of every endpoint is the same. */
static inline bool balancer_world_same(struct resil_balancer *a, struct resil_balancer *b,
                                       uint64_t now_ns)
{
    bool same = true;

    for (size_t i = 0; i < BALANCER_HOSTS; i++) {
        struct resil_endpoint_snapshot x, y;

        assert_int_equal(resil_balancer_endpoint(a, i, now_ns, &x), RESIL_OK);
        assert_int_equal(resil_balancer_endpoint(b, i, now_ns, &y), RESIL_OK);
        same = same && strcmp(x.address, y.address) == 0 && x.in_flight == 0 && y.in_flight == 0 &&
               x.reports == y.reports && x.failures == y.failures && x.ejections == y.ejections &&
               x.back_ns == y.back_ns && x.state == y.state && x.reason == y.reason;
    }
    return same;
}

#endif
