/* SPDX-License-Identifier: BSD-2-Clause */

/* The rules by which a key opens and closes; and the config. */
#include "keyed_breaker_fixture.h"

static void config_is_checked_and_named(void **state)
{
#define BAD(field, value)                                                                          \
    {                                                                                              \
        {.keys = 1, .seed = {1}, .field = (value)}, #field                                         \
    }
    static const struct {
        struct resil_keyed_breaker_config config;
        const char *field;
    } bad[] = {
        {{.seed = {1}}, "keys"},
        {{.keys = (UINT64_C(1) << 31) + 1, .seed = {1}}, "keys"},
        {{.keys = 1}, "seed"},
        BAD(consecutive, 32),
        BAD(failure_pct, 101),
        BAD(calls_min, 32),
        BAD(window_ns, RESIL_MS(9)),
        BAD(open_ns, 1),
        BAD(open_factor_pct, 99),
        BAD(open_ns_max, RESIL_SEC(4)),
        BAD(jitter_pct, 1001),
        BAD(probe_lease_ns, 1),
        BAD(keep_ns, 1),
        BAD(failure_mask, 1),
    };
#undef BAD
    struct resil_keyed_breaker_config good = config_of(1);
    struct resil_keyed_breaker *breaker = make(good);
    size_t size = resil_keyed_breaker_size(1);
    char why[200] = "untouched";

    (void)state;
    assert_int_equal(resil_keyed_breaker_config_check(&good, why, sizeof why), RESIL_OK);
    assert_string_equal(why, "untouched");
    assert_int_equal(resil_keyed_breaker_config_check(NULL, why, sizeof why), RESIL_EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(resil_keyed_breaker_config_check(&bad[i].config, why, sizeof why),
                         RESIL_EINVAL);
        assert_memory_equal(why, bad[i].field, strlen(bad[i].field));
        assert_int_equal(resil_keyed_breaker_init(breaker, SIZE_MAX, &bad[i].config), RESIL_EINVAL);
    }
    assert_int_equal(resil_keyed_breaker_init(breaker, size - 1, &good), RESIL_EINVAL);
    assert_int_equal(resil_keyed_breaker_init(NULL, size, &good), RESIL_EINVAL);
    assert_int_equal(
        resil_keyed_breaker_init_sized(breaker, sizeof *breaker + 8, size, &good, sizeof good),
        RESIL_EABI);
    assert_int_equal(
        resil_keyed_breaker_init_sized(breaker, sizeof *breaker, size, &good, sizeof good - 8),
        RESIL_EABI);
    assert_true(resil_keyed_breaker_size(1000000) <= 64000000);
    assert_int_equal(resil_keyed_breaker_size(0), 0);
    free(breaker);
}

static void a_key_that_is_well_takes_no_place(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(10));

    (void)state;
    for (uint64_t key = 0; key < 10000; key++)
        call(breaker, key, T0, key % 2 == 0 ? RESIL_SUCCESS : RESIL_CALLER);
    call(breaker, 1, T0, RESIL_LOCAL);
    call(breaker, 1, T0, RESIL_OVERLOAD);
    assert_int_equal(count(breaker).keys, 0);
    call(breaker, 1, T0, RESIL_NONE);
    assert_int_equal(count(breaker).keys, 1);
    free(breaker);
}

static void failures_in_a_row_open_their_key_alone(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(10));
    struct resil_keyed_permit permit;

    (void)state;
    call(breaker, 7, T0, RESIL_FAILURE);
    call(breaker, 7, T0, RESIL_TIMEOUT);
    call(breaker, 7, T0, RESIL_SUCCESS);
    call(breaker, 7, T0, RESIL_NOT_SENT);
    call(breaker, 7, T0, RESIL_CALLER);
    trip(breaker, 7, T0);
    assert_int_equal(ask(breaker, 7, T0, &permit), RESIL_EOPEN);
    assert_true(permit.retry_at_ns >= T0 + RESIL_SEC(5));
    assert_true(permit.retry_at_ns <= T0 + RESIL_SEC(5) + TICK);
    assert_int_equal(tell(breaker, &permit, T0, RESIL_SUCCESS), RESIL_EINVAL);
    assert_int_equal(ask(breaker, 8, T0, &permit), RESIL_OK);
    assert_int_equal(look(breaker, 7, T0).state, RESIL_BREAKER_OPEN);
    assert_int_equal(look(breaker, 8, T0).state, RESIL_BREAKER_CLOSED);
    assert_int_equal(count(breaker).opened, 1);
    free(breaker);
}

