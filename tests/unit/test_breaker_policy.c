/* SPDX-License-Identifier: BSD-2-Clause */

/* The breaker in a chain: its table called by hand. */
#include "breaker_support.h"

static struct resil_walk walk;
static uint64_t frame[2];

static int admit(struct resil_policy policy)
{
    memset(&walk, 0, sizeof walk);
    memset(frame, 0xa5, sizeof frame);
    walk.now_ns = now;
    return policy.ops->admit(policy.self, frame, &walk);
}

static int settle(struct resil_policy policy, enum resil_outcome outcome, uint64_t hint_ns)
{
    walk.now_ns = now;
    walk.result = (struct resil_result){.outcome = outcome, .hint_ns = hint_ns};
    return policy.ops->settle(policy.self, frame, &walk);
}

static void abandon(struct resil_policy policy, enum resil_outcome outcome)
{
    walk.now_ns = now;
    walk.result = (struct resil_result){.outcome = outcome};
    (void)policy.ops->abandon(policy.self, frame, &walk);
}

static void the_table_is_what_a_chain_needs(void **state)
{
    struct resil_policy policy = resil_breaker_policy(&breaker);
    static struct resil_breaker blank;

    (void)state;
    make((struct resil_breaker_config){0});
    assert_int_equal(policy.ops->size, sizeof(struct resil_policy_ops));
    assert_string_equal(policy.ops->name, "breaker");
    assert_int_equal(policy.ops->flags, RESIL_ON_ALL);
    assert_int_equal(policy.ops->frame_words, 2);
    assert_int_equal(policy.ops->check(&breaker), RESIL_OK);
    assert_int_equal(policy.ops->check(&blank), RESIL_EINVAL);
    assert_int_equal(policy.ops->check(NULL), RESIL_EINVAL);
}

static void calls_are_counted_and_trip(void **state)
{
    struct resil_policy policy = resil_breaker_policy(&breaker);

    (void)state;
    make((struct resil_breaker_config){0});
    for (int i = 0; i < 5; i++) {
        assert_int_equal(admit(policy), RESIL_PASS);
        assert_false(walk.timed);
        assert_int_equal(settle(policy, RESIL_SUCCESS, 0), RESIL_PASS);
    }
    for (int i = 0; i < 5; i++) {
        assert_int_equal(admit(policy), RESIL_PASS);
        assert_int_equal(settle(policy, RESIL_FAILURE, 0), RESIL_PASS);
    }
    assert_state(OPEN);
    assert_int_equal(admit(policy), RESIL_EOPEN);
    assert_int_equal(walk.retry_at_ns, now + RESIL_SEC(5));
}

static void the_end_is_timed_for_a_latency_rule_and_for_probes(void **state)
{
    struct resil_policy policy = resil_breaker_policy(&breaker);

    (void)state;
    make((struct resil_breaker_config){.slow_ns = RESIL_MS(10)});
    (void)admit(policy);
    assert_true(walk.timed);
    now += RESIL_MS(11);
    (void)settle(policy, RESIL_SUCCESS, 0);
    assert_int_equal(look().slow, 1);

    make((struct resil_breaker_config){0});
    trip();
    now = look().retry_at_ns;
    assert_int_equal(admit(policy), RESIL_PASS);
    assert_true(walk.timed);
}

/* New rules lie beside the old ones. */
static void the_end_is_timed_by_the_rules_in_force(void **state)
{
    struct resil_policy policy = resil_breaker_policy(&breaker);

    (void)state;
    make((struct resil_breaker_config){0});
    assert_int_equal(
        resil_breaker_reconfigure(&breaker, &(struct resil_breaker_config){.slow_ns = RESIL_MS(10)},
                                  NULL, 0),
        RESIL_OK);
    assert_int_equal(admit(policy), RESIL_PASS);
    assert_true(walk.timed);

    make((struct resil_breaker_config){.slow_ns = RESIL_MS(10)});
    assert_int_equal(
        resil_breaker_reconfigure(&breaker, &(struct resil_breaker_config){0}, NULL, 0), RESIL_OK);
    assert_int_equal(admit(policy), RESIL_PASS);
    assert_false(walk.timed);
}

