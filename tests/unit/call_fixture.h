/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_CALL_FIXTURE_H
#define RESIL_TEST_CALL_FIXTURE_H

/* A call over a chain of scripted policies, stepped by hand. */

#include "test.h"

#include <resil/resil.h>

#include "script.h"

struct fixture {
    struct script_log log;
    struct script_policy scripts[RESIL_POLICIES_MAX];
    struct resil_policy policies[RESIL_POLICIES_MAX];
    struct resil_chain chain;
    struct resil_call call;
    struct resil_step step;
    struct resil_report report;
    uint64_t ids[8]; /* of the attempts in the order in which they started */
    unsigned started;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    memset(&f->call, 0xa5, sizeof f->call);
    for (unsigned i = 0; i < RESIL_POLICIES_MAX; i++) {
        script_init(&f->scripts[i], &f->log, i);
        f->policies[i] = (struct resil_policy){&f->scripts[i].ops, &f->scripts[i]};
    }
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    free(f);
    return 0;
}

static inline void begin(struct fixture *f, size_t count, const struct resil_request *request)
{
    assert_int_equal(resil_chain_init(&f->chain, f->policies, count, NULL, 0), 0);
    assert_int_equal(resil_call_begin(&f->call, &f->chain, request, 1000, 99), 0);
}

/* Makes the policy at a level one that forks: armed to spawn after 100 ns. */
static inline void forks(struct fixture *f, unsigned level)
{
    struct script_policy *script = &f->scripts[level];

    script->ops.flags |= RESIL_FORKS;
    script->admit[0] = RESIL_ARMED;
    script->arm_ns = 100;
    for (unsigned i = 0; i < SCRIPT_STEPS; i++) {
        script->timer[i] = RESIL_SPAWN;
        script->settle[i] = RESIL_HOLD;
    }
}

static inline enum resil_step_kind step_at(struct fixture *f, uint64_t now_ns)
{
    enum resil_step_kind kind = resil_call_step(&f->call, now_ns, &f->step);

    if (kind == RESIL_STEP_CALL) {
        script_note(&f->log, "call");
        f->ids[f->started++ % 8] = f->step.attempt->id;
    }
    if (kind == RESIL_STEP_ABORT)
        script_note(&f->log, "abort");
    return kind;
}

static inline int report(struct fixture *f, uint64_t id, enum resil_outcome outcome)
{
    return resil_call_report(&f->call, id, &(struct resil_result){.outcome = outcome});
}

static inline int fini(struct fixture *f)
{
    return resil_call_fini(&f->call, &f->report);
}

static inline void nothing_is_held(const struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(f->scripts[i].held, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
