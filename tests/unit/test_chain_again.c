/* SPDX-License-Identifier: BSD-2-Clause */

/* Running a chain from blocking code: what runs again, waits, or is replaced. */
#include "chain_fixture.h"

/* ---- again ---- */

static void again_enters_the_inside_once_more_after_the_wait(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].settle[0] = RESIL_AGAIN;
    f->scripts[1].wait_ns = 300;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 3);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_string_equal(f->log.text,
                        "admit0 admit1 admit2 call settle2 settle1 admit2 call settle2 settle1 "
                        "settle0");
    assert_int_equal(f->env.waits, 1);
    assert_int_equal(f->env.last_wait_ns, 1300);
    assert_int_equal(f->report.attempts, 2);
    assert_int_equal(f->seen[1].number, 2);
    assert_int_equal(f->seen[1].now_ns, 1300);
    assert_null(f->report.decided_by);
}

static void again_at_once_does_not_wait(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].settle[0] = RESIL_AGAIN;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 1);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_int_equal(f->env.waits, 0);
}

static void again_can_follow_a_success(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].settle[0] = RESIL_AGAIN;
    build(f, 2);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_int_equal(f->calls, 2);
    assert_int_equal(f->scripts[1].held, 0);
}

static void again_forgets_the_refusal_that_it_answers(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].admit[0] = RESIL_EFULL;
    f->scripts[0].settle[0] = RESIL_AGAIN;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 2);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_FAILURE);
    assert_null(f->report.decided_by);
}

static int refuse_once(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct script_policy *script = self;

    (void)frame;
    if (script->admits++ > 0)
        return RESIL_PASS;
    walk->retry_at_ns = 7777;
    return RESIL_ELIMITED;
}

static void again_forgets_when_the_refusal_said_to_come_back(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].ops.admit = refuse_once;
    f->scripts[0].settle[0] = RESIL_AGAIN;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 2);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_int_equal(f->report.retry_at_ns, 0);
}

static int note_number(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct script_policy *script = self;

    (void)frame;
    script->wait_ns = walk->attempt.number;
    return RESIL_PASS;
}

/* A policy outside can tell by the number whether anything ran since it let the call in. */
static void a_retry_that_is_refused_shows_the_number_of_the_attempt_to_come(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.settle = note_number;
    f->scripts[1].settle[0] = RESIL_AGAIN;
    f->scripts[2].admit[1] = RESIL_EOPEN;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 3);
    assert_int_equal(run(f, NULL), RESIL_EOPEN);
    assert_int_equal(f->scripts[0].wait_ns, 2);
    assert_int_equal(f->report.attempts, 1);
}

static void again_past_the_deadline_settles_what_there_is(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].settle[0] = RESIL_AGAIN;
    f->scripts[1].wait_ns = 5000;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 2);
    assert_int_equal(run(f, &(struct resil_request){.deadline_ns = 2000}), RESIL_EFAILED);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->report.outcome, RESIL_FAILURE);
    assert_int_equal(f->report.stopped, RESIL_EDEADLINE);
    assert_int_equal(f->scripts[0].settled, RESIL_FAILURE);
}

/* ---- waiting on the way in ---- */

static void wait_asks_resume_at_its_time(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].admit[0] = RESIL_WAIT;
    f->scripts[1].wait_ns = 250;
    build(f, 3);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_string_equal(f->log.text, "admit0 admit1 resume1 admit2 call settle2 settle1 settle0");
    assert_int_equal(f->env.last_wait_ns, 1250);
}

static void wait_without_resume_asks_admit(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].admit[0] = RESIL_WAIT;
    f->scripts[0].ops.resume = NULL;
    build(f, 1);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_string_equal(f->log.text, "admit0 admit0 call settle0");
}

static void resume_can_refuse(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].admit[0] = RESIL_WAIT;
    f->scripts[1].resume[0] = RESIL_EFULL;
    build(f, 2);
    assert_int_equal(run(f, NULL), RESIL_EFULL);
    assert_string_equal(f->log.text, "admit0 admit1 resume1 settle0");
}

static void the_deadline_ends_a_wait_and_gives_it_back(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].admit[0] = RESIL_WAIT;
    f->scripts[1].resume[0] = RESIL_WAIT;
    f->scripts[1].wait_ns = 5000;
    build(f, 2);
    assert_int_equal(run(f, &(struct resil_request){.deadline_ns = 2000}), RESIL_EDEADLINE);
    assert_string_equal(f->log.text, "admit0 admit1 abandon1 settle0");
    assert_int_equal(f->scripts[1].abandoned, RESIL_REFUSED);
    assert_int_equal(f->scripts[0].settled, RESIL_REFUSED);
    assert_int_equal(f->env.last_wait_ns, 2000);
}

/* ---- substitutes ---- */

static void run_calls_once_more_as_a_substitute(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].settle[0] = RESIL_RUN;
    f->outcomes[0] = RESIL_PERMANENT;
    build(f, 3);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_string_equal(f->log.text, "admit0 admit1 admit2 call settle2 settle1 fallback settle0");
    assert_int_equal(f->seen[1].kind, RESIL_ATTEMPT_FALLBACK);
    assert_int_equal(f->seen[1].reason, RESIL_PERMANENT);
    assert_int_equal(f->seen[1].reason_status, RESIL_EFAILED);
    assert_int_equal(f->seen[1].number, 1);
    assert_int_equal(f->report.attempts, 1);
    assert_int_equal(f->report.decided_level, 1);
}

static void a_substitute_may_fail(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].admit[0] = RESIL_EOPEN;
    f->scripts[0].settle[0] = RESIL_RUN;
    f->outcomes[0] = RESIL_LOCAL;
    build(f, 2);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_int_equal(f->seen[0].reason, RESIL_REFUSED);
    assert_int_equal(f->seen[0].reason_status, RESIL_EOPEN);
    assert_int_equal(f->report.outcome, RESIL_LOCAL);
    assert_int_equal(f->report.attempts, 0);
}

static void no_substitute_runs_after_the_deadline(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].settle[0] = RESIL_RUN;
    f->outcomes[0] = RESIL_FAILURE;
    f->takes_ns = 600;
    build(f, 1);
    assert_int_equal(run(f, &(struct resil_request){.deadline_ns = 1500}), RESIL_EFAILED);
    assert_int_equal(f->calls, 1);
    assert_int_equal(f->report.outcome, RESIL_TIMEOUT);
    assert_null(f->report.decided_by);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(again_enters_the_inside_once_more_after_the_wait),
        TEST(again_at_once_does_not_wait),
        TEST(again_can_follow_a_success),
        TEST(again_forgets_the_refusal_that_it_answers),
        TEST(again_forgets_when_the_refusal_said_to_come_back),
        TEST(a_retry_that_is_refused_shows_the_number_of_the_attempt_to_come),
        TEST(again_past_the_deadline_settles_what_there_is),
        TEST(wait_asks_resume_at_its_time),
        TEST(wait_without_resume_asks_admit),
        TEST(resume_can_refuse),
        TEST(the_deadline_ends_a_wait_and_gives_it_back),
        TEST(run_calls_once_more_as_a_substitute),
        TEST(a_substitute_may_fail),
        TEST(no_substitute_runs_after_the_deadline),
    };

    return cmocka_run_group_tests_name("chain again", tests, NULL, NULL);
}
