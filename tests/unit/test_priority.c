/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include "balancer/priority.h"

#define LEVELS 3

static struct resil__priority_rules rules;
static struct resil__level levels[LEVELS];
static struct resil__level_load loads[LEVELS];

static void use(const struct resil_priority_config *config)
{
    assert_int_equal(resil_priority_config_check(config, NULL, 0), RESIL_OK);
    rules = resil__priority_rules(config);
}

static void level(size_t i, uint64_t healthy, uint64_t total)
{
    levels[i] = (struct resil__level){.healthy = healthy, .total = total};
}

static void expect(size_t n, const char *want)
{
    char is[100] = "";

    memset(loads, 0xee, sizeof loads);
    resil__priority_loads(levels, n, &rules, loads);
    for (size_t i = 0; i < n; i++)
        (void)snprintf(is + strlen(is), sizeof is - strlen(is), "%s%u%s%s", i > 0 ? " " : "",
                       loads[i].load_pct, loads[i].panic ? "p" : "", loads[i].refuse ? "r" : "");
    assert_string_equal(is, want);
}

static void level_keeps_all_until_its_surplus_is_gone(void **state)
{
    (void)state;
    use(NULL);
    level(1, 10, 10);
    level(0, 100, 100);
    expect(2, "100 0");
    level(0, 72, 100);
    expect(2, "100 0"); /* 140 * 72 / 100 = 100.8 */
    level(0, 71, 100);
    expect(2, "99 1"); /* 99.4 */
    level(0, 25, 100);
    expect(2, "35 65");
    level(0, 0, 100);
    expect(2, "0r 100");
    use(&(struct resil_priority_config){.overprovision_pct = 100});
    level(0, 71, 100);
    expect(2, "71 29");
}

static void loads_are_scaled_up_when_all_levels_lack_health(void **state)
{
    (void)state;
    use(&(struct resil_priority_config){.panic_pct = RESIL_OFF});
    level(0, 10, 70);   /* 20 % */
    level(1, 20, 70);   /* 40 % */
    expect(2, "34 66"); /* 33, and 1 that rounding left */
    level(0, 10, 100);  /* 14 % of 42 */
    level(1, 10, 100);
    level(2, 10, 100);
    expect(3, "34 33 33");
    level(0, 0, 100); /* what is left goes to the first that has health */
    level(2, 20, 100);
    expect(3, "0r 34 66");
}

static void level_panics_below_its_threshold_alone(void **state)
{
    (void)state;
    use(NULL);
    level(0, 49, 100); /* 68 % */
    level(1, 0, 100);
    expect(2, "50p 50p");
    level(1, 10, 100);
    level(0, 50, 100);
    expect(2, "84 16p"); /* 70 and 14 of 84: 83 and 16 */
    level(1, 22, 100);
    expect(2, "70 30"); /* 30: the sum is whole, nobody panics */
    use(&(struct resil_priority_config){.panic_pct = 51});
    level(1, 10, 100);
    expect(2, "50p 50p");
}

static void all_in_panic_share_by_size(void **state)
{
    (void)state;
    use(NULL);
    level(0, 0, 1);
    level(1, 1, 4);
    level(2, 0, 1);
    expect(3, "18p 66p 16p");
    level(0, 0, 0);
    expect(3, "0pr 80p 20p");
    level(2, 0, 2);
    expect(3, "0pr 67p 33p"); /* the rest to the first that has endpoints */
    use(&(struct resil_priority_config){.fail_on_panic = true});
    expect(3, "0pr 67pr 33pr");
}

static void panic_off_names_a_level_even_when_all_are_dead(void **state)
{
    (void)state;
    use(&(struct resil_priority_config){.panic_pct = RESIL_OFF});
    level(0, 0, 0);
    level(1, 0, 5);
    level(2, 0, 5);
    expect(3, "0r 100r 0r");
    /* 1 of 200 is 0 %, and still somebody */
    level(2, 1, 200);
    expect(3, "0r 0r 100");
}

static void empty_levels_get_nothing(void **state)
{
    (void)state;
    use(NULL);
    level(0, 0, 0);
    level(1, 3, 3);
    expect(2, "0r 100");
    level(1, 0, 0);
    expect(2, "0pr 0pr");
    expect(0, "");
    use(&(struct resil_priority_config){.panic_pct = RESIL_OFF});
    expect(2, "0r 0r");
}

static void held_health_waits_while_the_others_carry_all(void **state)
{
    (void)state;
    use(NULL);
    level(0, 10, 10);
    level(1, 10, 10);
    levels[0].held_pct = 100;
    expect(2, "0 100");
    levels[0].held_pct = 60;
    expect(2, "40 60");
    level(1, 4, 10); /* 56 and 40 are not enough */
    levels[0].held_pct = 60;
    expect(2, "100 0");
    levels[0].held_pct = 1000; /* more than it has: nothing */
    level(1, 10, 10);
    expect(2, "0 100");
}

