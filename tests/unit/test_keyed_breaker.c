/* SPDX-License-Identifier: BSD-2-Clause */

#include "test.h"

#include <resil/keyed_breaker.h>

/* A whole number of ticks of 2^20 ns, as a deadline is. */
#define T0   (RESIL_SEC(1000) >> 20 << 20)
#define TICK (UINT64_C(1) << 20)

static struct resil_keyed_breaker_config config_of(uint64_t keys)
{
    return (struct resil_keyed_breaker_config){
        .keys = keys, .seed = {11, 22}, .consecutive = 3, .jitter_pct = RESIL_OFF};
}

static struct resil_keyed_breaker *make(struct resil_keyed_breaker_config config)
{
    size_t size = resil_keyed_breaker_size(config.keys);
    struct resil_keyed_breaker *breaker = malloc(size);

    assert_non_null(breaker);
    assert_int_equal(resil_keyed_breaker_init(breaker, size, &config), RESIL_OK);
    return breaker;
}

static int ask(struct resil_keyed_breaker *breaker, uint64_t key, uint64_t now_ns,
               struct resil_keyed_permit *permit)
{
    return resil_keyed_breaker_acquire_u64(breaker, key, now_ns, permit);
}

static int tell(struct resil_keyed_breaker *breaker, struct resil_keyed_permit *permit,
                uint64_t now_ns, enum resil_outcome outcome)
{
    return resil_keyed_breaker_record(breaker, permit, now_ns,
                                      &(struct resil_result){.outcome = outcome});
}

/* One call, which must be let through. */
static void call(struct resil_keyed_breaker *breaker, uint64_t key, uint64_t now_ns,
                 enum resil_outcome outcome)
{
    struct resil_keyed_permit permit;

    assert_int_equal(ask(breaker, key, now_ns, &permit), RESIL_OK);
    assert_int_equal(tell(breaker, &permit, now_ns, outcome), RESIL_OK);
}

static void trip(struct resil_keyed_breaker *breaker, uint64_t key, uint64_t now_ns)
{
    for (int i = 0; i < 3; i++)
        call(breaker, key, now_ns, RESIL_FAILURE);
}

static struct resil_keyed_breaker_entry look(const struct resil_keyed_breaker *breaker,
                                             uint64_t key, uint64_t now_ns)
{
    struct resil_keyed_breaker_entry entry;

    resil_keyed_breaker_look(breaker, &key, sizeof key, now_ns, &entry);
    return entry;
}

static struct resil_keyed_breaker_snapshot count(const struct resil_keyed_breaker *breaker)
{
    struct resil_keyed_breaker_snapshot snapshot;

    resil_keyed_breaker_snapshot(breaker, &snapshot);
    return snapshot;
}

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

/* One bucket of five. */
static void who_fails_keeps_the_place(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(1));
    struct resil_keyed_permit permit;
    uint64_t now_ns = T0;

    (void)state;
    trip(breaker, 0, T0);
    for (uint64_t key = 1; key < 5; key++)
        call(breaker, key, T0, RESIL_FAILURE);
    for (uint64_t key = 5; key < 1000; key++)
        trip(breaker, key, T0);
    assert_int_equal(count(breaker).untracked, 3 * 995);
    assert_int_equal(count(breaker).evicted, 0);
    assert_int_equal(ask(breaker, 5, T0, &permit), RESIL_OK);
    assert_int_equal(ask(breaker, 0, T0, &permit), RESIL_EOPEN);
    /* Their windows end, the open one's keep_ns doesn't. */
    now_ns = T0 + RESIL_SEC(20) + 2 * TICK;
    for (uint64_t key = 5; key < 1000; key++)
        call(breaker, key, now_ns, RESIL_FAILURE);
    assert_int_equal(count(breaker).evicted, 4);
    assert_int_equal(look(breaker, 0, now_ns).state, RESIL_BREAKER_OPEN);
    now_ns = T0 + RESIL_SEC(605) - TICK;
    for (uint64_t key = 5; key < 1000; key++)
        call(breaker, key, now_ns, RESIL_FAILURE);
    assert_int_equal(look(breaker, 0, now_ns).state, RESIL_BREAKER_OPEN);
    now_ns += RESIL_SEC(30);
    for (uint64_t key = 1000; key < 1010; key++)
        call(breaker, key, now_ns, RESIL_FAILURE);
    assert_int_equal(look(breaker, 0, now_ns).state, RESIL_BREAKER_CLOSED);
    free(breaker);
}

