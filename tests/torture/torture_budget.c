/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <pthread.h>
#include <sched.h>

#include <resil/budget.h>
#include <resil/env.h>

#include "base/atomic.h"

#define THREADS 4

static struct resil_budget budget;
static uint32_t started;
static uint32_t stopping;
static uint64_t virtual_ns; /* the clock: each operation moves it by a microsecond */

struct worker {
    pthread_t thread;
    uint64_t seed;
    uint64_t granted;
    uint64_t successes;
    uint64_t refused;
};

/* Runs one kind of worker THREADS times until the time is up, and beside them one other, if any. */
static void torture(struct worker *workers, void *(*work)(void *), void *(*other)(void *))
{
    const struct resil_env *env = resil_env_posix();
    uint64_t end_ns = resil_now_ns() + RESIL_MS(test_torture_ms());
    pthread_t beside;

    resil__store_release32(&started, 0);
    resil__store_release32(&stopping, 0);
    for (uint64_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.seed = test_seed(7) + i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    if (other != NULL)
        assert_int_equal(pthread_create(&beside, NULL, other, NULL), 0);
    resil__store_release32(&started, 1);
    while (resil_now_ns() < end_ns)
        env->wait(env->arg, &stopping, 0, end_ns);
    resil__store_release32(&stopping, 1);
    for (uint64_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    if (other != NULL)
        assert_int_equal(pthread_join(beside, NULL), 0);
}

static void wait_for_start(void)
{
    while (resil__load_acquire32(&started) == 0)
        (void)sched_yield();
}

static bool is_over(void)
{
    return resil__load_acquire32(&stopping) != 0;
}

/* Each earns a whole token before it takes one, so a token must be there whatever the others do. */
static void *earn_then_spend(void *arg)
{
    struct worker *worker = arg;

    wait_for_start();
    while (!is_over()) {
        for (int i = 0; i < 10; i++)
            resil_budget_deposit(&budget, 0);
        worker->successes += 10;
        if (resil_budget_withdraw(&budget, 1, 0) == RESIL_OK)
            worker->granted++;
        else
            worker->refused++;
    }
    return NULL;
}

static void no_token_is_lost_or_made(void **state)
{
    const struct resil_budget_config config = {
        .cap = 1000, .min_tokens = RESIL_OFF, .ttl_ns = RESIL_OFF};
    struct worker workers[THREADS];
    struct resil_budget_snapshot snapshot;

    (void)state;
    assert_int_equal(resil_budget_init(&budget, &config), RESIL_OK);
    assert_int_equal(resil_budget_withdraw(&budget, 1000, 0), RESIL_OK);
    torture(workers, earn_then_spend, NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(workers[i].refused, 0);
        assert_int_equal(workers[i].granted * 10, workers[i].successes);
    }
    assert_int_equal(resil_budget_snapshot(&budget, 0, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.balance_pct, 0);
}

/* Reads the clock, dawdles now and then, and only then operates: its time is old. */
static void *spend_as_much_as_there_is(void *arg)
{
    struct worker *worker = arg;

    wait_for_start();
    while (!is_over()) {
        uint64_t now_ns = resil__add(&virtual_ns, RESIL_US(1));

        if (test_below(&worker->seed, 64) == 0)
            (void)sched_yield();
        if (test_below(&worker->seed, 8) == 0) {
            resil_budget_deposit(&budget, now_ns);
            worker->successes++;
        } else {
            uint64_t cost = 1 + test_below(&worker->seed, 2);

            if (resil_budget_withdraw(&budget, cost, now_ns) == RESIL_OK)
                worker->granted += cost;
        }
    }
    return NULL;
}

/* One token each 100 us, under either config. */
static const struct resil_budget_config small = {
    .cap = 3, .min_tokens = 10, .min_period_ns = RESIL_MS(1), .ttl_ns = RESIL_SEC(3600)};
static const struct resil_budget_config large = {
    .cap = 5, .min_tokens = 20, .min_period_ns = RESIL_MS(2), .ttl_ns = RESIL_SEC(3600)};

static void *reconfigure(void *arg)
{
    (void)arg;
    wait_for_start();
    for (uint64_t i = 0; !is_over(); i++) {
        struct resil_budget_snapshot snapshot;
        uint64_t now_ns = resil__load_acquire(&virtual_ns);

        if (resil_budget_reconfigure(&budget, i % 2 == 0 ? &large : &small, now_ns) != RESIL_OK)
            break;
        (void)resil_budget_snapshot(&budget, now_ns, &snapshot);
    }
    return NULL;
}

static void expect_within_bound(const struct worker *workers, uint64_t cap)
{
    uint64_t granted = 0;
    uint64_t successes = 0;
    uint64_t span_ns = virtual_ns - RESIL_SEC(1);

    for (int i = 0; i < THREADS; i++) {
        granted += workers[i].granted;
        successes += workers[i].successes;
    }
    /* In hundredths of the 100 us that a token takes. */
    assert_true(granted * 100 * 1000 <= cap * 100 * 1000 + successes * 10 * 1000 + span_ns);
    /* It was a hard test only if nearly everything was taken. */
    assert_true(granted * 100 * 1000 * 10 >= (successes * 10 * 1000 + span_ns) * 9);
}

static void bound_holds_under_threads(void **state)
{
    struct worker workers[THREADS];

    (void)state;
    virtual_ns = RESIL_SEC(1);
    assert_int_equal(resil_budget_init(&budget, &small), RESIL_OK);
    torture(workers, spend_as_much_as_there_is, NULL);
    expect_within_bound(workers, 3);
}

static void bound_holds_while_it_is_reconfigured(void **state)
{
    struct worker workers[THREADS];

    (void)state;
    virtual_ns = RESIL_SEC(1);
    assert_int_equal(resil_budget_init(&budget, &small), RESIL_OK);
    torture(workers, spend_as_much_as_there_is, reconfigure);
    expect_within_bound(workers, 5);
    assert_int_equal(resil_budget_reconfigure(&budget, NULL, virtual_ns), RESIL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_token_is_lost_or_made),
        cmocka_unit_test(bound_holds_under_threads),
        cmocka_unit_test(bound_holds_while_it_is_reconfigured),
    };

    return cmocka_run_group_tests_name("torture_budget", tests, NULL, NULL);
}
