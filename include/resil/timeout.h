/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TIMEOUT_H
#define RESIL_TIMEOUT_H

/*
 * A limit on the time of everything inside of it: around a retry it bounds all attempts and the
 * waiting between them, inside of a retry each attempt alone.
 *
 *     attempt.deadline_ns = min(attempt.deadline_ns, now + timeout_ns)      on the way in; put back on the way out
 *
 * The callback is told the deadline and must obey it: no library can interrupt a blocking call from
 * outside without breaking it. An event loop is woken at the deadline and told to ABORT. Either way
 * a result that comes with the deadline or after it counts as TIMEOUT, for the policies and in the
 * report (report.late_success tells of a success that came too late).
 *
 *                | init | reconfigure | in a chain
 *   init         |  no  |     no      |    no
 *   reconfigure  |  no  |     yes     |    yes
 */

#include <resil/common.h>
#include <resil/policy.h>

RESIL_BEGIN_DECLS

struct resil_timeout_config {
    uint64_t timeout_ns; /* 1 ns to 24 h; 0 = 1 s */
};

/** Plain words; the fields are private. */
struct resil_timeout {
    uint64_t timeout_ns_;
};

/** For the static inline function below. */
RESIL_API int resil_timeout_init_sized(struct resil_timeout *timeout, size_t timeout_size,
                                       const struct resil_timeout_config *config,
                                       size_t config_size);

/**
 * Sets a timeout up.
 *
 * @param timeout  the caller's memory, any content.
 * @param config   NULL = all defaults. Not kept.
 * @return RESIL_OK; RESIL_EINVAL for a NULL timeout or a value out of range
 *         (resil_timeout_config_check names it); RESIL_EABI when the sizes of header and library
 *         differ.
 *
 * Threads:   nobody else may use the timeout yet.
 * Progress:  wait-free. Syscalls: none.
 * Ownership: the caller's on success and on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_timeout_init(struct resil_timeout *timeout,
                                     const struct resil_timeout_config *config)
{
    return resil_timeout_init_sized(timeout, sizeof *timeout, config, sizeof *config);
}

/**
 * Checks a config as init does, and says what is wrong with it.
 *
 * @param config    not NULL.
 * @param why       receives one line that names the field, its value and its range; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK (why untouched); RESIL_EINVAL.
 *
 * Threads:   any.
 * Progress:  wait-free. Syscalls: none.
 * Since:     0.1
 */
RESIL_API int resil_timeout_config_check(const struct resil_timeout_config *config, char *why,
                                         size_t why_size);

/**
 * Changes the time for those who enter from now on; those inside keep theirs.
 *
 * @param timeout  an initialised timeout.
 * @param config   not NULL. Not kept.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument or a value out of range: nothing was changed.
 *
 * Threads:   any, at any time after init.
 * Progress:  wait-free. Syscalls: none.
 * Since:     0.1
 */
RESIL_API int resil_timeout_reconfigure(struct resil_timeout *timeout,
                                        const struct resil_timeout_config *config);

/**
 * Makes a timeout a policy. Frame: one word.
 *
 * @param timeout  an initialised timeout. Borrowed: must outlive the chain.
 * @return the policy, "timeout".
 *
 * Threads:   any.
 * Progress:  wait-free.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_timeout_policy(struct resil_timeout *timeout);

RESIL_END_DECLS

#endif
