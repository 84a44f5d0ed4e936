/* SPDX-License-Identifier: BSD-2-Clause */

/* Threads against the promises of the leased bulkhead: never above the limit, all permits back. */
#include "test.h"

#include <pthread.h>

#include <resil/env.h>
#include <resil/leased_bulkhead.h>

#include "base/atomic.h"

#define THREADS 4
#define LIMIT   64
#define HELD    32 /* by one thread: together they want twice the limit */

struct worker {
    pthread_t thread;
    uint64_t random;
    uint64_t entered;
};

static struct resil_bulkhead bulkhead;
static struct resil_leased_bulkhead leased;
static uint32_t inside;   /* calls that are really in flight */
static uint32_t handed;   /* permits whose holders left the release to others */
static uint64_t in_force; /* number of the change << 32 | limit; 0 while it is being changed */
static uint32_t stop;
static uint32_t broken; /* line of the first promise that was broken; 0 = none */

static void promise(bool kept, uint32_t line)
{
    uint32_t none = 0;

    if (!kept)
        (void)resil__cas32(&broken, &none, line);
}

#define PROMISE(condition) promise((condition), (uint32_t)__LINE__)

static void set_up(void)
{
    struct resil_leased_bulkhead_config config = {.stripes = 2};

    assert_int_equal(
        resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = LIMIT}), RESIL_OK);
    assert_int_equal(resil_leased_bulkhead_init(&leased, &bulkhead, &config), RESIL_OK);
    inside = handed = stop = 0;
    in_force = UINT64_C(1) << 32 | LIMIT;
}

static void leave(void)
{
    (void)resil__sub32(&inside, 1);
    PROMISE(resil_leased_bulkhead_release(&leased) == RESIL_OK);
}

/* Releases a permit that another thread left, if there is one. */
static void leave_for_another(void)
{
    uint32_t left = resil__load_relaxed32(&handed);

    if (left != 0 && resil__cas32(&handed, &left, left - 1))
        leave();
}

static void *fill_and_empty(void *arg)
{
    struct worker *worker = arg;

    while (resil__load_acquire32(&stop) == 0) {
        uint32_t held = 0;

        for (uint64_t i = 1 + test_below(&worker->random, HELD); i > 0; i--) {
            uint64_t force = resil__load_seq(&in_force);
            uint32_t others;

            if (resil_leased_bulkhead_acquire(&leased) != RESIL_OK)
                break;
            held++;
            others = resil__add32(&inside, 1);
            if (force != 0 && resil__load_seq(&in_force) == force)
                PROMISE(others < (uint32_t)force);
        }
        worker->entered += held;
        if (held != 0 && test_below(&worker->random, 4) == 0) {
            (void)resil__add32(&handed, 1);
            held--;
        }
        while (held-- > 0)
            leave();
        leave_for_another();
    }
    return NULL;
}

static void start(struct worker *workers)
{
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.random = test_seed(99) + i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, fill_and_empty, &workers[i]), 0);
    }
}

static void join(struct worker *workers)
{
    uint64_t entered = 0;

    resil__store_release32(&stop, 1);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        entered += workers[i].entered;
    }
    while (handed != 0)
        leave_for_another();
    assert_int_equal(resil__load_acquire32(&broken), 0);
    assert_true(entered > 0);
}

static void assert_all_back(void)
{
    struct resil_leased_bulkhead_snapshot snapshot;
    struct resil_bulkhead_snapshot word;

    assert_int_equal(resil_leased_bulkhead_snapshot(&leased, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.in_flight, 0);
    assert_true(snapshot.leased <= LIMIT);
    for (uint64_t i = 0; i < snapshot.limit; i++)
        assert_int_equal(resil_leased_bulkhead_acquire(&leased), RESIL_OK);
    assert_int_equal(resil_leased_bulkhead_acquire(&leased), RESIL_EFULL);
    for (uint64_t i = 0; i < snapshot.limit; i++)
        assert_int_equal(resil_leased_bulkhead_release(&leased), RESIL_OK);
    resil_leased_bulkhead_flush(&leased);
    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &word), RESIL_OK);
    assert_int_equal(word.in_flight, 0);
}

static void limit_is_never_exceeded(void **state)
{
    struct worker workers[THREADS];
    struct resil_bulkhead_snapshot word;
    uint64_t end_ns = resil_now_ns() + RESIL_MS(test_torture_ms());

    (void)state;
    set_up();
    start(workers);
    while (resil_now_ns() < end_ns) {
        (void)resil_bulkhead_snapshot(&bulkhead, &word);
        PROMISE(word.in_flight <= LIMIT);
    }
    join(workers);
    assert_all_back();
}

/* Lowered below what is in flight, a limit must drain: who comes after the change gets in only when
   fewer calls are in flight. */
static void changes_of_the_limit_lose_nothing(void **state)
{
    struct worker workers[THREADS];
    uint64_t random = test_seed(5), changes = 1;
    uint64_t end_ns = resil_now_ns() + RESIL_MS(test_torture_ms());

    (void)state;
    set_up();
    start(workers);
    while (resil_now_ns() < end_ns) {
        struct resil_bulkhead_config config = {.limit = 1 + test_below(&random, LIMIT)};

        resil__store_seq(&in_force, 0);
        PROMISE(resil_bulkhead_reconfigure(&bulkhead, &config) == RESIL_OK);
        resil__store_seq(&in_force, ++changes << 32 | config.limit);
        if (test_below(&random, 4) == 0)
            resil_leased_bulkhead_flush(&leased);
        for (int i = 0; i < 2000 && resil__load_relaxed32(&inside) > config.limit; i++)
            ;
    }
    join(workers);
    assert_all_back();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_is_never_exceeded),
        cmocka_unit_test(changes_of_the_limit_lose_nothing),
    };

    return cmocka_run_group_tests_name("leased bulkhead torture", tests, NULL, NULL);
}
