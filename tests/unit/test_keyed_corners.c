/* SPDX-License-Identifier: BSD-2-Clause */

/* Keys as bytes, keys that are gone, and a clock that was set back. */
#include "test.h"

#include <resil/keyed_breaker.h>
#include <resil/keyed_limiter.h>

#include "breaker/keyed_breaker_fast.h"

#define T0 RESIL_SEC(1000)

static struct resil_keyed_breaker *breaker_of(uint64_t keys)
{
    const struct resil_keyed_breaker_config config = {
        .keys = keys, .seed = {11, 22}, .consecutive = 1, .jitter_pct = RESIL_OFF};
    size_t size = resil_keyed_breaker_size(keys);
    struct resil_keyed_breaker *breaker = malloc(size);

    assert_non_null(breaker);
    assert_int_equal(resil_keyed_breaker_init(breaker, size, &config), RESIL_OK);
    return breaker;
}

static void a_key_of_bytes_has_a_breaker_of_its_own(void **state)
{
    struct resil_keyed_breaker *breaker = breaker_of(100);
    struct resil_keyed_permit permit;
    struct resil_keyed_breaker_entry entry;
    const uint64_t number = 7;

    (void)state;
    assert_int_equal(resil_keyed_breaker_acquire(breaker, "tenant-a", 8, T0, &permit), RESIL_OK);
    assert_int_equal(resil_keyed_breaker_record(breaker, &permit, T0,
                                                &(struct resil_result){.outcome = RESIL_FAILURE}),
                     RESIL_OK);
    assert_int_equal(resil_keyed_breaker_acquire(breaker, "tenant-a", 8, T0, &permit), RESIL_EOPEN);
    assert_true(permit.retry_at_ns > T0);
    assert_int_equal(resil_keyed_breaker_acquire(breaker, "tenant-b", 8, T0, &permit), RESIL_OK);
    assert_int_equal(resil_keyed_breaker_acquire(breaker, "tenant-a", 7, T0, &permit), RESIL_OK);
    resil_keyed_breaker_look(breaker, "tenant-a", 8, T0, &entry);
    assert_int_equal(entry.state, RESIL_BREAKER_OPEN);

    /* A number and its bytes are one key. */
    assert_int_equal(resil_keyed_breaker_acquire_u64(breaker, number, T0, &permit), RESIL_OK);
    assert_int_equal(resil_keyed_breaker_record(breaker, &permit, T0,
                                                &(struct resil_result){.outcome = RESIL_FAILURE}),
                     RESIL_OK);
    assert_int_equal(
        resil_keyed_breaker_acquire(breaker, test_key_of(number).bytes, 8, T0, &permit),
        RESIL_EOPEN);
    free(breaker);
}

/* Found open by the quick look, and gone when the slow one came. */
static void who_has_gone_is_let_through(void **state)
{
    struct resil_keyed_breaker *breaker = breaker_of(100);
    struct resil_keyed_permit permit = {.token_ = 0};

    (void)state;
    assert_int_equal(resil__keyed_breaker_ask(breaker, (struct resil__print){{123, 456}}, T0,
                                              &permit.token_, &permit.retry_at_ns),
                     RESIL_OK);
    permit.print_[0] = 123;
    permit.print_[1] = 456;
    assert_int_equal(resil_keyed_breaker_record(breaker, &permit, T0,
                                                &(struct resil_result){.outcome = RESIL_SUCCESS}),
                     RESIL_OK);
    free(breaker);
}

/* What a place forgot before the clock was set back holds nobody up afterwards. */
static void what_was_forgotten_is_forgiven_when_the_clock_is_set_back(void **state)
{
    const struct resil_keyed_limiter_config config = {
        .keys = 1, .seed = {1, 2}, .tokens = 1, .burst = 4};
    size_t size = resil_keyed_limiter_size(config.keys);
    struct resil_keyed_limiter *limiter = malloc(size);
    uint64_t granted = 0;

    (void)state;
    assert_non_null(limiter);
    assert_int_equal(resil_keyed_limiter_init(limiter, size, &config), RESIL_OK);
    /* Many more keys than places, at times that make each of them idle for the next. */
    for (uint64_t key = 1; key <= 100; key++)
        assert_int_equal(
            resil_keyed_limiter_acquire_u64(limiter, key, 1, RESIL_SEC(1000000 + key * 100), NULL),
            RESIL_OK);
    /* A million seconds earlier: in time all are idle again, and a new key has its whole burst. */
    for (uint64_t key = 101; key <= 140; key++)
        (void)resil_keyed_limiter_acquire_u64(limiter, key, 1, RESIL_SEC(1000 + key * 100), NULL);
    for (uint64_t i = 0; i < 10; i++)
        granted += resil_keyed_limiter_acquire_u64(limiter, 200, 1, RESIL_SEC(1000000 - 500),
                                                   NULL) == RESIL_OK;
    assert_int_equal(granted, 4);
    free(limiter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_of_bytes_has_a_breaker_of_its_own),
        cmocka_unit_test(who_has_gone_is_let_through),
        cmocka_unit_test(what_was_forgotten_is_forgiven_when_the_clock_is_set_back),
    };

    return cmocka_run_group_tests_name("keyed corners", tests, NULL, NULL);
}
