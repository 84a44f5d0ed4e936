/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_CALL_H
#define RESIL_CALL_H

/*
 * A call: one execution of a chain, stepped by an event loop. The machine makes no system call,
 * starts no thread and never blocks; it says what to do next.
 *
 *     resil_call_begin(&call, &chain, &request, now_ns, random);
 *     pump: for (;;)
 *         switch (resil_call_step(&call, now_ns, &step)) {
 *         case RESIL_STEP_CALL:  start the operation for step.attempt; continue;
 *         case RESIL_STEP_ABORT: stop the operation of step.attempt; continue;
 *         case RESIL_STEP_WAIT:  arm a timer for step.wake_ns; return;
 *         case RESIL_STEP_DONE:  resil_call_fini(&call, &report); return;
 *         }
 *
 * Pump after begin, after each report, when the timer fires, when request->wake was called, and
 * after cancel. An operation that ends while it is being started may be reported at once, before
 * the next step.
 *
 * "Never above the limit" after a timeout holds only if the operation is really stopped at ABORT:
 * the permits of an aborted attempt are given back.
 *
 * One thread drives a call at a time: begin, step, report, cancel and fini of one call are
 * serialised by the caller. Only request->wake comes from other threads. A call holds pointers into
 * itself while it waits: it must not be moved or copied between begin and DONE.
 */

#include <resil/attempt.h>
#include <resil/chain.h>
#include <resil/common.h>
#include <resil/policy.h>

RESIL_BEGIN_DECLS

/** The most attempts of one call that run at the same time: the first and two hedges. */
#define RESIL_LANES_MAX 3

/** Private: one way from the hedge (or the start) to the callback and back. */
struct resil_lane_ {
    struct resil_walk walk;
    uint64_t result_id; /* of the attempt that gave walk.result; 0 = none did */
    uint32_t phase;     /* enum lane_phase in src/chain/machine.h */
    uint32_t level;     /* where the walk stands: see there */
    uint32_t entry;     /* frames without admit from this level on are not zeroed yet */
    uint32_t timers;    /* a bit for each ARMED level */
    uint32_t decided;   /* level of the policy that decided, or UINT32_MAX */
};

/** Private: words for the frames in a call, and those of them that a fork's lanes take. */
#define RESIL_CALL_WORDS_  96
#define RESIL_LANES_WORDS_ ((RESIL_LANES_MAX - 1) * sizeof(struct resil_lane_) / 8)

/** One execution of a chain, 1 KiB. The fields are private. Needs no initialisation
    before begin and no fini after DONE. */
struct resil_call {
    const struct resil_chain *chain_;
    uint64_t begin_ns_;
    uint64_t id_;                /* of the attempt started last */
    uint64_t trunk_deadline_ns_; /* of the walk where the hedge forked */
    void *trunk_endpoint_;       /* likewise */
    uint32_t attempts_;
    uint8_t aborts_; /* a bit for each lane whose ABORT is to be delivered */
    uint8_t forked_; /* lanes in use; 0 = the hedge has not forked */
    bool cancelled_;
    struct resil_lane_ lane_;
    union {
        uint64_t words_[RESIL_CALL_WORDS_];
        struct {
            struct resil_lane_ lanes_[RESIL_LANES_MAX - 1];
            uint64_t words_[RESIL_CALL_WORDS_ - RESIL_LANES_WORDS_];
        } hedged_;
    } u_;
    struct resil_tried_ tried_;
};

enum resil_step_kind {
    RESIL_STEP_DONE = 0,  /* the call has ended: fini tells how */
    RESIL_STEP_CALL = 1,  /* start the operation for step.attempt */
    RESIL_STEP_ABORT = 2, /* stop the operation of step.attempt: its report would come late */
    RESIL_STEP_WAIT = 3,  /* nothing to do before step.wake_ns, a report or a wake */
};

/** What to do next. */
struct resil_step {
    struct resil_attempt *attempt; /* CALL, ABORT: valid until the next step */
    uint64_t wake_ns;              /* WAIT: a point in time; RESIL_NEVER = no timer needed */
};

