/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_LIMITER_GCRA_H
#define RESIL_LIMITER_GCRA_H

/* What limiter.c, pacer.c and their policy adapters share: the loops around gcra_state.h. */

#include <resil/reservation.h>
#include <resil/status.h>

#include "limiter/gcra_state.h"

/** A question to a limiter or pacer. */
struct resil__gcra_ask {
    uint64_t cost; /* 0 = 1 */
    uint64_t now_ns;
    uint64_t wait_ns_max;
    bool paced;
};

/** Takes, waiting at most as long as asked for. Fills in the receipt in every case. */
int resil__gcra_take(struct resil_gcra_ *gcra, const struct resil__gcra_ask *ask,
                     struct resil_reservation *receipt);

/** What take would answer; *retry_at_ns is when it passes (now, if it does), if not NULL. */
int resil__gcra_peek(const struct resil_gcra_ *gcra, const struct resil__gcra_ask *ask,
                     uint64_t *retry_at_ns);

/** Gives back what a state word was reached with, if it still stands: RESIL_OK or RESIL_ELATE. */
int resil__gcra_give_back(struct resil_gcra_ *gcra, uint64_t word, uint64_t price);

/** The price of a cost under the slot that a word names. */
static inline uint64_t resil__gcra_price(const struct resil_gcra_ *gcra, uint64_t word,
                                         uint64_t cost)
{
    return (cost != 0 ? cost : 1) * resil__load_acquire(&gcra->slot_[word & 1].interval_);
}

int resil__gcra_cancel(struct resil_gcra_ *gcra, struct resil_reservation *receipt,
                       uint64_t now_ns);
void resil__gcra_drain(struct resil_gcra_ *gcra, bool paced, uint64_t for_ns, uint64_t now_ns);
int resil__gcra_reconfigure(struct resil_gcra_ *gcra, bool paced,
                            const struct resil_gcra_slot_ *next, uint64_t now_ns);
void resil__gcra_rebase(struct resil_gcra_ *gcra, bool paced, uint64_t now_ns);
void resil__gcra_init(struct resil_gcra_ *gcra, const struct resil_gcra_slot_ *slot);

/** A consistent view: the slot in force, and how far ahead the state lies in units. */
struct resil__gcra_view {
    struct resil_gcra_slot_ slot;
    uint64_t ahead;
};

struct resil__gcra_view resil__gcra_look(const struct resil_gcra_ *gcra, uint64_t now_ns);

/** Fills in interval, shift, tokens and period of a slot. */
void resil__gcra_set_rate(struct resil_gcra_slot_ *slot, uint64_t tokens, uint64_t period_ns);

/**
 * The hot path of acquire: a load and a compare-and-swap; the arrival time in the past costs nothing
 * extra. Everything else is in resil__gcra_take. *word receives the state that the grant made.
 */
static inline int resil__gcra_acquire(struct resil_gcra_ *gcra, bool paced, uint64_t cost,
                                      uint64_t now_ns, uint64_t *word, uint64_t *retry_at_ns)
{
    uint64_t old = resil__load_acquire(&gcra->word_);
    struct resil__rate rate = resil__gcra_rate(&gcra->slot_[old & 1]);
    struct resil_reservation receipt;
    int rc;

    if (cost == 0)
        cost = 1;
    if (old != 0 && cost <= rate.cost_max) {
        uint64_t now = now_ns << rate.shift;
        uint64_t price = cost * rate.interval;
        uint64_t ahead = (old & ~UINT64_C(1)) - now;

        ahead = ahead >> 63 != 0 ? 0 : ahead;
        if (ahead <= (paced ? 0 : rate.tau - price)) {
            uint64_t next = (now + ahead + price) | (old & 1);

            if (next != 0 && resil__cas(&gcra->word_, &old, next)) {
                *word = next;
                return RESIL_OK;
            }
        }
    }
    rc = resil__gcra_take(
        gcra, &(struct resil__gcra_ask){.cost = cost, .now_ns = now_ns, .paced = paced}, &receipt);
    *word = receipt.word_;
    if (rc == RESIL_ELIMITED && retry_at_ns != NULL)
        *retry_at_ns = receipt.at_ns;
    return rc;
}

#endif
