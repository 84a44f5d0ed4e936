/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The breaker under every interleaving of two or three callers: one transition at a time, each told
 * to one; never more probes out than slots; nothing of an older state decides a newer one.
 */
#include "test.h"

#include "interleave.h"

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

#define NOW   RESIL_SEC(1000)
#define OPEN  RESIL_SEC(1)
#define LEASE RESIL_SEC(10)

typedef void body(int self);

static struct resil_breaker breaker;
static struct resil_permit permits[INTERLEAVE_FIBERS];
static unsigned passed, refused, events, out;
static uint64_t told; /* generations of the events, by bit */
static bool forced, changed, still_closed;
static uint32_t begun; /* the generation after set-up */

static const struct resil_result failure = {.outcome = RESIL_FAILURE};
static const struct resil_result success = {.outcome = RESIL_SUCCESS};

static struct resil_breaker_config config(void)
{
    return (struct resil_breaker_config){.calls = 8,
                                         .failure_pct = RESIL_OFF,
                                         .failures = 2,
                                         .open_ns = OPEN,
                                         .jitter_pct = RESIL_OFF,
                                         .probes = 1,
                                         .probe_success_pct = 50,
                                         .probe_lease_ns = LEASE,
                                         .probe_gap_ns = RESIL_OFF};
}

static void count_event(const struct resil_permit *permit)
{
    struct resil_breaker_event event;

    if (!resil_permit_event(permit, &event))
        return;
    events++;
    /* The number tells the order, whoever is told first: none comes twice. */
    interleave_check((told >> event.generation % 64 & 1) == 0);
    interleave_check(event.from != event.to);
    told |= UINT64_C(1) << event.generation % 64;
}

static void init_with(struct resil_breaker_config with)
{
    (void)resil_breaker_init(&breaker, &with);
    memset(permits, 0, sizeof permits);
    passed = refused = events = out = 0;
    told = 0;
    forced = changed = still_closed = false;
}

static int acquire_as(int self, uint64_t now_ns)
{
    int rc = resil_breaker_acquire(&breaker, now_ns, &permits[self]);

    interleave_check(rc == RESIL_OK || rc == RESIL_EOPEN);
    count_event(&permits[self]);
    passed += rc == RESIL_OK;
    refused += rc == RESIL_EOPEN;
    return rc;
}

static int record_as(int self, uint64_t now_ns, const struct resil_result *result)
{
    int rc = resil_breaker_record(&breaker, &permits[self], now_ns, result);

    interleave_check(rc == RESIL_OK || rc == RESIL_ELATE);
    count_event(&permits[self]);
    return rc;
}

static struct resil_breaker_snapshot look_at(uint64_t now_ns)
{
    struct resil_breaker_snapshot snapshot;

    (void)resil_breaker_snapshot(&breaker, now_ns, &snapshot);
    return snapshot;
}

/* Closed, one failure short of a trip, and everybody has a permit. */
static void set_up_closed(void)
{
    init_with(config());
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        (void)resil_breaker_acquire(&breaker, NOW, &permits[i]);
    (void)resil_breaker_record(&breaker, &permits[3], NOW, &failure);
}

static void fail_now(int self)
{
    (void)record_as(self, NOW, &failure);
}

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

/* Open, and the open time has passed; two slots. */
static void set_up_due(void)
{
    struct resil_breaker_config with = config();

    with.probes = 2;
    with.probe_success_pct = 100;
    init_with(with);
    for (int i = 0; i < 2; i++) {
        (void)resil_breaker_acquire(&breaker, NOW, &permits[0]);
        (void)resil_breaker_record(&breaker, &permits[0], NOW, &failure);
    }
}

static void probe(int self)
{
    if (acquire_as(self, NOW + OPEN) == RESIL_OK) {
        interleave_check((permits[self].token_ & RESIL__TOKEN_PROBE) != 0);
        out++;
        interleave_check(out <= 2);
    }
}

