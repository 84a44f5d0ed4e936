/* SPDX-License-Identifier: BSD-2-Clause */

/* The adapters of the limiter and the pacer, called by hand. */
#include "limiter_fixture.h"

#include <resil/pacer.h>

struct rig {
    struct resil_request request;
    struct resil_walk walk;
    uint64_t frame[16];
};

static struct rig *rig_at(struct rig *rig, uint64_t now_ns)
{
    *rig = (struct rig){.request = {.cost = 0}};
    memset(rig->frame, 0xa5, sizeof rig->frame);
    rig->walk.request = &rig->request;
    rig->walk.now_ns = now_ns;
    rig->walk.attempt.deadline_ns = RESIL_NEVER;
    rig->walk.attempt.number = 1;
    return rig;
}

static int admit(struct resil_policy policy, struct rig *rig)
{
    return policy.ops->admit(policy.self, rig->frame, &rig->walk);
}

static int settle(struct resil_policy policy, struct rig *rig, enum resil_outcome outcome,
                  uint64_t hint_ns)
{
    rig->walk.result = (struct resil_result){.outcome = outcome, .hint_ns = hint_ns};
    return policy.ops->settle(policy.self, rig->frame, &rig->walk);
}

static void abandon(struct resil_policy policy, struct rig *rig, enum resil_outcome why)
{
    rig->walk.result = (struct resil_result){.outcome = why};
    (void)policy.ops->abandon(policy.self, rig->frame, &rig->walk);
}

static void policy_tables_are_well_formed(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    struct resil_limiter blank = {0};
    struct resil_limiter_wait wait = {.limiter = &limiter};
    struct resil_limiter_wait none = {0};
    struct resil_pacer pacer = {0};
    struct resil_policy policies[] = {resil_limiter_policy(&limiter),
                                      resil_limiter_wait_policy(&wait), resil_pacer_policy(&pacer)};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(policies[i].ops->size, sizeof(struct resil_policy_ops));
        assert_int_equal(policies[i].ops->flags, RESIL_ON_FAILURE | RESIL_ON_REFUSED);
        assert_true(policies[i].ops->frame_words <= 3);
    }
    assert_int_equal(policies[0].ops->check(&limiter), RESIL_OK);
    assert_int_equal(policies[0].ops->check(&blank), RESIL_EINVAL);
    assert_int_equal(policies[0].ops->check(NULL), RESIL_EINVAL);
    assert_int_equal(policies[1].ops->check(&wait), RESIL_OK);
    assert_int_equal(policies[1].ops->check(&none), RESIL_EINVAL);
    assert_int_equal(policies[2].ops->check(&pacer), RESIL_EINVAL);
}

static void policy_takes_the_cost_of_the_request(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    struct resil_policy policy = resil_limiter_policy(&limiter);
    struct rig rig;

    (void)state;
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_PASS);
    assert_int_equal(look(&limiter, T0).available, 4);
    rig_at(&rig, T0)->request.cost = 4;
    assert_int_equal(admit(policy, &rig), RESIL_PASS);
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_ELIMITED);
    assert_int_equal(rig.walk.retry_at_ns, T0 + RESIL_MS(100));
    rig_at(&rig, T0)->request.cost = 6;
    assert_int_equal(admit(policy, &rig), RESIL_ECOST);
}

static void policy_gives_back_what_was_refused_inside(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    struct resil_policy policy = resil_limiter_policy(&limiter);
    struct rig rig;

    (void)state;
    for (int i = 0; i < 20; i++) {
        rig_at(&rig, T0)->request.cost = 3;
        assert_int_equal(admit(policy, &rig), RESIL_PASS);
        if (i % 2 == 0)
            assert_int_equal(settle(policy, &rig, RESIL_REFUSED, 0), RESIL_PASS);
        else
            abandon(policy, &rig, RESIL_REFUSED);
    }
    assert_int_equal(look(&limiter, T0).available, 5);
}

static void policy_keeps_what_was_used(void **state)
{
    static const enum resil_outcome outcomes[] = {RESIL_FAILURE, RESIL_OVERLOAD, RESIL_TIMEOUT,
                                                  RESIL_NOT_SENT, RESIL_CANCELLED};
    struct resil_limiter limiter = make(1, RESIL_SEC(1), 20, 0);
    struct resil_policy policy = resil_limiter_policy(&limiter);
    struct rig rig;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_PASS);
        assert_int_equal(settle(policy, &rig, outcomes[i], RESIL_SEC(9)), RESIL_PASS);
        assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_PASS);
        abandon(policy, &rig, outcomes[i]);
    }
    assert_int_equal(look(&limiter, T0).available, 10);
}

