/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Threads on one breaker and one clock: never more probes out than configured, every result is
 * taken once, the generation never falls, each transition is told exactly once, and the window is
 * exact when all is quiet. With STRIPES: the same of a striped one, whose threads
 * change processors all the time; and how late it trips at most.
 */
#define _GNU_SOURCE
#include "test.h"

#include <resil/breaker.h>

#include <ck_barrier.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "base/atomic.h"

#define THREADS 4
#define PROBES  3

/* A call takes 25 us of clock_ns: fast machines must not get behind the window that is exact at rest. */
#define CLOCK_END RESIL_SEC(3000)

#ifdef STRIPES
__thread int32_t test_cpu;
__thread uint32_t test_cpu_asked;
static RESIL_STRIPED_BREAKER(STRIPES) striped;
#define breaker (striped.breaker)
#else
static struct resil_breaker breaker;
#endif
static uint64_t clock_ns;
static uint64_t stop;
static bool drops;
static uint64_t probes_out, probes_worst;
static uint64_t told_opened, told_closed, told_half_open;
static uint64_t told_numbers; /* the sum of the generations that were told */
static uint64_t reported, late;
static ck_barrier_centralized_t barrier = CK_BARRIER_CENTRALIZED_INITIALIZER;

static void make(const struct resil_breaker_config *config)
{
#ifdef STRIPES
    assert_int_equal(resil_breaker_init_striped(&breaker, sizeof striped, config, STRIPES),
                     RESIL_OK);
#else
    assert_int_equal(resil_breaker_init(&breaker, config), RESIL_OK);
#endif
}

/* On to another processor, or none. */
static void move(uint64_t *random)
{
#ifdef STRIPES
    test_cpu = (int32_t)test_below(random, STRIPES + 1) - 1;
    test_cpu_asked = (uint32_t)test_below(random, STRIPES);
#else
    (void)random;
#endif
}

static uint64_t real_ms(void)
{
    struct timespec at;

    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000 + (uint64_t)at.tv_nsec / 1000000;
}

static void tell(const struct resil_permit *permit)
{
    struct resil_breaker_event event;

    if (!resil_permit_event(permit, &event))
        return;
    (void)resil__add(&told_numbers, event.generation);
    if (event.to == RESIL_BREAKER_OPEN)
        (void)resil__add(&told_opened, 1);
    else if (event.to == RESIL_BREAKER_CLOSED)
        (void)resil__add(&told_closed, 1);
    else if (event.to == RESIL_BREAKER_HALF_OPEN)
        (void)resil__add(&told_half_open, 1);
}

struct job {
    pthread_t thread;
    uint64_t random;
    uint64_t good_pct;
    uint64_t calls;
    bool manager;
    bool drops; /* some probes never report */
};

static void one_call(struct job *job)
{
    struct resil_result result = {.outcome = RESIL_SUCCESS};
    uint64_t now = resil__add(&clock_ns, test_below(&job->random, RESIL_US(50)));
    struct resil_permit permit;
    uint64_t draw = test_below(&job->random, 100);
    bool probe;
    int rc;

    if (resil_breaker_acquire(&breaker, now, &permit) != RESIL_OK)
        return;
    tell(&permit);
    probe = (permit.token_ & 2) != 0;
    if (probe) {
        uint64_t out = resil__add(&probes_out, 1) + 1;
        uint64_t worst = resil__load_acquire(&probes_worst);

        while (out > worst && !resil__cas(&probes_worst, &worst, out))
            continue;
        if (test_below(&job->random, 64) == 0)
            (void)sched_yield();
    }
    if (probe && job->drops) {
        (void)resil__sub(&probes_out, 1);
        if (draw % 3 == 0)
            return;
        (void)resil__add(&probes_out, 1);
    }
    if (draw >= job->good_pct)
        result.outcome = (enum resil_outcome)(RESIL_FAILURE + draw % 9);
    now = resil__load_acquire(&clock_ns);
    if (probe)
        (void)resil__sub(&probes_out, 1);
    move(&job->random);
    rc = resil_breaker_record(&breaker, &permit, now, &result);
    tell(&permit);
    (void)resil__add(rc == RESIL_ELATE ? &late : &reported, 1);
    if (rc != RESIL_OK && rc != RESIL_ELATE)
        (void)resil__add(&probes_worst, 1000);
    job->calls++;
}

