/* SPDX-License-Identifier: BSD-2-Clause */

/* When a ticket passes, who holds it, and what becomes of slots. The interleavings are the
   model's. */
#define _GNU_SOURCE
#include "epoch_fixture.h"

#include "base/lock.h"

static void nobody_inside_lets_a_ticket_pass(void **state)
{
    (void)state;
    assert_true(resil__epoch_passed(resil__epoch_retire()));
}

static void open_section_holds_a_ticket_until_it_is_left(void **state)
{
    struct resil__reader *reader = resil__epoch_enter();
    uint32_t ticket = resil__epoch_retire();

    (void)state;
    assert_false(resil__epoch_passed(ticket));
    assert_false(resil__epoch_passed(ticket));

    resil__epoch_leave(reader);

    assert_true(resil__epoch_passed(ticket));
    assert_true(resil__epoch_passed(ticket));
}

static void section_entered_later_holds_nothing(void **state)
{
    uint32_t ticket = resil__epoch_retire();
    struct resil__reader *reader = resil__epoch_enter();

    (void)state;
    assert_true(resil__epoch_passed(ticket));

    resil__epoch_leave(reader);
}

static void outermost_section_counts(void **state)
{
    struct resil__reader *outer = resil__epoch_enter();
    struct resil__reader *inner = resil__epoch_enter();
    uint32_t ticket = resil__epoch_retire();
    struct resil__reader *later;

    (void)state;
    assert_ptr_equal(outer, inner);
    resil__epoch_leave(inner);
    assert_false(resil__epoch_passed(ticket));
    later = resil__epoch_enter();
    assert_false(resil__epoch_passed(ticket));
    resil__epoch_leave(later);
    assert_false(resil__epoch_passed(ticket));

    resil__epoch_leave(outer);

    assert_true(resil__epoch_passed(ticket));
}

static void section_holds_what_was_retired_after_it_alone(void **state)
{
    uint32_t before = resil__epoch_retire();
    struct resil__reader *reader = resil__epoch_enter();
    uint32_t after = resil__epoch_retire();
    uint32_t last = resil__epoch_retire();

    (void)state;
    assert_true(before != after && after != last);
    assert_true(resil__epoch_passed(before));
    assert_false(resil__epoch_passed(after));
    assert_false(resil__epoch_passed(last));

    resil__epoch_leave(reader);

    assert_true(resil__epoch_passed(last));
    assert_true(resil__epoch_passed(after));
}

static void section_of_another_thread_holds_too(void **state)
{
    struct hand hand;
    uint32_t ticket;

    (void)state;
    hire(&hand);
    tell(&hand, ORDER_ENTER);
    ticket = resil__epoch_retire();
    assert_false(resil__epoch_passed(ticket));

    tell(&hand, ORDER_LEAVE);
    assert_true(resil__epoch_passed(ticket));

    tell(&hand, ORDER_ENTER); /* it is in a new one now */
    assert_true(resil__epoch_passed(ticket));
    tell(&hand, ORDER_LEAVE);
    tell(&hand, ORDER_END);
    assert_true(resil__epoch_passed(resil__epoch_retire()));
}

/* It can't look at anything any more. */
static void thread_that_ended_inside_holds_nothing(void **state)
{
    struct hand hand;
    uint32_t ticket;

    (void)state;
    hire(&hand);
    tell(&hand, ORDER_ENTER);
    ticket = resil__epoch_retire();
    assert_false(resil__epoch_passed(ticket));

    tell(&hand, ORDER_END);

    assert_true(resil__epoch_passed(ticket));
    assert_true(resil__epoch_passed(resil__epoch_retire()));
}

static void numbers_are_dense_and_the_lowest_is_used_again(void **state)
{
    struct hand hands[HANDS];
    bool seen[HANDS + 1] = {false};
    struct resil__reader *own = resil__epoch_enter();
    uint32_t second;

    (void)state;
    seen[resil__reader_number(own)] = true;
    for (int i = 0; i < HANDS; i++) {
        uint32_t number;

        hire(&hands[i]);
        tell(&hands[i], ORDER_ENTER);
        number = resil__reader_number(hands[i].reader);
        assert_true(number <= HANDS);
        assert_false(seen[number]);
        seen[number] = true;
    }
    assert_int_equal(resil__epoch_readers(), HANDS + 1);
    second = resil__reader_number(hands[1].reader);
    assert_true(second < resil__reader_number(hands[3].reader));
    tell(&hands[3], ORDER_END);
    tell(&hands[1], ORDER_END);

    hire(&hands[1]);
    tell(&hands[1], ORDER_ENTER);

    assert_int_equal(resil__reader_number(hands[1].reader), second);
    assert_int_equal(resil__epoch_readers(), HANDS + 1);
    for (int i = 0; i < HANDS; i++)
        if (i != 3)
            tell(&hands[i], ORDER_END);
    resil__epoch_leave(own);
}

