/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Corners of the machine: what several lanes, a policy that waits and the library's own policies
 * come to when they meet at one moment.
 */
#include "test.h"

#include <resil/resil.h>

#include "script.h"
#include "virtual_env.h"

#define LEVELS 6

struct fixture {
    struct script_log log;
    struct script_policy scripts[LEVELS];
    struct resil_policy policies[LEVELS];
    struct resil_chain chain;
    struct resil_call call;
    struct resil_step step;
    struct resil_report report;
    struct resil_request request;
    struct resil_timeout timeout;
    struct resil_limiter limiter;
    struct resil_bulkhead bulkhead;
    struct resil_queue queue;
    uint64_t ids[8];
    unsigned started;
    unsigned woken;
};

static void count_wake(void *arg)
{
    ++*(unsigned *)arg;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    memset(&f->call, 0xa5, sizeof f->call);
    for (unsigned i = 0; i < LEVELS; i++) {
        script_init(&f->scripts[i], &f->log, i);
        f->policies[i] = (struct resil_policy){&f->scripts[i].ops, &f->scripts[i]};
    }
    assert_int_equal(resil_bulkhead_init(&f->bulkhead, &(struct resil_bulkhead_config){.limit = 1}),
                     0);
    assert_int_equal(resil_queue_init(&f->queue, &f->bulkhead, NULL), 0);
    f->request.idempotent = true;
    f->request.wake = count_wake;
    f->request.wake_arg = &f->woken;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void begin(struct fixture *f, size_t count)
{
    char why[120] = "";

    assert_int_equal(resil_chain_init(&f->chain, f->policies, count, why, sizeof why), 0);
    assert_int_equal(resil_call_begin(&f->call, &f->chain, &f->request, 1000, 99), 0);
}

/* Makes the policy at a level one that forks: armed to spawn each 100 ns. */
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

    if (kind == RESIL_STEP_CALL)
        f->ids[f->started++ % 8] = f->step.attempt->id;
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

static uint64_t in_flight(struct fixture *f)
{
    struct resil_bulkhead_snapshot snapshot;

    assert_int_equal(resil_bulkhead_snapshot(&f->bulkhead, &snapshot), 0);
    return snapshot.in_flight;
}

static uint64_t waiting(struct fixture *f)
{
    struct resil_queue_snapshot snapshot;

    assert_int_equal(resil_queue_snapshot(&f->queue, &snapshot), 0);
    return snapshot.waiting;
}

/* ---- what several lanes come to ---- */

/* A per-attempt timeout inside of the fork, so that one lane's success comes late and the call goes
 * on. */
static void late_lane(struct fixture *f)
{
    forks(f, 0);
    assert_int_equal(
        resil_timeout_init(&f->timeout, &(struct resil_timeout_config){.timeout_ns = 250}), 0);
    f->policies[1] = resil_timeout_policy(&f->timeout);
    begin(f, 2);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1200), RESIL_STEP_CALL);
    assert_int_equal(step_at(f, 1250), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1250), RESIL_STEP_WAIT);
    assert_int_equal(report(f, f->ids[1], RESIL_SUCCESS), RESIL_OK);
    assert_int_equal(step_at(f, 1350), RESIL_STEP_WAIT);
}

static void a_late_success_of_any_lane_is_told(void **state)
{
    struct fixture *f = *state;

    late_lane(f);
    assert_int_equal(report(f, f->ids[2], RESIL_FAILURE), RESIL_OK);
    assert_int_equal(step_at(f, 1400), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_true(f->report.late_success);
}

static void a_late_success_is_told_after_a_cancel(void **state)
{
    struct fixture *f = *state;

    late_lane(f);
    assert_int_equal(resil_call_cancel(&f->call, 1360), RESIL_OK);
    assert_int_equal(step_at(f, 1360), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1360), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_ECANCELLED);
    assert_true(f->report.late_success);
}

static void of_two_successes_at_once_the_other_is_told_as_late(void **state)
{
    struct fixture *f = *state;

    forks(f, 0);
    begin(f, 2);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
    assert_int_equal(report(f, f->ids[0], RESIL_SUCCESS), RESIL_OK);
    assert_int_equal(report(f, f->ids[1], RESIL_SUCCESS), RESIL_OK);
    assert_int_equal(step_at(f, 1110), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_OK);
    assert_true(f->report.late_success);
    assert_int_equal(f->scripts[1].held, 0);
}

