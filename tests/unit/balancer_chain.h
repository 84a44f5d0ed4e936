/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_BALANCER_CHAIN_H
#define RESIL_TEST_BALANCER_CHAIN_H

/* A balancer in a chain, in virtual time: run from blocking code, or stepped by hand. */

#include "balancer_fixture.h"
#include "virtual_env.h"

#define CHAIN_POLICIES 4
#define CHAIN_CALLS    8

struct chain_rig {
    struct fixture *hosts;
    struct virtual_env env;
    struct resil_policy policies[CHAIN_POLICIES];
    struct resil_chain chain;
    struct resil_request request;
    struct resil_report report;

    /* of the callback, or of the loop */
    enum resil_outcome outcomes[CHAIN_CALLS]; /* NONE = SUCCESS */
    uint64_t takes_ns;
    unsigned calls;
    const struct resil_endpoint *went[CHAIN_CALLS]; /* NULL = no endpoint was named */
    bool reused[CHAIN_CALLS];

    struct resil_call call;
    struct resil_step step;
};

/** A rig whose balancer's config can still be changed: nobody is ejected. */
static inline struct chain_rig *chain_new(void)
{
    struct chain_rig *rig = calloc(1, sizeof *rig);

    assert_non_null(rig);
    rig->hosts = fixture_new();
    rig->hosts->config.outlier.consecutive = RESIL_OFF;
    rig->hosts->config.outlier.consecutive_local = RESIL_OFF;
    virtual_env_init(&rig->env, rig->hosts->now_ns);
    return rig;
}

/** The balancer starts with n hosts; the policies around and inside of it are set already, but for
    its own at `level` of `count`. */
static inline void chain_start(struct chain_rig *rig, size_t n, size_t level, size_t count)
{
    char why[120] = "";

    fixture_init(rig->hosts);
    if (n > 0)
        fixture_update(rig->hosts, n);
    rig->policies[level] = resil_balancer_policy(&rig->hosts->lb);
    assert_int_equal(resil_chain_init(&rig->chain, rig->policies, count, why, sizeof why),
                     RESIL_OK);
}

/** Nothing is in flight any more. */
static inline void chain_end(struct chain_rig *rig)
{
    assert_int_equal(fixture_snapshot(rig->hosts).in_flight, 0);
    fixture_end(rig->hosts);
    free(rig);
}

/** Takes down where an attempt goes. */
static inline void chain_note(struct chain_rig *rig, const struct resil_attempt *attempt)
{
    const struct resil_pick *pick = attempt->endpoint;
    unsigned n = rig->calls++ % CHAIN_CALLS;

    rig->went[n] = pick != NULL ? pick->user : NULL;
    rig->reused[n] = pick != NULL && pick->reused;
    if (pick == NULL)
        return;
    assert_string_equal(pick->address, rig->went[n]->address);
    assert_int_not_equal(pick->id, 0);
}

static inline enum resil_outcome chain_callback(void *arg, struct resil_attempt *attempt)
{
    struct chain_rig *rig = arg;
    unsigned n = rig->calls % CHAIN_CALLS;

    chain_note(rig, attempt);
    rig->env.now_ns += rig->takes_ns;
    return rig->outcomes[n] == RESIL_NONE ? RESIL_SUCCESS : rig->outcomes[n];
}

/** One call; what the callback does begins anew. */
static inline int chain_run(struct chain_rig *rig)
{
    int rc;

    rig->calls = 0;
    rc = resil_chain_run(&rig->chain, &rig->env.env, &rig->request, chain_callback, rig,
                         &rig->report);
    rig->hosts->now_ns = rig->env.now_ns;
    return rc;
}

/** Begins a call to be stepped, and starts its first attempt. */
static inline void chain_begin(struct chain_rig *rig)
{
    rig->calls = 0;
    assert_int_equal(
        resil_call_begin(&rig->call, &rig->chain, &rig->request, rig->hosts->now_ns, 99), RESIL_OK);
}

/** A step, `after_ns` later. */
static inline enum resil_step_kind chain_step(struct chain_rig *rig, uint64_t after_ns)
{
    enum resil_step_kind kind;

    rig->hosts->now_ns += after_ns;
    kind = resil_call_step(&rig->call, rig->hosts->now_ns, &rig->step);
    if (kind == RESIL_STEP_CALL)
        chain_note(rig, rig->step.attempt);
    return kind;
}

static inline int chain_report(struct chain_rig *rig, uint64_t id, enum resil_outcome outcome)
{
    return resil_call_report(&rig->call, id, &(struct resil_result){.outcome = outcome});
}

static inline int chain_fini(struct chain_rig *rig)
{
    return resil_call_fini(&rig->call, &rig->report);
}

/** What all hosts of the list together have been told: good and bad ones, and the bad ones. */
static inline void chain_told(struct chain_rig *rig, uint64_t reports, uint64_t failures)
{
    uint64_t endpoints = fixture_snapshot(rig->hosts).endpoints;

    for (size_t i = 0; i < endpoints; i++) {
        struct resil_endpoint_snapshot snapshot = fixture_endpoint(rig->hosts, i);

        reports -= snapshot.reports;
        failures -= snapshot.failures;
    }
    assert_int_equal(reports, 0);
    assert_int_equal(failures, 0);
}

#endif
