/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Slots and grace. The proof is in epoch.h.
 *
 * Slots are a list that only grows, newest first, so that numbers fall along it. Words of ck's
 * records are touched by ck_pr alone, as ck does; all others by atomic.h.
 */
#include "base/epoch.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/atomic.h"
#include "base/contend.h"
#include "base/random.h"

/* How far behind retire leaves an old record, and how often it looks. A record is at most
   RECORD_FAR + LOOK_EVERY behind, below 2^31; and a ticket within RESIL__EPOCH_FAR is ahead of
   every record that was pulled along. */
#define RECORD_FAR (UINT32_C(1) << 30)
#define LOOK_EVERY (UINT32_C(1) << 29)

_Thread_local struct resil__epoch_thread resil__epoch_thread;
struct resil__reader resil__epoch_shared;
ck_epoch_t resil__epoch_global = {.epoch = 1}; /* as ck_epoch_init leaves it */

static uint64_t slots;    /* head of the list, a pointer: pushed by any thread */
static uint64_t sections; /* open ones of threads without a slot */
static uint64_t seeds;    /* grows with every thread that is seeded and with every fork */
static uint64_t key_word; /* 1 + the key whose destructor gives slots back; 0 = none yet */

static struct resil__reader *first_slot(void)
{
    return (struct resil__reader *)(uintptr_t)resil__load_acquire(&slots); /* pairs with push */
}

static bool push(struct resil__reader *slot, struct resil__reader *head)
{
    uint64_t expected = (uint64_t)(uintptr_t)head;

    slot->next = head;
    slot->number = head == NULL ? 0 : head->number + 1;
    return resil__cas(&slots, &expected, (uint64_t)(uintptr_t)slot);
}

/* Never 0, which stands for a thread that wasn't seeded yet. */
static void seed(void)
{
    struct resil__epoch_thread *self = &resil__epoch_thread;
    uint64_t count = resil__mix(resil__add_relaxed(&seeds, 1));

    self->random = resil__mix(self->random ^ resil__mix(count + (uint64_t)(uintptr_t)self)) | 1;
}

/* Two children of the same parent get different numbers. */
static void before_fork(void)
{
    (void)resil__add_relaxed(&seeds, 1);
}

/* The child has neither threads nor their sections but its own. May run more than once.
   No order: there is one thread. */
static void forked(void)
{
    struct resil__epoch_thread *self = &resil__epoch_thread;

    for (struct resil__reader *slot = first_slot(); slot != NULL; slot = slot->next) {
        if (slot == self->reader)
            continue;
        ck_pr_store_uint(&slot->record.active, 0);
        resil__store_relaxed32(&slot->taken, 0);
    }
    resil__store_relaxed(&sections, self->shared);
    seed();
}

/* A thread ends; one that ends inside a section can't look at anything any more. */
static void give_back(void *arg)
{
    struct resil__reader *slot = arg;

    resil__epoch_thread.reader = NULL;
    resil__epoch_thread.ended = true;
    RESIL__EPOCH_RELEASE(slot);
    ck_pr_fence_release();
    ck_pr_store_uint(&slot->record.active, 0);
    resil__store_release32(&slot->taken, 0); /* pairs with the swap in claim */
}

/* Returns 1 + the key, or 0. Two threads may come here at the same time: one key is kept, and
   forked() may run twice. There is no lock that a fork could copy. */
static uint64_t key_of_process(void)
{
    uint64_t word = resil__load_acquire(&key_word);
    pthread_key_t key;

    if (word != 0)
        return word;
    if (pthread_key_create(&key, give_back) != 0)
        return 0;
    if (pthread_atfork(before_fork, NULL, forked) != 0 ||
        !resil__cas(&key_word, &word, (uint64_t)key + 1)) {
        (void)pthread_key_delete(key);
        return word;
    }
    return (uint64_t)key + 1;
}

/* The free slot of the lowest number, or NULL. A lost swap means that another thread got one. */
static struct resil__reader *claim(void)
{
    struct resil__contend contend = RESIL__CONTEND;

