/* SPDX-License-Identifier: BSD-2-Clause */

/* The control of shrink.h: a bug that takes three operations of a hundred thousand is cut down to
   these three, and the same seed finds it again. */
#include "shrink.h"

#define OPERATIONS 100000

enum kind {
    OPEN,
    FILL,
    CLOSE,
    LOOK,
};

static struct bench {
    uint64_t random, seed, operation;
    bool open, full, broken;
} bench;

static enum kind last[OPERATIONS];
static uint64_t count, closes_needed;

static void begin(void)
{
    bench = (struct bench){.random = bench.random};
    count = 0;
}

/* Broken by: open, fill while open, and a close of a rare kind. Whatever else is drawn changes
   nothing. */
static void step(void)
{
    enum kind kind = (enum kind)test_below(&bench.random, 4);
    bool rare = test_below(&bench.random, closes_needed) == 0;

    last[count++ % OPERATIONS] = kind;
    if (kind == OPEN)
        bench.open = true;
    else if (kind == FILL && bench.open)
        bench.full = true;
    else if (kind == CLOSE && rare && bench.full)
        bench.broken = true;
    MODEL_CHECK(&bench, !bench.broken);
}

static const struct model_subject model = {begin, step, &bench.random};

static void a_failure_is_cut_down_to_what_makes_it(void **state)
{
    uint64_t failed, left = 0;
    bool *keep;

    (void)state;
    closes_needed = 2000;
    failed = model_try(&model, 42, NULL, OPERATIONS);
    assert_true(failed > 100 && failed < OPERATIONS);
    assert_int_equal(model_try(&model, 42, NULL, OPERATIONS), failed);

    keep = model_shrink(&model, 42, failed + 1);
    assert_non_null(keep);
    for (uint64_t i = 0; i <= failed; i++)
        left += keep[i];
    assert_int_equal(left, 3);
    assert_true(keep[failed]);
    assert_int_equal(model_try(&model, 42, keep, failed + 1), failed);
    assert_int_equal(last[0], OPEN);
    assert_int_equal(last[1], FILL);
    assert_int_equal(last[2], CLOSE);
    free(keep);
}

static void what_holds_is_left_alone(void **state)
{
    (void)state;
    closes_needed = UINT64_C(1) << 50;
    assert_int_equal(model_try(&model, 42, NULL, OPERATIONS), OPERATIONS);
}

/* Or RESIL_SEED=2 would try what RESIL_SEED=1 has tried. */
static void a_seed_is_not_another_one_later(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++)
        for (uint64_t operation = 0; operation < 1000; operation++)
            for (uint64_t other = 0; other < 1000; other++)
                assert_int_not_equal(model_start(seed, operation), model_start(seed + 1, other));
}

/* One operation in a hundred is broken by its parts 2 and 5, each alone in order. */
static void step_in_parts(void)
{
    bool rare = test_below(&bench.random, 100) == 0;

    MODEL_CHECK(&bench, !rare || (model_left_out & 0x24) != 0);
}

static const struct model_subject in_parts = {begin, step_in_parts, &bench.random};

static void of_an_operation_only_the_parts_that_matter_stay(void **state)
{
    uint64_t failed = model_try(&in_parts, 42, NULL, OPERATIONS);
    bool *keep = model_shrink(&in_parts, 42, failed + 1);

    (void)state;
    assert_non_null(keep);
    model_parts = 12;
    assert_int_equal(model_shrink_parts(&in_parts, 42, keep, failed + 1), 2);
    assert_int_equal(model_left_out, 0xfff & ~0x24);
    model_parts = 0;
    model_left_out = 0;
    free(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_is_cut_down_to_what_makes_it),
        cmocka_unit_test(what_holds_is_left_alone),
        cmocka_unit_test(of_an_operation_only_the_parts_that_matter_stay),
        cmocka_unit_test(a_seed_is_not_another_one_later),
    };

    return cmocka_run_group_tests_name("shrink", tests, NULL, NULL);
}
