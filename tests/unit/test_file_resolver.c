/* SPDX-License-Identifier: BSD-2-Clause */

/* Files that change as they should, or nearly. */
#define _GNU_SOURCE
#include "test.h"

#include "file_fixture.h"

static void the_first_list_doesnt_wait(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\nb weight=2\n");
    assert_int_equal(bench->calls, 0);
    assert_int_equal(tick(bench), RESIL_OK);
    EXPECT_LIST(bench, "a\nb weight=2\n");
    assert_int_equal(bench->next_ns, START_NS + RESIL_SEC(1));
    assert_int_equal(told(bench).pushes, 1);
    assert_int_equal(told(bench).pushed_ns, START_NS);
    assert_int_equal(told(bench).endpoints, 2);
    assert_int_equal(bench->memory.out, 0);
}

static void an_unchanged_file_is_not_read_again_but_once(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(tick(bench), RESIL_OK);
        assert_int_equal(told(bench).reads, i < 2 ? 1 : 2);
        bench->now_ns = bench->next_ns;
    }
    assert_int_equal(bench->calls, 1);
    assert_int_equal(told(bench).looks, 10);
}

static void a_tick_that_comes_early_doesnt_look(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    assert_int_equal(tick(bench), RESIL_OK);
    replace(bench, "b\n");
    bench->now_ns = START_NS + RESIL_SEC(1) - 1;
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(told(bench).looks, 1);
    assert_int_equal(bench->next_ns, START_NS + RESIL_SEC(1));
}

static void a_clock_set_back_doesnt_stop_the_looks(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    assert_int_equal(tick(bench), RESIL_OK);
    bench->now_ns = 5;
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(told(bench).looks, 2);
    assert_int_equal(bench->next_ns, 5 + RESIL_SEC(1));
    replace(bench, "b\n");
    assert_int_equal(tick_next(bench), RESIL_OK);
    bench->now_ns = 0; /* amid the settling, which begins anew */
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(bench->calls, 1);
    while (bench->calls < 2)
        assert_int_equal(tick_next(bench), RESIL_OK);
    assert_true(bench->now_ns <= RESIL_SEC(2));
    EXPECT_LIST(bench, "b\n");
}

static void a_replaced_file_is_read_when_it_has_settled(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    assert_int_equal(tick(bench), RESIL_OK);
    replace(bench, "b\n");
    assert_int_equal(tick_next(bench), RESIL_OK);
    EXPECT_LIST(bench, "a\n");
    assert_true(told(bench).settling);
    assert_int_equal(bench->next_ns, START_NS + RESIL_SEC(1) + SETTLE_NS);
    assert_int_equal(tick_next(bench), RESIL_OK);
    EXPECT_LIST(bench, "b\n");
    assert_false(told(bench).settling);
    assert_int_equal(bench->next_ns, bench->now_ns + RESIL_SEC(1));
    EXPECT_WHY(bench, "");
}

static void a_swapped_link_is_followed(void **state)
{
    struct bench *bench = *state;
    char first[112], second[112];

    /* As a container's configuration is mounted: list -> data/list, data -> v1, v2. */
    (void)snprintf(first, sizeof first, "%s/v1", bench->dir);
    (void)snprintf(second, sizeof second, "%s/v2", bench->dir);
    assert_int_equal(mkdir(first, 0755), 0);
    assert_int_equal(mkdir(second, 0755), 0);
    (void)strcat(first, "/list");
    (void)strcat(second, "/list");
    put(first, "a\n");
    put(second, "b\n");
    (void)snprintf(first, sizeof first, "%s/data", bench->dir);
    assert_int_equal(symlink("data/list", bench->path), 0);
    assert_int_equal(symlink("v1", first), 0);
    assert_int_equal(tick(bench), RESIL_OK);
    EXPECT_LIST(bench, "a\n");
    assert_int_equal(symlink("v2", bench->other), 0);
    assert_int_equal(rename(bench->other, first), 0);
    assert_int_equal(tick_settled(bench), RESIL_OK);
    EXPECT_LIST(bench, "b\n");
}

static void a_writer_in_place_who_pauses_is_waited_for(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\nb\n");
    assert_int_equal(tick(bench), RESIL_OK);
    put(bench->path, "");
    assert_int_equal(tick_next(bench), RESIL_OK);
    append(bench->path, "c\nd wei");
    bench->now_ns += SETTLE_NS / 2;
    assert_int_equal(tick(bench), RESIL_OK); /* early: no look */
    bench->now_ns += SETTLE_NS / 2;
    assert_int_equal(tick(bench), RESIL_OK); /* the empty file is gone */
    assert_true(told(bench).settling);
    append(bench->path, "ght=7\n");
    assert_int_equal(tick_next(bench), RESIL_OK);
    assert_int_equal(bench->calls, 1);
    assert_int_equal(told(bench).errors, 0);
    assert_int_equal(tick_next(bench), RESIL_OK);
    assert_int_equal(bench->calls, 2);
    EXPECT_LIST(bench, "c\nd weight=7\n");
}

