/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Interrupted in the middle: a signal handler that calls what is async-signal-safe while the thread
 * that it interrupts is inside the same object, forks while other threads are at work, and the end
 * of the process while they are.
 * `control` takes tokens with a load and a store, and has to fail.
 */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <resil/resil.h>

#define BURST 1000000000

static struct {
    struct resil_bulkhead bulkhead;
    struct resil_breaker breaker;
    struct resil_limiter limiter;
    struct resil_pacer pacer;
    struct resil_budget budget;
} things;

static volatile sig_atomic_t handled;
static uint64_t granted; /* tokens of the limiter */
static bool over;        /* the limit was exceeded, or a call answered what it can't */

static void things_init(void)
{
    int rc = resil_bulkhead_init(&things.bulkhead, &(struct resil_bulkhead_config){.limit = 2});

    rc |= resil_breaker_init(&things.breaker, NULL);
    rc |= resil_limiter_init(&things.limiter,
                             &(struct resil_limiter_config){.tokens = 1, .burst = BURST});
    rc |= resil_pacer_init(&things.pacer, &(struct resil_pacer_config){.tokens = 1000000000});
    rc |= resil_budget_init(&things.budget, NULL);
    assert_int_equal(rc, 0);
}

static bool control;

/* A limiter's acquire; the twin's takes two steps. */
static int take_token(uint64_t now_ns)
{
    struct resil_limiter copy = things.limiter;
    uint64_t retry_at_ns;
    int rc;

    if (!control)
        return resil_limiter_acquire(&things.limiter, 1, now_ns, &retry_at_ns);
    rc = resil_limiter_acquire(&copy, 1, now_ns, &retry_at_ns);
    things.limiter = copy;
    return rc;
}

/* Everything that may be called from a handler, and by the thread that it interrupts. */
static void use_everything(uint64_t now_ns)
{
    struct resil_bulkhead_snapshot snapshot;
    struct resil_permit permit;
    uint64_t retry_at_ns;
    int rc = resil_bulkhead_acquire(&things.bulkhead);

    (void)resil_bulkhead_snapshot(&things.bulkhead, &snapshot);
    if (snapshot.in_flight > 2 || (rc != RESIL_OK && rc != RESIL_EFULL))
        __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    if (take_token(now_ns) == RESIL_OK)
        (void)__atomic_add_fetch(&granted, 1, __ATOMIC_RELAXED);
    if (resil_breaker_acquire(&things.breaker, now_ns, &permit) == RESIL_OK)
        (void)resil_breaker_record(&things.breaker, &permit, now_ns,
                                   &(struct resil_result){.outcome = RESIL_SUCCESS});
    else
        __atomic_store_n(&over, true, __ATOMIC_RELAXED);
    (void)resil_pacer_acquire(&things.pacer, 1, now_ns, &retry_at_ns);
    resil_budget_deposit(&things.budget, now_ns);
    (void)resil_budget_withdraw(&things.budget, 1, now_ns);
    if (rc == RESIL_OK && resil_bulkhead_release(&things.bulkhead) != RESIL_OK)
        __atomic_store_n(&over, true, __ATOMIC_RELAXED);
}

static void handler(int number)
{
    int saved = errno;

    (void)number;
    handled++;
    use_everything(resil_now_ns());
    errno = saved;
}

static void a_signal_handler_may_call_in(void **state)
{
    const struct itimerval fast = {{0, 50}, {0, 50}}, off = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct resil_bulkhead_snapshot snapshot;
    struct resil_limiter_snapshot limiter;
    uint64_t begin_ns = resil_now_ns(), end_ns = begin_ns + RESIL_MS(test_torture_ms());

    (void)state;
    things_init();
    (void)sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &fast, NULL), 0);
    while (resil_now_ns() < end_ns || handled < 20)
        use_everything(resil_now_ns());
    assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
    (void)signal(SIGALRM, SIG_DFL);
    assert_false(over);
    assert_int_equal(resil_bulkhead_snapshot(&things.bulkhead, &snapshot), 0);
    assert_int_equal(snapshot.in_flight, 0);
    /* Each token was given once: what is left and what was given are what there was. */
    resil_limiter_snapshot(&things.limiter, begin_ns, &limiter);
    assert_in_range(granted + limiter.available, BURST - 1, BURST);
}

static struct resil_balancer balancer;
static struct resil_chain chain;
static bool stop;

static enum resil_outcome serve(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_SUCCESS;
}

