/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_FILE_FIXTURE_H
#define RESIL_TEST_FILE_FIXTURE_H

/*
 * A directory of its own, a resolver that watches "list" in it every second without jitter, and a
 * taker that keeps the last list as text. Time is told; the file system's clock is the real one, so
 * a change has another size or another inode unless a test wants it otherwise. Include test.h
 * first, with _GNU_SOURCE.
 */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <resil/resil.h>

#include "endpoints_print.h"

#define START_NS  RESIL_SEC(1000)
#define SETTLE_NS RESIL_MS(100)

struct bench {
    char dir[64], path[96], other[96];
    struct failing_allocator memory;
    struct resil_file_resolver file;
    uint64_t now_ns, next_ns;
    char list[256]; /* the last one that was taken */
    unsigned calls; /* of push */
    int answer;     /* of push */
};

static inline int bench_take(void *arg, const struct resil_endpoint *endpoints, size_t n,
                             uint64_t now_ns)
{
    struct bench *bench = (struct bench *)arg;

    bench->calls++;
    assert_int_equal(now_ns, bench->now_ns);
    if (bench->answer == RESIL_OK)
        bench->list[endpoints_print(endpoints, n, bench->list, sizeof bench->list)] = '\0';
    return bench->answer;
}

static inline void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static inline void append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static inline void replace(struct bench *bench, const char *text)
{
    put(bench->other, text);
    assert_int_equal(rename(bench->other, bench->path), 0);
}

static inline void bench_start(struct bench *bench, const struct resil_file_resolver_config *config)
{
    char why[128] = "";

    if (resil_file_resolver_init(&bench->file, config) != RESIL_OK ||
        resil_resolver_start(&bench->file.resolver, bench_take, bench, why, sizeof why) != RESIL_OK)
        fail_msg("%s", why);
}

static inline int bench_setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    assert_non_null(bench);
    (void)strcpy(bench->dir, "/tmp/resil-file-XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    (void)snprintf(bench->path, sizeof bench->path, "%s/list", bench->dir);
    (void)snprintf(bench->other, sizeof bench->other, "%s/other", bench->dir);
    (void)strcpy(bench->list, "nothing yet");
    failing_allocator_init(&bench->memory);
    bench->now_ns = START_NS;
    bench_start(bench, &(struct resil_file_resolver_config){.path = bench->path,
                                                            .jitter_pct = RESIL_OFF,
                                                            .seed = 1,
                                                            .allocator = &bench->memory.allocator});
    *state = bench;
    return 0;
}

static inline int bench_teardown(void **state)
{
    struct bench *bench = (struct bench *)*state;
    char command[96];

    resil_resolver_stop(&bench->file.resolver);
    assert_int_equal(bench->memory.out, 0);
    assert_int_equal(bench->memory.bytes, 0);
    (void)snprintf(command, sizeof command, "rm -r %s", bench->dir);
    assert_int_equal(system(command), 0);
    free(bench);
    return 0;
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

static inline int tick(struct bench *bench)
{
    return resil_resolver_tick(&bench->file.resolver, bench->now_ns, &bench->next_ns);
}

/* Goes to the time that the last tick asked for. */
static inline int tick_next(struct bench *bench)
{
    assert_true(bench->next_ns > bench->now_ns && bench->next_ns != RESIL_NEVER);
    bench->now_ns = bench->next_ns;
    return tick(bench);
}

/* A look that sees the change, and one that finds it settled. */
static inline int tick_settled(struct bench *bench)
{
    int rc = tick_next(bench);

    return rc != RESIL_OK ? rc : tick_next(bench);
}

static inline struct resil_file_resolver_snapshot told(struct bench *bench)
{
    struct resil_file_resolver_snapshot snapshot;

    assert_int_equal(resil_file_resolver_snapshot(&bench->file, &snapshot), RESIL_OK);
    return snapshot;
}

#define EXPECT_LIST(bench, text) assert_string_equal((bench)->list, text)

#define EXPECT_WHY(bench, text)                                                                    \
    do {                                                                                           \
        struct resil_file_resolver_snapshot told_now = told(bench);                                \
        assert_string_equal(told_now.why, text);                                                   \
        assert_int_equal(told_now.failing, told_now.why[0] != '\0');                               \
    } while (0)

#endif
