/* SPDX-License-Identifier: BSD-2-Clause */
#include "retry/retry.h"

#include "base/check.h"
#include "base/math.h"
#include "retry/budget_fast.h"

#define ATTEMPTS_DEFAULT   UINT64_C(3)
#define RETRY_DEFAULT      (RESIL_OUTCOME_BIT(RESIL_NOT_SENT) | RESIL_OUTCOME_BIT(RESIL_OVERLOAD))
#define IDEMPOTENT_DEFAULT (RESIL_OUTCOME_BIT(RESIL_FAILURE) | RESIL_OUTCOME_BIT(RESIL_TIMEOUT))

static int check_mask(struct resil__why line, const char *field, uint64_t mask)
{
    return mask == RESIL_OFF ? RESIL_OK : resil__check_outcomes(line, field, mask);
}

int resil_retry_config_check(const struct resil_retry_config *config, char *why, size_t why_size)
{
    struct resil__why line = {why, why_size};

    if (config == NULL)
        return RESIL_OK;
    if (resil__check_optional(line, "attempts", config->attempts, 1, RESIL_RETRY_ATTEMPTS_MAX) !=
            RESIL_OK ||
        resil_backoff_config_check(&config->backoff, why, why_size) != RESIL_OK ||
        check_mask(line, "retry_mask", config->retry_mask) != RESIL_OK ||
        check_mask(line, "idempotent_mask", config->idempotent_mask) != RESIL_OK)
        return RESIL_EINVAL;
    if (config->budget != NULL && !resil__budget_is_ready(config->budget))
        return resil__check_fail(line, "budget", "is not initialised");
    if (config->attempts == RESIL_OFF && config->backoff.base_ns == RESIL_OFF &&
        config->budget == NULL)
        return resil__check_fail(line, "attempts", "RESIL_OFF needs a delay or a budget");
    return RESIL_OK;
}

int resil_retry_init_sized(struct resil_retry *retry, size_t retry_size,
                           const struct resil_retry_config *config, size_t config_size)
{
    static const struct resil_retry_config defaults = {.attempts = 0};
    const struct resil_retry_config *is = config != NULL ? config : &defaults;

    if (retry_size != sizeof *retry || config_size != sizeof *config)
        return RESIL_EABI;
    if (retry == NULL || resil_retry_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    *retry = (struct resil_retry){
        .backoff_ = is->backoff,
        .attempts_ = resil__default(is->attempts, ATTEMPTS_DEFAULT),
        .retry_mask_ = resil__optional(is->retry_mask, RETRY_DEFAULT),
        .idempotent_mask_ = resil__optional(is->idempotent_mask, IDEMPOTENT_DEFAULT),
        .budget_ = is->budget,
    };
    return RESIL_OK;
}

/* An attempt more: when. Apart, so that a call that is not to be repeated needs no stack. The cheap
   reasons first: what is withdrawn is spent. */
__attribute__((noinline)) static int next_attempt(const struct resil_retry *retry,
                                                  struct resil_retry_progress *progress,
                                                  const struct resil_retry_question *question,
                                                  uint64_t *wake_ns)
{
    uint64_t deadline_ns;
    uint64_t delay_ns;
    uint64_t at_ns;

    progress->failed++;
    if (progress->failed >= retry->attempts_)
        return RESIL_EEXHAUSTED;

    delay_ns = resil_backoff_next(&retry->backoff_, progress->failed, progress->previous_ns,
                                  question->random);
    progress->previous_ns = delay_ns;
    delay_ns = resil_backoff_floor(&retry->backoff_, delay_ns, question->hint_ns, question->random);
    at_ns = resil__add_sat(question->now_ns, delay_ns);
    deadline_ns = resil__default(question->deadline_ns, RESIL_NEVER);
    if (at_ns >= deadline_ns)
        return RESIL_EDEADLINE;
    if (retry->budget_ != NULL &&
        resil_budget_withdraw(retry->budget_, question->outcome == RESIL_OVERLOAD ? 2 : 1,
                              question->now_ns) != RESIL_OK)
        return RESIL_EBUDGET;
    *wake_ns = at_ns;
    return RESIL_OK;
}

int resil_retry_next(const struct resil_retry *retry, struct resil_retry_progress *progress,
                     const struct resil_retry_question *question, uint64_t *wake_ns)
{
    if (retry == NULL || progress == NULL || question == NULL || wake_ns == NULL ||
        retry->attempts_ == 0)
        return RESIL_EINVAL;
    if (!resil__retry_wants(retry, question->outcome, question->idempotent))
        return RESIL_EFAILED;
    return next_attempt(retry, progress, question, wake_ns);
}
