/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The leased limiter, called by one thread on all its stripes in turn, against a bucket of
 * nanoseconds and the rule of the limit itself: over any run of calls at most burst + rate * t.
 */
#include "shrink.h"
#include "told_stripe.h"

#include "../../src/limiter/leased_limiter.c"
#include "../../src/limiter/leased_limiter_config.c"

#define ROUNDS     MODEL_OPERATIONS(200, 40)
#define OPERATIONS 10000

struct bench {
    struct resil_limiter limiter;
    struct resil_leased_limiter leased;
    uint64_t seed, operation;
    uint64_t random;
    int64_t interval_ns, burst, batch, kept;
    int64_t level_ns; /* in the bucket; below 0 after a drain */
    int64_t leases;   /* tokens in stripes */
    int64_t used;
    int64_t least; /* of used * interval - now, before any call so far */
    uint64_t now_ns;
};

/* The control: a bucket that holds one more. */
static int64_t too_deep;

static int64_t leased_now(const struct bench *bench)
{
    struct resil_leased_limiter_snapshot snapshot = {0};

    (void)resil_leased_limiter_snapshot(&bench->leased, bench->now_ns, &snapshot);
    return (int64_t)snapshot.leased;
}

static void begin(struct bench *bench)
{
    struct resil_leased_limiter_config config;
    struct resil_leased_limiter_snapshot snapshot = {0};

    bench->interval_ns = (int64_t)(1 + test_below(&bench->random, 5000));
    bench->burst = (int64_t)(1 + test_below(&bench->random, 300));
    bench->now_ns = RESIL_SEC(1000);
    assert_int_equal(
        resil_limiter_init(&bench->limiter,
                           &(struct resil_limiter_config){.tokens = 1,
                                                          .period_ns = (uint64_t)bench->interval_ns,
                                                          .burst = (uint64_t)bench->burst}),
        RESIL_OK);
    config = (struct resil_leased_limiter_config){
        .stripes = UINT64_C(1) << test_below(&bench->random, 5),
        .batch = 2 + test_below(&bench->random, 20),
        .processes = 1 + test_below(&bench->random, 2),
    };
    assert_int_equal(resil_leased_limiter_init(&bench->leased, &bench->limiter, &config), RESIL_OK);
    (void)resil_leased_limiter_snapshot(&bench->leased, bench->now_ns, &snapshot);
    bench->batch = (int64_t)snapshot.batch;
    bench->kept = (int64_t)snapshot.kept;
    bench->level_ns = (bench->burst + too_deep) * bench->interval_ns;
    bench->leases = 0;
    bench->used = 0;
    bench->least = INT64_MAX;
    assert_int_equal(bench->kept,
                     bench->batch * (int64_t)config.stripes * (int64_t)config.processes);
    assert_true(bench->kept <= bench->burst / 4);
}

static void pass_time(struct bench *bench)
{
    int64_t span_ns = (int64_t)test_below(&bench->random, 8) == 0
                          ? (int64_t)test_below(&bench->random, 50) * bench->interval_ns
                          : (int64_t)test_below(&bench->random, (uint64_t)bench->interval_ns * 2);
    int64_t full_ns = (bench->burst + too_deep) * bench->interval_ns;

    bench->now_ns += (uint64_t)span_ns;
    bench->level_ns = bench->level_ns + span_ns > full_ns ? full_ns : bench->level_ns + span_ns;
}

/* What a caller who sees everything finds to take: the bucket above what is kept, and the
   stripes. */
static int expected(const struct bench *bench, int64_t cost)
{
    int64_t above = bench->level_ns / bench->interval_ns - bench->kept;

    if (bench->level_ns < 0 || above < 0)
        above = 0;
    if (cost > bench->burst - bench->kept)
        return RESIL_ECOST;
    return above + (cost <= bench->batch ? bench->leases : 0) >= cost ? RESIL_OK : RESIL_ELIMITED;
}

