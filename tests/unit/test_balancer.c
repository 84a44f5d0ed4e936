/* SPDX-License-Identifier: BSD-2-Clause */

/* The balancer's life: lists that come and go, picks and reports, memory. */
#include "balancer_fixture.h"

static void refuses_before_the_first_list(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick pick;

    (void)state;
    fixture_init(fixture);
    assert_int_equal(fixture->made, 0);
    assert_int_equal(resil_balancer_pick(&fixture->lb, NULL, 1, &pick), RESIL_EUNAVAILABLE);
    assert_int_equal(resil_balancer_report(&fixture->lb, &pick, RESIL_SUCCESS, 1, 1), RESIL_EINVAL);
    fixture_end(fixture);
}

static void a_pick_names_its_endpoint_until_the_report(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick pick;

    (void)state;
    fixture_start(fixture, 1);
    pick = fixture_pick(fixture, NULL);
    assert_string_equal(pick.address, "h0");
    assert_ptr_equal(pick.user, &fixture->endpoints[0]);
    assert_int_not_equal(pick.id, 0);
    assert_int_equal(fixture_endpoint(fixture, 0).in_flight, 1);
    assert_int_equal(resil_balancer_fini(&fixture->lb), RESIL_EBUSY);
    fixture_report(fixture, &pick, RESIL_SUCCESS);
    assert_int_equal(resil_balancer_report(&fixture->lb, &pick, RESIL_SUCCESS, 1, 1), RESIL_EINVAL);
    assert_int_equal(fixture_endpoint(fixture, 0).in_flight, 0);
    fixture_end(fixture);
}

static void who_stays_keeps_what_is_known_of_it(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick pick;
    uint64_t id;

    (void)state;
    fixture_start(fixture, 3);
    id = fixture_endpoint(fixture, 1).id;
    fixture_eject(fixture, 1);
    pick = fixture_pick(fixture, NULL);
    fixture_update(fixture, 4);
    assert_int_equal(fixture_endpoint(fixture, 1).id, id);
    assert_int_equal(fixture_endpoint(fixture, 1).state, RESIL_ENDPOINT_EJECTED);
    assert_int_equal(fixture_snapshot(fixture).in_flight, 1);
    fixture_report(fixture, &pick, RESIL_SUCCESS);
    fixture_end(fixture);
}

static void who_left_stays_until_its_last_report(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick picks[2];
    uint64_t id;

    (void)state;
    fixture_start(fixture, 2);
    id = fixture_endpoint(fixture, 1).id;
    picks[0] = fixture_pick(fixture, &(struct resil_pick_request){.sticky = id});
    picks[1] = fixture_pick(fixture, &(struct resil_pick_request){.sticky = id});
    fixture_update(fixture, 1);
    assert_int_equal(fixture_snapshot(fixture).endpoints, 1);
    assert_int_equal(fixture_snapshot(fixture).leaving, 1);
    assert_string_equal(picks[0].address, "h1");
    fixture_report(fixture, &picks[0], RESIL_SUCCESS);
    fixture_wait(fixture, RESIL_SEC(10));
    assert_int_equal(fixture_snapshot(fixture).leaving, 1);
    /* It comes back before that: it is the same. */
    fixture_update(fixture, 2);
    assert_int_equal(fixture_endpoint(fixture, 1).id, id);
    assert_int_equal(fixture_snapshot(fixture).leaving, 0);
    fixture_update(fixture, 1);
    fixture_report(fixture, &picks[1], RESIL_SUCCESS);
    fixture_wait(fixture, RESIL_SEC(10));
    assert_int_equal(fixture_snapshot(fixture).leaving, 0);
    fixture_update(fixture, 2);
    assert_int_not_equal(fixture_endpoint(fixture, 1).id, id);
    fixture_end(fixture);
}

static void a_line_that_stands_twice_counts_once(void **state)
{
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture->endpoints[2].address = "h0";
    fixture->endpoints[2].weight = 9;
    fixture->endpoints[0].weight = 3;
    fixture_start(fixture, 3);
    assert_int_equal(fixture_snapshot(fixture).endpoints, 2);
    assert_int_equal(fixture_snapshot(fixture).duplicates, 1);
    assert_int_equal(fixture_endpoint(fixture, 0).weight, 3);
    fixture_end(fixture);
}

