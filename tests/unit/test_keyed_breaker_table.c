/* SPDX-License-Identifier: BSD-2-Clause */

/* Who keeps a place, and what the places show; another clock; the policy. */
#include "keyed_breaker_fixture.h"

/* One bucket of five. */
static void who_fails_keeps_the_place(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(1));
    struct resil_keyed_permit permit;
    uint64_t now_ns = T0;

    (void)state;
    trip(breaker, 0, T0);
    for (uint64_t key = 1; key < 5; key++)
        call(breaker, key, T0, RESIL_FAILURE);
    for (uint64_t key = 5; key < 1000; key++)
        trip(breaker, key, T0);
    assert_int_equal(count(breaker).untracked, 3 * 995);
    assert_int_equal(count(breaker).evicted, 0);
    assert_int_equal(ask(breaker, 5, T0, &permit), RESIL_OK);
    assert_int_equal(ask(breaker, 0, T0, &permit), RESIL_EOPEN);
    /* Their windows end, the open one's keep_ns doesn't. */
    now_ns = T0 + RESIL_SEC(20) + 2 * TICK;
    for (uint64_t key = 5; key < 1000; key++)
        call(breaker, key, now_ns, RESIL_FAILURE);
    assert_int_equal(count(breaker).evicted, 4);
    assert_int_equal(look(breaker, 0, now_ns).state, RESIL_BREAKER_OPEN);
    now_ns = T0 + RESIL_SEC(605) - TICK;
    for (uint64_t key = 5; key < 1000; key++)
        call(breaker, key, now_ns, RESIL_FAILURE);
    assert_int_equal(look(breaker, 0, now_ns).state, RESIL_BREAKER_OPEN);
    now_ns += RESIL_SEC(30);
    for (uint64_t key = 1000; key < 1010; key++)
        call(breaker, key, now_ns, RESIL_FAILURE);
    assert_int_equal(look(breaker, 0, now_ns).state, RESIL_BREAKER_CLOSED);
    free(breaker);
}

static void an_open_key_can_be_kept_for_ever(void **state)
{
    struct resil_keyed_breaker_config config = config_of(1);
    struct resil_keyed_breaker *breaker;
    uint64_t now_ns = T0;

    (void)state;
    config.keep_ns = RESIL_OFF;
    breaker = make(config);
    trip(breaker, 0, T0);
    for (uint64_t key = 1; key < 200; key++) {
        call(breaker, key, now_ns, RESIL_FAILURE);
        now_ns += RESIL_SEC(21);
    }
    assert_int_equal(look(breaker, 0, now_ns).state, RESIL_BREAKER_OPEN);
    assert_true(count(breaker).evicted > 100);
    free(breaker);
}

static void a_clock_set_back_opens_for_nobody_for_ever(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(1));
    struct resil_keyed_permit permit;

    (void)state;
    trip(breaker, 0, T0);
    assert_int_equal(ask(breaker, 0, T0 - RESIL_SEC(60), &permit), RESIL_EOPEN);
    assert_int_equal(ask(breaker, 0, RESIL_SEC(1), &permit), RESIL_EOPEN);
    trip(breaker, 1, T0 + RESIL_SEC(100000));
    assert_int_equal(ask(breaker, 1, T0, &permit), RESIL_OK);
    free(breaker);
}

static void top_lists_the_worst(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(100));
    struct resil_keyed_breaker_entry top[3];
    struct resil_keyed_permit permit;

    (void)state;
    assert_int_equal(resil_keyed_breaker_top(breaker, T0, top, 3), 0);
    for (uint64_t key = 10; key < 30; key++)
        call(breaker, key, T0, RESIL_FAILURE);
    call(breaker, 12, T0, RESIL_FAILURE);
    trip(breaker, 1, T0);
    trip(breaker, 2, T0);
    assert_int_equal(ask(breaker, 2, T0 + RESIL_SEC(6), &permit), RESIL_OK);
    assert_int_equal(tell(breaker, &permit, T0 + RESIL_SEC(6), RESIL_FAILURE), RESIL_OK);
    assert_int_equal(resil_keyed_breaker_top(breaker, T0 + RESIL_SEC(6), top, 3), 3);
    assert_memory_equal(top[0].print, look(breaker, 2, T0).print, 16);
    assert_memory_equal(top[1].print, look(breaker, 1, T0).print, 16);
    assert_memory_equal(top[2].print, look(breaker, 12, T0).print, 16);
    assert_int_equal(top[0].trips, 2);
    assert_true(top[0].until_ns > T0 + RESIL_SEC(13));
    assert_true(top[1].until_ns >= T0 + RESIL_SEC(5));
    assert_true(top[1].until_ns <= T0 + RESIL_SEC(5) + TICK);
    assert_int_equal(top[2].failures, 2);
    assert_int_equal(resil_keyed_breaker_top(breaker, T0, top, 0), 0);
    free(breaker);
}

