/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_SCENARIO_H
#define RESIL_INTERLEAVE_SCENARIO_H

/* The last part of interleave.h: how a test says what to explore. Wants test.h before it. */

/** A few fibers and what must hold. */
struct scenario {
    const char *name;
    int count;
    void (*const *bodies)(int self);
    unsigned preemptions; /* 0 = 3 */
    void (*set_up)(void);
    void (*verify)(void);
};

static inline int interleave_scenario(const struct scenario *is)
{
    return interleave_all(is->count, is->bodies, is->preemptions != 0 ? is->preemptions : 3,
                          is->set_up, is->verify);
}

/** Explores a scenario: every invariant must hold in every run. */
static inline void interleave_explore(const struct scenario *is)
{
    int line = interleave_scenario(is);

    if (line != 0)
        fail_msg("%s: line %d, schedule %" PRIu64, is->name, line, interleave.runs);
    print_message("%9" PRIu64 " schedules: %s\n", interleave.runs, is->name);
    assert_true(interleave.runs > 10);
}

/** The negative control: with the fault a check of the scenario must fail. */
static inline void interleave_finds(const struct scenario *is, struct fault fault)
{
    int line;

    interleave.fault = fault;
    line = interleave_scenario(is);
    interleave.fault = (struct fault){.in = NULL};
    if (line <= 0)
        fail_msg("%s: fault in %s not found in %" PRIu64 " schedules (%d)", is->name, fault.in,
                 interleave.runs, line);
    print_message("%9" PRIu64 " until found: %s, fault in %s\n", interleave.runs, is->name,
                  fault.in);
}

#endif
