/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * pthread_cancel: a cleanup handler gives back what a call holds; what the library itself is in the
 * middle of is finished first, with every descriptor closed; its own threads take no notice.
 * `control` has a handler that gives nothing back, and has to fail.
 */
#define _GNU_SOURCE
#include "things.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool forgetful;

struct cancelled {
    struct things *things;
    struct resil_call call;
    uint64_t now_ns;
    uint32_t ready;
};

static void cancel_call(void *arg)
{
    struct cancelled *self = arg;

    if (!forgetful)
        assert_int_equal(resil_call_cancel(&self->call, self->now_ns), 0);
}

static void *drive_and_hang(void *arg)
{
    struct cancelled *self = arg;
    struct resil_step step;

    assert_int_equal(resil_call_begin(&self->call, &chain, NULL, self->now_ns, 1), 0);
    pthread_cleanup_push(cancel_call, self);
    assert_int_equal(resil_call_step(&self->call, self->now_ns, &step), RESIL_STEP_CALL);
    __atomic_store_n(&self->ready, 1, __ATOMIC_RELEASE);
    for (;;)
        (void)pause();
    pthread_cleanup_pop(1);
    return NULL;
}

static void release_permit(void *arg)
{
    assert_int_equal(resil_bulkhead_release(arg), 0);
}

static void *hold_and_hang(void *arg)
{
    struct cancelled *self = arg;

    assert_int_equal(resil_bulkhead_acquire(&self->things->bulkhead), 0);
    pthread_cleanup_push(release_permit, &self->things->bulkhead);
    __atomic_store_n(&self->ready, 1, __ATOMIC_RELEASE);
    for (;;)
        (void)pause();
    pthread_cleanup_pop(1);
    return NULL;
}

static void cleanup_handlers_of_cancelled_threads_give_back(void **state)
{
    static struct things things;
    void *(*const bodies[])(void *) = {drive_and_hang, hold_and_hang};

    (void)state;
    things_init(&things);
    for (unsigned i = 0; i < 20; i++) {
        struct cancelled self = {.things = &things, .now_ns = RESIL_SEC(1 + i)};
        pthread_t thread;
        void *result;

        assert_int_equal(pthread_create(&thread, NULL, bodies[i % 2], &self), 0);
        while (__atomic_load_n(&self.ready, __ATOMIC_ACQUIRE) == 0)
            (void)usleep(100);
        assert_int_equal(in_flight(&things), 1);
        assert_int_equal(pthread_cancel(thread), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, PTHREAD_CANCELED);
        assert_int_equal(in_flight(&things), 0);
    }
}

static unsigned runs;

static enum resil_outcome fail_always(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    (void)__atomic_add_fetch(&runs, 1, __ATOMIC_RELEASE);
    return RESIL_NOT_SENT;
}

static void *retry_and_end(void *arg)
{
    (void)resil_chain_run(arg, resil_env_posix(), NULL, fail_always, NULL, NULL);
    pthread_testcancel();
    return NULL;
}

static void a_thread_that_waits_for_a_retry_ends_its_call_first(void **state)
{
    static struct resil_bulkhead bulkhead;
    static struct resil_retry retry;
    static struct resil_policy outer[2];
    static struct resil_chain waiting;
    struct resil_bulkhead_snapshot snapshot;
    pthread_t thread;
    void *result;

    (void)state;
    assert_int_equal(resil_bulkhead_init(&bulkhead, NULL), 0);
    assert_int_equal(
        resil_retry_init(&retry,
                         &(struct resil_retry_config){.backoff = {.base_ns = RESIL_MS(20)}}),
        0);
    outer[0] = resil_bulkhead_policy(&bulkhead);
    outer[1] = resil_retry_policy(&retry);
    assert_int_equal(resil_chain_init(&waiting, outer, 2, NULL, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, retry_and_end, &waiting), 0);
    while (__atomic_load_n(&runs, __ATOMIC_ACQUIRE) == 0)
        (void)usleep(100);
    assert_int_equal(pthread_cancel(thread), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, PTHREAD_CANCELED);
    assert_int_equal(runs, 3);
    assert_int_equal(resil_bulkhead_snapshot(&bulkhead, &snapshot), 0);
    assert_int_equal(snapshot.in_flight, 0);
}

static char path[] = "/tmp/resil-cancelled-XXXXXX";
static long pieces; /* of memory that were not given back */

static void *count_allocate(void *arg, size_t bytes, size_t alignment)
{
    const struct resil_allocator *plain = resil_allocator_default();

    (void)arg;
    (void)__atomic_add_fetch(&pieces, 1, __ATOMIC_RELAXED);
    return plain->allocate(plain->arg, bytes, alignment);
}

static void count_release(void *arg, void *memory, size_t bytes)
{
    const struct resil_allocator *plain = resil_allocator_default();

    (void)arg;
    (void)__atomic_sub_fetch(&pieces, 1, __ATOMIC_RELAXED);
    plain->release(plain->arg, memory, bytes);
}

static const struct resil_allocator counting = {
    .size = sizeof counting, .allocate = count_allocate, .release = count_release};

