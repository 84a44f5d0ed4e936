/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/queue.h>

#include "bulkhead/queue_fast.h"

#define WAITERS 5
#define T0      RESIL_SEC(1000)

static struct resil_bulkhead bulkhead;
static struct resil_queue queue;
static struct resil_ticket tickets[WAITERS];
static unsigned woken[WAITERS];

static void count_wake(void *arg)
{
    ++*(unsigned *)arg;
}

/* A bulkhead of one permit, which is taken, and a queue in front of it. */
static void with(struct resil_queue_config config)
{
    assert_int_equal(resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = 1}),
                     RESIL_OK);
    memset(&queue, 0xa5, sizeof queue);
    assert_int_equal(resil_queue_init(&queue, &bulkhead, &config), RESIL_OK);
    memset(woken, 0, sizeof woken);
    for (unsigned i = 0; i < WAITERS; i++)
        tickets[i] = (struct resil_ticket){.wake = count_wake, .wake_arg = &woken[i]};
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_OK);
}

static void enter_all(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(resil_queue_enter(&queue, &tickets[i], T0), RESIL_WAIT);
}

static int confirm(unsigned i, uint64_t after_ns)
{
    return resil_queue_confirm(&queue, &tickets[i], T0 + after_ns);
}

static void assert_in_flight(uint64_t in_flight)
{
    struct resil_bulkhead_snapshot snapshot;

    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.in_flight, in_flight);
}

static void set_limit(uint64_t limit)
{
    assert_int_equal(
        resil_bulkhead_reconfigure(&bulkhead, &(struct resil_bulkhead_config){.limit = limit}),
        RESIL_OK);
}

static void assert_counts(uint64_t waiting, uint64_t entered, uint64_t granted, uint64_t expired,
                          uint64_t dropped)
{
    struct resil_queue_snapshot snapshot;

    assert_int_equal(resil_queue_snapshot(&queue, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.waiting, waiting);
    assert_int_equal(snapshot.entered, entered);
    assert_int_equal(snapshot.granted, granted);
    assert_int_equal(snapshot.expired, expired);
    assert_int_equal(snapshot.dropped, dropped);
}

static void queue_gives_a_free_permit_at_once(void **state)
{
    (void)state;
    with((struct resil_queue_config){0});
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);

    assert_int_equal(resil_queue_enter(&queue, &tickets[0], T0), RESIL_OK);
    assert_in_flight(1);
    assert_counts(0, 0, 0, 0, 0);
    assert_int_equal(resil_queue_confirm(&queue, &tickets[0], T0), RESIL_EINVAL);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(resil_queue_release(&queue), RESIL_EINVAL);
    assert_in_flight(0);
}

static void waiter_is_woken_by_a_release_and_confirms_its_permit(void **state)
{
    (void)state;
    with((struct resil_queue_config){0});
    enter_all(1);
    assert_int_equal(tickets[0].wake_ns, T0 + RESIL_SEC(1));
    assert_int_equal(confirm(0, 5), RESIL_WAIT);
    assert_int_equal(woken[0], 0);

    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(woken[0], 1);
    assert_in_flight(1);
    assert_int_equal(confirm(0, 6), RESIL_OK);
    assert_int_equal(confirm(0, 7), RESIL_EINVAL);
    assert_counts(0, 1, 1, 0, 0);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(woken[0], 1);
    assert_in_flight(0);
}

static void fifo_serves_in_order_of_arrival(void **state)
{
    (void)state;
    with((struct resil_queue_config){0});
    enter_all(WAITERS);

    for (unsigned i = 0; i < WAITERS; i++) {
        assert_int_equal(resil_queue_release(&queue), RESIL_OK);
        for (unsigned j = 0; j < WAITERS; j++)
            assert_int_equal(woken[j], j <= i);
        assert_int_equal(confirm(i, 0), RESIL_OK);
    }
}

static void lifo_serves_the_newest_first(void **state)
{
    (void)state;
    with((struct resil_queue_config){.lifo = true});
    enter_all(WAITERS);

    for (unsigned i = WAITERS; i-- > 0;) {
        assert_int_equal(resil_queue_release(&queue), RESIL_OK);
        for (unsigned j = 0; j < WAITERS; j++)
            assert_int_equal(woken[j], j >= i);
        assert_int_equal(confirm(i, 0), RESIL_OK);
    }
}

