/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BREAKER_SUPPORT_H
#define BREAKER_SUPPORT_H

/* What the tests of the breaker share: a breaker, a clock of its own, and calls in one line. */

#include "test.h"

#include <resil/breaker.h>

/* A start far from zero, and not on the grid of any slice. */
#define T0 (RESIL_SEC(1000) + 123456789)

static struct resil_breaker breaker;
static uint64_t now;

/* A breaker without jitter and without a gap between probes, unless the config asks for them. */
static inline void make(struct resil_breaker_config config)
{
    char why[160] = "";

    if (config.jitter_pct == 0)
        config.jitter_pct = RESIL_OFF;
    if (config.probe_gap_ns == 0)
        config.probe_gap_ns = RESIL_OFF;
    if (resil_breaker_config_check(&config, why, sizeof why) != RESIL_OK)
        fail_msg("%s", why);
    assert_int_equal(resil_breaker_init(&breaker, &config), RESIL_OK);
    now = T0;
}

static inline struct resil_permit granted(void)
{
    struct resil_permit permit = {0};

    assert_int_equal(resil_breaker_acquire(&breaker, now, &permit), RESIL_OK);
    return permit;
}

static inline uint64_t refused(void)
{
    struct resil_permit permit = {0};

    assert_int_equal(resil_breaker_acquire(&breaker, now, &permit), RESIL_EOPEN);
    return permit.retry_at_ns;
}

static inline int report_hint(struct resil_permit *permit, enum resil_outcome outcome,
                              uint64_t hint_ns)
{
    struct resil_result result = {.outcome = outcome, .hint_ns = hint_ns};

    return resil_breaker_record(&breaker, permit, now, &result);
}

static inline int report(struct resil_permit *permit, enum resil_outcome outcome)
{
    return report_hint(permit, outcome, 0);
}

static inline void calls(unsigned count, enum resil_outcome outcome)
{
    for (unsigned i = 0; i < count; i++) {
        struct resil_permit permit = granted();

        assert_int_equal(report(&permit, outcome), RESIL_OK);
    }
}

static inline struct resil_breaker_snapshot look(void)
{
    struct resil_breaker_snapshot snapshot;

    assert_int_equal(resil_breaker_snapshot(&breaker, now, &snapshot), RESIL_OK);
    return snapshot;
}

static inline enum resil_breaker_state state_of(void)
{
    return look().state;
}

#define assert_state(name) assert_int_equal(state_of(), RESIL_BREAKER_##name)

/* Ten failures at the default rules. */
static inline void trip(void)
{
    calls(10, RESIL_FAILURE);
    assert_state(OPEN);
}

#endif
