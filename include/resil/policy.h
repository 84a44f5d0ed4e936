/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_POLICY_H
#define RESIL_POLICY_H

/*
 * A policy: one mechanism seen by a chain, as a table of functions. The library's own policies are
 * such tables, and a program can write its own; most need two functions.
 *
 *               admit                              settle
 *   outermost  ------->  policy 0  ------------------------->  result of the call
 *                           |  admit                ^  settle
 *                           v                       |
 *                        policy 1   ...          policy 1
 *                           |                       ^
 *                           +----->  callback  -----+
 *
 * On the way in every policy is asked to admit the call, outermost first. On the way out the
 * policies inside of the point where the walk turned are asked to settle the result, innermost
 * first. A policy that refused or answered is itself not asked again: it holds nothing. A policy
 * whose admit passed gets exactly one of: a settle that doesn't answer AGAIN (for a kind of result
 * that its flags name; for another kind, nothing), or abandon. Abandon it gets, too, when the
 * deadline comes while its admit lets the call WAIT, or before the time that its AGAIN named.
 *
 * What every function gets: self, its object; frame, words of its own in this call (ops.frame_words
 * of them); walk, what it may read and write. Without an admit function the frame is zeroed when
 * the call enters the policy; with one the frame holds rubbish and admit initialises it. A policy
 * that is inside a retry is entered once per attempt.
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

/**
 * What a policy function answers; a value below 0 from admit or resume is a refusal (RESIL_EOPEN,
 * ...).
 *
 * From admit and resume:
 *   PASS     go on
 *   ARMED    as PASS, and call timer when frame[0], a point in time, has come
 *   WAIT     call resume at walk->wake_ns, when woken, or earlier for no reason: resume looks at
 *            walk->now_ns and answers WAIT again, with walk->wake_ns, if it is too early
 *   ANSWER   walk->result is the answer: turn round here
 * From settle:
 *   PASS     go on
 *   DECIDED  go on, and the report names this policy as the one that decided
 *   CHANGED  as DECIDED: walk->result was replaced
 *   AGAIN    enter the inside again at walk->wake_ns. If the deadline comes first, abandon is
 *            called and the result goes on outwards, with RESIL_EDEADLINE in report.stopped
 *   RUN      run the callback once as a substitute; its result goes on outwards
 *   HOLD     of a policy that forked: SUCCESS and CALLER win, the other attempts are aborted; any
 *            other result is held back while another attempt is on its way. Else as PASS
 * From timer:
 *   PASS     frame[0] is the next time; if it isn't in the future, the timer is off
 *   EXPIRE   end the inside with TIMEOUT (with REFUSED and RESIL_EDEADLINE if nothing has run),
 *            then settle this policy and those outside of it
 *   SPAWN    of a policy that forks: as PASS, and start another attempt beside the others
 */
enum resil_verdict {
    RESIL_PASS = 0,
    RESIL_ARMED = 1,
    RESIL_WAIT = 2,
    RESIL_ANSWER = 3,
    RESIL_DECIDED = 4,
    RESIL_CHANGED = 5,
    RESIL_AGAIN = 6,
    RESIL_RUN = 7,
    RESIL_HOLD = 8,
    RESIL_EXPIRE = 9,
    RESIL_SPAWN = 10,
};

/**
 * What the functions of a policy read and write: the state of one way through the chain. Fields
 * marked out are theirs to set.
 */
struct resil_walk {
    /** admit, resume: number and deadline_ns are those of the attempt to come; settle, abandon:
        number is that of the last attempt, or still of the one to come if none ran since admit. A
        policy may bring deadline_ns forward in admit; it puts it back in settle and abandon. */
    struct resil_attempt attempt;

    /** settle: the result. Out with ANSWER and CHANGED. */
    struct resil_result result;

    /** Out, with a refusal: when to ask again; 0 = unknown. */
    uint64_t retry_at_ns;

    int status;  /* settle of REFUSED: whose refusal; 0 = the callback's own */
    int stopped; /* out: why no further attempt is made (RESIL_EBUDGET, ...) */

