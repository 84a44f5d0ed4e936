/* SPDX-License-Identifier: BSD-2-Clause */

/* The prober against servers that misbehave. */
#define _GNU_SOURCE
#include "prober_fixture.h"

#define HTTP(...)                                                                                  \
    (struct resil_prober_config)                                                                   \
    {                                                                                              \
        .kind = RESIL_PROBER_HTTP, __VA_ARGS__                                                     \
    }

static void a_server_that_answers_is_up(void **state)
{
    struct watch watch;

    prober_up(&watch, HTTP());
    watch_one(&watch, 1, address_of(*state));
    AWAIT(numbers_of(&watch).passed >= 5);
    assert_int_equal(seen(&watch, 1, true), 1);
    assert_int_equal(seen(&watch, 1, false), 0);
    assert_int_equal(numbers_of(&watch).up, 1);
    prober_down(&watch);
    assert_true(counts_of(*state).answered_ok >= 5);
}

static void a_tcp_probe_is_content_with_a_connection(void **state)
{
    struct watch watch;

    prober_up(&watch, (struct resil_prober_config){0});
    fault_server_set_weather(*state, (struct fault_weather){.kind = FAULT_OVERLOAD});
    watch_one(&watch, 1, address_of(*state));
    AWAIT(numbers_of(&watch).passed >= 5);
    assert_int_equal(seen(&watch, 1, true), 1);
    prober_down(&watch);
    assert_int_equal(counts_of(*state).requests, 0);
}

static void it_goes_down_and_comes_back_as_fall_and_rise_say(void **state)
{
    static const enum resil_prober_kind kinds[] = {RESIL_PROBER_TCP, RESIL_PROBER_HTTP};

    for (size_t i = 0; i < 2; i++) {
        struct watch watch;
        struct resil_health_snapshot before;

        prober_up(&watch,
                  (struct resil_prober_config){.kind = kinds[i], .health = {.rise = 3, .fall = 4}});
        watch_one(&watch, 1, address_of(*state));
        AWAIT(seen(&watch, 1, true) == 1);
        for (int round = 1; round <= 3; round++) {
            before = numbers_of(&watch);
            fault_server_set_weather(*state, (struct fault_weather){.kind = FAULT_DEAD});
            AWAIT(seen(&watch, 1, false) == round);
            assert_true(numbers_of(&watch).failed - before.failed >= 4);
            before = numbers_of(&watch);
            fault_server_set_weather(*state, (struct fault_weather){.kind = FAULT_HEALTHY});
            AWAIT(seen(&watch, 1, true) == round + 1);
            assert_true(numbers_of(&watch).passed - before.passed >= 3);
        }
        prober_down(&watch);
    }
}

static void a_wrong_status_is_a_failure(void **state)
{
    struct watch watch;

    prober_up(&watch, HTTP(.http_path = "/status/500"));
    watch_one(&watch, 1, address_of(*state));
    AWAIT(seen(&watch, 1, false) == 1);
    assert_int_equal(numbers_of(&watch).passed, 0);
    prober_down(&watch);

    prober_up(&watch, HTTP(.http_path = "/status/500", .status_min = 500, .status_max = 500));
    watch_one(&watch, 1, address_of(*state));
    AWAIT(seen(&watch, 1, true) == 1);
    prober_down(&watch);

    prober_up(&watch, HTTP(.status_min = 201)); /* the server says 200 */
    watch_one(&watch, 1, address_of(*state));
    AWAIT(seen(&watch, 1, false) == 1);
    prober_down(&watch);
}

static void the_default_range_ends_where_errors_begin(void **state)
{
    static const struct {
        const char *path;
        bool well;
    } cases[] = {{"/status/200", true}, {"/status/399", true}, {"/status/400", false}};

    for (size_t i = 0; i < 3; i++) {
        struct watch watch;

        prober_up(&watch, HTTP(.http_path = cases[i].path));
        watch_one(&watch, 1, address_of(*state));
        AWAIT(seen(&watch, 1, cases[i].well) == 1);
        prober_down(&watch);
    }
}

/* Each ends badly, whatever the time-out. */
static void what_breaks_off_is_a_failure(void **state)
{
    static const char *const paths[] = {"/reset", "/half-close"};

    for (size_t i = 0; i < 2; i++) {
        struct watch watch;

        prober_up(&watch, HTTP(.http_path = paths[i]));
        watch_one(&watch, 1, address_of(*state));
        AWAIT(seen(&watch, 1, false) == 1);
        assert_int_equal(numbers_of(&watch).expired, 0);
        prober_down(&watch);
    }
}

static void an_answer_cut_short_after_its_status_is_good_enough(void **state)
{
    struct watch watch;

    prober_up(&watch, HTTP(.http_path = "/partial"));
    watch_one(&watch, 1, address_of(*state));
    AWAIT(seen(&watch, 1, true) == 1);
    prober_down(&watch);
}

