/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_OUTLIER_H
#define RESIL_OUTLIER_H

/*
 * Outlier detection: an endpoint that does worse than its peers gets no calls for a while, found
 * out from the calls themselves. Five rules, each of which can be off; the first that holds is the
 * reason:
 *
 *     consecutive   so many bad reports in a row
 *     local         so many NOT_SENT in a row: the peer was never reached; a count of its own
 *     failure       bad / calls >= failure_pct / 100
 *     success rate  rate < mean - factor * stdev, rate <= mean - margin      (of all their rates)
 *     latency       mean > latency_pct / 100 * median, mean >= median + floor
 *                                                            (of the means of all but itself)
 *
 *     ejected for   min(eject_ns * n, eject_max_ns) + 0 to jitter_pct of it
 *
 * n is 1 at the first ejection, grows by one with each and falls by one with each interval of good
 * health. The rules but the first two look at what was reported in one interval.
 *
 * The worst go first, and never more than max_ejected_pct of all endpoints at a time, but always
 * one. Worst: by the reason, in the order above; within a reason the longest streak, the greatest
 * share of bad reports, the greatest mean latency; then the place in the list.
 *
 * Sources: Envoy's outlier detection, and gRPC's proposal A50, "xDS Outlier Detection Support".
 * Ours differs in this: latency is a rule, judged against the median of the others, which a slow
 * host can't move; the success rate has a margin, because where hosts hardly ever fail the
 * deviation is nearly 0, and one chance failure would be far below the mean; the failure rule is
 * on, and says "at least"; the cap holds to the host (gRPC exceeds it by one) and lets one go by
 * default; an endpoint that has no peer is never ejected: there is nobody to do better; the number
 * of ejections grows no further than it takes to reach eject_max_ns, so that a host that was bad
 * for a day isn't punished for another. The defaults met their bounds in a simulated fleet: a black
 * hole among ten servers gets at most 0.5 % of the calls after ten seconds. All in integers: clients that saw the same decide the same.
 */

#include <resil/common.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** Why an endpoint was ejected. The values are frozen, and are the order of "worst". */
enum resil_ejection {
    RESIL_EJECTION_NONE = 0,
    RESIL_EJECTION_CONSECUTIVE = 1,
    RESIL_EJECTION_LOCAL = 2,
    RESIL_EJECTION_FAILURE_PCT = 3,
    RESIL_EJECTION_SUCCESS_RATE = 4,
    RESIL_EJECTION_LATENCY = 5,
};

/** All-zero is the default, in brackets. Hosts of a rule: those with its volume of calls. */
struct resil_outlier_config {
    /** Bad reports in a row [5], optional; 1 to 1000000. */
    uint64_t consecutive;

    /** NOT_SENT in a row [5], optional; 1 to 1000000. */
    uint64_t consecutive_local;

    /** Success rate: standard deviations below the mean, in hundredths [190], optional; 1 to
        1000. One bad host among k can be no more than the root of k - 1 below. */
    uint64_t success_rate_factor_pct;

    /** ... and so many points of a percent below the mean [5], optional; 1 to 100. */
    uint64_t success_rate_margin_pct;

    /** ... judged from so many hosts on [5]; 2 to 1000000. */
    uint64_t success_rate_hosts;

    /** ... each of which has so many calls in the interval [100]; 1 to 1000000. */
    uint64_t success_rate_volume;

    /** Share of bad reports, percent [85], optional; 1 to 100. */
    uint64_t failure_pct;

    /** ... judged from so many hosts on [5]; 1 to 1000000. */
    uint64_t failure_hosts;

    /** ... each of which has so many calls in the interval [50]; 1 to 1000000. */
    uint64_t failure_volume;

    /** Mean latency in percent of the median of the others' means [off]; 101 to 10000. RESIL_OFF =
        off. 300 is a good start. Failures that come fast look fast: mind the other rules. */
    uint64_t latency_pct;

    /** ... and at least this much above it [10 ms], optional; 1 ns to 1 h. */
    uint64_t latency_floor_ns;

    /** ... judged from so many hosts on [5]; 2 to 1000000. */
    uint64_t latency_hosts;

    /** ... each of which has so many calls in the interval [50]; 1 to 1000000. */
    uint64_t latency_volume;

    /** How often the rules are applied [10 s]; 10 ms to 1 h. */
    uint64_t interval_ns;

    /** How long the first ejection lasts [30 s, or eject_max_ns if that is less]; 1 ms to 1 day. */
    uint64_t eject_ns;

    /** No ejection lasts longer, but for jitter [300 s, or eject_ns if that is more]; 1 ms to 1
        day. */
    uint64_t eject_max_ns;

    /** Stretches an ejection by 0 to so many percent, at random [10], optional; 1 to 100. */
    uint64_t jitter_pct;

    /** Of all endpoints so many percent at most are ejected at a time, but always one [10]; 1 to
        100. With more the calls go to the endpoints that live, all of them, whether these can bear
        it or not. In a simulated fleet with half of the servers dead (tests/sim/README.md) 50
        instead of 10 meant 96 instead of 91 % answered where the others could do all, and 33
        instead of 41 % where they could do 71; there a limit on the calls in flight at each
        endpoint (resil/guard.h) helps. */
    uint64_t max_ejected_pct;
};

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL = all defaults.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL when a field is out of range, or eject_ns exceeds eject_max_ns.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_outlier_config_check(const struct resil_outlier_config *config, char *why,
                                         size_t why_size);

/**
 * Names a reason, for logs.
 *
 * @param ejection  any value.
 * @return a static string: "none", "consecutive", "local", "failure_pct", "success_rate",
 *         "latency", or "unknown"; never NULL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API const char *resil_ejection_str(enum resil_ejection ejection);

RESIL_END_DECLS

#endif
