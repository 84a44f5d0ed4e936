/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The answers of probes under every interleaving of writers, readers and those who mark an answer
 * as used: nobody ever uses one half of an answer with half of another, and a mark never falls on
 * an answer that it wasn't meant for.
 */
#include "test.h"

#include <resil/common.h>

#include "interleave.h"

#include "../../src/balancer/prequal.c"
#include "../../src/balancer/probes.c"

#define MEMBERS 4
#define NOW     UINT64_C(1000000)

typedef void body(int self);

static struct resil_load loads[MEMBERS];
static struct resil_member members[MEMBERS];
static struct resil_candidate candidates[MEMBERS];
static uint32_t candidate_of[MEMBERS];
static struct table table = {.reuse = 4 * 256};
static struct resil__probes probes;
static struct resil_pool pool;
static unsigned marked[MEMBERS];

/* Every word of an answer follows from its member. */
static struct resil__probe probe_of(uint32_t member)
{
    return (struct resil__probe){
        .id = 50 + member, .rif = 10 * member, .latency_ns = 1000 * (1 + member), .member = member};
}

static void set_up(void)
{
    memset(&probes, 0, sizeof probes);
    memset(marked, 0, sizeof marked);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        /* One id for all: what a reader is told apart by is the version alone. */
        members[i] = (struct resil_member){.load = &loads[i], .id = 50};
        candidates[i] = (struct resil_candidate){.load = &loads[i], .member = i, .weight = 256};
        candidate_of[i] = i;
    }
    pool = (struct resil_pool){
        .candidates = candidates,
        .members = members,
        .candidate_of = candidate_of,
        .count = MEMBERS,
        .member_count = MEMBERS,
        .table = &table,
        .options = {.choices = 2, .hot_pct = 84, .probe_ns = NOW},
        .probes_ = &probes,
    };
}

static void write_first(uint32_t member)
{
    struct resil__probe probe = probe_of(member);

    probe.id = 50;
    (void)write_entry(&probes, 0, resil__load_relaxed(&probes.entries[0].version), &probe,
                      NOW + member);
}

static void set_up_one(void)
{
    set_up();
    write_first(0);
}

static void write_one(int self)
{
    (void)self;
    write_first(1);
}

static void write_two(int self)
{
    (void)self;
    write_first(2);
}

/* Reads, and marks what it read. */
static void use(int self)
{
    const struct resil_pick_context context = {.now_ns = NOW};
    struct answer answer;
    uint32_t member;

    (void)self;
    if (!read_entry(&pool, &context, 0, &answer))
        return;
    member = answer.candidate;
    interleave_check(answer.latency_ns == 1000 * (1 + (uint64_t)member));
    interleave_check(answer.heard_ns == NOW + member);
    interleave_check(answer.rif - (uint32_t)answer.used == 10 * (uint64_t)member);
    marked[member]++;
    mark(&probes, &answer, false);
}

/* What the entry holds is one member's, with no more marks than were made for it. */
static void verify(void)
{
    uint64_t member = probes.entries[0].place >> 32;

    interleave_check(probes.entries[0].version % 2 == 0);
    interleave_check((probes.entries[0].place & UINT32_MAX) == 10 * member);
    interleave_check(probes.entries[0].latency_ns == 1000 * (1 + member));
    interleave_check(probes.entries[0].heard_ns == NOW + member);
    interleave_check((uint32_t)probes.entries[0].used <= marked[member]);
}

static void an_answer_is_never_torn(void **state)
{
    struct scenario one = {__func__, 3,          (body *const[]){write_one, use, use},
                           0,        set_up_one, verify};
    struct scenario two = {__func__, 3,          (body *const[]){write_one, write_two, use},
                           0,        set_up_one, verify};

    (void)state;
    interleave_explore(&one);
    interleave_explore(&two);
    interleave_finds(&one, (struct fault){"read_entry", &probes.entries[0].version, FAULT_STALE});
    interleave_finds(&one, (struct fault){"mark", &probes.entries[0].used, FAULT_BLIND});
    interleave_finds(&two, (struct fault){"write_entry", &probes.entries[0].version, FAULT_BLIND});
    interleave_finds(&one, (struct fault){"write_entry", &probes.entries[0].used, FAULT_LOST});
}

static uint64_t asked[2];

static void set_up_picks(void)
{
    set_up();
    probes.picks = 5;
    asked[0] = asked[1] = 0;
}

static void want(int self)
{
    asked[self] += resil__probes_want(&probes, 3);
}

static void pick_once(int self)
{
    (void)self;
    (void)resil__add_relaxed(&probes.picks, 1);
}

static void verify_picks(void)
{
    interleave_check(asked[0] + asked[1] == probes.asked);
    interleave_check(probes.asked <= probes.picks);
    interleave_check(probes.asked >= 3);
}

static void a_probe_is_asked_for_once(void **state)
{
    struct scenario is = {__func__,     3,           (body *const[]){want, want, pick_once}, 0,
                          set_up_picks, verify_picks};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"resil__probes_want", &probes.asked, FAULT_BLIND});
}

/* Answers of two endpoints that come in at once: both want the first free entry. */
static void answer_own(int self)
{
    struct resil__probe probe = probe_of((uint32_t)self);

    resil__probes_add(&probes, &probe, NOW, 84);
}

static void verify_both(void)
{
    uint64_t found = 0;

    for (uint32_t i = 0; i < RESIL__PROBES; i++) {
        interleave_check(probes.entries[i].version % 2 == 0);
        if (probes.entries[i].version != 0)
            found += probes.entries[i].id;
    }
    interleave_check(found == 50 + 51);
}

static void two_answers_find_places_of_their_own(void **state)
{
    struct scenario is = {__func__, 2,      (body *const[]){answer_own, answer_own},
                          3,        set_up, verify_both};

    (void)state;
    interleave_explore(&is);
    interleave_finds(&is, (struct fault){"write_entry", &probes.entries[0].version, FAULT_BLIND});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_never_torn),
        cmocka_unit_test(a_probe_is_asked_for_once),
        cmocka_unit_test(two_answers_find_places_of_their_own),
    };

    return cmocka_run_group_tests_name("prequal_interleavings", tests, NULL, NULL);
}
