/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The keyed limiter against a plain array of buckets, one for each key that there will ever be, and
 * one for the overflow. A key's bucket is a limiter of its own; which keys have a place is not
 * modelled but looked at: a key without a place must have a full bucket in the model, and what it
 * is granted comes out of its own bucket if it got a place, else out of the overflow's.
 */
#include "shrink.h"

#include <resil/keyed_limiter.h>

#include "base/math.h"

#define OPERATIONS MODEL_OPERATIONS(2000000, 200000)

#define KEYS 400

struct bench {
    struct resil_keyed_limiter *limiter;
    struct resil_keyed_limiter_config config;
    struct resil_limiter model[KEYS];
    struct resil_limiter overflow;
    uint64_t crowded;
    uint64_t now_ns;
    uint64_t random;
    uint64_t seed;
    uint64_t operation;
};

/* The control: buckets that hold one more. */
static uint64_t too_deep;

static struct resil_keyed_limiter_snapshot look(const struct bench *bench)
{
    struct resil_keyed_limiter_snapshot snapshot;

    resil_keyed_limiter_snapshot(bench->limiter, &snapshot);
    return snapshot;
}

static uint64_t level(const struct bench *bench, uint64_t key, uint64_t now_ns)
{
    struct resil_limiter_snapshot snapshot;

    resil_limiter_snapshot(&bench->model[key], now_ns, &snapshot);
    return snapshot.available;
}

/* Some keys are asked for all the time, most now and then. */
static uint64_t draw_key(struct bench *bench)
{
    uint64_t range = test_below(&bench->random, 3) == 0 ? 10 : KEYS;

    return test_below(&bench->random, range);
}

static void acquire(struct bench *bench, uint64_t key, uint64_t now_ns)
{
    uint64_t cost = test_below(&bench->random, 8);
    uint64_t at_ns = 1, expected_at_ns = 1;
    struct resil_keyed_limiter_snapshot before = look(bench), after;
    int rc = resil_keyed_limiter_acquire(bench->limiter, &key, sizeof key, cost, now_ns, &at_ns);
    bool crowded;
    int expected;

    after = look(bench);
    crowded = after.overflow_granted + after.overflow_refused !=
              before.overflow_granted + before.overflow_refused;
    if (crowded) {
        bench->crowded++;
        MODEL_CHECK(bench, level(bench, key, bench->now_ns) == bench->config.burst);
    }
    /* What costs too much makes no place, and isn't a bucket's first use, from which it counts. */
    expected = cost > bench->config.burst + too_deep
                   ? RESIL_ECOST
                   : resil_limiter_acquire(crowded ? &bench->overflow : &bench->model[key], cost,
                                           now_ns, &expected_at_ns);
    MODEL_CHECK(bench, rc == expected);
    MODEL_CHECK(bench, at_ns == expected_at_ns);
    MODEL_CHECK(bench, after.keys <= after.places);
}

static void check_top(struct bench *bench)
{
    struct resil_keyed_limiter_entry top[10];
    size_t count = resil_keyed_limiter_top(bench->limiter, bench->now_ns, top, 10);
    uint64_t least_used = 0;

    for (size_t i = 1; i < count; i++)
        MODEL_CHECK(bench, top[i].full_at_ns <= top[i - 1].full_at_ns);
    if (count == 10)
        least_used = top[9].used;
    for (uint64_t key = 0; key < KEYS; key++) {
        struct resil_limiter_snapshot snapshot;
        uint64_t print[2];
        bool listed = false;

        resil_limiter_snapshot(&bench->model[key], bench->now_ns, &snapshot);
        resil_keyed_limiter_print(bench->limiter, &key, sizeof key, print);
        for (size_t i = 0; i < count; i++)
            if (memcmp(print, top[i].print, sizeof print) == 0) {
                listed = true;
                MODEL_CHECK(bench, top[i].full_at_ns == snapshot.full_at_ns);
                MODEL_CHECK(bench, top[i].used == bench->config.burst - snapshot.available);
            }
        MODEL_CHECK(bench, listed || bench->config.burst - snapshot.available <= least_used);
    }
}

static void step(struct bench *bench)
{
    uint64_t key = draw_key(bench);
    uint64_t late_ns = 0;

    if (test_below(&bench->random, 4) == 0)
        bench->now_ns += test_below(&bench->random, RESIL_MS(2));
    if (test_below(&bench->random, 8) == 0)
        late_ns = test_below(&bench->random, 4);
    switch (test_below(&bench->random, 2048)) {
    case 0:
        bench->now_ns += RESIL_SEC(1);
        break;
    case 1:
        check_top(bench);
        break;
    case 2:
        MODEL_CHECK(bench,
                    resil_keyed_limiter_peek(bench->limiter, &key, sizeof key, bench->now_ns) ==
                        level(bench, key, bench->now_ns));
        break;
    default:
        acquire(bench, key,
                bench->now_ns - (late_ns > 0 && bench->config.keys > KEYS ? late_ns : 0));
    }
}

static struct bench bench;
static uint64_t places; /* for so many keys */

static void begin(void)
{
    struct resil_limiter_config each = {.tokens = 50, .burst = 6 + too_deep};
    struct resil_limiter_config overflow = {.tokens = 400, .burst = 9};
    size_t size = resil_keyed_limiter_size(places);

    free(bench.limiter);
    bench = (struct bench){.random = bench.random, .seed = bench.seed, .now_ns = RESIL_SEC(1000)};
    bench.config = (struct resil_keyed_limiter_config){
        .keys = places,
        .seed = {test_random(&bench.random), test_random(&bench.random)},
        .tokens = 50,
        .burst = 6,
        .overflow_tokens = 400,
        .overflow_burst = 9,
    };
    bench.limiter = malloc(size);
    assert_int_equal(resil_keyed_limiter_init(bench.limiter, size, &bench.config), RESIL_OK);
    assert_int_equal(resil_limiter_init(&bench.overflow, &overflow), RESIL_OK);
    for (uint64_t key = 0; key < KEYS; key++)
        assert_int_equal(resil_limiter_init(&bench.model[key], &each), RESIL_OK);
}

static void step_shared(void)
{
    step(&bench);
}

static const struct model_subject model = {begin, step_shared, &bench.random};

static void agree(uint64_t keys)
{
    places = keys;
    model_run(&model, test_seed(20250101 + keys), OPERATIONS);
    print_message("%" PRIu64 " keys: %" PRIu64 " evicted, %" PRIu64 " crowded out\n", keys,
                  look(&bench).evicted, bench.crowded);
    assert_true(keys > KEYS || getenv("RESIL_OPERATIONS") != NULL ||
                (look(&bench).evicted > OPERATIONS / 400 && bench.crowded > OPERATIONS / 400));
    free(bench.limiter);
    bench.limiter = NULL;
}

static void keyed_limiter_agrees_with_many_buckets(void **state)
{
    (void)state;
    agree(2 * KEYS);
}

static void keyed_limiter_agrees_while_it_evicts(void **state)
{
    (void)state;
    agree(KEYS / 8);
    agree(1);
}

static void deeper_buckets_are_found(void **state)
{
    (void)state;
    places = 2 * KEYS;
    too_deep = 1;
    model_finds(&model, 7, OPERATIONS, 8, "buckets that hold one more");
    too_deep = 0;
    free(bench.limiter);
    bench.limiter = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deeper_buckets_are_found),
        cmocka_unit_test(keyed_limiter_agrees_with_many_buckets),
        cmocka_unit_test(keyed_limiter_agrees_while_it_evicts),
    };

    return cmocka_run_group_tests_name("keyed limiter model", tests, NULL, NULL);
}
