/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What pickers write, under every interleaving: bounded load never exceeds its bound and counts
 * nobody twice, a moving latency loses no peak.
 */
#include "test.h"

#include "interleave.h"

#include "hash_fixture.h"

#include "../../src/balancer/bounded_load.c"
#include "../../src/balancer/ewma.c"

#define HOSTS 4
#define NOW   RESIL_SEC(1000)
#define DECAY RESIL_SEC(10)
#define LEAST 1 /* ms: the least of the latencies that are told */
#define KEY   UINT64_C(0x123456789abcdef1)

typedef void body(int self);

static struct town *town;
static uint32_t home, away; /* of the key: the first and the second clockwise */
static uint32_t held[INTERLEAVE_FIBERS];
static uint64_t word;

/* Four hosts and three calls: ceil(1.01 * 3 / 4) is 1, so that each call has a host of its own. */
static void set_up_town(void)
{
    memset(town->loads, 0, HOSTS * sizeof *town->loads);
    memset(&town->turns, 0, sizeof town->turns);
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        held[i] = RESIL_PICK_NONE;
}

static uint64_t *in_flight(uint32_t member)
{
    return &town->loads[member].in_flight_;
}

static uint32_t pick_as(int self)
{
    struct resil_pick_context context = {.key = KEY, .stripe_ = (uint32_t)self};
    uint32_t candidate = pick(&town->pool, &context);

    interleave_check(candidate < town->pool.count);
    held[self] = town->candidates[candidate].member;
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        interleave_check(i == self || held[i] != held[self]);
    return held[self];
}

static void pick_and_keep(int self)
{
    (void)pick_as(self);
}

static void pick_and_report(int self)
{
    uint32_t member = pick_as(self);

    held[self] = RESIL_PICK_NONE;
    resil__bounded_release(&town->turns, (uint32_t)self + 3, &town->loads[member]);
}

static void pick_and_report_twice(int self)
{
    pick_and_report(self);
    pick_and_report(self);
}

static void verify_sums(void)
{
    uint64_t kept = 0, of_hosts = 0, of_stripes = 0;

    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        kept += held[i] != RESIL_PICK_NONE;
    for (uint32_t i = 0; i < HOSTS; i++) {
        interleave_check(*in_flight(i) <= 1);
        of_hosts += *in_flight(i);
    }
    for (int i = 0; i < RESIL__STRIPES; i++)
        of_stripes += town->turns.stripes[i].in_flight;
    interleave_check(of_hosts == kept && of_stripes == kept);
}

static void bounded_load_keeps_its_bound(void **state)
{
    struct scenario keep = {
        __func__, 3,           (body *const[]){pick_and_keep, pick_and_keep, pick_and_keep},
        3,        set_up_town, verify_sums};
    struct scenario report = {
        __func__, 3,           (body *const[]){pick_and_report_twice, pick_and_keep, pick_and_keep},
        3,        set_up_town, verify_sums};

    (void)state;
    town = town_new(resil_picker_bounded_load(), HOSTS,
                    (struct resil_picker_options){.bounded_pct = 101});
    town_build(town);
    set_up_town();
    home = pick_as(0);
    away = pick_as(1);
    interleave_explore(&keep);
    interleave_explore(&report);
    interleave_finds(&keep, (struct fault){"claim", in_flight(home), FAULT_BLIND});
    interleave_finds(&keep, (struct fault){"claim", in_flight(away), FAULT_BLIND});
    /* A pool that doesn't count its calls: the next one has no bound to go by. */
    interleave_finds(&report, (struct fault){"resil__bounded_release",
                                             &town->turns.stripes[3].in_flight, FAULT_LOST});
    town_free(town);
}

static void set_up_word(void)
{
    word = 0;
    resil__ewma_observe(&word, RESIL_MS(LEAST), NOW, DECAY);
}

static void tell(int self)
{
    resil__ewma_observe(&word, RESIL_MS((uint64_t)(10 * (self + 1))), NOW, DECAY);
}

static void tell_twice(int self)
{
    resil__ewma_observe(&word, RESIL_MS(LEAST), NOW, DECAY);
    tell(self);
}

/* At one moment the highest stands, whoever told it. Rounded to 26 bits. */
static void verify_peak(void)
{
    uint64_t peak = resil__ewma_read(word, NOW, DECAY, 0);

    interleave_check(peak >= RESIL_MS(30) - 10 && peak <= RESIL_MS(30));
}

static void no_peak_is_lost(void **state)
{
    struct scenario is = {__func__, 3,           (body *const[]){tell, tell, tell},
                          3,        set_up_word, verify_peak};
    struct scenario twice = {
        __func__, 3,           (body *const[]){tell_twice, tell_twice, tell_twice},
        3,        set_up_word, verify_peak};

    (void)state;
    interleave_explore(&is);
    interleave_explore(&twice);
    interleave_finds(&is, (struct fault){"resil__ewma_observe", &word, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounded_load_keeps_its_bound),
        cmocka_unit_test(no_peak_is_lost),
    };

    return cmocka_run_group_tests_name("pickers interleavings", tests, NULL, NULL);
}
