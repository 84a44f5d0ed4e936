/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/retry.h>

#define NOW RESIL_SEC(1000)

/* One call's way through the policy, as a chain would have it. */
struct fixture {
    struct resil_retry retry;
    struct resil_policy policy;
    struct resil_request request;
    struct resil_walk walk;
    uint64_t frame[2];
};

static void make(struct fixture *fixture, const struct resil_retry_config *config)
{
    *fixture = (struct fixture){.request = {.idempotent = false}};
    assert_int_equal(resil_retry_init(&fixture->retry, config), RESIL_OK);
    fixture->policy = resil_retry_policy(&fixture->retry);
    assert_int_equal(fixture->policy.ops->check(fixture->policy.self), RESIL_OK);
    fixture->walk.request = &fixture->request;
    fixture->walk.attempt.deadline_ns = RESIL_NEVER;
    fixture->walk.now_ns = NOW;
    fixture->walk.seed_ = test_seed(1) | 1;
}

static int settle(struct fixture *fixture, enum resil_outcome outcome, uint64_t hint_ns)
{
    fixture->walk.result = (struct resil_result){.outcome = outcome, .hint_ns = hint_ns};
    return fixture->policy.ops->settle(fixture->policy.self, fixture->frame, &fixture->walk);
}

static const struct resil_retry_config plain = {
    .backoff = {.kind = RESIL_BACKOFF_FIXED, .jitter = RESIL_JITTER_NONE, .base_ns = RESIL_MS(10)}};

static void retry_repeats_as_the_outcome_table_says(void **state)
{
    (void)state;
    for (int outcome = 0; outcome < RESIL_OUTCOMES; outcome++) {
        for (int idempotent = 0; idempotent < 2; idempotent++) {
            bool always = outcome == RESIL_NOT_SENT || outcome == RESIL_OVERLOAD;
            bool harmless = outcome == RESIL_FAILURE || outcome == RESIL_TIMEOUT ||
                            outcome == RESIL_NONE; /* read as FAILURE */
            struct fixture fixture;

            if (outcome == RESIL_SUCCESS)
                continue;
            make(&fixture, &plain);
            fixture.request.idempotent = idempotent;
            assert_int_equal(settle(&fixture, (enum resil_outcome)outcome, 0),
                             always || (harmless && idempotent) ? RESIL_AGAIN : RESIL_PASS);
            assert_int_equal(fixture.walk.stopped, 0);
        }
    }
}

static void retry_reads_an_unknown_outcome_as_failure(void **state)
{
    struct fixture fixture;

    (void)state;
    make(&fixture, &plain);
    assert_int_equal(settle(&fixture, (enum resil_outcome)200, 0), RESIL_PASS);
    fixture.request.idempotent = true;
    assert_int_equal(settle(&fixture, (enum resil_outcome)200, 0), RESIL_AGAIN);
}

static void retry_obeys_its_masks(void **state)
{
    struct resil_retry_config config = plain;
    struct fixture fixture;

    (void)state;
    config.retry_mask = RESIL_OUTCOME_BIT(RESIL_CALLER);
    config.idempotent_mask = RESIL_OUTCOME_BIT(RESIL_NOT_SENT);
    make(&fixture, &config);
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, 0), RESIL_PASS);
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_PASS);
    assert_int_equal(settle(&fixture, RESIL_CALLER, 0), RESIL_AGAIN);
    fixture.request.idempotent = true;
    assert_int_equal(settle(&fixture, RESIL_FAILURE, 0), RESIL_PASS);
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);

    config.retry_mask = RESIL_OFF;
    config.idempotent_mask = RESIL_OFF;
    make(&fixture, &config);
    fixture.request.idempotent = true;
    for (int outcome = RESIL_FAILURE; outcome < RESIL_OUTCOMES; outcome++)
        assert_int_equal(settle(&fixture, (enum resil_outcome)outcome, 0), RESIL_PASS);
}

