/* SPDX-License-Identifier: BSD-2-Clause */
#include "breaker/breaker_inner.h"

#include "base/contend.h"
#include "base/math.h"

/* 2^32 / golden ratio: multiples of it spread evenly over 32 bits (Hermann Weyl, 1916), so that any
   share is met exactly in the long run and nearly so at once, without randomness. */
#define WEYL UINT64_C(0x9e3779b9)

/* Lets calls in during the ramp: a call passes once the share has grown past its place in the
   sequence. */
static bool ramp_admits(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns, bool *over,
                        uint64_t *retry_at_ns)
{
    const struct resil_breaker_rules_ *rules = resil__breaker_rules(breaker, word);
    uint64_t lasts = RESIL__RULE(rules, ramp_ns);
    uint64_t first = RESIL__RULE(rules, ramp_start_pct);
    uint64_t ramp = resil__load_acquire(&breaker->ramp_);
    uint64_t left = 0, begin, place;

    if (resil__time_is_of(ramp, resil__word_gen(word)))
        left = resil__time_left((ramp & RESIL__TIME_MASK) + lasts, now_ns, lasts);
    *over = left == 0;
    if (*over)
        return true;
    /* The time at which this call's place is let in, counted from the begin of the ramp. */
    place = resil__mul_div((resil__add(&breaker->thin_, 1) * WEYL) & UINT32_MAX, 100,
                           UINT64_C(1) << 32); /* 0 to 99 */
    begin = place < first ? 0 : resil__mul_div_up(lasts, place + 1 - first, 100 - first);
    if (begin + resil__min(left, lasts) <= lasts)
        return true;
    *retry_at_ns = resil__add_sat(now_ns, begin + resil__min(left, lasts) - lasts);
    return false;
}

static int acquire_any(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns,
                       uint64_t *token, uint64_t *start_ns, uint64_t *retry_at_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    bool over, again;
    int rc;

    for (;; word = resil__load_acquire(&breaker->word_)) {
        switch (resil__word_code(word)) {
        case RESIL__CODE_RAMP:
            if (!ramp_admits(breaker, word, now_ns, &over, retry_at_ns))
                return RESIL_EOPEN;
            if (over) {
                uint64_t closed =
                    (word & ~(RESIL__WORD_CODE | RESIL__WORD_TRIPS)) | (uint64_t)RESIL__CODE_CLOSED;

                if (!resil__cas(&breaker->word_, &word, closed))
                    break;
            }
            *token = resil__token_of(word);
            *start_ns = now_ns;
            return RESIL_OK;
        case RESIL__CODE_CLOSED:
        case RESIL__CODE_DISABLED:
        case RESIL__CODE_METRICS_ONLY:
            *token = resil__token_of(word);
            *start_ns = now_ns;
            return RESIL_OK;
        case RESIL__CODE_OPEN:
            if (resil__breaker_refuses(breaker, word, now_ns, retry_at_ns))
                return RESIL_EOPEN;
            __attribute__((fallthrough));
        case RESIL__CODE_HALF_OPEN:
            rc = resil__breaker_probe(breaker, word, now_ns, token, retry_at_ns, &again);
            if (!again) {
                *start_ns = now_ns;
                return rc;
            }
            break;
        case RESIL__CODE_FORCED_OPEN:
            *retry_at_ns = 0;
            return RESIL_EOPEN;
        case RESIL__CODE_NONE:
        default:
            *retry_at_ns = 0;
            return RESIL_EINVAL;
        }
        resil__contend(&contend); /* the word moved: another made progress */
    }
}

__attribute__((noinline)) int resil__breaker_acquire_cold(struct resil_breaker *breaker,
                                                          uint64_t word, uint64_t now_ns,
                                                          uint64_t *token, uint64_t *start_ns,
                                                          uint64_t *retry_at_ns)
{
    int rc = acquire_any(breaker, word, now_ns, token, start_ns, retry_at_ns);

    if (rc != RESIL_OK)
        *token = 0;
    return rc;
}

/* Apart, so that the quick ways need no stack; the word last, so that they move nothing to get here. */
RESIL__NOINLINE static int acquire_rest(struct resil_breaker *breaker, uint64_t now_ns,
                                        struct resil_permit *permit, uint64_t word)
{
    return resil__breaker_acquire_cold(breaker, word, now_ns, &permit->token_, &permit->start_ns_,
                                       &permit->retry_at_ns);
}

/* Refusing while open is all that a call in trouble costs. */
RESIL__HOT int resil_breaker_acquire(struct resil_breaker *breaker, uint64_t now_ns,
                                     struct resil_permit *permit)
{
    uint64_t word;

    if (RESIL__UNLIKELY(breaker == NULL) || RESIL__UNLIKELY(permit == NULL))
        return RESIL_EINVAL;
    word = resil__load_acquire(&breaker->word_); /* pairs with every swap of it */
    if (resil__breaker_grants(word, now_ns, &permit->token_, &permit->start_ns_))
        return RESIL_OK;
    if (resil__word_code(word) == RESIL__CODE_OPEN &&
        resil__breaker_refuses(breaker, word, now_ns, &permit->retry_at_ns)) {
        permit->token_ = 0;
        return RESIL_EOPEN;
    }
    return acquire_rest(breaker, now_ns, permit, word);
}
