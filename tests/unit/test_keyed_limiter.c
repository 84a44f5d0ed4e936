/* SPDX-License-Identifier: BSD-2-Clause */

#include "test.h"

#include <resil/keyed_limiter.h>

#define T0 RESIL_SEC(1000)

static struct resil_keyed_limiter_config config_of(uint64_t keys)
{
    return (struct resil_keyed_limiter_config){
        .keys = keys, .seed = {11, 22}, .tokens = 10, .burst = 5};
}

static struct resil_keyed_limiter *make(struct resil_keyed_limiter_config config)
{
    size_t size = resil_keyed_limiter_size(config.keys);
    struct resil_keyed_limiter *limiter = malloc(size);

    assert_non_null(limiter);
    assert_int_equal(resil_keyed_limiter_init(limiter, size, &config), RESIL_OK);
    return limiter;
}

static int take(struct resil_keyed_limiter *limiter, uint64_t key, uint64_t cost, uint64_t now_ns)
{
    return resil_keyed_limiter_acquire_u64(limiter, key, cost, now_ns, NULL);
}

static struct resil_keyed_limiter_snapshot look(const struct resil_keyed_limiter *limiter)
{
    struct resil_keyed_limiter_snapshot snapshot;

    resil_keyed_limiter_snapshot(limiter, &snapshot);
    return snapshot;
}

static void config_is_checked_and_named(void **state)
{
    static const struct {
        struct resil_keyed_limiter_config config;
        const char *field;
    } bad[] = {
        {{.seed = {1}, .tokens = 1}, "keys"},
        {{.keys = (UINT64_C(1) << 31) + 1, .seed = {1}, .tokens = 1}, "keys"},
        {{.keys = 1, .tokens = 1}, "seed"},
        {{.keys = 1, .seed = {1}}, "tokens"},
        {{.keys = 1, .seed = {1}, .tokens = 11, .period_ns = 10}, "tokens"},
        {{.keys = 1, .seed = {1}, .tokens = 1, .period_ns = RESIL_SEC(400 * 86400)}, "period_ns"},
        {{.keys = 1, .seed = {1}, .tokens = 1, .burst = UINT64_C(1) << 60}, "burst"},
        {{.keys = 1, .seed = {1}, .tokens = 1, .overflow_tokens = RESIL_SEC(1) + 1},
         "overflow_tokens"},
        {{.keys = 1, .seed = {1}, .tokens = 1, .overflow_burst = UINT64_C(1) << 60},
         "overflow_burst"},
    };
    struct resil_keyed_limiter_config good = config_of(1);
    struct resil_keyed_limiter *limiter = make(good);
    char why[200] = "untouched";

    (void)state;
    assert_int_equal(resil_keyed_limiter_config_check(&good, why, sizeof why), RESIL_OK);
    good.overflow_tokens = RESIL_OFF;
    good.overflow_burst = UINT64_C(1) << 60;
    assert_int_equal(resil_keyed_limiter_config_check(&good, why, sizeof why), RESIL_OK);
    assert_string_equal(why, "untouched");
    assert_int_equal(resil_keyed_limiter_config_check(NULL, why, sizeof why), RESIL_EINVAL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(resil_keyed_limiter_config_check(&bad[i].config, why, sizeof why),
                         RESIL_EINVAL);
        assert_memory_equal(why, bad[i].field, strlen(bad[i].field));
        assert_int_equal(resil_keyed_limiter_init(limiter, SIZE_MAX, &bad[i].config), RESIL_EINVAL);
    }
    free(limiter);
}

static void init_wants_its_memory(void **state)
{
    struct resil_keyed_limiter_config config = config_of(100);
    size_t size = resil_keyed_limiter_size(100);
    struct resil_keyed_limiter *limiter = malloc(size);

    (void)state;
    assert_int_equal(resil_keyed_limiter_init(limiter, size - 1, &config), RESIL_EINVAL);
    assert_int_equal(resil_keyed_limiter_init(NULL, size, &config), RESIL_EINVAL);
    assert_int_equal(resil_keyed_limiter_init(limiter, size, NULL), RESIL_EINVAL);
    assert_int_equal(
        resil_keyed_limiter_init_sized(limiter, sizeof *limiter - 8, size, &config, sizeof config),
        RESIL_EABI);
    assert_int_equal(
        resil_keyed_limiter_init_sized(limiter, sizeof *limiter, size, &config, sizeof config + 8),
        RESIL_EABI);
    assert_int_equal(resil_keyed_limiter_init(limiter, size, &config), RESIL_OK);
    assert_int_equal(resil_keyed_limiter_size(0), 0);
    assert_int_equal(resil_keyed_limiter_size((UINT64_C(1) << 31) + 1), 0);
    free(limiter);
}

