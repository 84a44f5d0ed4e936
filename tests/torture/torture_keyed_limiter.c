/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

/* The keyed limiter under threads: no key above its limit, whoever is evicted meanwhile. */
#include "limits_rig.h"

#include <resil/keyed_limiter.h>

#define INTERVAL_NS UINT64_C(1000)
#define BURST       UINT64_C(8)
#define KEYS        64

static struct resil_keyed_limiter *limiter;
static uint64_t granted_to[KEYS];
static uint64_t strangers;

static void setup(uint64_t keys)
{
    struct resil_keyed_limiter_config config = {.keys = keys,
                                                .seed = {8, 9},
                                                .tokens = 1,
                                                .period_ns = INTERVAL_NS,
                                                .burst = BURST,
                                                .overflow_tokens = RESIL_OFF};
    size_t size = resil_keyed_limiter_size(keys);

    memset(granted_to, 0, sizeof granted_to);
    limiter = malloc(size);
    assert_non_null(limiter);
    assert_int_equal(resil_keyed_limiter_init(limiter, size, &config), RESIL_OK);
}

static void take_some(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, 40);
    uint64_t key = test_below(random, test_below(random, 2) == 0 ? 4 : KEYS);

    if (resil_keyed_limiter_acquire_u64(limiter, key, 1, now_ns, NULL) == RESIL_OK) {
        (void)resil__add_relaxed(&granted_to[key], 1);
        *granted += 1;
    }
}

/* Every other call is that of a key never seen before. */
static void take_among_strangers(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    take_some(rig, random, granted);
    if (resil_keyed_limiter_acquire_u64(limiter, 1000 + resil__add_relaxed(&strangers, 1), 1,
                                        rig_now(rig, random, 40), NULL) == RESIL_OK)
        *granted += 1;
}

static void no_key_is_above_its_limit(const struct rig *rig)
{
    uint64_t most = BURST + (rig->clock_ns - START_NS) / INTERVAL_NS + 1;

    for (unsigned key = 0; key < KEYS; key++)
        assert_true(granted_to[key] <= most);
}

static void keyed_limiter_keeps_each_key_to_its_limit(void **state)
{
    static struct rig rig = {.work = take_some};
    uint64_t elapsed_ns;

    (void)state;
    setup(10 * KEYS);
    assert_true(rig_run(&rig, test_torture_ms()) > 0);
    no_key_is_above_its_limit(&rig);
    /* Four keys were asked for all the time: they got all there was. */
    elapsed_ns = rig.clock_ns - START_NS;
    for (unsigned key = 0; key < 4; key++)
        assert_true(granted_to[key] >= elapsed_ns / INTERVAL_NS / 2);
    free(limiter);
}

static void keyed_limiter_keeps_them_while_strangers_crowd_in(void **state)
{
    static struct rig rig = {.work = take_among_strangers};
    struct resil_keyed_limiter_snapshot snapshot;

    (void)state;
    setup(8);
    assert_true(rig_run(&rig, test_torture_ms()) > 0);
    no_key_is_above_its_limit(&rig);
    resil_keyed_limiter_snapshot(limiter, &snapshot);
    assert_true(snapshot.evicted > 0 && snapshot.keys <= snapshot.places);
    free(limiter);
}

/* All threads ask for the same new key, over and over: one burst each time. */
static void take_new(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t key = resil__load_relaxed(&rig->clock_ns) % KEYS;

    (void)random;
    if (resil_keyed_limiter_acquire_u64(limiter, key, BURST, START_NS, NULL) == RESIL_OK) {
        (void)resil__add_relaxed(&granted_to[key], 1);
        *granted += 1;
    }
    (void)resil__add_relaxed(&rig->clock_ns, 1);
}

static void keyed_limiter_gives_a_new_key_one_burst(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct rig rig = {.work = take_new, .rounds_max = 200};

        setup(10 * KEYS);
        (void)rig_run(&rig, 0);
        for (unsigned key = 0; key < KEYS; key++)
            assert_true(granted_to[key] <= 1);
        free(limiter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyed_limiter_keeps_each_key_to_its_limit),
        cmocka_unit_test(keyed_limiter_keeps_them_while_strangers_crowd_in),
        cmocka_unit_test(keyed_limiter_gives_a_new_key_one_burst),
    };

    return cmocka_run_group_tests_name("keyed limiter torture", tests, NULL, NULL);
}