    for (;;) {
        struct resil__reader *found = NULL;
        uint32_t taken = 0;

        for (struct resil__reader *slot = first_slot(); slot != NULL; slot = slot->next)
            if (resil__load_relaxed32(&slot->taken) == 0)
                found = slot;
        if (found == NULL || resil__cas32(&found->taken, &taken, 1))
            return found;
        resil__contend(&contend);
    }
}

static struct resil__reader *make(void)
{
    struct resil__contend contend = RESIL__CONTEND;
    struct resil__reader *slot = aligned_alloc(_Alignof(struct resil__reader), sizeof *slot);

    if (slot == NULL)
        return NULL;
    /* Not in ck's list of records, which serves its write side alone: so the library needs no libck
       at run time. And the epoch is not 0, which may be ahead of the next ticket. */
    *slot = (struct resil__reader){
        .record = {.global = &resil__epoch_global,
                   .epoch = ck_pr_load_uint(&resil__epoch_global.epoch)},
        .taken = 1,
    };
    while (!push(slot, first_slot()))
        resil__contend(&contend);
    return slot;
}

/* A slot that will be given back when the thread ends; else none. */
static struct resil__reader *take_slot(void)
{
    uint64_t key = key_of_process();
    struct resil__reader *slot = key == 0 ? NULL : claim();

    if (slot == NULL && key != 0)
        slot = make();
    if (slot != NULL && pthread_setspecific((pthread_key_t)(key - 1), slot) != 0) {
        resil__store_release32(&slot->taken, 0);
        slot = NULL;
    }
    return slot;
}

RESIL__COLD struct resil__reader *resil__epoch_enter_slow(void)
{
    struct resil__epoch_thread *self = &resil__epoch_thread;

    if (!self->ended)
        self->reader = take_slot();
    if (self->random == 0)
        seed();
    if (self->reader != NULL)
        return resil__epoch_enter();
    self->shared++;
    (void)resil__add(&sections, 1);
    ck_pr_fence_memory(); /* count, fence, load: as ck_epoch_begin does */
    return &resil__epoch_shared;
}

RESIL__COLD void resil__epoch_leave_shared(void)
{
    resil__epoch_thread.shared--;
    (void)resil__sub(&sections, 1);
}

/* Pulls along the records that are so old that they would soon look young. A swap that fails met a
   section that entered just now. */
static void pull_along(uint32_t now)
{
    for (struct resil__reader *slot = first_slot(); slot != NULL; slot = slot->next) {
        uint32_t epoch = ck_pr_load_uint(&slot->record.epoch);

        if ((int32_t)(now - epoch) > (int32_t)RECORD_FAR)
            (void)ck_pr_cas_uint(&slot->record.epoch, epoch, now - RECORD_FAR);
    }
}

uint32_t resil__epoch_retire(void)
{
    uint32_t ticket;

    ck_pr_fence_memory(); /* unlink, fence, raise: pairs with the fence of ck_epoch_begin */
    ticket = ck_pr_faa_uint(&resil__epoch_global.epoch, 1) + 1;
    ck_pr_fence_memory();
    if (ticket % LOOK_EVERY == 0)
        pull_along(ticket);
    return ticket;
}

bool resil__epoch_passed(uint32_t ticket)
{
    bool near;

    ck_pr_fence_memory(); /* what this thread knows to be unlinked, fence, read active */
    near = ck_pr_load_uint(&resil__epoch_global.epoch) - ticket <= RESIL__EPOCH_FAR;
    if (resil__load_acquire(&sections) != 0)
        return false;
    for (struct resil__reader *slot = first_slot(); slot != NULL; slot = slot->next) {
        if (ck_pr_load_uint(&slot->record.active) != 0 &&
            !(near && (int32_t)(ck_pr_load_uint(&slot->record.epoch) - ticket) >= 0))
            return false;
        RESIL__EPOCH_ACQUIRE(slot);
    }
    ck_pr_fence_acquire(); /* pairs with the fence of ck_epoch_end */
    return true;
}

uint32_t resil__epoch_readers(void)
{
    struct resil__reader *head = first_slot();

    return head == NULL ? 0 : head->number + 1;
}
