/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_CANARY_H
#define RESIL_CANARY_H

/*
 * A canary: endpoints of one version get a small share of the calls. While they do no worse than
 * the rest (the baseline) their share rises step by step; when they do worse it falls to 0 at once,
 * and stays there until somebody starts the canary anew.
 *
 *     start: weight_bp --> steps_bp[0] --> ... --> the last step, which is guarded for good
 *                  each after step_ns                  (10000: finished, no baseline is left)
 *              \______________________________/
 *                  worse: rolled back to 0
 *
 * Judged is what was reported since the step began; in the last step, since it was last found good
 * after step_ns. Nothing is found, neither good nor bad, before both arms have min_calls: a step
 * with few calls lasts longer. With the shares of failures p (c the canary's, b the baseline's, one
 * success and one failure added to each) and the mean latencies l, of n calls each, the canary is
 * worse when
 *
 *     p_c - p_b - margin            >= 3 * sqrt(p_c (1 - p_c) / n_c + p_b (1 - p_b) / n_b)
 *     l_c / l_b - 1 - margin        >= 3 * 2 * sqrt(1 / n_c + 1 / n_b)
 *
 * The first is a one-sided test of two proportions that are not pooled; the added ones make it
 * cautious with few failures (Agresti and Caffo, "Simple and Effective Confidence Intervals for
 * Proportions and Differences of Proportions Result from Adding Two Successes and Two Failures",
 * 2000). The second knows no variance of the latency: it takes the standard deviation to be twice
 * the mean, which is a heavy tail. A margin alone would roll back healthy canaries by chance when
 * calls are few; a test alone, however small the difference, when they are many.
 *
 * Who tests again and again finds something some day. So a step is looked at when the canary's
 * calls reach min_calls, twice that, four times that ..., and at its end: 1000 times the calls are
 * ten looks more, not thousands. In a simulation with the defaults (tests/unit/test_canary.c: steps
 * of 1600 calls, ten times that in the baseline) equal arms that failed 0 to 10 % of their calls
 * were rolled back in at most 1 of 1000 steps, at 30 to 50 % in at most 4; a canary that failed 10
 * points more often was stopped in at least 99 of 100 steps, within 400 of its calls on average.
 *
 * A call goes to the canary by a hash of its key, so that a key stays on its side, and a rising
 * share only moves keys to the canary, never back. The hash depends on the version: it isn't the
 * same users who go first each time.
 */

#include <resil/common.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** The most steps after the start. */
#define RESIL_CANARY_STEPS_MAX 8

/** What became of a canary. The values are frozen. */
enum resil_canary_event {
    RESIL_CANARY_HOLD = 0,     /* nothing: not enough time, or not enough calls */
    RESIL_CANARY_PROMOTE = 1,  /* the next step */
    RESIL_CANARY_FINISH = 2,   /* the next step, and it was 10000 */
    RESIL_CANARY_FAILURES = 3, /* rolled back: it fails more often than the baseline */
    RESIL_CANARY_LATENCY = 4,  /* rolled back: it is slower than the baseline */
};

/** All-zero is no canary. Defaults in brackets; a share is in 1/10000 (basis points). */
struct resil_canary_config {
    /** The version (struct resil_endpoint) that is the canary [NULL = there is none]; not empty.
        Borrowed. */
    const char *version;

    /** Its share of the calls at the start [100 = 1 %]; 1 to 9999. */
    uint64_t weight_bp;

    /** The shares that follow, each greater than the one before, up to 10000; the first 0 ends the
        list. All 0: the share stays what it is. */
    uint64_t steps_bp[RESIL_CANARY_STEPS_MAX];

    /** How long a step must stay good [5 min]; 1 s to 7 days. */
    uint64_t step_ns;

    /** Calls that each arm needs to be judged [100]; 10 to 1000000. */
    uint64_t min_calls;

    /** The canary's share of failures may exceed the baseline's by so many points of a percent [1],
        optional (off: failures don't count); 1 to 99. */
    uint64_t failure_margin_pct;

    /** The canary's mean latency may exceed the baseline's by so many percent [50], optional (off:
        latency doesn't count); 1 to 1000. */
    uint64_t latency_margin_pct;

    /** Choose by chance for each call [by the key of the call, where it has one]. */
    bool by_chance;
};

/** What a verdict was found from: the step's calls. */
struct resil_canary_numbers {
    uint64_t weight_bp; /* the share meanwhile */
    uint64_t canary_calls;
    uint64_t canary_bad;
    uint64_t canary_mean_ns;
    uint64_t baseline_calls;
    uint64_t baseline_bad;
    uint64_t baseline_mean_ns;
};

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL = all defaults: no canary.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL when a field is out of range, the version is empty, the steps
 *         don't rise, a share follows a 0, or failures and latency are both off.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_canary_config_check(const struct resil_canary_config *config, char *why,
                                        size_t why_size);

/**
 * Names an event, for logs.
 *
 * @param event  any value.
 * @return a static string: "hold", "promote", "finish", "failures", "latency", or "unknown"; never
 *         NULL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API const char *resil_canary_event_str(enum resil_canary_event event);

RESIL_END_DECLS

#endif
