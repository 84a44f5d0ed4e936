/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_FAULT_PRIVATE_H
#define RESIL_FAULT_PRIVATE_H

/* What the parts of the server share: fault_server.c (life, counters, decisions), fault_loop.c (the
   thread), fault_conn.c (one connection). */

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fault_http.h"
#include "fault_server.h"

#define FAULT_CONNS    512 /* further connections wait in the backlog */
#define FAULT_HEAD_MAX 4096
#define FAULT_NEVER    UINT64_MAX
#define FAULT_MS       UINT64_C(1000000)

enum fault_phase {
    FAULT_FREE = 0,
    FAULT_READ,  /* a request is awaited or arriving */
    FAULT_WORK,  /* received; its fate comes at due_ns */
    FAULT_WRITE, /* the answer is on its way out */
    FAULT_DRAIN, /* our side is closed; waits for the client, until due_ns */
};

struct fault_conn {
    int fd;
    enum fault_phase phase;
    bool begun;   /* the first bytes of the request are there: the script was asked */
    bool decided; /* fault holds the fate of the request */
    bool headed;  /* the head is read */
    bool keep;    /* the connection survives the answer */
    bool counted; /* in counts.in_flight */
    struct fault fault;
    uint64_t due_ns;
    uint64_t body; /* bytes of the request's body still to come */
    size_t in_size;
    size_t out_size;
    size_t out_sent;
    char in[FAULT_HEAD_MAX];
    char out[FAULT_ANSWER_MAX];
};

struct fault_server {
    _Atomic uint64_t weather; /* packed; written by anyone, read by the loop */
    atomic_bool stopping;
    pthread_t thread;
    uint16_t port;
    int wake[2];           /* pipe: a byte makes the loop look up */
    int holder;            /* bound, never listens: keeps the port while we are dead */
    int listener;          /* the loop's; -1 while dead */
    uint64_t accept_at_ns; /* the loop's: no accept before then, we ran out of descriptors */
    uint64_t seed;         /* the loop's */
    size_t conns_used;     /* the loop's: conns beyond it were never used */

    pthread_mutex_t lock; /* guards the four below */
    struct fault script[FAULT_SCRIPT_MAX];
    size_t script_size;
    size_t script_at;
    struct fault_counts counts;

    struct fault_conn conns[FAULT_CONNS]; /* the loop's */
};

struct fault_weather fault_server_weather(struct fault_server *server);

/* Opens the listening socket on server->port; 0 lets the system choose. Returns the descriptor or
   -1. */
int fault_server_bind(uint16_t port, bool listening);

/* The next step of the script, if there is one. */
bool fault_server_next_step(struct fault_server *server, struct fault *fault);

/* What the weather does to one request. */
struct fault fault_server_weather_fault(struct fault_server *server, struct fault_weather weather);

/* Counts a request that was received and whose fate is known. */
void fault_server_count_request(struct fault_server *server, struct fault_conn *conn,
                                enum fault_weather_kind weather);

/* Counts the end of a request: answered, abandoned by its client, or neither. */
enum fault_end {
    FAULT_END_LOST,
    FAULT_END_ANSWERED,
    FAULT_END_ABANDONED
};
void fault_server_count_end(struct fault_server *server, struct fault_conn *conn,
                            enum fault_end end);
void fault_server_end_locked(struct fault_server *server, struct fault_conn *conn,
                             enum fault_end end); /* with the lock held */
void fault_server_count_connection(struct fault_server *server);

/* The thread. */
void *fault_server_loop(void *arg);

/* A connection's life. After each of them but open the connection may be free. */
void fault_conn_open(struct fault_conn *conn, int fd);
void fault_conn_read(struct fault_server *server, struct fault_conn *conn, uint64_t now_ns);
void fault_conn_write(struct fault_server *server, struct fault_conn *conn, uint64_t now_ns);
void fault_conn_reset(struct fault_server *server, struct fault_conn *conn);

/* Does what is due by now. */
void fault_conn_due(struct fault_server *server, struct fault_conn *conn, uint64_t now_ns);

/* Takes requests out of the buffer as long as they can be answered at once. */
void fault_conn_serve(struct fault_server *server, struct fault_conn *conn, uint64_t now_ns);

uint64_t fault_now_ns(void);

#endif
