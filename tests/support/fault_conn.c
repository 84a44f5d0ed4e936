/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One connection: read a request, wait for its moment, do the damage. Every socket is non-blocking
 * and every send has MSG_NOSIGNAL, so that no client can stall or kill the process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault_private.h"

#define DRAIN_NS (1000 * FAULT_MS) /* for a client that doesn't close after our answer */

static void free_conn(struct fault_server *server, struct fault_conn *conn, enum fault_end end)
{
    fault_server_count_end(server, conn, end);
    (void)close(conn->fd);
    conn->fd = -1;
    conn->phase = FAULT_FREE;
}

/* Closing with a linger time of zero sends a reset instead of an orderly end. */
void fault_conn_reset(struct fault_server *server, struct fault_conn *conn)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    free_conn(server, conn, FAULT_END_LOST);
}

/* Closes our side. Closing at once would turn into a reset if the client has sent more, and could
 * destroy the answer on its way. */
static void drain_conn(struct fault_server *server, struct fault_conn *conn, uint64_t until_ns)
{
    if (shutdown(conn->fd, SHUT_WR) != 0) {
        free_conn(server, conn, FAULT_END_LOST);
        return;
    }
    conn->phase = FAULT_DRAIN;
    conn->due_ns = until_ns;
}

static void next_request(struct fault_conn *conn)
{
    conn->phase = FAULT_READ;
    conn->begun = conn->decided = conn->headed = false;
    conn->due_ns = FAULT_NEVER;
}

void fault_conn_open(struct fault_conn *conn, int fd)
{
    conn->fd = fd;
    conn->in_size = 0;
    next_request(conn);
}

/* Sends what the socket takes. Returns 1 when all is sent, 0 when more has to wait, -1 when the
   client is gone. */
static int send_some(struct fault_conn *conn)
{
    while (conn->out_sent < conn->out_size) {
        ssize_t sent = send(conn->fd, conn->out + conn->out_sent, conn->out_size - conn->out_sent,
                            MSG_NOSIGNAL);

        if (sent >= 0)
            conn->out_sent += (size_t)sent;
        else if (errno == EAGAIN)
            return 0;
        else if (errno != EINTR)
            return -1;
    }
    return 1;
}

void fault_conn_write(struct fault_server *server, struct fault_conn *conn, uint64_t now_ns)
{
    int sent;

    /* Who has seen an answer and looks at the counters finds it there: the lock spans both. */
    (void)pthread_mutex_lock(&server->lock);
    sent = send_some(conn);
    if (sent == 1)
        fault_server_end_locked(server, conn, FAULT_END_ANSWERED);
    (void)pthread_mutex_unlock(&server->lock);
    if (sent == 1 && conn->keep)
        next_request(conn);
    else if (sent == 1)
        drain_conn(server, conn, now_ns + DRAIN_NS);
    else if (sent < 0)
        free_conn(server, conn, FAULT_END_ABANDONED);
}

/* The moment has come. */
static void act(struct fault_server *server, struct fault_conn *conn, uint64_t now_ns)
{
    conn->due_ns = FAULT_NEVER;
    if (conn->fault.kind == FAULT_PARTIAL)
        conn->keep = false;
    switch (conn->fault.kind) {
    case FAULT_RESET_UNREAD:
    case FAULT_RESET:
        fault_conn_reset(server, conn);
        break;
    case FAULT_HANG:
        break; /* until the client leaves */
    case FAULT_HALF_CLOSE:
        fault_server_count_end(server, conn, FAULT_END_LOST);
        drain_conn(server, conn, FAULT_NEVER);
        break;
    case FAULT_ANSWER:
    case FAULT_STATUS:
    case FAULT_PARTIAL:
        conn->out_size = fault_http_answer(conn->out, sizeof conn->out, &conn->fault, conn->keep);
        conn->out_sent = 0;
        conn->phase = FAULT_WRITE;
        fault_conn_write(server, conn, now_ns);
        break;
    }
}

void fault_conn_due(struct fault_server *server, struct fault_conn *conn, uint64_t now_ns)
{
    if (conn->due_ns > now_ns)
        return;
    if (conn->phase == FAULT_WORK)
        act(server, conn, now_ns);
    else if (conn->phase == FAULT_DRAIN)
        free_conn(server, conn, FAULT_END_LOST);
}

/* Looks at what has arrived. Returns true when a request is complete and its body swallowed. */
static bool request_complete(struct fault_conn *conn)
{
    size_t cut;

    if (!conn->headed) {
        struct fault_head head = fault_http_parse(conn->in, conn->in_size);

        if (head.size == 0 && conn->in_size < sizeof conn->in)
            return false;
        if (head.size == 0)
            head = (struct fault_head){.size = conn->in_size, .refusal = 431};
        conn->headed = true;
        conn->keep = head.keep && head.refusal == 0;
        conn->body = head.refusal == 0 ? head.body : 0;
        if (head.refusal != 0)
            conn->fault = (struct fault){.kind = FAULT_STATUS, .status = head.refusal};
        else if (!conn->decided && head.has_fault)
            conn->fault = head.fault;
        conn->decided = conn->decided || head.has_fault || head.refusal != 0;
        conn->in_size -= head.size;
        memmove(conn->in, conn->in + head.size, conn->in_size);
    }
    cut = conn->body < conn->in_size ? (size_t)conn->body : conn->in_size;
    conn->body -= cut;
    conn->in_size -= cut;
    memmove(conn->in, conn->in + cut, conn->in_size);
    return conn->body == 0;
}

/* The first bytes of a request are there: the script is asked before anything else. */
static bool begin_request(struct fault_server *server, struct fault_conn *conn)
{
    if (!conn->begun) {
        conn->begun = true;
        conn->decided = fault_server_next_step(server, &conn->fault);
    }
    if (!conn->decided || conn->fault.kind != FAULT_RESET_UNREAD)
        return true;
    fault_server_count_request(server, conn, fault_server_weather(server).kind);
    fault_conn_reset(server, conn);
    return false;
}

void fault_conn_serve(struct fault_server *server, struct fault_conn *conn, uint64_t now_ns)
{
    while (conn->phase == FAULT_READ && conn->in_size > 0) {
        struct fault_weather weather = fault_server_weather(server);

        if (!begin_request(server, conn) || !request_complete(conn))
            return;
        if (!conn->decided)
            conn->fault = fault_server_weather_fault(server, weather);
        fault_server_count_request(server, conn, weather.kind);
        conn->phase = FAULT_WORK;
        conn->due_ns = now_ns + conn->fault.delay_ms * FAULT_MS;
        if (conn->fault.delay_ms == 0)
            act(server, conn, now_ns);
    }
}

void fault_conn_read(struct fault_server *server, struct fault_conn *conn, uint64_t now_ns)
{
    ssize_t got;

    if (conn->phase == FAULT_DRAIN)
        conn->in_size = 0;
    got = recv(conn->fd, conn->in + conn->in_size, sizeof conn->in - conn->in_size, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return; /* poll will say again */
    if (got <= 0) {
        free_conn(server, conn, FAULT_END_ABANDONED);
        return;
    }
    conn->in_size += (size_t)got;
    fault_conn_serve(server, conn, now_ns);
}
