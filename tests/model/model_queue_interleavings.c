/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Bulkhead and queue under every interleaving of two or three callers: never above the limit,
 * nobody asleep beside a free permit, nobody woken after he left, nothing lost, nobody overtaken.
 */
#include "test.h"

#include "interleave.h"

#include "../../src/bulkhead/bulkhead.c"
#include "../../src/bulkhead/queue.c"
#include "../../src/bulkhead/queue_config.c"

static struct resil_bulkhead bulkhead;
static struct resil_queue queue;
static struct resil_queue_config queue_config;
static uint64_t limit;
static struct resil_ticket tickets[INTERLEAVE_FIBERS];
static int fibers[INTERLEAVE_FIBERS] = {0, 1, 2, 3};
static bool queued[INTERLEAVE_FIBERS];  /* enter answered RESIL_WAIT, not yet confirmed */
static bool entered[INTERLEAVE_FIBERS]; /* may be woken */
static bool rung[INTERLEAVE_FIBERS];
static unsigned inside, refused, busy;

static void set_up(void)
{
    (void)resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = limit});
    (void)resil_queue_init(&queue, &bulkhead, &queue_config);
    memset(tickets, 0, sizeof tickets);
    memset(queued, 0, sizeof queued);
    memset(entered, 0, sizeof entered);
    memset(rung, 0, sizeof rung);
    inside = 0;
    refused = 0;
}

static void verify_empty(void)
{
    interleave_check(resil__bulkhead_in_flight(bulkhead.word_) == 0);
    interleave_check(inside == 0);
    interleave_check(queue.waiting_ == 0 && queue.head_ == NULL && queue.tail_ == NULL);
    interleave_check(queue.lock_ == 0);
    interleave_check(resil_queue_fini(&queue) == RESIL_OK);
}

static void ring(void *arg)
{
    int fiber = *(int *)arg;

    interleave_check(entered[fiber]);
    rung[fiber] = true;
    interleave_wake(fiber);
}

/* Whoever came to the queue when somebody waited there may not be in front of him. */
static bool overtakes(const bool *before)
{
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        if (before[i] && tickets[i].state_ == TICKET_WAITING)
            return true;
    return false;
}

static int enter_as(int self)
{
    bool before[INTERLEAVE_FIBERS];
    int rc;

    memcpy(before, queued, sizeof before);
    tickets[self].wake = ring;
    tickets[self].wake_arg = &fibers[self];
    entered[self] = true;
    rc = resil_queue_enter(&queue, &tickets[self], 1000);
    interleave_check(rc != RESIL_OK || queue_config.lifo || !overtakes(before));
    queued[self] = rc == RESIL_WAIT;
    entered[self] = rc == RESIL_WAIT;
    return rc;
}

static int confirm_as(int self, uint64_t now_ns)
{
    int rc = resil_queue_confirm(&queue, &tickets[self], now_ns);

    queued[self] = entered[self] = rc == RESIL_WAIT;
    return rc;
}

static void leave_with_permit(void)
{
    interleave_check(++inside <= limit);
    interleave_point();
    inside--;
    interleave_check(resil_queue_release(&queue) == RESIL_OK);
}

/* Waits for as long as it takes: asleep at the end is a failure. */
static void pass(int self)
{
    int rc = enter_as(self);

    while (rc == RESIL_WAIT) {
        while (!rung[self])
            interleave_sleep();
        rung[self] = false;
        rc = confirm_as(self, 1001);
    }
    if (rc == RESIL_OK)
        leave_with_permit();
    else
        refused++;
}

static void cancel_early(int self)
{
    int rc = enter_as(self);

    if (rc == RESIL_WAIT) {
        interleave_check(resil_queue_leave(&queue, &tickets[self]) == RESIL_OK);
        queued[self] = entered[self] = false;
        memset(&tickets[self], 0, sizeof tickets[self]);
    } else {
        leave_with_permit();
    }
}

static void time_out(int self)
{
    int rc = enter_as(self);

    if (rc == RESIL_WAIT)
        rc = confirm_as(self, RESIL_SEC(10));
    if (rc == RESIL_OK)
        leave_with_permit();
    else
        interleave_check(rc == RESIL_EFULL);
}

static void raise_limit(int self)
{
    (void)self;
    limit = 2;
    interleave_check(resil_bulkhead_reconfigure(
                         &bulkhead, &(struct resil_bulkhead_config){.limit = 2}) == RESIL_OK);
    resil_queue_wake(&queue);
}

typedef void body(int self);

