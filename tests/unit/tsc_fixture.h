/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_TSC_FIXTURE_H
#define RESIL_TEST_TSC_FIXTURE_H

/* A counter and a clock of our own making, and a clock that is made of them. */

#include "test.h"

#include "platform/tsc.h"

#define PRECISE_NS 1000
#define RUNS_STEPS 2000

/** A case with all of this anew. */
#define TEST(name) cmocka_unit_test_setup(name, setup)

/* One true time; the counter counts it at a rate that may change, from an offset that may jump. */
static struct world {
    uint64_t ns;
    uint64_t counts;
    uint64_t khz;
    uint64_t rest;        /* of a count, in millionths */
    uint64_t clock_takes; /* ns */
    uint64_t counter_reads;
    unsigned counters_before;     /* during_counter: readings of the counter to let pass */
    void (*during_counter)(void); /* once, before the counter is read */
    void (*during_clock)(void);   /* once, after the clock was read */
} world;

static struct resil__tsc tsc;
static uint64_t last_ns;

static inline void pass(uint64_t ns)
{
    uint64_t parts = world.rest + ns % 1000000 * world.khz;

    world.ns += ns;
    world.counts += ns / 1000000 * world.khz + parts / 1000000;
    world.rest = parts % 1000000;
}

static inline uint64_t fake_counter(void)
{
    void (*hook)(void) = world.during_counter;

    world.counter_reads++;
    if (world.counters_before > 0) {
        world.counters_before--;
    } else if (hook != NULL) {
        world.during_counter = NULL;
        hook();
    }
    pass(5);
    return world.counts;
}

static inline uint64_t fake_clock(void)
{
    void (*hook)(void) = world.during_clock;
    uint64_t ns;

    pass(world.clock_takes / 2);
    ns = world.ns;
    pass(world.clock_takes - world.clock_takes / 2);
    world.during_clock = NULL;
    if (hook != NULL)
        hook();
    return ns;
}

static const struct resil__tsc_source source = {fake_counter, fake_clock};

static inline int setup(void **state)
{
    (void)state;
    tsc = (struct resil__tsc){.current = 0};
    world = (struct world){
        .ns = RESIL_SEC(5), .counts = 77000000000, .khz = 2600000, .clock_takes = 20};
    last_ns = 0;
    return 0;
}

static inline uint64_t off_by(uint64_t ns)
{
    return ns > world.ns ? ns - world.ns : world.ns - ns;
}

/* A reading, which never falls. */
static inline uint64_t read_ns(void)
{
    uint64_t ns = resil__tsc_now(&tsc, &source);

    assert_true(ns >= last_ns);
    last_ns = ns;
    return ns;
}

static inline uint64_t error_after(uint64_t ns)
{
    pass(ns);
    return off_by(read_ns());
}

static inline void learn(void)
{
    for (unsigned i = 0; i < 40 && !resil__tsc_runs(&tsc); i++)
        (void)error_after(RESIL_MS(1));
    assert_true(resil__tsc_runs(&tsc));
}

static inline void held_up_for_5_ms(void)
{
    pass(RESIL_MS(5));
}

#endif
