/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Reclamation under every interleaving of readers and writers: ck's own begin and end and our
 * retire and passed, with ck's operations on its words made visible to the explorer. What a section
 * reached is not freed while it is open, and everything is freed in the end.
 */
#include "test.h"

#include "interleave.h"

#include <ck_pr.h>

/* The operations of ck_epoch.h and epoch.c on a record's words. */
#undef ck_pr_load_uint
#undef ck_pr_store_uint
#undef ck_pr_fas_uint
#undef ck_pr_faa_uint
#undef ck_pr_cas_uint
#undef ck_pr_fence_memory
#define ck_pr_load_uint(word)         interleave_load32(word, __func__)
#define ck_pr_store_uint(word, value) interleave_store32(word, value, false, __func__)
#define ck_pr_fas_uint(word, value)   interleave_xchg32(word, value, __func__)
#define ck_pr_faa_uint(word, value)   interleave_add32(word, value, __func__)
#define ck_pr_fence_memory()          interleave_fence()
#define ck_pr_cas_uint(word, expected, desired)                                                    \
    interleave_cas32(word, &(uint32_t){expected}, desired, __func__)

/* Slots at the same address in every run. */
static void *take_memory(void);
#define aligned_alloc(alignment, size) take_memory()

#include "../../src/base/epoch.c"

#define THINGS 4

static struct resil__reader memory[INTERLEAVE_FIBERS];
static unsigned memory_used;

static void *take_memory(void)
{
    return memory_used < INTERLEAVE_FIBERS ? &memory[memory_used++] : NULL;
}

static uint32_t word; /* the thing that is reachable */
static bool freed[THINGS];
static uint32_t made; /* things so far */
static struct resil__reader
    *own[INTERLEAVE_FIBERS]; /* a slot for each fiber; NULL = shared count */
static uint32_t first_epoch = 1, records_behind;

static uint32_t pending[THINGS], tickets[THINGS]; /* unlinked things that aren't free yet */
static unsigned pending_count;

static void set_up_with(unsigned count)
{
    memset(memory, 0, sizeof memory);
    memory_used = 0;
    slots = 0;
    resil__epoch_global = (ck_epoch_t){.epoch = first_epoch};
    sections = 0;
    for (unsigned i = 0; i < INTERLEAVE_FIBERS; i++) {
        own[i] = i < count ? make() : NULL;
        if (own[i] != NULL)
            own[i]->record.epoch = first_epoch - records_behind;
    }
    word = 0;
    made = 1;
    pending_count = 0;
    memset(freed, 0, sizeof freed);
}

static void set_up_slots(void)
{
    set_up_with(3);
}

static void set_up_shared(void)
{
    set_up_with(0);
}

static void set_up_mixed(void)
{
    set_up_with(1);
}

/* A fiber is a thread, but has no thread-local variable. Nothing is preempted between these. */
static struct resil__reader *enter_as(int self)
{
    resil__epoch_thread.reader = own[self];
    resil__epoch_thread.ended = true;
    resil__epoch_thread.random = 1;
    return resil__epoch_enter();
}

static void look(int self)
{
    struct resil__reader *reader = enter_as(self);
    uint32_t thing = resil__load_acquire32(&word);

    interleave_check(!freed[thing]);
    interleave_point();
    interleave_check(!freed[thing]);
    resil__epoch_leave(reader);
}

static void look_twice(int self)
{
    look(self);
    look(self);
}

static void look_nested(int self)
{
    struct resil__reader *reader = enter_as(self);
    uint32_t thing = resil__load_acquire32(&word);

    look(self);
    interleave_check(!freed[thing]);
    resil__epoch_leave(reader);
}

static void free_what_passed(void)
{
    for (unsigned i = 0; i < pending_count; i++)
        if (!freed[pending[i]] && resil__epoch_passed(tickets[i]))
            freed[pending[i]] = true;
}

static void replace(void)
{
    pending[pending_count] = resil__xchg32(&word, made++);
    tickets[pending_count] = resil__epoch_retire();
    pending_count++;
}

static void write_once(int self)
{
    (void)self;
    replace();
    free_what_passed();
    free_what_passed();
}

static void write_twice(int self)
{
    (void)self;
    replace();
    replace();
    free_what_passed();
}

static void verify_all_pass(void)
{
    free_what_passed();
    for (unsigned i = 0; i < pending_count; i++)
        interleave_check(freed[pending[i]]);
}

typedef void body(int self);

static body *const one_reader[] = {look_twice, write_once};
static body *const two_readers[] = {look, look, write_once};
static body *const nested_reader[] = {look_nested, write_twice};
static body *const coming_reader[] = {look_twice, write_twice};

static void one_reader_keeps_what_it_reached(void **state)
{
    (void)state;
    interleave_explore(
        &(struct scenario){"one reader, twice", 2, one_reader, 5, set_up_slots, verify_all_pass});
    interleave_explore(&(struct scenario){"one reader, nested", 2, nested_reader, 5, set_up_slots,
                                          verify_all_pass});
    interleave_explore(&(struct scenario){"one reader, two replacements", 2, coming_reader, 4,
                                          set_up_slots, verify_all_pass});
}

static void two_readers_keep_what_they_reached(void **state)
{
    (void)state;
    interleave_explore(
        &(struct scenario){"two readers", 3, two_readers, 3, set_up_slots, verify_all_pass});
}

static void readers_without_slots_keep_it_too(void **state)
{
    (void)state;
    interleave_explore(
        &(struct scenario){"shared count", 3, two_readers, 4, set_up_shared, verify_all_pass});
    interleave_explore(&(struct scenario){"shared count, nested", 2, nested_reader, 5,
                                          set_up_shared, verify_all_pass});
}

