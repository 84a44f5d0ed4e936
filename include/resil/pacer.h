/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PACER_H
#define RESIL_PACER_H

/*
 * A pacer spaces calls out: one per period_ns / tokens, never two closer together. Nothing is saved
 * while it is idle. Calls queue up for at most wait_ns; who would have to wait longer is refused at
 * once.
 *
 * The algorithm is the leaky bucket as a meter, with a bounded queue in time. (Jonathan S. Turner,
 * "New directions in communications", IEEE Communications Magazine, 1986.) One word holds the time
 * T at which the next call may start:
 *
 *     wait = max(T - now, 0);  if wait <= wait_ns:  T = max(T, now) + cost * interval
 *
 * The call after one of cost c starts c intervals later. The queue is only this word: who was told
 * to come at at_ns comes then. Time, rounding, memory and spans are those of resil/limiter.h.
 *
 * Which calls may overlap on one pacer:
 *
 *                                 | init, rebase | reconfigure | all others
 *   init, rebase                  |      no      |     no      |     no
 *   reconfigure                   |      no      | yes (EBUSY) |     yes
 *   acquire, reserve, cancel, ... |      no      |     yes     |     yes
 */

#include <resil/common.h>
#include <resil/policy.h>
#include <resil/reservation.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** The pace, tokens per period_ns, and how long a call may be told to wait. */
struct resil_pacer_config {
    /** Calls of cost 1 per period; 1 to period_ns. No default. */
    uint64_t tokens;

    /** 1 ns to 366 days; 0 = 1 s. */
    uint64_t period_ns;

    /** The longest wait, 1 to 2^49 ns (6.5 days); 0 = 500 ms; RESIL_OFF = nobody waits. */
    uint64_t wait_ns;

    /** Policy: an OVERLOAD with a hint drains the pacer for the hint. */
    bool drain_on_overload;
};

/** A pacer. Plain words; the fields are private. */
struct resil_pacer {
    struct resil_gcra_ gcra_;
};

/** What a pacer looks like at one moment. */
struct resil_pacer_snapshot {
    uint64_t next_at_ns; /* when the next call can start: now, or later */
    uint64_t queued;     /* tokens taken ahead, rounded up */
    uint64_t tokens;     /* the config in force */
    uint64_t period_ns;
    uint64_t wait_ns;      /* 0 = nobody waits */
    uint64_t reconfigured; /* how often reconfigure succeeded */
};

/** For the static inline function below. */
RESIL_API int resil_pacer_init_sized(struct resil_pacer *pacer, size_t pacer_size,
                                     const struct resil_pacer_config *config, size_t config_size);

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL is refused: tokens has no default.
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
RESIL_API int resil_pacer_config_check(const struct resil_pacer_config *config, char *why,
                                       size_t why_size);

