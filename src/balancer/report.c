/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The end of a pick. What a report says goes into four words of the host's line: calls in flight,
 * counts and latency of the interval, and the bad results in a row. Who is to be ejected is decided
 * by the next tick, under the lock; a report only makes it due.
 */
#include "balancer/ewma.h"
#include "balancer/pick.h"
#include "base/contend.h"

/* So that a sum of them doesn't wrap. */
#define LATENCY_MAX_NS RESIL_SEC(3600)

enum verdict {
    NEUTRAL,
    GOOD,
    BAD,       /* the endpoint's doing */
    BAD_LOCAL, /* never got there */
    PUSHED,    /* it refused: not ill, but nobody to send more to */
};

static enum verdict read_outcome(enum resil_outcome outcome)
{
    switch (outcome) {
    case RESIL_SUCCESS:
    case RESIL_CALLER:
        return GOOD;
    case RESIL_NOT_SENT:
        return BAD_LOCAL;
    case RESIL_OVERLOAD:
        return PUSHED;
    case RESIL_LOCAL:
    case RESIL_CANCELLED:
    case RESIL_REFUSED:
        return NEUTRAL;
    case RESIL_NONE:
    case RESIL_FAILURE:
    case RESIL_TIMEOUT:
    case RESIL_PERMANENT:
    default:
        return BAD;
    }
}

/* Counts one more in a row in one of the three fields; returns what the field holds now. */
static uint64_t lengthen(uint64_t *streak, unsigned shift)
{
    uint64_t old = resil__load_relaxed(streak);
    struct resil__contend contend = RESIL__CONTEND;

    while ((old >> shift & RESIL__STREAK_MAX) != RESIL__STREAK_MAX) {
        if (resil__cas(streak, &old, old + (UINT64_C(1) << shift)))
            return (old >> shift & RESIL__STREAK_MAX) + 1;
        resil__contend(&contend);
    }
    return RESIL__STREAK_MAX;
}

/* A tick is due when a limit is reached; who was spared then, by the cap on ejections, is looked at
   again at the end of the interval. A limit of 0 is never reached. */
static void note_bad(struct resil__balancer *lb, struct resil_load *load, enum verdict verdict)
{
    if (verdict == PUSHED)
        (void)lengthen(&load->streak_, RESIL__STREAK_PUSHED);
    else if (verdict == BAD &&
             lengthen(&load->streak_, RESIL__STREAK_BAD) == resil__load_relaxed32(&lb->streak))
        resil__lb_hurry(lb);
    else if (verdict == BAD_LOCAL && lengthen(&load->streak_, RESIL__STREAK_LOCAL) ==
                                         resil__load_relaxed32(&lb->streak_local))
        resil__lb_hurry(lb);
}

static void note(struct resil__balancer *lb, struct resil_load *load, enum verdict verdict,
                 uint64_t latency_ns, uint64_t now_ns)
{
    uint64_t decay_ns = resil__load_relaxed(&lb->decay_ns);

    /* Before the streak: see forgive in sweep.c. */
    if (verdict != PUSHED)
        (void)resil__add_relaxed(&load->counts_, RESIL__COUNT_ONE + (verdict == GOOD ? 0 : 1));
    if (verdict != PUSHED && resil__load_relaxed32(&lb->sums) != 0)
        (void)resil__add_relaxed(&load->latency_ns_, resil__min(latency_ns, LATENCY_MAX_NS));
    if (verdict == GOOD) {
        if (resil__load_relaxed(&load->streak_) != 0)
            resil__store_relaxed(&load->streak_, 0);
    } else {
        note_bad(lb, load, verdict);
    }
    if (decay_ns == 0)
        return;
    if (verdict != GOOD)
        latency_ns = resil__ewma_penalty(resil__load_relaxed(&load->ewma_), latency_ns, 0,
                                         resil__load_relaxed(&lb->first_ns));
    resil__ewma_observe(&load->ewma_, latency_ns, now_ns, decay_ns);
}

int resil__lb_report(struct resil__balancer *lb, struct resil_pick *pick,
                     enum resil_outcome outcome, uint64_t latency_ns, uint64_t now_ns)
{
    struct resil__host *host = pick->host_;
    enum verdict verdict = read_outcome(outcome);

    if (host == NULL)
        return RESIL_EINVAL;
    pick->host_ = NULL;
    if (verdict != NEUTRAL)
        note(lb, &host->load, verdict, latency_ns, now_ns);
    if (pick->claim_ != NULL)
        (void)resil__sub(pick->claim_, 1);
    /* The last thing that is done to it: from here on it can be gone. */
    (void)resil__sub(&host->load.in_flight_, 1);
    return RESIL_OK;
}

int resil_balancer_report(struct resil_balancer *lb, struct resil_pick *pick,
                          enum resil_outcome outcome, uint64_t latency_ns, uint64_t now_ns)
{
    if (lb == NULL || pick == NULL)
        return RESIL_EINVAL;
    return resil__lb_report(resil__balancer(lb), pick, outcome, latency_ns, now_ns);
}
