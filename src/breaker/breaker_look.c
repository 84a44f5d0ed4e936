/* SPDX-License-Identifier: BSD-2-Clause */

/* Looking at a breaker, and at what a permit tells of it. */
#include "breaker/breaker_inner.h"

#include <string.h>

#include "base/math.h"

/* A view is for changing, too; those who only look drop the const here, at one place. */
static struct resil_breaker *unconst(const struct resil_breaker *breaker)
{
    return (struct resil_breaker *)(uintptr_t)breaker;
}

struct resil__slices resil__breaker_slices(const struct resil_breaker *breaker, uint64_t word,
                                           uint64_t stripe)
{
    struct resil_breaker *of = unconst(breaker);
    uint64_t *head = resil__breaker_stripe(of, stripe);

    return (struct resil__slices){
        .head = head,
        .cells = head + RESIL__STRIPE_CELLS,
        .count = of->slices_,
        .width_ns = of->slice_ns_,
        .epoch_word = &of->word_,
        .epoch = resil__word_gen(word),
    };
}

struct resil__ring resil__breaker_ring(const struct resil_breaker *breaker, uint64_t word)
{
    struct resil_breaker *of = unconst(breaker);

    return (struct resil__ring){
        .cursor = &of->head_,
        .totals = &of->totals_,
        .cells = of->cells_,
        .size = of->calls_,
        .epoch_word = &of->word_,
        .epoch = resil__word_gen(word),
    };
}

uint64_t resil__breaker_latest(const struct resil_breaker *breaker, uint64_t word, uint64_t now_ns)
{
    for (uint64_t i = 0; i <= breaker->stripes_; i++) {
        struct resil__slices window = resil__breaker_slices(breaker, word, i);

        now_ns = resil__slices_latest(&window, now_ns);
    }
    return now_ns;
}

/* All stripes as of one time, or a stripe that is behind the others would keep more than a
   window. */
static struct resil__tally sum_stripes(const struct resil_breaker *breaker, uint64_t word,
                                       uint64_t now_ns)
{
    struct resil__tally sum = {0};

    if (breaker->stripes_ != 0)
        now_ns = resil__breaker_latest(breaker, word, now_ns);
    for (uint64_t i = 0; i <= breaker->stripes_; i++) {
        struct resil__slices window = resil__breaker_slices(breaker, word, i);
        struct resil__tally part = resil__slices_sum(&window, now_ns);

        sum.calls += part.calls;
        sum.failures += part.failures;
        sum.slow += part.slow;
    }
    return sum;
}

struct resil__tally resil__breaker_tally(const struct resil_breaker *breaker, uint64_t word,
                                         uint64_t now_ns)
{
    if (breaker->calls_ != 0) {
        struct resil__ring window = resil__breaker_ring(breaker, word);

        return resil__ring_sum(&window);
    }
    return sum_stripes(breaker, word, now_ns);
}

static uint64_t ramp_pct(const struct resil_breaker *breaker, uint64_t word, uint64_t now_ns)
{
    const struct resil_breaker_rules_ *rules = resil__breaker_rules(breaker, word);
    uint64_t lasts = RESIL__RULE(rules, ramp_ns);
    uint64_t first = RESIL__RULE(rules, ramp_start_pct);
    uint64_t ramp = resil__load_acquire(&breaker->ramp_);
    uint64_t left = resil__time_left((ramp & RESIL__TIME_MASK) + lasts, now_ns, lasts);

    if (!resil__time_is_of(ramp, resil__word_gen(word)) || left == 0)
        return 100;
    return first + resil__mul_div(lasts - resil__min(left, lasts), 100 - first, lasts);
}

static uint64_t admit_pct(const struct resil_breaker *breaker, uint64_t word, uint64_t now_ns)
{
    switch (resil__word_code(word)) {
    case RESIL__CODE_RAMP:
        return ramp_pct(breaker, word, now_ns);
    case RESIL__CODE_CLOSED:
    case RESIL__CODE_DISABLED:
    case RESIL__CODE_METRICS_ONLY:
        return 100;
    case RESIL__CODE_NONE:
    case RESIL__CODE_OPEN:
    case RESIL__CODE_HALF_OPEN:
    case RESIL__CODE_FORCED_OPEN:
    default:
        return 0;
    }
}

