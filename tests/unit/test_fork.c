/* SPDX-License-Identifier: BSD-2-Clause */

/* Several attempts of one call side by side. */
#include "call_fixture.h"

/* The policy at a level has forked: two attempts run since 1000 and 1100. */
static void two_lanes(struct fixture *f, unsigned level, size_t count)
{
    forks(f, level);
    begin(f, count, NULL);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_CALL);
}

static void a_fork_starts_a_second_attempt_after_its_delay(void **state)
{
    struct fixture *f = *state;

    forks(f, 1);
    begin(f, 3, NULL);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1100);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_CALL);
    assert_int_equal(f->step.attempt->kind, RESIL_ATTEMPT_HEDGE);
    assert_int_equal(f->step.attempt->number, 2);
    assert_string_equal(f->log.text, "admit0 admit1 admit2 call timer1 admit2 call");
}

static void the_first_success_wins_and_the_other_is_aborted(void **state)
{
    struct fixture *f = *state;

    two_lanes(f, 1, 3);
    (void)report(f, f->ids[1], RESIL_SUCCESS);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_ABORT);
    assert_int_equal(f->step.attempt->id, f->ids[0]);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_DONE);
    assert_string_equal(f->log.text, "admit0 admit1 admit2 call timer1 admit2 call "
                                     "settle2 settle1 abandon2 abort settle0");
    assert_int_equal(f->scripts[2].abandoned, RESIL_CANCELLED);
    assert_int_equal(fini(f), RESIL_OK);
    assert_int_equal(f->report.attempts, 2);
    assert_int_equal(f->report.attempt_id, f->ids[1]);
    nothing_is_held(f, 1);
    assert_int_equal(f->scripts[2].held, 0);
    assert_int_equal(report(f, f->ids[0], RESIL_SUCCESS), RESIL_ELATE);
}

static void of_two_successes_the_report_names_the_one_that_won(void **state)
{
    struct fixture *f = *state;

    two_lanes(f, 1, 3);
    (void)report(f, f->ids[1], RESIL_SUCCESS);
    (void)report(f, f->ids[0], RESIL_SUCCESS);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_OK);
    assert_int_equal(f->report.attempt_id, f->ids[0]);
    assert_true(f->report.late_success);
}

static void a_timeout_names_its_attempt_and_a_refusal_names_none(void **state)
{
    struct fixture *f = *state;

    begin(f, 2, &(struct resil_request){.deadline_ns = 1500});
    (void)step_at(f, 1000);
    (void)step_at(f, 1500);
    assert_int_equal(step_at(f, 1500), RESIL_STEP_DONE);
    (void)fini(f);
    assert_int_equal(f->report.attempt_id, f->ids[0]);

    f->scripts[0].settle[1] = RESIL_AGAIN;
    f->scripts[1].admit[2] = RESIL_EFULL;
    assert_int_equal(resil_call_begin(&f->call, &f->chain, NULL, 2000, 5), 0);
    (void)step_at(f, 2000);
    (void)report(f, f->ids[1], RESIL_FAILURE);
    assert_int_equal(step_at(f, 2000), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EFULL);
    assert_int_equal(f->report.attempt_id, 0);
}

static void cancel_and_fini_refuse_null(void **state)
{
    (void)state;
    assert_int_equal(resil_call_cancel(NULL, 0), RESIL_EINVAL);
    assert_int_equal(resil_call_fini(NULL, NULL), RESIL_EINVAL);
}

static void the_original_can_win_over_the_hedge(void **state)
{
    struct fixture *f = *state;

    two_lanes(f, 1, 3);
    (void)report(f, f->ids[0], RESIL_SUCCESS);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_ABORT);
    assert_int_equal(f->step.attempt->id, f->ids[1]);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_OK);
    assert_int_equal(f->scripts[2].held, 0);
}

static void caller_is_an_answer_and_wins_too(void **state)
{
    struct fixture *f = *state;

    two_lanes(f, 0, 2);
    (void)report(f, f->ids[1], RESIL_CALLER);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_CALLER);
}

static void a_failed_attempt_waits_for_the_other(void **state)
{
    struct fixture *f = *state;

    two_lanes(f, 0, 2);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_WAIT);
    (void)report(f, f->ids[1], RESIL_SUCCESS);
    assert_int_equal(step_at(f, 1130), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_OK);
    assert_int_equal(f->scripts[1].held, 0);
}