static void explore(const char *name, int count, body *const *bodies, unsigned preemptions,
                    uint64_t permits, struct resil_queue_config config)
{
    limit = permits;
    queue_config = config;
    interleave_explore_waiting(
        &(struct scenario){name, count, bodies, preemptions, set_up, verify_empty});
}

static void two_callers_share_one_permit(void **state)
{
    (void)state;
    explore(__func__, 2, (body *const[]){pass, pass}, 5, 1, (struct resil_queue_config){0});
    assert_int_equal(refused, 0);
}

static void three_callers_share_one_permit(void **state)
{
    (void)state;
    explore(__func__, 3, (body *const[]){pass, pass, pass}, 3, 1, (struct resil_queue_config){0});
    explore(__func__, 3, (body *const[]){pass, pass, pass}, 3, 1,
            (struct resil_queue_config){.lifo = true});
    assert_int_equal(refused, 0);
}

static void three_callers_share_two_permits(void **state)
{
    (void)state;
    explore(__func__, 3, (body *const[]){pass, pass, pass}, 3, 2, (struct resil_queue_config){0});
}

static void short_queue_refuses_or_drops(void **state)
{
    (void)state;
    explore(__func__, 3, (body *const[]){pass, pass, pass}, 3, 1,
            (struct resil_queue_config){.length = 1});
    explore(__func__, 3, (body *const[]){pass, pass, pass}, 3, 1,
            (struct resil_queue_config){.length = 1, .lifo = true});
}

static void cancelled_waiter_hands_its_grant_on(void **state)
{
    (void)state;
    explore(__func__, 3, (body *const[]){pass, cancel_early, pass}, 3, 1,
            (struct resil_queue_config){0});
    explore(__func__, 2, (body *const[]){pass, cancel_early}, 5, 1, (struct resil_queue_config){0});
}

static void timeout_and_grant_agree_on_one_end(void **state)
{
    (void)state;
    explore(__func__, 3, (body *const[]){pass, time_out, pass}, 3, 1,
            (struct resil_queue_config){0});
    explore(__func__, 2, (body *const[]){pass, time_out}, 5, 1, (struct resil_queue_config){0});
}

static void set_up_held(void)
{
    limit = 1;
    set_up();
    (void)resil_bulkhead_acquire(&bulkhead);
}

static void verify_held(void)
{
    interleave_check(resil_bulkhead_release(&bulkhead) == RESIL_OK);
    verify_empty();
}

static void raised_limit_reaches_the_waiter(void **state)
{
    (void)state;
    queue_config = (struct resil_queue_config){0};
    interleave_explore_waiting(&(struct scenario){__func__, 2, (body *const[]){pass, raise_limit},
                                                  5, set_up_held, verify_held});
}

static void set_limit(int self)
{
    uint64_t wanted = (uint64_t)self + 2;
    int rc = resil_bulkhead_reconfigure(&bulkhead, &(struct resil_bulkhead_config){wanted});

    interleave_check(rc == RESIL_OK || rc == RESIL_EBUSY);
    busy += rc == RESIL_EBUSY;
    queued[self] = rc == RESIL_OK;
}

static void come_and_go(int self)
{
    (void)self;
    interleave_check(resil_bulkhead_acquire(&bulkhead) == RESIL_OK);
    interleave_check(resil_bulkhead_release(&bulkhead) == RESIL_OK);
}

/* The limit is that of one who was told so, and no call was lost over it. */
static void verify_limit(void)
{
    uint32_t now = resil__bulkhead_limit(bulkhead.word_);

    interleave_check(queued[0] || queued[1]);
    interleave_check(now >= 2 && now <= 3 && queued[now - 2]);
    interleave_check(resil__bulkhead_in_flight(bulkhead.word_) == 0);
}

static void one_of_two_racing_reconfigures_is_busy(void **state)
{
    body *const bodies[] = {set_limit, set_limit, come_and_go};

    (void)state;
    busy = 0;
    limit = 1;
    queue_config = (struct resil_queue_config){0};
    interleave_explore(&(struct scenario){__func__, 3, bodies, 3, set_up, verify_limit});
    assert_true(busy > 0);

    busy = 0;
    interleave_explore(&(struct scenario){__func__, 2, (body *const[]){set_limit, come_and_go}, 6,
                                          set_up, set_up});
    assert_int_equal(busy, 0);
}

/* A lower limit holds for whoever asks after it; those who are in stay in. */
static bool shrunk;

