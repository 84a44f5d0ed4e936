/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "test.h"

#include <resil/counters.h>
#include <resil/env.h>
#include <resil/limiter.h>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STRIPES 4

static RESIL_COUNTERS(STRIPES) mine;
static struct resil_counters *const counters = &mine.counters;

_Static_assert(sizeof mine == 64 + STRIPES * 768, "inline memory");
_Static_assert(sizeof(struct resil_counters) % 64 == 0, "stripes start a line");

static int setup(void **state)
{
    (void)state;
    return resil_counters_init(counters, sizeof mine, STRIPES);
}

static struct resil_counters_sum look(void)
{
    struct resil_counters_sum sum;

    assert_int_equal(resil_counters_sum(counters, &sum), RESIL_OK);
    return sum;
}

/* Everything but what is named is zero. */
static uint64_t of_all(const struct resil_counters_sum *sum)
{
    const uint64_t *words = (const uint64_t *)(const void *)sum;
    uint64_t all = 0;

    for (size_t i = 0; i < sizeof *sum / sizeof *words; i++)
        all += words[i];
    return all;
}

static struct resil_report success(void)
{
    return (struct resil_report){
        .outcome = RESIL_SUCCESS, .decided_level = UINT32_MAX, .attempts = 1};
}

static void the_size_is_that_of_the_inline_memory(void **state)
{
    (void)state;
    assert_int_equal(resil_counters_size(STRIPES), sizeof mine);
    assert_int_equal(resil_counters_size(0), 0);
    assert_int_equal(resil_counters_size(6), 0);
    assert_int_equal(resil_counters_size(RESIL_STRIPES_MAX), 64 + 256 * 768);
    assert_int_equal(resil_counters_size(512), 0);
}

static void init_refuses_what_cannot_be_and_writes_nothing(void **state)
{
    static RESIL_COUNTERS(2) raw, before;
    struct resil_counters *askew = (struct resil_counters *)(void *)((char *)&raw + 8);

    (void)state;
    memset(&raw, 0x5a, sizeof raw);
    memset(&before, 0x5a, sizeof before);
    assert_int_equal(resil_counters_init(NULL, sizeof raw, 1), RESIL_EINVAL);
    assert_int_equal(resil_counters_init(askew, sizeof raw, 1), RESIL_EINVAL);
    assert_int_equal(resil_counters_init(&raw.counters, sizeof raw - 1, 2), RESIL_EINVAL);
    assert_int_equal(resil_counters_init(&raw.counters, sizeof raw, 0), RESIL_EINVAL);
    assert_int_equal(resil_counters_init(&raw.counters, sizeof raw, 3), RESIL_EINVAL);
    assert_int_equal(resil_counters_init(&raw.counters, SIZE_MAX, 512), RESIL_EINVAL);
    assert_int_equal(resil_counters_init_sized(&raw.counters, 56, 1, sizeof raw), RESIL_EABI);
    assert_memory_equal(&raw, &before, sizeof raw);
    assert_int_equal(resil_counters_init(&raw.counters, sizeof raw, 1), RESIL_OK);
    assert_memory_equal((char *)&raw + resil_counters_size(1), &before, 768);
}

static void calls_refuse_what_is_not_there(void **state)
{
    static RESIL_COUNTERS(1) blank;
    struct resil_counters_sum sum = {.attempts_more = 1};
    struct resil_report report = success();

    (void)state;
    assert_int_equal(resil_counters_report(NULL, &report), RESIL_EINVAL);
    assert_int_equal(resil_counters_report(counters, NULL), RESIL_EINVAL);
    assert_int_equal(resil_counters_report(&blank.counters, &report), RESIL_EINVAL);
    assert_int_equal(resil_counters_add(NULL, 0, 1), RESIL_EINVAL);
    assert_int_equal(resil_counters_add(counters, RESIL_COUNTERS_OWN, 1), RESIL_EINVAL);
    assert_int_equal(resil_counters_add(&blank.counters, 0, 1), RESIL_EINVAL);
    assert_int_equal(resil_counters_sum(NULL, &sum), RESIL_EINVAL);
    assert_int_equal(resil_counters_sum(counters, NULL), RESIL_EINVAL);
    assert_int_equal(resil_counters_sum_sized(counters, &sum, sizeof sum - 8), RESIL_EABI);
    assert_int_equal(resil_counters_sum(&blank.counters, &sum), RESIL_OK);
    assert_int_equal(of_all(&sum), 0);
    sum = look();
    assert_int_equal(of_all(&sum), 0);
}

