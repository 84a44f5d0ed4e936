/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_ATTEMPT_H
#define RESIL_ATTEMPT_H

/*
 * What goes into a call (the request) and what each run of the callback sees (the attempt).
 *
 * A request is borrowed: it must outlive the call. Zeroed memory is a legal request: no deadline,
 * not idempotent, cost 1.
 */

#include <resil/common.h>
#include <resil/outcome.h>

RESIL_BEGIN_DECLS

/**
 * Schedules a step of a call that waits for something another thread can give (a permit of a full
 * bulkhead). Called from that other thread, at times under an internal lock: it may only write to
 * an eventfd or a pipe, or post to a loop. It must not call the library.
 */
typedef void resil_wake_fn(void *arg);

/** One call's own parameters. All-zero is the default request. */
struct resil_request {
    uint64_t now_ns;      /* resil_chain_run: the time, if it was just read; 0 = run reads it */
    uint64_t deadline_ns; /* the whole call ends here, a point in time; 0 = no deadline */
    uint64_t cost;        /* what a rate limit charges for an attempt; 0 = 1 */
    uint64_t key;         /* for policies that choose by key; 0 = none */
    bool idempotent;      /* the operation may run twice without harm */
    resil_wake_fn *wake;  /* event loop only: how to schedule a step; NULL = a waiting call polls */
    void *wake_arg;       /* handed to wake */
};

enum resil_attempt_kind {
    RESIL_ATTEMPT_NORMAL = 0,   /* the first run, or a retry: see attempt.number */
    RESIL_ATTEMPT_HEDGE = 1,    /* runs beside another attempt of the same call */
    RESIL_ATTEMPT_FALLBACK = 2, /* produce a substitute: attempt.reason says for what */
};

/**
 * One run of the callback, as the callback sees it. Fields marked out are the callback's to set
 * when resil_chain_run runs it; an event loop tells the same in the resil_result of its report.
 */
struct resil_attempt {
    uint64_t id;               /* never 0; names this attempt in resil_call_report */
    uint64_t deadline_ns;      /* be done by then; RESIL_NEVER = no deadline */
    uint64_t now_ns;           /* the time as last read before the callback */
    uint32_t number;           /* 1 = the first run in this call, counting hedges, not fallbacks */
    uint32_t kind;             /* enum resil_attempt_kind */
    uint64_t hint_ns;          /* out: the peer's retry-after, a span; 0 = none */
    void *endpoint;            /* where to: a const struct resil_pick * of a balancer; else NULL */
    int call_rc;               /* out: the callback's own code, handed on in the report */
    enum resil_outcome reason; /* the outcome that a fallback replaces; else NONE */
    int reason_status;         /* the status that it replaces: a refusal, or RESIL_EFAILED */
};

/**
 * The user's callback: performs the operation once and says how it ended.
 *
 * Obeys attempt->deadline_ns: the library can't interrupt it. Must return: who leaves it by
 * longjmp, a C++ exception or the end of the thread keeps the call's permits of bulkheads for ever,
 * and a balancer's pick (resil_balancer_fini is busy then). All else comes back by its time.
 */
typedef enum resil_outcome resil_call_fn(void *arg, struct resil_attempt *attempt);

RESIL_END_DECLS

#endif
