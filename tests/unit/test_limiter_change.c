/* SPDX-License-Identifier: BSD-2-Clause */
#define _DEFAULT_SOURCE

/* The limiter when something changes under it: its config, the clock, the process. */
#include "limiter_fixture.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/math.h"

static void reconfigure_keeps_the_tokens_and_gives_no_free_burst(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 10, 0);

    (void)state;
    assert_int_equal(take(&limiter, 4, T0), RESIL_OK);
    assert_int_equal(
        resil_limiter_reconfigure(&limiter,
                                  &(struct resil_limiter_config){.tokens = 1000, .burst = 500}, T0),
        RESIL_OK);
    assert_int_equal(look(&limiter, T0).available, 6);
    assert_int_equal(look(&limiter, T0).burst, 500);
    assert_int_equal(look(&limiter, T0).reconfigured, 1);
    assert_int_equal(take(&limiter, 7, T0), RESIL_ELIMITED);
    assert_int_equal(take(&limiter, 7, T0 + RESIL_MS(1)), RESIL_OK);
}

static void reconfigure_to_a_smaller_burst_leaves_no_negative_balance(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 10, 0);

    (void)state;
    assert_int_equal(take(&limiter, 4, T0), RESIL_OK);
    assert_int_equal(resil_limiter_reconfigure(
                         &limiter, &(struct resil_limiter_config){.tokens = 1, .burst = 3}, T0),
                     RESIL_OK);
    assert_int_equal(look(&limiter, T0).available, 3);
    assert_int_equal(take(&limiter, 3, T0), RESIL_OK);
    assert_int_equal(look(&limiter, T0).next_at_ns, T0 + RESIL_SEC(1));
}

static void reconfigure_pays_back_at_the_faster_rate(void **state)
{
    struct resil_limiter slower = make(10, RESIL_SEC(1), 1, 0);
    struct resil_limiter faster = make(1, RESIL_SEC(1), 1, 0);
    struct resil_reservation reservation;

    (void)state;
    for (int i = 0; i < 6; i++)
        assert_int_equal(resil_limiter_reserve(&slower, 1, T0, RESIL_SEC(9), &reservation),
                         RESIL_OK);
    assert_int_equal(resil_limiter_reconfigure(
                         &slower, &(struct resil_limiter_config){.tokens = 1, .burst = 1}, T0),
                     RESIL_OK);
    assert_int_equal(look(&slower, T0).next_at_ns, T0 + RESIL_MS(1500));
    for (int i = 0; i < 6; i++)
        assert_int_equal(resil_limiter_reserve(&faster, 1, T0, RESIL_SEC(9), &reservation),
                         RESIL_OK);
    assert_int_equal(resil_limiter_reconfigure(
                         &faster, &(struct resil_limiter_config){.tokens = 10, .burst = 1}, T0),
                     RESIL_OK);
    assert_int_equal(look(&faster, T0).next_at_ns, T0 + RESIL_MS(600));
}

static void reconfigure_refuses_what_init_refuses_and_a_second_one(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 10, 0);
    struct resil_limiter before;

    (void)state;
    before = limiter;
    assert_int_equal(resil_limiter_reconfigure(&limiter, &(struct resil_limiter_config){0}, T0),
                     RESIL_EINVAL);
    assert_int_equal(resil_limiter_reconfigure(&limiter, NULL, T0), RESIL_EINVAL);
    assert_memory_equal(&before, &limiter, sizeof limiter);
    limiter.gcra_.busy_ = 1;
    assert_int_equal(
        resil_limiter_reconfigure(&limiter, &(struct resil_limiter_config){.tokens = 1}, T0),
        RESIL_EBUSY);
    assert_int_equal(take(&limiter, 10, T0), RESIL_OK);
    resil_limiter_rebase(&limiter, T0);
    assert_int_equal(
        resil_limiter_reconfigure(&limiter, &(struct resil_limiter_config){.tokens = 1}, T0),
        RESIL_OK);
}

static void full_bucket_never_shows_the_same_word_twice(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 10, 0);
    uint64_t words[64];

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(
            resil_limiter_reconfigure(&limiter, &(struct resil_limiter_config){.tokens = 10}, T0),
            RESIL_OK);
        words[i] = limiter.gcra_.word_;
        assert_int_equal(look(&limiter, T0).available, 10);
        for (size_t j = 0; j < i; j++)
            assert_true(words[i] != words[j]);
    }
}

static void older_now_never_loosens(void **state)
{
    (void)state;
    for (uint64_t age_ns = 0; age_ns <= RESIL_SEC(60); age_ns += RESIL_SEC(5)) {
        struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);

        assert_int_equal(take(&limiter, 5, T0), RESIL_OK);
        assert_int_equal(take(&limiter, 1, T0 - age_ns), RESIL_ELIMITED);
        assert_int_equal(take(&limiter, 1, T0), RESIL_ELIMITED);
        resil_limiter_drain(&limiter, 0, T0 - age_ns);
        assert_int_equal(take(&limiter, 1, T0 + RESIL_MS(100)), RESIL_OK);
    }
}

