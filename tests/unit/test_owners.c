/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Stripes that belong to processors, on the real ones: sequences, fences, and a leased limiter whose
 * stripes are written both ways. Runs twice: once with the C library told not to register rseq
 * areas. model_owners_interleavings has what comes between.
 */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <resil/leased_limiter.h>

#include "base/atomic.h"
#include "platform/owners.h"

#define NOW   RESIL_SEC(1000)
#define BURST 100000

static struct resil_limiter limiter;
static struct resil_leased_limiter leased;

/* A token a second: what is granted is the burst, less 16 stripes of 64 that are kept. */
static void set_up(bool owned)
{
    struct resil_limiter_config config = {.tokens = 1, .period_ns = RESIL_SEC(1), .burst = BURST};

    assert_int_equal(resil_limiter_init(&limiter, &config), RESIL_OK);
    assert_int_equal(resil_leased_limiter_init(&leased, &limiter, NULL), RESIL_OK);
    if (!owned)
        leased.barred_ = RESIL__OWNERS_NONE;
}

static uint64_t lying(void)
{
    struct resil_leased_limiter_snapshot snapshot;

    assert_int_equal(resil_leased_limiter_snapshot(&leased, NOW, &snapshot), RESIL_OK);
    return snapshot.leased;
}

/* False where we may not run there. */
static bool go_to(uint32_t cpu)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
}

static int with_all_processors(void **state)
{
    static cpu_set_t all;

    if (*state == NULL) {
        assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
        *state = &all;
    }
    return sched_setaffinity(0, sizeof all, &all);
}

static uint64_t take_all(void)
{
    uint64_t granted = 0;

    while (resil_leased_limiter_acquire(&leased, 1, NOW, NULL) == RESIL_OK)
        granted++;
    return granted;
}

static void stripes_have_owners_where_there_are_enough(void **state)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    bool there = false;

    (void)state;
#if RESIL__RSEQ
    there = resil__rseq_register();
    assert_true(!there || resil__cpu_at != 0);
#endif
    assert_int_equal(resil__owners_init(15), there && cpus <= 16 ? 0 : RESIL__OWNERS_NONE);
    assert_int_equal(resil__owners_init((uint32_t)cpus - 1), there ? 0 : RESIL__OWNERS_NONE);
    assert_int_equal(resil__owners_init(0), there && cpus == 1 ? 0 : RESIL__OWNERS_NONE);
    set_up(true);
    assert_int_equal(leased.barred_, resil__owners_init(15));
}

/* The same steps on two processors, written both ways. */
static void both_ways_do_the_same(void **state)
{
    (void)state;
    for (unsigned way = 0; way < 2; way++) {
        uint64_t granted = 0;

        set_up(way == 0);
        if (!go_to(0))
            return;
        for (; granted < 100; granted++)
            assert_int_equal(resil_leased_limiter_acquire(&leased, 1, NOW, NULL), RESIL_OK);
        assert_int_equal(leased.stripe_[0].word_, 30); /* a batch is 64, and one for the call */
        if (!go_to(1))
            return;
        for (; granted < BURST - 64 * 16 - 30; granted++)
            assert_int_equal(resil_leased_limiter_acquire(&leased, 1, NOW, NULL), RESIL_OK);
        granted += take_all();
        assert_int_equal(leased.stripe_[0].word_, 0);
        assert_int_equal(granted, BURST - 64 * 16);
        assert_int_equal(lying(), 0);
        resil_leased_limiter_drain(&leased, 0, NOW);
        for (unsigned i = 0; i < 16; i++)
            assert_int_equal(leased.stripe_[i].word_, UINT64_C(1) << 32);
        assert_int_equal(leased.barred_ % RESIL__OWNERS_NONE, 0);
    }
}

static void who_is_held_off_takes_all_the_same(void **state)
{
    uint64_t held;

    (void)state;
    set_up(true);
    assert_true(resil__owners_hold(&leased.barred_, &held));
    assert_int_equal(take_all(), BURST - 64 * 16);
    resil__owners_release(&leased.barred_, held);
    assert_int_equal(leased.barred_ % RESIL__OWNERS_NONE, 0);
}

#if RESIL__RSEQ

static uint64_t *descriptor(void)
{
    return (uint64_t *)(void *)((char *)__builtin_thread_pointer() + __rseq_offset +
                                offsetof(struct rseq, rseq_cs));
}