static void retry_counts_the_first_attempt(void **state)
{
    struct resil_retry_config config = plain;
    struct fixture fixture;

    (void)state;
    make(&fixture, &config); /* 3 by default */
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);
    assert_int_equal(fixture.walk.wake_ns, NOW + RESIL_MS(10));
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_DECIDED);
    assert_int_equal(fixture.walk.stopped, RESIL_EEXHAUSTED);
    assert_int_equal(fixture.walk.result.outcome, RESIL_NOT_SENT);

    config.attempts = 1;
    make(&fixture, &config);
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_DECIDED);
    assert_int_equal(fixture.walk.stopped, RESIL_EEXHAUSTED);
}

static void retry_without_a_limit_goes_on(void **state)
{
    struct resil_retry_config config = plain;
    struct fixture fixture;

    (void)state;
    config.attempts = RESIL_OFF;
    make(&fixture, &config);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);
}

static void retry_waits_as_the_backoff_says(void **state)
{
    const struct resil_retry_config config = {.attempts = 10,
                                              .backoff = {.jitter = RESIL_JITTER_NONE}};
    struct fixture fixture;

    (void)state;
    make(&fixture, &config);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);
        assert_int_equal(fixture.walk.wake_ns, NOW + (RESIL_MS(100) << i));
    }
}

/* The previous delay reaches the backoff: without it a delay would stay below 3 bases. */
static void retry_remembers_the_previous_delay(void **state)
{
    const struct resil_retry_config config = {
        .attempts = RESIL_OFF,
        .backoff = {.jitter = RESIL_JITTER_DECORRELATED, .base_ns = 1000, .cap_ns = RESIL_SEC(1)}};
    struct fixture fixture;
    uint64_t longest = 0;

    (void)state;
    make(&fixture, &config);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(settle(&fixture, RESIL_NOT_SENT, RESIL_SEC(5)), RESIL_AGAIN);
        longest = fixture.frame[1] > longest ? fixture.frame[1] : longest;
        assert_true(fixture.frame[1] <= RESIL_SEC(1)); /* the hint isn't taken for a delay */
    }
    assert_true(longest > 3000);
}

static void retry_draws_a_new_delay_each_time(void **state)
{
    const struct resil_retry_config config = {.attempts = RESIL_OFF};
    struct fixture fixture;
    uint64_t first;

    (void)state;
    make(&fixture, &config);
    fixture.frame[0] = 60;
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);
    first = fixture.walk.wake_ns;
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);
    assert_int_not_equal(fixture.walk.wake_ns, first);
}

static void retry_takes_the_hint_as_a_floor(void **state)
{
    struct fixture fixture;

    (void)state;
    make(&fixture, &plain);
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, RESIL_SEC(30)), RESIL_AGAIN);
    assert_int_equal(fixture.walk.wake_ns, NOW + RESIL_SEC(30));
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, RESIL_MS(1)), RESIL_AGAIN);
    assert_int_equal(fixture.walk.wake_ns, NOW + RESIL_MS(10));

    make(&fixture, NULL);
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, RESIL_SEC(30)), RESIL_AGAIN);
    assert_in_range(fixture.walk.wake_ns, NOW + RESIL_SEC(30), NOW + RESIL_SEC(45));
}

