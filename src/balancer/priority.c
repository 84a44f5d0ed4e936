/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/priority.h"

#include "base/math.h"

uint32_t resil__level_health(const struct resil__priority_rules *rules,
                             const struct resil__level *level)
{
    if (level->total == 0)
        return 0;
    return (uint32_t)resil__min(100, rules->overprovision_pct * level->healthy / level->total);
}

/* What counts of a level's health. */
static uint64_t health_of(const struct resil__priority_rules *rules,
                          const struct resil__level *level, bool hold)
{
    return resil__sub_sat(resil__level_health(rules, level), hold ? level->held_pct : 0);
}

static uint64_t sum_health(const struct resil__level *levels, size_t n,
                           const struct resil__priority_rules *rules, bool hold)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum = resil__min(100, sum + health_of(rules, &levels[i], hold));
    return sum;
}

static bool panics(const struct resil__priority_rules *rules, const struct resil__level *level)
{
    return rules->panic_pct != 0 &&
           (level->total == 0 || level->healthy * 100 < rules->panic_pct * level->total);
}

/* Gives load where health is, and the rest that rounding leaves to the first of these. */
static void load_by_health(const struct resil__level *levels, size_t n,
                           const struct resil__priority_rules *rules, struct resil__level_load *out,
                           uint64_t sum, bool hold)
{
    uint64_t left = 100;
    size_t first = n;

    for (size_t i = 0; i < n; i++) {
        uint64_t health = health_of(rules, &levels[i], hold);
        uint64_t load = resil__min(left, health * 100 / sum);

        if (health > 0 && first == n)
            first = i;
        out[i].load_pct = (uint32_t)load;
        left -= load;
    }
    if (first < n)
        out[first].load_pct += (uint32_t)left;
}

static void load_by_total(const struct resil__level *levels, size_t n,
                          struct resil__level_load *out)
{
    uint64_t total = 0;
    uint64_t left = 100;
    size_t first = n;

    for (size_t i = 0; i < n; i++)
        total += levels[i].total;
    for (size_t i = 0; i < n && total > 0; i++) {
        if (levels[i].total > 0 && first == n)
            first = i;
        out[i].load_pct = (uint32_t)(levels[i].total * 100 / total);
        left -= out[i].load_pct;
    }
    if (first < n)
        out[first].load_pct += (uint32_t)left;
}

/* Panic is off, and all health rounds to 0: somebody has to be named. */
static void load_one(const struct resil__level *levels, size_t n, struct resil__level_load *out)
{
    size_t named = n;

    for (size_t i = n; i-- > 0;)
        if (levels[i].total > 0)
            named = i;
    for (size_t i = n; i-- > 0;)
        if (levels[i].healthy > 0)
            named = i;
    if (named < n)
        out[named].load_pct = 100;
}

void resil__priority_loads(const struct resil__level *levels, size_t n,
                           const struct resil__priority_rules *rules, struct resil__level_load *out)
{
    uint64_t sum = sum_health(levels, n, rules, true);
    bool hold = sum == 100;
    bool all_panic = true;

    /* Nobody waits while the others can't carry everything. */
    if (!hold)
        sum = sum_health(levels, n, rules, false);
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct resil__level_load){.panic = sum < 100 && panics(rules, &levels[i])};
        all_panic = all_panic && out[i].panic;
    }
    if (all_panic)
        load_by_total(levels, n, out);
    else if (sum > 0)
        load_by_health(levels, n, rules, out, sum, hold);
    else
        load_one(levels, n, out);
    for (size_t i = 0; i < n; i++)
        out[i].refuse =
            levels[i].total == 0 || (out[i].panic ? rules->fail_on_panic : levels[i].healthy == 0);
}
