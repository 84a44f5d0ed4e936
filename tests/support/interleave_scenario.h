/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_INTERLEAVE_SCENARIO_H
#define RESIL_INTERLEAVE_SCENARIO_H

/* The last part of interleave.h: how a test says what to explore. Wants test.h before it. */

/** A few fibers and what must hold. */
struct scenario {
    const char *name;
    int count;
    void (*const *bodies)(int self);
    unsigned preemptions; /* and delayed stores, together; 0 = 3 */
    void (*set_up)(void);
    void (*verify)(void);
};

/* How many scenarios were explored before: a part of the name of a schedule. */
static unsigned interleave_scenarios;

static inline unsigned interleave_bound(const struct scenario *is)
{
    return is->preemptions != 0 ? is->preemptions : 3;
}

static inline int interleave_scenario(const struct scenario *is)
{
    return interleave_all(is->count, is->bodies, interleave_bound(is), 0, is->set_up, is->verify);
}

/** Any one of these fibers (by bit) is stopped for ever at any of its steps: all others come to
    their end. One preemption beside it. */
static inline int interleave_stopping(const struct scenario *is, unsigned victims)
{
    int line;

    interleave.unbuffered = true;
    interleave.victims = victims;
    line = interleave_all(is->count, is->bodies, 1, 1, is->set_up, is->verify);
    interleave.unbuffered = false;
    return line;
}

/** One schedule alone, aloud if wished. Returns the line of the check that failed, or 0. */
static inline int interleave_replay(const struct scenario *is, const char *schedule, bool aloud)
{
    static struct interleave_choice choices[INTERLEAVE_DEPTH];
    int line;

    interleave.replay_count = interleave_read_schedule(schedule, choices, INTERLEAVE_DEPTH);
    interleave.replay = choices;
    interleave.saying = aloud;
    line = interleave_all(is->count, is->bodies, UINT32_MAX, UINT32_MAX, is->set_up, is->verify);
    interleave.replay = NULL;
    interleave.saying = false;
    return line;
}

/* Fails, and says how to see it again. */
static inline void interleave_fail(const struct scenario *is, int line, const char *what)
{
    static char schedule[8 * INTERLEAVE_DEPTH];
    uint64_t runs = interleave.runs;

    interleave_print_schedule(schedule, sizeof schedule);
    fail_msg("%s: line %d%s, schedule %" PRIu64 "; RESIL_SCHEDULE='%u: %s'", is->name, line, what,
             runs, interleave_scenarios, schedule);
}

/* Whether the environment asks for one schedule; if it is one of this scenario, runs it. */
static inline bool interleave_is_replay(const struct scenario *is)
{
    const char *wanted = getenv("RESIL_SCHEDULE");
    char *schedule;

    if (wanted == NULL)
        return false;
    if (strtoul(wanted, &schedule, 10) == interleave_scenarios && *schedule == ':') {
        int line = interleave_replay(is, schedule + 1, true);

        if (line != 0)
            fail_msg("%s: line %d", is->name, line);
    }
    return true;
}

/** Explores a scenario: every invariant must hold in every run, and no fiber waits for one of the
    victims (by bit). */
static inline void interleave_explore_against(const struct scenario *is, unsigned victims)
{
    uint64_t runs, stopped = 0;
    unsigned steps;
    int line;

    interleave_scenarios++;
    if (interleave_is_replay(is))
        return;
    line = interleave_scenario(is);
    if (line != 0)
        interleave_fail(is, line, "");
    runs = interleave.runs;
    steps = interleave.taken_max;
    assert_true(runs > 10);
    assert_true(interleave_bound(is) >= 3);
    if (victims != 0) {
        line = interleave_stopping(is, victims);
        if (line != 0)
            interleave_fail(is, line, " with a thread stopped");
        stopped = interleave.runs;
    }
    print_message("%9" PRIu64 " schedules, %7" PRIu64 " with a thread stopped, %d threads, %2u "
                  "steps, bound %u: %s\n",
                  runs, stopped, is->count, steps, interleave_bound(is), is->name);
}

/** The same for what is lock-free: nobody waits for anybody. */
static inline void interleave_explore(const struct scenario *is)
{
    interleave_explore_against(is, UINT32_MAX);
}

/** The same for what isn't. */
static inline void interleave_explore_waiting(const struct scenario *is)
{
    interleave_explore_against(is, 0);
}

/** The negative control: with the fault a check of the scenario must fail, and the schedule that is
    printed for it must fail the same. */
static inline void interleave_finds(const struct scenario *is, struct fault fault)
{
    static char schedule[8 * INTERLEAVE_DEPTH];
    uint64_t runs;
    int line, again;

    if (getenv("RESIL_SCHEDULE") != NULL)
        return;
    interleave.fault = fault;
    line = interleave_scenario(is);
    runs = interleave.runs;
    interleave_print_schedule(schedule, sizeof schedule);
    again = interleave_replay(is, schedule, false);
    interleave.fault = (struct fault){.in = NULL};
    if (line <= 0)
        fail_msg("%s: fault in %s not found in %" PRIu64 " schedules (%d)", is->name, fault.in,
                 runs, line);
    if (again != line)
        fail_msg("%s: fault in %s at line %d, replayed at %d: %s", is->name, fault.in, line, again,
                 schedule);
    print_message("%9" PRIu64 " until found: %s, fault in %s\n", runs, is->name, fault.in);
}

#endif