static void verify_two_at_most(void)
{
    interleave_check(passed + refused == 3 && passed >= 1);
    interleave_check(look_at(NOW + OPEN).probes_in_flight == passed);
}

static void never_more_probes_than_slots(void **state)
{
    struct scenario is = {__func__, 3,          (body *const[]){probe, probe, probe},
                          3,        set_up_due, verify_two_at_most};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"take_lease", &breaker.leases_[0], FAULT_BLIND});
    interleave_finds(&is, (struct fault){"resil__breaker_probe", &breaker.word_, FAULT_BLIND});
}

/* Half-open with one probe out, which fails; the next open time is over at once. */
static void set_up_probing(void)
{
    struct resil_breaker_config with = config();

    set_up_due();
    with.probes = 2;
    with.probe_success_pct = 100;
    with.open_ns = 1;
    (void)resil_breaker_reconfigure(&breaker, &with, NULL, 0);
    (void)resil_breaker_acquire(&breaker, NOW + OPEN, &permits[0]);
    out = 1;
    begun = resil__word_gen(breaker.word_);
}

static void fail_probe(int self)
{
    out--;
    (void)record_as(self, NOW + OPEN, &failure);
}

static void probe_later(int self)
{
    if (acquire_as(self, NOW + OPEN + 2) == RESIL_OK)
        interleave_check(++out <= 2);
}

static void probe_and_fail(int self)
{
    probe_later(self);
    if (permits[self].token_ != 0) {
        out--;
        (void)record_as(self, NOW + OPEN + 2, &failure);
    }
}

static void verify_slots(void)
{
    struct resil_breaker_snapshot now = look_at(NOW + OPEN + 2);
    unsigned held = 0;

    /* each transition was told to one caller, and none to two */
    interleave_check(now.generation == begun + events);
    interleave_check(told == ((UINT64_C(1) << events) - 1) << (begun + 1));
    for (unsigned slot = 0; slot < RESIL_BREAKER_PROBES_MAX; slot++)
        held += (breaker.leases_[slot] & RESIL__LEASE_HELD) != 0;
    interleave_check(now.state == RESIL_BREAKER_OPEN || now.state == RESIL_BREAKER_HALF_OPEN);
    interleave_check(held == out && now.probes_in_flight <= out);
}

static void grants_and_reopening_keep_to_the_slots(void **state)
{
    struct scenario is = {
        __func__,       3,           (body *const[]){fail_probe, probe_later, probe_later}, 3,
        set_up_probing, verify_slots};
    struct scenario both = {
        __func__,       3,           (body *const[]){fail_probe, probe_and_fail, probe_later}, 3,
        set_up_probing, verify_slots};

    (void)state;
    interleave_explore(&is);
    interleave_explore(&both);
    /* A grant that failed doesn't put the lease back. */
    interleave_finds(&is, (struct fault){"resil__breaker_probe", &breaker.leases_[1], FAULT_LOST});
    interleave_finds(&both, (struct fault){"record_probe", &breaker.word_, FAULT_BLIND});
}

/* Half-open, the only probe out, and its lease ends now. */
static void set_up_expiring(void)
{
    init_with(config());
    for (int i = 0; i < 2; i++) {
        (void)resil_breaker_acquire(&breaker, NOW, &permits[0]);
        (void)resil_breaker_record(&breaker, &permits[0], NOW, &failure);
    }
    (void)resil_breaker_acquire(&breaker, NOW + OPEN, &permits[0]);
}

static void report_late(int self)
{
    changed = record_as(self, NOW + OPEN + LEASE, &success) == RESIL_OK;
}

static void take_over(int self)
{
    if (acquire_as(self, NOW + OPEN + LEASE) == RESIL_OK &&
        (permits[self].token_ & RESIL__TOKEN_PROBE) != 0)
        interleave_check(++out <= 1);
}