static void clock_that_was_set_back_never_leaves_it_stuck(void **state)
{
    static const uint64_t spans[] = {RESIL_SEC(100), RESIL_SEC(3600),
                                     RESIL_SEC(UINT64_C(86400) * 3650)};
    const uint64_t start_ns = RESIL_SEC(UINT64_C(86400) * 3651);

    (void)state;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);

        assert_int_equal(take(&limiter, 5, start_ns), RESIL_OK);
        assert_int_equal(take(&limiter, 5, start_ns - spans[i]), RESIL_OK);
        assert_int_equal(take(&limiter, 1, start_ns - spans[i]), RESIL_ELIMITED);
        assert_int_equal(take(&limiter, 5, start_ns), RESIL_OK);
    }
}

static void reservation_far_ahead_is_not_taken_for_a_clock_step(void **state)
{
    struct resil_limiter limiter = make(1, RESIL_SEC(3600), 1, 0);
    struct resil_reservation reservation;

    (void)state;
    for (uint64_t i = 0; i < 48; i++) {
        assert_int_equal(resil_limiter_reserve(&limiter, 1, T0, RESIL_SEC(48 * 3600), &reservation),
                         RESIL_OK);
        assert_int_equal(reservation.at_ns, T0 + i * RESIL_SEC(3600));
    }
    assert_int_equal(take(&limiter, 1, T0 - RESIL_SEC(60)), RESIL_ELIMITED);
}

static void limiter_works_at_both_ends_of_time(void **state)
{
    struct resil_limiter limiter = make(1000000000, RESIL_SEC(1), 5, 0);
    uint64_t at_ns = 0;

    (void)state;
    assert_int_equal(take(&limiter, 5, 0), RESIL_OK);
    assert_int_equal(take(&limiter, 1, 0), RESIL_ELIMITED);
    limiter = make(1000000000, RESIL_SEC(1), 5, 0);
    assert_int_equal(take(&limiter, 5, UINT64_MAX), RESIL_OK);
    assert_int_equal(resil_limiter_acquire(&limiter, 1, UINT64_MAX, &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, UINT64_MAX);
    assert_int_equal(look(&limiter, UINT64_MAX).full_at_ns, UINT64_MAX);
}

/* The time wraps every 2^52 ns at this rate; a call on either side of the seam sees the same
   bucket. */
static void limiter_crosses_the_wrap_of_its_time(void **state)
{
    const uint64_t seam_ns = UINT64_C(1) << 52;

    (void)state;
    for (uint64_t step_ns = 0; step_ns < 5; step_ns++) {
        struct resil_limiter limiter = make(1000000000, RESIL_SEC(1), 10, 0);

        assert_int_equal(take(&limiter, 10, seam_ns - step_ns), RESIL_OK);
        assert_int_equal(take(&limiter, 1, seam_ns - step_ns), RESIL_ELIMITED);
        assert_int_equal(take(&limiter, 5, seam_ns - step_ns + 5), RESIL_OK);
        assert_int_equal(take(&limiter, 1, seam_ns - step_ns + 5), RESIL_ELIMITED);
    }
}

/* The state that would be the word for "never used" is another one. */
static void limiter_is_not_new_again_at_the_seam(void **state)
{
    const uint64_t seam_ns = UINT64_C(1) << 52;
    struct resil_limiter limiter = make(1000000000, RESIL_SEC(1), 10, 0);

    (void)state;
    assert_int_equal(take(&limiter, 1, seam_ns - RESIL_SEC(1)), RESIL_OK);
    assert_int_equal(take(&limiter, 10, seam_ns - 10), RESIL_OK);
    assert_int_equal(take(&limiter, 1, seam_ns - 10), RESIL_ELIMITED);
    assert_int_equal(take(&limiter, 10, seam_ns + 1), RESIL_OK);
}

/* 1e6 tokens at saturation, asked for at the very time at which each becomes due. */
static void limiter_does_not_drift_at_any_rate(void **state)
{
    static const struct {
        uint64_t tokens;
        uint64_t period_ns;
    } rates[] = {
        {1, RESIL_SEC(3600)},
        {7, RESIL_SEC(3600)},
        {1, RESIL_SEC(1)},
        {3, RESIL_SEC(1)},
        {997, RESIL_SEC(1)},
        {1000000, RESIL_SEC(1)},
        {1499999, RESIL_SEC(1)},
        {33333333, RESIL_SEC(1)},
        {333333333, RESIL_SEC(1)},
        {700000000, RESIL_SEC(1)},
        {999999999, RESIL_SEC(1)},
        {1000000000, RESIL_SEC(1)},
        {600000001, RESIL_SEC(1)},
        {1, 1},
        {2, 3},
    };
#if defined(__SANITIZE_THREAD__)
    const uint64_t count = 100000;
#else
    const uint64_t count = 1000000;
#endif

    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct resil_limiter limiter = make(rates[i].tokens, rates[i].period_ns, 1, 0);
        uint64_t ideal_ns = resil__mul_div(count, rates[i].period_ns, rates[i].tokens);
        struct resil_reservation reservation = {0};
        uint64_t now_ns = T0;

        for (uint64_t token = 0; token <= count; token++) {
            assert_int_equal(
                resil_limiter_reserve(&limiter, 1, now_ns, RESIL_SEC(86400), &reservation),
                RESIL_OK);
            now_ns = token % 16 == 0 ? reservation.at_ns : now_ns;
        }
        assert_true(reservation.at_ns - T0 >= ideal_ns);
        assert_true(reservation.at_ns - T0 <= ideal_ns + ideal_ns / 1000 + 1);
    }
}

