/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The queue against an array in order of arrival. The model serves whenever the queue has promised
 * to; what it doesn't know are locks, lists and words.
 */
#include "shrink.h"

#include <resil/queue.h>

#define TICKETS    12
#define OPERATIONS 2000000
#define WAIT_NS    100

enum place {
    OUTSIDE,
    WAITING,
    GRANTED,
    DROPPED
};

struct waiter {
    enum place place;
    uint64_t until_ns;
    uint64_t wakes;
};

struct model {
    uint64_t limit, in_flight, length;
    bool lifo;
    int order[TICKETS]; /* who waits, oldest first */
    unsigned waiting;
    struct waiter waiters[TICKETS];
    uint64_t entered, granted, expired, dropped;
};

static struct model model;
static struct resil_bulkhead bulkhead;
static struct resil_queue queue;
static struct resil_ticket tickets[TICKETS];
static uint64_t wakes[TICKETS];
static uint64_t now_ns;

/* The control: an array that serves from the wrong end. */
static bool turned;

static void count_wake(void *arg)
{
    ++*(uint64_t *)arg;
}

static void take_out(int who, enum place place)
{
    unsigned at = 0;

    while (model.order[at] != who)
        at++;
    for (; at + 1 < model.waiting; at++)
        model.order[at] = model.order[at + 1];
    model.waiting--;
    model.waiters[who].place = place;
}

static void model_serve(void)
{
    while (model.waiting > 0 && model.in_flight < model.limit) {
        int who = model.order[model.lifo != turned ? model.waiting - 1 : 0];

        take_out(who, GRANTED);
        model.in_flight++;
        model.granted++;
        model.waiters[who].wakes++;
    }
}

static int model_enter(int who, uint64_t until_ns)
{
    struct waiter *waiter = &model.waiters[who];

    if (waiter->place != OUTSIDE)
        return RESIL_EINVAL;
    if (model.waiting == model.length && !model.lifo && model.in_flight >= model.limit)
        return RESIL_EFULL;
    model_serve();
    if (model.in_flight < model.limit) {
        model.in_flight++;
        return RESIL_OK;
    }
    if (until_ns != 0 && until_ns <= now_ns)
        return RESIL_EFULL;
    if (model.waiting == model.length) {
        int oldest = model.order[0];

        if (!model.lifo)
            return RESIL_EFULL;
        take_out(oldest, DROPPED);
        model.dropped++;
        model.waiters[oldest].wakes++;
    }
    model.order[model.waiting++] = who;
    model.entered++;
    waiter->place = WAITING;
    waiter->until_ns = until_ns != 0 && until_ns < now_ns + WAIT_NS ? until_ns : now_ns + WAIT_NS;
    return RESIL_WAIT;
}

static int model_confirm(int who)
{
    struct waiter *waiter = &model.waiters[who];
    enum place place;

    if (waiter->place == WAITING)
        model_serve();
    if (waiter->place == WAITING && waiter->until_ns > now_ns)
        return RESIL_WAIT;
    if (waiter->place == WAITING) {
        take_out(who, DROPPED);
        model.expired++;
    }
    place = waiter->place;
    waiter->place = OUTSIDE;
    return place == OUTSIDE ? RESIL_EINVAL : place == GRANTED ? RESIL_OK : RESIL_EFULL;
}

static int model_leave(int who)
{
    struct waiter *waiter = &model.waiters[who];

    if (waiter->place == OUTSIDE)
        return RESIL_EINVAL;
    if (waiter->place == WAITING)
        take_out(who, DROPPED);
    if (waiter->place == GRANTED)
        model.in_flight--;
    waiter->place = OUTSIDE;
    model_serve();
    return RESIL_OK;
}

/* Correct callers: nobody releases the permit of a grant that is not yet confirmed. */
static bool release_agrees(bool past_the_queue)
{
    bool held = model.in_flight > 0;
    uint64_t unconfirmed = 0;
    int rc;

    for (int i = 0; i < TICKETS; i++)
        unconfirmed += model.waiters[i].place == GRANTED;
    if (held && unconfirmed == model.in_flight)
        return true;
    rc = past_the_queue ? resil_bulkhead_release(&bulkhead) : resil_queue_release(&queue);
    model.in_flight -= held;
    if (!past_the_queue)
        model_serve();
    return rc == (held ? RESIL_OK : RESIL_EINVAL);
}

