/* SPDX-License-Identifier: BSD-2-Clause */

/* The schedule of health checks: states, paces, time-outs. Lists: test_health_list.c. */
#include "health_fixture.h"

static void a_new_endpoint_is_unknown_and_probed_at_once(void **state)
{
    struct bench bench;

    (void)state;
    set_up(&bench, NULL, 1);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UNKNOWN);
    assert_int_equal(view_of(&bench, 1).due_ns, bench.now);
    assert_int_equal(ask(&bench).id, 1);
    assert_true(view_of(&bench, 1).in_flight);
    tear_down(&bench);
}

static void one_pass_is_enough_at_first(void **state)
{
    struct bench bench;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.rise = 5}, 1);
    probe(&bench, true);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UP);
    expect_told(&bench, 1, 1, true);
    tear_down(&bench);
}

static void one_pass_is_enough_at_first_after_failures_too(void **state)
{
    struct bench bench;

    (void)state;
    set_up(&bench, NULL, 1);
    probe(&bench, false);
    probe(&bench, false);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UNKNOWN);
    assert_int_equal(view_of(&bench, 1).streak, 2);
    probe(&bench, true);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UP);
    assert_int_equal(view_of(&bench, 1).streak, 0);
    tear_down(&bench);
}

static void fall_failures_end_unknown(void **state)
{
    struct bench bench;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.fall = 2}, 1);
    probe(&bench, false);
    assert_int_equal(bench.told, 0);
    probe(&bench, false);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_DOWN);
    expect_told(&bench, 1, 1, false);
    tear_down(&bench);
}

static void fall_failures_in_a_row_end_up(void **state)
{
    struct bench bench;

    (void)state;
    set_up(&bench, NULL, 1);
    probe(&bench, true);
    for (int i = 0; i < 5; i++) { /* never three in a row */
        probe(&bench, false);
        probe(&bench, false);
        probe(&bench, true);
    }
    assert_int_equal(bench.told, 1);
    probe(&bench, false);
    probe(&bench, false);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UP);
    probe(&bench, false);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_DOWN);
    expect_told(&bench, 2, 1, false);
    tear_down(&bench);
}

static void rise_passes_in_a_row_end_down(void **state)
{
    struct bench bench;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.fall = 1, .rise = 3}, 1);
    probe(&bench, false);
    for (int i = 0; i < 5; i++) {
        probe(&bench, true);
        probe(&bench, true);
        probe(&bench, false);
    }
    probe(&bench, true);
    probe(&bench, true);
    expect_told(&bench, 1, 1, false);
    probe(&bench, true);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_UP);
    expect_told(&bench, 2, 1, true);
    tear_down(&bench);
}

/* Probes once and tells how long after its start the next one is due. */
static uint64_t wait_after(struct bench *bench, bool passed)
{
    uint64_t start = probe(bench, passed);

    return view_of(bench, 1).due_ns - start;
}

static void each_state_has_its_pace(void **state)
{
    const struct resil_health_config config = {
        .interval_ns = RESIL_MS(400),
        .doubt_ns = RESIL_MS(30),
        .down_ns = RESIL_MS(900),
        .jitter_pct = RESIL_OFF,
        .fall = 2,
    };
    struct bench bench;

    (void)state;
    set_up(&bench, &config, 1);
    assert_int_equal(wait_after(&bench, false), RESIL_MS(30)); /* unknown, and it failed */
    assert_int_equal(wait_after(&bench, true), RESIL_MS(400));
    assert_int_equal(wait_after(&bench, false), RESIL_MS(30));
    assert_int_equal(wait_after(&bench, true), RESIL_MS(400)); /* no longer in doubt */
    assert_int_equal(wait_after(&bench, false), RESIL_MS(30));
    assert_int_equal(wait_after(&bench, false), RESIL_MS(900)); /* down */
    assert_int_equal(wait_after(&bench, true), RESIL_MS(30));
    assert_int_equal(wait_after(&bench, false), RESIL_MS(900));
    assert_int_equal(wait_after(&bench, true), RESIL_MS(30));
    assert_int_equal(wait_after(&bench, true), RESIL_MS(400)); /* up */
    tear_down(&bench);
}

