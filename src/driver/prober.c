/* SPDX-License-Identifier: BSD-2-Clause */

/* The prober as its owner sees it: config, start, update, stop. */
#define _GNU_SOURCE
#include "driver/prober.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <resil/env.h>

#include "base/check.h"
#include "platform/cancel.h"

#define STATUS_MIN_DEFAULT UINT64_C(200)
#define STATUS_MAX_DEFAULT UINT64_C(399)

/* Whether a text can stand in a request line or a header field: visible characters alone. */
static bool visible(const char *text, size_t max)
{
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] == 0x7f)
            return false;
    return length > 0 && length <= max;
}

int resil_prober_config_check(const struct resil_prober_config *config, char *why, size_t why_size)
{
    struct resil__why line = {why, why_size};

    if (config == NULL)
        return RESIL_OK;
    if (resil_health_config_check(&config->health, why, why_size) != RESIL_OK)
        return RESIL_EINVAL;
    if ((unsigned)config->kind > RESIL_PROBER_CALLBACK)
        return resil__check_fail(line, "kind", "not one of enum resil_prober_kind");
    if (config->http_path != NULL &&
        (config->http_path[0] != '/' || !visible(config->http_path, RESIL__PROBER_PATH)))
        return resil__check_fail(line, "http_path",
                                 "must begin with '/', at most 1024 bytes, no spaces or controls");
    if (config->http_host != NULL && !visible(config->http_host, RESIL__PROBER_HOST))
        return resil__check_fail(line, "http_host",
                                 "must be 1 to 255 bytes without spaces or controls");
    if (resil__check_range(line, "status_min", config->status_min, 100, 599) != RESIL_OK ||
        resil__check_range(line, "status_max", config->status_max, 100, 599) != RESIL_OK)
        return RESIL_EINVAL;
    if (resil__default(config->status_min, STATUS_MIN_DEFAULT) >
        resil__default(config->status_max, STATUS_MAX_DEFAULT))
        return resil__check_fail(line, "status_min",
                                 "must not exceed status_max (defaults: 200 and 399)");
    if (config->kind == RESIL_PROBER_CALLBACK && config->probe == NULL)
        return resil__check_fail(line, "probe", "must be set for RESIL_PROBER_CALLBACK");
    return RESIL_OK;
}

static size_t text_bytes(const char *text)
{
    return text != NULL ? strlen(text) + 1 : 0;
}

/* One block: the prober, its probes, their polls, its strings. */
static struct resil_prober *create(const struct resil_prober_config *config,
                                   const struct resil_allocator *from)
{
    const char *path = config->http_path != NULL ? config->http_path : "/";
    size_t count = (size_t)resil__default(config->health.probes_max, 256);
    size_t path_bytes = text_bytes(path), host_bytes = text_bytes(config->http_host);
    struct resil_prober *prober;
    size_t bytes;
    char *text;

    if (config->kind == RESIL_PROBER_CALLBACK)
        count = 0; /* it has no sockets */
    bytes = sizeof *prober + count * sizeof *prober->probes + (count + 1) * sizeof *prober->polls +
            path_bytes + host_bytes;
    prober = from->allocate(from->arg, bytes, 64);
    if (prober == NULL)
        return NULL;
    memset(prober, 0, sizeof *prober);
    prober->bytes = bytes;
    prober->probes_max = (uint32_t)count;
    prober->probes = (struct resil__prober_try *)(prober + 1);
    prober->polls = (struct pollfd *)(prober->probes + count);
    text = (char *)(prober->polls + count + 1);
    prober->config = *config;
    prober->config.allocator = from;
    prober->config.http_path = memcpy(text, path, path_bytes);
    if (config->http_host != NULL)
        prober->config.http_host = memcpy(text + path_bytes, config->http_host, host_bytes);
    prober->config.status_min = resil__default(config->status_min, STATUS_MIN_DEFAULT);
    prober->config.status_max = resil__default(config->status_max, STATUS_MAX_DEFAULT);
    prober->pid = getpid();
    return prober;
}

/* The signals are the program's: no handler of it runs in a thread that it doesn't know. */
static int start_thread(struct resil_prober *prober)
{
    sigset_t all, before;
    int rc;

    (void)sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return RESIL_ENOMEM;
    rc = pthread_create(&prober->thread, NULL, resil__prober_run, prober);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? RESIL_OK : RESIL_ENOMEM;
}