static bool enter_agrees(int who, uint64_t *seed)
{
    uint64_t until_ns = test_below(seed, 2) != 0 ? 0 : now_ns + test_below(seed, 2 * WAIT_NS);

    if (model.waiters[who].place == OUTSIDE)
        tickets[who].until_ns = until_ns;
    return resil_queue_enter(&queue, &tickets[who], now_ns) == model_enter(who, until_ns);
}

static bool wake_agrees(uint64_t *seed)
{
    model.limit = 1 + test_below(seed, 5);
    if (resil_bulkhead_reconfigure(&bulkhead, &(struct resil_bulkhead_config){model.limit}) != 0)
        return false;
    if (test_below(seed, 2) != 0) {
        resil_queue_wake(&queue);
        model_serve();
    }
    return true;
}

static bool step(uint64_t *seed)
{
    int who = (int)test_below(seed, TICKETS);

    now_ns += test_below(seed, 20);
    switch (test_below(seed, 20)) {
    case 0:
        return wake_agrees(seed);
    case 1:
        return release_agrees(true);
    case 2:
    case 3:
    case 4:
        return resil_queue_leave(&queue, &tickets[who]) == model_leave(who);
    case 5:
    case 6:
    case 7:
    case 8:
        return release_agrees(false);
    case 9:
    case 10:
    case 11:
    case 12:
        return resil_queue_confirm(&queue, &tickets[who], now_ns) == model_confirm(who);
    default:
        return enter_agrees(who, seed);
    }
}

static bool state_agrees(void)
{
    struct resil_bulkhead_snapshot words;
    struct resil_queue_snapshot counts;

    if (resil_bulkhead_snapshot(&bulkhead, &words) != RESIL_OK ||
        resil_queue_snapshot(&queue, &counts) != RESIL_OK)
        return false;
    for (int i = 0; i < TICKETS; i++)
        if (wakes[i] != model.waiters[i].wakes)
            return false;
    return words.in_flight == model.in_flight && counts.waiting == model.waiting &&
           counts.entered == model.entered && counts.granted == model.granted &&
           counts.expired == model.expired && counts.dropped == model.dropped;
}

static struct bench {
    uint64_t random, seed, operation;
    bool lifo;
} bench;

static void begin(void)
{
    model = (struct model){.limit = 2, .length = 5, .lifo = bench.lifo};
    now_ns = RESIL_SEC(1);
    memset(wakes, 0, sizeof wakes);
    assert_int_equal(resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = 2}),
                     RESIL_OK);
    assert_int_equal(resil_queue_init(&queue, &bulkhead,
                                      &(struct resil_queue_config){
                                          .length = 5, .wait_ns = WAIT_NS, .lifo = bench.lifo}),
                     RESIL_OK);
    for (int i = 0; i < TICKETS; i++)
        tickets[i] = (struct resil_ticket){.wake = count_wake, .wake_arg = &wakes[i]};
}

static void step_shared(void)
{
    MODEL_CHECK(&bench, step(&bench.random));
    MODEL_CHECK(&bench, state_agrees());
}

static const struct model_subject subject = {begin, step_shared, &bench.random};

static void run(uint64_t start, bool lifo)
{
    bench.lifo = lifo;
    model_run(&subject, start, OPERATIONS);
    if (getenv("RESIL_OPERATIONS") == NULL)
        assert_true(model.granted > 1000 && model.expired > 1000 && (model.dropped > 1000) == lifo);
}

static void fifo_agrees_with_an_array(void **state)
{
    (void)state;
    run(test_seed(0xf1f0), false);
}

static void lifo_agrees_with_an_array(void **state)
{
    (void)state;
    run(test_seed(0x11f0), true);
}

static void the_wrong_end_is_found(void **state)
{
    (void)state;
    turned = true;
    for (int lifo = 0; lifo < 2; lifo++) {
        bench.lifo = lifo != 0;
        model_finds(&subject, 0xf1f0, OPERATIONS, 12, "served from the wrong end");
    }
    turned = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fifo_agrees_with_an_array),
        cmocka_unit_test(the_wrong_end_is_found),
        cmocka_unit_test(lifo_agrees_with_an_array),
    };

    return cmocka_run_group_tests_name("queue model", tests, NULL, NULL);
}
