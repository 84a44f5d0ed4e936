/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The table of keys under every interleaving of two or three callers: a key never has two places,
 * and what it owes is never forgotten, whoever is given a place or loses it at that moment.
 */
#include "test.h"

#include <resil/keyed_limiter.h>

#include "interleave.h"

#include "../../src/keyed/table.c"
#include "../../src/limiter/gcra.c"
#undef AGAIN
#define is_settled limiter_is_settled
#include "../../src/limiter/limiter.c"
#undef is_settled
#include "../../src/limiter/keyed_limiter.c"
#include "../../src/limiter/keyed_limiter_config.c"
#include "../../src/limiter/keyed_limiter_look.c"

#define NOW RESIL_SEC(1000)

/* One bucket of five places, one token a second. */
static struct {
    struct resil_keyed_limiter head;
    struct resil_keyed_bucket_ bucket[1];
} table;

#define LIMITER (&table.head)

typedef void body(int self);

static unsigned granted, others;

static bool take(uint64_t key, uint64_t now_ns)
{
    return resil_keyed_limiter_acquire_u64(LIMITER, key, 1, now_ns, NULL) == RESIL_OK;
}

static void set_up(uint64_t burst)
{
    struct resil_keyed_limiter_config config = {
        .keys = 1, .seed = {1, 2}, .tokens = 1, .burst = burst, .overflow_tokens = RESIL_OFF};

    granted = others = 0;
    memset(&table, 0, sizeof table);
    interleave_check(resil_keyed_limiter_init(LIMITER, sizeof table, &config) == RESIL_OK);
}

static void set_up_fresh(void)
{
    set_up(1);
}

static void take_seven(int self)
{
    (void)self;
    granted += take(7, NOW);
}

static unsigned places_of_seven(void)
{
    struct resil__print print = resil__siphash_u64(LIMITER->table_.seed_, 7);
    unsigned live = 0;

    for (unsigned way = 0; way < RESIL_KEYED_WAYS_; way++)
        live += resil__keyed_is_live(table.bucket[0].word_[way]) &&
                is_ours(&table.bucket[0], way, print);
    return live;
}

static void verify_one(void)
{
    interleave_check(granted == 1 && places_of_seven() == 1);
    interleave_check(LIMITER->counts_.inserted_ == 1);
}

static void a_new_key_has_one_burst(void **state)
{
    struct scenario two = {__func__,     2,         (body *const[]){take_seven, take_seven}, 4,
                           set_up_fresh, verify_one};
    struct scenario three = {
        __func__,     3,         (body *const[]){take_seven, take_seven, take_seven}, 3,
        set_up_fresh, verify_one};

    (void)state;
    interleave_explore(&two);
    interleave_explore(&three);
    interleave_finds(&two, (struct fault){"charge", &table.bucket[0].word_[0], FAULT_BLIND});
    interleave_finds(&three,
                     (struct fault){"look_through", &table.bucket[0].word_[0], FAULT_STALE});
    interleave_finds(&three, (struct fault){"claim", &table.bucket[0].word_[0], FAULT_BLIND});
}

/* When a call would pass: asked by all at once, or by one whose clock is half a second ahead. */
static uint64_t told_ns[INTERLEAVE_FIBERS];

static void ask_at(int self, uint64_t now_ns)
{
    told_ns[self] = 0;
    granted += resil_keyed_limiter_acquire_u64(LIMITER, 7, 1, now_ns, &told_ns[self]) == RESIL_OK;
}

static void ask_now(int self)
{
    ask_at(self, NOW);
}

static void ask_ahead(int self)
{
    ask_at(self, NOW + RESIL_MS(500));
}

static void verify_told_once(void)
{
    verify_one();
    for (int i = 0; i < 3; i++)
        interleave_check(told_ns[i] == 0 || told_ns[i] == NOW + RESIL_SEC(1));
}

/* One is granted. The other's time is that of the order in which they came, or of a bucket that
   began at the later now with nobody in it yet. */
static void verify_told_apart(void)
{
    verify_one();
    interleave_check(told_ns[1] == 0 || told_ns[1] == NOW + RESIL_SEC(1));
    interleave_check(told_ns[0] == 0 || told_ns[0] == NOW + RESIL_MS(1500) ||
                     told_ns[0] == NOW + RESIL_MS(500));
}

static void who_is_refused_at_a_keys_first_call_is_told_when(void **state)
{
    struct scenario once = {
        __func__, 3, (body *const[]){ask_now, ask_now, ask_now}, 3, set_up_fresh, verify_told_once};
    struct scenario apart = {
        __func__, 2, (body *const[]){ask_now, ask_ahead}, 4, set_up_fresh, verify_told_apart};

    (void)state;
    interleave_explore(&once);
    interleave_explore(&apart);
    interleave_finds(&once, (struct fault){"charge", &table.bucket[0].word_[0], FAULT_BLIND});
    interleave_finds(&apart, (struct fault){"charge", &table.bucket[0].word_[0], FAULT_BLIND});
}

/* Four owe for long, seven's token is back: idle at NOW, and a newcomer wants its place. */
static void set_up_full(void)
{
    set_up(2);
    interleave_check(take(7, NOW - RESIL_SEC(2)));
    for (uint64_t key = 1; key < 5; key++)
        interleave_check(take(key, NOW - 1) && take(key, NOW - 1));
}

static void take_seven_twice(int self)
{
    (void)self;
    granted += take(7, NOW);
    granted += take(7, NOW);
}