static void top_writes_to_its_places_alone(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(100));
    struct resil_keyed_breaker_entry around[4] = {0};
    struct resil_keyed_breaker_entry empty = {0};

    (void)state;
    for (uint64_t key = 10; key < 30; key++)
        trip(breaker, key, T0);
    assert_int_equal(resil_keyed_breaker_top(breaker, T0, &around[1], 2), 2);
    assert_memory_equal(&around[0], &empty, sizeof empty);
    assert_memory_equal(&around[3], &empty, sizeof empty);
    free(breaker);
}

static void rebase_lets_every_open_key_probe(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(10));
    struct resil_keyed_permit permit, old;

    (void)state;
    assert_int_equal(ask(breaker, 2, T0, &old), RESIL_OK);
    trip(breaker, 1, T0);
    call(breaker, 2, T0, RESIL_FAILURE);
    resil_keyed_breaker_rebase(breaker, 5);
    assert_int_equal(ask(breaker, 1, 5, &permit), RESIL_OK);
    assert_int_equal(look(breaker, 1, 5).state, RESIL_BREAKER_HALF_OPEN);
    assert_int_equal(look(breaker, 2, 5).failures, 0);
    assert_int_equal(tell(breaker, &old, 5, RESIL_FAILURE), RESIL_ELATE);
    free(breaker);
}

static void policy_guards_the_key_of_the_request(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(10));
    struct resil_policy policy = resil_keyed_breaker_policy(breaker);
    static struct resil_keyed_breaker blank;
    struct resil_request request = {.key = 9};
    struct resil_walk walk = {.request = &request, .now_ns = T0};
    uint64_t frame[3];

    (void)state;
    assert_int_equal(policy.ops->size, sizeof(struct resil_policy_ops));
    assert_int_equal(policy.ops->frame_words, 3);
    assert_int_equal(policy.ops->flags, RESIL_ON_ALL);
    assert_int_equal(policy.ops->check(breaker), RESIL_OK);
    assert_int_equal(policy.ops->check(&blank), RESIL_EINVAL);
    assert_int_equal(policy.ops->check(NULL), RESIL_EINVAL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(policy.ops->admit(breaker, frame, &walk), RESIL_PASS);
        assert_false(walk.timed);
        walk.result.outcome = i < 2 ? RESIL_FAILURE : RESIL_TIMEOUT;
        if (i < 2)
            assert_int_equal(policy.ops->settle(breaker, frame, &walk), RESIL_PASS);
        else
            (void)policy.ops->abandon(breaker, frame, &walk);
    }
    assert_int_equal(policy.ops->admit(breaker, frame, &walk), RESIL_EOPEN);
    assert_true(walk.retry_at_ns >= T0 + RESIL_SEC(5));
    request.key = 0;
    assert_int_equal(policy.ops->admit(breaker, frame, &walk), RESIL_PASS);
    walk.result.outcome = RESIL_FAILURE;
    assert_int_equal(policy.ops->settle(breaker, frame, &walk), RESIL_PASS);
    assert_int_equal(count(breaker).inserted, 1);
    request.key = 9;
    walk.now_ns = T0 + RESIL_SEC(6);
    assert_int_equal(policy.ops->admit(breaker, frame, &walk), RESIL_PASS);
    assert_true(walk.timed);
    walk.result.outcome = RESIL_REFUSED;
    assert_int_equal(policy.ops->settle(breaker, frame, &walk), RESIL_PASS);
    assert_int_equal(look(breaker, 9, walk.now_ns).state, RESIL_BREAKER_OPEN);
    assert_int_equal(policy.ops->admit(breaker, frame, &walk), RESIL_PASS);
    walk.result.outcome = RESIL_SUCCESS;
    assert_int_equal(policy.ops->settle(breaker, frame, &walk), RESIL_PASS);
    assert_int_equal(look(breaker, 9, walk.now_ns).state, RESIL_BREAKER_CLOSED);
    free(breaker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_fails_keeps_the_place),
        cmocka_unit_test(an_open_key_can_be_kept_for_ever),
        cmocka_unit_test(a_clock_set_back_opens_for_nobody_for_ever),
        cmocka_unit_test(top_lists_the_worst),
        cmocka_unit_test(top_writes_to_its_places_alone),
        cmocka_unit_test(rebase_lets_every_open_key_probe),
        cmocka_unit_test(policy_guards_the_key_of_the_request),
    };

    return cmocka_run_group_tests_name("keyed breaker table", tests, NULL, NULL);
}
