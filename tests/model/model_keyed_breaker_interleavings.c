/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The keyed breaker under every interleaving of two or three callers: no failure is lost, one probe
 * at a time, nothing decided by a result of an older state.
 */
#include "test.h"

#include <resil/keyed_breaker.h>

#include "interleave.h"

#include "../../src/keyed/table.c"
#include "../../src/breaker/keyed_breaker.c"
#include "../../src/breaker/keyed_breaker_config.c"
#include "../../src/breaker/keyed_breaker_look.c"

#define NOW RESIL_SEC(1000)

static struct {
    struct resil_keyed_breaker head;
    struct resil_keyed_bucket_ bucket[1];
} table;

#define BREAKER (&table.head)

typedef void body(int self);

static unsigned probes, told, late;
static struct resil_keyed_permit held[INTERLEAVE_FIBERS];

static struct resil__kb seven(void)
{
    struct resil__print print = resil__siphash_u64(BREAKER->table_.seed_, 7);
    struct resil__keyed_spot spot = find(BREAKER, print);

    return resil__kb_parts(spot.word != NULL ? spot.value : 0);
}

static void tell(int self, uint64_t now_ns, enum resil_outcome outcome)
{
    int rc = resil_keyed_breaker_record(BREAKER, &held[self], now_ns,
                                        &(struct resil_result){.outcome = outcome});

    told += rc == RESIL_OK;
    late += rc == RESIL_ELATE;
}

static void fail_key(uint64_t key)
{
    interleave_check(resil_keyed_breaker_acquire_u64(BREAKER, key, NOW, &held[3]) == RESIL_OK);
    tell(3, NOW, RESIL_FAILURE);
}

static void set_up(void)
{
    struct resil_keyed_breaker_config config = {
        .keys = 1, .seed = {1, 2}, .consecutive = 3, .jitter_pct = RESIL_OFF};

    memset(&table, 0, sizeof table);
    interleave_check(resil_keyed_breaker_init(BREAKER, sizeof table, &config) == RESIL_OK);
    for (int i = 0; i < 3; i++)
        interleave_check(resil_keyed_breaker_acquire_u64(BREAKER, 7, NOW, &held[i]) == RESIL_OK);
    probes = told = late = 0;
}

static void fail_seven(int self)
{
    tell(self, NOW, RESIL_FAILURE);
}

static void verify_three(void)
{
    interleave_check(told == 3 && seven().code == RESIL__KB_OPEN && seven().trips == 1);
    interleave_check(BREAKER->counts_.inserted_ == 1 && BREAKER->opened_ == 1);
}

static void no_failure_of_a_new_key_is_lost(void **state)
{
    struct scenario is = {__func__, 3,      (body *const[]){fail_seven, fail_seven, fail_seven},
                          3,        set_up, verify_three};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"change", &table.bucket[0].word_[0], FAULT_BLIND});
    interleave_finds(&is, (struct fault){"claim", &table.bucket[0].word_[0], FAULT_BLIND});
}

/* Open, and the time has come. */
static void set_up_open(void)
{
    set_up();
    for (int i = 0; i < 3; i++)
        fail_key(7);
    told = 0;
}

static void probe(int self)
{
    probes +=
        resil_keyed_breaker_acquire_u64(BREAKER, 7, NOW + RESIL_SEC(6), &held[self]) == RESIL_OK;
}

static void verify_probe(void)
{
    interleave_check(probes == 1 && seven().code == RESIL__KB_HALF_OPEN);
}

static void probe_and_tell(int self)
{
    if (resil_keyed_breaker_acquire_u64(BREAKER, 7, NOW + RESIL_SEC(6), &held[self]) != RESIL_OK)
        return;
    probes++;
    tell(self, NOW + RESIL_SEC(6), self == 0 ? RESIL_FAILURE : RESIL_LOCAL);
}

/* A result of the closed state, once it is open or half-open. */
static void tell_late(int self)
{
    tell(self, NOW + RESIL_SEC(6), RESIL_SUCCESS);
}

static void verify_told(void)
{
    interleave_check(late == 1 && told == probes && probes >= 1);
    interleave_check(seven().code == RESIL__KB_OPEN);
    interleave_check(seven().trips == 1 + (BREAKER->opened_ == 2));
}

static void one_probe_at_a_time(void **state)
{
    struct scenario one = {__func__, 3,           (body *const[]){probe, probe, probe},
                           3,        set_up_open, verify_probe};
    struct scenario two = {
        __func__, 3,           (body *const[]){probe_and_tell, probe_and_tell, tell_late},
        3,        set_up_open, verify_told};

    (void)state;
    interleave_explore(&one);
    interleave_explore(&two);
    interleave_finds(
        &one, (struct fault){"resil__keyed_breaker_ask", &table.bucket[0].word_[0], FAULT_BLIND});
    interleave_finds(&two, (struct fault){"change", &table.bucket[0].word_[0], FAULT_LOST});
}

