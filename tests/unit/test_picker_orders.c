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

static void smooth_weighted_is_the_naive_order_at_its_limits(void **state)
{
    static const uint32_t far_apart[] = {1, 65535};
    static const uint32_t tied[] = {2, 4, 2, 4, 2, 4};
    uint32_t distinct[RESIL__SMOOTH_GROUPS];
    uint32_t mixed[500];

    (void)state;
    expect_smooth(far_apart, 2, 65540);
    expect_smooth(tied, 6, 40);
    for (uint32_t i = 0; i < RESIL__SMOOTH_GROUPS; i++)
        distinct[i] = RESIL__SMOOTH_GROUPS - i;
    expect_smooth(distinct, RESIL__SMOOTH_GROUPS, 65341);
    for (uint32_t i = 0; i < 500; i++)
        mixed[i] = 1 + i * 7 % 33;
    expect_smooth(mixed, 500, 10000);
}

static void smooth_weighted_divides_by_what_the_weights_share(void **state)
{
    static const uint32_t weights[] = {50000, 10000, 10000};
    static const uint32_t order[] = {0, 0, 1, 0, 2, 0, 0};
    struct fixture *f = fixture_new(resil_picker_smooth_weighted(), weights, 3);

    (void)state;
    for (uint32_t i = 0; i < 70; i++)
        assert_int_equal(fixture_pick(f), order[i % 7]);
    fixture_free(f);
}

static void smooth_weighted_is_round_robin_for_equals(void **state)
{
    struct fixture *f = fixture_new(resil_picker_smooth_weighted(), NULL, 10000);

    (void)state;
    for (uint32_t i = 0; i < 20005; i++)
        assert_int_equal(fixture_pick(f), i % 10000);
    fixture_free(f);
}

static void smooth_weighted_fits_its_memory_whoever_is_a_candidate(void **state)
{
    uint64_t seed = test_seed(11);

    (void)state;
    for (int list = 0; list < 150; list++) {
        uint32_t weights[60];
        uint32_t n = 2 + (uint32_t)test_below(&seed, 59);
        uint32_t top = list % 2 == 0 ? 40 : 65535;
        struct fixture *f;

        for (uint32_t i = 0; i < n; i++)
            weights[i] = 1 + (uint32_t)test_below(&seed, top);
        f = fixture_new(resil_picker_smooth_weighted(), weights, n);
        while (f->pool.count > 1 + n / 2) {
            uint32_t candidate = (uint32_t)test_below(&seed, f->pool.count);

            /* Some in slow start, others gone. */
            if (test_below(&seed, 2) == 0) {
                f->candidates[candidate].weight =
                    1 + (uint32_t)test_below(&seed, f->candidates[candidate].weight);
                fixture_build(f);
            } else {
                fixture_drop(f, candidate);
            }
            for (int i = 0; i < 20; i++)
                assert_true(fixture_pick(f) < f->pool.count);
        }
        fixture_free(f);
    }
}

/* Every candidate's picks in one stride round, against its share of what those below one slot leave
   over: computed here in doubles. */
static void expect_strides(const uint32_t *weights, uint32_t n)
{
    struct fixture *f = fixture_new(resil_picker_smooth_weighted(), weights, n);
    uint32_t length = ((const struct resil__schedule *)f->table)->length;
    uint64_t *counts = calloc(n, sizeof *counts);
    bool *small = calloc(n, sizeof *small);
    double slots = length;
    double weight = 0;
    bool again = true;

    assert_non_null(counts);
    assert_non_null(small);
    assert_int_equal(length, resil__stride_length(n));
    for (uint32_t i = 0; i < length; i++)
        counts[fixture_pick(f)]++;
    for (uint32_t i = 0; i < n; i++)
        weight += weights[i];
    while (again) {
        double slots_now = slots;
        double weight_now = weight;

        again = false;
        for (uint32_t i = 0; i < n; i++)
            if (!small[i] && weights[i] * slots_now < weight_now) {
                small[i] = again = true;
                slots--;
                weight -= weights[i];
            }
    }
    for (uint32_t i = 0; i < n; i++) {
        double due = small[i] ? 1 : weights[i] * slots / weight;

        assert_true(counts[i] >= 1);
        assert_true((double)counts[i] > due - 1 && (double)counts[i] < due + 1);
        assert_true(!small[i] || counts[i] == 1);
    }
    free(counts);
    free(small);
    fixture_free(f);
}

