/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_BUDGET_FIXTURE_H
#define RESIL_TEST_BUDGET_FIXTURE_H

/* One budget, and how much of it there is. */

#include "test.h"

#include <resil/budget.h>

#define NOW RESIL_SEC(1000)

static struct resil_budget budget;

static inline void make(const struct resil_budget_config *config)
{
    assert_int_equal(resil_budget_init(&budget, config), RESIL_OK);
}

static inline uint64_t balance(uint64_t now_ns)
{
    struct resil_budget_snapshot snapshot;

    assert_int_equal(resil_budget_snapshot(&budget, now_ns, &snapshot), RESIL_OK);
    return snapshot.balance_pct;
}

/* How many single tokens can be had at this moment. */
static inline int drain(uint64_t now_ns)
{
    int granted = 0;

    while (resil_budget_withdraw(&budget, 1, now_ns) == RESIL_OK)
        granted++;
    return granted;
}

static inline void deposit(int count, uint64_t now_ns)
{
    for (int i = 0; i < count; i++)
        resil_budget_deposit(&budget, now_ns);
}

#endif
