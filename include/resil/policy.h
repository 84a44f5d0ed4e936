/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_POLICY_H
#define RESIL_POLICY_H

/*
 * A policy: one mechanism seen by a chain, as a table of functions. The library's own policies are such
 * tables, and a program can write its own; most need two functions.
 *
 *               admit                              settle
 *   outermost  ------->  policy 0  ------------------------->  result of the call
 *                           |  admit                ^  settle
 *                           v                       |
 *                        policy 1   ...          policy 1
 *                           |                       ^
 *                           +----->  callback  -----+
 *
 * On the way in every policy is asked to admit the call, outermost first. On the way out the policies
 * inside of the point where the walk turned are asked to settle the result, innermost first. A policy that
 * refused or answered is itself not asked again: it holds nothing. A policy whose admit passed gets
 * exactly one of: settle (for a kind of result that its flags name; for another kind, nothing), or abandon.
 *
 * What every function gets: self, its object; frame, words of its own in this call (ops.frame_words of
 * them); walk, what it may read and write. Without an admit function the frame is zeroed when the call
 * enters the policy; with one the frame holds rubbish and admit initialises it. A policy that is inside a
 * retry is entered once per attempt.
 *
 * A function may not block, and may not step, report to or cancel the call it works for. It may run
 * another chain.
 */

#include <resil/attempt.h>
#include <resil/common.h>
#include <resil/env.h>
#include <resil/outcome.h>
#include <resil/status.h>

RESIL_BEGIN_DECLS

/** What a policy function answers; a value below 0 from admit or resume is a refusal (RESIL_EOPEN, ...). */
enum resil_verdict {
    RESIL_PASS = 0, /* go on */
    RESIL_ARMED =
        1, /* admit, resume: PASS, and call timer when frame[0] (a point in time) has come */
    RESIL_WAIT = 2,    /* admit, resume: call resume at walk->wake_ns, or when woken */
    RESIL_ANSWER = 3,  /* admit, resume: walk->result is the answer, turn round here */
    RESIL_DECIDED = 4, /* settle: PASS, and the report names this policy as the one that decided */
    RESIL_CHANGED = 5, /* settle: as DECIDED; walk->result is replaced */
    RESIL_AGAIN = 6,   /* settle: enter the inside again at walk->wake_ns */
    RESIL_RUN = 7, /* settle: run the callback once as a substitute; its result goes on outwards */
    RESIL_EXPIRE = 8, /* timer: end the inside with TIMEOUT */
};

/** What the functions of a policy read and write: the state of one way through the chain. */
struct resil_walk {
    struct resil_attempt
        attempt;                /* number and deadline_ns are the attempt's to come, or the last */
    struct resil_result result; /* settle: the result; ANSWER, CHANGED: set it */
    const struct resil_request *request; /* never NULL */
    uint64_t now_ns;                     /* the time as last read */
    uint64_t wake_ns;     /* out, with WAIT and AGAIN: a point in time; RESIL_NEVER = none */
    uint64_t retry_at_ns; /* out, with a refusal: when it makes sense to ask again; 0 = unknown */
    int status;           /* settle of REFUSED: whose refusal; 0 = the callback's own */
    int stopped;          /* out: why no further attempt was made (RESIL_EBUDGET, ...); 0 = n/a */
    bool timed;           /* out, in admit: read the clock again before SUCCESS is settled */
    bool late_success;    /* a SUCCESS came after its deadline and was settled as TIMEOUT */
    uint32_t wake_word_;
    const struct resil_env *env_;
    uint64_t seed_;
};

/** A policy function. Returns an enum resil_verdict or, from admit and resume, a refusal. */
typedef int resil_policy_op(void *self, uint64_t *frame, struct resil_walk *walk);

/** The kinds of result that settle wants to be asked for. CALLER, OVERLOAD, ... are failures here. */
#define RESIL_ON_SUCCESS 1u
#define RESIL_ON_FAILURE 2u
#define RESIL_ON_REFUSED 4u
#define RESIL_ON_ALL     7u

/** A policy's table. Static and constant; NULL functions are skipped. */
struct resil_policy_ops {
    size_t size;             /* sizeof(struct resil_policy_ops) */
    const char *name;        /* for reports and errors; a static string */
    uint32_t flags;          /* RESIL_ON_...: needs a settle function */
    uint32_t frame_words;    /* 64-bit words of frame, 0 to 16 */
    resil_policy_op *admit;  /* on the way in */
    resil_policy_op *resume; /* after WAIT; NULL = admit again */
    resil_policy_op *settle; /* on the way out */
    resil_policy_op
        *abandon; /* the inside was torn down and this frame with it: give everything back.
                                 walk->result.outcome says why: TIMEOUT (it was running), CANCELLED (by the
                                 caller, or a hedge that lost), REFUSED (nothing ran). Also after WAIT. The
                                 return value is not read. */
    resil_policy_op
        *timer; /* frame[0] of an ARMED policy has come: PASS (frame[0] is the next time,
                                 RESIL_NEVER = none) or EXPIRE */
    int (*check)(
        const void *self); /* RESIL_OK if self can be used (is initialised); NULL = always */
};

/** One place in a chain: a table and the object it works on. Copyable; both are borrowed. */
struct resil_policy {
    const struct resil_policy_ops *ops;
    void *self;
};

/**
 * Draws 64 random bits for a policy: from the seed of resil_call_begin, or from the environment of
 * resil_chain_run.
 *
 * @param walk  the walk that the policy function was given.
 * @return random bits, not for cryptography; the same sequence for the same seed.
 *
 * Threads:   the thread that drives the call.
 * Progress:  wait-free. Syscalls: at most one per thread and process, by the environment.
 * Since:     0.1
 */
RESIL_API uint64_t resil_walk_random(struct resil_walk *walk);

/**
 * Tells how another thread can wake this call while a policy lets it WAIT.
 *
 * @param walk  the walk that the policy function was given.
 * @param arg   receives the argument for the function.
 * @return the function to call from any thread, any number of times, until resume or abandon was
 *         called; NULL when nobody can be woken (an event loop that gave no request->wake): the policy then
 *         sets walk->wake_ns to look again.
 *
 * Threads:   the thread that drives the call.
 * Progress:  wait-free. Syscalls: none; the function makes one in blocking code.
 * Since:     0.1
 */
RESIL_API resil_wake_fn *resil_walk_waker(struct resil_walk *walk, void **arg);

RESIL_END_DECLS

#endif