    uint64_t seed_; /* up to here from attempt.hint_ns on, a call begins with zeros */

    bool timed;        /* out, in admit: read the clock again before SUCCESS is settled */
    bool late_success; /* a SUCCESS came after its deadline and is settled as TIMEOUT */

    uint16_t tried_at_; /* bytes from here to the call's struct resil_tried_; 0 = there is none */
    uint32_t wake_word_;

    /** Never NULL. */
    const struct resil_request *request;

    /** The time as last read. In settle of a SUCCESS in blocking code it is that of the begin,
        unless some admit set timed or there is a deadline. */
    uint64_t now_ns;

    /** Out, with WAIT and AGAIN: a point in time, or RESIL_NEVER. */
    uint64_t wake_ns;

    const struct resil_env *env_;
};

/** Private: the endpoints that balancers chose for earlier attempts of this call, in any of its
    lanes: the last ones. */
#define RESIL_TRIED_MAX_ 3
struct resil_tried_ {
    uint64_t count; /* of all; the n-th is at n % RESIL_TRIED_MAX_ */
    uint64_t ids[RESIL_TRIED_MAX_];
};

/** A policy function. Returns an enum resil_verdict or, from admit and resume, a refusal. */
typedef int resil_policy_op(void *self, uint64_t *frame, struct resil_walk *walk);

/** The kinds of result that settle wants to be asked for. CALLER, OVERLOAD, ... are failures
    here. */
#define RESIL_ON_SUCCESS 1u
#define RESIL_ON_FAILURE 2u
#define RESIL_ON_REFUSED 4u
#define RESIL_ON_ALL     7u

/**
 * The inside of this policy may run several times at once, each time with frames of its own (a
 * hedge). Such a policy forks when its admit answers ARMED; from then on its settle must answer
 * HOLD. In resil_chain_run it never forks: ARMED and HOLD count as PASS there. At most one in a
 * chain.
 */
#define RESIL_FORKS 8u

/** A policy's table. Static and constant; a NULL function is skipped. */
struct resil_policy_ops {
    size_t size;          /* sizeof(struct resil_policy_ops) */
    const char *name;     /* for reports and errors; a static string */
    uint32_t flags;       /* RESIL_ON_..., RESIL_FORKS */
    uint32_t frame_words; /* 64-bit words of frame, 0 to 16 */

    resil_policy_op *admit;
    resil_policy_op *resume; /* after WAIT; NULL = admit is called again */
    resil_policy_op *settle;

    /** The inside was torn down, and this frame with it, in admit's WAIT, after its PASS or before
        an AGAIN: give everything back. walk->result.outcome says why: TIMEOUT (it was running),
        CANCELLED (by the caller, or a hedge that lost), REFUSED (nothing was running). The return
        value is not read. */
    resil_policy_op *abandon;
    resil_policy_op *timer;

    /** RESIL_OK if self can be used: it is initialised. NULL = it always can. */
    int (*check)(const void *self);

    /** The shortest span, in ns, that it measures by walk->now_ns: no clock that moves by more will
        do. 0, or NULL = any clock will. For resil_chain_check_env. */
    uint64_t (*finest_ns)(const void *self);
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
 * Signals:   async-signal-safe: no.
 * Since:     0.1
 */
RESIL_API uint64_t resil_walk_random(struct resil_walk *walk);

/**
 * Tells how another thread can wake this call while a policy lets it WAIT.
 *
 * @param walk  the walk that the policy function was given.
 * @param arg   receives the argument for the function.
 * @return the function to call from any thread, any number of times, until resume or abandon was
 *         called; NULL when nobody can be woken (an event loop that gave no request->wake): the
 *         policy then sets walk->wake_ns to look again.
 *
 * Threads:   the thread that drives the call.
 * Progress:  wait-free. Syscalls: none; the function makes one in blocking code.
 * Signals:   async-signal-safe: yes.
 * Since:     0.1
 */
RESIL_API resil_wake_fn *resil_walk_waker(struct resil_walk *walk, void **arg);

RESIL_END_DECLS

#endif
