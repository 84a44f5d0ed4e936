/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <math.h>

#include "balancer/canary.h"

#define STEP RESIL_SEC(300)
#define NOW  RESIL_SEC(1000)

static struct resil__canary_rules rules;
static struct resil__canary_state canary;
static struct resil__arm_stat base, arm;

static void use(const struct resil_canary_config *config)
{
    assert_int_equal(resil_canary_config_check(config, NULL, 0), RESIL_OK);
    rules = resil__canary_rules(config);
    memset(&canary, 0, sizeof canary);
    memset(&base, 0, sizeof base);
    memset(&arm, 0, sizeof arm);
}

static const struct resil_canary_config stepped = {.version = "2", .steps_bp = {1000, 5000, 10000}};

static void add(struct resil__arm_stat *to, uint64_t total, uint64_t bad, uint64_t mean_ns)
{
    to->total += total;
    to->bad += bad;
    to->latency_ns += total * mean_ns;
}

static enum resil_canary_event judge(uint64_t now_ns)
{
    return resil__canary_judge(&rules, &canary, &base, &arm, now_ns);
}

static uint64_t weight(void)
{
    return resil__canary_weight(&rules, &canary);
}

static void canary_is_none_without_a_version(void **state)
{
    (void)state;
    use(NULL);
    assert_int_equal(weight(), 0);
    use(&(struct resil_canary_config){.weight_bp = 500});
    assert_int_equal(weight(), 0);
    add(&base, 1000, 0, 1);
    add(&arm, 1000, 1000, 1);
    assert_int_equal(judge(NOW), RESIL_CANARY_HOLD);
    assert_int_equal(judge(NOW + STEP), RESIL_CANARY_HOLD);
}

static void canary_climbs_its_steps_and_finishes(void **state)
{
    const uint64_t weights[] = {100, 1000, 5000, 10000};

    (void)state;
    use(&stepped);
    assert_int_equal(judge(NOW), RESIL_CANARY_HOLD);
    for (uint64_t i = 0; i < 3; i++) {
        assert_int_equal(weight(), weights[i]);
        add(&base, 1000, 10, RESIL_MS(5));
        add(&arm, 100, 1, RESIL_MS(5));
        assert_int_equal(judge(NOW + (i + 1) * STEP - 1), RESIL_CANARY_HOLD);
        assert_int_equal(judge(NOW + (i + 1) * STEP),
                         i < 2 ? RESIL_CANARY_PROMOTE : RESIL_CANARY_FINISH);
        assert_int_equal(weight(), weights[i + 1]);
        assert_int_equal(canary.numbers.weight_bp, weights[i]);
        assert_int_equal(canary.numbers.canary_calls, 100);
        assert_int_equal(canary.numbers.baseline_bad, 10);
    }
    add(&arm, 10000, 10000, 1);
    add(&base, 10000, 0, 1);
    assert_int_equal(judge(NOW + 9 * STEP), RESIL_CANARY_HOLD);
    assert_int_equal(weight(), 10000);
}

static void canary_holds_while_either_arm_lacks_calls(void **state)
{
    (void)state;
    use(&stepped);
    judge(NOW);
    add(&base, 1000, 0, 1);
    add(&arm, 99, 99, 1);
    assert_int_equal(judge(NOW + 10 * STEP), RESIL_CANARY_HOLD);
    add(&arm, 1, 1, 1);
    assert_int_equal(judge(NOW + 10 * STEP), RESIL_CANARY_FAILURES);
    use(&stepped);
    judge(NOW);
    add(&base, 99, 0, 1);
    add(&arm, 1000, 0, 1);
    assert_int_equal(judge(NOW + 10 * STEP), RESIL_CANARY_HOLD);
    add(&base, 1, 0, 1);
    assert_int_equal(judge(NOW + 10 * STEP), RESIL_CANARY_PROMOTE);
}

