/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Limits in memory that several processes map: together they get what one would have got, and who
 * comes after the others have gone finds what they left. (Breaker and limiter have such tests of
 * their own.)
 */
#define _GNU_SOURCE
#include "test.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <resil/resil.h>

#define PROCESSES 4
#define TRIES     200
#define LIMIT     100
#define NOW_NS    RESIL_SEC(100)

/* What the processes share. The places of the log lie behind it. */
struct shared {
    struct resil_window window;
    struct resil_pacer pacer;
    struct resil_bulkhead bulkhead;
    struct resil_budget budget;
    uint64_t granted[PROCESSES];
    struct resil_log log;
    uint64_t places[LIMIT + 16];
};

typedef bool take_fn(struct shared *shared);

static bool take_window(struct shared *shared)
{
    return resil_window_acquire(&shared->window, 1, NOW_NS, NULL) == RESIL_OK;
}

static bool take_log(struct shared *shared)
{
    return resil_log_acquire(&shared->log, NOW_NS, NULL) == RESIL_OK;
}

static bool take_pacer(struct shared *shared)
{
    struct resil_reservation reservation;

    return resil_pacer_reserve(&shared->pacer, 1, NOW_NS, &reservation) == RESIL_OK;
}

static bool take_bulkhead(struct shared *shared)
{
    return resil_bulkhead_acquire(&shared->bulkhead) == RESIL_OK;
}

static bool take_budget(struct shared *shared)
{
    return resil_budget_withdraw(&shared->budget, 1, NOW_NS) == RESIL_OK;
}

static struct shared *map(int fd)
{
    void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    assert_ptr_not_equal(memory, MAP_FAILED);
    return memory;
}

static int memory_file(void)
{
    int fd = memfd_create("resil", 0);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)sizeof(struct shared)), 0);
    return fd;
}

static void init(struct shared *shared)
{
    int rc = resil_window_init(&shared->window, &(struct resil_window_config){.limit = LIMIT});

    assert_true(resil_log_size(LIMIT) <= sizeof shared->log + sizeof shared->places);
    rc |= resil_log_init(&shared->log, sizeof shared->log + sizeof shared->places,
                         &(struct resil_log_config){.limit = LIMIT});
    /* One a millisecond and 99 ms to wait: a hundred slots. */
    rc |= resil_pacer_init(&shared->pacer, &(struct resil_pacer_config){
                                               .tokens = 1000, .wait_ns = RESIL_MS(LIMIT - 1)});
    rc |= resil_bulkhead_init(&shared->bulkhead, &(struct resil_bulkhead_config){.limit = LIMIT});
    rc |= resil_budget_init(&shared->budget, &(struct resil_budget_config){.cap = LIMIT});
    assert_int_equal(rc, 0);
}

/* Lets processes take at the same time, each through a mapping of its own, and then one that comes
   later. */
static void share(take_fn *take)
{
    int fd = memory_file();
    struct shared *shared = map(fd);
    uint64_t granted = 0;
    pid_t pids[PROCESSES];

    init(shared);
    for (unsigned i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            struct shared *own = map(fd);

            for (unsigned n = 0; n < TRIES; n++)
                own->granted[i] += take(own);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status = -1;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
        granted += shared->granted[i];
    }
    assert_int_equal(granted, LIMIT);

    assert_int_equal(munmap(shared, sizeof *shared), 0);
    shared = map(fd);
    assert_false(take(shared));
    assert_int_equal(munmap(shared, sizeof *shared), 0);
    assert_int_equal(close(fd), 0);
}

static void processes_share_a_window(void **state)
{
    (void)state;
    share(take_window);
}

static void processes_share_a_log(void **state)
{
    (void)state;
    share(take_log);
}

static void processes_share_a_pacer(void **state)
{
    (void)state;
    share(take_pacer);
}

static void processes_share_a_bulkhead(void **state)
{
    (void)state;
    share(take_bulkhead);
}

static void processes_share_a_budget(void **state)
{
    (void)state;
    share(take_budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processes_share_a_window), cmocka_unit_test(processes_share_a_log),
        cmocka_unit_test(processes_share_a_pacer),  cmocka_unit_test(processes_share_a_bulkhead),
        cmocka_unit_test(processes_share_a_budget),
    };

    return cmocka_run_group_tests_name("shared", tests, NULL, NULL);
}
