/* SPDX-License-Identifier: BSD-2-Clause */

/* The prober's thread: one poll over all probes in flight. */
#define _GNU_SOURCE
#include "driver/prober.h"

#include <errno.h>
#include <unistd.h>

#include <resil/env.h>

#include "base/math.h"
#include "platform/cancel.h"

/* Probes begun before the sockets and the updates are looked at again. */
#define BATCH 64

/* The longest that poll is asked to wait: its argument is an int of milliseconds. */
#define NAP_MAX_NS RESIL_SEC(60)

static void drop(struct resil_prober *prober, uint32_t at)
{
    (void)close(prober->probes[at].fd);
    prober->count--;
    prober->probes[at] = prober->probes[prober->count];
    prober->polls[at + 1] = prober->polls[prober->count + 1];
}

static void report(struct resil_prober *prober, uint64_t ticket, enum resil__prober_end end)
{
    if (end == RESIL__PROBER_OURS)
        (void)resil_health_cancel(&prober->health, ticket, resil_now_ns());
    else
        (void)resil_health_report(&prober->health, ticket, end == RESIL__PROBER_PASSED,
                                  resil_now_ns());
}

/* Lets go of probes whose time is over. resil_health_next has counted them, or will. */
static void drop_overdue(struct resil_prober *prober, uint64_t now_ns)
{
    for (uint32_t at = prober->count; at > 0; at--)
        if (prober->probes[at - 1].deadline_ns <= now_ns)
            drop(prober, at - 1);
}

/* Takes over the list that was given last. Probes of endpoints that have gone end here; the others'
   addresses lie in the new list. Returns false when it is time to stop. */
static bool adopt(struct resil_prober *prober)
{
    struct resil__health_table *table;
    bool stopping;

    (void)pthread_mutex_lock(&prober->lock);
    table = prober->pending;
    prober->pending = NULL;
    stopping = prober->stopping;
    (void)pthread_mutex_unlock(&prober->lock);
    if (table == NULL)
        return !stopping;
    resil__health_adopt(&prober->health, table, resil_now_ns());
    for (uint32_t at = prober->count; at > 0; at--) {
        struct resil__prober_try *probe = &prober->probes[at - 1];

        probe->address = resil__health_address(&prober->health, probe->ticket);
        if (probe->address == NULL)
            drop(prober, at - 1);
    }
    return !stopping;
}

static void begin(struct resil_prober *prober, const struct resil_health_probe *due,
                  uint64_t now_ns)
{
    const struct resil_prober_config *config = &prober->config;
    struct resil__prober_try *probe;
    enum resil__prober_end end;

    if (config->kind == RESIL_PROBER_CALLBACK) {
        bool passed = config->probe(config->probe_arg, due->address, due->user, due->deadline_ns);

        report(prober, due->ticket, passed ? RESIL__PROBER_PASSED : RESIL__PROBER_FAILED);
        return;
    }
    /* The schedule never has more in flight than there is room for. Without room, some of ours have
       expired since they were looked at last. */
    if (prober->count == prober->probes_max)
        drop_overdue(prober, now_ns); /* unreachable: unless time passes between two lines */
    probe = &prober->probes[prober->count];
    probe->ticket = due->ticket;
    probe->deadline_ns = due->deadline_ns;
    probe->address = due->address;
    end = resil__prober_open(config, probe);
    if (end == RESIL__PROBER_GOES_ON)
        prober->count++;
    else
        report(prober, due->ticket, end);
}

/* Begins what is due. Returns when to come back. */
static uint64_t launch(struct resil_prober *prober)
{
    int batch = prober->config.kind == RESIL_PROBER_CALLBACK ? 1 : BATCH;
    struct resil_health_probe due;

    for (int i = 0; i < batch; i++) {
        uint64_t now_ns = resil_now_ns();

        (void)resil_health_next(&prober->health, now_ns, &due);
        if (due.ticket == 0)
            return due.wake_ns;
        begin(prober, &due, now_ns);
    }
    return 0;
}

/* Rounded up: to wake too early is to wake twice. */
static int nap_ms(uint64_t until_ns)
{
    uint64_t left_ns = resil__min(resil__sub_sat(until_ns, resil_now_ns()), NAP_MAX_NS);

    return (int)((left_ns + RESIL_MS(1) - 1) / RESIL_MS(1));
}

static void wait_for(struct resil_prober *prober, uint64_t until_ns)
{
    char bytes[64];
    ssize_t got;

    prober->polls[0] = (struct pollfd){.fd = prober->pipe[0], .events = POLLIN};
    for (uint32_t at = 0; at < prober->count; at++)
        prober->polls[at + 1] = (struct pollfd){
            .fd = prober->probes[at].fd,
            .events = resil__prober_events(&prober->probes[at]),
        };
    if (poll(prober->polls, prober->count + 1, nap_ms(until_ns)) < 0) {
        /* The kernel is out of memory, or the limit of descriptors was lowered below those that are
           open. Nothing is known of any probe: a nap, so that this isn't a busy loop. */
        for (uint32_t at = 0; at <= prober->count; at++)
            prober->polls[at].revents = 0;
        if (errno != EINTR)
            (void)poll(NULL, 0, 10);
    }
    if (prober->polls[0].revents != 0)
        do
            got = read(prober->pipe[0], bytes, sizeof bytes);
        while (got == (ssize_t)sizeof bytes);
}

/* From the last to the first: drop puts the last in the place of one that ends. */
static void advance(struct resil_prober *prober)
{
    for (uint32_t at = prober->count; at > 0; at--) {
        struct resil__prober_try *probe = &prober->probes[at - 1];
        uint64_t ticket = probe->ticket;
        enum resil__prober_end end =
            resil__prober_advance(&prober->config, probe, prober->polls[at].revents);

        if (end == RESIL__PROBER_GOES_ON)
            continue;
        drop(prober, at - 1);
        report(prober, ticket, end);
    }
    drop_overdue(prober, resil_now_ns());
}

void *resil__prober_run(void *arg)
{
    struct resil_prober *prober = arg;

    (void)resil__cancel_off(); /* for good: stop waits for a thread that ends by itself */
#ifdef __linux__
    (void)pthread_setname_np(pthread_self(), "resil-prober");
#endif
    while (adopt(prober)) {
        wait_for(prober, launch(prober));
        advance(prober);
    }
    while (prober->count > 0)
        drop(prober, prober->count - 1);
    return NULL;
}