static void newcomer(int self)
{
    others += take(100 + (uint64_t)self, NOW);
}

/* Whoever was there first keeps the place: seven's whole burst, or one of the newcomer's. */
static void verify_full(void)
{
    interleave_check(granted <= 2 && (granted == 0 || others == 0));
    interleave_check(granted + others > 0);
}

static void a_debtor_is_never_evicted(void **state)
{
    struct scenario one = {__func__, 2,           (body *const[]){take_seven_twice, newcomer},
                           4,        set_up_full, verify_full};
    struct scenario two = {
        __func__, 3,           (body *const[]){take_seven_twice, newcomer, newcomer},
        3,        set_up_full, verify_full};

    (void)state;
    interleave_explore(&one);
    interleave_explore(&two);
    interleave_finds(&one, (struct fault){"claim", &table.bucket[0].word_[0], FAULT_BLIND});
    interleave_finds(
        &one, (struct fault){"resil__keyed_limiter_take", &table.bucket[0].word_[0], FAULT_BLIND});
}

/* Two callers of one key while another is given the place that one of them saw. */
static void set_up_roomy(void)
{
    set_up(1);
    for (uint64_t key = 1; key < 4; key++)
        interleave_check(take(key, NOW - 1));
}

/* While the two race for both places that are left, the stranger may find none. */
static void verify_roomy(void)
{
    interleave_check(granted == 1 && places_of_seven() == 1 && others <= 1);
}

static void strangers_dont_split_a_key(void **state)
{
    struct scenario is = {
        __func__,     3,           (body *const[]){take_seven, take_seven, newcomer}, 3,
        set_up_roomy, verify_roomy};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"charge", &table.bucket[0].word_[3], FAULT_BLIND});
}

/*
 * Seven owes a second from NOW on. A newcomer whose clock is ahead takes its place when that has
 * passed for him; seven asks at the old time, and finds another place.
 */
static void set_up_skew(void)
{
    set_up(2);
    interleave_check(take(7, NOW) && take(7, NOW));
    interleave_check(take(1, NOW - RESIL_SEC(5)));
    for (uint64_t key = 2; key < 5; key++)
        interleave_check(take(key, NOW + RESIL_SEC(50)));
}

static void newcomer_ahead(int self)
{
    others += take(100 + (uint64_t)self, NOW + RESIL_SEC(3));
}

static void verify_skew(void)
{
    interleave_check(granted == 0 && others == 1);
}

static void what_was_forgotten_early_is_not_forgiven(void **state)
{
    struct scenario is = {__func__, 2,           (body *const[]){take_seven, newcomer_ahead},
                          4,        set_up_skew, verify_skew};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"raise_floor", &table.bucket[0].floor_, FAULT_LOST});
}

/*
 * One and two are to lose their places: two has paid at NOW, one only three seconds later. The
 * others owe for long. So whose clock is behind takes the second place for seven, and whose clock
 * is ahead the first. A third passes the first before it is taken and finds the second pending:
 * seven may by then have its place, and only another look tells.
 */
static void set_up_pending(void)
{
    set_up(1);
    interleave_check(take(1, NOW + RESIL_SEC(1)));
    interleave_check(take(2, NOW - RESIL_SEC(5)));
    for (uint64_t key = 3; key < 6; key++)
        interleave_check(take(key, NOW + RESIL_SEC(50)));
}

static void take_seven_later(int self)
{
    (void)self;
    granted += take(7, NOW + RESIL_SEC(3));
}

static void verify_pending(void)
{
    interleave_check(granted <= 1 && places_of_seven() == 1);
}

static void take_seven_uncounted(int self)
{
    (void)self;
    others += take(7, NOW);
}

static void a_pending_place_is_taken_after_a_second_look(void **state)
{
    struct scenario is = {__func__,
                          3,
                          (body *const[]){take_seven_uncounted, take_seven_later, take_seven_later},
                          3,
                          set_up_pending,
                          verify_pending};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"charge", &table.bucket[0].word_[1], FAULT_BLIND});
}

/* Looks on while places are given to others: seven, who owes nothing, has its whole burst. */
static void look_on(int self)
{
    const uint64_t seven = 7;
    struct resil_keyed_limiter_entry top[2];
    size_t n = resil_keyed_limiter_top(LIMITER, NOW, top, 2);

    (void)self;
    interleave_check(n == 2 && top[0].used == 2 && top[1].used == 2);
    interleave_check(resil_keyed_limiter_peek(LIMITER, &seven, sizeof seven, NOW) == 2);
}

static void verify_newcomers(void)
{
    interleave_check(others >= 1 && others <= 2 && LIMITER->counts_.evicted_ == 1);
}

static void who_looks_waits_for_nobody(void **state)
{
    struct scenario is = {__func__, 3,           (body *const[]){newcomer, newcomer, look_on},
                          3,        set_up_full, verify_newcomers};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"claim", &table.bucket[0].word_[0], FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_key_has_one_burst),
        cmocka_unit_test(who_is_refused_at_a_keys_first_call_is_told_when),
        cmocka_unit_test(a_debtor_is_never_evicted),
        cmocka_unit_test(who_looks_waits_for_nobody),
        cmocka_unit_test(strangers_dont_split_a_key),
        cmocka_unit_test(what_was_forgotten_early_is_not_forgiven),
        cmocka_unit_test(a_pending_place_is_taken_after_a_second_look),
    };

    return cmocka_run_group_tests_name("keyed limiter interleavings", tests, NULL, NULL);
}
