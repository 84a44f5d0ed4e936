/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A storm of renames and swapped links against a driver's thread, while others look at the
 * counters. Every list that is pushed is one that a writer has put there, whole; the last one
 * arrives.
 */
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <resil/resil.h>

#include "base/atomic.h"

#define LINES_MAX 400

struct storm {
    char dir[64], path[96], other[96], link[96];
    struct resil_file_resolver file;
    uint64_t version; /* of the last whole list, written by the driver's thread */
    uint64_t torn;    /* lists that nobody wrote */
    uint64_t ended;
};

/* Version v has 1 + v % 400 lines, each of which says v. */
static int take(void *arg, const struct resil_endpoint *endpoints, size_t n, uint64_t now_ns)
{
    struct storm *storm = arg;
    uint64_t version = n > 0 ? strtoull(endpoints[0].address, NULL, 10) : 0;

    (void)now_ns;
    if (n != 1 + version % LINES_MAX)
        (void)resil__add(&storm->torn, 1);
    for (size_t i = 0; i < n; i++)
        if (strtoull(endpoints[i].address, NULL, 10) != version)
            (void)resil__add(&storm->torn, 1);
    resil__store_release(&storm->version, version);
    return version % 7 == 3 ? RESIL_EBUSY : RESIL_OK; /* some come again */
}

static void write_version(const char *path, uint64_t version)
{
    FILE *stream = fopen(path, "w");

    assert_non_null(stream);
    for (uint64_t i = 0; i < 1 + version % LINES_MAX; i++)
        assert_true(fprintf(stream, "%" PRIu64 " tag=%" PRIu64 "\n", version, i) > 0);
    assert_int_equal(fclose(stream), 0);
}

/* A new file behind the link, or in front of it. */
static void put_version(struct storm *storm, uint64_t version)
{
    char target[96];

    if (version % 2 == 0) {
        write_version(storm->other, version);
        assert_int_equal(rename(storm->other, storm->path), 0);
        return;
    }
    (void)snprintf(target, sizeof target, "%s/v%" PRIu64, storm->dir, version % 4);
    (void)unlink(target);
    write_version(target, version);
    assert_int_equal(symlink(target, storm->link), 0);
    assert_int_equal(rename(storm->link, storm->path), 0);
}

static void *look(void *arg)
{
    struct storm *storm = arg;
    struct resil_file_resolver_snapshot snapshot, before = {0};
    uint64_t wrong = 0;

    while (resil__load_acquire(&storm->ended) == 0) {
        (void)resil_file_resolver_snapshot(&storm->file, &snapshot);
        wrong += snapshot.failing != (snapshot.why[0] != '\0');
        wrong += snapshot.looks < before.looks || snapshot.pushes < before.pushes;
        before = snapshot;
        (void)sched_yield();
    }
    return (void *)(uintptr_t)wrong;
}

static void only_whole_lists_come_through_a_storm_of_renames(void **state)
{
    static struct storm storm;
    struct resil_resolver_driver driver;
    uint64_t version = 2, end_ns = resil_now_ns() + RESIL_MS(test_torture_ms());
    pthread_t looker;
    void *wrong;
    char command[96];

    (void)state;
    (void)strcpy(storm.dir, "/tmp/resil-storm-XXXXXX");
    assert_non_null(mkdtemp(storm.dir));
    (void)snprintf(storm.path, sizeof storm.path, "%s/list", storm.dir);
    (void)snprintf(storm.other, sizeof storm.other, "%s/other", storm.dir);
    (void)snprintf(storm.link, sizeof storm.link, "%s/link", storm.dir);
    put_version(&storm, version);
    assert_int_equal(
        resil_file_resolver_init(&storm.file,
                                 &(struct resil_file_resolver_config){.path = storm.path,
                                                                      .interval_ns = RESIL_MS(10),
                                                                      .settle_ns = RESIL_OFF}),
        RESIL_OK);
    assert_int_equal(resil_resolver_start(&storm.file.resolver, take, &storm, NULL, 0), RESIL_OK);
    assert_int_equal(resil_resolver_driver_start(&driver, &storm.file.resolver, NULL), RESIL_OK);
    assert_int_equal(pthread_create(&looker, NULL, look, &storm), 0);

    while (resil_now_ns() < end_ns)
        put_version(&storm, ++version);
    version += version % 7 == 2 ? 2 : 1; /* one that is taken */
    put_version(&storm, version);
    while (resil__load_acquire(&storm.version) != version)
        (void)sched_yield();

    resil__store_release(&storm.ended, 1);
    assert_int_equal(pthread_join(looker, &wrong), 0);
    assert_int_equal(resil_resolver_driver_stop(&driver), RESIL_OK);
    resil_resolver_stop(&storm.file.resolver);
    (void)snprintf(command, sizeof command, "rm -r %s", storm.dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(storm.torn, 0);
    assert_int_equal((uintptr_t)wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_whole_lists_come_through_a_storm_of_renames),
    };

    return cmocka_run_group_tests_name("file_resolver", tests, NULL, NULL);
}
