/* SPDX-License-Identifier: BSD-2-Clause */
#include "queue_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wait_ends_after_wait_ns),
        cmocka_unit_test(wait_ends_at_until_ns_if_that_is_sooner),
        cmocka_unit_test(grant_that_raced_with_the_timeout_is_taken),
        cmocka_unit_test(overlooked_permit_is_taken_before_the_wait_is_over),
        cmocka_unit_test(waiter_looks_again_every_poll_ns),
        cmocka_unit_test(waiter_without_a_wake_function_polls),
        cmocka_unit_test(clock_that_was_set_back_does_not_prolong_the_wait),
        cmocka_unit_test(time_near_its_end_does_not_wrap),
    };

    return cmocka_run_group_tests_name("queue_wait", tests, NULL, NULL);
}
