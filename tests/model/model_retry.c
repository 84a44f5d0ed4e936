/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The retry against its rules, written down one after the other: is the outcome one to retry, is an
 * attempt left, when would it be, is that before the deadline, does the budget pay. Delays are asked
 * of the backoff, tokens of a budget of the model's own: those have models of their own.
 */
#include "shrink.h"

#include <resil/retry.h>

#define OPERATIONS MODEL_OPERATIONS(1000000, 200000)

static struct bench {
    uint64_t random, seed, operation;
    struct resil_budget budget, twin;
    struct resil_retry_config config;
    struct resil_retry retry;
    struct resil_retry_progress progress; /* of the call that runs */
    uint64_t failed, previous_ns;         /* the model's */
    uint64_t now_ns;
} bench;

/* The control: rules that allow an attempt more. */
static uint64_t too_many;

static uint64_t any_mask(void)
{
    uint64_t mask = test_random(&bench.random) & ((UINT64_C(1) << RESIL_OUTCOMES) - 1);

    mask &= ~(RESIL_OUTCOME_BIT(RESIL_NONE) | RESIL_OUTCOME_BIT(RESIL_SUCCESS));
    switch (test_below(&bench.random, 3)) {
    case 0:
        return 0;
    case 1:
        return RESIL_OFF;
    default:
        return mask;
    }
}

static void configure(void)
{
    struct resil_retry_config *config = &bench.config;

    *config = (struct resil_retry_config){
        .attempts = test_below(&bench.random, 6),
        .backoff = {.kind = (enum resil_backoff_kind)test_below(&bench.random, 3),
                    .jitter = (enum resil_backoff_jitter)test_below(&bench.random, 4),
                    .base_ns = 1 + test_below(&bench.random, RESIL_SEC(1)),
                    .cap_ns = RESIL_SEC(1) + test_below(&bench.random, RESIL_SEC(1)),
                    .factor_pct = 110 + test_below(&bench.random, 891)},
        .retry_mask = any_mask(),
        .idempotent_mask = any_mask(),
        .budget = test_below(&bench.random, 2) != 0 ? &bench.budget : NULL,
    };
    if (config->attempts == 5)
        config->attempts = RESIL_OFF;
    MODEL_CHECK(&bench, resil_retry_init(&bench.retry, config) == RESIL_OK);
}

static void begin(void)
{
    const struct resil_budget_config config = {.share_pct = 30, .min_tokens = 3, .cap = 5};

    bench = (struct bench){.random = bench.random, .now_ns = RESIL_SEC(1000)};
    assert_int_equal(resil_budget_init(&bench.budget, &config), RESIL_OK);
    assert_int_equal(resil_budget_init(&bench.twin, &config), RESIL_OK);
    configure();
}

static bool wants(enum resil_outcome outcome, bool idempotent)
{
    uint64_t always = bench.config.retry_mask, also = bench.config.idempotent_mask;

    /* Who doesn't say how it ended has failed. */
    outcome = outcome == RESIL_NONE ? RESIL_FAILURE : outcome;
    if (always == 0)
        always = RESIL_OUTCOME_BIT(RESIL_NOT_SENT) | RESIL_OUTCOME_BIT(RESIL_OVERLOAD);
    if (also == 0)
        also = RESIL_OUTCOME_BIT(RESIL_FAILURE) | RESIL_OUTCOME_BIT(RESIL_TIMEOUT);
    return (always != RESIL_OFF && (always >> outcome & 1) != 0) ||
           (idempotent && also != RESIL_OFF && (also >> outcome & 1) != 0);
}

static int expected(const struct resil_retry_question *question, uint64_t *wake_ns)
{
    uint64_t attempts = bench.config.attempts == 0 ? 3 : bench.config.attempts;
    uint64_t delay_ns;

    if (!wants(question->outcome, question->idempotent))
        return RESIL_EFAILED;
    bench.failed++;
    if (attempts != RESIL_OFF && bench.failed >= attempts + too_many)
        return RESIL_EEXHAUSTED;
    delay_ns = resil_backoff_next(&bench.config.backoff, bench.failed, bench.previous_ns,
                                  question->random);
    bench.previous_ns = delay_ns;
    delay_ns =
        resil_backoff_floor(&bench.config.backoff, delay_ns, question->hint_ns, question->random);
    *wake_ns = question->now_ns + delay_ns;
    if (question->deadline_ns != 0 && *wake_ns >= question->deadline_ns)
        return RESIL_EDEADLINE;
    if (bench.config.budget != NULL)
        return resil_budget_withdraw(&bench.twin, question->outcome == RESIL_OVERLOAD ? 2 : 1,
                                     question->now_ns) == RESIL_OK
                   ? RESIL_OK
                   : RESIL_EBUDGET;
    return RESIL_OK;
}

static void ask(void)
{
    struct resil_retry_question question = {
        .outcome = (enum resil_outcome)test_below(&bench.random, RESIL_OUTCOMES),
        .idempotent = test_below(&bench.random, 2) != 0,
        .hint_ns = test_below(&bench.random, 4) == 0 ? test_below(&bench.random, RESIL_SEC(5)) : 0,
        .now_ns = bench.now_ns,
        .random = test_random(&bench.random),
    };
    uint64_t wake_ns = 1, says_ns = 1;
    int rc, says;

    switch (test_below(&bench.random, 4)) {
    case 0:
        question.deadline_ns = bench.now_ns + 1 + test_below(&bench.random, RESIL_SEC(3));
        break;
    case 1:
        question.deadline_ns = RESIL_NEVER;
        break;
    default:
        break;
    }
    rc = resil_retry_next(&bench.retry, &bench.progress, &question, &wake_ns);
    says = expected(&question, &says_ns);
    MODEL_CHECK(&bench, rc == says);
    MODEL_CHECK(&bench, wake_ns == (rc == RESIL_OK ? says_ns : 1));
}

static void step(void)
{
    bench.now_ns += test_below(&bench.random, RESIL_MS(400));
    switch (test_below(&bench.random, 16)) {
    case 0:
        if (test_below(&bench.random, 8) == 0)
            configure();
        break;
    case 1:
        resil_budget_deposit(&bench.budget, bench.now_ns);
        resil_budget_deposit(&bench.twin, bench.now_ns);
        break;
    case 2:
    case 3:
    case 4:
        bench.progress = (struct resil_retry_progress){0};
        bench.failed = bench.previous_ns = 0;
        break;
    default:
        ask();
    }
}

static const struct model_subject model = {begin, step, &bench.random};

static void retry_agrees_with_its_rules(void **state)
{
    (void)state;
    model_run(&model, test_seed(1902), OPERATIONS);
}

static void an_attempt_more_is_found(void **state)
{
    (void)state;
    too_many = 1;
    model_finds(&model, 1902, OPERATIONS, 12, "an attempt more");
    too_many = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_agrees_with_its_rules),
        cmocka_unit_test(an_attempt_more_is_found),
    };

    return cmocka_run_group_tests_name("retry model", tests, NULL, NULL);
}