static void who_never_answers_is_cut_off(void **state)
{
    struct watch watch;
    int before = open_descriptors();

    prober_up(&watch, HTTP(.http_path = "/hang",
                           .health = {.timeout_ns = RESIL_MS(30), .probes_max = 100000}));
    watch_one(&watch, 1, address_of(*state));
    AWAIT(seen(&watch, 1, false) == 1);
    AWAIT(numbers_of(&watch).expired >= 5);
    assert_int_equal(numbers_of(&watch).passed + numbers_of(&watch).failed, 0);
    AWAIT(counts_of(*state).abandoned >= 5);
    prober_down(&watch);
    AWAIT(open_descriptors() == before); /* the server's own go a moment later */
}

static void one_that_hangs_does_not_hold_up_the_others(void **state)
{
    struct fault_server *bad = fault_server_start();
    struct resil_health_endpoint list[2] = {{1, NULL, NULL}, {2, NULL, NULL}};
    char addresses[2][32];
    struct watch watch;

    assert_non_null(bad);
    (void)snprintf(addresses[0], sizeof addresses[0], "%s", address_of(bad));
    (void)snprintf(addresses[1], sizeof addresses[1], "%s", address_of(*state));
    list[0].address = addresses[0];
    list[1].address = addresses[1];
    fault_server_set_weather(bad, (struct fault_weather){.kind = FAULT_SLOW, .delay_ms = 3600000});
    prober_up(&watch, HTTP(.health = {.timeout_ns = RESIL_SEC(3600)}));
    assert_int_equal(resil_prober_update(watch.prober, list, 2), RESIL_OK);
    AWAIT(numbers_of(&watch).passed >= 10);
    AWAIT(counts_of(bad).in_flight == 1);
    assert_int_equal(seen(&watch, 2, true), 1);
    assert_int_equal(seen(&watch, 1, true) + seen(&watch, 1, false), 0);

    /* Its endpoint leaves: the connection is let go. */
    assert_int_equal(resil_prober_update(watch.prober, list + 1, 1), RESIL_OK);
    AWAIT(counts_of(bad).in_flight == 0);
    assert_int_equal(numbers_of(&watch).forgotten, 1);
    prober_down(&watch);
    fault_server_stop(bad);
}

static void a_probe_outlives_a_change_of_its_list(void **state)
{
    struct watch watch;

    prober_up(&watch, HTTP(.http_path = "/delay/100"));
    watch_one(&watch, 1, address_of(*state));
    AWAIT(counts_of(*state).in_flight == 1);
    watch_one(&watch, 1, address_of(*state));
    AWAIT(seen(&watch, 1, true) == 1);
    assert_int_equal(numbers_of(&watch).forgotten, 0);
    prober_down(&watch);
}

static void stop_waits_for_no_socket(void **state)
{
    struct watch watch;

    prober_up(&watch, HTTP(.http_path = "/hang", .health = {.timeout_ns = RESIL_SEC(3600)}));
    watch_one(&watch, 1, address_of(*state));
    AWAIT(counts_of(*state).in_flight == 1);
    prober_down(&watch);
    AWAIT(counts_of(*state).in_flight == 0);
}

static void nobody_is_told_of_after_the_list_is_empty(void **state)
{
    struct watch watch;
    uint64_t started;

    prober_up(&watch, HTTP());
    watch_one(&watch, 1, address_of(*state));
    AWAIT(seen(&watch, 1, true) == 1);
    assert_int_equal(resil_prober_update(watch.prober, NULL, 0), RESIL_OK);
    AWAIT(numbers_of(&watch).endpoints == 0);
    started = numbers_of(&watch).started;
    (void)poll(NULL, 0, 30);
    assert_int_equal(numbers_of(&watch).started, started);
    assert_int_equal(numbers_of(&watch).in_flight, 0);
    prober_down(&watch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_server_that_answers_is_up),
        WITH_SERVER(a_tcp_probe_is_content_with_a_connection),
        WITH_SERVER(it_goes_down_and_comes_back_as_fall_and_rise_say),
        WITH_SERVER(a_wrong_status_is_a_failure),
        WITH_SERVER(the_default_range_ends_where_errors_begin),
        WITH_SERVER(what_breaks_off_is_a_failure),
        WITH_SERVER(an_answer_cut_short_after_its_status_is_good_enough),
        WITH_SERVER(who_never_answers_is_cut_off),
        WITH_SERVER(one_that_hangs_does_not_hold_up_the_others),
        WITH_SERVER(a_probe_outlives_a_change_of_its_list),
        WITH_SERVER(stop_waits_for_no_socket),
        WITH_SERVER(nobody_is_told_of_after_the_list_is_empty),
    };

    return cmocka_run_group_tests_name("prober", tests, NULL, NULL);
}
