/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Threads on what pickers share: turns are handed out once each, an answer of a probe is never used
 * torn (real threads hardly ever meet in it: the interleavings of model/ are what finds a fault),
 * the moving latency never leaves the range of its samples.
 */
#define _GNU_SOURCE
#include "test.h"

#include <pthread.h>
#include <time.h>

#include <resil/picker.h>

#include "balancer/ewma.h"
#include "balancer/pool.h"
#include "balancer/prequal.h"
#include "base/atomic.h"

#define THREADS 3
#define MEMBERS 200
#define ROUND   (3 * MEMBERS) /* weights are 1 to 5 */
#define MS      UINT64_C(1000000)

static struct resil_load loads[MEMBERS];
static struct resil_member members[MEMBERS];
static struct resil_candidate candidates[MEMBERS];
static uint32_t candidate_of[MEMBERS];
static struct resil__turns turns;
static struct resil__probes probes;
static uint64_t table[16384];
static struct resil_pool pool;
static uint64_t stop, clock_ns, word;

struct job {
    pthread_t thread;
    uint64_t random;
    uint64_t picks;
    uint64_t asked;
    uint64_t faults;
    uint64_t counts[MEMBERS];
};

static uint64_t real_ms(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static void set_up(const struct resil_picker *picker)
{
    memset(&turns, 0, sizeof turns);
    resil__probes_init(&probes);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        members[i] = (struct resil_member){.load = &loads[i], .id = 7000 + i, .weight = 1 + i % 5};
        candidates[i] = (struct resil_candidate){
            .load = &loads[i], .member = i, .weight = 256 * members[i].weight};
        candidate_of[i] = i;
    }
    pool = (struct resil_pool){
        .candidates = candidates,
        .members = members,
        .candidate_of = candidate_of,
        .count = MEMBERS,
        .member_count = MEMBERS,
        .weight = 256 * ROUND,
        .options = {.choices = 2,
                    .decay_ns = 100 * MS,
                    .first_ns = 30 * MS,
                    .hot_pct = 100,
                    .probe_ns = 1000 * MS},
        .turns_ = &turns,
        .probes_ = &probes,
    };
    if (picker->build != NULL) {
        assert_true(picker->table_size(&pool) <= sizeof table);
        picker->build(&pool, table);
        pool.table = table;
    }
    stop = 0;
    clock_ns = 1000000 * MS;
}

static void run(struct job *jobs, void *(*body)(void *))
{
    uint64_t end_ms = real_ms() + test_torture_ms() / 3;

    memset(jobs, 0, THREADS * sizeof *jobs);
    for (uint64_t i = 0; i < THREADS; i++) {
        jobs[i].random = 77 + i;
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, body, &jobs[i]), 0);
    }
    while (real_ms() < end_ms) {
        struct timespec nap = {.tv_nsec = 1000000};

        (void)nanosleep(&nap, NULL);
    }
    resil__store_release(&stop, 1);
    for (uint64_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(jobs[i].thread, NULL), 0);
}

static void *take_turns(void *arg)
{
    struct job *job = arg;
    struct resil_pick_context context = {.random_ = job->random};

    while (!resil__load_acquire(&stop)) {
        job->counts[resil_picker_smooth_weighted()->pick(&pool, &context)]++;
        job->picks++;
    }
    return NULL;
}

/* Together the threads walk through the round once and again, whoever takes which turn. */
static void turns_are_handed_out_once_each(void **state)
{
    static struct job jobs[THREADS];
    uint64_t counts[MEMBERS] = {0};
    uint64_t picks = 0;
    uint64_t rounds;

    (void)state;
    set_up(resil_picker_smooth_weighted());
    run(jobs, take_turns);
    for (uint64_t i = 0; i < THREADS; i++) {
        picks += jobs[i].picks;
        for (uint32_t j = 0; j < MEMBERS; j++)
            counts[j] += jobs[i].counts[j];
    }
    assert_true(picks > ROUND);
    rounds = picks / ROUND;
    for (uint32_t j = 0; j < MEMBERS; j++)
        assert_in_range(counts[j], rounds * members[j].weight, (rounds + 1) * members[j].weight);
}