/* Outside of a retry: the first attempt ran, the second was refused. */
static void policy_keeps_what_an_earlier_attempt_used(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    struct resil_policy policy = resil_limiter_policy(&limiter);
    struct rig rig;

    (void)state;
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_PASS);
    rig.walk.attempt.number = 2;
    (void)settle(policy, &rig, RESIL_REFUSED, 0);
    abandon(policy, &rig, RESIL_REFUSED);
    assert_int_equal(look(&limiter, T0).available, 4);
}

static void policy_forfeits_what_is_not_the_last(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    struct resil_policy policy = resil_limiter_policy(&limiter);
    struct rig rig;

    (void)state;
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_PASS);
    assert_int_equal(take(&limiter, 1, T0), RESIL_OK);
    (void)settle(policy, &rig, RESIL_REFUSED, 0);
    assert_int_equal(look(&limiter, T0).available, 3);
}

static void policy_drains_on_overload_if_told_to(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 5, 0);
    struct resil_policy policy = resil_limiter_policy(&limiter);
    struct rig rig;

    (void)state;
    assert_int_equal(
        resil_limiter_reconfigure(
            &limiter,
            &(struct resil_limiter_config){.tokens = 10, .burst = 5, .drain_on_overload = true},
            T0),
        RESIL_OK);
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_PASS);
    (void)settle(policy, &rig, RESIL_OVERLOAD, 0);
    assert_int_equal(look(&limiter, T0).available, 4);
    (void)settle(policy, &rig, RESIL_FAILURE, RESIL_SEC(9));
    assert_int_equal(look(&limiter, T0).available, 4);
    (void)settle(policy, &rig, RESIL_OVERLOAD, RESIL_SEC(9));
    assert_int_equal(look(&limiter, T0).next_at_ns, T0 + RESIL_SEC(9));
}

static void wait_policy_waits_for_its_slot(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 1, 0);
    struct resil_limiter_wait wait = {.limiter = &limiter};
    struct resil_policy policy = resil_limiter_wait_policy(&wait);
    struct rig rig;

    (void)state;
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_PASS);
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_WAIT);
    assert_int_equal(rig.walk.wake_ns, T0 + RESIL_MS(100));
    rig.walk.now_ns = rig.walk.wake_ns - 1;
    rig.walk.wake_ns = 0;
    assert_int_equal(policy.ops->resume(policy.self, rig.frame, &rig.walk), RESIL_WAIT);
    assert_int_equal(rig.walk.wake_ns, T0 + RESIL_MS(100));
    rig.walk.now_ns = rig.walk.wake_ns;
    assert_int_equal(policy.ops->resume(policy.self, rig.frame, &rig.walk), RESIL_PASS);
}

static void wait_policy_refuses_at_once_what_takes_too_long(void **state)
{
    struct resil_limiter limiter = make(1, RESIL_SEC(1), 1, 0);
    struct resil_limiter_wait wait = {.limiter = &limiter, .wait_ns_max = RESIL_MS(999)};
    struct resil_limiter_wait def = {.limiter = &limiter};
    struct resil_limiter_wait any = {.limiter = &limiter, .wait_ns_max = RESIL_OFF};
    struct rig rig;

    (void)state;
    assert_int_equal(take(&limiter, 1, T0), RESIL_OK);
    assert_int_equal(admit(resil_limiter_wait_policy(&wait), rig_at(&rig, T0)), RESIL_ELIMITED);
    assert_int_equal(rig.walk.retry_at_ns, T0 + RESIL_SEC(1));
    assert_int_equal(admit(resil_limiter_wait_policy(&def), rig_at(&rig, T0)), RESIL_WAIT);
    assert_int_equal(admit(resil_limiter_wait_policy(&def), rig_at(&rig, T0)), RESIL_ELIMITED);
    assert_int_equal(admit(resil_limiter_wait_policy(&any), rig_at(&rig, T0)), RESIL_WAIT);
    assert_int_equal(look(&limiter, T0).owed, 2);
}