/* The twin: the text of facts, one level at a time, with a vector of shares. */
static void twin(size_t n)
{
    unsigned health[LEVELS], sum = 0, load[LEVELS] = {0}, left = 100, total = 0;
    unsigned panics = 0;
    bool panic[LEVELS];

    for (size_t i = 0; i < n; i++) {
        health[i] = levels[i].total ? (unsigned)(140 * levels[i].healthy / levels[i].total) : 0;
        health[i] = health[i] > 100 ? 100 : health[i];
        sum += health[i];
        total += (unsigned)levels[i].total;
    }
    sum = sum > 100 ? 100 : sum;
    for (size_t i = 0; i < n; i++) {
        double healthy_pct =
            levels[i].total ? 100.0 * (double)levels[i].healthy / (double)levels[i].total : 0;

        panic[i] = sum < 100 && healthy_pct < (double)rules.panic_pct;
        panics += panic[i];
    }
    for (size_t i = 0; i < n; i++) {
        if (panics == n)
            load[i] = total ? (unsigned)(100 * levels[i].total / total) : 0;
        else if (sum > 0)
            load[i] = health[i] * 100 / sum < left ? health[i] * 100 / sum : left;
        left -= load[i];
    }
    for (size_t i = 0; i < n; i++)
        if (total > 0 && (panics == n ? levels[i].total > 0 : health[i] > 0)) {
            load[i] += left;
            break;
        }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(loads[i].panic, panic[i]);
        if (sum > 0 || panics == n)
            assert_int_equal(loads[i].load_pct, load[i]);
    }
}

static void loads_agree_with_their_twin_in_all_small_cases(void **state)
{
    const uint64_t panic_pcts[] = {RESIL_OFF, 0, 1, 34, 100};
    enum {
        SIZE = 5,
        SHAPES = (SIZE + 1) * (SIZE + 2) / 2
    };

    (void)state;
    for (size_t p = 0; p < sizeof panic_pcts / sizeof *panic_pcts; p++) {
        use(&(struct resil_priority_config){.panic_pct = panic_pcts[p]});
        for (unsigned n = 1, cases = SHAPES; n <= LEVELS; n++, cases *= SHAPES)
            for (unsigned at = 0; at < cases; at++) {
                unsigned rest = at, sum = 0, hosts = 0;

                for (size_t i = 0; i < n; i++, rest /= SHAPES) {
                    unsigned shape = rest % SHAPES, total = 0;

                    for (; shape > total; total++)
                        shape -= total + 1;
                    level(i, shape, total);
                    hosts += total;
                }
                resil__priority_loads(levels, n, &rules, loads);
                twin(n);
                for (size_t i = 0; i < n; i++) {
                    sum += loads[i].load_pct;
                    assert_true(levels[i].total > 0 || loads[i].load_pct == 0);
                    /* calls go to the healthy, to everybody, or are refused: never to nobody */
                    assert_true(loads[i].refuse || loads[i].panic || levels[i].healthy > 0);
                }
                assert_int_equal(sum, hosts > 0 ? 100 : 0);
            }
    }
}

static void loads_sum_up_whatever_is_held(void **state)
{
    uint64_t seed = test_seed(31);

    (void)state;
    for (int round = 0; round < 100000; round++) {
        unsigned sum = 0;

        use(&(struct resil_priority_config){
            .panic_pct = test_below(&seed, 4) ? 1 + test_below(&seed, 100) : RESIL_OFF,
            .overprovision_pct = 100 + test_below(&seed, 901)});
        for (size_t i = 0; i < LEVELS; i++) {
            uint64_t total = 1 + test_below(&seed, UINT64_C(1) << test_below(&seed, 48));

            level(i, test_below(&seed, total + 1), total);
            levels[i].held_pct = test_below(&seed, 3) ? 0 : test_below(&seed, 101);
        }
        resil__priority_loads(levels, LEVELS, &rules, loads);
        for (size_t i = 0; i < LEVELS; i++)
            sum += loads[i].load_pct;
        assert_int_equal(sum, 100);
    }
}

static void failback_is_at_once_by_default(void **state)
{
    struct resil__failback failback = {.known = false};

    (void)state;
    use(NULL);
    assert_int_equal(resil__failback(&rules, &failback, 0, 5), 0);
    assert_int_equal(resil__failback(&rules, &failback, 100, 5), 0);
    use(&(struct resil_priority_config){.failback_ns = RESIL_OFF});
    assert_int_equal(resil__failback(&rules, &failback, 0, 5), 0);
    assert_int_equal(resil__failback(&rules, &failback, 100, 5), 0);
}

