/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE

/*
 * Threads against the promises of the leased limiter: burst and rate, neither more nor less. Three
 * times: as init found fit, with threads that pin themselves now to one processor and now to another,
 * so that they leave stripes in the middle; and with locked operations alone.
 */
#include "limits_rig.h"

#include <sched.h>
#include <unistd.h>

#include <resil/leased_limiter.h>

#include "platform/owners.h"

#define INTERVAL_NS UINT64_C(1000)
#define BURST       UINT64_C(256)

static struct resil_limiter limiter;
static struct resil_leased_limiter leased;

enum way {
    AS_IS,
    HOPPING,
    LOCKED
};
static enum way way;

/* One in 128: pinned meanwhile. */
static void hop(uint64_t *random)
{
    cpu_set_t one;

    if (way != HOPPING || test_below(random, 128) != 0)
        return;
    CPU_ZERO(&one);
    CPU_SET(test_below(random, (uint64_t)sysconf(_SC_NPROCESSORS_ONLN)), &one);
    (void)sched_setaffinity(0, sizeof one, &one); /* where we may run there */
}

/* Four stripes of 16, so 64 are kept. */
static void setup(void)
{
    struct resil_leased_limiter_config config = {.stripes = 4};

    assert_int_equal(resil_limiter_init(&limiter,
                                        &(struct resil_limiter_config){
                                            .tokens = 1, .period_ns = INTERVAL_NS, .burst = BURST}),
                     RESIL_OK);
    assert_int_equal(resil_leased_limiter_init(&leased, &limiter, &config), RESIL_OK);
    if (way == LOCKED)
        leased.barred_ = RESIL__OWNERS_NONE;
}

static struct resil_leased_limiter_snapshot look(uint64_t now_ns)
{
    struct resil_leased_limiter_snapshot snapshot;

    assert_int_equal(resil_leased_limiter_snapshot(&leased, now_ns, &snapshot), RESIL_OK);
    return snapshot;
}

static uint64_t drain_rest(uint64_t now_ns)
{
    uint64_t rest = 0;

    while (resil_leased_limiter_acquire(&leased, 1, now_ns, NULL) == RESIL_OK)
        rest++;
    return rest;
}

/* Each step of the clock is shorter than an interval, each asks for at least one token: never
   full. */
static void saturate(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, INTERVAL_NS / 2);
    uint64_t cost = 1 + test_below(random, 2);

    hop(random);
    if (resil_leased_limiter_acquire(&leased, cost, now_ns, NULL) == RESIL_OK)
        *granted += cost;
}

/* What is kept is never granted while the stripes are empty; nothing else is missing. */
static void leases_grant_exactly_burst_and_rate(void **state)
{
    struct rig rig = {.work = saturate};
    uint64_t elapsed_ns;

    (void)state;
    setup();
    rig.granted = drain_rest(START_NS);
    assert_int_equal(rig.granted, BURST - 64);
    (void)rig_run(&rig, test_torture_ms());
    elapsed_ns = rig.clock_ns - START_NS;
    assert_int_equal(rig.granted + drain_rest(rig.clock_ns), BURST - 64 + elapsed_ns / INTERVAL_NS);
    assert_int_equal(look(rig.clock_ns).leased, 0);
    assert_int_equal(leased.barred_ % RESIL__OWNERS_NONE, 0);
}

/* Idle spans in between: the bucket fills, batches are leased, and all comes at once. */
static void come_in_bursts(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, INTERVAL_NS / 2);

    hop(random);
    if (test_below(random, 300) == 0)
        now_ns = rig_now(rig, random, 2 * BURST * INTERVAL_NS);
    for (uint64_t i = test_below(random, 40); i > 0; i--)
        *granted += resil_leased_limiter_acquire(&leased, 1, now_ns, NULL) == RESIL_OK;
}

static void leases_never_grant_more_than_burst_and_rate(void **state)
{
    struct rig rig = {.work = come_in_bursts};
    uint64_t granted;

    (void)state;
    setup();
    granted = rig_run(&rig, test_torture_ms());
    assert_true(granted > 0);
    assert_true(granted + drain_rest(rig.clock_ns) <=
                BURST + (rig.clock_ns - START_NS) / INTERVAL_NS);
    assert_true(look(rig.clock_ns).leased == 0);
}

/* Once the clock stands still there is at most a burst, whatever was leased before: many short
   runs. */
static void a_burst_is_never_exceeded(void **state)
{
    uint64_t runs = 1 + test_torture_ms() / 10;

    (void)state;
    for (uint64_t i = 0; i < runs; i++) {
        struct rig rig = {.work = come_in_bursts, .rounds_max = 50};
        uint64_t before_ns;
        uint64_t granted;

        setup();
        (void)rig_run(&rig, 0);
        before_ns = rig.clock_ns;
        granted = drain_rest(before_ns + BURST * INTERVAL_NS);
        assert_true(granted <= BURST && granted >= BURST - 64);
    }
}

static void acquire_and_drain(struct rig *rig, uint64_t *random, uint64_t *granted)
{
    uint64_t now_ns = rig_now(rig, random, INTERVAL_NS);

    hop(random);
    if (test_below(random, 64) == 0)
        resil_leased_limiter_drain(&leased, test_below(random, 20) * INTERVAL_NS, now_ns);
    else
        *granted += resil_leased_limiter_acquire(&leased, 1, now_ns, NULL) == RESIL_OK;
}

static void drains_leave_no_marks(void **state)
{
    struct rig rig = {.work = acquire_and_drain};
    uint64_t later_ns;

    (void)state;
    setup();
    (void)rig_run(&rig, test_torture_ms());
    resil_leased_limiter_drain(&leased, 0, rig.clock_ns);
    later_ns = rig.clock_ns + 100 * BURST * INTERVAL_NS;
    assert_int_equal(look(later_ns).leased, 0);
    assert_int_equal(drain_rest(later_ns), BURST - 64);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal((uint32_t)leased.stripe_[i].word_, 0);
}

static int as_is(void **state)
{
    (void)state;
    way = AS_IS;
    return 0;
}

static int hopping(void **state)
{
    (void)state;
    way = HOPPING;
    return 0;
}

static int locked(void **state)
{
    (void)state;
    way = LOCKED;
    return 0;
}

int main(void)
{
#define EACH_WAY(test)                                                                             \
    cmocka_unit_test_setup(test, as_is), cmocka_unit_test_setup(test, hopping),                    \
        cmocka_unit_test_setup(test, locked)
    const struct CMUnitTest tests[] = {
        EACH_WAY(leases_grant_exactly_burst_and_rate),
        EACH_WAY(leases_never_grant_more_than_burst_and_rate),
        EACH_WAY(a_burst_is_never_exceeded),
        EACH_WAY(drains_leave_no_marks),
    };

    return cmocka_run_group_tests_name("leased limiter torture", tests, NULL, NULL);
}