static void two_kinds_of_readers_keep_it(void **state)
{
    (void)state;
    interleave_explore(
        &(struct scenario){"slot and shared", 3, two_readers, 3, set_up_mixed, verify_all_pass});
}

/* Retire pulls idle records along while threads enter. */
static void epochs_wrap_and_records_are_pulled_along(void **state)
{
    struct scenario wrap = {"wrap", 3, two_readers, 3, set_up_slots, verify_all_pass};

    (void)state;
    first_epoch = UINT32_MAX;
    interleave_explore(&wrap);
    first_epoch = LOOK_EVERY - 1;
    records_behind = RECORD_FAR + 100;
    wrap.name = "pulled along";
    interleave_explore(&wrap);
    first_epoch = 1;
    records_behind = 0;
}

/* A thread from its first section to its end. */
static unsigned holders[INTERLEAVE_FIBERS];

static void live(int self)
{
    struct resil__reader *slot = claim();

    if (slot == NULL)
        slot = make();
    interleave_check(slot != NULL && slot->record.active == 0);
    interleave_check(holders[slot->number]++ == 0);
    own[self] = slot;
    look(self);
    holders[slot->number]--;
    give_back(slot);
}

static void set_up_lives(void)
{
    set_up_with(0);
    memset(holders, 0, sizeof holders);
}

static void set_up_one_free_slot(void)
{
    set_up_with(1);
    own[0]->taken = 0;
    memset(holders, 0, sizeof holders);
}

static void verify_lives(void)
{
    verify_all_pass();
    interleave_check(resil__epoch_readers() == memory_used);
    for (unsigned i = 0; i < memory_used; i++)
        interleave_check(memory[i].taken == 0);
}

static body *const lives[] = {live, live, live};
static body *const lives_and_writer[] = {live, live, write_once};

static void slots_are_had_by_one_thread_at_a_time(void **state)
{
    (void)state;
    interleave_explore(
        &(struct scenario){"three first threads", 3, lives, 3, set_up_lives, verify_lives});
    interleave_explore(&(struct scenario){"two for a free slot", 3, lives_and_writer, 3,
                                          set_up_one_free_slot, verify_lives});
}

/* 0 would be ahead of these tickets. A processor may show a section's copy of the epoch after what
   it loads next, which this explorer doesn't. */
static void new_slot_starts_at_the_present(void **state)
{
    (void)state;
    set_up_with(0);
    resil__epoch_global.epoch = UINT32_C(3) << 30;
    assert_int_equal(make()->record.epoch, UINT32_C(3) << 30);
}

/* What a writer and a reader may get wrong. */

static void retire_and_then_unlink(int self)
{
    (void)self;
    tickets[0] = resil__epoch_retire();
    pending[0] = resil__xchg32(&word, made++);
    pending_count = 1;
    free_what_passed();
}

static void free_at_once(int self)
{
    (void)self;
    replace();
    freed[pending[0]] = true;
}

static void reach_and_then_enter(int self)
{
    uint32_t thing = resil__load_acquire32(&word);
    struct resil__reader *reader = enter_as(self);

    interleave_check(!freed[thing]);
    resil__epoch_leave(reader);
}

static void write_free_write_free(int self)
{
    write_once(self);
    write_once(self);
}

static void checks_find_what_is_broken(void **state)
{
    static body *const early[] = {look_twice, retire_and_then_unlink};
    static body *const at_once[] = {look, free_at_once};
    static body *const late[] = {reach_and_then_enter, write_once};
    static body *const again[] = {look_twice, write_free_write_free};
    struct fault none = {"nothing", NULL, FAULT_NONE};
    struct scenario is = {"broken", 2, early, 3, set_up_slots, verify_all_pass};

    (void)state;
    none.in = "retire before unlink";
    interleave_finds(&is, none);
    is.bodies = at_once;
    none.in = "no passed()";
    interleave_finds(&is, none);
    is.bodies = late;
    none.in = "load before enter";
    interleave_finds(&is, none);
    is.bodies = again;
    interleave_explore(&is);
    set_up_slots();
    interleave_finds(&is, (struct fault){"ck_epoch_begin", &own[0]->record.active, FAULT_LOST});
    interleave_finds(&is,
                     (struct fault){"resil__epoch_passed", &own[0]->record.active, FAULT_STALE});
    is.set_up = set_up_shared;
    interleave_finds(&is, (struct fault){"resil__epoch_passed", &sections, FAULT_STALE});
    is = (struct scenario){"broken", 3, lives, 3, set_up_lives, verify_lives};
    interleave_finds(&is, (struct fault){"push", &slots, FAULT_BLIND});
    is.set_up = set_up_one_free_slot;
    interleave_finds(&is, (struct fault){"claim", &memory[0].taken, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_reader_keeps_what_it_reached),
        cmocka_unit_test(two_readers_keep_what_they_reached),
        cmocka_unit_test(readers_without_slots_keep_it_too),
        cmocka_unit_test(two_kinds_of_readers_keep_it),
        cmocka_unit_test(epochs_wrap_and_records_are_pulled_along),
        cmocka_unit_test(slots_are_had_by_one_thread_at_a_time),
        cmocka_unit_test(new_slot_starts_at_the_present),
        cmocka_unit_test(checks_find_what_is_broken),
    };

    return cmocka_run_group_tests_name("epoch interleavings", tests, NULL, NULL);
}