static void full_fifo_refuses_the_newcomer(void **state)
{
    (void)state;
    with((struct resil_queue_config){.length = 2});
    enter_all(2);

    assert_int_equal(resil_queue_enter(&queue, &tickets[2], T0), RESIL_EFULL);
    assert_int_equal(resil_queue_leave(&queue, &tickets[2]), RESIL_EINVAL);
    assert_int_equal(woken[0] + woken[1] + woken[2], 0);
    assert_counts(2, 2, 0, 0, 0);
    assert_int_equal(resil_queue_leave(&queue, &tickets[0]), RESIL_OK);
    assert_int_equal(resil_queue_enter(&queue, &tickets[2], T0), RESIL_WAIT);
}

static void full_lifo_drops_the_oldest_and_wakes_it(void **state)
{
    (void)state;
    with((struct resil_queue_config){.length = 2, .lifo = true});
    enter_all(3);

    assert_int_equal(woken[0], 1);
    assert_int_equal(woken[1] + woken[2], 0);
    assert_counts(2, 3, 0, 0, 1);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK); /* not for the dropped one */
    assert_int_equal(woken[2], 1);
    assert_int_equal(confirm(0, 0), RESIL_EFULL);
    assert_int_equal(confirm(0, 0), RESIL_EINVAL);
    assert_int_equal(confirm(2, 0), RESIL_OK);
    assert_int_equal(confirm(1, 0), RESIL_WAIT);
}

static void newcomer_does_not_overtake_even_if_a_permit_is_free(void **state)
{
    (void)state;
    with((struct resil_queue_config){0});
    enter_all(1);

    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_OK); /* behind the queue's back */
    assert_int_equal(resil_queue_enter(&queue, &tickets[1], T0), RESIL_WAIT);
    assert_int_equal(woken[0], 1);
    assert_int_equal(confirm(0, 0), RESIL_OK);
    assert_int_equal(confirm(1, 0), RESIL_WAIT);
}

static void full_queue_serves_before_it_refuses_if_a_permit_was_overlooked(void **state)
{
    (void)state;
    with((struct resil_queue_config){.length = 1});
    enter_all(1);

    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_OK);
    assert_int_equal(resil_queue_enter(&queue, &tickets[1], T0), RESIL_WAIT);
    assert_int_equal(woken[0], 1);
}

static void wait_ends_after_wait_ns(void **state)
{
    (void)state;
    with((struct resil_queue_config){.wait_ns = RESIL_MS(50)});
    enter_all(2);

    assert_int_equal(confirm(0, RESIL_MS(50) - 1), RESIL_WAIT);
    assert_int_equal(confirm(0, RESIL_MS(50)), RESIL_EFULL);
    assert_counts(1, 2, 0, 1, 0);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(woken[0], 0);
    assert_int_equal(woken[1], 1);
}

static void wait_ends_at_until_ns_if_that_is_sooner(void **state)
{
    (void)state;
    with((struct resil_queue_config){.wait_ns = RESIL_MS(50)});
    tickets[0].until_ns = T0 + 10;
    tickets[1].until_ns = T0 + RESIL_SEC(9);
    tickets[2].until_ns = T0;
    tickets[3].until_ns = RESIL_NEVER;

    enter_all(2);
    assert_int_equal(resil_queue_enter(&queue, &tickets[2], T0), RESIL_EFULL);
    assert_int_equal(resil_queue_enter(&queue, &tickets[3], T0), RESIL_WAIT);
    assert_int_equal(tickets[0].wake_ns, T0 + 10);
    assert_int_equal(tickets[1].wake_ns, T0 + RESIL_MS(50));
    assert_int_equal(tickets[3].wake_ns, T0 + RESIL_MS(50));
    assert_int_equal(confirm(0, 9), RESIL_WAIT);
    assert_int_equal(confirm(0, 10), RESIL_EFULL);
}

static void grant_that_raced_with_the_timeout_is_taken(void **state)
{
    (void)state;
    with((struct resil_queue_config){.wait_ns = 10});
    enter_all(1);

    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(confirm(0, RESIL_SEC(60)), RESIL_OK);
    assert_in_flight(1);
}