static void note_use(struct bench *bench, int64_t cost, int64_t before_ns)
{
    int64_t start = bench->used * bench->interval_ns - before_ns;

    if (start < bench->least)
        bench->least = start;
    bench->used += cost;
    MODEL_CHECK(bench, bench->used * bench->interval_ns - before_ns <=
                           bench->burst * bench->interval_ns + bench->least);
}

/* What the bucket lost is what was used and what the stripes gained; what is kept stays there. */
static void account(struct bench *bench, int64_t used)
{
    int64_t leases = leased_now(bench);
    int64_t taken = used + leases - bench->leases;

    bench->leases = leases;
    bench->level_ns -= taken * bench->interval_ns;
    MODEL_CHECK(bench, taken >= 0 || used < 0);
    MODEL_CHECK(bench, taken <= 0 || bench->level_ns >= bench->kept * bench->interval_ns);
    MODEL_CHECK(bench, leases <= bench->kept);
    for (uint32_t i = 0; i <= bench->leased.stripe_mask_; i++)
        MODEL_CHECK(bench,
                    bench->leased.stripe_[i].word_ % RESIL__LEASE_NEXT <= (uint64_t)bench->batch);
}

static void acquire_some(struct bench *bench)
{
    uint64_t cost = test_below(&bench->random, 4) != 0
                        ? test_below(&bench->random, 3)
                        : test_below(&bench->random, (uint64_t)bench->burst + 2);
    int64_t price = cost != 0 ? (int64_t)cost : 1;
    uint64_t retry_at_ns = 0;
    int expect = expected(bench, price);
    int rc = resil_leased_limiter_acquire(&bench->leased, cost, bench->now_ns, &retry_at_ns);

    MODEL_CHECK(bench, rc == expect);
    if (rc == RESIL_OK)
        note_use(bench, price, (int64_t)bench->now_ns);
    account(bench, rc == RESIL_OK ? price : 0);
    if (rc == RESIL_ELIMITED) {
        int64_t lack = price - (price <= bench->batch ? bench->leases : 0) + bench->kept;

        MODEL_CHECK(bench, retry_at_ns == bench->now_ns + (uint64_t)(lack * bench->interval_ns -
                                                                     bench->level_ns));
    }
    if (rc == RESIL_OK && price <= bench->batch && test_below(&bench->random, 16) == 0) {
        int64_t leases = bench->leases;

        resil__leased_limiter_put_back(&bench->leased, (uint64_t)price);
        leases = leased_now(bench) - leases;
        MODEL_CHECK(bench, leases == 0 || leases == price);
        bench->leases += leases;
        bench->used -= leases;
    }
}

static void drain_all(struct bench *bench)
{
    int64_t for_ns = (int64_t)test_below(&bench->random, 20) * bench->interval_ns;
    int64_t level_ns =
        bench->interval_ns - (for_ns > bench->interval_ns ? for_ns : bench->interval_ns);

    resil_leased_limiter_drain(&bench->leased, (uint64_t)for_ns, bench->now_ns);
    bench->level_ns = bench->level_ns < level_ns ? bench->level_ns : level_ns;
    bench->leases = 0;
    MODEL_CHECK(bench, leased_now(bench) == 0);
}

static struct bench bench;

static void begin_shared(void)
{
    begin(&bench);
}

static void step(void)
{
    told_stripe = (uint32_t)test_below(&bench.random, 16);
    if (test_below(&bench.random, 3) == 0)
        pass_time(&bench);
    if (test_below(&bench.random, 500) == 0)
        drain_all(&bench);
    else
        acquire_some(&bench);
}

static const struct model_subject model = {begin_shared, step, &bench.random};

static void leases_agree_with_a_bucket_of_nanoseconds(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++)
        model_run(&model, test_seed(0x1ea5e) + round, OPERATIONS);
}

static void a_deeper_bucket_is_found(void **state)
{
    (void)state;
    too_deep = 1;
    model_finds(&model, 0x1ea5e, OPERATIONS, 100, "a bucket that holds one more");
    too_deep = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deeper_bucket_is_found),
        cmocka_unit_test(leases_agree_with_a_bucket_of_nanoseconds),
    };

    return cmocka_run_group_tests_name("leased limiter model", tests, NULL, NULL);
}