static void a_million_keys_fit_into_64_million_bytes(void **state)
{
    (void)state;
    assert_true(resil_keyed_limiter_size(1000000) <= 64000000);
    assert_true(resil_keyed_limiter_size(1000000) <= 512 + 60 * 1000000 + 128);
}

static void each_key_has_its_own_bucket(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(100));
    uint64_t at_ns = 0;

    (void)state;
    for (uint64_t key = 0; key < 50; key++) {
        for (int i = 0; i < 5; i++)
            assert_int_equal(take(limiter, key, 1, T0), RESIL_OK);
        assert_int_equal(resil_keyed_limiter_acquire_u64(limiter, key, 1, T0, &at_ns),
                         RESIL_ELIMITED);
        assert_int_equal(at_ns, T0 + RESIL_MS(100));
        assert_int_equal(take(limiter, key, 1, at_ns - 1), RESIL_ELIMITED);
        assert_int_equal(take(limiter, key, 0, at_ns), RESIL_OK);
        assert_int_equal(take(limiter, key, 1, at_ns), RESIL_ELIMITED);
    }
    assert_int_equal(look(limiter).keys, 50);
    free(limiter);
}

static void a_cost_above_the_burst_never_passes(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(100));
    uint64_t at_ns = 77;

    (void)state;
    assert_int_equal(resil_keyed_limiter_acquire_u64(limiter, 1, 6, T0, &at_ns), RESIL_ECOST);
    assert_int_equal(take(limiter, 1, 5, T0), RESIL_OK);
    assert_int_equal(resil_keyed_limiter_acquire_u64(limiter, 1, 6, T0, &at_ns), RESIL_ECOST);
    assert_int_equal(at_ns, 77);
    free(limiter);
}

static void bytes_and_numbers_name_the_same_key(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(100));
    static const unsigned char bytes[8] = {0x34, 0x12};

    (void)state;
    assert_int_equal(take(limiter, 0x1234, 5, T0), RESIL_OK);
    assert_int_equal(resil_keyed_limiter_acquire(limiter, bytes, 8, 1, T0, NULL), RESIL_ELIMITED);
    assert_int_equal(resil_keyed_limiter_acquire(limiter, bytes, 2, 5, T0, NULL), RESIL_OK);
    assert_int_equal(resil_keyed_limiter_acquire(limiter, "10.0.0.1", 8, 5, T0, NULL), RESIL_OK);
    assert_int_equal(resil_keyed_limiter_acquire(limiter, "10.0.0.1", 8, 1, T0, NULL),
                     RESIL_ELIMITED);
    assert_int_equal(resil_keyed_limiter_acquire(limiter, NULL, 0, 5, T0, NULL), RESIL_OK);
    assert_int_equal(resil_keyed_limiter_acquire(limiter, "x", 0, 1, T0, NULL), RESIL_ELIMITED);
    free(limiter);
}

static void an_idle_key_gives_up_its_place_and_a_debtor_does_not(void **state)
{
    struct resil_keyed_limiter_config config = config_of(1);
    struct resil_keyed_limiter *limiter;

    (void)state;
    config.overflow_tokens = RESIL_OFF;
    limiter = make(config);
    /* One bucket of five. Four keys are full again after 100 ms, the first after 500. */
    assert_int_equal(look(limiter).places, 5);
    assert_int_equal(take(limiter, 0, 5, T0), RESIL_OK);
    for (uint64_t key = 1; key < 5; key++)
        assert_int_equal(take(limiter, key, 1, T0), RESIL_OK);
    assert_int_equal(take(limiter, 5, 1, T0), RESIL_ELIMITED);
    for (uint64_t key = 5; key < 1000; key++)
        assert_int_equal(take(limiter, key, 1, T0 + RESIL_MS(100)), RESIL_ELIMITED);
    for (uint64_t key = 5; key < 9; key++)
        assert_int_equal(take(limiter, key, 1, T0 + RESIL_MS(101)), RESIL_OK);
    assert_int_equal(take(limiter, 9, 1, T0 + RESIL_MS(101)), RESIL_ELIMITED);
    assert_int_equal(take(limiter, 0, 2, T0 + RESIL_MS(101)), RESIL_ELIMITED);
    assert_int_equal(look(limiter).evicted, 4);
    assert_int_equal(look(limiter).keys, 5);
    assert_int_equal(look(limiter).overflow_granted, 0);
    free(limiter);
}