static void a_share_of_failures_opens(void **state)
{
    struct resil_keyed_breaker_config config = config_of(10);
    struct resil_keyed_breaker *breaker;
    struct resil_keyed_permit permit;

    (void)state;
    config.consecutive = RESIL_OFF;
    config.failure_pct = 40;
    config.calls_min = 5;
    breaker = make(config);
    call(breaker, 1, T0, RESIL_FAILURE);
    for (int i = 0; i < 3; i++)
        call(breaker, 1, T0, RESIL_SUCCESS);
    assert_int_equal(look(breaker, 1, T0).calls, 4);
    call(breaker, 1, T0, RESIL_FAILURE);
    assert_int_equal(ask(breaker, 1, T0, &permit), RESIL_EOPEN);
    /* Four in a row are too few calls. */
    for (int i = 0; i < 4; i++)
        call(breaker, 2, T0, RESIL_FAILURE);
    assert_int_equal(ask(breaker, 2, T0, &permit), RESIL_OK);
    free(breaker);
}

static void rules_that_are_off_never_open(void **state)
{
    struct resil_keyed_breaker_config config = config_of(10);
    struct resil_keyed_breaker *breaker;

    (void)state;
    config.consecutive = RESIL_OFF;
    config.failure_pct = RESIL_OFF;
    breaker = make(config);
    for (int i = 0; i < 1000; i++)
        call(breaker, 1, T0, RESIL_FAILURE);
    assert_true(look(breaker, 1, T0).failures == look(breaker, 1, T0).calls);
    free(breaker);
}

static void counts_fade_with_the_window(void **state)
{
    struct resil_keyed_breaker_config config = config_of(10);
    struct resil_keyed_breaker *breaker;

    (void)state;
    config.consecutive = RESIL_OFF;
    breaker = make(config);
    for (int i = 0; i < 4; i++)
        call(breaker, 1, T0, RESIL_FAILURE);
    assert_int_equal(look(breaker, 1, T0 + RESIL_SEC(9)).failures, 4);
    assert_int_equal(look(breaker, 1, T0 + RESIL_SEC(10) + TICK).failures, 2);
    assert_int_equal(look(breaker, 1, T0 + RESIL_SEC(20) + 2 * TICK).failures, 0);
    call(breaker, 1, T0 + RESIL_SEC(11), RESIL_FAILURE);
    assert_int_equal(look(breaker, 1, T0 + RESIL_SEC(11)).failures, 3);
    assert_int_equal(look(breaker, 1, T0 + RESIL_SEC(19)).failures, 3);
    assert_int_equal(look(breaker, 1, T0 + RESIL_SEC(21)).failures, 1);
    free(breaker);
}