static void when_all_fail_the_last_result_goes_on(void **state)
{
    struct fixture *f = *state;

    two_lanes(f, 1, 3);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    (void)step_at(f, 1120);
    (void)report(f, f->ids[1], RESIL_OVERLOAD);
    assert_int_equal(step_at(f, 1130), RESIL_STEP_DONE);
    assert_int_equal(f->scripts[0].settled, RESIL_OVERLOAD);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_OVERLOAD);
    nothing_is_held(f, 1);
}

/* As a retry inside of a lane does. */
static int stop(void *self, uint64_t *frame, struct resil_walk *walk)
{
    int verdict = script_settle(self, frame, walk);

    if (walk->attempt.kind == RESIL_ATTEMPT_HEDGE) {
        walk->stopped = RESIL_EEXHAUSTED;
        walk->retry_at_ns = 7777;
    }
    return verdict;
}

static void why_the_last_lane_stopped_is_reported(void **state)
{
    struct fixture *f = *state;

    forks(f, 1);
    f->scripts[2].ops.settle = stop;
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    (void)step_at(f, 1110);
    (void)report(f, f->ids[1], RESIL_FAILURE);
    while (step_at(f, 1120) == RESIL_STEP_CALL)
        (void)report(f, f->step.attempt->id, RESIL_FAILURE);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.stopped, RESIL_EEXHAUSTED);
    assert_int_equal(f->report.retry_at_ns, 7777);
}

static void a_refused_hedge_does_not_hide_a_failure(void **state)
{
    struct fixture *f = *state;

    forks(f, 0);
    f->scripts[1].admit[1] = RESIL_EFULL;
    begin(f, 2, NULL);
    (void)step_at(f, 1000);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    /* The timer is due as well, but the result is there first. */
    assert_int_equal(step_at(f, 1100), RESIL_STEP_DONE);
    assert_int_equal(f->scripts[0].timers, 0);
    assert_int_equal(f->report.outcome, 0);
    assert_int_equal(fini(f), RESIL_EFAILED);

    assert_int_equal(resil_call_begin(&f->call, &f->chain, NULL, 2000, 5), 0);
    f->scripts[0].admit[1] = RESIL_ARMED;
    f->scripts[1].admits = 0;
    (void)step_at(f, 2000);
    assert_int_equal(step_at(f, 2100), RESIL_STEP_WAIT);
    (void)report(f, f->ids[1], RESIL_FAILURE);
    assert_int_equal(step_at(f, 2110), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_FAILURE);
}

static void three_lanes_are_the_most(void **state)
{
    struct fixture *f = *state;

    forks(f, 0);
    begin(f, 2, NULL);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1200), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1300), RESIL_STEP_WAIT);
    (void)report(f, f->ids[2], RESIL_SUCCESS);
    assert_int_equal(step_at(f, 1310), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1310), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1310), RESIL_STEP_DONE);
    assert_int_equal(f->scripts[1].held, 0);
    assert_int_equal(f->report.attempts, 0);
    assert_int_equal(fini(f), RESIL_OK);
    assert_int_equal(f->report.attempts, 3);
}

static void cancel_tears_down_every_lane_and_the_trunk(void **state)
{
    struct fixture *f = *state;

    two_lanes(f, 1, 3);
    assert_int_equal(resil_call_cancel(&f->call, 1110), RESIL_OK);
    assert_int_equal(step_at(f, 1110), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1110), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1110), RESIL_STEP_DONE);
    nothing_is_held(f, 3);
    assert_int_equal(fini(f), RESIL_ECANCELLED);
}

static void cancel_with_the_first_lane_in_hold_gives_the_trunk_back(void **state)
{
    struct fixture *f = *state;

    two_lanes(f, 1, 3);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    (void)step_at(f, 1110);
    assert_int_equal(resil_call_cancel(&f->call, 1120), RESIL_OK);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_DONE);
    assert_int_equal(f->scripts[0].abandons, 1);
    assert_int_equal(f->scripts[2].held, 0);
}

static void the_deadline_ends_all_lanes(void **state)
{
    struct fixture *f = *state;

    forks(f, 1);
    begin(f, 3, &(struct resil_request){.deadline_ns = 1500});
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
    assert_int_equal(step_at(f, 1200), RESIL_STEP_CALL);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    assert_int_equal(step_at(f, 1210), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1300);
    assert_int_equal(step_at(f, 1500), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1500), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1500), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
    nothing_is_held(f, 1);
    assert_int_equal(f->scripts[2].held, 0);
}