static void write_list(void)
{
    static const char text[] = "192.0.2.1:80\n192.0.2.2:80\n";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    assert_int_equal(close(fd), 0);
}

static size_t taken;

static int take(void *arg, const struct resil_endpoint *endpoints, size_t n, uint64_t now_ns)
{
    (void)arg;
    (void)endpoints;
    (void)now_ns;
    taken = n;
    return RESIL_OK;
}

/* Told to read the file again and again, each time as if it were the first. */
static void *tick_on(void *arg)
{
    static uint64_t next_ns; /* AddressSanitizer doesn't clean the stack of who is cancelled */
    struct resil_file_resolver *file = arg;

    for (uint64_t now_ns = RESIL_SEC(1);; now_ns += RESIL_SEC(3)) {
        (void)resil_resolver_tick(&file->resolver, now_ns, &next_ns);
        resil_resolver_stop(&file->resolver);
        if (resil_resolver_start(&file->resolver, take, NULL, NULL, 0) != RESIL_OK)
            return NULL;
        pthread_testcancel();
    }
}

static int next_descriptor(void)
{
    int fd = dup(0);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    return fd;
}

static void a_cancelled_tick_leaves_nothing_open_or_half_done(void **state)
{
    struct resil_file_resolver file;
    uint64_t seed = test_seed(1), next_ns;
    int fd;

    (void)state;
    write_list();
    fd = next_descriptor();
    for (unsigned i = 0; i < 100; i++) {
        pthread_t thread;
        void *result;

        assert_int_equal(
            resil_file_resolver_init(
                &file, &(struct resil_file_resolver_config){.path = path, .allocator = &counting}),
            0);
        assert_int_equal(resil_resolver_start(&file.resolver, take, NULL, NULL, 0), 0);
        assert_int_equal(pthread_create(&thread, NULL, tick_on, &file), 0);
        (void)usleep((useconds_t)test_below(&seed, 1000));
        assert_int_equal(pthread_cancel(thread), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, PTHREAD_CANCELED);
        assert_int_equal(next_descriptor(), fd);
        taken = 0;
        assert_int_equal(resil_resolver_tick(&file.resolver, RESIL_SEC(1), &next_ns), RESIL_OK);
        assert_int_equal(taken, 2);
        resil_resolver_stop(&file.resolver);
        assert_int_equal(pieces, 0);
    }
    (void)unlink(path);
}

static unsigned pushes;

static int cancel_self(void *arg, const struct resil_endpoint *endpoints, size_t n, uint64_t now_ns)
{
    (void)arg;
    (void)endpoints;
    (void)n;
    (void)now_ns;
    (void)pthread_cancel(pthread_self());
    pthread_testcancel();
    (void)__atomic_add_fetch(&pushes, 1, __ATOMIC_RELEASE);
    return RESIL_ENOMEM; /* come again */
}

static bool probe_cancelled(void *arg, const char *address, void *user, uint64_t deadline_ns)
{
    (void)arg;
    (void)address;
    (void)user;
    (void)deadline_ns;
    (void)pthread_cancel(pthread_self());
    pthread_testcancel();
    (void)__atomic_add_fetch(&pushes, 1, __ATOMIC_RELEASE);
    return true;
}

static void wait_for_pushes(void)
{
    while (__atomic_load_n(&pushes, __ATOMIC_ACQUIRE) < 3)
        (void)usleep(100);
    pushes = 0;
}

static void the_librarys_own_threads_take_no_notice(void **state)
{
    const struct resil_endpoint endpoint = {.address = "a", .weight = 1};
    const struct resil_health_endpoint probed = {.id = 1, .address = "a"};
    struct resil_static_resolver list;
    struct resil_resolver_driver driver;
    struct resil_prober *prober;

    (void)state;
    assert_int_equal(resil_static_resolver_init(&list, &endpoint, 1), 0);
    assert_int_equal(resil_resolver_start(&list.resolver, cancel_self, NULL, NULL, 0), 0);
    assert_int_equal(resil_resolver_driver_start(&driver, &list.resolver, NULL), 0);
    wait_for_pushes();
    assert_int_equal(resil_resolver_driver_stop(&driver), 0);
    resil_resolver_stop(&list.resolver);

    assert_int_equal(
        resil_prober_start(&prober,
                           &(struct resil_prober_config){.kind = RESIL_PROBER_CALLBACK,
                                                         .probe = probe_cancelled,
                                                         .health = {.interval_ns = RESIL_MS(1),
                                                                    .doubt_ns = RESIL_MS(1),
                                                                    .down_ns = RESIL_MS(1)}}),
        0);
    assert_int_equal(resil_prober_update(prober, &probed, 1), 0);
    wait_for_pushes();
    assert_int_equal(resil_prober_stop(prober), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleanup_handlers_of_cancelled_threads_give_back),
        cmocka_unit_test(a_thread_that_waits_for_a_retry_ends_its_call_first),
        cmocka_unit_test(a_cancelled_tick_leaves_nothing_open_or_half_done),
        cmocka_unit_test(the_librarys_own_threads_take_no_notice),
    };

    (void)argv;
    forgetful = argc > 1;
    return cmocka_run_group_tests_name("cancelled", tests, NULL, NULL);
}