/* Seven's window is over for a newcomer; seven fails at that moment. */
static void set_up_full(void)
{
    set_up();
    fail_key(7);
    for (uint64_t key = 1; key < 5; key++)
        for (int i = 0; i < 3; i++)
            fail_key(key);
    told = 0;
}

static void fail_at_its_end(int self)
{
    tell(self, NOW + RESIL_SEC(21), RESIL_FAILURE);
}

static void newcomer(int self)
{
    held[self].token_ = RESIL__KB_LIVE;
    held[self].print_[0] = 100;
    held[self].print_[1] = 200;
    tell(self, NOW + RESIL_SEC(21), RESIL_FAILURE);
}

/* One of the two has the place, and its failures; the other is untracked. */
static void verify_place(void)
{
    interleave_check(told == 3 && BREAKER->counts_.crowded_ + seven().failures >= 1);
    interleave_check(BREAKER->counts_.evicted_ == 1 ? BREAKER->counts_.crowded_ >= 1
                                                    : seven().failures == 2);
}

static void a_failure_is_kept_or_counted_as_untracked(void **state)
{
    struct scenario is = {
        __func__, 3,           (body *const[]){fail_at_its_end, newcomer, fail_at_its_end},
        3,        set_up_full, verify_place};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"change", &table.bucket[0].word_[0], FAULT_BLIND});
    interleave_finds(&is, (struct fault){"claim", &table.bucket[0].word_[0], FAULT_BLIND});
}

/* Looks on while seven fails: its failures grow, and the third opens it. */
static void look_on(int self)
{
    const uint64_t key = 7;
    struct resil_keyed_breaker_entry first, second, top[2];
    size_t n;

    (void)self;
    resil_keyed_breaker_look(BREAKER, test_key_of(key).bytes, 8, NOW, &first);
    resil_keyed_breaker_look(BREAKER, test_key_of(key).bytes, 8, NOW, &second);
    interleave_check(first.state == RESIL_BREAKER_CLOSED || second.state == RESIL_BREAKER_OPEN);
    interleave_check(second.state == RESIL_BREAKER_OPEN || first.failures <= second.failures);
    interleave_check(first.failures >= 1 || first.state == RESIL_BREAKER_OPEN);
    n = resil_keyed_breaker_top(BREAKER, NOW, top, 2);
    interleave_check(n == 1 && top[0].print[0] == first.print[0]);
    interleave_check(top[0].state == RESIL_BREAKER_OPEN || top[0].failures >= second.failures);
}

static void set_up_failed(void)
{
    set_up();
    fail_key(7);
    told = 0;
}

static void verify_opened(void)
{
    interleave_check(told == 2 && seven().code == RESIL__KB_OPEN && BREAKER->opened_ == 1);
}

static void who_looks_waits_for_nobody(void **state)
{
    struct scenario is = {
        __func__,     3, (body *const[]){fail_seven, fail_seven, look_on}, 3, set_up_failed,
        verify_opened};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"change", &table.bucket[0].word_[0], FAULT_BLIND});
}

/* The first failure opens the key: the second one is of the state before. */
static void set_up_quick(void)
{
    struct resil_keyed_breaker_config config = {
        .keys = 1, .seed = {1, 2}, .consecutive = 1, .jitter_pct = RESIL_OFF};

    memset(&table, 0, sizeof table);
    interleave_check(resil_keyed_breaker_init(BREAKER, sizeof table, &config) == RESIL_OK);
    for (int i = 0; i < 3; i++)
        interleave_check(resil_keyed_breaker_acquire_u64(BREAKER, 7, NOW, &held[i]) == RESIL_OK);
    told = late = 0;
}

static void verify_opened_once(void)
{
    interleave_check(told == 1 && late == 1 && BREAKER->opened_ == 1);
    interleave_check(seven().code == RESIL__KB_OPEN && seven().trips == 1);
}

static void one_of_two_new_failures_opens(void **state)
{
    struct scenario is = {
        __func__, 2, (body *const[]){fail_seven, fail_seven}, 3, set_up_quick, verify_opened_once};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"change", &table.bucket[0].word_[0], FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_failure_of_a_new_key_is_lost),
        cmocka_unit_test(one_probe_at_a_time),
        cmocka_unit_test(who_looks_waits_for_nobody),
        cmocka_unit_test(a_failure_is_kept_or_counted_as_untracked),
        cmocka_unit_test(one_of_two_new_failures_opens),
    };

    return cmocka_run_group_tests_name("keyed breaker interleavings", tests, NULL, NULL);
}