/* Either the report decided, or the place was taken over and the breaker waits for that probe. */
static void verify_take_over(void)
{
    struct resil_breaker_snapshot now = look_at(NOW + OPEN + LEASE);

    interleave_check(changed == (now.state == RESIL_BREAKER_CLOSED));
    interleave_check(now.closed_total == changed && now.late_total == !changed);
    if (!changed)
        interleave_check(out == 1 && now.probes_in_flight == 1 && now.probes_lost_total == 1);
    else
        interleave_check(out == 0 &&
                         lease_left(breaker.leases_[0], NOW + OPEN + LEASE, LEASE) == 0);
}

static void take_over_or_report_never_both(void **state)
{
    struct scenario is = {
        __func__,        3, (body *const[]){report_late, take_over, take_over}, 3, set_up_expiring,
        verify_take_over};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"record_probe", &breaker.word_, FAULT_BLIND});
    interleave_finds(&is, (struct fault){"resil__breaker_probe", &breaker.word_, FAULT_BLIND});
}

/* So many that the revision in the word is what it was; each lease has ended before the next. */
static void take_over_often(int self)
{
    for (unsigned i = 0; i < 16; i++) {
        struct resil_permit permit;

        (void)self;
        if (resil_breaker_acquire(&breaker, NOW + OPEN + (i + 1) * LEASE, &permit) == RESIL_OK)
            interleave_check(look_at(NOW).probes_in_flight <= 1);
    }
}

/* Even where the report of the first probe is taken for that of the last: never a second place. */
static void verify_not_stuck(void)
{
    enum resil_breaker_state now = look_at(NOW).state;

    interleave_check(changed == (now == RESIL_BREAKER_CLOSED));
    interleave_check(changed || look_at(NOW).probes_in_flight == 1);
    interleave_check(breaker.leases_[1] == 0);
}

static void wrap_of_the_revision_grants_no_second_place(void **state)
{
    struct scenario is = {
        __func__,        2, (body *const[]){report_late, take_over_often}, 3, set_up_expiring,
        verify_not_stuck};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"record_probe", &breaker.word_, FAULT_LOST});
}

static void force_open(int self)
{
    (void)self;
    interleave_check(resil_breaker_force(&breaker, RESIL_BREAKER_MODE_FORCED_OPEN, NOW) ==
                     RESIL_OK);
    forced = true;
}

static void ask(int self)
{
    bool late = forced;

    interleave_check(acquire_as(self, NOW + OPEN + LEASE) != RESIL_OK || !late);
}

static void verify_forced(void)
{
    interleave_check(look_at(NOW).state == RESIL_BREAKER_FORCED_OPEN);
}

static void no_transition_ends_a_forced_state(void **state)
{
    struct scenario trips = {
        __func__, 3, (body *const[]){force_open, fail_now, ask}, 3, set_up_closed, verify_forced};
    struct scenario probes = {
        __func__,     3, (body *const[]){report_late, force_open, ask}, 3, set_up_expiring,
        verify_forced};

    (void)state;
    interleave_explore(&trips);
    interleave_explore(&probes);
    interleave_finds(&trips, (struct fault){"judge_and_trip", &breaker.word_, FAULT_BLIND});
    interleave_finds(&probes, (struct fault){"record_probe", &breaker.word_, FAULT_BLIND});
    interleave_finds(&probes, (struct fault){"resil__breaker_probe", &breaker.word_, FAULT_BLIND});
}

static void reconfigure(uint64_t failures)
{
    struct resil_breaker_config with = config();

    with.failures = failures;
    interleave_check(resil_breaker_reconfigure(&breaker, &with, NULL, 0) == RESIL_OK);
    still_closed = look_at(NOW).state == RESIL_BREAKER_CLOSED;
    changed = true;
}

static void raise_threshold(int self)
{
    (void)self;
    reconfigure(3);
}

static void switch_off(int self)
{
    (void)self;
    reconfigure(RESIL_OFF);
}