static void newcomers_without_a_place_share_one_bucket(void **state)
{
    struct resil_keyed_limiter_config config = config_of(1);
    struct resil_keyed_limiter *limiter;
    uint64_t at_ns = 0;

    (void)state;
    config.overflow_tokens = 20;
    config.overflow_burst = 3;
    limiter = make(config);
    for (uint64_t key = 0; key < 5; key++)
        assert_int_equal(take(limiter, key, 5, T0), RESIL_OK);
    for (uint64_t key = 100; key < 103; key++)
        assert_int_equal(take(limiter, key, 1, T0), RESIL_OK);
    assert_int_equal(resil_keyed_limiter_acquire_u64(limiter, 103, 1, T0, &at_ns), RESIL_ELIMITED);
    assert_int_equal(at_ns, T0 + RESIL_MS(50));
    assert_int_equal(take(limiter, 104, 4, T0), RESIL_ECOST);
    assert_int_equal(look(limiter).overflow_granted, 3);
    assert_int_equal(look(limiter).overflow_refused, 2);
    assert_int_equal(look(limiter).inserted, 5);
    free(limiter);
}

static void an_overflow_that_is_off_knows_no_time(void **state)
{
    struct resil_keyed_limiter_config config = config_of(1);
    struct resil_keyed_limiter *limiter;
    uint64_t at_ns = 0;

    (void)state;
    config.overflow_tokens = RESIL_OFF;
    limiter = make(config);
    for (uint64_t key = 0; key < 5; key++)
        assert_int_equal(take(limiter, key, 5, T0), RESIL_OK);
    assert_int_equal(resil_keyed_limiter_acquire_u64(limiter, 9, 1, T0, &at_ns), RESIL_ELIMITED);
    assert_true(at_ns == RESIL_NEVER);
    free(limiter);
}

/* Evicted by a newer time, asked for at an older one: what it owed then is not forgiven. */
static void a_key_that_was_forgotten_too_early_is_not_forgiven(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(1));

    (void)state;
    for (uint64_t key = 0; key < 4; key++)
        assert_int_equal(take(limiter, key, 5, T0), RESIL_OK);
    assert_int_equal(take(limiter, 4, 1, T0), RESIL_OK);
    /* The newcomer takes the first place, that of key 0; key 4 was idle long ago. */
    assert_int_equal(take(limiter, 5, 1, T0 + RESIL_MS(501)), RESIL_OK);
    assert_int_equal(take(limiter, 0, 4, T0 + RESIL_MS(300)), RESIL_ELIMITED);
    assert_int_equal(take(limiter, 0, 3, T0 + RESIL_MS(300)), RESIL_OK);
    assert_int_equal(look(limiter).evicted, 2);
    assert_int_equal(look(limiter).overflow_granted, 0);
    free(limiter);
}

/* Keys 0 and 1 are forgotten, by newcomers at 201 and 501 ms. Key 1, which owed until 500 ms, asks at 300. */
static void of_what_was_forgotten_the_latest_counts(void **state)
{
    static const uint64_t costs[] = {2, 5, 5, 5, 1};
    struct resil_keyed_limiter *limiter = make(config_of(1));

    (void)state;
    for (uint64_t key = 0; key < 5; key++)
        assert_int_equal(take(limiter, key, costs[key], T0), RESIL_OK);
    assert_int_equal(take(limiter, 10, 5, T0 + RESIL_MS(201)), RESIL_OK);
    assert_int_equal(take(limiter, 11, 5, T0 + RESIL_MS(501)), RESIL_OK);
    assert_int_equal(take(limiter, 1, 4, T0 + RESIL_MS(300)), RESIL_ELIMITED);
    assert_int_equal(take(limiter, 1, 3, T0 + RESIL_MS(300)), RESIL_OK);
    assert_int_equal(look(limiter).evicted, 3);
    assert_int_equal(look(limiter).overflow_granted, 0);
    free(limiter);
}

