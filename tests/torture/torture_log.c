/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

/* The log under threads: in every period of told time at most the limit. */
#include "limits_rig.h"

#include <resil/log.h>

#define PERIOD_NS UINT64_C(20000)
#define LIMIT     UINT64_C(7)
#define CALLS     1000000

static union {
    struct resil_log log;
    uint64_t words[16 + LIMIT];
} room;
static uint64_t calls[CALLS];
static uint64_t count;

static void note(uint64_t told_ns)
{
    uint64_t number = resil__add(&count, 1);

    if (number < CALLS)
        calls[number] = told_ns;
}

static void call(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, PERIOD_NS / LIMIT / 2);
    struct resil_reservation reservation;

    if (resil_log_reserve(&room.log, now_ns, &reservation) != RESIL_OK)
        return;
    if (test_below(random, 3) == 0 && resil_log_cancel(&room.log, &reservation, now_ns) == RESIL_OK)
        return;
    note(now_ns);
    *granted += 1;
}

static void setup(void)
{
    assert_int_equal(
        resil_log_init(&room.log, sizeof room,
                       &(struct resil_log_config){.limit = LIMIT, .period_ns = PERIOD_NS}),
        RESIL_OK);
    count = 0;
}

static void log_is_exact_in_every_period(void **state)
{
    static struct rig rig = {.work = call};
    uint64_t known;

    (void)state;
    setup();
    (void)rig_run(&rig, test_torture_ms());
    known = count < CALLS ? count : CALLS;
    assert_true(known > 0);
    qsort(calls, known, sizeof calls[0], rig_compare);
    for (uint64_t i = LIMIT; i < known; i++)
        assert_true(calls[i] - calls[i - LIMIT] >= PERIOD_NS);
}

static void call_at_rest(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    (void)random;
    *granted += resil_log_acquire(&room.log, rig->clock_ns, NULL) == RESIL_OK;
}

/* Nothing is refused while a place is free: each standing clock yields the whole limit. */
static void log_grants_the_whole_limit(void **state)
{
    (void)state;
    setup();
    for (uint64_t round = 0; round < 100; round++) {
        struct rig rig = {
            .work = call_at_rest, .rounds_max = LIMIT, .clock_ns = START_NS + round * PERIOD_NS};

        assert_int_equal(rig_run(&rig, 0), LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_is_exact_in_every_period),
        cmocka_unit_test(log_grants_the_whole_limit),
    };

    return cmocka_run_group_tests_name("log torture", tests, NULL, NULL);
}
