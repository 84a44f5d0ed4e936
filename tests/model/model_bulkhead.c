/* SPDX-License-Identifier: BSD-2-Clause */

/* The bulkhead against two integers. */
#include "shrink.h"

#include <resil/bulkhead.h>

#define OPERATIONS 2000000

struct integers {
    uint64_t limit;
    uint64_t in_flight;
};

/* The control: integers that let one more in. */
static uint64_t too_many;

static int model_acquire(struct integers *model)
{
    if (model->in_flight >= model->limit + too_many)
        return RESIL_EFULL;
    model->in_flight++;
    return RESIL_OK;
}

static int model_release(struct integers *model)
{
    if (model->in_flight == 0)
        return RESIL_EINVAL;
    model->in_flight--;
    return RESIL_OK;
}

static int model_reconfigure(struct integers *model, uint64_t limit)
{
    if (limit > INT32_MAX)
        return RESIL_EINVAL;
    model->limit = limit == 0 ? 25 : limit;
    return RESIL_OK;
}

/* Mostly small limits, so that the boundary is met often; at times a default or one out of
   range. */
static uint64_t random_limit(uint64_t *seed)
{
    switch (test_below(seed, 16)) {
    case 0:
        return 0;
    case 1:
        return (uint64_t)INT32_MAX + test_below(seed, 3);
    default:
        return 1 + test_below(seed, 12);
    }
}

static bool step(struct resil_bulkhead *bulkhead, struct integers *model, uint64_t *seed)
{
    uint64_t limit;

    switch (test_below(seed, 100)) {
    case 0:
        limit = random_limit(seed);
        return resil_bulkhead_reconfigure(bulkhead, &(struct resil_bulkhead_config){limit}) ==
               model_reconfigure(model, limit);
    case 1:
        if (test_below(seed, 50) != 0)
            return true;
        resil_bulkhead_reset(bulkhead);
        model->in_flight = 0;
        return true;
    default:
        if (test_below(seed, 2) != 0)
            return resil_bulkhead_acquire(bulkhead) == model_acquire(model);
        return resil_bulkhead_release(bulkhead) == model_release(model);
    }
}

static struct bench {
    struct resil_bulkhead bulkhead;
    struct integers integers;
    uint64_t random, seed, operation;
} bench;

static void begin(void)
{
    bench.integers = (struct integers){.limit = 25};
    assert_int_equal(resil_bulkhead_init(&bench.bulkhead, NULL), RESIL_OK);
}

static void step_shared(void)
{
    struct resil_bulkhead_snapshot now;

    MODEL_CHECK(&bench, step(&bench.bulkhead, &bench.integers, &bench.random));
    MODEL_CHECK(&bench, resil_bulkhead_snapshot(&bench.bulkhead, &now) == RESIL_OK);
    MODEL_CHECK(&bench, now.limit == bench.integers.limit);
    MODEL_CHECK(&bench, now.in_flight == bench.integers.in_flight);
}

static void bulkhead_agrees_with_two_integers(void **state)
{
    const struct model_subject model = {begin, step_shared, &bench.random};

    (void)state;
    model_run(&model, test_seed(0xb01d), OPERATIONS);
}

static void one_more_is_found(void **state)
{
    const struct model_subject model = {begin, step_shared, &bench.random};

    (void)state;
    too_many = 1;
    model_finds(&model, 0xb01d, OPERATIONS, 26, "one more than the limit");
    too_many = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_more_is_found),
        cmocka_unit_test(bulkhead_agrees_with_two_integers),
    };

    return cmocka_run_group_tests_name("bulkhead model", tests, NULL, NULL);
}