static void canary_rolls_back_for_good_and_says_why(void **state)
{
    (void)state;
    use(&stepped);
    add(&base, 5000, 5000, 7); /* before the start: doesn't count */
    add(&arm, 5000, 5000, 7);
    judge(NOW);
    add(&base, 1000, 10, RESIL_MS(4));
    add(&arm, 100, 40, RESIL_MS(6));
    assert_int_equal(judge(NOW + 1), RESIL_CANARY_FAILURES); /* at once, not after step_ns */
    assert_int_equal(weight(), 0);
    assert_int_equal(canary.last, RESIL_CANARY_FAILURES);
    assert_int_equal(canary.numbers.weight_bp, 100);
    assert_int_equal(canary.numbers.canary_calls, 100);
    assert_int_equal(canary.numbers.canary_bad, 40);
    assert_int_equal(canary.numbers.canary_mean_ns, RESIL_MS(6));
    assert_int_equal(canary.numbers.baseline_calls, 1000);
    assert_int_equal(canary.numbers.baseline_bad, 10);
    assert_int_equal(canary.numbers.baseline_mean_ns, RESIL_MS(4));
    add(&arm, 100000, 0, 1);
    add(&base, 100000, 0, 1);
    assert_int_equal(judge(NOW + 9 * STEP), RESIL_CANARY_HOLD);
    assert_int_equal(weight(), 0);
    memset(&canary, 0, sizeof canary);
    assert_int_equal(judge(NOW + 10 * STEP), RESIL_CANARY_HOLD);
    assert_int_equal(weight(), 100);
}

static void canary_rolls_back_when_slow(void **state)
{
    (void)state;
    use(&stepped);
    judge(NOW);
    add(&base, 100000, 0, RESIL_MS(10));
    add(&arm, 10000, 0, RESIL_MS(15)); /* the margin */
    assert_int_equal(judge(NOW + 1), RESIL_CANARY_HOLD);
    add(&arm, 10000, 0, RESIL_MS(18)); /* 1.65: 15 points above it are 2.3 assumed deviations */
    assert_int_equal(judge(NOW + 2), RESIL_CANARY_LATENCY);
    assert_int_equal(weight(), 0);
    use(&(struct resil_canary_config){.version = "2", .latency_margin_pct = RESIL_OFF});
    judge(NOW);
    add(&base, 100000, 0, RESIL_MS(10));
    add(&arm, 20000, 0, RESIL_MS(900));
    assert_int_equal(judge(NOW + 1), RESIL_CANARY_HOLD);
}

static void latency_test_asks_for_more_when_calls_are_few(void **state)
{
    /* 6 * sqrt(1/100 + 1/10000) = 0.603; 6 * sqrt(1/1000 + 1/100000) = 0.191 */
    const uint64_t calls[] = {100, 1000}, edge_us[] = {2103, 1691};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (int above = 0; above < 2; above++) {
            use(&stepped);
            judge(NOW);
            add(&base, calls[i] * 100, 0, RESIL_MS(1));
            add(&arm, calls[i], 0, RESIL_US(edge_us[i] - 1 + (uint64_t)above * 2));
            assert_int_equal(judge(NOW + 1), above ? RESIL_CANARY_LATENCY : RESIL_CANARY_HOLD);
        }
}

static void failures_can_be_left_out(void **state)
{
    (void)state;
    use(&(struct resil_canary_config){.version = "2", .failure_margin_pct = RESIL_OFF});
    judge(NOW);
    add(&base, 1000, 0, 1);
    add(&arm, 1000, 1000, 1);
    assert_int_equal(judge(NOW + 1), RESIL_CANARY_HOLD);
    assert_int_equal(judge(NOW + STEP), RESIL_CANARY_HOLD); /* no further step */
    assert_int_equal(weight(), 100);
}

/* Whatever the numbers of calls: within the margin a canary is never proven worse. */
static void canary_may_be_worse_by_its_margin(void **state)
{
    (void)state;
    for (uint64_t calls = 1000; calls < UINT64_C(1) << 52; calls *= 2) {
        use(&(struct resil_canary_config){.version = "2", .failure_margin_pct = 2});
        judge(NOW);
        add(&base, calls, calls / 100, 1);
        add(&arm, calls, calls / 100 * 3, 1);
        assert_int_equal(judge(NOW + 1), RESIL_CANARY_HOLD);
    }
    use(&(struct resil_canary_config){.version = "2", .failure_margin_pct = 1});
    judge(NOW);
    add(&base, 1000000, 10000, 1);
    add(&arm, 1000000, 30000, 1);
    assert_int_equal(judge(NOW + 1), RESIL_CANARY_FAILURES);
}

