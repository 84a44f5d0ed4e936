/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BACKOFF_H
#define RESIL_BACKOFF_H

/*
 * How long to wait before a retry: a pure function of the config, the number of the retry and a
 * random number. Growth gives a struggling peer room, jitter keeps clients that failed together
 * from coming back together. Source of full, equal and decorrelated jitter: Marc Brooker,
 * "Exponential Backoff And Jitter", 2015.
 *
 *     raw(n)        fixed: base    linear: base * n    exponential: base * (factor / 100)^(n - 1)
 *     top(n)        min(raw(n), cap)
 *
 *     full          0          to  top
 *     equal         top / 2    to  top
 *     none          top
 *     decorrelated  min(base, high / 2)  to  high = min(cap, 3 * previous)     (in place of raw)
 *
 * Each range is drawn from uniformly, ends included. The range is capped, not what was drawn from
 * it: capping the draw, as the article does for decorrelated jitter, sends up to two thirds of the
 * saturated retries off at exactly the cap, in step. So no delay exceeds the cap and saturated ones
 * still spread over at least half of it. (Jitter none never spreads: it is for tests and for a
 * client that is alone.)
 *
 * A hint of the peer ("not before 30 s") is a floor, and a fleet that was given the same hint must
 * not return in step either: resil_backoff_floor adds up to half of the hint. Hint and cap don't
 * meet: the hint wins.
 *
 * All functions here are pure: any number of calls may overlap.
 */

#include <resil/common.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** How the delay grows from retry to retry. */
enum resil_backoff_kind {
    RESIL_BACKOFF_EXPONENTIAL = 0,
    RESIL_BACKOFF_FIXED = 1,
    RESIL_BACKOFF_LINEAR = 2,
};

/** What becomes of the delay so that clients don't act in step. */
enum resil_backoff_jitter {
    RESIL_JITTER_FULL = 0,
    RESIL_JITTER_NONE = 1,
    RESIL_JITTER_EQUAL = 2,
    RESIL_JITTER_DECORRELATED = 3, /* grows by chance; kind and factor_pct have no say */
};

/** All-zero is the default: up to 100, 200, 400 ms, ... 2 s. */
struct resil_backoff_config {
    enum resil_backoff_kind kind;
    enum resil_backoff_jitter jitter;

    /** Before the first retry, at most: 1 ns to 24 h, and up to cap_ns; 0 = 100 ms, or cap_ns if
        that is less; RESIL_OFF = no delay, for operations that try another peer each time. */
    uint64_t base_ns;

    /** No delay exceeds it: 1 ns to 24 h; 0 = 2 s. */
    uint64_t cap_ns;

    /** Exponential growth from retry to retry: 110 to 1000; 0 = 200 (doubles). */
    uint64_t factor_pct;
};

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL = all defaults.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_backoff_config_check(const struct resil_backoff_config *config, char *why,
                                         size_t why_size);

/**
 * Computes the delay before a retry.
 *
 * Saturates: any retry number is fine, and nothing overflows. A config that was never checked does
 * no harm: a value out of range is read as the nearest legal one.
 *
 * @param config       NULL = all defaults.
 * @param retry        1 = before the second attempt. 0 is read as 1.
 * @param previous_ns  decorrelated jitter: what this function returned for the retry before; 0 =
 *                     there was none. Otherwise unused.
 * @param random       64 random bits, drawn anew for each call.
 * @return the delay in ns: a span, 0 to cap_ns.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free: at most 340 rounds of a loop, 5 with the defaults. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API uint64_t resil_backoff_next(const struct resil_backoff_config *config, uint64_t retry,
                                      uint64_t previous_ns, uint64_t random);

/**
 * Raises a delay to what the peer asked for.
 *
 * @param config    says whether there is jitter; NULL = all defaults.
 * @param delay_ns  from resil_backoff_next.
 * @param hint_ns   the peer's hint, a span; 0 = none.
 * @param random    64 random bits; the ones given to resil_backoff_next will do.
 * @return the longer of delay_ns and hint_ns; with any jitter but none the hint is first made
 *         longer by a uniform 0 to hint_ns / 2. Never shorter than either. UINT64_MAX when it
 *         doesn't fit.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API uint64_t resil_backoff_floor(const struct resil_backoff_config *config, uint64_t delay_ns,
                                       uint64_t hint_ns, uint64_t random);

RESIL_END_DECLS

#endif
