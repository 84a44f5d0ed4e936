/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The sliding window counter. A grant is one compare-and-swap of number, before and count, so
 * "before" never changes behind the back of who judged by it. Slots are changed as in gcra.c: a
 * slot is written only while the word names the other one, with release; who sees a word of it sees
 * the state word move on.
 *
 * The word carries two bits of generation. A caller that sleeps through four changes between its
 * load and its swap, and finds the very same counts, counts one call by the config under which it
 * began.
 */
#include "limiter/window_counter.h"

#include "base/check.h"

#define PERIOD_NS_MIN RESIL_MS(1)
#define PERIOD_NS_MAX RESIL_SEC(366 * 86400)
#define LIMIT_MAX     UINT64_C(1000000)

int resil_window_config_check(const struct resil_window_config *config, char *why, size_t why_size)
{
    struct resil__why to = {why, why_size};

    if (config == NULL)
        return resil__check_fail(to, "config", "is NULL, and limit has no default");
    if (resil__check_required(to, "limit", config->limit, 1, LIMIT_MAX) != RESIL_OK)
        return RESIL_EINVAL;
    return resil__check_range(to, "period_ns", config->period_ns, PERIOD_NS_MIN, PERIOD_NS_MAX);
}

static struct resil_window_slot_ make_slot(const struct resil_window_config *config)
{
    struct resil_window_slot_ slot = {
        .limit_ = config->limit,
        .period_ns_ = resil__default(config->period_ns, RESIL_SEC(1)),
        .drain_ = config->drain_on_overload,
    };

    while (config->limit >> slot.bits_ != 0)
        slot.bits_++;
    slot.behind_ = resil__min(RESIL__SLIDE_STALL_NS / slot.period_ns_ + 1,
                              UINT64_C(1) << (resil__slide_index_bits(slot.bits_) - 8));
    return slot;
}

int resil_window_init_sized(struct resil_window *window, size_t window_size,
                            const struct resil_window_config *config, size_t config_size)
{
    if (window_size != sizeof *window || config_size != sizeof *config)
        return RESIL_EABI;
    if (window == NULL || resil_window_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    *window = (struct resil_window){.word_ = 0};
    window->slot_[0] = make_slot(config);
    return RESIL_OK;
}

/** True when the word still names the slot that was read: what was computed from it is final. */
static bool is_settled(const struct resil_window *window, uint64_t word)
{
    return ((resil__load_acquire(&window->word_) ^ word) & RESIL__SLIDE_GENERATION) == 0;
}

/** RESIL_OK, RESIL_ELIMITED with the time at which it passes, or RESIL_ECOST. */
static int judge(const struct resil__slide *slide, const struct resil__slide_rule *rule,
                 uint64_t until_ns, uint64_t cost, uint64_t now_ns, uint64_t *retry_at_ns)
{
    bool is_drained = resil__drained_at(until_ns, now_ns);

    if (cost > rule->limit)
        return RESIL_ECOST;
    if (!is_drained && resil__slide_fits(slide, rule, cost))
        return RESIL_OK;
    if (retry_at_ns != NULL) {
        *retry_at_ns = resil__slide_fits(slide, rule, cost)
                           ? now_ns
                           : resil__slide_retry_at(slide, rule, cost);
        if (is_drained)
            *retry_at_ns = resil__max(*retry_at_ns, until_ns);
    }
    return RESIL_ELIMITED;
}

int resil__slide_take(struct resil_window *window, uint64_t cost, uint64_t now_ns,
                      uint64_t *receipt, uint64_t *retry_at_ns)
{
    struct resil__contend contend = RESIL__CONTEND;

    cost = cost != 0 ? cost : 1;
    for (;;) {
        uint64_t word = resil__load_acquire(&window->word_);
        struct resil__slide_rule rule = resil__slide_rule(&window->slot_[word & 1]);
        struct resil__slide slide = resil__slide_at(word, &rule, now_ns);
        int rc = judge(&slide, &rule, resil__load_acquire(&window->until_ns_), cost, now_ns,
                       retry_at_ns);
        uint64_t next;

        if (rc != RESIL_OK) {
            if (is_settled(window, word))
                return rc;
            continue;
        }
        slide.count += cost;
        next = resil__slide_word(&slide, rule.bits, word);
        if (resil__cas(&window->word_, &word, next)) {
            *receipt = resil__slide_receipt(next, rule.bits);
            return RESIL_OK;
        }
        resil__contend(&contend);
    }
}

int resil__slide_give_back(struct resil_window *window, uint64_t receipt, uint64_t cost)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t word = resil__load_acquire(&window->word_);

    cost = cost != 0 ? cost : 1;
    for (;;) {
        uint64_t bits = resil__load_acquire(&window->slot_[word & 1].bits_) & 31;
        uint64_t one = UINT64_C(1) << (2 + 2 * bits);
        uint64_t gone = resil__slide_receipt(word, bits) - receipt;
        uint64_t shift = gone == 0 ? 2 : 2 + bits;

        if ((gone != 0 && gone != one) || resil__slide_field(word, shift, bits) < cost)
            return RESIL_ELATE;
        if (resil__cas(&window->word_, &word, word - (cost << shift)))
            return RESIL_OK;
        resil__contend(&contend);
    }
}

int resil_window_acquire(struct resil_window *window, uint64_t cost, uint64_t now_ns,
                         uint64_t *retry_at_ns)
{
    uint64_t receipt;

    return resil__slide_take(window, cost, now_ns, &receipt, retry_at_ns);
}

int resil_window_reserve(struct resil_window *window, uint64_t cost, uint64_t now_ns,
                         struct resil_reservation *reservation)
{
    int rc;

