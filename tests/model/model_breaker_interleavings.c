/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The breaker under every interleaving of two or three callers: one trip, told to one; nothing of an
 * older state decides a newer one, or counts in it.
 */
#include "breaker_fibers.h"

/* While open no call passes, and the refusal says until when. */
static void look_twice(int self)
{
    for (int i = 0; i < 2; i++)
        if (acquire_as(self, NOW) == RESIL_EOPEN)
            interleave_check(permits[self].retry_at_ns >= NOW + OPEN);
        else
            interleave_check((permits[self].token_ & RESIL__TOKEN_PROBE) == 0);
}

static void verify_open_once(void)
{
    struct resil_breaker_snapshot now = look_at(NOW);

    interleave_check(now.state == RESIL_BREAKER_OPEN && now.generation == 2);
    interleave_check(now.opened_total == 1 && events == 1 && now.trips == 1);
    interleave_check(now.retry_at_ns == NOW + OPEN);
}

static void late_records_trip_once(void **state)
{
    struct scenario three = {
        __func__,        3, (body *const[]){fail_now, fail_now, fail_now}, 3, set_up_closed,
        verify_open_once};
    struct scenario read = {
        __func__,        3, (body *const[]){fail_now, fail_now, look_twice}, 3, set_up_closed,
        verify_open_once};
    struct fault blind = {"judge_and_trip", &breaker.word_, FAULT_BLIND};

    (void)state;
    interleave_explore(&three);
    interleave_explore(&read);
    interleave_finds(&three, blind);
    interleave_finds(&read, (struct fault){"leave_until", &breaker.until_, FAULT_LOST});
}

/* Closes, and trips again: the word has the code that it had, but two generations on. */
static void reset_and_trip(int self)
{
    interleave_check(resil_breaker_reset(&breaker) == RESIL_OK);
    for (int i = 0; i < 2; i++)
        if (resil_breaker_acquire(&breaker, NOW, &permits[self]) == RESIL_OK)
            (void)resil_breaker_record(&breaker, &permits[self], NOW, &failure);
}

/* Open for a whole open time, by whomever. */
static void verify_open(void)
{
    struct resil_breaker_snapshot now = look_at(NOW);

    interleave_check(now.state == RESIL_BREAKER_OPEN);
    interleave_check(now.retry_at_ns == NOW + OPEN);
    interleave_check(now.opened_total == (now.generation == 4 ? 2 : 1));
}

static void second_trip_is_not_taken_for_the_first(void **state)
{
    struct scenario is = {
        __func__,      3,          (body *const[]){fail_now, reset_and_trip, look_twice}, 3,
        set_up_closed, verify_open};
    struct scenario pair = {__func__,      2,          (body *const[]){fail_now, reset_and_trip}, 3,
                            set_up_closed, verify_open};

    (void)state;
    interleave_explore(&is);
    interleave_explore(&pair);
    interleave_finds(&pair, (struct fault){"leave_until", &breaker.word_, FAULT_STALE});
    interleave_finds(&pair, (struct fault){"judge_and_trip", &breaker.word_, FAULT_BLIND});
}

/* A permit of the closed state from before, and the probe that closes again. */
static void set_up_closing(void)
{
    set_up_expiring();
    permits[1] = (struct resil_permit){
        .token_ = UINT64_C(1) << RESIL__WORD_GEN_SHIFT | RESIL__TOKEN_LIVE, .start_ns_ = NOW};
    permits[2] = permits[1];
}

static void fail_late(int self)
{
    interleave_check(record_as(self, NOW + OPEN, &failure) == RESIL_ELATE);
}

static void verify_clean(void)
{
    struct resil_breaker_snapshot now = look_at(NOW + OPEN);

    interleave_check(now.state == RESIL_BREAKER_CLOSED && now.generation == 4);
    interleave_check(now.calls == 0 && now.failures == 0 && now.late_total == 2);
}

/* The control: permits of the generation that the close will make. */
static void set_up_forged(void)
{
    set_up_closing();
    permits[1].token_ = UINT64_C(4) << RESIL__WORD_GEN_SHIFT | RESIL__TOKEN_LIVE;
}

static void late_failures_leave_the_new_state_alone(void **state)
{
    struct scenario is = {
        __func__,       3,           (body *const[]){succeed, fail_late, fail_late}, 3,
        set_up_closing, verify_clean};

    (void)state;
    interleave_explore(&is);
    is.set_up = set_up_forged;
    interleave_finds(&is, (struct fault){"the permits", NULL, FAULT_NONE});
}

/* The failure trips before the reset, or finds the state gone: never the state that the reset made. */
static void reset_only(int self)
{
    (void)self;
    interleave_check(resil_breaker_reset(&breaker) == RESIL_OK);
}

