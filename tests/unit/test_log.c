/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"

#include <resil/log.h>

#define T0 RESIL_SEC(1000)

/* Room for a log of up to 16 calls. */
static union {
    struct resil_log log;
    uint64_t words[64];
} room;

static struct resil_log *make(uint64_t limit, uint64_t period_ns)
{
    memset(&room, 0xa5, sizeof room);
    assert_int_equal(
        resil_log_init(&room.log, sizeof room,
                       &(struct resil_log_config){.limit = limit, .period_ns = period_ns}),
        RESIL_OK);
    return &room.log;
}

static int take(struct resil_log *log, uint64_t now_ns)
{
    return resil_log_acquire(log, now_ns, NULL);
}

static struct resil_log_snapshot look(const struct resil_log *log, uint64_t now_ns)
{
    struct resil_log_snapshot snapshot;

    resil_log_snapshot(log, now_ns, &snapshot);
    return snapshot;
}

static void log_size_counts_eight_bytes_a_call(void **state)
{
    (void)state;
    assert_int_equal(resil_log_size(1), sizeof(struct resil_log) + 8);
    assert_int_equal(resil_log_size(1000), sizeof(struct resil_log) + 8000);
    assert_int_equal(resil_log_size(0), 0);
    assert_int_equal(resil_log_size(16777217), 0);
    assert_int_equal(resil_log_size(RESIL_OFF), 0);
}

