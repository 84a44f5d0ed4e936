/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_ENV_H
#define RESIL_ENV_H

/*
 * Where time, randomness and waiting come from. The policies are told all three; only
 * resil_chain_run needs an environment, to ask for them on the caller's behalf. Tests pass their
 * own with a virtual clock.
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/**
 * A table of functions; arg is handed to each. It is borrowed and must outlive its users. Every
 * function may be called by any number of threads at once.
 */
struct resil_env {
    size_t size; /* sizeof(struct resil_env) */
    void *arg;

    /** Returns a monotonic clock in ns. Slightly older values from other threads are normal. */
    uint64_t (*now)(void *arg);

    /** Returns 64 random bits, not for cryptography. */
    uint64_t (*random)(void *arg);

    /**
     * Blocks while *word == expected, until wake(word) or until_ns (RESIL_NEVER: no limit). May
     * return early for no reason.
     */
    void (*wait)(void *arg, uint32_t *word, uint32_t expected, uint64_t until_ns);

    /** Wakes every thread that waits on word. */
    void (*wake)(void *arg, uint32_t *word);
};

/**
 * Returns the environment of the system: CLOCK_MONOTONIC, a thread's own generator seeded by the
 * kernel (again after a fork), and futexes.
 *
 * CLOCK_MONOTONIC stands still while the machine is suspended: an open breaker is still open
 * afterwards for as long as it was before. A clock that can't be read (a sandbox without the call)
 * answers 0 for ever: limits then grant their burst and no more, and nothing waits.
 *
 * @return a static table; never NULL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free; its `wait` blocks. Syscalls: none here; `wait` and `wake` make one,
 *            `random` one per thread and fork, `now` none where the vDSO serves.
 * Signals:   async-signal-safe; of its functions `now` and `wake` are, `random` and `wait` are not.
 * Since:     0.1
 */
RESIL_API const struct resil_env *resil_env_posix(void);

/**
 * Reads the default clock: CLOCK_MONOTONIC in ns.
 *
 * @return the time; 0 if the clock can't be read.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none where the vDSO serves.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API uint64_t resil_now_ns(void);

RESIL_END_DECLS

#endif
