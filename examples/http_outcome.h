/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HTTP_OUTCOME_H
#define HTTP_OUTCOME_H

/*
 * What stands between libcurl and a chain: a deadline on the way in, an outcome on the way out.
 * Copy it.
 *
 *     static enum resil_outcome fetch(void *arg, struct resil_attempt *attempt)
 *     {
 *         CURL *curl = arg;
 *
 *         http_deadline(curl, attempt);
 *         return http_outcome(curl, curl_easy_perform(curl), attempt);
 *     }
 *
 * libcurl has a retry of its own, which nothing here sees: when a kept connection turns out to be
 * dead, it sends the request once more on a new one, a POST too. A request that must not run twice
 * needs CURLOPT_FRESH_CONNECT.
 */

#include <curl/curl.h>
#include <resil/attempt.h>
#include <resil/outcome.h>

/**
 * Makes a handle that gets a URL and throws the body away.
 *
 * @param user  what http_user returns for this handle; may be NULL.
 * @return NULL if it can't be had; else to be given to curl_easy_cleanup. One thread at a time may
 *         use it.
 */
CURL *http_open(const char *url, void *user);

/** What http_open was given. */
void *http_user(CURL *curl);

/**
 * Makes a transfer obey the deadline of its attempt. Call it before each perform (or
 * curl_multi_add_handle): a handle that is used again would keep the time-out of the attempt
 * before.
 */
void http_deadline(CURL *curl, const struct resil_attempt *attempt);

/**
 * Reads how a transfer ended.
 *
 * @param code     what curl_easy_perform returned, or msg->data.result of a CURLMSG_DONE.
 * @param attempt  receives the peer's Retry-After (hint_ns) and the code (call_rc).
 */
enum resil_outcome http_outcome(CURL *curl, CURLcode code, struct resil_attempt *attempt);

/** The same for an event loop: ready for resil_call_report. */
struct resil_result http_result(CURL *curl, CURLcode code);

#endif
