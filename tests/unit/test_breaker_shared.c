/* SPDX-License-Identifier: BSD-2-Clause */

/* One breaker, several processes: a shared mapping, and a file that outlives its first user. */
#define _GNU_SOURCE
#include "breaker_support.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct resil_breaker *map(int fd)
{
    void *at = mmap(NULL, sizeof(struct resil_breaker), PROT_READ | PROT_WRITE,
                    fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

    assert_true(at != MAP_FAILED);
    return at;
}

static int call_once(struct resil_breaker *of, enum resil_outcome outcome)
{
    struct resil_result result = {.outcome = outcome};
    struct resil_permit permit;
    int rc = resil_breaker_acquire(of, T0, &permit);

    return rc != RESIL_OK ? rc : resil_breaker_record(of, &permit, T0, &result);
}

static int exit_of(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void results_of_all_processes_are_counted(void **state)
{
    struct resil_breaker *shared = map(-1);
    struct resil_breaker_config config = {.calls_min = 4000};
    struct resil_breaker_snapshot snapshot;
    pid_t pids[4];

    (void)state;
    assert_int_equal(resil_breaker_init(shared, &config), RESIL_OK);
    for (int child = 0; child < 4; child++) {
        pids[child] = fork();
        assert_true(pids[child] >= 0);
        if (pids[child] == 0) {
            int wrong = 0;

            for (int i = 0; i < 999; i++)
                wrong |= call_once(shared, i % 3 == 0 ? RESIL_FAILURE : RESIL_SUCCESS) != RESIL_OK;
            _exit(wrong);
        }
    }
    for (int child = 0; child < 4; child++)
        assert_int_equal(exit_of(pids[child]), 0);
    assert_int_equal(resil_breaker_snapshot(shared, T0, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.calls, 4 * 999);
    assert_int_equal(snapshot.failures, 4 * 333);
    (void)munmap(shared, sizeof *shared);
}

static void another_process_trips_it_for_us(void **state)
{
    struct resil_breaker *shared = map(-1);
    pid_t pid;

    (void)state;
    assert_int_equal(resil_breaker_init(shared, NULL), RESIL_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(call_once(shared, RESIL_FAILURE), RESIL_OK);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < 5; i++)
            (void)call_once(shared, RESIL_FAILURE);
        _exit(call_once(shared, RESIL_SUCCESS) == RESIL_EOPEN ? 0 : 1);
    }
    assert_int_equal(exit_of(pid), 0);
    assert_int_equal(call_once(shared, RESIL_SUCCESS), RESIL_EOPEN);
    (void)munmap(shared, sizeof *shared);
}

static void a_probe_of_a_process_that_died_is_given_back(void **state)
{
    struct resil_breaker *shared = map(-1);
    struct resil_permit permit;
    uint64_t due;
    pid_t pid;

    (void)state;
    assert_int_equal(
        resil_breaker_init(
            shared,
            &(struct resil_breaker_config){.probes = 1, .consecutive = 1, .jitter_pct = RESIL_OFF}),
        RESIL_OK);
    (void)call_once(shared, RESIL_FAILURE);
    due = T0 + RESIL_SEC(5);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(resil_breaker_acquire(shared, due, &permit) == RESIL_OK ? 0 : 1);
    assert_int_equal(exit_of(pid), 0);
    assert_int_equal(resil_breaker_acquire(shared, due + RESIL_SEC(10) - 1, &permit), RESIL_EOPEN);
    assert_int_equal(resil_breaker_acquire(shared, due + RESIL_SEC(10), &permit), RESIL_OK);
    (void)munmap(shared, sizeof *shared);
}

static void a_file_is_found_open_by_the_next_process(void **state)
{
    char path[] = "/tmp/resil-breaker-XXXXXX";
    int fd = mkstemp(path);
    struct resil_breaker *later;
    struct resil_permit permit;
    pid_t pid;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof(struct resil_breaker)), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct resil_breaker *first = map(fd);

        if (resil_breaker_init(first, NULL) != RESIL_OK)
            _exit(1);
        for (int i = 0; i < 10; i++)
            (void)call_once(first, RESIL_TIMEOUT);
        _exit(0);
    }
    assert_int_equal(exit_of(pid), 0);
    assert_int_equal(close(fd), 0);

    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    later = map(fd);
    assert_int_equal(resil_breaker_acquire(later, T0 + RESIL_SEC(1), &permit), RESIL_EOPEN);
    assert_int_equal(resil_breaker_rebase(later, RESIL_SEC(1)), RESIL_OK);
    assert_int_equal(resil_breaker_acquire(later, RESIL_SEC(6) - 1, &permit), RESIL_EOPEN);
    assert_int_equal(resil_breaker_acquire(later, RESIL_SEC(14), &permit), RESIL_OK);
    (void)munmap(later, sizeof *later);
    (void)close(fd);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_of_all_processes_are_counted),
        cmocka_unit_test(another_process_trips_it_for_us),
        cmocka_unit_test(a_probe_of_a_process_that_died_is_given_back),
        cmocka_unit_test(a_file_is_found_open_by_the_next_process),
    };

    return cmocka_run_group_tests_name("breaker shared", tests, NULL, NULL);
}
