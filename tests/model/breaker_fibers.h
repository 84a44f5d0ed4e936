/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_BREAKER_FIBERS_H
#define RESIL_TEST_BREAKER_FIBERS_H

/* A breaker and a permit for each fiber, for the programs that run it under every interleaving. */

#include "test.h"

#include "interleave.h"

#include "breaker_source.h"

#define NOW   RESIL_SEC(1000)
#define OPEN  RESIL_SEC(1)
#define LEASE RESIL_SEC(10)

typedef void body(int self);

static struct resil_breaker breaker;
static struct resil_permit permits[INTERLEAVE_FIBERS];
static unsigned passed, refused, events, out;
static uint64_t told; /* generations of the events, by bit */
static bool forced, changed, still_closed;

static const struct resil_result failure = {.outcome = RESIL_FAILURE};
static const struct resil_result success = {.outcome = RESIL_SUCCESS};

static inline struct resil_breaker_config config(void)
{
    return (struct resil_breaker_config){.calls = 8,
                                         .failure_pct = RESIL_OFF,
                                         .failures = 2,
                                         .open_ns = OPEN,
                                         .jitter_pct = RESIL_OFF,
                                         .probes = 1,
                                         .probe_success_pct = 50,
                                         .probe_lease_ns = LEASE,
                                         .probe_gap_ns = RESIL_OFF};
}

static inline void count_event(const struct resil_permit *permit)
{
    struct resil_breaker_event event;

    if (!resil_permit_event(permit, &event))
        return;
    events++;
    /* The number tells the order, whoever is told first: none comes twice. */
    interleave_check((told >> event.generation % 64 & 1) == 0);
    interleave_check(event.from != event.to);
    told |= UINT64_C(1) << event.generation % 64;
}

static inline void init_with(struct resil_breaker_config with)
{
    (void)resil_breaker_init(&breaker, &with);
    memset(permits, 0, sizeof permits);
    passed = refused = events = out = 0;
    told = 0;
    forced = changed = still_closed = false;
}

static inline int acquire_as(int self, uint64_t now_ns)
{
    int rc = resil_breaker_acquire(&breaker, now_ns, &permits[self]);

    interleave_check(rc == RESIL_OK || rc == RESIL_EOPEN);
    count_event(&permits[self]);
    passed += rc == RESIL_OK;
    refused += rc == RESIL_EOPEN;
    return rc;
}

static inline int record_as(int self, uint64_t now_ns, const struct resil_result *result)
{
    int rc = resil_breaker_record(&breaker, &permits[self], now_ns, result);

    interleave_check(rc == RESIL_OK || rc == RESIL_ELATE);
    count_event(&permits[self]);
    return rc;
}

static inline struct resil_breaker_snapshot look_at(uint64_t now_ns)
{
    struct resil_breaker_snapshot snapshot;

    (void)resil_breaker_snapshot(&breaker, now_ns, &snapshot);
    return snapshot;
}

/* Two failures: enough for the rules above. */
static inline void trip(void)
{
    for (int i = 0; i < 2; i++) {
        (void)resil_breaker_acquire(&breaker, NOW, &permits[0]);
        (void)resil_breaker_record(&breaker, &permits[0], NOW, &failure);
    }
}

static inline void grant_to_all(void)
{
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        (void)resil_breaker_acquire(&breaker, NOW, &permits[i]);
}

/* Closed, one failure short of a trip, and everybody has a permit. */
static inline void set_up_closed(void)
{
    init_with(config());
    grant_to_all();
    (void)resil_breaker_record(&breaker, &permits[3], NOW, &failure);
}

static inline void fail_now(int self)
{
    (void)record_as(self, NOW, &failure);
}

/* Half-open, the only probe out, and its lease ends now. */
static inline void set_up_expiring(void)
{
    init_with(config());
    trip();
    (void)resil_breaker_acquire(&breaker, NOW + OPEN, &permits[0]);
}

static inline void report_late(int self)
{
    changed = record_as(self, NOW + OPEN + LEASE, &success) == RESIL_OK;
}

static inline void succeed(int self)
{
    (void)record_as(self, NOW + OPEN, &success);
}

#endif
