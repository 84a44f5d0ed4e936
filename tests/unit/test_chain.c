/* SPDX-License-Identifier: BSD-2-Clause */

/* Running a chain from blocking code: the straight way, refusals, answers, results. */
#include "chain_fixture.h"

/* ---- the straight way ---- */

static void run_asks_in_order_and_settles_in_reverse(void **state)
{
    struct fixture *f = *state;

    build(f, 3);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_string_equal(f->log.text, "admit0 admit1 admit2 call settle2 settle1 settle0");
    assert_int_equal(f->report.status, RESIL_OK);
    assert_int_equal(f->report.outcome, RESIL_SUCCESS);
    assert_int_equal(f->report.attempts, 1);
    assert_int_equal(f->report.attempt_id, f->seen[0].id);
    assert_null(f->report.decided_by);
    assert_int_equal(f->report.decided_level, UINT32_MAX);
}

static void run_works_without_a_report(void **state)
{
    struct fixture *f = *state;

    build(f, 1);
    assert_int_equal(resil_chain_run(&f->chain, &f->env.env, NULL, callback, f, NULL), 0);
    f->outcomes[1] = RESIL_FAILURE;
    assert_int_equal(resil_chain_run(&f->chain, &f->env.env, NULL, callback, f, NULL),
                     RESIL_EFAILED);
}

static void the_callback_sees_its_attempt(void **state)
{
    struct fixture *f = *state;

    build(f, 1);
    (void)run(f, NULL);
    assert_int_equal(f->seen[0].number, 1);
    assert_int_equal(f->seen[0].kind, RESIL_ATTEMPT_NORMAL);
    assert_true(f->seen[0].deadline_ns == RESIL_NEVER);
    assert_int_equal(f->seen[0].now_ns, 1000);
    assert_int_not_equal(f->seen[0].id, 0);
}

static void settle_is_asked_for_the_kinds_it_named(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.flags = RESIL_ON_SUCCESS;
    f->scripts[1].ops.flags = RESIL_ON_FAILURE;
    f->scripts[2].ops.flags = RESIL_ON_REFUSED;
    build(f, 4);
    assert_int_equal(run(f, NULL), RESIL_OK);
    f->outcomes[1] = RESIL_CALLER;
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    f->outcomes[2] = RESIL_REFUSED;
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_string_equal(f->log.text, "admit0 admit1 admit2 admit3 call settle3 settle0 "
                                     "admit0 admit1 admit2 admit3 call settle3 settle1 "
                                     "admit0 admit1 admit2 admit3 call settle3 settle2");
}

static void policies_without_admit_find_a_zeroed_frame(void **state)
{
    struct fixture *f = *state;

    for (unsigned kind = 0; kind < 2; kind++) {
        struct resil_call call;
        struct resil_step step;

        memset(&call, 0xa5, sizeof call);
        f->scripts[0].ops.admit = NULL;
        f->scripts[0].ops.timer = NULL;
        f->scripts[0].ops.frame_words = 3;
        f->scripts[0].ops.flags = kind == 0 ? RESIL_ON_SUCCESS : RESIL_ON_FAILURE;
        build(f, 1);
        assert_int_equal(resil_call_begin(&call, &f->chain, NULL, 1, 7), 0);
        assert_int_equal(resil_call_step(&call, 1, &step), RESIL_STEP_CALL);
        (void)resil_call_report(
            &call, step.attempt->id,
            &(struct resil_result){.outcome = kind == 0 ? RESIL_SUCCESS : RESIL_FAILURE});
        assert_int_equal(resil_call_step(&call, 1, &step), RESIL_STEP_DONE);
        for (unsigned word = 0; word < 3; word++)
            assert_int_equal(call.u_.words_[word], 0);
    }
}

/* ---- refusals and answers ---- */

static void a_refusal_turns_round_and_settles_outwards(void **state)
{
    struct fixture *f = *state;

    f->scripts[2].admit[0] = RESIL_EFULL;
    build(f, 4);
    assert_int_equal(run(f, NULL), RESIL_EFULL);
    assert_string_equal(f->log.text, "admit0 admit1 admit2 settle1 settle0");
    assert_int_equal(f->report.status, RESIL_EFULL);
    assert_int_equal(f->report.outcome, RESIL_REFUSED);
    assert_int_equal(f->report.attempts, 0);
    assert_int_equal(f->report.decided_level, 2);
    assert_string_equal(f->report.decided_by, "script");
    assert_int_equal(f->scripts[0].settled, RESIL_REFUSED);
    assert_int_equal(f->scripts[2].settles, 0);
}