static void failback_waits_and_takes_the_least_meanwhile(void **state)
{
    struct resil__failback failback = {.known = false};

    (void)state;
    use(&(struct resil_priority_config){.failback_ns = RESIL_SEC(10)});
    assert_int_equal(resil__failback(&rules, &failback, 80, RESIL_SEC(1)), 0); /* the first */
    assert_int_equal(resil__failback(&rules, &failback, 20, RESIL_SEC(2)), 0); /* worse: at once */
    assert_int_equal(resil__failback(&rules, &failback, 90, RESIL_SEC(3)), 70);
    assert_int_equal(resil__failback(&rules, &failback, 50, RESIL_SEC(5)), 30);
    assert_int_equal(resil__failback(&rules, &failback, 100, RESIL_SEC(13) - 1), 80);
    assert_int_equal(resil__failback(&rules, &failback, 100, RESIL_SEC(13)), 50);
    assert_true(failback.waits && failback.since_ns == RESIL_SEC(13));
    assert_int_equal(resil__failback(&rules, &failback, 100, RESIL_SEC(23) - 1), 50);
    assert_int_equal(resil__failback(&rules, &failback, 100, RESIL_SEC(23)), 0);
    assert_false(failback.waits); /* or whoever asks again when told to would do so for nothing */
}

static void failback_starts_anew_when_it_falls_back(void **state)
{
    struct resil__failback failback = {.known = false};

    (void)state;
    use(&(struct resil_priority_config){.failback_ns = RESIL_SEC(10)});
    resil__failback(&rules, &failback, 20, 0);
    assert_int_equal(resil__failback(&rules, &failback, 90, RESIL_SEC(1)), 70);
    assert_int_equal(resil__failback(&rules, &failback, 20, RESIL_SEC(10)), 0);
    assert_int_equal(resil__failback(&rules, &failback, 90, RESIL_SEC(11)), 70);
    assert_int_equal(resil__failback(&rules, &failback, 90, RESIL_SEC(20)), 70);
    assert_int_equal(resil__failback(&rules, &failback, 90, RESIL_SEC(21)), 0);
}

static void failback_is_not_stuck_when_the_clock_is_set_back(void **state)
{
    struct resil__failback failback = {.known = false};

    (void)state;
    use(&(struct resil_priority_config){.failback_ns = RESIL_SEC(10)});
    resil__failback(&rules, &failback, 0, RESIL_SEC(5000));
    assert_int_equal(resil__failback(&rules, &failback, 100, RESIL_SEC(5000)), 100);
    assert_int_equal(resil__failback(&rules, &failback, 100, RESIL_SEC(1)), 100);
    assert_int_equal(resil__failback(&rules, &failback, 100, RESIL_SEC(11)), 0);
}

static void recovery_share_follows_what_is_back(void **state)
{
    (void)state;
    assert_int_equal(resil__recovery_share(0, 10, 140), 0);
    assert_int_equal(resil__recovery_share(1, 10, 140), 1400);
    assert_int_equal(resil__recovery_share(7, 10, 140), 9800);
    assert_int_equal(resil__recovery_share(8, 10, 140), 10000);
    assert_int_equal(resil__recovery_share(10, 10, 1000), 10000);
    assert_int_equal(resil__recovery_share(5, 10, 100), 5000);
    assert_int_equal(resil__recovery_share(0, 0, 140), 10000); /* nobody: nothing to protect */
    assert_int_equal(resil__recovery_share(UINT64_MAX, 1, 140), 10000);
}

static void recovery_begins_after_everything_was_down(void **state)
{
    struct resil__recovery recovery = {.on = false};

    (void)state;
    use(NULL);
    assert_int_equal(resil__recovery(&rules, &recovery, 1, 10, RESIL_SEC(1)), 10000);
    assert_int_equal(resil__recovery(&rules, &recovery, 0, 10, RESIL_SEC(2)), 10000);
    assert_int_equal(resil__recovery(&rules, &recovery, 1, 10, RESIL_SEC(3)), 1400);
    assert_int_equal(resil__recovery(&rules, &recovery, 3, 10, RESIL_SEC(4)), 4200);
    assert_int_equal(resil__recovery(&rules, &recovery, 8, 10, RESIL_SEC(5)), 10000);
    assert_int_equal(resil__recovery(&rules, &recovery, 1, 10, RESIL_SEC(6)), 10000); /* over */
}

