/* SPDX-License-Identifier: BSD-2-Clause */

/* The striped breaker: its memory, what a call writes, and that all stripes are judged as one. */
#define _GNU_SOURCE
#include "test.h"

#include <resil/breaker.h>
#include <resil/chain.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "breaker/breaker_fast.h"

#define STRIPES 4
#define LINE    64
#define T0      RESIL_SEC(1000)

__thread int32_t test_cpu;
__thread uint32_t test_cpu_asked;

typedef RESIL_STRIPED_BREAKER(STRIPES) breaker_of_4;
static breaker_of_4 mine;
static struct resil_breaker *const breaker = &mine.breaker;

/* Two stripes never share a cache line, nor does a stripe share one with what every call reads. */
_Static_assert(_Alignof(breaker_of_4) == RESIL_STRIPES_ALIGN, "the type brings its alignment");
_Static_assert(sizeof(breaker_of_4) == 1280 + 3 * 704, "inline memory");
_Static_assert(RESIL_BREAKER_STRIPE_WORDS_ * 8 % LINE == 0, "stripes are whole lines apart");
_Static_assert(offsetof(struct resil_breaker, head_) % LINE == 0, "a head starts a line");
_Static_assert(offsetof(struct resil_breaker, cells_) % LINE == 0, "cells start a line");
_Static_assert(offsetof(struct resil_breaker, cells_) / LINE >
                   offsetof(struct resil_breaker, streak_) / LINE,
               "what all read is not where a stripe is written");

static void make(struct resil_breaker_config config)
{
    if (config.jitter_pct == 0)
        config.jitter_pct = RESIL_OFF;
    if (config.probe_gap_ns == 0)
        config.probe_gap_ns = RESIL_OFF;
    assert_int_equal(resil_breaker_init_striped(breaker, sizeof mine, &config, STRIPES), RESIL_OK);
}

static int call(struct resil_breaker *of, int cpu, uint64_t now_ns, enum resil_outcome outcome)
{
    struct resil_result result = {.outcome = outcome};
    struct resil_permit permit;
    int rc = resil_breaker_acquire(of, now_ns, &permit);

    test_cpu = cpu;
    return rc != RESIL_OK ? rc : resil_breaker_record(of, &permit, now_ns, &result);
}

static void calls(unsigned count, int cpu, uint64_t now_ns, enum resil_outcome outcome)
{
    while (count-- > 0)
        assert_int_equal(call(breaker, cpu, now_ns, outcome), RESIL_OK);
}

static struct resil_breaker_snapshot look(uint64_t now_ns)
{
    struct resil_breaker_snapshot is;

    assert_int_equal(resil_breaker_snapshot(breaker, now_ns, &is), RESIL_OK);
    return is;
}

static void the_size_is_that_of_the_inline_memory(void **state)
{
    (void)state;
    assert_int_equal(resil_breaker_striped_size(1), sizeof(struct resil_breaker));
    assert_int_equal(resil_breaker_striped_size(STRIPES), sizeof mine);
    assert_int_equal(resil_breaker_striped_size(RESIL_STRIPES_MAX), 1280 + 255 * 704);
    assert_int_equal(resil_breaker_striped_size(0), 0);
    assert_int_equal(resil_breaker_striped_size(3), 0);
    assert_int_equal(resil_breaker_striped_size(2 * RESIL_STRIPES_MAX), 0);
}

static void init_refuses_what_cannot_be(void **state)
{
    static breaker_of_4 raw[2], before[2];
    struct resil_breaker_config by_count = {.calls = 10}, bad = {.slices = 33};
    struct resil_breaker *askew = (struct resil_breaker *)(void *)((char *)raw + 8);
    size_t size = sizeof raw[0];

    (void)state;
    memset(raw, 0x5a, sizeof raw);
    memcpy(before, raw, sizeof raw);
    assert_int_equal(resil_breaker_init_striped(NULL, size, NULL, 4), RESIL_EINVAL);
    assert_int_equal(resil_breaker_init_striped(askew, size, NULL, 4), RESIL_EINVAL);
    assert_int_equal(resil_breaker_init_striped(&raw->breaker, size - 1, NULL, 4), RESIL_EINVAL);
    assert_int_equal(resil_breaker_init_striped(&raw->breaker, size, NULL, 8), RESIL_EINVAL);
    assert_int_equal(resil_breaker_init_striped(&raw->breaker, size, NULL, 3), RESIL_EINVAL);
    assert_int_equal(resil_breaker_init_striped(&raw->breaker, size, NULL, 0), RESIL_EINVAL);
    assert_int_equal(resil_breaker_init_striped(&raw->breaker, SIZE_MAX, NULL, 512), RESIL_EINVAL);
    assert_int_equal(resil_breaker_init_striped(&raw->breaker, size, &by_count, 4), RESIL_EINVAL);
    assert_int_equal(resil_breaker_init_striped(&raw->breaker, size, &bad, 4), RESIL_EINVAL);
    assert_int_equal(resil_breaker_init_striped_sized(&raw->breaker, 1272, NULL,
                                                      sizeof(struct resil_breaker_config), 4, size),
                     RESIL_EABI);
    assert_int_equal(resil_breaker_init_striped_sized(&raw->breaker, 1280, NULL, 8, 4, size),
                     RESIL_EABI);
    assert_memory_equal(raw, before, sizeof raw);
}