static void rebase_leaves_the_bucket_empty_on_the_new_clock(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    struct resil_limiter fresh = make(10, RESIL_SEC(1), 5, 0);

    (void)state;
    assert_int_equal(take(&limiter, 1, T0), RESIL_OK);
    resil_limiter_rebase(&limiter, 50);
    assert_int_equal(take(&limiter, 1, 50), RESIL_ELIMITED);
    assert_int_equal(take(&limiter, 1, 50 + RESIL_MS(100)), RESIL_OK);
    assert_int_equal(take(&limiter, 5, 50 + RESIL_SEC(1)), RESIL_OK);
    resil_limiter_rebase(&fresh, 50);
    assert_int_equal(take(&fresh, 5, 50), RESIL_OK);
}

static void processes_share_one_limiter_in_a_mapping(void **state)
{
    struct resil_limiter *limiter =
        mmap(NULL, sizeof *limiter, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    uint64_t granted = 0;

    (void)state;
    assert_true(limiter != MAP_FAILED);
    assert_int_equal(
        resil_limiter_init(limiter, &(struct resil_limiter_config){.tokens = 1, .burst = 100}),
        RESIL_OK);
    for (int child = 0; child < 4; child++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            int mine = 0;

            for (int i = 0; i < 100; i++)
                mine += resil_limiter_acquire(limiter, 1, T0, NULL) == RESIL_OK;
            _exit(mine);
        }
    }
    for (int child = 0; child < 4; child++) {
        int status;

        assert_true(wait(&status) > 0 && WIFEXITED(status));
        granted += (uint64_t)WEXITSTATUS(status);
    }
    assert_int_equal(granted, 100);
    assert_int_equal(munmap(limiter, sizeof *limiter), 0);
}

static struct resil_limiter *map_file(int file)
{
    void *memory =
        mmap(NULL, sizeof(struct resil_limiter), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static void second_process_finds_the_bucket_empty(void **state)
{
    FILE *file = tmpfile();
    struct resil_limiter *limiter;
    int status;
    pid_t pid;

    (void)state;
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), (off_t)sizeof *limiter), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        limiter = map_file(fileno(file));
        if (limiter == NULL || resil_limiter_init(limiter, &(struct resil_limiter_config){
                                                               .tokens = 10, .burst = 5}) != 0)
            _exit(1);
        _exit(resil_limiter_acquire(limiter, 5, T0, NULL) == RESIL_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    limiter = map_file(fileno(file));
    assert_non_null(limiter);
    assert_int_equal(take(limiter, 1, T0), RESIL_ELIMITED);
    assert_int_equal(take(limiter, 1, T0 + RESIL_MS(100)), RESIL_OK);
    assert_int_equal(munmap(limiter, sizeof *limiter), 0);
    (void)fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reconfigure_keeps_the_tokens_and_gives_no_free_burst),
        cmocka_unit_test(reconfigure_to_a_smaller_burst_leaves_no_negative_balance),
        cmocka_unit_test(reconfigure_pays_back_at_the_faster_rate),
        cmocka_unit_test(reconfigure_refuses_what_init_refuses_and_a_second_one),
        cmocka_unit_test(full_bucket_never_shows_the_same_word_twice),
        cmocka_unit_test(older_now_never_loosens),
        cmocka_unit_test(clock_that_was_set_back_never_leaves_it_stuck),
        cmocka_unit_test(reservation_far_ahead_is_not_taken_for_a_clock_step),
        cmocka_unit_test(limiter_works_at_both_ends_of_time),
        cmocka_unit_test(limiter_crosses_the_wrap_of_its_time),
        cmocka_unit_test(limiter_is_not_new_again_at_the_seam),
        cmocka_unit_test(limiter_does_not_drift_at_any_rate),
        cmocka_unit_test(rebase_leaves_the_bucket_empty_on_the_new_clock),
        cmocka_unit_test(processes_share_one_limiter_in_a_mapping),
        cmocka_unit_test(second_process_finds_the_bucket_empty),
    };

    return cmocka_run_group_tests_name("limiter_change", tests, NULL, NULL);
}
