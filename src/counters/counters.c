/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A stripe is the words of struct resil_counters_sum, in its order, at the same places; so adding
 * is an addition to a word of it, and summing goes from word to word. Every word is written by
 * atomic additions alone: a stripe is a hint, and counts are never lost.
 */
#include <resil/counters.h>

#include <string.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "platform/cpu.h"

#define SUM_WORDS   (sizeof(struct resil_counters_sum) / sizeof(uint64_t))
#define WORD(field) (offsetof(struct resil_counters_sum, field) / sizeof(uint64_t))

#define BUCKET_SHIFT 10 /* bucket 0 ends at 2^10 ns */

_Static_assert(sizeof(struct resil_counters) == RESIL_STRIPES_ALIGN, "the head fills a line");
_Static_assert(SUM_WORDS <= RESIL_COUNTERS_STRIPE_WORDS_, "a stripe has room for all");
_Static_assert(RESIL_COUNTERS_STRIPE_WORDS_ * 8 % RESIL_STRIPES_ALIGN == 0, "stripes keep lines");

static bool legal_stripes(uint64_t stripes)
{
    return stripes != 0 && stripes <= RESIL_STRIPES_MAX && (stripes & (stripes - 1)) == 0;
}

size_t resil_counters_size(uint64_t stripes)
{
    if (!legal_stripes(stripes))
        return 0;
    return sizeof(struct resil_counters) +
           (size_t)stripes * RESIL_COUNTERS_STRIPE_WORDS_ * sizeof(uint64_t);
}

int resil_counters_init_sized(struct resil_counters *counters, size_t counters_size,
                              uint64_t stripes, size_t memory_size)
{
    if (counters == NULL || (uintptr_t)counters % RESIL_STRIPES_ALIGN != 0)
        return RESIL_EINVAL;
    if (counters_size != sizeof *counters)
        return RESIL_EABI;
    if (!legal_stripes(stripes) || memory_size < resil_counters_size(stripes))
        return RESIL_EINVAL;
    memset(counters, 0, resil_counters_size(stripes));
    resil__store_release(&counters->stripes_, stripes);
    return RESIL_OK;
}

static inline uint64_t *words_of(struct resil_counters *counters, uint64_t stripe)
{
    return (uint64_t *)(void *)(counters + 1) + stripe * RESIL_COUNTERS_STRIPE_WORDS_;
}

static inline uint64_t *words_here(struct resil_counters *counters, uint64_t stripes)
{
    return words_of(counters, resil__cpu() & (stripes - 1));
}

/* The number of binary digits beyond BUCKET_SHIFT. */
static uint64_t bucket_of(uint64_t ns)
{
    uint64_t high = ns >> BUCKET_SHIFT;
    uint64_t bucket = high == 0 ? 0 : 64 - (uint64_t)__builtin_clzll(high);

    return bucket < RESIL_COUNTERS_BUCKETS ? bucket : RESIL_COUNTERS_BUCKETS - 1;
}

uint64_t resil_counters_bucket_ns(unsigned bucket)
{
    if (bucket >= RESIL_COUNTERS_BUCKETS - 1)
        return RESIL_NEVER;
    return UINT64_C(1) << (BUCKET_SHIFT + bucket);
}

static void count_refusal(uint64_t *words, const struct resil_report *report)
{
    uint64_t kind = (uint64_t)((int64_t)RESIL_EOPEN - report->status);

    if (kind >= RESIL_COUNTERS_REFUSALS)
        kind = RESIL_COUNTERS_REFUSALS - 1;
    (void)resil__add_relaxed(&words[WORD(refusals) + kind], 1);
    if (report->decided_level < RESIL_POLICIES_MAX)
        (void)resil__add_relaxed(&words[WORD(refusals_by_level) + report->decided_level], 1);
}

int resil_counters_report(struct resil_counters *counters, const struct resil_report *report)
{
    uint64_t stripes, outcome;
    uint64_t *words;

    if (counters == NULL || report == NULL)
        return RESIL_EINVAL;
    stripes = resil__load_acquire(&counters->stripes_);
    if (stripes == 0)
        return RESIL_EINVAL;
    words = words_here(counters, stripes);
    outcome = (unsigned)report->outcome < RESIL_OUTCOMES ? (unsigned)report->outcome : RESIL_NONE;
    (void)resil__add_relaxed(&words[WORD(outcomes) + outcome], 1);
    if (RESIL__UNLIKELY(report->status <= RESIL_EOPEN))
        count_refusal(words, report);
    if (RESIL__UNLIKELY(report->attempts > 1))
        (void)resil__add_relaxed(&words[WORD(attempts_more)], report->attempts - 1);
    if (report->elapsed_ns != 0) {
        (void)resil__add_relaxed(&words[WORD(latencies) + bucket_of(report->elapsed_ns)], 1);
        (void)resil__add_relaxed(&words[WORD(latency_ns_total)], report->elapsed_ns);
    }
    return RESIL_OK;
}

int resil_counters_add(struct resil_counters *counters, unsigned own, uint64_t count)
{
    uint64_t stripes;

    if (counters == NULL || own >= RESIL_COUNTERS_OWN)
        return RESIL_EINVAL;
    stripes = resil__load_acquire(&counters->stripes_);
    if (stripes == 0)
        return RESIL_EINVAL;
    (void)resil__add_relaxed(&words_here(counters, stripes)[WORD(own) + own], count);
    return RESIL_OK;
}

int resil_counters_sum_sized(const struct resil_counters *counters, struct resil_counters_sum *sum,
                             size_t sum_size)
{
    uint64_t *to = (uint64_t *)(void *)sum;
    uint64_t stripes;

    if (counters == NULL || sum == NULL)
        return RESIL_EINVAL;
    if (sum_size != sizeof *sum)
        return RESIL_EABI;
    memset(sum, 0, sizeof *sum);
    stripes = resil__load_acquire(&counters->stripes_);
    for (uint64_t stripe = 0; stripe < stripes; stripe++) {
        const uint64_t *words =
            (const uint64_t *)(const void *)(counters + 1) + stripe * RESIL_COUNTERS_STRIPE_WORDS_;

        for (size_t i = 0; i < SUM_WORDS; i++)
            to[i] += resil__load_relaxed(&words[i]);
    }
    return RESIL_OK;
}
