/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CROWD_H
#define CROWD_H

/*
 * The quickstart's users, and the service that makes requests for them. Users come every few ms
 * whether anybody is free or not, and leave when nobody has taken care of them for half a second: a
 * service that is busy waiting pays for it, as it does in production. Every other user needs only a
 * neighbour of the server, which is well all the time and is asked with plain libcurl: what he gets
 * depends on whether a thread is free for him.
 */

#include <curl/curl.h>
#include <stdatomic.h>

#include "storm.h"

#define CROWD_THREADS 8
#define CROWD_GAP_NS  RESIL_MS(5) /* between two users */

struct crowd_thread;

/** Makes the request for one user. */
typedef void crowd_request_fn(struct crowd_thread *thread, struct resil_report *report);

/** One way through the storm. */
struct crowd {
    crowd_request_fn *request;
    struct http_guard *guard; /* for request; NULL = it needs none */
    struct tally tally;       /* TALLY_INIT, both */
    struct tally others;
    struct storm storm;
    char others_url_[40];
    atomic_uint_fast64_t next_; /* who is next in line */
};

/** One thread of the service. A handle keeps its connection, and one thread may use it. */
struct crowd_thread {
    struct crowd *crowd;
    CURL *curl;         /* to the server */
    CURL *others_curl_; /* to the neighbour */
    pthread_t id_;
};

/** Goes through a storm. Returns false if no server or threads can be had. */
bool crowd_run(struct crowd *crowd, const struct display *display);

#endif