static void a_plain_success_is_one_count(void **state)
{
    struct resil_report report = success();
    struct resil_counters_sum sum;

    (void)state;
    assert_int_equal(resil_counters_report(counters, &report), RESIL_OK);
    sum = look();
    assert_int_equal(sum.outcomes[RESIL_SUCCESS], 1);
    assert_int_equal(of_all(&sum), 1);
}

static void every_outcome_has_its_counter(void **state)
{
    struct resil_counters_sum sum;

    (void)state;
    for (unsigned outcome = 0; outcome <= RESIL_OUTCOMES; outcome++)
        for (unsigned i = 0; i <= outcome; i++) {
            struct resil_report report = {.status = RESIL_EFAILED,
                                          .outcome = (enum resil_outcome)outcome};

            assert_int_equal(resil_counters_report(counters, &report), RESIL_OK);
        }
    sum = look();
    for (unsigned outcome = 1; outcome < RESIL_OUTCOMES; outcome++)
        assert_int_equal(sum.outcomes[outcome], outcome + 1);
    assert_int_equal(sum.outcomes[RESIL_NONE], 1 + RESIL_OUTCOMES + 1); /* and unknown values */
}

static void a_refusal_is_counted_by_kind_and_level(void **state)
{
    static const int statuses[] = {RESIL_EOPEN, RESIL_ELIMITED, RESIL_EUNAVAILABLE,
                                   -115,        -116,           INT32_MIN};
    struct resil_counters_sum sum;

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct resil_report report = {
            .status = statuses[i], .outcome = RESIL_REFUSED, .decided_level = i == 0 ? 15 : 3};

        assert_int_equal(resil_counters_report(counters, &report), RESIL_OK);
        report.decided_level = i == 1 ? 16 : UINT32_MAX; /* nobody's, and one that can't be */
        assert_int_equal(resil_counters_report(counters, &report), RESIL_OK);
    }
    sum = look();
    assert_int_equal(sum.outcomes[RESIL_REFUSED], 12);
    assert_int_equal(sum.refusals[0], 2);
    assert_int_equal(sum.refusals[1], 2);
    assert_int_equal(sum.refusals[7], 2);
    assert_int_equal(sum.refusals[15], 6);
    assert_int_equal(sum.refusals_by_level[15], 1);
    assert_int_equal(sum.refusals_by_level[3], 5);
    assert_int_equal(of_all(&sum), 12 + 12 + 6);
}

static void attempts_beyond_the_first_are_counted(void **state)
{
    struct resil_report report = success();

    (void)state;
    for (uint32_t attempts = 0; attempts < 4; attempts++) {
        report.attempts = attempts;
        assert_int_equal(resil_counters_report(counters, &report), RESIL_OK);
    }
    assert_int_equal(look().attempts_more, 1 + 2);
}

static void a_latency_lies_below_the_bound_of_its_bucket(void **state)
{
    struct resil_report report = success();
    struct resil_counters_sum sum;
    uint64_t total = 0;

    (void)state;
    for (unsigned bucket = 0; bucket < RESIL_COUNTERS_BUCKETS - 1; bucket++) {
        uint64_t bound = resil_counters_bucket_ns(bucket);

        assert_int_equal(bound, UINT64_C(1024) << bucket);
        report.elapsed_ns = bound - 1;
        assert_int_equal(resil_counters_report(counters, &report), RESIL_OK);
        report.elapsed_ns = bound; /* the first of the next */
        assert_int_equal(resil_counters_report(counters, &report), RESIL_OK);
        total += 2 * bound - 1;
    }
    report.elapsed_ns = UINT64_MAX;
    assert_int_equal(resil_counters_report(counters, &report), RESIL_OK);
    sum = look();
    assert_int_equal(sum.latencies[0], 1);
    for (unsigned bucket = 1; bucket < RESIL_COUNTERS_BUCKETS; bucket++)
        assert_int_equal(sum.latencies[bucket], 2);
    assert_int_equal(sum.latency_ns_total, total + UINT64_MAX);
    assert_true(resil_counters_bucket_ns(31) == RESIL_NEVER);
    assert_true(resil_counters_bucket_ns(99) == RESIL_NEVER);
}

