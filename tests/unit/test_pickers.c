/* SPDX-License-Identifier: BSD-2-Clause */
/* Pickers without an order: random ones and those that compare. */
#include "picker_fixture.h"

#include "balancer/ewma.h"

#define DRAWS UINT64_C(200000)

/* Draws, and says whether the counts fit the shares. */
static bool fits(struct fixture *f, const uint64_t *shares)
{
    uint64_t *counts = calloc(f->pool.count, sizeof *counts);
    uint32_t freedom = 0;
    double sum;

    assert_non_null(counts);
    for (uint64_t i = 0; i < DRAWS; i++)
        counts[fixture_pick(f)]++;
    for (uint32_t i = 0; i < f->pool.count; i++)
        freedom += shares[i] > 0;
    sum = chi_square(counts, shares, f->pool.count);
    free(counts);
    return sum < chi_limit(freedom - 1);
}

static const uint64_t alike[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static void random_draws_each_alike(void **state)
{
    static const uint32_t sizes[] = {2, 3, 7, 10, 16};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct fixture *f = fixture_new(resil_picker_random(), NULL, sizes[i]);

        assert_true(fits(f, alike));
        fixture_free(f);
    }
}

/* The control: a picker that draws with a bias of one in fifty must not pass. */
static uint32_t biased_pick(const struct resil_pool *pool, struct resil_pick_context *context)
{
    uint32_t picked = resil_picker_random()->pick(pool, context);

    return picked == 0 && resil_pick_random(context) % 50 == 0 ? 1 : picked;
}

static void chi_square_catches_a_bias(void **state)
{
    static const struct resil_picker biased = {
        .size = sizeof biased, .name = "biased", .pick = biased_pick};
    struct fixture *f = fixture_new(&biased, NULL, 3);

    (void)state;
    assert_false(fits(f, alike));
    fixture_free(f);
}

static void weighted_random_draws_by_weight(void **state)
{
    static const uint32_t weights[][8] = {
        {1, 2, 3, 4, 5, 6, 7, 8},    {5, 5, 5, 5, 5, 5, 5, 5},
        {1000, 1, 1, 1, 1, 1, 1, 1}, {65535, 1000, 20000, 1, 1, 30000, 7, 500},
        {3, 3, 3, 1, 1, 1, 2, 2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        struct fixture *f = fixture_new(resil_picker_weighted_random(), weights[i], 8);
        uint64_t shares[8];

        for (uint32_t j = 0; j < 8; j++)
            shares[j] = weights[i][j];
        assert_true(fits(f, shares));
        fixture_free(f);
    }
}

static void chi_square_catches_weights_off_by_one(void **state)
{
    static const uint32_t weights[] = {20, 21, 20};
    static const uint64_t shares[] = {20, 20, 20};
    struct fixture *f = fixture_new(resil_picker_weighted_random(), weights, 3);

    (void)state;
    assert_false(fits(f, shares));
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_draws_each_alike),
        cmocka_unit_test(chi_square_catches_a_bias),
        cmocka_unit_test(weighted_random_draws_by_weight),
        cmocka_unit_test(chi_square_catches_weights_off_by_one),
    };

    return cmocka_run_group_tests_name("pickers", tests, NULL, NULL);
}
