/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BUDGET_H
#define RESIL_BUDGET_H

/*
 * A retry budget: retries may be no more than a small share of what succeeds. Backoff spreads
 * retries, only a budget bounds them: three attempts a call are three times the load just when a
 * peer can't carry it, and the overload then feeds itself after its cause has gone (Nathan Bronson
 * et al., "Metastable Failures in Distributed Systems", HotOS 2021). The idea of earning retries
 * from requests: Finagle's RetryBudget (Twitter, 2015). One budget belongs to all chains that call
 * the same peer.
 *
 *     a success earns   share_pct / 100 tokens      never more than cap
 *     time earns        min_tokens / min_period_ns  are on hand
 *     a retry takes     1, after an OVERLOAD 2 (resil/retry.h); too few left: RESIL_EBUDGET
 *
 *     Never grants more than   cap + share_pct / 100 * successes + min_tokens / min_period_ns * t
 *
 * where t is the span from the earliest to the latest time told, under any interleaving and from
 * any point on. So the load over one second is at most 1 + share + (cap + min/s) / r times the
 * calls, at r calls a second in one client. The defaults (10 %, 0.1/s, 3) are made for small r, and
 * were chosen by a simulated fleet of clients with 5 to 55 calls a second (tests/sim/README.md):
 * over 10 s there are at most 1.2 attempts for each request, whatever goes wrong. 10 tokens a second
 * for each client, the default elsewhere, let that fleet collapse for good.
 *
 * What was earned expires: when there was no success for ttl_ns (or up to a sixteenth less), the
 * balance is what time alone earns in ttl_ns, at least one token if time earns any. After a quiet
 * night there is no stored burst; and in an outage that outlasts ttl_ns the default leaves one
 * token each 10 s, which never pays for an OVERLOAD.
 *
 * Algorithm: one word, the generic cell rate algorithm (ITU-T I.371) seen as a balance. The word is
 * a point in time; how far it lies in the past is the balance, `min_period_ns / min_tokens` for
 * each token. So time earns without anybody writing, in full ns, without a remainder that could
 * drift; a token moves the point forward, a success moves it back. A success on a full balance
 * writes nothing: it costs a few loads. Deviation: the time per token is rounded up to 100 ns.
 *
 * An older `now` sees an older, smaller balance: it never loosens. A clock that was set back by
 * more than ttl_ns (10 s when that is off) is noticed by the next withdrawal: time earns again at
 * most ttl_ns later. So the bound holds for times that are told at most ttl_ns late.
 *
 * The state is plain words without a pointer: static, on the heap, or in a MAP_SHARED mapping where
 * the processes of a service share one budget.
 *
 * Which calls may overlap on one budget:
 *
 *                | init, rebase | deposit, withdraw, snapshot | reconfigure
 *   init, rebase |  no          |  no                         |  no
 *   deposit, ... |  no          |  yes                        |  yes
 *   reconfigure  |  no          |  yes                        |  yes; RESIL_EBUSY
 */

#include <resil/common.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** All-zero is the default. */
struct resil_budget_config {
    /** What a success earns, in hundredths of a token: 1 to 100; 0 = 10; RESIL_OFF = nothing. */
    uint64_t share_pct;

    /** What each min_period_ns earns: 1 to 1000 tokens; 0 = 1; RESIL_OFF = nothing. */
    uint64_t min_tokens;

    /** 1 ms to 1 h, and at least 100 us for each token; 0 = 10 s. */
    uint64_t min_period_ns;

    /** Tokens on hand at most, and in a fresh budget: 1 to 1000; 0 = 3. With 1 an OVERLOAD is never
        retried: it costs 2. */
    uint64_t cap;

    /** How long a balance lives without a success: 1 ms to 1 h; 0 = 10 s; RESIL_OFF = for ever.
        Choose it longer than a call takes: a success is dated by the begin of its call. */
    uint64_t ttl_ns;
};

/** Private: a config in the form that the arithmetic wants. Spans marked * are in 2^-8 ns. */
struct resil_budget_rules_ {
    uint64_t interval_; /* * one token; 0 = not initialised */
    uint64_t depth_;    /* * all tokens */
    uint64_t idle_;     /* * what is left after ttl_ns without a success */
    uint64_t share_;    /* * one success */
    uint64_t slack_;    /* * the word further ahead than that: the clock was set back */
    uint64_t clock_;    /* mask of the time: 0 when time earns nothing */
    uint64_t ttl_ns_;
    uint64_t renew_ns_; /* how old seen_ may be before a success writes it */
};

/** The state: plain words. Private. */
struct resil_budget {
    uint64_t word_; /* time << 8 | generation << 1 | used; all callers write */
    uint64_t seen_; /* about when the last success was; all callers write */
    char pad_[48];