static void a_refusal_further_in_is_neutral_and_gives_a_probe_back(void **state)
{
    struct resil_policy policy = resil_breaker_policy(&breaker);
    static struct resil_breaker before;

    (void)state;
    make((struct resil_breaker_config){.probes = 1});
    (void)admit(policy);
    memcpy(&before, &breaker, sizeof before);
    assert_int_equal(settle(policy, RESIL_REFUSED, 0), RESIL_PASS);
    assert_memory_equal(&before, &breaker, sizeof before);
    trip();
    now = look().retry_at_ns;
    (void)admit(policy);
    assert_int_equal(look().probes_in_flight, 1);
    (void)settle(policy, RESIL_REFUSED, 0);
    assert_int_equal(look().probes_in_flight, 0);
}

static void a_refusal_further_in_is_never_late(void **state)
{
    struct resil_policy policy = resil_breaker_policy(&breaker);

    (void)state;
    make((struct resil_breaker_config){0});
    assert_int_equal(admit(policy), RESIL_PASS);
    assert_int_equal(resil_breaker_force(&breaker, RESIL_BREAKER_MODE_FORCED_OPEN, now), RESIL_OK);
    assert_int_equal(settle(policy, RESIL_REFUSED, 0), RESIL_PASS);
    assert_int_equal(look().late_total, 0);
    assert_int_equal(settle(policy, RESIL_SUCCESS, 0), RESIL_PASS);
    assert_int_equal(look().late_total, 1);
}

static void abandon_learns_of_timeouts_alone(void **state)
{
    struct resil_policy policy = resil_breaker_policy(&breaker);

    (void)state;
    make((struct resil_breaker_config){0});
    (void)admit(policy);
    abandon(policy, RESIL_CANCELLED);
    (void)admit(policy);
    abandon(policy, RESIL_REFUSED);
    assert_int_equal(look().calls, 0);
    (void)admit(policy);
    abandon(policy, RESIL_TIMEOUT);
    assert_int_equal(look().failures, 1);
    calls(9, RESIL_FAILURE);
    assert_state(OPEN);
}

static void a_cancelled_probe_is_given_back(void **state)
{
    struct resil_policy policy = resil_breaker_policy(&breaker);

    (void)state;
    make((struct resil_breaker_config){.probes = 1});
    trip();
    now = look().retry_at_ns;
    (void)admit(policy);
    abandon(policy, RESIL_CANCELLED);
    assert_state(HALF_OPEN);
    assert_int_equal(look().probes_in_flight, 0);
}

static void the_peers_hint_reaches_the_breaker(void **state)
{
    struct resil_policy policy = resil_breaker_policy(&breaker);

    (void)state;
    make((struct resil_breaker_config){.probes = 1});
    trip();
    now = look().retry_at_ns;
    (void)admit(policy);
    (void)settle(policy, RESIL_OVERLOAD, RESIL_SEC(33));
    assert_int_equal(admit(policy), RESIL_EOPEN);
    assert_int_equal(walk.retry_at_ns, now + RESIL_SEC(33));
}

static struct resil_breaker_event heard[8];
static unsigned events;

/* Calls the breaker in every way that a listener may. */
static void listen(void *arg, const struct resil_breaker_event *event)
{
    struct resil_breaker *of = arg;
    struct resil_breaker_snapshot snapshot;
    struct resil_permit permit;

    assert_int_equal(resil_breaker_snapshot(of, event->now_ns, &snapshot), RESIL_OK);
    assert_int_equal(snapshot.state, event->to); /* public already */
    assert_int_equal(snapshot.generation, event->generation);
    (void)resil_breaker_acquire(of, event->now_ns, &permit);
    (void)resil_breaker_cancel(of, &permit, event->now_ns);
    (void)resil_breaker_reconfigure(of, NULL, NULL, 0);
    heard[events++ % 8] = *event;
}

