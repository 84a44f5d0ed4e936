/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/queue.h>

#define T0 RESIL_SEC(1000)

static struct resil_bulkhead bulkhead;
static struct resil_queue queue;

/* One call as a chain would drive it. */
struct walker {
    struct resil_request request;
    struct resil_walk walk;
    uint64_t frame[16];
    unsigned woken;
};

static void count_wake(void *arg)
{
    ++*(unsigned *)arg;
}

static void begin(struct walker *walker)
{
    memset(walker, 0, sizeof *walker);
    memset(walker->frame, 0xff, sizeof walker->frame); /* admit finds rubbish */
    walker->request.wake = count_wake;
    walker->request.wake_arg = &walker->woken;
    walker->walk.request = &walker->request;
    walker->walk.now_ns = T0;
    walker->walk.attempt.deadline_ns = RESIL_NEVER;
}

static const struct resil_policy_ops *with(struct resil_queue_config config)
{
    assert_int_equal(resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = 1}),
                     RESIL_OK);
    assert_int_equal(resil_queue_init(&queue, &bulkhead, &config), RESIL_OK);
    return resil_queue_policy(&queue).ops;
}

/* The first has the only permit, the second waits for it. */
static void one_in_one_waiting(const struct resil_policy_ops *ops, struct walker *a,
                               struct walker *b)
{
    begin(a);
    begin(b);
    assert_int_equal(ops->admit(&queue, a->frame, &a->walk), RESIL_PASS);
    assert_int_equal(ops->admit(&queue, b->frame, &b->walk), RESIL_WAIT);
}

static void assert_in_flight(uint64_t in_flight)
{
    struct resil_bulkhead_snapshot snapshot;

    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.in_flight, in_flight);
}

static void table_says_what_the_chain_must_know(void **state)
{
    const struct resil_policy_ops *ops = with((struct resil_queue_config){0});
    static const struct resil_queue fresh;

    (void)state;
    assert_string_equal(ops->name, "queue");
    assert_int_equal(ops->size, sizeof *ops);
    assert_int_equal(ops->flags, RESIL_ON_ALL);
    assert_int_equal(ops->frame_words, 7);
    assert_ptr_equal(resil_queue_policy(&queue).self, &queue);
    assert_int_equal(ops->check(&queue), RESIL_OK);
    assert_int_equal(ops->check(&fresh), RESIL_EINVAL);
    assert_int_equal(ops->check(NULL), RESIL_EINVAL);
    assert_int_equal(resil_queue_fini(&queue), RESIL_OK);
    assert_int_equal(ops->check(&queue), RESIL_EINVAL);
}

static void call_passes_with_a_free_permit_and_gives_it_back(void **state)
{
    const struct resil_policy_ops *ops = with((struct resil_queue_config){0});
    struct walker a;

    (void)state;
    begin(&a);
    assert_int_equal(ops->admit(&queue, a.frame, &a.walk), RESIL_PASS);
    assert_in_flight(1);
    assert_int_equal(ops->settle(&queue, a.frame, &a.walk), RESIL_PASS);
    assert_in_flight(0);
    assert_false(a.walk.timed);
}

static void call_waits_is_woken_and_passes(void **state)
{
    const struct resil_policy_ops *ops = with((struct resil_queue_config){0});
    struct walker a, b;

    (void)state;
    one_in_one_waiting(ops, &a, &b);
    assert_int_equal(b.walk.wake_ns, T0 + RESIL_SEC(1));
    assert_int_equal(b.frame[7], UINT64_MAX);
    assert_int_equal(b.woken, 0);

    assert_int_equal(ops->settle(&queue, a.frame, &a.walk), RESIL_PASS);
    assert_int_equal(b.woken, 1);
    assert_int_equal(ops->resume(&queue, b.frame, &b.walk), RESIL_PASS);
    assert_in_flight(1);
    assert_int_equal(ops->settle(&queue, b.frame, &b.walk), RESIL_PASS);
    assert_in_flight(0);
}

static void wait_ends_with_the_deadline(void **state)
{
    const struct resil_policy_ops *ops = with((struct resil_queue_config){0});
    struct walker a, b;

    (void)state;
    begin(&a);
    begin(&b);
    b.walk.attempt.deadline_ns = T0 + RESIL_MS(3);
    assert_int_equal(ops->admit(&queue, a.frame, &a.walk), RESIL_PASS);
    assert_int_equal(ops->admit(&queue, b.frame, &b.walk), RESIL_WAIT);
    assert_int_equal(b.walk.wake_ns, T0 + RESIL_MS(3));
    b.walk.now_ns = T0 + RESIL_MS(3);
    assert_int_equal(ops->resume(&queue, b.frame, &b.walk), RESIL_EFULL);
    assert_int_equal(resil_queue_fini(&queue), RESIL_OK);
}

