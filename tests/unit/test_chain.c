/* SPDX-License-Identifier: BSD-2-Clause */

/* Building chains, and running them from blocking code. */
#include "test.h"

#include <resil/resil.h>

#include "script.h"
#include "virtual_env.h"

#define LEVELS 4

struct fixture {
    struct script_log log;
    struct script_policy scripts[RESIL_POLICIES_MAX];
    struct resil_policy policies[RESIL_POLICIES_MAX];
    struct resil_chain chain;
    struct virtual_env env;
    struct resil_report report;
    enum resil_outcome outcomes[SCRIPT_STEPS]; /* what the callback answers; 0 = SUCCESS */
    unsigned calls;
    uint64_t takes_ns; /* how long the callback takes */
    struct resil_attempt seen[SCRIPT_STEPS];
    char why[160];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    virtual_env_init(&f->env, 1000);
    for (unsigned i = 0; i < RESIL_POLICIES_MAX; i++) {
        script_init(&f->scripts[i], &f->log, i);
        f->policies[i] = (struct resil_policy){&f->scripts[i].ops, &f->scripts[i]};
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static enum resil_outcome callback(void *arg, struct resil_attempt *attempt)
{
    struct fixture *f = arg;
    unsigned n = f->calls++;

    script_note(&f->log, attempt->kind == RESIL_ATTEMPT_FALLBACK ? "fallback" : "call");
    f->env.now_ns += f->takes_ns;
    if (n >= SCRIPT_STEPS)
        return RESIL_SUCCESS;
    f->seen[n] = *attempt;
    return f->outcomes[n] == RESIL_NONE ? RESIL_SUCCESS : f->outcomes[n];
}

static void build(struct fixture *f, size_t count)
{
    assert_int_equal(resil_chain_init(&f->chain, f->policies, count, f->why, sizeof f->why), 0);
}

static int run(struct fixture *f, const struct resil_request *request)
{
    return resil_chain_run(&f->chain, &f->env.env, request, callback, f, &f->report);
}

static void expect_init_fails(struct fixture *f, size_t count, int rc, const char *why)
{
    assert_int_equal(resil_chain_init(&f->chain, f->policies, count, f->why, sizeof f->why), rc);
    assert_string_equal(f->why, why);
}

/* ---- building ---- */

static void init_refuses_an_empty_chain(void **state)
{
    expect_init_fails(*state, 0, RESIL_EINVAL, "count is 0: must be 1 to 16, with policies given");
}

static void init_refuses_more_policies_than_fit(void **state)
{
    expect_init_fails(*state, 17, RESIL_EINVAL,
                      "count is 17: must be 1 to 16, with policies given");
}

static void init_refuses_null(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(resil_chain_init(&f->chain, NULL, 1, NULL, 0), RESIL_EINVAL);
}

static void init_refuses_other_sizes(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        resil_chain_init_sized(&f->chain, 8, f->policies, sizeof *f->policies, 1, NULL, 0),
        RESIL_EABI);
    assert_int_equal(resil_chain_init_sized(&f->chain, sizeof f->chain, f->policies, 8, 1, NULL, 0),
                     RESIL_EABI);
}

static void init_refuses_a_policy_without_table(void **state)
{
    struct fixture *f = *state;

    f->policies[1].ops = NULL;
    expect_init_fails(f, 2, RESIL_EINVAL, "policy 1 (?): has no table of functions");
}

static void init_refuses_a_table_of_another_size(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.size = 8;
    expect_init_fails(f, 1, RESIL_EABI,
                      "policy 0 (?): its table has another size than the library's");
}

static void init_refuses_a_policy_without_name(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.name = NULL;
    expect_init_fails(f, 1, RESIL_EINVAL, "policy 0 (?): has no name");
}

static void init_refuses_settle_flags_without_settle(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.settle = NULL;
    expect_init_fails(f, 1, RESIL_EINVAL, "policy 0 (script): flags ask for settle, which is NULL");
}

static void init_refuses_settle_without_flags(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.flags = 0;
    expect_init_fails(f, 1, RESIL_EINVAL,
                      "policy 0 (script): settle is never asked: set RESIL_ON_... flags");
}

static void init_refuses_unknown_flags(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.flags |= 64;
    expect_init_fails(f, 1, RESIL_EINVAL, "policy 0 (script): unknown flags");
}

static void init_refuses_a_timer_without_frame(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.frame_words = 0;
    expect_init_fails(f, 1, RESIL_EINVAL,
                      "policy 0 (script): a timer needs admit and a frame word");
}

static void init_refuses_a_frame_that_is_too_large(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.frame_words = 17;
    expect_init_fails(f, 1, RESIL_EINVAL, "policy 0 (script): frame_words must be 0 to 16");
}

static void init_refuses_more_frame_words_than_a_call_holds(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 7; i++)
        f->scripts[i].ops.frame_words = 16;
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 6, NULL, 0), 0);
    expect_init_fails(
        f, 7, RESIL_EINVAL,
        "the policies need 112 frame words, inside of a fork three times each: a call "
        "holds 96");
}