static void an_empty_file_waits_even_as_the_first_and_then_is_a_list(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "");
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(bench->calls, 0);
    assert_int_equal(bench->next_ns, START_NS + SETTLE_NS);
    assert_int_equal(tick_next(bench), RESIL_OK);
    assert_int_equal(bench->calls, 1);
    EXPECT_LIST(bench, "");
    put(bench->path, "a\n");
    assert_int_equal(tick_settled(bench), RESIL_OK);
    EXPECT_LIST(bench, "a\n");
    put(bench->path, "");
    assert_int_equal(tick_settled(bench), RESIL_OK);
    EXPECT_LIST(bench, "");
    assert_int_equal(told(bench).endpoints, 0);
}

/* Writes to the file while its text is being allocated: between the two looks at it. */
static void *append_and_allocate(void *arg, size_t bytes, size_t alignment)
{
    struct bench *bench = arg;

    if (bench->memory.fail_at > 0) { /* here: how often it does so */
        bench->memory.fail_at--;
        append(bench->path, "x");
    }
    return resil_allocator_default()->allocate(NULL, bytes, alignment);
}

static void release_any(void *arg, void *memory, size_t bytes)
{
    (void)arg;
    resil_allocator_default()->release(NULL, memory, bytes);
}

static void what_changes_while_it_is_read_is_not_used(void **state)
{
    struct bench *bench = *state;
    const struct resil_allocator allocator = {.size = sizeof allocator,
                                              .arg = bench,
                                              .allocate = append_and_allocate,
                                              .release = release_any};

    resil_resolver_stop(&bench->file.resolver);
    bench_start(bench, &(struct resil_file_resolver_config){
                           .path = bench->path, .settle_ns = RESIL_OFF, .allocator = &allocator});
    bench->memory.fail_at = 2;
    put(bench->path, "a");
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(bench->calls, 0);
    assert_true(told(bench).settling);
    assert_int_equal(bench->next_ns, START_NS + RESIL_MS(10));
    assert_int_equal(tick_next(bench), RESIL_OK);
    assert_int_equal(bench->calls, 0);
    assert_int_equal(told(bench).reads, 0);
    assert_int_equal(tick_next(bench), RESIL_OK);
    EXPECT_LIST(bench, "axx\n");
    resil_resolver_stop(&bench->file.resolver);
}

/* The same in place: as many bytes as before, under the same name. */
static void *overwrite_and_allocate(void *arg, size_t bytes, size_t alignment)
{
    struct bench *bench = arg;

    if (bench->memory.fail_at > 0) {
        int fd = open(bench->path, O_WRONLY | O_CLOEXEC);

        bench->memory.fail_at--;
        assert_true(fd >= 0 && write(fd, "b", 1) == 1 && close(fd) == 0);
    }
    return resil_allocator_default()->allocate(NULL, bytes, alignment);
}

static void what_is_overwritten_while_it_is_read_is_not_used(void **state)
{
    struct bench *bench = *state;
    const struct resil_allocator allocator = {.size = sizeof allocator,
                                              .arg = bench,
                                              .allocate = overwrite_and_allocate,
                                              .release = release_any};
    /* Long ago, so that the change shows whatever the clock's tick. */
    const struct timespec before[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};

    resil_resolver_stop(&bench->file.resolver);
    bench_start(bench, &(struct resil_file_resolver_config){
                           .path = bench->path, .settle_ns = RESIL_OFF, .allocator = &allocator});
    bench->memory.fail_at = 1;
    put(bench->path, "a\nc\n");
    assert_int_equal(utimensat(AT_FDCWD, bench->path, before, 0), 0);
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(bench->calls, 0);
    assert_true(told(bench).settling);
    assert_int_equal(told(bench).reads, 0);
    assert_int_equal(tick_next(bench), RESIL_OK);
    EXPECT_LIST(bench, "b\nc\n");
    resil_resolver_stop(&bench->file.resolver);
}