static void the_listener_hears_of_each_transition_after_publication(void **state)
{
    struct resil_breaker_watch watch = {.breaker = &breaker, .fn = listen, .arg = &breaker};
    struct resil_policy policy = resil_breaker_watch_policy(&watch);
    struct resil_policy plain = resil_breaker_policy(&breaker);

    (void)state;
    events = 0;
    make((struct resil_breaker_config){.calls_min = 1, .probes = 1});
    (void)admit(policy);
    (void)settle(policy, RESIL_FAILURE, 0);
    assert_int_equal(events, 1);
    assert_int_equal(heard[0].from, RESIL_BREAKER_CLOSED);
    assert_int_equal(heard[0].to, RESIL_BREAKER_OPEN);
    assert_int_equal(heard[0].reason, RESIL_BREAKER_BY_FAILURE_PCT);
    assert_int_equal(heard[0].generation, 2);
    assert_int_equal(heard[0].now_ns, now);

    now = look().retry_at_ns;
    assert_int_equal(admit(policy), RESIL_PASS);
    assert_int_equal(events, 2);
    assert_int_equal(heard[1].to, RESIL_BREAKER_HALF_OPEN);
    assert_int_equal(heard[1].generation, 3);

    assert_int_equal(resil_breaker_reset(&breaker), RESIL_OK);
    (void)settle(policy, RESIL_SUCCESS, 0); /* late: no event */
    assert_int_equal(events, 2);
    assert_int_equal(resil_breaker_reconfigure(
                         &breaker, &(struct resil_breaker_config){.consecutive = 1}, NULL, 0),
                     RESIL_OK);
    (void)admit(plain); /* another policy on the same breaker: not the watch's business */
    (void)settle(plain, RESIL_FAILURE, 0);
    assert_state(OPEN);
    assert_int_equal(events, 2);
}

static void a_timeout_that_trips_is_told(void **state)
{
    struct resil_breaker_watch watch = {.breaker = &breaker, .fn = listen, .arg = &breaker};
    struct resil_policy policy = resil_breaker_watch_policy(&watch);

    (void)state;
    events = 0;
    make((struct resil_breaker_config){.consecutive = 1});
    (void)admit(policy);
    abandon(policy, RESIL_TIMEOUT);
    assert_int_equal(events, 1);
    assert_int_equal(heard[0].reason, RESIL_BREAKER_BY_CONSECUTIVE);
}

static void a_watch_without_a_listener_is_a_breaker(void **state)
{
    struct resil_breaker_watch watch = {.breaker = &breaker};
    struct resil_breaker_watch empty = {0};
    struct resil_policy policy = resil_breaker_watch_policy(&watch);

    (void)state;
    make((struct resil_breaker_config){.consecutive = 1});
    assert_int_equal(policy.ops->check(&watch), RESIL_OK);
    assert_int_equal(policy.ops->check(&empty), RESIL_EINVAL);
    assert_int_equal(policy.ops->check(NULL), RESIL_EINVAL);
    (void)admit(policy);
    (void)settle(policy, RESIL_FAILURE, 0);
    assert_int_equal(admit(policy), RESIL_EOPEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_what_a_chain_needs),
        cmocka_unit_test(calls_are_counted_and_trip),
        cmocka_unit_test(the_end_is_timed_for_a_latency_rule_and_for_probes),
        cmocka_unit_test(the_end_is_timed_by_the_rules_in_force),
        cmocka_unit_test(a_refusal_further_in_is_neutral_and_gives_a_probe_back),
        cmocka_unit_test(a_refusal_further_in_is_never_late),
        cmocka_unit_test(abandon_learns_of_timeouts_alone),
        cmocka_unit_test(a_cancelled_probe_is_given_back),
        cmocka_unit_test(the_peers_hint_reaches_the_breaker),
        cmocka_unit_test(the_listener_hears_of_each_transition_after_publication),
        cmocka_unit_test(a_timeout_that_trips_is_told),
        cmocka_unit_test(a_watch_without_a_listener_is_a_breaker),
    };

    return cmocka_run_group_tests_name("breaker policy", tests, NULL, NULL);
}