int resil_breaker_snapshot_sized(const struct resil_breaker *breaker, uint64_t now_ns,
                                 struct resil_breaker_snapshot *snapshot, size_t snapshot_size)
{
    uint64_t word, until, streak;
    struct resil__tally sum;

    if (breaker == NULL || snapshot == NULL)
        return RESIL_EINVAL;
    if (snapshot_size != sizeof *snapshot)
        return RESIL_EABI;
    memset(snapshot, 0, sizeof *snapshot);
    word = resil__load_acquire(&breaker->word_);
    if (word == 0)
        return RESIL_OK;
    snapshot->state = resil__word_state(word);
    snapshot->generation = resil__word_gen(word);
    snapshot->probes_in_flight = resil__word_slots(word, RESIL__SLOT_OUT);
    snapshot->probes_succeeded = resil__word_slots(word, RESIL__SLOT_GOOD);
    snapshot->probes_failed = resil__word_slots(word, RESIL__SLOT_BAD);
    snapshot->trips = resil__word_trips(word);

    until = resil__load_acquire(&breaker->until_);
    if (snapshot->state == RESIL_BREAKER_OPEN && resil__time_is_of(until, resil__word_gen(word)))
        snapshot->retry_at_ns = resil__add_sat(
            now_ns,
            resil__time_left(until, now_ns,
                             resil__breaker_longest(resil__breaker_rules(breaker, word), until)));
    snapshot->admit_pct = admit_pct(breaker, word, now_ns);
    sum = resil__breaker_tally(breaker, word, now_ns);
    snapshot->calls = sum.calls;
    snapshot->failures = sum.failures;
    snapshot->slow = sum.slow;
    streak = resil__load_acquire(&breaker->streak_);
    if ((streak ^ word) >> RESIL__WORD_GEN_SHIFT == 0)
        snapshot->consecutive = streak & UINT32_MAX;
    snapshot->opened_total = resil__load_relaxed(&breaker->opened_);
    snapshot->closed_total = resil__load_relaxed(&breaker->closed_);
    snapshot->late_total = resil__load_relaxed(&breaker->late_);
    snapshot->probes_granted_total = resil__load_relaxed(&breaker->granted_);
    snapshot->probes_lost_total = resil__load_relaxed(&breaker->lost_);
    return RESIL_OK;
}

bool resil__breaker_event(uint64_t token, uint64_t now_ns, struct resil_breaker_event *event)
{
    unsigned to = (unsigned)(token >> RESIL__TOKEN_TO_SHIFT) & 7;

    if (to == RESIL_BREAKER_NONE)
        return false;
    event->from = (enum resil_breaker_state)((token >> RESIL__TOKEN_FROM_SHIFT) & 7);
    event->to = (enum resil_breaker_state)to;
    event->reason = (enum resil_breaker_reason)((token >> RESIL__TOKEN_WHY_SHIFT) & 15);
    event->generation = (uint32_t)(token >> RESIL__WORD_GEN_SHIFT);
    event->now_ns = now_ns;
    return true;
}

bool resil_permit_event(const struct resil_permit *permit, struct resil_breaker_event *event)
{
    if (permit == NULL || event == NULL)
        return false;
    return resil__breaker_event(permit->token_, permit->start_ns_, event);
}

const char *resil_breaker_state_str(enum resil_breaker_state state)
{
    switch (state) {
    case RESIL_BREAKER_NONE:
        return "none";
    case RESIL_BREAKER_CLOSED:
        return "closed";
    case RESIL_BREAKER_OPEN:
        return "open";
    case RESIL_BREAKER_HALF_OPEN:
        return "half-open";
    case RESIL_BREAKER_FORCED_OPEN:
        return "forced open";
    case RESIL_BREAKER_DISABLED:
        return "disabled";
    case RESIL_BREAKER_METRICS_ONLY:
        return "metrics only";
    default:
        return "unknown state";
    }
}
