/* SPDX-License-Identifier: BSD-2-Clause */

/* The machine stepped as an event loop steps it. */
#include "call_fixture.h"

static void begin_refuses_null_and_other_sizes(void **state)
{
    struct fixture *f = *state;

    begin(f, 1, NULL);
    assert_int_equal(resil_call_begin(NULL, &f->chain, NULL, 0, 0), RESIL_EINVAL);
    assert_int_equal(resil_call_begin(&f->call, NULL, NULL, 0, 0), RESIL_EINVAL);
    assert_int_equal(resil_call_begin_sized(&f->call, 8, &f->chain, NULL, 0, 0), RESIL_EABI);
}

static void report_refuses_null(void **state)
{
    struct fixture *f = *state;

    begin(f, 1, NULL);
    assert_int_equal(resil_call_report(&f->call, 1, NULL), RESIL_EINVAL);
    assert_int_equal(resil_call_report(NULL, 1, &(struct resil_result){0}), RESIL_EINVAL);
}

static void a_call_steps_from_call_over_wait_to_done(void **state)
{
    struct fixture *f = *state;

    begin(f, 2, NULL);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1001), RESIL_STEP_WAIT);
    assert_true(f->step.wake_ns == RESIL_NEVER);
    assert_int_equal(report(f, f->ids[0], RESIL_SUCCESS), RESIL_OK);
    assert_int_equal(step_at(f, 1002), RESIL_STEP_DONE);
    assert_int_equal(step_at(f, 1003), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_OK);
    assert_string_equal(f->log.text, "admit0 admit1 call settle1 settle0");
    assert_int_equal(f->report.elapsed_ns, 2);
}

static void fini_before_the_end_is_busy(void **state)
{
    struct fixture *f = *state;

    begin(f, 1, NULL);
    assert_int_equal(fini(f), RESIL_EBUSY);
    (void)step_at(f, 1000);
    assert_int_equal(fini(f), RESIL_EBUSY);
}

static void an_attempt_may_be_reported_before_the_next_step(void **state)
{
    struct fixture *f = *state;

    begin(f, 1, NULL);
    (void)step_at(f, 1000);
    assert_int_equal(report(f, f->step.attempt->id, RESIL_FAILURE), RESIL_OK);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EFAILED);
}

static void a_second_report_is_late(void **state)
{
    struct fixture *f = *state;

    begin(f, 1, NULL);
    (void)step_at(f, 1000);
    assert_int_equal(report(f, f->ids[0], RESIL_FAILURE), RESIL_OK);
    assert_int_equal(report(f, f->ids[0], RESIL_SUCCESS), RESIL_ELATE);
    (void)step_at(f, 1000);
    assert_int_equal(report(f, f->ids[0], RESIL_SUCCESS), RESIL_ELATE);
    assert_int_equal(fini(f), RESIL_EFAILED);
}

static void a_report_for_a_former_call_in_the_same_memory_is_late(void **state)
{
    struct fixture *f = *state;
    uint64_t former;

    begin(f, 1, NULL);
    (void)step_at(f, 1000);
    former = f->ids[0];
    (void)report(f, former, RESIL_SUCCESS);
    (void)step_at(f, 1000);
    assert_int_equal(resil_call_begin(&f->call, &f->chain, NULL, 2000, 123456789), 0);
    assert_int_equal(step_at(f, 2000), RESIL_STEP_CALL);
    assert_int_equal(report(f, former, RESIL_FAILURE), RESIL_ELATE);
    assert_int_equal(report(f, f->step.attempt->id, RESIL_SUCCESS), RESIL_OK);
}

static void attempt_ids_are_never_zero(void **state)
{
    struct fixture *f = *state;

    begin(f, 1, NULL);
    assert_int_equal(resil_call_begin(&f->call, &f->chain, NULL, 1000, UINT64_MAX), 0);
    (void)step_at(f, 1000);
    assert_int_equal(f->ids[0], 1);
}

