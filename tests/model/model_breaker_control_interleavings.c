/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The breaker under every interleaving of two or three callers, of whom one forces it or changes its
 * rules; and the ramp, which whoever closes starts.
 */
#include "breaker_fibers.h"

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

/* Two change the rules at once: one may be busy, and the last one's rules are whole. */
static void set_failures(int self)
{
    struct resil_breaker_config with = config();
    int rc;

    with.failures = 3 + (uint64_t)self;
    with.probes = with.failures;
    rc = resil_breaker_reconfigure(&breaker, &with, NULL, 0);
    interleave_check(rc == RESIL_OK || rc == RESIL_EBUSY);
    changed |= rc == RESIL_OK;
}

static void verify_rules(void)
{
    const struct resil_breaker_rules_ *rules = resil__breaker_rules(&breaker, breaker.word_);

    interleave_check(changed && (rules->failures_ == 3 || rules->failures_ == 4));
    interleave_check(rules->probes_ == rules->failures_);
}

static void of_two_changes_of_the_rules_one_stands(void **state)
{
    struct scenario is = {
        __func__, 2, (body *const[]){set_failures, set_failures}, 3, set_up_closed, verify_rules};

    (void)state;
    interleave_explore(&is);
    interleave_finds(
        &is, (struct fault){"resil_breaker_reconfigure_sized", &breaker.busy_, FAULT_BLIND});
}

/* Half-open with both probes out, of which one suffices, and a ramp to come. */
static void set_up_ramp(void)
{
    struct resil_breaker_config with = config();

    with.probes = 2;
    with.ramp_ns = RESIL_SEC(10);
    with.ramp_start_pct = 1;
    init_with(with);
    trip();
    for (int i = 0; i < 2; i++)
        (void)resil_breaker_acquire(&breaker, NOW + OPEN, &permits[i]);
    breaker.thin_ = 1; /* place 0 would pass */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_transition_ends_a_forced_state),
        cmocka_unit_test(results_are_judged_by_the_rules_in_force),
        cmocka_unit_test(of_two_changes_of_the_rules_one_stands),
        cmocka_unit_test(closing_always_starts_its_ramp),
    };

    return cmocka_run_group_tests_name("breaker control interleavings", tests, NULL, NULL);
}