static void strides_keep_everybody_within_one_pick_of_their_share(void **state)
{
    static const uint32_t sizes[] = {2, 3, 10, 63, 64, 65, 1000, 4097, 10000};
    static uint32_t weights[10000];
    uint64_t seed = test_seed(5);

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int kind = 0; kind < 4; kind++) {
            for (uint32_t i = 0; i < sizes[s]; i++)
                weights[i] = kind == 0   ? 65535 - i % 3
                             : kind == 1 ? 1 + (uint32_t)test_below(&seed, 65535)
                             : kind == 2 ? (i % 2 == 0 ? 65535 : 1)
                                         : 1 + (65535u >> test_below(&seed, 16));
            weights[0] = 65535;
            weights[sizes[s] - 1] = 65521;
            expect_strides(weights, sizes[s]);
        }
}

/* Anywhere in the round a host has had its share of the picks so far, but for a few: never more
   than there are distinct places of others that can push it aside. */
static void strides_spread_the_picks_of_a_host(void **state)
{
    static const uint32_t weights[] = {60000, 30011, 7001, 501};
    struct fixture *f = fixture_new(resil_picker_smooth_weighted(), weights, 4);
    uint32_t length = ((const struct resil__schedule *)f->table)->length;
    double counts[4] = {0, 0, 0, 0};

    (void)state;
    assert_int_equal(length, 4096);
    for (uint32_t slot = 1; slot <= length; slot++) {
        counts[fixture_pick(f)]++;
        for (uint32_t i = 0; i < 4; i++) {
            double due = weights[i] * (double)slot / 97513;

            assert_true(counts[i] > due - 1.5 && counts[i] < due + 1.5);
        }
    }
    fixture_free(f);
}

static void a_host_in_slow_start_gets_its_smaller_share(void **state)
{
    struct fixture *f = fixture_new(resil_picker_smooth_weighted(), NULL, 3);
    uint64_t counts[3] = {0, 0, 0};

    (void)state;
    f->candidates[1].weight = 27; /* a tenth */
    fixture_build(f);
    for (int i = 0; i < 539; i++)
        counts[fixture_pick(f)]++;
    assert_int_equal(counts[0], 256);
    assert_int_equal(counts[1], 27);
    assert_int_equal(counts[2], 256);
    fixture_free(f);
}

static void very_many_hosts_have_wide_slots(void **state)
{
    uint32_t *weights = calloc(70000, sizeof *weights);
    struct fixture *f;

    (void)state;
    assert_non_null(weights);
    for (uint32_t i = 0; i < 70000; i++)
        weights[i] = 5;
    f = fixture_new(resil_picker_smooth_weighted(), weights, 70000);
    f->turns.stripes[0].turn = 1120000 - 1;
    assert_int_equal(fixture_pick(f), 69999);
    assert_int_equal(fixture_pick(f), 0);
    fixture_free(f);
    free(weights);
}

static void an_excluded_turn_goes_to_the_next_in_order(void **state)
{
    static const uint64_t excluded[] = {102, 103};
    struct fixture *f = fixture_new(resil_picker_round_robin(), NULL, 5);

    (void)state;
    f->context.excluded = excluded;
    f->context.excluded_count = 2;
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(fixture_pick(f), i % 5 == 2 || i % 5 == 3 ? 4 : i % 5);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_robin_goes_round_in_the_order_of_the_list),
        cmocka_unit_test(each_stripe_goes_round_on_its_own),
        cmocka_unit_test(an_excluded_turn_goes_to_the_next_in_order),
        cmocka_unit_test(smooth_weighted_follows_the_published_example),
        cmocka_unit_test(smooth_weighted_is_the_naive_order_for_random_weights),
        cmocka_unit_test(smooth_weighted_is_the_naive_order_at_its_limits),
        cmocka_unit_test(smooth_weighted_divides_by_what_the_weights_share),
        cmocka_unit_test(smooth_weighted_is_round_robin_for_equals),
        cmocka_unit_test(smooth_weighted_fits_its_memory_whoever_is_a_candidate),
        cmocka_unit_test(strides_keep_everybody_within_one_pick_of_their_share),
        cmocka_unit_test(strides_spread_the_picks_of_a_host),
        cmocka_unit_test(a_host_in_slow_start_gets_its_smaller_share),
        cmocka_unit_test(very_many_hosts_have_wide_slots),
    };

    return cmocka_run_group_tests_name("picker_orders", tests, NULL, NULL);
}
