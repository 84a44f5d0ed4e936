/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Outlier detection against its definition in long doubles: all rates, their mean and deviation,
 * the median of the others by sorting, the worst by comparing all. Where a double can't tell on
 * which side of a bound a host lies, either answer is right.
 */
#include "shrink.h"

#include <math.h>

#include "balancer/outlier.h"

#define OPERATIONS MODEL_OPERATIONS(1000000, 100000)

#define HOSTS_MAX 10

static struct bench {
    uint64_t random, seed, operation;
    struct resil__outlier_rules rules;
    struct resil__outlier_stat stats[HOSTS_MAX];
    size_t n;
    uint8_t verdict[HOSTS_MAX];
} bench;

/* The control: a share that has to be exceeded. */
static bool exceeds;

static void begin(void)
{
}

static void draw(void)
{
    uint64_t *random = &bench.random;
    struct resil_outlier_config config = {
        .consecutive = test_below(random, 3) == 0 ? RESIL_OFF : 3 + test_below(random, 5),
        .consecutive_local = test_below(random, 3) == 0 ? RESIL_OFF : 3 + test_below(random, 5),
        .success_rate_factor_pct =
            test_below(random, 3) == 0 ? RESIL_OFF : 50 + test_below(random, 200),
        .success_rate_hosts = 1 + test_below(random, 6),
        .success_rate_volume = 1 + test_below(random, 40),
        .failure_pct = test_below(random, 3) == 0 ? RESIL_OFF : 1 + test_below(random, 100),
        .failure_hosts = 1 + test_below(random, 6),
        .failure_volume = 1 + test_below(random, 40),
        .latency_pct = test_below(random, 3) == 0 ? RESIL_OFF : 110 + test_below(random, 400),
        .latency_hosts = 1 + test_below(random, 6),
        .latency_volume = 1 + test_below(random, 40),
        .max_ejected_pct = 1 + test_below(random, 100),
    };

    bench.rules = resil__outlier_rules(&config);
    bench.n = test_below(random, HOSTS_MAX + 1);
    for (size_t i = 0; i < bench.n; i++) {
        uint32_t total = (uint32_t)test_below(random, 60);
        uint32_t bad = test_below(random, 3) == 0 ? (uint32_t)test_below(random, total + 1) : 0;

        bench.stats[i] = (struct resil__outlier_stat){
            .total = total,
            .bad = bad,
            .latency_ns = total * (RESIL_MS(10) + test_below(random, RESIL_MS(2)) *
                                                      (test_below(random, 4) == 0 ? 40 : 1)),
            .streak = (uint32_t)test_below(random, test_below(random, 8) == 0 ? 10 : 3),
            .local_streak = (uint32_t)test_below(random, test_below(random, 8) == 0 ? 10 : 3),
            .ejected = test_below(random, 8) == 0,
            .counts = test_below(random, 8) != 0,
        };
    }
}

static bool takes_part(size_t i, uint64_t volume)
{
    const struct resil__outlier_stat *stat = &bench.stats[i];

    return stat->counts && !stat->ejected && stat->total > 0 && stat->total >= volume;
}

static size_t hosts_of(uint64_t volume)
{
    size_t hosts = 0;

    for (size_t i = 0; i < bench.n; i++)
        hosts += takes_part(i, volume);
    return hosts;
}

static bool fails_much(size_t i)
{
    uint64_t bad = bench.stats[i].bad * UINT64_C(100);
    uint64_t share = bench.rules.failure_pct * bench.stats[i].total;

    return bench.rules.failure_pct != 0 && takes_part(i, bench.rules.failure_volume) &&
           hosts_of(bench.rules.failure_volume) >= bench.rules.failure_hosts &&
           (exceeds ? bad > share : bad >= share);
}

static long double rate_of(size_t i)
{
    return 1 - (long double)bench.stats[i].bad / bench.stats[i].total;
}

/* -1 = can't say. */
static int succeeds_little(size_t i)
{
    uint64_t volume = bench.rules.success_rate_volume;
    long double mean = 0, squares = 0, bound, margin;
    size_t hosts = hosts_of(volume);

    if (bench.rules.success_rate_factor_pct == 0 || !takes_part(i, volume) ||
        hosts < bench.rules.success_rate_hosts)
        return 0;
    for (size_t j = 0; j < bench.n; j++)
        mean += takes_part(j, volume) ? rate_of(j) / (long double)hosts : 0;
    for (size_t j = 0; j < bench.n; j++)
        squares += takes_part(j, volume) ? (rate_of(j) - mean) * (rate_of(j) - mean) : 0;
    bound = mean - sqrtl(squares / (long double)hosts) *
                       (long double)bench.rules.success_rate_factor_pct / 100;
    margin = mean - (long double)bench.rules.success_rate_margin_pct / 100;
    if (fabsl(rate_of(i) - bound) < 1e-7L || fabsl(rate_of(i) - margin) < 1e-7L)
        return -1;
    return rate_of(i) < bound && rate_of(i) < margin;
}

static uint64_t mean_ns(size_t i)
{
    return bench.stats[i].total == 0 ? 0 : bench.stats[i].latency_ns / bench.stats[i].total;
}

