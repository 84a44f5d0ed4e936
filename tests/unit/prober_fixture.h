/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_PROBER_FIXTURE_H
#define RESIL_PROBER_FIXTURE_H

/*
 * A prober with short intervals, what it has told, and waiting for conditions. Real sockets and
 * real time: nothing here asserts how long something took; what must come is waited for up to ten
 * seconds.
 */
#include "test.h"

#include "fault_client.h"

#include <dirent.h>

#include <resil/env.h>
#include <resil/prober.h>

#define ENDPOINTS 8

struct watch {
    pthread_mutex_t lock;
    int ups[ENDPOINTS];
    int downs[ENDPOINTS];
    struct resil_prober *prober;
};

static inline void watch_changed(void *arg, uint64_t id, bool healthy)
{
    struct watch *watch = arg;

    (void)pthread_mutex_lock(&watch->lock);
    if (id < ENDPOINTS && healthy)
        watch->ups[id]++;
    else if (id < ENDPOINTS)
        watch->downs[id]++;
    (void)pthread_mutex_unlock(&watch->lock);
}

static inline int seen(struct watch *watch, uint64_t id, bool healthy)
{
    int times;

    (void)pthread_mutex_lock(&watch->lock);
    times = healthy ? watch->ups[id] : watch->downs[id];
    (void)pthread_mutex_unlock(&watch->lock);
    return times;
}

static inline struct resil_health_snapshot numbers_of(struct watch *watch)
{
    struct resil_health_snapshot is;

    assert_int_equal(resil_prober_snapshot(watch->prober, &is), RESIL_OK);
    return is;
}

/* Waits until the condition holds: ten seconds at most. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        int left = 10000;                                                                          \
        while (!(condition) && left-- > 0)                                                         \
            (void)poll(NULL, 0, 1);                                                                \
        if (left < 0)                                                                              \
            fail_msg("waited in vain for %s", #condition);                                         \
    } while (0)

/* What differs from the fixture's own is taken from config. */
static inline void prober_up(struct watch *watch, struct resil_prober_config config)
{
    *watch = (struct watch){.lock = PTHREAD_MUTEX_INITIALIZER};
    config.health.changed = watch_changed;
    config.health.changed_arg = watch;
    if (config.health.interval_ns == 0)
        config.health.interval_ns = RESIL_MS(5);
    if (config.health.down_ns == 0)
        config.health.down_ns = RESIL_MS(5);
    if (config.health.timeout_ns == 0)
        config.health.timeout_ns = RESIL_SEC(5); /* a slow machine is no fault */
    assert_int_equal(resil_prober_start(&watch->prober, &config), RESIL_OK);
}

static inline void prober_down(struct watch *watch)
{
    assert_int_equal(resil_prober_stop(watch->prober), RESIL_OK);
}

static inline void watch_one(struct watch *watch, uint64_t id, const char *address)
{
    const struct resil_health_endpoint endpoint = {id, address, watch};

    assert_int_equal(resil_prober_update(watch->prober, &endpoint, 1), RESIL_OK);
}

static inline const char *address_of(struct fault_server *server)
{
    static char text[32];

    (void)snprintf(text, sizeof text, "127.0.0.1:%u", (unsigned)fault_server_port(server));
    return text;
}

static inline int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    if (dir == NULL)
        return -1;
    while (readdir(dir) != NULL)
        count++;
    (void)closedir(dir);
    return count;
}

#endif
