/* SPDX-License-Identifier: BSD-2-Clause */

/* The prober with lists that change under it from several threads, a server that dies and rises,
   and callbacks that change the list themselves. */
#include "test.h"

#include <poll.h>
#include <pthread.h>

#include <resil/env.h>
#include <resil/prober.h>

#include "base/atomic.h"
#include "fault_server.h"

#define THREADS   3
#define ENDPOINTS 40

struct rig {
    struct resil_prober *prober;
    struct fault_server *server;
    char addresses[ENDPOINTS][32];
    uint64_t until_ns;
    uint64_t changes; /* told */
    uint64_t ended;   /* after stop nothing may be told */
};

static void update(struct rig *rig, uint64_t *seed)
{
    struct resil_health_endpoint list[ENDPOINTS];
    size_t count = 0;

    for (uint64_t id = 0; id < ENDPOINTS; id++)
        if (test_below(seed, 4) != 0)
            list[count++] = (struct resil_health_endpoint){id, rig->addresses[id], rig};
    if (resil_prober_update(rig->prober, list, count) != RESIL_OK)
        abort();
}

static void changed(void *arg, uint64_t id, bool healthy)
{
    struct rig *rig = arg;
    uint64_t seed = resil__add(&rig->changes, 1) * 2 + healthy + 1;

    if (resil__load_acquire(&rig->ended) != 0 || id >= ENDPOINTS)
        abort();
    if (seed % 7 == 0)
        update(rig, &seed);
}

static void *meddle(void *arg)
{
    struct rig *rig = arg;
    uint64_t seed = resil_now_ns() | 1;

    while (resil_now_ns() < rig->until_ns) {
        struct resil_health_snapshot is;

        update(rig, &seed);
        if (resil_prober_snapshot(rig->prober, &is) != RESIL_OK || is.endpoints > ENDPOINTS)
            abort();
        if (test_below(&seed, 10) == 0)
            fault_server_set_weather(
                rig->server,
                (struct fault_weather){.kind = test_below(&seed, 2) ? FAULT_DEAD : FAULT_SLOW,
                                       .delay_ms = 3});
        (void)poll(NULL, 0, 1 + (int)test_below(&seed, 3));
    }
    return NULL;
}

static void lists_change_under_every_kind_of_weather(void **state)
{
    (void)state;
    for (int kind = RESIL_PROBER_TCP; kind <= RESIL_PROBER_HTTP; kind++) {
        struct rig rig = {.until_ns = resil_now_ns() + RESIL_MS(test_torture_ms()) / 2};
        struct resil_prober_config config = {
            .kind = (enum resil_prober_kind)kind,
            .health =
                {
                    .interval_ns = RESIL_MS(1),
                    .timeout_ns = RESIL_MS(5),
                    .down_ns = RESIL_MS(1),
                    .doubt_ns = RESIL_MS(1),
                    .rise = 1,
                    .fall = 1,
                    .probes_max = 8,
                    .changed = changed,
                    .changed_arg = &rig,
                },
        };
        pthread_t threads[THREADS];
        struct resil_health_snapshot is;

        rig.server = fault_server_start();
        assert_non_null(rig.server);
        for (unsigned id = 0; id < ENDPOINTS; id++)
            (void)snprintf(rig.addresses[id], sizeof rig.addresses[id], "127.0.0.%u:%u",
                           id % 2 == 0 ? 1 : id + 2, (unsigned)fault_server_port(rig.server));
        assert_int_equal(resil_prober_start(&rig.prober, &config), RESIL_OK);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, meddle, &rig), 0);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(resil_prober_snapshot(rig.prober, &is), RESIL_OK);
        assert_int_equal(resil_prober_stop(rig.prober), RESIL_OK);
        resil__store_release(&rig.ended, 1);
        assert_true(is.started > 0 && is.in_flight <= 8);
        fault_server_stop(rig.server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_change_under_every_kind_of_weather),
    };

    return cmocka_run_group_tests_name("prober torture", tests, NULL, NULL);
}
