/* SPDX-License-Identifier: BSD-2-Clause */

/* The adapters of the window counter and the log, called by hand. */
#include "test.h"

#include <resil/log.h>
#include <resil/window.h>

#define T0 RESIL_SEC(1000)

static struct resil_window window;
static union {
    struct resil_log log;
    uint64_t words[64];
} room;

struct rig {
    struct resil_request request;
    struct resil_walk walk;
    uint64_t frame[16];
};

static void setup(bool drains)
{
    assert_int_equal(
        resil_window_init(&window,
                          &(struct resil_window_config){.limit = 3, .drain_on_overload = drains}),
        RESIL_OK);
    assert_int_equal(
        resil_log_init(&room.log, sizeof room,
                       &(struct resil_log_config){.limit = 3, .drain_on_overload = drains}),
        RESIL_OK);
}

static uint64_t window_used(void)
{
    struct resil_window_snapshot snapshot;

    resil_window_snapshot(&window, T0, &snapshot);
    return snapshot.used;
}

static uint64_t log_used(void)
{
    struct resil_log_snapshot snapshot;

    resil_log_snapshot(&room.log, T0, &snapshot);
    return snapshot.used;
}

/* Both behave alike for a cost of 1. */
static const struct {
    bool is_log;
    uint64_t (*used)(void);
} kinds[] = {{false, window_used}, {true, log_used}};

static struct resil_policy policy_of(size_t kind)
{
    return kinds[kind].is_log ? resil_log_policy(&room.log) : resil_window_policy(&window);
}

static int admit(struct resil_policy policy, struct rig *rig)
{
    *rig = (struct rig){.request = {.cost = 0}};
    memset(rig->frame, 0xa5, sizeof rig->frame);
    rig->walk.request = &rig->request;
    rig->walk.now_ns = T0;
    rig->walk.attempt.number = 1;
    return policy.ops->admit(policy.self, rig->frame, &rig->walk);
}

static void settle(struct resil_policy policy, struct rig *rig, enum resil_outcome outcome,
                   uint64_t hint_ns)
{
    rig->walk.result = (struct resil_result){.outcome = outcome, .hint_ns = hint_ns};
    assert_int_equal(policy.ops->settle(policy.self, rig->frame, &rig->walk), RESIL_PASS);
}

static void abandon(struct resil_policy policy, struct rig *rig, enum resil_outcome why)
{
    rig->walk.result = (struct resil_result){.outcome = why};
    (void)policy.ops->abandon(policy.self, rig->frame, &rig->walk);
}

static void policy_tables_are_well_formed(void **state)
{
    static const struct resil_window no_window;
    static const struct resil_log no_log;

    (void)state;
    setup(false);
    for (size_t kind = 0; kind < 2; kind++) {
        struct resil_policy policy = policy_of(kind);

        assert_int_equal(policy.ops->size, sizeof(struct resil_policy_ops));
        assert_int_equal(policy.ops->flags, RESIL_ON_FAILURE | RESIL_ON_REFUSED);
        assert_int_equal(policy.ops->check(policy.self), RESIL_OK);
        assert_int_equal(policy.ops->check(NULL), RESIL_EINVAL);
    }
    assert_int_equal(policy_of(0).ops->check(&no_window), RESIL_EINVAL);
    assert_int_equal(policy_of(1).ops->check(&no_log), RESIL_EINVAL);
}

static void policy_counts_and_refuses(void **state)
{
    struct rig rig;

    (void)state;
    setup(false);
    for (size_t kind = 0; kind < 2; kind++) {
        for (int i = 0; i < 3; i++)
            assert_int_equal(admit(policy_of(kind), &rig), RESIL_PASS);
        assert_int_equal(admit(policy_of(kind), &rig), RESIL_ELIMITED);
        assert_true(rig.walk.retry_at_ns >= T0 + RESIL_SEC(1));
    }
}

static void policy_takes_out_what_was_refused_inside(void **state)
{
    struct rig rig;

    (void)state;
    setup(false);
    for (size_t kind = 0; kind < 2; kind++) {
        for (int i = 0; i < 10; i++) {
            assert_int_equal(admit(policy_of(kind), &rig), RESIL_PASS);
            if (i % 2 == 0)
                settle(policy_of(kind), &rig, RESIL_REFUSED, 0);
            else
                abandon(policy_of(kind), &rig, RESIL_REFUSED);
            assert_int_equal(kinds[kind].used(), 0);
        }
    }
}

static void policy_keeps_what_ran(void **state)
{
    struct rig rig;

    (void)state;
    setup(false);
    for (size_t kind = 0; kind < 2; kind++) {
        assert_int_equal(admit(policy_of(kind), &rig), RESIL_PASS);
        settle(policy_of(kind), &rig, RESIL_FAILURE, 0);
        abandon(policy_of(kind), &rig, RESIL_TIMEOUT);
        abandon(policy_of(kind), &rig, RESIL_CANCELLED);
        rig.walk.attempt.number = 2;
        settle(policy_of(kind), &rig, RESIL_REFUSED, 0);
        assert_int_equal(kinds[kind].used(), 1);
    }
}

static void policy_drains_on_overload_if_told_to(void **state)
{
    struct rig rig;

    (void)state;
    for (int drains = 0; drains < 2; drains++) {
        setup(drains != 0);
        for (size_t kind = 0; kind < 2; kind++) {
            assert_int_equal(admit(policy_of(kind), &rig), RESIL_PASS);
            settle(policy_of(kind), &rig, RESIL_OVERLOAD, 0);
            settle(policy_of(kind), &rig, RESIL_FAILURE, RESIL_SEC(5));
            assert_int_equal(admit(policy_of(kind), &rig), RESIL_PASS);
            settle(policy_of(kind), &rig, RESIL_OVERLOAD, RESIL_SEC(5));
            assert_int_equal(admit(policy_of(kind), &rig), drains ? RESIL_ELIMITED : RESIL_PASS);
            assert_int_equal(rig.walk.retry_at_ns, drains ? T0 + RESIL_SEC(5) : 0);
        }
    }
}

static void window_policy_counts_the_cost_of_the_request(void **state)
{
    struct resil_policy policy = resil_window_policy(&window);
    struct rig rig;

    (void)state;
    setup(false);
    (void)admit(policy, &rig);
    settle(policy, &rig, RESIL_REFUSED, 0);
    rig.request.cost = 3;
    assert_int_equal(policy.ops->admit(policy.self, rig.frame, &rig.walk), RESIL_PASS);
    assert_int_equal(window_used(), 3);
    settle(policy, &rig, RESIL_REFUSED, 0);
    assert_int_equal(window_used(), 0);
    rig.request.cost = 4;
    assert_int_equal(policy.ops->admit(policy.self, rig.frame, &rig.walk), RESIL_ECOST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policy_tables_are_well_formed),
        cmocka_unit_test(policy_counts_and_refuses),
        cmocka_unit_test(policy_takes_out_what_was_refused_inside),
        cmocka_unit_test(policy_keeps_what_ran),
        cmocka_unit_test(policy_drains_on_overload_if_told_to),
        cmocka_unit_test(window_policy_counts_the_cost_of_the_request),
    };

    return cmocka_run_group_tests_name("window_policy", tests, NULL, NULL);
}
