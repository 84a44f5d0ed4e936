/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_STATUS_H
#define RESIL_STATUS_H

/*
 * What a function of the library answers: 0, an error (-1 to -99: a mistake of the caller or of the
 * system) or a refusal (-100 to -199: a policy's "no", which is the product and not a failure). The
 * values are frozen: they may be logged, stored and compared.
 *
 * The return code of the user's own callback never travels in this int: see resil_result.call_rc.
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/* name, value, text */
#define RESIL_STATUS_LIST(X)                                                                       \
    X(RESIL_OK, 0, "ok")                                                                           \
    X(RESIL_EINVAL, -1, "invalid argument")                                                        \
    X(RESIL_EABI, -2, "header and library differ in the size of a struct")                         \
    X(RESIL_ENOMEM, -3, "out of memory")                                                           \
    X(RESIL_EBUSY, -4, "in use or changed by another caller at this moment")                       \
    X(RESIL_ELATE, -5, "too late: the state that this belongs to is gone")                         \
    X(RESIL_EFAILED, -6, "the call ran and did not succeed")                                       \
    X(RESIL_ECOST, -7, "the cost exceeds what can ever be granted at once")                        \
    X(RESIL_EOPEN, -100, "refused: the breaker is open")                                           \
    X(RESIL_ELIMITED, -101, "refused: the rate limit is reached")                                  \
    X(RESIL_EFULL, -102, "refused: too many calls in flight")                                      \
    X(RESIL_EDEADLINE, -103, "refused: the deadline leaves no time")                               \
    X(RESIL_EEXHAUSTED, -104, "refused: all attempts are used up")                                 \
    X(RESIL_EBUDGET, -105, "refused: the retry budget is empty")                                   \
    X(RESIL_ECANCELLED, -106, "cancelled by the caller")                                           \
    X(RESIL_EUNAVAILABLE, -107, "refused: no endpoint may be picked")

enum resil_status {
#define RESIL_STATUS_ENUM(name, value, text) name = (value),
    RESIL_STATUS_LIST(RESIL_STATUS_ENUM)
#undef RESIL_STATUS_ENUM
};

/**
 * Tells a policy's "no" from an error.
 *
 * @param status  any int.
 * @return true for -100 to -199. RESIL_ECOST is an error: the same call can never pass.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
static inline bool resil_status_is_refusal(int status)
{
    return status <= -100 && status >= -199;
}

/**
 * Names a status in a few English words, for logs.
 *
 * @param status  any int.
 * @return a static string; "unknown status" for a value that is not in the list; never NULL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API const char *resil_status_str(int status);

RESIL_END_DECLS

#endif