static void the_callers_own_counters_add_up(void **state)
{
    struct resil_counters_sum sum;

    (void)state;
    for (unsigned own = 0; own < RESIL_COUNTERS_OWN; own++) {
        assert_int_equal(resil_counters_add(counters, own, 100 + own), RESIL_OK);
        assert_int_equal(resil_counters_add(counters, own, 1), RESIL_OK);
    }
    sum = look();
    for (unsigned own = 0; own < RESIL_COUNTERS_OWN; own++)
        assert_int_equal(sum.own[own], 101 + own);
    assert_int_equal(of_all(&sum), 8 * 101 + 28);
}

static enum resil_outcome succeed(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_SUCCESS;
}

static void the_report_of_a_chain_tells_who_refused(void **state)
{
    static struct resil_limiter limiter;
    struct resil_limiter_config config = {.tokens = 1, .period_ns = RESIL_SEC(3600), .burst = 3};
    struct resil_policy policies[1];
    struct resil_chain chain;
    struct resil_counters_sum sum;

    (void)state;
    assert_int_equal(resil_limiter_init(&limiter, &config), RESIL_OK);
    policies[0] = resil_limiter_policy(&limiter);
    assert_int_equal(resil_chain_init(&chain, policies, 1, NULL, 0), RESIL_OK);
    for (int i = 0; i < 10; i++) {
        struct resil_report report;

        (void)resil_chain_run(&chain, resil_env_posix(), NULL, succeed, NULL, &report);
        assert_int_equal(resil_counters_report(counters, &report), RESIL_OK);
    }
    sum = look();
    assert_int_equal(sum.outcomes[RESIL_SUCCESS], 3);
    assert_int_equal(sum.outcomes[RESIL_REFUSED], 7);
    assert_int_equal(sum.refusals[RESIL_EOPEN - RESIL_ELIMITED], 7);
    assert_int_equal(sum.refusals_by_level[0], 7);
}

static void processes_count_together(void **state)
{
    size_t size = resil_counters_size(2);
    struct resil_counters *shared =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct resil_report report = success();
    struct resil_counters_sum sum;
    pid_t pids[3];
    int status;

    (void)state;
    assert_true(shared != MAP_FAILED);
    assert_int_equal(resil_counters_init(shared, size, 2), RESIL_OK);
    for (int child = 0; child < 3; child++) {
        pids[child] = fork();
        assert_true(pids[child] >= 0);
        if (pids[child] == 0) {
            int wrong = 0;

            for (int i = 0; i < 5000; i++)
                wrong |= resil_counters_report(shared, &report) != RESIL_OK;
            _exit(wrong);
        }
    }
    for (int child = 0; child < 3; child++) {
        assert_int_equal(waitpid(pids[child], &status, 0), pids[child]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(resil_counters_sum(shared, &sum), RESIL_OK);
    assert_int_equal(sum.outcomes[RESIL_SUCCESS], 15000);
    (void)munmap(shared, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_size_is_that_of_the_inline_memory),
        cmocka_unit_test(init_refuses_what_cannot_be_and_writes_nothing),
        cmocka_unit_test_setup(calls_refuse_what_is_not_there, setup),
        cmocka_unit_test_setup(a_plain_success_is_one_count, setup),
        cmocka_unit_test_setup(every_outcome_has_its_counter, setup),
        cmocka_unit_test_setup(a_refusal_is_counted_by_kind_and_level, setup),
        cmocka_unit_test_setup(attempts_beyond_the_first_are_counted, setup),
        cmocka_unit_test_setup(a_latency_lies_below_the_bound_of_its_bucket, setup),
        cmocka_unit_test_setup(the_callers_own_counters_add_up, setup),
        cmocka_unit_test_setup(the_report_of_a_chain_tells_who_refused, setup),
        cmocka_unit_test(processes_count_together),
    };

    return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
