/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Who holds something and doesn't come back: processes that are killed over a shared mapping, a
 * longjmp through resil_chain_run, cancelled threads, operations that never report. What stays
 * behind is the permits of bulkheads, one a caller, which the snapshot shows; the rest recovers.
 * `control` lets leases last a day, and has to fail.
 */
#define _GNU_SOURCE
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <resil/resil.h>

#include "virtual_env.h"

#define LEASE_NS RESIL_MS(10)
#define OPEN_NS  RESIL_MS(5)

struct things {
    struct resil_bulkhead bulkhead;
    struct resil_breaker breaker;
    struct resil_limiter limiter;
    struct resil_window window;
    struct resil_pacer pacer;
    struct resil_budget budget;
    uint32_t ready;
};

static uint64_t lease_ns = LEASE_NS;
static struct resil_policy policies[5];
static struct resil_chain chain;

static void things_init(struct things *things)
{
    int rc = resil_bulkhead_init(&things->bulkhead, NULL);

    rc |= resil_breaker_init(&things->breaker,
                             &(struct resil_breaker_config){.consecutive = 1,
                                                            .open_ns = OPEN_NS,
                                                            .jitter_pct = RESIL_OFF,
                                                            .open_factor_pct = 100,
                                                            .probes = 1,
                                                            .probe_gap_ns = RESIL_OFF,
                                                            .probe_lease_ns = lease_ns});
    rc |= resil_limiter_init(&things->limiter, &(struct resil_limiter_config){.tokens = 1000000});
    rc |= resil_window_init(&things->window, &(struct resil_window_config){.limit = 1000000});
    rc |= resil_pacer_init(&things->pacer, &(struct resil_pacer_config){.tokens = 1000000000});
    rc |= resil_budget_init(&things->budget, NULL);
    assert_int_equal(rc, 0);
    policies[0] = resil_bulkhead_policy(&things->bulkhead);
    policies[1] = resil_breaker_policy(&things->breaker);
    policies[2] = resil_limiter_policy(&things->limiter);
    policies[3] = resil_window_policy(&things->window);
    policies[4] = resil_pacer_policy(&things->pacer);
    assert_int_equal(resil_chain_init(&chain, policies, 5, NULL, 0), 0);
}

static uint64_t in_flight(const struct things *things)
{
    struct resil_bulkhead_snapshot snapshot;

    assert_int_equal(resil_bulkhead_snapshot(&things->bulkhead, &snapshot), 0);
    return snapshot.in_flight;
}

static enum resil_outcome succeed(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_SUCCESS;
}

static enum resil_outcome be_down(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_FAILURE;
}

/* Within what the open time and the lease take, calls go through and the breaker is closed. */
static void expect_recovery(struct things *things, struct virtual_env *env)
{
    struct resil_breaker_snapshot snapshot;

    for (unsigned i = 0; i < 8; i++) {
        env->now_ns += LEASE_NS;
        (void)resil_chain_run(&chain, &env->env, NULL, succeed, NULL, NULL);
    }
    assert_int_equal(resil_chain_run(&chain, &env->env, NULL, succeed, NULL, NULL), RESIL_OK);
    assert_int_equal(resil_breaker_snapshot(&things->breaker, env->now_ns, &snapshot), 0);
    assert_int_equal(snapshot.state, RESIL_BREAKER_CLOSED);
}

static void open_the_breaker(struct virtual_env *env)
{
    assert_int_equal(resil_chain_run(&chain, &env->env, NULL, be_down, NULL, NULL), RESIL_EFAILED);
    assert_int_equal(resil_chain_run(&chain, &env->env, NULL, be_down, NULL, NULL), RESIL_EOPEN);
    env->now_ns += OPEN_NS * 2;
}

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

static jmp_buf out;

static _Noreturn enum resil_outcome jump(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    longjmp(out, 1);
}

static void a_longjmp_through_run_costs_its_permit_alone(void **state)
{
    static struct things things;
    static struct virtual_env env;

    (void)state;
    things_init(&things);
    virtual_env_init(&env, RESIL_SEC(1));
    open_the_breaker(&env);
    if (setjmp(out) == 0) {
        (void)resil_chain_run(&chain, &env.env, NULL, jump, NULL, NULL);
        fail_msg("the callback returned");
    }
    assert_int_equal(in_flight(&things), 1);
    expect_recovery(&things, &env);
    assert_int_equal(in_flight(&things), 1);
    /* It has left no trace in the stack, either. */
    assert_int_equal(resil_bulkhead_release(&things.bulkhead), 0);
}

