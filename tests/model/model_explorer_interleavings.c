/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The explorer itself: what it must find and what it must not, in the litmus tests of x86-TSO
 * (Sewell et al., CACM 2010) and in a counter behind a lock.
 */
#include "test.h"

#include "interleave.h"

typedef void body(int self);

static uint64_t words[2], seen[INTERLEAVE_FIBERS], sum;
static uint32_t narrow, lock_word;
static bool weak, met, ever_met;

static void set_up(void)
{
    memset(words, 0, sizeof words);
    memset(seen, 0, sizeof seen);
    sum = 0;
    narrow = lock_word = 0;
    met = false;
}

static void verify_nothing(void)
{
}

/* Explores without the demand that nobody waits; 0, or the line of the check that failed. */
static int explore(int count, body *const *bodies, void (*verify)(void))
{
    return interleave_scenario(&(struct scenario){"litmus", count, bodies, 3, set_up, verify});
}

/* Write mine, read yours: SB. */
static void write_mine(int self)
{
    if (weak)
        resil__store_release(&words[self], 1);
    else
        resil__store_seq(&words[self], 1);
    seen[self] = resil__load_seq(&words[1 - self]);
}

static void verify_one_saw(void)
{
    interleave_check(seen[0] == 1 || seen[1] == 1);
}

static void loads_overtake_stores_alone(void **state)
{
    body *const two[] = {write_mine, write_mine};

    (void)state;
    weak = true;
    assert_int_not_equal(explore(2, two, verify_one_saw), 0);
    interleave.unbuffered = true;
    assert_int_equal(explore(2, two, verify_one_saw), 0);
    interleave.unbuffered = false;
    weak = false;
    assert_int_equal(explore(2, two, verify_one_saw), 0);
    interleave_finds(
        &(struct scenario){"write mine, read yours", 2, two, 3, set_up, verify_one_saw},
        (struct fault){"write_mine", &words[0], FAULT_WEAK});
}

/* A fence between, and a read-modify-write on whatever word. */
static void write_fence_read(int self)
{
    resil__store_relaxed(&words[self], 1);
    interleave_fence();
    seen[self] = resil__load_relaxed(&words[1 - self]);
}

static void write_add_read(int self)
{
    resil__store_relaxed(&words[self], 1);
    (void)resil__add_relaxed(&sum, 1);
    seen[self] = resil__load_relaxed(&words[1 - self]);
}

static void fences_and_swaps_empty_the_buffer(void **state)
{
    (void)state;
    assert_int_equal(
        explore(2, (body *const[]){write_fence_read, write_fence_read}, verify_one_saw), 0);
    assert_int_equal(explore(2, (body *const[]){write_add_read, write_add_read}, verify_one_saw),
                     0);
}

/* Message passing: MP. */
static void send(int self)
{
    (void)self;
    resil__store_relaxed(&words[0], 7);
    resil__store_release(&words[1], 1);
}

static void receive(int self)
{
    (void)self;
    if (resil__load_acquire(&words[1]) == 1)
        interleave_check(resil__load_relaxed(&words[0]) == 7);
}

/* Two words, both written by both: 2+2W. */
static void write_both(int self)
{
    resil__store_relaxed(&words[self], 1);
    resil__store_release(&words[1 - self], 2);
}

static void send_anyhow(int self)
{
    (void)self;
    resil__store_relaxed(&words[0], 7);
    resil__store_relaxed(&words[1], 1);
}

static void write_both_anyhow(int self)
{
    resil__store_relaxed(&words[self], 1);
    resil__store_relaxed(&words[1 - self], 2);
}

static void verify_not_both_first(void)
{
    interleave_check(words[0] != 1 || words[1] != 1);
}

static void stores_with_release_keep_their_order(void **state)
{
    (void)state;
    assert_int_equal(explore(2, (body *const[]){send, receive}, verify_nothing), 0);
    assert_int_equal(explore(3, (body *const[]){send, receive, receive}, verify_nothing), 0);
    assert_int_equal(explore(2, (body *const[]){write_both, write_both}, verify_not_both_first), 0);
}

static void stores_without_do_not(void **state)
{
    (void)state;
    assert_true(explore(2, (body *const[]){send_anyhow, receive}, verify_nothing) > 0);
    assert_true(explore(2, (body *const[]){write_both_anyhow, write_both}, verify_not_both_first) >
                0);
}

/* The same through a pointer. */
static uint64_t letter, *letter_box;

