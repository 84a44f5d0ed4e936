/* SPDX-License-Identifier: BSD-2-Clause */

/* The system's environments: what all three promise, and how their clocks stand to each other. */
#include "test.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <resil/resil.h>

#include "base/atomic.h"

static const struct resil_env *env;

static void the_clock_never_goes_back(void **state)
{
    uint64_t last = env->now(env->arg);

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

/* ---- the clocks ---- */

static void wait_for_the_counter(const struct resil_env *tsc)
{
    uint64_t until_ns = resil_now_ns() + RESIL_SEC(1);

    while (resil_env_clock(tsc) != RESIL_CLOCK_TSC && tsc->now(tsc->arg) < until_ns)
        ;
}

static void each_environment_is_one_table(void **state)
{
    (void)state;
    assert_ptr_equal(resil_env_posix(), resil_env_posix());
    assert_ptr_equal(resil_env_coarse(), resil_env_coarse());
    assert_ptr_equal(resil_env_tsc(), resil_env_tsc());
    assert_int_equal(resil_env_posix()->tick_ns, 0);
    assert_int_equal(resil_env_tsc()->tick_ns, 0);
}

static void clocks_have_names(void **state)
{
    struct resil_env own = *resil_env_posix();

    (void)state;
    assert_int_equal(resil_env_clock(resil_env_posix()), RESIL_CLOCK_POSIX);
    assert_int_equal(resil_env_clock(NULL), RESIL_CLOCK_OTHER);
    assert_int_equal(resil_env_clock(&own), RESIL_CLOCK_POSIX);
    own.now = NULL;
    assert_int_equal(resil_env_clock(&own), RESIL_CLOCK_OTHER);
    assert_string_equal(resil_env_clock_str(RESIL_CLOCK_OTHER), "other");
    assert_string_equal(resil_env_clock_str(RESIL_CLOCK_POSIX), "posix");
    assert_string_equal(resil_env_clock_str(RESIL_CLOCK_COARSE), "coarse");
    assert_string_equal(resil_env_clock_str(RESIL_CLOCK_TSC), "tsc");
    assert_string_equal(resil_env_clock_str((enum resil_clock)4), "unknown");
}

/* Never ahead of the clock; and behind by no more than a tick, unless nothing ran meanwhile: so one
   in many readings must show it. */
static void the_coarse_clock_is_a_tick_behind_at_most(void **state)
{
    const struct resil_env *coarse = resil_env_coarse();
    bool shown = false;

    (void)state;
    if (resil_env_clock(coarse) != RESIL_CLOCK_COARSE) {
        assert_int_equal(coarse->tick_ns, 0);
        return;
    }
    assert_in_range(coarse->tick_ns, RESIL_US(100), RESIL_MS(10));
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t before = resil_now_ns();
        uint64_t now = coarse->now(coarse->arg);

        assert_true(now <= resil_now_ns());
        shown = shown || (now <= before && before - now <= coarse->tick_ns);
    }
    assert_true(shown);
}

/* Between two readings that differ lie whole ticks, however long this thread was kept from
   looking; an eighth is what NTP may make of them. */
static void the_coarse_clock_moves_by_ticks(void **state)
{
    const struct resil_env *coarse = resil_env_coarse();
    uint64_t last = coarse->now(coarse->arg);

    (void)state;
    if (coarse->tick_ns == 0)
        return;
    for (unsigned moves = 0; moves < 8;) {
        uint64_t now = coarse->now(coarse->arg);
        uint64_t ticks = (now - last + coarse->tick_ns / 2) / coarse->tick_ns;
        uint64_t whole = ticks * coarse->tick_ns;

        if (now == last)
            continue;
        assert_true(ticks >= 1);
        assert_in_range(now - last, whole - whole / 8, whole + whole / 8);
        last = now;
        moves++;
    }
}

/* Bracketed by two readings of the clock, so that nothing depends on how long anything takes. */
static void the_counter_agrees_with_the_clock(void **state)
{
    const struct resil_env *tsc = resil_env_tsc();
    uint64_t until_ns = resil_now_ns() + RESIL_MS(60);

    (void)state;
    wait_for_the_counter(tsc);
    while (resil_now_ns() < until_ns) {
        uint64_t before = resil_now_ns();
        uint64_t now = tsc->now(tsc->arg);
        uint64_t after = resil_now_ns();

        assert_true(now + 2000 >= before);
        assert_true(now <= after + 2000);
    }
}

