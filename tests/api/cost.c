/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a run may cost: no allocation and no system call, whether it succeeds, fails or is refused.
 * Allocations are counted by wrapped functions; system calls are forbidden by the kernel: a child
 * under a seccomp filter that makes any but exit is killed. (Strict mode would forbid reading the
 * clock's counter as well.)
 */
#define _GNU_SOURCE
#include "test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <resil/resil.h>

#define RUNS 2000

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static volatile unsigned allocations;

void *__wrap_malloc(size_t size)
{
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    allocations++;
    return __real_realloc(memory, size);
}

struct world {
    struct resil_timeout timeout;
    struct resil_budget budget;
    struct resil_retry retry;
    struct resil_breaker breaker;
    struct resil_limiter limiter;
    struct resil_bulkhead bulkhead;
    struct resil_policy policies[5];
    struct resil_chain chain;
};

static int build(struct world *world)
{
    int rc = 0;

    rc |= resil_timeout_init(&world->timeout, NULL);
    rc |= resil_budget_init(&world->budget, NULL);
    rc |= resil_retry_init(&world->retry,
                           &(struct resil_retry_config){.attempts = 2, .budget = &world->budget});
    rc |= resil_breaker_init(&world->breaker, &(struct resil_breaker_config){.consecutive = 5});
    rc |= resil_limiter_init(&world->limiter,
                             &(struct resil_limiter_config){.tokens = 1000000, .burst = 500});
    rc |= resil_bulkhead_init(&world->bulkhead, NULL);
    world->policies[0] = resil_timeout_policy(&world->timeout);
    world->policies[1] = resil_retry_policy(&world->retry);
    world->policies[2] = resil_breaker_policy(&world->breaker);
    world->policies[3] = resil_limiter_policy(&world->limiter);
    world->policies[4] = resil_bulkhead_policy(&world->bulkhead);
    return rc | resil_chain_init(&world->chain, world->policies, 5, NULL, 0);
}

/* Answers what its argument says. */
static enum resil_outcome callback(void *arg, struct resil_attempt *attempt)
{
    (void)attempt;
    return *(enum resil_outcome *)arg;
}

/* Successes, then failures that open the breaker, then refusals. */
static unsigned run_all(struct world *world)
{
    enum resil_outcome outcome = RESIL_SUCCESS;
    unsigned refused = 0;

    for (unsigned i = 0; i < RUNS; i++) {
        struct resil_report report;

        if (i == RUNS / 2)
            outcome = RESIL_PERMANENT;
        (void)resil_chain_run(&world->chain, resil_env_posix(), NULL, callback, &outcome, &report);
        refused += report.outcome == RESIL_REFUSED;
    }
    return refused;
}

static void a_run_allocates_nothing(void **state)
{
    static struct world world;
    void *volatile control;
    unsigned before;

    (void)state;
    before = allocations;
    control = malloc(1);
    free(control);
    assert_true(allocations > before);
    before = allocations;
    assert_int_equal(build(&world), 0);
    assert_true(run_all(&world) > 0);
    assert_int_equal(allocations, before);
}

/* From now on any system call but exit kills this process. */
static int forbid_system_calls(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {.len = sizeof rules / sizeof *rules, .filter = rules};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* The status of a child that does the runs, and then perhaps a forbidden call. */
static int child_status(struct world *world, int forbidden)
{
    int status = -1;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (forbid_system_calls() != 0)
            _exit(2);
        if (run_all(world) == 0)
            (void)syscall(SYS_exit, 3);
        if (forbidden)
            (void)syscall(SYS_getpid);
        (void)syscall(SYS_exit, 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void a_run_makes_no_system_call(void **state)
{
    static struct world world;
    int status;

    (void)state;
    assert_int_equal(build(&world), 0);
    /* One run in the parent: the clock and the thread's own data are set up. */
    (void)run_all(&world);
    assert_int_equal(build(&world), 0);

    status = child_status(&world, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void the_check_for_system_calls_finds_one(void **state)
{
    static struct world world;

    (void)state;
    assert_int_equal(build(&world), 0);
    assert_true(WIFSIGNALED(child_status(&world, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_allocates_nothing),
        cmocka_unit_test(a_run_makes_no_system_call),
        cmocka_unit_test(the_check_for_system_calls_finds_one),
    };

    return cmocka_run_group_tests_name("cost", tests, NULL, NULL);
}
