/* SPDX-License-Identifier: BSD-2-Clause */

/* The table in resil/outcome.h, row by row: what the breaker and the retry make of each outcome. */
#include "breaker_support.h"

#include <resil/retry.h>

/* A closed breaker after one such result: did it count, and as a failure? */
static void assert_closed(enum resil_outcome outcome, unsigned counted, unsigned failures)
{
    make((struct resil_breaker_config){0});
    calls(1, outcome);
    assert_int_equal(look().calls, counted);
    assert_int_equal(look().failures, failures);
    assert_state(CLOSED);
}

/* A half-open breaker that asks for one probe, after that result. */
static void assert_probed(enum resil_outcome outcome, enum resil_breaker_state state)
{
    struct resil_permit probe;

    make((struct resil_breaker_config){.probes = 1});
    trip();
    now += RESIL_SEC(5);
    probe = granted();
    assert_state(HALF_OPEN);
    assert_int_equal(report(&probe, outcome), RESIL_OK);
    assert_int_equal(state_of(), state);
    assert_int_equal(look().probes_in_flight, 0);
}

static int next(enum resil_outcome outcome, bool idempotent,
                const struct resil_retry_config *config)
{
    struct resil_retry retry;
    struct resil_retry_progress progress = {0};
    struct resil_retry_question question = {
        .outcome = outcome, .idempotent = idempotent, .hint_ns = RESIL_SEC(7), .now_ns = T0};
    uint64_t wake_ns = 0;
    int rc;

    assert_int_equal(resil_retry_init(&retry, config), RESIL_OK);
    rc = resil_retry_next(&retry, &progress, &question, &wake_ns);
    if (rc == RESIL_OK)
        assert_true(wake_ns >= T0 + RESIL_SEC(7)); /* never before the peer's hint */
    return rc;
}

static void assert_retried(enum resil_outcome outcome, bool always, bool if_idempotent)
{
    assert_int_equal(next(outcome, false, NULL), always ? RESIL_OK : RESIL_EFAILED);
    assert_int_equal(next(outcome, true, NULL), if_idempotent ? RESIL_OK : RESIL_EFAILED);
}

/* How many tokens a retry after this outcome takes. */
static uint64_t price(enum resil_outcome outcome)
{
    struct resil_budget budget;
    struct resil_budget_snapshot before, after;

    assert_int_equal(resil_budget_init(&budget, NULL), RESIL_OK);
    assert_int_equal(resil_budget_snapshot(&budget, T0, &before), RESIL_OK);
    assert_int_equal(next(outcome, true, &(struct resil_retry_config){.budget = &budget}),
                     RESIL_OK);
    assert_int_equal(resil_budget_snapshot(&budget, T0, &after), RESIL_OK);
    return (before.balance_pct - after.balance_pct) / 100;
}

static void success_is_a_success_to_the_breaker(void **state)
{
    (void)state;
    assert_closed(RESIL_SUCCESS, 1, 0);
    assert_probed(RESIL_SUCCESS, RESIL_BREAKER_CLOSED);
}

static void failure_is_a_failure_to_the_breaker(void **state)
{
    (void)state;
    assert_closed(RESIL_FAILURE, 1, 1);
    assert_probed(RESIL_FAILURE, RESIL_BREAKER_OPEN);
}

static void not_sent_is_a_failure_to_the_breaker(void **state)
{
    (void)state;
    assert_closed(RESIL_NOT_SENT, 1, 1);
    assert_probed(RESIL_NOT_SENT, RESIL_BREAKER_OPEN);
}

static void overload_is_neutral_while_closed_and_reopens(void **state)
{
    (void)state;
    assert_closed(RESIL_OVERLOAD, 0, 0);
    assert_probed(RESIL_OVERLOAD, RESIL_BREAKER_OPEN);
}

static void timeout_is_a_failure_to_the_breaker(void **state)
{
    (void)state;
    assert_closed(RESIL_TIMEOUT, 1, 1);
    assert_probed(RESIL_TIMEOUT, RESIL_BREAKER_OPEN);
}

static void permanent_is_a_failure_to_the_breaker(void **state)
{
    (void)state;
    assert_closed(RESIL_PERMANENT, 1, 1);
    assert_probed(RESIL_PERMANENT, RESIL_BREAKER_OPEN);
}

