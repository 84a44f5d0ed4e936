/* SPDX-License-Identifier: BSD-2-Clause */

/* The balancer where it is long, large, empty, exhausted or asked for nonsense. */
#include "balancer_fixture.h"

#include "balancer/pool.h"
#include "base/epoch.h"

#define LISTS 17 /* one more than may wait for readers */

static size_t no_memory_holds_it(const struct resil_pool *pool)
{
    (void)pool;
    return SIZE_MAX;
}

static void never_built(const struct resil_pool *pool, void *table)
{
    (void)pool;
    (void)table;
    abort();
}

static uint32_t always_first(const struct resil_pool *pool, struct resil_pick_context *context)
{
    (void)pool;
    (void)context;
    return 0;
}

static void it_ends_only_when_no_call_is_in_flight(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_pick pick;

    (void)state;
    fixture_start(fixture, 2);
    pick = fixture_pick(fixture, NULL);
    assert_int_equal(resil_balancer_fini(&fixture->lb), RESIL_EBUSY);
    fixture_report(fixture, &pick, RESIL_SUCCESS);
    fixture_end(fixture);
}

static void a_long_address_is_cut_where_it_is_copied(void **state)
{
    struct fixture *fixture = fixture_new();
    char address[300];
    struct resil_pick pick;
    struct resil_endpoint_snapshot snapshot;
    struct resil_balancer_event event;

    (void)state;
    memset(address, 'x', sizeof address - 1);
    address[sizeof address - 1] = '\0';
    fixture->endpoints[0].address = address;
    fixture_start(fixture, 1);
    pick = fixture_pick(fixture, NULL);
    assert_string_equal(pick.address, address);
    fixture_report(fixture, &pick, RESIL_SUCCESS);
    snapshot = fixture_endpoint(fixture, 0);
    assert_int_equal(strlen(snapshot.address), sizeof snapshot.address - 1);
    assert_int_equal(resil_balancer_health(&fixture->lb, snapshot.id, false, fixture->now_ns),
                     RESIL_OK);
    do
        assert_true(resil_balancer_event(&fixture->lb, &event));
    while (event.kind != RESIL_BALANCER_DOWN);
    assert_int_equal(strlen(event.address), sizeof event.address - 1);
    assert_memory_equal(event.address, address, sizeof event.address - 1);
    fixture_end(fixture);
}

static void every_state_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(resil_endpoint_state_str(RESIL_ENDPOINT_UP), "up");
    assert_string_equal(resil_endpoint_state_str(RESIL_ENDPOINT_EJECTED), "ejected");
    assert_string_equal(resil_endpoint_state_str(RESIL_ENDPOINT_DOWN), "down");
    assert_string_equal(resil_endpoint_state_str(RESIL_ENDPOINT_DRAINING), "draining");
    assert_string_equal(resil_endpoint_state_str(RESIL_ENDPOINT_MAINTENANCE), "maintenance");
    assert_string_equal(resil_endpoint_state_str((enum resil_endpoint_state)99), "unknown");
}

