/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The window counter and the log under every interleaving of two or three callers: never above the
 * limit, nothing lost, nothing given back twice.
 */
#include "test.h"

#include <resil/log.h>
#include <resil/window.h>

#include "interleave.h"

#include "../../src/limiter/window_counter.c"
#undef LIMIT_MAX
#include "../../src/limiter/log.c"

typedef void body(int self);

static struct resil_window window;
static struct {
    struct resil_log log;
    uint64_t places[4];
} book;
static unsigned granted, back;
static bool drained;
static struct resil_reservation reserved[INTERLEAVE_FIBERS];

static void reset(void)
{
    granted = back = 0;
    drained = false;
    memset(reserved, 0, sizeof reserved);
}

/* The window counter and the log at the edge: one call before it, two after. */
#define EDGE RESIL_SEC(2000)

static uint64_t window_limit;

static void set_up_window(void)
{
    reset();
    (void)resil_window_init(&window, &(struct resil_window_config){.limit = window_limit});
    granted += resil_window_acquire(&window, 1, EDGE - 2, NULL) == RESIL_OK;
}

static void enter_at(uint64_t now_ns)
{
    granted += resil_window_acquire(&window, 1, now_ns, NULL) == RESIL_OK;
}

static void enter_before(int self)
{
    (void)self;
    enter_at(EDGE - 1);
}

static void enter_after(int self)
{
    (void)self;
    enter_at(EDGE);
}

static void enter_twice(int self)
{
    enter_after(self);
    enter_before(self);
}

static void enter_and_cancel(int self)
{
    uint64_t now_ns = self == 0 ? EDGE - 1 : EDGE;

    if (resil_window_reserve(&window, 1, now_ns, &reserved[self]) != RESIL_OK)
        return;
    granted++;
    back += resil_window_cancel(&window, &reserved[self], EDGE) == RESIL_OK;
}

/* At the very edge all calls of the window before still count. */
static void verify_window(void)
{
    struct resil_window_snapshot snapshot;

    resil_window_snapshot(&window, EDGE, &snapshot);
    interleave_check(snapshot.used == granted - back && snapshot.used <= window_limit);
}

static void window_counts_every_call_at_its_edge(void **state)
{
    struct scenario is = {
        __func__,     3, (body *const[]){enter_before, enter_after, enter_after}, 0, set_up_window,
        verify_window};

    (void)state;
    window_limit = 2;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__slide_take", &window.word_, FAULT_BLIND});
}

static void window_cancel_takes_out_its_own_alone(void **state)
{
    struct scenario is = {__func__,
                          3,
                          (body *const[]){enter_and_cancel, enter_and_cancel, enter_after},
                          0,
                          set_up_window,
                          verify_window};

    (void)state;
    window_limit = 3;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__slide_give_back", &window.word_, FAULT_BLIND});
}

static void widen_and_narrow(int self)
{
    (void)self;
    for (uint64_t limit = 3; limit >= 2; limit--)
        interleave_check(resil_window_reconfigure(&window,
                                                  &(struct resil_window_config){.limit = limit},
                                                  EDGE) == RESIL_OK);
}

static void verify_wider(void)
{
    interleave_check(granted <= 3);
}

static void window_grants_no_more_than_the_wider_limit(void **state)
{
    struct scenario is = {
        __func__,      3,           (body *const[]){widen_and_narrow, enter_twice, enter_after}, 3,
        set_up_window, verify_wider};

    (void)state;
    window_limit = 2;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__slide_take", &window.word_, FAULT_BLIND});
}

static void set_up_log(void)
{
    reset();
    (void)resil_log_init(&book.log, sizeof book, &(struct resil_log_config){.limit = 2});
    (void)resil_log_acquire(&book.log, EDGE - RESIL_SEC(1), NULL);
    (void)resil_log_acquire(&book.log, EDGE - 2, NULL);
}

/* One place is free from the edge on, the other a period later, but for 2 ns. */
static void note_after(int self)
{
    granted += resil_log_acquire(&book.log, EDGE + (uint64_t)self, NULL) == RESIL_OK;
}

