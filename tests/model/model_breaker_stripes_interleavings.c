/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A striped breaker under every interleaving of two or three callers, each on a processor of his
 * own: what the sum of all stripes asks for has been done when nobody is inside; nothing is counted
 * that an older epoch left in a stripe; no more than those inside come too late for the trip.
 */
#include "test.h"

#include "interleave.h"

#include "stripe_by_hand.h"

#include "../../src/breaker/breaker_acquire.c"
#include "../../src/breaker/breaker_control.c"
#include "../../src/breaker/breaker_look.c"
#include "../../src/breaker/breaker_open.c"
#include "../../src/breaker/breaker_probe.c"
#include "../../src/breaker/breaker_record.c"
#undef BAD
#include "../../src/breaker/breaker_config.c"
#include "../../src/window/ring.c"
#undef CALLS_MASK
#define prepare slices_prepare
#include "../../src/window/slices.c"
#undef prepare

#define NOW     RESIL_SEC(1000)
#define STRIPES 4

typedef void body(int self);

__thread int32_t test_cpu;
__thread uint32_t test_cpu_asked;
static RESIL_STRIPED_BREAKER(STRIPES) striped;
static struct resil_permit permits[INTERLEAVE_FIBERS];
static unsigned counted;

static const struct resil_result failure = {.outcome = RESIL_FAILURE};
static const struct resil_result success = {.outcome = RESIL_SUCCESS};

static void begin(struct resil_breaker_config with)
{
    with.slices = 1;
    with.jitter_pct = RESIL_OFF;
    (void)resil_breaker_init_striped(&striped.breaker, sizeof striped, &with, STRIPES);
    counted = 0;
}

static void grant(void)
{
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        (void)resil_breaker_acquire(&striped.breaker, NOW, &permits[i]);
}

static void record_on(int cpu, int permit, const struct resil_result *result)
{
    int rc;

    test_cpu = cpu; /* read before the first operation on a shared word: no fiber comes between */
    rc = resil_breaker_record(&striped.breaker, &permits[permit], NOW, result);
    interleave_check(rc == RESIL_OK || rc == RESIL_ELATE);
    counted += rc == RESIL_OK;
}

/* Stripe 0 or 1 has been written in this epoch already. */
static void seed_stripes(struct resil_breaker_config with)
{
    begin(with);
    for (int cpu = 0; cpu < 3; cpu++) {
        grant();
        record_on(cpu, 0, &success);
    }
    grant();
    counted = 0;
}

static void set_up_failures(void)
{
    seed_stripes((struct resil_breaker_config){.failure_pct = RESIL_OFF, .failures = 2});
}

static void set_up_fresh(void)
{
    begin((struct resil_breaker_config){.failure_pct = RESIL_OFF, .failures = 2});
    grant();
}

static void fail_here(int self)
{
    record_on(self, self, &failure);
}

static void succeed_here(int self)
{
    record_on(self, self, &success);
}

static bool is_open(void)
{
    struct resil_breaker_snapshot now;

    (void)resil_breaker_snapshot(&striped.breaker, NOW, &now);
    return now.state == RESIL_BREAKER_OPEN && now.opened_total == 1;
}

static void verify_open(void)
{
    interleave_check(is_open());
}

static void two_failures_on_two_stripes_trip(void **state)
{
    struct scenario is = {__func__,        2,          (body *const[]){fail_here, fail_here}, 4,
                          set_up_failures, verify_open};
    struct scenario three = {
        __func__,        3,          (body *const[]){fail_here, fail_here, succeed_here}, 3,
        set_up_failures, verify_open};
    struct scenario fresh = {__func__,     2,          (body *const[]){fail_here, fail_here}, 4,
                             set_up_fresh, verify_open};
    uint64_t *other = resil__breaker_stripe(&striped.breaker, 1) + RESIL__STRIPE_CELLS;

    (void)state;
    interleave_explore(&is);
    interleave_explore(&three);
    interleave_explore(&fresh);
    interleave_finds(&is, (struct fault){"resil__slices_add", other, FAULT_LOST});
    interleave_finds(&is, (struct fault){"judge_and_trip", &striped.breaker.word_, FAULT_BLIND});
}

/* The share is reached by a success: the third call. */
static void set_up_share(void)
{
    begin((struct resil_breaker_config){.failure_pct = 66, .calls_min = 3});
    grant();
}

static void the_call_that_makes_it_enough_trips(void **state)
{
    struct scenario is = {
        __func__,     3,          (body *const[]){fail_here, fail_here, succeed_here}, 3,
        set_up_share, verify_open};
    uint64_t *word = &striped.breaker.word_;

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"judge_and_trip", word, FAULT_LOST});
}

/* One failure short, and three callers: at most two more are counted than it takes. */
static void fail_twice(int self)
{
    for (int i = 0; i < 2; i++)
        if (resil_breaker_acquire(&striped.breaker, NOW, &permits[self]) == RESIL_OK)
            record_on(self, self, &failure);
}

static void verify_late(void)
{
    interleave_check(is_open());
    interleave_check(counted >= 2 && counted <= 2 + 1);
}

static void a_trip_is_late_by_those_inside_at_most(void **state)
{
    struct scenario is = {__func__,        2,          (body *const[]){fail_twice, fail_twice}, 4,
                          set_up_failures, verify_late};

    (void)state;
    interleave_explore(&is);
}

/* Stripe 3 holds results of generation 1; the first results of generation 2 are on their way. */
static void set_up_stale(void)
{
    begin((struct resil_breaker_config){.failure_pct = RESIL_OFF, .failures = 3});
    grant();
    record_on(3, 0, &failure);
    (void)resil_breaker_reset(&striped.breaker);
    grant();
    counted = 0;
}

static void fail_on_stale(int self)
{
    (void)self;
    record_on(3, self, &failure);
}

static void verify_forgotten(void)
{
    struct resil_breaker_snapshot now;
    uint64_t head = *resil__breaker_stripe(&striped.breaker, 3);

    (void)resil_breaker_snapshot(&striped.breaker, NOW, &now);
    interleave_check(now.state == RESIL_BREAKER_CLOSED && now.failures == 2 && counted == 2);
    interleave_check(head == 0 || resil__slices_of_epoch(head, 2));
}

static void the_first_result_of_an_epoch_empties_all_stripes(void **state)
{
    struct scenario apart = {
        __func__, 2, (body *const[]){fail_here, fail_here}, 3, set_up_stale, verify_forgotten};
    struct scenario same = {
        __func__, 2, (body *const[]){fail_here, fail_on_stale}, 3, set_up_stale, verify_forgotten};
    uint64_t *head = resil__breaker_stripe(&striped.breaker, 3);

    (void)state;
    interleave_explore(&apart);
    interleave_explore(&same);
    interleave_finds(&apart, (struct fault){"resil__slices_forget", head, FAULT_LOST});
    interleave_finds(&same, (struct fault){"resil__slices_forget", head, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_failures_on_two_stripes_trip),
        cmocka_unit_test(the_call_that_makes_it_enough_trips),
        cmocka_unit_test(a_trip_is_late_by_those_inside_at_most),
        cmocka_unit_test(the_first_result_of_an_epoch_empties_all_stripes),
    };

    return cmocka_run_group_tests_name("breaker stripes interleavings", tests, NULL, NULL);
}
