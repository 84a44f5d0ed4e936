/* SPDX-License-Identifier: BSD-2-Clause */
#include "crowd.h"

#include "http_outcome.h"

#define PATIENCE_NS RESIL_MS(500)

/* The request to the neighbour: nothing ever happens to it. */
static void ask_neighbour(struct crowd_thread *thread, struct resil_report *report)
{
    struct resil_attempt attempt = {.deadline_ns = resil_now_ns() + HTTP_ATTEMPT_NS};

    http_deadline(thread->others_curl_, &attempt);
    report->status = curl_easy_perform(thread->others_curl_) == CURLE_OK ? RESIL_OK : RESIL_EFAILED;
}

/* Takes users out of the line, one after the other. */
static void *serve_users(void *arg)
{
    struct crowd_thread *thread = arg;
    struct crowd *crowd = thread->crowd;

    for (;;) {
        uint64_t user = atomic_fetch_add(&crowd->next_, 1);
        uint64_t wanted_ns = crowd->storm.start_ns + user * CROWD_GAP_NS;
        struct tally *tally = user % 2 == 0 ? &crowd->tally : &crowd->others;
        struct resil_report report = {.status = RESIL_EFAILED};

        if (user * CROWD_GAP_NS >= storm_length_ns())
            return NULL;
        storm_sleep_until(wanted_ns);
        if (resil_now_ns() - wanted_ns > PATIENCE_NS) {
            tally_left(tally, PATIENCE_NS);
            continue;
        }
        if (tally == &crowd->tally)
            crowd->request(thread, &report);
        else
            ask_neighbour(thread, &report);
        tally_ended(tally, &report, resil_now_ns() - wanted_ns);
    }
}

static bool thread_start(struct crowd_thread *thread, struct crowd *crowd)
{
    thread->crowd = crowd;
    thread->curl = http_open(crowd->storm.url, NULL);
    thread->others_curl_ = http_open(crowd->others_url_, NULL);
    if (thread->curl != NULL && thread->others_curl_ != NULL &&
        pthread_create(&thread->id_, NULL, serve_users, thread) == 0)
        return true;
    curl_easy_cleanup(thread->curl); /* NULL is allowed */
    curl_easy_cleanup(thread->others_curl_);
    return false;
}

/* The threads work, this one makes the weather and writes the timeline. */
static bool run(struct crowd *crowd)
{
    struct crowd_thread threads[CROWD_THREADS];
    int started = 0;

    if (!storm_begin(&crowd->storm))
        return false;
    while (started < CROWD_THREADS && thread_start(&threads[started], crowd))
        started++;
    while (crowd->storm.next_ns != RESIL_NEVER) {
        storm_sleep_until(crowd->storm.next_ns);
        storm_turn(&crowd->storm);
    }
    for (int i = 0; i < started; i++) {
        (void)pthread_join(threads[i].id_, NULL);
        curl_easy_cleanup(threads[i].curl);
        curl_easy_cleanup(threads[i].others_curl_);
    }
    storm_end(&crowd->storm);
    return started == CROWD_THREADS;
}

bool crowd_run(struct crowd *crowd, const struct display *display)
{
    struct fault_server *neighbour = fault_server_start();
    bool good;

    if (neighbour == NULL)
        return false;
    fault_server_set_weather(neighbour, (struct fault_weather){.delay_ms = 5});
    (void)snprintf(crowd->others_url_, sizeof crowd->others_url_, "http://127.0.0.1:%u/",
                   fault_server_port(neighbour));
    crowd->storm.display = *display;
    crowd->storm.guard = crowd->guard;
    crowd->storm.tally = &crowd->tally;
    crowd->storm.others = &crowd->others;
    good = run(crowd);
    fault_server_stop(neighbour);
    return good;
}
