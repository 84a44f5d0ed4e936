/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_OUTCOME_H
#define RESIL_OUTCOME_H

/*
 * How an attempt ended, in the one vocabulary that every policy reads: not only good or bad, but
 * whether the request can have been executed, whether the peer pushed back, and whether it was our
 * own fault. The callback chooses; resil_outcome_from_errno and resil_outcome_from_http_status
 * choose for it where the answer is known.
 *
 *  outcome   | the request was              | breaker               | retry                | limit
 *  ----------+------------------------------+-----------------------+----------------------+-------
 *  SUCCESS   | executed                     | success               | stop                 | sample
 *  FAILURE   | perhaps executed             | failure               | only if idempotent   | sample
 *  NOT_SENT  | certainly not executed       | failure               | yes                  | -
 *  OVERLOAD  | refused before work          | neutral while closed, | yes, not before the  | drop
 *            |                              | reopens in half-open  | hint, costs double   |
 *  TIMEOUT   | perhaps executed             | failure               | if idempotent and    | drop
 *            |                              |                       | time is left         |
 *  PERMANENT | executed or refused for good | failure               | no                   | sample
 *  CALLER    | answered: our request was    | success: the peer     | no                   | sample
 *            | wrong                        | works                 |                      |
 *  LOCAL     | not sent: own resources      | neutral               | no                   | -
 *  CANCELLED | abandoned by us              | neutral               | no                   | -
 *  REFUSED   | never run: a policy said no  | neutral               | no, unless asked for | -
 *
 * "limit" is what a limit that adapts itself to its peer should make of it; 0.1 has none. Breaker,
 * retry and fallback can be told by a mask in their config to read an outcome differently.
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/* name, value, text. The values are frozen. */
#define RESIL_OUTCOME_LIST(X)                                                                      \
    X(RESIL_NONE, 0, "none")                                                                       \
    X(RESIL_SUCCESS, 1, "success")                                                                 \
    X(RESIL_FAILURE, 2, "failure")                                                                 \
    X(RESIL_NOT_SENT, 3, "not sent")                                                               \
    X(RESIL_OVERLOAD, 4, "overload")                                                               \
    X(RESIL_TIMEOUT, 5, "timeout")                                                                 \
    X(RESIL_PERMANENT, 6, "permanent")                                                             \
    X(RESIL_CALLER, 7, "caller")                                                                   \
    X(RESIL_LOCAL, 8, "local")                                                                     \
    X(RESIL_CANCELLED, 9, "cancelled")                                                             \
    X(RESIL_REFUSED, 10, "refused")

/**
 * Zero is "not yet known", so that a forgotten outcome can't pass for a success: a callback that
 * returns RESIL_NONE, or a value that is not in this list, is read as RESIL_FAILURE.
 */
enum resil_outcome {
#define RESIL_OUTCOME_ENUM(name, value, text) name = (value),
    RESIL_OUTCOME_LIST(RESIL_OUTCOME_ENUM)
#undef RESIL_OUTCOME_ENUM
};

/** How many values enum resil_outcome has. */
#define RESIL_OUTCOMES 11

/** The bit of an outcome in a mask of outcomes. A mask is never 0: 0 means the documented
    default. */
#define RESIL_OUTCOME_BIT(outcome) (UINT64_C(1) << (unsigned)(outcome))

/** What an attempt came to: the outcome, the peer's hint, and the callback's own code. */
struct resil_result {
    enum resil_outcome outcome;
    int call_rc;      /* the callback's own return code, carried along and never read */
    uint64_t hint_ns; /* a span: the peer asks not to be called again for so long; 0 = no hint */
};

/**
 * Names an outcome, for logs.
 *
 * @param outcome  any value.
 * @return a static string; "unknown outcome" for a value that is not in the list; never NULL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API const char *resil_outcome_str(enum resil_outcome outcome);

/**
 * Classifies an errno value of a socket call.
 *
 * Whether anything of the request had left makes the difference between "certainly not executed"
 * and "perhaps executed": ECONNRESET before the first byte was sent is safe to repeat, after it is
 * not. ETIMEDOUT is a failed connect when nothing was sent, and a timeout otherwise.
 *
 * @param err   an errno value. 0 means success.
 * @param sent  true when at least one byte of the request may have been sent.
 * @return SUCCESS for 0; NOT_SENT for a connection that could not be made (or was lost before a
 *         byte was sent); FAILURE for a connection lost later; TIMEOUT for ETIMEDOUT after sending;
 *         LOCAL for EMFILE, ENFILE, ENOBUFS, ENOMEM and EADDRNOTAVAIL (no free port); PERMANENT for
 *         EACCES, EPERM, EINVAL, EAFNOSUPPORT, EPROTONOSUPPORT and EPROTO; CANCELLED for ECANCELED;
 *         NONE for EINTR, EAGAIN, EWOULDBLOCK, EINPROGRESS and EALREADY, which are no end of
 *         anything; for every other value FAILURE if sent, else NOT_SENT.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API enum resil_outcome resil_outcome_from_errno(int err, bool sent);

/**
 * Classifies the status of an HTTP response (RFC 9110, RFC 6585, RFC 8470).
 *
 * Knows nothing of the method, so a 503 without Retry-After is FAILURE: it may come from a server
 * that died half-way. On an idempotent request that makes no difference to a retry. 408 is TIMEOUT.
 *
 * @param status            the status code of the response.
 * @param retry_after_text  the value of the Retry-After field, NUL-terminated, or NULL when there
 *                          was none: decimal seconds, or an HTTP-date in any of the three formats
 *                          of RFC 9110 5.6.7. Leading and trailing blanks are skipped. A text that
 *                          is neither is ignored. Names are case-sensitive, as in the RFC; the day
 *                          of the week isn't checked against the date.
 * @param wall_s            the wall clock in seconds since 1970-01-01 UTC, for an HTTP-date; unused
 *                          otherwise. A date that has passed is a hint of 0.
 * @param hint_ns           receives the hint as a span in ns, 0 when there is none, at most 24
 *                          hours; may be NULL. It is set for OVERLOAD alone.
 * @return SUCCESS for 2xx and 3xx; OVERLOAD for 429, and for 503 with a Retry-After that can be
 *         read; TIMEOUT for 408; NOT_SENT for 425; PERMANENT for 501 and 505; CALLER for every
 *         other 4xx; FAILURE for every other 5xx and for anything that is no final status (below
 *         200, above 599).
 *
 * Threads:   any, at any time.
 * Progress:  wait-free; the text is read once. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API enum resil_outcome resil_outcome_from_http_status(int status,
                                                            const char *retry_after_text,
                                                            int64_t wall_s, uint64_t *hint_ns);

RESIL_END_DECLS

#endif
