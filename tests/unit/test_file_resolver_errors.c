/* SPDX-License-Identifier: BSD-2-Clause */

/* Files that go wrong, lists that aren't taken, and no memory. */
#define _GNU_SOURCE
#include "test.h"

#include "driver/file_read.h"
#include "file_fixture.h"

static void a_deleted_file_changes_nothing_and_is_told(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(rename(bench->path, bench->other), 0);
    assert_int_equal(tick_next(bench), RESIL_EFAILED);
    EXPECT_WHY(bench, "stat: No such file or directory");
    assert_int_equal(tick_next(bench), RESIL_EFAILED);
    assert_int_equal(told(bench).errors, 2);
    assert_int_equal(bench->calls, 1);

    assert_int_equal(rename(bench->other, bench->path), 0);
    assert_int_equal(tick_settled(bench), RESIL_OK);
    EXPECT_WHY(bench, "");
    assert_int_equal(bench->calls, 1); /* nothing new in it */

    assert_int_equal(unlink(bench->path), 0);
    assert_int_equal(tick_next(bench), RESIL_EFAILED);
    put(bench->path, "b\n");
    assert_int_equal(tick_settled(bench), RESIL_OK);
    EXPECT_LIST(bench, "b\n");
}

static void a_directory_that_comes_back_ends_the_error(void **state)
{
    struct bench *bench = *state;
    char away[80];

    put(bench->path, "a\n");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(tick(bench), RESIL_OK);
        bench->now_ns += RESIL_SEC(1);
    }
    (void)snprintf(away, sizeof away, "%s-away", bench->dir);
    assert_int_equal(rename(bench->dir, away), 0);
    assert_int_equal(tick(bench), RESIL_EFAILED);
    assert_int_equal(rename(away, bench->dir), 0);
    assert_int_equal(tick_settled(bench), RESIL_OK);
    EXPECT_WHY(bench, "");
    assert_int_equal(bench->calls, 1);
}

static void a_file_may_come_later(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(tick(bench), RESIL_EFAILED);
    EXPECT_WHY(bench, "stat: No such file or directory");
    put(bench->path, "a\n");
    assert_int_equal(tick_next(bench), RESIL_OK);
    EXPECT_LIST(bench, "a\n");
    EXPECT_WHY(bench, "");
}

static void an_error_in_a_line_keeps_the_last_list(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    assert_int_equal(tick(bench), RESIL_OK);
    replace(bench, "b\nc weight=70000\n");
    assert_int_equal(tick_settled(bench), RESIL_EINVAL);
    EXPECT_WHY(bench, "line 2: weight=70000: must be 0 to 65535");
    for (int i = 0; i < 5; i++)
        assert_int_equal(tick_next(bench), RESIL_OK);
    EXPECT_WHY(bench, "line 2: weight=70000: must be 0 to 65535");
    assert_int_equal(told(bench).errors, 1);
    assert_int_equal(bench->calls, 1);
    replace(bench, "b\nc weight=7\n");
    assert_int_equal(tick_settled(bench), RESIL_OK);
    EXPECT_LIST(bench, "b\nc weight=7\n");
    EXPECT_WHY(bench, "");
}

static void the_good_list_after_an_error_is_pushed_though_it_was_before(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    assert_int_equal(tick(bench), RESIL_OK);
    replace(bench, "a b\n");
    assert_int_equal(tick_settled(bench), RESIL_EINVAL);
    replace(bench, "a\n");
    assert_int_equal(tick_settled(bench), RESIL_OK);
    EXPECT_WHY(bench, "");
    assert_int_equal(bench->calls, 2);
}

