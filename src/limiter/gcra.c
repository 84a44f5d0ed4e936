/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Why it is exact: a grant is one compare-and-swap of the arrival time T to max(T, now) + price,
 * done only if max(T, now) + price <= now + tau. T never moves back but for a cancel, which puts
 * back the T that stood before the grant that it undoes, and for a clock that was set back. So the
 * grants between two told times t0 <= t1 cost at most T(t1) - T(t0) <= t1 + tau - t0, which is
 * burst + rate * (t1 - t0) tokens, the interval being rounded up.
 *
 * Slots: a slot is written only while the state word names the other one. Who reads words being
 * written loads them with acquire, so he sees the state word move on. Who slept through two changes
 * may find the word that he left; but another generation: he forfeits what he took and asks again.
 */
#include "limiter/gcra.h"

#include "base/contend.h"

static void raise_reach(struct resil_gcra_ *gcra, uint64_t reach_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t old = resil__load_acquire(&gcra->reach_ns_);

    while (old < reach_ns && !resil__cas(&gcra->reach_ns_, &old, reach_ns))
        resil__contend(&contend);
}

/** True when the word is the one that was read, under the generation that was read behind it: what was
    computed from both is how things stand. In this order: who sees the word come back after two
    changes sees the generation that came before it. */
static bool is_settled(const struct resil_gcra_ *gcra, uint64_t word, uint64_t generation)
{
    return resil__load_acquire(&gcra->word_) == word &&
           resil__gcra_stands(&gcra->slot_[word & 1], generation);
}

/** The state at the first use, so that a bucket that starts empty fills. */
static uint64_t first_word(const struct resil_gcra_ *gcra, uint64_t now_ns)
{
    struct resil__rate rate = resil__gcra_rate(&gcra->slot_[0]);

    return resil__gcra_first(&rate, now_ns);
}

/** The state word; at the first use it is made. */
static uint64_t load_word(struct resil_gcra_ *gcra, uint64_t now_ns)
{
    uint64_t word = resil__load_acquire(&gcra->word_);
    uint64_t first;

    if (word != 0)
        return word;
    first = first_word(gcra, now_ns);
    return resil__cas(&gcra->word_, &word, first) ? first : word;
}

/** A question as one state answers it. */
struct answer {
    struct resil__rate rate;
    uint64_t ahead;
    uint64_t price;
    uint64_t wait_ns;
    uint64_t reach_ns;
    int rc;
};

static struct answer judge(const struct resil_gcra_ *gcra, uint64_t word,
                           const struct resil__gcra_ask *ask)
{
    struct answer answer = {.rate = resil__gcra_rate(&gcra->slot_[word & 1])};
    uint64_t cost = ask->cost != 0 ? ask->cost : 1;
    uint64_t room;

    answer.reach_ns = resil__load_acquire(&gcra->reach_ns_);
    if (cost > resil__sub_sat(answer.rate.cost_max, ask->kept)) {
        answer.rc = RESIL_ECOST;
        answer.wait_ns = RESIL_NEVER;
        return answer;
    }
    answer.price = cost * answer.rate.interval;
    answer.ahead = resil__gcra_ahead(word, &answer.rate, answer.reach_ns, ask->now_ns);
    room = answer.price + ask->kept * answer.rate.interval;
    answer.wait_ns = resil__gcra_ns(resil__gcra_wait(&answer.rate, ask->paced, answer.ahead, room),
                                    answer.rate.shift);
    if (answer.wait_ns > resil__min(ask->wait_ns_max, RESIL__REACH_NS_MAX))
        answer.rc = RESIL_ELIMITED;
    return answer;
}

int resil__gcra_take(struct resil_gcra_ *gcra, const struct resil__gcra_ask *ask,
                     struct resil_reservation *receipt)
{
    struct resil__contend contend = RESIL__CONTEND;

    for (;;) {
        uint64_t word = load_word(gcra, ask->now_ns);
        struct answer answer = judge(gcra, word, ask);
        uint64_t next;

        *receipt = (struct resil_reservation){
            .at_ns = resil__add_sat(ask->now_ns, answer.wait_ns),
        };
        if (answer.rc != RESIL_OK) {
            if (is_settled(gcra, word, answer.rate.generation))
                return answer.rc;
            continue;
        }
        if (answer.wait_ns > answer.reach_ns)
            raise_reach(gcra, answer.wait_ns);
        next = resil__gcra_taken(word, &answer.rate, answer.ahead, answer.price, ask->now_ns);
        if (resil__cas(&gcra->word_, &word, next)) {
            if (!resil__gcra_stands(&gcra->slot_[word & 1], answer.rate.generation))
                continue;
            receipt->word_ = next;
            receipt->back_ = answer.price;
            receipt->mark_ = answer.rate.generation;
            return RESIL_OK;
        }
        resil__contend(&contend);
    }
}

