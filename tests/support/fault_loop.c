/* SPDX-License-Identifier: BSD-2-Clause */

/* The server's thread: poll, accept, and hand each connection what happened to it. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fault_private.h"

#define ACCEPT_NS (10 * FAULT_MS) /* pause when no descriptor is to be had */

static void accept_all(struct fault_server *server, uint64_t now_ns)
{
    int one = 1;

    for (size_t i = 0; i < FAULT_CONNS; i++) {
        struct fault_conn *conn = &server->conns[i];
        int fd;

        if (conn->phase != FAULT_FREE)
            continue;
        do
            fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
        if (fd < 0) {
            if (errno != EAGAIN)
                server->accept_at_ns = now_ns + ACCEPT_NS;
            return;
        }
        /* An answer goes out in one piece: nothing to gain from waiting for more. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fault_conn_open(conn, fd);
        fault_server_count_connection(server);
        if (server->conns_used <= i)
            server->conns_used = i + 1;
    }
}

/* Death closes everything; resurrection opens the port again. */
static void follow_weather(struct fault_server *server, uint64_t now_ns)
{
    bool dead = fault_server_weather(server).kind == FAULT_DEAD;

    if (dead && server->listener >= 0) {
        (void)close(server->listener);
        server->listener = -1;
        for (size_t i = 0; i < server->conns_used; i++) {
            if (server->conns[i].phase != FAULT_FREE)
                fault_conn_reset(server, &server->conns[i]);
        }
    } else if (!dead && server->listener < 0) {
        server->listener = fault_server_bind(server->port, true);
        if (server->listener < 0) /* out of descriptors: try again */
            server->accept_at_ns = now_ns + ACCEPT_NS;
    }
}

/* Fills the poll set; entry 0 is the pipe, 1 the listener, the rest the connections. Returns when
   to wake. */
static uint64_t gather(struct fault_server *server, struct pollfd *set, uint64_t now_ns)
{
    uint64_t wake_ns = FAULT_NEVER;
    bool room = server->conns_used < FAULT_CONNS;

    for (size_t i = 0; i < server->conns_used; i++) {
        struct fault_conn *conn = &server->conns[i];
        short events = 0;

        set[2 + i] = (struct pollfd){.fd = -1};
        if (conn->phase == FAULT_FREE) {
            room = true;
            continue;
        }
        if (conn->phase == FAULT_WRITE)
            events = POLLOUT;
        else if (conn->in_size < sizeof conn->in || conn->phase == FAULT_DRAIN)
            events = POLLIN;
        set[2 + i] = (struct pollfd){.fd = conn->fd, .events = events};
        if (conn->due_ns < wake_ns)
            wake_ns = conn->due_ns;
    }
    set[0] = (struct pollfd){.fd = server->wake[0], .events = POLLIN};
    set[1] = (struct pollfd){.fd = -1};
    if (server->accept_at_ns > now_ns)
        wake_ns = server->accept_at_ns < wake_ns ? server->accept_at_ns : wake_ns;
    else if (room)
        set[1] = (struct pollfd){.fd = server->listener, .events = POLLIN};
    return wake_ns;
}

static void wait_for(struct pollfd *set, size_t count, uint64_t now_ns, uint64_t wake_ns)
{
    uint64_t span_ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
    struct timespec span = {(time_t)(span_ns / (1000 * FAULT_MS)),
                            (long)(span_ns % (1000 * FAULT_MS))};

    if (ppoll(set, count, wake_ns == FAULT_NEVER ? NULL : &span, NULL) < 0) {
        for (size_t i = 0; i < count; i++)
            set[i].revents = 0; /* EINTR: nothing is known */
    }
}

void *fault_server_loop(void *arg)
{
    struct fault_server *server = arg;
    struct pollfd set[2 + FAULT_CONNS];
    char nudges[64];

    while (!atomic_load(&server->stopping)) {
        uint64_t now_ns = fault_now_ns();
        uint64_t wake_ns;
        size_t used;

        follow_weather(server, now_ns);
        wake_ns = gather(server, set, now_ns);
        used = server->conns_used; /* accept may add some that the set doesn't know */
        wait_for(set, 2 + used, now_ns, wake_ns);
        now_ns = fault_now_ns();
        while (set[0].revents != 0 && read(server->wake[0], nudges, sizeof nudges) > 0)
            continue;
        for (size_t i = 0; i < used; i++) {
            struct fault_conn *conn = &server->conns[i];

            if ((set[2 + i].revents & POLLOUT) != 0 && conn->phase == FAULT_WRITE)
                fault_conn_write(server, conn, now_ns);
            else if (set[2 + i].revents != 0)
                fault_conn_read(server, conn, now_ns);
            fault_conn_due(server, conn, now_ns);
            fault_conn_serve(server, conn, now_ns); /* what a client sent ahead */
        }
        if (set[1].revents != 0)
            accept_all(server, now_ns);
    }
    for (size_t i = 0; i < server->conns_used; i++) {
        if (server->conns[i].phase != FAULT_FREE)
            fault_conn_reset(server, &server->conns[i]);
    }
    return NULL;
}
