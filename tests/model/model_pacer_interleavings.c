/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The pacer under every interleaving: no two calls have the same place in its queue, none is given
 * up for another, none starts inside of a drain.
 */
#include "test.h"

#include "interleave.h"

#include "../../src/limiter/gcra.c"
#include "../../src/limiter/pacer.c"

#define NOW      RESIL_SEC(1000)
#define INTERVAL RESIL_SEC(1)

typedef void body(int self);

static struct resil_pacer pacer;
static struct resil_reservation places[INTERLEAVE_FIBERS];
static bool has[INTERLEAVE_FIBERS], drained;

static void set_up(void)
{
    (void)resil_pacer_init(&pacer,
                           &(struct resil_pacer_config){.tokens = 1, .wait_ns = RESIL_SEC(60)});
    memset(places, 0, sizeof places);
    memset(has, 0, sizeof has);
    drained = false;
}

static void queue_up(int self)
{
    interleave_check(resil_pacer_reserve(&pacer, 1, NOW, &places[self]) == RESIL_OK);
    has[self] = true;
}

static void give_up(int self)
{
    int rc;

    queue_up(self);
    rc = resil_pacer_cancel(&pacer, &places[self], NOW);
    interleave_check(rc == RESIL_OK || rc == RESIL_ELATE);
    has[self] = rc != RESIL_OK; /* else its place is another's, or free */
}

static void change_mind(int self)
{
    give_up(self);
    queue_up(self);
}

/* At NOW, a second later, and so on: each once. */
static void verify_apart(void)
{
    for (int i = 0; i < INTERLEAVE_FIBERS; i++) {
        interleave_check(!has[i] || (places[i].at_ns - NOW) % INTERVAL == 0);
        for (int j = 0; j < i; j++)
            interleave_check(!has[i] || !has[j] || places[i].at_ns != places[j].at_ns);
        interleave_check(!has[i] || places[i].at_ns < NOW + 4 * INTERVAL);
    }
}

static void no_two_have_the_same_place(void **state)
{
    struct scenario all = {__func__, 3,      (body *const[]){queue_up, queue_up, queue_up},
                           3,        set_up, verify_apart};
    struct scenario some = {__func__, 3,      (body *const[]){change_mind, queue_up, queue_up},
                            3,        set_up, verify_apart};

    (void)state;
    interleave_explore(&all);
    interleave_explore(&some);
    interleave_finds(&all, (struct fault){"resil__gcra_take", &pacer.gcra_.word_, FAULT_BLIND});
    interleave_finds(&some,
                     (struct fault){"resil__gcra_give_back", &pacer.gcra_.word_, FAULT_BLIND});
}

static void drain(int self)
{
    (void)self;
    resil_pacer_drain(&pacer, RESIL_SEC(5), NOW);
    drained = true;
}

static void queue_up_twice(int self)
{
    for (int i = 0; i < 2; i++) {
        bool late = drained;

        queue_up(self);
        interleave_check(!late || places[self].at_ns >= NOW + RESIL_SEC(5));
    }
}

static void verify_drained(void)
{
    struct resil_pacer_snapshot snapshot;

    resil_pacer_snapshot(&pacer, NOW, &snapshot);
    interleave_check(snapshot.next_at_ns >= NOW + RESIL_SEC(5));
}

static void nothing_starts_inside_of_a_drain(void **state)
{
    struct scenario is = {__func__, 3,      (body *const[]){drain, queue_up_twice, queue_up_twice},
                          3,        set_up, verify_drained};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__gcra_take", &pacer.gcra_.word_, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_have_the_same_place),
        cmocka_unit_test(nothing_starts_inside_of_a_drain),
    };

    return cmocka_run_group_tests_name("pacer interleavings", tests, NULL, NULL);
}
