/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_FALLBACK_H
#define RESIL_FALLBACK_H

/*
 * The caller's own answer in place of chosen results: a stale value, a default, another source.
 *
 * The callback itself gives it: it is run once more with attempt->kind == RESIL_ATTEMPT_FALLBACK,
 * and attempt->reason (an outcome) and attempt->reason_status say what is to be replaced. What it
 * returns goes on outwards as the result; SUCCESS makes the call one. The policies inside of the
 * fallback are not asked for it: they have settled already. So it belongs to the outside of a
 * chain, and it must not do what has just failed.
 *
 * Nothing runs after a deadline, the fallback neither: keep a request's deadline longer than the
 * timeout policies inside of the fallback.
 *
 * A fallback as a part of the mechanism, and not of each caller's code, is what Hystrix (Netflix,
 * 2012) made common.
 *
 * Which calls may overlap on one fallback: everything but init.
 */

#include <resil/common.h>
#include <resil/outcome.h>
#include <resil/policy.h>

RESIL_BEGIN_DECLS

/** The bit of a refusal, RESIL_EOPEN (-100) to -163, in a mask of refusals. */
#define RESIL_REFUSAL_BIT(status) (UINT64_C(1) << (unsigned)(-100 - (status)))

/** What is replaced. All-zero is the default. */
struct resil_fallback_config {
    /** Which outcomes are replaced: a mask of RESIL_OUTCOME_BIT, SUCCESS and NONE excepted. 0 =
        FAILURE, NOT_SENT, OVERLOAD, TIMEOUT, PERMANENT and REFUSED. */
    uint64_t outcomes;

    /** Of REFUSED, which refusals are replaced: a mask of RESIL_REFUSAL_BIT. 0 = all. An error that
        a policy refused with (RESIL_ECOST), and a REFUSED of the callback's own, are replaced in
        any case. */
    uint64_t refusals;
};

/** A config that was checked. Plain words; the fields are private, and constant after init. */
struct resil_fallback {
    uint64_t outcomes_;
    uint64_t refusals_;
};

/** For the static inline function below. */
RESIL_API int resil_fallback_init_sized(struct resil_fallback *fallback, size_t fallback_size,
                                        const struct resil_fallback_config *config,
                                        size_t config_size);

/**
 * Makes a fallback. It doesn't change afterwards.
 *
 * @param fallback  the caller's memory, any content, aligned to 8.
 * @param config    NULL = all defaults. Copied.
 * @return RESIL_OK; RESIL_EINVAL for a NULL fallback or a config that resil_fallback_config_check
 *         refuses; RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   nobody else may use the fallback yet.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: the memory stays the caller's, and is untouched on failure; there is no fini.
 * Since:     0.1
 */
static inline int resil_fallback_init(struct resil_fallback *fallback,
                                      const struct resil_fallback_config *config)
{
    return resil_fallback_init_sized(fallback, sizeof *fallback, config, sizeof *config);
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
RESIL_API int resil_fallback_config_check(const struct resil_fallback_config *config, char *why,
                                          size_t why_size);

/**
 * Makes a fallback a policy of a chain.
 *
 * @param fallback  an initialised fallback. Borrowed: must outlive every chain that holds the
 *                  policy.
 * @return the policy, named "fallback"; no frame words. resil_chain_init refuses it when the
 *         fallback isn't initialised.
 *
 * Threads:   any, at any time.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API struct resil_policy resil_fallback_policy(struct resil_fallback *fallback);

RESIL_END_DECLS

#endif
