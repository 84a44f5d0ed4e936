/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Calls that an event loop steps which does everything wrong: reports twice, late, out of order and
 * for others' attempts, time that stands, steps back and jumps, cancels and steps at any moment.
 * Every call comes to its end, each attempt is given out once, aborted once at most and never after
 * its report, and at the end nothing is held.
 */
#include "world.h"

#define CALLS 3
#define IDS   512

enum fate {
    RUNNING,
    REPORTED,
    ABORTED
};

struct driven {
    struct resil_call call;
    struct {
        uint64_t id;
        enum fate fate;
    } attempts[IDS];
    unsigned started;
    uint64_t latest_ns; /* that it was told */
    bool cancelled;
    bool done;
};

static struct driven calls[CALLS];

static void remember(struct driven *driven, uint64_t id)
{
    FUZZ_CHECK(id != 0);
    for (unsigned i = 0; i < driven->started; i++)
        FUZZ_CHECK(driven->attempts[i].id != id);
    /* One step starts one attempt at most. */
    FUZZ_CHECK(driven->started < IDS);
    driven->attempts[driven->started].id = id;
    driven->attempts[driven->started++].fate = RUNNING;
}

static void step(struct driven *driven, uint64_t now_ns)
{
    struct resil_step step = {0};
    struct resil_report report;
    unsigned running = 0;

    if (now_ns > driven->latest_ns)
        driven->latest_ns = now_ns;
    switch (resil_call_step(&driven->call, now_ns, &step)) {
    case RESIL_STEP_CALL:
        FUZZ_CHECK(!driven->done && !driven->cancelled);
        remember(driven, step.attempt->id);
        break;
    case RESIL_STEP_ABORT:
        for (unsigned i = 0; i < driven->started; i++) {
            if (driven->attempts[i].id == step.attempt->id) {
                FUZZ_CHECK(driven->attempts[i].fate == RUNNING);
                driven->attempts[i].fate = ABORTED;
                return;
            }
        }
        FUZZ_CHECK(false); /* never begun */
        break;
    case RESIL_STEP_WAIT:
        FUZZ_CHECK(!driven->done && !driven->cancelled);
        for (unsigned i = 0; i < driven->started; i++)
            running += driven->attempts[i].fate == RUNNING;
        /* Time that has once been at its end never comes back for this call. */
        if (driven->latest_ns < UINT64_MAX - RESIL_SEC(1))
            FUZZ_CHECK(running > 0 || step.wake_ns != RESIL_NEVER);
        FUZZ_CHECK(resil_call_fini(&driven->call, NULL) == RESIL_EBUSY);
        break;
    case RESIL_STEP_DONE:
        driven->done = true;
        for (unsigned i = 0; i < driven->started; i++)
            FUZZ_CHECK(driven->attempts[i].fate != RUNNING);
        FUZZ_CHECK(resil_call_fini(&driven->call, &report) == report.status);
        FUZZ_CHECK(!driven->cancelled || report.status == RESIL_ECANCELLED);
        FUZZ_CHECK((report.status == RESIL_OK) == (report.outcome == RESIL_SUCCESS));
        break;
    }
}

/* Late is what was reported or aborted before; what is cancelled is late, too. */
static void tell(struct driven *driven, struct fuzz_bytes *bytes)
{
    const struct resil_result result = {
        .outcome = (enum resil_outcome)take_below(bytes, RESIL_OUTCOMES + 2),
        .hint_ns = take_below(bytes, 4) == 0 ? take_value(bytes) : 0};
    unsigned at;
    int rc;

    if (driven->started == 0 || take_below(bytes, 8) == 0) {
        struct driven *stranger = &calls[take_below(bytes, CALLS)];
        uint64_t id = stranger != driven && stranger->started > 0 ? stranger->attempts[0].id
                                                                  : take_value(bytes);

        for (at = 0; at < driven->started; at++)
            if (driven->attempts[at].id == id)
                return;
        FUZZ_CHECK(resil_call_report(&driven->call, id, &result) == RESIL_ELATE);
        return;
    }
    at = (unsigned)take_below(bytes, driven->started);
    rc = resil_call_report(&driven->call, driven->attempts[at].id, &result);
    FUZZ_CHECK(rc == RESIL_OK || rc == RESIL_ELATE);
    if (rc == RESIL_OK) {
        FUZZ_CHECK(driven->attempts[at].fate == RUNNING && !driven->cancelled && !driven->done);
        driven->attempts[at].fate = REPORTED;
    }
}

static void cancel(struct driven *driven, uint64_t now_ns)
{
    int rc = resil_call_cancel(&driven->call, now_ns);

    if (now_ns > driven->latest_ns)
        driven->latest_ns = now_ns;
    FUZZ_CHECK(rc == RESIL_OK || rc == RESIL_ELATE);
    if (rc == RESIL_OK) {
        FUZZ_CHECK(!driven->done);
        driven->cancelled = true;
    }
}

static uint64_t any_time(struct fuzz_bytes *bytes, uint64_t now_ns)
{
    switch (take_below(bytes, 8)) {
    case 0:
        return now_ns - take_below(bytes, 100);
    case 1:
        return take_value(bytes);
    case 2:
        return now_ns;
    default:
        return now_ns + take_below(bytes, 60);
    }
}

/* A while of anything, then the end: what runs is reported, what waits gets its time. */
static void drive(struct world *world, struct fuzz_bytes *bytes)
{
    uint64_t now_ns = world->env.now_ns;

    for (unsigned turn = 0; turn < 400 && bytes->left > 0; turn++) {
        struct driven *driven = &calls[take_below(bytes, CALLS)];
        uint64_t what = take_below(bytes, 32);

        if (what == 0)
            cancel(driven, any_time(bytes, now_ns));
        else if (what < 12)
            tell(driven, bytes);
        else if (what < 20)
            now_ns = any_time(bytes, now_ns);
        step(driven, now_ns);
    }
    for (unsigned i = 0; i < CALLS; i++) {
        for (unsigned turn = 0; turn < 10 && !calls[i].done; turn++)
            step(&calls[i], now_ns);
        if (!calls[i].done)
            cancel(&calls[i], now_ns);
        for (unsigned turn = 0; turn <= RESIL_LANES_MAX + 1 && !calls[i].done; turn++)
            step(&calls[i], now_ns);
        FUZZ_CHECK(calls[i].done);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct fuzz_bytes bytes = {.at = data, .left = size};

    world_init(&world, &bytes);
    if (world_chain(&world, &bytes, 14) != RESIL_OK)
        return 0; /* two hedges, or more words than a call holds */
    world.request.deadline_ns =
        take_below(&bytes, 4) == 0 ? world.env.now_ns + take_below(&bytes, 2000) : 0;
    memset(calls, 0x5a, sizeof calls);
    for (unsigned i = 0; i < CALLS; i++) {
        calls[i].started = 0;
        calls[i].latest_ns = 0;
        calls[i].cancelled = calls[i].done = false;
        FUZZ_CHECK(resil_call_begin(&calls[i].call, &world.chain, &world.request, world.env.now_ns,
                                    i * UINT64_C(0x9e3779b97f4a7c15) + size) == RESIL_OK);
    }
    drive(&world, &bytes);
    world_check_empty(&world);
    return 0;
}