static void a_clock_set_back_sticks_nowhere(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(1));

    (void)state;
    for (uint64_t key = 0; key < 5; key++)
        assert_int_equal(take(limiter, key, 5, T0), RESIL_OK);
    assert_int_equal(take(limiter, 0, 1, T0 - RESIL_SEC(30)), RESIL_ELIMITED);
    assert_int_equal(take(limiter, 0, 5, T0 - RESIL_SEC(62)), RESIL_OK);
    for (uint64_t key = 50; key < 54; key++)
        assert_int_equal(take(limiter, key, 5, T0 - RESIL_SEC(62)), RESIL_OK);
    assert_int_equal(look(limiter).evicted, 4);
    free(limiter);
}

static void time_may_wrap(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(1));
    uint64_t edge = UINT64_MAX >> limiter->rate_.shift_; /* units are 2^-shift ns */

    (void)state;
    assert_int_not_equal(limiter->rate_.shift_, 0);
    for (uint64_t step = 0; step < 40; step++) {
        uint64_t now_ns = edge - RESIL_SEC(10) + step * RESIL_MS(600);

        for (uint64_t key = 0; key < 5; key++) {
            assert_int_equal(take(limiter, step * 10 + key, 5, now_ns), RESIL_OK);
            assert_int_equal(take(limiter, step * 10 + key, 1, now_ns), RESIL_ELIMITED);
        }
    }
    free(limiter);
}

/* One abuser at his limit, ten million strangers. */
static void a_flood_neither_grows_memory_nor_frees_the_abuser(void **state)
{
    struct resil_keyed_limiter_config config = {
        .keys = 10000, .seed = {3, 4}, .tokens = 1, .burst = 10};
    size_t size = resil_keyed_limiter_size(config.keys);
    unsigned char *memory = malloc(size + 64);
    struct resil_keyed_limiter *limiter = (struct resil_keyed_limiter *)(void *)memory;
    uint64_t strangers = 10000000, granted = 0;
    uint64_t now_ns = T0;

    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    strangers /= 20;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
    strangers /= 20;
#endif
#endif
    memset(memory + size, 0x5a, 64);
    assert_int_equal(resil_keyed_limiter_init(limiter, size, &config), RESIL_OK);
    for (uint64_t i = 0; i < strangers; i++) {
        if (i % 1000 == 0)
            granted += take(limiter, 42, 1, now_ns) == RESIL_OK;
        (void)take(limiter, 1000 + i, 1, now_ns);
        now_ns += RESIL_US(1);
    }
    assert_true(granted <= 10 + (now_ns - T0) / RESIL_SEC(1) + 1);
    assert_true(granted >= 10);
    assert_true(look(limiter).keys <= look(limiter).places);
    for (size_t i = 0; i < 64; i++)
        assert_int_equal(memory[size + i], 0x5a);
    free(memory);
}

/* A million that all owe, in the memory for a million. */
static void as_many_keys_as_asked_for_find_a_place(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(1000000));
    struct resil_keyed_limiter_snapshot snapshot;
    uint64_t lost;

    (void)state;
    for (uint64_t key = 0; key < 1000000; key++)
        (void)take(limiter, key, 5, T0);
    snapshot = look(limiter);
    lost = snapshot.overflow_granted + snapshot.overflow_refused;
    print_message("of 1000000 keys %" PRIu64 " found no place\n", lost);
    assert_int_equal(snapshot.keys + lost, 1000000);
    assert_true(lost < 1000000 / 30000);
    for (uint64_t key = 1000000; key < 2000000; key++)
        (void)take(limiter, key, 5, T0);
    print_message("of 2000000 %" PRIu64 "\n", 2000000 - look(limiter).keys);
    assert_true(look(limiter).keys > 2000000 / 20 * 19);
    free(limiter);
}

