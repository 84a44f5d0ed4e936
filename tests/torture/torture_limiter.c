/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 200809L

/* The limiter under threads: never more than burst + rate * t, and not one token lost either. */
#include "limits_rig.h"

#include <resil/limiter.h>

#define INTERVAL_NS UINT64_C(1000)
#define BURST       UINT64_C(50)

static struct resil_limiter limiter;

static void setup(void)
{
    assert_int_equal(resil_limiter_init(&limiter,
                                        &(struct resil_limiter_config){
                                            .tokens = 1, .period_ns = INTERVAL_NS, .burst = BURST}),
                     RESIL_OK);
}

static uint64_t drain_rest(uint64_t now_ns)
{
    uint64_t rest = 0;

    while (resil_limiter_acquire(&limiter, 1, now_ns, NULL) == RESIL_OK)
        rest++;
    return rest;
}

/* Each step of the clock is shorter than an interval, each asks for at least one token: never
   full. */
static void saturate(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, INTERVAL_NS / 2);
    uint64_t cost = 1 + test_below(random, 2);

    if (resil_limiter_acquire(&limiter, cost, now_ns, NULL) == RESIL_OK)
        *granted += cost;
}

static void limiter_grants_exactly_burst_and_rate(void **state)
{
    static struct rig rig = {.work = saturate};
    uint64_t elapsed_ns;

    (void)state;
    setup();
    assert_int_equal(resil_limiter_acquire(&limiter, BURST, START_NS, NULL), RESIL_OK);
    rig.granted = BURST;
    (void)rig_run(&rig, test_torture_ms());
    elapsed_ns = rig.clock_ns - START_NS;
    assert_int_equal(rig.granted + drain_rest(rig.clock_ns), BURST + elapsed_ns / INTERVAL_NS);
}

/* Some take a slot ahead, some give theirs back at once or not at all. */
static void reserve_and_cancel(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, INTERVAL_NS);
    uint64_t cost = 1 + test_below(random, 3);
    struct resil_reservation reservation;

    if (resil_limiter_reserve(&limiter, cost, now_ns, test_below(random, 20) * INTERVAL_NS,
                              &reservation) != RESIL_OK)
        return;
    if (test_below(random, 2) == 0 &&
        resil_limiter_cancel(&limiter, &reservation, now_ns) == RESIL_OK)
        return;
    *granted += cost;
}

static void limiter_never_lends_more_than_burst_and_rate(void **state)
{
    static struct rig rig = {.work = reserve_and_cancel};
    uint64_t granted;
    uint64_t ahead_ns = 20 * INTERVAL_NS;

    (void)state;
    setup();
    granted = rig_run(&rig, test_torture_ms());
    assert_true(granted > 0);
    assert_true(granted <= BURST + (rig.clock_ns + ahead_ns - START_NS) / INTERVAL_NS);
}

static void acquire_and_reconfigure(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, INTERVAL_NS);

    if (test_below(random, 64) == 0) {
        struct resil_limiter_config config = {
            .tokens = 1,
            .period_ns = INTERVAL_NS << test_below(random, 4),
            .burst = 1 + test_below(random, BURST),
        };
        int rc = resil_limiter_reconfigure(&limiter, &config, now_ns);

        if (rc != RESIL_OK && rc != RESIL_EBUSY)
            abort();
    } else if (resil_limiter_acquire(&limiter, 1, now_ns, NULL) == RESIL_OK) {
        *granted += 1;
    }
}

/* Under any mixture of configs: no more than the largest burst and the fastest rate. */
static void limiter_gives_nothing_away_while_it_changes(void **state)
{
    static struct rig rig = {.work = acquire_and_reconfigure};
    uint64_t granted;
    struct resil_limiter_snapshot snapshot;

    (void)state;
    setup();
    granted = rig_run(&rig, test_torture_ms());
    assert_true(granted <= BURST + (rig.clock_ns - START_NS) / INTERVAL_NS + 1);
    resil_limiter_snapshot(&limiter, rig.clock_ns, &snapshot);
    assert_true(snapshot.reconfigured > 0 && snapshot.available <= snapshot.burst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limiter_grants_exactly_burst_and_rate),
        cmocka_unit_test(limiter_never_lends_more_than_burst_and_rate),
        cmocka_unit_test(limiter_gives_nothing_away_while_it_changes),
    };

    return cmocka_run_group_tests_name("limiter torture", tests, NULL, NULL);
}