/* Where Linux keeps time by the counter we do, too, and nowhere else. */
static void the_counter_is_used_where_linux_uses_it(void **state)
{
    const struct resil_env *tsc = resil_env_tsc();
    char name[16] = "";
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");

    (void)state;
    if (file == NULL || fgets(name, sizeof name, file) == NULL)
        strcpy(name, "tsc\n");
    if (file != NULL)
        (void)fclose(file);
    wait_for_the_counter(tsc);
    if (strcmp(name, "tsc\n") != 0)
        assert_int_equal(resil_env_clock(tsc), RESIL_CLOCK_POSIX);
    else
        assert_int_not_equal(resil_env_clock(tsc), RESIL_CLOCK_OTHER);
}

static void a_forked_child_can_read_the_counter(void **state)
{
    const struct resil_env *tsc = resil_env_tsc();
    int status = -1;
    pid_t pid;

    (void)state;
    wait_for_the_counter(tsc);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        uint64_t until_ns = resil_now_ns() + RESIL_MS(5);

        while (tsc->now(tsc->arg) < until_ns)
            ;
        _exit(resil_env_clock(tsc) == RESIL_CLOCK_OTHER);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static enum resil_outcome fail_once(void *arg, struct resil_attempt *attempt)
{
    (void)attempt;
    return ++*(unsigned *)arg < 3 ? RESIL_NOT_SENT : RESIL_SUCCESS;
}

static unsigned waits;

static void count_wait(void *arg, uint32_t *word, uint32_t expected, uint64_t until_ns)
{
    waits++;
    env->wait(arg, word, expected, until_ns);
}

/* Who wakes finds that his own clock has got there, and isn't sent back to sleep again and again: a
   quarter of a tick at least, so two waits, for a clock that is two ticks late, are 16. */
static void a_wait_lasts_until_its_own_clock_is_there(void **state)
{
    struct resil_retry retry;
    struct resil_policy policies[1];
    struct resil_chain chain;
    struct resil_env counting = *env;
    unsigned least = UINT32_MAX;

    (void)state;
    counting.wait = count_wait;
    assert_int_equal(
        resil_retry_init(&retry, &(struct resil_retry_config){.backoff.base_ns = RESIL_US(100)}),
        RESIL_OK);
    policies[0] = resil_retry_policy(&retry);
    assert_int_equal(resil_chain_init(&chain, policies, 1, NULL, 0), RESIL_OK);
    for (unsigned tries = 0; tries < 20 && least > 16; tries++) {
        unsigned calls = 0;

        waits = 0;
        assert_int_equal(resil_chain_run(&chain, &counting, NULL, fail_once, &calls, NULL),
                         RESIL_OK);
        least = waits < least ? waits : least;
    }
    assert_true(least <= 16);
}

/* ---- the rest ---- */

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
    const struct CMUnitTest common[] = {
        cmocka_unit_test(the_table_is_complete),
        cmocka_unit_test(the_clock_never_goes_back),
        cmocka_unit_test(random_numbers_differ),
        cmocka_unit_test(threads_draw_different_numbers),
        cmocka_unit_test(a_forked_child_draws_different_numbers),
        cmocka_unit_test(wait_returns_at_once_when_the_word_has_changed),
        cmocka_unit_test(wait_returns_when_its_time_has_come),
        cmocka_unit_test(wait_for_a_time_that_is_over_returns),
        cmocka_unit_test(wake_ends_a_wait),
        cmocka_unit_test(a_wait_lasts_until_its_own_clock_is_there),
    };
    const struct CMUnitTest clocks[] = {
        cmocka_unit_test(each_environment_is_one_table),
        cmocka_unit_test(clocks_have_names),
        cmocka_unit_test(the_coarse_clock_is_a_tick_behind_at_most),
        cmocka_unit_test(the_coarse_clock_moves_by_ticks),
        cmocka_unit_test(the_counter_agrees_with_the_clock),
        cmocka_unit_test(the_counter_is_used_where_linux_uses_it),
        cmocka_unit_test(a_forked_child_can_read_the_counter),
    };
    int failed = 0;

    env = resil_env_posix();
    failed += cmocka_run_group_tests_name("env posix", common, NULL, NULL);
    env = resil_env_coarse();
    failed += cmocka_run_group_tests_name("env coarse", common, NULL, NULL);
    env = resil_env_tsc();
    failed += cmocka_run_group_tests_name("env tsc", common, NULL, NULL);
    return failed + cmocka_run_group_tests_name("clocks", clocks, NULL, NULL);
}
