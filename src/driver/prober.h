/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_DRIVER_PROBER_H
#define RESIL_DRIVER_PROBER_H

/* What the files of the prober share. Include after <sys/types.h> of _GNU_SOURCE. */

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <resil/prober.h>

#include "balancer/health.h"

/** "HTTP/1.1 200 ": all of an answer that is read. */
#define RESIL__PROBER_HEAD 13

/** Longest http_path, http_host, and a whole request. */
#define RESIL__PROBER_PATH    1024
#define RESIL__PROBER_HOST    255
#define RESIL__PROBER_REQUEST (RESIL__PROBER_PATH + RESIL__PROBER_HOST + 128)

struct resil__prober_target {
    struct sockaddr_storage address;
    socklen_t bytes;
};

enum resil__prober_phase {
    RESIL__PROBER_CONNECT = 0,
    RESIL__PROBER_SEND = 1,
    RESIL__PROBER_READ = 2,
};

enum resil__prober_end {
    RESIL__PROBER_GOES_ON = 0,
    RESIL__PROBER_PASSED = 1,
    RESIL__PROBER_FAILED = 2,
    RESIL__PROBER_OURS = 3, /* our own fault: no result */
};

/** One TCP or HTTP probe in flight. */
struct resil__prober_try {
    uint64_t ticket;
    uint64_t deadline_ns;
    const char *address; /* of the table: renewed when a list is adopted */
    int fd;
    enum resil__prober_phase phase;
    uint32_t sent;
    uint32_t heard;
    char head[RESIL__PROBER_HEAD];
};

struct resil_prober {
    struct resil_prober_config config; /* the defaults filled in; strings of our own */
    struct resil_health health;        /* the thread's, but for the allocator and the numbers */
    struct resil__prober_try *probes;  /* in flight, without gaps */
    struct pollfd *polls;              /* [0] is the pipe, [i + 1] belongs to probes[i] */
    size_t bytes;                      /* of the block that all of this is */
    uint32_t probes_max;
    uint32_t count;
    int pipe[2]; /* a byte wakes the thread */
    pid_t pid;
    pthread_t thread;
    pthread_mutex_t lock;
    struct resil__health_table *pending; /* under the lock: the list to adopt next */
    bool stopping;                       /* under the lock */
};

/* prober_address.c */

/** Reads an address; false when it can't be read. */
bool resil__prober_parse(const char *address, struct resil__prober_target *target);

/** Writes the request for an address, and returns its length. */
size_t resil__prober_request(const struct resil_prober_config *config, const char *address,
                             char text[RESIL__PROBER_REQUEST]);

/* prober_try.c */

/** Begins a probe, whose ticket, deadline and address are set. Unless it goes on, it has no
    descriptor. */
enum resil__prober_end resil__prober_open(const struct resil_prober_config *config,
                                          struct resil__prober_try *probe);

/** Goes on after poll has said revents. */
enum resil__prober_end resil__prober_advance(const struct resil_prober_config *config,
                                             struct resil__prober_try *probe, short revents);

/** What poll is to wait for. */
short resil__prober_events(const struct resil__prober_try *probe);

/* prober_loop.c */

/** The thread. */
void *resil__prober_run(void *prober);

#endif
