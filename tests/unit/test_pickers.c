/* SPDX-License-Identifier: BSD-2-Clause */
/* Pickers without an order: random ones and those that compare. */
#include "picker_fixture.h"

#include "balancer/ewma.h"

#define DRAWS UINT64_C(200000)

/* Draws, and says whether the counts fit the shares. */
static bool fits_in(struct fixture *f, const uint64_t *shares, uint64_t draws)
{
    uint64_t *counts = calloc(f->pool.count, sizeof *counts);
    uint32_t freedom = 0;
    double sum;

    assert_non_null(counts);
    for (uint64_t i = 0; i < draws; i++)
        counts[fixture_pick(f)]++;
    for (uint32_t i = 0; i < f->pool.count; i++)
        freedom += shares[i] > 0;
    sum = chi_square(counts, shares, f->pool.count);
    free(counts);
    return sum < chi_limit(freedom - 1);
}

static bool fits(struct fixture *f, const uint64_t *shares)
{
    return fits_in(f, shares, DRAWS);
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

/* The layout of the alias table, for the test of its exactness. */
struct column {
    uint64_t bound;
    uint32_t alias;
    uint32_t own;
};

/* The columns, of W parts each, give every candidate exactly n * weight parts. */
static void the_alias_table_is_exact(void **state)
{
    uint64_t seed = test_seed(13);

    (void)state;
    for (int list = 0; list < 500; list++) {
        uint32_t weights[50];
        uint64_t parts[50] = {0};
        uint32_t n = 1 + (uint32_t)test_below(&seed, 50);
        struct fixture *f;
        const struct column *columns;

        for (uint32_t i = 0; i < n; i++)
            weights[i] = 1 + (uint32_t)test_below(&seed, list % 2 == 0 ? 10 : 65535);
        f = fixture_new(resil_picker_weighted_random(), weights, n);
        columns = f->table;
        for (uint32_t i = 0; i < n; i++) {
            /* Coins below the bound are floor(coin * W / 2^64) below this. */
            uint64_t keep = columns[i].alias == columns[i].own
                                ? f->pool.weight
                                : resil__mul_wide(columns[i].bound, f->pool.weight).high;

            parts[columns[i].own] += keep;
            parts[columns[i].alias] += f->pool.weight - keep;
        }
        for (uint32_t i = 0; i < n; i++)
            assert_true(parts[i] == (uint64_t)n * f->candidates[i].weight);
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

static void exclude(struct fixture *f, const uint64_t *ids, size_t count)
{
    f->context.excluded = ids;
    f->context.excluded_count = count;
}

static const struct resil_picker *every(size_t i)
{
    const struct resil_picker *const all[] = {
        resil_picker_round_robin(),    resil_picker_smooth_weighted(),
        resil_picker_random(),         resil_picker_weighted_random(),
        resil_picker_least_requests(), resil_picker_weighted_least_requests(),
        resil_picker_peak_ewma(),      resil_picker_prequal(),
    };

    return i < sizeof all / sizeof *all ? all[i] : NULL;
}

static void every_picker_says_what_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; every(i) != NULL; i++) {
        assert_int_equal(every(i)->size, sizeof(struct resil_picker));
        assert_non_null(every(i)->name);
        assert_int_equal(every(i)->flags & RESIL_PICKER_EXCLUDES, RESIL_PICKER_EXCLUDES);
        assert_int_equal(every(i)->flags & RESIL_PICKER_MEMBERS, 0);
        assert_int_equal(every(i)->flags & RESIL_PICKER_KEYED, 0);
        assert_true((every(i)->build == NULL) == (every(i)->table_size == NULL));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(every(i)->name, every(j)->name);
    }
    assert_int_equal(resil_picker_peak_ewma()->flags & RESIL_PICKER_LATENCY, RESIL_PICKER_LATENCY);
}

static void one_candidate_is_picked_unless_excluded(void **state)
{
    static const uint64_t itself[] = {100};
    static const uint64_t another[] = {7};

    (void)state;
    for (size_t i = 0; every(i) != NULL; i++) {
        struct fixture *f = fixture_new(every(i), NULL, 1);

        for (int picks = 0; picks < 20; picks++)
            assert_int_equal(fixture_pick(f), 0);
        exclude(f, another, 1);
        assert_int_equal(fixture_pick(f), 0);
        exclude(f, itself, 1);
        assert_int_equal(fixture_pick(f), RESIL_PICK_NONE);
        fixture_free(f);
    }
}

static void nobody_excluded_is_picked_while_one_is_left(void **state)
{
    static const uint32_t weights[] = {65535, 1, 300, 65535, 2, 9, 1, 77, 5, 5};
    uint64_t ids[40];

    (void)state;
    /* More than a sample holds, most of them strangers. */
    for (uint64_t i = 0; i < 40; i++)
        ids[i] = 1000 + i;
    for (size_t i = 0; every(i) != NULL; i++) {
        struct fixture *f = fixture_new(every(i), weights, 10);

        for (uint32_t left = 0; left < 10; left++) {
            uint64_t others[10];
            size_t count = 0;

            for (uint32_t j = 0; j < 10; j++)
                if (j != left)
                    others[count++] = 100 + j;
            exclude(f, others, count);
            for (int picks = 0; picks < 20; picks++)
                assert_int_equal(fixture_pick(f), left);
            others[count++] = 100 + left;
            exclude(f, others, count);
            assert_int_equal(fixture_pick(f), RESIL_PICK_NONE);
        }
        ids[39] = 103;
        exclude(f, ids, 40);
        for (int picks = 0; picks < 200; picks++)
            assert_int_not_equal(fixture_pick(f), 3);
        fixture_free(f);
    }
}

/* Whoever is left is picked as if the others had never been there. */
static void exclusion_leaves_the_shares_of_the_rest(void **state)
{
    static const uint32_t weights[] = {50, 1, 2, 3, 4};
    static const uint64_t excluded[] = {100, 102};
    static const uint64_t by_weight[] = {0, 1, 0, 3, 4};
    static const uint64_t each[] = {0, 1, 0, 1, 1};

    (void)state;
    for (size_t i = 2; i < 5; i++) {
        struct fixture *f = fixture_new(every(i), weights, 5);

        exclude(f, excluded, 2);
        assert_true(fits(f, every(i) == resil_picker_weighted_random() ? by_weight : each));
        fixture_free(f);
    }
}

static void least_requests_never_takes_the_worse_of_two(void **state)
{
    struct fixture *f = fixture_new(resil_picker_least_requests(), NULL, 2);

    (void)state;
    f->loads[0].in_flight_ = 3;
    f->loads[1].in_flight_ = 2;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(fixture_pick(f), 1);
    f->loads[0].in_flight_ = 1;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(fixture_pick(f), 0);
    fixture_free(f);
}

static void failures_in_a_row_count_as_load(void **state)
{
    struct fixture *f = fixture_new(resil_picker_least_requests(), NULL, 2);

    (void)state;
    f->loads[0].streak_ = 4;
    f->loads[1].in_flight_ = 3;
    for (int i = 0; i < 100; i++)
        assert_int_equal(fixture_pick(f), 1);
    /* Bad ones, those never sent and those refused add up. */
    f->loads[0].streak_ = UINT64_C(1) << RESIL__STREAK_BAD | UINT64_C(1) << RESIL__STREAK_LOCAL;
    for (int i = 0; i < 100; i++)
        assert_int_equal(fixture_pick(f), 0);
    f->loads[0].streak_ |= UINT64_C(2) << RESIL__STREAK_PUSHED;
    for (int i = 0; i < 100; i++)
        assert_int_equal(fixture_pick(f), 1);
    fixture_free(f);
}

static void equals_are_picked_alike_whatever_is_compared(void **state)
{
    (void)state;
    for (size_t i = 4; i < 8; i++)
        for (uint64_t choices = 2; choices <= 16; choices += 7) {
            struct fixture *f = fixture_new(every(i), NULL, 11);
            static const uint64_t stranger[] = {7};

            f->pool.options.choices = choices;
            assert_true(fits_in(f, alike, DRAWS / 5));
            exclude(f, stranger, 1);
            assert_true(fits_in(f, alike, DRAWS / 5));
            fixture_free(f);
        }
}

/* With d draws of n the best is missed by C(n - 1, d) of C(n, d): it gets d / n of the picks. */
static void as_many_are_drawn_as_choices_says(void **state)
{
    (void)state;
    for (uint64_t choices = 2; choices <= 16; choices++) {
        struct fixture *f = fixture_new(resil_picker_least_requests(), NULL, 16);
        uint64_t shares[2] = {choices, 16 - choices};
        uint64_t counts[2] = {0, 0};

        f->pool.options.choices = choices;
        for (uint32_t i = 0; i < 15; i++)
            f->loads[i].in_flight_ = 1;
        for (uint64_t i = 0; i < DRAWS; i++)
            counts[fixture_pick(f) != 15]++;
        if (choices < 16)
            assert_true(chi_square(counts, shares, 2) < chi_limit(1));
        else
            assert_int_equal(counts[1], 0);
        fixture_free(f);
    }
}

/* Ten thousand calls that stay: log log n above the mean with two choices, and far more with one. */
static uint64_t heap_up(const struct resil_picker *picker)
{
    struct fixture *f = fixture_new(picker, NULL, 10000);
    uint64_t top = 0;

    for (uint32_t i = 0; i < 10000; i++) {
        uint32_t picked = fixture_pick(f);

        if (++f->loads[picked].in_flight_ > top)
            top = f->loads[picked].in_flight_;
    }
    fixture_free(f);
    return top;
}

static void two_choices_keep_the_greatest_load_low(void **state)
{
    (void)state;
    assert_true(heap_up(resil_picker_least_requests()) <= 4);
    assert_true(heap_up(resil_picker_random()) > 4);
}

static void load_is_compared_by_weight(void **state)
{
    static const uint32_t weights[] = {1, 3};
    struct fixture *f = fixture_new(resil_picker_weighted_least_requests(), weights, 2);

    (void)state;
    /* 1 / 1 against 3 / 3 is a tie, one call more or less isn't. */
    f->loads[1].in_flight_ = 1;
    assert_int_equal(fixture_pick(f), 1);
    f->loads[1].in_flight_ = 3;
    for (int i = 0; i < 100; i++)
        assert_int_equal(fixture_pick(f), 0);
    f->loads[1].in_flight_ = 1;
    for (int i = 0; i < 100; i++)
        assert_int_equal(fixture_pick(f), 1);
    fixture_free(f);
}

static void weighted_least_requests_fills_by_weight(void **state)
{
    static const uint32_t weights[] = {10, 20, 30, 40};
    struct fixture *f = fixture_new(resil_picker_weighted_least_requests(), weights, 4);

    (void)state;
    f->pool.options.choices = 16;
    for (uint32_t i = 0; i < 1000; i++)
        f->loads[fixture_pick(f)].in_flight_++;
    for (uint32_t i = 0; i < 4; i++)
        assert_in_range(f->loads[i].in_flight_, weights[i] * 10 - 2, weights[i] * 10 + 2);
    fixture_free(f);
}

static void peak_ewma_prefers_the_shorter_wait(void **state)
{
    struct fixture *f = fixture_new(resil_picker_peak_ewma(), NULL, 2);
    uint64_t now_ns = f->context.now_ns;
    uint64_t decay_ns = f->pool.options.decay_ns;

    (void)state;
    resil__ewma_observe(&f->loads[0].ewma_, 1000000, now_ns, decay_ns);
    resil__ewma_observe(&f->loads[1].ewma_, 5000000, now_ns, decay_ns);
    for (uint64_t in_flight = 0; in_flight < 10; in_flight++) {
        f->loads[0].in_flight_ = in_flight;
        for (int i = 0; i < 50 && in_flight != 4; i++)
            assert_int_equal(fixture_pick(f), in_flight + 1 < 5 ? 0 : 1);
    }
    fixture_free(f);
}

static void peak_ewma_takes_a_stranger_for_the_first_latency(void **state)
{
    struct fixture *f = fixture_new(resil_picker_peak_ewma(), NULL, 2);

    (void)state;
    f->loads[1].in_flight_ = 1;
    resil__ewma_observe(&f->loads[0].ewma_, 59000000, f->context.now_ns, f->pool.options.decay_ns);
    assert_int_equal(fixture_pick(f), 0);
    resil__ewma_observe(&f->loads[0].ewma_, 61000000, f->context.now_ns, f->pool.options.decay_ns);
    assert_int_equal(fixture_pick(f), 1);
    fixture_free(f);
}

/* However fast its peers are: else a small client would never hear of a new endpoint. */
static void peak_ewma_asks_an_idle_stranger_first(void **state)
{
    struct fixture *f = fixture_new(resil_picker_peak_ewma(), NULL, 2);

    (void)state;
    resil__ewma_observe(&f->loads[0].ewma_, 1000, f->context.now_ns, f->pool.options.decay_ns);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(fixture_pick(f), 1);
    f->loads[1].in_flight_ = 1;
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(fixture_pick(f), 0);
    fixture_free(f);
}

static void peak_ewma_weighs_and_never_overflows(void **state)
{
    static const uint32_t weights[] = {65535, 1};
    struct fixture *f = fixture_new(resil_picker_peak_ewma(), weights, 2);
    uint64_t now_ns = f->context.now_ns;
    uint64_t decay_ns = f->pool.options.decay_ns;

    (void)state;
    resil__ewma_observe(&f->loads[0].ewma_, 60000000000, now_ns, decay_ns);
    resil__ewma_observe(&f->loads[1].ewma_, 1000000, now_ns, decay_ns);
    f->loads[0].in_flight_ = 0; /* 60 s / 65535 is 0.92 ms */
    for (int i = 0; i < 50; i++)
        assert_int_equal(fixture_pick(f), 0);
    f->loads[0].in_flight_ = 1;
    for (int i = 0; i < 50; i++)
        assert_int_equal(fixture_pick(f), 1);
    f->loads[0].in_flight_ = 1000000; /* costs beyond 2^40 */
    f->loads[1].in_flight_ = 999999;
    for (int i = 0; i < 50; i++)
        assert_int_equal(fixture_pick(f), 0);
    f->loads[0].in_flight_ = UINT64_MAX >> 1;
    f->loads[1].in_flight_ = 1;
    for (int i = 0; i < 50; i++)
        assert_int_equal(fixture_pick(f), 1);
    fixture_free(f);
}

static void peak_ewma_compares_like_doubles_whatever_the_scale(void **state)
{
    uint64_t seed = test_seed(17);
    uint64_t told = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint32_t weights[2] = {1 + (uint32_t)test_below(&seed, 65535),
                               1 + (uint32_t)test_below(&seed, 65535)};
        struct fixture *f = fixture_new(resil_picker_peak_ewma(), weights, 2);
        double costs[2];

        for (uint32_t j = 0; j < 2; j++) {
            uint64_t latency_ns = 1000 + test_below(&seed, UINT64_C(1) << test_below(&seed, 36));

            f->loads[j].in_flight_ = test_below(&seed, UINT64_C(1) << test_below(&seed, 24));
            resil__ewma_observe(&f->loads[j].ewma_, latency_ns, f->context.now_ns,
                                f->pool.options.decay_ns);
            latency_ns = resil_member_latency_ns(&f->members[j], &f->pool, f->context.now_ns);
            costs[j] = (double)latency_ns * (double)(f->loads[j].in_flight_ + 1) / weights[j];
        }
        /* Beyond 2^40 the lesser may have lost all but few of its bits, but then it is far less. */
        if (costs[0] < 0.99 * costs[1] || costs[1] < 0.99 * costs[0]) {
            assert_int_equal(fixture_pick(f), costs[1] < costs[0]);
            told++;
        }
        fixture_free(f);
    }
    assert_true(told > 19000);
}

