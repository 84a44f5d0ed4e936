/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Who holds something and doesn't come back: processes that are killed over a shared mapping, and
 * operations that never report. What stays behind is the permits of bulkheads, one a caller, which
 * the snapshot shows; the rest recovers. `control` lets leases last a day, and has to fail.
 */
#define _GNU_SOURCE
#include "things.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct things *shared_things(void)
{
    struct things *things =
        mmap(NULL, sizeof *things, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(things, MAP_FAILED);
    things_init(things);
    return things;
}

static _Noreturn enum resil_outcome tell_and_hang(void *arg, struct resil_attempt *attempt)
{
    struct things *things = arg;

    (void)attempt;
    __atomic_store_n(&things->ready, 1, __ATOMIC_RELEASE);
    for (;;)
        (void)pause();
}

static void kill_child(pid_t child)
{
    int status;

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void a_killed_probe_costs_its_permit_alone(void **state)
{
    struct things *things = shared_things();
    struct virtual_env env;
    pid_t child;

    (void)state;
    virtual_env_init(&env, RESIL_SEC(1));
    open_the_breaker(&env);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(60);
        (void)resil_chain_run(&chain, &env.env, NULL, tell_and_hang, things, NULL);
        _exit(1);
    }
    while (__atomic_load_n(&things->ready, __ATOMIC_ACQUIRE) == 0)
        (void)usleep(100);
    /* It has the only probe. */
    assert_int_equal(resil_chain_run(&chain, &env.env, NULL, succeed, NULL, NULL), RESIL_EOPEN);
    kill_child(child);
    assert_int_equal(in_flight(things), 1);
    expect_recovery(things, &env);
    assert_int_equal(in_flight(things), 1);
    resil_bulkhead_reset(&things->bulkhead);
    assert_int_equal(in_flight(things), 0);
    (void)munmap(things, sizeof *things);
}

/* Killed anywhere, inside of the library's own functions too. */
static void processes_killed_anywhere_cost_a_permit_each_at_most(void **state)
{
    enum {
        KILLS = 100
    };
    struct things *things = shared_things();
    uint64_t seed = test_seed(1), lost = 0, now_ns;
    struct virtual_env env;

    (void)state;
    assert_int_equal(resil_bulkhead_reconfigure(
                         &things->bulkhead, &(struct resil_bulkhead_config){.limit = KILLS + 1}),
                     0);
    for (unsigned i = 0; i < KILLS; i++) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            (void)alarm(60);
            for (uint64_t n = 0;; n++)
                (void)resil_chain_run(&chain, resil_env_posix(), NULL,
                                      n % 7 == 0 ? be_down : succeed, NULL, NULL);
        }
        (void)usleep((useconds_t)test_below(&seed, 2000));
        kill_child(child);
        assert_in_range(in_flight(things), lost, lost + 1);
        lost = in_flight(things);
    }
    now_ns = resil_now_ns();
    virtual_env_init(&env, now_ns);
    expect_recovery(things, &env);
    assert_int_equal(in_flight(things), lost);
    (void)munmap(things, sizeof *things);
}

/* A hundred operations that nobody hears of again: a deadline ends their calls, and a timeout. */
static void what_never_reports_is_ended_by_its_time(void **state)
{
    static struct things things;
    static struct resil_timeout timeout;
    struct resil_policy outer[6] = {resil_timeout_policy(&timeout)};
    struct resil_request request = {.deadline_ns = RESIL_SEC(2) + RESIL_MS(20)};
    struct virtual_env env;
    static struct resil_call calls[20];
    struct resil_step step;

    (void)state;
    things_init(&things);
    memcpy(outer + 1, policies, sizeof policies);
    assert_int_equal(
        resil_timeout_init(&timeout, &(struct resil_timeout_config){.timeout_ns = RESIL_MS(10)}),
        0);
    for (unsigned round = 0; round < 2; round++) {
        uint64_t start_ns = RESIL_SEC(1 + round), late_ns = start_ns + RESIL_MS(30);

        assert_int_equal(resil_chain_init(&chain, outer + round, 6 - round, NULL, 0), 0);
        for (unsigned i = 0; i < 20; i++) {
            uint64_t now_ns = start_ns + RESIL_US(i); /* the pacer's gap */

            assert_int_equal(
                resil_call_begin(&calls[i], &chain, round == 0 ? NULL : &request, now_ns, i), 0);
            assert_int_equal(resil_call_step(&calls[i], now_ns, &step), RESIL_STEP_CALL);
            assert_int_equal(resil_call_step(&calls[i], now_ns, &step), RESIL_STEP_WAIT);
            assert_int_equal(step.wake_ns,
                             round == 0 ? now_ns + RESIL_MS(10) : request.deadline_ns);
        }
        assert_int_equal(in_flight(&things), 20);
        for (unsigned i = 0; i < 20; i++) {
            assert_int_equal(resil_call_step(&calls[i], late_ns, &step), RESIL_STEP_ABORT);
            assert_int_equal(resil_call_step(&calls[i], late_ns, &step), RESIL_STEP_DONE);
        }
        assert_int_equal(in_flight(&things), 0);
        assert_int_equal(resil_breaker_reset(&things.breaker), 0);
    }
    virtual_env_init(&env, RESIL_SEC(3));
    expect_recovery(&things, &env);
}

/* Permits that never come back, of a breaker used by hand: each lease that ends is another probe. */
static void a_probe_that_never_reports_is_given_to_another(void **state)
{
    static struct things things;
    struct virtual_env env;
    struct resil_permit permit;

    (void)state;
    things_init(&things);
    virtual_env_init(&env, RESIL_SEC(1));
    open_the_breaker(&env);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(resil_breaker_acquire(&things.breaker, env.now_ns, &permit), 0);
        assert_int_equal(resil_breaker_acquire(&things.breaker, env.now_ns, &permit), RESIL_EOPEN);
        env.now_ns += LEASE_NS;
    }
    expect_recovery(&things, &env);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_probe_costs_its_permit_alone),
        cmocka_unit_test(processes_killed_anywhere_cost_a_permit_each_at_most),
        cmocka_unit_test(what_never_reports_is_ended_by_its_time),
        cmocka_unit_test(a_probe_that_never_reports_is_given_to_another),
    };

    (void)argv;
    if (argc > 1)
        lease_ns = RESIL_SEC(86400);
    return cmocka_run_group_tests_name("left behind", tests, NULL, NULL);
}
