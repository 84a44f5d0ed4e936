/* SPDX-License-Identifier: BSD-2-Clause */
#include "test.h"
#include "told_stripe.h"

#include "../../src/bulkhead/leased_bulkhead.c"
#include "../../src/bulkhead/leased_bulkhead_config.c"
#include "../../src/policy/leased_bulkhead_policy.c"

/* With four stripes a batch is a sixteenth of the limit. */
static struct resil_bulkhead bulkhead;
static struct resil_leased_bulkhead leased;

static void with(uint64_t limit, const struct resil_leased_bulkhead_config *config)
{
    assert_int_equal(
        resil_bulkhead_init(&bulkhead, &(struct resil_bulkhead_config){.limit = limit}), RESIL_OK);
    memset(&leased, 0xa5, sizeof leased);
    assert_int_equal(resil_leased_bulkhead_init(&leased, &bulkhead, config), RESIL_OK);
    told_stripe = 0;
}

static void with_four(uint64_t limit)
{
    with(limit, &(struct resil_leased_bulkhead_config){.stripes = 4});
}

static int enter(uint32_t stripe)
{
    told_stripe = stripe;
    return resil_leased_bulkhead_acquire(&leased);
}

static int leave(uint32_t stripe)
{
    told_stripe = stripe;
    return resil_leased_bulkhead_release(&leased);
}

static void set_limit(uint64_t limit)
{
    assert_int_equal(
        resil_bulkhead_reconfigure(&bulkhead, &(struct resil_bulkhead_config){.limit = limit}),
        RESIL_OK);
}

static struct resil_leased_bulkhead_snapshot look(void)
{
    struct resil_leased_bulkhead_snapshot snapshot;

    assert_int_equal(resil_leased_bulkhead_snapshot(&leased, &snapshot), RESIL_OK);
    return snapshot;
}

static void assert_calls(uint64_t in_flight, uint64_t lying)
{
    assert_int_equal(look().in_flight, in_flight);
    assert_int_equal(look().leased, lying);
}

static uint64_t word_in_flight(void)
{
    struct resil_bulkhead_snapshot snapshot;

    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), RESIL_OK);
    return snapshot.in_flight;
}

static void config_check_names_the_field(void **state)
{
    static const struct {
        struct resil_leased_bulkhead_config config;
        const char *field;
    } rows[] = {
        {{.stripes = 17}, "stripes"},
        {{.stripes = RESIL_OFF}, "stripes"},
        {{.batch = 1}, "batch"},
        {{.batch = 65537}, "batch"},
        {{.processes = 1025}, "processes"},
        {{.processes = RESIL_OFF}, "processes"},
    };
    static const struct resil_leased_bulkhead_config good[] = {{0}, {16, 65536, 1024}, {1, 2, 1}};
    char why[120];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(why, 0, sizeof why);
        assert_int_equal(resil_leased_bulkhead_config_check(&rows[i].config, why, sizeof why),
                         RESIL_EINVAL);
        assert_memory_equal(why, rows[i].field, strlen(rows[i].field));
        assert_int_equal(resil_leased_bulkhead_init(&leased, &bulkhead, &rows[i].config),
                         RESIL_EINVAL);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(resil_leased_bulkhead_config_check(&good[i], NULL, 0), RESIL_OK);
    assert_int_equal(resil_leased_bulkhead_config_check(NULL, NULL, 0), RESIL_OK);
}

static void init_refuses_what_it_cant_use(void **state)
{
    struct resil_bulkhead blank = {0};
    struct resil_leased_bulkhead none = {0};
    struct resil_leased_bulkhead_snapshot snapshot;

    (void)state;
    with_four(64);
    assert_int_equal(resil_leased_bulkhead_init(NULL, &bulkhead, NULL), RESIL_EINVAL);
    assert_int_equal(resil_leased_bulkhead_init(&leased, NULL, NULL), RESIL_EINVAL);
    assert_int_equal(resil_leased_bulkhead_init(&leased, &blank, NULL), RESIL_EINVAL);
    assert_int_equal(resil_leased_bulkhead_init_sized(&leased, sizeof leased - 1, &bulkhead, NULL,
                                                      sizeof(struct resil_leased_bulkhead_config)),
                     RESIL_EABI);
    assert_int_equal(resil_leased_bulkhead_init_sized(&leased, sizeof leased, &bulkhead, NULL, 8),
                     RESIL_EABI);
    assert_int_equal(resil_leased_bulkhead_snapshot(NULL, &snapshot), RESIL_EINVAL);
    assert_int_equal(resil_leased_bulkhead_snapshot(&leased, NULL), RESIL_EINVAL);
    assert_int_equal(resil_leased_bulkhead_snapshot(&none, &snapshot), RESIL_EINVAL);
    resil_leased_bulkhead_flush(NULL);
}