static void an_empty_list_is_not_believed(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_balancer_event event;

    (void)state;
    fixture_start(fixture, 2);
    fixture_update(fixture, 0);
    assert_true(fixture_snapshot(fixture).stale);
    assert_true(resil_balancer_event(&fixture->lb, &event));
    assert_int_equal(event.kind, RESIL_BALANCER_STALE);
    fixture_wait(fixture, RESIL_SEC(1000000));
    (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
    fixture_update(fixture, 1);
    assert_false(fixture_snapshot(fixture).stale);
    fixture_end(fixture);
}

static void an_empty_list_is_believed_after_the_grace_time(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick pick;
    uint64_t next_ns;

    (void)state;
    fixture->config.stale_keep_ns = RESIL_SEC(5);
    fixture_start(fixture, 2);
    fixture_update(fixture, 0);
    fixture_wait(fixture, RESIL_SEC(3));
    fixture_update(fixture, 0); /* told again: the time goes on */
    assert_int_equal(resil_balancer_tick(&fixture->lb, fixture->now_ns, &next_ns), RESIL_OK);
    assert_true(next_ns <= fixture->now_ns + RESIL_SEC(2));
    fixture_wait(fixture, RESIL_SEC(2) - 1);
    (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
    fixture_wait(fixture, 1);
    assert_int_equal(resil_balancer_pick(&fixture->lb, NULL, fixture->now_ns, &pick),
                     RESIL_EUNAVAILABLE);
    fixture_update(fixture, 2);
    (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
    fixture_end(fixture);
}

static void an_empty_list_is_believed_at_once_when_told_so(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick pick;

    (void)state;
    fixture->config.stale_keep_ns = RESIL_OFF;
    fixture_start(fixture, 2);
    fixture_update(fixture, 0);
    assert_int_equal(resil_balancer_pick(&fixture->lb, NULL, fixture->now_ns, &pick),
                     RESIL_EUNAVAILABLE);
    assert_int_equal(fixture_snapshot(fixture).endpoints, 0);
    fixture_end(fixture);
}

/* Whichever allocation fails, the list before stays, and nothing is lost. */
static void without_memory_the_old_list_stays(void **state)
{
    static const char *const tags[] = {"x=1", "y=2"};

    (void)state;
    for (int after = 0; after < 2; after++)
        for (size_t at = 1;; at++) {
            struct fixture *fixture = fixture_new();
            size_t held;
            int rc;

            fixture->config.picker = resil_picker_maglev();
            fixture->config.state_size = 24;
            for (size_t i = 0; i < 8; i++) {
                fixture->endpoints[i].zone = i % 2 != 0 ? "a" : "b";
                fixture->endpoints[i].tags = tags;
                fixture->endpoints[i].tag_count = 2;
            }
            fixture_start(fixture, 2);
            held = fixture->held;
            fixture->fail_at = fixture->made + at;
            fixture->fail_after = after != 0;
            rc = resil_balancer_update(&fixture->lb, fixture->endpoints, 8, fixture->now_ns);
            if (rc == RESIL_OK) {
                assert_true(at > 8);
                fixture_end(fixture);
                break;
            }
            assert_int_equal(rc, RESIL_ENOMEM);
            assert_int_equal(fixture_snapshot(fixture).endpoints, 2);
            assert_int_equal(fixture->held, held);
            assert_int_equal(fixture_snapshot(fixture).memory, held);
            (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
            fixture_end(fixture);
        }
}

static void a_tick_allocates_nothing(void **state)
{
    struct fixture *fixture = fixture_new();
    size_t made;

    (void)state;
    fixture->config.picker = resil_picker_smooth_weighted();
    fixture->config.slow_start.window_ns = RESIL_SEC(5);
    fixture_start(fixture, 5);
    made = fixture->made;
    for (size_t i = 0; i < 100; i++) {
        if (i % 40 == 10)
            fixture_eject(fixture, i % 5);
        (void)fixture_call(fixture, NULL, RESIL_SUCCESS);
        fixture_wait(fixture, RESIL_SEC(1));
    }
    assert_int_equal(fixture->made, made);
    fixture_end(fixture);
}

/* One failure makes a host look busier than the idle rest: among calls that come one by one nobody
   would ever ask it again. */
static void who_failed_once_is_asked_again(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick_request sick;
    size_t calls = 0;

    (void)state;
    fixture_start(fixture, 2);
    sick = (struct resil_pick_request){.sticky = fixture_endpoint(fixture, 1).id};
    assert_int_equal(fixture_call(fixture, &sick, RESIL_FAILURE), 1);
    for (size_t i = 0; i < 100; i++)
        calls += fixture_call(fixture, NULL, RESIL_SUCCESS);
    assert_int_equal(calls, 0);
    fixture_wait(fixture, RESIL_SEC(10));
    fixture_wait(fixture, RESIL_SEC(10));
    for (size_t i = 0; i < 100; i++)
        calls += fixture_call(fixture, NULL, RESIL_SUCCESS);
    assert_in_range(calls, 20, 80);
    fixture_end(fixture);
}

static void refuses_a_list_that_is_wrong(void **state)
{
    static const struct {
        struct resil_endpoint endpoint;
        const char *why;
    } rows[] = {
        {{.address = NULL}, "address: must not be NULL or empty"},
        {{.address = ""}, "address: must not be NULL or empty"},
        {{.address = "a", .weight = 65536}, "weight is 65536: must be 0 to 65535"},
        {{.address = "a", .priority = 16}, "priority is 16: must be 0 to 15"},
        {{.address = "a", .tag_count = 1}, "tags: must not be NULL while tag_count is not 0"},
    };
    struct fixture *fixture = fixture_new();
    char why[128];

    (void)state;
    fixture_start(fixture, 1);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(resil_endpoints_check(&rows[i].endpoint, 1, why, sizeof why),
                         RESIL_EINVAL);
        assert_string_equal(why, rows[i].why);
        assert_int_equal(resil_balancer_update(&fixture->lb, &rows[i].endpoint, 1, 1),
                         RESIL_EINVAL);
    }
    assert_int_equal(resil_balancer_update(&fixture->lb, NULL, 1, 1), RESIL_EINVAL);
    assert_int_equal(fixture_snapshot(fixture).endpoints, 1);
    fixture_end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_before_the_first_list),
        cmocka_unit_test(a_pick_names_its_endpoint_until_the_report),
        cmocka_unit_test(who_stays_keeps_what_is_known_of_it),
        cmocka_unit_test(who_left_stays_until_its_last_report),
        cmocka_unit_test(a_line_that_stands_twice_counts_once),
        cmocka_unit_test(an_empty_list_is_not_believed),
        cmocka_unit_test(an_empty_list_is_believed_after_the_grace_time),
        cmocka_unit_test(an_empty_list_is_believed_at_once_when_told_so),
        cmocka_unit_test(without_memory_the_old_list_stays),
        cmocka_unit_test(a_tick_allocates_nothing),
        cmocka_unit_test(who_failed_once_is_asked_again),
        cmocka_unit_test(refuses_a_list_that_is_wrong),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
