/* SPDX-License-Identifier: BSD-2-Clause */

/* A program's own picker: outside of every section, so that it holds up nothing but memory. */
#include "balancer_fixture.h"

#include <pthread.h>
#include <sched.h>

#include "base/atomic.h"

#define LISTS 16 /* that may wait for readers */

static uint32_t answer; /* what the picker says */
static uint32_t inside; /* pickers that wait for the gate */
static uint32_t gate;   /* 1 = open */
static uint64_t asked;

static uint32_t answers(const struct resil_pool *pool, struct resil_pick_context *context)
{
    (void)context;
    assert_true(pool->count > 0);
    asked++;
    return answer;
}

/* Waits inside, then says the last one, of what it saw before. */
static uint32_t waits(const struct resil_pool *pool, struct resil_pick_context *context)
{
    uint32_t last = pool->count - 1;

    (void)context;
    if (resil__load_acquire32(&gate) == 0) {
        (void)resil__add32(&inside, 1);
        while (resil__load_acquire32(&gate) == 0)
            (void)sched_yield();
        (void)resil__sub32(&inside, 1);
    }
    if (pool->members[pool->candidates[last].member].address[0] != 'h')
        abort();
    return last;
}

static size_t table_size(const struct resil_pool *pool)
{
    return 3 * (size_t)pool->member_count;
}

static void build(const struct resil_pool *pool, void *table)
{
    assert_int_equal((uintptr_t)table % 64, 0);
    memset(table, 0x5a, 3 * (size_t)pool->member_count);
}

static const struct resil_picker plain = {.size = sizeof plain, .name = "plain", .pick = answers};
static const struct resil_picker knowing = {
    .size = sizeof knowing, .name = "knowing", .flags = RESIL_PICKER_EXCLUDES, .pick = answers};
static const struct resil_picker tabled = {.size = sizeof tabled,
                                           .name = "tabled",
                                           .table_size = table_size,
                                           .build = build,
                                           .pick = answers};
static const struct resil_picker tabled_once = {.size = sizeof tabled_once,
                                                .name = "tabled_once",
                                                .flags = RESIL_PICKER_MEMBERS,
                                                .table_size = table_size,
                                                .build = build,
                                                .pick = answers};
static const struct resil_picker waiting = {
    .size = sizeof waiting, .name = "waiting", .pick = waits};

static void nonsense_is_taken_for_nobody(void **state)
{
    static const struct resil_picker *const mine[] = {&plain, &knowing, &tabled, &tabled_once};
    static const uint32_t nonsense[] = {3, 4, 1000000, UINT32_MAX - 1, RESIL_PICK_NONE};

    (void)state;
    for (size_t p = 0; p < 4; p++)
        for (size_t level = 0; level < 2; level++) {
            struct fixture *fixture = fixture_new();
            struct resil_pick_request request = {.excluded_count = 1};
            struct resil_pick pick;
            uint64_t id;

            fixture->config.picker = mine[p];
            fixture->endpoints[2].priority = level; /* also where there is more than one pool */
            fixture_start(fixture, 3);
            id = fixture_endpoint(fixture, 0).id;
            request.excluded = &id;
            for (answer = 0; answer < 3 - level; answer++)
                assert_int_equal(fixture_call(fixture, NULL, RESIL_SUCCESS), answer);
            for (size_t i = 0; i < 5; i++) {
                answer = nonsense[i];
                assert_int_equal(resil_balancer_pick(&fixture->lb, NULL, 1, &pick),
                                 RESIL_EUNAVAILABLE);
                assert_int_equal(resil_balancer_pick(&fixture->lb, &request, 1, &pick),
                                 RESIL_EUNAVAILABLE);
            }
            /* Who keeps naming somebody excluded is not asked for ever. */
            answer = 0;
            asked = 0;
            for (int i = 0; i < 50; i++)
                assert_int_not_equal(fixture_call(fixture, &request, RESIL_SUCCESS), 0);
            assert_true(asked <= 50 * 8);
            fixture_end(fixture);
        }
}

struct caller {
    struct fixture *fixture;
    struct resil_pick pick;
    pthread_t thread;
    int rc;
};

static void *pick_once(void *arg)
{
    struct caller *caller = arg;

    caller->rc =
        resil_balancer_pick(&caller->fixture->lb, NULL, caller->fixture->now_ns, &caller->pick);
    return NULL;
}

static void begin_waiting(struct caller *caller, struct fixture *fixture)
{
    uint32_t before = resil__load_acquire32(&inside);

    caller->fixture = fixture;
    assert_int_equal(pthread_create(&caller->thread, NULL, pick_once, caller), 0);
    while (resil__load_acquire32(&inside) == before)
        (void)sched_yield();
}

static void open_gate(struct caller *callers, size_t n)
{
    resil__store_release32(&gate, 1);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].rc, RESIL_OK);
    }
}

/* One that is held up in a list that is long gone answers from it, and that list lives until then;
   all in between are freed. */