/* Three failures in all: enough under either rule. */
static void verify_tripped(void)
{
    interleave_check(changed && look_at(NOW).state == RESIL_BREAKER_OPEN && events == 1);
}

/* No trip by the old rules once the new ones are in force. */
static void verify_not_tripped(void)
{
    interleave_check(changed && (look_at(NOW).state == RESIL_BREAKER_CLOSED) == still_closed);
}

static void results_are_judged_by_the_rules_in_force(void **state)
{
    struct scenario raised = {
        __func__,      3, (body *const[]){raise_threshold, fail_now, fail_now}, 3, set_up_closed,
        verify_tripped};
    struct scenario off = {
        __func__,          3, (body *const[]){switch_off, fail_now, fail_now}, 3, set_up_closed,
        verify_not_tripped};

    (void)state;
    interleave_explore(&raised);
    interleave_explore(&off);
    interleave_finds(&off, (struct fault){"judge_and_trip", &breaker.word_, FAULT_BLIND});
    interleave_finds(
        &raised, (struct fault){"resil_breaker_reconfigure_sized", &breaker.word_, FAULT_BLIND});
}

/* Half-open with both probes out, of which one suffices, and a ramp to come. */
static void set_up_ramp(void)
{
    struct resil_breaker_config with = config();

    with.probes = 2;
    with.ramp_ns = RESIL_SEC(10);
    with.ramp_start_pct = 1;
    init_with(with);
    for (int i = 0; i < 2; i++) {
        (void)resil_breaker_acquire(&breaker, NOW, &permits[0]);
        (void)resil_breaker_record(&breaker, &permits[0], NOW, &failure);
    }
    for (int i = 0; i < 2; i++)
        (void)resil_breaker_acquire(&breaker, NOW + OPEN, &permits[i]);
    breaker.thin_ = 1; /* place 0 would pass */
}

static void succeed(int self)
{
    (void)record_as(self, NOW + OPEN, &success);
}

static void ask_in_ramp(int self)
{
    for (int i = 0; i < 2; i++)
        interleave_check(acquire_as(self, NOW + OPEN) == RESIL_EOPEN);
}

static void force_and_release(int self)
{
    (void)self;
    interleave_check(resil_breaker_force(&breaker, RESIL_BREAKER_MODE_FORCED_OPEN, NOW + OPEN) ==
                     RESIL_OK);
    interleave_check(resil_breaker_force(&breaker, RESIL_BREAKER_MODE_AUTOMATIC, NOW + OPEN) ==
                     RESIL_OK);
}

/* Whoever closed it: the ramp that runs is the ramp of this generation. */
static void verify_ramp(void)
{
    struct resil_breaker_snapshot now = look_at(NOW + OPEN);

    interleave_check(resil__word_code(breaker.word_) == RESIL__CODE_RAMP);
    interleave_check(now.admit_pct == 1 && now.state == RESIL_BREAKER_CLOSED);
}