static void retry_never_sleeps_to_the_deadline(void **state)
{
    struct fixture fixture;

    (void)state;
    make(&fixture, &plain);
    fixture.walk.attempt.deadline_ns = NOW + RESIL_MS(10);
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_DECIDED);
    assert_int_equal(fixture.walk.stopped, RESIL_EDEADLINE);

    make(&fixture, &plain);
    fixture.walk.attempt.deadline_ns = NOW + RESIL_MS(10) + 1;
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);

    make(&fixture, &plain);
    fixture.walk.attempt.deadline_ns = NOW + RESIL_SEC(1);
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, RESIL_SEC(1)), RESIL_DECIDED);
    assert_int_equal(fixture.walk.stopped, RESIL_EDEADLINE);
    assert_int_equal(fixture.walk.retry_at_ns, NOW + RESIL_SEC(1));

    /* However short the hint: only none at all tells no time. */
    make(&fixture, &plain);
    fixture.walk.attempt.deadline_ns = NOW + 1;
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, 1), RESIL_DECIDED);
    assert_int_equal(fixture.walk.retry_at_ns, NOW + 1);
    make(&fixture, &plain);
    fixture.walk.attempt.deadline_ns = NOW + 1;
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, 0), RESIL_DECIDED);
    assert_int_equal(fixture.walk.retry_at_ns, 0);
}

static void retry_with_a_deadline_that_has_passed_gives_up(void **state)
{
    struct fixture fixture;

    (void)state;
    make(&fixture, &plain);
    fixture.walk.attempt.deadline_ns = NOW - 1;
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_DECIDED);
    assert_int_equal(fixture.walk.stopped, RESIL_EDEADLINE);
}

static void retry_survives_a_hint_beyond_all_time(void **state)
{
    struct fixture fixture;

    (void)state;
    make(&fixture, NULL);
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, UINT64_MAX), RESIL_DECIDED);
    assert_int_equal(fixture.walk.stopped, RESIL_EDEADLINE);
    assert_int_equal(fixture.walk.retry_at_ns, RESIL_NEVER);
}

static void retry_tells_when_to_come_back(void **state)
{
    struct resil_retry_config config = plain;
    struct fixture fixture;

    (void)state;
    config.attempts = 1;
    make(&fixture, &config);
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, RESIL_SEC(5)), RESIL_DECIDED);
    assert_int_equal(fixture.walk.retry_at_ns, NOW + RESIL_SEC(5));
    make(&fixture, &config);
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, 0), RESIL_DECIDED);
    assert_int_equal(fixture.walk.retry_at_ns, 0);
}

static void retry_of_a_refusal_waits_for_the_time_it_names(void **state)
{
    struct resil_retry_config config = plain;
    struct fixture fixture;

    (void)state;
    config.retry_mask = RESIL_OUTCOME_BIT(RESIL_REFUSED);
    make(&fixture, &config);
    fixture.walk.retry_at_ns = NOW + RESIL_SEC(2);
    fixture.walk.stopped = RESIL_EEXHAUSTED; /* of a retry further inside */
    assert_int_equal(settle(&fixture, RESIL_REFUSED, 0), RESIL_AGAIN);
    assert_int_equal(fixture.walk.wake_ns, NOW + RESIL_SEC(2));
    assert_int_equal(fixture.walk.retry_at_ns, 0); /* not taken for the next attempt's */
    assert_int_equal(fixture.walk.stopped, 0);
    fixture.walk.retry_at_ns = NOW - 5;
    assert_int_equal(settle(&fixture, RESIL_REFUSED, 0), RESIL_AGAIN);
    assert_int_equal(fixture.walk.wake_ns, NOW + RESIL_MS(10));
    fixture.walk.retry_at_ns = NOW + RESIL_SEC(2);
    assert_int_equal(settle(&fixture, RESIL_REFUSED, 0), RESIL_DECIDED);
    assert_int_equal(fixture.walk.retry_at_ns, NOW + RESIL_SEC(2));
    assert_int_equal(fixture.walk.stopped, RESIL_EEXHAUSTED);
}

static void retry_gives_up_when_the_budget_is_empty(void **state)
{
    struct resil_budget budget;
    struct resil_retry_config config = plain;
    struct fixture fixture;

    (void)state;
    assert_int_equal(resil_budget_init(&budget, &(struct resil_budget_config){.cap = 2}), RESIL_OK);
    config.attempts = 10;
    config.budget = &budget;
    make(&fixture, &config);
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, RESIL_SEC(1)), RESIL_DECIDED);
    assert_int_equal(fixture.walk.stopped, RESIL_EBUDGET);
    assert_int_equal(fixture.walk.result.outcome, RESIL_NOT_SENT);
    assert_int_equal(fixture.walk.retry_at_ns, NOW + RESIL_SEC(1));
}