static void init_writes_its_stripes_and_not_a_byte_more(void **state)
{
    static breaker_of_4 raw;
    const char *behind = (const char *)&raw + resil_breaker_striped_size(2);

    (void)state;
    memset(&raw, 0x5a, sizeof raw);
    assert_int_equal(resil_breaker_init_striped(&raw.breaker, sizeof raw, NULL, 2), RESIL_OK);
    for (size_t i = 0; i < sizeof raw - resil_breaker_striped_size(2); i++)
        assert_int_equal(behind[i], 0x5a);
}

static void one_stripe_is_a_plain_breaker_and_takes_calls(void **state)
{
    static struct resil_breaker plain;
    struct resil_breaker_config by_count = {.calls = 10};

    (void)state;
    make((struct resil_breaker_config){0});
    assert_int_equal(resil_breaker_init_striped(breaker, sizeof mine, NULL, 1), RESIL_OK);
    assert_int_equal(resil_breaker_init(&plain, NULL), RESIL_OK);
    assert_memory_equal(breaker, &plain, sizeof plain);
    assert_int_equal(resil_breaker_init_striped(breaker, sizeof mine, &by_count, 1), RESIL_OK);
}

/* The negative space of false sharing: of all lines of the object a success writes one, its own. */
static void a_success_writes_one_line_of_its_own_stripe(void **state)
{
    static breaker_of_4 before;
    bool written_by[4][sizeof mine / LINE] = {{0}};

    (void)state;
    make((struct resil_breaker_config){0});
    for (int cpu = 0; cpu < STRIPES; cpu++)
        calls(11, cpu, T0, RESIL_SUCCESS); /* past calls_min */
    for (int cpu = 0; cpu < STRIPES; cpu++) {
        unsigned lines = 0;

        before = mine;
        calls(1, cpu, T0, RESIL_SUCCESS);
        for (size_t line = 0; line < sizeof mine / LINE; line++) {
            written_by[cpu][line] =
                memcmp((char *)&mine + line * LINE, (char *)&before + line * LINE, LINE) != 0;
            lines += written_by[cpu][line];
            for (int other = 0; other < cpu; other++)
                assert_false(written_by[cpu][line] && written_by[other][line]);
        }
        assert_int_equal(lines, 1);
    }
}

static void failures_of_all_stripes_trip(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = 50, .calls_min = 20});
    for (int i = 0; i < 10; i++)
        calls(1, i, T0, RESIL_SUCCESS);
    for (int i = 0; i < 9; i++)
        calls(1, 3 * i, T0, RESIL_FAILURE);
    assert_int_equal(look(T0).state, RESIL_BREAKER_CLOSED);
    calls(1, 2, T0, RESIL_FAILURE); /* 10 of 20, on no stripe more than 6 */
    assert_int_equal(look(T0).state, RESIL_BREAKER_OPEN);
    assert_int_equal(call(breaker, 1, T0, RESIL_SUCCESS), RESIL_EOPEN);
}

static void slow_calls_of_all_stripes_trip(void **state)
{
    struct resil_result success = {.outcome = RESIL_SUCCESS};

    (void)state;
    make((struct resil_breaker_config){.slow_ns = 100, .calls_min = 8});
    for (int cpu = 0; cpu < 8; cpu++) {
        struct resil_permit permit;

        assert_int_equal(look(T0).state, RESIL_BREAKER_CLOSED);
        assert_int_equal(resil_breaker_acquire(breaker, T0, &permit), RESIL_OK);
        test_cpu = cpu;
        assert_int_equal(resil_breaker_record(breaker, &permit, T0 + 101, &success), RESIL_OK);
    }
    assert_int_equal(look(T0).state, RESIL_BREAKER_OPEN);
}

