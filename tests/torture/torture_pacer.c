/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

/* The pacer under threads: no two calls closer than the interval. */
#include "limits_rig.h"

#include <resil/pacer.h>

#define INTERVAL_NS UINT64_C(1000)
#define PLACES      1000000

static struct resil_pacer pacer;
static uint64_t places[PLACES];
static uint64_t taken;

static void take_places(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, 3 * INTERVAL_NS);
    struct resil_reservation place;
    uint64_t number;

    if (resil_pacer_reserve(&pacer, 1, now_ns, &place) != RESIL_OK)
        return;
    if (place.at_ns < now_ns || place.at_ns > now_ns + 8 * INTERVAL_NS)
        abort();
    if (test_below(random, 4) == 0 && resil_pacer_cancel(&pacer, &place, now_ns) == RESIL_OK)
        return;
    number = resil__add(&taken, 1);
    if (number < PLACES)
        places[number] = place.at_ns;
    *granted += 1;
}

static void pacer_keeps_every_two_calls_apart(void **state)
{
    static struct rig rig = {.work = take_places};
    uint64_t count;

    (void)state;
    assert_int_equal(
        resil_pacer_init(&pacer, &(struct resil_pacer_config){.tokens = 1,
                                                              .period_ns = INTERVAL_NS,
                                                              .wait_ns = 8 * INTERVAL_NS}),
        RESIL_OK);
    (void)rig_run(&rig, test_torture_ms());
    count = taken < PLACES ? taken : PLACES;
    assert_true(count > 0);
    qsort(places, count, sizeof places[0], rig_compare);
    for (uint64_t i = 1; i < count; i++)
        assert_true(places[i] - places[i - 1] >= INTERVAL_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pacer_keeps_every_two_calls_apart),
    };

    return cmocka_run_group_tests_name("pacer torture", tests, NULL, NULL);
}