static void canary_is_looked_at_when_its_calls_double(void **state)
{
    (void)state;
    use(&stepped);
    judge(NOW);
    add(&base, 10000, 0, 1);
    add(&arm, 100, 0, 1);
    assert_int_equal(judge(NOW + 1), RESIL_CANARY_HOLD);
    add(&arm, 99, 99, 1);
    assert_int_equal(judge(NOW + 2), RESIL_CANARY_HOLD); /* 199: not looked at */
    add(&arm, 1, 1, 1);
    assert_int_equal(judge(NOW + 3), RESIL_CANARY_FAILURES);
    /* the end of the step is a look, too */
    use(&stepped);
    judge(NOW);
    add(&base, 10000, 0, 1);
    add(&arm, 100, 0, 1);
    judge(NOW + 1);
    add(&arm, 99, 99, 1);
    assert_int_equal(judge(NOW + STEP), RESIL_CANARY_FAILURES);
}

/* A good past doesn't hide a bad present for long: counts begin anew with each step_ns. */
static void last_step_is_guarded_for_good(void **state)
{
    (void)state;
    use(&(struct resil_canary_config){.version = "2", .weight_bp = 5000});
    judge(NOW);
    for (uint64_t i = 1; i <= 50; i++) {
        add(&base, 100000, 100, 1);
        add(&arm, 100000, 100, 1);
        assert_int_equal(judge(NOW + i * STEP), RESIL_CANARY_HOLD);
    }
    add(&base, 100, 0, 1);
    add(&arm, 100, 30, 1);
    assert_int_equal(judge(NOW + 50 * STEP + 1), RESIL_CANARY_FAILURES);
}

static void counters_that_fall_begin_the_step_anew(void **state)
{
    (void)state;
    for (int which = 0; which < 6; which++) {
        struct resil__arm_stat *of = which < 3 ? &base : &arm;

        use(&stepped);
        add(&base, 1000, 10, 9);
        add(&arm, 1000, 10, 9);
        judge(NOW);
        add(&base, 1000, 10, 9);
        add(&arm, 1000, 10, 9);
        if (which % 3 == 0)
            of->total = 999;
        else if (which % 3 == 1)
            of->bad = 9;
        else
            of->latency_ns = 8999;
        assert_int_equal(judge(NOW + STEP), RESIL_CANARY_HOLD);
        assert_int_equal(judge(NOW + 2 * STEP - 1), RESIL_CANARY_HOLD);
        add(&base, 1000, 10, 9);
        add(&arm, 1000, 10, 9);
        assert_int_equal(judge(NOW + 2 * STEP), RESIL_CANARY_PROMOTE);
    }
}

static void canary_is_not_stuck_when_the_clock_is_set_back(void **state)
{
    (void)state;
    use(&stepped);
    judge(NOW);
    add(&base, 1000, 10, 9);
    add(&arm, 1000, 10, 9);
    assert_int_equal(judge(5), RESIL_CANARY_HOLD);
    assert_int_equal(judge(5 + STEP - 1), RESIL_CANARY_HOLD);
    assert_int_equal(judge(5 + STEP), RESIL_CANARY_PROMOTE);
}

static void canary_survives_the_greatest_counts(void **state)
{
    (void)state;
    use(&stepped);
    judge(NOW);
    arm = base = (struct resil__arm_stat){UINT64_MAX / 4, UINT64_MAX / 4, UINT64_MAX};
    assert_int_equal(judge(NOW + 1), RESIL_CANARY_HOLD);
    base.bad = 0;
    assert_int_equal(judge(NOW + STEP), RESIL_CANARY_FAILURES);
    /* a latency of nothing */
    use(&stepped);
    judge(NOW);
    add(&base, 1000000, 0, 0);
    add(&arm, 1000000, 0, 0);
    assert_int_equal(judge(NOW + STEP), RESIL_CANARY_PROMOTE);
}

