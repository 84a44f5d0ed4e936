/* SPDX-License-Identifier: BSD-2-Clause */

/* Threads against the promises of the bulkhead: never above the limit, nothing lost, nothing
   gained. */
#include "test.h"

#include <pthread.h>

#include <resil/bulkhead.h>
#include <resil/env.h>

#include "base/atomic.h"

#define THREADS   4
#define LIMIT_MAX 3

struct worker {
    pthread_t thread;
    uint64_t seed;
    uint64_t acquired, released;
};

static struct resil_bulkhead bulkhead;
static uint32_t inside; /* calls that are really in flight */
static uint32_t stop;
static uint32_t broken; /* line of the first promise that was broken; 0 = none */

static void promise(bool kept, uint32_t line)
{
    uint32_t none = 0;

    if (!kept)
        (void)resil__cas32(&broken, &none, line);
}

#define PROMISE(condition) promise((condition), (uint32_t)__LINE__)

static void set_up(uint64_t limit)
{
    assert_int_equal(
        resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = limit}), RESIL_OK);
    resil__store_release32(&inside, 0);
    resil__store_release32(&stop, 0);
}

static uint64_t in_flight(void)
{
    struct resil_bulkhead_snapshot snapshot;

    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), RESIL_OK);
    return snapshot.in_flight;
}

static void start(struct worker *workers, void *(*body)(void *))
{
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.seed = test_seed(99) + i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
    }
}

static struct worker join(struct worker *workers)
{
    struct worker sum = {0};

    resil__store_release32(&stop, 1);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        sum.acquired += workers[i].acquired;
        sum.released += workers[i].released;
    }
    assert_int_equal(resil__load_acquire32(&broken), 0);
    return sum;
}

/* Without this the word could be counted right and yet admit one too many for a moment. */
static void *go_in_and_out(void *arg)
{
    struct worker *worker = arg;

    while (resil__load_acquire32(&stop) == 0) {
        if (resil_bulkhead_acquire(&bulkhead) != RESIL_OK)
            continue;
        PROMISE(resil__add32(&inside, 1) < LIMIT_MAX);
        worker->acquired++;
        for (uint64_t i = test_below(&worker->seed, 20); i > 0; i--)
            PROMISE(resil__load_relaxed32(&inside) <= LIMIT_MAX);
        (void)resil__sub32(&inside, 1);
        PROMISE(resil_bulkhead_release(&bulkhead) == RESIL_OK);
        worker->released++;
    }
    return NULL;
}

static void run_for(uint64_t span_ns)
{
    uint64_t end_ns = resil_now_ns() + span_ns;

    while (resil_now_ns() < end_ns)
        PROMISE(in_flight() <= LIMIT_MAX);
}

static void limit_is_never_exceeded(void **state)
{
    struct worker workers[THREADS], sum;

    (void)state;
    set_up(LIMIT_MAX);
    start(workers, go_in_and_out);
    run_for(RESIL_MS(test_torture_ms()));
    sum = join(workers);
    assert_true(sum.acquired > 0);
    assert_int_equal(sum.acquired, sum.released);
    assert_int_equal(in_flight(), 0);
}

/* Lowers and raises the limit; once it has drained, the new one holds exactly. Alone it is never
   busy. */
static void change_limit(uint64_t limit)
{
    struct resil_bulkhead_snapshot snapshot;

    PROMISE(resil_bulkhead_reconfigure(&bulkhead, &(struct resil_bulkhead_config){limit}) ==
            RESIL_OK);
    while (in_flight() > limit)
        ;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), RESIL_OK);
        PROMISE(snapshot.limit == limit && snapshot.in_flight <= limit);
    }
}

static void limit_holds_while_it_changes(void **state)
{
    struct worker workers[THREADS], sum;
    uint64_t seed = test_seed(5);
    uint64_t end_ns = resil_now_ns() + RESIL_MS(test_torture_ms());

    (void)state;
    set_up(1);
    start(workers, go_in_and_out);
    while (resil_now_ns() < end_ns)
        change_limit(1 + test_below(&seed, LIMIT_MAX));
    sum = join(workers);
    assert_int_equal(sum.acquired, sum.released);
    assert_int_equal(in_flight(), 0);
}

static void *change_limit_too(void *arg)
{
    struct worker *worker = arg;

    while (resil__load_acquire32(&stop) == 0) {
        uint64_t limit = 1 + test_below(&worker->seed, 100);
        int rc = resil_bulkhead_reconfigure(&bulkhead, &(struct resil_bulkhead_config){limit});

        PROMISE(rc == RESIL_OK || rc == RESIL_EBUSY);
        worker->acquired += rc == RESIL_OK;
    }
    return NULL;
}

static void racing_reconfigures_are_busy_and_lose_no_call(void **state)
{
    struct worker workers[THREADS], sum;

    (void)state;
    set_up(100);
    for (int i = 0; i < 50; i++)
        assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_OK);
    start(workers, change_limit_too);
    for (uint64_t end_ns = resil_now_ns() + RESIL_MS(test_torture_ms()) / 3;
         resil_now_ns() < end_ns;)
        PROMISE(in_flight() == 50);
    sum = join(workers);
    assert_true(sum.acquired > 0);
    assert_int_equal(in_flight(), 50);
}

/* A wrong program: what is answered with RESIL_OK must still add up. */
static void *release_twice(void *arg)
{
    struct worker *worker = arg;

    while (resil__load_acquire32(&stop) == 0) {
        worker->acquired += resil_bulkhead_acquire(&bulkhead) == RESIL_OK;
        worker->released += resil_bulkhead_release(&bulkhead) == RESIL_OK;
        worker->released += resil_bulkhead_release(&bulkhead) == RESIL_OK;
    }
    return NULL;
}

static void releases_too_many_are_detected_and_change_nothing(void **state)
{
    struct worker workers[THREADS], sum;

    (void)state;
    set_up(LIMIT_MAX);
    start(workers, release_twice);
    run_for(RESIL_MS(test_torture_ms()) / 3);
    sum = join(workers);
    assert_int_equal(sum.acquired - sum.released, in_flight());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_is_never_exceeded),
        cmocka_unit_test(limit_holds_while_it_changes),
        cmocka_unit_test(racing_reconfigures_are_busy_and_lose_no_call),
        cmocka_unit_test(releases_too_many_are_detected_and_change_nothing),
    };

    return cmocka_run_group_tests_name("bulkhead torture", tests, NULL, NULL);
}