static void a_trunk_that_expires_learns_that_another_lane_ran(void **state)
{
    struct fixture *f = *state;

    f->scripts[0].admit[0] = RESIL_ARMED;
    f->scripts[0].arm_ns = 150;
    f->scripts[0].timer[0] = RESIL_EXPIRE;
    forks(f, 2);
    begin(f, 4);
    (void)step_at(f, 1000);
    (void)step_at(f, 1100);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    assert_int_equal(step_at(f, 1110), RESIL_STEP_WAIT);
    assert_int_equal(step_at(f, 1150), RESIL_STEP_ABORT);
    assert_int_equal(step_at(f, 1150), RESIL_STEP_DONE);
    assert_int_equal(f->scripts[1].abandoned, RESIL_TIMEOUT);
    assert_int_equal(f->scripts[0].settled, RESIL_TIMEOUT);
}

static uint64_t tokens(struct fixture *f, uint64_t now_ns)
{
    struct resil_limiter_snapshot snapshot;

    resil_limiter_snapshot(&f->limiter, now_ns, &snapshot);
    return snapshot.available;
}

/* Lane 0 never runs, lane 1 runs, fails, tries again and is refused: something was sent. */
static void a_limiter_outside_of_a_fork_keeps_what_a_lane_used(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(
        resil_limiter_init(&f->limiter, &(struct resil_limiter_config){.tokens = 1, .burst = 5}),
        0);
    f->policies[0] = resil_limiter_policy(&f->limiter);
    forks(f, 1);
    f->scripts[2].settle[0] = RESIL_AGAIN;
    f->scripts[3].admit[0] = RESIL_WAIT;
    f->scripts[3].wait_ns = 500;
    for (unsigned i = 0; i < SCRIPT_STEPS; i++)
        f->scripts[3].resume[i] = i < 4 ? RESIL_WAIT : RESIL_EFULL;
    f->scripts[3].admit[2] = RESIL_EFULL;
    begin(f, 4);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_WAIT);
    f->scripts[1].timer[1] = RESIL_PASS;
    assert_int_equal(step_at(f, 1100), RESIL_STEP_CALL);
    assert_int_equal(f->step.attempt->kind, RESIL_ATTEMPT_HEDGE);
    assert_int_equal(tokens(f, 1100), 4);
    (void)report(f, f->ids[0], RESIL_FAILURE);
    for (unsigned i = 0; i < 4 && step_at(f, 1110 + i) != RESIL_STEP_DONE; i++)
        continue;
    assert_int_equal(fini(f), RESIL_EFULL);
    assert_int_equal(f->report.attempts, 1);
    assert_int_equal(tokens(f, 1120), 4);
}

/* ---- lanes that wait in a queue ---- */

static void lanes_that_wait_in_a_queue_lose_nothing(void **state)
{
    struct fixture *f = *state;

    forks(f, 0);
    f->policies[1] = resil_queue_policy(&f->queue);
    f->policies[2] = f->policies[3];
    assert_int_equal(resil_bulkhead_acquire(&f->bulkhead), 0);
    begin(f, 3);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_WAIT);
    assert_int_equal(waiting(f), 1);
    assert_int_equal(step_at(f, 1100), RESIL_STEP_WAIT);
    assert_int_equal(waiting(f), 2);
    assert_int_equal(resil_queue_release(&f->queue), 0);
    assert_int_equal(f->woken, 1);
    assert_int_equal(step_at(f, 1110), RESIL_STEP_CALL);
    assert_int_equal(f->step.attempt->kind, RESIL_ATTEMPT_NORMAL);
    (void)report(f, f->ids[0], RESIL_SUCCESS);
    /* The release of the winner grants the loser, which is being torn down. */
    assert_int_equal(step_at(f, 1120), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_OK);
    assert_int_equal(f->report.attempts, 1);
    assert_int_equal(in_flight(f), 0);
    assert_int_equal(resil_queue_fini(&f->queue), RESIL_OK);
}

static void a_grant_with_the_deadline_is_given_back(void **state)
{
    struct fixture *f = *state;

    f->policies[0] = resil_queue_policy(&f->queue);
    f->request.deadline_ns = 1500;
    assert_int_equal(resil_bulkhead_acquire(&f->bulkhead), 0);
    begin(f, 1);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1500);
    assert_int_equal(resil_queue_release(&f->queue), 0);
    assert_int_equal(f->woken, 1);
    assert_int_equal(in_flight(f), 1);
    assert_int_equal(step_at(f, 1500), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EDEADLINE);
    assert_int_equal(in_flight(f), 0);
    assert_int_equal(resil_queue_fini(&f->queue), RESIL_OK);
}