static void set_up_letter(void)
{
    set_up();
    letter = 0;
    letter_box = NULL;
}

static void send_letter(int self)
{
    (void)self;
    letter = 7;
    resil__store_ptr_release(&letter_box, &letter);
    seen[0] = resil__load_seq(&words[1]);
}

static void receive_letter(int self)
{
    const uint64_t *got;

    (void)self;
    resil__store_seq(&words[1], 1);
    got = resil__load_ptr_acquire(&letter_box);
    interleave_check(got == NULL || *got == 7);
    seen[1] = got != NULL;
}

/* A read-modify-write, and then a store: the first may be seen later where the other has no order. */
static void swap_and_send(int self)
{
    (void)self;
    (void)resil__add(&words[0], 7);
    if (weak)
        resil__store_relaxed(&words[1], 1);
    else
        resil__store_release(&words[1], 1);
}

static void swap_in_order_and_send(int self)
{
    (void)self;
    (void)resil__add_seq(&words[0], 7);
    resil__store_relaxed(&words[1], 1);
}

static void swap_and_show(int self)
{
    seen[self] = resil__add(&words[0], 7);
    resil__store_relaxed(&words[1], 1);
}

static void write_over(int self)
{
    (void)self;
    resil__store_relaxed(&words[0], 1);
}

/* One after the other, whenever they are seen. */
static void verify_all_counted(void)
{
    interleave_check(words[0] == 14 && seen[0] + seen[1] == 7);
}

/* Who wrote over it did so before it was read, or after it was written. */
static void verify_nothing_came_between(void)
{
    interleave_check(words[0] == 1 ? seen[0] == 0 : words[0] == 8 && seen[0] == 1);
}

static void swaps_are_overtaken_by_stores_without_order(void **state)
{
    body *const two[] = {swap_and_send, receive};

    (void)state;
    weak = true;
    assert_int_not_equal(explore(2, two, verify_nothing), 0);
    weak = false;
    assert_int_equal(explore(2, two, verify_nothing), 0);
    assert_int_equal(explore(2, (body *const[]){swap_in_order_and_send, receive}, verify_nothing),
                     0);
    assert_int_equal(explore(2, (body *const[]){swap_and_show, swap_and_show}, verify_all_counted),
                     0);
    assert_int_equal(
        explore(2, (body *const[]){swap_and_show, write_over}, verify_nothing_came_between), 0);
}

/* As in SB: the pointer may wait in the buffer while its writer looks elsewhere. */
static void pointers_are_stores_as_others(void **state)
{
    struct scenario is = {
        "letter",      2, (body *const[]){send_letter, receive_letter}, 3, set_up_letter,
        verify_nothing};

    (void)state;
    interleave_explore(&is);
    is.verify = verify_one_saw;
    assert_int_not_equal(interleave_scenario(&is), 0);
    interleave.unbuffered = true;
    assert_int_equal(interleave_scenario(&is), 0);
    interleave.unbuffered = false;
    is.verify = verify_nothing;
    interleave.content = (struct interleave_content){&letter, sizeof letter, {0}};
    interleave_finds(&is, (struct fault){"send_letter", &letter_box, FAULT_EARLY});
}

/* A fiber sees its own store before others do, with and without atomic.h; the last one counts. */
static void write_twice(int self)
{
    (void)self;
    resil__store_relaxed(&words[0], 1);
    resil__store_relaxed32(&narrow, 5);
    resil__store_relaxed(&words[0], 2);
    interleave_check(resil__load_relaxed(&words[0]) == 2 && words[0] == 2);
    interleave_check(resil__load_relaxed32(&narrow) == 5);
    interleave_point();
    interleave_check(resil__load_relaxed(&words[0]) == 2);
}

static void read_twice(int self)
{
    uint64_t first = resil__load_relaxed(&words[0]);
    uint64_t second = resil__load_relaxed(&words[0]);

    (void)self;
    interleave_check(first <= second);
    met = met || (first == 1 && second == 1);
}

static void verify_last(void)
{
    interleave_check(words[0] == 2 && narrow == 5);
    ever_met = ever_met || met;
}

static void own_stores_are_seen_first_and_by_all_in_the_end(void **state)
{
    (void)state;
    ever_met = false;
    assert_int_equal(explore(2, (body *const[]){write_twice, read_twice}, verify_last), 0);
    assert_true(ever_met); /* the first store alone went through for a while */
}

