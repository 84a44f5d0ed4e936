/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

/* The keyed breaker under threads: one probe at a time for each key, and counts that add up. */
#include "limits_rig.h"

#include <resil/keyed_breaker.h>

#define KEYS 16

static struct resil_keyed_breaker *breaker;
static uint64_t probes_out[KEYS];
static uint64_t strangers;

static void setup(uint64_t keys)
{
    struct resil_keyed_breaker_config config = {.keys = keys,
                                                .seed = {8, 9},
                                                .consecutive = 2,
                                                .window_ns = RESIL_MS(10),
                                                .open_ns = RESIL_MS(1),
                                                .probe_lease_ns = RESIL_SEC(86400),
                                                .keep_ns = RESIL_OFF};
    size_t size = resil_keyed_breaker_size(keys);

    memset(probes_out, 0, sizeof probes_out);
    breaker = malloc(size);
    assert_non_null(breaker);
    assert_int_equal(resil_keyed_breaker_init(breaker, size, &config), RESIL_OK);
}

/* A probe is told from a permit by the state that the key is in: nobody else can leave it. */
static void work(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t key = test_below(random, KEYS);
    uint64_t now_ns = rig_now(rig, random, RESIL_US(20));
    struct resil_result result = {.outcome =
                                      test_below(random, 2) == 0 ? RESIL_FAILURE : RESIL_SUCCESS};
    struct resil_keyed_permit permit;
    bool is_probe;

    if (resil_keyed_breaker_acquire_u64(breaker, key, now_ns, &permit) != RESIL_OK)
        return;
    *granted += 1;
    is_probe = (permit.token_ & 2) != 0;
    if (is_probe && resil__add(&probes_out[key], 1) != 0)
        abort();
    if (is_probe)
        (void)resil__sub(&probes_out[key], 1);
    if (resil_keyed_breaker_record(breaker, &permit, now_ns, &result) != RESIL_OK && is_probe)
        abort();
}

/* Every other failure is that of a key never seen before. */
static void work_among_strangers(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, RESIL_US(20));
    struct resil_keyed_permit permit;

    work(rig, random, granted);
    if (resil_keyed_breaker_acquire_u64(breaker, 1000 + resil__add_relaxed(&strangers, 1), now_ns,
                                        &permit) != RESIL_OK)
        abort();
    (void)resil_keyed_breaker_record(breaker, &permit, now_ns,
                                     &(struct resil_result){.outcome = RESIL_FAILURE});
}

static void probes_come_one_at_a_time(struct rig *rig, uint64_t keys)
{
    struct resil_keyed_breaker_snapshot snapshot;

    setup(keys);
    assert_true(rig_run(rig, test_torture_ms()) > 0);
    resil_keyed_breaker_snapshot(breaker, &snapshot);
    assert_true(snapshot.opened > 0 && snapshot.closed > 0);
    assert_true(snapshot.closed <= snapshot.opened);
    assert_true(snapshot.keys <= snapshot.places);
    free(breaker);
}

static void keyed_breaker_probes_one_at_a_time(void **state)
{
    static struct rig rig = {.work = work};

    (void)state;
    probes_come_one_at_a_time(&rig, 10 * KEYS);
}

static void keyed_breaker_does_so_while_strangers_crowd_in(void **state)
{
    static struct rig rig = {.work = work_among_strangers};

    (void)state;
    probes_come_one_at_a_time(&rig, KEYS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keyed_breaker_probes_one_at_a_time),
        cmocka_unit_test(keyed_breaker_does_so_while_strangers_crowd_in),
    };

    return cmocka_run_group_tests_name("keyed breaker torture", tests, NULL, NULL);
}