/* What the area points to may be unloaded with us. */
static void a_sequence_leaves_nothing_in_the_area(void **state)
{
    static uint64_t lines[16][8];
    uint64_t barred = 0, one = 1;
    uint32_t last = 15, none = 0;

    (void)state;
    if (!resil__rseq_register() || !go_to(1))
        return;
    lines[1][0] = UINT64_C(5) << 32 | 3;
    assert_true(resil__rseq_take(lines[0], &last, &barred, 2));
    assert_int_equal(*descriptor(), 0);
    assert_int_equal(lines[1][0], UINT64_C(5) << 32 | 1);
    assert_false(resil__rseq_take(lines[0], &last, &barred, 2));
    assert_int_equal(*descriptor(), 0);
    assert_false(resil__rseq_take(lines[0], &last, &one, 1));
    assert_false(resil__rseq_take(lines[0], &none, &barred, 1));
    assert_int_equal(*descriptor(), 0);
    assert_int_equal(resil__rseq_swap(lines[1], 1, 7, 8), RESIL__RSEQ_DIFFERS);
    assert_int_equal(resil__rseq_swap(lines[1], 0, lines[1][0], 8), RESIL__RSEQ_LEFT);
    assert_int_equal(*descriptor(), 0);
    assert_int_equal(resil__rseq_swap(lines[1], 1, lines[1][0], 8), RESIL__RSEQ_DONE);
    assert_int_equal(*descriptor(), 0);
    assert_int_equal(lines[1][0], 8);
}

static void a_mark_is_no_number_of_tokens(void **state)
{
    static uint64_t lines[16][8];
    uint64_t barred = 0;
    uint32_t last = 15;

    (void)state;
    if (!resil__rseq_register() || !go_to(0))
        return;
    lines[0][0] = UINT64_C(0x80000000);
    assert_false(resil__rseq_take(lines[0], &last, &barred, 1));
    lines[0][0] = 5;
    assert_false(resil__rseq_take(lines[0], &last, &barred, UINT64_MAX));
    assert_false(resil__rseq_take(lines[0], &last, &barred, UINT64_C(1) << 32));
    assert_int_equal(lines[0][0], 5);
}

static void a_processor_too_many_ends_ownership(void **state)
{
    (void)state;
    set_up(true);
    if (leased.barred_ != 0 || !go_to(1))
        return;
    leased.stripe_mask_ = 0;
    assert_int_equal(resil_leased_limiter_acquire(&leased, 1, NOW, NULL), RESIL_OK);
    assert_int_equal(leased.barred_, RESIL__OWNERS_NONE);
    assert_int_equal(leased.stripe_[0].word_, 64);
    assert_int_equal(resil_leased_limiter_acquire(&leased, 1, NOW, NULL), RESIL_OK);
    assert_int_equal(leased.stripe_[0].word_, 63);
}

/* A child has the memory as it was, and what its parent was allowed to. */
static void a_child_can_fence(void **state)
{
    int status = -1;
    pid_t child;

    (void)state;
    set_up(true);
    (void)resil_leased_limiter_acquire(&leased, 1, NOW, NULL);
    errno = 77;
    assert_true(leased.barred_ != 0 || resil__rseq_fence());
    assert_int_equal(errno, 77);
    child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(leased.barred_ != 0 || (resil__rseq_fence() && take_all() == BURST - 64 * 16 - 1)
                  ? 0
                  : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static uint64_t over;
static volatile sig_atomic_t interruptions, takes, taken;

/* Takes a token of the very stripe from which the thread that it interrupts is taking. */
static void on_signal(int number)
{
    (void)number;
    interruptions++;
    if (takes != 0 && resil_leased_limiter_acquire(&leased, 1, NOW, NULL) == RESIL_OK)
        taken++;
}

static void *fence_often(void *arg)
{
    pthread_t victim = *(pthread_t *)arg;

    while (resil__load_acquire(&over) == 0) {
        (void)resil__rseq_fence();
        (void)pthread_kill(victim, SIGUSR1);
    }
    return NULL;
}

/* Sent out of its sequences by fences and signals all the time, the owner still counts right. */
static void who_is_interrupted_loses_no_token(void **state)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    pthread_t self = pthread_self(), thread;

    (void)state;
    if (!resil__rseq_register())
        return;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    over = 0;
    assert_int_equal(pthread_create(&thread, NULL, fence_often, &self), 0);
    for (unsigned i = 0; i < 100 || interruptions < 100; i++) {
        uint64_t granted;

        set_up(true);
        taken = 0;
        takes = 1;
        granted = take_all();
        takes = 0;
        granted += take_all();
        assert_int_equal(granted + (uint64_t)taken, BURST - 64 * 16);
        assert_int_equal(lying(), 0);
    }
    resil__store_release(&over, 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

#endif

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, with_all_processors, with_all_processors)
    const struct CMUnitTest tests[] = {
        TEST(stripes_have_owners_where_there_are_enough),
        TEST(both_ways_do_the_same),
        TEST(who_is_held_off_takes_all_the_same),
#if RESIL__RSEQ
        TEST(a_sequence_leaves_nothing_in_the_area),
        TEST(a_mark_is_no_number_of_tokens),
        TEST(a_processor_too_many_ends_ownership),
        TEST(a_child_can_fence),
        TEST(who_is_interrupted_loses_no_token),
#endif
    };

    return cmocka_run_group_tests_name("owners", tests, NULL, NULL);
}
