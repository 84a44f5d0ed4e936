/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BALANCER_CANARY_H
#define RESIL_BALANCER_CANARY_H

/* Whether a canary goes on, and which calls are its: pure functions. What they mean stands in
   resil/canary.h. */

#include <resil/canary.h>

/** A config with its defaults filled in. */
struct resil__canary_rules {
    uint64_t steps_bp[RESIL_CANARY_STEPS_MAX + 1]; /* the start is step 0 */
    uint64_t steps;                                /* 0 = no canary */
    uint64_t step_ns;
    uint64_t min_calls;
    bool judge_failures;
    bool judge_latency;
    uint64_t failure_margin_pct;
    uint64_t latency_margin_pct;
    bool by_chance;
    uint64_t salt; /* of the version */
};

/** What was reported by an arm: counters that only grow. A counter that fell (a list was replaced,
    say) begins the step's counts anew. */
struct resil__arm_stat {
    uint64_t total;
    uint64_t bad;        /* at most total */
    uint64_t latency_ns; /* sum over total */
};

/** Where a canary is. All-zero = to be started by the next judgement. */
struct resil__canary_state {
    uint64_t step;
    uint64_t since_ns;
    uint64_t next_look;                   /* calls of the canary in this step */
    struct resil__arm_stat baseline_mark; /* the counters when the step began */
    struct resil__arm_stat canary_mark;
    struct resil_canary_numbers numbers; /* of the last event that was not HOLD */
    enum resil_canary_event last;        /* that event */
    bool begun;
    bool over; /* rolled back, or finished */
};

/** config NULL = no canary. It has passed the check. */
struct resil__canary_rules resil__canary_rules(const struct resil_canary_config *config);

/** Goes on with a canary, at any pace: promotes it, holds it, or rolls it back. Rolled back or
    finished it is left alone, until the caller makes the state all-zero. */
enum resil_canary_event resil__canary_judge(const struct resil__canary_rules *rules,
                                            struct resil__canary_state *state,
                                            const struct resil__arm_stat *baseline,
                                            const struct resil__arm_stat *canary, uint64_t now_ns);

/** The canary's share of the calls, in 1/10000. */
uint64_t resil__canary_weight(const struct resil__canary_rules *rules,
                              const struct resil__canary_state *state);

/** Whether a call is the canary's. key: the call's, or a random number. With the same salt and key
    it never turns from true to false while weight_bp grows. */
bool resil__canary_choose(uint64_t salt, uint64_t weight_bp, uint64_t key);

#endif
