/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The counter as a clock under every interleaving, while lines end and others are drawn: what a
 * thread reads never falls, is never off by more than the header says, and nobody waits for who
 * draws a line. Counter and clock are of our own making, and each reading of the counter is a step.
 */
#include "test.h"

#include "interleave.h"

#include "../../src/platform/tsc.c"

#define LATE_NS (RESIL__TSC_LINE_NS + RESIL__TSC_LINE_NS / 16)

/* What resil_env_tsc promises, and 15 ppm of a line. */
#define PRECISE_NS 1020

typedef void body(int self);

static struct resil__tsc tsc, settled;
static uint64_t true_ns, settled_ns;

/* Two and a half counts a ns. */
static uint64_t fake_counter(void)
{
    interleave_point();
    true_ns += 6;
    return true_ns * 5 / 2;
}

static uint64_t fake_clock(void)
{
    true_ns += 20;
    return true_ns;
}

static const struct resil__tsc_source source = {fake_counter, fake_clock};

/* Until the rate is known and a line is there; once, and copied from then on. */
static void settle(void)
{
    true_ns = RESIL_SEC(1000);
    for (int i = 0; i < 1000 || !resil__tsc_runs(&tsc); i++) {
        true_ns += RESIL_US(300);
        (void)resil__tsc_now(&tsc, &source);
    }
    settled = tsc;
    settled_ns = true_ns;
}

static void set_up(void)
{
    tsc = settled;
    true_ns = settled_ns;
}

static uint64_t read_clock(uint64_t last_ns)
{
    uint64_t before_ns = true_ns;
    uint64_t ns = resil__tsc_now(&tsc, &source);

    interleave_check(ns >= last_ns);
    interleave_check(ns + PRECISE_NS >= before_ns && ns <= true_ns + PRECISE_NS);
    return ns;
}

static void read_once(int self)
{
    (void)self;
    (void)read_clock(0);
}

static void read_twice(int self)
{
    (void)self;
    (void)read_clock(read_clock(0));
}

/* Each time when the line has ended. */
static void read_late(int self)
{
    (void)self;
    true_ns += LATE_NS;
    (void)read_clock(0);
}

static void read_late_twice(int self)
{
    uint64_t ns;

    (void)self;
    true_ns += LATE_NS;
    ns = read_clock(0);
    true_ns += LATE_NS;
    (void)read_clock(ns);
}

static void verify(void)
{
    interleave_check(tsc.busy == 0 && resil__tsc_runs(&tsc));
    interleave_check(tsc.current > settled.current);
}

static void readings_are_whole_and_dont_fall(void **state)
{
    struct scenario one = {__func__, 3,      (body *const[]){read_once, read_once, read_late},
                           3,        set_up, verify};
    struct scenario two = {__func__, 2,      (body *const[]){read_twice, read_late_twice},
                           3,        set_up, verify};
    struct scenario both = {__func__, 2, (body *const[]){read_late, read_late}, 3, set_up, verify};

    (void)state;
    settle();
    interleave_explore(&one);
    interleave_explore(&two);
    interleave_explore(&both);
    /* A line that is read while it is written anew. */
    interleave_finds(&two, (struct fault){"resil__tsc_now", &tsc.current, FAULT_STALE});
    interleave_finds(&both, (struct fault){"renew", &tsc.busy, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readings_are_whole_and_dont_fall),
    };

    return cmocka_run_group_tests_name("tsc interleavings", tests, NULL, NULL);
}
