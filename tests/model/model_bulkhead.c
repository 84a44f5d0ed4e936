/* SPDX-License-Identifier: BSD-2-Clause */

/* The bulkhead against two integers. */
#include "test.h"

#include <resil/bulkhead.h>

#define OPERATIONS 2000000

struct model {
    uint64_t limit;
    uint64_t in_flight;
};

static int model_acquire(struct model *model)
{
    if (model->in_flight >= model->limit)
        return RESIL_EFULL;
    model->in_flight++;
    return RESIL_OK;
}

static int model_release(struct model *model)
{
    if (model->in_flight == 0)
        return RESIL_EINVAL;
    model->in_flight--;
    return RESIL_OK;
}

static int model_reconfigure(struct model *model, uint64_t limit)
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

static bool step(struct resil_bulkhead *bulkhead, struct model *model, uint64_t *seed)
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

static void bulkhead_agrees_with_two_integers(void **state)
{
    uint64_t start = test_seed(0xb01d), seed = start;
    struct model model = {.limit = 25};
    struct resil_bulkhead bulkhead;
    struct resil_bulkhead_snapshot snapshot;

    (void)state;
    assert_int_equal(resil_bulkhead_init(&bulkhead, NULL), RESIL_OK);
    for (int i = 0; i < OPERATIONS; i++) {
        bool agrees = step(&bulkhead, &model, &seed);

        if (!agrees || resil_bulkhead_snapshot(&bulkhead, &snapshot) != RESIL_OK ||
            snapshot.limit != model.limit || snapshot.in_flight != model.in_flight)
            fail_msg("operation %d, RESIL_SEED=%" PRIu64, i, start);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bulkhead_agrees_with_two_integers),
    };

    return cmocka_run_group_tests_name("bulkhead model", tests, NULL, NULL);
}
