/* SPDX-License-Identifier: BSD-2-Clause */

/* The system's environment. What it promises about time can't be proven here, only that it keeps
   still. */
#include "test.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <resil/resil.h>

#include "base/atomic.h"

static const struct resil_env *env;

static void the_clock_never_goes_back(void **state)
{
    uint64_t last = resil_now_ns();

    (void)state;
    assert_true(last > 0);
    for (int i = 0; i < 10000; i++) {
        uint64_t now = env->now(env->arg);

        assert_true(now >= last);
        last = now;
    }
}

static void the_table_is_complete(void **state)
{
    (void)state;
    assert_int_equal(env->size, sizeof *env);
    assert_non_null(env->now);
    assert_non_null(env->random);
    assert_non_null(env->wait);
    assert_non_null(env->wake);
}

static void random_numbers_differ(void **state)
{
    uint64_t first = env->random(env->arg);
    uint64_t second = env->random(env->arg);

    (void)state;
    assert_true(first != second);
}

static void *draw(void *arg)
{
    *(uint64_t *)arg = env->random(env->arg);
    return NULL;
}

static void threads_draw_different_numbers(void **state)
{
    uint64_t own = env->random(env->arg), other = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, draw, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(own != other && other != 0);
}

static void a_forked_child_draws_different_numbers(void **state)
{
    uint64_t parent[3], child[3] = {0};
    int fds[2];
    pid_t pid;

    (void)state;
    (void)env->random(env->arg);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < 3; i++)
            child[i] = env->random(env->arg);
        _exit(write(fds[1], child, sizeof child) == (ssize_t)sizeof child ? 0 : 1);
    }
    for (int i = 0; i < 3; i++)
        parent[i] = env->random(env->arg);
    assert_int_equal(read(fds[0], child, sizeof child), (ssize_t)sizeof child);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            assert_true(parent[i] != child[j]);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void wait_returns_at_once_when_the_word_has_changed(void **state)
{
    uint32_t word = 1;

    (void)state;
    env->wait(env->arg, &word, 0, RESIL_NEVER);
}

static void wait_returns_when_its_time_has_come(void **state)
{
    uint32_t word = 0;
    uint64_t until = resil_now_ns() + RESIL_MS(2);

    (void)state;
    for (int early = 0; resil_now_ns() < until; early++) {
        env->wait(env->arg, &word, 0, until);
        assert_true(early < 1000);
    }
}

static void wait_for_a_time_that_is_over_returns(void **state)
{
    uint32_t word = 0;

    (void)state;
    env->wait(env->arg, &word, 0, 0);
    env->wait(env->arg, &word, 0, resil_now_ns());
}

static void *wake_later(void *arg)
{
    uint32_t *word = arg;

    resil__store_release32(word, 1);
    env->wake(env->arg, word);
    return NULL;
}

static void wake_ends_a_wait(void **state)
{
    uint32_t word = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wake_later, &word), 0);
    while (resil__load_acquire32(&word) == 0)
        env->wait(env->arg, &word, 0, RESIL_NEVER);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_complete),
        cmocka_unit_test(the_clock_never_goes_back),
        cmocka_unit_test(random_numbers_differ),
        cmocka_unit_test(threads_draw_different_numbers),
        cmocka_unit_test(a_forked_child_draws_different_numbers),
        cmocka_unit_test(wait_returns_at_once_when_the_word_has_changed),
        cmocka_unit_test(wait_returns_when_its_time_has_come),
        cmocka_unit_test(wait_for_a_time_that_is_over_returns),
        cmocka_unit_test(wake_ends_a_wait),
    };

    env = resil_env_posix();
    return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