static void log_grants_the_limit_within_every_period(void **state)
{
    struct resil_log *log = make(3, 0);
    uint64_t at_ns = 7;

    (void)state;
    assert_int_equal(look(log, T0).period_ns, RESIL_SEC(1));
    assert_int_equal(resil_log_acquire(log, T0, &at_ns), RESIL_OK);
    assert_int_equal(take(log, T0 + RESIL_MS(900)), RESIL_OK);
    assert_int_equal(take(log, T0 + RESIL_MS(900)), RESIL_OK);
    assert_int_equal(at_ns, 7);
    assert_int_equal(resil_log_acquire(log, T0 + RESIL_MS(950), &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_SEC(1));
    assert_int_equal(take(log, at_ns - 1), RESIL_ELIMITED);
    assert_int_equal(take(log, at_ns), RESIL_OK);
    assert_int_equal(resil_log_acquire(log, at_ns, &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_MS(1900));
    assert_int_equal(look(log, T0 + RESIL_MS(1899)).used, 3);
    assert_int_equal(look(log, T0 + RESIL_MS(1900)).available, 2);
    assert_int_equal(look(log, T0 + RESIL_MS(1800)).next_at_ns, T0 + RESIL_MS(1900));
}

static void log_of_one_call_spaces_calls_by_the_period(void **state)
{
    struct resil_log *log = make(1, RESIL_SEC(1));

    (void)state;
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(take(log, T0 + i * RESIL_SEC(1)), RESIL_OK);
        assert_int_equal(take(log, T0 + i * RESIL_SEC(1)), RESIL_ELIMITED);
        assert_int_equal(take(log, T0 + (i + 1) * RESIL_SEC(1) - 1), RESIL_ELIMITED);
    }
}

static void log_cancels_the_last_call_only(void **state)
{
    struct resil_log *log = make(3, RESIL_SEC(1));
    struct resil_reservation first;
    struct resil_reservation second;

    (void)state;
    assert_int_equal(resil_log_reserve(log, T0, &first), RESIL_OK);
    assert_int_equal(first.at_ns, T0);
    assert_int_equal(resil_log_reserve(log, T0, &second), RESIL_OK);
    assert_int_equal(resil_log_cancel(log, &first, T0), RESIL_ELATE);
    assert_int_equal(look(log, T0).used, 2);
    assert_int_equal(resil_log_cancel(log, &second, T0), RESIL_OK);
    assert_int_equal(resil_log_cancel(log, &second, T0), RESIL_EINVAL);
    assert_int_equal(look(log, T0).used, 1);
    assert_int_equal(take(log, T0), RESIL_OK);
    assert_int_equal(take(log, T0), RESIL_OK);
    assert_int_equal(resil_log_reserve(log, T0, &second), RESIL_ELIMITED);
    assert_int_equal(second.at_ns, T0 + RESIL_SEC(1));
    assert_int_equal(resil_log_cancel(log, &second, T0), RESIL_EINVAL);
}

static void log_unwinds_in_reverse_order_across_the_end(void **state)
{
    struct resil_log *log = make(3, RESIL_SEC(1));
    struct resil_reservation calls[3];

    (void)state;
    assert_int_equal(take(log, T0), RESIL_OK);
    assert_int_equal(take(log, T0), RESIL_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(resil_log_reserve(log, T0 + RESIL_SEC(5), &calls[i]), RESIL_OK);
    for (int i = 2; i >= 0; i--)
        assert_int_equal(resil_log_cancel(log, &calls[i], T0 + RESIL_SEC(5)), RESIL_OK);
    assert_int_equal(look(log, T0 + RESIL_SEC(5)).available, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(take(log, T0 + RESIL_SEC(5)), RESIL_OK);
    assert_int_equal(take(log, T0 + RESIL_SEC(5)), RESIL_ELIMITED);
}

static void log_forgets_a_cancel_that_comes_after_the_period(void **state)
{
    struct resil_log *log = make(3, RESIL_SEC(1));
    struct resil_reservation call;

    (void)state;
    assert_int_equal(resil_log_reserve(log, T0, &call), RESIL_OK);
    assert_int_equal(resil_log_cancel(log, &call, T0 + RESIL_SEC(1)), RESIL_ELATE);
}

static void log_peeks_and_refuses_without_writing(void **state)
{
    struct resil_log *log = make(1, RESIL_SEC(1));
    uint64_t words[64];
    uint64_t at_ns;

    (void)state;
    assert_int_equal(resil_log_peek(log, T0, &at_ns), RESIL_OK);
    assert_int_equal(at_ns, T0);
    assert_int_equal(take(log, T0), RESIL_OK);
    memcpy(words, &room, sizeof words);
    assert_int_equal(resil_log_peek(log, T0, &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_SEC(1));
    assert_int_equal(resil_log_peek(log, T0, NULL), RESIL_ELIMITED);
    assert_int_equal(take(log, T0), RESIL_ELIMITED);
    assert_memory_equal(words, &room, sizeof words);
}

static void log_drained_for_no_time_lets_slow_clocks_in(void **state)
{
    struct resil_log *log = make(5, 0);

    (void)state;
    assert_int_equal(take(log, T0), RESIL_OK);
    resil_log_drain(log, 0, T0);
    assert_int_equal(take(log, T0 - 1), RESIL_OK);
}

static void log_drains_for_a_span(void **state)
{
    struct resil_log *log = make(3, RESIL_SEC(1));
    uint64_t at_ns;

    (void)state;
    resil_log_drain(log, RESIL_SEC(30), T0);
    resil_log_drain(log, RESIL_SEC(3), T0);
    assert_int_equal(resil_log_acquire(log, T0, &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_SEC(30));
    assert_int_equal(resil_log_peek(log, T0, &at_ns), RESIL_ELIMITED);
    assert_int_equal(look(log, T0).available, 0);
    assert_int_equal(look(log, T0).drained_until_ns, T0 + RESIL_SEC(30));
    assert_int_equal(take(log, T0 + RESIL_SEC(30)), RESIL_OK);
}

static void older_now_never_loosens(void **state)
{
    (void)state;
    for (uint64_t age_ns = 0; age_ns <= RESIL_SEC(60); age_ns += RESIL_MS(300)) {
        struct resil_log *log = make(2, RESIL_SEC(1));

        assert_int_equal(take(log, T0), RESIL_OK);
        assert_int_equal(take(log, T0 - age_ns), RESIL_OK);
        assert_int_equal(take(log, T0 - age_ns), RESIL_ELIMITED);
        assert_int_equal(take(log, T0 + RESIL_SEC(1) - 1), RESIL_ELIMITED);
        assert_int_equal(look(log, T0 + RESIL_SEC(1) - 1).used, 2);
        assert_int_equal(take(log, T0 + RESIL_SEC(1)), RESIL_OK);
    }
}

static void clock_that_was_set_back_never_leaves_it_stuck(void **state)
{
    static const uint64_t spans[] = {RESIL_SEC(61), RESIL_SEC(3600),
                                     RESIL_SEC(UINT64_C(86400) * 3650)};
    const uint64_t start_ns = RESIL_SEC(UINT64_C(86400) * 3651);

    (void)state;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        struct resil_log *log = make(2, RESIL_SEC(1));

        assert_int_equal(take(log, start_ns), RESIL_OK);
        assert_int_equal(take(log, start_ns), RESIL_OK);
        assert_int_equal(take(log, start_ns - spans[i]), RESIL_OK);
        assert_int_equal(take(log, start_ns - spans[i]), RESIL_OK);
        assert_int_equal(take(log, start_ns - spans[i]), RESIL_ELIMITED);
        assert_int_equal(take(log, start_ns), RESIL_OK);
    }
}

static void log_works_at_both_ends_of_time(void **state)
{
    struct resil_log *log = make(1, RESIL_SEC(1));

    (void)state;
    assert_int_equal(take(log, 0), RESIL_OK);
    assert_int_equal(take(log, 0), RESIL_ELIMITED);
    assert_int_equal(take(log, UINT64_MAX), RESIL_OK);
    assert_int_equal(take(log, UINT64_MAX), RESIL_ELIMITED);
    assert_int_equal(look(log, UINT64_MAX).next_at_ns, UINT64_MAX);
}

/* A taker that stopped before it moved the cursor on is helped by the next. */
static void log_helps_a_cursor_that_lags(void **state)
{
    struct resil_log *log = make(3, RESIL_SEC(1));

    (void)state;
    assert_int_equal(take(log, T0), RESIL_OK);
    log->head_ = 0;
    assert_int_equal(resil_log_peek(log, T0, NULL), RESIL_OK);
    assert_int_equal(take(log, T0), RESIL_OK);
    assert_int_equal(take(log, T0), RESIL_OK);
    assert_int_equal(take(log, T0), RESIL_ELIMITED);
}

static void log_changes_its_period_and_keeps_its_calls(void **state)
{
    struct resil_log *log = make(3, RESIL_SEC(1));
    char why[120] = "untouched";

    (void)state;
    assert_int_equal(take(log, T0), RESIL_OK);
    assert_int_equal(resil_log_reconfigure(
                         log, &(struct resil_log_config){.limit = 3, .period_ns = RESIL_SEC(9)},
                         why, sizeof why),
                     RESIL_OK);
    assert_string_equal(why, "untouched");
    assert_int_equal(look(log, T0 + RESIL_SEC(9) - 1).used, 1);
    assert_int_equal(look(log, T0 + RESIL_SEC(9)).used, 0);
    assert_int_equal(
        resil_log_reconfigure(log, &(struct resil_log_config){.limit = 4}, why, sizeof why),
        RESIL_EINVAL);
    assert_string_equal(why, "limit: can't change: it is the size of the memory");
    assert_int_equal(resil_log_reconfigure(log, NULL, NULL, 0), RESIL_EINVAL);
    assert_int_equal(look(log, T0).period_ns, RESIL_SEC(9));
}

static void log_counts_its_calls_anew_after_a_rebase(void **state)
{
    struct resil_log *log = make(3, RESIL_SEC(1));

    (void)state;
    assert_int_equal(take(log, T0), RESIL_OK);
    assert_int_equal(take(log, T0), RESIL_OK);
    resil_log_rebase(log, 50);
    assert_int_equal(look(log, 50).used, 2);
    assert_int_equal(take(log, 50), RESIL_OK);
    assert_int_equal(take(log, 49 + RESIL_SEC(1)), RESIL_ELIMITED);
    assert_int_equal(take(log, 50 + RESIL_SEC(1)), RESIL_OK);
}

static void log_checks_its_config_and_its_memory(void **state)
{
    static const struct {
        struct resil_log_config config;
        const char *why;
    } cases[] = {
        {{.limit = 0}, "limit is 0: must be 1 to 16777216"},
        {{.limit = 16777217}, "limit is 16777217"},
        {{.limit = 1, .period_ns = RESIL_OFF}, "period_ns is RESIL_OFF"},
    };
    const struct resil_log_config good = {.limit = 2};
    char why[160] = "untouched";

    (void)state;
    assert_int_equal(resil_log_config_check(&good, why, sizeof why), RESIL_OK);
    assert_string_equal(why, "untouched");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(resil_log_config_check(&cases[i].config, why, sizeof why), RESIL_EINVAL);
        assert_memory_equal(why, cases[i].why, strlen(cases[i].why));
        assert_int_equal(resil_log_init(&room.log, sizeof room, &cases[i].config), RESIL_EINVAL);
    }
    assert_int_equal(resil_log_init(&room.log, resil_log_size(2) - 1, &good), RESIL_EINVAL);
    assert_int_equal(resil_log_init(&room.log, resil_log_size(2), &good), RESIL_OK);
    assert_int_equal(resil_log_init(NULL, sizeof room, &good), RESIL_EINVAL);
    assert_int_equal(resil_log_init(&room.log, sizeof room, NULL), RESIL_EINVAL);
    assert_int_equal(resil_log_init_sized(&room.log, 8, sizeof room, &good, sizeof good),
                     RESIL_EABI);
    assert_int_equal(resil_log_init_sized(&room.log, sizeof room.log, sizeof room, &good, 8),
                     RESIL_EABI);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_size_counts_eight_bytes_a_call),
        cmocka_unit_test(log_grants_the_limit_within_every_period),
        cmocka_unit_test(log_of_one_call_spaces_calls_by_the_period),
        cmocka_unit_test(log_cancels_the_last_call_only),
        cmocka_unit_test(log_unwinds_in_reverse_order_across_the_end),
        cmocka_unit_test(log_forgets_a_cancel_that_comes_after_the_period),
        cmocka_unit_test(log_peeks_and_refuses_without_writing),
        cmocka_unit_test(log_drained_for_no_time_lets_slow_clocks_in),
        cmocka_unit_test(log_drains_for_a_span),
        cmocka_unit_test(older_now_never_loosens),
        cmocka_unit_test(clock_that_was_set_back_never_leaves_it_stuck),
        cmocka_unit_test(log_works_at_both_ends_of_time),
        cmocka_unit_test(log_helps_a_cursor_that_lags),
        cmocka_unit_test(log_changes_its_period_and_keeps_its_calls),
        cmocka_unit_test(log_counts_its_calls_anew_after_a_rebase),
        cmocka_unit_test(log_checks_its_config_and_its_memory),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