static void looks_and_orders_without_a_balancer_are_refused(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil_endpoint_snapshot endpoint;
    struct resil_balancer_snapshot snapshot;
    struct resil_balancer_event event;

    (void)state;
    assert_int_equal(resil_balancer_endpoint(NULL, 0, 1, &endpoint), RESIL_EINVAL);
    assert_int_equal(resil_balancer_endpoint(&fixture->lb, 0, 1, &endpoint), RESIL_EINVAL);
    assert_int_equal(resil_balancer_snapshot(NULL, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_balancer_snapshot(&fixture->lb, &snapshot), RESIL_EINVAL);
    assert_false(resil_balancer_event(NULL, &event));
    assert_false(resil_balancer_event(&fixture->lb, &event));
    assert_int_equal(resil_balancer_admin(&fixture->lb, "h0", RESIL_ADMIN_DRAIN, 1), RESIL_EINVAL);
    assert_int_equal(resil_balancer_canary(&fixture->lb, 0, 1), RESIL_EINVAL);
    assert_int_equal(resil_balancer_health(&fixture->lb, 1, true, 1), RESIL_EINVAL);
    assert_int_equal(resil_balancer_tick(&fixture->lb, 1, NULL), RESIL_EINVAL);

    fixture_init(fixture);
    assert_int_equal(resil_balancer_endpoint(&fixture->lb, 0, 1, NULL), RESIL_EINVAL);
    assert_int_equal(resil_balancer_snapshot(&fixture->lb, NULL), RESIL_EINVAL);
    assert_false(resil_balancer_event(&fixture->lb, NULL));
    /* Without a list nobody is known. */
    assert_int_equal(resil_balancer_admin(&fixture->lb, "h0", RESIL_ADMIN_DRAIN, 1), RESIL_ELATE);
    assert_int_equal(resil_balancer_health(&fixture->lb, 1, true, 1), RESIL_ELATE);
    assert_int_equal(resil_balancer_endpoint(&fixture->lb, 0, 1, &endpoint), RESIL_EINVAL);
    fixture_end(fixture);
}

static void a_list_is_refused_with_what_is_wrong_in_it(void **state)
{
    static const char *const tags[] = {"a", NULL};
    struct resil_endpoint endpoint = {.address = "h", .tags = tags, .tag_count = 2};
    char why[80];

    (void)state;
    assert_int_equal(resil_endpoints_check(&endpoint, 1, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "tags: a tag must not be NULL");
    assert_int_equal(resil_endpoints_check(&endpoint, 1000001, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "n: must be 0 to 1000000");
    endpoint.tag_count = 1;
    assert_int_equal(resil_endpoints_check(&endpoint, 1, why, sizeof why), RESIL_OK);
}

/* Blocks of their own, a subset, and hosts that left and come back. */
static void without_memory_a_long_list_changes_nothing(void **state)
{
    size_t at;
    int rc = RESIL_ENOMEM;

    (void)state;
    for (at = 1; rc != RESIL_OK; at++) {
        struct fixture *fixture = fixture_new();
        struct resil_pick picks[FIXTURE_HOSTS];
        size_t held;

        fixture->config.picker = resil_picker_round_robin();
        fixture->config.client_endpoints = 125;
        fixture->config.client_number = 1;
        fixture_start(fixture, 200);
        for (size_t i = 0; i < 200; i++)
            picks[i] = fixture_pick(fixture, NULL);
        fixture_update(fixture, 100);
        held = fixture->held;
        fixture->fail_at = fixture->made + at;
        rc = resil_balancer_update(&fixture->lb, fixture->endpoints, 250, fixture->now_ns);
        fixture->fail_at = 0;
        if (rc != RESIL_OK) {
            assert_int_equal(rc, RESIL_ENOMEM);
            assert_int_equal(fixture_snapshot(fixture).endpoints, 100);
            assert_int_equal(fixture_snapshot(fixture).leaving, 100);
            assert_int_equal(fixture->held, held);
        } else {
            assert_int_equal(fixture_snapshot(fixture).endpoints, 125);
        }
        for (size_t i = 0; i < 200; i++)
            fixture_report(fixture, &picks[i], RESIL_SUCCESS);
        fixture_end(fixture);
    }
    assert_true(at > 12);
}

static void a_table_that_no_memory_holds_is_refused(void **state)
{
    static const struct resil_picker picker = {.size = sizeof picker,
                                               .name = "greedy",
                                               .flags = RESIL_PICKER_MEMBERS,
                                               .table_size = no_memory_holds_it,
                                               .build = never_built,
                                               .pick = always_first};
    struct fixture *fixture = fixture_new();

    (void)state;
    fixture->config.picker = &picker;
    fixture_init(fixture);
    assert_int_equal(resil_balancer_update(&fixture->lb, fixture->endpoints, 2, fixture->now_ns),
                     RESIL_ENOMEM);
    fixture_end(fixture);
}

static void a_key_keeps_its_zone(void **state)
{
    struct fixture *fixture = fixture_new();
    size_t local = 0;

    (void)state;
    fixture->config.picker = resil_picker_rendezvous();
    fixture->config.zone = "a";
    for (size_t i = 0; i < 12; i++)
        fixture->endpoints[i].zone = i < 3 ? "a" : i < 7 ? "b" : "c";
    fixture_start(fixture, 12);
    for (uint64_t key = 1; key <= 200; key++) {
        const struct resil_pick_request request = {.key = key};
        size_t host = fixture_call(fixture, &request, RESIL_SUCCESS);

        local += host < 3;
        for (int again = 0; again < 5; again++)
            assert_int_equal(fixture_call(fixture, &request, RESIL_SUCCESS), host);
    }
    /* A quarter of the hosts can carry three quarters of a third. */
    assert_in_range(local, 100, 180);
    fixture_end(fixture);
}

static void nobody_is_left_when_all_are_excluded(void **state)
{
    static const struct resil_picker picker = {
        .size = sizeof picker, .name = "first", .pick = always_first};
    struct fixture *fixture = fixture_new();
    struct resil_pick_request request = {.excluded_count = 2, .no_reuse = true};
    uint64_t ids[2];
    struct resil_pick pick;

    (void)state;
    fixture->config.picker = &picker;
    fixture_start(fixture, 2);
    for (size_t i = 0; i < 2; i++)
        ids[i] = fixture_endpoint(fixture, i).id;
    request.excluded = ids;
    assert_int_equal(resil_balancer_pick(&fixture->lb, &request, fixture->now_ns, &pick),
                     RESIL_EUNAVAILABLE);
    request.no_reuse = false;
    pick = fixture_pick(fixture, &request);
    assert_true(pick.reused);
    fixture_report(fixture, &pick, RESIL_SUCCESS);
    fixture_end(fixture);
}

/* A list that nobody believes yet stays while readers hold too many others. */
static void an_empty_list_waits_for_readers(void **state)
{
    struct fixture *fixture = fixture_new();
    struct resil__reader *reader;

    (void)state;
    fixture->config.stale_keep_ns = RESIL_SEC(5);
    fixture_init(fixture);
    reader = resil__epoch_enter();
    for (size_t i = 0; i < LISTS; i++)
        fixture_update(fixture, 1 + i % 2);
    fixture_update(fixture, 0);
    assert_int_equal(fixture_snapshot(fixture).stalls, 0);
    fixture_wait(fixture, RESIL_SEC(5));
    assert_int_equal(fixture_snapshot(fixture).stalls, 1);
    assert_int_equal(fixture_snapshot(fixture).endpoints, 1);
    resil__epoch_leave(reader);
    fixture_wait(fixture, RESIL_SEC(5));
    assert_int_equal(fixture_snapshot(fixture).endpoints, 0);
    fixture_end(fixture);
}

/* A streak as long as its field: it doesn't run into the next one. */
static void a_streak_ends_where_its_field_ends(void **state)
{
    struct fixture *fixture = fixture_new();
    const uint64_t full = RESIL__STREAK_MAX << RESIL__STREAK_PUSHED;
    struct resil_load *load;
    struct resil_pick pick;

    (void)state;
    fixture_start(fixture, 1);
    pick = fixture_pick(fixture, NULL);
    load = pick.host_;
    load->streak_ = full - (UINT64_C(1) << RESIL__STREAK_PUSHED);
    fixture_report(fixture, &pick, RESIL_OVERLOAD);
    assert_true(load->streak_ == full);
    (void)fixture_call(fixture, NULL, RESIL_OVERLOAD);
    assert_true(load->streak_ == full);
    fixture_end(fixture);
}

/* 7 and 617 fall into one slot of the table that sorts by weight. */
static void weights_that_share_a_slot_keep_their_shares(void **state)
{
    static const uint32_t weights[] = {7, 617};
    struct fixture *fixture = fixture_new();
    size_t went[2] = {0};

    (void)state;
    fixture->config.picker = resil_picker_smooth_weighted();
    for (size_t i = 0; i < 2; i++)
        fixture->endpoints[i].weight = weights[i];
    fixture_start(fixture, 2);
    for (uint32_t i = 0; i < 10 * (weights[0] + weights[1]); i++)
        went[fixture_call(fixture, NULL, RESIL_SUCCESS)]++;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(went[i], 10 * weights[i]);
    fixture_end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_ends_only_when_no_call_is_in_flight),
        cmocka_unit_test(a_long_address_is_cut_where_it_is_copied),
        cmocka_unit_test(every_state_has_a_name),
        cmocka_unit_test(looks_and_orders_without_a_balancer_are_refused),
        cmocka_unit_test(a_list_is_refused_with_what_is_wrong_in_it),
        cmocka_unit_test(without_memory_a_long_list_changes_nothing),
        cmocka_unit_test(a_table_that_no_memory_holds_is_refused),
        cmocka_unit_test(a_key_keeps_its_zone),
        cmocka_unit_test(nobody_is_left_when_all_are_excluded),
        cmocka_unit_test(an_empty_list_waits_for_readers),
        cmocka_unit_test(a_streak_ends_where_its_field_ends),
        cmocka_unit_test(weights_that_share_a_slot_keep_their_shares),
    };

    return cmocka_run_group_tests_name("balancer corners", tests, NULL, NULL);
}
