/* SPDX-License-Identifier: BSD-2-Clause */

/* How many outliers are ejected at once and for how long; and the config. */
#include "outlier_fixture.h"

static size_t admit(size_t n)
{
    size_t stay = resil__outlier_admit(&rules, stats, n, verdict);
    size_t counted = 0;

    for (size_t i = 0; i < n; i++)
        counted += verdict[i] != 0;
    assert_int_equal(stay, counted);
    return stay;
}

static void accuse_all(enum resil_ejection reason)
{
    memset(verdict, (int)reason, sizeof verdict);
}

static void cap_always_lets_one_go_and_never_exceeds_its_share(void **state)
{
    const size_t at[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    const size_t of_34[] = {0, 1, 1, 1, 1, 2, 2, 2, 3, 3};

    (void)state;
    all(100, 50, 0);
    for (size_t i = 0; i < HOSTS; i++) {
        use(NULL);
        accuse_all(RESIL_EJECTION_FAILURE_PCT);
        assert_int_equal(admit(at[i]), at[i] > 1); /* who is alone has no peer */
        use(&(struct resil_outlier_config){.max_ejected_pct = 34});
        accuse_all(RESIL_EJECTION_FAILURE_PCT);
        assert_int_equal(admit(at[i]), of_34[i]);
        use(&(struct resil_outlier_config){.max_ejected_pct = 100});
        accuse_all(RESIL_EJECTION_FAILURE_PCT);
        assert_int_equal(admit(at[i]), at[i] > 1 ? at[i] : 0);
    }
}

static void cap_counts_who_is_ejected_already(void **state)
{
    (void)state;
    use(&(struct resil_outlier_config){.max_ejected_pct = 30});
    all(100, 50, 0);
    stats[0].ejected = stats[1].ejected = true;
    accuse_all(RESIL_EJECTION_FAILURE_PCT);
    assert_int_equal(admit(HOSTS), 1);
    assert_int_equal(verdict[0], 0);
    stats[2].ejected = true;
    accuse_all(RESIL_EJECTION_FAILURE_PCT);
    assert_int_equal(admit(HOSTS), 0);
    stats[3].ejected = true; /* a list that shrank */
    accuse_all(RESIL_EJECTION_FAILURE_PCT);
    assert_int_equal(admit(HOSTS), 0);
    /* hosts that don't count make the list no longer */
    all(100, 50, 0);
    for (size_t i = 0; i < 4; i++)
        stats[i].counts = false;
    accuse_all(RESIL_EJECTION_FAILURE_PCT);
    assert_int_equal(admit(HOSTS), 1);
    assert_int_equal(verdict[4], RESIL_EJECTION_FAILURE_PCT);
}

static void cap_keeps_the_worst(void **state)
{
    (void)state;
    use(&(struct resil_outlier_config){.max_ejected_pct = 30});
    all(100, 50, RESIL_MS(1));
    accuse_all(RESIL_EJECTION_LATENCY);
    stats[9].latency_ns = RESIL_SEC(3);
    stats[4].latency_ns = RESIL_SEC(2);
    verdict[7] = RESIL_EJECTION_SUCCESS_RATE;
    assert_int_equal(admit(HOSTS), 3);
    assert_true(verdict[9] && verdict[4] && verdict[7]);

    accuse_all(RESIL_EJECTION_CONSECUTIVE);
    stats[8].streak = 9;
    stats[6].streak = 8;
    assert_int_equal(admit(HOSTS), 3);
    assert_true(verdict[8] && verdict[6] && verdict[0]);

    accuse_all(RESIL_EJECTION_LOCAL);
    stats[5].local_streak = 9;
    stats[3].local_streak = 8;
    assert_int_equal(admit(HOSTS), 3);
    assert_true(verdict[5] && verdict[3] && verdict[0]);

    accuse_all(RESIL_EJECTION_FAILURE_PCT);
    stats[2].bad = 51;
    stats[1].total = 10;
    stats[1].bad = 9; /* the share, not the count */
    stats[0].total = stats[0].bad = 0;
    assert_int_equal(admit(HOSTS), 3);
    assert_true(verdict[1] && verdict[2] && verdict[3]);
}

static void cap_changes_nothing_that_fits(void **state)
{
    const uint8_t before[HOSTS] = {0, 0, 3, 0, 0, 5, 0, 0, 0, 4};

    (void)state;
    use(&(struct resil_outlier_config){.max_ejected_pct = 30});
    all(0, 0, 0);
    memcpy(verdict, before, sizeof before);
    assert_int_equal(admit(HOSTS), 3);
    assert_memory_equal(verdict, before, sizeof before);
}

static void ejection_grows_to_its_maximum(void **state)
{
    const uint64_t seconds[] = {30, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300};
    uint64_t count = 0;

    (void)state;
    use(&(struct resil_outlier_config){.jitter_pct = RESIL_OFF});
    for (uint64_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
        assert_int_equal(resil__ejection_ns(&rules, i, UINT64_MAX), RESIL_SEC(seconds[i]));
    assert_int_equal(resil__ejection_ns(&rules, UINT64_MAX, UINT64_MAX), RESIL_SEC(300));
    for (int i = 0; i < 1000; i++)
        count = resil__ejection_raise(&rules, count);
    assert_int_equal(count, 10); /* a day of it isn't held against it longer than an hour */
}

static void ejection_is_stretched_by_its_jitter(void **state)
{
    (void)state;
    use(NULL);
    assert_int_equal(resil__ejection_ns(&rules, 1, 0), RESIL_SEC(30));
    assert_int_equal(resil__ejection_ns(&rules, 1, UINT64_MAX), RESIL_SEC(33));
    assert_int_equal(resil__ejection_ns(&rules, 99, UINT64_MAX), RESIL_SEC(330));
    use(&(struct resil_outlier_config){
        .eject_ns = RESIL_SEC(86400), .eject_max_ns = RESIL_SEC(86400), .jitter_pct = 100});
    assert_int_equal(resil__ejection_ns(&rules, 7, UINT64_MAX), RESIL_SEC(2 * 86400));
}

static void ejections_are_forgotten_one_by_one(void **state)
{
    (void)state;
    use(NULL);
    assert_int_equal(resil__ejection_decay(&rules, 3, RESIL_SEC(10) - 1), 3);
    assert_int_equal(resil__ejection_decay(&rules, 3, RESIL_SEC(10)), 2);
    assert_int_equal(resil__ejection_decay(&rules, 3, RESIL_SEC(25)), 1);
    assert_int_equal(resil__ejection_decay(&rules, 3, RESIL_SEC(99)), 0);
    assert_int_equal(resil__ejection_raise(&rules, 0), 1);
}

static void spans_of_an_ejection_give_way_to_each_other(void **state)
{
    (void)state;
    use(&(struct resil_outlier_config){.eject_ns = RESIL_SEC(900)});
    assert_int_equal(rules.eject_max_ns, RESIL_SEC(900));
    use(&(struct resil_outlier_config){.eject_max_ns = RESIL_SEC(5)});
    assert_int_equal(rules.eject_ns, RESIL_SEC(5));
    use(&(struct resil_outlier_config){.eject_ns = RESIL_SEC(7), .eject_max_ns = RESIL_SEC(10)});
    assert_int_equal(resil__ejection_ns(&rules, 2, 0), RESIL_SEC(10));
}

static void outlier_config_names_the_field(void **state)
{
    const struct {
        struct resil_outlier_config config;
        const char *start;
    } bad[] = {
        {{.consecutive = 1000001}, "consecutive is 1000001: must be 1 to 1000000"},
        {{.consecutive_local = 1000001}, "consecutive_local is 1000001: must be 1 to 1000000"},
        {{.success_rate_factor_pct = 1001}, "success_rate_factor_pct is 1001: must be 1 to 1000"},
        {{.success_rate_margin_pct = 101}, "success_rate_margin_pct is 101: must be 1 to 100"},
        {{.success_rate_hosts = 1}, "success_rate_hosts is 1: must be 2 to 1000000"},
        {{.success_rate_volume = RESIL_OFF}, "success_rate_volume is RESIL_OFF: must be 1 to"},
        {{.failure_pct = 101}, "failure_pct is 101: must be 1 to 100"},
        {{.failure_hosts = 1000001}, "failure_hosts is 1000001: must be 1 to 1000000"},
        {{.failure_volume = 1000001}, "failure_volume is 1000001: must be 1 to 1000000"},
        {{.latency_pct = 100}, "latency_pct is 100: must be 101 to 10000"},
        {{.latency_floor_ns = RESIL_SEC(3601)}, "latency_floor_ns is 3601000000000: must be 1 to"},
        {{.latency_hosts = 1}, "latency_hosts is 1: must be 2 to 1000000"},
        {{.latency_volume = 1000001}, "latency_volume is 1000001: must be 1 to 1000000"},
        {{.interval_ns = 1}, "interval_ns is 1: must be 10000000 to 3600000000000"},
        {{.eject_ns = 1}, "eject_ns is 1: must be 1000000 to 86400000000000"},
        {{.eject_max_ns = 1}, "eject_max_ns is 1: must be 1000000 to 86400000000000"},
        {{.eject_ns = RESIL_SEC(2), .eject_max_ns = RESIL_SEC(1)},
         "eject_ns: must not exceed eject_max_ns"},
        {{.jitter_pct = 101}, "jitter_pct is 101: must be 1 to 100"},
        {{.max_ejected_pct = 101}, "max_ejected_pct is 101: must be 1 to 100"},
    };

    (void)state;
    assert_int_equal(resil_outlier_config_check(NULL, NULL, 0), RESIL_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[120] = "";

        assert_int_equal(resil_outlier_config_check(&bad[i].config, why, sizeof why), RESIL_EINVAL);
        assert_memory_equal(why, bad[i].start, strlen(bad[i].start));
    }
}

static void ejection_str_names_every_reason(void **state)
{
    const char *names[] = {"none",        "consecutive",  "local",
                           "failure_pct", "success_rate", "latency"};

    (void)state;
    for (int i = 0; i < 6; i++)
        assert_string_equal(resil_ejection_str((enum resil_ejection)i), names[i]);
    assert_string_equal(resil_ejection_str((enum resil_ejection)6), "unknown");
}

/* The cap against sorting: the same hosts stay, whatever was accused. */
static void cap_agrees_with_its_twin(void **state)
{
    uint64_t seed = test_seed(21);

    (void)state;
    for (int round = 0; round < 100000; round++) {
        uint64_t key[HOSTS];
        uint8_t before[HOSTS];
        size_t hosts = 0, ejected = 0, accused = 0, places;

        use(&(struct resil_outlier_config){.max_ejected_pct = 1 + test_below(&seed, 100)});
        for (size_t i = 0; i < HOSTS; i++) {
            uint64_t share = test_below(&seed, 6);

            stats[i] = (struct resil__outlier_stat){
                .total = 5,
                .bad = (uint32_t)share,
                .latency_ns = 5 * share,
                .streak = (uint32_t)share,
                .local_streak = (uint32_t)share,
                .counts = test_below(&seed, 9) != 0,
                .ejected = test_below(&seed, 6) == 0,
            };
            before[i] = verdict[i] = (uint8_t)test_below(&seed, 6);
            hosts += stats[i].counts;
            ejected += stats[i].counts && stats[i].ejected;
            key[i] = UINT64_MAX;
            if (before[i] != 0 && stats[i].counts && !stats[i].ejected)
                key[accused++] = before[i] * 10000u + (9 - share) * 100 + i;
        }
        qsort(key, accused, sizeof *key, rank);
        places = hosts * rules.max_ejected_pct / 100;
        places = hosts < 2 ? 0 : places < 1 ? 1 : places;
        places = places > ejected ? places - ejected : 0;
        places = places < accused ? places : accused;
        assert_int_equal(admit(HOSTS), places);
        for (size_t i = 0; i < places; i++)
            assert_int_equal(verdict[key[i] % 100], before[key[i] % 100]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cap_always_lets_one_go_and_never_exceeds_its_share),
        cmocka_unit_test(cap_counts_who_is_ejected_already),
        cmocka_unit_test(cap_keeps_the_worst),
        cmocka_unit_test(cap_changes_nothing_that_fits),
        cmocka_unit_test(ejection_grows_to_its_maximum),
        cmocka_unit_test(ejection_is_stretched_by_its_jitter),
        cmocka_unit_test(ejections_are_forgotten_one_by_one),
        cmocka_unit_test(spans_of_an_ejection_give_way_to_each_other),
        cmocka_unit_test(outlier_config_names_the_field),
        cmocka_unit_test(ejection_str_names_every_reason),
        cmocka_unit_test(cap_agrees_with_its_twin),
    };

    return cmocka_run_group_tests_name("outlier cap", tests, NULL, NULL);
}
