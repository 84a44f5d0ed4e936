/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_WINDOW_H
#define RESIL_WINDOW_H

/*
 * A limit on the number of calls per period, without saving: the sliding window counter. Time is
 * cut into windows of period_ns; the last window counts with the share of it that still lies within
 * one period. (Known from proxies: Julien Desgats, "How we built rate limiting capable of scaling
 * to millions of domains", Cloudflare, 2017.)
 *
 *     |--- window i-1: before ---|--- window i: count ---|
 *                     |<---- period_ns ---->| now
 *     passes  <=>  before * left / period + count + cost <= limit        left: of window i, at now
 *
 * How exact it is. In a window of the grid never more than limit are granted. The estimate takes
 * the calls of the last window for evenly spread; so over any span of one period (not on the grid)
 * up to 2 * limit - 1 can be granted in the worst case, a full burst at the very end of one window
 * and an even trickle after it; over n periods never more than (n + 1) * limit. For exactness
 * within every period take resil/log.h or resil/limiter.h. Calls that do come evenly are counted
 * right to within one.
 *
 * Ours: window number and both counts are one word, so a grant is one compare-and-swap and no call
 * falls between two windows; tokens can be given back as long as they count, not only the last
 * ones.
 *
 * Time: an older now never loosens: it counts as the start of the newest window. A state that is
 * further ahead than a minute (and one window) counts as due: the clock was set back. The number of
 * a window is kept modulo 2^b; b is 62 minus twice the bits of the limit (22 for a million, 42 for
 * a thousand). After an idle time of just under a multiple of 2^b periods, calls may be refused
 * without need for at most one 256th of that time; if that 256th is less than a minute, it is also
 * how old a told time may be.
 *
 * Memory: plain words; may lie in a MAP_SHARED mapping.
 *
 * Which calls may overlap on one window:
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

/** So many per period. */
struct resil_window_config {
    uint64_t limit;         /* calls, or tokens, per period; 1 to 1,000,000. No default */
    uint64_t period_ns;     /* 1 ms to 366 days; 0 = 1 s */
    bool drain_on_overload; /* policy: an OVERLOAD with a hint drains the window for the hint */
};

/** Private: a config in the form in which it is used. */
struct resil_window_slot_ {
    uint64_t limit_;
    uint64_t period_ns_;
    uint64_t bits_;   /* of each count in the word */
    uint64_t behind_; /* how many windows an older now may lie back */
    uint64_t drain_;
    uint64_t generation_; /* how often the config had been changed */
};

/** A sliding window counter. Plain words; the fields are private. */
struct resil_window {
    uint64_t word_; /* generation (2 bits), count, before, number of the window */
    char pad_[56];
    uint64_t until_ns_; /* drained until then; 0 = never drained */
    uint64_t busy_;     /* 1 while somebody reconfigures */
    struct resil_window_slot_ slot_[2];
};

/** What a window looks like at one moment. */
struct resil_window_snapshot {
    uint64_t used;      /* the estimate, rounded up: tokens that count now */
    uint64_t available; /* what can be taken now */
    uint64_t limit;     /* the config in force */
    uint64_t period_ns;
    uint64_t drained_until_ns; /* 0 = not drained */
    uint64_t reconfigured;     /* how often reconfigure succeeded */
};

/** For the static inline function below. */
RESIL_API int resil_window_init_sized(struct resil_window *window, size_t window_size,
                                      const struct resil_window_config *config, size_t config_size);

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
RESIL_API int resil_window_config_check(const struct resil_window_config *config, char *why,
                                        size_t why_size);

