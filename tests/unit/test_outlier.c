/* SPDX-License-Identifier: BSD-2-Clause */

/* Who is an outlier, and by which rule. */
#include "outlier_fixture.h"

#include <math.h>

#include "base/math.h"

static int judge(size_t n)
{
    int accused = 0;

    memset(verdict, 0xee, sizeof verdict);
    resil__outlier_judge(&rules, stats, n, verdict);
    for (size_t i = 0; i < n; i++)
        accused += verdict[i] != 0;
    return accused;
}

static void outlier_leaves_equal_hosts_alone(void **state)
{
    (void)state;
    use(NULL);
    all(1000, 10, RESIL_MS(5));
    assert_int_equal(judge(HOSTS), 0);
    all(0, 0, 0);
    assert_int_equal(judge(HOSTS), 0);
    assert_int_equal(judge(0), 0);
}

static void streak_ejects_at_its_count(void **state)
{
    (void)state;
    use(NULL);
    all(0, 0, 0);
    stats[3].streak = 4;
    stats[4].local_streak = 4;
    assert_int_equal(judge(HOSTS), 0);
    stats[3].streak = 5;
    stats[4].local_streak = 5;
    assert_int_equal(judge(HOSTS), 2);
    assert_int_equal(verdict[3], RESIL_EJECTION_CONSECUTIVE);
    assert_int_equal(verdict[4], RESIL_EJECTION_LOCAL);
    use(&(struct resil_outlier_config){.consecutive = RESIL_OFF, .consecutive_local = 6});
    assert_int_equal(judge(HOSTS), 0);
    use(&(struct resil_outlier_config){.consecutive = 6, .consecutive_local = RESIL_OFF});
    assert_int_equal(judge(HOSTS), 0);
}

static void failure_pct_ejects_at_its_share(void **state)
{
    struct resil_outlier_config config = quiet();

    (void)state;
    config.failure_pct = 85;
    use(&config);
    all(100, 0, 0);
    stats[2].bad = 84;
    assert_int_equal(judge(HOSTS), 0);
    stats[2].bad = 85;
    assert_int_equal(judge(HOSTS), 1);
    assert_int_equal(verdict[2], RESIL_EJECTION_FAILURE_PCT);
    stats[2].total = stats[2].bad = 49;
    assert_int_equal(judge(HOSTS), 0);
    stats[2].total = stats[2].bad = 50;
    assert_int_equal(judge(HOSTS), 1);
    assert_int_equal(judge(5), 1);
    assert_int_equal(judge(4), 0); /* fewer hosts than failure_hosts */
    stats[2].bad = 1000;           /* more than were counted: as many as were */
    assert_int_equal(judge(HOSTS), 1);
}

static void success_rate_ejects_who_falls_out_of_the_crowd(void **state)
{
    struct resil_outlier_config config = quiet();

    (void)state;
    config.success_rate_factor_pct = 190;
    use(&config);
    all(100, 1, 0);
    stats[7].bad = 40;
    assert_int_equal(judge(HOSTS), 1);
    assert_int_equal(verdict[7], RESIL_EJECTION_SUCCESS_RATE);
    stats[7].bad = 1000; /* more than were counted: as many as were */
    assert_int_equal(judge(HOSTS), 1);
    assert_int_equal(verdict[7], RESIL_EJECTION_SUCCESS_RATE);
    stats[7].total = 99;
    assert_int_equal(judge(HOSTS), 0); /* volume */
    stats[7].total = 100;
    stats[7].bad = 0;
    stats[8].bad = 0;
    assert_int_equal(judge(HOSTS), 0); /* better isn't worse */
}

/* One bad among k: (k - 1) / sqrt(k - 1) = sqrt(k - 1) deviations. */
static void success_rate_needs_enough_hosts_to_tell(void **state)
{
    struct resil_outlier_config config = quiet();

    (void)state;
    config.success_rate_factor_pct = 190;
    use(&config);
    all(100, 0, 0);
    stats[0].bad = 100;
    assert_int_equal(judge(5), 1);
    assert_int_equal(judge(4), 0); /* success_rate_hosts */
    config.success_rate_hosts = 4;
    use(&config);
    assert_int_equal(judge(4), 0); /* sqrt(3) = 1.73 < 1.9 */
    config.success_rate_factor_pct = 173;
    use(&config);
    assert_int_equal(judge(4), 1);
    config.success_rate_factor_pct = 200;
    use(&config);
    assert_int_equal(judge(5), 0); /* exactly 2 deviations are not more than 2 */
    config.success_rate_factor_pct = 199;
    use(&config);
    assert_int_equal(judge(5), 1);
}

