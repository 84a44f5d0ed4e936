/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Threads that really sleep, against the promises of the queue: never above the limit, nobody
 * asleep beside a free permit, nothing lost to a timeout or a cancel.
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>

#include <resil/env.h>
#include <resil/queue.h>

#include "base/atomic.h"

#define THREADS   4
#define LIMIT_MAX 2

struct worker {
    pthread_t thread;
    uint64_t seed;
    uint64_t passed, refused, cancelled;
};

static struct resil_bulkhead bulkhead;
static struct resil_queue queue;
static uint32_t inside;  /* calls that are really in flight */
static uint32_t arrived; /* at the barrier, over all rounds */
static uint32_t stop;
static uint32_t broken; /* line of the first promise that was broken; 0 = none */

static void promise(bool kept, uint32_t line)
{
    uint32_t none = 0;

    if (!kept)
        (void)resil__cas32(&broken, &none, line);
}

#define PROMISE(condition) promise((condition), (uint32_t)__LINE__)

static void set_up(uint64_t limit, struct resil_queue_config config)
{
    assert_int_equal(
        resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = limit}), RESIL_OK);
    assert_int_equal(resil_queue_init(&queue, &bulkhead, &config), RESIL_OK);
    resil__store_release32(&inside, 0);
    resil__store_release32(&arrived, 0);
    resil__store_release32(&stop, 0);
}

static void start(struct worker *workers, void *(*body)(void *))
{
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.seed = test_seed(77) + i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
    }
}

/* Ends the queue; its counters are in *counts. */
static struct worker join(struct worker *workers, struct resil_queue_snapshot *counts)
{
    struct worker sum = {0};
    struct resil_bulkhead_snapshot snapshot;

    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        sum.passed += workers[i].passed;
        sum.refused += workers[i].refused;
        sum.cancelled += workers[i].cancelled;
    }
    assert_int_equal(resil__load_acquire32(&broken), 0);
    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.in_flight, 0);
    assert_int_equal(resil_queue_snapshot(&queue, counts), RESIL_OK);
    assert_int_equal(counts->waiting, 0);
    assert_int_equal(resil_queue_fini(&queue), RESIL_OK);
    return sum;
}

static void work(struct worker *worker)
{
    PROMISE(resil__add32(&inside, 1) < LIMIT_MAX);
    for (uint64_t i = test_below(&worker->seed, 100); i > 0; i--)
        PROMISE(resil__load_relaxed32(&inside) <= LIMIT_MAX);
    if (test_below(&worker->seed, 8) == 0)
        (void)sched_yield();
    (void)resil__sub32(&inside, 1);
}

static void ring(void *arg)
{
    uint32_t *word = arg;

    (void)resil__add32(word, 1);
    resil_env_posix()->wake(NULL, word);
}

/* By hand. Nothing but the wake ends this sleep in less than ten seconds. */
static void pass_once(struct worker *worker)
{
    uint32_t word = 0, seen = 0;
    struct resil_ticket ticket = {.wake = ring, .wake_arg = &word};
    uint64_t give_up_ns = resil_now_ns() + RESIL_SEC(10);
    int rc = resil_queue_enter(&queue, &ticket, resil_now_ns());

    while (rc == RESIL_WAIT) {
        resil_env_posix()->wait(NULL, &word, seen, give_up_ns);
        PROMISE(resil_now_ns() < give_up_ns);
        seen = resil__load_acquire32(&word);
        rc = resil_queue_confirm(&queue, &ticket, resil_now_ns());
    }
    PROMISE(rc == RESIL_OK);
    work(worker);
    PROMISE(resil_queue_release(&queue) == RESIL_OK);
    worker->passed++;
}

/* Waits until every thread is through: until then nobody comes along who would mend a lost
   wake-up. */
static void meet(uint32_t round)
{
    (void)resil__add32(&arrived, 1);
    while (resil__load_acquire32(&arrived) < (round + 1) * THREADS &&
           resil__load_acquire32(&broken) == 0)
        (void)sched_yield();
}

static void *pass_in_rounds(void *arg)
{
    uint64_t end_ns = resil_now_ns() + RESIL_MS(test_torture_ms());

    for (uint32_t round = 0;; round++) {
        pass_once(arg);
        if (resil_now_ns() >= end_ns)
            resil__store_release32(&stop, 1);
        meet(2 * round);
        /* Nobody may leave in the round in which somebody stays. */
        if (resil__load_acquire32(&stop) != 0 || resil__load_acquire32(&broken) != 0)
            return NULL;
        meet(2 * round + 1);
    }
}