static void what_is_no_regular_file_is_not_opened(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(mkfifo(bench->path, 0644), 0);
    assert_int_equal(tick(bench), RESIL_EFAILED); /* and it comes back */
    EXPECT_WHY(bench, "file: is not a regular file");
    assert_int_equal(unlink(bench->path), 0);
    assert_int_equal(mkdir(bench->path, 0755), 0);
    assert_int_equal(tick_next(bench), RESIL_EFAILED);
    EXPECT_WHY(bench, "file: is a directory");
    assert_int_equal(rmdir(bench->path), 0);
    assert_int_equal(symlink("/dev/zero", bench->path), 0);
    assert_int_equal(tick_next(bench), RESIL_EFAILED);
    EXPECT_WHY(bench, "file: is not a regular file");
    assert_int_equal(unlink(bench->path), 0);
    assert_int_equal(symlink("list", bench->path), 0);
    assert_int_equal(tick_next(bench), RESIL_EFAILED);
    EXPECT_WHY(bench, "stat: Too many levels of symbolic links");
    assert_int_equal(bench->memory.asked, 0);
}

static void a_fifo_that_takes_the_files_place_isnt_waited_for(void **state)
{
    const struct resil__file_stamp stamp = {.size = 2};
    struct bench *bench = *state;
    struct resil__file_text text;
    char why[64];

    assert_int_equal(mkfifo(bench->path, 0644), 0);
    assert_int_equal(resil__file_read(bench->path, &stamp, &bench->memory.allocator, &text,
                                      (struct resil__why){why, sizeof why}),
                     RESIL_EFAILED);
    assert_string_equal(why, "file: is not a regular file");
    assert_null(text.at);
}

static void a_file_may_be_unreadable_for_a_while(void **state)
{
    struct bench *bench = *state;
    bool root = geteuid() == 0;

    put(bench->path, "a\n");
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(chmod(bench->dir, 0755), 0);
    replace(bench, "b\n");
    assert_int_equal(chmod(bench->path, 0), 0);
    if (root && seteuid(65534) != 0)
        return; /* a sandbox with a single user, who may read everything */
    assert_int_equal(tick_next(bench), RESIL_OK);
    assert_int_equal(tick_next(bench), RESIL_EFAILED);
    EXPECT_WHY(bench, "open: Permission denied");
    EXPECT_LIST(bench, "a\n");
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(bench->path, 0644), 0);
    assert_int_equal(tick_next(bench), RESIL_OK);
    while (told(bench).settling)
        assert_int_equal(tick_next(bench), RESIL_OK);
    EXPECT_LIST(bench, "b\n");
    EXPECT_WHY(bench, "");
}

static void a_huge_file_is_not_read(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    assert_int_equal(truncate(bench->path, (off_t)RESIL_ENDPOINTS_SIZE_MAX + 1), 0);
    assert_int_equal(tick(bench), RESIL_EFAILED);
    EXPECT_WHY(bench, "file: is larger than 16777216 bytes");
    assert_int_equal(bench->memory.asked, 0);
    assert_int_equal(truncate(bench->path, (off_t)RESIL_ENDPOINTS_SIZE_MAX), 0);
    assert_int_equal(tick_next(bench), RESIL_EINVAL); /* a hole is zeros */
    EXPECT_WHY(bench, "line 2: longer than 4096 bytes");
}

static void a_list_that_isnt_taken_comes_again(void **state)
{
    static const int answers[] = {RESIL_EBUSY, RESIL_ENOMEM};
    struct bench *bench = *state;

    put(bench->path, "a\n");
    for (size_t i = 0; i < 2; i++) {
        bench->answer = answers[i];
        assert_int_equal(tick(bench), answers[i]);
        assert_int_equal(bench->next_ns, bench->now_ns + RESIL_MS(100));
        bench->now_ns = bench->next_ns;
    }
    EXPECT_WHY(bench, "push: out of memory");
    assert_int_equal(told(bench).push_failures, 2);
    assert_int_equal(told(bench).errors, 0);
    assert_int_equal(told(bench).reads, 1);
    bench->answer = RESIL_OK;
    assert_int_equal(tick(bench), RESIL_OK);
    EXPECT_LIST(bench, "a\n");
    EXPECT_WHY(bench, "");
    assert_int_equal(told(bench).pushes, 1);
    assert_int_equal(bench->memory.out, 0);
}

