/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The two tests, squared, so that no root is needed. Shares are in 2^-32 of a whole, variances in
 * 2^-64: p (1 - p) is at most 2^62, and an arm is judged with at least 10 calls, so nothing
 * overflows. The ratio of the means is in 2^-16 and is cut off at 1000.
 */
#include "balancer/canary.h"

#include "base/math.h"
#include "base/random.h"

#define ALL_BP UINT64_C(10000)
#define ONE    (UINT64_C(1) << 32)

/* The square of 3 deviations, and of 3 times the deviation that latency is taken to have. */
#define FAILURE_SQUARES UINT64_C(9)
#define LATENCY_SQUARES UINT64_C(36)
#define RATIO_MAX       UINT64_C(1000)

static uint64_t failures_of(const struct resil__arm_stat *arm)
{
    return resil__mul_div(arm->bad + 1, ONE, arm->total + 2);
}

static uint64_t variance_of(uint64_t share, const struct resil__arm_stat *arm)
{
    return share * (ONE - share) / (arm->total + 2);
}

static bool fails_more(const struct resil__canary_rules *rules,
                       const struct resil__arm_stat *baseline, const struct resil__arm_stat *canary)
{
    uint64_t expected = failures_of(baseline);
    uint64_t is = failures_of(canary);
    uint64_t excess = resil__sub_sat(is, expected + (rules->failure_margin_pct << 32) / 100);
    uint64_t variance = variance_of(is, canary) + variance_of(expected, baseline);

    return excess > 0 && excess * excess >= FAILURE_SQUARES * variance;
}

static uint64_t mean_of(const struct resil__arm_stat *arm)
{
    return arm->total > 0 ? arm->latency_ns / arm->total : 0;
}

static bool is_slower(const struct resil__canary_rules *rules,
                      const struct resil__arm_stat *baseline, const struct resil__arm_stat *canary)
{
    uint64_t expected = resil__max(mean_of(baseline), 1);
    uint64_t ratio =
        resil__min(resil__mul_div(mean_of(canary), 1 << 16, expected), RATIO_MAX << 16);
    uint64_t excess = resil__sub_sat(ratio, ((100 + rules->latency_margin_pct) << 16) / 100);
    uint64_t noise = LATENCY_SQUARES * (ONE / canary->total + ONE / baseline->total);

    return excess > 0 && excess * excess >= noise;
}

/* What an arm did since the mark. false: a counter fell. */
static bool since(const struct resil__arm_stat *mark, const struct resil__arm_stat *now,
                  struct resil__arm_stat *step)
{
    if (now->total < mark->total || now->bad < mark->bad || now->latency_ns < mark->latency_ns)
        return false;
    *step = (struct resil__arm_stat){
        .total = now->total - mark->total,
        .latency_ns = now->latency_ns - mark->latency_ns,
    };
    step->bad = resil__min(now->bad - mark->bad, step->total);
    return true;
}

static void begin_step(const struct resil__canary_rules *rules, struct resil__canary_state *state,
                       const struct resil__arm_stat *baseline, const struct resil__arm_stat *canary,
                       uint64_t now_ns)
{
    state->begun = true;
    state->since_ns = now_ns;
    state->next_look = rules->min_calls;
    state->baseline_mark = *baseline;
    state->canary_mark = *canary;
}

static enum resil_canary_event tell(const struct resil__canary_rules *rules,
                                    struct resil__canary_state *state,
                                    const struct resil__arm_stat *baseline,
                                    const struct resil__arm_stat *canary,
                                    enum resil_canary_event event)
{
    state->numbers = (struct resil_canary_numbers){
        .weight_bp = resil__canary_weight(rules, state),
        .canary_calls = canary->total,
        .canary_bad = canary->bad,
        .canary_mean_ns = mean_of(canary),
        .baseline_calls = baseline->total,
        .baseline_bad = baseline->bad,
        .baseline_mean_ns = mean_of(baseline),
    };
    state->last = event;
    return event;
}

/* A look at the step so far. Both arms have their calls. */
static enum resil_canary_event look(const struct resil__canary_rules *rules,
                                    const struct resil__arm_stat *baseline,
                                    const struct resil__arm_stat *canary)
{
    if (rules->judge_failures && fails_more(rules, baseline, canary))
        return RESIL_CANARY_FAILURES;
    if (rules->judge_latency && is_slower(rules, baseline, canary))
        return RESIL_CANARY_LATENCY;
    return RESIL_CANARY_HOLD;
}

enum resil_canary_event resil__canary_judge(const struct resil__canary_rules *rules,
                                            struct resil__canary_state *state,
                                            const struct resil__arm_stat *baseline,
                                            const struct resil__arm_stat *canary, uint64_t now_ns)
{
    struct resil__arm_stat of_baseline;
    struct resil__arm_stat of_canary;
    enum resil_canary_event event = RESIL_CANARY_HOLD;
    bool due;

    if (rules->steps == 0 || state->over)
        return RESIL_CANARY_HOLD;
    if (!state->begun || !since(&state->baseline_mark, baseline, &of_baseline) ||
        !since(&state->canary_mark, canary, &of_canary)) {
        begin_step(rules, state, baseline, canary, now_ns);
        return RESIL_CANARY_HOLD;
    }
    if (now_ns < state->since_ns) /* the clock was set back: wait anew */
        state->since_ns = now_ns;
    due = now_ns - state->since_ns >= rules->step_ns;
    if (of_baseline.total < rules->min_calls || of_canary.total < rules->min_calls ||
        (!due && of_canary.total < state->next_look))
        return RESIL_CANARY_HOLD;
    while (state->next_look <= of_canary.total) /* 64 rounds at most */
        state->next_look = resil__mul_sat(state->next_look, 2);
    event = look(rules, &of_baseline, &of_canary);
    if (event != RESIL_CANARY_HOLD) {
        tell(rules, state, &of_baseline, &of_canary, event);
        state->over = true;
        return event;
    }
    if (!due)
        return RESIL_CANARY_HOLD;
    if (state->step + 1 < rules->steps) {
        event =
            rules->steps_bp[state->step + 1] == ALL_BP ? RESIL_CANARY_FINISH : RESIL_CANARY_PROMOTE;
        tell(rules, state, &of_baseline, &of_canary, event);
        state->step++;
        state->over = event == RESIL_CANARY_FINISH;
    }
    begin_step(rules, state, baseline, canary, now_ns);
    return event;
}

uint64_t resil__canary_weight(const struct resil__canary_rules *rules,
                              const struct resil__canary_state *state)
{
    if (rules->steps == 0 || (state->over && state->last != RESIL_CANARY_FINISH))
        return 0;
    return rules->steps_bp[resil__min(state->step, rules->steps - 1)];
}

bool resil__canary_choose(uint64_t salt, uint64_t weight_bp, uint64_t key)
{
    return resil__random_below(resil__mix(key ^ salt), ALL_BP) < weight_bp;
}