static uint64_t balance_pct(const struct resil_budget *budget, uint64_t now_ns)
{
    struct resil_budget_snapshot snapshot;

    assert_int_equal(resil_budget_snapshot(budget, now_ns, &snapshot), RESIL_OK);
    return snapshot.balance_pct;
}

static void retry_after_overload_costs_double(void **state)
{
    struct resil_budget budget;
    struct resil_retry_config config = plain;
    struct fixture fixture;

    (void)state;
    assert_int_equal(resil_budget_init(&budget, NULL), RESIL_OK);
    config.attempts = 10;
    config.budget = &budget;
    make(&fixture, &config);
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, 0), RESIL_AGAIN);
    assert_int_equal(balance_pct(&budget, NOW), 100);
    assert_int_equal(settle(&fixture, RESIL_OVERLOAD, 0), RESIL_DECIDED);
    assert_int_equal(fixture.walk.stopped, RESIL_EBUDGET);
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_AGAIN);
    assert_int_equal(balance_pct(&budget, NOW), 0);
}

static void retry_that_is_not_made_takes_nothing(void **state)
{
    struct resil_budget budget;
    struct resil_retry_config config = plain;
    struct fixture fixture;

    (void)state;
    assert_int_equal(resil_budget_init(&budget, NULL), RESIL_OK);
    config.budget = &budget;
    make(&fixture, &config);
    assert_int_equal(settle(&fixture, RESIL_CALLER, 0), RESIL_PASS);
    fixture.walk.attempt.deadline_ns = NOW + 1;
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_DECIDED);
    fixture.walk.attempt.deadline_ns = RESIL_NEVER;
    fixture.frame[0] = 2;
    assert_int_equal(settle(&fixture, RESIL_NOT_SENT, 0), RESIL_DECIDED);
    assert_int_equal(balance_pct(&budget, NOW), 300);
}

static void retry_deposits_each_success(void **state)
{
    struct resil_budget budget;
    struct resil_retry_config config = plain;
    struct fixture fixture;

    (void)state;
    assert_int_equal(resil_budget_init(&budget, NULL), RESIL_OK);
    assert_int_equal(resil_budget_withdraw(&budget, 3, NOW), RESIL_OK);
    config.budget = &budget;
    make(&fixture, &config);
    for (int i = 1; i <= 10; i++) {
        assert_int_equal(settle(&fixture, RESIL_SUCCESS, 0), RESIL_PASS);
        assert_int_equal(balance_pct(&budget, NOW), 10 * i);
    }
}

static void policy_asks_only_for_what_its_config_needs(void **state)
{
    struct resil_budget budget;
    struct resil_retry_config config = {.attempts = 2};
    struct fixture fixture;

    (void)state;
    assert_int_equal(resil_budget_init(&budget, NULL), RESIL_OK);
    make(&fixture, &config);
    assert_int_equal(fixture.policy.ops->flags, RESIL_ON_FAILURE);
    config.retry_mask = RESIL_OUTCOME_BIT(RESIL_REFUSED);
    make(&fixture, &config);
    assert_int_equal(fixture.policy.ops->flags, RESIL_ON_FAILURE | RESIL_ON_REFUSED);
    config.retry_mask = 0;
    config.budget = &budget;
    make(&fixture, &config);
    assert_int_equal(fixture.policy.ops->flags, RESIL_ON_FAILURE | RESIL_ON_SUCCESS);
    config.idempotent_mask = RESIL_OUTCOME_BIT(RESIL_REFUSED);
    make(&fixture, &config);
    assert_int_equal(fixture.policy.ops->flags, RESIL_ON_ALL);
    assert_int_equal(fixture.policy.ops->size, sizeof(struct resil_policy_ops));
    assert_int_equal(fixture.policy.ops->frame_words, 2);
    assert_string_equal(fixture.policy.ops->name, "retry");
    assert_null(fixture.policy.ops->admit);
    assert_null(fixture.policy.ops->abandon);
}