static void *work(void *arg)
{
    struct job *job = arg;
    ck_barrier_centralized_state_t local = CK_BARRIER_CENTRALIZED_STATE_INITIALIZER;
    struct resil_breaker_config config = {.probes = PROBES,
                                          .open_ns = RESIL_US(20),
                                          .probe_gap_ns = RESIL_OFF,
                                          .probe_lease_ns = RESIL_SEC(3600),
                                          .consecutive = 3};

    ck_barrier_centralized(&barrier, &local, THREADS);
    while (resil__load_acquire(&stop) == 0 && resil__load_acquire(&clock_ns) < CLOCK_END) {
        for (int i = 0; i < 100; i++)
            one_call(job);
        if (job->manager) {
            config.calls_min = 1 + test_below(&job->random, 20);
            (void)resil_breaker_reconfigure(&breaker, &config, NULL, 0);
        }
    }
    return NULL;
}

static void torture(struct resil_breaker_config config, uint64_t good_pct, bool manager)
{
    static struct job jobs[THREADS];
    uint64_t until = real_ms() + test_torture_ms();
    struct resil_breaker_snapshot is;
    uint32_t generation = 0;

    make(&config);
    clock_ns = RESIL_SEC(100);
    stop = probes_out = probes_worst = told_opened = told_closed = told_half_open = 0;
    reported = late = told_numbers = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){
            .random = i + 1, .good_pct = good_pct, .manager = manager && i == 0, .drops = drops};
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, work, &jobs[i]), 0);
    }
    do {
        assert_int_equal(resil_breaker_snapshot(&breaker, resil__load_acquire(&clock_ns), &is),
                         RESIL_OK);
        assert_true(is.generation >= generation);
        generation = is.generation;
        assert_true(is.probes_in_flight + is.probes_succeeded + is.probes_failed <= PROBES);
    } while (real_ms() < until);
    resil__store_release(&stop, 1);
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(jobs[i].thread, NULL);

    assert_int_equal(resil_breaker_snapshot(&breaker, clock_ns, &is), RESIL_OK);
    if (!drops)
        assert_true(probes_worst <= PROBES);
    assert_true(probes_worst < 1000);
    assert_int_equal(told_opened, is.opened_total);
    assert_int_equal(told_closed, is.closed_total);
    assert_int_equal(late, is.late_total);
    if (!manager) {
        uint64_t last = is.generation;

        assert_int_equal(1 + told_opened + told_closed + told_half_open, last);
        assert_int_equal(1 + told_numbers, last * (last + 1) / 2); /* each number once */
    }
    if (!drops && is.state != RESIL_BREAKER_HALF_OPEN)
        assert_int_equal(is.probes_in_flight, 0);
    print_message("%" PRIu64 " results, %" PRIu64 " late, %" PRIu64 " opened, %" PRIu64
                  " closed, most probes out %" PRIu64 "\n",
                  reported, late, told_opened, told_closed, probes_worst);
}

static void probes_and_transitions_are_exact(void **state)
{
    (void)state;
    torture((struct resil_breaker_config){.probes = PROBES,
                                          .open_ns = RESIL_US(20),
                                          .probe_gap_ns = RESIL_OFF,
                                          .probe_lease_ns = RESIL_SEC(3600),
                                          .consecutive = 3},
            60, false);
}

#ifndef STRIPES
static void last_n_windows_are_exact_too(void **state)
{
    (void)state;
    torture((struct resil_breaker_config){.probes = PROBES,
                                          .calls = 20,
                                          .open_ns = RESIL_US(20),
                                          .probe_gap_ns = RESIL_OFF,
                                          .probe_lease_ns = RESIL_SEC(3600)},
            60, false);
}
#endif

static void reconfiguring_meanwhile_breaks_nothing(void **state)
{
    (void)state;
    torture((struct resil_breaker_config){.probes = PROBES,
                                          .open_ns = RESIL_US(20),
                                          .probe_gap_ns = RESIL_OFF,
                                          .probe_lease_ns = RESIL_SEC(3600),
                                          .consecutive = 3},
            60, true);
}

static void a_ramp_and_slow_calls_break_nothing(void **state)
{
    (void)state;
    torture((struct resil_breaker_config){.window_ns = RESIL_MS(100),
                                          .probes = PROBES,
                                          .failure_pct = 15,
                                          .slow_ns = RESIL_US(60),
                                          .slow_pct = 30,
                                          .ramp_ns = RESIL_MS(1),
                                          .open_ns = RESIL_US(20),
                                          .probe_gap_ns = 1,
                                          .probe_lease_ns = RESIL_SEC(3600)},
            80, false);
}

