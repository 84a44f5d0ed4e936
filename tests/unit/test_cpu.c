/* SPDX-License-Identifier: BSD-2-Clause */

/* The number of the processor, and how many stripes suit the machine. Runs twice: once with the C
   library told not to register rseq areas. */
#define _GNU_SOURCE
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <resil/stripes.h>

#include "platform/cpu.h"

static bool told_not_to(void)
{
    const char *tunables = getenv("GLIBC_TUNABLES");

    return tunables != NULL && strstr(tunables, "glibc.pthread.rseq=0") != NULL;
}

/* On each processor that we may run on. */
static void a_pinned_thread_finds_its_processor(void **state)
{
    cpu_set_t before, one;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        uint32_t kept;

        if (!CPU_ISSET((size_t)cpu, &before))
            continue;
        CPU_ZERO(&one);
        CPU_SET((size_t)cpu, &one);
        assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
        assert_true(!resil__cpu_kept(&kept) || kept == (uint32_t)cpu);
        assert_int_equal(resil__cpu(), cpu);
        assert_int_equal(resil__cpu_ask(), cpu);
    }
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void an_area_that_is_not_registered_is_not_believed(void **state)
{
    uint32_t kept;

    (void)state;
    if (told_not_to())
        assert_false(resil__cpu_kept(&kept));
    assert_true(resil__cpu() < (1u << 24));
}

static void *in_a_thread(void *arg)
{
    uint32_t kept;

    *(bool *)arg = resil__cpu() < (1u << 24) && (!resil__cpu_kept(&kept) || !told_not_to());
    return NULL;
}

static void a_new_thread_has_a_number_too(void **state)
{
    pthread_t thread;
    bool right = false;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, in_a_thread, &right), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(right);
}

static void stripes_are_a_power_of_two_and_enough(void **state)
{
    uint64_t stripes = resil_stripes();
    uint64_t cpus = (uint64_t)sysconf(_SC_NPROCESSORS_CONF);

    (void)state;
    assert_int_equal(stripes & (stripes - 1), 0);
    assert_in_range(stripes, 1, RESIL_STRIPES_MAX);
    assert_true(stripes >= cpus || stripes == RESIL_STRIPES_MAX);
    assert_true(stripes < 2 * cpus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pinned_thread_finds_its_processor),
        cmocka_unit_test(an_area_that_is_not_registered_is_not_believed),
        cmocka_unit_test(a_new_thread_has_a_number_too),
        cmocka_unit_test(stripes_are_a_power_of_two_and_enough),
    };

    return cmocka_run_group_tests_name("cpu", tests, NULL, NULL);
}