static bool same_stamp(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void a_change_that_no_stamp_shows_is_found_in_two_seconds(void **state)
{
    struct bench *bench = *state;
    struct stat before, after;
    bool same = false;

    /* Two writes within a tick of the file system's clock. Where it has no such ticks, the change is
       found as any other is. */
    for (int i = 0; i < 200 && !same; i++) {
        resil_resolver_stop(&bench->file.resolver);
        assert_int_equal(resil_resolver_start(&bench->file.resolver, bench_take, bench, NULL, 0),
                         RESIL_OK);
        put(bench->path, "a\n");
        assert_int_equal(tick(bench), RESIL_OK);
        EXPECT_LIST(bench, "a\n");
        assert_int_equal(stat(bench->path, &before), 0);
        put(bench->path, "b\n");
        assert_int_equal(stat(bench->path, &after), 0);
        same = same_stamp(&before, &after);
    }
    bench->now_ns += RESIL_SEC(1);
    assert_int_equal(tick(bench), RESIL_OK);
    if (same)
        EXPECT_LIST(bench, "a\n");
    bench->now_ns += RESIL_SEC(1);
    assert_int_equal(tick(bench), RESIL_OK);
    EXPECT_LIST(bench, "b\n");
    bench->now_ns += RESIL_SEC(1);
}

static void a_rewrite_that_keeps_size_and_time_is_seen(void **state)
{
    struct bench *bench = *state;
    struct stat before, after;

    put(bench->path, "a\n");
    while (told(bench).reads < 2) { /* the second look at a young file is over */
        assert_int_equal(tick(bench), RESIL_OK);
        bench->now_ns += RESIL_SEC(1);
    }
    assert_int_equal(stat(bench->path, &before), 0);
    do {
        const struct timespec times[2] = {before.st_atim, before.st_mtim};

        put(bench->path, "b\n");
        assert_int_equal(utimensat(AT_FDCWD, bench->path, times, 0), 0);
        assert_int_equal(stat(bench->path, &after), 0);
    } while (same_stamp(&before, &after));
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(tick_next(bench), RESIL_OK);
    EXPECT_LIST(bench, "b\n");
}

static void a_file_that_was_only_touched_is_not_pushed(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    assert_int_equal(tick(bench), RESIL_OK);
    replace(bench, "a\n");
    assert_int_equal(tick_settled(bench), RESIL_OK);
    assert_int_equal(told(bench).reads, 2);
    assert_int_equal(bench->calls, 1);
}

static void settling_can_be_switched_off(void **state)
{
    struct bench *bench = *state;

    resil_resolver_stop(&bench->file.resolver);
    bench_start(bench,
                &(struct resil_file_resolver_config){.path = bench->path, .settle_ns = RESIL_OFF});
    put(bench->path, "");
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(bench->calls, 1);
    replace(bench, "b\n");
    assert_int_equal(tick_next(bench), RESIL_OK);
    EXPECT_LIST(bench, "b\n");
}

static void jitter_spreads_the_looks(void **state)
{
    struct bench *bench = *state;
    uint64_t least = UINT64_MAX, most = 0;

    resil_resolver_stop(&bench->file.resolver);
    bench_start(bench, &(struct resil_file_resolver_config){.path = bench->path, .seed = 7});
    put(bench->path, "a\n");
    for (int i = 0; i < 1000; i++) {
        uint64_t wait;

        assert_int_equal(tick(bench), RESIL_OK);
        wait = bench->next_ns - bench->now_ns;
        least = wait < least ? wait : least;
        most = wait > most ? wait : most;
        bench->now_ns = bench->next_ns;
    }
    assert_in_range(least, RESIL_MS(900), RESIL_MS(905));
    assert_in_range(most, RESIL_MS(1095), RESIL_MS(1100));
}

static void interval_and_jitter_are_those_of_the_config(void **state)
{
    struct bench *bench = *state;

    resil_resolver_stop(&bench->file.resolver);
    bench_start(bench, &(struct resil_file_resolver_config){
                           .path = bench->path, .interval_ns = RESIL_SEC(10), .jitter_pct = 50});
    put(bench->path, "a\n");
    for (int i = 0; i < 100; i++) {
        assert_int_equal(tick(bench), RESIL_OK);
        assert_in_range(bench->next_ns - bench->now_ns, RESIL_SEC(5), RESIL_SEC(15));
        bench->now_ns = bench->next_ns;
    }
}

static void starting_anew_reads_and_pushes_anew(void **state)
{
    struct bench *bench = *state;

    put(bench->path, "a\n");
    assert_int_equal(tick(bench), RESIL_OK);
    resil_resolver_stop(&bench->file.resolver);
    assert_int_equal(told(bench).pushes, 1);
    assert_int_equal(resil_resolver_start(&bench->file.resolver, bench_take, bench, NULL, 0),
                     RESIL_OK);
    assert_int_equal(told(bench).pushes, 0);
    assert_int_equal(tick(bench), RESIL_OK);
    assert_int_equal(bench->calls, 2);
    assert_string_equal(resil_resolver_name(&bench->file.resolver), "file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(the_first_list_doesnt_wait),
        WITH_BENCH(an_unchanged_file_is_not_read_again_but_once),
        WITH_BENCH(a_tick_that_comes_early_doesnt_look),
        WITH_BENCH(a_clock_set_back_doesnt_stop_the_looks),
        WITH_BENCH(a_replaced_file_is_read_when_it_has_settled),
        WITH_BENCH(a_swapped_link_is_followed),
        WITH_BENCH(a_writer_in_place_who_pauses_is_waited_for),
        WITH_BENCH(an_empty_file_waits_even_as_the_first_and_then_is_a_list),
        WITH_BENCH(what_changes_while_it_is_read_is_not_used),
        WITH_BENCH(what_is_overwritten_while_it_is_read_is_not_used),
        WITH_BENCH(a_change_that_no_stamp_shows_is_found_in_two_seconds),
        WITH_BENCH(a_rewrite_that_keeps_size_and_time_is_seen),
        WITH_BENCH(a_file_that_was_only_touched_is_not_pushed),
        WITH_BENCH(settling_can_be_switched_off),
        WITH_BENCH(jitter_spreads_the_looks),
        WITH_BENCH(interval_and_jitter_are_those_of_the_config),
        WITH_BENCH(starting_anew_reads_and_pushes_anew),
    };

    return cmocka_run_group_tests_name("file_resolver", tests, NULL, NULL);
}