static void an_open_key_can_be_kept_for_ever(void **state)
{
    struct resil_keyed_breaker_config config = config_of(1);
    struct resil_keyed_breaker *breaker;
    uint64_t now_ns = T0;

    (void)state;
    config.keep_ns = RESIL_OFF;
    breaker = make(config);
    trip(breaker, 0, T0);
    for (uint64_t key = 1; key < 200; key++) {
        call(breaker, key, now_ns, RESIL_FAILURE);
        now_ns += RESIL_SEC(21);
    }
    assert_int_equal(look(breaker, 0, now_ns).state, RESIL_BREAKER_OPEN);
    assert_true(count(breaker).evicted > 100);
    free(breaker);
}

static void a_clock_set_back_opens_for_nobody_for_ever(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(1));
    struct resil_keyed_permit permit;

    (void)state;
    trip(breaker, 0, T0);
    assert_int_equal(ask(breaker, 0, T0 - RESIL_SEC(60), &permit), RESIL_EOPEN);
    assert_int_equal(ask(breaker, 0, RESIL_SEC(1), &permit), RESIL_EOPEN);
    trip(breaker, 1, T0 + RESIL_SEC(100000));
    assert_int_equal(ask(breaker, 1, T0, &permit), RESIL_OK);
    free(breaker);
}

static void top_lists_the_worst(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(100));
    struct resil_keyed_breaker_entry top[3];
    struct resil_keyed_permit permit;

    (void)state;
    assert_int_equal(resil_keyed_breaker_top(breaker, T0, top, 3), 0);
    for (uint64_t key = 10; key < 30; key++)
        call(breaker, key, T0, RESIL_FAILURE);
    call(breaker, 12, T0, RESIL_FAILURE);
    trip(breaker, 1, T0);
    trip(breaker, 2, T0);
    assert_int_equal(ask(breaker, 2, T0 + RESIL_SEC(6), &permit), RESIL_OK);
    assert_int_equal(tell(breaker, &permit, T0 + RESIL_SEC(6), RESIL_FAILURE), RESIL_OK);
    assert_int_equal(resil_keyed_breaker_top(breaker, T0 + RESIL_SEC(6), top, 3), 3);
    assert_memory_equal(top[0].print, look(breaker, 2, T0).print, 16);
    assert_memory_equal(top[1].print, look(breaker, 1, T0).print, 16);
    assert_memory_equal(top[2].print, look(breaker, 12, T0).print, 16);
    assert_int_equal(top[0].trips, 2);
    assert_true(top[0].until_ns > T0 + RESIL_SEC(13));
    assert_true(top[1].until_ns >= T0 + RESIL_SEC(5));
    assert_true(top[1].until_ns <= T0 + RESIL_SEC(5) + TICK);
    assert_int_equal(top[2].failures, 2);
    assert_int_equal(resil_keyed_breaker_top(breaker, T0, top, 0), 0);
    free(breaker);
}

static void top_writes_to_its_places_alone(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(100));
    struct resil_keyed_breaker_entry around[4] = {0};
    struct resil_keyed_breaker_entry empty = {0};

    (void)state;
    for (uint64_t key = 10; key < 30; key++)
        trip(breaker, key, T0);
    assert_int_equal(resil_keyed_breaker_top(breaker, T0, &around[1], 2), 2);
    assert_memory_equal(&around[0], &empty, sizeof empty);
    assert_memory_equal(&around[3], &empty, sizeof empty);
    free(breaker);
}

