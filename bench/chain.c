/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Retry, breaker, limiter and bulkhead around a callback that does nothing and succeeds: as a chain
 * with each of the clocks, as a chain that is told the time, and by hand with the same four
 * objects' twins, told the time.
 */
#include <resil/resil.h>

#include "bench.h"

/* One set for each bench: they are measured in turn. */
struct stack {
    struct resil_retry retry;
    BENCH_APART struct resil_breaker breaker;
    BENCH_APART struct resil_limiter limiter;
    BENCH_APART struct resil_bulkhead bulkhead;
    BENCH_APART struct resil_policy policies[4];
    struct resil_chain chain;
};

static struct stack exact;
static struct stack coarse;
static struct stack counted;
static const struct resil_env *tsc;
static struct stack told;
static struct stack hand;
static struct stack lent;
static BENCH_APART RESIL_STRIPED_BREAKER(16) lent_breaker;
static BENCH_APART struct resil_leased_limiter lent_tokens;
static BENCH_APART struct resil_leased_bulkhead lent_permits;
static uint64_t tick_ns;

static bool setup(struct stack *stack, uint32_t threads)
{
    struct resil_limiter_config limiter = {.tokens = 1000000000};
    struct resil_bulkhead_config bulkhead = {.limit = 100 + (uint64_t)threads};
    char why[120];

    tick_ns = BENCH_TICK_NS * (uint64_t)threads;
    if (resil_retry_init(&stack->retry, NULL) != RESIL_OK ||
        resil_breaker_init(&stack->breaker, NULL) != RESIL_OK ||
        resil_limiter_init(&stack->limiter, &limiter) != RESIL_OK ||
        resil_bulkhead_init(&stack->bulkhead, &bulkhead) != RESIL_OK)
        return false;
    stack->policies[0] = resil_retry_policy(&stack->retry);
    stack->policies[1] = resil_breaker_policy(&stack->breaker);
    stack->policies[2] = resil_limiter_policy(&stack->limiter);
    stack->policies[3] = resil_bulkhead_policy(&stack->bulkhead);
    return resil_chain_init(&stack->chain, stack->policies, 4, why, sizeof why) == RESIL_OK;
}

static bool setup_exact(uint32_t threads)
{
    return setup(&exact, threads);
}

static bool setup_coarse(uint32_t threads)
{
    return setup(&coarse, threads);
}

static bool setup_tsc(uint32_t threads)
{
    tsc = bench_env_tsc();
    return setup(&counted, threads);
}

static bool setup_told(uint32_t threads)
{
    return setup(&told, threads);
}

static bool setup_hand(uint32_t threads)
{
    return setup(&hand, threads);
}

/* The same policies in the same order; the breaker is striped, limiter and bulkhead are leased. */
static bool setup_leased(uint32_t threads)
{
    struct resil_bulkhead_config bulkhead = {.limit = 1000 * (uint64_t)threads};
    char why[120];

    if (!setup(&lent, threads) ||
        resil_bulkhead_reconfigure(&lent.bulkhead, &bulkhead) != RESIL_OK ||
        resil_breaker_init_striped(&lent_breaker.breaker, sizeof lent_breaker, NULL, 16) !=
            RESIL_OK ||
        resil_leased_limiter_init(&lent_tokens, &lent.limiter, NULL) != RESIL_OK ||
        resil_leased_bulkhead_init(&lent_permits, &lent.bulkhead, NULL) != RESIL_OK)
        return false;
    lent.policies[1] = resil_breaker_policy(&lent_breaker.breaker);
    lent.policies[2] = resil_leased_limiter_policy(&lent_tokens);
    lent.policies[3] = resil_leased_bulkhead_policy(&lent_permits);
    return resil_chain_init(&lent.chain, lent.policies, 4, why, sizeof why) == RESIL_OK;
}

__attribute__((noinline)) static enum resil_outcome succeed(void *arg,
                                                            struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    __asm__ volatile("");
    return RESIL_SUCCESS;
}