static void overlooked_permit_is_taken_before_the_wait_is_over(void **state)
{
    (void)state;
    with((struct resil_queue_config){.wait_ns = 10});
    enter_all(1);

    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_OK);
    assert_int_equal(confirm(0, 10), RESIL_OK);
    assert_in_flight(1);
}

static void leaving_gives_a_grant_to_the_next(void **state)
{
    (void)state;
    with((struct resil_queue_config){0});
    enter_all(3);

    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(resil_queue_leave(&queue, &tickets[0]), RESIL_OK);
    assert_int_equal(woken[1], 1);
    assert_in_flight(1);
    assert_int_equal(resil_queue_leave(&queue, &tickets[0]), RESIL_EINVAL);
    assert_int_equal(confirm(1, 0), RESIL_OK);
    assert_int_equal(resil_queue_leave(&queue, &tickets[2]), RESIL_OK);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(woken[2], 0);
    assert_in_flight(0);
    assert_counts(0, 3, 2, 0, 0);
}

static void leaving_from_the_middle_keeps_the_order(void **state)
{
    (void)state;
    with((struct resil_queue_config){0});
    enter_all(WAITERS);
    assert_int_equal(resil_queue_leave(&queue, &tickets[2]), RESIL_OK);
    assert_int_equal(resil_queue_leave(&queue, &tickets[0]), RESIL_OK);
    assert_int_equal(resil_queue_leave(&queue, &tickets[4]), RESIL_OK);
    memset(&tickets[2], 0xff, sizeof tickets[2]); /* the memory is the caller's again */
    memset(&tickets[0], 0xff, sizeof tickets[0]);
    memset(&tickets[4], 0xff, sizeof tickets[4]);

    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(woken[1], 1);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(woken[3], 1);
    assert_int_equal(woken[0] + woken[2] + woken[4], 0);
}

static void dropped_ticket_can_leave(void **state)
{
    (void)state;
    with((struct resil_queue_config){.length = 1, .lifo = true});
    enter_all(2);

    assert_int_equal(resil_queue_leave(&queue, &tickets[0]), RESIL_OK);
    assert_int_equal(resil_queue_leave(&queue, &tickets[1]), RESIL_OK);
    assert_int_equal(resil_queue_fini(&queue), RESIL_OK);
}

static void ticket_can_be_used_again_but_not_twice_at_once(void **state)
{
    (void)state;
    with((struct resil_queue_config){0});
    enter_all(1);
    assert_int_equal(resil_queue_enter(&queue, &tickets[0], T0), RESIL_EINVAL);
    assert_counts(1, 1, 0, 0, 0);

    assert_int_equal(resil_queue_leave(&queue, &tickets[0]), RESIL_OK);
    tickets[0].until_ns = 0;
    assert_int_equal(resil_queue_enter(&queue, &tickets[0], T0 + RESIL_SEC(5)), RESIL_WAIT);
    assert_int_equal(tickets[0].wake_ns, T0 + RESIL_SEC(6));
}

static void waiter_looks_again_every_poll_ns(void **state)
{
    (void)state;
    with((struct resil_queue_config){.poll_ns = RESIL_MS(400)});
    enter_all(1);
    assert_int_equal(tickets[0].wake_ns, T0 + RESIL_MS(400));
    assert_int_equal(confirm(0, RESIL_MS(300)), RESIL_WAIT);
    assert_int_equal(tickets[0].wake_ns, T0 + RESIL_MS(700));
    assert_int_equal(confirm(0, RESIL_MS(700)), RESIL_WAIT);
    assert_int_equal(tickets[0].wake_ns, T0 + RESIL_SEC(1));

    assert_int_equal(resil_bulkhead_release(&bulkhead), RESIL_OK);
    assert_int_equal(confirm(0, RESIL_MS(800)), RESIL_OK);
}

static void waiter_without_a_wake_function_polls(void **state)
{
    (void)state;
    with((struct resil_queue_config){.poll_ns = RESIL_OFF});
    tickets[1].wake = NULL;
    enter_all(2);

    assert_int_equal(tickets[0].wake_ns, T0 + RESIL_SEC(1));
    assert_int_equal(tickets[1].wake_ns, T0 + RESIL_QUEUE_POLL_NS);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(confirm(0, 0), RESIL_OK);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(confirm(1, 0), RESIL_OK);
}