static void policy_check_refuses_what_is_not_initialised(void **state)
{
    struct resil_retry zero = {.attempts_ = 0};
    struct resil_policy policy = resil_retry_policy(&zero);
    struct resil_budget budget;
    struct resil_retry retry;

    (void)state;
    assert_int_equal(policy.ops->check(policy.self), RESIL_EINVAL);
    policy = resil_retry_policy(NULL);
    assert_int_equal(policy.ops->check(policy.self), RESIL_EINVAL);
    assert_int_equal(resil_budget_init(&budget, NULL), RESIL_OK);
    assert_int_equal(resil_retry_init(&retry, &(struct resil_retry_config){.budget = &budget}),
                     RESIL_OK);
    policy = resil_retry_policy(&retry);
    assert_int_equal(policy.ops->check(policy.self), RESIL_OK);
    memset(&budget, 0, sizeof budget);
    assert_int_equal(policy.ops->check(policy.self), RESIL_EINVAL);
}

static void next_decides_by_hand(void **state)
{
    struct resil_retry retry;
    struct resil_retry_progress progress = {.failed = 0};
    struct resil_retry_question question = {.outcome = RESIL_FAILURE, .now_ns = NOW};
    uint64_t wake_ns = 77;

    (void)state;
    assert_int_equal(resil_retry_init(&retry, &plain), RESIL_OK);
    assert_int_equal(resil_retry_next(&retry, &progress, &question, &wake_ns), RESIL_EFAILED);
    assert_int_equal(progress.failed, 0);
    question.outcome = RESIL_SUCCESS;
    assert_int_equal(resil_retry_next(&retry, &progress, &question, &wake_ns), RESIL_EFAILED);
    question.outcome = RESIL_FAILURE;
    question.idempotent = true;
    question.deadline_ns = NOW + 1;
    assert_int_equal(resil_retry_next(&retry, &progress, &question, &wake_ns), RESIL_EDEADLINE);
    assert_int_equal(wake_ns, 77);
    question.deadline_ns = 0;
    assert_int_equal(resil_retry_next(&retry, &progress, &question, &wake_ns), RESIL_OK);
    assert_int_equal(wake_ns, NOW + RESIL_MS(10));
    assert_int_equal(resil_retry_next(&retry, &progress, &question, &wake_ns), RESIL_EEXHAUSTED);
    assert_int_equal(resil_retry_next(NULL, &progress, &question, &wake_ns), RESIL_EINVAL);
    assert_int_equal(resil_retry_next(&retry, NULL, &question, &wake_ns), RESIL_EINVAL);
    assert_int_equal(resil_retry_next(&retry, &progress, NULL, &wake_ns), RESIL_EINVAL);
    assert_int_equal(resil_retry_next(&retry, &progress, &question, NULL), RESIL_EINVAL);
    memset(&retry, 0, sizeof retry);
    assert_int_equal(resil_retry_next(&retry, &progress, &question, &wake_ns), RESIL_EINVAL);
}

static void init_refuses_a_bad_call(void **state)
{
    struct resil_retry retry;
    struct resil_retry before;

    (void)state;
    memset(&retry, 0x5a, sizeof retry);
    memcpy(&before, &retry, sizeof before);
    assert_int_equal(resil_retry_init(NULL, NULL), RESIL_EINVAL);
    assert_int_equal(resil_retry_init(&retry, &(struct resil_retry_config){.attempts = 1001}),
                     RESIL_EINVAL);
    assert_int_equal(
        resil_retry_init_sized(&retry, sizeof retry - 8, NULL, sizeof(struct resil_retry_config)),
        RESIL_EABI);
    assert_int_equal(resil_retry_init_sized(&retry, sizeof retry, NULL, 8), RESIL_EABI);
    assert_memory_equal(&retry, &before, sizeof retry);
    assert_int_equal(resil_retry_init(&retry, NULL), RESIL_OK);
}