static void verify_reset(void)
{
    struct resil_breaker_snapshot now = look_at(NOW);

    interleave_check(now.state == RESIL_BREAKER_CLOSED && now.failures == 0);
    interleave_check(now.opened_total == events && now.generation == 2 + events);
}

static void a_reset_outlasts_the_failure_that_it_meets(void **state)
{
    struct scenario is = {__func__,      2,           (body *const[]){fail_now, reset_only}, 3,
                          set_up_closed, verify_reset};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"judge_and_trip", &breaker.word_, FAULT_BLIND});
}

/* A result at the moment when its state ends: it counts in that state or not at all. */
static void set_up_streak(void)
{
    struct resil_breaker_config with = config();

    with.failures = RESIL_OFF;
    with.consecutive = 2;
    init_with(with);
    grant_to_all();
}

/* Two failures in a row of the new generation: a trip, whatever the old one leaves behind. */
static void verify_streak(void)
{
    interleave_check(look_at(NOW).state == RESIL_BREAKER_OPEN);
    interleave_check(look_at(NOW).generation == 3);
}

/* The same in a time window, where a quick success adds first and looks then. */
static void set_up_timed(void)
{
    struct resil_breaker_config with = config();

    with.calls = 0;
    with.slices = 1;
    init_with(with);
    grant_to_all();
    (void)resil_breaker_record(&breaker, &permits[3], NOW, &success);
}

static void succeed_now(int self)
{
    (void)record_as(self, NOW, &success);
}

static void reset_and_fail(int self)
{
    interleave_check(resil_breaker_reset(&breaker) == RESIL_OK);
    interleave_check(resil_breaker_acquire(&breaker, NOW, &permits[self]) == RESIL_OK);
    (void)resil_breaker_record(&breaker, &permits[self], NOW, &failure);
}

static void verify_one_failure(void)
{
    struct resil_breaker_snapshot now = look_at(NOW);

    interleave_check(now.state == RESIL_BREAKER_CLOSED && now.generation == 2);
    interleave_check(now.calls == 1 && now.failures == 1);
}

/* The same in a window of calls that is full, so that successes take the fast road. One that comes
   too late is told so, and is counted as late: the one goes with the other. */
static void set_up_counted(void)
{
    init_with(config());
    for (int i = 0; i < 8; i++) {
        (void)resil_breaker_acquire(&breaker, NOW, &permits[0]);
        (void)resil_breaker_record(&breaker, &permits[0], NOW, &success);
    }
    grant_to_all();
}

static void succeed_or_be_late(int self)
{
    out += record_as(self, NOW, &success) == RESIL_ELATE;
}

static void verify_late(void)
{
    verify_one_failure();
    interleave_check(look_at(NOW).late_total == out);
}

static void a_result_never_counts_in_the_next_state(void **state)
{
    struct scenario in_a_row = {
        __func__, 2, (body *const[]){fail_now, reset_and_trip}, 3, set_up_streak, verify_streak};

    struct scenario timed = {__func__,
                             3,
                             (body *const[]){succeed_now, reset_and_fail, fail_now},
                             3,
                             set_up_timed,
                             verify_one_failure};

    struct scenario counted = {
        __func__,
        3,
        (body *const[]){succeed_or_be_late, reset_and_fail, succeed_or_be_late},
        3,
        set_up_counted,
        verify_late};

    (void)state;
    interleave_explore(&in_a_row);
    interleave_explore(&counted);
    interleave_explore(&timed);
    interleave_finds(&timed, (struct fault){"slices_undo", &breaker.cells_[0], FAULT_LOST});
    interleave_finds(&in_a_row, (struct fault){"streak", &breaker.word_, FAULT_STALE});
}

/* The window is full of successes, so that another one takes the place of its elder. */
static void set_up_lap(void)
{
    struct resil_breaker_config with = config();

    with.calls = 2;
    init_with(with);
    for (int i = 0; i < 4; i++) {
        (void)resil_breaker_acquire(&breaker, NOW, &permits[0]);
        (void)resil_breaker_record(&breaker, &permits[0], NOW, &success);
    }
    grant_to_all();
}

static void a_success_never_lands_in_the_next_state(void **state)
{
    struct scenario is = {__func__, 2,          (body *const[]){succeed_now, reset_and_fail},
                          3,        set_up_lap, verify_one_failure};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__ring_success", &breaker.cells_[0], FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_records_trip_once),
        cmocka_unit_test(second_trip_is_not_taken_for_the_first),
        cmocka_unit_test(late_failures_leave_the_new_state_alone),
        cmocka_unit_test(a_reset_outlasts_the_failure_that_it_meets),
        cmocka_unit_test(a_result_never_counts_in_the_next_state),
        cmocka_unit_test(a_success_never_lands_in_the_next_state),
    };

    return cmocka_run_group_tests_name("breaker interleavings", tests, NULL, NULL);
}