static void init_refuses_a_second_fork(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].ops.flags |= RESIL_FORKS;
    f->scripts[2].ops.flags |= RESIL_FORKS;
    expect_init_fails(f, 3, RESIL_EINVAL,
                      "policy 2 (script): a second one that forks; a chain has at most one");
}

static int never_ready(const void *self)
{
    (void)self;
    return RESIL_EINVAL;
}

static void init_refuses_an_object_that_is_not_initialised(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].ops.check = never_ready;
    expect_init_fails(f, 2, RESIL_EINVAL, "policy 1 (script): its object is not initialised");
}

static void init_takes_sixteen_policies(void **state)
{
    struct fixture *f = *state;

    build(f, 16);
    assert_int_equal(run(f, NULL), RESIL_OK);
    assert_int_equal(f->scripts[15].settles, 1);
}

static void run_refuses_an_environment_of_another_size(void **state)
{
    struct fixture *f = *state;

    build(f, 1);
    f->env.env.size = 8;
    assert_int_equal(run(f, NULL), RESIL_EABI);
    assert_int_equal(f->calls, 0);
}

static void run_refuses_null_and_a_chain_that_failed_to_build(void **state)
{
    struct fixture *f = *state;

    build(f, 1);
    assert_int_equal(resil_chain_run(NULL, &f->env.env, NULL, callback, f, NULL), RESIL_EINVAL);
    assert_int_equal(resil_chain_run(&f->chain, NULL, NULL, callback, f, NULL), RESIL_EINVAL);
    assert_int_equal(resil_chain_run(&f->chain, &f->env.env, NULL, NULL, f, NULL), RESIL_EINVAL);
    f->scripts[0].ops.frame_words = 17;
    assert_int_equal(resil_chain_init(&f->chain, f->policies, 1, NULL, 0), RESIL_EINVAL);
    assert_int_equal(run(f, NULL), RESIL_EINVAL);
    assert_int_equal(f->calls, 0);
}

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(init_refuses_an_empty_chain),
        TEST(init_refuses_more_policies_than_fit),
        TEST(init_refuses_null),
        TEST(init_refuses_other_sizes),
        TEST(init_refuses_a_policy_without_table),
        TEST(init_refuses_a_table_of_another_size),
        TEST(init_refuses_a_policy_without_name),
        TEST(init_refuses_settle_flags_without_settle),
        TEST(init_refuses_settle_without_flags),
        TEST(init_refuses_unknown_flags),
        TEST(init_refuses_a_timer_without_frame),
        TEST(init_refuses_a_frame_that_is_too_large),
        TEST(init_refuses_more_frame_words_than_a_call_holds),
        TEST(init_refuses_a_second_fork),
        TEST(init_refuses_an_object_that_is_not_initialised),
        TEST(init_takes_sixteen_policies),
        TEST(run_refuses_an_environment_of_another_size),
        TEST(run_refuses_null_and_a_chain_that_failed_to_build),
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
        TEST(nothing_runs_after_the_deadline),
        TEST(a_success_after_the_deadline_is_a_timeout),
        TEST(a_success_just_before_the_deadline_is_one),
        TEST(a_failure_after_the_deadline_is_a_timeout_too),
        TEST(run_calls_once_more_as_a_substitute),
        TEST(a_substitute_may_fail),
        TEST(no_substitute_runs_after_the_deadline),
        TEST(a_plain_success_reads_the_clock_once),
        TEST(a_success_with_the_callers_time_reads_no_clock),
        TEST(any_other_end_reads_the_clock_again),
        TEST(a_policy_can_ask_for_the_end_to_be_timed),
        TEST(a_clock_that_stands_still_does_not_hang_a_retry),
        TEST(a_clock_that_steps_back_is_read_as_standing_still),
        TEST(a_timer_in_blocking_code_fires_after_the_callback),
        TEST(a_timer_that_is_not_due_stays_silent),
        TEST(a_timer_ends_a_backoff),
        TEST(a_chain_runs_inside_the_callback_of_another),
        TEST(a_chain_can_be_re_entered_from_its_own_callback),
    };

    return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
