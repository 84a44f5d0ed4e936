/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_BASE_EPOCH_H
#define RESIL_BASE_EPOCH_H

/*
 * Reclaiming what readers may still look at: the wrapper around ck_epoch, one for the process.
 *
 *     reader                                    writer, one at a time
 *     reader = resil__epoch_enter();            old = resil__load_relaxed(&word);
 *     thing = resil__load_acquire(&word);       resil__store_release(&word, fresh);
 *     ... look at *thing ...                    ticket = resil__epoch_retire();
 *     resil__epoch_leave(reader);               later, if (resil__epoch_passed(ticket)): free(old)
 *
 * Keir Fraser, "Practical lock-freedom", University of Cambridge, 2004; the read side is that of
 * ck_epoch (Samy Al Bahra). The write side is our own: ck's either blocks behind a reader that was
 * preempted or, in 0.7.1, answers too soon (ck_epoch_poll).
 *
 * Why it holds. Each thread has a record {active, epoch}. Entering sets active, fences, copies the
 * global epoch into the record and only then loads pointers. Retiring comes after the unlinking: it
 * fences and raises the global epoch to E, the ticket. passed(E) fences and looks at each record:
 *
 *   active is 0         Either the section was left: the store that says so is behind all of its
 *                       loads. Or a section enters later: of "set active, fence, load the pointer"
 *                       and "unlink, fence, read active" one must see the other, and active wasn't
 *                       seen, so the section finds the thing unlinked.
 *   epoch reached E     The section copied an epoch that was made after the unlinking, so what it
 *                       loads afterwards is unlinked too. An epoch left by an earlier section of
 *                       that thread proves the same for all its later ones.
 *   else                Perhaps a section that was open at retire: not passed. Also a section whose
 *                       copy of the epoch is not to be seen yet, which only costs another look.
 *
 * Epochs have 32 bits and are compared by signed difference. What an idle thread copied long ago
 * must not look like one ahead when it enters again (its new copy may be seen after the loads
 * behind it), nor that of a section that is open for ages: retire pulls old records along now and
 * then, at a distance at which they still count as old, and a ticket older than RESIL__EPOCH_FAR
 * passes by active alone. So both may last for any number of retires. (What must not happen is 2^31
 * of them between two instructions of a thread.)
 *
 * Memory: at most one slot for each thread that lived at the same time; slots are given back when
 * threads end, used again by others, and never freed. No lock: a fork never copies one. In a forked
 * child the slots of the threads it doesn't have are free.
 *
 * Where a thread has no slot (no memory for one, or it is ending and gave its slot back) its
 * sections are counted in one word that all such threads share; nothing passes while it isn't 0.
 *
 *   | may overlap | enter/leave | retire | passed |
 *   |-------------|-------------|--------|--------|
 *   | enter/leave | yes         | yes    | yes    |
 *   | retire      | yes         | yes    | yes    |
 *   | passed      | yes         | yes    | yes    |
 *
 * Signals: a handler may enter and leave once its thread has done so before: the first time may
 * allocate.
 */

#include <ck_epoch.h>
#include <ck_pr.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#if defined(__SANITIZE_THREAD__)
#define RESIL__EPOCH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RESIL__EPOCH_TSAN 1
#endif
#endif

/* ThreadSanitizer can't see ck: it is told that a section's end comes before a passed() that looked
   at it. */
#ifdef RESIL__EPOCH_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define RESIL__EPOCH_ACQUIRE(address) __tsan_acquire(address)
#define RESIL__EPOCH_RELEASE(address) __tsan_release(address)
#else
#define RESIL__EPOCH_ACQUIRE(address) ((void)(address))
#define RESIL__EPOCH_RELEASE(address) ((void)(address))
#endif

/** A ticket of so many retires ago passes only when no section at all is open. */
#define RESIL__EPOCH_FAR (UINT32_C(1) << 29)

/** One thread's place in the reclamation. */
struct resil__reader {
    ck_epoch_record_t record;
    struct resil__reader *next; /* the slot made before this one; never changes */
    uint32_t number;            /* how many were made before it; never changes */
    uint32_t taken;             /* 1 while a thread has it; any thread, by compare-and-swap */
};

/** What a thread knows of itself. */
struct resil__epoch_thread {
    struct resil__reader *reader; /* NULL = no slot */
    uint64_t random;              /* 0 = not seeded yet */
    uint32_t shared;              /* its open sections in the shared count */
    bool ended;                   /* gave its slot back and gets no other */
};

extern _Thread_local
    __attribute__((tls_model("initial-exec"),
                   visibility("hidden"))) struct resil__epoch_thread resil__epoch_thread;

/** Stands for the threads that have no slot. */
extern __attribute__((visibility("hidden"))) struct resil__reader resil__epoch_shared;

/** What ck knows: the epoch all records copy. */
extern __attribute__((visibility("hidden"))) ck_epoch_t resil__epoch_global;

/* The cold halves. */
struct resil__reader *resil__epoch_enter_slow(void);
void resil__epoch_leave_shared(void);

/**
 * Enters a read-side section. What is reachable now stays until resil__epoch_leave.
 *
 * Sections nest. Never fails, never blocks; a thread's first one takes a slot, which may allocate.
 */
static inline struct resil__reader *resil__epoch_enter(void)
{
    struct resil__reader *reader = resil__epoch_thread.reader;

    if (RESIL__UNLIKELY(reader == NULL))
        return resil__epoch_enter_slow();
    ck_epoch_begin(&reader->record, NULL);
    /* 0.7.1 lacks it: the copy of the epoch comes before what is loaded next. Nothing on x86. */
    ck_pr_fence_load();
    return reader;
}

/** Leaves the section that the same thread entered; reader is what enter returned. */
static inline void resil__epoch_leave(struct resil__reader *reader)
{
    if (RESIL__UNLIKELY(reader == &resil__epoch_shared)) {
        resil__epoch_leave_shared();
        return;
    }
    RESIL__EPOCH_RELEASE(reader);
    (void)ck_epoch_end(&reader->record, NULL);
}

/** Below the largest number of threads that ever had a slot at the same time: for stripes. Threads
    without a slot share number 0 with another. */
static inline uint32_t resil__reader_number(const struct resil__reader *reader)
{
    return reader->number;
}

/** The calling thread's own generator (base/random.h), reader being its own. Seeded from addresses
    and a count of the process, not from entropy: mix in a seed where that matters. A forked child
    doesn't repeat its parent's numbers. */
static inline uint64_t *resil__reader_random(struct resil__reader *reader)
{
    (void)reader;
    return &resil__epoch_thread.random;
}

/**
 * Ends an age: returns the ticket for all that was unlinked before this call, by this thread or in
 * what it has seen of others. Lock-free, never blocks; sequentially consistent.
 */
uint32_t resil__epoch_retire(void);

/**
 * Whether every section that was open at resil__epoch_retire has been left: then what was unlinked
 * before it is the caller's alone, and stays so. Never blocks; a section that stays open keeps it
 * false. Walks the slots.
 */
bool resil__epoch_passed(uint32_t ticket);

/** How many slots have been made. */
uint32_t resil__epoch_readers(void);

#endif
