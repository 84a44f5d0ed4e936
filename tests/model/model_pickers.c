/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * All pickers side by side over one pool, whose weights, loads, members and exclusions change at
 * random. Who is picked has to be a candidate that isn't excluded, and somebody as long as there is
 * one. Round robin and smooth weighted are played host by host. The least loaded of two is never
 * the most loaded of all. A key keeps its host until that is gone, whoever else goes, and has it
 * again when it is back. (Bounded load and the tables of the others: model_bounded_load, and
 * unit/test_hash_tables.)
 */
#include "shrink.h"

#include <resil/picker.h>

#include "balancer/pool.h"
#include "balancer/prequal.h"

#define OPERATIONS MODEL_OPERATIONS(1000000, 100000)

#define HOSTS   8
#define PICKERS 11
#define KEYS    16
#define TABLE   65536 /* bytes; checked */

static struct bench {
    uint64_t random, seed, operation;
    struct resil_load loads[HOSTS];
    struct resil_member members[HOSTS];
    struct resil_candidate candidates[HOSTS];
    uint32_t candidate_of[HOSTS];
    bool gone[HOSTS];
    struct resil__turns turns[PICKERS];
    struct resil__probes probes;
    struct resil_pool pools[PICKERS];
    int64_t credits[HOSTS];        /* of smooth weighted, by candidate */
    uint32_t homes[PICKERS][KEYS]; /* the member that had a key when all were there */
    bool known[PICKERS][KEYS];
} bench;

static _Alignas(64) unsigned char tables[PICKERS][TABLE];
static char addresses[HOSTS][8];

/* The control: a round that goes the other way. */
static bool backwards;

static const struct resil_picker *picker(unsigned number)
{
    const struct resil_picker *all[PICKERS] = {
        resil_picker_round_robin(),    resil_picker_smooth_weighted(),
        resil_picker_random(),         resil_picker_weighted_random(),
        resil_picker_least_requests(), resil_picker_weighted_least_requests(),
        resil_picker_peak_ewma(),      resil_picker_prequal(),
        resil_picker_ring_hash(),      resil_picker_maglev(),
        resil_picker_rendezvous(),
    };

    return all[number];
}

/* Candidates anew, and tables over them; those over members only with a new list. */
static void build(bool list)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < HOSTS; i++) {
        bench.candidate_of[i] = bench.gone[i] ? RESIL_PICK_NONE : count;
        if (!bench.gone[i])
            bench.candidates[count++] = (struct resil_candidate){
                .load = &bench.loads[i], .member = i, .weight = bench.members[i].weight * 256};
        bench.credits[i] = 0;
    }
    for (unsigned p = 0; p < PICKERS; p++) {
        struct resil_pool *pool = &bench.pools[p];

        pool->count = count;
        pool->weight = 0;
        bench.turns[p].stripes[0].turn = 0;
        for (uint32_t i = 0; i < count; i++)
            pool->weight += bench.candidates[i].weight;
        if (picker(p)->table_size == NULL ||
            (!list && (picker(p)->flags & RESIL_PICKER_MEMBERS) != 0))
            continue;
        assert_true(picker(p)->table_size(pool) <= TABLE);
        pool->table = NULL;
        picker(p)->build(pool, tables[p]);
        pool->table = tables[p];
    }
}

static void renew(void)
{
    memset(bench.known, 0, sizeof bench.known);
    for (uint32_t i = 0; i < HOSTS; i++) {
        bench.gone[i] = false;
        bench.members[i].weight = 1 + (uint32_t)test_below(&bench.random, 9);
    }
    build(true);
}

static void begin(void)
{
    uint64_t random = bench.random;

    memset(&bench, 0, sizeof bench);
    bench.random = random;
    for (uint32_t i = 0; i < HOSTS; i++) {
        (void)snprintf(addresses[i], sizeof addresses[i], "h%u", (unsigned)i);
        bench.members[i] = (struct resil_member){.load = &bench.loads[i],
                                                 .address = addresses[i],
                                                 .id = 100 + i,
                                                 .hash = test_random(&bench.random),
                                                 .place_ = i};
    }
    for (unsigned p = 0; p < PICKERS; p++)
        bench.pools[p] = (struct resil_pool){.candidates = bench.candidates,
                                             .members = bench.members,
                                             .candidate_of = bench.candidate_of,
                                             .member_count = HOSTS,
                                             .options = {.choices = 2,
                                                         .decay_ns = RESIL_SEC(10),
                                                         .first_ns = RESIL_MS(30),
                                                         .ring_min = 1024,
                                                         .ring_max = 2048,
                                                         .maglev_size = 1021,
                                                         .hot_pct = 84,
                                                         .probe_ns = RESIL_SEC(1)},
                                             .turns_ = &bench.turns[p],
                                             .probes_ = &bench.probes};
    renew();
}

