/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_RESERVATION_H
#define RESIL_RESERVATION_H

/*
 * What the limits of calls over time (limiter, pacer, window, log) have in common: the receipt for
 * what was taken, and the words behind the limiter and the pacer, which share one algorithm (see
 * resil/limiter.h).
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/** A receipt: taken by a reserve function, given back by the cancel function of the same object. */
struct resil_reservation {
    /** Out: the call may run from then on, a point in time. After RESIL_ELIMITED: when the same
        question would have passed; after RESIL_ECOST: RESIL_NEVER. */
    uint64_t at_ns;

    uint64_t word_; /* what the object became */
    uint64_t back_; /* what to give back; 0 = nothing, or spent */
    uint64_t mark_; /* generation of the config; log: what stood there before */
};

/** Private: a rate in the form in which it is used. Written while it is not in force. */
struct resil_gcra_slot_ {
    uint64_t interval_; /* of one token, in units of 2^-shift ns */
    uint64_t tau_;      /* of a full bucket (limiter), of the dearest call (pacer) */
    uint64_t shift_;
    uint64_t cost_max_;
    uint64_t start_; /* what is missing at the very start, in units */
    uint64_t tokens_;
    uint64_t period_ns_;
    uint64_t wait_ns_;
    uint64_t drain_;      /* 1 = an OVERLOAD with a hint drains */
    uint64_t generation_; /* how often the config had been changed */
};

/** Private: the words of a limiter or pacer. */
struct resil_gcra_ {
    /* theoretical arrival time in units; bit 0 says which slot; 0 = never used. All callers swap
       it */
    uint64_t word_;
    char pad_[56];

    uint64_t reach_ns_; /* the furthest ahead that anybody was told to come; it only grows */
    uint64_t busy_;     /* 1 while somebody reconfigures */
    struct resil_gcra_slot_ slot_[2];
};

RESIL_END_DECLS

#endif