static void one_probe_decides(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(10));
    struct resil_keyed_permit permit, other;
    uint64_t end_ns;

    (void)state;
    trip(breaker, 1, T0);
    assert_int_equal(ask(breaker, 1, T0, &other), RESIL_EOPEN);
    end_ns = other.retry_at_ns;
    assert_int_equal(ask(breaker, 1, end_ns - 1, &other), RESIL_EOPEN);
    assert_int_equal(ask(breaker, 1, end_ns, &permit), RESIL_OK);
    assert_int_equal(look(breaker, 1, end_ns).state, RESIL_BREAKER_HALF_OPEN);
    assert_int_equal(ask(breaker, 1, end_ns, &other), RESIL_EOPEN);
    /* It fails: open again, half as long again. */
    assert_int_equal(tell(breaker, &permit, end_ns, RESIL_FAILURE), RESIL_OK);
    assert_int_equal(tell(breaker, &permit, end_ns, RESIL_SUCCESS), RESIL_EINVAL);
    assert_int_equal(ask(breaker, 1, end_ns, &other), RESIL_EOPEN);
    assert_true(other.retry_at_ns >= end_ns + RESIL_MS(7500));
    assert_true(other.retry_at_ns <= end_ns + RESIL_MS(7500) + TICK);
    assert_int_equal(look(breaker, 1, end_ns).trips, 2);
    assert_int_equal(count(breaker).opened, 2);
    end_ns = other.retry_at_ns;
    assert_int_equal(ask(breaker, 1, end_ns, &permit), RESIL_OK);
    assert_int_equal(tell(breaker, &permit, end_ns, RESIL_SUCCESS), RESIL_OK);
    assert_int_equal(look(breaker, 1, end_ns).state, RESIL_BREAKER_CLOSED);
    assert_int_equal(look(breaker, 1, end_ns).trips, 0);
    assert_int_equal(count(breaker).closed, 1);
    free(breaker);
}

static void the_open_time_grows_to_its_limit(void **state)
{
    struct resil_keyed_breaker_config config = config_of(10);
    struct resil_keyed_breaker *breaker;
    struct resil_keyed_permit permit;
    uint64_t now_ns = T0;

    (void)state;
    config.open_factor_pct = 200;
    config.open_ns_max = RESIL_SEC(30);
    breaker = make(config);
    trip(breaker, 1, now_ns);
    for (int i = 0; i < 20; i++) {
        static const uint64_t spans[] = {5, 10, 20, 30};
        uint64_t span_ns = RESIL_SEC(spans[i < 3 ? i : 3]);

        assert_int_equal(ask(breaker, 1, now_ns, &permit), RESIL_EOPEN);
        assert_true(permit.retry_at_ns - now_ns >= span_ns);
        assert_true(permit.retry_at_ns - now_ns <= span_ns + TICK);
        now_ns = permit.retry_at_ns;
        assert_int_equal(ask(breaker, 1, now_ns, &permit), RESIL_OK);
        assert_int_equal(tell(breaker, &permit, now_ns, RESIL_FAILURE), RESIL_OK);
    }
    assert_int_equal(look(breaker, 1, now_ns).trips, 15);
    free(breaker);
}

static void open_times_differ_by_key(void **state)
{
    struct resil_keyed_breaker_config config = config_of(100);
    struct resil_keyed_breaker *breaker;
    struct resil_keyed_permit permit;
    uint64_t least = UINT64_MAX, most = 0;

    (void)state;
    config.jitter_pct = 100;
    breaker = make(config);
    for (uint64_t key = 0; key < 100; key++) {
        trip(breaker, key, T0);
        assert_int_equal(ask(breaker, key, T0, &permit), RESIL_EOPEN);
        least = permit.retry_at_ns < least ? permit.retry_at_ns : least;
        most = permit.retry_at_ns > most ? permit.retry_at_ns : most;
    }
    assert_true(least >= T0 + RESIL_SEC(5) && least < T0 + RESIL_MS(5500));
    assert_true(most > T0 + RESIL_MS(9500) && most <= T0 + RESIL_SEC(10) + TICK);
    free(breaker);
}

static void overload_opens_again_until_the_hint(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(10));
    struct resil_keyed_permit permit;
    uint64_t now_ns = T0 + RESIL_SEC(6);

    (void)state;
    for (int i = 0; i < 2; i++) {
        uint64_t key = (uint64_t)i;

        trip(breaker, key, T0);
        assert_int_equal(ask(breaker, key, now_ns, &permit), RESIL_OK);
        assert_int_equal(
            resil_keyed_breaker_record(
                breaker, &permit, now_ns,
                &(struct resil_result){.outcome = RESIL_OVERLOAD,
                                       .hint_ns = i == 0 ? RESIL_SEC(12) : RESIL_SEC(100)}),
            RESIL_OK);
        assert_int_equal(ask(breaker, key, now_ns, &permit), RESIL_EOPEN);
        assert_true(permit.retry_at_ns >= now_ns + RESIL_SEC(i == 0 ? 12 : 15));
        assert_true(permit.retry_at_ns <= now_ns + RESIL_SEC(i == 0 ? 12 : 15) + 2 * TICK);
    }
    free(breaker);
}