/** For the static inline function below. */
RESIL_API int resil_call_begin_sized(struct resil_call *call, size_t call_size,
                                     const struct resil_chain *chain,
                                     const struct resil_request *request, uint64_t now_ns,
                                     uint64_t random);

/**
 * Starts a call; the first step then walks in.
 *
 * @param call     the caller's memory, any content; must stay in place until DONE.
 * @param chain    an initialised chain. Borrowed until DONE.
 * @param request  NULL = the default request. Borrowed until DONE.
 * @param now_ns   the time.
 * @param random   any value, better a random one: seeds the jitter of this call and numbers its
 *                 attempts, so that a stray report for a former call in the same memory is
 *                 recognised.
 * @return RESIL_OK; RESIL_EINVAL for a NULL call or chain, or a chain that isn't initialised;
 *         RESIL_EABI when the sizes of header and library differ.
 *
 * Threads:   one at a time for one call, see the top.
 * Progress:  wait-free. Syscalls: none. Allocates: nothing.
 * Signals:   async-signal-safe: no.
 * Ownership: on failure nothing was started.
 * Since:     0.1
 */
static inline int resil_call_begin(struct resil_call *call, const struct resil_chain *chain,
                                   const struct resil_request *request, uint64_t now_ns,
                                   uint64_t random)
{
    return resil_call_begin_sized(call, sizeof *call, chain, request, now_ns, random);
}

/**
 * Takes a call as far as it can go without waiting and says what to do next.
 *
 * @param call    a begun call.
 * @param now_ns  the time; an older one than before is read as the time of before.
 * @param step    receives the attempt or the time.
 * @return RESIL_STEP_CALL, RESIL_STEP_ABORT (both: do it, then step again), RESIL_STEP_WAIT or
 *         RESIL_STEP_DONE; DONE again and again after the end.
 *
 * Threads:   one at a time for one call, see the top.
 * Progress:  wait-free but for the policies' own words, which are lock-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API enum resil_step_kind resil_call_step(struct resil_call *call, uint64_t now_ns,
                                               struct resil_step *step);

/**
 * Tells how an attempt ended; step the call afterwards.
 *
 * @param call        a begun call.
 * @param attempt_id  attempt->id as it was given with RESIL_STEP_CALL.
 * @param result      outcome, and the peer's hint and the operation's own code if there are any.
 * @return RESIL_OK; RESIL_ELATE when the attempt is no longer waited for (aborted, reported before,
 *         of another call): nothing was changed, and what it produced is the caller's to free;
 *         RESIL_EINVAL for a NULL argument.
 *
 * Threads:   one at a time for one call, see the top.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_call_report(struct resil_call *call, uint64_t attempt_id,
                                const struct resil_result *result);

/**
 * Gives a call up: everything it holds is given back, its policies learn CANCELLED.
 *
 * The following steps deliver an ABORT for each running attempt, then DONE with RESIL_ECANCELLED.
 *
 * @param call    a begun call.
 * @param now_ns  the time.
 * @return RESIL_OK; RESIL_ELATE when it had ended already; RESIL_EINVAL for NULL.
 *
 * Threads:   one at a time for one call, see the top.
 * Progress:  lock-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API int resil_call_cancel(struct resil_call *call, uint64_t now_ns);

/**
 * Tells how a call ended.
 *
 * @param call    a call that stepped to DONE.
 * @param report  receives the details; may be NULL.
 * @return what resil_chain_run would have returned; RESIL_ECANCELLED after a cancel; RESIL_EBUSY
 *         when the call has not ended, RESIL_EINVAL for a NULL call (both: report untouched).
 *
 * Threads:   one at a time for one call, see the top.
 * Progress:  wait-free. Syscalls: none.
 * Signals:   async-signal-safe: no.
 * Ownership: afterwards the memory is the caller's to reuse; nothing is left to free. Not calling
 *            fini loses nothing.
 * Since:     0.1
 */
RESIL_API int resil_call_fini(const struct resil_call *call, struct resil_report *report);

RESIL_END_DECLS

#endif
