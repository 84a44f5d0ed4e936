/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_FAULT_SERVER_H
#define RESIL_FAULT_SERVER_H

/*
 * An HTTP server on loopback that misbehaves on demand: one thread, real sockets, keep-alive. It
 * shows tests and examples what a client meets in production, and counts what reached it.
 *
 * What happens to a request is decided by the first of these that has an opinion:
 *
 *   script   an array of faults, one for each request in the order in which they begin to arrive
 *   path     /delay/MS  /status/CODE  /status/CODE/RETRY_AFTER_S  /hang  /reset  /half-close
 *            /partial
 *   weather  what the whole server is like at present; can change at any time
 *
 * While the weather is DEAD every connection is reset and the port refuses new ones. The port stays
 * reserved, so that no other program can take it.
 *
 * Speaks HTTP/1.1 with Content-Length bodies; answers 411 to chunked requests, knows no HEAD and
 * ignores Expect. A client that closes its side before the answer is taken as gone, as common
 * servers do.
 *
 * Threads:   every function but start and stop may be called by any thread at any time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What can happen to one request. */
enum fault_kind {
    FAULT_ANSWER = 0,       /* 200 and a short body */
    FAULT_STATUS = 1,       /* fault.status and a short body */
    FAULT_HANG = 2,         /* read, never answered */
    FAULT_RESET_UNREAD = 3, /* reset as soon as its first bytes arrive, whatever delay_ms says */
    FAULT_RESET = 4,        /* read, then the connection is reset */
    FAULT_HALF_CLOSE = 5,   /* read, then our side is closed without an answer; theirs stays open */
    FAULT_PARTIAL = 6,      /* 200, but the connection ends in the middle of the body */
};

#define FAULT_KINDS 7

struct fault {
    enum fault_kind kind;
    uint32_t delay_ms;      /* before it happens */
    uint32_t status;        /* STATUS: 200 to 599 */
    uint32_t retry_after_s; /* STATUS: the Retry-After field; 0 = none */
};

/** What the whole server is like. */
enum fault_weather_kind {
    FAULT_HEALTHY = 0,
    FAULT_FAILING = 1,  /* failure_pct of the answers are a 500 */
    FAULT_SLOW = 2,     /* as HEALTHY; the clients' time-outs make it a fault */
    FAULT_DEAD = 3,     /* connections are reset, connects are refused */
    FAULT_OVERLOAD = 4, /* every answer is a 503 */
};

#define FAULT_WEATHERS 5

struct fault_weather {
    enum fault_weather_kind kind;
    uint32_t delay_ms;      /* mean; each request draws from a half to one and a half of it */
    uint8_t failure_pct;    /* FAILING */
    uint16_t retry_after_s; /* OVERLOAD: the Retry-After field; 0 = none */
};

/** What reached the server. One moment: the numbers agree with each other. */
struct fault_counts {
    uint64_t connections;              /* accepted */
    uint64_t requests;                 /* received, those reset unread included */
    uint64_t kinds[FAULT_KINDS];       /* requests by what was decided for them */
    uint64_t weathers[FAULT_WEATHERS]; /* requests by the weather that they met */
    uint64_t sick;                     /* requests that met any weather but HEALTHY */
    uint64_t answered_ok;              /* whole 2xx answers handed to the kernel */
    uint64_t abandoned;                /* requests whose client left before the answer */
    uint64_t in_flight;                /* received and neither answered nor lost, now */
    uint64_t in_flight_max;            /* the most at once so far */
};

struct fault_server;

/**
 * Starts a healthy server that answers at once, on a free port of 127.0.0.1.
 *
 * @return NULL with errno set when there is no memory, socket or thread to be had. To be given to
 *         fault_server_stop.
 */
struct fault_server *fault_server_start(void);

/** Resets what is open, ends the thread and frees everything. NULL is allowed. */
void fault_server_stop(struct fault_server *server);

/** The port on 127.0.0.1, the same for the whole life of the server. */
uint16_t fault_server_port(const struct fault_server *server);

/** Changes the weather for the requests that arrive from now on: one atomic store, then a nudge. */
void fault_server_set_weather(struct fault_server *server, struct fault_weather weather);

/** The longest script. */
#define FAULT_SCRIPT_MAX 256

/**
 * Gives the next requests a fate each. Replaces what is left of a former script.
 *
 * @param steps  copied.
 * @return false, and nothing has changed, when there are more than FAULT_SCRIPT_MAX.
 */
bool fault_server_set_script(struct fault_server *server, const struct fault *steps, size_t count);

/** Copies the counters. */
void fault_server_counts(struct fault_server *server, struct fault_counts *counts);

#endif
