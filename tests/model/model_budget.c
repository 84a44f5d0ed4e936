/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The budget against a bucket that is filled and emptied step by step, while time goes forward; and
 * against its bound alone, when the times that it is told are out of order.
 */
#include "shrink.h"

#include <resil/budget.h>

#include "base/math.h"

#define OPERATIONS 1000000

/* The control: a bucket in which a success is worth more. */
static uint64_t too_much;

struct bucket {
    uint64_t interval, depth, idle, share, ttl; /* ns; what a token, a success are worth */
    bool timed;                                 /* time earns */
    bool fresh;
    uint64_t level; /* ns */
    uint64_t last_ns;
    uint64_t seen_ns;
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct resil_budget_config any_config(uint64_t *seed)
{
    struct resil_budget_config config = {
        .share_pct = test_below(seed, 5) == 0 ? RESIL_OFF : 1 + test_below(seed, 100),
        .min_tokens = 1 + test_below(seed, test_below(seed, 2) == 0 ? 3 : 1000),
        .min_period_ns = RESIL_MS(100) + test_below(seed, RESIL_SEC(20)),
        .cap = 1 + test_below(seed, test_below(seed, 2) == 0 ? 5 : 1000),
        .ttl_ns =
            test_below(seed, 5) == 0 ? RESIL_OFF : RESIL_MS(1) + test_below(seed, RESIL_SEC(20)),
    };

    if (config.share_pct != RESIL_OFF && test_below(seed, 4) == 0)
        config.min_tokens = RESIL_OFF;
    return config;
}

static void configure(struct bucket *bucket, const struct resil_budget_config *config)
{
    bucket->timed = config->min_tokens != RESIL_OFF;
    bucket->interval = RESIL_MS(100);
    if (bucket->timed) {
        bucket->interval = 100;
        while (bucket->interval < 100000 &&
               bucket->interval * config->min_tokens < config->min_period_ns)
            bucket->interval += 100;
        if (bucket->interval * config->min_tokens < config->min_period_ns) /* far: jump near it */
            bucket->interval = config->min_period_ns / config->min_tokens / 100 * 100;
        while (bucket->interval * config->min_tokens < config->min_period_ns)
            bucket->interval += 100;
    }
    bucket->depth = bucket->interval * config->cap;
    bucket->share = config->share_pct == RESIL_OFF
                        ? 0
                        : bucket->interval / 100 * (config->share_pct + too_much);
    bucket->ttl = config->ttl_ns == RESIL_OFF ? UINT64_MAX : config->ttl_ns;
    bucket->idle =
        bucket->timed
            ? least(bucket->depth, bucket->ttl > bucket->interval ? bucket->ttl : bucket->interval)
            : 0;
}

/* Earns by time, then drops what has expired. */
static void advance(struct bucket *bucket, uint64_t now_ns)
{
    if (bucket->timed)
        bucket->level = least(bucket->depth, bucket->level + (now_ns - bucket->last_ns));
    bucket->last_ns = now_ns;
    if (!bucket->fresh && now_ns - bucket->seen_ns > bucket->ttl)
        bucket->level = least(bucket->level, bucket->idle);
}

static void bucket_deposit(struct bucket *bucket, uint64_t now_ns)
{
    advance(bucket, now_ns);
    bucket->level = least(bucket->depth, bucket->level + bucket->share);
    if (bucket->fresh || now_ns - bucket->seen_ns > bucket->ttl / 16)
        bucket->seen_ns = now_ns;
    bucket->fresh = false;
}

static bool bucket_withdraw(struct bucket *bucket, uint64_t cost, uint64_t now_ns)
{
    advance(bucket, now_ns);
    if (bucket->fresh)
        bucket->seen_ns = now_ns;
    if (bucket->level < cost * bucket->interval)
        return false;
    bucket->level -= cost * bucket->interval;
    bucket->fresh = false;
    return true;
}

static void bucket_reconfigure(struct bucket *bucket, const struct resil_budget_config *config,
                               uint64_t now_ns)
{
    uint64_t tokens;
    uint64_t rest;
    uint64_t was = bucket->interval;

    advance(bucket, now_ns);
    tokens = bucket->level / was;
    rest = bucket->level % was;
    configure(bucket, config);
    bucket->level = bucket->fresh
                        ? bucket->depth
                        : least(bucket->depth, tokens * bucket->interval +
                                                   resil__mul_div(rest, bucket->interval, was));
    advance(bucket, now_ns); /* the new ttl may be over already */
}

static uint64_t any_step(uint64_t *seed)
{
    switch (test_below(seed, 20)) {
    case 0:
        return test_below(seed, RESIL_SEC(60));
    case 1:
        return test_below(seed, 100) == 0 ? test_below(seed, RESIL_SEC(86400) * 30) : 0;
    default:
        return test_below(seed, RESIL_SEC(1) >> test_below(seed, 30));
    }
}

static struct bench {
    struct resil_budget budget;
    struct bucket bucket;
    uint64_t now_ns;
    uint64_t random, seed, operation;
} bench;

static void begin(void)
{
    struct resil_budget_config config = any_config(&bench.random);

    bench.now_ns = test_random(&bench.random) >> (2 + test_below(&bench.random, 62));
    assert_int_equal(resil_budget_init(&bench.budget, &config), RESIL_OK);
    configure(&bench.bucket, &config);
    bench.bucket.fresh = true;
    bench.bucket.level = bench.bucket.depth;
    bench.bucket.last_ns = bench.now_ns;
}

static void step(void)
{
    uint64_t kind = test_below(&bench.random, 1000);
    uint64_t cost = 1 + test_below(&bench.random, 3);
    struct resil_budget_config config;
    struct resil_budget_snapshot snapshot;

    bench.now_ns += any_step(&bench.random);
    if (kind < 5) {
        config = any_config(&bench.random);
        MODEL_CHECK(&bench,
                    resil_budget_reconfigure(&bench.budget, &config, bench.now_ns) == RESIL_OK);
        bucket_reconfigure(&bench.bucket, &config, bench.now_ns);
    } else if (kind < 550) {
        resil_budget_deposit(&bench.budget, bench.now_ns);
        bucket_deposit(&bench.bucket, bench.now_ns);
    } else {
        MODEL_CHECK(
            &bench,
            resil_budget_withdraw(&bench.budget, cost, bench.now_ns) ==
                (bucket_withdraw(&bench.bucket, cost, bench.now_ns) ? RESIL_OK : RESIL_EBUDGET));
    }
    MODEL_CHECK(&bench, resil_budget_snapshot(&bench.budget, bench.now_ns, &snapshot) == RESIL_OK);
    MODEL_CHECK(&bench, snapshot.balance_pct == bench.bucket.level / (bench.bucket.interval / 100));
    MODEL_CHECK(&bench, snapshot.cap == bench.bucket.depth / bench.bucket.interval);
}

static const struct model_subject model = {begin, step, &bench.random};

static void budget_agrees_with_a_bucket(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < OPERATIONS / 2000; round++)
        model_run(&model, test_seed(2026) + round, 2000);
}

