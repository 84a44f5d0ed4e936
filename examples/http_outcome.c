/* SPDX-License-Identifier: BSD-2-Clause */
#include "http_outcome.h"

#include <resil/env.h>
#include <stdio.h>
#include <time.h>

static size_t discard(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    (void)arg;
    return size * count;
}

CURL *http_open(const char *url, void *user)
{
    CURL *curl = curl_easy_init();

    if (curl == NULL)
        return NULL;
    if (curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK && /* libcurl keeps a copy */
        curl_easy_setopt(curl, CURLOPT_PRIVATE, user) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, discard) == CURLE_OK &&
        /* Time-outs by signal would hit other threads. */
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK)
        return curl;
    curl_easy_cleanup(curl);
    return NULL;
}

void *http_user(CURL *curl)
{
    char *user = NULL;

    (void)curl_easy_getinfo(curl, CURLINFO_PRIVATE, &user);
    return user;
}

void http_deadline(CURL *curl, const struct resil_attempt *attempt)
{
    uint64_t now_ns = resil_now_ns();
    uint64_t left_ns = attempt->deadline_ns > now_ns ? attempt->deadline_ns - now_ns : 0;
    long timeout_ms = 0; /* none */

    /* To libcurl 0 means for ever: a deadline that has come is one millisecond. Rounded up: a
     * result that comes just after the deadline is a time-out for the chain anyway. */
    if (left_ns < RESIL_SEC(1000000)) /* RESIL_NEVER is further away */
        timeout_ms = (long)(left_ns / RESIL_MS(1)) + 1;
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms);
}

static enum resil_outcome from_status(CURL *curl, uint64_t *hint_ns)
{
    char text[24];
    long status = 0;
    curl_off_t after_s = 0;

    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER,
                            &after_s); /* libcurl has read dates already */
    (void)snprintf(text, sizeof text, "%lld", (long long)after_s);
    return resil_outcome_from_http_status((int)status, after_s > 0 ? text : NULL,
                                          (int64_t)time(NULL), hint_ns);
}

/* No connection, so nothing was sent. Whose fault it was tells errno: no free port or descriptor is
   ours. */
static enum resil_outcome from_connect(CURL *curl)
{
    long error = 0;

    (void)curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
    if (resil_outcome_from_errno((int)error, false) == RESIL_LOCAL)
        return RESIL_LOCAL;
    return RESIL_NOT_SENT;
}

/* A time-out of a name server or a handshake is safe to repeat, one that awaits the answer
   isn't. */
static enum resil_outcome from_timeout(CURL *curl)
{
    curl_off_t send_at_us = 0; /* 0 = it didn't come to that */

    (void)curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &send_at_us);
    return send_at_us == 0 ? RESIL_NOT_SENT : RESIL_TIMEOUT;
}

static enum resil_outcome classify(CURL *curl, CURLcode code, uint64_t *hint_ns)
{
    /* The codes of 100 and more that libcurl may get, and those that other protocols use, are
     * failures of which we don't know better: the last line. So the compiler isn't asked to name
     * them all. */
    switch ((int)code) {
    case CURLE_OK:
    case CURLE_HTTP_RETURNED_ERROR: /* CURLOPT_FAILONERROR */
        return from_status(curl, hint_ns);
    case CURLE_OPERATION_TIMEDOUT:
        return from_timeout(curl);
    case CURLE_COULDNT_CONNECT:
        return from_connect(curl);
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_NO_CONNECTION_AVAILABLE:
    case CURLE_QUIC_CONNECT_ERROR:
    case CURLE_PROXY:
        return RESIL_NOT_SENT;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_FAILED_INIT:
    case CURLE_URL_MALFORMAT:
    case CURLE_NOT_BUILT_IN:
    case CURLE_WRITE_ERROR: /* our own callback said no */
    case CURLE_READ_ERROR:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_BAD_FUNCTION_ARGUMENT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_UNKNOWN_OPTION:
        return RESIL_LOCAL;
    case CURLE_ABORTED_BY_CALLBACK:
        return RESIL_CANCELLED;
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_FILESIZE_EXCEEDED:
    case CURLE_LOGIN_DENIED:
    case CURLE_AUTH_ERROR:
        return RESIL_CALLER;
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
        return RESIL_PERMANENT;
    default: /* lost after it was sent, or we can't tell: perhaps executed */
        return RESIL_FAILURE;
    }
}

struct resil_result http_result(CURL *curl, CURLcode code)
{
    struct resil_result result = {.call_rc = (int)code};

    result.outcome = classify(curl, code, &result.hint_ns);
    return result;
}

enum resil_outcome http_outcome(CURL *curl, CURLcode code, struct resil_attempt *attempt)
{
    attempt->call_rc = (int)code;
    return classify(curl, code, &attempt->hint_ns);
}
