/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Granting probes.
 *
 * The state word is the truth: its slots say which probes are out. A lease word beside each slot
 * says who may try for it. To grant: take the lease (by swap, if it is free or has ended), then the
 * gate (the time of the last probe), then swap the state word: open to half-open with this slot
 * out, or a free slot to out, or, where an ended lease was taken over, only the revision. If one of
 * them fails, all is put back as it was: a lease that has ended, too, as its probe may still
 * report.
 *
 * A result loads the state word, finds its own lease in place, then swaps the state word. A
 * take-over that comes in between moves the revision, so the swap fails, and the lease is found to
 * be another's: late. A take-over that comes after the swap finds the slot decided, and gives the
 * lease back.
 *
 * Whoever dies between two of these steps leaves a lease behind, which ends by time. A lease that
 * hasn't ended keeps its slot from being granted even when its generation is over: so there are
 * never more probes out than slots. (The revision wraps at 16 take-overs: to miss one, a result
 * would have to stall between load and swap while 16 leases end, a multiple of its own.)
 */
#include "breaker/breaker_inner.h"

#include "base/math.h"

#define TICKET_SHIFT 60

static uint64_t lease_of(uint64_t token, uint64_t start_ns)
{
    return ((token >> RESIL__TOKEN_TICK_SHIFT) & 15) << TICKET_SHIFT | RESIL__LEASE_HELD |
           (start_ns & RESIL__TIME_MASK);
}

static unsigned slot_of(uint64_t token)
{
    return (unsigned)(token >> RESIL__TOKEN_SLOT_SHIFT) & 15;
}

bool resil__breaker_leased(const struct resil_breaker *breaker, uint64_t token, uint64_t start_ns)
{
    return resil__load_acquire(&breaker->leases_[slot_of(token)]) == lease_of(token, start_ns);
}

bool resil__breaker_unlease(struct resil_breaker *breaker, uint64_t token, uint64_t start_ns)
{
    uint64_t lease = lease_of(token, start_ns);

    return resil__cas(&breaker->leases_[slot_of(token)], &lease,
                      lease & (UINT64_C(15) << TICKET_SHIFT));
}

/* How long a lease still lasts; 0 = free or ended. */
static uint64_t lease_left(uint64_t lease, uint64_t now_ns, uint64_t lasts)
{
    if ((lease & RESIL__LEASE_HELD) == 0)
        return 0;
    return resil__time_left((lease & RESIL__TIME_MASK) + lasts, now_ns, lasts);
}

/* Takes the lease of a slot that can be granted. Returns the slot, or -1: then *soonest is how long
   until one ends. */
static int take_lease(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns,
                      uint64_t *lease, uint64_t *before, uint64_t *soonest)
{
    const struct resil_breaker_rules_ *rules = resil__breaker_rules(breaker, word);
    uint64_t lasts = RESIL__RULE(rules, probe_lease_ns);
    uint64_t probes = resil__min(RESIL__RULE(rules, probes), RESIL_BREAKER_PROBES_MAX);
    bool opened = resil__word_code(word) == RESIL__CODE_OPEN;

    *soonest = UINT64_MAX;
    for (unsigned slot = 0; slot < probes; slot++) {
        uint64_t old = resil__load_acquire(&breaker->leases_[slot]);
        uint64_t left = lease_left(old, now_ns, lasts);

        if (!opened && resil__word_slot(word, slot) > RESIL__SLOT_OUT)
            continue;
        if (left != 0) {
            *soonest = resil__min(*soonest, left);
            continue;
        }
        *lease = (((old >> TICKET_SHIFT) + 1) & 15) << TICKET_SHIFT | RESIL__LEASE_HELD |
                 (now_ns & RESIL__TIME_MASK);
        *before = old;
        if (resil__cas(&breaker->leases_[slot], &old, *lease))
            return (int)slot;
        *soonest = resil__min(*soonest, lasts);
    }
    return -1;
}

/* Passes the gate for a probe of generation gen. False: too soon, *left says by how much. */
static bool pass_gate(struct resil_breaker *breaker, uint64_t gap, uint32_t gen, uint64_t now_ns,
                      uint64_t *before, uint64_t *left)
{
    uint64_t gate = resil__load_acquire(&breaker->gate_);

    for (;;) {
        *left = 0;
        if (resil__time_is_of(gate, gen) && gate != 0)
            *left = resil__time_left((gate & RESIL__TIME_MASK) + gap, now_ns, gap);
        if (*left != 0)
            return false;
        *before = gate;
        if (resil__cas(&breaker->gate_, &gate,
                       (now_ns & RESIL__TIME_MASK) | resil__time_mark(gen) | RESIL__TIME_HINT))
            return true;
    }
}

/* The state word with the probe in its slot. */
static uint64_t granted(uint64_t word, unsigned slot)
{
    if (resil__word_code(word) == RESIL__CODE_OPEN)
        word = resil__word_next(word, RESIL__CODE_HALF_OPEN, resil__word_trips(word));
    else if (resil__word_slot(word, slot) == RESIL__SLOT_OUT)
        return resil__word_revised(word, 2);
    return resil__word_with_slot(word, slot, RESIL__SLOT_OUT);
}

int resil__breaker_probe(struct resil_breaker *breaker, uint64_t word, uint64_t now_ns,
                         uint64_t *token, uint64_t *retry_at_ns, bool *again)
{
    uint64_t gap = RESIL__RULE(resil__breaker_rules(breaker, word), probe_gap_ns);
    bool opened = resil__word_code(word) == RESIL__CODE_OPEN;
    uint64_t lease, lease_before, gate_before = 0, next, left;
    int slot = take_lease(breaker, word, now_ns, &lease, &lease_before, &left);

    *again = false;
    if (slot < 0) {
        *retry_at_ns = resil__add_sat(now_ns, gap == 0 ? left : resil__min(left, gap));
        return RESIL_EOPEN;
    }
    next = granted(word, (unsigned)slot);
    *token = (next & ~UINT64_C(0xffffffff)) | (lease >> TICKET_SHIFT) << RESIL__TOKEN_TICK_SHIFT |
             (uint64_t)slot << RESIL__TOKEN_SLOT_SHIFT | RESIL__TOKEN_PROBE | RESIL__TOKEN_LIVE;
    if (gap != 0 && !pass_gate(breaker, gap, resil__word_gen(next), now_ns, &gate_before, &left)) {
        (void)resil__cas(&breaker->leases_[slot], &lease, lease_before);
        *retry_at_ns = resil__add_sat(now_ns, left);
        return RESIL_EOPEN;
    }
    if (!resil__cas(&breaker->word_, &word, next)) {
        uint64_t mine = (now_ns & RESIL__TIME_MASK) | resil__time_mark(resil__word_gen(next)) |
                        RESIL__TIME_HINT;

        if (gap != 0)
            (void)resil__cas(&breaker->gate_, &mine, gate_before);
        (void)resil__cas(&breaker->leases_[slot], &lease, lease_before);
        *again = true;
        return RESIL_EOPEN;
    }
    (void)resil__add_relaxed(&breaker->granted_, 1);
    if (opened)
        *token |= resil__token_event(word, next, RESIL_BREAKER_BY_TIME) & 0xffffffff;
    else if (resil__word_slot(word, (unsigned)slot) == RESIL__SLOT_OUT)
        (void)resil__add_relaxed(&breaker->lost_, 1);
    return RESIL_OK;
}
