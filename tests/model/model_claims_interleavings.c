/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What pickers change by compare-and-swap, and what a file resolver tells, under every interleaving
 * of two or three callers: no endpoint gets one call too many, no slow sample is overwritten by a quick
 * one, and nobody hears half of what was told.
 */
#include "test.h"

#include <resil/balancer.h>
#include <resil/file_resolver.h>

#include "interleave.h"

#include "../../src/balancer/bounded_load.c"
#include "../../src/balancer/ewma.c"
#include "../../src/driver/file_told.c"

#define HOSTS 2
#define NOW   RESIL_SEC(1000)

typedef void body(int self);

static struct resil_load loads[HOSTS];
static struct resil_member members[HOSTS];
static struct resil_candidate candidates[HOSTS];
static struct resil_pool pool;
static const struct resil_pick_context context;
static unsigned claimed;

static void set_up(void)
{
    claimed = 0;
    for (uint32_t i = 0; i < HOSTS; i++) {
        loads[i] = (struct resil_load){.in_flight_ = 0};
        members[i] = (struct resil_member){.load = &loads[i], .id = i + 1};
        candidates[i] = (struct resil_candidate){.load = &loads[i], .member = i, .weight = 1};
    }
    pool = (struct resil_pool){
        .candidates = candidates, .members = members, .count = HOSTS, .member_count = HOSTS};
}

/* Room for two: 2 * 1 >= calls of weight 1. */
static void claim_one(int self)
{
    (void)self;
    claimed += claim(&candidates[0], (struct bound){.load = 2, .slope = 1});
}

static void verify_two(void)
{
    interleave_check(claimed == 2 && loads[0].in_flight_ == 2);
}

static void an_endpoint_never_gets_one_call_too_many(void **state)
{
    struct scenario is = {__func__, 3,      (body *const[]){claim_one, claim_one, claim_one},
                          0,        set_up, verify_two};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"claim", &loads[0].in_flight_, FAULT_BLIND});
}

static void claim_the_least(int self)
{
    (void)self;
    claimed += claim_least(&pool, &context, 7) != RESIL_PICK_NONE;
}

static void verify_even(void)
{
    interleave_check(claimed == 2);
    interleave_check(loads[0].in_flight_ == 1 && loads[1].in_flight_ == 1);
}

static void who_loses_the_least_loaded_looks_again(void **state)
{
    struct scenario is = {__func__, 2,      (body *const[]){claim_the_least, claim_the_least},
                          0,        set_up, verify_even};

    (void)state;
    interleave_explore(&is);
    /* Whose turn it is first says the key. */
    interleave_finds(&is,
                     (struct fault){"claim_least",
                                    &loads[resil__random_below(resil__mix(7), HOSTS)].in_flight_,
                                    FAULT_BLIND});
}

static void observe_one(int self)
{
    resil__ewma_observe(&loads[0].ewma_, RESIL_MS(2 + (uint64_t)self), NOW, RESIL_SEC(10));
}

static void verify_peak(void)
{
    uint64_t ns = resil__ewma_read(loads[0].ewma_, NOW, RESIL_SEC(10), 0);

    interleave_check(ns > RESIL_MS(4) - RESIL_US(1) && ns < RESIL_MS(4) + RESIL_US(1));
}

static void the_slowest_of_samples_at_one_time_stays(void **state)
{
    struct scenario is = {__func__, 3,      (body *const[]){observe_one, observe_one, observe_one},
                          0,        set_up, verify_peak};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__ewma_observe", &loads[0].ewma_, FAULT_BLIND});
}

static struct resil_file_resolver file;
static uint64_t inside;

static void set_up_file(void)
{
    memset(&file, 0, sizeof file);
    inside = 0;
    claimed = 0;
}

static void tell(int self)
{
    (void)self;
    lock(&file);
    interleave_check(resil__add_relaxed(&inside, 1) == 0);
    (void)resil__sub(&inside, 1);
    unlock(&file);
    claimed++;
}

static void verify_told(void)
{
    interleave_check(claimed == 3 && file.lock_ == 0);
}

static void one_tells_of_a_file_at_a_time(void **state)
{
    struct scenario is = {__func__, 3,           (body *const[]){tell, tell, tell},
                          0,        set_up_file, verify_told};

    (void)state;
    interleave_explore_waiting(&is);
    interleave_finds(&is, (struct fault){"lock", &file.lock_, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_endpoint_never_gets_one_call_too_many),
        cmocka_unit_test(who_loses_the_least_loaded_looks_again),
        cmocka_unit_test(the_slowest_of_samples_at_one_time_stays),
        cmocka_unit_test(one_tells_of_a_file_at_a_time),
    };

    return cmocka_run_group_tests_name("claims_interleavings", tests, NULL, NULL);
}
