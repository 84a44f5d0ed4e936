/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One queue between an event loop and threads that block. The loop has several calls over it and
 * looks at them only when request->wake wrote to its pipe: no timer is near, so a wake that got
 * lost would end the call with EFULL after half a minute. The threads hold the permits in between.
 */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <resil/resil.h>

#include "base/atomic.h"

#define THREADS 3
#define SLOTS   4
#define LIMIT   2

struct slot {
    struct resil_call call;
    struct resil_request request;
    uint64_t id; /* of the operation that runs; 0 = none */
};

struct world {
    struct resil_bulkhead bulkhead;
    struct resil_queue queue;
    struct resil_policy policies[1];
    struct resil_chain chain;
    uint64_t inside;
    uint64_t most;
    uint64_t stop;
    uint64_t blocked_runs;
    int pipe[2];
    struct slot slots[SLOTS];
    uint64_t loop_runs;
    uint64_t waits;
};

static void enter(struct world *world)
{
    uint64_t now = resil__add(&world->inside, 1) + 1;
    uint64_t most = resil__load_relaxed(&world->most);

    while (most < now && !resil__cas(&world->most, &most, now))
        continue;
}

static void leave(struct world *world)
{
    (void)resil__sub(&world->inside, 1);
}

/* From any thread, under the queue's lock. A full pipe is a wake already. */
static void wake(void *arg)
{
    const struct world *world = arg;

    if (write(world->pipe[1], "w", 1) != 1)
        return;
}

static enum resil_outcome block(void *arg, struct resil_attempt *attempt)
{
    struct world *world = arg;

    (void)attempt;
    enter(world);
    for (unsigned spin = 0; spin < 300; spin++)
        (void)resil__load_acquire(&world->stop);
    leave(world);
    return RESIL_SUCCESS;
}

static void *call_on(void *arg)
{
    struct world *world = arg;

    while (resil__load_acquire(&world->stop) == 0) {
        if (resil_chain_run(&world->chain, resil_env_posix(), NULL, block, world, NULL) != RESIL_OK)
            return (void *)1;
        (void)resil__add_relaxed(&world->blocked_runs, 1);
    }
    return NULL;
}

static void begin(struct world *world, struct slot *slot)
{
    slot->request = (struct resil_request){.wake = wake, .wake_arg = world};
    slot->id = 0;
    assert_int_equal(
        resil_call_begin(&slot->call, &world->chain, &slot->request, resil_now_ns(), 5), 0);
}

/* Takes a call to its next wait; true when it has ended. */
static bool pump(struct world *world, struct slot *slot)
{
    struct resil_step step;

    for (;;) {
        switch (resil_call_step(&slot->call, resil_now_ns(), &step)) {
        case RESIL_STEP_CALL:
            enter(world);
            slot->id = step.attempt->id;
            return false;
        case RESIL_STEP_WAIT:
            world->waits++;
            return false;
        case RESIL_STEP_DONE:
            assert_int_equal(resil_call_fini(&slot->call, NULL), RESIL_OK);
            return true;
        case RESIL_STEP_ABORT:
        default:
            fail();
        }
    }
}

/* An operation that ran for one round of the loop ends. */
static bool end_operation(struct world *world, struct slot *slot)
{
    if (slot->id == 0)
        return false;
    leave(world);
    assert_int_equal(
        resil_call_report(&slot->call, slot->id, &(struct resil_result){.outcome = RESIL_SUCCESS}),
        RESIL_OK);
    slot->id = 0;
    world->loop_runs++;
    return pump(world, slot);
}

static bool anything_runs(const struct world *world)
{
    for (unsigned i = 0; i < SLOTS; i++)
        if (world->slots[i].id != 0)
            return true;
    return false;
}

/* Sleeps until a wake unless an operation runs, which ends at once. */
static void sleep_for_a_wake(const struct world *world)
{
    struct pollfd fd = {.fd = world->pipe[0], .events = POLLIN};
    char bytes[64];

    if (poll(&fd, 1, anything_runs(world) ? 0 : 20000) == 0) {
        assert_true(anything_runs(world)); /* a wake got lost */
        return;
    }
    while (read(world->pipe[0], bytes, sizeof bytes) > 0)
        continue;
}

static void loop_until(struct world *world, uint64_t stop_ns)
{
    unsigned open = SLOTS;

    for (unsigned i = 0; i < SLOTS; i++) {
        begin(world, &world->slots[i]);
        (void)pump(world, &world->slots[i]);
    }
    while (open > 0) {
        const bool ends = resil_now_ns() >= stop_ns;

        sleep_for_a_wake(world);
        for (unsigned i = 0; i < SLOTS; i++) {
            struct slot *slot = &world->slots[i];
            bool done;

            if (slot->call.chain_ == NULL)
                continue;
            done = slot->id != 0 ? end_operation(world, slot) : pump(world, slot);
            if (!done)
                continue;
            if (!ends) {
                begin(world, slot);
                (void)pump(world, slot);
                continue;
            }
            slot->call.chain_ = NULL;
            open--;
        }
    }
}

static void build(struct world *world)
{
    memset(world, 0, sizeof *world);
    assert_int_equal(
        resil_bulkhead_init(&world->bulkhead, &(struct resil_bulkhead_config){.limit = LIMIT}), 0);
    assert_int_equal(
        resil_queue_init(&world->queue, &world->bulkhead,
                         &(struct resil_queue_config){.wait_ns = RESIL_SEC(30), .length = 100}),
        0);
    world->policies[0] = resil_queue_policy(&world->queue);
    assert_int_equal(resil_chain_init(&world->chain, world->policies, 1, NULL, 0), 0);
    assert_int_equal(pipe(world->pipe), 0);
    for (unsigned end = 0; end < 2; end++)
        assert_int_equal(fcntl(world->pipe[end], F_SETFL, O_NONBLOCK), 0);
}

static void threads_wake_a_loop_and_a_loop_wakes_threads(void **state)
{
    static struct world world;
    pthread_t threads[THREADS];

    (void)state;
    build(&world);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_on, &world), 0);
    loop_until(&world, resil_now_ns() + RESIL_MS(test_torture_ms()));
    resil__store_release(&world.stop, 1);
    for (unsigned i = 0; i < THREADS; i++) {
        void *wrong = NULL;

        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_true(world.most <= LIMIT);
    assert_true(world.loop_runs > 0 && world.blocked_runs > 0);
    assert_int_equal(resil_queue_fini(&world.queue), RESIL_OK);
    print_message("%" PRIu64 " runs in the loop, %" PRIu64 " in threads, %" PRIu64 " waits\n",
                  world.loop_runs, world.blocked_runs, world.waits);
    for (unsigned end = 0; end < 2; end++)
        (void)close(world.pipe[end]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_wake_a_loop_and_a_loop_wakes_threads),
    };

    return cmocka_run_group_tests_name("loop torture", tests, NULL, NULL);
}