static void expect_refused(const struct resil_retry_config *config, const char *line)
{
    char why[120] = "";

    assert_int_equal(resil_retry_config_check(config, why, sizeof why), RESIL_EINVAL);
    assert_string_equal(why, line);
}

static void config_check_names_each_field(void **state)
{
    struct resil_budget zero = {.word_ = 0};

    (void)state;
    assert_int_equal(resil_retry_config_check(NULL, NULL, 0), RESIL_OK);
    assert_int_equal(
        resil_retry_config_check(&(struct resil_retry_config){.attempts = 1000}, NULL, 0),
        RESIL_OK);
    expect_refused(&(struct resil_retry_config){.attempts = 1001},
                   "attempts is 1001: must be 1 to 1000 (0 = default, RESIL_OFF = off)");
    expect_refused(&(struct resil_retry_config){.backoff = {.factor_pct = 1}},
                   "factor_pct is 1: must be 110 to 1000 (0 = default)");
    expect_refused(&(struct resil_retry_config){.retry_mask = RESIL_OUTCOME_BIT(RESIL_SUCCESS)},
                   "retry_mask: must be bits of FAILURE to REFUSED (RESIL_OUTCOME_BIT)");
    expect_refused(&(struct resil_retry_config){.idempotent_mask = RESIL_OUTCOME_BIT(11)},
                   "idempotent_mask: must be bits of FAILURE to REFUSED (RESIL_OUTCOME_BIT)");
    expect_refused(&(struct resil_retry_config){.retry_mask = 1},
                   "retry_mask: must be bits of FAILURE to REFUSED (RESIL_OUTCOME_BIT)");
    expect_refused(&(struct resil_retry_config){.budget = &zero}, "budget: is not initialised");
    expect_refused(
        &(struct resil_retry_config){.attempts = RESIL_OFF, .backoff = {.base_ns = RESIL_OFF}},
        "attempts: RESIL_OFF needs a delay or a budget");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_repeats_as_the_outcome_table_says),
        cmocka_unit_test(retry_reads_an_unknown_outcome_as_failure),
        cmocka_unit_test(retry_obeys_its_masks),
        cmocka_unit_test(retry_counts_the_first_attempt),
        cmocka_unit_test(retry_without_a_limit_goes_on),
        cmocka_unit_test(retry_waits_as_the_backoff_says),
        cmocka_unit_test(retry_remembers_the_previous_delay),
        cmocka_unit_test(retry_draws_a_new_delay_each_time),
        cmocka_unit_test(retry_takes_the_hint_as_a_floor),
        cmocka_unit_test(retry_never_sleeps_to_the_deadline),
        cmocka_unit_test(retry_with_a_deadline_that_has_passed_gives_up),
        cmocka_unit_test(retry_survives_a_hint_beyond_all_time),
        cmocka_unit_test(retry_tells_when_to_come_back),
        cmocka_unit_test(retry_of_a_refusal_waits_for_the_time_it_names),
        cmocka_unit_test(retry_gives_up_when_the_budget_is_empty),
        cmocka_unit_test(retry_after_overload_costs_double),
        cmocka_unit_test(retry_that_is_not_made_takes_nothing),
        cmocka_unit_test(retry_deposits_each_success),
        cmocka_unit_test(policy_asks_only_for_what_its_config_needs),
        cmocka_unit_test(policy_check_refuses_what_is_not_initialised),
        cmocka_unit_test(next_decides_by_hand),
        cmocka_unit_test(init_refuses_a_bad_call),
        cmocka_unit_test(config_check_names_each_field),
    };

    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
