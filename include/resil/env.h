/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_ENV_H
#define RESIL_ENV_H

/*
 * Where time, randomness and waiting come from. The policies are told all three; only
 * resil_chain_run needs an environment, to ask for them on the caller's behalf. Tests pass their
 * own with a virtual clock.
 *
 * The library's environments differ in their clock alone. All three tell CLOCK_MONOTONIC's time, so
 * objects that were told the one can be told the other:
 *
 *                      one reading   moves every   differs from CLOCK_MONOTONIC by
 *   resil_env_posix        22 ns         1 ns      nothing
 *   resil_env_tsc          13 ns         1 ns      1 us, or see there
 *   resil_env_coarse        5 ns       tick_ns     as much as tick_ns, 1 to 10 ms, behind
 *
 * (Readings on one machine of 2022, bench/README.md.) A reading is the dearest part of a run. Who
 * has read a clock anyway passes the time in request->now_ns, and resil_chain_run reads none.
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

    /** How far apart two different readings of the clock are: a span in ns; 0 = finer than any
        policy needs. resil_chain_check_env compares it with a chain. */
    uint64_t tick_ns;
};

/** What a reading of an environment's clock comes from. The values are frozen. */
enum resil_clock {
    RESIL_CLOCK_OTHER = 0,  /* a function of the caller's own */
    RESIL_CLOCK_POSIX = 1,  /* CLOCK_MONOTONIC */
    RESIL_CLOCK_COARSE = 2, /* CLOCK_MONOTONIC_COARSE */
    RESIL_CLOCK_TSC = 3,    /* the processor's counter */
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
 * Returns the same with a coarse clock: CLOCK_MONOTONIC as of the kernel's last timer tick.
 *
 * The kernel is asked how long a tick is (1, 4 or 10 ms, as it was built): env->tick_ns. Within a
 * tick time stands still; a virtual processor that was not running shows its last tick for longer.
 * Good for windows, open times and timeouts that are many ticks long. A limiter that is full again
 * within a tick is too fast for it: let resil_chain_check_env look at the chain once. `wait` lasts
 * a tick or two longer than asked for, so that this clock, too, has got there.
 *
 * @return a static table, never NULL. Where the system has no such clock it is CLOCK_MONOTONIC, and
 *         tick_ns is 0.
 *
 * Threads:   any, at any time.
 * Progress:  the first call may block for another's first call. Syscalls: at most one, at the first
 *            call; `now` none where the vDSO serves.
 * Signals:   async-signal-safe: no; of its functions as in resil_env_posix.
 * Since:     0.1
 */
RESIL_API const struct resil_env *resil_env_coarse(void);

/**
 * Returns the same with the processor's time stamp counter as its clock, set to CLOCK_MONOTONIC
 * again every millisecond by whoever reads it then.
 *
 * Used where the counter runs at a constant rate (CPUID's invariant TSC), where Linux itself keeps
 * time by it, or doesn't let itself be asked, and as long as it agrees with CLOCK_MONOTONIC.
 * Anywhere else, in the first 10 ms, and for 10 ms after each disagreement, `now` is CLOCK_MONOTONIC;
 * so it is for good after eight disagreements in a minute. resil_env_clock tells which it is.
 *
 * Precision: within 1 us of CLOCK_MONOTONIC, plus a millisecond times the share by which its rate
 * has changed in the last 100 ms (0.5 us when NTP begins to slew by 500 ppm). A counter that jumps,
 * as in a virtual machine that moves, is noticed within a millisecond of its time, and the clock is
 * off by no more than that meanwhile.
 *
 * Order: a thread's readings don't fall, also when it moves to another processor: the counters
 * stand as close to each other as Linux demands of its own clock. Those of two threads may be in
 * the other order by 10 us: a processor may read its counter before the loads in front of that are
 * done (1.6 us were seen). A fall by nanoseconds takes a rare coincidence: src/platform/tsc.h.
 *
 * @return a static table; never NULL.
 *
 * Threads:   any, at any time.
 * Progress:  the first call may block for another's first call; `now` is lock-free and never waits
 *            for a thread that has stopped. Syscalls: a few at the first call (it reads a file of
 *            /sys: before entering a sandbox, then); `now` none where the vDSO serves.
 * Signals:   async-signal-safe: no; of its functions as in resil_env_posix.
 * Since:     0.1
 */
RESIL_API const struct resil_env *resil_env_tsc(void);

/**
 * Tells what the next reading of an environment's clock would come from.
 *
 * @param env  any environment; may be NULL.
 * @return RESIL_CLOCK_POSIX for resil_env_posix, and for the two others while they read what it
 *         reads; RESIL_CLOCK_COARSE, RESIL_CLOCK_TSC; RESIL_CLOCK_OTHER for NULL and for a `now`
 *         that isn't the library's.
 *
 * Threads:   any, at any time; for resil_env_tsc it may be another one a moment later.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API enum resil_clock resil_env_clock(const struct resil_env *env);

/**
 * Names a clock, for logs.
 *
 * @param clock  any value.
 * @return "other", "posix", "coarse", "tsc"; "unknown" for a value that is not in the list; never
 *         NULL.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API const char *resil_env_clock_str(enum resil_clock clock);

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