/* Where nobody fails, one chance failure is many deviations below the mean. */
static void success_rate_forgives_a_chance_failure(void **state)
{
    struct resil_outlier_config config = quiet();

    (void)state;
    config.success_rate_factor_pct = 190;
    use(&config);
    all(1000, 0, 0);
    stats[5].bad = 1;
    assert_int_equal(judge(HOSTS), 0);
    /* below the mean by 5 points, of which it is one tenth itself: 55.6 of 1000 */
    stats[5].bad = 55;
    assert_int_equal(judge(HOSTS), 0);
    stats[5].bad = 56;
    assert_int_equal(judge(HOSTS), 1);
    config.success_rate_margin_pct = RESIL_OFF;
    use(&config);
    stats[5].bad = 1;
    assert_int_equal(judge(HOSTS), 1);
}

static void success_rate_reads_equal_shares_alike(void **state)
{
    struct resil_outlier_config config = quiet();

    (void)state;
    config.success_rate_factor_pct = 1;
    config.success_rate_margin_pct = RESIL_OFF;
    use(&config);
    for (size_t i = 0; i < HOSTS; i++)
        stats[i] = (struct resil__outlier_stat){
            .total = 300 * (uint32_t)(i + 1), .bad = 100 * (uint32_t)(i + 1), .counts = true};
    assert_int_equal(judge(HOSTS), 0);
}

/* The greatest numbers that fit the fields don't overflow. */
static void success_rate_survives_the_greatest_counts(void **state)
{
    struct resil_outlier_config config = quiet();

    (void)state;
    config.success_rate_factor_pct = 190;
    config.failure_pct = 85;
    use(&config);
    all(UINT32_MAX, 0, 1);
    stats[9].bad = UINT32_MAX;
    assert_int_equal(judge(HOSTS), 1);
    assert_int_equal(verdict[9], RESIL_EJECTION_FAILURE_PCT);
    stats[9].bad = UINT32_MAX / 2;
    assert_int_equal(judge(HOSTS), 1);
    assert_int_equal(verdict[9], RESIL_EJECTION_SUCCESS_RATE);
}

static void latency_ejects_who_is_slower_than_its_peers(void **state)
{
    struct resil_outlier_config config = quiet();

    (void)state;
    config.latency_pct = 300;
    use(&config);
    all(50, 0, RESIL_MS(10));
    stats[1].latency_ns = RESIL_MS(30) * 50;
    assert_int_equal(judge(HOSTS), 0); /* exactly three times isn't above */
    stats[1].latency_ns += 50;
    assert_int_equal(judge(HOSTS), 1);
    assert_int_equal(verdict[1], RESIL_EJECTION_LATENCY);
    assert_int_equal(judge(4), 0); /* latency_hosts */
    stats[1].total = 49;
    assert_int_equal(judge(HOSTS), 0); /* latency_volume */
}

static void latency_needs_its_floor(void **state)
{
    struct resil_outlier_config config = quiet();

    (void)state;
    config.latency_pct = 300;
    use(&config);
    all(50, 0, RESIL_MS(1));
    stats[1].latency_ns = (RESIL_MS(11) - 1) * 50;
    assert_int_equal(judge(HOSTS), 0);
    stats[1].latency_ns = RESIL_MS(11) * 50;
    assert_int_equal(judge(HOSTS), 1);
    config.latency_floor_ns = RESIL_OFF;
    use(&config);
    stats[1].latency_ns = RESIL_MS(4) * 50;
    assert_int_equal(judge(HOSTS), 1);
}

static void latency_is_off_by_default(void **state)
{
    (void)state;
    use(NULL);
    all(50, 0, RESIL_MS(1));
    stats[1].latency_ns = RESIL_SEC(10) * 50;
    assert_int_equal(judge(HOSTS), 0);
}