static void wake_gives_the_permits_of_a_raised_limit_to_waiters(void **state)
{
    (void)state;
    with((struct resil_queue_config){0});
    enter_all(3);
    set_limit(3);
    assert_int_equal(woken[0], 0);

    resil_queue_wake(&queue);
    assert_int_equal(woken[0] + woken[1], 2);
    assert_int_equal(woken[2], 0);
    assert_in_flight(3);
    assert_counts(1, 3, 2, 0, 0);
}

static void release_grants_nothing_while_a_lowered_limit_drains(void **state)
{
    (void)state;
    with((struct resil_queue_config){0});
    set_limit(3);
    assert_int_equal(resil_queue_enter(&queue, &tickets[3], T0), RESIL_OK);
    assert_int_equal(resil_queue_enter(&queue, &tickets[4], T0), RESIL_OK);
    enter_all(1);
    set_limit(1);

    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(woken[0], 0);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(woken[0], 1);
    assert_in_flight(1);
}

static void clock_that_was_set_back_does_not_prolong_the_wait(void **state)
{
    (void)state;
    with((struct resil_queue_config){.wait_ns = RESIL_SEC(1)});
    enter_all(2);

    assert_int_equal(resil_queue_confirm(&queue, &tickets[0], T0 - RESIL_MS(1)), RESIL_WAIT);
    assert_int_equal(resil_queue_confirm(&queue, &tickets[0], T0 - RESIL_SEC(1)), RESIL_WAIT);
    assert_int_equal(resil_queue_confirm(&queue, &tickets[0], T0 - RESIL_SEC(1) - 1), RESIL_EFULL);
    assert_int_equal(resil_queue_confirm(&queue, &tickets[1], 0), RESIL_EFULL);
}

static void time_near_its_end_does_not_wrap(void **state)
{
    (void)state;
    with((struct resil_queue_config){.poll_ns = RESIL_SEC(2)});
    assert_int_equal(resil_queue_enter(&queue, &tickets[0], UINT64_MAX - 5), RESIL_WAIT);
    assert_int_equal(tickets[0].wake_ns, UINT64_MAX);
}

static void release_does_not_wait_for_the_lock_but_marks_it(void **state)
{
    (void)state;
    with((struct resil_queue_config){0});
    enter_all(1);

    queue.lock_ = 1; /* held by somebody who was preempted */
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(queue.lock_, 3);
    assert_int_equal(woken[0], 0);
    resil_queue_wake(&queue);
    assert_int_equal(queue.lock_, 3);
    queue.lock_ = 0;
    resil_queue_wake(&queue);
    assert_int_equal(woken[0], 1);
    assert_int_equal(queue.lock_, 0);
}