/* The formulas of the header, in doubles; too close to call is left out. */
static void canary_agrees_with_its_twin(void **state)
{
    uint64_t seed = test_seed(41);
    int found[5] = {0}, settled = 0;

    (void)state;
    for (int round = 0; round < 200000; round++) {
        struct resil_canary_config config = {.version = "2",
                                             .weight_bp = 1,
                                             .steps_bp = {2},
                                             .failure_margin_pct = 1 + test_below(&seed, 20),
                                             .latency_margin_pct = 1 + test_below(&seed, 200)};
        double nb, nc, pb, pc, lead, slack, fails, slow;
        enum resil_canary_event want, is;

        use(&config);
        judge(NOW);
        add(&base, 100 + test_below(&seed, 5000), test_below(&seed, 100),
            1000 + test_below(&seed, 3000));
        add(&arm, 100 + test_below(&seed, 5000), test_below(&seed, 100) * test_below(&seed, 2),
            1000 + test_below(&seed, 6000));
        nb = (double)base.total;
        nc = (double)arm.total;
        pb = ((double)base.bad + 1) / (nb + 2);
        pc = ((double)arm.bad + 1) / (nc + 2);
        lead = pc - pb - (double)config.failure_margin_pct / 100;
        slack = sqrt(pc * (1 - pc) / (nc + 2) + pb * (1 - pb) / (nb + 2));
        fails = lead - 3 * slack;
        slow = ((double)arm.latency_ns / nc) / ((double)base.latency_ns / nb) - 1 -
               (double)config.latency_margin_pct / 100 - 6 * sqrt(1 / nc + 1 / nb);
        if (fabs(fails) < 1e-6 || fabs(slow) < 1e-3)
            continue;
        want = fails > 0  ? RESIL_CANARY_FAILURES
               : slow > 0 ? RESIL_CANARY_LATENCY
                          : RESIL_CANARY_PROMOTE;
        is = judge(NOW + STEP);
        if (is != want)
            fail_msg("RESIL_SEED=%" PRIu64 ", round %d: %s, not %s", test_seed(41), round,
                     resil_canary_event_str(is), resil_canary_event_str(want));
        found[want]++;
        settled++;
    }
    assert_true(settled > 150000);
    assert_true(found[RESIL_CANARY_FAILURES] > 1000 && found[RESIL_CANARY_LATENCY] > 1000 &&
                found[RESIL_CANARY_PROMOTE] > 1000);
}

static void call(struct resil__arm_stat *to, uint64_t *seed, double chance, double latency_ns)
{
    add(to, 1, (double)(test_random(seed) >> 11) * 0x1p-53 < chance, (uint64_t)latency_ns);
}

/* Latency with a heavy tail: log-normal, whose standard deviation is twice its mean. */
static double tail(uint64_t *seed)
{
    double a = ((double)(test_random(seed) >> 11) + 1) * 0x1p-53;
    double b = (double)(test_random(seed) >> 11) * 0x1p-53;

    return 1e6 * exp(sqrt(log(5)) * sqrt(-2 * log(a)) * cos(6.283185307179586 * b));
}

/* Rollbacks among so many steps of 1600 calls of the canary, looked at after every single one, with
   ten calls of the baseline to each. Returns how many; *calls the mean number until then. */
static int rollbacks(int steps, double base_chance, double arm_chance, double *calls)
{
    uint64_t seed = test_seed(42);
    int back = 0;

    *calls = 0;
    for (int i = 0; i < steps; i++) {
        enum resil_canary_event event = RESIL_CANARY_HOLD;

        use(&(struct resil_canary_config){.version = "2", .latency_margin_pct = RESIL_OFF});
        judge(NOW);
        for (int n = 0; n < 1600 && event == RESIL_CANARY_HOLD; n++) {
            for (int j = 0; j < 10; j++)
                call(&base, &seed, base_chance, 1);
            call(&arm, &seed, arm_chance, 1);
            event = judge(NOW + 1);
        }
        if (event == RESIL_CANARY_HOLD)
            event = judge(NOW + STEP);
        if (event == RESIL_CANARY_FAILURES) {
            back++;
            *calls += (double)arm.total;
        }
    }
    *calls /= back > 0 ? back : 1;
    return back;
}

