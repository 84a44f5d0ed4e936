/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The smallest chain in blocking code: a time-out around a retry around a breaker around a function
 * of yours. Build it once, run it from as many threads as you like.
 */
#include <resil/breaker.h>
#include <resil/chain.h>
#include <resil/retry.h>
#include <resil/timeout.h>

#include <stdio.h>
#include <stdlib.h>

/* What the callback works with: your connection, your request, your answer. */
struct lookup {
    int failures_left; /* this peer is down for the first attempts */
    int answer;
};

/* Runs the operation once and says how it ended. Must be done by attempt->deadline_ns: hand what is
 * left of it to poll, to a socket option or to your client library. */
static enum resil_outcome look_up(void *arg, struct resil_attempt *attempt)
{
    struct lookup *lookup = arg;

    (void)printf("attempt %u\n", attempt->number);
    if (lookup->failures_left-- > 0)
        return RESIL_NOT_SENT; /* certainly not executed: safe to repeat, whatever it does */
    lookup->answer = 42;
    return RESIL_SUCCESS;
}

int main(void)
{
    /* All of it can be static: nothing here allocates, nothing needs an end. */
    static struct resil_timeout timeout;
    static struct resil_retry retry;
    static struct resil_breaker breaker;
    static struct resil_policy policies[3];
    static struct resil_chain chain;
    struct lookup lookup = {.failures_left = 2};
    struct resil_report report;
    char why[120] = "header and library don't fit";

    if (resil_timeout_init(&timeout, &(struct resil_timeout_config){.timeout_ns = RESIL_SEC(2)}) !=
            RESIL_OK ||
        resil_retry_init(&retry, &(struct resil_retry_config){.attempts = 3}) != RESIL_OK ||
        resil_breaker_init(&breaker, NULL) != RESIL_OK) /* NULL = the defaults */
        goto fail;

    policies[0] =
        resil_timeout_policy(&timeout); /* outermost: bounds all attempts and the pauses */
    policies[1] = resil_retry_policy(&retry);
    policies[2] = resil_breaker_policy(&breaker); /* innermost: sees every attempt */
    if (resil_chain_init(&chain, policies, 3, why, sizeof why) != RESIL_OK)
        goto fail;

    /* NULL request: no deadline of its own, and not idempotent: nothing that may have been executed
       runs twice. */
    if (resil_chain_run(&chain, resil_env_posix(), NULL, look_up, &lookup, &report) != RESIL_OK) {
        (void)fprintf(stderr, "no answer after %u attempts: %s, %s\n", report.attempts,
                      resil_status_str(report.status), resil_outcome_str(report.outcome));
        return EXIT_FAILURE;
    }
    (void)printf("answer %d after %u attempts\n", lookup.answer, report.attempts);
    return lookup.answer == 42 && report.attempts == 3 ? EXIT_SUCCESS : EXIT_FAILURE;

fail:
    (void)fprintf(stderr, "can't set up: %s\n", why);
    return EXIT_FAILURE;
}
