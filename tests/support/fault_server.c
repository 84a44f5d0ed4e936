/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "fault_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fault_private.h"

uint64_t fault_now_ns(void)
{
    struct timespec ts;

    if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
        return 0;
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* One word, so that a reader never sees half of a change. */
static uint64_t pack(struct fault_weather weather)
{
    return (uint64_t)weather.delay_ms << 32 | (uint64_t)weather.retry_after_s << 16 |
           (uint64_t)weather.failure_pct << 8 | (uint64_t)weather.kind;
}

struct fault_weather fault_server_weather(struct fault_server *server)
{
    uint64_t word = atomic_load(&server->weather);

    return (struct fault_weather){
        .kind = (enum fault_weather_kind)(word & 0xff),
        .failure_pct = (uint8_t)(word >> 8),
        .retry_after_s = (uint16_t)(word >> 16),
        .delay_ms = (uint32_t)(word >> 32),
    };
}

int fault_server_bind(uint16_t port, bool listening)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;

    if (fd < 0)
        return -1;
    /* The holder and the listener share the port: allowed, as long as only one of them listens. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        (listening && listen(fd, SOMAXCONN) != 0)) {
        int saved = errno;

        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static void nudge(struct fault_server *server)
{
    ssize_t written;

    do
        written = write(server->wake[1], "", 1);
    while (written < 0 && errno == EINTR); /* EAGAIN: the pipe is full of nudges already */
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    return ntohs(address.sin_port);
}

static void dispose(struct fault_server *server)
{
    int fds[] = {server->wake[0], server->wake[1], server->holder, server->listener};
    int saved = errno;

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
    free(server);
    errno = saved;
}

struct fault_server *fault_server_start(void)
{
    struct fault_server *server = calloc(1, sizeof *server);
    int error;

    if (server == NULL)
        return NULL;
    server->holder = server->listener = server->wake[0] = server->wake[1] = -1;
    server->seed = 1;
    server->holder = fault_server_bind(0, false);
    if (server->holder < 0 || (server->port = bound_port(server->holder)) == 0)
        goto fail;
    server->listener = fault_server_bind(server->port, true);
    if (server->listener < 0 || pipe2(server->wake, O_CLOEXEC | O_NONBLOCK) != 0)
        goto fail;
    error = pthread_mutex_init(&server->lock, NULL);
    if (error == 0) {
        error = pthread_create(&server->thread, NULL, fault_server_loop, server);
        if (error == 0)
            return server;
        (void)pthread_mutex_destroy(&server->lock);
    }
    errno = error;
fail:
    dispose(server);
    return NULL;
}

void fault_server_stop(struct fault_server *server)
{
    if (server == NULL)
        return;
    atomic_store(&server->stopping, true);
    nudge(server);
    (void)pthread_join(server->thread, NULL);
    (void)pthread_mutex_destroy(&server->lock);
    dispose(server);
}

uint16_t fault_server_port(const struct fault_server *server)
{
    return server->port;
}

void fault_server_set_weather(struct fault_server *server, struct fault_weather weather)
{
    atomic_store(&server->weather, pack(weather));
    nudge(server);
}

bool fault_server_set_script(struct fault_server *server, const struct fault *steps, size_t count)
{
    if (count > FAULT_SCRIPT_MAX)
        return false;
    (void)pthread_mutex_lock(&server->lock);
    memcpy(server->script, steps, count * sizeof *steps);
    server->script_size = count;
    server->script_at = 0;
    (void)pthread_mutex_unlock(&server->lock);
    return true;
}

void fault_server_counts(struct fault_server *server, struct fault_counts *counts)
{
    (void)pthread_mutex_lock(&server->lock);
    *counts = server->counts;
    (void)pthread_mutex_unlock(&server->lock);
}

bool fault_server_next_step(struct fault_server *server, struct fault *fault)
{
    bool found;

    (void)pthread_mutex_lock(&server->lock);
    found = server->script_at < server->script_size;
    if (found)
        *fault = server->script[server->script_at++];
    (void)pthread_mutex_unlock(&server->lock);
    return found;
}

/* A number of 0 to bound - 1 (xorshift64*). Only the loop draws. */
static uint32_t draw(struct fault_server *server, uint32_t bound)
{
    uint64_t x = server->seed;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    server->seed = x;
    return (uint32_t)(((x * UINT64_C(2685821657736338717) >> 32) * bound) >> 32);
}

struct fault fault_server_weather_fault(struct fault_server *server, struct fault_weather weather)
{
    struct fault fault = {.kind = FAULT_ANSWER};

    if (weather.delay_ms != 0)
        fault.delay_ms = weather.delay_ms - weather.delay_ms / 2 + draw(server, weather.delay_ms);
    if (weather.kind == FAULT_FAILING && draw(server, 100) < weather.failure_pct) {
        fault.kind = FAULT_STATUS;
        fault.status = 500;
    } else if (weather.kind == FAULT_OVERLOAD) {
        fault.kind = FAULT_STATUS;
        fault.status = 503;
        fault.retry_after_s = weather.retry_after_s;
    } else if (weather.kind == FAULT_DEAD) {
        fault.kind = FAULT_RESET; /* arrived at the very moment of death */
        fault.delay_ms = 0;
    }
    return fault;
}

void fault_server_count_connection(struct fault_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    server->counts.connections++;
    (void)pthread_mutex_unlock(&server->lock);
}

void fault_server_count_request(struct fault_server *server, struct fault_conn *conn,
                                enum fault_weather_kind weather)
{
    struct fault_counts *counts = &server->counts;

    (void)pthread_mutex_lock(&server->lock);
    counts->requests++;
    counts->kinds[conn->fault.kind]++;
    counts->weathers[weather]++;
    if (weather != FAULT_HEALTHY)
        counts->sick++;
    counts->in_flight++;
    if (counts->in_flight_max < counts->in_flight)
        counts->in_flight_max = counts->in_flight;
    (void)pthread_mutex_unlock(&server->lock);
    conn->counted = true;
}

void fault_server_end_locked(struct fault_server *server, struct fault_conn *conn,
                             enum fault_end end)
{
    bool ok = conn->fault.kind == FAULT_ANSWER ||
              (conn->fault.kind == FAULT_STATUS && conn->fault.status < 300);

    if (!conn->counted)
        return;
    conn->counted = false;
    server->counts.in_flight--;
    if (end == FAULT_END_ABANDONED)
        server->counts.abandoned++;
    else if (end == FAULT_END_ANSWERED && ok)
        server->counts.answered_ok++;
}

void fault_server_count_end(struct fault_server *server, struct fault_conn *conn,
                            enum fault_end end)
{
    (void)pthread_mutex_lock(&server->lock);
    fault_server_end_locked(server, conn, end);
    (void)pthread_mutex_unlock(&server->lock);
}