static void a_picker_of_ones_own_sees_what_ours_see(void **state)
{
    static const uint64_t excluded[] = {101, 7};
    struct fixture *f = fixture_new(resil_picker_random(), NULL, 3);
    uint64_t first;

    (void)state;
    f->turns.stripes[0].turn = 5;
    assert_int_equal(resil_pick_turn(&f->pool, &f->context), 5);
    assert_int_equal(resil_pick_turn(&f->pool, &f->context), 6);

    first = resil_pick_random(&f->context);
    assert_true(resil_pick_random(&f->context) != first);
    f->context.random_ = 42;
    assert_true(resil_pick_random(&f->context) == first);

    assert_true(resil_pick_allowed(&f->pool, &f->context, 1));
    exclude(f, excluded, 2);
    assert_false(resil_pick_allowed(&f->pool, &f->context, 1));
    assert_true(resil_pick_allowed(&f->pool, &f->context, 2));

    f->loads[2].in_flight_ = 9;
    assert_int_equal(resil_member_in_flight(&f->members[2]), 9);
    assert_int_equal(resil_member_latency_ns(&f->members[2], &f->pool, f->context.now_ns),
                     30000000);
    resil__ewma_observe(&f->loads[2].ewma_, 5000000, f->context.now_ns, f->pool.options.decay_ns);
    assert_in_range(resil_member_latency_ns(&f->members[2], &f->pool, f->context.now_ns), 4999998,
                    5000000);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_draws_each_alike),
        cmocka_unit_test(chi_square_catches_a_bias),
        cmocka_unit_test(weighted_random_draws_by_weight),
        cmocka_unit_test(the_alias_table_is_exact),
        cmocka_unit_test(chi_square_catches_weights_off_by_one),
        cmocka_unit_test(every_picker_says_what_it_is),
        cmocka_unit_test(one_candidate_is_picked_unless_excluded),
        cmocka_unit_test(nobody_excluded_is_picked_while_one_is_left),
        cmocka_unit_test(exclusion_leaves_the_shares_of_the_rest),
        cmocka_unit_test(least_requests_never_takes_the_worse_of_two),
        cmocka_unit_test(failures_in_a_row_count_as_load),
        cmocka_unit_test(equals_are_picked_alike_whatever_is_compared),
        cmocka_unit_test(as_many_are_drawn_as_choices_says),
        cmocka_unit_test(two_choices_keep_the_greatest_load_low),
        cmocka_unit_test(load_is_compared_by_weight),
        cmocka_unit_test(weighted_least_requests_fills_by_weight),
        cmocka_unit_test(peak_ewma_prefers_the_shorter_wait),
        cmocka_unit_test(peak_ewma_takes_a_stranger_for_the_first_latency),
        cmocka_unit_test(peak_ewma_asks_an_idle_stranger_first),
        cmocka_unit_test(peak_ewma_weighs_and_never_overflows),
        cmocka_unit_test(peak_ewma_compares_like_doubles_whatever_the_scale),
        cmocka_unit_test(a_picker_of_ones_own_sees_what_ours_see),
    };

    return cmocka_run_group_tests_name("pickers", tests, NULL, NULL);
}