int resil__gcra_acquire_slow(struct resil_gcra_ *gcra, bool paced, uint64_t cost, uint64_t now_ns,
                             uint64_t *word, uint64_t *retry_at_ns)
{
    struct resil_reservation receipt;
    int rc = resil__gcra_take(
        gcra, &(struct resil__gcra_ask){.cost = cost, .now_ns = now_ns, .paced = paced}, &receipt);

    if (word != NULL)
        *word = receipt.word_;
    if (rc == RESIL_ELIMITED && retry_at_ns != NULL)
        *retry_at_ns = receipt.at_ns;
    return rc;
}

int resil__gcra_acquire_more(struct resil_gcra_ *gcra, bool paced, uint64_t cost, uint64_t now_ns,
                             uint64_t *retry_at_ns)
{
    return resil__gcra_acquire_cost(gcra, paced, cost + (cost == 0), now_ns, retry_at_ns);
}

int resil__gcra_peek(const struct resil_gcra_ *gcra, const struct resil__gcra_ask *ask,
                     uint64_t *retry_at_ns)
{
    for (;;) {
        uint64_t word = resil__load_acquire(&gcra->word_);
        uint64_t state = word != 0 ? word : first_word(gcra, ask->now_ns);
        struct answer answer = judge(gcra, state, ask);

        if (!is_settled(gcra, word, answer.rate.generation))
            continue;
        if (retry_at_ns != NULL)
            *retry_at_ns = resil__add_sat(ask->now_ns, answer.wait_ns);
        return answer.rc;
    }
}

int resil__gcra_give_back(struct resil_gcra_ *gcra, uint64_t word, uint64_t price)
{
    return resil__cas(&gcra->word_, &word, resil__gcra_nonzero(word - price)) ? RESIL_OK
                                                                              : RESIL_ELATE;
}

int resil__gcra_cancel(struct resil_gcra_ *gcra, struct resil_reservation *receipt, uint64_t now_ns)
{
    uint64_t word = receipt->word_;
    uint64_t price = receipt->back_;
    uint64_t shift = resil__load_acquire(&gcra->slot_[word & 1].shift_) & 63;

    if (price == 0)
        return RESIL_EINVAL;
    receipt->back_ = 0;
    if (resil__load_acquire(&gcra->slot_[word & 1].generation_) != receipt->mark_)
        return RESIL_ELATE;
    /* The bucket has been full since: there is nothing that could be given back. */
    if (resil__load_acquire(&gcra->word_) == word && (word - (now_ns << shift)) >> 63 != 0)
        return RESIL_OK;
    return resil__gcra_give_back(gcra, word, price);
}

void resil__gcra_drain(struct resil_gcra_ *gcra, bool paced, uint64_t for_ns, uint64_t now_ns)
{
    struct resil__contend contend = RESIL__CONTEND;

    for_ns = resil__min(for_ns, RESIL__DRAIN_NS_MAX);
    raise_reach(gcra, for_ns);
    for (;;) {
        uint64_t word = load_word(gcra, now_ns);
        struct resil__rate rate = resil__gcra_rate(&gcra->slot_[word & 1]);
        uint64_t reach_ns = resil__load_acquire(&gcra->reach_ns_);
        uint64_t ahead = resil__gcra_ahead(word, &rate, reach_ns, now_ns);

        if (resil__cas(&gcra->word_, &word,
                       resil__gcra_drained(word, &rate, paced, ahead, for_ns, now_ns)) &&
            resil__gcra_stands(&gcra->slot_[word & 1], rate.generation))
            return;
        resil__contend(&contend);
    }
}

/* Release, for the readers' acquire: who sees a new word here sees the state word that left this
   slot. */
static void write_slot(struct resil_gcra_slot_ *slot, const struct resil_gcra_slot_ *from)
{
    resil__store_release(&slot->interval_, from->interval_);
    resil__store_release(&slot->tau_, from->tau_);
    resil__store_release(&slot->shift_, from->shift_);
    resil__store_release(&slot->cost_max_, from->cost_max_);
    resil__store_release(&slot->start_, from->start_);
    resil__store_release(&slot->tokens_, from->tokens_);
    resil__store_release(&slot->period_ns_, from->period_ns_);
    resil__store_release(&slot->wait_ns_, from->wait_ns_);
    resil__store_release(&slot->drain_, from->drain_);
    resil__store_release(&slot->generation_, from->generation_);
}

