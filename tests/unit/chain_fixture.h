/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_CHAIN_FIXTURE_H
#define RESIL_TEST_CHAIN_FIXTURE_H

/* A chain of scripted policies around a scripted callback, run from blocking code in virtual
   time. */

#include "test.h"

#include <resil/resil.h>

#include "script.h"
#include "virtual_env.h"

struct fixture {
    struct script_log log;
    struct script_policy scripts[RESIL_POLICIES_MAX];
    struct resil_policy policies[RESIL_POLICIES_MAX];
    struct resil_chain chain;
    struct virtual_env env;
    struct resil_report report;
    enum resil_outcome outcomes[SCRIPT_STEPS]; /* what the callback answers; 0 = SUCCESS */
    unsigned calls;
    uint64_t takes_ns; /* how long the callback takes */
    struct resil_attempt seen[SCRIPT_STEPS];
    char why[160];
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    virtual_env_init(&f->env, 1000);
    for (unsigned i = 0; i < RESIL_POLICIES_MAX; i++) {
        script_init(&f->scripts[i], &f->log, i);
        f->policies[i] = (struct resil_policy){&f->scripts[i].ops, &f->scripts[i]};
    }
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    free(*state);
    return 0;
}

static inline enum resil_outcome callback(void *arg, struct resil_attempt *attempt)
{
    struct fixture *f = arg;
    unsigned n = f->calls++;

    script_note(&f->log, attempt->kind == RESIL_ATTEMPT_FALLBACK ? "fallback" : "call");
    f->env.now_ns += f->takes_ns;
    if (n >= SCRIPT_STEPS)
        return RESIL_SUCCESS;
    f->seen[n] = *attempt;
    return f->outcomes[n] == RESIL_NONE ? RESIL_SUCCESS : f->outcomes[n];
}

static inline void build(struct fixture *f, size_t count)
{
    assert_int_equal(resil_chain_init(&f->chain, f->policies, count, f->why, sizeof f->why), 0);
}

static inline int run(struct fixture *f, const struct resil_request *request)
{
    return resil_chain_run(&f->chain, &f->env.env, request, callback, f, &f->report);
}

static inline void expect_init_fails(struct fixture *f, size_t count, int rc, const char *why)
{
    assert_int_equal(resil_chain_init(&f->chain, f->policies, count, f->why, sizeof f->why), rc);
    assert_string_equal(f->why, why);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