static void note_before(int self)
{
    (void)self;
    interleave_check(resil_log_acquire(&book.log, EDGE - 1, NULL) == RESIL_ELIMITED ||
                     granted == 0);
}

static void note_and_cancel(int self)
{
    if (resil_log_reserve(&book.log, EDGE, &reserved[self]) != RESIL_OK)
        return;
    granted++;
    back += resil_log_cancel(&book.log, &reserved[self], EDGE) == RESIL_OK;
}

static void verify_log(void)
{
    struct resil_log_snapshot snapshot;

    resil_log_snapshot(&book.log, EDGE + 3, &snapshot);
    interleave_check(snapshot.used == 1 + granted - back && snapshot.used <= 2);
}

static void log_gives_a_free_place_to_one(void **state)
{
    struct scenario after = {
        __func__, 3,          (body *const[]){note_after, note_after, note_after},
        0,        set_up_log, verify_log};
    struct scenario edge = {
        __func__, 3,          (body *const[]){note_after, note_after, note_before},
        0,        set_up_log, verify_log};
    struct fault blind = {"resil__log_take", &book.places[0], FAULT_BLIND};

    (void)state;
    interleave_explore(&after);
    interleave_explore(&edge);
    assert_int_equal(granted, 1);
    interleave_finds(&after, blind);
    interleave_finds(&edge, blind);
}

static void log_cancel_strikes_out_its_own_alone(void **state)
{
    struct scenario is = {
        __func__, 3,          (body *const[]){note_and_cancel, note_and_cancel, note_after},
        0,        set_up_log, verify_log};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__log_give_back", &book.places[0], FAULT_LOST});
}

static void set_up_log_of_one(void)
{
    reset();
    (void)resil_log_init(&book.log, sizeof book, &(struct resil_log_config){.limit = 1});
    (void)resil_log_reserve(&book.log, EDGE - RESIL_SEC(1), &reserved[0]);
}

/* By a clock that is behind: the others' have left the call behind them. */
static void cancel_just_in_time(int self)
{
    (void)self;
    back += resil_log_cancel(&book.log, &reserved[0], EDGE - 1) == RESIL_OK;
}

static void verify_log_of_one(void)
{
    interleave_check(granted == 1 &&
                     resil_log_acquire(&book.log, EDGE + 3, NULL) == RESIL_ELIMITED);
}

/* The only place: its next call stands in it before the cursor tells of it. */
static void log_cancel_leaves_the_next_call_in_its_place(void **state)
{
    struct scenario is = {__func__,
                          3,
                          (body *const[]){cancel_just_in_time, note_after, note_after},
                          0,
                          set_up_log_of_one,
                          verify_log_of_one};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__log_give_back", &book.places[0], FAULT_BLIND});
}

/* Who is refused hears of the call that is the oldest, though the cursor may lag behind it. */
static void note_or_wait(int self)
{
    uint64_t at_ns = 0;
    int rc = self == 1 ? resil_log_peek(&book.log, EDGE, &at_ns)
                       : resil_log_acquire(&book.log, EDGE, &at_ns);

    granted += rc == RESIL_OK && self != 1;
    interleave_check(rc == RESIL_OK || at_ns == EDGE - 2 + RESIL_SEC(1));
}

static void verify_noted(void)
{
    interleave_check(granted == 1);
}

static void log_refusal_names_the_oldest_call(void **state)
{
    struct scenario is = {
        __func__, 3,          (body *const[]){note_or_wait, note_or_wait, note_or_wait},
        3,        set_up_log, verify_noted};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__log_take", &book.places[0], FAULT_BLIND});
}

/* Four places and three calls: there is room all the time. */
static void set_up_roomy_log(void)
{
    reset();
    (void)resil_log_init(&book.log, sizeof book, &(struct resil_log_config){.limit = 4});
}

static void note_at_once(int self)
{
    for (int i = 0; i <= self; i++)
        interleave_check(resil_log_acquire(&book.log, EDGE, NULL) == RESIL_OK);
}

static void peek_at_room(int self)
{
    (void)self;
    interleave_check(resil_log_peek(&book.log, EDGE, NULL) == RESIL_OK);
}