static void equal_arms_are_hardly_ever_rolled_back(void **state)
{
    const double chances[] = {0, 0.001, 0.01, 0.03, 0.1, 0.3, 0.5, 1};
    double calls;

    (void)state;
    for (size_t i = 0; i < sizeof chances / sizeof *chances; i++) {
        int back = rollbacks(1000, chances[i], chances[i], &calls);

        print_message("equal arms, %.1f %%: %d of 1000\n", 100 * chances[i], back);
        assert_true(back <= (chances[i] < 0.2 ? 1 : 4));
    }
}

static void canary_that_fails_more_often_is_stopped(void **state)
{
    const double chances[] = {0, 0.01, 0.03, 0.1};
    double calls;

    (void)state;
    for (size_t i = 0; i < sizeof chances / sizeof *chances; i++) {
        int back = rollbacks(500, chances[i], chances[i] + 0.1, &calls);

        print_message("10 points worse than %.1f %%: %d of 500, after %.0f calls\n",
                      100 * chances[i], back, calls);
        assert_true(back >= 495);
        assert_true(calls < 400);
    }
}

static void heavy_tails_hardly_ever_roll_back(void **state)
{
    uint64_t seed = test_seed(43);
    int back = 0, slow = 0;

    (void)state;
    for (int i = 0; i < 600; i++) {
        bool is_slow = i >= 300;
        enum resil_canary_event event = RESIL_CANARY_HOLD;

        use(&(struct resil_canary_config){.version = "2"});
        judge(NOW);
        for (int n = 0; n < 800 && event == RESIL_CANARY_HOLD; n++) {
            for (int j = 0; j < 5; j++)
                call(&base, &seed, 0, tail(&seed));
            call(&arm, &seed, 0, tail(&seed) * (is_slow ? 3 : 1));
            event = judge(NOW + 1);
        }
        if (is_slow)
            slow += event == RESIL_CANARY_LATENCY;
        else
            back += event == RESIL_CANARY_LATENCY;
    }
    print_message("heavy tails: %d of 300 equal ones, %d of 300 slow ones\n", back, slow);
    assert_true(back <= 3);
    assert_true(slow >= 285);
}

static void raising_the_weight_only_moves_keys_to_the_canary(void **state)
{
    uint64_t seed = test_seed(44);

    (void)state;
    for (int i = 0; i < 2000; i++) {
        uint64_t salt = test_random(&seed), key = test_random(&seed) >> test_below(&seed, 64);
        bool before = false;

        assert_false(resil__canary_choose(salt, 0, key));
        for (uint64_t bp = 1; bp <= 10000; bp += 13) {
            bool is = resil__canary_choose(salt, bp, key);

            assert_true(is || !before);
            before = is;
        }
        assert_true(resil__canary_choose(salt, 10000, key));
    }
}

/* Keys in a row are as good as random ones; five standard deviations. */
static void canary_gets_its_share_of_the_keys(void **state)
{
    const uint64_t weights[] = {1, 100, 2500, 9999};

    (void)state;
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        const double share = (double)weights[i] / 10000;
        double count = 0;

        for (uint64_t key = 1; key <= 400000; key++)
            count += resil__canary_choose(77, weights[i], key);
        assert_true(fabs(count - 400000 * share) < 5 * sqrt(400000 * share * (1 - share)));
    }
}

static void another_version_chooses_other_keys(void **state)
{
    int both = 0, first = 0;
    struct resil__canary_rules other;

    (void)state;
    use(&(struct resil_canary_config){.version = "2026-1"});
    other = resil__canary_rules(&(struct resil_canary_config){.version = "2026-2"});
    assert_true(other.salt != rules.salt);
    for (uint64_t key = 1; key <= 100000; key++)
        if (resil__canary_choose(rules.salt, 1000, key)) {
            first++;
            both += resil__canary_choose(other.salt, 1000, key);
        }
    assert_in_range(both, first / 12, first / 8);
}