    /* the generation says which; reconfigure writes the other */
    struct resil_budget_rules_ rules_[2];
    uint64_t busy_; /* 1 while somebody reconfigures */
    char pad2_[56];
};

/** A budget as one moment saw it. */
struct resil_budget_snapshot {
    uint64_t balance_pct; /* hundredths of a token that could be withdrawn now, rounded down */
    uint64_t cap;         /* tokens */
    bool expired;         /* no success for ttl_ns */
};

/**
 * Says whether a config can be used, and what is wrong with it.
 *
 * @param config    NULL = all defaults.
 * @param why       receives one line that names the field, its value and the legal range; untouched
 *                  on success; may be NULL.
 * @param why_size  bytes at why.
 * @return RESIL_OK; RESIL_EINVAL when a field is out of range, or both share_pct and min_tokens are
 *         off.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_budget_config_check(const struct resil_budget_config *config, char *why,
                                        size_t why_size);

/** For the static inline function below. */
RESIL_API int resil_budget_init_sized(struct resil_budget *budget, size_t budget_size,
                                      const struct resil_budget_config *config, size_t config_size);

/**
 * Makes a full budget.
 *
 * In a shared mapping one process does it, once, before the others look.
 *
 * @param budget  the caller's memory, any content, aligned to 8.
 * @param config  NULL = all defaults. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL budget or a config that resil_budget_config_check
 *         refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the budget yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_budget_init(struct resil_budget *budget,
                                    const struct resil_budget_config *config)
{
    return resil_budget_init_sized(budget, sizeof *budget, config, sizeof *config);
}

/**
 * Counts a success: earns share_pct hundredths of a token.
 *
 * @param budget  an initialised budget.
 * @param now_ns  the time; it may be the begin of the call that succeeded.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free (a failed swap means that another deposit or withdrawal was made). Atomics:
 *            loads alone while the balance is full, but for one write in each sixteenth of ttl_ns;
 *            else one read-modify-write. Syscalls: none.
 * Ordering:  none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_budget_deposit(struct resil_budget *budget, uint64_t now_ns);

/**
 * Takes tokens for a retry, all or none.
 *
 * @param budget  an initialised budget.
 * @param cost    whole tokens; 0 = 1. More than cap is never granted.
 * @param now_ns  the time, freshly read.
 * @return RESIL_OK: make the retry; RESIL_EBUDGET when the balance is too small: give up with the
 *         outcome that there is; RESIL_EINVAL for a budget that is NULL or not initialised.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free. Atomics: one read-modify-write; refused: loads alone. Syscalls: none.
 * Ordering:  none.
 * Signals:   async-signal-safe: yes.
 * Ownership: a token is spent; it can't be given back.
 * Since:     0.1
 */
RESIL_API int resil_budget_withdraw(struct resil_budget *budget, uint64_t cost, uint64_t now_ns);

/**
 * Reads the balance, from one load of the word. While another caller reconfigures the budget the
 * numbers may mix the two configs.
 *
 * @param budget    an initialised budget.
 * @param now_ns    the time.
 * @param snapshot  receives it.
 * @return RESIL_OK; RESIL_EINVAL for a NULL argument or a budget that is not initialised.
 *
 * Threads:   see the table at the top.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API int resil_budget_snapshot(const struct resil_budget *budget, uint64_t now_ns,
                                    struct resil_budget_snapshot *snapshot);

/**
 * Changes every field of the config while the budget is in use. The balance is kept, in tokens, up
 * to the new cap.
 *
 * @param budget  an initialised budget.
 * @param config  copied; NULL = all defaults.
 * @param now_ns  the time.
 * @return RESIL_OK; RESIL_EINVAL for a field out of range or a budget that is NULL or not
 *         initialised; RESIL_EBUSY when another caller reconfigures it at this moment. On failure
 *         nothing is changed.
 *
 * Threads:   see the table at the top.
 * Progress:  lock-free against deposits and withdrawals. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_budget_reconfigure(struct resil_budget *budget,
                                       const struct resil_budget_config *config, uint64_t now_ns);

/**
 * Carries a budget over to a clock that started anew: after a reboot, or in a restored mapping.
 * Keeps the balance that there was at the last success, and frees a budget whose reconfiguring
 * process died.
 *
 * @param budget  an initialised budget; NULL or not initialised: nothing happens.
 * @param now_ns  the time of the new clock.
 *
 * Threads:   nobody else may use the budget meanwhile.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API void resil_budget_rebase(struct resil_budget *budget, uint64_t now_ns);

RESIL_END_DECLS

#endif
