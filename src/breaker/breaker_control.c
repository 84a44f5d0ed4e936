/* SPDX-License-Identifier: BSD-2-Clause */
#include "breaker/breaker_inner.h"

#include "base/contend.h"

static const enum resil__breaker_code mode_codes[] = {
    [RESIL_BREAKER_MODE_AUTOMATIC] = RESIL__CODE_CLOSED,
    [RESIL_BREAKER_MODE_FORCED_OPEN] = RESIL__CODE_FORCED_OPEN,
    [RESIL_BREAKER_MODE_DISABLED] = RESIL__CODE_DISABLED,
    [RESIL_BREAKER_MODE_METRICS_ONLY] = RESIL__CODE_METRICS_ONLY,
};

static bool automatic(uint64_t word)
{
    return resil__word_code(word) < RESIL__CODE_FORCED_OPEN;
}

int resil_breaker_force(struct resil_breaker *breaker, enum resil_breaker_mode mode,
                        uint64_t now_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t word, next;

    if (breaker == NULL || (unsigned)mode >= sizeof mode_codes / sizeof mode_codes[0])
        return RESIL_EINVAL;
    for (word = resil__load_acquire(&breaker->word_);;) {
        if (word == 0)
            return RESIL_EINVAL;
        if (mode == RESIL_BREAKER_MODE_AUTOMATIC ? automatic(word)
                                                 : resil__word_code(word) == mode_codes[mode])
            return RESIL_OK;
        if (mode == RESIL_BREAKER_MODE_AUTOMATIC &&
            resil__word_code(word) == RESIL__CODE_FORCED_OPEN)
            next = resil__breaker_closing(breaker, word, now_ns);
        else
            next = resil__word_next(word, mode_codes[mode], 0);
        if (resil__cas(&breaker->word_, &word, next))
            return RESIL_OK;
        resil__contend(&contend);
    }
}

int resil_breaker_reset(struct resil_breaker *breaker)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t word;

    if (breaker == NULL)
        return RESIL_EINVAL;
    word = resil__load_acquire(&breaker->word_);
    while (word != 0) {
        if (resil__cas(&breaker->word_, &word, resil__word_next(word, RESIL__CODE_CLOSED, 0)))
            return RESIL_OK;
        resil__contend(&contend);
    }
    return RESIL_EINVAL;
}

/* Nobody else may be here: no order. */
int resil_breaker_rebase(struct resil_breaker *breaker, uint64_t now_ns)
{
    uint64_t word, next;

    if (breaker == NULL)
        return RESIL_EINVAL;
    word = resil__load_acquire(&breaker->word_);
    if (word == 0)
        return RESIL_EINVAL;
    for (unsigned slot = 0; slot < RESIL_BREAKER_PROBES_MAX; slot++)
        resil__store_relaxed(&breaker->leases_[slot], 0);
    resil__store_relaxed(&breaker->busy_, 0);
    resil__store_relaxed(&breaker->until_, 0);
    if (resil__word_code(word) == RESIL__CODE_OPEN) {
        /* as the trip that opened it: not one more */
        unsigned trips = resil__word_trips(word);

        word = (word & ~RESIL__WORD_TRIPS) | (uint64_t)(trips - 1) << RESIL__WORD_TRIP_SHIFT;
        resil__store_relaxed(&breaker->word_, word);
        next = resil__breaker_opening(breaker, word, now_ns, 0);
    } else if (resil__word_code(word) == RESIL__CODE_RAMP) {
        next = resil__breaker_closing(breaker, word, now_ns);
    } else {
        next = resil__word_next(word, resil__word_code(word), resil__word_trips(word));
    }
    resil__store_relaxed(&breaker->word_, next);
    return RESIL_OK;
}
