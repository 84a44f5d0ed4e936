/* SPDX-License-Identifier: BSD-2-Clause */

/* A thread of its own: these take milliseconds of real time. */
#define _GNU_SOURCE
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <resil/resil.h>

#include "base/atomic.h"

/* A resolver that counts its ticks and says what it is told to. */
struct counter {
    struct resil_resolver resolver;
    uint64_t ticks;   /* written by the thread */
    uint64_t wait_ns; /* to the next; RESIL_NEVER */
    uint64_t blocked; /* whether SIGINT was, in the thread */
};

static int counter_tick(struct resil_resolver *resolver, uint64_t now_ns, uint64_t *next_ns)
{
    struct counter *counter = (struct counter *)(void *)resolver;
    sigset_t set;

    (void)pthread_sigmask(SIG_BLOCK, NULL, &set);
    resil__store_relaxed(&counter->blocked, sigismember(&set, SIGINT) == 1);
    *next_ns = counter->wait_ns == RESIL_NEVER ? RESIL_NEVER : now_ns + counter->wait_ns;
    (void)resil__add(&counter->ticks, 1);
    return resil_resolver_push(resolver, NULL, 0, now_ns);
}

static int take(void *arg, const struct resil_endpoint *endpoints, size_t n, uint64_t now_ns)
{
    (void)endpoints;
    (void)n;
    (void)now_ns;
    (void)resil__add((uint64_t *)arg, 1);
    return RESIL_OK;
}

static void start_counter(struct counter *counter, uint64_t wait_ns, uint64_t *pushes)
{
    static const struct resil_resolver_ops ops = {
        .size = sizeof ops, .name = "counter", .tick = counter_tick};

    *counter = (struct counter){.wait_ns = wait_ns};
    assert_int_equal(resil_resolver_init(&counter->resolver, &ops), RESIL_OK);
    assert_int_equal(resil_resolver_start(&counter->resolver, take, pushes, NULL, 0), RESIL_OK);
}

static void wait_for(const uint64_t *word, uint64_t least)
{
    while (resil__load_acquire(word) < least)
        (void)sched_yield();
}

static void thread_ticks_when_the_resolver_wants_it(void **state)
{
    struct resil_resolver_driver driver;
    struct counter counter;
    uint64_t pushes = 0;

    (void)state;
    start_counter(&counter, RESIL_MS(2), &pushes);
    assert_int_equal(resil_resolver_driver_start(&driver, &counter.resolver, NULL), RESIL_OK);
    wait_for(&counter.ticks, 3);
    assert_int_equal(resil_resolver_driver_stop(&driver), RESIL_OK);
    assert_int_equal(pushes, counter.ticks);
    assert_true(counter.blocked);
    resil_resolver_stop(&counter.resolver);
}

static void stop_wakes_a_thread_that_waits_for_good(void **state)
{
    struct resil_resolver_driver driver;
    struct counter counter;
    uint64_t pushes = 0;

    (void)state;
    start_counter(&counter, RESIL_NEVER, &pushes);
    for (uint64_t i = 1; i <= 20; i++) {
        assert_int_equal(resil_resolver_driver_start(&driver, &counter.resolver, NULL), RESIL_OK);
        if (i % 2 == 0)
            wait_for(&counter.ticks, i / 2);
        assert_int_equal(resil_resolver_driver_stop(&driver), RESIL_OK);
    }
    assert_int_equal(resil_resolver_driver_stop(&driver), RESIL_OK);
}

/* An environment whose waiting returns at once and notes until when it would have lasted. */
struct hasty {
    struct resil_env env;
    uint64_t shortest_ns;
    uint64_t waits;
};

static uint64_t hasty_now(void *arg)
{
    (void)arg;
    return RESIL_SEC(5);
}

static void hasty_wait(void *arg, uint32_t *word, uint32_t expected, uint64_t until_ns)
{
    struct hasty *hasty = arg;

    (void)word;
    (void)expected;
    if (until_ns - RESIL_SEC(5) < resil__load_relaxed(&hasty->shortest_ns))
        resil__store_relaxed(&hasty->shortest_ns, until_ns - RESIL_SEC(5));
    (void)resil__add(&hasty->waits, 1);
    (void)sched_yield();
}

static void hasty_wake(void *arg, uint32_t *word)
{
    (void)arg;
    (void)word;
}

static void thread_sleeps_though_the_resolver_is_always_due(void **state)
{
    struct hasty hasty = {.shortest_ns = UINT64_MAX};
    struct resil_resolver_driver driver;
    struct counter counter;
    uint64_t pushes = 0;

    (void)state;
    hasty.env = (struct resil_env){.size = sizeof hasty.env,
                                   .arg = &hasty,
                                   .now = hasty_now,
                                   .wait = hasty_wait,
                                   .wake = hasty_wake};
    start_counter(&counter, 0, &pushes);
    assert_int_equal(resil_resolver_driver_start(&driver, &counter.resolver, &hasty.env), RESIL_OK);
    wait_for(&hasty.waits, 3);
    assert_int_equal(resil_resolver_driver_stop(&driver), RESIL_OK);
    assert_int_equal(hasty.shortest_ns, RESIL_MS(1));
}

static void arguments_are_checked(void **state)
{
    struct resil_env env = *resil_env_posix();
    struct resil_resolver_driver driver = {0};
    struct counter counter;
    uint64_t pushes = 0;

    (void)state;
    start_counter(&counter, RESIL_NEVER, &pushes);
    assert_int_equal(resil_resolver_driver_start(NULL, &counter.resolver, NULL), RESIL_EINVAL);
    assert_int_equal(resil_resolver_driver_start(&driver, NULL, NULL), RESIL_EINVAL);
    assert_int_equal(
        resil_resolver_driver_start_sized(&driver, sizeof driver + 8, &counter.resolver, NULL),
        RESIL_EABI);
    env.size--;
    assert_int_equal(resil_resolver_driver_start(&driver, &counter.resolver, &env), RESIL_EABI);
    assert_int_equal(resil_resolver_driver_stop(NULL), RESIL_EINVAL);
    assert_int_equal(resil_resolver_driver_stop(&driver), RESIL_OK);
    assert_int_equal(counter.ticks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thread_ticks_when_the_resolver_wants_it),
        cmocka_unit_test(stop_wakes_a_thread_that_waits_for_good),
        cmocka_unit_test(thread_sleeps_though_the_resolver_is_always_due),
        cmocka_unit_test(arguments_are_checked),
    };

    return cmocka_run_group_tests_name("resolver_driver", tests, NULL, NULL);
}