/* Most members are fast and some are slow, and nearly every answer takes the entry of another
   member: by latency alone a slow one is picked only on a torn answer, its place with a fast one's
   latency. */
#define FAST (MEMBERS * 7 / 8)

static uint64_t latency_of(uint32_t member, uint64_t random)
{
    return member < FAST ? 1 + random % 1000 : MS * 1000;
}

static void *probe_and_pick(void *arg)
{
    struct job *job = arg;
    struct resil_pick_context context = {.random_ = job->random};

    while (!resil__load_acquire(&stop)) {
        for (int i = 0; i < 3; i++) {
            uint32_t target = (uint32_t)test_below(&job->random, MEMBERS);
            const struct resil__probe probe = {.id = members[target].id,
                                               .rif = target,
                                               .latency_ns =
                                                   latency_of(target, test_random(&job->random)),
                                               .member = target};

            context.now_ns = resil__add(&clock_ns, 1000);
            resil__probes_add(&probes, &probe, context.now_ns, 100);
        }
        for (int i = 0; i < 3; i++) {
            job->faults += resil_picker_prequal()->pick(&pool, &context) >= FAST;
            job->picks++;
        }
        job->asked += resil__probes_want(&probes, 5);
    }
    return NULL;
}

/* Nor at rest: what an entry holds is all of one member's. */
static void answers_are_never_torn(void **state)
{
    static struct job jobs[THREADS];
    uint64_t picks = 0;
    uint64_t asked = 0;

    (void)state;
    set_up(resil_picker_prequal());
    table[0] = UINT64_C(1) << 40; /* nobody's budget is ever spent */
    for (uint32_t i = 0; i < 8; i++) {
        const struct resil__probe probe = {.id = members[i].id, .latency_ns = 1, .member = i};

        resil__probes_add(&probes, &probe, clock_ns, 100);
    }
    run(jobs, probe_and_pick);
    for (uint64_t i = 0; i < THREADS; i++) {
        assert_int_equal(jobs[i].faults, 0);
        picks += jobs[i].picks;
        asked += jobs[i].asked;
    }
    assert_int_equal(probes.picks, picks);
    assert_true(asked <= picks);
    assert_true(asked > 0);
    for (uint32_t i = 0; i < RESIL__PROBES; i++) {
        uint64_t target = probes.entries[i].place >> 32;

        assert_int_equal(probes.entries[i].version % 2, 0);
        if (probes.entries[i].version == 0)
            continue;
        assert_int_equal(probes.entries[i].id, members[target].id);
        assert_int_equal(probes.entries[i].place & UINT32_MAX, target);
        assert_int_equal(probes.entries[i].latency_ns > 1000, target >= FAST);
    }
}

static void *observe(void *arg)
{
    struct job *job = arg;

    while (!resil__load_acquire(&stop)) {
        uint64_t now_ns = resil__add(&clock_ns, test_below(&job->random, 100000));
        uint64_t read_ns;

        resil__ewma_observe(&word, MS + test_below(&job->random, MS), now_ns, 100 * MS);
        read_ns = resil__ewma_read(resil__load_relaxed(&word), now_ns, 100 * MS, 0);
        /* Others may have moved the clock on, so that it has faded; and 1 in 2^25 is rounded. */
        job->faults += read_ns > 2 * MS || (resil__load_relaxed(&word) >> 32) == 0;
        job->picks++;
    }
    return NULL;
}

static void the_latency_stays_among_its_samples(void **state)
{
    static struct job jobs[THREADS];
    uint64_t read_ns;

    (void)state;
    set_up(resil_picker_random());
    word = 0;
    run(jobs, observe);
    for (uint64_t i = 0; i < THREADS; i++)
        assert_int_equal(jobs[i].faults, 0);
    resil__ewma_observe(&word, MS, clock_ns, 100 * MS);
    read_ns = resil__ewma_read(word, clock_ns, 100 * MS, 0);
    assert_in_range(read_ns, MS - 1, 2 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_are_handed_out_once_each),
        cmocka_unit_test(answers_are_never_torn),
        cmocka_unit_test(the_latency_stays_among_its_samples),
    };

    return cmocka_run_group_tests_name("pickers", tests, NULL, NULL);
}
