/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/pacer.h>

#define T0 RESIL_SEC(1000)

static struct resil_pacer make(uint64_t tokens, uint64_t wait_ns)
{
    struct resil_pacer pacer;

    assert_int_equal(resil_pacer_init(&pacer, &(struct resil_pacer_config){.tokens = tokens,
                                                                           .wait_ns = wait_ns}),
                     RESIL_OK);
    return pacer;
}

static struct resil_pacer_snapshot look(const struct resil_pacer *pacer, uint64_t now_ns)
{
    struct resil_pacer_snapshot snapshot;

    resil_pacer_snapshot(pacer, now_ns, &snapshot);
    return snapshot;
}

static void pacer_spaces_calls_out(void **state)
{
    struct resil_pacer pacer = make(10, RESIL_SEC(1));
    struct resil_reservation place;

    (void)state;
    for (uint64_t i = 0; i <= 10; i++) {
        assert_int_equal(resil_pacer_reserve(&pacer, 1, T0, &place), RESIL_OK);
        assert_int_equal(place.at_ns, T0 + i * RESIL_MS(100));
    }
    assert_int_equal(resil_pacer_reserve(&pacer, 1, T0, &place), RESIL_ELIMITED);
    assert_int_equal(place.at_ns, T0 + RESIL_MS(1100));
    assert_int_equal(look(&pacer, T0).queued, 11);
    assert_int_equal(resil_pacer_reserve(&pacer, 1, T0 + RESIL_MS(100), &place), RESIL_OK);
}