/**
 * Makes a pacer. The first call starts at once.
 *
 * In a shared mapping one process does it, once, before the others look.
 *
 * @param pacer   the caller's memory, any content, aligned to 8.
 * @param config  not NULL. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL pacer or a config that resil_pacer_config_check
 *         refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the pacer yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_pacer_init(struct resil_pacer *pacer,
                                   const struct resil_pacer_config *config)
{
    return resil_pacer_init_sized(pacer, sizeof *pacer, config, sizeof *config);
}

/**
 * Starts a call now or not at all.
 *
 * @param pacer        an initialised pacer.
 * @param cost         how many intervals the next call stays away, 1 to what the pace gives in a
 *                     minute (always at least 1); 0 = 1.
 * @param now_ns       the time.
 * @param retry_at_ns  receives, with RESIL_ELIMITED alone, when the next call can start; may be
 *                     NULL.
 * @return RESIL_OK; RESIL_ELIMITED when the call before is too near, or calls wait; RESIL_ECOST
 *         when the cost is above the maximum. A refusal takes nothing.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: one compare-and-swap; a refusal loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_pacer_acquire(struct resil_pacer *pacer, uint64_t cost, uint64_t now_ns,
                                  uint64_t *retry_at_ns);

/**
 * Takes the next free place in the queue and says when it comes.
 *
 * @param pacer        an initialised pacer.
 * @param cost         as in acquire.
 * @param now_ns       the time.
 * @param reservation  receives the receipt: wait until at_ns, then run, or cancel. After
 *                     RESIL_ELIMITED at_ns says when the place would have come, and there is
 *                     nothing to cancel.
 * @return RESIL_OK; RESIL_ELIMITED when the wait would exceed config.wait_ns; RESIL_ECOST.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_pacer_reserve(struct resil_pacer *pacer, uint64_t cost, uint64_t now_ns,
                                  struct resil_reservation *reservation);

/**
 * Gives a place back, if it is the last in the queue; an earlier one stays empty.
 *
 * @param pacer        the pacer that was reserved from.
 * @param reservation  what reserve filled in; spent by this call whatever it returns.
 * @param now_ns       the time.
 * @return RESIL_OK; RESIL_ELATE: forfeited; RESIL_EINVAL when there is nothing to give back.
 *
 * Threads:   see the table at the top; one reservation must not be cancelled by two threads.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_pacer_cancel(struct resil_pacer *pacer, struct resil_reservation *reservation,
                                 uint64_t now_ns);

/**
 * Says what acquire would answer, and takes nothing.
 *
 * @param pacer        an initialised pacer.
 * @param cost         as in acquire.
 * @param now_ns       the time.
 * @param retry_at_ns  receives when it passes: now_ns with RESIL_OK, RESIL_NEVER with RESIL_ECOST;
 *                     may be NULL.
 * @return RESIL_OK, RESIL_ELIMITED, RESIL_ECOST.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_pacer_peek(const struct resil_pacer *pacer, uint64_t cost, uint64_t now_ns,
                               uint64_t *retry_at_ns);

/**
 * Starts nothing for a while. Places already taken keep their times; a longer drain is never
 * shortened.
 *
 * @param pacer   an initialised pacer.
 * @param for_ns  a span; 0 = nothing changes; capped at 24 hours.
 * @param now_ns  the time.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_pacer_drain(struct resil_pacer *pacer, uint64_t for_ns, uint64_t now_ns);

/**
 * Copies what a pacer looks like. Of one moment.
 *
 * @param pacer     an initialised pacer.
 * @param now_ns    the time.
 * @param snapshot  filled in.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_pacer_snapshot(const struct resil_pacer *pacer, uint64_t now_ns,
                                    struct resil_pacer_snapshot *snapshot);

/**
 * Changes the pace while the pacer is in use. Places already taken keep their times; what is queued
 * is worked off at the faster of the two paces.
 *
 * @param pacer   an initialised pacer.
 * @param config  as in init.
 * @param now_ns  the time: the new pace counts from here.
 * @return RESIL_OK; RESIL_EINVAL for a config that can't be used; RESIL_EBUSY while another
 *         reconfigure runs. On failure nothing changes.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free for all others; a process that is killed inside leaves it EBUSY until a
 *            rebase.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_pacer_reconfigure(struct resil_pacer *pacer,
                                      const struct resil_pacer_config *config, uint64_t now_ns);

/**
 * Moves a pacer that lived through a reboot to the new clock: the next call starts one interval
 * after now_ns.
 *
 * @param pacer   an initialised pacer.
 * @param now_ns  the time on the new clock.
 *
 * Threads:   nobody else may use the pacer; one process calls it, once.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API void resil_pacer_rebase(struct resil_pacer *pacer, uint64_t now_ns);

/**
 * Makes the policy: each call takes a place within config.wait_ns and before its deadline, and goes
 * on when it has come; if there is none it is refused at once with RESIL_ELIMITED and
 * walk->retry_at_ns, or with RESIL_ECOST.
 *
 * A call that is abandoned while it waits, and one that is refused further inside before anything
 * ran, gives its place back, if it was the last.
 *
 * @param pacer  an initialised pacer. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "pacer"; 3 frame words. resil_chain_init refuses it when the pacer
 *         isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_pacer_policy(struct resil_pacer *pacer);

RESIL_END_DECLS

#endif