/* Of all but i. */
static uint64_t median_ns(size_t but, uint64_t volume)
{
    uint64_t sorted[HOSTS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < bench.n; i++) {
        size_t at = count;

        if (i == but || !takes_part(i, volume))
            continue;
        for (; at > 0 && sorted[at - 1] > mean_ns(i); at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = mean_ns(i);
        count++;
    }
    return sorted[count / 2];
}

static bool is_slow(size_t i)
{
    uint64_t volume = bench.rules.latency_volume;
    size_t hosts = hosts_of(volume);
    uint64_t median;

    if (bench.rules.latency_pct == 0 || !takes_part(i, volume) || hosts < 2 ||
        hosts < bench.rules.latency_hosts)
        return false;
    median = median_ns(i, volume);
    return mean_ns(i) * 100 > median * bench.rules.latency_pct &&
           mean_ns(i) >= median + bench.rules.latency_floor_ns;
}

static void check_verdict(size_t i)
{
    const struct resil__outlier_stat *stat = &bench.stats[i];
    enum resil_ejection says = RESIL_EJECTION_NONE;
    int little = succeeds_little(i);

    if (!stat->counts || stat->ejected)
        says = RESIL_EJECTION_NONE;
    else if (bench.rules.consecutive != 0 && stat->streak >= bench.rules.consecutive)
        says = RESIL_EJECTION_CONSECUTIVE;
    else if (bench.rules.consecutive_local != 0 &&
             stat->local_streak >= bench.rules.consecutive_local)
        says = RESIL_EJECTION_LOCAL;
    else if (fails_much(i))
        says = RESIL_EJECTION_FAILURE_PCT;
    else if (little == 1 || (little == -1 && bench.verdict[i] == RESIL_EJECTION_SUCCESS_RATE))
        says = RESIL_EJECTION_SUCCESS_RATE;
    else if (is_slow(i))
        says = RESIL_EJECTION_LATENCY;
    MODEL_CHECK(&bench, bench.verdict[i] == says);
}

/* Whether a goes before b. */
static bool is_worse(size_t a, size_t b)
{
    long double bad_a, bad_b;

    if (bench.verdict[a] != bench.verdict[b])
        return bench.verdict[a] < bench.verdict[b];
    bad_a = bench.stats[a].total == 0 ? 0 : (long double)bench.stats[a].bad / bench.stats[a].total;
    bad_b = bench.stats[b].total == 0 ? 0 : (long double)bench.stats[b].bad / bench.stats[b].total;
    switch (bench.verdict[a]) {
    case RESIL_EJECTION_CONSECUTIVE:
        if (bench.stats[a].streak != bench.stats[b].streak)
            return bench.stats[a].streak > bench.stats[b].streak;
        break;
    case RESIL_EJECTION_LOCAL:
        if (bench.stats[a].local_streak != bench.stats[b].local_streak)
            return bench.stats[a].local_streak > bench.stats[b].local_streak;
        break;
    case RESIL_EJECTION_LATENCY:
        if (mean_ns(a) != mean_ns(b))
            return mean_ns(a) > mean_ns(b);
        break;
    default:
        if (fabsl(bad_a - bad_b) > 1e-12L)
            return bad_a > bad_b;
    }
    return a < b;
}

static void check_cap(void)
{
    uint8_t admitted[HOSTS_MAX];
    size_t hosts = 0, gone = 0, places, kept = 0;

    for (size_t i = 0; i < bench.n; i++) {
        admitted[i] = bench.verdict[i];
        hosts += bench.stats[i].counts;
        gone += bench.stats[i].counts && bench.stats[i].ejected;
    }
    places = hosts * bench.rules.max_ejected_pct / 100;
    places = hosts < 2 ? 0 : places < 1 ? 1 : places;
    places = places > gone ? places - gone : 0;
    kept = resil__outlier_admit(&bench.rules, bench.stats, bench.n, admitted);
    for (size_t i = 0; i < bench.n; i++) {
        size_t before = 0;

        if (bench.verdict[i] == RESIL_EJECTION_NONE) {
            MODEL_CHECK(&bench, admitted[i] == RESIL_EJECTION_NONE);
            continue;
        }
        for (size_t j = 0; j < bench.n; j++)
            before += j != i && bench.verdict[j] != RESIL_EJECTION_NONE && is_worse(j, i);
        MODEL_CHECK(&bench, admitted[i] == (before < places ? bench.verdict[i] : 0));
        kept -= admitted[i] != 0;
    }
    MODEL_CHECK(&bench, kept == 0);
}

static void step(void)
{
    draw();
    resil__outlier_judge(&bench.rules, bench.stats, bench.n, bench.verdict);
    for (size_t i = 0; i < bench.n; i++)
        check_verdict(i);
    check_cap();
}

static const struct model_subject model = {begin, step, &bench.random};

static void outliers_agree_with_their_definition(void **state)
{
    (void)state;
    model_run(&model, test_seed(50), OPERATIONS);
}

static void a_share_that_has_to_be_exceeded_is_found(void **state)
{
    (void)state;
    exceeds = true;
    model_finds(&model, 50, OPERATIONS, 1, "a share that has to be exceeded");
    exceeds = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outliers_agree_with_their_definition),
        cmocka_unit_test(a_share_that_has_to_be_exceeded_is_found),
    };

    return cmocka_run_group_tests_name("outlier model", tests, NULL, NULL);
}
