/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The swaps around retry/budget_state.h. The word decides alone what is granted; `seen_` only
 * chooses how deep the balance may be, and either depth keeps the bound, so the two need no common
 * atomicity. Two orders are kept: a deposit on an expired budget drops the old balance before it
 * marks the budget as seen; a first use marks it as seen before the word turns `used`.
 */
#include "retry/budget_fast.h"

#include "base/contend.h"
#include "retry/budget_config.h"

/* One try: when it fails, another thread has just written a time as good as ours. */
static void mark_seen(struct resil_budget *budget, uint64_t seen_ns, uint64_t now_ns)
{
    (void)resil__cas(&budget->seen_, &seen_ns, now_ns);
}

void resil__budget_deposit_slow(struct resil_budget *budget, uint64_t now_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t word = resil__load_acquire(&budget->word_);

    for (;;) {
        struct resil_budget_rules_ rules = resil__budget_rules_of(budget, word);
        uint64_t moment = resil__budget_moment(rules.clock_, now_ns);
        uint64_t seen_ns = resil__load_relaxed(&budget->seen_);
        int64_t age_ns = (int64_t)(now_ns - seen_ns);
        bool fresh = (word & RESIL__BUDGET_USED) == 0;
        bool expired = !fresh && age_ns > (int64_t)rules.ttl_ns_;
        uint64_t next = resil__budget_earn(&rules, word, moment, expired);

        if (fresh)
            mark_seen(budget, seen_ns, now_ns);
        if (next == word || resil__cas(&budget->word_, &word, next)) {
            if (!fresh && age_ns > (int64_t)rules.renew_ns_)
                mark_seen(budget, seen_ns, now_ns);
            return;
        }
        resil__contend(&contend);
    }
}

void resil_budget_deposit(struct resil_budget *budget, uint64_t now_ns)
{
    if (budget != NULL)
        resil__budget_deposit(budget, now_ns);
}

/* Whether the balance has expired. A first use starts the time to live; so does a clock that was
   set back. */
static bool look_at_age(struct resil_budget *budget, const struct resil_budget_rules_ *rules,
                        bool fresh, uint64_t now_ns)
{
    uint64_t seen_ns = resil__load_relaxed(&budget->seen_);

    if (fresh || (int64_t)(seen_ns - now_ns) > (int64_t)rules->ttl_ns_) {
        mark_seen(budget, seen_ns, now_ns);
        return false;
    }
    return (int64_t)(now_ns - seen_ns) > (int64_t)rules->ttl_ns_;
}

int resil_budget_withdraw(struct resil_budget *budget, uint64_t cost, uint64_t now_ns)
{
    struct resil__contend contend = RESIL__CONTEND;
    uint64_t word;

    if (budget == NULL || !resil__budget_is_ready(budget))
        return RESIL_EINVAL;
    word = resil__load_acquire(&budget->word_);
    for (;;) {
        struct resil_budget_rules_ rules = resil__budget_rules_of(budget, word);
        uint64_t moment = resil__budget_moment(rules.clock_, now_ns);
        uint64_t span = resil__mul_sat(resil__max(cost, 1), rules.interval_);
        bool expired = look_at_age(budget, &rules, (word & RESIL__BUDGET_USED) == 0, now_ns);
        uint64_t due = resil__budget_repair(&rules, word, moment);
        uint64_t next =
            span > rules.depth_ ? due : resil__budget_spend(&rules, due, moment, expired, span);

        if (next == word)
            return RESIL_EBUDGET;
        if (resil__cas(&budget->word_, &word, next))
            return next == due ? RESIL_EBUDGET : RESIL_OK;
        resil__contend(&contend);
    }
}

int resil_budget_snapshot(const struct resil_budget *budget, uint64_t now_ns,
                          struct resil_budget_snapshot *snapshot)
{
    struct resil_budget_rules_ rules;
    uint64_t word;
    uint64_t moment;
    uint64_t zero;
    bool expired;

    if (budget == NULL || snapshot == NULL || !resil__budget_is_ready(budget))
        return RESIL_EINVAL;
    word = resil__load_acquire(&budget->word_);
    rules = resil__budget_rules_of(budget, word);
    moment = resil__budget_moment(rules.clock_, now_ns);
    expired = (word & RESIL__BUDGET_USED) != 0 && resil__budget_has_expired(budget, &rules, now_ns);
    zero = resil__budget_zero(&rules, word, moment, expired);
    *snapshot = (struct resil_budget_snapshot){
        .balance_pct =
            resil__budget_after(zero, moment) ? 0 : (moment - zero) / (rules.interval_ / 100),
        .cap = rules.depth_ / rules.interval_,
        .expired = expired,
    };
    return RESIL_OK;
}

/* Nobody else may be here: no order. */
void resil_budget_rebase(struct resil_budget *budget, uint64_t now_ns)
{
    struct resil_budget_rules_ rules;
    uint64_t word;
    uint64_t moment;
    uint64_t zero;

    if (budget == NULL || !resil__budget_is_ready(budget))
        return;
    resil__store_relaxed(&budget->busy_, 0);
    word = resil__load_acquire(&budget->word_);
    if ((word & RESIL__BUDGET_USED) == 0)
        return;
    rules = resil__budget_rules_of(budget, word);
    moment = resil__budget_moment(rules.clock_, resil__load_relaxed(&budget->seen_));
    zero = resil__budget_zero(&rules, word, moment, false);
    if (resil__budget_after(zero, moment))
        zero = moment;
    zero = resil__budget_moment(rules.clock_, now_ns) - (moment - zero);
    resil__store_relaxed(&budget->seen_, now_ns);
    resil__store_relaxed(&budget->word_, resil__budget_word(word, zero));
}