static void canary_config_names_the_field(void **state)
{
    const struct {
        struct resil_canary_config config;
        const char *start;
    } bad[] = {
        {{.version = ""}, "version: must not be empty (NULL = no canary)"},
        {{.weight_bp = 10000}, "weight_bp is 10000: must be 1 to 9999 (0 = default)"},
        {{.steps_bp = {10001}}, "steps_bp is 10001: must be 1 to 10000"},
        {{.steps_bp = {100}}, "steps_bp: each must exceed the one before"},
        {{.weight_bp = 500, .steps_bp = {1000, 1000}}, "steps_bp: each must exceed"},
        {{.steps_bp = {1000, 0, 2000}}, "steps_bp: each must exceed"},
        {{.steps_bp = {0, 10000}}, "steps_bp: each must exceed"},
        {{.steps_bp = {10000, 10000}}, "steps_bp: each must exceed"},
        {{.step_ns = 1}, "step_ns is 1: must be 1000000000 to 604800000000000 (0 = default)"},
        {{.min_calls = 9}, "min_calls is 9: must be 10 to 1000000 (0 = default)"},
        {{.failure_margin_pct = 100}, "failure_margin_pct is 100: must be 1 to 99"},
        {{.latency_margin_pct = 1001}, "latency_margin_pct is 1001: must be 1 to 1000"},
        {{.failure_margin_pct = RESIL_OFF, .latency_margin_pct = RESIL_OFF},
         "failure_margin_pct: can't be off together with latency_margin_pct"},
    };

    (void)state;
    assert_int_equal(resil_canary_config_check(NULL, NULL, 0), RESIL_OK);
    assert_int_equal(resil_canary_config_check(&stepped, NULL, 0), RESIL_OK);
    assert_int_equal(
        resil_canary_config_check(
            &(struct resil_canary_config){.steps_bp = {101, 102, 103, 104, 105, 106, 107, 10000}},
            NULL, 0),
        RESIL_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[160] = "";

        assert_int_equal(resil_canary_config_check(&bad[i].config, why, sizeof why), RESIL_EINVAL);
        assert_memory_equal(why, bad[i].start, strlen(bad[i].start));
    }
}

static void canary_event_str_names_every_event(void **state)
{
    const char *names[] = {"hold", "promote", "finish", "failures", "latency"};

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_string_equal(resil_canary_event_str((enum resil_canary_event)i), names[i]);
    assert_string_equal(resil_canary_event_str((enum resil_canary_event)5), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canary_is_none_without_a_version),
        cmocka_unit_test(canary_climbs_its_steps_and_finishes),
        cmocka_unit_test(canary_holds_while_either_arm_lacks_calls),
        cmocka_unit_test(canary_rolls_back_for_good_and_says_why),
        cmocka_unit_test(canary_rolls_back_when_slow),
        cmocka_unit_test(latency_test_asks_for_more_when_calls_are_few),
        cmocka_unit_test(failures_can_be_left_out),
        cmocka_unit_test(canary_may_be_worse_by_its_margin),
        cmocka_unit_test(canary_is_looked_at_when_its_calls_double),
        cmocka_unit_test(last_step_is_guarded_for_good),
        cmocka_unit_test(counters_that_fall_begin_the_step_anew),
        cmocka_unit_test(canary_is_not_stuck_when_the_clock_is_set_back),
        cmocka_unit_test(canary_survives_the_greatest_counts),
        cmocka_unit_test(canary_agrees_with_its_twin),
        cmocka_unit_test(equal_arms_are_hardly_ever_rolled_back),
        cmocka_unit_test(canary_that_fails_more_often_is_stopped),
        cmocka_unit_test(heavy_tails_hardly_ever_roll_back),
        cmocka_unit_test(raising_the_weight_only_moves_keys_to_the_canary),
        cmocka_unit_test(canary_gets_its_share_of_the_keys),
        cmocka_unit_test(another_version_chooses_other_keys),
        cmocka_unit_test(canary_config_names_the_field),
        cmocka_unit_test(canary_event_str_names_every_event),
    };

    return cmocka_run_group_tests_name("canary", tests, NULL, NULL);
}