static void run_clock(const struct resil_chain *chain, const struct resil_env *env,
                      const char *name, uint64_t iterations)
{
    int rc = 0;

    for (uint64_t i = 0; i < iterations; i++)
        rc |= resil_chain_run(chain, env, NULL, succeed, NULL, NULL);
    if (rc != RESIL_OK)
        bench_fail(name);
}

static void run_exact(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    run_clock(&exact.chain, resil_env_posix(), "chain.exact", iterations);
}

static void run_coarse(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    run_clock(&coarse.chain, resil_env_coarse(), "chain.coarse", iterations);
}

static void run_tsc(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    run_clock(&counted.chain, tsc, "chain.tsc", iterations);
}

static void run_told(const struct resil_chain *chain, const char *name, uint64_t iterations)
{
    const struct resil_env *env = resil_env_posix();
    struct resil_request request = {.now_ns = resil_now_ns()};
    int rc = 0;

    for (uint64_t i = 0; i < iterations; i++) {
        rc |= resil_chain_run(chain, env, &request, succeed, NULL, NULL);
        request.now_ns += tick_ns;
    }
    if (rc != RESIL_OK)
        bench_fail(name);
}

static void run_now(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    run_told(&told.chain, "chain.now", iterations);
}

static void run_leased(uint64_t iterations, uint32_t thread)
{
    (void)thread;
    run_told(&lent.chain, "chain.leased", iterations);
}

/* One attempt; whoever refuses ends it. Returns how it ended. */
static enum resil_outcome attempt_by_hand(resil_call_fn *fn, uint64_t now_ns)
{
    struct resil_attempt attempt = {.id = 1, .deadline_ns = RESIL_NEVER, .number = 1};
    struct resil_result result = {.outcome = RESIL_REFUSED};
    struct resil_permit permit;

    if (resil_breaker_acquire(&hand.breaker, now_ns, &permit) != RESIL_OK)
        return RESIL_REFUSED;
    if (resil_limiter_acquire(&hand.limiter, 1, now_ns, NULL) == RESIL_OK &&
        resil_bulkhead_acquire(&hand.bulkhead) == RESIL_OK) {
        result.outcome = fn(NULL, &attempt);
        (void)resil_bulkhead_release(&hand.bulkhead);
    }
    (void)resil_breaker_record(&hand.breaker, &permit, now_ns, &result);
    return result.outcome;
}

static void run_by_hand(uint64_t iterations, uint32_t thread)
{
    resil_call_fn *fn = succeed;
    uint64_t now_ns = resil_now_ns();
    uint64_t succeeded = 0;

    (void)thread;
    __asm__ volatile("" : "+r"(fn));
    for (uint64_t i = 0; i < iterations; i++) {
        struct resil_retry_progress progress = {0, 0};
        struct resil_retry_question question = {.now_ns = now_ns, .random = i};
        uint64_t wake_ns;

        do {
            question.outcome = attempt_by_hand(fn, now_ns);
        } while (question.outcome != RESIL_SUCCESS &&
                 resil_retry_next(&hand.retry, &progress, &question, &wake_ns) == RESIL_OK);
        succeeded += question.outcome == RESIL_SUCCESS;
        now_ns += tick_ns;
    }
    if (succeeded != iterations)
        bench_fail("chain.by_hand");
}

static const struct bench rows[] = {
    {.name = "chain.exact", .setup = setup_exact, .run = run_exact},
    {.name = "chain.coarse", .setup = setup_coarse, .run = run_coarse},
    {.name = "chain.tsc", .setup = setup_tsc, .run = run_tsc},
    {.name = "chain.now", .setup = setup_told, .run = run_now},
    {.name = "chain.leased", .setup = setup_leased, .run = run_leased},
    {.name = "chain.by_hand", .setup = setup_hand, .run = run_by_hand},
};

BENCH_GROUP(chain, rows);
