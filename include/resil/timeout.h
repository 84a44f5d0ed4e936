/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TIMEOUT_H
#define RESIL_TIMEOUT_H

/*
 * A limit on the time of everything inside of it: around a retry it bounds all attempts and the
 * waiting between them, inside of a retry each attempt alone.
 *
 *     attempt.deadline_ns = min(attempt.deadline_ns, now + timeout_ns)
 *
 * on the way in; on the way out it is put back. (That every call needs a time-out is the first
 * advice of Michael T. Nygard, "Release It!", 2007; a deadline handed inwards instead of a span is
 * what RPC systems do.)
 *
 * The callback is told the deadline and must obey it: no library can interrupt a blocking call from
 * outside without breaking it. An event loop is woken at the deadline and told to ABORT. Either way
 * a result that comes with the deadline or after it counts as TIMEOUT, for the policies and in the
 * report (report.late_success tells of a success that came too late).
 *
 * Plain words: may lie in a shared mapping. Which calls may overlap on one timeout:
 *
 *                | init | reconfigure | in a chain
 *   init         |  no  |     no      |    no
 *   reconfigure  |  no  |     yes     |    yes
 */

#include <resil/common.h>
#include <resil/policy.h>

RESIL_BEGIN_DECLS

/** How long. All-zero is the default. */
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
 * Makes a timeout.
 *
 * @param timeout  the caller's memory, any content, aligned to 8.
 * @param config   NULL = all defaults. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL timeout or a config that resil_timeout_config_check
 *         refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the timeout yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_timeout_init(struct resil_timeout *timeout,
                                     const struct resil_timeout_config *config)
{
    return resil_timeout_init_sized(timeout, sizeof *timeout, config, sizeof *config);
}

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
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_timeout_reconfigure(struct resil_timeout *timeout,
                                        const struct resil_timeout_config *config);

/**
 * Makes a timeout a policy of a chain.
 *
 * @param timeout  an initialised timeout. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "timeout"; 1 frame word. resil_chain_init refuses it when the timeout
 *         isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_timeout_policy(struct resil_timeout *timeout);

RESIL_END_DECLS

#endif
