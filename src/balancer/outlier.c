/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The success rate. With the rates r of k hosts in 2^-32 (rounded down; equal shares of different
 * volumes round alike), sum S and sum of squares Q:
 *
 *     r < mean - f * stdev    <=>    d > 0 and d^2 > f^2 * (k * Q - S^2)      with d = S - k * r
 *
 * No root and no division, so it is exact. k below 2^20 and f up to 10 (1000 hundredths): S and d
 * stay below 2^52, Q below 2^84, k * Q below 2^104, times f^2 in ten-thousandths below 2^124.
 *
 * The median of the others. Sort the means of k hosts: a(0) ... a(k-1). Of the k - 1 others of a
 * host with mean m the (upper) median is at h = (k - 1) / 2. Where m > a(h) it is a(h); else it is
 * a(h+1), which is not below m, so the host is no outlier. Hence one number serves all. It is found
 * by halving the range of values, not by sorting: that would need memory.
 */
#include "balancer/outlier.h"

#include "base/math.h"
#include "base/random.h"

static bool wide_above(struct resil__wide a, struct resil__wide b)
{
    return a.high > b.high || (a.high == b.high && a.low > b.low);
}

static struct resil__wide wide_add(struct resil__wide a, struct resil__wide b)
{
    uint64_t low = a.low + b.low;

    return (struct resil__wide){.high = a.high + b.high + (low < a.low), .low = low};
}

static struct resil__wide wide_sub(struct resil__wide a, struct resil__wide b)
{
    return (struct resil__wide){.high = a.high - b.high - (a.low < b.low), .low = a.low - b.low};
}

/* a * b where that is known to fit. */
static struct resil__wide wide_scale(struct resil__wide a, uint64_t b)
{
    struct resil__wide product = resil__mul_wide(a.low, b);

    product.high += a.high * b;
    return product;
}

/* Takes part in a rule that asks for a volume. */
static bool takes_part(const struct resil__outlier_stat *stat, uint64_t volume)
{
    return stat->counts && !stat->ejected && stat->total > 0 && stat->total >= volume;
}

static uint64_t bad_of(const struct resil__outlier_stat *stat)
{
    return resil__min(stat->bad, stat->total);
}

static uint64_t count_hosts(const struct resil__outlier_stat *stats, size_t n, uint64_t volume)
{
    uint64_t hosts = 0;

    for (size_t i = 0; i < n; i++)
        hosts += takes_part(&stats[i], volume);
    return hosts;
}

static void accuse(uint8_t *verdict, enum resil_ejection reason)
{
    if (*verdict == RESIL_EJECTION_NONE)
        *verdict = (uint8_t)reason;
}

static void judge_failures(const struct resil__outlier_rules *rules,
                           const struct resil__outlier_stat *stats, size_t n, uint8_t *verdict)
{
    if (rules->failure_pct == 0 ||
        count_hosts(stats, n, rules->failure_volume) < rules->failure_hosts)
        return;
    for (size_t i = 0; i < n; i++)
        if (takes_part(&stats[i], rules->failure_volume) &&
            bad_of(&stats[i]) * 100 >= rules->failure_pct * stats[i].total)
            accuse(&verdict[i], RESIL_EJECTION_FAILURE_PCT);
}

/* Successes in 2^-32 of all. */
static uint64_t rate_of(const struct resil__outlier_stat *stat)
{
    return ((stat->total - bad_of(stat)) << 32) / stat->total;
}

static void judge_success_rate(const struct resil__outlier_rules *rules,
                               const struct resil__outlier_stat *stats, size_t n, uint8_t *verdict)
{
    uint64_t volume = rules->success_rate_volume;
    uint64_t hosts = count_hosts(stats, n, volume);
    uint64_t sum = 0;
    uint64_t margin = ((rules->success_rate_margin_pct << 32) + 99) / 100;
    struct resil__wide squares = {0, 0};
    struct resil__wide bound;

    if (rules->success_rate_factor_pct == 0 || hosts < rules->success_rate_hosts ||
        hosts >= RESIL__OUTLIER_HOSTS_MAX)
        return;
    for (size_t i = 0; i < n; i++)
        if (takes_part(&stats[i], volume)) {
            uint64_t rate = rate_of(&stats[i]);

            sum += rate;
            squares = wide_add(squares, resil__mul_wide(rate, rate));
        }
    bound = wide_scale(wide_sub(wide_scale(squares, hosts), resil__mul_wide(sum, sum)),
                       rules->success_rate_factor_pct * rules->success_rate_factor_pct);
    for (size_t i = 0; i < n; i++)
        if (takes_part(&stats[i], volume)) {
            uint64_t below = resil__sub_sat(sum, hosts * rate_of(&stats[i]));

            if (below > 0 && below >= hosts * margin &&
                wide_above(resil__mul_wide(below * 100, below * 100), bound))
                accuse(&verdict[i], RESIL_EJECTION_SUCCESS_RATE);
        }
}

static uint64_t mean_of(const struct resil__outlier_stat *stat)
{
    return stat->latency_ns / stat->total;
}