static void the_window_is_exact_at_rest(void **state)
{
    struct resil_breaker_snapshot is;

    (void)state;
    torture((struct resil_breaker_config){.failure_pct = RESIL_OFF,
                                          .window_ns = RESIL_SEC(3200),
                                          .slices = 32},
            100, false);
    assert_int_equal(resil_breaker_snapshot(&breaker, clock_ns, &is), RESIL_OK);
    assert_int_equal(is.calls, reported);
#ifndef STRIPES
    torture((struct resil_breaker_config){.failure_pct = RESIL_OFF, .calls = 1000}, 70, false);
    assert_int_equal(resil_breaker_snapshot(&breaker, clock_ns, &is), RESIL_OK);
    assert_int_equal(is.calls, 1000);
    assert_in_range(is.failures, 100, 300);
#endif
}

/* Many leases end at once: places are taken over by several threads, and results of the old owners
   come too. */
static void leases_that_end_leave_nothing_stuck(void **state)
{
    struct resil_breaker_snapshot is;
    struct resil_permit permit;
    struct resil_result result = {.outcome = RESIL_SUCCESS};

    (void)state;
    drops = true;
    torture((struct resil_breaker_config){.probes = PROBES,
                                          .open_ns = RESIL_US(20),
                                          .probe_gap_ns = RESIL_OFF,
                                          .probe_lease_ns = RESIL_MS(1),
                                          .consecutive = 2},
            30, false);
    drops = false;
    for (int i = 0; i < 3; i++) {
        clock_ns += RESIL_SEC(60);
        while (resil_breaker_acquire(&breaker, clock_ns, &permit) == RESIL_OK)
            if (resil_breaker_record(&breaker, &permit, clock_ns, &result) == RESIL_OK &&
                resil_breaker_snapshot(&breaker, clock_ns, &is) == RESIL_OK &&
                is.state == RESIL_BREAKER_CLOSED)
                break;
    }
    assert_int_equal(is.state, RESIL_BREAKER_CLOSED);
    assert_true(is.probes_lost_total > 0);
}

/* Everybody fails until refused, on his own stripe: the window may hold one more for each other
   thread that was inside record when the limit was reached. */
#define LIMIT 8

static uint64_t round_number, at_rest, failed;

static void *fail_until_refused(void *arg)
{
    static const struct resil_result failure = {.outcome = RESIL_FAILURE};
    uint64_t *random = arg, seen = 0;

    while (resil__load_acquire(&stop) == 0) {
        struct resil_permit permit;

        if (resil__load_acquire(&round_number) == seen) {
            (void)sched_yield();
            continue;
        }
        seen++;
        while (resil_breaker_acquire(&breaker, clock_ns, &permit) == RESIL_OK) {
            move(random);
            (void)resil__add(&failed, resil_breaker_record(&breaker, &permit, clock_ns, &failure) ==
                                          RESIL_OK);
        }
        (void)resil__add(&at_rest, 1);
    }
    return NULL;
}

static void a_trip_is_late_by_those_inside_at_most(void **state)
{
    struct resil_breaker_config config = {.failure_pct = RESIL_OFF, .failures = LIMIT};
    uint64_t until = real_ms() + test_torture_ms(), rounds = 0, most = 0;
    uint64_t random[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    make(&config);
    stop = round_number = at_rest = failed = 0;
    clock_ns = RESIL_SEC(100);
    for (unsigned i = 0; i < THREADS; i++) {
        random[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, fail_until_refused, &random[i]), 0);
    }
    while (real_ms() < until) {
        struct resil_breaker_snapshot is;

        (void)resil__add(&round_number, 1);
        while (resil__load_acquire(&at_rest) != THREADS)
            (void)sched_yield();
        assert_int_equal(resil_breaker_snapshot(&breaker, clock_ns, &is), RESIL_OK);
        assert_int_equal(is.state, RESIL_BREAKER_OPEN);
        assert_in_range(failed, LIMIT, LIMIT + THREADS - 1);
        most = failed > most ? failed : most;
        rounds++;
        failed = at_rest = 0;
        assert_int_equal(resil_breaker_reset(&breaker), RESIL_OK);
    }
    resil__store_release(&stop, 1);
    for (unsigned i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    print_message("%" PRIu64 " rounds, at most %" PRIu64 " failures of %d\n", rounds, most, LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probes_and_transitions_are_exact),
#ifndef STRIPES
        cmocka_unit_test(last_n_windows_are_exact_too),
#endif
        cmocka_unit_test(a_trip_is_late_by_those_inside_at_most),
        cmocka_unit_test(reconfiguring_meanwhile_breaks_nothing),
        cmocka_unit_test(a_ramp_and_slow_calls_break_nothing),
        cmocka_unit_test(the_window_is_exact_at_rest),
        cmocka_unit_test(leases_that_end_leave_nothing_stuck),
    };

    return cmocka_run_group_tests_name("breaker torture", tests, NULL, NULL);
}
