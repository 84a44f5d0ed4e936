/* SPDX-License-Identifier: BSD-2-Clause */

/* One TCP or HTTP probe on a non-blocking socket. */
#define _GNU_SOURCE
#include "driver/prober.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <resil/outcome.h>

/* What an errno value of a connection says of the endpoint. A full backlog of a UNIX socket is
   EAGAIN, and the endpoint's. */
static enum resil__prober_end blame(int err)
{
    return resil_outcome_from_errno(err, false) == RESIL_LOCAL ? RESIL__PROBER_OURS
                                                               : RESIL__PROBER_FAILED;
}

static bool would_block(int err)
{
    return resil_outcome_from_errno(err, false) == RESIL_NONE;
}

/* A connect to a free port of this machine can meet itself, when the kernel chooses that very port
   for our end: it succeeds, and nobody is there. */
static bool met_itself(int fd)
{
    struct sockaddr_storage ours, theirs;
    socklen_t ours_bytes = sizeof ours, theirs_bytes = sizeof theirs;

    memset(&ours, 0, sizeof ours);
    memset(&theirs, 0, sizeof theirs);
    return getsockname(fd, (struct sockaddr *)&ours, &ours_bytes) == 0 &&
           getpeername(fd, (struct sockaddr *)&theirs, &theirs_bytes) == 0 &&
           ours.ss_family != AF_UNIX && ours_bytes == theirs_bytes &&
           memcmp(&ours, &theirs, ours_bytes) == 0;
}

static enum resil__prober_end speak(const struct resil_prober_config *config,
                                    struct resil__prober_try *probe)
{
    char text[RESIL__PROBER_REQUEST];
    size_t length = resil__prober_request(config, probe->address, text);

    while (probe->sent < length) {
        ssize_t sent =
            send(probe->fd, text + probe->sent, length - probe->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0)
            return would_block(errno) ? RESIL__PROBER_GOES_ON : blame(errno);
        probe->sent += (uint32_t)sent;
    }
    probe->phase = RESIL__PROBER_READ;
    return RESIL__PROBER_GOES_ON;
}

/* "HTTP/1." digit, space, three digits, and something that isn't a digit. */
static bool is_well(const struct resil_prober_config *config, const char head[RESIL__PROBER_HEAD])
{
    uint64_t status = 0;

    if (memcmp(head, "HTTP/1.", 7) != 0 || head[7] < '0' || head[7] > '9' || head[8] != ' ' ||
        (head[12] != ' ' && head[12] != '\r' && head[12] != '\n'))
        return false;
    for (int i = 9; i < 12; i++) {
        if (head[i] < '0' || head[i] > '9')
            return false;
        status = status * 10 + (uint64_t)(head[i] - '0');
    }
    return status >= config->status_min && status <= config->status_max;
}

static enum resil__prober_end listen_for_it(const struct resil_prober_config *config,
                                            struct resil__prober_try *probe)
{
    while (probe->heard < RESIL__PROBER_HEAD) {
        ssize_t got = recv(probe->fd, probe->head + probe->heard, RESIL__PROBER_HEAD - probe->heard,
                           MSG_DONTWAIT);

        if (got == 0)
            return RESIL__PROBER_FAILED;
        if (got < 0)
            return would_block(errno) ? RESIL__PROBER_GOES_ON : blame(errno);
        probe->heard += (uint32_t)got;
    }
    return is_well(config, probe->head) ? RESIL__PROBER_PASSED : RESIL__PROBER_FAILED;
}

static enum resil__prober_end connected(const struct resil_prober_config *config,
                                        struct resil__prober_try *probe)
{
    if (met_itself(probe->fd))
        return RESIL__PROBER_FAILED;
    if (config->kind == RESIL_PROBER_TCP)
        return RESIL__PROBER_PASSED;
    probe->phase = RESIL__PROBER_SEND;
    return speak(config, probe);
}

enum resil__prober_end resil__prober_open(const struct resil_prober_config *config,
                                          struct resil__prober_try *probe)
{
    struct resil__prober_target to;
    enum resil__prober_end end;

    probe->phase = RESIL__PROBER_CONNECT;
    probe->sent = probe->heard = 0;
    /* It could be read when the list was taken: an interface has gone since. */
    if (!resil__prober_parse(probe->address, &to))
        return RESIL__PROBER_OURS;
    probe->fd = socket(to.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe->fd < 0)
        return RESIL__PROBER_OURS;
    if (connect(probe->fd, (struct sockaddr *)&to.address, to.bytes) == 0)
        end = connected(config, probe);
    else if (errno == EINPROGRESS || errno == EINTR)
        end = RESIL__PROBER_GOES_ON;
    else
        end = blame(errno);
    if (end != RESIL__PROBER_GOES_ON)
        (void)close(probe->fd);
    return end;
}

enum resil__prober_end resil__prober_advance(const struct resil_prober_config *config,
                                             struct resil__prober_try *probe, short revents)
{
    int err = 0;
    socklen_t bytes = sizeof err;

    if (revents == 0)
        return RESIL__PROBER_GOES_ON;
    if (probe->phase == RESIL__PROBER_SEND)
        return speak(config, probe);
    if (probe->phase == RESIL__PROBER_READ)
        return listen_for_it(config, probe);
    if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &err, &bytes) != 0)
        return RESIL__PROBER_OURS;
    return err != 0 ? blame(err) : connected(config, probe);
}

short resil__prober_events(const struct resil__prober_try *probe)
{
    return probe->phase == RESIL__PROBER_READ ? POLLIN : POLLOUT;
}