static int refuse_until(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)self;
    (void)frame;
    walk->retry_at_ns = 7777;
    return RESIL_ELIMITED;
}

static void a_refusal_says_when_to_come_back(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].ops.admit = refuse_until;
    build(f, 2);
    assert_int_equal(run(f, NULL), RESIL_ELIMITED);
    assert_int_equal(f->report.retry_at_ns, 7777);
}

static void a_verdict_that_admit_can_not_give_refuses(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].admit[0] = RESIL_AGAIN;
    build(f, 2);
    assert_int_equal(run(f, NULL), RESIL_EINVAL);
    assert_int_equal(f->calls, 0);
    assert_int_equal(f->scripts[0].held, 0);
}

static void an_answer_turns_round_with_its_result(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].admit[0] = RESIL_ANSWER;
    f->scripts[1].put = RESIL_SUCCESS;
    build(f, 3);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_string_equal(f->log.text, "admit0 admit1 settle0");
    assert_int_equal(f->report.attempts, 0);
    assert_int_equal(f->report.decided_level, 1);
}

static void an_answer_that_forgot_its_outcome_is_a_failure(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].admit[0] = RESIL_ANSWER;
    build(f, 1);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_FAILURE);
}

/* ---- results ---- */

static void a_forgotten_outcome_is_a_failure(void **state)
{
    struct fixture *f = *state;

    f->outcomes[0] = (enum resil_outcome)99;
    build(f, 1);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_FAILURE);
}

static enum resil_outcome returns_none(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_NONE;
}

static void none_is_never_a_success(void **state)
{
    struct fixture *f = *state;

    build(f, 1);
    assert_int_equal(resil_chain_run(&f->chain, &f->env.env, NULL, returns_none, NULL, &f->report),
                     RESIL_EFAILED);
    assert_int_equal(f->report.outcome, RESIL_FAILURE);
}

static enum resil_outcome with_code_and_hint(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    attempt->call_rc = -42;
    attempt->hint_ns = 500;
    return RESIL_OVERLOAD;
}

static void the_callbacks_code_and_hint_are_reported(void **state)
{
    struct fixture *f = *state;

    build(f, 1);
    assert_int_equal(
        resil_chain_run(&f->chain, &f->env.env, NULL, with_code_and_hint, NULL, &f->report),
        RESIL_EFAILED);
    assert_int_equal(f->report.call_rc, -42);
    assert_int_equal(f->report.retry_at_ns, 1500);
}

static void changed_replaces_the_result_for_those_outside(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].settle[0] = RESIL_CHANGED;
    f->scripts[1].put = RESIL_OVERLOAD;
    build(f, 3);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_int_equal(f->scripts[2].settled, RESIL_SUCCESS);
    assert_int_equal(f->scripts[0].settled, RESIL_OVERLOAD);
    assert_int_equal(f->report.outcome, RESIL_OVERLOAD);
    assert_int_equal(f->report.decided_level, 1);
}

static void changed_can_turn_a_refusal_into_a_success(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].admit[0] = RESIL_EOPEN;
    f->scripts[0].settle[0] = RESIL_CHANGED;
    f->scripts[0].put = RESIL_SUCCESS;
    build(f, 2);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_int_equal(f->report.status, RESIL_OK);
    assert_int_equal(f->report.decided_level, 0);
}

static void decided_names_the_policy_and_goes_on(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].settle[0] = RESIL_DECIDED;
    f->outcomes[0] = RESIL_FAILURE;
    build(f, 3);
    assert_int_equal(run(f, NULL), RESIL_EFAILED);
    assert_string_equal(f->log.text, "admit0 admit1 admit2 call settle2 settle1 settle0");
    assert_int_equal(f->report.decided_level, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(run_asks_in_order_and_settles_in_reverse),
        TEST(run_works_without_a_report),
        TEST(the_callback_sees_its_attempt),
        TEST(settle_is_asked_for_the_kinds_it_named),
        TEST(policies_without_admit_find_a_zeroed_frame),
        TEST(a_refusal_turns_round_and_settles_outwards),
        TEST(a_refusal_says_when_to_come_back),
        TEST(a_verdict_that_admit_can_not_give_refuses),
        TEST(an_answer_turns_round_with_its_result),
        TEST(an_answer_that_forgot_its_outcome_is_a_failure),
        TEST(a_forgotten_outcome_is_a_failure),
        TEST(none_is_never_a_success),
        TEST(the_callbacks_code_and_hint_are_reported),
        TEST(changed_replaces_the_result_for_those_outside),
        TEST(changed_can_turn_a_refusal_into_a_success),
        TEST(decided_names_the_policy_and_goes_on),
    };

    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
