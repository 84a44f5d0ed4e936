/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A longjmp out of the callback. Through resil_chain_run it costs the permits of bulkheads and the
 * pick of a balancer, one each, which the snapshots show; all else recovers. Through a loop of one's
 * own it costs nothing: the call is still there, and resil_call_cancel gives back what it holds.
 * `control` lets leases last a day, and has to fail.
 */
#include "things.h"

static jmp_buf out;

static _Noreturn enum resil_outcome jump(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    longjmp(out, 1);
}

static void a_longjmp_through_run_costs_its_permit_alone(void **state)
{
    static struct things things;
    static struct virtual_env env;

    (void)state;
    things_init(&things);
    virtual_env_init(&env, RESIL_SEC(1));
    open_the_breaker(&env);
    if (setjmp(out) == 0) {
        (void)resil_chain_run(&chain, &env.env, NULL, jump, NULL, NULL);
        fail_msg("the callback returned");
    }
    assert_int_equal(in_flight(&things), 1);
    expect_recovery(&things, &env);
    assert_int_equal(in_flight(&things), 1);
    /* It has left no trace in the stack, either. */
    assert_int_equal(resil_bulkhead_release(&things.bulkhead), 0);
}

static void jump_from_a_loop(struct resil_call *call, uint64_t now_ns)
{
    struct resil_step step;

    assert_int_equal(resil_call_begin(call, &chain, NULL, now_ns, 1), 0);
    assert_int_equal(resil_call_step(call, now_ns, &step), RESIL_STEP_CALL);
    longjmp(out, 1);
}

static void after_a_longjmp_cancel_gives_back_everything(void **state)
{
    static struct things things;
    static struct virtual_env env;
    static struct resil_call call;
    struct resil_step step;

    (void)state;
    things_init(&things);
    virtual_env_init(&env, RESIL_SEC(1));
    open_the_breaker(&env);
    if (setjmp(out) == 0)
        jump_from_a_loop(&call, env.now_ns);
    assert_int_equal(in_flight(&things), 1);
    assert_int_equal(resil_call_cancel(&call, env.now_ns), 0);
    assert_int_equal(resil_call_step(&call, env.now_ns, &step), RESIL_STEP_ABORT);
    assert_int_equal(resil_call_step(&call, env.now_ns, &step), RESIL_STEP_DONE);
    assert_int_equal(in_flight(&things), 0);
    /* The probe is free again, without a wait for its lease. */
    assert_int_equal(resil_chain_run(&chain, &env.env, NULL, succeed, NULL, NULL), RESIL_OK);
}

static const struct resil_endpoint hosts[] = {{.address = "a", .weight = 1},
                                              {.address = "b", .weight = 1}};

/* A balancer of two hosts, guarded: a breaker and a limit for each. */
struct guarded {
    struct resil_balancer balancer;
    struct resil_guard guard;
    struct resil_policy policy;
};

static void guarded_init(struct guarded *guarded)
{
    const struct resil_breaker_config breaker = {.consecutive = 1};
    const struct resil_bulkhead_config bulkhead = {.limit = 3};
    int rc =
        resil_guard_init(&guarded->guard, &guarded->balancer,
                         &(struct resil_guard_config){.breaker = &breaker, .bulkhead = &bulkhead});

    rc |= resil_balancer_init(&guarded->balancer,
                              &(struct resil_balancer_config){.state_size = RESIL_GUARD_STATE,
                                                              .state_init = resil_guard_state,
                                                              .state_arg = &guarded->guard});
    rc |= resil_balancer_update(&guarded->balancer, hosts, 2, RESIL_SEC(1));
    guarded->policy = resil_guard_policy(&guarded->guard);
    rc |= resil_chain_init(&chain, &guarded->policy, 1, NULL, 0);
    assert_int_equal(rc, 0);
}

static uint64_t picks_in_flight(struct guarded *guarded)
{
    struct resil_balancer_snapshot snapshot;

    assert_int_equal(resil_balancer_snapshot(&guarded->balancer, &snapshot), 0);
    return snapshot.in_flight;
}

static uint64_t guarded_in_flight;

