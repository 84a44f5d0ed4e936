/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BACKENDS_H
#define BACKENDS_H

/* Servers on loopback as the backends of a balancer, and the request to the one that it picked. */

#include "fault_server.h"

#include <curl/curl.h>
#include <resil/balancer.h>

struct backend {
    struct fault_server *server;
    char address[24]; /* 127.0.0.1:port */
};

/** Starts servers that are well. Returns false if one isn't to be had; backends_stop then, too. */
bool backends_start(struct backend *backends, size_t count);

void backends_stop(struct backend *backends, size_t count);

/** A handle for backend_fetch. It keeps a connection to each backend; one thread may use it. */
CURL *backend_open(void);

/** What a chain runs: a GET from where the balancer says. arg is the handle. */
enum resil_outcome backend_fetch(void *arg, struct resil_attempt *attempt);

#endif