static void the_defaults_are_as_documented(void **state)
{
    struct bench bench;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.jitter_pct = RESIL_OFF}, 1);
    assert_int_equal(ask(&bench).deadline_ns, bench.now + RESIL_SEC(1));
    report_last(&bench, true);
    assert_int_equal(wait_after(&bench, true), RESIL_SEC(2));
    assert_int_equal(wait_after(&bench, false), RESIL_MS(500));
    assert_int_equal(wait_after(&bench, false), RESIL_MS(500));
    assert_int_equal(wait_after(&bench, false), RESIL_SEC(5));
    assert_int_equal(wait_after(&bench, true), RESIL_MS(500));
    assert_int_equal(wait_after(&bench, true), RESIL_SEC(2));
    tear_down(&bench);
}

static void paces_that_are_off_are_the_interval(void **state)
{
    const struct resil_health_config config = {
        .interval_ns = RESIL_MS(700),
        .doubt_ns = RESIL_OFF,
        .down_ns = RESIL_OFF,
        .jitter_pct = RESIL_OFF,
        .fall = 2,
    };
    struct bench bench;

    (void)state;
    set_up(&bench, &config, 1);
    assert_int_equal(wait_after(&bench, false), RESIL_MS(700));
    assert_int_equal(wait_after(&bench, false), RESIL_MS(700));
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_DOWN);
    tear_down(&bench);
}

static void jitter_makes_waits_longer_within_its_share(void **state)
{
    struct bench bench;
    uint64_t least = UINT64_MAX, most = 0;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.interval_ns = RESIL_SEC(1), .jitter_pct = 20}, 1);
    for (int i = 0; i < 2000; i++) {
        uint64_t wait = wait_after(&bench, true);

        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
    }
    assert_in_range(least, RESIL_MS(1000), RESIL_MS(1002));
    assert_in_range(most, RESIL_MS(1198), RESIL_MS(1200));
    tear_down(&bench);
}

static void a_pace_counts_from_the_start_of_a_probe(void **state)
{
    struct bench bench;
    struct resil_health_probe due;

    (void)state;
    set_up(&bench,
           &(struct resil_health_config){.interval_ns = RESIL_MS(500), .jitter_pct = RESIL_OFF}, 1);
    due = ask(&bench);
    bench.now += RESIL_MS(300);
    assert_int_equal(report(&bench, due.ticket, true), RESIL_OK);
    assert_int_equal(view_of(&bench, 1).due_ns, bench.now + RESIL_MS(200));
    bench.now += RESIL_MS(200);
    due = ask(&bench);
    bench.now += RESIL_MS(800); /* longer than the interval: at once */
    assert_int_equal(report(&bench, due.ticket, true), RESIL_OK);
    assert_int_not_equal(ask(&bench).ticket, 0);
    tear_down(&bench);
}

static void a_probe_without_a_result_fails_at_its_deadline(void **state)
{
    struct bench bench;
    struct resil_health_probe due;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.fall = 1, .timeout_ns = RESIL_MS(70)}, 1);
    due = ask(&bench);
    assert_int_equal(due.deadline_ns, bench.now + RESIL_MS(70));
    assert_int_equal(ask(&bench).wake_ns, due.deadline_ns);
    bench.now = due.deadline_ns - 1;
    (void)ask(&bench);
    assert_true(view_of(&bench, 1).in_flight);
    bench.now = due.deadline_ns;
    (void)ask(&bench);
    expect_told(&bench, 1, 1, false);
    assert_int_equal(numbers(&bench).expired, 1);
    assert_int_equal(report(&bench, due.ticket, true), RESIL_ELATE);
    assert_int_equal(numbers(&bench).late, 1);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_DOWN);
    tear_down(&bench);
}

static void a_pass_at_the_deadline_is_a_failure(void **state)
{
    struct bench bench;
    struct resil_health_probe due;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.fall = 1}, 1);
    due = ask(&bench);
    bench.now = due.deadline_ns;
    assert_int_equal(report(&bench, due.ticket, true), RESIL_ELATE);
    expect_told(&bench, 1, 1, false);
    assert_int_equal(numbers(&bench).expired, 1);
    assert_int_equal(numbers(&bench).passed, 0);

    tear_down(&bench);
    set_up(&bench, &(struct resil_health_config){.fall = 1}, 1);
    due = ask(&bench);
    bench.now = due.deadline_ns - 1;
    assert_int_equal(report(&bench, due.ticket, true), RESIL_OK);
    expect_told(&bench, 1, 1, true);
    tear_down(&bench);
}