static void a_cancel_in_each_phase_gives_the_permit_back(void **state)
{
    struct fixture *f = *state;

    f->policies[1] = resil_queue_policy(&f->queue);
    f->scripts[0].settle[0] = RESIL_AGAIN;
    f->scripts[0].wait_ns = 100;
    /* 0: before the first step; 1: waits; 2: waits, granted; 3: calls; 4: reported; 5: waits to go
     * again */
    for (unsigned phase = 0; phase < 6; phase++) {
        f->scripts[0].settles = 0;
        f->started = 0;
        if (phase == 1 || phase == 2)
            assert_int_equal(resil_bulkhead_acquire(&f->bulkhead), 0);
        begin(f, 3);
        if (phase > 0)
            (void)step_at(f, 1000);
        if (phase == 2)
            assert_int_equal(resil_queue_release(&f->queue), 0);
        if (phase > 3)
            assert_int_equal(report(f, f->ids[0], RESIL_FAILURE), 0);
        if (phase > 4)
            assert_int_equal(step_at(f, 1010), RESIL_STEP_WAIT);
        assert_int_equal(resil_call_cancel(&f->call, 1020), RESIL_OK);
        assert_int_equal(in_flight(f), phase == 1);
        if (phase == 3)
            assert_int_equal(step_at(f, 1020), RESIL_STEP_ABORT);
        assert_int_equal(step_at(f, 1020), RESIL_STEP_DONE);
        assert_int_equal(fini(f), RESIL_ECANCELLED);
        assert_int_equal(waiting(f), 0);
        assert_int_equal(f->scripts[0].held, 0);
        assert_int_equal(f->scripts[2].held, 0);
        if (phase == 1)
            assert_int_equal(resil_queue_release(&f->queue), 0);
    }
    assert_int_equal(resil_queue_fini(&f->queue), RESIL_OK);
}

/* ---- who decided ---- */

static void a_timeout_that_ends_a_wait_decided(void **state)
{
    struct fixture *f = *state;

    (void)resil_timeout_init(&f->timeout, &(struct resil_timeout_config){.timeout_ns = 300});
    f->policies[0] = resil_timeout_policy(&f->timeout);
    f->policies[1] = resil_queue_policy(&f->queue);
    assert_int_equal(resil_bulkhead_acquire(&f->bulkhead), 0);
    begin(f, 2);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_WAIT);
    assert_int_equal(f->step.wake_ns, 1300);
    assert_int_equal(step_at(f, 1300), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EDEADLINE);
    assert_string_equal(f->report.decided_by, "timeout");
    assert_int_equal(in_flight(f), 1);

    /* The request's own deadline is nobody's decision. */
    f->request.deadline_ns = 1200;
    begin(f, 2);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_WAIT);
    assert_int_equal(step_at(f, 1200), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EDEADLINE);
    assert_null(f->report.decided_by);
}

/* ---- what a policy may leave out ---- */

static int answer_outcome_alone(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)self;
    (void)frame;
    walk->result.outcome = RESIL_OVERLOAD;
    return RESIL_ANSWER;
}

static enum resil_outcome not_reached(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_SUCCESS;
}

/* Leaves rubbish where the next function's variables will lie. */
static void dirty_stack(void)
{
    volatile unsigned char rubbish[4096];

    for (size_t i = 0; i < sizeof rubbish; i++)
        rubbish[i] = 0xa5;
}

static void an_answer_of_an_outcome_alone_has_no_hint_and_no_code(void **state)
{
    struct fixture *f = *state;
    struct virtual_env env;

    virtual_env_init(&env, 1000);
    f->scripts[0].ops.admit = answer_outcome_alone;
    begin(f, 1);
    assert_int_equal(step_at(f, 1000), RESIL_STEP_DONE);
    assert_int_equal(fini(f), RESIL_EFAILED);
    assert_int_equal(f->report.call_rc, 0);
    assert_int_equal(f->report.retry_at_ns, 0);

    dirty_stack();
    assert_int_equal(
        resil_chain_run(&f->chain, &env.env, &f->request, not_reached, NULL, &f->report),
        RESIL_EFAILED);
    assert_int_equal(f->report.call_rc, 0);
    assert_int_equal(f->report.retry_at_ns, 0);
}

static int forget(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)self;
    (void)frame;
    (void)walk;
    return RESIL_PASS;
}

/* Neither settle nor abandon: the machine must not ask, whatever happens. */
static void a_policy_of_admit_alone_is_never_asked_again(void **state)
{
    struct fixture *f = *state;

    f->scripts[1].ops = (struct resil_policy_ops){
        .size = sizeof(struct resil_policy_ops), .name = "admit", .admit = forget};
    f->request.deadline_ns = 1500;
    begin(f, 3);
    (void)step_at(f, 1000);
    assert_int_equal(resil_call_cancel(&f->call, 1010), RESIL_OK);
    assert_string_equal(f->log.text, "admit0 admit2 abandon2 abandon0");
}