static void a_probe_that_says_nothing_is_given_back(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(10));
    struct resil_keyed_permit permit, other;
    uint64_t now_ns = T0 + RESIL_SEC(6);

    (void)state;
    trip(breaker, 1, T0);
    assert_int_equal(ask(breaker, 1, now_ns, &permit), RESIL_OK);
    assert_int_equal(tell(breaker, &permit, now_ns, RESIL_CANCELLED), RESIL_OK);
    assert_int_equal(ask(breaker, 1, now_ns, &permit), RESIL_OK);
    /* And one that never reports, by its lease. */
    assert_int_equal(ask(breaker, 1, now_ns + RESIL_MS(9999), &other), RESIL_EOPEN);
    now_ns = other.retry_at_ns;
    assert_int_equal(ask(breaker, 1, now_ns, &other), RESIL_OK);
    assert_int_equal(tell(breaker, &permit, now_ns, RESIL_SUCCESS), RESIL_ELATE);
    assert_int_equal(look(breaker, 1, now_ns).state, RESIL_BREAKER_HALF_OPEN);
    assert_int_equal(tell(breaker, &other, now_ns, RESIL_SUCCESS), RESIL_OK);
    assert_int_equal(count(breaker).opened, 1);
    assert_int_equal(count(breaker).late, 1);
    free(breaker);
}

static void results_of_an_older_state_change_nothing(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(10));
    struct resil_keyed_permit fresh[8], later, probe;
    uint64_t now_ns = T0 + RESIL_SEC(6);

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(ask(breaker, 1, T0, &fresh[i]), RESIL_OK);
    trip(breaker, 1, T0);
    assert_int_equal(tell(breaker, &fresh[0], T0, RESIL_SUCCESS), RESIL_ELATE);
    assert_int_equal(tell(breaker, &fresh[1], T0, RESIL_FAILURE), RESIL_ELATE);
    assert_int_equal(ask(breaker, 1, now_ns, &probe), RESIL_OK);
    assert_int_equal(tell(breaker, &fresh[2], now_ns, RESIL_FAILURE), RESIL_ELATE);
    assert_int_equal(tell(breaker, &probe, now_ns, RESIL_SUCCESS), RESIL_OK);
    /* Closed again: three failures of before don't open it. */
    for (int i = 3; i < 6; i++)
        assert_int_equal(tell(breaker, &fresh[i], now_ns, RESIL_FAILURE), RESIL_ELATE);
    assert_int_equal(look(breaker, 1, now_ns).failures, 0);
    assert_int_equal(ask(breaker, 1, now_ns, &later), RESIL_OK);
    assert_int_equal(tell(breaker, &later, now_ns, RESIL_FAILURE), RESIL_OK);
    assert_int_equal(look(breaker, 1, now_ns).failures, 1);
    free(breaker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_is_checked_and_named),
        cmocka_unit_test(a_key_that_is_well_takes_no_place),
        cmocka_unit_test(failures_in_a_row_open_their_key_alone),
        cmocka_unit_test(a_share_of_failures_opens),
        cmocka_unit_test(rules_that_are_off_never_open),
        cmocka_unit_test(counts_fade_with_the_window),
        cmocka_unit_test(one_probe_decides),
        cmocka_unit_test(the_open_time_grows_to_its_limit),
        cmocka_unit_test(open_times_differ_by_key),
        cmocka_unit_test(overload_opens_again_until_the_hint),
        cmocka_unit_test(a_probe_that_says_nothing_is_given_back),
        cmocka_unit_test(results_of_an_older_state_change_nothing),
    };

    return cmocka_run_group_tests_name("keyed breaker", tests, NULL, NULL);
}