static void shrink_limit(int self)
{
    (void)self;
    interleave_check(resil_bulkhead_reconfigure(
                         &bulkhead, &(struct resil_bulkhead_config){.limit = 1}) == RESIL_OK);
    shrunk = true;
}

static void come_and_stay(int self)
{
    bool late = shrunk;
    unsigned before = inside;
    int rc = resil_bulkhead_acquire(&bulkhead);

    (void)self;
    interleave_check(rc == RESIL_OK || rc == RESIL_EFULL);
    interleave_check(rc != RESIL_OK || !late || before == 0);
    if (rc != RESIL_OK)
        return;
    inside++;
    interleave_check(inside <= 2);
}

static void set_up_wide(void)
{
    limit = 2;
    set_up();
    shrunk = false;
}

static void verify_shrunk(void)
{
    interleave_check(resil__bulkhead_limit(bulkhead.word_) == 1);
    interleave_check(resil__bulkhead_in_flight(bulkhead.word_) == (int)inside && inside >= 1);
    interleave_check(resil_bulkhead_acquire(&bulkhead) == RESIL_EFULL);
}

static void a_lower_limit_holds_from_then_on(void **state)
{
    struct scenario is = {
        __func__,
        4,
        (body *const[]){shrink_limit, come_and_stay, come_and_stay, come_and_stay},
        3,
        set_up_wide,
        verify_shrunk};

    (void)state;
    queue_config = (struct resil_queue_config){0};
    interleave_explore(&is);
    interleave_finds(&is,
                     (struct fault){"resil__bulkhead_acquire_from", &bulkhead.word_, FAULT_BLIND});
}

/* Whoever has the lock, or the permit that others wait for: those who only give back, try or wake
   don't depend on him. */
static void give_back(int self)
{
    (void)self;
    interleave_check(resil_queue_release(&queue) == RESIL_OK);
}

static void try_and_wake(int self)
{
    (void)self;
    if (resil__queue_acquire(&queue) == RESIL_OK)
        interleave_check(resil_queue_release(&queue) == RESIL_OK);
    resil_queue_wake(&queue);
}

static void set_up_two_out(void)
{
    limit = 2;
    set_up();
    (void)resil_bulkhead_acquire(&bulkhead);
    (void)resil_bulkhead_acquire(&bulkhead);
}

/* Three out, and one waits who isn't there. */
static void set_up_waiter(void)
{
    limit = 3;
    set_up();
    for (int i = 0; i < 3; i++)
        (void)resil_bulkhead_acquire(&bulkhead);
    interleave_check(enter_as(3) == RESIL_WAIT);
}

static void verify_granted(void)
{
    interleave_check(rung[3] && confirm_as(3, 1001) == RESIL_OK);
    interleave_check(resil_queue_release(&queue) == RESIL_OK);
    verify_held();
}

static void releases_wait_for_nobody(void **state)
{
    struct scenario waiter = {
        __func__,       3,           (body *const[]){cancel_early, give_back, give_back}, 3,
        set_up_two_out, verify_empty};
    struct scenario releasers = {
        __func__,      3, (body *const[]){give_back, give_back, try_and_wake}, 3, set_up_waiter,
        verify_granted};

    (void)state;
    queue_config = (struct resil_queue_config){0};
    interleave_explore_against(&waiter, 1);
    interleave_explore(&releasers);
    /* The waiter does: it spins for a lock that a releaser may hold. */
    assert_int_equal(interleave_stopping(&waiter, 2 | 4), -2);
}

/* A wrong program: one acquire, three releases. Whatever is answered with RESIL_OK adds up. */
static void release_too_often(int self)
{
    (void)self;
    refused += resil_bulkhead_release(&bulkhead) == RESIL_OK;
}

static void verify_sum(void)
{
    interleave_check(resil__bulkhead_in_flight(bulkhead.word_) == 1 - (int)refused);
    interleave_check(refused <= 1 && resil__bulkhead_limit(bulkhead.word_) == 1);
}

static void releases_too_many_add_up(void **state)
{
    body *const bodies[] = {release_too_often, release_too_often, release_too_often};

    (void)state;
    queue_config = (struct resil_queue_config){0};
    interleave_explore(&(struct scenario){__func__, 3, bodies, 6, set_up_held, verify_sum});
}

static void forget_all(int self)
{
    (void)self;
    resil_bulkhead_reset(&bulkhead);
}

static void verify_new_limit(void)
{
    interleave_check(queued[1] && resil__bulkhead_limit(bulkhead.word_) == 3);
}