/* In run a fork does nothing, whoever wrote it: there is one thread, and it may sleep in lane 0. */
static void in_blocking_code_no_policy_forks(void **state)
{
    struct fixture *f = *state;
    struct virtual_env env;

    virtual_env_init(&env, 1000);
    forks(f, 0);
    f->scripts[1].admit[0] = RESIL_WAIT;
    f->scripts[1].wait_ns = 1000;
    f->scripts[1].resume[0] = RESIL_WAIT;
    begin(f, 2);
    assert_int_equal(
        resil_chain_run(&f->chain, &env.env, &f->request, not_reached, NULL, &f->report), 0);
    assert_string_equal(f->log.text, "admit0 admit1 resume1 resume1 settle1 settle0");
    assert_int_equal(f->report.attempts, 1);
}

/* ---- a listener that runs the chain it hears from ---- */

struct listener {
    struct resil_breaker breaker;
    struct resil_breaker_watch watch;
    struct resil_chain chain;
    struct resil_policy policies[2];
    struct virtual_env env;
    enum resil_outcome outcome;
    int rcs[8];
    unsigned heard;
    unsigned calls;
};

static enum resil_outcome answer(void *arg, struct resil_attempt *attempt)
{
    struct listener *l = arg;

    (void)attempt;
    l->calls++;
    return l->outcome;
}

static void run_again(void *arg, const struct resil_breaker_event *event)
{
    struct listener *l = arg;

    (void)event;
    if (l->heard++ < 8)
        l->rcs[l->heard - 1] = resil_chain_run(&l->chain, &l->env.env, NULL, answer, l, NULL);
}

static void a_chain_is_re_entered_from_its_own_listener(void **state)
{
    struct fixture *f = *state;
    static struct listener l;
    struct resil_breaker_snapshot breaker;
    struct resil_breaker_config config = {
        .consecutive = 1, .probes = 1, .probe_gap_ns = RESIL_OFF, .jitter_pct = RESIL_OFF};

    memset(&l, 0, sizeof l);
    virtual_env_init(&l.env, RESIL_SEC(1));
    assert_int_equal(resil_breaker_init(&l.breaker, &config), 0);
    l.watch = (struct resil_breaker_watch){&l.breaker, run_again, &l};
    l.policies[0] = resil_breaker_watch_policy(&l.watch);
    l.policies[1] = resil_bulkhead_policy(&f->bulkhead);
    assert_int_equal(resil_chain_init(&l.chain, l.policies, 2, NULL, 0), 0);

    /* It trips: the listener's own call finds it open, its permit is back already. */
    l.outcome = RESIL_FAILURE;
    assert_int_equal(resil_chain_run(&l.chain, &l.env.env, NULL, answer, &l, &f->report),
                     RESIL_EFAILED);
    assert_int_equal(l.heard, 1);
    assert_int_equal(l.rcs[0], RESIL_EOPEN);
    assert_int_equal(l.calls, 1);

    /* The probe goes in: the listener's call is refused while the probe's is on its way in; then it
       closes and the listener's call passes. */
    l.env.now_ns += RESIL_SEC(5);
    l.outcome = RESIL_SUCCESS;
    assert_int_equal(resil_chain_run(&l.chain, &l.env.env, NULL, answer, &l, &f->report), RESIL_OK);
    assert_int_equal(l.heard, 3);
    assert_int_equal(l.rcs[1], RESIL_EOPEN);
    assert_int_equal(l.rcs[2], RESIL_OK);
    assert_int_equal(l.calls, 3);
    assert_int_equal(in_flight(f), 0);
    assert_int_equal(resil_breaker_snapshot(&l.breaker, l.env.now_ns, &breaker), 0);
    assert_int_equal(breaker.state, RESIL_BREAKER_CLOSED);
    assert_int_equal(breaker.probes_in_flight, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_late_success_of_any_lane_is_told),
        TEST(a_late_success_is_told_after_a_cancel),
        TEST(of_two_successes_at_once_the_other_is_told_as_late),
        TEST(a_trunk_that_expires_learns_that_another_lane_ran),
        TEST(a_limiter_outside_of_a_fork_keeps_what_a_lane_used),
        TEST(lanes_that_wait_in_a_queue_lose_nothing),
        TEST(a_grant_with_the_deadline_is_given_back),
        TEST(a_cancel_in_each_phase_gives_the_permit_back),
        TEST(a_timeout_that_ends_a_wait_decided),
        TEST(an_answer_of_an_outcome_alone_has_no_hint_and_no_code),
        TEST(a_policy_of_admit_alone_is_never_asked_again),
        TEST(in_blocking_code_no_policy_forks),
        TEST(a_chain_is_re_entered_from_its_own_listener),
    };

    return cmocka_run_group_tests_name("chain corners", tests, NULL, NULL);
}