static void a_result_counts_once(void **state)
{
    struct bench bench;
    struct resil_health_probe due;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.fall = 2}, 1);
    due = ask(&bench);
    assert_int_equal(report(&bench, due.ticket, false), RESIL_OK);
    assert_int_equal(report(&bench, due.ticket, false), RESIL_ELATE);
    assert_int_equal(resil_health_cancel(&bench.health, due.ticket, bench.now), RESIL_ELATE);
    assert_int_equal(view_of(&bench, 1).streak, 1);
    tear_down(&bench);
}

static void a_cancelled_probe_judges_nothing(void **state)
{
    struct bench bench;
    struct resil_health_probe due;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.fall = 2, .jitter_pct = RESIL_OFF}, 1);
    probe(&bench, true);
    probe(&bench, false);
    bench.now = view_of(&bench, 1).due_ns;
    due = ask(&bench);
    assert_int_equal(resil_health_cancel(&bench.health, due.ticket, bench.now), RESIL_OK);
    assert_int_equal(view_of(&bench, 1).streak, 1);
    assert_int_equal(view_of(&bench, 1).due_ns, bench.now + RESIL_MS(500));
    assert_int_equal(numbers(&bench).cancelled, 1);
    assert_int_equal(bench.told, 1);

    bench.now = view_of(&bench, 1).due_ns; /* but a late one does */
    due = ask(&bench);
    bench.now = due.deadline_ns;
    assert_int_equal(resil_health_cancel(&bench.health, due.ticket, bench.now), RESIL_ELATE);
    assert_int_equal(view_of(&bench, 1).state, RESIL_HEALTH_DOWN);
    tear_down(&bench);
}

static void a_slightly_older_time_is_the_latest_one(void **state)
{
    struct bench bench;
    struct resil_health_probe due;

    (void)state;
    set_up(&bench, NULL, 1);
    bench.now -= RESIL_MS(900);
    due = ask(&bench);
    assert_int_not_equal(due.ticket, 0);
    assert_int_equal(due.deadline_ns, bench.now + RESIL_MS(1900));
    tear_down(&bench);
}

static void a_clock_that_is_set_back_takes_the_schedule_with_it(void **state)
{
    struct bench bench;
    struct resil_health_probe due;

    (void)state;
    set_up(&bench, &(struct resil_health_config){.jitter_pct = RESIL_OFF}, 3);
    due = ask(&bench); /* of three: in flight, and the others due in a third and two of 2 s */
    bench.now -= RESIL_SEC(50);
    assert_int_equal(ask(&bench).wake_ns, bench.now + RESIL_SEC(2) / 3);
    assert_int_equal(view_of(&bench, due.id).due_ns, bench.now + RESIL_SEC(1));
    bench.now = 5; /* further back than some of it has been: nothing is lost */
    (void)ask(&bench);
    bench.now += RESIL_SEC(1);
    for (int i = 0; i < 2; i++)
        (void)ask(&bench);
    assert_int_equal(numbers(&bench).expired, 1);
    tear_down(&bench);
}

