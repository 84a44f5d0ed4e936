/* SPDX-License-Identifier: BSD-2-Clause */

/* A breaker and a limit for each endpoint, seen through the policy's functions and in a chain. */
#include "balancer_fixture.h"
#include "virtual_env.h"

struct guarded {
    struct fixture *fixture;
    struct resil_guard guard;
    struct resil_policy policy;
    struct resil_request request;
};

/* What one attempt holds. */
struct attempt {
    struct resil_walk walk;
    uint64_t frame[16];
    int rc;
};

/* What start() gives to the balancer. */
static const struct resil_picker *picker;

static void start(struct guarded *guarded, const struct resil_guard_config *config, size_t hosts)
{
    struct fixture *fixture = fixture_new();

    *guarded = (struct guarded){.fixture = fixture};
    assert_int_equal(resil_guard_init(&guarded->guard, &fixture->lb, config), RESIL_OK);
    fixture->config.state_size = RESIL_GUARD_STATE;
    fixture->config.state_init = resil_guard_state;
    fixture->config.state_arg = &guarded->guard;
    fixture->config.picker = picker;
    fixture->config.outlier.consecutive = RESIL_OFF;
    fixture->config.outlier.consecutive_local = RESIL_OFF;
    fixture_start(fixture, hosts);
    guarded->policy = resil_guard_policy(&guarded->guard);
    assert_int_equal(guarded->policy.ops->check(guarded->policy.self), RESIL_OK);
    assert_true(guarded->policy.ops->frame_words <= 16);
}

static struct attempt enter_with(struct guarded *guarded, uint64_t seed)
{
    struct attempt attempt = {
        .walk = {.request = &guarded->request, .now_ns = guarded->fixture->now_ns, .seed_ = seed}};

    attempt.rc = guarded->policy.ops->admit(guarded->policy.self, attempt.frame, &attempt.walk);
    return attempt;
}

static struct attempt enter(struct guarded *guarded)
{
    return enter_with(guarded, 1);
}

static void leave(struct guarded *guarded, struct attempt *attempt, enum resil_outcome outcome)
{
    attempt->walk.result.outcome = outcome;
    attempt->walk.now_ns = guarded->fixture->now_ns;
    assert_int_equal(
        guarded->policy.ops->settle(guarded->policy.self, attempt->frame, &attempt->walk),
        RESIL_PASS);
    assert_null(attempt->walk.attempt.endpoint);
}

/* The frame moved with the attempt: the pick is looked at where it lies now. */
static size_t host_of(const struct guarded *guarded, const struct attempt *attempt)
{
    const struct resil_pick *pick = (const void *)attempt->frame;

    return (size_t)((const struct resil_endpoint *)pick->user - guarded->fixture->endpoints);
}