static void rebase_lets_every_open_key_probe(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(10));
    struct resil_keyed_permit permit, old;

    (void)state;
    assert_int_equal(ask(breaker, 2, T0, &old), RESIL_OK);
    trip(breaker, 1, T0);
    call(breaker, 2, T0, RESIL_FAILURE);
    resil_keyed_breaker_rebase(breaker, 5);
    assert_int_equal(ask(breaker, 1, 5, &permit), RESIL_OK);
    assert_int_equal(look(breaker, 1, 5).state, RESIL_BREAKER_HALF_OPEN);
    assert_int_equal(look(breaker, 2, 5).failures, 0);
    assert_int_equal(tell(breaker, &old, 5, RESIL_FAILURE), RESIL_ELATE);
    free(breaker);
}

static void policy_guards_the_key_of_the_request(void **state)
{
    struct resil_keyed_breaker *breaker = make(config_of(10));
    struct resil_policy policy = resil_keyed_breaker_policy(breaker);
    static struct resil_keyed_breaker blank;
    struct resil_request request = {.key = 9};
    struct resil_walk walk = {.request = &request, .now_ns = T0};
    uint64_t frame[3];

    (void)state;
    assert_int_equal(policy.ops->size, sizeof(struct resil_policy_ops));
    assert_int_equal(policy.ops->frame_words, 3);
    assert_int_equal(policy.ops->flags, RESIL_ON_ALL);
    assert_int_equal(policy.ops->check(breaker), RESIL_OK);
    assert_int_equal(policy.ops->check(&blank), RESIL_EINVAL);
    assert_int_equal(policy.ops->check(NULL), RESIL_EINVAL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(policy.ops->admit(breaker, frame, &walk), RESIL_PASS);
        assert_false(walk.timed);
        walk.result.outcome = i < 2 ? RESIL_FAILURE : RESIL_TIMEOUT;
        if (i < 2)
            assert_int_equal(policy.ops->settle(breaker, frame, &walk), RESIL_PASS);
        else
            (void)policy.ops->abandon(breaker, frame, &walk);
    }
    assert_int_equal(policy.ops->admit(breaker, frame, &walk), RESIL_EOPEN);
    assert_true(walk.retry_at_ns >= T0 + RESIL_SEC(5));
    request.key = 0;
    assert_int_equal(policy.ops->admit(breaker, frame, &walk), RESIL_PASS);
    walk.result.outcome = RESIL_FAILURE;
    assert_int_equal(policy.ops->settle(breaker, frame, &walk), RESIL_PASS);
    assert_int_equal(count(breaker).inserted, 1);
    request.key = 9;
    walk.now_ns = T0 + RESIL_SEC(6);
    assert_int_equal(policy.ops->admit(breaker, frame, &walk), RESIL_PASS);
    assert_true(walk.timed);
    walk.result.outcome = RESIL_REFUSED;
    assert_int_equal(policy.ops->settle(breaker, frame, &walk), RESIL_PASS);
    assert_int_equal(look(breaker, 9, walk.now_ns).state, RESIL_BREAKER_OPEN);
    assert_int_equal(policy.ops->admit(breaker, frame, &walk), RESIL_PASS);
    walk.result.outcome = RESIL_SUCCESS;
    assert_int_equal(policy.ops->settle(breaker, frame, &walk), RESIL_PASS);
    assert_int_equal(look(breaker, 9, walk.now_ns).state, RESIL_BREAKER_CLOSED);
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
        cmocka_unit_test(who_fails_keeps_the_place),
        cmocka_unit_test(an_open_key_can_be_kept_for_ever),
        cmocka_unit_test(a_clock_set_back_opens_for_nobody_for_ever),
        cmocka_unit_test(top_lists_the_worst),
        cmocka_unit_test(top_writes_to_its_places_alone),
        cmocka_unit_test(rebase_lets_every_open_key_probe),
        cmocka_unit_test(policy_guards_the_key_of_the_request),
    };

    return cmocka_run_group_tests_name("keyed breaker", tests, NULL, NULL);
}