static void a_timer_of_the_trunk_ends_all_lanes(void **state)
{
    struct fixture *f = *state;

    forks(f, 1);
    f->scripts[0].admit[0] = RESIL_ARMED;
    f->scripts[0].arm_ns = 150;
    f->scripts[0].timer[0] = RESIL_EXPIRE;
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    assert_int_equal(step_at(f, 1110), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1150);
    assert_int_equal(step_at(f, 1150), RESIL_STEP_ABORT);
    assert_int_equal(f->step.attempt->id, f->ids[1]);
    assert_int_equal(step_at(f, 1150), RESIL_STEP_DONE);
    assert_int_equal(f->scripts[1].abandons, 1);
    assert_int_equal(f->scripts[2].held, 0);
    assert_int_equal(f->scripts[0].held, 0);
    assert_int_equal(fini(f), RESIL_EFAILED);
}

static void a_retry_outside_can_fork_again(void **state)
{
    struct fixture *f = *state;

    forks(f, 1);
    f->scripts[1].admit[1] = RESIL_ARMED;
    f->scripts[0].settle[0] = RESIL_AGAIN;
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
    (void)report(f, f->ids[1], RESIL_FAILURE);
    (void)step_at(f, 1110);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_CALL);
    assert_int_equal(f->step.attempt->kind, RESIL_ATTEMPT_NORMAL);
    assert_int_equal(step_at(f, 1220), RESIL_STEP_CALL);
    assert_int_equal(f->step.attempt->kind, RESIL_ATTEMPT_HEDGE);
    (void)report(f, f->ids[3], RESIL_SUCCESS);
    assert_int_equal(step_at(f, 1230), RESIL_STEP_ABORT);
    assert_int_equal(f->step.attempt->id, f->ids[2]);
    assert_int_equal(step_at(f, 1230), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_OK);
    assert_int_equal(f->report.attempts, 4);
    assert_int_equal(f->scripts[0].held, 0);
    assert_int_equal(f->scripts[2].held, 0);
}

static void a_retry_inside_of_a_lane_belongs_to_the_lane(void **state)
{
    struct fixture *f = *state;

    forks(f, 0);
    f->scripts[1].settle[0] = RESIL_AGAIN;
    f->scripts[1].wait_ns = 500;
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    assert_int_equal(step_at(f, 1010), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1100);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_CALL);
    (void)report(f, f->ids[1], RESIL_SUCCESS);
    assert_int_equal(step_at(f, 1150), RESIL_STEP_DONE);
    assert_int_equal(f->scripts[1].abandoned, RESIL_CANCELLED);
    assert_int_equal(f->scripts[1].abandons, 1);
    assert_int_equal(f->scripts[2].held, 0);
    assert_int_equal(fini(f), RESIL_OK);
}

static void lanes_have_frames_of_their_own(void **state)
{
    struct fixture *f = *state;
    const uint64_t *first, *second;

    forks(f, 1);
    f->scripts[2].admit[0] = RESIL_ARMED;
    f->scripts[2].admit[1] = RESIL_ARMED;
    f->scripts[2].arm_ns = 5000;
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
    first = f->call.u_.words_ + f->chain.frame_[2];
    second = first + f->chain.lane_words_;
    assert_int_equal(*first, 6000);
    assert_int_equal(*second, 6100);
}

static void a_call_fits_in_one_kibibyte(void **state)
{
    (void)state;
    assert_true(sizeof(struct resil_call) <= 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fork_starts_a_second_attempt_after_its_delay),
        TEST(the_first_success_wins_and_the_other_is_aborted),
        TEST(of_two_successes_the_report_names_the_one_that_won),
        TEST(a_timeout_names_its_attempt_and_a_refusal_names_none),
        TEST(cancel_and_fini_refuse_null),
        TEST(the_original_can_win_over_the_hedge),
        TEST(caller_is_an_answer_and_wins_too),
        TEST(a_failed_attempt_waits_for_the_other),
        TEST(when_all_fail_the_last_result_goes_on),
        TEST(why_the_last_lane_stopped_is_reported),
        TEST(a_refused_hedge_does_not_hide_a_failure),
        TEST(three_lanes_are_the_most),
        TEST(cancel_tears_down_every_lane_and_the_trunk),
        TEST(cancel_with_the_first_lane_in_hold_gives_the_trunk_back),
        TEST(the_deadline_ends_all_lanes),
        TEST(a_timer_of_the_trunk_ends_all_lanes),
        TEST(a_retry_outside_can_fork_again),
        TEST(a_retry_inside_of_a_lane_belongs_to_the_lane),
        TEST(lanes_have_frames_of_their_own),
        TEST(a_call_fits_in_one_kibibyte),
    };

    return cmocka_run_group_tests_name("fork", tests, NULL, NULL);
}