static void a_limit_holds_for_each_endpoint(void **state)
{
    static const struct resil_bulkhead_config two = {.limit = 2};
    struct guarded guarded;
    struct attempt attempts[7];
    size_t hosts[3] = {0};

    (void)state;
    start(&guarded, &(struct resil_guard_config){.bulkhead = &two}, 3);
    for (size_t i = 0; i < 6; i++) {
        attempts[i] = enter(&guarded);
        assert_int_equal(attempts[i].rc, RESIL_PASS);
        hosts[host_of(&guarded, &attempts[i])]++;
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(hosts[i], 2);
    attempts[6] = enter(&guarded);
    assert_int_equal(attempts[6].rc, RESIL_EFULL);
    assert_int_equal(fixture_snapshot(guarded.fixture).in_flight, 6);
    leave(&guarded, &attempts[2], RESIL_SUCCESS);
    attempts[2] = enter(&guarded);
    assert_int_equal(attempts[2].rc, RESIL_PASS);
    for (size_t i = 0; i < 6; i++)
        leave(&guarded, &attempts[i], RESIL_SUCCESS);
    assert_int_equal(fixture_snapshot(guarded.fixture).in_flight, 0);
    fixture_end(guarded.fixture);
}

static void a_limit_holds_beside_a_breaker_too(void **state)
{
    static const struct resil_breaker_config quick = {.calls_min = 2};
    static const struct resil_bulkhead_config one = {.limit = 1};
    struct guarded guarded;
    struct attempt attempt;

    (void)state;
    start(&guarded, &(struct resil_guard_config){.breaker = &quick, .bulkhead = &one}, 1);
    attempt = enter(&guarded);
    assert_int_equal(attempt.rc, RESIL_PASS);
    assert_int_equal(enter(&guarded).rc, RESIL_EFULL);
    leave(&guarded, &attempt, RESIL_SUCCESS);
    fixture_end(guarded.fixture);
}

static void an_open_breaker_sends_calls_elsewhere(void **state)
{
    static const struct resil_breaker_config quick = {.calls_min = 5, .open_ns = RESIL_SEC(5)};
    struct guarded guarded;
    size_t sick = 0;

    (void)state;
    start(&guarded, &(struct resil_guard_config){.breaker = &quick}, 4);
    for (size_t i = 0; i < 400; i++) {
        struct attempt attempt = enter(&guarded);
        size_t host = host_of(&guarded, &attempt);

        assert_int_equal(attempt.rc, RESIL_PASS);
        if (i >= 200)
            assert_int_not_equal(host, 1);
        sick += host == 1;
        leave(&guarded, &attempt, host == 1 ? RESIL_FAILURE : RESIL_SUCCESS);
    }
    assert_in_range(sick, 5, 20);
    fixture_end(guarded.fixture);
}

static void when_all_are_open_the_call_is_refused_and_told_when(void **state)
{
    static const struct resil_breaker_config quick = {.calls_min = 5, .open_ns = RESIL_SEC(5)};
    struct guarded guarded;
    struct attempt attempt = {.rc = RESIL_PASS};

    (void)state;
    start(&guarded, &(struct resil_guard_config){.breaker = &quick}, 3);
    for (size_t i = 0; i < 1000 && attempt.rc == RESIL_PASS; i++) {
        attempt = enter(&guarded);
        if (attempt.rc == RESIL_PASS)
            leave(&guarded, &attempt, RESIL_FAILURE);
    }
    assert_int_equal(attempt.rc, RESIL_EOPEN);
    assert_true(attempt.walk.retry_at_ns > guarded.fixture->now_ns);
    assert_int_equal(fixture_snapshot(guarded.fixture).in_flight, 0);
    /* A refusal tells the outlier detection nothing. */
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(fixture_endpoint(guarded.fixture, i).reports,
                         fixture_endpoint(guarded.fixture, i).failures);
    /* Later each is probed, and serves again. */
    guarded.fixture->now_ns += RESIL_SEC(20);
    attempt = enter(&guarded);
    assert_int_equal(attempt.rc, RESIL_PASS);
    leave(&guarded, &attempt, RESIL_SUCCESS);
    fixture_end(guarded.fixture);
}

static void without_endpoints_it_is_unavailable(void **state)
{
    static const struct resil_bulkhead_config two = {.limit = 2};
    struct guarded guarded;

    (void)state;
    start(&guarded, &(struct resil_guard_config){.bulkhead = &two}, 0);
    assert_int_equal(enter(&guarded).rc, RESIL_EUNAVAILABLE);
    fixture_end(guarded.fixture);
}

/* The permit of the bulkhead isn't kept when the breaker refuses. */
static void what_one_refuses_the_other_gives_back(void **state)
{
    static const struct resil_breaker_config quick = {.calls_min = 2, .open_ns = RESIL_SEC(50)};
    static const struct resil_bulkhead_config one = {.limit = 1};
    struct guarded guarded;
    struct attempt attempt = {.rc = RESIL_PASS};

    (void)state;
    start(&guarded, &(struct resil_guard_config){.breaker = &quick, .bulkhead = &one}, 1);
    while (attempt.rc == RESIL_PASS) {
        attempt = enter(&guarded);
        if (attempt.rc == RESIL_PASS)
            leave(&guarded, &attempt, RESIL_FAILURE);
    }
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(enter(&guarded).rc, RESIL_EOPEN);
    guarded.fixture->now_ns += RESIL_SEC(500);
    attempt = enter(&guarded);
    assert_int_equal(attempt.rc, RESIL_PASS);
    leave(&guarded, &attempt, RESIL_SUCCESS);
    fixture_end(guarded.fixture);
}

static enum resil_outcome fail_on_the_first(void *arg, struct resil_attempt *attempt)
{
    const struct resil_pick *pick = attempt->endpoint;
    uint64_t *first = arg;

    assert_non_null(pick);
    assert_non_null(pick->state);
    if (*first == 0)
        *first = pick->id;
    else
        assert_int_not_equal(*first, pick->id);
    return attempt->number == 1 ? RESIL_NOT_SENT : RESIL_SUCCESS;
}

static void a_retry_goes_elsewhere(const struct resil_picker *by)
{
    static const struct resil_bulkhead_config two = {.limit = 2};
    struct guarded guarded;
    struct resil_policy policies[2];
    struct resil_chain chain;
    struct resil_retry retry;
    struct virtual_env env;

    picker = by;
    start(&guarded, &(struct resil_guard_config){.bulkhead = &two}, 2);
    virtual_env_init(&env, guarded.fixture->now_ns);
    assert_int_equal(resil_retry_init(&retry, NULL), RESIL_OK);
    policies[0] = resil_retry_policy(&retry);
    policies[1] = guarded.policy;
    assert_int_equal(resil_chain_init(&chain, policies, 2, NULL, 0), RESIL_OK);
    for (size_t i = 0; i < 50; i++) {
        uint64_t first = 0;

        assert_int_equal(resil_chain_run(&chain, &env.env, NULL, fail_on_the_first, &first, NULL),
                         RESIL_OK);
    }
    assert_int_equal(fixture_snapshot(guarded.fixture).in_flight, 0);
    fixture_end(guarded.fixture);
    picker = resil_picker_round_robin();
}

static void a_retry_goes_to_another_endpoint(void **state)
{
    (void)state;
    a_retry_goes_elsewhere(resil_picker_round_robin());
    a_retry_goes_elsewhere(resil_picker_random());
}

/* Of a call that is stepped: what chance decides comes from the call's own seed. */
static void the_same_seed_picks_the_same_endpoint(void **state)
{
    static const struct resil_bulkhead_config two = {.limit = 2};
    struct guarded guarded;
    bool used[2] = {false, false};

    (void)state;
    picker = resil_picker_random();
    start(&guarded, &(struct resil_guard_config){.bulkhead = &two}, 2);
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct attempt attempts[2];
        size_t hosts[2];

        for (size_t i = 0; i < 2; i++) {
            attempts[i] = enter_with(&guarded, seed);
            assert_int_equal(attempts[i].rc, RESIL_PASS);
            hosts[i] = host_of(&guarded, &attempts[i]);
        }
        assert_int_equal(hosts[0], hosts[1]);
        used[hosts[0]] = true;
        for (size_t i = 0; i < 2; i++)
            leave(&guarded, &attempts[i], RESIL_SUCCESS);
    }
    assert_true(used[0] && used[1]);
    fixture_end(guarded.fixture);
    picker = resil_picker_round_robin();
}

