/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BREAKER_KEYED_BREAKER_FAST_H
#define RESIL_BREAKER_KEYED_BREAKER_FAST_H

/* What the public functions and the policy share. */

#include "breaker/keyed_breaker_state.h"
#include "keyed/table.h"

static inline struct resil_keyed_bucket_ *
resil__keyed_breaker_buckets(struct resil_keyed_breaker *breaker)
{
    return (struct resil_keyed_bucket_ *)(void *)(breaker + 1);
}

/** Acquire of a key that has a place: it may be closed, too. */
int resil__keyed_breaker_ask(struct resil_keyed_breaker *breaker, struct resil__print print,
                             uint64_t now_ns, uint64_t *token, uint64_t *retry_at_ns);

/** The whole of acquire: a key that is well has no place, and then there is nothing to read but its
    buckets. */
RESIL__INLINE int resil__keyed_breaker_admit(struct resil_keyed_breaker *breaker,
                                             struct resil__print print, uint64_t now_ns,
                                             uint64_t *token, uint64_t *retry_at_ns)
{
    struct resil__keyed_spot spot =
        resil__keyed_find(&breaker->table_, resil__keyed_breaker_buckets(breaker), print);

    if (RESIL__LIKELY(spot.word == NULL)) {
        *token = RESIL__KB_LIVE;
        return RESIL_OK;
    }
    return resil__keyed_breaker_ask(breaker, print, now_ns, token, retry_at_ns);
}

/** The whole of record, of a token that isn't spent. */
int resil__keyed_breaker_tell(struct resil_keyed_breaker *breaker, struct resil__print print,
                              uint64_t token, uint64_t now_ns, const struct resil_result *result);

#endif
