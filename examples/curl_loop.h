/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CURL_LOOP_H
#define CURL_LOOP_H

/*
 * libcurl's multi interface on epoll, nothing of resil in it: stands for the event loop that your
 * program has already (libuv, libevent, its own).
 */

#include <curl/curl.h>
#include <resil/common.h>

struct curl_loop {
    CURLM *multi; /* add and remove transfers here */
    int epoll_fd;
    uint64_t curl_at_ns; /* libcurl's timer; RESIL_NEVER = off */
};

/** Returns false when a resource is missing; then there is nothing to end. Must not move. */
bool curl_loop_init(struct curl_loop *loop);

/** Ends a loop without transfers. */
void curl_loop_fini(struct curl_loop *loop);

/** Sleeps until something happens to a transfer, or until_ns, and lets libcurl work on it. */
bool curl_loop_turn(struct curl_loop *loop, uint64_t until_ns);

#endif