/* Fails until the breaker is open; returns when it will let the next call through. */
static uint64_t trip(struct guarded *guarded)
{
    struct attempt attempt = enter(guarded);

    for (size_t i = 0; i < 1000 && attempt.rc == RESIL_PASS; i++) {
        leave(guarded, &attempt, RESIL_FAILURE);
        attempt = enter(guarded);
    }
    assert_int_equal(attempt.rc, RESIL_EOPEN);
    return attempt.walk.retry_at_ns;
}

/* How many calls at once half-open lets through. */
static size_t probes(struct guarded *guarded, enum resil_outcome outcome)
{
    struct attempt attempts[11];
    size_t count = 0;

    while (count < 11 && (attempts[count] = enter(guarded)).rc == RESIL_PASS)
        count++;
    for (size_t i = 0; i < count; i++)
        leave(guarded, &attempts[i], outcome);
    return count;
}

/* One probe, 10 s to 30 s after the trip; told otherwise, as told. */
static void an_endpoints_breaker_has_defaults_of_its_own(void **state)
{
    static const struct resil_breaker_config none = {0};
    static const struct resil_breaker_config told = {
        .open_ns = RESIL_MS(1), .jitter_pct = RESIL_OFF, .probe_gap_ns = RESIL_OFF, .probes = 3};
    bool wide = false;
    struct guarded guarded;

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t open_ns;

        start(&guarded, &(struct resil_guard_config){.breaker = &none}, 1);
        guarded.guard.breaker_.seed = seed;
        guarded.fixture->now_ns += seed;
        open_ns = trip(&guarded) - guarded.fixture->now_ns;
        assert_in_range(open_ns, RESIL_SEC(10), RESIL_SEC(30));
        wide = wide || open_ns > RESIL_SEC(20);
        guarded.fixture->now_ns += open_ns;
        assert_int_equal(probes(&guarded, RESIL_SUCCESS), 1);
        assert_true(probes(&guarded, RESIL_SUCCESS) > 5);
        fixture_end(guarded.fixture);
    }
    assert_true(wide);

    start(&guarded, &(struct resil_guard_config){.breaker = &told}, 1);
    assert_int_equal(trip(&guarded), guarded.fixture->now_ns + RESIL_MS(1));
    guarded.fixture->now_ns += RESIL_MS(1);
    assert_int_equal(probes(&guarded, RESIL_SUCCESS), 3);
    fixture_end(guarded.fixture);
}

