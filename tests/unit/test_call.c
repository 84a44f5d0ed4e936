/* SPDX-License-Identifier: BSD-2-Clause */

/* The machine stepped as an event loop steps it, hedges included. */
#include "test.h"

#include <resil/resil.h>

#include "script.h"

struct fixture {
    struct script_log log;
    struct script_policy scripts[RESIL_POLICIES_MAX];
    struct resil_policy policies[RESIL_POLICIES_MAX];
    struct resil_chain chain;
    struct resil_call call;
    struct resil_step step;
    struct resil_report report;
    uint64_t ids[8]; /* of the attempts in the order in which they started */
    unsigned started;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    memset(&f->call, 0xa5, sizeof f->call);
    for (unsigned i = 0; i < RESIL_POLICIES_MAX; i++) {
        script_init(&f->scripts[i], &f->log, i);
        f->policies[i] = (struct resil_policy){&f->scripts[i].ops, &f->scripts[i]};
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    free(f);
    return 0;
}

static void begin(struct fixture *f, size_t count, const struct resil_request *request)
{
    assert_int_equal(resil_chain_init(&f->chain, f->policies, count, NULL, 0), 0);
    assert_int_equal(resil_call_begin(&f->call, &f->chain, request, 1000, 99), 0);
}

/* Makes the policy at a level one that forks: armed to spawn after 100 ns. */
static void forks(struct fixture *f, unsigned level)
{
    struct script_policy *script = &f->scripts[level];

    script->ops.flags |= RESIL_FORKS;
    script->admit[0] = RESIL_ARMED;
    script->arm_ns = 100;
    for (unsigned i = 0; i < SCRIPT_STEPS; i++) {
        script->timer[i] = RESIL_SPAWN;
        script->settle[i] = RESIL_HOLD;
    }
}

static enum resil_step_kind step_at(struct fixture *f, uint64_t now_ns)
{
    enum resil_step_kind kind = resil_call_step(&f->call, now_ns, &f->step);

    if (kind == RESIL_STEP_CALL) {
        script_note(&f->log, "call");
        f->ids[f->started++ % 8] = f->step.attempt->id;
    }
    if (kind == RESIL_STEP_ABORT)
        script_note(&f->log, "abort");
    return kind;
}

static int report(struct fixture *f, uint64_t id, enum resil_outcome outcome)
{
    return resil_call_report(&f->call, id, &(struct resil_result){.outcome = outcome});
}

static int fini(struct fixture *f)
{
    return resil_call_fini(&f->call, &f->report);
}

static void nothing_is_held(const struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(f->scripts[i].held, 0);
}

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

/* ---- forks ---- */

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

    forks(f, 1);
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
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

    forks(f, 1);
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
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

    forks(f, 1);
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
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

    forks(f, 0);
    begin(f, 2, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
    (void)report(f, f->ids[1], RESIL_CALLER);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1120), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_CALLER);
}

static void a_failed_attempt_waits_for_the_other(void **state)
{
    struct fixture *f = *state;

    forks(f, 0);
    begin(f, 2, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
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

    forks(f, 1);
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    (void)step_at(f, 1120);
    (void)report(f, f->ids[1], RESIL_OVERLOAD);
    assert_int_equal(step_at(f, 1130), RESIL_STEP_DONE);
    assert_int_equal(f->scripts[0].settled, RESIL_OVERLOAD);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_OVERLOAD);
    nothing_is_held(f, 1);
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

    forks(f, 1);
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
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

    forks(f, 1);
    begin(f, 3, NULL);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
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
    first = f->call.u_.words_ + f->chain.arena_ + f->chain.frame_[2];
    second = first + f->chain.lane_words_;
    assert_int_equal(*first, 6000);
    assert_int_equal(*second, 6100);
}

static void a_call_fits_in_one_kibibyte(void **state)
{
    (void)state;
    assert_true(sizeof(struct resil_call) <= 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(cancel_before_the_first_step_has_nothing_to_give_back),
        TEST(cancel_ends_a_wait_on_the_way_in),
        TEST(cancel_ends_a_backoff),
        TEST(cancel_after_the_end_is_late),
        TEST(a_timer_expires_the_inside_and_settles_its_policy),
        TEST(a_timer_that_passes_does_not_spin),
        TEST(a_timer_expires_a_wait_on_the_way_in),
        TEST(a_fork_starts_a_second_attempt_after_its_delay),
        TEST(the_first_success_wins_and_the_other_is_aborted),
        TEST(of_two_successes_the_report_names_the_one_that_won),
        TEST(a_timeout_names_its_attempt_and_a_refusal_names_none),
        TEST(cancel_and_fini_refuse_null),
        TEST(the_original_can_win_over_the_hedge),
        TEST(caller_is_an_answer_and_wins_too),
        TEST(a_failed_attempt_waits_for_the_other),
        TEST(when_all_fail_the_last_result_goes_on),
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

    return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
