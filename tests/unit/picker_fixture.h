/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PICKER_FIXTURE_H
#define RESIL_PICKER_FIXTURE_H

/* A pool built by hand from weights, and what tells a fair picker from a biased one. */

#include "test.h"

#include <resil/picker.h>

#include "balancer/pool.h"
#include "balancer/prequal.h"

struct fixture {
    const struct resil_picker *picker;
    struct resil_pool pool;
    struct resil_pick_context context;
    struct resil_load *loads;
    struct resil_member *members;
    struct resil_candidate *candidates;
    uint32_t *candidate_of;
    void *table;
    size_t table_size;
    struct resil__turns turns;
    struct resil__probes probes;
};

#define FIXTURE_GUARD 64u

/** Builds the table in memory of just the size that the picker asked for. */
static inline void fixture_build(struct fixture *f)
{
    unsigned char *guard;

    free(f->table);
    f->table = NULL;
    f->pool.table = NULL;
    f->pool.weight = 0;
    for (uint32_t i = 0; i < f->pool.count; i++)
        f->pool.weight += f->candidates[i].weight;
    if (f->picker->table_size == NULL)
        return;
    f->table_size = f->picker->table_size(&f->pool);
    f->table = aligned_alloc(64, (f->table_size + 63) / 64 * 64 + FIXTURE_GUARD);
    assert_non_null(f->table);
    guard = (unsigned char *)f->table + f->table_size;
    memset(guard, 0xa5, FIXTURE_GUARD);
    f->picker->build(&f->pool, f->table);
    for (uint32_t i = 0; i < FIXTURE_GUARD; i++)
        assert_int_equal(guard[i], 0xa5);
    f->pool.table = f->table;
}

/** n members, all of them candidates, with these weights (NULL = 1 each); ids are 100 + index. */
static inline struct fixture *fixture_new(const struct resil_picker *picker,
                                          const uint32_t *weights, uint32_t n)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->picker = picker;
    f->loads = calloc(n, sizeof *f->loads);
    f->members = calloc(n, sizeof *f->members);
    f->candidates = calloc(n, sizeof *f->candidates);
    f->candidate_of = calloc(n, sizeof *f->candidate_of);
    assert_non_null(f->loads);
    assert_non_null(f->members);
    assert_non_null(f->candidates);
    assert_non_null(f->candidate_of);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t weight = weights != NULL ? weights[i] : 1;

        f->members[i] = (struct resil_member){
            .load = &f->loads[i], .address = "x", .id = 100 + i, .weight = weight, .place_ = i};
        f->candidates[i] =
            (struct resil_candidate){.load = &f->loads[i], .member = i, .weight = weight * 256};
        f->candidate_of[i] = i;
    }
    f->pool = (struct resil_pool){
        .candidates = f->candidates,
        .members = f->members,
        .candidate_of = f->candidate_of,
        .count = n,
        .member_count = n,
        .options = {.choices = 2,
                    .decay_ns = UINT64_C(10000000000),
                    .first_ns = UINT64_C(30000000),
                    .hot_pct = 84,
                    .probe_ns = UINT64_C(1000000000)},
        .turns_ = &f->turns,
        .probes_ = &f->probes,
    };
    f->context = (struct resil_pick_context){.now_ns = UINT64_C(1000000000000), .random_ = 42};
    fixture_build(f);
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    free(f->loads);
    free(f->members);
    free(f->candidates);
    free(f->candidate_of);
    free(f->table);
    free(f);
}

/** Takes a candidate out of the pool: the last one takes its place. The table is built again. */
static inline void fixture_drop(struct fixture *f, uint32_t candidate)
{
    f->candidate_of[f->candidates[candidate].member] = RESIL_PICK_NONE;
    f->candidates[candidate] = f->candidates[--f->pool.count];
    if (candidate < f->pool.count)
        f->candidate_of[f->candidates[candidate].member] = candidate;
    fixture_build(f);
}

static inline uint32_t fixture_pick(struct fixture *f)
{
    uint32_t picked = f->picker->pick(&f->pool, &f->context);

    assert_true(picked < f->pool.count || picked == RESIL_PICK_NONE);
    return picked;
}

static inline double root_of(double x)
{
    double root = x > 1 ? x : 1;

    for (int i = 0; i < 100; i++)
        root = (root + x / root) / 2;
    return root;
}

/** Chi-square of counts against shares (any scale). */
static inline double chi_square(const uint64_t *counts, const uint64_t *shares, uint32_t n)
{
    double total = 0;
    double whole = 0;
    double sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        total += (double)counts[i];
        whole += (double)shares[i];
    }
    for (uint32_t i = 0; i < n; i++) {
        double expected = total * (double)shares[i] / whole;
        double off = (double)counts[i] - expected;

        if (shares[i] == 0)
            assert_int_equal(counts[i], 0);
        else
            sum += off * off / expected;
    }
    return sum;
}

/** The chi-square that one fair run in a million exceeds (Wilson and Hilferty's approximation). */
static inline double chi_limit(uint32_t freedom)
{
    double k = freedom;
    double cube = 1 - 2 / (9 * k) + 4.7534 * root_of(2 / (9 * k));

    return k * cube * cube * cube;
}

#endif