static void jump_from_a_loop(struct resil_call *call, uint64_t now_ns)
{
    struct resil_step step;

    assert_int_equal(resil_call_begin(call, &chain, NULL, now_ns, 1), 0);
    assert_int_equal(resil_call_step(call, now_ns, &step), RESIL_STEP_CALL);
    longjmp(out, 1);
}

static void after_a_longjmp_cancel_gives_back_everything(void **state)
{
    static struct things things;
    static struct virtual_env env;
    static struct resil_call call;
    struct resil_step step;

    (void)state;
    things_init(&things);
    virtual_env_init(&env, RESIL_SEC(1));
    open_the_breaker(&env);
    if (setjmp(out) == 0)
        jump_from_a_loop(&call, env.now_ns);
    assert_int_equal(in_flight(&things), 1);
    assert_int_equal(resil_call_cancel(&call, env.now_ns), 0);
    assert_int_equal(resil_call_step(&call, env.now_ns, &step), RESIL_STEP_ABORT);
    assert_int_equal(resil_call_step(&call, env.now_ns, &step), RESIL_STEP_DONE);
    assert_int_equal(in_flight(&things), 0);
    /* The probe is free again, without a wait for its lease. */
    assert_int_equal(resil_chain_run(&chain, &env.env, NULL, succeed, NULL, NULL), RESIL_OK);
}

struct cancelled {
    struct things *things;
    struct resil_call call;
    uint64_t now_ns;
    uint32_t ready;
};

static void cancel_call(void *arg)
{
    struct cancelled *self = arg;

    assert_int_equal(resil_call_cancel(&self->call, self->now_ns), 0);
}

static void *drive_and_hang(void *arg)
{
    struct cancelled *self = arg;
    struct resil_step step;

    assert_int_equal(resil_call_begin(&self->call, &chain, NULL, self->now_ns, 1), 0);
    pthread_cleanup_push(cancel_call, self);
    assert_int_equal(resil_call_step(&self->call, self->now_ns, &step), RESIL_STEP_CALL);
    __atomic_store_n(&self->ready, 1, __ATOMIC_RELEASE);
    for (;;)
        (void)pause();
    pthread_cleanup_pop(1);
    return NULL;
}

static void release_permit(void *arg)
{
    assert_int_equal(resil_bulkhead_release(arg), 0);
}

static void *hold_and_hang(void *arg)
{
    struct cancelled *self = arg;

    assert_int_equal(resil_bulkhead_acquire(&self->things->bulkhead), 0);
    pthread_cleanup_push(release_permit, &self->things->bulkhead);
    __atomic_store_n(&self->ready, 1, __ATOMIC_RELEASE);
    for (;;)
        (void)pause();
    pthread_cleanup_pop(1);
    return NULL;
}

static void cleanup_handlers_of_cancelled_threads_give_back(void **state)
{
    static struct things things;
    void *(*const bodies[])(void *) = {drive_and_hang, hold_and_hang};

    (void)state;
    things_init(&things);
    for (unsigned i = 0; i < 20; i++) {
        struct cancelled self = {.things = &things, .now_ns = RESIL_SEC(1 + i)};
        pthread_t thread;
        void *result;

        assert_int_equal(pthread_create(&thread, NULL, bodies[i % 2], &self), 0);
        while (__atomic_load_n(&self.ready, __ATOMIC_ACQUIRE) == 0)
            (void)usleep(100);
        assert_int_equal(in_flight(&things), 1);
        assert_int_equal(pthread_cancel(thread), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, PTHREAD_CANCELED);
        assert_int_equal(in_flight(&things), 0);
    }
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
        cmocka_unit_test(a_longjmp_through_run_costs_its_permit_alone),
        cmocka_unit_test(after_a_longjmp_cancel_gives_back_everything),
        cmocka_unit_test(cleanup_handlers_of_cancelled_threads_give_back),
        cmocka_unit_test(what_never_reports_is_ended_by_its_time),
        cmocka_unit_test(a_probe_that_never_reports_is_given_to_another),
    };

    (void)argv;
    if (argc > 1)
        lease_ns = RESIL_SEC(86400);
    return cmocka_run_group_tests_name("left behind", tests, NULL, NULL);
}
