/* SPDX-License-Identifier: BSD-2-Clause */

/* Running a chain from blocking code: deadlines, the clock, timers; and chains in chains. */
#include "chain_fixture.h"

/* ---- deadlines ---- */

static void nothing_runs_after_the_deadline(void **state)
{
    struct fixture *f = *state;

    build(f, 2);
    assert_int_equal(run(f, &(struct resil_request){.deadline_ns = 1000}), RESIL_EDEADLINE);
    assert_int_equal(f->calls, 0);
    assert_string_equal(f->log.text, "admit0 admit1 settle1 settle0");
    assert_int_equal(f->report.outcome, RESIL_REFUSED);
}

static void a_success_after_the_deadline_is_a_timeout(void **state)
{
    struct fixture *f = *state;

    f->takes_ns = 500;
    build(f, 1);
    assert_int_equal(run(f, &(struct resil_request){.deadline_ns = 1500}), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
    assert_true(f->report.late_success);
    assert_int_equal(f->scripts[0].settled, RESIL_TIMEOUT);
}

static void a_success_just_before_the_deadline_is_one(void **state)
{
    struct fixture *f = *state;

    f->takes_ns = 499;
    build(f, 1);
    assert_int_equal(run(f, &(struct resil_request){.deadline_ns = 1500}), RESIL_OK);
    assert_false(f->report.late_success);
    assert_int_equal(f->report.elapsed_ns, 499);
}

static void a_failure_after_the_deadline_is_a_timeout_too(void **state)
{
    struct fixture *f = *state;

    f->takes_ns = 900;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 1);
    assert_int_equal(run(f, &(struct resil_request){.deadline_ns = 1500}), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
    assert_false(f->report.late_success);
}

/* ---- the clock ---- */

static void a_plain_success_reads_the_clock_once(void **state)
{
    struct fixture *f = *state;

    build(f, 3);
    (void)run(f, NULL);
    assert_int_equal(f->env.now_calls, 1);
    assert_int_equal(f->report.elapsed_ns, 0);
}

static void a_success_with_the_callers_time_reads_no_clock(void **state)
{
    struct fixture *f = *state;

    build(f, 3);
    (void)run(f, &(struct resil_request){.now_ns = 5});
    assert_int_equal(f->env.now_calls, 0);
    assert_int_equal(f->seen[0].now_ns, 5);
}

static void any_other_end_reads_the_clock_again(void **state)
{
    struct fixture *f = *state;

    f->takes_ns = 40;
    build(f, 2);
    f->outcomes[0] = RESIL_FAILURE;
    (void)run(f, NULL);
    assert_int_equal(f->env.now_calls, 2);
    assert_int_equal(f->report.elapsed_ns, 40);
    (void)run(f, &(struct resil_request){.deadline_ns = RESIL_SEC(9)});
    assert_int_equal(f->env.now_calls, 4);
}

static int admit_timed(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)self;
    (void)frame;
    walk->timed = true;
    return RESIL_PASS;
}

static void a_policy_can_ask_for_the_end_to_be_timed(void **state)
{
    struct fixture *f = *state;

    f->takes_ns = 40;
    f->scripts[1].ops.admit = admit_timed;
    build(f, 2);
    (void)run(f, NULL);
    assert_int_equal(f->env.now_calls, 2);
    assert_int_equal(f->report.elapsed_ns, 40);
}

static void a_clock_that_stands_still_does_not_hang_a_retry(void **state)
{
    struct fixture *f = *state;

    f->env.stuck = true;
    f->scripts[0].settle[0] = RESIL_AGAIN;
    f->scripts[0].wait_ns = 300;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 1);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_true(f->env.waits > 100);
}

static int wait_for_ever(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct script_policy *script = self;

    (void)frame;
    walk->wake_ns = RESIL_NEVER;
    return ++script->resumes < 3000 ? RESIL_WAIT : RESIL_PASS;
}

static void a_wait_without_end_does_not_jump_there_when_the_clock_stands_still(void **state)
{
    struct fixture *f = *state;

    f->env.stuck = true;
    f->scripts[0].ops.admit = wait_for_ever;
    f->scripts[0].ops.resume = wait_for_ever;
    build(f, 1);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_int_equal(f->seen[0].now_ns, 1000);
}

/* The 900th wait and the 1900th move the clock by a nanosecond each; then it stands still. */
static void tick_twice(struct virtual_env *env, uint32_t *word)
{
    (void)word;
    env->now_ns += env->waits == 900 || env->waits == 1900;
}

static void a_clock_that_goes_again_is_trusted_again(void **state)
{
    struct fixture *f = *state;

    f->env.stuck = true;
    f->env.during_wait = tick_twice;
    f->scripts[0].settle[0] = RESIL_AGAIN;
    f->scripts[0].wait_ns = 300;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 1);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_int_equal(f->env.waits, 1900 + 1001);
    assert_int_equal(f->seen[1].now_ns, f->seen[0].now_ns + 300);
}

static uint32_t *woken;

static void note_wake(void *arg, uint32_t *word)
{
    (void)arg;
    woken = word;
}

static void blocking_calls_draw_their_seed_from_the_environment(void **state)
{
    struct fixture *f = *state;
    struct resil_walk six = {.env_ = &f->env.env}, eight = {.env_ = &f->env.env};
    uint64_t drawn;

    f->env.random = 6;
    drawn = resil_walk_random(&six);
    f->env.random = 8;
    assert_int_not_equal(resil_walk_random(&eight), drawn);
    assert_int_not_equal(resil_walk_random(&six), drawn);
}

