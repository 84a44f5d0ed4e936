/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The balancer under every interleaving of picks, reports, ticks and updates: a report that makes an
 * ejection due is heard, an ejection and its end don't lose one another, and a host is there as long
 * as somebody may look at it. The epochs are one step each here, by their contract; their own words
 * have model_epoch_interleavings.c. The writers' lock is one word.
 */
#include "test.h"

#include <pthread.h>
#include <resil/allocator.h>

#include "interleave.h"

/* In the place of base/lock.h. */
#define RESIL_BASE_LOCK_H

struct resil__lock {
    pthread_mutex_t mutex; /* as in the files that are not under test */
};

static uint32_t lock_word;

static inline bool resil__trylock(struct resil__lock *lock)
{
    uint32_t free = 0;

    (void)lock;
    return resil__cas32(&lock_word, &free, 1);
}

static inline void resil__lock(struct resil__lock *lock)
{
    struct resil__contend contend = RESIL__CONTEND;

    while (!resil__trylock(lock))
        resil__contend(&contend);
}

static inline void resil__unlock(struct resil__lock *lock)
{
    (void)lock;
    resil__store_release32(&lock_word, 0);
}

/* In the place of base/epoch.h: what its contract says, each call a step. */
#define RESIL_BASE_EPOCH_H

struct resil__reader {
    uint64_t random;
    uint32_t number, depth, since;
};

static struct resil__reader readers[INTERLEAVE_FIBERS];
static uint32_t age;
static bool passes_at_once, retires_early; /* the controls */

static inline struct resil__reader *resil__epoch_enter(void)
{
    struct resil__reader *reader = &readers[interleave.current];

    interleave_point();
    interleave_fence();
    if (reader->depth++ == 0)
        reader->since = age;
    return reader;
}

static inline void resil__epoch_leave(struct resil__reader *reader)
{
    interleave_point();
    reader->depth--;
}

static inline uint32_t resil__reader_number(const struct resil__reader *reader)
{
    return reader->number;
}

static inline uint64_t *resil__reader_random(struct resil__reader *reader)
{
    return &reader->random;
}

static inline uint32_t resil__epoch_retire(void)
{
    uint32_t ticket;

    interleave_point();
    if (!retires_early)
        interleave_fence();
    ticket = ++age;
    interleave_point();
    return ticket;
}

static inline bool resil__epoch_passed(uint32_t ticket)
{
    interleave_point();
    interleave_fence();
    for (int i = 0; i < INTERLEAVE_FIBERS && !passes_at_once; i++)
        if (readers[i].depth != 0 && readers[i].since < ticket)
            return false;
    return true;
}

#include "../../src/balancer/event.c"
#include "../../src/balancer/memory.c"
#include "../../src/balancer/pick.c"
#include "../../src/balancer/report.c"
#include "../../src/balancer/sweep.c"
#include "../../src/balancer/tick.c"
#include "../../src/balancer/update.c"
#include "../../src/balancer/view.c"

#define NOW   RESIL_SEC(1000)
#define LATER RESIL_SEC(1031) /* an ejection of NOW is over */

/* Memory at the same addresses in every run; what was released is marked. */
static struct {
    _Alignas(64) unsigned char bytes[1 << 19];
    size_t used;
} memory;

static void *allocate(void *arg, size_t bytes, size_t alignment)
{
    void *place = memory.bytes + memory.used;

    (void)arg;
    (void)alignment;
    memory.used += (bytes + 63) / 64 * 64;
    return memory.used <= sizeof memory.bytes ? place : NULL;
}

static void release(void *arg, void *place, size_t bytes)
{
    (void)arg;
    if (place != NULL)
        memset(place, 0xdd, bytes);
}

static const struct resil_allocator allocator = {
    .size = sizeof allocator, .allocate = allocate, .release = release};

static struct resil_balancer balancer;
static struct resil__balancer *const lb = (struct resil__balancer *)(void *)&balancer;
static struct resil_pick picks[INTERLEAVE_FIBERS];
static bool updated;
static struct resil__host *first; /* of "a" */

static const struct resil_endpoint two[] = {{.address = "a", .weight = 1},
                                            {.address = "b", .weight = 1}};