    *reservation = (struct resil_reservation){.at_ns = now_ns};
    rc = resil__slide_take(window, cost, now_ns, &reservation->word_, &reservation->at_ns);
    if (rc == RESIL_OK) {
        reservation->at_ns = now_ns;
        reservation->back_ = cost != 0 ? cost : 1;
        reservation->mark_ =
            resil__load_acquire(&window->slot_[reservation->word_ & 1].generation_);
    } else if (rc == RESIL_ECOST) {
        reservation->at_ns = RESIL_NEVER;
    }
    return rc;
}

int resil_window_cancel(struct resil_window *window, struct resil_reservation *reservation,
                        uint64_t now_ns)
{
    uint64_t cost = reservation->back_;
    uint64_t word = resil__load_acquire(&window->word_);
    struct resil__slide_rule rule = resil__slide_rule(&window->slot_[word & 1]);
    struct resil__slide slide = resil__slide_at(word, &rule, now_ns);

    if (cost == 0)
        return RESIL_EINVAL;
    reservation->back_ = 0;
    if ((slide.count | slide.before) == 0 || rule.generation != reservation->mark_)
        return RESIL_ELATE;
    return resil__slide_give_back(window, reservation->word_, cost);
}

int resil_window_peek(const struct resil_window *window, uint64_t cost, uint64_t now_ns,
                      uint64_t *retry_at_ns)
{
    cost = cost != 0 ? cost : 1;
    for (;;) {
        uint64_t word = resil__load_acquire(&window->word_);
        struct resil__slide_rule rule = resil__slide_rule(&window->slot_[word & 1]);
        struct resil__slide slide = resil__slide_at(word, &rule, now_ns);
        uint64_t at_ns = now_ns;
        int rc =
            judge(&slide, &rule, resil__load_acquire(&window->until_ns_), cost, now_ns, &at_ns);

        if (!is_settled(window, word))
            continue;
        if (retry_at_ns != NULL)
            *retry_at_ns = rc == RESIL_ECOST ? RESIL_NEVER : at_ns;
        return rc;
    }
}

void resil_window_drain(struct resil_window *window, uint64_t for_ns, uint64_t now_ns)
{
    resil__drained_extend(&window->until_ns_, for_ns, now_ns);
}

void resil_window_snapshot(const struct resil_window *window, uint64_t now_ns,
                           struct resil_window_snapshot *snapshot)
{
    uint64_t word;

    do {
        uint64_t until_ns = resil__load_acquire(&window->until_ns_);
        struct resil__slide_rule rule;
        struct resil__slide slide;
        uint64_t used;

        word = resil__load_acquire(&window->word_);
        rule = resil__slide_rule(&window->slot_[word & 1]);
        slide = resil__slide_at(word, &rule, now_ns);
        used = resil__slide_used(&slide, &rule);
        until_ns = resil__drained_at(until_ns, now_ns) ? until_ns : 0;
        *snapshot = (struct resil_window_snapshot){
            .used = used,
            .available = until_ns != 0 ? 0 : resil__sub_sat(rule.limit, used),
            .limit = rule.limit,
            .period_ns = rule.period_ns,
            .drained_until_ns = until_ns,
            .reconfigured = rule.generation,
        };
    } while (!is_settled(window, word));
}

/* Release, for the readers' acquire. */
static void write_slot(struct resil_window_slot_ *slot, const struct resil_window_slot_ *from)
{
    resil__store_release(&slot->limit_, from->limit_);
    resil__store_release(&slot->period_ns_, from->period_ns_);
    resil__store_release(&slot->bits_, from->bits_);
    resil__store_release(&slot->behind_, from->behind_);
    resil__store_release(&slot->drain_, from->drain_);
    resil__store_release(&slot->generation_, from->generation_);
}

int resil_window_reconfigure(struct resil_window *window, const struct resil_window_config *config,
                             uint64_t now_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    struct resil_window_slot_ next;
    struct resil__slide_rule to;
    uint64_t idle = 0;
    uint64_t word;

    if (resil_window_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    if (!resil__cas(&window->busy_, &idle, 1))
        return RESIL_EBUSY;
    next = make_slot(config);
    word = resil__load_acquire(&window->word_);
    next.generation_ = resil__load_acquire(&window->slot_[word & 1].generation_) + 1;
    to = resil__slide_rule(&next);
    write_slot(&window->slot_[~word & 1], &next);
    for (;;) {
        struct resil__slide_rule from = resil__slide_rule(&window->slot_[word & 1]);
        struct resil__slide slide = resil__slide_at(word, &from, now_ns);

        slide = resil__slide_converted(&slide, &from, &to, now_ns);
        if (resil__cas(&window->word_, &word, resil__slide_word(&slide, to.bits, word + 1)))
            break;
        resil__contend(&contend);
    }
    resil__store_release(&window->busy_, 0);
    return RESIL_OK;
}

/* The old clock is gone, and with it how much was left: nothing, to be safe. Nobody else may be here:
   no order. */
void resil_window_rebase(struct resil_window *window, uint64_t now_ns)
{
    uint64_t word = resil__load_acquire(&window->word_);
    struct resil__slide_rule rule = resil__slide_rule(&window->slot_[word & 1]);
    struct resil__slide slide = {
        .index = now_ns / rule.period_ns,
        .count = resil__slide_receipt(word, rule.bits) == word ? 0 : rule.limit,
    };

    resil__store_relaxed(&window->until_ns_, 0);
    resil__store_relaxed(&window->busy_, 0);
    resil__store_relaxed(&window->word_, resil__slide_word(&slide, rule.bits, word));
}