static const struct resil_endpoint endpoints[] = {
    {.address = "a", .weight = 1}, {.address = "b", .weight = 1}, {.address = "c", .weight = 1}};

static void *work(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        (void)resil_chain_run(&chain, resil_env_posix(), NULL, serve, NULL, NULL);
        if (test_below(&seed, 64) == 0)
            (void)resil_balancer_update(&balancer, endpoints, 2 + (size_t)test_below(&seed, 2),
                                        resil_now_ns());
    }
    return NULL;
}

/* A child that hangs is ended by its alarm. */
static void live_on(void)
{
    struct resil_bulkhead fresh;
    struct resil_policy policy = resil_bulkhead_policy(&fresh);
    struct resil_chain own;

    (void)alarm(30);
    for (unsigned i = 0; i < 20; i++)
        if (resil_chain_run(&chain, resil_env_posix(), NULL, serve, NULL, NULL) == RESIL_EINVAL)
            _exit(2);
    if (resil_bulkhead_init(&fresh, NULL) != 0 ||
        resil_chain_init(&own, &policy, 1, NULL, 0) != 0 ||
        resil_chain_run(&own, resil_env_tsc(), NULL, serve, NULL, NULL) != RESIL_OK)
        _exit(3);
    _exit(0);
}

static void a_fork_in_the_middle_leaves_both_sides_whole(void **state)
{
    static struct resil_bulkhead bulkhead;
    static struct resil_policy policies[2];
    struct resil_bulkhead_snapshot snapshot;
    pthread_t threads[3];

    (void)state;
    assert_int_equal(resil_bulkhead_init(&bulkhead, NULL), 0);
    assert_int_equal(resil_balancer_init(&balancer, NULL), 0);
    assert_int_equal(resil_balancer_update(&balancer, endpoints, 3, resil_now_ns()), 0);
    policies[0] = resil_bulkhead_policy(&bulkhead);
    policies[1] = resil_balancer_policy(&balancer);
    assert_int_equal(resil_chain_init(&chain, policies, 2, NULL, 0), 0);
    for (uintptr_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    for (unsigned i = 0; i < 50; i++) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0)
            live_on();
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), 0);
    assert_int_equal(snapshot.in_flight, 0);
    assert_int_equal(resil_balancer_fini(&balancer), 0);
}

static _Noreturn void *work_for_ever(void *arg)
{
    for (;;)
        (void)work(arg);
}

/* Called by exit, while the others go on. */
static void use_at_exit(void)
{
    for (unsigned i = 0; i < 20; i++)
        if (resil_chain_run(&chain, resil_env_posix(), NULL, serve, NULL, NULL) == RESIL_EINVAL)
            _exit(4);
}

static bool ends_amid_threads;

/* Destructors of a low number come last: what others have taken down by now is used once more. */
__attribute__((destructor(101))) static void use_at_the_very_end(void)
{
    if (!ends_amid_threads)
        return;
    use_at_exit();
    (void)usleep(2000);
}

static _Noreturn void end_amid_threads(void)
{
    pthread_attr_t attr;
    pthread_t thread;

    (void)alarm(30);
    stop = false;
    ends_amid_threads = true;
    if (atexit(use_at_exit) != 0 || pthread_attr_init(&attr) != 0 ||
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) != 0)
        _exit(5);
    for (uintptr_t i = 0; i < 3; i++)
        if (pthread_create(&thread, &attr, work_for_ever, (void *)(i + 1)) != 0)
            _exit(6);
    (void)usleep(2000);
    exit(0);
}

/* The library has no destructors and no exit handlers: nothing is taken from under the threads. */
static void a_process_may_end_while_threads_are_inside(void **state)
{
    static struct resil_policy policy;

    (void)state;
    assert_int_equal(resil_balancer_init(&balancer, NULL), 0);
    assert_int_equal(resil_balancer_update(&balancer, endpoints, 3, resil_now_ns()), 0);
    policy = resil_balancer_policy(&balancer);
    assert_int_equal(resil_chain_init(&chain, &policy, 1, NULL, 0), 0);
    for (unsigned i = 0; i < 20; i++) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0)
            end_amid_threads();
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    assert_int_equal(resil_balancer_fini(&balancer), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_handler_may_call_in),
        cmocka_unit_test(a_fork_in_the_middle_leaves_both_sides_whole),
        cmocka_unit_test(a_process_may_end_while_threads_are_inside),
    };

    (void)argv;
    control = argc > 1;
    return cmocka_run_group_tests_name("inside", tests, NULL, NULL);
}