static void verify_three_noted(void)
{
    struct resil_log_snapshot snapshot;

    resil_log_snapshot(&book.log, EDGE, &snapshot);
    interleave_check(snapshot.used == 3 && snapshot.next_at_ns == EDGE);
}

static void log_with_room_never_looks_full(void **state)
{
    struct scenario is = {__func__,
                          3,
                          (body *const[]){note_at_once, note_at_once, peek_at_room},
                          3,
                          set_up_roomy_log,
                          verify_three_noted};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"is_overtaken", &book.log.head_, FAULT_STALE});
    /* Who comes late moves the cursor back, behind two that are taken. */
    interleave_finds(&is, (struct fault){"resil__log_take", &book.log.head_, FAULT_BLIND});
}

static void drain_window(int self)
{
    (void)self;
    resil_window_drain(&window, RESIL_SEC(5), EDGE);
    drained = true;
}

static void peek_at_window(int self)
{
    bool late = drained;
    int first = resil_window_peek(&window, 1, EDGE, NULL);
    uint64_t at_ns = 0;
    int second = resil_window_peek(&window, 1, EDGE, &at_ns);

    (void)self;
    interleave_check(first == RESIL_OK || second == RESIL_ELIMITED);
    interleave_check(!late || (second == RESIL_ELIMITED && at_ns >= EDGE + RESIL_SEC(5)));
}

static void verify_window_drained(void)
{
    struct resil_window_snapshot snapshot;

    resil_window_snapshot(&window, EDGE, &snapshot);
    interleave_check(snapshot.available == 0 && snapshot.drained_until_ns >= EDGE + RESIL_SEC(5));
}

static void window_tells_of_no_more_than_there_is(void **state)
{
    struct scenario is = {__func__,
                          3,
                          (body *const[]){enter_after, drain_window, peek_at_window},
                          3,
                          set_up_window,
                          verify_window_drained};

    (void)state;
    window_limit = 3;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__drained_extend", &window.until_ns_, FAULT_LOST});
}

static void drain_log(int self)
{
    (void)self;
    resil_log_drain(&book.log, RESIL_SEC(5), EDGE);
    drained = true;
}

static void peek_at_log(int self)
{
    bool late = drained;
    int first = resil_log_peek(&book.log, EDGE, NULL);
    uint64_t at_ns = 0;
    int second = resil_log_peek(&book.log, EDGE, &at_ns);

    (void)self;
    interleave_check(first == RESIL_OK || second == RESIL_ELIMITED);
    interleave_check(!late || (second == RESIL_ELIMITED && at_ns >= EDGE + RESIL_SEC(5)));
}

static void note_unless_drained(int self)
{
    bool late = drained;

    interleave_check(resil_log_acquire(&book.log, EDGE + (uint64_t)self, NULL) != RESIL_OK ||
                     !late);
}

static void verify_log_drained(void)
{
    struct resil_log_snapshot snapshot;

    resil_log_snapshot(&book.log, EDGE, &snapshot);
    interleave_check(snapshot.available == 0 && snapshot.next_at_ns >= EDGE + RESIL_SEC(5));
}

static void log_tells_of_no_more_than_there_is(void **state)
{
    struct scenario is = {
        __func__, 3,          (body *const[]){note_unless_drained, drain_log, peek_at_log},
        3,        set_up_log, verify_log_drained};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__drained_extend", &book.log.until_ns_, FAULT_LOST});
}

static void widen_twice(int self)
{
    (void)self;
    for (uint64_t limit = 3; limit <= 4; limit++)
        interleave_check(resil_window_reconfigure(&window,
                                                  &(struct resil_window_config){.limit = limit},
                                                  EDGE) == RESIL_OK);
}

static void look_at_window(int self)
{
    struct resil_window_snapshot snapshot;
    uint64_t at_ns = 0;

    (void)self;
    interleave_check(resil_window_peek(&window, 5, EDGE, &at_ns) == RESIL_ECOST);
    interleave_check(at_ns == RESIL_NEVER);
    resil_window_snapshot(&window, EDGE, &snapshot);
    interleave_check(snapshot.limit == 2 + snapshot.reconfigured);
}