/* A slow host doesn't move the measure that it is held to: not even where half of all are slow. */
static void latency_is_judged_against_the_others(void **state)
{
    struct resil_outlier_config config = quiet();

    (void)state;
    config.latency_pct = 300;
    use(&config);
    all(50, 0, RESIL_MS(10));
    for (size_t i = 0; i < 4; i++)
        stats[i].latency_ns = RESIL_SEC(1) * 50;
    assert_int_equal(judge(HOSTS), 4);
    assert_int_equal(judge(9), 4);
    /* 4 of 8: of each slow one's 7 peers the middle one is fast */
    assert_int_equal(judge(8), 4);
    /* 4 of 7: of each slow one's 6 peers the upper middle one is slow */
    assert_int_equal(judge(7), 0);
}

/* The first host does ill by every rule. */
static void first_is_bad_at_everything(void)
{
    use(&(struct resil_outlier_config){.latency_pct = 300});
    all(100, 0, RESIL_MS(1));
    stats[0] = (struct resil__outlier_stat){.total = 100,
                                            .bad = 100,
                                            .streak = 9,
                                            .local_streak = 9,
                                            .latency_ns = RESIL_SEC(100),
                                            .counts = true};
}

static void outlier_reads_neither_the_ejected_nor_the_uncounted(void **state)
{
    (void)state;
    first_is_bad_at_everything();
    stats[1] = stats[0];
    stats[0].ejected = true;
    stats[1].counts = false;
    assert_int_equal(judge(HOSTS), 0);
    /* nor are they peers: with four hosts left no rule that compares is applied */
    stats[2].bad = 100;
    assert_int_equal(judge(7), 1);
    assert_int_equal(judge(6), 0);
}

static void outlier_names_the_first_reason(void **state)
{
    (void)state;
    first_is_bad_at_everything();
    assert_int_equal(judge(HOSTS), 1);
    assert_int_equal(verdict[0], RESIL_EJECTION_CONSECUTIVE);
    stats[0].streak = 0;
    judge(HOSTS);
    assert_int_equal(verdict[0], RESIL_EJECTION_LOCAL);
    stats[0].local_streak = 0;
    judge(HOSTS);
    assert_int_equal(verdict[0], RESIL_EJECTION_FAILURE_PCT);
    stats[0].bad = 80;
    judge(HOSTS);
    assert_int_equal(verdict[0], RESIL_EJECTION_SUCCESS_RATE);
    stats[0].bad = 0;
    judge(HOSTS);
    assert_int_equal(verdict[0], RESIL_EJECTION_LATENCY);
}

/* The twin: in doubles, with sorting, one host at a time. near: too close to call in doubles. */
static bool twin_success_rate(size_t n, size_t at, bool *near)
{
    double sum = 0, squares = 0, k = 0, mean, bound, rate;

    for (size_t i = 0; i < n; i++)
        if (stats[i].counts && !stats[i].ejected && stats[i].total >= rules.success_rate_volume) {
            rate = 1 - (double)stats[i].bad / stats[i].total;
            sum += rate;
            k++;
        }
    if (k == 0 || k < (double)rules.success_rate_hosts)
        return false;
    mean = sum / k;
    for (size_t i = 0; i < n; i++)
        if (stats[i].counts && !stats[i].ejected && stats[i].total >= rules.success_rate_volume) {
            rate = 1 - (double)stats[i].bad / stats[i].total;
            squares += (rate - mean) * (rate - mean);
        }
    if (!stats[at].counts || stats[at].ejected || stats[at].total < rules.success_rate_volume)
        return false;
    rate = 1 - (double)stats[at].bad / stats[at].total;
    bound = mean - (double)rules.success_rate_factor_pct / 100 * sqrt(squares / k);
    bound = fmin(bound, mean - (double)rules.success_rate_margin_pct / 100);
    *near = *near || fabs(rate - bound) < 1e-6;
    return rate < bound;
}

