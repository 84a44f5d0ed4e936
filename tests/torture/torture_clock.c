/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The clocks among threads: each thread's own readings don't fall, nor do they lag behind what
 * another thread had read before. Threads hand the latest reading on through a word.
 */
#include "test.h"

#include <pthread.h>

#include <resil/env.h>

#include "base/atomic.h"

#define THREADS 4

/* What the header grants between two threads. */
#define OLDER_NS 10000

struct bench {
    const struct resil_env *env;
    uint64_t newest;
    uint64_t until_ns;
    uint64_t fell;  /* readings below one of the same thread */
    uint64_t older; /* readings below another thread's, by more than granted */
    uint64_t readings;
};

static void hand_on(struct bench *bench, uint64_t now_ns)
{
    uint64_t newest = resil__load_acquire(&bench->newest);

    while (newest < now_ns && !resil__cas(&bench->newest, &newest, now_ns))
        ;
}

static void *read_clock(void *arg)
{
    struct bench *bench = arg;
    uint64_t last = 0, fell = 0, older = 0, readings = 0;

    while (last < bench->until_ns) {
        uint64_t newest = resil__load_acquire(&bench->newest);
        uint64_t now_ns = bench->env->now(bench->env->arg);

        fell += now_ns < last;
        older += now_ns + OLDER_NS < newest;
        readings++;
        last = now_ns;
        hand_on(bench, now_ns);
    }
    (void)resil__add(&bench->fell, fell);
    (void)resil__add(&bench->older, older);
    (void)resil__add(&bench->readings, readings);
    return NULL;
}

static void torture(const struct resil_env *env)
{
    struct bench bench = {.env = env, .until_ns = resil_now_ns() + RESIL_MS(test_torture_ms())};
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_clock, &bench), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(bench.fell, 0);
    assert_int_equal(bench.older, 0);
    assert_true(bench.readings > THREADS);
}

static void posix_is_in_order(void **state)
{
    (void)state;
    torture(resil_env_posix());
}

static void coarse_is_in_order(void **state)
{
    (void)state;
    torture(resil_env_coarse());
}

/* From its first reading on, so that the threads see it learn, run and change lines. */
static void tsc_is_in_order(void **state)
{
    (void)state;
    torture(resil_env_tsc());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tsc_is_in_order),
        cmocka_unit_test(posix_is_in_order),
        cmocka_unit_test(coarse_is_in_order),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
