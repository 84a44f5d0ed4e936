/* SPDX-License-Identifier: BSD-2-Clause */

/* The leased bulkhead, called by one thread on all its stripes in turn, against two integers. */
#include "shrink.h"
#include "told_stripe.h"

#include "../../src/bulkhead/leased_bulkhead.c"
#include "../../src/bulkhead/leased_bulkhead_config.c"

#define ROUNDS     MODEL_OPERATIONS(200, 40)
#define OPERATIONS 10000

struct bench {
    struct resil_bulkhead bulkhead;
    struct resil_leased_bulkhead leased;
    uint64_t seed, operation;
    uint64_t random;
    uint64_t limit, in_flight;
    uint64_t lean; /* how often of 16 somebody enters rather than leaves */
};

/* The control: integers that let one more in. */
static uint64_t too_many;

static uint64_t random_limit(struct bench *bench)
{
    return 1 + test_below(&bench->random, test_below(&bench->random, 4) == 0 ? 1000 : 100);
}

static void begin(struct bench *bench)
{
    struct resil_leased_bulkhead_config config = {
        .stripes = UINT64_C(1) << test_below(&bench->random, 5),
        .batch = 2 + test_below(&bench->random, 20),
        .processes = 1 + test_below(&bench->random, 2),
    };

    bench->limit = random_limit(bench);
    bench->in_flight = 0;
    bench->lean = 8;
    assert_int_equal(
        resil_bulkhead_init(&bench->bulkhead, &(struct resil_bulkhead_config){bench->limit}),
        RESIL_OK);
    assert_int_equal(resil_leased_bulkhead_init(&bench->leased, &bench->bulkhead, &config),
                     RESIL_OK);
}

static void go_in_or_out(struct bench *bench)
{
    struct resil_leased_bulkhead_snapshot before = {0};

    if (test_below(&bench->random, 16) < bench->lean) {
        int expect = bench->in_flight < bench->limit + too_many ? RESIL_OK : RESIL_EFULL;

        MODEL_CHECK(bench, resil_leased_bulkhead_acquire(&bench->leased) == expect);
        bench->in_flight += expect == RESIL_OK;
        return;
    }
    (void)resil_leased_bulkhead_snapshot(&bench->leased, &before);
    if (bench->in_flight != 0) {
        MODEL_CHECK(bench, resil_leased_bulkhead_release(&bench->leased) == RESIL_OK);
        bench->in_flight--;
    } else if (before.leased == 0) {
        MODEL_CHECK(bench, resil_leased_bulkhead_release(&bench->leased) == RESIL_EINVAL);
    }
}

static void change(struct bench *bench)
{
    switch (test_below(&bench->random, 4)) {
    case 0:
        bench->limit = random_limit(bench);
        MODEL_CHECK(bench, resil_bulkhead_reconfigure(
                               &bench->bulkhead, &(struct resil_bulkhead_config){bench->limit}) ==
                               RESIL_OK);
        break;
    case 1:
        resil_leased_bulkhead_flush(&bench->leased);
        break;
    default:
        bench->lean = 5 + test_below(&bench->random, 7);
    }
}

static void compare(struct bench *bench)
{
    struct resil_leased_bulkhead_snapshot snapshot = {0};

    MODEL_CHECK(bench, resil_leased_bulkhead_snapshot(&bench->leased, &snapshot) == RESIL_OK);
    MODEL_CHECK(bench, snapshot.limit == bench->limit);
    MODEL_CHECK(bench, snapshot.in_flight == bench->in_flight);
}

static struct bench bench;

static void begin_shared(void)
{
    begin(&bench);
}

static void step_shared(void)
{
    told_stripe = (uint32_t)test_below(&bench.random, 16);
    if (test_below(&bench.random, 200) == 0)
        change(&bench);
    else
        go_in_or_out(&bench);
    compare(&bench);
}

static const struct model_subject model = {begin_shared, step_shared, &bench.random};

static void leases_agree_with_two_integers(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++)
        model_run(&model, test_seed(0x1ea5e) + round, OPERATIONS);
}

static void one_more_is_found(void **state)
{
    (void)state;
    too_many = 1;
    model_finds(&model, 0x1ea5e, OPERATIONS, 200, "one more than the limit");
    too_many = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_more_is_found),
        cmocka_unit_test(leases_agree_with_two_integers),
    };

    return cmocka_run_group_tests_name("leased bulkhead model", tests, NULL, NULL);
}
