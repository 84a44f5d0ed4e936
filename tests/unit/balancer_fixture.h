/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_FIXTURE_H
#define RESIL_BALANCER_FIXTURE_H

/* A balancer over hosts named "h0", "h1", ... on a virtual clock, with memory that is counted and
   can run out. */

#include <resil/resil.h>

#include "test.h"

#define FIXTURE_HOSTS 256

struct fixture {
    struct resil_balancer lb;
    struct resil_allocator allocator;
    struct resil_balancer_config config;
    struct resil_endpoint endpoints[FIXTURE_HOSTS];
    char names[FIXTURE_HOSTS][16];
    uint64_t now_ns;
    size_t held;     /* bytes */
    size_t made;     /* allocations so far */
    size_t fail_at;  /* the allocation that fails; 0 = none */
    bool fail_after; /* and all that follow */
};

static inline void *fixture_allocate(void *arg, size_t bytes, size_t alignment)
{
    struct fixture *fixture = arg;
    void *memory;

    fixture->made++;
    if (fixture->fail_at != 0 && (fixture->made == fixture->fail_at ||
                                  (fixture->fail_after && fixture->made > fixture->fail_at)))
        return NULL;
    memory = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory == NULL)
        return NULL;
    fixture->held += bytes;
    return memory;
}

static inline void fixture_release(void *arg, void *memory, size_t bytes)
{
    struct fixture *fixture = arg;

    fixture->held -= bytes;
    free(memory);
}

/** A fixture whose config can still be changed; the clock stands at 1000 s. */
static inline struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    fixture->now_ns = RESIL_SEC(1000);
    fixture->allocator = (struct resil_allocator){
        .size = sizeof fixture->allocator,
        .arg = fixture,
        .allocate = fixture_allocate,
        .release = fixture_release,
    };
    fixture->config.allocator = &fixture->allocator;
    fixture->config.seed = 42;
    for (size_t i = 0; i < FIXTURE_HOSTS; i++) {
        (void)snprintf(fixture->names[i], sizeof fixture->names[i], "h%zu", i);
        fixture->endpoints[i].address = fixture->names[i];
        fixture->endpoints[i].user = &fixture->endpoints[i];
    }
    return fixture;
}

static inline void fixture_init(struct fixture *fixture)
{
    assert_int_equal(resil_balancer_init(&fixture->lb, &fixture->config), RESIL_OK);
}

/** The first n endpoints become the list. */
static inline void fixture_update(struct fixture *fixture, size_t n)
{
    assert_int_equal(resil_balancer_update(&fixture->lb, fixture->endpoints, n, fixture->now_ns),
                     RESIL_OK);
}

/** Ready to pick from n endpoints. */
static inline void fixture_start(struct fixture *fixture, size_t n)
{
    fixture_init(fixture);
    fixture_update(fixture, n);
}

static inline void fixture_end(struct fixture *fixture)
{
    assert_int_equal(resil_balancer_fini(&fixture->lb), RESIL_OK);
    assert_int_equal(fixture->held, 0);
    free(fixture);
}

static inline struct resil_pick fixture_pick(struct fixture *fixture,
                                             const struct resil_pick_request *request)
{
    struct resil_pick pick;

    assert_int_equal(resil_balancer_pick(&fixture->lb, request, fixture->now_ns, &pick), RESIL_OK);
    return pick;
}

static inline void fixture_report(struct fixture *fixture, struct resil_pick *pick,
                                  enum resil_outcome outcome)
{
    assert_int_equal(
        resil_balancer_report(&fixture->lb, pick, outcome, RESIL_MS(1), fixture->now_ns), RESIL_OK);
}

/** One whole call; returns the number of the host. */
static inline size_t fixture_call(struct fixture *fixture, const struct resil_pick_request *request,
                                  enum resil_outcome outcome)
{
    struct resil_pick pick = fixture_pick(fixture, request);
    const struct resil_endpoint *endpoint = pick.user;

    fixture_report(fixture, &pick, outcome);
    return (size_t)(endpoint - fixture->endpoints);
}

/** Time passes, and a tick. */
static inline void fixture_wait(struct fixture *fixture, uint64_t span_ns)
{
    fixture->now_ns += span_ns;
    assert_int_equal(resil_balancer_tick(&fixture->lb, fixture->now_ns, NULL), RESIL_OK);
}

static inline struct resil_endpoint_snapshot fixture_endpoint(struct fixture *fixture, size_t index)
{
    struct resil_endpoint_snapshot snapshot;

    assert_int_equal(resil_balancer_endpoint(&fixture->lb, index, fixture->now_ns, &snapshot),
                     RESIL_OK);
    return snapshot;
}

static inline struct resil_balancer_snapshot fixture_snapshot(struct fixture *fixture)
{
    struct resil_balancer_snapshot snapshot;

    assert_int_equal(resil_balancer_snapshot(&fixture->lb, &snapshot), RESIL_OK);
    return snapshot;
}

/** Fails host `index` as often as it takes to be ejected, by picks that are sticky to it. */
static inline void fixture_eject(struct fixture *fixture, size_t index)
{
    struct resil_pick_request request = {.sticky = fixture_endpoint(fixture, index).id};

    for (int i = 0; i < 5; i++)
        assert_int_equal(fixture_call(fixture, &request, RESIL_FAILURE), index);
    fixture_wait(fixture, 1);
    assert_int_equal(fixture_endpoint(fixture, index).state, RESIL_ENDPOINT_EJECTED);
}

#endif