static void a_batch_is_a_share_of_the_limit(void **state)
{
    static const struct {
        struct resil_leased_bulkhead_config config;
        uint64_t limit, batch;
    } rows[] = {
        {{0}, 127, 0},
        {{0}, 128, 2},
        {{0}, 2147483647, 16},
        {{.batch = 5}, 100000, 5},
        {{.stripes = 1}, 7, 0},
        {{.stripes = 1}, 8, 2},
        {{.stripes = 3}, 64, 4}, /* rounded up to 4 */
        {{.stripes = 4, .processes = 2}, 64, 2},
        {{.stripes = 4, .processes = 3}, 64, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        with(rows[i].limit, &rows[i].config);
        assert_int_equal(look().batch, rows[i].batch);
    }
}

static void a_small_limit_is_not_leased(void **state)
{
    (void)state;
    with_four(31);
    for (uint32_t i = 0; i < 31; i++)
        assert_int_equal(enter(i % 4), RESIL_OK);
    assert_int_equal(enter(0), RESIL_EFULL);
    assert_int_equal(leave(0), RESIL_OK);
    assert_int_equal(word_in_flight(), 30);
    assert_calls(30, 0);
}

static void a_stripe_takes_a_batch_and_takes_permits_in(void **state)
{
    (void)state;
    with_four(64);
    assert_int_equal(enter(2), RESIL_OK);
    assert_calls(1, 3);
    assert_int_equal(enter(2), RESIL_OK);
    assert_calls(2, 2);
    assert_int_equal(leave(2), RESIL_OK);
    assert_int_equal(leave(2), RESIL_OK);
    assert_calls(0, 4);
    assert_int_equal(word_in_flight(), 4);
}

static void leases_never_exceed_the_limit(void **state)
{
    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(enter(i % 4), RESIL_OK);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(enter(i), RESIL_EFULL);
    assert_calls(64, 0);
}

static void who_runs_dry_takes_back_from_the_others(void **state)
{
    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(enter(i % 4), RESIL_OK);
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(leave(1), RESIL_OK);
    assert_calls(57, 7);
    assert_int_equal(word_in_flight(), 64);
    for (uint32_t i = 0; i < 7; i++)
        assert_int_equal(enter(3), RESIL_OK);
    assert_int_equal(enter(3), RESIL_EFULL);
}

static void a_stripe_gives_back_what_is_too_much(void **state)
{
    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 40; i++)
        assert_int_equal(enter(0), RESIL_OK);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(leave(3), RESIL_OK);
        assert_true(look().leased <= 8);
    }
    assert_true(word_in_flight() <= 8);
    assert_int_equal(look().in_flight, 0);
}

static void a_lowered_limit_drains_although_permits_are_leased(void **state)
{
    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 50; i++)
        assert_int_equal(enter(i % 4), RESIL_OK);
    for (uint32_t i = 0; i < 12; i++)
        assert_int_equal(leave(i % 4), RESIL_OK); /* 38 in flight */
    assert_true(look().leased >= 12);
    set_limit(33);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(enter(i), RESIL_EFULL);
    assert_calls(38, 0);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(leave(i % 4), RESIL_OK);
    assert_int_equal(enter(1), RESIL_EFULL); /* 33 */
    assert_int_equal(leave(1), RESIL_OK);
    assert_int_equal(enter(2), RESIL_OK);
    assert_int_equal(enter(2), RESIL_EFULL);
}

static void leases_in_the_way_of_a_lowered_limit_are_given_back(void **state)
{
    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(enter(i), RESIL_OK);
    assert_calls(4, 12);
    set_limit(5); /* and off */
    assert_int_equal(enter(0), RESIL_OK);
    assert_calls(5, 0);
    assert_int_equal(enter(0), RESIL_EFULL);
    set_limit(64);
    assert_int_equal(enter(0), RESIL_OK);
    assert_int_equal(look().leased, 3);
}