static bool twin_latency(size_t n, size_t at)
{
    uint64_t others[HOSTS];
    uint64_t mean, median;
    size_t k = 0;

    if (!stats[at].counts || stats[at].ejected || stats[at].total < rules.latency_volume)
        return false;
    for (size_t i = 0; i < n; i++)
        if (i != at && stats[i].counts && !stats[i].ejected &&
            stats[i].total >= rules.latency_volume)
            others[k++] = stats[i].latency_ns / stats[i].total;
    if (k + 1 < rules.latency_hosts)
        return false;
    qsort(others, k, sizeof *others, rank);
    median = others[k / 2];
    mean = stats[at].latency_ns / stats[at].total;
    return mean * 100 > median * rules.latency_pct && mean >= median + rules.latency_floor_ns;
}

static void outlier_agrees_with_its_twin(void **state)
{
    uint64_t seed = test_seed(20);
    int found[6] = {0}, settled = 0;

    (void)state;
    for (uint64_t round = 0; round < 100000; round++) {
        struct resil_outlier_config config = quiet();
        size_t n = 2 + test_below(&seed, HOSTS - 1);
        uint64_t usual = test_below(&seed, 40);
        bool near = false;

        config.latency_pct = 101 + test_below(&seed, 400);
        config.latency_floor_ns = 1 + test_below(&seed, 50);
        config.success_rate_factor_pct = 50 + test_below(&seed, 200);
        config.success_rate_margin_pct = test_below(&seed, 3) ? RESIL_OFF : test_below(&seed, 10);
        config.success_rate_hosts = config.latency_hosts = 2 + test_below(&seed, 4);
        use(&config);
        for (size_t i = 0; i < n; i++) {
            uint32_t total = 20 + (uint32_t)test_below(&seed, 400);
            uint64_t pct = test_below(&seed, 5) ? usual : test_below(&seed, 101);

            stats[i] = (struct resil__outlier_stat){
                .total = total,
                .bad = (uint32_t)(total * resil__min(100, pct + test_below(&seed, 4)) / 100),
                .latency_ns = total * (1 + test_below(&seed, test_below(&seed, 5) ? 30 : 300)),
                .counts = test_below(&seed, 9) != 0,
                .ejected = test_below(&seed, 9) == 0,
            };
        }
        judge(n);
        for (size_t i = 0; i < n; i++) {
            bool rate = twin_success_rate(n, i, &near);
            enum resil_ejection want = rate                 ? RESIL_EJECTION_SUCCESS_RATE
                                       : twin_latency(n, i) ? RESIL_EJECTION_LATENCY
                                                            : RESIL_EJECTION_NONE;

            if (near)
                break;
            if (verdict[i] != want)
                fail_msg("RESIL_SEED=%" PRIu64 ", round %" PRIu64 ": host %zu got %d, not %d",
                         test_seed(20), round, i, verdict[i], want);
            found[want]++;
            settled++;
        }
    }
    assert_true(settled > 400000);
    assert_true(found[RESIL_EJECTION_SUCCESS_RATE] > 10000 &&
                found[RESIL_EJECTION_LATENCY] > 10000 && found[RESIL_EJECTION_NONE] > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outlier_leaves_equal_hosts_alone),
        cmocka_unit_test(streak_ejects_at_its_count),
        cmocka_unit_test(failure_pct_ejects_at_its_share),
        cmocka_unit_test(success_rate_ejects_who_falls_out_of_the_crowd),
        cmocka_unit_test(success_rate_needs_enough_hosts_to_tell),
        cmocka_unit_test(success_rate_forgives_a_chance_failure),
        cmocka_unit_test(success_rate_reads_equal_shares_alike),
        cmocka_unit_test(success_rate_survives_the_greatest_counts),
        cmocka_unit_test(latency_ejects_who_is_slower_than_its_peers),
        cmocka_unit_test(latency_needs_its_floor),
        cmocka_unit_test(latency_is_off_by_default),
        cmocka_unit_test(latency_is_judged_against_the_others),
        cmocka_unit_test(outlier_reads_neither_the_ejected_nor_the_uncounted),
        cmocka_unit_test(outlier_names_the_first_reason),
        cmocka_unit_test(outlier_agrees_with_its_twin),
    };

    return cmocka_run_group_tests_name("outlier", tests, NULL, NULL);
}