/* The place-th smallest mean (from 0) of those who take part. */
static uint64_t ranked_mean(const struct resil__outlier_stat *stats, size_t n, uint64_t volume,
                            uint64_t place)
{
    uint64_t low = 0;
    uint64_t high = UINT64_MAX;

    while (low < high) { /* 64 rounds */
        uint64_t middle = low + (high - low) / 2;
        uint64_t within = 0;

        for (size_t i = 0; i < n; i++)
            within += takes_part(&stats[i], volume) && mean_of(&stats[i]) <= middle;
        if (within > place)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void judge_latency(const struct resil__outlier_rules *rules,
                          const struct resil__outlier_stat *stats, size_t n, uint8_t *verdict)
{
    uint64_t volume = rules->latency_volume;
    uint64_t hosts = count_hosts(stats, n, volume);
    uint64_t median;
    struct resil__wide bound;

    if (rules->latency_pct == 0 || hosts < 2 || hosts < rules->latency_hosts)
        return;
    median = ranked_mean(stats, n, volume, (hosts - 1) / 2);
    bound = resil__mul_wide(median, rules->latency_pct);
    for (size_t i = 0; i < n; i++)
        if (takes_part(&stats[i], volume)) {
            uint64_t mean = mean_of(&stats[i]);

            if (mean > median && mean - median >= rules->latency_floor_ns &&
                wide_above(resil__mul_wide(mean, 100), bound))
                accuse(&verdict[i], RESIL_EJECTION_LATENCY);
        }
}

void resil__outlier_judge(const struct resil__outlier_rules *rules,
                          const struct resil__outlier_stat *stats, size_t n, uint8_t *verdict)
{
    for (size_t i = 0; i < n; i++)
        verdict[i] =
            (uint8_t)(stats[i].counts && !stats[i].ejected
                          ? resil__outlier_streak(rules, stats[i].streak, stats[i].local_streak)
                          : RESIL_EJECTION_NONE);
    judge_failures(rules, stats, n, verdict);
    judge_success_rate(rules, stats, n, verdict);
    judge_latency(rules, stats, n, verdict);
}

/* Whether a, with its reason, is worse than b: see resil/outlier.h. Without a report the share and
   the mean are 0. */
static bool is_worse(const struct resil__outlier_stat *a, uint8_t reason_a,
                     const struct resil__outlier_stat *b, uint8_t reason_b)
{
    if (reason_a != reason_b)
        return reason_a < reason_b;
    if (reason_a == RESIL_EJECTION_CONSECUTIVE)
        return a->streak > b->streak;
    if (reason_a == RESIL_EJECTION_LOCAL)
        return a->local_streak > b->local_streak;
    if (reason_a == RESIL_EJECTION_LATENCY)
        return (a->total > 0 ? mean_of(a) : 0) > (b->total > 0 ? mean_of(b) : 0);
    return bad_of(a) * resil__max(b->total, 1) > bad_of(b) * resil__max(a->total, 1);
}

/* Marks a verdict that stays. */
#define STAYS 0x80u

static void keep_worst(const struct resil__outlier_stat *stats, size_t n, uint8_t *verdict)
{
    size_t worst = n;

    for (size_t i = 0; i < n; i++)
        if (verdict[i] != RESIL_EJECTION_NONE && verdict[i] < STAYS &&
            (worst == n || is_worse(&stats[i], verdict[i], &stats[worst], verdict[worst])))
            worst = i;
    if (worst < n)
        verdict[worst] |= STAYS;
}

size_t resil__outlier_admit(const struct resil__outlier_rules *rules,
                            const struct resil__outlier_stat *stats, size_t n, uint8_t *verdict)
{
    uint64_t hosts = 0;
    uint64_t ejected = 0;
    uint64_t accused = 0;
    uint64_t places;

    for (size_t i = 0; i < n; i++) {
        if (!stats[i].counts || stats[i].ejected)
            verdict[i] = RESIL_EJECTION_NONE;
        hosts += stats[i].counts;
        ejected += stats[i].counts && stats[i].ejected;
        accused += verdict[i] != RESIL_EJECTION_NONE;
    }
    places = hosts < 2 ? 0 : resil__max(hosts * rules->max_ejected_pct / 100, 1);
    places = resil__min(resil__sub_sat(places, ejected), accused);
    if (places == accused)
        return places;
    for (uint64_t i = 0; i < places; i++)
        keep_worst(stats, n, verdict);
    for (size_t i = 0; i < n; i++)
        verdict[i] = verdict[i] & STAYS ? (uint8_t)(verdict[i] & ~STAYS) : RESIL_EJECTION_NONE;
    return places;
}

/* The ejection from which on all last eject_max_ns. */
static uint64_t count_max(const struct resil__outlier_rules *rules)
{
    return (rules->eject_max_ns + rules->eject_ns - 1) / rules->eject_ns;
}

uint64_t resil__ejection_raise(const struct resil__outlier_rules *rules, uint64_t before)
{
    return resil__min(resil__add_sat(before, 1), count_max(rules));
}

uint64_t resil__ejection_decay(const struct resil__outlier_rules *rules, uint64_t count,
                               uint64_t healthy_ns)
{
    return resil__sub_sat(count, healthy_ns / rules->interval_ns);
}

uint64_t resil__ejection_ns(const struct resil__outlier_rules *rules, uint64_t count,
                            uint64_t random)
{
    uint64_t times = resil__max(1, resil__min(count, count_max(rules)));
    uint64_t span_ns = resil__min(rules->eject_ns * times, rules->eject_max_ns);

    return span_ns + resil__random_below(random, span_ns * rules->jitter_pct / 100 + 1);
}