static void a_newer_list_takes_the_place_of_one_that_waits(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    bench->answer = RESIL_EBUSY;
    assert_int_equal(tick(bench), RESIL_EBUSY);
    replace(bench, "b\n");
    bench->now_ns += RESIL_SEC(1);
    assert_int_equal(tick(bench), RESIL_EBUSY);
    assert_int_equal(bench->memory.out, 1);
    bench->answer = RESIL_OK;
    assert_int_equal(tick_next(bench), RESIL_OK);
    EXPECT_LIST(bench, "b\n");
    assert_int_equal(told(bench).pushes, 1);
}

static void a_list_that_waits_outlives_an_error_of_the_file(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    bench->answer = RESIL_EBUSY;
    assert_int_equal(tick(bench), RESIL_EBUSY);
    replace(bench, "a b\n");
    bench->answer = RESIL_OK;
    bench->now_ns += RESIL_SEC(1);
    assert_int_equal(tick(bench), RESIL_EINVAL);
    EXPECT_LIST(bench, "a\n");
    EXPECT_WHY(bench, "line 1: b: must be key=value"); /* taken, but the file is still wrong */
    replace(bench, "a b\n");
    assert_int_equal(tick_settled(bench), RESIL_EINVAL);
    EXPECT_WHY(bench, "line 1: b: must be key=value");
}

static void a_list_that_waits_is_given_back_at_stop(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    bench->answer = RESIL_EBUSY;
    assert_int_equal(tick(bench), RESIL_EBUSY);
    assert_int_equal(bench->memory.out, 1);
    resil_resolver_stop(&bench->file.resolver);
    assert_int_equal(bench->memory.out, 0);
}

static void a_list_that_will_never_do_is_dropped_until_the_file_changes(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\na\n");
    bench->answer = RESIL_EINVAL;
    assert_int_equal(tick(bench), RESIL_EINVAL);
    EXPECT_WHY(bench, "push: invalid argument");
    assert_int_equal(bench->next_ns, START_NS + RESIL_SEC(1));
    for (int i = 0; i < 4; i++)
        assert_int_equal(tick_next(bench), RESIL_OK);
    assert_int_equal(bench->calls, 1);
    EXPECT_WHY(bench, "push: invalid argument");
    bench->answer = RESIL_OK;
    replace(bench, "a\n");
    assert_int_equal(tick_next(bench), RESIL_OK); /* the first to be taken: no settling */
    EXPECT_LIST(bench, "a\n");
    EXPECT_WHY(bench, "");
}

static void without_memory_the_last_list_stands_and_it_is_tried_again(void **state)
{
    for (int for_good = 0; for_good < 2; for_good++)
        for (size_t at = 1; at <= 2; at++) {
            struct bench *bench = *state;

            put(bench->path, "a\n");
            while (strcmp(bench->list, "a\n") != 0) {
                assert_int_equal(tick(bench), RESIL_OK);
                bench->now_ns += RESIL_SEC(1);
            }
            bench->memory.fail_at = bench->memory.asked + at;
            bench->memory.for_good = for_good != 0;
            replace(bench, "b\nc\n");
            bench->now_ns += RESIL_SEC(2);
            assert_int_equal(tick(bench), RESIL_OK);
            assert_int_equal(tick_next(bench), RESIL_ENOMEM);
            EXPECT_WHY(bench, at == 1 ? "out of memory: 5 bytes of text"
                                      : "out of memory: 132 bytes for 2 endpoints");
            EXPECT_LIST(bench, "a\n");
            assert_int_equal(bench->memory.out, 0);
            if (for_good)
                assert_int_equal(tick_next(bench), RESIL_ENOMEM);
            bench->memory.fail_at = 0;
            assert_int_equal(tick_next(bench), RESIL_OK);
            EXPECT_LIST(bench, "b\nc\n");
            EXPECT_WHY(bench, "");
        }
}