int resil__gcra_reconfigure(struct resil_gcra_ *gcra, bool paced,
                            const struct resil_gcra_slot_ *next, uint64_t now_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    struct resil_gcra_slot_ slot = *next;
    struct resil__rate to;
    uint64_t idle = 0;
    uint64_t word;

    if (!resil__cas(&gcra->busy_, &idle, 1))
        return RESIL_EBUSY;
    word = load_word(gcra, now_ns);
    slot.generation_ = resil__load_acquire(&gcra->slot_[word & 1].generation_) + 1;
    to = resil__gcra_rate(&slot);
    write_slot(&gcra->slot_[~word & 1], &slot);
    for (;;) {
        struct resil__rate from = resil__gcra_rate(&gcra->slot_[word & 1]);
        uint64_t reach_ns = resil__load_acquire(&gcra->reach_ns_);
        uint64_t ahead = resil__gcra_ahead(word, &from, reach_ns, now_ns);

        if (resil__cas(&gcra->word_, &word,
                       resil__gcra_converted(word, &from, &to, paced, ahead, now_ns)))
            break;
        resil__contend(&contend);
    }
    resil__store_release(&gcra->busy_, 0);
    return RESIL_OK;
}

/* The old clock is gone, and with it how much was left: nothing, to be safe. Nobody else may be here:
   no order. */
void resil__gcra_rebase(struct resil_gcra_ *gcra, bool paced, uint64_t now_ns)
{
    uint64_t word = resil__load_acquire(&gcra->word_);
    struct resil__rate rate = resil__gcra_rate(&gcra->slot_[word & 1]);

    resil__store_relaxed(&gcra->reach_ns_, 0);
    resil__store_relaxed(&gcra->busy_, 0);
    if (word != 0)
        resil__store_relaxed(
            &gcra->word_,
            resil__gcra_taken(word, &rate, 0, paced ? rate.interval : rate.tau, now_ns));
}

void resil__gcra_init(struct resil_gcra_ *gcra, const struct resil_gcra_slot_ *slot)
{
    *gcra = (struct resil_gcra_){.word_ = 0};
    gcra->slot_[0] = *slot;
}

struct resil__gcra_view resil__gcra_look(const struct resil_gcra_ *gcra, uint64_t now_ns)
{
    for (;;) {
        uint64_t word = resil__load_acquire(&gcra->word_);
        const struct resil_gcra_slot_ *slot = &gcra->slot_[word & 1];
        struct resil__rate rate = resil__gcra_rate(slot);
        struct resil__gcra_view view = {
            .slot = {.interval_ = rate.interval,
                     .tau_ = rate.tau,
                     .shift_ = rate.shift,
                     .cost_max_ = rate.cost_max,
                     .tokens_ = resil__load_acquire(&slot->tokens_),
                     .period_ns_ = resil__load_acquire(&slot->period_ns_),
                     .wait_ns_ = resil__load_acquire(&slot->wait_ns_),
                     .generation_ = rate.generation},
        };

        if (word == 0)
            view.ahead = rate.start;
        else
            view.ahead =
                resil__gcra_ahead(word, &rate, resil__load_acquire(&gcra->reach_ns_), now_ns);
        if (is_settled(gcra, word, rate.generation))
            return view;
    }
}

/*
 * A tick is 2^-bits ns. The interval is rounded up to ticks: at least 2^11 of them, so the error is
 * below
 * 0.05 %, and 2^20 as long as that leaves two years (2^63 ticks of 2^-6 ns) before the time wraps.
 */
void resil__gcra_set_rate(struct resil_gcra_slot_ *slot, uint64_t tokens, uint64_t period_ns)
{
    uint64_t bits = 0;

    while (bits < RESIL__TICK_BITS_MAX &&
           resil__mul_div(period_ns, UINT64_C(1) << bits, tokens) >> (bits < 6 ? 20 : 11) == 0)
        bits++;
    slot->tokens_ = tokens;
    slot->period_ns_ = period_ns;
    slot->shift_ = bits + 1;
    slot->interval_ = resil__mul_div_up(period_ns, UINT64_C(1) << bits, tokens) << 1;
}
