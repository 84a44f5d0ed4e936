/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_FAULT_CLIENT_H
#define RESIL_FAULT_CLIENT_H

/* For tests of the fault server: a client that has nothing but a socket. Include test.h first. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fault_server.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static inline int server_start(void **state)
{
    *state = fault_server_start();
    return *state == NULL ? -1 : 0;
}

static inline int server_stop(void **state)
{
    fault_server_stop(*state);
    return 0;
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, server_start, server_stop)

static inline uint64_t now_ms(void)
{
    struct timespec ts;

    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Returns a connected socket, or -1 with errno. */
static inline int dial(struct fault_server *server)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(fault_server_port(server)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int saved;

    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until the text ends with the tail, or the connection does. Returns bytes read, or -1 with
   errno. */
static inline ssize_t hear(int fd, char *text, size_t size, const char *tail)
{
    size_t used = 0;

    text[0] = '\0';
    while (used + 1 < size) {
        ssize_t got = recv(fd, text + used, size - 1 - used, 0);

        if (got <= 0)
            return got < 0 ? -1 : (ssize_t)used;
        used += (size_t)got;
        text[used] = '\0';
        if (tail != NULL && used >= strlen(tail) && strcmp(text + used - strlen(tail), tail) == 0)
            break;
    }
    return (ssize_t)used;
}

/* Reads one whole answer: every body of the server ends like this, and no header does. */
static inline void hear_answer(int fd, char *text, size_t size)
{
    assert_true(hear(fd, text, size, "k\n") > 0);
}

static inline void expect_answer(int fd, const char *start)
{
    char text[1024];

    hear_answer(fd, text, sizeof text);
    if (strncmp(text, start, strlen(start)) != 0)
        fail_msg("expected %s, got %s", start, text);
}

static inline bool readable(int fd, int wait_ms)
{
    struct pollfd set = {.fd = fd, .events = POLLIN};

    return poll(&set, 1, wait_ms) == 1;
}

static inline struct fault_counts counts_of(struct fault_server *server)
{
    struct fault_counts counts;

    fault_server_counts(server, &counts);
    return counts;
}

#endif
