/* SPDX-License-Identifier: BSD-2-Clause */
#define _DEFAULT_SOURCE
#include "queue_fixture.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"

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

struct shared {
    struct resil_bulkhead bulkhead;
    uint32_t waits;
};

/* A process with a queue of its own: nobody here wakes it, so it looks again every poll_ns. */
static void wait_in_a_child(struct shared *shared)
{
    struct resil_queue own;
    struct resil_ticket ticket = {.wake = NULL};
    uint64_t now_ns = T0;
    int rc;

    rc = resil_queue_init(
        &own, &shared->bulkhead,
        &(struct resil_queue_config){.wait_ns = RESIL_SEC(3600), .poll_ns = RESIL_US(1)});
    if (rc != RESIL_OK || resil_queue_enter(&own, &ticket, now_ns) != RESIL_WAIT)
        _exit(1);
    resil__store_release32(&shared->waits, 1);
    do {
        (void)sched_yield();
        now_ns = ticket.wake_ns;
        rc = resil_queue_confirm(&own, &ticket, now_ns);
    } while (rc == RESIL_WAIT);
    if (rc != RESIL_OK || resil_queue_release(&own) != RESIL_OK)
        _exit(2);
    _exit(resil_queue_fini(&own) == RESIL_OK ? 0 : 3);
}

static void queues_of_two_processes_share_one_bulkhead(void **state)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct resil_queue own;
    int status;

    (void)state;
    assert_true(shared != MAP_FAILED);
    assert_int_equal(
        resil_bulkhead_init(&shared->bulkhead, &(struct resil_bulkhead_config){.limit = 1}),
        RESIL_OK);
    assert_int_equal(resil_queue_init(&own, &shared->bulkhead, NULL), RESIL_OK);
    tickets[0] = (struct resil_ticket){.wake = NULL};
    assert_int_equal(resil_queue_enter(&own, &tickets[0], T0), RESIL_OK);
    if (fork() == 0)
        wait_in_a_child(shared);
    while (resil__load_acquire32(&shared->waits) == 0)
        (void)sched_yield();
    assert_int_equal(resil_queue_release(&own), RESIL_OK);

    assert_true(wait(&status) > 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(resil_queue_release(&own), RESIL_EINVAL);
    (void)munmap(shared, sizeof *shared);
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
        cmocka_unit_test(leaving_gives_a_grant_to_the_next),
        cmocka_unit_test(leaving_from_the_middle_keeps_the_order),
        cmocka_unit_test(dropped_ticket_can_leave),
        cmocka_unit_test(ticket_can_be_used_again_but_not_twice_at_once),
        cmocka_unit_test(wake_gives_the_permits_of_a_raised_limit_to_waiters),
        cmocka_unit_test(release_grants_nothing_while_a_lowered_limit_drains),
        cmocka_unit_test(release_does_not_wait_for_the_lock_but_marks_it),
        cmocka_unit_test(queues_of_two_processes_share_one_bulkhead),
    };

    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