/* Keys that a stranger would choose: sequences, multiples of powers of two, one bit each. */
static void chosen_keys_spread_like_any(void **state)
{
    struct resil_keyed_limiter_config config = config_of(1000);
    struct resil_keyed_limiter *limiter = make(config);

    (void)state;
    for (unsigned shift = 0; shift < 54; shift += 6) {
        assert_int_equal(resil_keyed_limiter_init(limiter, resil_keyed_limiter_size(1000), &config),
                         RESIL_OK);
        for (uint64_t key = 1; key <= 1000; key++)
            assert_int_equal(take(limiter, key << shift, 5, T0), RESIL_OK);
        assert_true(look(limiter).keys > 990);
    }
    free(limiter);
}

/* With the seed one can choose keys that meet; with another seed these are keys like any. */
static void keys_that_meet_under_one_seed_part_under_another(void **state)
{
    struct resil_keyed_limiter_config config = config_of(1000);
    struct resil_keyed_limiter *limiter = make(config);
    uint64_t chosen[100];
    size_t count = 0;
    uint64_t met;

    (void)state;
    for (uint64_t key = 0; count < 100; key++) {
        uint64_t print[2];

        resil_keyed_limiter_print(limiter, test_key_of(key).bytes, 8, print);
        if (print[0] >> 60 == 0 && print[1] >> 60 == 0)
            chosen[count++] = key;
    }
    /* 100 keys in 30 of 469 buckets: places for 150. And so many in four of them don't fit: */
    config.keys = 100;
    assert_int_equal(resil_keyed_limiter_init(limiter, resil_keyed_limiter_size(1000), &config),
                     RESIL_OK);
    for (size_t i = 0; i < 100; i++)
        (void)take(limiter, chosen[i], 5, T0);
    met = look(limiter).keys;
    config.seed[0] ^= 1;
    assert_int_equal(resil_keyed_limiter_init(limiter, resil_keyed_limiter_size(1000), &config),
                     RESIL_OK);
    for (size_t i = 0; i < 100; i++)
        (void)take(limiter, chosen[i], 5, T0);
    assert_true(met <= 20);
    assert_true(look(limiter).keys >= 98);
    free(limiter);
}

static void top_lists_who_owes_most(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(100));
    struct resil_keyed_limiter_entry top[4];
    uint64_t print[2];

    (void)state;
    assert_int_equal(resil_keyed_limiter_top(limiter, T0, top, 4), 0);
    for (uint64_t key = 1; key <= 40; key++)
        assert_int_equal(take(limiter, key, 1 + key % 3, T0), RESIL_OK);
    assert_int_equal(take(limiter, 7, 3, T0), RESIL_OK);
    assert_int_equal(take(limiter, 8, 1, T0), RESIL_OK);
    assert_int_equal(resil_keyed_limiter_top(limiter, T0, top, 4), 4);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t key = i == 0 ? 7 : 8;

        resil_keyed_limiter_print(limiter, test_key_of(key).bytes, 8, print);
        assert_memory_equal(top[i].print, print, sizeof print);
    }
    assert_int_equal(top[0].used, 5);
    assert_int_equal(top[0].full_at_ns, T0 + RESIL_MS(500));
    assert_int_equal(top[1].used, 4);
    assert_int_equal(top[3].used, 3);
    /* Two and a half tokens of 7's are back. */
    assert_int_equal(resil_keyed_limiter_top(limiter, T0 + RESIL_MS(250), top, 1), 1);
    assert_int_equal(top[0].used, 3);
    assert_int_equal(resil_keyed_limiter_top(limiter, T0 + RESIL_MS(450), top, 4), 1);
    assert_int_equal(resil_keyed_limiter_top(limiter, T0, top, 0), 0);
    free(limiter);
}

static void peek_takes_nothing(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(100));

    (void)state;
    assert_int_equal(resil_keyed_limiter_peek(limiter, "a", 1, T0), 5);
    assert_int_equal(resil_keyed_limiter_acquire(limiter, "a", 1, 3, T0, NULL), RESIL_OK);
    assert_int_equal(resil_keyed_limiter_peek(limiter, "a", 1, T0), 2);
    assert_int_equal(resil_keyed_limiter_peek(limiter, "a", 1, T0 + RESIL_MS(100)), 3);
    assert_int_equal(resil_keyed_limiter_peek(limiter, "b", 1, T0), 5);
    assert_int_equal(look(limiter).keys, 1);
    free(limiter);
}