static void rounds(uint64_t limit, bool lifo)
{
    struct worker workers[THREADS];
    struct resil_queue_snapshot counts;

    set_up(limit, (struct resil_queue_config){.wait_ns = RESIL_SEC(3600), .lifo = lifo});
    start(workers, pass_in_rounds);
    assert_true(join(workers, &counts).passed >= THREADS);
}

static void nobody_sleeps_beside_a_free_permit(void **state)
{
    (void)state;
    rounds(1, false);
    rounds(2, false);
    rounds(1, true);
}

/* Through the policy, as the blocking way through a chain does it. Returns the last verdict. */
static int drive(struct worker *worker, const struct resil_policy_ops *ops, uint64_t *frame,
                 struct resil_walk *walk)
{
    const struct resil_env *env = resil_env_posix();
    uint64_t cancel_ns = walk->now_ns + test_below(&worker->seed, RESIL_MS(2));
    uint32_t seen = 0;
    int verdict = ops->admit(&queue, frame, walk);

    while (verdict == RESIL_WAIT) {
        bool cancels = cancel_ns < walk->wake_ns;

        env->wait(NULL, &walk->wake_word_, seen, cancels ? cancel_ns : walk->wake_ns);
        walk->now_ns = resil_now_ns();
        seen = resil__load_acquire32(&walk->wake_word_);
        if (walk->now_ns >= cancel_ns)
            return RESIL_ECANCELLED;
        verdict = ops->resume(&queue, frame, walk);
    }
    return verdict;
}

static void *come_and_go(void *arg)
{
    struct worker *worker = arg;
    const struct resil_policy_ops *ops = resil_queue_policy(&queue).ops;
    const struct resil_request request = {0};

    while (resil__load_acquire32(&stop) == 0) {
        struct resil_walk walk = {.request = &request, .env_ = resil_env_posix()};
        uint64_t frame[7];
        int verdict;

        walk.now_ns = resil_now_ns();
        walk.attempt.deadline_ns = walk.now_ns + test_below(&worker->seed, RESIL_MS(2));
        verdict = drive(worker, ops, frame, &walk);
        if (verdict == RESIL_PASS) {
            work(worker);
            if (test_below(&worker->seed, 4) == 0)
                (void)ops->abandon(&queue, frame, &walk);
            else
                (void)ops->settle(&queue, frame, &walk);
            worker->passed++;
        } else if (verdict == RESIL_ECANCELLED) {
            (void)ops->abandon(&queue, frame, &walk);
            worker->cancelled++;
        } else {
            PROMISE(verdict == RESIL_EFULL);
            worker->refused++;
        }
        memset(&walk, 0xff, sizeof walk); /* a wake after this would crash */
    }
    return NULL;
}

static void nothing_is_lost(bool lifo)
{
    struct worker workers[THREADS], sum;
    struct resil_queue_snapshot counts;
    uint64_t seed = test_seed(3);
    uint64_t end_ns = resil_now_ns() + RESIL_MS(test_torture_ms());

    set_up(1, (struct resil_queue_config){.length = 2, .wait_ns = RESIL_US(200), .lifo = lifo});
    start(workers, come_and_go);
    while (resil_now_ns() < end_ns) {
        struct resil_bulkhead_config config = {.limit = 1 + test_below(&seed, LIMIT_MAX)};

        PROMISE(resil_bulkhead_reconfigure(&bulkhead, &config) == RESIL_OK);
        resil_queue_wake(&queue);
        (void)sched_yield();
    }
    resil__store_release32(&stop, 1);
    sum = join(workers, &counts);
    assert_true(sum.passed > 0);
    assert_true(counts.granted <= sum.passed + sum.cancelled);
    assert_true(counts.expired + counts.dropped <= sum.refused + sum.cancelled);
    assert_true(counts.granted + counts.expired + counts.dropped <= counts.entered);
    assert_true(counts.entered <= counts.granted + counts.expired + counts.dropped + sum.cancelled);
}

static void nothing_is_lost_to_timeouts_cancels_and_limits(void **state)
{
    (void)state;
    nothing_is_lost(false);
    nothing_is_lost(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_sleeps_beside_a_free_permit),
        cmocka_unit_test(nothing_is_lost_to_timeouts_cancels_and_limits),
    };

    return cmocka_run_group_tests_name("queue torture", tests, NULL, NULL);
}
