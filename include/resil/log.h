/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LOG_H
#define RESIL_LOG_H

/*
 * A limit on the number of calls in every period, wherever it begins: the sliding log. It keeps the
 * time of each of the last `limit` calls, behind the struct: eight bytes a call. (The sliding log
 * is folklore; the proof below is ours.)
 *
 *     a call may take a place whose last call was at s  <=>  s + period_ns <= now
 *
 * Exact in told time: two calls in the same place are at least a period apart, so in any span [t, t
 * + period_ns) each place holds at most one call, and there are `limit` places. This holds
 * whichever place a call takes, so no race can break it; a cursor to the oldest place only makes
 * sure that no call is refused while a place is free. A log counts calls; it doesn't know costs.
 *
 * Time: a call with an older now is noted with the time of the call before it, so it never loosens.
 * A place whose time is more than a minute ahead of now is free: the clock was set back.
 *
 * Memory: plain words, resil_log_size(limit) bytes; may lie in a MAP_SHARED mapping. A process that
 * dies inside a call costs nothing but that call's place.
 *
 * Which calls may overlap on one log:
 *
 *                                 | init, rebase | reconfigure | all others
 *   init, rebase                  |      no      |     no      |     no
 *   reconfigure                   |      no      |     yes     |     yes
 *   acquire, reserve, cancel, ... |      no      |     yes     |     yes
 */

#include <resil/common.h>
#include <resil/policy.h>
#include <resil/reservation.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** So many calls per period. */
struct resil_log_config {
    uint64_t limit;         /* calls in any one period, 1 to 16,777,216. No default */
    uint64_t period_ns;     /* 1 ns to 366 days; 0 = 1 s */
    bool drain_on_overload; /* policy: an OVERLOAD with a hint drains the log for the hint */
};

/** A sliding log; its places lie behind it. The fields are private. */
struct resil_log {
    uint64_t head_; /* lap << 32 | number of the oldest place */
    char pad_[56];
    uint64_t limit_;
    uint64_t period_ns_;
    uint64_t drain_;
    uint64_t until_ns_; /* drained until then; 0 = never drained */
    uint64_t spare_[4];
};

/** What a log looks like at one moment. */
struct resil_log_snapshot {
    uint64_t used;       /* calls within one period before now */
    uint64_t available;  /* how many can be taken now */
    uint64_t next_at_ns; /* when one can be taken: now, or later */
    uint64_t limit;      /* the config in force */
    uint64_t period_ns;
    uint64_t drained_until_ns; /* 0 = not drained */
};

/**
 * Says how much memory a log needs.
 *
 * @param limit  as in the config.
 * @return bytes, a multiple of 8; the memory must be aligned to 8. 0 for an illegal limit.
 *
 * Threads:   any.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API size_t resil_log_size(uint64_t limit);

/** For the static inline function below. */
RESIL_API int resil_log_init_sized(struct resil_log *log, size_t log_size, size_t size,
                                   const struct resil_log_config *config, size_t config_size);

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL is refused: limit has no default.
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
RESIL_API int resil_log_config_check(const struct resil_log_config *config, char *why,
                                     size_t why_size);