static void refuses_what_can_not_be(void **state)
{
    static const struct resil_bulkhead_config wrong = {.limit = UINT64_MAX};
    static const struct resil_bulkhead_config two = {.limit = 2};
    static const struct resil_breaker_config brief = {.open_ns_max = RESIL_SEC(6)};
    struct fixture *fixture = fixture_new();
    struct resil_guard guard;
    struct resil_policy policy;

    (void)state;
    assert_int_equal(resil_guard_init(&guard, &fixture->lb, &(struct resil_guard_config){0}),
                     RESIL_EINVAL);
    assert_int_equal(
        resil_guard_init(&guard, &fixture->lb, &(struct resil_guard_config){.bulkhead = &wrong}),
        RESIL_EINVAL);
    /* Less than the guard's default open_ns. */
    assert_int_equal(
        resil_guard_init(&guard, &fixture->lb, &(struct resil_guard_config){.breaker = &brief}),
        RESIL_EINVAL);
    assert_int_equal(resil_guard_init(&guard, NULL, &(struct resil_guard_config){.bulkhead = &two}),
                     RESIL_EINVAL);
    assert_int_equal(resil_guard_init_sized(&guard, 1, &fixture->lb,
                                            &(struct resil_guard_config){.bulkhead = &two},
                                            sizeof(struct resil_guard_config)),
                     RESIL_EABI);
    assert_int_equal(
        resil_guard_init(&guard, &fixture->lb, &(struct resil_guard_config){.bulkhead = &two}),
        RESIL_OK);
    policy = resil_guard_policy(&guard);
    assert_int_equal(policy.ops->check(NULL), RESIL_EINVAL);
    assert_int_equal(policy.ops->check(&guard), RESIL_EINVAL); /* the balancer isn't there */
    fixture_start(fixture, 1);
    assert_int_equal(policy.ops->check(&guard), RESIL_EINVAL); /* ... or knows nothing of it */
    fixture_end(fixture);
}

static void after_eight_refusals_a_call_is_refused(void **state)
{
    static const struct resil_bulkhead_config one = {.limit = 1};
    struct guarded guarded;
    struct attempt attempts[12];

    (void)state;
    start(&guarded, &(struct resil_guard_config){.bulkhead = &one}, 12);
    for (size_t i = 0; i < 12; i++) {
        attempts[i] = enter(&guarded);
        assert_int_equal(attempts[i].rc, RESIL_PASS);
    }
    assert_int_equal(enter(&guarded).rc, RESIL_EFULL);
    assert_int_equal(fixture_snapshot(guarded.fixture).in_flight, 12);
    for (size_t i = 0; i < 12; i++)
        leave(&guarded, &attempts[i], RESIL_SUCCESS);
    fixture_end(guarded.fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_holds_for_each_endpoint),
        cmocka_unit_test(a_limit_holds_beside_a_breaker_too),
        cmocka_unit_test(an_open_breaker_sends_calls_elsewhere),
        cmocka_unit_test(when_all_are_open_the_call_is_refused_and_told_when),
        cmocka_unit_test(without_endpoints_it_is_unavailable),
        cmocka_unit_test(what_one_refuses_the_other_gives_back),
        cmocka_unit_test(a_retry_goes_to_another_endpoint),
        cmocka_unit_test(an_endpoints_breaker_has_defaults_of_its_own),
        cmocka_unit_test(the_same_seed_picks_the_same_endpoint),
        cmocka_unit_test(refuses_what_can_not_be),
        cmocka_unit_test(after_eight_refusals_a_call_is_refused),
    };

    picker = resil_picker_round_robin();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
