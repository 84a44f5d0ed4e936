/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Threads that follow a pointer, and writers that replace and free what it pointed to. With the
 * argument "broken" the writers free whatever passed() answers, and nothing is checked here:
 * ThreadSanitizer has to find that, or it would find nothing.
 */
#define _GNU_SOURCE
#include "test.h"

#include <pthread.h>
#include <sched.h>

#include <resil/env.h>

#include "base/atomic.h"
#include "base/epoch.h"
#include "base/lock.h"

#define READERS 4
#define WRITERS 2
#define PENDING 64

struct thing {
    uint64_t number, inverse;
};

static uint64_t word; /* a pointer: the thing that is reachable */
static struct resil__lock lock;
static uint64_t made, freed; /* under the lock */
static struct thing *pending[PENDING];
static uint32_t tickets[PENDING];
static unsigned pending_from, pending_to; /* both only grow */
static uint32_t stop, broken;
static bool waits = true; /* false: asks, and doesn't listen */

static void promise(bool kept, uint32_t line)
{
    uint32_t none = 0;

    if (!kept && waits)
        (void)resil__cas32(&broken, &none, line);
}

#define PROMISE(condition) promise((condition), (uint32_t)__LINE__)

static struct thing *make(void)
{
    struct thing *thing = malloc(sizeof *thing);

    if (thing == NULL)
        abort();
    *thing = (struct thing){.number = made, .inverse = ~made};
    made++;
    return thing;
}

static void dispose(struct thing *thing)
{
    *thing = (struct thing){0};
    free(thing);
    freed++;
}

static void free_what_passed(void)
{
    while (pending_from != pending_to) {
        if (!resil__epoch_passed(tickets[pending_from % PENDING]) && waits)
            return;
        dispose(pending[pending_from % PENDING]);
        pending_from++;
    }
}

static void replace(void)
{
    struct thing *old;

    resil__lock(&lock);
    free_what_passed();
    if (pending_to - pending_from < PENDING) { /* else it has to wait, which is to come back */
        old = (struct thing *)(uintptr_t)resil__xchg(&word, (uint64_t)(uintptr_t)make());
        pending[pending_to % PENDING] = old;
        tickets[pending_to % PENDING] = resil__epoch_retire();
        pending_to++;
    }
    if (!waits)
        free_what_passed();
    resil__unlock(&lock);
}

static void *write_on(void *arg)
{
    (void)arg;
    while (resil__load_acquire32(&stop) == 0) {
        replace();
        (void)sched_yield();
    }
    return NULL;
}

static uint64_t look(unsigned depth)
{
    struct resil__reader *reader = resil__epoch_enter();
    const struct thing *thing = (const struct thing *)(uintptr_t)resil__load_acquire(&word);
    uint64_t number = thing->number;

    if (depth > 0)
        PROMISE(look(depth - 1) >= number);
    PROMISE(thing->number == number && thing->inverse == ~number);
    resil__epoch_leave(reader);
    return number;
}

static void *read_on(void *arg)
{
    uint64_t *count = arg;

    while (resil__load_acquire32(&stop) == 0)
        (void)look((unsigned)(++*count % 3));
    return NULL;
}

/* As if it had no slot. */
static void *read_without_slot(void *arg)
{
    resil__epoch_thread.ended = true;
    return read_on(arg);
}

static void *look_once(void *arg)
{
    (void)arg;
    (void)look(1);
    return NULL;
}

static void start_world(void)
{
    resil__store_release32(&stop, 0);
    made = freed = 0;
    pending_from = pending_to = 0;
    assert_true(resil__lock_init(&lock));
    resil__store_release(&word, (uint64_t)(uintptr_t)make());
}

static void end_world(void)
{
    free_what_passed();
    assert_int_equal(pending_from, pending_to); /* nobody is inside: everything passes */
    dispose((struct thing *)(uintptr_t)resil__xchg(&word, 0));
    assert_int_equal(made, freed);
    assert_true(made > 10);
    assert_int_equal(resil__load_acquire32(&broken), 0);
    resil__lock_fini(&lock);
}

/* On a busy machine the time may be over before much was replaced. */
static bool few(void)
{
    bool is;

    resil__lock(&lock);
    is = made <= 10;
    resil__unlock(&lock);
    return is;
}

static void run_readers(void *(*last)(void *))
{
    pthread_t threads[READERS + WRITERS];
    uint64_t counts[READERS] = {0};
    uint64_t end_ns = resil_now_ns() + RESIL_MS(test_torture_ms());

    start_world();
    for (unsigned i = 0; i < READERS + WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL,
                                        i >= READERS       ? write_on
                                        : i == READERS - 1 ? last
                                                           : read_on,
                                        i < READERS ? &counts[i] : NULL),
                         0);
    while (resil_now_ns() < end_ns || few())
        (void)sched_yield();
    resil__store_release32(&stop, 1);
    for (unsigned i = 0; i < READERS + WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < READERS; i++)
        assert_true(counts[i] > 0);
    end_world();
}

static void nothing_is_freed_while_it_is_looked_at(void **state)
{
    (void)state;
    run_readers(read_on);
}

static void reader_without_slot_is_waited_for(void **state)
{
    (void)state;
    run_readers(read_without_slot);
}

#ifdef RESIL__EPOCH_TSAN
#define SHORT_THREADS 4000 /* a thread costs it a millisecond */
#else
#define SHORT_THREADS 20000
#endif
#define AT_ONCE 8

static void threads_that_come_and_go_leave_the_slots_flat(void **state)
{
    pthread_t threads[AT_ONCE], writer;
    uint32_t before = resil__epoch_readers();

    (void)state;
    start_world();
    assert_int_equal(pthread_create(&writer, NULL, write_on, NULL), 0);
    for (unsigned i = 0; i < SHORT_THREADS; i += AT_ONCE) {
        for (unsigned j = 0; j < AT_ONCE; j++)
            assert_int_equal(pthread_create(&threads[j], NULL, look_once, NULL), 0);
        for (unsigned j = 0; j < AT_ONCE; j++)
            assert_int_equal(pthread_join(threads[j], NULL), 0);
    }
    resil__store_release32(&stop, 1);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_true(resil__epoch_readers() <= (before > AT_ONCE ? before : AT_ONCE));
    end_world();
}

static void reader_is_not_waited_for(void **state)
{
    waits = false;
    nothing_is_freed_while_it_is_looked_at(state);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_freed_while_it_is_looked_at),
        cmocka_unit_test(reader_without_slot_is_waited_for),
        cmocka_unit_test(threads_that_come_and_go_leave_the_slots_flat),
    };
    const struct CMUnitTest control[] = {
        cmocka_unit_test(reader_is_not_waited_for),
    };

    if (argc == 2 && strcmp(argv[1], "broken") == 0)
        return cmocka_run_group_tests_name("epoch, broken", control, NULL, NULL);
    return cmocka_run_group_tests_name("epoch torture", tests, NULL, NULL);
}