static bool is_allowed(const struct resil_pick_context *context, uint32_t candidate)
{
    for (size_t i = 0; i < context->excluded_count; i++)
        if (context->excluded[i] == 100 + bench.candidates[candidate].member)
            return false;
    return true;
}

static void check_round(const struct resil_pick_context *context, uint64_t turn, uint32_t picked)
{
    uint32_t count = bench.pools[0].count;
    uint32_t says = (uint32_t)(turn % count);

    while (!is_allowed(context, says))
        says = (says + (backwards ? count - 1 : 1)) % count;
    MODEL_CHECK(&bench, picked == says);
}

/* Without exclusions, which give turns away. */
static void check_smooth(uint32_t picked)
{
    uint32_t count = bench.pools[1].count, best = 0;

    for (uint32_t i = 0; i < count; i++) {
        bench.credits[i] += bench.candidates[i].weight;
        if (bench.credits[i] > bench.credits[best])
            best = i;
    }
    bench.credits[best] -= (int64_t)bench.pools[1].weight;
    MODEL_CHECK(&bench, picked == best);
}

static uint64_t load_of(uint32_t candidate)
{
    return bench.candidates[candidate].load->in_flight_;
}

static void check_least(uint32_t picked)
{
    bool others = bench.pools[4].count > 1;

    for (uint32_t i = 0; i < bench.pools[4].count; i++)
        others = others && (i == picked || load_of(i) < load_of(picked));
    MODEL_CHECK(&bench, !others);
}

static void check_key(unsigned p, uint64_t key, uint32_t member)
{
    bool whole = bench.pools[p].count == HOSTS;

    if (whole && !bench.known[p][key]) {
        bench.known[p][key] = true;
        bench.homes[p][key] = member;
    }
    if (bench.known[p][key] && !bench.gone[bench.homes[p][key]])
        MODEL_CHECK(&bench, member == bench.homes[p][key]);
}

static void pick(void)
{
    uint64_t excluded[HOSTS], key = test_below(&bench.random, KEYS);
    unsigned p = (unsigned)test_below(&bench.random, PICKERS);
    struct resil_pick_context context = {.key = model_start(7, key),
                                         .now_ns = RESIL_SEC(1000),
                                         .excluded = excluded,
                                         .random_ = test_random(&bench.random) | 1};
    uint64_t turn = bench.turns[p].stripes[0].turn;
    bool left = false;
    uint32_t picked;

    if (p != 1 && (picker(p)->flags & RESIL_PICKER_EXCLUDES) != 0 &&
        test_below(&bench.random, 3) == 0)
        for (uint64_t n = test_below(&bench.random, HOSTS + 1); n > 0; n--)
            excluded[context.excluded_count++] = 100 + test_below(&bench.random, HOSTS);
    for (uint32_t i = 0; i < bench.pools[p].count; i++)
        left = left || is_allowed(&context, i);
    picked = picker(p)->pick(&bench.pools[p], &context);
    MODEL_CHECK(&bench, (picked != RESIL_PICK_NONE) == left);
    if (!left)
        return;
    MODEL_CHECK(&bench, picked < bench.pools[p].count && is_allowed(&context, picked));
    if (p == 0)
        check_round(&context, turn, picked);
    if (p == 1)
        check_smooth(picked);
    if (p == 4 && context.excluded_count == 0)
        check_least(picked);
    if ((picker(p)->flags & RESIL_PICKER_KEYED) != 0 && context.excluded_count == 0)
        check_key(p, key, bench.candidates[picked].member);
}

static void step(void)
{
    uint32_t host = (uint32_t)test_below(&bench.random, HOSTS);
    uint32_t there = 0;

    switch (test_below(&bench.random, 64)) {
    case 0:
        if (test_below(&bench.random, 50) == 0)
            renew();
        break;
    case 1:
        for (uint32_t i = 0; i < HOSTS; i++)
            there += !bench.gone[i];
        if (bench.gone[host] || there > 1) {
            bench.gone[host] = !bench.gone[host];
            build(false);
        }
        break;
    case 2:
    case 3:
    case 4:
    case 5:
        bench.loads[host].in_flight_ = test_below(&bench.random, 20);
        break;
    default:
        pick();
    }
}

static const struct model_subject model = {begin, step, &bench.random};

static void pickers_agree_with_what_they_promise(void **state)
{
    (void)state;
    model_run(&model, test_seed(11), OPERATIONS);
}

static void a_round_the_other_way_is_found(void **state)
{
    (void)state;
    backwards = true;
    model_finds(&model, 11, OPERATIONS, 2, "a round that goes the other way");
    backwards = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pickers_agree_with_what_they_promise),
        cmocka_unit_test(a_round_the_other_way_is_found),
    };

    return cmocka_run_group_tests_name("pickers model", tests, NULL, NULL);
}