/* Which of two buffered stores to one word comes last is found out both ways. */
static void write_self(int self)
{
    resil__store_relaxed(&words[0], (uint64_t)self + 1);
    seen[self] = resil__load_relaxed(&words[0]);
}

static void verify_first_wins(void)
{
    interleave_check(words[0] == 1 || seen[0] != 1 || seen[1] != 2);
}

static void verify_second_wins(void)
{
    interleave_check(words[0] == 2 || seen[0] != 1 || seen[1] != 2);
}

static void stores_of_two_meet_in_either_order(void **state)
{
    body *const two[] = {write_self, write_self};

    (void)state;
    assert_int_not_equal(explore(2, two, verify_first_wins), 0);
    assert_int_not_equal(explore(2, two, verify_second_wins), 0);
}

/* Whoever waits for a store that is still in a buffer gets it in the end. */
static void wait_for_it(int self)
{
    struct resil__contend contend = RESIL__CONTEND;

    (void)self;
    while (resil__load_acquire(&words[1]) != 1)
        resil__contend(&contend);
    interleave_check(resil__load_relaxed(&words[0]) == 7);
}

static void a_store_goes_through_in_the_end(void **state)
{
    (void)state;
    assert_int_equal(explore(2, (body *const[]){wait_for_it, send}, verify_nothing), 0);
    assert_int_equal(explore(3, (body *const[]){wait_for_it, send, wait_for_it}, verify_nothing),
                     0);
}

/* The same counter, lock-free and not. */
static void count_up(int self)
{
    uint64_t old = resil__load_relaxed(&sum);
    struct resil__contend contend = RESIL__CONTEND;

    (void)self;
    while (!resil__cas(&sum, &old, old + 1))
        resil__contend(&contend);
}

static void count_up_locked(int self)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint32_t seen_there = 0;

    (void)self;
    while (!resil__cas32(&lock_word, &seen_there, 1)) {
        resil__contend(&contend);
        seen_there = 0;
    }
    sum++;
    interleave_check(resil__xchg32(&lock_word, 0) == 1);
}

static void verify_three(void)
{
    interleave_check(sum == 3);
}

static void a_lock_is_found_out(void **state)
{
    struct scenario is = {"counter", 3,      (body *const[]){count_up, count_up, count_up},
                          3,         set_up, verify_three};

    (void)state;
    interleave_explore(&is);
    is.name = "counter with a lock";
    is.bodies = (body *const[]){count_up_locked, count_up_locked, count_up_locked};
    interleave_explore_waiting(&is);
    assert_int_equal(interleave_stopping(&is, UINT32_MAX), -2);
}

/* Who waits for a write that only a stopped thread would make. */
static void a_handshake_is_found_out(void **state)
{
    struct scenario is = {"handshake", 2,      (body *const[]){send, wait_for_it},
                          3,           set_up, verify_nothing};

    (void)state;
    interleave_explore_against(&is, 2); /* the sender doesn't wait */
    assert_int_equal(interleave_stopping(&is, UINT32_MAX), -2);
}

/* A schedule is text, and the text is the schedule. */
static void schedules_are_read_as_they_were_written(void **state)
{
    static const char text[] = "0y2 3d1 7p1 7f2.1 12s1";
    struct interleave_choice choices[8];

    (void)state;
    assert_int_equal(interleave_read_schedule(text, choices, 8), 5);
    assert_int_equal(choices[1].step, 3);
    assert_int_equal(choices[1].kind, 'd');
    assert_int_equal(choices[3].way, 2);
    assert_int_equal(choices[3].of, 1);
    assert_int_equal(interleave_read_schedule("", choices, 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads_overtake_stores_alone),
        cmocka_unit_test(fences_and_swaps_empty_the_buffer),
        cmocka_unit_test(stores_with_release_keep_their_order),
        cmocka_unit_test(stores_without_do_not),
        cmocka_unit_test(swaps_are_overtaken_by_stores_without_order),
        cmocka_unit_test(pointers_are_stores_as_others),
        cmocka_unit_test(own_stores_are_seen_first_and_by_all_in_the_end),
        cmocka_unit_test(stores_of_two_meet_in_either_order),
        cmocka_unit_test(a_store_goes_through_in_the_end),
        cmocka_unit_test(a_lock_is_found_out),
        cmocka_unit_test(a_handshake_is_found_out),
        cmocka_unit_test(schedules_are_read_as_they_were_written),
    };

    return cmocka_run_group_tests_name("explorer", tests, NULL, NULL);
}
