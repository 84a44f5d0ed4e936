/* SPDX-License-Identifier: BSD-2-Clause */

/* What a forked child has of its parent's sections, slots and random numbers. */
#define _GNU_SOURCE
#include "epoch_fixture.h"

/* Slots of threads that came and went. */
static int make_slots(void **state)
{
    struct hand hands[HANDS];

    (void)state;
    for (int i = 0; i < HANDS; i++) {
        hire(&hands[i]);
        tell(&hands[i], ORDER_ENTER);
        tell(&hands[i], ORDER_LEAVE);
    }
    for (int i = 0; i < HANDS; i++)
        tell(&hands[i], ORDER_END);
    return 0;
}

/* Runs a check in a forked child; true if it says so. */
static bool in_child(bool (*check)(void))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(check() ? 0 : 1);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void forked_child_is_not_held_by_threads_it_does_not_have(void **state)
{
    struct hand hand;

    (void)state;
    hire(&hand);
    tell(&hand, ORDER_ENTER);

    assert_false(ticket_passes());
    assert_true(in_child(ticket_passes));

    tell(&hand, ORDER_END);
}

/* All slots there are are taken, by threads that are inside. */
static uint32_t take_all_slots(struct hand *hands)
{
    uint32_t crew = 0;

    for (resil__epoch_leave(resil__epoch_enter()); crew + 1 < resil__epoch_readers(); crew++) {
        assert_true(crew < HANDS + 8);
        hire(&hands[crew]);
        tell(&hands[crew], ORDER_ENTER);
    }
    return crew;
}

/* The thread that forks has the newest slot, so all others come behind it. */
static bool all_other_slots_are_free(void)
{
    struct resil__reader *own = resil__epoch_thread.reader;

    for (struct resil__reader *slot = own->next; slot != NULL; slot = slot->next)
        if (slot->taken != 0)
            return false;
    return own->taken == 1;
}

static void *fork_with_newest_slot(void *arg)
{
    struct hand *hand = arg;

    hand->reader = resil__epoch_enter();
    resil__epoch_leave(hand->reader);
    hand->random = !all_other_slots_are_free() && in_child(all_other_slots_are_free);
    return NULL;
}

static void forked_child_has_the_other_slots_to_give(void **state)
{
    struct hand hands[HANDS + 8], forking = {0};
    uint32_t crew = take_all_slots(hands);

    (void)state;
    assert_int_equal(pthread_create(&forking.thread, NULL, fork_with_newest_slot, &forking), 0);
    assert_int_equal(pthread_join(forking.thread, NULL), 0);
    assert_int_equal(resil__reader_number(forking.reader) + 1, resil__epoch_readers());
    assert_true(forking.random);
    while (crew-- > 0)
        tell(&hands[crew], ORDER_END);
}

static struct resil__reader *open_one; /* the forking thread's own */

static bool own_section_still_holds(void)
{
    uint32_t ticket = resil__epoch_retire();
    bool held = !resil__epoch_passed(ticket);

    resil__epoch_leave(open_one);
    return held && resil__epoch_passed(ticket);
}

static void forked_child_keeps_its_own_section(void **state)
{
    (void)state;
    open_one = resil__epoch_enter();
    assert_true(in_child(own_section_still_holds));
    assert_false(ticket_passes());
    resil__epoch_leave(open_one);
    assert_true(ticket_passes());
}

/* The same for the shared count: one section of the forking thread, one of a thread that is gone in
   the child. */
static void *fork_without_slot(void *arg)
{
    struct hand *hand = arg;

    open_one = resil__epoch_enter();
    hand->random =
        open_one == &resil__epoch_shared && in_child(own_section_still_holds) && !ticket_passes();
    resil__epoch_leave(open_one);
    return NULL;
}

static void forked_child_counts_its_own_sections_alone(void **state)
{
    struct hand hands[HANDS + 8], other, forking = {0};
    uint32_t crew = take_all_slots(hands); /* so that the next threads get none */

    (void)state;
    for (uint32_t i = 0; i < crew; i++)
        tell(&hands[i], ORDER_LEAVE);
    resil__store_release32(&no_memory, 1);
    hire(&other);
    tell(&other, ORDER_ENTER);
    assert_ptr_equal(other.reader, &resil__epoch_shared);

    assert_int_equal(pthread_create(&forking.thread, NULL, fork_without_slot, &forking), 0);
    assert_int_equal(pthread_join(forking.thread, NULL), 0);

    assert_true(forking.random);
    assert_false(ticket_passes());
    tell(&other, ORDER_LEAVE);
    tell(&other, ORDER_END);
    resil__store_release32(&no_memory, 0);
    while (crew-- > 0)
        tell(&hands[crew], ORDER_END);
    assert_true(ticket_passes());
}

static uint64_t draw(void)
{
    struct resil__reader *reader = resil__epoch_enter();
    uint64_t drawn = resil__random_next(resil__reader_random(reader));

    resil__epoch_leave(reader);
    return drawn;
}

static uint64_t draw_in_child(void)
{
    uint64_t drawn = 0;
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        drawn = draw();
        _exit(write(ends[1], &drawn, sizeof drawn) != (ssize_t)sizeof drawn);
    }
    assert_true(pid > 0);
    assert_int_equal(read(ends[0], &drawn, sizeof drawn), sizeof drawn);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return drawn;
}

static void threads_and_children_draw_different_numbers(void **state)
{
    struct hand hand;
    uint64_t drawn[6];

    (void)state;
    drawn[0] = draw();
    for (int i = 1; i < 3; i++) { /* one after the other, in the same memory */
        hire(&hand);
        tell(&hand, ORDER_ENTER);
        drawn[i] = hand.random;
        tell(&hand, ORDER_END);
    }
    drawn[3] = draw_in_child();
    drawn[4] = draw_in_child();
    drawn[5] = draw();
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < i; j++)
            assert_true(drawn[i] != drawn[j]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forked_child_is_not_held_by_threads_it_does_not_have),
        cmocka_unit_test(forked_child_has_the_other_slots_to_give),
        cmocka_unit_test(forked_child_keeps_its_own_section),
        cmocka_unit_test(forked_child_counts_its_own_sections_alone),
        cmocka_unit_test(threads_and_children_draw_different_numbers),
    };

    return cmocka_run_group_tests_name("epoch fork", tests, make_slots, NULL);
}