static void permits_left_in_stripes_are_found_when_leases_are_off(void **state)
{
    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(enter(i), RESIL_OK);
    set_limit(20); /* 16 are out or leased: it doesn't drain, but leases no more */
    for (uint32_t i = 0; i < 16; i++)
        assert_int_equal(enter(0), RESIL_OK);
    assert_int_equal(enter(0), RESIL_EFULL);
    assert_calls(20, 0);
}

static void a_flush_gives_everything_back(void **state)
{
    (void)state;
    with_four(64);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(enter(i), RESIL_OK);
    resil_leased_bulkhead_flush(&leased);
    assert_calls(4, 0);
    assert_int_equal(word_in_flight(), 4);
}

static void a_release_too_many_is_detected_when_nothing_is_out(void **state)
{
    (void)state;
    with_four(64);
    assert_int_equal(leave(0), RESIL_EINVAL);
    assert_calls(0, 0);
    assert_int_equal(enter(0), RESIL_OK);
    assert_int_equal(leave(0), RESIL_OK);
    resil_leased_bulkhead_flush(&leased);
    assert_int_equal(leave(0), RESIL_EINVAL);
    assert_int_equal(word_in_flight(), 0);
}

/* Whoever released too many pays with his own stripes, not with a count below zero. */
static void a_flush_never_gives_back_more_than_is_out(void **state)
{
    (void)state;
    with_four(64);
    assert_int_equal(enter(0), RESIL_OK);
    assert_int_equal(leave(0), RESIL_OK);
    assert_int_equal(leave(0), RESIL_OK); /* too many: 5 in a stripe, 4 out */
    resil_leased_bulkhead_flush(&leased);
    assert_int_equal(word_in_flight(), 0);
    assert_int_equal(resil_bulkhead_acquire(&bulkhead), RESIL_OK);
    assert_int_equal(word_in_flight(), 1);
}

static void policy_takes_and_gives_back(void **state)
{
    struct resil_policy policy = resil_leased_bulkhead_policy(&leased);
    struct resil_leased_bulkhead blank = {0};
    struct resil_walk walk = {0};

    (void)state;
    with_four(64);
    assert_int_equal(policy.ops->size, sizeof(struct resil_policy_ops));
    assert_string_equal(policy.ops->name, "leased-bulkhead");
    assert_int_equal(policy.ops->flags, RESIL_ON_ALL);
    assert_int_equal(policy.ops->frame_words, 0);
    assert_int_equal(policy.ops->check(&leased), RESIL_OK);
    assert_int_equal(policy.ops->check(&blank), RESIL_EINVAL);
    assert_int_equal(policy.ops->check(NULL), RESIL_EINVAL);
    for (int i = 0; i < 64; i++)
        assert_int_equal(policy.ops->admit(policy.self, NULL, &walk), RESIL_PASS);
    assert_int_equal(policy.ops->admit(policy.self, NULL, &walk), RESIL_EFULL);
    assert_int_equal(policy.ops->settle(policy.self, NULL, &walk), RESIL_PASS);
    assert_int_equal(policy.ops->abandon(policy.self, NULL, &walk), RESIL_PASS);
    assert_calls(62, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_check_names_the_field),
        cmocka_unit_test(init_refuses_what_it_cant_use),
        cmocka_unit_test(a_batch_is_a_share_of_the_limit),
        cmocka_unit_test(a_small_limit_is_not_leased),
        cmocka_unit_test(a_stripe_takes_a_batch_and_takes_permits_in),
        cmocka_unit_test(leases_never_exceed_the_limit),
        cmocka_unit_test(who_runs_dry_takes_back_from_the_others),
        cmocka_unit_test(a_stripe_gives_back_what_is_too_much),
        cmocka_unit_test(a_lowered_limit_drains_although_permits_are_leased),
        cmocka_unit_test(leases_in_the_way_of_a_lowered_limit_are_given_back),
        cmocka_unit_test(permits_left_in_stripes_are_found_when_leases_are_off),
        cmocka_unit_test(a_flush_gives_everything_back),
        cmocka_unit_test(a_release_too_many_is_detected_when_nothing_is_out),
        cmocka_unit_test(a_flush_never_gives_back_more_than_is_out),
        cmocka_unit_test(policy_takes_and_gives_back),
    };

    return cmocka_run_group_tests_name("leased bulkhead", tests, NULL, NULL);
}
