/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The same chain in an event loop: epoll, libcurl's multi interface, many requests at once, one
 * thread. The chain makes no system call and never blocks; it says what to do next, and `pump` does
 * it.
 */
#include "curl_loop.h"
#include "http_outcome.h"
#include "storm.h"

#include <resil/call.h>
#include <stdlib.h>

#define REQUESTS 200
#define PAUSE_NS RESIL_MS(100) /* each request is made again so long after its end */

struct request {
    struct loop *loop;
    struct resil_call call; /* must not move while it runs */
    CURL *curl;             /* used again and again */
    uint64_t attempt_id;    /* the attempt that curl works on */
    uint64_t wake_ns;       /* its timer: when to pump, or begin, again */
    bool busy;
};

struct loop {
    struct curl_loop io;
    struct http_guard guard;
    struct tally tally;
    struct storm storm;
    struct request requests[REQUESTS];
};

/* Takes a request as far as it goes. To be called whenever something has happened to it. */
static void pump(struct request *request)
{
    static const struct resil_result not_started = {.outcome = RESIL_LOCAL};
    struct loop *loop = request->loop;
    struct resil_report report;
    struct resil_step step;

    for (;;) {
        switch (resil_call_step(&request->call, resil_now_ns(), &step)) {
        case RESIL_STEP_CALL:
            request->attempt_id = step.attempt->id;
            if (curl_multi_add_handle(loop->io.multi, request->curl) != CURLM_OK)
                (void)resil_call_report(&request->call, request->attempt_id, &not_started);
            continue;
        case RESIL_STEP_ABORT: /* its time is over: really stop it, its permits are free already */
            (void)curl_multi_remove_handle(loop->io.multi, request->curl);
            tally_sent(&loop->tally, RESIL_TIMEOUT);
            continue;
        case RESIL_STEP_WAIT:
            request->wake_ns = step.wake_ns;
            return;
        case RESIL_STEP_DONE:
            (void)resil_call_fini(&request->call, &report);
            tally_ended(&loop->tally, &report, report.elapsed_ns);
            request->busy = false;
            request->wake_ns = resil_now_ns() + PAUSE_NS;
            return;
        }
    }
}

/* Hands the ends of transfers to their calls. */
static void collect(struct loop *loop)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(loop->io.multi, &left)) != NULL) {
        struct request *request = http_user(message->easy_handle);
        struct resil_result result = http_result(request->curl, message->data.result);

        (void)curl_multi_remove_handle(loop->io.multi, request->curl); /* message goes with it */
        tally_sent(&loop->tally, result.outcome);
        (void)resil_call_report(&request->call, request->attempt_id, &result);
        pump(request);
    }
}

static void begin(struct request *request, uint64_t now_ns)
{
    static const struct resil_request get = {.idempotent = true}; /* outlives all calls */
    uint64_t random = resil_env_posix()->random(NULL);

    request->busy = true;
    (void)resil_call_begin(&request->call, &request->loop->guard.chain, &get, now_ns, random);
    pump(request);
}

/* Serves the timers that are due (your loop has a heap for that). Returns when the next is. */
static uint64_t keep_time(struct loop *loop)
{
    uint64_t now_ns = resil_now_ns();
    uint64_t next_ns = loop->storm.next_ns;

    for (int i = 0; i < REQUESTS; i++) {
        struct request *request = &loop->requests[i];

        if (request->wake_ns <= now_ns && request->busy)
            pump(request);
        else if (request->wake_ns <= now_ns)
            begin(request, now_ns);
        if (request->wake_ns < next_ns)
            next_ns = request->wake_ns;
    }
    return next_ns;
}

int main(void)
{
    static struct loop loop = {.tally = TALLY_INIT}; /* too large for a stack */
    struct http_guard_config config = {.rate_max = 3000, .in_flight_max = 100};
    char why[120] = "no libcurl, server or epoll to be had";
    bool good = true;

    loop.storm =
        (struct storm){.display = display_on(stdout), .guard = &loop.guard, .tally = &loop.tally};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !curl_loop_init(&loop.io) ||
        http_guard_init(&loop.guard, &config, why, sizeof why) != RESIL_OK ||
        !storm_begin(&loop.storm)) {
        (void)fprintf(stderr, "can't set up: %s\n", why);
        return EXIT_FAILURE;
    }
    for (uint64_t i = 0; i < REQUESTS; i++) {
        struct request *request = &loop.requests[i];

        request->loop = &loop;
        request->wake_ns = loop.storm.start_ns + i * PAUSE_NS / REQUESTS;
        request->curl = http_open(loop.storm.url, request);
        good = good && request->curl != NULL;
    }
    while (good && loop.storm.next_ns != RESIL_NEVER) {
        good = curl_loop_turn(&loop.io, keep_time(&loop));
        collect(&loop);
        storm_turn(&loop.storm); /* the weather and the timeline */
    }
    for (struct request *r = loop.requests; r < loop.requests + REQUESTS; r++) {
        if (r->busy && resil_call_cancel(&r->call, resil_now_ns()) == RESIL_OK)
            pump(r); /* stops the transfer */
        curl_easy_cleanup(r->curl);
    }
    curl_loop_fini(&loop.io);
    curl_global_cleanup();
    storm_end(&loop.storm);
    return good && loop.storm.counts.answered_ok > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