static enum resil_outcome look_at_guard(void *arg, struct resil_attempt *attempt)
{
    const struct resil_pick *pick = attempt->endpoint;
    const struct resil_guard_state *state = pick->state;
    struct resil_bulkhead_snapshot snapshot;

    (void)arg;
    assert_int_equal(resil_bulkhead_snapshot(&state->bulkhead, &snapshot), 0);
    guarded_in_flight += snapshot.in_flight - 1; /* its own */
    return RESIL_SUCCESS;
}

/* What the bulkheads of both hosts hold, as calls that reach both see it. */
static uint64_t permits_out(struct guarded *guarded, struct virtual_env *env)
{
    guarded_in_flight = 0;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(resil_balancer_admin(&guarded->balancer, hosts[i].address,
                                              RESIL_ADMIN_MAINTENANCE, env->now_ns),
                         0);
        assert_int_equal(resil_chain_run(&chain, &env->env, NULL, look_at_guard, NULL, NULL), 0);
        assert_int_equal(resil_balancer_admin(&guarded->balancer, hosts[i].address,
                                              RESIL_ADMIN_SERVE, env->now_ns),
                         0);
    }
    return guarded_in_flight;
}

static void a_longjmp_through_run_costs_a_balancer_its_pick(void **state)
{
    static struct guarded guarded;
    static struct virtual_env env;

    (void)state;
    virtual_env_init(&env, RESIL_SEC(1));
    guarded_init(&guarded);
    if (setjmp(out) == 0) {
        (void)resil_chain_run(&chain, &env.env, NULL, jump, NULL, NULL);
        fail_msg("the callback returned");
    }
    assert_int_equal(picks_in_flight(&guarded), 1);
    assert_int_equal(permits_out(&guarded, &env), 1);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(resil_chain_run(&chain, &env.env, NULL, succeed, NULL, NULL), RESIL_OK);
    /* Its host can leave and come back; the balancer itself can't end any more. */
    for (size_t n = 1; n <= 2; n++)
        assert_int_equal(resil_balancer_update(&guarded.balancer, hosts + 1, 1, RESIL_SEC(1 + n)),
                         0);
    assert_int_equal(resil_balancer_update(&guarded.balancer, hosts, 2, RESIL_SEC(4)), 0);
    assert_int_equal(resil_chain_run(&chain, &env.env, NULL, succeed, NULL, NULL), RESIL_OK);
    assert_int_equal(picks_in_flight(&guarded), 1);
    assert_int_equal(resil_balancer_fini(&guarded.balancer), RESIL_EBUSY);
}

static void after_a_longjmp_cancel_gives_back_the_pick(void **state)
{
    static struct guarded guarded;
    static struct virtual_env env;
    static struct resil_call call;
    struct resil_step step;

    (void)state;
    virtual_env_init(&env, RESIL_SEC(1));
    guarded_init(&guarded);
    if (setjmp(out) == 0)
        jump_from_a_loop(&call, env.now_ns);
    assert_int_equal(picks_in_flight(&guarded), 1);
    assert_int_equal(permits_out(&guarded, &env), 1);
    assert_int_equal(resil_call_cancel(&call, env.now_ns), 0);
    assert_int_equal(resil_call_step(&call, env.now_ns, &step), RESIL_STEP_ABORT);
    assert_int_equal(resil_call_step(&call, env.now_ns, &step), RESIL_STEP_DONE);
    assert_int_equal(picks_in_flight(&guarded), 0);
    assert_int_equal(permits_out(&guarded, &env), 0);
    assert_int_equal(resil_balancer_fini(&guarded.balancer), RESIL_OK);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_longjmp_through_run_costs_its_permit_alone),
        cmocka_unit_test(after_a_longjmp_cancel_gives_back_everything),
        cmocka_unit_test(a_longjmp_through_run_costs_a_balancer_its_pick),
        cmocka_unit_test(after_a_longjmp_cancel_gives_back_the_pick),
    };

    (void)argv;
    if (argc > 1)
        lease_ns = RESIL_SEC(86400);
    return cmocka_run_group_tests_name("jumps", tests, NULL, NULL);
}