/**
 * Makes a window counter, with nothing counted.
 *
 * In a shared mapping one process does it, once, before the others look.
 *
 * @param window  the caller's memory, any content, aligned to 8.
 * @param config  not NULL. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL window or a config that resil_window_config_check
 *         refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the window yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_window_init(struct resil_window *window,
                                    const struct resil_window_config *config)
{
    return resil_window_init_sized(window, sizeof *window, config, sizeof *config);
}

/**
 * Counts a call now or refuses it.
 *
 * @param window       an initialised window.
 * @param cost         what it counts for, 1 to limit; 0 = 1.
 * @param now_ns       the time.
 * @param retry_at_ns  receives, with RESIL_ELIMITED alone, the first time at which the same call
 *                     would pass if nobody else is counted; may be NULL.
 * @return RESIL_OK; RESIL_ELIMITED; RESIL_ECOST when the cost exceeds the limit. A refusal counts
 *         nothing.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: one compare-and-swap; a refusal only loads. Syscalls: none.
 * Ordering:  acquire and release on success.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_window_acquire(struct resil_window *window, uint64_t cost, uint64_t now_ns,
                                   uint64_t *retry_at_ns);

/**
 * As acquire, with a receipt for cancel. A window knows no future: there is no wait.
 *
 * @param window       an initialised window.
 * @param cost         as in acquire.
 * @param now_ns       the time.
 * @param reservation  receives the receipt; at_ns is now_ns, or after RESIL_ELIMITED when the call
 *                     would pass.
 * @return RESIL_OK, RESIL_ELIMITED, RESIL_ECOST.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_window_reserve(struct resil_window *window, uint64_t cost, uint64_t now_ns,
                                   struct resil_reservation *reservation);

/**
 * Takes a call out of the count again, exactly, as long as it counts at all.
 *
 * @param window       the window that counted it.
 * @param reservation  what reserve filled in; spent by this call whatever it returns.
 * @param now_ns       the time.
 * @return RESIL_OK; RESIL_ELATE when it no longer counts, or the window was reconfigured since;
 *         RESIL_EINVAL when there is nothing to give back.
 *
 * Threads:   see the table at the top; one reservation must not be cancelled by two threads.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_window_cancel(struct resil_window *window,
                                  struct resil_reservation *reservation, uint64_t now_ns);

/**
 * Says what acquire would answer, and counts nothing.
 *
 * @param window       an initialised window.
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
RESIL_API int resil_window_peek(const struct resil_window *window, uint64_t cost, uint64_t now_ns,
                                uint64_t *retry_at_ns);

/**
 * Lets nothing pass for a while: what to do after a 429. What is counted stays counted; a longer
 * drain is never shortened.
 *
 * @param window  an initialised window.
 * @param for_ns  a span; 0 = nothing changes; capped at 24 hours.
 * @param now_ns  the time.
 *
 * Threads:   see the table at the top; a call that is being decided at this moment may still pass.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_window_drain(struct resil_window *window, uint64_t for_ns, uint64_t now_ns);

/**
 * Copies what a window looks like. Of one moment, but for drained_until_ns.
 *
 * @param window    an initialised window.
 * @param now_ns    the time.
 * @param snapshot  filled in.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: loads. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_window_snapshot(const struct resil_window *window, uint64_t now_ns,
                                     struct resil_window_snapshot *snapshot);

/**
 * Changes limit and period while the window is in use.
 *
 * With the same period both counts stay. With another one, what counts now (the estimate, rounded
 * up) is counted in the first new window. Neither is ever more than the new limit: nobody pays for
 * longer than two periods.
 *
 * @param window  an initialised window.
 * @param config  as in init.
 * @param now_ns  the time.
 * @return RESIL_OK; RESIL_EINVAL for a config that can't be used; RESIL_EBUSY while another
 *         reconfigure runs. On failure nothing changes.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free for all others; a process that is killed inside leaves it EBUSY until a
 *            rebase.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_window_reconfigure(struct resil_window *window,
                                       const struct resil_window_config *config, uint64_t now_ns);

/**
 * Moves a window that lived through a reboot to the new clock: it is full, as if all had been
 * granted at now_ns. One that never counted anything stays empty.
 *
 * @param window  an initialised window.
 * @param now_ns  the time on the new clock.
 *
 * Threads:   nobody else may use the window; one process calls it, once.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API void resil_window_rebase(struct resil_window *window, uint64_t now_ns);

/**
 * Makes the policy: each call that enters counts for request->cost (0 = 1), or is refused with
 * RESIL_ELIMITED and walk->retry_at_ns, or with RESIL_ECOST.
 *
 * A call that is refused further inside before anything ran is taken out of the count again.
 *
 * @param window  an initialised window. Borrowed: must outlive every chain that holds the policy.
 * @return the policy, named "window"; 2 frame words. resil_chain_init refuses it when the window
 *         isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_window_policy(struct resil_window *window);

RESIL_END_DECLS

#endif