static void a_picker_that_dawdles_keeps_its_own_list_alone(void **state)
{
    struct fixture *fixture = fixture_new();
    struct caller caller;
    size_t held;

    (void)state;
    resil__store_release32(&gate, 0);
    fixture->config.picker = &waiting;
    fixture_start(fixture, 3);
    begin_waiting(&caller, fixture);
    for (size_t i = 0; i < 100; i++) {
        fixture_update(fixture, 1 + i % 2);
        fixture_wait(fixture, RESIL_SEC(2));
        assert_int_equal(fixture_snapshot(fixture).retired, 1);
        assert_int_equal(fixture_snapshot(fixture).leaving, i % 2 == 0 ? 2 : 1);
    }
    held = fixture->held;
    open_gate(&caller, 1);
    assert_string_equal(caller.pick.address, "h2");
    fixture_wait(fixture, RESIL_SEC(2));
    assert_int_equal(fixture_snapshot(fixture).retired, 0);
    assert_int_equal(fixture_snapshot(fixture).leaving, 1); /* h2, picked */
    assert_true(fixture->held < held);
    fixture_report(fixture, &caller.pick, RESIL_SUCCESS);
    fixture_wait(fixture, RESIL_SEC(2));
    assert_int_equal(fixture_snapshot(fixture).leaving, 0);
    fixture_end(fixture);
}

/* One in each of 16 lists: the next update is refused, picks go on, and then all is freed. */
static void beyond_sixteen_lists_an_update_is_refused(void **state)
{
    struct fixture *fixture = fixture_new();
    struct caller callers[LISTS + 1];
    struct resil_balancer_event event = {.kind = 0};

    (void)state;
    resil__store_release32(&gate, 0);
    fixture->config.picker = &waiting;
    fixture->config.stale_keep_ns = RESIL_OFF;
    fixture_init(fixture);
    for (size_t i = 0; i < LISTS; i++) {
        fixture_update(fixture, 2);
        begin_waiting(&callers[i], fixture);
    }
    fixture_update(fixture, 3);
    assert_int_equal(fixture_snapshot(fixture).retired, LISTS);
    assert_int_equal(fixture_snapshot(fixture).stalls, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_int_equal(resil_balancer_update(&fixture->lb, fixture->endpoints, 4, 1),
                         RESIL_EBUSY);
        assert_int_equal(fixture_snapshot(fixture).stalls, i);
        assert_int_equal(fixture_snapshot(fixture).endpoints, 3);
    }
    assert_int_equal(resil_balancer_update(&fixture->lb, NULL, 0, 1), RESIL_EBUSY);
    assert_int_equal(resil_balancer_reconfigure(&fixture->lb, &fixture->config, 1), RESIL_EBUSY);
    assert_int_equal(fixture_snapshot(fixture).endpoints, 3);
    while (resil_balancer_event(&fixture->lb, &event) && event.kind != RESIL_BALANCER_STALLED)
        ;
    assert_int_equal(event.kind, RESIL_BALANCER_STALLED);
    assert_int_equal(event.value, LISTS);
    begin_waiting(&callers[LISTS], fixture); /* a pick is never refused for it */
    open_gate(callers, LISTS + 1);
    for (size_t i = 0; i < LISTS + 1; i++)
        fixture_report(fixture, &callers[i].pick, RESIL_SUCCESS);
    fixture_update(fixture, 4);
    fixture_wait(fixture, RESIL_SEC(2));
    assert_int_equal(fixture_snapshot(fixture).retired, 0);
    assert_int_equal(fixture_snapshot(fixture).leaving, 0);
    fixture_end(fixture);
}

/* Health changes while every view of the list is looked at: it takes effect when one is free. */
static void a_change_of_health_waits_for_a_view(void **state)
{
    struct fixture *fixture = fixture_new();
    struct caller callers[3];

    (void)state;
    resil__store_release32(&gate, 0);
    fixture->config.picker = &waiting;
    fixture_start(fixture, 10);
    for (size_t i = 0; i < 3; i++) {
        begin_waiting(&callers[i], fixture);
        assert_int_equal(resil_balancer_health(&fixture->lb, fixture_endpoint(fixture, 9 - i).id,
                                               false, fixture->now_ns),
                         RESIL_OK);
        fixture_wait(fixture, RESIL_MS(1));
    }
    assert_true(fixture_snapshot(fixture).stalls > 0);
    open_gate(callers, 3);
    for (size_t i = 0; i < 3; i++)
        fixture_report(fixture, &callers[i].pick, RESIL_SUCCESS);
    fixture_wait(fixture, RESIL_MS(1));
    assert_int_equal(fixture_call(fixture, NULL, RESIL_SUCCESS), 6);
    fixture_end(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonsense_is_taken_for_nobody),
        cmocka_unit_test(a_picker_that_dawdles_keeps_its_own_list_alone),
        cmocka_unit_test(beyond_sixteen_lists_an_update_is_refused),
        cmocka_unit_test(a_change_of_health_waits_for_a_view),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
