/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_TEST_OUTLIER_FIXTURE_H
#define RESIL_TEST_OUTLIER_FIXTURE_H

/* Rules and a few hosts. */

#include "test.h"

#include "balancer/outlier.h"

#define HOSTS 10

static struct resil__outlier_rules rules;
static struct resil__outlier_stat stats[HOSTS];
static uint8_t verdict[HOSTS];

static inline void use(const struct resil_outlier_config *config)
{
    assert_int_equal(resil_outlier_config_check(config, NULL, 0), RESIL_OK);
    rules = resil__outlier_rules(config);
}

/* The config with all rules off: a test switches on its own. */
static inline struct resil_outlier_config quiet(void)
{
    return (struct resil_outlier_config){
        .consecutive = RESIL_OFF,
        .consecutive_local = RESIL_OFF,
        .success_rate_factor_pct = RESIL_OFF,
        .failure_pct = RESIL_OFF,
    };
}

static inline void all(uint32_t total, uint32_t bad, uint64_t mean_ns)
{
    for (size_t i = 0; i < HOSTS; i++)
        stats[i] = (struct resil__outlier_stat){
            .total = total, .bad = bad, .latency_ns = mean_ns * total, .counts = true};
}

/* By value, for qsort. */
static inline int rank(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

#endif