static void recovery_ends_when_the_number_is_steady(void **state)
{
    struct resil__recovery recovery = {.on = false};

    (void)state;
    use(NULL);
    resil__recovery(&rules, &recovery, 0, 10, 0);
    assert_int_equal(resil__recovery(&rules, &recovery, 2, 10, RESIL_SEC(1)), 2800);
    assert_int_equal(resil__recovery(&rules, &recovery, 3, 10, RESIL_SEC(10)), 4200);
    assert_int_equal(resil__recovery(&rules, &recovery, 3, 10, RESIL_SEC(20) - 1), 4200);
    assert_int_equal(resil__recovery(&rules, &recovery, 3, 10, RESIL_SEC(20)), 10000);
    assert_int_equal(resil__recovery(&rules, &recovery, 2, 10, RESIL_SEC(21)), 10000);
    /* down again */
    assert_int_equal(resil__recovery(&rules, &recovery, 0, 10, RESIL_SEC(30)), 10000);
    assert_int_equal(resil__recovery(&rules, &recovery, 2, 10, RESIL_SEC(31)), 2800);
    /* the clock is set back */
    assert_int_equal(resil__recovery(&rules, &recovery, 2, 10, 0), 2800);
    assert_int_equal(resil__recovery(&rules, &recovery, 2, 10, RESIL_SEC(10)), 10000);
}

static void recovery_can_be_off(void **state)
{
    struct resil__recovery recovery = {.on = false};

    (void)state;
    use(&(struct resil_priority_config){.recovery_ns = RESIL_OFF});
    resil__recovery(&rules, &recovery, 0, 10, 0);
    assert_false(recovery.on);
    assert_int_equal(resil__recovery(&rules, &recovery, 1, 10, 1), 10000);
    use(NULL);
    resil__recovery(&rules, &recovery, 0, 10, 0);
    assert_int_equal(resil__recovery(&rules, &recovery, 0, 0, 1), 10000); /* the list is empty */
    assert_int_equal(resil__recovery(&rules, &recovery, 1, 10, 2), 10000);
}

static void zone_keeps_what_it_can_carry(void **state)
{
    (void)state;
    assert_int_equal(resil__zone_local_share(5, 10, 5000), 10000);
    assert_int_equal(resil__zone_local_share(9, 10, 5000), 10000);
    assert_int_equal(resil__zone_local_share(2, 10, 5000), 4000);
    assert_int_equal(resil__zone_local_share(1, 3, 10000), 3333);
    assert_int_equal(resil__zone_local_share(0, 10, 5000), 0);
    assert_int_equal(resil__zone_local_share(0, 0, 5000), 0);
}

static void priority_config_names_the_field(void **state)
{
    const struct {
        struct resil_priority_config config;
        const char *start;
    } bad[] = {
        {{.overprovision_pct = 99}, "overprovision_pct is 99: must be 100 to 1000 (0 = default)"},
        {{.panic_pct = 101}, "panic_pct is 101: must be 1 to 100 (0 = default, RESIL_OFF = off)"},
        {{.failback_ns = 5}, "failback_ns is 5: must be 1000000 to 86400000000000"},
        {{.recovery_ns = 5}, "recovery_ns is 5: must be 1000000 to 86400000000000"},
        {{.zone_callers_pct = 101}, "zone_callers_pct is 101: must be 1 to 100 (0 = default)"},
        {{.zone_hosts_min = 1000001}, "zone_hosts_min is 1000001: must be 1 to 1000000"},
        {{.panic_pct = RESIL_OFF, .fail_on_panic = true},
         "fail_on_panic: needs a panic_pct that is not off"},
    };

    (void)state;
    assert_int_equal(resil_priority_config_check(NULL, NULL, 0), RESIL_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[120] = "";

        assert_int_equal(resil_priority_config_check(&bad[i].config, why, sizeof why),
                         RESIL_EINVAL);
        assert_memory_equal(why, bad[i].start, strlen(bad[i].start));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level_keeps_all_until_its_surplus_is_gone),
        cmocka_unit_test(loads_are_scaled_up_when_all_levels_lack_health),
        cmocka_unit_test(level_panics_below_its_threshold_alone),
        cmocka_unit_test(all_in_panic_share_by_size),
        cmocka_unit_test(panic_off_names_a_level_even_when_all_are_dead),
        cmocka_unit_test(empty_levels_get_nothing),
        cmocka_unit_test(held_health_waits_while_the_others_carry_all),
        cmocka_unit_test(loads_agree_with_their_twin_in_all_small_cases),
        cmocka_unit_test(loads_sum_up_whatever_is_held),
        cmocka_unit_test(failback_is_at_once_by_default),
        cmocka_unit_test(failback_waits_and_takes_the_least_meanwhile),
        cmocka_unit_test(failback_starts_anew_when_it_falls_back),
        cmocka_unit_test(failback_is_not_stuck_when_the_clock_is_set_back),
        cmocka_unit_test(recovery_share_follows_what_is_back),
        cmocka_unit_test(recovery_begins_after_everything_was_down),
        cmocka_unit_test(recovery_ends_when_the_number_is_steady),
        cmocka_unit_test(recovery_can_be_off),
        cmocka_unit_test(zone_keeps_what_it_can_carry),
        cmocka_unit_test(priority_config_names_the_field),
    };

    return cmocka_run_group_tests_name("priority", tests, NULL, NULL);
}