static void set_up(void)
{
    struct resil_balancer_config config = {
        .seed = 7, .allocator = &allocator, .outlier = {.consecutive = 2, .jitter_pct = RESIL_OFF}};

    memory.used = 0;
    lock_word = 0;
    age = 1;
    updated = false;
    memset(readers, 0, sizeof readers);
    memset(picks, 0, sizeof picks);
    memset(&balancer, 0, sizeof balancer);
    interleave_check(resil_balancer_init(&balancer, &config) == RESIL_OK);
    interleave_check(resil_balancer_update(&balancer, two, 2, NOW) == RESIL_OK);
    first = lb->list->entries[0].host;
}

/* One pick of "a" for each of the first fibers, as if they had been made before. */
static void set_up_picked(void)
{
    set_up();
    (void)resil_balancer_tick(&balancer, NOW + 1, NULL);
    for (int i = 0; i < INTERLEAVE_FIBERS; i++) {
        first->load.in_flight_++;
        picks[i] = (struct resil_pick){.id = first->id, .host_ = first};
    }
}

static void report_bad(int self)
{
    interleave_check(resil_balancer_report(&balancer, &picks[self], RESIL_FAILURE, 1, NOW + 2) ==
                     RESIL_OK);
}

static void tick(int self)
{
    (void)self;
    resil__lb_hurry(lb);
    interleave_check(resil_balancer_tick(&balancer, NOW + 2, NULL) == RESIL_OK);
}

/* Two bad reports: the host is ejected, or a tick is due that will do it. */
static void verify_heard(void)
{
    uint64_t streak = first->load.streak_ >> RESIL__STREAK_BAD & RESIL__STREAK_MAX;

    interleave_check(lock_word == 0);
    interleave_check(first->ejected != (streak == 2));
    interleave_check(first->ejected || resil__lb_due(lb, NOW + 3));
    interleave_check(resil_balancer_tick(&balancer, NOW + 3, NULL) == RESIL_OK);
    interleave_check(first->ejected && first->reports + (first->load.counts_ >> 32) == 2);
}

static void a_report_that_makes_a_tick_due_is_heard(void **state)
{
    struct scenario is = {
        __func__,      3,           (void (*const[])(int)){report_bad, report_bad, tick}, 0,
        set_up_picked, verify_heard};
    struct scenario ticks = {
        __func__,      4,           (void (*const[])(int)){report_bad, report_bad, tick, tick}, 3,
        set_up_picked, verify_heard};

    (void)state;
    interleave_explore(&is);
    interleave_explore(&ticks);
    set_up_picked();
    interleave_finds(&is, (struct fault){"resil__lb_hurry", &lb->next_ns, FAULT_LOST});
    interleave_finds(&is, (struct fault){"schedule", &lb->next_ns, FAULT_BLIND});
    /* The swap that a tick begins with, as a mere store. */
    interleave_finds(&is, (struct fault){"resil__lb_tick", &lb->next_ns, FAULT_WEAK});
    interleave_finds(&is, (struct fault){"lengthen", &first->load.streak_, FAULT_BLIND});
}

/* "a" is ejected, its time is over, and calls from before the ejection still fail. */
static void set_up_ejected(void)
{
    set_up_picked();
    for (int i = 0; i < 2; i++)
        (void)lengthen(&first->load.streak_, RESIL__STREAK_BAD);
    resil__lb_hurry(lb);
    (void)resil_balancer_tick(&balancer, NOW + 2, NULL);
    interleave_check(first->ejected && first->ejections == 1);
}

static void tick_later(int self)
{
    (void)self;
    interleave_check(resil_balancer_tick(&balancer, LATER, NULL) == RESIL_OK);
}

static void report_bad_later(int self)
{
    interleave_check(resil_balancer_report(&balancer, &picks[self], RESIL_FAILURE, 1, LATER) ==
                     RESIL_OK);
}

/* It is back, or ejected for a second time; a streak that is full is seen by a tick that is due. */
static void verify_back(void)
{
    uint64_t streak = first->load.streak_ >> RESIL__STREAK_BAD & RESIL__STREAK_MAX;

    interleave_check(lock_word == 0);
    interleave_check(first->ejected == (first->ejections == 2) || first->back_ns <= LATER);
    interleave_check(streak < 2 || resil__lb_due(lb, LATER + 1));
    interleave_check(resil_balancer_tick(&balancer, LATER + 1, NULL) == RESIL_OK);
    interleave_check((first->load.streak_ >> RESIL__STREAK_BAD & RESIL__STREAK_MAX) < 2);
}

static void ejection_and_its_end_dont_lose_one_another(void **state)
{
    struct scenario is = {__func__,
                          3,
                          (void (*const[])(int)){report_bad_later, report_bad_later, tick_later},
                          0,
                          set_up_ejected,
                          verify_back};

    (void)state;
    interleave_explore(&is);
    set_up_ejected();
    interleave_finds(&is, (struct fault){"resil__lb_hurry", &lb->next_ns, FAULT_LOST});
}