static void wait_policy_never_waits_beyond_the_deadline(void **state)
{
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 1, 0);
    struct resil_limiter_wait wait = {.limiter = &limiter};
    struct resil_policy policy = resil_limiter_wait_policy(&wait);
    struct rig rig;

    (void)state;
    assert_int_equal(take(&limiter, 1, T0), RESIL_OK);
    rig_at(&rig, T0)->walk.attempt.deadline_ns = T0 + RESIL_MS(100);
    assert_int_equal(admit(policy, &rig), RESIL_ELIMITED);
    assert_int_equal(look(&limiter, T0).owed, 0);
    rig.walk.attempt.deadline_ns++;
    assert_int_equal(admit(policy, &rig), RESIL_WAIT);
}

static void wait_policy_gives_its_slot_back_when_abandoned(void **state)
{
    static const enum resil_outcome why[] = {RESIL_CANCELLED, RESIL_TIMEOUT, RESIL_REFUSED};
    struct resil_limiter limiter = make(10, RESIL_SEC(1), 1, 0);
    struct resil_limiter_wait wait = {.limiter = &limiter};
    struct resil_policy policy = resil_limiter_wait_policy(&wait);
    struct rig rig;

    (void)state;
    assert_int_equal(take(&limiter, 1, T0), RESIL_OK);
    for (size_t i = 0; i < 3; i++) {
        rig_at(&rig, T0)->request.cost = 1;
        assert_int_equal(admit(policy, &rig), RESIL_WAIT);
        abandon(policy, &rig, why[i]);
        assert_int_equal(look(&limiter, T0).owed, 0);
    }
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_WAIT);
    rig.walk.now_ns = rig.walk.wake_ns;
    assert_int_equal(policy.ops->resume(policy.self, rig.frame, &rig.walk), RESIL_PASS);
    abandon(policy, &rig, RESIL_TIMEOUT);
    assert_int_equal(look(&limiter, T0).owed, 1);
    abandon(policy, &rig, RESIL_REFUSED);
    assert_int_equal(look(&limiter, T0).owed, 0);
}

static void pacer_policy_paces_and_drains(void **state)
{
    struct resil_pacer pacer;
    struct resil_policy policy = resil_pacer_policy(&pacer);
    struct resil_pacer_snapshot snapshot;
    struct rig rig;

    (void)state;
    assert_int_equal(
        resil_pacer_init(&pacer, &(struct resil_pacer_config){.tokens = 10,
                                                              .wait_ns = RESIL_MS(150),
                                                              .drain_on_overload = true}),
        RESIL_OK);
    assert_int_equal(policy.ops->check(&pacer), RESIL_OK);
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_PASS);
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_WAIT);
    assert_int_equal(rig.walk.wake_ns, T0 + RESIL_MS(100));
    abandon(policy, &rig, RESIL_CANCELLED);
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_WAIT);
    rig.walk.now_ns = rig.walk.wake_ns;
    assert_int_equal(policy.ops->resume(policy.self, rig.frame, &rig.walk), RESIL_PASS);
    assert_int_equal(admit(policy, rig_at(&rig, T0)), RESIL_ELIMITED);
    assert_int_equal(rig.walk.retry_at_ns, T0 + RESIL_MS(200));
    (void)settle(policy, &rig, RESIL_OVERLOAD, RESIL_SEC(3));
    resil_pacer_snapshot(&pacer, T0, &snapshot);
    assert_int_equal(snapshot.next_at_ns, T0 + RESIL_SEC(3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policy_tables_are_well_formed),
        cmocka_unit_test(policy_takes_the_cost_of_the_request),
        cmocka_unit_test(policy_gives_back_what_was_refused_inside),
        cmocka_unit_test(policy_keeps_what_was_used),
        cmocka_unit_test(policy_keeps_what_an_earlier_attempt_used),
        cmocka_unit_test(policy_forfeits_what_is_not_the_last),
        cmocka_unit_test(policy_drains_on_overload_if_told_to),
        cmocka_unit_test(wait_policy_waits_for_its_slot),
        cmocka_unit_test(wait_policy_refuses_at_once_what_takes_too_long),
        cmocka_unit_test(wait_policy_never_waits_beyond_the_deadline),
        cmocka_unit_test(wait_policy_gives_its_slot_back_when_abandoned),
        cmocka_unit_test(pacer_policy_paces_and_drains),
    };

    return cmocka_run_group_tests_name("limiter_policy", tests, NULL, NULL);
}
