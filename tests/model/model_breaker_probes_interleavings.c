/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The breaker's probes under every interleaving of two or three callers: never more out than slots, and
 * each of their places is left, taken over or given up once.
 */
#include "breaker_fibers.h"

static uint32_t begun; /* the generation after set-up */

/* Open, and the open time has passed; two slots. */
static void set_up_due(void)
{
    struct resil_breaker_config with = config();

    with.probes = 2;
    with.probe_success_pct = 100;
    init_with(with);
    trip();
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
static void start_probing(uint64_t gap_ns)
{
    struct resil_breaker_config with = config();

    set_up_due();
    with.probes = 2;
    with.probe_success_pct = 100;
    with.open_ns = 1;
    with.probe_gap_ns = gap_ns;
    (void)resil_breaker_reconfigure(&breaker, &with, NULL, 0);
    (void)resil_breaker_acquire(&breaker, NOW + OPEN, &permits[0]);
    out = 1;
    begun = resil__word_gen(breaker.word_);
}

static void set_up_probing(void)
{
    start_probing(RESIL_OFF);
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

/* With a gap between two probes: a grant that failed gives the gap back, too. */
static void set_up_gap(void)
{
    start_probing(1);
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

/* Half-open with one of three probes out, and a ns between two. */
static void set_up_one_of_three(void)
{
    struct resil_breaker_config with = config();

    with.probes = 3;
    with.probe_success_pct = 100;
    with.probe_gap_ns = 1;
    init_with(with);
    trip();
    (void)resil_breaker_acquire(&breaker, NOW + OPEN, &permits[0]);
}

static void succeed_as_first(int self)
{
    interleave_check(record_as(self, NOW + OPEN, &success) == RESIL_OK);
}

/* The gap is over, and a report is no reason to wait for another one. */
static void ask_after_gap(int self)
{
    interleave_check(acquire_as(self, NOW + OPEN + 1) == RESIL_OK);
}

static void verify_second_probe(void)
{
    interleave_check(look_at(NOW + OPEN + 1).state == RESIL_BREAKER_HALF_OPEN);
    interleave_check((permits[1].token_ & RESIL__TOKEN_PROBE) != 0);
}

static void who_asks_again_finds_no_gap_of_his_own(void **state)
{
    struct scenario is = {__func__,
                          2,
                          (body *const[]){succeed_as_first, ask_after_gap},
                          3,
                          set_up_one_of_three,
                          verify_second_probe};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__breaker_probe", &breaker.gate_, FAULT_LOST});
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_more_probes_than_slots),
        cmocka_unit_test(grants_and_reopening_keep_to_the_slots),
        cmocka_unit_test(take_over_or_report_never_both),
        cmocka_unit_test(a_cancelled_probe_gives_its_place_to_one),
        cmocka_unit_test(wrap_of_the_revision_grants_no_second_place),
        cmocka_unit_test(a_grant_that_failed_gives_its_gap_back),
        cmocka_unit_test(who_asks_again_finds_no_gap_of_his_own),
    };

    return cmocka_run_group_tests_name("breaker probes interleavings", tests, NULL, NULL);
}