static void rebase_empties_every_bucket(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(100));

    (void)state;
    assert_int_equal(take(limiter, 1, 1, T0), RESIL_OK);
    resil_keyed_limiter_rebase(limiter, 5);
    assert_int_equal(take(limiter, 1, 1, 5), RESIL_ELIMITED);
    assert_int_equal(take(limiter, 1, 1, 5 + RESIL_MS(100)), RESIL_OK);
    assert_int_equal(take(limiter, 2, 5, 5), RESIL_OK);
    free(limiter);
}

static void the_memory_can_move(void **state)
{
    size_t size = resil_keyed_limiter_size(100);
    struct resil_keyed_limiter *limiter = make(config_of(100));
    struct resil_keyed_limiter *moved = malloc(size);

    (void)state;
    assert_int_equal(take(limiter, 1, 5, T0), RESIL_OK);
    memcpy(moved, limiter, size);
    memset(limiter, 0xff, size);
    free(limiter);
    assert_int_equal(take(moved, 1, 1, T0), RESIL_ELIMITED);
    free(moved);
}

static void policy_asks_for_the_key_of_the_request(void **state)
{
    struct resil_keyed_limiter *limiter = make(config_of(100));
    struct resil_policy policy = resil_keyed_limiter_policy(limiter);
    struct resil_keyed_limiter blank = {.overflow_on_ = 0};
    struct resil_request request = {.key = 9, .cost = 5};
    struct resil_walk walk = {.request = &request, .now_ns = T0};

    (void)state;
    assert_int_equal(policy.ops->size, sizeof(struct resil_policy_ops));
    assert_int_equal(policy.ops->frame_words, 0);
    assert_int_equal(policy.ops->flags, 0);
    assert_int_equal(policy.ops->check(limiter), RESIL_OK);
    assert_int_equal(policy.ops->check(&blank), RESIL_EINVAL);
    assert_int_equal(policy.ops->check(NULL), RESIL_EINVAL);
    assert_int_equal(policy.ops->admit(limiter, NULL, &walk), RESIL_PASS);
    request.cost = 0;
    assert_int_equal(policy.ops->admit(limiter, NULL, &walk), RESIL_ELIMITED);
    assert_int_equal(walk.retry_at_ns, T0 + RESIL_MS(100));
    request.cost = 6;
    assert_int_equal(policy.ops->admit(limiter, NULL, &walk), RESIL_ECOST);
    request.key = 10;
    request.cost = 1;
    assert_int_equal(policy.ops->admit(limiter, NULL, &walk), RESIL_PASS);
    request.key = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(policy.ops->admit(limiter, NULL, &walk), RESIL_PASS);
    assert_int_equal(look(limiter).keys, 2);
    free(limiter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_is_checked_and_named),
        cmocka_unit_test(init_wants_its_memory),
        cmocka_unit_test(a_million_keys_fit_into_64_million_bytes),
        cmocka_unit_test(each_key_has_its_own_bucket),
        cmocka_unit_test(a_cost_above_the_burst_never_passes),
        cmocka_unit_test(bytes_and_numbers_name_the_same_key),
        cmocka_unit_test(an_idle_key_gives_up_its_place_and_a_debtor_does_not),
        cmocka_unit_test(newcomers_without_a_place_share_one_bucket),
        cmocka_unit_test(an_overflow_that_is_off_knows_no_time),
        cmocka_unit_test(a_key_that_was_forgotten_too_early_is_not_forgiven),
        cmocka_unit_test(of_what_was_forgotten_the_latest_counts),
        cmocka_unit_test(a_clock_set_back_sticks_nowhere),
        cmocka_unit_test(time_may_wrap),
        cmocka_unit_test(a_flood_neither_grows_memory_nor_frees_the_abuser),
        cmocka_unit_test(as_many_keys_as_asked_for_find_a_place),
        cmocka_unit_test(chosen_keys_spread_like_any),
        cmocka_unit_test(keys_that_meet_under_one_seed_part_under_another),
        cmocka_unit_test(top_lists_who_owes_most),
        cmocka_unit_test(peek_takes_nothing),
        cmocka_unit_test(rebase_empties_every_bucket),
        cmocka_unit_test(the_memory_can_move),
        cmocka_unit_test(policy_asks_for_the_key_of_the_request),
    };

    return cmocka_run_group_tests_name("keyed limiter", tests, NULL, NULL);
}