static void caller_is_a_success_to_the_breaker(void **state)
{
    (void)state;
    assert_closed(RESIL_CALLER, 1, 0);
    assert_probed(RESIL_CALLER, RESIL_BREAKER_CLOSED);
}

static void local_is_neutral_to_the_breaker(void **state)
{
    (void)state;
    assert_closed(RESIL_LOCAL, 0, 0);
    assert_probed(RESIL_LOCAL, RESIL_BREAKER_HALF_OPEN);
}

static void cancelled_is_neutral_to_the_breaker(void **state)
{
    (void)state;
    assert_closed(RESIL_CANCELLED, 0, 0);
    assert_probed(RESIL_CANCELLED, RESIL_BREAKER_HALF_OPEN);
}

static void refused_is_neutral_to_the_breaker(void **state)
{
    (void)state;
    assert_closed(RESIL_REFUSED, 0, 0);
    assert_probed(RESIL_REFUSED, RESIL_BREAKER_HALF_OPEN);
}

static void success_stops_the_retry(void **state)
{
    (void)state;
    assert_retried(RESIL_SUCCESS, false, false);
}

static void failure_is_retried_only_if_idempotent(void **state)
{
    (void)state;
    assert_retried(RESIL_FAILURE, false, true);
    assert_int_equal(price(RESIL_FAILURE), 1);
}

static void not_sent_is_retried(void **state)
{
    (void)state;
    assert_retried(RESIL_NOT_SENT, true, true);
    assert_int_equal(price(RESIL_NOT_SENT), 1);
}

static void overload_is_retried_after_the_hint_for_double(void **state)
{
    (void)state;
    assert_retried(RESIL_OVERLOAD, true, true);
    assert_int_equal(price(RESIL_OVERLOAD), 2);
}

static void timeout_is_retried_only_if_idempotent(void **state)
{
    (void)state;
    assert_retried(RESIL_TIMEOUT, false, true);
    assert_int_equal(price(RESIL_TIMEOUT), 1);
}

static void permanent_is_not_retried(void **state)
{
    (void)state;
    assert_retried(RESIL_PERMANENT, false, false);
}

static void caller_is_not_retried(void **state)
{
    (void)state;
    assert_retried(RESIL_CALLER, false, false);
}

static void local_is_not_retried(void **state)
{
    (void)state;
    assert_retried(RESIL_LOCAL, false, false);
}

static void cancelled_is_not_retried(void **state)
{
    (void)state;
    assert_retried(RESIL_CANCELLED, false, false);
}

static void refused_is_retried_only_if_asked_for(void **state)
{
    const struct resil_retry_config asked = {.retry_mask = RESIL_OUTCOME_BIT(RESIL_REFUSED)};

    (void)state;
    assert_retried(RESIL_REFUSED, false, false);
    assert_int_equal(next(RESIL_REFUSED, false, &asked), RESIL_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_a_success_to_the_breaker),
        cmocka_unit_test(failure_is_a_failure_to_the_breaker),
        cmocka_unit_test(not_sent_is_a_failure_to_the_breaker),
        cmocka_unit_test(overload_is_neutral_while_closed_and_reopens),
        cmocka_unit_test(timeout_is_a_failure_to_the_breaker),
        cmocka_unit_test(permanent_is_a_failure_to_the_breaker),
        cmocka_unit_test(caller_is_a_success_to_the_breaker),
        cmocka_unit_test(local_is_neutral_to_the_breaker),
        cmocka_unit_test(cancelled_is_neutral_to_the_breaker),
        cmocka_unit_test(refused_is_neutral_to_the_breaker),
        cmocka_unit_test(success_stops_the_retry),
        cmocka_unit_test(failure_is_retried_only_if_idempotent),
        cmocka_unit_test(not_sent_is_retried),
        cmocka_unit_test(overload_is_retried_after_the_hint_for_double),
        cmocka_unit_test(timeout_is_retried_only_if_idempotent),
        cmocka_unit_test(permanent_is_not_retried),
        cmocka_unit_test(caller_is_not_retried),
        cmocka_unit_test(local_is_not_retried),
        cmocka_unit_test(cancelled_is_not_retried),
        cmocka_unit_test(refused_is_retried_only_if_asked_for),
    };

    return cmocka_run_group_tests_name("outcome rows", tests, NULL, NULL);
}