static void the_deadline_wakes_aborts_and_settles_as_timeout(void **state)
{
    struct fixture *f = *state;

    begin(f, 2, &(struct resil_request){.deadline_ns = 1500});
    (void)step_at(f, 1000);
    assert_int_equal(step_at(f, 1001), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1500);
    assert_int_equal(step_at(f, 1500), RESIL_STEP_ABORT);
    assert_int_equal(f->step.attempt->id, f->ids[0]);
    assert_int_equal(step_at(f, 1500), RESIL_STEP_DONE);
    assert_string_equal(f->log.text, "admit0 admit1 call abort settle1 settle0");
    assert_int_equal(f->scripts[1].settled, RESIL_TIMEOUT);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
    assert_int_equal(report(f, f->ids[0], RESIL_SUCCESS), RESIL_ELATE);
    nothing_is_held(f, 2);
}

static void a_result_that_comes_with_the_deadline_is_a_timeout_without_abort(void **state)
{
    struct fixture *f = *state;

    begin(f, 1, &(struct resil_request){.deadline_ns = 1500});
    (void)step_at(f, 1000);
    (void)report(f, f->ids[0], RESIL_SUCCESS);
    assert_int_equal(step_at(f, 1500), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
    assert_true(f->report.late_success);
}

static void an_older_time_is_read_as_the_time_of_before(void **state)
{
    struct fixture *f = *state;

    begin(f, 1, &(struct resil_request){.deadline_ns = 1500});
    (void)step_at(f, 1400);
    assert_int_equal(step_at(f, 900), RESIL_STEP_WAIT);
    (void)report(f, f->ids[0], RESIL_SUCCESS);
    assert_int_equal(step_at(f, 800), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_OK);
    assert_int_equal(f->report.elapsed_ns, 400);
}

static void again_waits_and_gives_a_new_id(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].settle[0] = RESIL_AGAIN;
    f->scripts[0].wait_ns = 200;
    begin(f, 2, NULL);
    (void)step_at(f, 1000);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    assert_int_equal(step_at(f, 1010), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1210);
    assert_int_equal(step_at(f, 1209), RESIL_STEP_WAIT);
    assert_int_equal(step_at(f, 1210), RESIL_STEP_CALL);
    assert_int_not_equal(f->ids[1], f->ids[0]);
    assert_int_equal(report(f, f->ids[0], RESIL_SUCCESS), RESIL_ELATE);
    (void)report(f, f->ids[1], RESIL_SUCCESS);
    assert_int_equal(step_at(f, 1300), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_OK);
    assert_int_equal(f->report.attempts, 2);
}

static void a_parked_call_resumes_when_stepped(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].admit[0] = RESIL_WAIT;
    f->scripts[0].wait_ns = 500;
    begin(f, 1, NULL);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1500);
    assert_int_equal(step_at(f, 1200), RESIL_STEP_CALL);
    assert_string_equal(f->log.text, "admit0 resume0 call");
}

static void cancel_gives_everything_back_and_aborts(void **state)
{
    struct fixture *f = *state;

    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    assert_int_equal(resil_call_cancel(&f->call, 1100), RESIL_OK);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_DONE);
    assert_string_equal(f->log.text, "admit0 admit1 admit2 call abandon2 abandon1 abandon0 abort");
    assert_int_equal(f->scripts[1].abandoned, RESIL_CANCELLED);
    assert_int_equal(fini(f), RESIL_ECANCELLED);
    assert_int_equal(f->report.outcome, RESIL_CANCELLED);
    assert_int_equal(report(f, f->ids[0], RESIL_SUCCESS), RESIL_ELATE);
    nothing_is_held(f, 3);
}

static void cancel_ends_the_call_at_the_time_it_is_told(void **state)
{
    struct fixture *f = *state;

    begin(f, 1, NULL);
    (void)step_at(f, 1000);
    assert_int_equal(resil_call_cancel(&f->call, 1300), RESIL_OK);
    assert_int_equal(fini(f), RESIL_ECANCELLED);
    assert_int_equal(f->report.elapsed_ns, 300);
}

static void cancel_before_the_first_step_has_nothing_to_give_back(void **state)
{
    struct fixture *f = *state;

    begin(f, 2, NULL);
    assert_int_equal(resil_call_cancel(&f->call, 1000), RESIL_OK);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_DONE);
    assert_string_equal(f->log.text, "");
}

static void cancel_ends_a_wait_on_the_way_in(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].admit[0] = RESIL_WAIT;
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    assert_int_equal(resil_call_cancel(&f->call, 1000), RESIL_OK);
    assert_string_equal(f->log.text, "admit0 admit1 abandon1 abandon0");
}