static void a_reset_keeps_the_newest_limit(void **state)
{
    struct scenario is = {__func__, 3,      (body *const[]){forget_all, set_limit, forget_all},
                          3,        set_up, verify_new_limit};

    (void)state;
    busy = 0;
    limit = 1;
    queue_config = (struct resil_queue_config){0};
    interleave_explore(&is);
    assert_int_equal(busy, 0);
    interleave_finds(&is, (struct fault){"resil_bulkhead_reset", &bulkhead.word_, FAULT_BLIND});
}

/* Each rule of the protocol, broken once. */
static void checks_find_what_is_broken(void **state)
{
    body *const three[] = {pass, pass, pass};
    struct scenario shared = {"shared permit", 3, three, 3, set_up, verify_empty};

    (void)state;
    limit = 1;
    queue_config = (struct resil_queue_config){0};
    interleave_finds(&shared,
                     (struct fault){"resil__bulkhead_acquire_from", &bulkhead.word_, FAULT_BLIND});
    interleave_finds(&shared, (struct fault){"link_newest", &queue.waiting_, FAULT_LOST});
    interleave_finds(&shared, (struct fault){"unlock", &queue.lock_, FAULT_BLIND});
    /* S2 of the proof in queue.c: with release alone a waiter sleeps beside a free permit. */
    shared.bodies = (body *const[]){pass, pass};
    shared.count = 2;
    interleave_finds(&shared, (struct fault){"link_newest", &queue.waiting_, FAULT_WEAK});
}

/* Calls are forgotten, and the limit that comes at that moment isn't. */
static void forget_calls(int self)
{
    (void)self;
    resil_bulkhead_reset(&bulkhead);
}

static void set_limit_of_three(int self)
{
    (void)self;
    interleave_check(resil_bulkhead_reconfigure(
                         &bulkhead, &(struct resil_bulkhead_config){.limit = 3}) == RESIL_OK);
}

static void come_once(int self)
{
    (void)self;
    inside += resil_bulkhead_acquire(&bulkhead) == RESIL_OK;
}

static void verify_forgotten(void)
{
    int in_flight = resil__bulkhead_in_flight(bulkhead.word_);

    interleave_check(resil__bulkhead_limit(bulkhead.word_) == 3);
    interleave_check(inside == 1 && (in_flight == 0 || in_flight == 1));
}

static void a_reset_keeps_the_limit(void **state)
{
    struct scenario is = {
        __func__, 3,           (body *const[]){forget_calls, set_limit_of_three, come_once},
        3,        set_up_wide, verify_forgotten};

    (void)state;
    queue_config = (struct resil_queue_config){0};
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil_bulkhead_reset", &bulkhead.word_, FAULT_BLIND});
}

static void start_anew(int self)
{
    (void)self;
    resil_bulkhead_reset(&bulkhead);
}

static void verify_anew(void)
{
    interleave_check(resil__bulkhead_in_flight(bulkhead.word_) == 0);
    interleave_check(resil__bulkhead_limit(bulkhead.word_) == 2);
}

static void a_reset_keeps_the_limit_that_was_set_meanwhile(void **state)
{
    struct scenario is = {__func__, 2,           (body *const[]){set_limit, start_anew},
                          5,        set_up_held, verify_anew};

    (void)state;
    queue_config = (struct resil_queue_config){0};
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil_bulkhead_reset", &bulkhead.word_, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_callers_share_one_permit),
        cmocka_unit_test(three_callers_share_one_permit),
        cmocka_unit_test(three_callers_share_two_permits),
        cmocka_unit_test(short_queue_refuses_or_drops),
        cmocka_unit_test(cancelled_waiter_hands_its_grant_on),
        cmocka_unit_test(timeout_and_grant_agree_on_one_end),
        cmocka_unit_test(raised_limit_reaches_the_waiter),
        cmocka_unit_test(one_of_two_racing_reconfigures_is_busy),
        cmocka_unit_test(a_lower_limit_holds_from_then_on),
        cmocka_unit_test(a_reset_keeps_the_limit),
        cmocka_unit_test(releases_wait_for_nobody),
        cmocka_unit_test(releases_too_many_add_up),
        cmocka_unit_test(a_reset_keeps_the_newest_limit),
        cmocka_unit_test(checks_find_what_is_broken),
        cmocka_unit_test(a_reset_keeps_the_limit_that_was_set_meanwhile),
    };

    return cmocka_run_group_tests_name("queue interleavings", tests, NULL, NULL);
}