static void closing_always_starts_its_ramp(void **state)
{
    struct scenario two = {__func__, 3,           (body *const[]){succeed, succeed, ask_in_ramp},
                           3,        set_up_ramp, verify_ramp};
    struct scenario again = {
        __func__, 3,           (body *const[]){succeed, force_and_release, ask_in_ramp},
        3,        set_up_ramp, verify_ramp};

    (void)state;
    interleave_explore(&two);
    interleave_explore(&again);
    interleave_finds(&two, (struct fault){"resil__breaker_closing", &breaker.ramp_, FAULT_LOST});
    interleave_finds(&again, (struct fault){"resil__breaker_closing", &breaker.word_, FAULT_STALE});
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

/* A result at the moment when its state ends: it counts in that state or not at all. */
static void set_up_streak(void)
{
    struct resil_breaker_config with = config();

    with.failures = RESIL_OFF;
    with.consecutive = 2;
    init_with(with);
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        (void)resil_breaker_acquire(&breaker, NOW, &permits[i]);
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
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        (void)resil_breaker_acquire(&breaker, NOW, &permits[i]);
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
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        (void)resil_breaker_acquire(&breaker, NOW, &permits[i]);
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

/* A probe that is given up, and two who want its place. */
static void cancel_probe(int self)
{
    out--;
    interleave_check(resil_breaker_cancel(&breaker, &permits[self], NOW + OPEN) == RESIL_OK);
}

static void take_place(int self)
{
    if (acquire_as(self, NOW + OPEN) == RESIL_OK)
        interleave_check(++out <= 1);
}

static void set_up_one_out(void)
{
    set_up_expiring();
    out = 1;
}

static void verify_one_place(void)
{
    struct resil_breaker_snapshot now = look_at(NOW + OPEN);

    interleave_check(now.state == RESIL_BREAKER_HALF_OPEN && now.probes_in_flight == out);
    interleave_check(passed == out && passed + refused == 2 && events == 0);
}

static void a_cancelled_probe_gives_its_place_to_one(void **state)
{
    struct scenario is = {__func__,
                          3,
                          (body *const[]){cancel_probe, take_place, take_place},
                          3,
                          set_up_one_out,
                          verify_one_place};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"take_lease", &breaker.leases_[0], FAULT_BLIND});
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
    for (int i = 0; i < INTERLEAVE_FIBERS; i++)
        (void)resil_breaker_acquire(&breaker, NOW, &permits[i]);
}

static void a_success_never_lands_in_the_next_state(void **state)
{
    struct scenario is = {__func__, 2,          (body *const[]){succeed_now, reset_and_fail},
                          3,        set_up_lap, verify_one_failure};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__ring_success", &breaker.cells_[0], FAULT_BLIND});
}

/* As set_up_probing, with a gap between two probes: a grant that failed gives the gap back, too. */
static void set_up_gap(void)
{
    struct resil_breaker_config with = config();

    set_up_due();
    with.probes = 2;
    with.probe_success_pct = 100;
    with.open_ns = 1;
    with.probe_gap_ns = 1;
    (void)resil_breaker_reconfigure(&breaker, &with, NULL, 0);
    (void)resil_breaker_acquire(&breaker, NOW + OPEN, &permits[0]);
    out = 1;
    begun = resil__word_gen(breaker.word_);
}

/* A probe went out after the last transition, or there is no gap to wait for. */
static void verify_gap(void)
{
    verify_slots();
    interleave_check(out > 0 || resil_breaker_acquire(&breaker, NOW + OPEN + 2 + RESIL_SEC(1),
                                                      &permits[3]) == RESIL_OK);
}

static void a_grant_that_failed_gives_its_gap_back(void **state)
{
    struct scenario is = {
        __func__, 3,          (body *const[]){fail_probe, probe_later, probe_later},
        3,        set_up_gap, verify_gap};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__breaker_probe", &breaker.leases_[1], FAULT_LOST});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_records_trip_once),
        cmocka_unit_test(second_trip_is_not_taken_for_the_first),
        cmocka_unit_test(never_more_probes_than_slots),
        cmocka_unit_test(grants_and_reopening_keep_to_the_slots),
        cmocka_unit_test(take_over_or_report_never_both),
        cmocka_unit_test(a_cancelled_probe_gives_its_place_to_one),
        cmocka_unit_test(wrap_of_the_revision_grants_no_second_place),
        cmocka_unit_test(no_transition_ends_a_forced_state),
        cmocka_unit_test(results_are_judged_by_the_rules_in_force),
        cmocka_unit_test(closing_always_starts_its_ramp),
        cmocka_unit_test(late_failures_leave_the_new_state_alone),
        cmocka_unit_test(a_result_never_counts_in_the_next_state),
        cmocka_unit_test(a_success_never_lands_in_the_next_state),
        cmocka_unit_test(a_grant_that_failed_gives_its_gap_back),
    };

    return cmocka_run_group_tests_name("breaker interleavings", tests, NULL, NULL);
}
