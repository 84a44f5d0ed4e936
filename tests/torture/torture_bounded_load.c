/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Threads on one pool with bounded loads, each with up to HOLD calls in flight on one stripe of its
 * own. No T that a pick can read is then above THREADS * HOLD, so no endpoint is ever above the
 * bound of that; and at rest nothing is left.
 */
#define _GNU_SOURCE
#include "hash_fixture.h"

#include <pthread.h>
#include <time.h>

#include "balancer/bounded_load.h"

#define THREADS 3
#define HOLD    24
#define HOSTS   8
#define PERCENT 125

static uint64_t stop;
static struct town *town;

struct job {
    pthread_t thread;
    uint64_t random, picks, above, lost, none;
    uint32_t stripe;
    uint32_t held[HOLD];
    uint32_t count;
};

static uint64_t real_ms(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static uint64_t most(uint32_t member)
{
    uint64_t up = (uint64_t)PERCENT * THREADS * HOLD * town->members[member].weight;
    uint64_t down = UINT64_C(100) * town->pool.weight / 256;

    return (up + down - 1) / down;
}

static void take(struct job *job)
{
    uint64_t excluded = 1000 + test_below(&job->random, HOSTS);
    struct resil_pick_context context = {
        .key = test_random(&job->random) | 1, .excluded = &excluded, .stripe_ = job->stripe};
    uint32_t candidate, member;
    bool retry = test_below(&job->random, 16) == 0;

    if (test_below(&job->random, 2) == 0)
        context.key = 77; /* everybody wants the same host */
    context.excluded_count = retry;
    candidate = town->picker->pick(&town->pool, &context);
    job->picks++;
    if (candidate == RESIL_PICK_NONE) {
        job->none++;
        return;
    }
    member = town->candidates[candidate].member;
    job->held[job->count++] = member;
    job->lost += retry && town->members[member].id == excluded;
}

static void *work(void *arg)
{
    struct job *job = arg;

    while (resil__load_acquire(&stop) == 0) {
        if (job->count < HOLD && test_below(&job->random, 8) != 0) {
            take(job);
        } else if (job->count > 0) {
            uint32_t which = (uint32_t)test_below(&job->random, job->count);

            resil__bounded_release(&town->turns, job->stripe, &town->loads[job->held[which]]);
            job->held[which] = job->held[--job->count];
        }
    }
    while (job->count > 0)
        resil__bounded_release(&town->turns, job->stripe, &town->loads[job->held[--job->count]]);
    return NULL;
}

/* Without retries: the bound is exact. */
static void *work_strictly(void *arg)
{
    struct job *job = arg;

    while (resil__load_acquire(&stop) == 0) {
        struct resil_pick_context context = {
            .key = test_random(&job->random) & 3, .random_ = job->random, .stripe_ = job->stripe};
        uint32_t member;

        if (job->count == HOLD || test_below(&job->random, 8) == 0) {
            if (job->count > 0)
                resil__bounded_release(&town->turns, job->stripe,
                                       &town->loads[job->held[--job->count]]);
            continue;
        }
        member = town_ask(town, &context);
        job->picks++;
        job->held[job->count++] = member;
        for (uint32_t i = 0; i < HOSTS; i++)
            job->above += resil__load_acquire(&town->loads[i].in_flight_) > most(i);
    }
    while (job->count > 0)
        resil__bounded_release(&town->turns, job->stripe, &town->loads[job->held[--job->count]]);
    return NULL;
}

static void torture(void *(*worker)(void *))
{
    static struct job jobs[THREADS];
    uint64_t until = real_ms() + test_torture_ms(), picks = 0, sum = 0;

    town = town_new(resil_picker_bounded_load(), HOSTS,
                    (struct resil_picker_options){.bounded_pct = PERCENT});
    for (uint32_t i = 0; i < HOSTS; i++)
        town->members[i].weight = 1 + i % 3;
    town_build(town);
    stop = 0;
    for (uint32_t i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.random = test_seed(61) + i, .stripe = i};
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, worker, &jobs[i]), 0);
    }
    while (real_ms() < until)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    resil__store_release(&stop, 1);
    for (uint32_t i = 0; i < THREADS; i++)
        (void)pthread_join(jobs[i].thread, NULL);
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal(jobs[i].above, 0);
        assert_int_equal(jobs[i].lost, 0);
        assert_int_equal(jobs[i].none, 0);
        picks += jobs[i].picks;
    }
    for (int i = 0; i < RESIL__STRIPES; i++)
        sum += town->turns.stripes[i].in_flight;
    assert_int_equal(sum, 0);
    for (uint32_t i = 0; i < HOSTS; i++)
        assert_int_equal(town->loads[i].in_flight_, 0);
    town_free(town);
    print_message("%" PRIu64 " picks\n", picks);
}

static void bounded_load_is_never_above_the_bound_of_all(void **state)
{
    (void)state;
    torture(work_strictly);
}

static void bounded_load_leaves_nothing_behind_and_takes_nobody_excluded(void **state)
{
    (void)state;
    torture(work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounded_load_is_never_above_the_bound_of_all),
        cmocka_unit_test(bounded_load_leaves_nothing_behind_and_takes_nobody_excluded),
    };

    return cmocka_run_group_tests_name("bounded_load", tests, NULL, NULL);
}
