/* SPDX-License-Identifier: BSD-2-Clause */
/* Pickers with an order: round robin and smooth weighted. */
#include "picker_fixture.h"

#include "balancer/schedule.h"

static void round_robin_goes_round_in_the_order_of_the_list(void **state)
{
    struct fixture *f = fixture_new(resil_picker_round_robin(), NULL, 7);
    uint32_t start;

    (void)state;
    f->turns.stripes[0].turn = 1000003;
    start = fixture_pick(f);
    assert_int_equal(start, 1000003 % 7);
    for (uint32_t i = 1; i < 1000; i++)
        assert_int_equal(fixture_pick(f), (start + i) % 7);
    fixture_free(f);
}

static void each_stripe_goes_round_on_its_own(void **state)
{
    struct fixture *f = fixture_new(resil_picker_round_robin(), NULL, 5);

    (void)state;
    f->turns.stripes[3].turn = 2;
    for (uint32_t i = 0; i < 50; i++) {
        f->context.stripe_ = 0;
        assert_int_equal(fixture_pick(f), i % 5);
        f->context.stripe_ = 3;
        assert_int_equal(fixture_pick(f), (2 + i) % 5);
    }
    fixture_free(f);
}

/* The order as nginx plays it, host by host. */
static void play(const uint32_t *weights, uint32_t n, uint32_t *order, uint64_t length)
{
    int64_t *credits = calloc(n, sizeof *credits);
    int64_t total = 0;

    assert_non_null(credits);
    for (uint32_t i = 0; i < n; i++)
        total += weights[i];
    for (uint64_t slot = 0; slot < length; slot++) {
        uint32_t best = 0;

        for (uint32_t i = 0; i < n; i++) {
            credits[i] += weights[i];
            if (credits[i] > credits[best])
                best = i;
        }
        credits[best] -= total;
        order[slot] = best;
    }
    free(credits);
}

static void expect_smooth(const uint32_t *weights, uint32_t n, uint64_t length)
{
    struct fixture *f = fixture_new(resil_picker_smooth_weighted(), weights, n);
    uint32_t *order = calloc(length, sizeof *order);

    assert_non_null(order);
    play(weights, n, order, length);
    for (uint64_t slot = 0; slot < length; slot++)
        assert_int_equal(fixture_pick(f), order[slot]);
    free(order);
    fixture_free(f);
}

static void smooth_weighted_follows_the_published_example(void **state)
{
    static const uint32_t weights[] = {5, 1, 1};
    static const uint32_t order[] = {0, 0, 1, 0, 2, 0, 0};
    struct fixture *f = fixture_new(resil_picker_smooth_weighted(), weights, 3);

    (void)state;
    for (uint32_t i = 0; i < 70; i++)
        assert_int_equal(fixture_pick(f), order[i % 7]);
    fixture_free(f);
}

static void smooth_weighted_is_the_naive_order_for_random_weights(void **state)
{
    uint64_t seed = test_seed(7);

    (void)state;
    for (int list = 0; list < 3000; list++) {
        uint32_t weights[24];
        uint32_t n = 1 + (uint32_t)test_below(&seed, 24);
        uint32_t top = 1 + (uint32_t)test_below(&seed, list % 3 == 0 ? 3 : 60);
        uint64_t sum = 0;

        for (uint32_t i = 0; i < n; i++)
            sum += weights[i] = 1 + (uint32_t)test_below(&seed, top);
        /* A round and a bit: it has to close. */
        expect_smooth(weights, n, sum + 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_goes_round_in_the_order_of_the_list),
        cmocka_unit_test(each_stripe_goes_round_on_its_own),
        cmocka_unit_test(smooth_weighted_follows_the_published_example),
        cmocka_unit_test(smooth_weighted_is_the_naive_order_for_random_weights),
    };

    return cmocka_run_group_tests_name("picker_orders", tests, NULL, NULL);
}