static void threads_that_come_and_go_need_no_more_slots(void **state)
{
    uint32_t before;
    struct hand hand;

    (void)state;
    hire(&hand);
    tell(&hand, ORDER_ENTER);
    tell(&hand, ORDER_END);
    before = resil__epoch_readers();
    for (int i = 0; i < 200; i++) {
        hire(&hand);
        tell(&hand, ORDER_ENTER);
        tell(&hand, ORDER_LEAVE);
        tell(&hand, ORDER_END);
    }
    assert_int_equal(resil__epoch_readers(), before);
}

/* One thread more than there are slots, and no memory for another. */
static void section_without_memory_holds_all_the_same(void **state)
{
    struct hand hands[HANDS + 1];
    struct hand *last = &hands[HANDS];
    struct resil__reader *own = resil__epoch_enter();
    uint32_t slots, ticket;

    (void)state;
    resil__epoch_leave(own);
    for (int i = 0; i < HANDS; i++) {
        hire(&hands[i]);
        tell(&hands[i], ORDER_ENTER);
        tell(&hands[i], ORDER_LEAVE);
    }
    slots = resil__epoch_readers();
    assert_int_equal(slots, HANDS + 1);
    resil__store_release32(&no_memory, 1);
    hire(last);
    tell(last, ORDER_ENTER);
    ticket = resil__epoch_retire();

    assert_false(resil__epoch_passed(ticket));
    assert_ptr_equal(last->reader, &resil__epoch_shared);
    assert_int_equal(resil__reader_number(last->reader), 0);
    assert_true(last->random != 0);
    tell(last, ORDER_LEAVE);
    assert_true(resil__epoch_passed(ticket));
    assert_int_equal(resil__epoch_readers(), slots);

    tell(last, ORDER_ENTER);
    resil__store_release32(&no_memory, 0);
    tell(last, ORDER_LEAVE);
    tell(last, ORDER_ENTER); /* memory again: its own from now on */
    assert_ptr_not_equal(last->reader, &resil__epoch_shared);
    assert_int_equal(resil__epoch_readers(), slots + 1);
    tell(last, ORDER_LEAVE);
    assert_true(resil__epoch_passed(resil__epoch_retire()));
    for (int i = 0; i <= HANDS; i++)
        tell(&hands[i], ORDER_END);
}

static pthread_key_t late_key;
static bool late_held, late_passed;

/* Runs after the slot was given back: destructors go by the order of their keys in this C library,
   and otherwise by rounds. */
static void late(void *arg)
{
    struct resil__reader *reader;
    uint32_t ticket;

    if (!resil__epoch_thread.ended) {
        (void)pthread_setspecific(late_key, arg);
        return;
    }
    reader = resil__epoch_enter();
    ticket = resil__epoch_retire();
    late_held = reader == &resil__epoch_shared && !resil__epoch_passed(ticket);
    resil__epoch_leave(reader);
    late_passed = resil__epoch_passed(ticket);
}

static void *end_late(void *arg)
{
    resil__epoch_leave(resil__epoch_enter());
    (void)pthread_setspecific(late_key, arg);
    return NULL;
}