static void failures_in_a_row_are_counted_over_all_stripes(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = RESIL_OFF, .consecutive = 3});
    calls(1, 0, T0, RESIL_FAILURE);
    calls(1, 1, T0, RESIL_FAILURE);
    calls(1, 2, T0, RESIL_SUCCESS);
    calls(2, 3, T0, RESIL_FAILURE);
    assert_int_equal(look(T0).consecutive, 2);
    calls(1, 0, T0, RESIL_FAILURE);
    assert_int_equal(look(T0).state, RESIL_BREAKER_OPEN);
}

/* A stripe that nobody writes any more doesn't keep what has left the window. */
static void a_stripe_that_is_behind_is_counted_as_of_the_newest(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = RESIL_OFF, .failures = 6});
    calls(5, 0, T0, RESIL_FAILURE);
    calls(1, 1, T0 + RESIL_SEC(10), RESIL_SUCCESS); /* the slice of the five has left */
    calls(1, 0, T0, RESIL_FAILURE); /* an older now, which stripe 0 doesn't know to be too old */
    assert_int_equal(look(T0).state, RESIL_BREAKER_CLOSED);
    assert_int_equal(look(T0).failures, 0);
    assert_int_equal(look(T0).calls, 1);
    assert_int_equal(call(breaker, 1, T0, RESIL_FAILURE), RESIL_ELATE);
}

/* The epoch in a head has eight bits: 256 transitions later it is the same again. */
static void a_stripe_of_an_epoch_long_ago_is_empty(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = RESIL_OFF, .failures = 6});
    calls(5, 3, T0, RESIL_FAILURE);
    for (int i = 0; i < 256; i++) {
        assert_int_equal(resil_breaker_reset(breaker), RESIL_OK);
        if (i == 100)
            calls(1, 0, T0, RESIL_SUCCESS);
    }
    assert_int_equal(look(T0).failures, 0);
    calls(1, 0, T0, RESIL_FAILURE);
    assert_int_equal(look(T0).failures, 1);
}

static void rebase_and_reset_empty_all_stripes(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.failure_pct = RESIL_OFF});
    for (int cpu = 0; cpu < STRIPES; cpu++)
        calls(3, cpu, T0, RESIL_SUCCESS);
    assert_int_equal(look(T0).calls, 12);
    assert_int_equal(resil_breaker_reset(breaker), RESIL_OK);
    assert_int_equal(look(T0).calls, 0);
    for (int cpu = 0; cpu < STRIPES; cpu++)
        calls(3, cpu, T0, RESIL_SUCCESS);
    assert_int_equal(resil_breaker_rebase(breaker, RESIL_SEC(1)), RESIL_OK);
    assert_int_equal(look(RESIL_SEC(1)).calls, 0);
}

static void reconfigure_keeps_the_stripes_and_refuses_calls(void **state)
{
    struct resil_breaker_config stricter = {.failure_pct = 20, .jitter_pct = RESIL_OFF};
    struct resil_breaker_config by_count = {.calls = 10};
    char why[120] = "";

    (void)state;
    make((struct resil_breaker_config){.failure_pct = 90});
    for (int cpu = 0; cpu < STRIPES; cpu++)
        calls(5, cpu, T0, cpu == 0 ? RESIL_FAILURE : RESIL_SUCCESS);
    assert_int_equal(resil_breaker_reconfigure(breaker, &by_count, why, sizeof why), RESIL_EINVAL);
    assert_non_null(strstr(why, "calls"));
    assert_int_equal(resil_breaker_reconfigure(breaker, &stricter, NULL, 0), RESIL_OK);
    assert_int_equal(look(T0).calls, 20);
    calls(1, 2, T0, RESIL_FAILURE);
    assert_int_equal(look(T0).state, RESIL_BREAKER_OPEN);
}

static void where_no_processor_is_kept_the_system_is_asked(void **state)
{
    (void)state;
    make((struct resil_breaker_config){0});
    test_cpu_asked = 6;
    calls(20, -1, T0, RESIL_SUCCESS);
    assert_int_equal(look(T0).calls, 20);
    assert_int_equal(resil__breaker_stripe(breaker, 0)[0], 0);
    assert_int_not_equal(resil__breaker_stripe(breaker, 2)[0], 0);
    test_cpu_asked = 0;
}

static void probes_and_recovery_are_those_of_a_plain_one(void **state)
{
    (void)state;
    make((struct resil_breaker_config){.consecutive = 1, .probes = 2, .probe_success_pct = 100});
    calls(1, 1, T0, RESIL_FAILURE);
    assert_int_equal(call(breaker, 0, T0 + RESIL_SEC(5) - 1, RESIL_SUCCESS), RESIL_EOPEN);
    calls(1, 0, T0 + RESIL_SEC(5), RESIL_SUCCESS);
    assert_int_equal(look(T0 + RESIL_SEC(5)).state, RESIL_BREAKER_HALF_OPEN);
    calls(1, 3, T0 + RESIL_SEC(5), RESIL_SUCCESS);
    assert_int_equal(look(T0 + RESIL_SEC(5)).state, RESIL_BREAKER_CLOSED);
}