static void fini_is_busy_until_every_ticket_is_outside(void **state)
{
    struct resil_queue_snapshot snapshot;

    (void)state;
    with((struct resil_queue_config){.length = 1, .lifo = true});
    enter_all(2);
    assert_int_equal(resil_queue_fini(&queue), RESIL_EBUSY);
    assert_int_equal(confirm(0, 0), RESIL_EFULL);
    assert_int_equal(resil_queue_fini(&queue), RESIL_EBUSY);
    assert_int_equal(resil_queue_release(&queue), RESIL_OK);
    assert_int_equal(resil_queue_fini(&queue), RESIL_EBUSY); /* a grant to confirm */
    assert_int_equal(confirm(1, 0), RESIL_OK);

    assert_int_equal(resil_queue_fini(&queue), RESIL_OK);
    assert_int_equal(resil_queue_fini(&queue), RESIL_EINVAL);
    assert_int_equal(resil_queue_snapshot(&queue, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_queue_fini(NULL), RESIL_EINVAL);
    assert_in_flight(1);
}

static void queue_holds_100_and_waits_a_second_by_default(void **state)
{
    static struct resil_ticket many[101];

    (void)state;
    with((struct resil_queue_config){0});
    assert_int_equal(resil_queue_init(&queue, &bulkhead, NULL), RESIL_OK);
    for (int i = 0; i < 100; i++)
        assert_int_equal(resil_queue_enter(&queue, &many[i], T0), RESIL_WAIT);
    assert_int_equal(resil_queue_enter(&queue, &many[100], T0), RESIL_EFULL);
    assert_int_equal(many[0].until_ns, T0 + RESIL_SEC(1));
}

static void assert_refused(struct resil_queue_config config, const char *expected)
{
    char why[160] = "untouched";

    assert_int_equal(resil_queue_config_check(&config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, expected);
    assert_int_equal(resil_queue_init(&queue, &bulkhead, &config), RESIL_EINVAL);
}

static void queue_config_check_names_the_field(void **state)
{
    char why[160] = "untouched";

    (void)state;
    with((struct resil_queue_config){0});
    assert_int_equal(resil_queue_config_check(NULL, why, sizeof why), RESIL_OK);
    assert_string_equal(why, "untouched");
    assert_refused((struct resil_queue_config){.length = 1000001},
                   "length is 1000001: must be 1 to 1000000 (0 = default)");
    assert_refused((struct resil_queue_config){.wait_ns = RESIL_OFF},
                   "wait_ns is RESIL_OFF: must be 1 to 3600000000000 (0 = default)");
    assert_refused((struct resil_queue_config){.poll_ns = 999},
                   "poll_ns is 999: must be 1000 to 3600000000000 (0 = default, RESIL_OFF = off)");
}

static void queue_init_refuses_what_does_not_fit_and_touches_nothing(void **state)
{
    struct resil_bulkhead fresh = {0};
    struct resil_queue before;
    size_t config_size = sizeof(struct resil_queue_config);

    (void)state;
    with((struct resil_queue_config){0});
    before = queue;
    assert_int_equal(resil_queue_init(NULL, &bulkhead, NULL), RESIL_EINVAL);
    assert_int_equal(resil_queue_init(&queue, NULL, NULL), RESIL_EINVAL);
    assert_int_equal(resil_queue_init(&queue, &fresh, NULL), RESIL_EINVAL);
    assert_int_equal(resil_queue_init_sized(&queue, 8, &bulkhead, NULL, config_size), RESIL_EABI);
    assert_int_equal(resil_queue_init_sized(&queue, sizeof queue, &bulkhead, NULL, 8), RESIL_EABI);
    assert_int_equal(resil_queue_snapshot(&queue, NULL), RESIL_EINVAL);
    assert_memory_equal(&queue, &before, sizeof before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_gives_a_free_permit_at_once),
        cmocka_unit_test(waiter_is_woken_by_a_release_and_confirms_its_permit),
        cmocka_unit_test(fifo_serves_in_order_of_arrival),
        cmocka_unit_test(lifo_serves_the_newest_first),
        cmocka_unit_test(full_fifo_refuses_the_newcomer),
        cmocka_unit_test(full_lifo_drops_the_oldest_and_wakes_it),
        cmocka_unit_test(newcomer_does_not_overtake_even_if_a_permit_is_free),
        cmocka_unit_test(full_queue_serves_before_it_refuses_if_a_permit_was_overlooked),
        cmocka_unit_test(wait_ends_after_wait_ns),
        cmocka_unit_test(wait_ends_at_until_ns_if_that_is_sooner),
        cmocka_unit_test(grant_that_raced_with_the_timeout_is_taken),
        cmocka_unit_test(overlooked_permit_is_taken_before_the_wait_is_over),
        cmocka_unit_test(leaving_gives_a_grant_to_the_next),
        cmocka_unit_test(leaving_from_the_middle_keeps_the_order),
        cmocka_unit_test(dropped_ticket_can_leave),
        cmocka_unit_test(ticket_can_be_used_again_but_not_twice_at_once),
        cmocka_unit_test(waiter_looks_again_every_poll_ns),
        cmocka_unit_test(waiter_without_a_wake_function_polls),
        cmocka_unit_test(wake_gives_the_permits_of_a_raised_limit_to_waiters),
        cmocka_unit_test(release_grants_nothing_while_a_lowered_limit_drains),
        cmocka_unit_test(clock_that_was_set_back_does_not_prolong_the_wait),
        cmocka_unit_test(time_near_its_end_does_not_wrap),
        cmocka_unit_test(release_does_not_wait_for_the_lock_but_marks_it),
        cmocka_unit_test(fini_is_busy_until_every_ticket_is_outside),
        cmocka_unit_test(queue_holds_100_and_waits_a_second_by_default),
        cmocka_unit_test(queue_config_check_names_the_field),
        cmocka_unit_test(queue_init_refuses_what_does_not_fit_and_touches_nothing),
    };

    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