static void thread_that_is_ending_still_holds(void **state)
{
    pthread_t thread;

    assert_int_equal(pthread_key_create(&late_key, late), 0);
    assert_int_equal(pthread_create(&thread, NULL, end_late, &state), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(late_held);
    assert_true(late_passed);
    assert_int_equal(pthread_key_delete(late_key), 0);
}

static void set_epoch(uint32_t epoch)
{
    ck_pr_store_uint(&resil__epoch_global.epoch, epoch);
}

static void tickets_pass_across_the_wrap(void **state)
{
    (void)state;
    for (uint32_t left = 0; left < 4; left++) {
        struct resil__reader *reader;
        uint32_t before, ticket;

        set_epoch(UINT32_MAX - left);
        before = resil__epoch_retire();
        reader = resil__epoch_enter();
        ticket = resil__epoch_retire();
        assert_true(resil__epoch_passed(before));
        assert_false(resil__epoch_passed(ticket));
        assert_false(resil__epoch_passed(resil__epoch_retire()));
        resil__epoch_leave(reader);
        assert_true(resil__epoch_passed(ticket));
        assert_true(resil__epoch_passed(before));
    }
}

#define STRIDE (UINT32_C(1) << 27) /* stands for that many retires; a part of retire's look-out */

static void section_open_for_ages_holds_everything(void **state)
{
    struct resil__reader *reader;
    uint32_t first;

    (void)state;
    set_epoch(1000 * STRIDE);
    reader = resil__epoch_enter();
    first = resil__epoch_retire();
    for (uint32_t i = 1; i <= 100; i++) { /* three times round */
        uint32_t ticket;

        set_epoch((1000 + i) * STRIDE - 1);
        ticket = resil__epoch_retire();
        assert_false(resil__epoch_passed(ticket));
        if (i > RESIL__EPOCH_FAR / STRIDE) /* else from before the section */
            assert_false(resil__epoch_passed(ticket - RESIL__EPOCH_FAR));
        assert_false(resil__epoch_passed(ticket - STRIDE / 2));
        assert_false(resil__epoch_passed(first));
    }
    resil__epoch_leave(reader);
    assert_true(resil__epoch_passed(first));
}

/* Between "set active" and "copy the epoch" the record has the epoch of its last section. */
static void thread_idle_for_ages_is_not_taken_for_one_ahead(void **state)
{
    struct resil__reader *reader;

    (void)state;
    set_epoch(0);
    reader = resil__epoch_enter();
    resil__epoch_leave(reader);
    for (uint32_t i = 1; i <= 100; i++) {
        uint32_t ticket;

        set_epoch(i * STRIDE - 1);
        ticket = resil__epoch_retire();
        ck_pr_store_uint(&reader->record.active, 1);
        assert_false(resil__epoch_passed(ticket));
        ck_pr_store_uint(&reader->record.active, 0);
        assert_true(resil__epoch_passed(ticket));
    }
}

static void *try_lock(void *arg)
{
    static uint32_t yes;

    if (!resil__trylock(arg))
        return NULL;
    resil__unlock(arg);
    return &yes;
}

static bool lock_is_free(struct resil__lock *lock)
{
    pthread_t thread;
    void *answer = NULL;

    assert_int_equal(pthread_create(&thread, NULL, try_lock, lock), 0);
    assert_int_equal(pthread_join(thread, &answer), 0);
    return answer != NULL;
}

static void lock_excludes_other_threads(void **state)
{
    struct resil__lock lock;

    (void)state;
    assert_true(resil__lock_init(&lock));
    assert_true(lock_is_free(&lock));
    resil__lock(&lock);
    assert_false(lock_is_free(&lock));
    resil__unlock(&lock);
    assert_true(resil__trylock(&lock));
    assert_false(lock_is_free(&lock));
    resil__unlock(&lock);
    assert_true(lock_is_free(&lock));
    resil__lock_fini(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_inside_lets_a_ticket_pass),
        cmocka_unit_test(open_section_holds_a_ticket_until_it_is_left),
        cmocka_unit_test(section_entered_later_holds_nothing),
        cmocka_unit_test(outermost_section_counts),
        cmocka_unit_test(section_holds_what_was_retired_after_it_alone),
        cmocka_unit_test(section_of_another_thread_holds_too),
        cmocka_unit_test(thread_that_ended_inside_holds_nothing),
        cmocka_unit_test(numbers_are_dense_and_the_lowest_is_used_again),
        cmocka_unit_test(threads_that_come_and_go_need_no_more_slots),
        cmocka_unit_test(section_without_memory_holds_all_the_same),
        cmocka_unit_test(thread_that_is_ending_still_holds),
        cmocka_unit_test(tickets_pass_across_the_wrap),
        cmocka_unit_test(section_open_for_ages_holds_everything),
        cmocka_unit_test(thread_idle_for_ages_is_not_taken_for_one_ahead),
        cmocka_unit_test(lock_excludes_other_threads),
    };

    return cmocka_run_group_tests_name("epoch", tests, NULL, NULL);
}