static void cancel_ends_a_backoff(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].settle[0] = RESIL_AGAIN;
    f->scripts[1].wait_ns = 1000;
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    (void)step_at(f, 1000);
    assert_int_equal(resil_call_cancel(&f->call, 1000), RESIL_OK);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_DONE);
    nothing_is_held(f, 3);
}

static void cancel_after_the_end_is_late(void **state)
{
    struct fixture *f = *state;

    begin(f, 1, NULL);
    (void)step_at(f, 1000);
    (void)report(f, f->ids[0], RESIL_SUCCESS);
    (void)step_at(f, 1000);
    assert_int_equal(resil_call_cancel(&f->call, 1000), RESIL_ELATE);
    assert_int_equal(fini(f), RESIL_OK);
}

/* ---- timers ---- */

static void a_timer_expires_the_inside_and_settles_its_policy(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].admit[0] = RESIL_ARMED;
    f->scripts[1].arm_ns = 100;
    f->scripts[1].timer[0] = RESIL_EXPIRE;
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1100);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_DONE);
    assert_string_equal(f->log.text,
                        "admit0 admit1 admit2 call timer1 abandon2 abort settle1 settle0");
    assert_int_equal(f->scripts[2].abandoned, RESIL_TIMEOUT);
    assert_int_equal(f->scripts[1].settled, RESIL_TIMEOUT);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.decided_level, 1);
    nothing_is_held(f, 3);
}

static void a_timer_inside_that_expires_leaves_those_outside(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].admit[0] = RESIL_ARMED;
    f->scripts[0].arm_ns = 250;
    f->scripts[0].timer[0] = RESIL_EXPIRE;
    f->scripts[1].settle[0] = RESIL_AGAIN;
    f->scripts[2].admit[0] = RESIL_ARMED;
    f->scripts[2].arm_ns = 100;
    f->scripts[2].timer[0] = RESIL_EXPIRE;
    begin(f, 3, NULL);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1250);
    assert_int_equal(step_at(f, 1250), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1250), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.decided_level, 0);
    nothing_is_held(f, 3);
}

static void a_timer_that_passes_does_not_spin(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].admit[0] = RESIL_ARMED;
    f->scripts[0].arm_ns = 100;
    begin(f, 1, NULL);
    (void)step_at(f, 1000);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_WAIT);
    assert_true(f->step.wake_ns == RESIL_NEVER);
    assert_int_equal(f->scripts[0].timers, 1);
}

static void a_timer_expires_a_wait_on_the_way_in(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].admit[0] = RESIL_ARMED;
    f->scripts[0].arm_ns = 100;
    f->scripts[0].timer[0] = RESIL_EXPIRE;
    f->scripts[1].admit[0] = RESIL_WAIT;
    f->scripts[1].wait_ns = 1000;
    begin(f, 2, NULL);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1100);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_DONE);
    assert_int_equal(f->scripts[1].abandoned, RESIL_REFUSED);
    assert_int_equal(fini(f), RESIL_EDEADLINE);
    nothing_is_held(f, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(begin_refuses_null_and_other_sizes),
        TEST(report_refuses_null),
        TEST(a_call_steps_from_call_over_wait_to_done),
        TEST(fini_before_the_end_is_busy),
        TEST(an_attempt_may_be_reported_before_the_next_step),
        TEST(a_second_report_is_late),
        TEST(a_report_for_a_former_call_in_the_same_memory_is_late),
        TEST(attempt_ids_are_never_zero),
        TEST(the_deadline_wakes_aborts_and_settles_as_timeout),
        TEST(a_result_that_comes_with_the_deadline_is_a_timeout_without_abort),
        TEST(an_older_time_is_read_as_the_time_of_before),
        TEST(again_waits_and_gives_a_new_id),
        TEST(a_parked_call_resumes_when_stepped),
        TEST(cancel_gives_everything_back_and_aborts),
        TEST(cancel_ends_the_call_at_the_time_it_is_told),
        TEST(cancel_before_the_first_step_has_nothing_to_give_back),
        TEST(cancel_ends_a_wait_on_the_way_in),
        TEST(cancel_ends_a_backoff),
        TEST(cancel_after_the_end_is_late),
        TEST(a_timer_expires_the_inside_and_settles_its_policy),
        TEST(a_timer_inside_that_expires_leaves_those_outside),
        TEST(a_timer_that_passes_does_not_spin),
        TEST(a_timer_expires_a_wait_on_the_way_in),
    };

    return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