static void destroy(struct resil_prober *prober)
{
    const struct resil_allocator *from = prober->config.allocator;

    resil__health_discard(from, prober->pending);
    (void)resil_health_fini(&prober->health);
    from->release(from->arg, prober, prober->bytes);
}

static int start(struct resil_prober *prober)
{
    const struct resil_env *env = resil_env_posix();
    int rc = RESIL_ENOMEM;

    /* The first update takes all the memory that the thread's own need. */
    if (resil_health_init(&prober->health, &prober->config.health, prober->config.allocator,
                          env->random(env->arg)) != RESIL_OK ||
        resil_health_update(&prober->health, NULL, 0, resil_now_ns()) != RESIL_OK)
        return RESIL_ENOMEM;
    if (pipe2(prober->pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return RESIL_ENOMEM;
    if (pthread_mutex_init(&prober->lock, NULL) == 0) {
        rc = start_thread(prober);
        if (rc == RESIL_OK)
            return RESIL_OK;
        (void)pthread_mutex_destroy(&prober->lock);
    }
    (void)close(prober->pipe[0]);
    (void)close(prober->pipe[1]);
    return rc;
}

int resil_prober_start_sized(struct resil_prober **prober, const struct resil_prober_config *config,
                             size_t config_size)
{
    static const struct resil_prober_config defaults;
    const struct resil_allocator *from;
    struct resil_prober *fresh;
    int rc;

    if (config_size != sizeof *config)
        return RESIL_EABI;
    if (config == NULL)
        config = &defaults;
    from = config->allocator != NULL ? config->allocator : resil_allocator_default();
    if (prober == NULL || from->size != sizeof *from ||
        resil_prober_config_check(config, NULL, 0) != RESIL_OK)
        return RESIL_EINVAL;
    fresh = create(config, from);
    if (fresh == NULL)
        return RESIL_ENOMEM;
    rc = start(fresh);
    if (rc == RESIL_OK)
        *prober = fresh;
    else
        destroy(fresh);
    return rc;
}

/* A full pipe wakes as well as one byte more would. */
static void wake(const struct resil_prober *prober)
{
    int saved = errno;

    (void)!write(prober->pipe[1], "", 1);
    errno = saved;
}

int resil_prober_update(struct resil_prober *prober, const struct resil_health_endpoint *endpoints,
                        size_t count)
{
    struct resil__health_table *table, *before;
    struct resil__prober_target target;
    int rc;

    if (prober == NULL || prober->pid != getpid())
        return RESIL_EINVAL;
    rc = resil__health_prepare(prober->config.allocator, endpoints, count, &table);
    if (rc != RESIL_OK)
        return rc;
    for (size_t i = 0; i < count && prober->config.kind != RESIL_PROBER_CALLBACK; i++)
        if (!resil__prober_parse(endpoints[i].address, &target)) {
            resil__health_discard(prober->config.allocator, table);
            return RESIL_EINVAL;
        }
    (void)pthread_mutex_lock(&prober->lock);
    before = prober->pending;
    prober->pending = table;
    (void)pthread_mutex_unlock(&prober->lock);
    resil__health_discard(prober->config.allocator, before);
    wake(prober);
    return RESIL_OK;
}

int resil_prober_snapshot(const struct resil_prober *prober, struct resil_health_snapshot *snapshot)
{
    return prober != NULL ? resil_health_snapshot(&prober->health, snapshot) : RESIL_EINVAL;
}

int resil_prober_stop(struct resil_prober *prober)
{
    int before;

    if (prober == NULL)
        return RESIL_OK;
    if (prober->pid != getpid())
        return RESIL_EINVAL;
    if (pthread_equal(pthread_self(), prober->thread) != 0)
        return RESIL_EBUSY;
    before = resil__cancel_off();
    (void)pthread_mutex_lock(&prober->lock);
    prober->stopping = true;
    (void)pthread_mutex_unlock(&prober->lock);
    wake(prober);
    (void)pthread_join(prober->thread, NULL);
    (void)close(prober->pipe[0]);
    (void)close(prober->pipe[1]);
    (void)pthread_mutex_destroy(&prober->lock);
    destroy(prober);
    resil__cancel_restore(before);
    return RESIL_OK;
}