static void settle(struct resil_policy policy, int cpu, enum resil_outcome outcome)
{
    struct resil_walk walk = {.now_ns = T0};
    uint64_t frame[2] = {0};

    assert_int_equal(policy.ops->admit(policy.self, frame, &walk), RESIL_PASS);
    walk.result.outcome = outcome;
    test_cpu = cpu;
    assert_int_equal(policy.ops->settle(policy.self, frame, &walk), RESIL_PASS);
}

static unsigned heard;

static void hear(void *arg, const struct resil_breaker_event *event)
{
    (void)arg;
    heard += event->to == RESIL_BREAKER_OPEN;
}

static void the_policies_count_on_the_stripe_they_run_on(void **state)
{
    struct resil_breaker_watch watch = {.breaker = breaker, .fn = hear};
    struct resil_policy policies[2] = {resil_breaker_policy(breaker),
                                       resil_breaker_watch_policy(&watch)};

    (void)state;
    heard = 0;
    for (int i = 0; i < 2; i++) {
        make((struct resil_breaker_config){.failure_pct = RESIL_OFF, .failures = 2});
        for (int n = 0; n < 60; n++)
            settle(policies[i], n % 5 - 1, RESIL_SUCCESS);
        settle(policies[i], 1, RESIL_REFUSED);
        settle(policies[i], 1, RESIL_FAILURE);
        assert_int_equal(look(T0).calls, 61);
        for (unsigned stripe = 0; stripe < STRIPES; stripe++)
            assert_int_not_equal(*resil__breaker_stripe(breaker, stripe), 0);
        settle(policies[i], 2, RESIL_FAILURE);
        assert_int_equal(look(T0).state, RESIL_BREAKER_OPEN);
    }
    assert_int_equal(heard, 1);
}

static void processes_share_the_stripes_of_a_mapping(void **state)
{
    size_t size = resil_breaker_striped_size(8);
    struct resil_breaker_config config = {.calls_min = 4000};
    struct resil_breaker_snapshot is;
    struct resil_breaker *shared =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[3];
    int status;

    (void)state;
    assert_true(shared != MAP_FAILED);
    assert_int_equal(resil_breaker_init_striped(shared, size, &config, 8), RESIL_OK);
    for (int child = 0; child < 3; child++) {
        pids[child] = fork();
        assert_true(pids[child] >= 0);
        if (pids[child] == 0) {
            int wrong = 0;

            for (int i = 0; i < 999; i++)
                wrong |=
                    call(shared, i, T0, i % 3 == 0 ? RESIL_FAILURE : RESIL_SUCCESS) != RESIL_OK;
            _exit(wrong);
        }
    }
    for (int child = 0; child < 3; child++) {
        assert_int_equal(waitpid(pids[child], &status, 0), pids[child]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(resil_breaker_snapshot(shared, T0, &is), RESIL_OK);
    assert_int_equal(is.calls, 3 * 999);
    assert_int_equal(is.failures, 3 * 333);
    (void)munmap(shared, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_size_is_that_of_the_inline_memory),
        cmocka_unit_test(init_refuses_what_cannot_be),
        cmocka_unit_test(init_writes_its_stripes_and_not_a_byte_more),
        cmocka_unit_test(one_stripe_is_a_plain_breaker_and_takes_calls),
        cmocka_unit_test(a_success_writes_one_line_of_its_own_stripe),
        cmocka_unit_test(failures_of_all_stripes_trip),
        cmocka_unit_test(slow_calls_of_all_stripes_trip),
        cmocka_unit_test(failures_in_a_row_are_counted_over_all_stripes),
        cmocka_unit_test(a_stripe_that_is_behind_is_counted_as_of_the_newest),
        cmocka_unit_test(a_stripe_of_an_epoch_long_ago_is_empty),
        cmocka_unit_test(rebase_and_reset_empty_all_stripes),
        cmocka_unit_test(reconfigure_keeps_the_stripes_and_refuses_calls),
        cmocka_unit_test(where_no_processor_is_kept_the_system_is_asked),
        cmocka_unit_test(probes_and_recovery_are_those_of_a_plain_one),
        cmocka_unit_test(the_policies_count_on_the_stripe_they_run_on),
        cmocka_unit_test(processes_share_the_stripes_of_a_mapping),
    };

    return cmocka_run_group_tests_name("breaker striped", tests, NULL, NULL);
}