static void a_larger_share_is_found(void **state)
{
    (void)state;
    too_much = 1;
    model_finds(&model, 2026, OPERATIONS, 12, "a share that is 1 % larger");
    too_much = 0;
}

/* What a stretch of operations was told and what it got. */
struct account {
    uint64_t granted, successes;
    uint64_t earliest, latest;
};

/* granted <= cap + share * successes + min * t, in 1 / (100 * period) of a token: no rounding. */
static void expect_within_bound(const struct account *account,
                                const struct resil_budget_config *config)
{
    uint64_t period = config->min_period_ns;
    uint64_t share = config->share_pct == RESIL_OFF ? 0 : config->share_pct;
    uint64_t tokens = config->min_tokens == RESIL_OFF ? 0 : config->min_tokens;

    assert_true(account->granted * 100 * period <=
                config->cap * 100 * period + share * account->successes * period +
                    tokens * 100 * (account->latest - account->earliest));
}

static void budget_keeps_its_bound_when_times_are_out_of_order(void **state)
{
    uint64_t first = test_seed(2026);
    uint64_t seed = first;

    (void)state;
    print_message("RESIL_SEED=%" PRIu64 "\n", first);
    for (int round = 0; round < OPERATIONS / 1000; round++) {
        struct resil_budget_config config = any_config(&seed);
        uint64_t now_ns = RESIL_SEC(100) + (test_random(&seed) >> (6 + test_below(&seed, 50)));
        uint64_t late_max = config.ttl_ns == RESIL_OFF ? RESIL_SEC(10) : config.ttl_ns;
        struct resil_budget budget;
        struct account account = {0};

        assert_int_equal(resil_budget_init(&budget, &config), RESIL_OK);
        for (int i = 0; i < 1000; i++) {
            uint64_t told_ns;
            uint64_t cost = 1 + test_below(&seed, 2);

            now_ns += any_step(&seed) % RESIL_SEC(30);
            told_ns = now_ns - test_below(&seed, late_max);
            if (i % 100 == 0) /* the bound holds from any point on */
                account = (struct account){.earliest = told_ns, .latest = told_ns};
            account.earliest = least(account.earliest, told_ns);
            account.latest = account.latest > told_ns ? account.latest : told_ns;
            if (test_below(&seed, 4) == 0) {
                resil_budget_deposit(&budget, told_ns);
                account.successes++;
            } else if (resil_budget_withdraw(&budget, cost, told_ns) == RESIL_OK) {
                account.granted += cost;
            }
            expect_within_bound(&account, &config);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_larger_share_is_found),
        cmocka_unit_test(budget_agrees_with_a_bucket),
        cmocka_unit_test(budget_keeps_its_bound_when_times_are_out_of_order),
    };

    return cmocka_run_group_tests_name("model_budget", tests, NULL, NULL);
}