static void config_is_checked(void **state)
{
    struct resil_allocator other = *resil_allocator_default();
    struct resil_file_resolver file;
    char why[128] = "untouched";

#define EXPECT_BAD(expected, ...)                                                                  \
    do {                                                                                           \
        const struct resil_file_resolver_config bad = {__VA_ARGS__};                               \
        assert_int_equal(resil_file_resolver_config_check(&bad, why, sizeof why), RESIL_EINVAL);   \
        assert_string_equal(why, expected);                                                        \
        assert_int_equal(resil_file_resolver_init(&file, &bad), RESIL_EINVAL);                     \
    } while (0)

    (void)state;
    assert_int_equal(
        resil_file_resolver_config_check(
            &(struct resil_file_resolver_config){.path = "x", .jitter_pct = 50}, why, sizeof why),
        RESIL_OK);
    assert_string_equal(why, "untouched");
    assert_int_equal(resil_file_resolver_config_check(NULL, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, "config: must not be NULL");
    EXPECT_BAD("path: must not be empty", .path = NULL);
    EXPECT_BAD("path: must not be empty", .path = "");
    EXPECT_BAD("interval_ns is 9999999: must be 10000000 to 3600000000000 (0 = default)",
               .path = "x", .interval_ns = RESIL_MS(10) - 1);
    EXPECT_BAD("interval_ns is RESIL_OFF: must be 10000000 to 3600000000000 (0 = default)",
               .path = "x", .interval_ns = RESIL_OFF);
    EXPECT_BAD("jitter_pct is 51: must be 1 to 50 (0 = default, RESIL_OFF = off)", .path = "x",
               .jitter_pct = 51);
    EXPECT_BAD("settle_ns is 999999: must be 1000000 to 60000000000 (0 = default, RESIL_OFF = off)",
               .path = "x", .settle_ns = RESIL_MS(1) - 1);
    other.size++;
    assert_int_equal(
        resil_file_resolver_init(
            &file, &(struct resil_file_resolver_config){.path = "x", .allocator = &other}),
        RESIL_EABI);
}

static void arguments_are_checked(void **state)
{
    struct bench *bench = *state;
    const struct resil_file_resolver_config config = {.path = bench->path};
    struct resil_file_resolver_snapshot snapshot;
    struct resil_file_resolver file;

    assert_int_equal(resil_file_resolver_init(NULL, &config), RESIL_EINVAL);
    assert_int_equal(resil_file_resolver_init(&file, NULL), RESIL_EINVAL);
    assert_int_equal(resil_file_resolver_init_sized(&file, sizeof file - 8, &config, sizeof config),
                     RESIL_EABI);
    assert_int_equal(resil_file_resolver_init_sized(&file, sizeof file, &config, sizeof config + 8),
                     RESIL_EABI);
    assert_int_equal(resil_file_resolver_snapshot(NULL, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_file_resolver_snapshot(&bench->file, NULL), RESIL_EINVAL);
    assert_int_equal(
        resil_file_resolver_snapshot_sized(&bench->file, &snapshot, sizeof snapshot + 8),
        RESIL_EABI);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(a_deleted_file_changes_nothing_and_is_told),
        WITH_BENCH(a_directory_that_comes_back_ends_the_error),
        WITH_BENCH(a_file_may_come_later),
        WITH_BENCH(an_error_in_a_line_keeps_the_last_list),
        WITH_BENCH(the_good_list_after_an_error_is_pushed_though_it_was_before),
        WITH_BENCH(what_is_no_regular_file_is_not_opened),
        WITH_BENCH(a_fifo_that_takes_the_files_place_isnt_waited_for),
        WITH_BENCH(a_file_may_be_unreadable_for_a_while),
        WITH_BENCH(a_huge_file_is_not_read),
        WITH_BENCH(a_list_that_isnt_taken_comes_again),
        WITH_BENCH(a_newer_list_takes_the_place_of_one_that_waits),
        WITH_BENCH(a_list_that_waits_outlives_an_error_of_the_file),
        WITH_BENCH(a_list_that_waits_is_given_back_at_stop),
        WITH_BENCH(a_list_that_will_never_do_is_dropped_until_the_file_changes),
        WITH_BENCH(without_memory_the_last_list_stands_and_it_is_tried_again),
        cmocka_unit_test(config_is_checked),
        WITH_BENCH(arguments_are_checked),
    };

    return cmocka_run_group_tests_name("file_resolver_errors", tests, NULL, NULL);
}