static void resume_too_early_waits_on(void **state)
{
    const struct resil_policy_ops *ops = with((struct resil_queue_config){.poll_ns = RESIL_MS(20)});
    struct walker a, b;

    (void)state;
    one_in_one_waiting(ops, &a, &b);
    assert_int_equal(b.walk.wake_ns, T0 + RESIL_MS(20));
    b.walk.now_ns = T0 + RESIL_MS(5);
    b.walk.wake_ns = 0;
    assert_int_equal(ops->resume(&queue, b.frame, &b.walk), RESIL_WAIT);
    assert_int_equal(b.walk.wake_ns, T0 + RESIL_MS(25));
    assert_int_equal(ops->abandon(&queue, b.frame, &b.walk), RESIL_PASS);
    assert_in_flight(1);
    assert_int_equal(resil_queue_fini(&queue), RESIL_OK);
}

static void call_that_nobody_can_wake_polls(void **state)
{
    const struct resil_policy_ops *ops = with((struct resil_queue_config){0});
    struct walker a, b;

    (void)state;
    begin(&a);
    begin(&b);
    b.request.wake = NULL;
    assert_int_equal(ops->admit(&queue, a.frame, &a.walk), RESIL_PASS);
    assert_int_equal(ops->admit(&queue, b.frame, &b.walk), RESIL_WAIT);
    assert_int_equal(b.walk.wake_ns, T0 + RESIL_QUEUE_POLL_NS);
    assert_int_equal(ops->settle(&queue, a.frame, &a.walk), RESIL_PASS);
    assert_int_equal(b.woken, 0);
    assert_int_equal(ops->resume(&queue, b.frame, &b.walk), RESIL_PASS);
}

static void full_queue_refuses_the_call(void **state)
{
    const struct resil_policy_ops *ops = with((struct resil_queue_config){.length = 1});
    struct walker a, b, c;

    (void)state;
    one_in_one_waiting(ops, &a, &b);
    begin(&c);
    assert_int_equal(ops->admit(&queue, c.frame, &c.walk), RESIL_EFULL);
    assert_in_flight(1);
}

static void abandoned_waiter_loses_nothing(void **state)
{
    const struct resil_policy_ops *ops = with((struct resil_queue_config){0});
    struct walker a, b, c;

    (void)state;
    one_in_one_waiting(ops, &a, &b);
    begin(&c);
    assert_int_equal(ops->admit(&queue, c.frame, &c.walk), RESIL_WAIT);
    assert_int_equal(ops->settle(&queue, a.frame, &a.walk), RESIL_PASS);
    assert_int_equal(b.woken, 1);

    /* The grant raced with the cancel: it goes to the next. */
    assert_int_equal(ops->abandon(&queue, b.frame, &b.walk), RESIL_PASS);
    assert_int_equal(c.woken, 1);
    assert_in_flight(1);
    assert_int_equal(ops->resume(&queue, c.frame, &c.walk), RESIL_PASS);
    assert_int_equal(ops->abandon(&queue, c.frame, &c.walk), RESIL_PASS);
    assert_in_flight(0);
    assert_int_equal(resil_queue_fini(&queue), RESIL_OK);
}

static void abandoned_call_gives_its_permit_to_a_waiter(void **state)
{
    const struct resil_policy_ops *ops = with((struct resil_queue_config){0});
    struct walker a, b;

    (void)state;
    one_in_one_waiting(ops, &a, &b);
    assert_int_equal(ops->abandon(&queue, a.frame, &a.walk), RESIL_PASS);
    assert_int_equal(b.woken, 1);
    assert_in_flight(1);
    assert_int_equal(ops->resume(&queue, b.frame, &b.walk), RESIL_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_says_what_the_chain_must_know),
        cmocka_unit_test(call_passes_with_a_free_permit_and_gives_it_back),
        cmocka_unit_test(call_waits_is_woken_and_passes),
        cmocka_unit_test(wait_ends_with_the_deadline),
        cmocka_unit_test(resume_too_early_waits_on),
        cmocka_unit_test(call_that_nobody_can_wake_polls),
        cmocka_unit_test(full_queue_refuses_the_call),
        cmocka_unit_test(abandoned_waiter_loses_nothing),
        cmocka_unit_test(abandoned_call_gives_its_permit_to_a_waiter),
    };

    return cmocka_run_group_tests_name("queue_policy", tests, NULL, NULL);
}