static void verify_widened(void)
{
    struct resil_window_snapshot snapshot;

    resil_window_snapshot(&window, EDGE, &snapshot);
    interleave_check(snapshot.limit == 4);
}

static void a_look_at_the_window_shows_one_config(void **state)
{
    struct scenario is = {
        __func__,      2, (body *const[]){widen_twice, look_at_window}, 4, set_up_window,
        verify_widened};

    (void)state;
    window_limit = 2;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"is_settled", &window.word_, FAULT_STALE});
}

/* Two change the limit at once: one may be busy, and the last one's slot is whole. */
static void set_limit(int self)
{
    int rc = resil_window_reconfigure(
        &window, &(struct resil_window_config){.limit = 3 + (uint64_t)self}, EDGE);

    interleave_check(rc == RESIL_OK || rc == RESIL_EBUSY);
    granted += rc == RESIL_OK;
}

static void set_up_narrow(void)
{
    set_up_window();
    granted = 0;
}

static void verify_limit(void)
{
    struct resil_window_snapshot snapshot;

    resil_window_snapshot(&window, EDGE, &snapshot);
    interleave_check(snapshot.limit == 3 || snapshot.limit == 4);
    interleave_check(snapshot.reconfigured == granted && granted > 0);
}

static void of_two_changes_of_the_window_one_stands(void **state)
{
    struct scenario is = {__func__,      2,           (body *const[]){set_limit, set_limit}, 3,
                          set_up_narrow, verify_limit};

    (void)state;
    window_limit = 2;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil_window_reconfigure", &window.busy_, FAULT_BLIND});
}

/* Of two drains at once the longer one stands, whichever comes last; of both words alike. */
static void drain_long(int self)
{
    (void)self;
    resil_window_drain(&window, RESIL_SEC(5), EDGE);
    resil_log_drain(&book.log, RESIL_SEC(5), EDGE);
}

static void drain_short(int self)
{
    (void)self;
    resil_window_drain(&window, RESIL_SEC(3), EDGE);
    resil_log_drain(&book.log, RESIL_SEC(3), EDGE);
}

static void set_up_both(void)
{
    set_up_window();
    set_up_log();
}

static void verify_longer(void)
{
    uint64_t now_ns = EDGE + RESIL_SEC(4);

    interleave_check(resil_window_acquire(&window, 1, now_ns, NULL) == RESIL_ELIMITED);
    interleave_check(resil_log_acquire(&book.log, now_ns, NULL) == RESIL_ELIMITED);
    now_ns = EDGE + RESIL_SEC(5);
    interleave_check(resil_window_acquire(&window, 1, now_ns, NULL) == RESIL_OK);
    interleave_check(resil_log_acquire(&book.log, now_ns, NULL) == RESIL_OK);
}

static void of_two_drains_the_longer_stands(void **state)
{
    struct scenario is = {
        __func__, 3,           (body *const[]){drain_long, drain_short, drain_short},
        3,        set_up_both, verify_longer};

    (void)state;
    window_limit = 2;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__drained_extend", &window.until_ns_, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_counts_every_call_at_its_edge),
        cmocka_unit_test(window_cancel_takes_out_its_own_alone),
        cmocka_unit_test(window_grants_no_more_than_the_wider_limit),
        cmocka_unit_test(log_gives_a_free_place_to_one),
        cmocka_unit_test(log_cancel_strikes_out_its_own_alone),
        cmocka_unit_test(log_cancel_leaves_the_next_call_in_its_place),
        cmocka_unit_test(log_refusal_names_the_oldest_call),
        cmocka_unit_test(log_with_room_never_looks_full),
        cmocka_unit_test(a_look_at_the_window_shows_one_config),
        cmocka_unit_test(window_tells_of_no_more_than_there_is),
        cmocka_unit_test(log_tells_of_no_more_than_there_is),
        cmocka_unit_test(of_two_changes_of_the_window_one_stands),
        cmocka_unit_test(of_two_drains_the_longer_stands),
    };

    return cmocka_run_group_tests_name("window and log interleavings", tests, NULL, NULL);
}