/* Picks and reports while "a" leaves the list. */
static void pick_and_report(int self)
{
    bool late = updated;
    struct resil_pick *pick = &picks[self];
    const struct resil__host *host;

    interleave_check(resil_balancer_pick(&balancer, NULL, NOW + 2, pick) == RESIL_OK);
    host = pick->host_;
    interleave_check(!late || host != first);
    interleave_point();
    interleave_check(pick->address[1] == '\0' && host->load.in_flight_ < 4);
    interleave_check(resil_balancer_report(&balancer, pick, RESIL_SUCCESS, 1, NOW + 2) == RESIL_OK);
}

/* Either endpoint once. */
static void pick_twice(int self)
{
    pick_and_report(self);
    pick_and_report(self);
}

static void drop_first(int self)
{
    (void)self;
    interleave_check(resil_balancer_update(&balancer, &two[1], 1, NOW + 2) == RESIL_OK);
    updated = true;
    resil__lb_hurry(lb);
    (void)resil_balancer_tick(&balancer, NOW + 2, NULL);
}

static void verify_dropped(void)
{
    resil__lb_hurry(lb);
    (void)resil_balancer_tick(&balancer, NOW + 3, NULL);
    interleave_check(lb->retired == NULL && lb->dropped == NULL);
    interleave_check(lb->list->count == 1 && lb->list->entries[0].host->load.in_flight_ == 0);
    interleave_check(first->load.in_flight_ == UINT64_C(0xdddddddddddddddd));
}

static void nobody_looks_at_what_is_gone(void **state)
{
    struct scenario is = {
        __func__, 3,      (void (*const[])(int)){drop_first, pick_and_report, pick_and_report},
        0,        set_up, verify_dropped};
    struct scenario one = {__func__, 2,      (void (*const[])(int)){drop_first, pick_twice},
                           0,        set_up, verify_dropped};

    (void)state;
    interleave_explore(&is);
    interleave_explore(&one);
    passes_at_once = true;
    interleave_finds(&one, (struct fault){"resil__epoch_passed", NULL, FAULT_NONE});
    passes_at_once = false;
    /* The old list retires while the new one's pointer is still in the buffer. */
    retires_early = true;
    interleave_finds(&one, (struct fault){"resil__epoch_retire", NULL, FAULT_NONE});
    retires_early = false;
    set_up();
    interleave_finds(&is, (struct fault){"take", &first->load.in_flight_, FAULT_LOST});
}

/* "a" has failed twice: the tick that is due ejects it, in a view that nobody reads yet. */
static void set_up_failed(void)
{
    set_up_picked();
    for (int i = 0; i < 2; i++)
        (void)lengthen(&first->load.streak_, RESIL__STREAK_BAD);
    resil__lb_hurry(lb);
}

static void tick_and_tell(int self)
{
    tick(self);
    updated = true;
}

static void pick_and_look(int self)
{
    bool late = updated;
    struct resil_pick *pick = &picks[self];

    interleave_check(resil_balancer_pick(&balancer, NULL, NOW + 2, pick) == RESIL_OK);
    interleave_check(!late || pick->host_ != first);
}

static void verify_ejected(void)
{
    interleave_check(lock_word == 0 && first->ejected);
    interleave_check(lb->view == &lb->list->views[1]);
}

static void a_view_is_whole_when_it_is_seen(void **state)
{
    struct scenario is = {__func__,
                          3,
                          (void (*const[])(int)){pick_and_look, pick_and_look, tick_and_tell},
                          0,
                          set_up_failed,
                          verify_ejected};

    (void)state;
    interleave_explore(&is);
    set_up_failed();
    interleave.content =
        (struct interleave_content){&lb->list->views[1], sizeof lb->list->views[1], {0}};
    interleave_finds(&is, (struct fault){"publish", &lb->view, FAULT_EARLY});
    interleave_finds(&is, (struct fault){"publish", &lb->view, FAULT_LOST});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_that_makes_a_tick_due_is_heard),
        cmocka_unit_test(ejection_and_its_end_dont_lose_one_another),
        cmocka_unit_test(nobody_looks_at_what_is_gone),
        cmocka_unit_test(a_view_is_whole_when_it_is_seen),
    };

    return cmocka_run_group_tests_name("balancer interleavings", tests, NULL, NULL);
}