static void a_blocking_wait_is_woken_through_its_walk(void **state)
{
    struct fixture *f = *state;
    struct resil_request request = {0};
    struct resil_walk walk = {.request = &request, .env_ = &f->env.env};
    void *arg = NULL;
    resil_wake_fn *wake = resil_walk_waker(&walk, &arg);

    assert_ptr_equal(arg, &walk);
    f->env.env.wake = note_wake;
    wake(arg);
    assert_int_equal(walk.wake_word_, 1);
    assert_ptr_equal(woken, &walk.wake_word_);
}

static void a_clock_that_steps_back_is_read_as_standing_still(void **state)
{
    struct fixture *f = *state;

    f->takes_ns = (uint64_t)-400;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 1);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_int_equal(f->report.elapsed_ns, 0);
}

/* ---- timers ---- */

static void a_timer_in_blocking_code_fires_after_the_callback(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].admit[0] = RESIL_ARMED;
    f->scripts[0].arm_ns = 100;
    f->scripts[0].timer[0] = RESIL_EXPIRE;
    f->takes_ns = 100;
    build(f, 2);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_string_equal(f->log.text, "admit0 admit1 call timer0 abandon1 settle0");
    assert_int_equal(f->scripts[1].abandoned, RESIL_TIMEOUT);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
    assert_true(f->report.late_success);
    assert_int_equal(f->report.decided_level, 0);
}

static void a_timer_that_is_not_due_stays_silent(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].admit[0] = RESIL_ARMED;
    f->scripts[0].arm_ns = 100;
    f->takes_ns = 99;
    build(f, 2);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_int_equal(f->scripts[0].timers, 0);
}

static void a_timer_ends_a_backoff(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].admit[0] = RESIL_ARMED;
    f->scripts[0].arm_ns = 100;
    f->scripts[0].timer[0] = RESIL_EXPIRE;
    f->scripts[1].settle[0] = RESIL_AGAIN;
    f->scripts[1].wait_ns = 5000;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 3);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_string_equal(f->log.text,
                        "admit0 admit1 admit2 call settle2 settle1 timer0 abandon1 settle0");
    assert_int_equal(f->scripts[1].abandoned, RESIL_REFUSED);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
}

/* ---- nesting ---- */

struct nested {
    struct fixture *inner;
    struct fixture *self;
};

static enum resil_outcome run_inner(void *arg, struct resil_attempt *attempt)
{
    struct nested *nested = arg;

    (void)attempt;
    return run(nested->inner, NULL) == RESIL_OK ? RESIL_SUCCESS : RESIL_FAILURE;
}

static void a_chain_runs_inside_the_callback_of_another(void **state)
{
    struct fixture *f = *state;
    void *other_state = NULL;
    struct nested nested = {NULL, f};

    assert_int_equal(setup(&other_state), 0);
    nested.inner = other_state;
    build(nested.inner, 2);
    build(f, 2);
    assert_int_equal(resil_chain_run(&f->chain, &f->env.env, NULL, run_inner, &nested, &f->report),
                     0);
    assert_string_equal(nested.inner->log.text, "admit0 admit1 call settle1 settle0");
    assert_int_equal(teardown(&other_state), 0);
}

static enum resil_outcome run_same(void *arg, struct resil_attempt *attempt)
{
    struct fixture *f = arg;

    (void)attempt;
    return resil_chain_run(&f->chain, &f->env.env, NULL, callback, f, NULL) == RESIL_OK
               ? RESIL_SUCCESS
               : RESIL_FAILURE;
}

static void a_chain_can_be_re_entered_from_its_own_callback(void **state)
{
    struct fixture *f = *state;

    build(f, 1);
    assert_int_equal(resil_chain_run(&f->chain, &f->env.env, NULL, run_same, f, &f->report), 0);
    assert_string_equal(f->log.text, "admit0 admit0 call settle0 settle0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_runs_after_the_deadline),
        TEST(a_success_after_the_deadline_is_a_timeout),
        TEST(a_success_just_before_the_deadline_is_one),
        TEST(a_failure_after_the_deadline_is_a_timeout_too),
        TEST(a_plain_success_reads_the_clock_once),
        TEST(a_success_with_the_callers_time_reads_no_clock),
        TEST(any_other_end_reads_the_clock_again),
        TEST(a_policy_can_ask_for_the_end_to_be_timed),
        TEST(a_clock_that_stands_still_does_not_hang_a_retry),
        TEST(a_wait_without_end_does_not_jump_there_when_the_clock_stands_still),
        TEST(a_clock_that_goes_again_is_trusted_again),
        TEST(blocking_calls_draw_their_seed_from_the_environment),
        TEST(a_blocking_wait_is_woken_through_its_walk),
        TEST(a_clock_that_steps_back_is_read_as_standing_still),
        TEST(a_timer_in_blocking_code_fires_after_the_callback),
        TEST(a_timer_that_is_not_due_stays_silent),
        TEST(a_timer_ends_a_backoff),
        TEST(a_chain_runs_inside_the_callback_of_another),
        TEST(a_chain_can_be_re_entered_from_its_own_callback),
    };

    return cmocka_run_group_tests_name("chain time", tests, NULL, NULL);
}