/**
 * Makes an empty log.
 *
 * In a shared mapping one process does it, once, before the others look.
 *
 * @param log     the caller's memory, any content, aligned to 8.
 * @param size    bytes there: at least resil_log_size(config->limit).
 * @param config  not NULL. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL log, too little memory or a config that
 *         resil_log_config_check refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the log yet.
 * Progress:  wait-free, one store for each place. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_log_init(struct resil_log *log, size_t size,
                                 const struct resil_log_config *config)
{
    return resil_log_init_sized(log, sizeof *log, size, config, sizeof *config);
}

/**
 * Notes a call now or refuses it.
 *
 * @param log          an initialised log.
 * @param now_ns       the time.
 * @param retry_at_ns  receives, with RESIL_ELIMITED alone, when the oldest call leaves the period;
 *                     may be NULL.
 * @return RESIL_OK; RESIL_ELIMITED. A refusal notes nothing.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: two compare-and-swaps; a refusal only loads. Syscalls: none.
 * Ordering:  acquire and release on success.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_log_acquire(struct resil_log *log, uint64_t now_ns, uint64_t *retry_at_ns);

/**
 * As acquire, with a receipt for cancel. A log knows no future: there is no wait.
 *
 * @param log          an initialised log.
 * @param now_ns       the time.
 * @param reservation  receives the receipt; at_ns is now_ns, or after RESIL_ELIMITED when the call
 *                     would pass.
 * @return RESIL_OK; RESIL_ELIMITED.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_log_reserve(struct resil_log *log, uint64_t now_ns,
                                struct resil_reservation *reservation);

/**
 * Strikes a call out, if it is the last one.
 *
 * @param log          the log that noted it.
 * @param reservation  what reserve filled in; spent by this call whatever it returns.
 * @param now_ns       the time.
 * @return RESIL_OK: it counts no more, and its place is free (should another call come at this very
 *         moment, only when its turn comes again); RESIL_ELATE when another call came after it: it
 *         stays noted, or when it has left the period; RESIL_EINVAL when there is nothing to give
 *         back (spent, or refused).
 *
 * Threads:   see the table at the top; one reservation must not be cancelled by two threads.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_log_cancel(struct resil_log *log, struct resil_reservation *reservation,
                               uint64_t now_ns);

/**
 * Says what acquire would answer, and notes nothing.
 *
 * @param log          an initialised log.
 * @param now_ns       the time.
 * @param retry_at_ns  receives when it passes: now_ns with RESIL_OK; may be NULL.
 * @return RESIL_OK; RESIL_ELIMITED.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free (it looks again when another call was noted meanwhile). Atomics: loads.
 *            Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_log_peek(const struct resil_log *log, uint64_t now_ns, uint64_t *retry_at_ns);

/**
 * Lets nothing pass for a while: what to do after a 429. A longer drain is never shortened.
 *
 * @param log     an initialised log.
 * @param for_ns  a span; 0 = nothing changes; capped at 24 hours.
 * @param now_ns  the time.
 *
 * Threads:   see the table at the top; a call that is being decided at this moment may still pass.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_log_drain(struct resil_log *log, uint64_t for_ns, uint64_t now_ns);

/**
 * Copies what a log looks like. While others note calls, used may miss those of this moment.
 *
 * @param log       an initialised log.
 * @param now_ns    the time.
 * @param snapshot  filled in.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free, as peek; reads every place. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_log_snapshot(const struct resil_log *log, uint64_t now_ns,
                                  struct resil_log_snapshot *snapshot);

/**
 * Changes the period while the log is in use; all calls stay noted. A call that is being decided at
 * this moment may still be judged by the old period.
 *
 * @param log       an initialised log.
 * @param config    as in init; limit must be the same: it is the size of the memory.
 * @param why       receives one line on RESIL_EINVAL; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL for a config that can't be used or another limit. On failure
 *         nothing changes.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_log_reconfigure(struct resil_log *log, const struct resil_log_config *config,
                                    char *why, size_t why_size);

/**
 * Moves a log that lived through a reboot to the new clock: every call that is noted counts as of
 * now_ns, and a drain ends.
 *
 * @param log     an initialised log.
 * @param now_ns  the time on the new clock.
 *
 * Threads:   nobody else may use the log; one process calls it, once.
 * Progress:  wait-free, one store per place. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API void resil_log_rebase(struct resil_log *log, uint64_t now_ns);

/**
 * Makes the policy: each call that enters is noted as one, whatever its cost, or is refused with
 * RESIL_ELIMITED and walk->retry_at_ns.
 *
 * A call that is refused further inside before anything ran is struck out, if it was the last.
 *
 * @param log  an initialised log. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "log"; 4 frame words. resil_chain_init refuses it when the log isn't
 *         initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_log_policy(struct resil_log *log);

RESIL_END_DECLS

#endif