static void bad_arguments_are_refused(void **state)
{
    struct bench bench;
    struct resil_health fresh = {0};
    struct resil_health_probe due;
    struct resil_health_view view;
    struct resil_health_snapshot snapshot;
    struct resil_allocator odd = *resil_allocator_default();

    (void)state;
    odd.size--;
    assert_int_equal(resil_health_init(NULL, NULL, NULL, 0), RESIL_EINVAL);
    assert_int_equal(resil_health_init(&fresh, NULL, &odd, 0), RESIL_EINVAL);
    assert_int_equal(resil_health_init_sized(&fresh, sizeof fresh - 8, NULL,
                                             sizeof(struct resil_health_config), NULL, 0),
                     RESIL_EABI);
    assert_int_equal(resil_health_init_sized(&fresh, sizeof fresh, NULL, 8, NULL, 0), RESIL_EABI);
    assert_int_equal(resil_health_fini(&fresh), RESIL_EINVAL);
    assert_int_equal(resil_health_fini(NULL), RESIL_EINVAL);
    assert_int_equal(resil_health_next(&fresh, 0, &due), RESIL_EINVAL);
    assert_int_equal(resil_health_report(&fresh, 1, true, 0), RESIL_EINVAL);
    assert_int_equal(resil_health_peek(&fresh, 1, &view), RESIL_EINVAL);
    assert_int_equal(resil_health_update(&fresh, NULL, 0, 0), RESIL_EINVAL);

    set_up(&bench, NULL, 1);
    assert_int_equal(resil_health_next(&bench.health, 0, NULL), RESIL_EINVAL);
    assert_int_equal(resil_health_report(&bench.health, 0, true, 0), RESIL_EINVAL);
    assert_int_equal(resil_health_cancel(NULL, 1, 0), RESIL_EINVAL);
    assert_int_equal(resil_health_report(&bench.health, UINT64_MAX, true, 0), RESIL_ELATE);
    assert_int_equal(resil_health_peek(&bench.health, 1, NULL), RESIL_EINVAL);
    assert_int_equal(resil_health_peek(&bench.health, 77, &view), RESIL_ELATE);
    assert_int_equal(resil_health_snapshot(&bench.health, NULL), RESIL_EINVAL);
    assert_int_equal(resil_health_snapshot(NULL, &snapshot), RESIL_EINVAL);
    tear_down(&bench);
    assert_int_equal(resil_health_fini(&bench.health), RESIL_EINVAL);
}

static void every_field_of_the_config_is_checked(void **state)
{
    static const struct {
        struct resil_health_config config;
        const char *says;
    } bad[] = {
        {{.interval_ns = RESIL_MS(1) - 1}, "interval_ns is 999999: must be 1000000 to "},
        {{.interval_ns = RESIL_SEC(86400) + 1}, "interval_ns is "},
        {{.interval_ns = RESIL_OFF}, "interval_ns is RESIL_OFF: "},
        {{.jitter_pct = 101}, "jitter_pct is 101: must be 1 to 100 (0 = default, RESIL_OFF = off)"},
        {{.timeout_ns = 1}, "timeout_ns is 1: "},
        {{.timeout_ns = RESIL_SEC(3600) + 1}, "timeout_ns is "},
        {{.rise = 1001}, "rise is 1001: must be 1 to 1000 (0 = default)"},
        {{.fall = 1001}, "fall is 1001: "},
        {{.doubt_ns = 1}, "doubt_ns is 1: "},
        {{.down_ns = RESIL_SEC(86401)}, "down_ns is "},
        {{.probes_max = 1000001}, "probes_max is 1000001: must be 1 to 1000000 "},
    };
    char why[160];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct resil_health health;

        assert_int_equal(resil_health_config_check(&bad[i].config, why, sizeof why), RESIL_EINVAL);
        assert_memory_equal(why, bad[i].says, strlen(bad[i].says));
        assert_int_equal(resil_health_init(&health, &bad[i].config, NULL, 0), RESIL_EINVAL);
    }
    assert_int_equal(resil_health_config_check(NULL, why, sizeof why), RESIL_OK);
    assert_int_equal(resil_health_config_check(&(struct resil_health_config){0}, NULL, 0),
                     RESIL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_endpoint_is_unknown_and_probed_at_once),
        cmocka_unit_test(one_pass_is_enough_at_first),
        cmocka_unit_test(one_pass_is_enough_at_first_after_failures_too),
        cmocka_unit_test(fall_failures_end_unknown),
        cmocka_unit_test(fall_failures_in_a_row_end_up),
        cmocka_unit_test(rise_passes_in_a_row_end_down),
        cmocka_unit_test(each_state_has_its_pace),
        cmocka_unit_test(the_defaults_are_as_documented),
        cmocka_unit_test(paces_that_are_off_are_the_interval),
        cmocka_unit_test(jitter_makes_waits_longer_within_its_share),
        cmocka_unit_test(a_pace_counts_from_the_start_of_a_probe),
        cmocka_unit_test(a_probe_without_a_result_fails_at_its_deadline),
        cmocka_unit_test(a_pass_at_the_deadline_is_a_failure),
        cmocka_unit_test(a_result_counts_once),
        cmocka_unit_test(a_cancelled_probe_judges_nothing),
        cmocka_unit_test(a_slightly_older_time_is_the_latest_one),
        cmocka_unit_test(a_clock_that_is_set_back_takes_the_schedule_with_it),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(every_field_of_the_config_is_checked),
    };

    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
