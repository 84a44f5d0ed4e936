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

/* A slower pace meets callers that want no wait: never two of them in one interval, by whichever
   pace. */
static unsigned started, refused;

static void set_up_counted(void)
{
    set_up();
    started = refused = 0;
}

static void start_now(int self)
{
    uint64_t at_ns = 0;

    (void)self;
    if (resil_pacer_acquire(&pacer, 1, NOW, &at_ns) == RESIL_OK) {
        started++;
        return;
    }
    refused++;
    interleave_check(at_ns == NOW + INTERVAL || at_ns == NOW + 2 * INTERVAL);
    interleave_check(resil_pacer_peek(&pacer, 1, NOW, NULL) == RESIL_ELIMITED);
}

static void slow_down(int self)
{
    (void)self;
    interleave_check(resil_pacer_reconfigure(
                         &pacer,
                         &(struct resil_pacer_config){.tokens = 1, .period_ns = 2 * INTERVAL},
                         NOW) == RESIL_OK);
}

static void verify_one_started(void)
{
    interleave_check(started == 1 && refused == 1);
}

static void a_change_of_pace_starts_nobody_early(void **state)
{
    struct scenario is = {
        __func__,          3, (body *const[]){start_now, start_now, slow_down}, 3, set_up_counted,
        verify_one_started};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"load_word", &pacer.gcra_.word_, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_have_the_same_place),
        cmocka_unit_test(nothing_starts_inside_of_a_drain),
        cmocka_unit_test(a_change_of_pace_starts_nobody_early),
    };

    return cmocka_run_group_tests_name("pacer interleavings", tests, NULL, NULL);
}
