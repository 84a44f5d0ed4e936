/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One bad minute of a server, in seconds, lived through twice by the same service: first with plain
 * libcurl, a time-out and three retries, as it is often written; then through a chain.
 *
 * No figure below is written down here: the server counts what reaches it, the service counts what
 * it sees.
 */
#include "crowd.h"
#include "display.h"
#include "http_guard.h"
#include "http_outcome.h"

#include <stdlib.h>

/* What the chain runs, and all it needs to know of HTTP. */
static enum resil_outcome fetch(void *arg, struct resil_attempt *attempt)
{
    struct crowd_thread *thread = arg;
    enum resil_outcome outcome;

    http_deadline(thread->curl, attempt);
    outcome = http_outcome(thread->curl, curl_easy_perform(thread->curl), attempt);
    tally_sent(&thread->crowd->tally, outcome);
    return outcome;
}

/* Without: a time-out, and what failed is tried again at once, up to three times. */
static void plain_request(struct crowd_thread *thread, struct resil_report *report)
{
    *report = (struct resil_report){.status = RESIL_EFAILED};
    for (int i = 0; i < 4 && report->status != RESIL_OK; i++) {
        struct resil_attempt attempt = {.deadline_ns = resil_now_ns() + HTTP_ATTEMPT_NS};

        if (fetch(thread, &attempt) == RESIL_SUCCESS)
            report->status = RESIL_OK;
    }
}

/* With: the same request through the chain. A GET may run twice. */
static void guarded_request(struct crowd_thread *thread, struct resil_report *report)
{
    const struct resil_request request = {.idempotent = true};

    (void)resil_chain_run(&thread->crowd->guard->chain, resil_env_posix(), &request, fetch, thread,
                          report);
}

static void display_results(const struct display *display, struct crowd *without,
                            struct crowd *with)
{
    struct tally_counts a = tally_total(&without->tally);
    struct tally_counts b = tally_total(&with->tally);
    struct tally_counts a_others = tally_total(&without->others);
    struct tally_counts b_others = tally_total(&with->others);

    (void)putchar('\n');
    display_print(display, DISPLAY_BOLD, "%-44s%16s%16s\n", "", "without resil", "with resil");
    display_row(display, "requests that hit the sick server", (double)without->storm.counts.sick,
                (double)with->storm.counts.sick, DISPLAY_LESS, "");
    display_row(display, "connects to the dead server", (double)a.unreached, (double)b.unreached,
                DISPLAY_LESS, "");
    display_row(display, "waited for nothing, all users together",
                (double)(a.waited_ns + a_others.waited_ns) / 1e9,
                (double)(b.waited_ns + b_others.waited_ns) / 1e9, DISPLAY_LESS, "s");
    display_row(display, "slowest good answer of its healthy neighbour",
                (double)a_others.latency_ns_max / 1e6, (double)b_others.latency_ns_max / 1e6,
                DISPLAY_LESS, "ms");
    display_row(display, "good answers of the server", (double)a.ok, (double)b.ok, DISPLAY_MORE,
                "");
    display_row(display, "good answers of its healthy neighbour", (double)a_others.ok,
                (double)b_others.ok, DISPLAY_MORE, "");
    display_row(display, "good answers, all together", (double)(a.ok + a_others.ok),
                (double)(b.ok + b_others.ok), DISPLAY_MORE, "");
    (void)putchar('\n');
    display_print(
        display, DISPLAY_DIM,
        "The chain gives up what few answers a failing server still has, and lets load in\n"
        "gradually when it is back. In return it leaves the server alone, nobody waits for\n"
        "it, and there is always a thread for those who don't need it.\n");
}

int main(void)
{
    static struct http_guard guard;
    static struct crowd without = {
        .request = plain_request, .tally = TALLY_INIT, .others = TALLY_INIT};
    static struct crowd with = {
        .request = guarded_request, .guard = &guard, .tally = TALLY_INIT, .others = TALLY_INIT};
    const struct http_guard_config config = {.rate_max = 300, .in_flight_max = 6};
    struct display display = display_on(stdout);
    char why[120] = "";
    bool ran;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return EXIT_FAILURE;
    if (http_guard_init(&guard, &config, why, sizeof why) != RESIL_OK) {
        (void)fprintf(stderr, "can't set up: %s\n", why);
        return EXIT_FAILURE;
    }
    display_print(&display, DISPLAY_BOLD, "Without resil: libcurl, a time-out, three retries\n");
    ran = crowd_run(&without, &display);
    (void)putchar('\n');
    display_print(&display, DISPLAY_BOLD, "With resil: the same service through a chain\n");
    ran = ran && crowd_run(&with, &display);
    curl_global_cleanup();
    if (!ran) {
        (void)fprintf(stderr, "no server or no threads to be had\n");
        return EXIT_FAILURE;
    }
    display_results(&display, &without, &with);
    return with.storm.counts.sick < without.storm.counts.sick ? EXIT_SUCCESS : EXIT_FAILURE;
}