static void pacer_saves_nothing_while_idle(void **state)
{
    struct resil_pacer pacer = make(10, RESIL_OFF);
    uint64_t at_ns = 7;

    (void)state;
    assert_int_equal(resil_pacer_acquire(&pacer, 1, T0, &at_ns), RESIL_OK);
    assert_int_equal(resil_pacer_acquire(&pacer, 1, T0 + RESIL_SEC(60), &at_ns), RESIL_OK);
    assert_int_equal(at_ns, 7);
    assert_int_equal(resil_pacer_acquire(&pacer, 1, T0 + RESIL_SEC(60), &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_MS(60100));
    assert_int_equal(resil_pacer_acquire(&pacer, 1, at_ns - 1, NULL), RESIL_ELIMITED);
    assert_int_equal(resil_pacer_acquire(&pacer, 1, at_ns, NULL), RESIL_OK);
}

static void pacer_without_waiting_still_reserves_what_is_due(void **state)
{
    struct resil_pacer pacer = make(10, RESIL_OFF);
    struct resil_reservation place;

    (void)state;
    assert_int_equal(look(&pacer, T0).wait_ns, 0);
    assert_int_equal(resil_pacer_reserve(&pacer, 1, T0, &place), RESIL_OK);
    assert_int_equal(resil_pacer_reserve(&pacer, 1, T0, &place), RESIL_ELIMITED);
}

static void pacer_keeps_away_from_a_dear_call_for_longer(void **state)
{
    struct resil_pacer pacer = make(10, 0);
    struct resil_reservation place;

    (void)state;
    assert_int_equal(resil_pacer_reserve(&pacer, 3, T0, &place), RESIL_OK);
    assert_int_equal(place.at_ns, T0);
    assert_int_equal(resil_pacer_reserve(&pacer, 0, T0, &place), RESIL_OK);
    assert_int_equal(place.at_ns, T0 + RESIL_MS(300));
    assert_int_equal(resil_pacer_reserve(&pacer, 601, T0, &place), RESIL_ECOST);
    assert_int_equal(resil_pacer_acquire(&pacer, 601, T0, NULL), RESIL_ECOST);
    assert_int_equal(resil_pacer_acquire(&pacer, 600, T0 + RESIL_SEC(1), NULL), RESIL_OK);
}

static void pacer_cancels_the_last_place_only(void **state)
{
    struct resil_pacer pacer = make(10, 0);
    struct resil_reservation first;
    struct resil_reservation second;

    (void)state;
    assert_int_equal(resil_pacer_reserve(&pacer, 1, T0, &first), RESIL_OK);
    assert_int_equal(resil_pacer_reserve(&pacer, 1, T0, &second), RESIL_OK);
    assert_int_equal(resil_pacer_cancel(&pacer, &first, T0), RESIL_ELATE);
    assert_int_equal(resil_pacer_cancel(&pacer, &second, T0), RESIL_OK);
    assert_int_equal(resil_pacer_cancel(&pacer, &second, T0), RESIL_EINVAL);
    assert_int_equal(look(&pacer, T0).next_at_ns, T0 + RESIL_MS(100));
}

static void pacer_peeks_without_taking(void **state)
{
    struct resil_pacer pacer = make(10, 0);
    uint64_t at_ns;

    (void)state;
    assert_int_equal(resil_pacer_peek(&pacer, 1, T0, &at_ns), RESIL_OK);
    assert_int_equal(at_ns, T0);
    assert_int_equal(resil_pacer_acquire(&pacer, 1, T0, NULL), RESIL_OK);
    assert_int_equal(resil_pacer_peek(&pacer, 1, T0, &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_MS(100));
    assert_int_equal(resil_pacer_peek(&pacer, 9999, T0, &at_ns), RESIL_ECOST);
    assert_true(at_ns == RESIL_NEVER);
}

static void pacer_drains_for_a_span(void **state)
{
    struct resil_pacer pacer = make(10, 0);

    (void)state;
    resil_pacer_drain(&pacer, 0, T0);
    assert_int_equal(look(&pacer, T0).next_at_ns, T0);
    resil_pacer_drain(&pacer, RESIL_SEC(5), T0);
    resil_pacer_drain(&pacer, RESIL_SEC(2), T0);
    assert_int_equal(look(&pacer, T0).next_at_ns, T0 + RESIL_SEC(5));
    assert_int_equal(resil_pacer_acquire(&pacer, 1, T0 + RESIL_SEC(5), NULL), RESIL_OK);
}

static void pacer_reconfigures_and_works_the_queue_off_at_the_faster_pace(void **state)
{
    struct resil_pacer pacer = make(10, RESIL_SEC(1));
    struct resil_reservation place;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(resil_pacer_reserve(&pacer, 1, T0, &place), RESIL_OK);
    assert_int_equal(resil_pacer_reconfigure(&pacer, &(struct resil_pacer_config){.tokens = 1}, T0),
                     RESIL_OK);
    assert_int_equal(look(&pacer, T0).next_at_ns, T0 + RESIL_MS(500));
    assert_int_equal(look(&pacer, T0).wait_ns, RESIL_MS(500));
    assert_int_equal(look(&pacer, T0).reconfigured, 1);
    assert_int_equal(
        resil_pacer_reconfigure(&pacer, &(struct resil_pacer_config){.tokens = 100}, T0), RESIL_OK);
    assert_int_equal(look(&pacer, T0).next_at_ns, T0 + RESIL_MS(5));
    assert_int_equal(resil_pacer_reconfigure(&pacer, NULL, T0), RESIL_EINVAL);
    pacer.gcra_.busy_ = 1;
    assert_int_equal(
        resil_pacer_reconfigure(&pacer, &(struct resil_pacer_config){.tokens = 100}, T0),
        RESIL_EBUSY);
}

static void pacer_and_the_clock(void **state)
{
    struct resil_pacer pacer = make(10, 0);

    (void)state;
    assert_int_equal(resil_pacer_acquire(&pacer, 1, T0, NULL), RESIL_OK);
    assert_int_equal(resil_pacer_acquire(&pacer, 1, T0 - RESIL_SEC(60), NULL), RESIL_ELIMITED);
    assert_int_equal(resil_pacer_acquire(&pacer, 1, 5, NULL), RESIL_OK);
    assert_int_equal(resil_pacer_acquire(&pacer, 1, 5, NULL), RESIL_ELIMITED);
    resil_pacer_rebase(&pacer, 100);
    assert_int_equal(look(&pacer, 100).next_at_ns, 100 + RESIL_MS(100));
}

static void pacer_checks_its_config(void **state)
{
    static const struct {
        struct resil_pacer_config config;
        const char *why;
    } cases[] = {
        {{.tokens = 0}, "tokens is 0: must be 1 to 1000000000"},
        {{.tokens = 11, .period_ns = 10}, "tokens is 11: must be 1 to 10"},
        {{.tokens = 1, .period_ns = RESIL_OFF}, "period_ns is RESIL_OFF"},
        {{.tokens = 1, .wait_ns = (UINT64_C(1) << 49) + 1}, "wait_ns is 562949953421313"},
    };
    struct resil_pacer pacer;
    const struct resil_pacer_config good = {.tokens = 1};
    char why[160] = "untouched";

    (void)state;
    assert_int_equal(resil_pacer_config_check(&good, why, sizeof why), RESIL_OK);
    assert_string_equal(why, "untouched");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(resil_pacer_config_check(&cases[i].config, why, sizeof why), RESIL_EINVAL);
        assert_memory_equal(why, cases[i].why, strlen(cases[i].why));
        assert_int_equal(resil_pacer_init(&pacer, &cases[i].config), RESIL_EINVAL);
    }
    assert_int_equal(resil_pacer_init(NULL, &good), RESIL_EINVAL);
    assert_int_equal(resil_pacer_init(&pacer, NULL), RESIL_EINVAL);
    assert_int_equal(resil_pacer_init_sized(&pacer, 8, &good, sizeof good), RESIL_EABI);
    assert_int_equal(resil_pacer_init_sized(&pacer, sizeof pacer, &good, 8), RESIL_EABI);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pacer_spaces_calls_out),
        cmocka_unit_test(pacer_saves_nothing_while_idle),
        cmocka_unit_test(pacer_without_waiting_still_reserves_what_is_due),
        cmocka_unit_test(pacer_keeps_away_from_a_dear_call_for_longer),
        cmocka_unit_test(pacer_cancels_the_last_place_only),
        cmocka_unit_test(pacer_peeks_without_taking),
        cmocka_unit_test(pacer_drains_for_a_span),
        cmocka_unit_test(pacer_reconfigures_and_works_the_queue_off_at_the_faster_pace),
        cmocka_unit_test(pacer_and_the_clock),
        cmocka_unit_test(pacer_checks_its_config),
    };

    return cmocka_run_group_tests_name("pacer", tests, NULL, NULL);
}
