/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * An event loop with several calls at once over shared primitives, on a virtual clock. A call is
 * pumped only when the header says so: after begin, a report, a cancel, its timer, a wake. Whatever
 * the order, no call is forgotten, no more operations run than the bulkheads allow, and everything
 * is given back once.
 */
#include "shrink.h"

#include <resil/resil.h>

#define OPERATIONS MODEL_OPERATIONS(2000000, 500000)

#define SLOTS   5
#define RUNNING 8

struct operation {
    uint64_t id;
    bool substitute;
};

/* One call, as a loop keeps it. */
struct slot {
    struct resil_call call;
    struct resil_request request;
    struct resil_chain chain;
    struct resil_policy policies[5];
    struct operation running[RUNNING];
    unsigned operations;
    unsigned started; /* fallbacks not counted */
    uint64_t timer_ns;
    bool busy;
    unsigned woken;
};

struct world {
    uint64_t now_ns;
    uint64_t limit;                    /* of both */
    struct resil_bulkhead bulkhead[2]; /* behind a queue; alone */
    struct resil_queue queue;
    struct resil_breaker breaker;
    struct resil_pacer pacer;
    struct resil_timeout timeout;
    struct resil_retry retry;
    struct resil_budget budget;
    struct resil_hedge hedge;
    struct resil_fallback fallback;
    struct slot slots[SLOTS];
    struct resil_policy_ops ledger;
    int inside; /* frames of the ledger that are held */
};

static struct bench {
    uint64_t random, seed, operation;
} bench;

/* The controls: a loop that doesn't hear when it is woken, and a policy that keeps what is
   abandoned. */
static bool deaf, forgetful;

static uint64_t below(uint64_t bound)
{
    return test_below(&bench.random, bound);
}

/* A policy that marks its frame, so that a second settle, or an abandon of what was never entered,
 * is seen. */
static int enter(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct world *world = self;

    (void)walk;
    frame[0] = 0x1edde8;
    world->inside++;
    return RESIL_PASS;
}

static int leave(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct world *world = self;

    (void)walk;
    MODEL_CHECK(&bench, frame[0] == 0x1edde8);
    frame[0] = 0;
    world->inside--;
    return RESIL_PASS;
}

static int drop(void *self, uint64_t *frame, struct resil_walk *walk)
{
    return forgetful ? RESIL_PASS : leave(self, frame, walk);
}

static void wake(void *arg)
{
    struct slot *slot = arg;

    MODEL_CHECK(&bench, slot->busy); /* nobody is woken after its end */
    if (!deaf)
        slot->woken++;
}

static void build(struct world *world)
{
    int rc = 0;

    memset(world, 0, sizeof *world);
    world->now_ns = RESIL_SEC(1);
    world->limit = 1 + below(2);
    for (unsigned i = 0; i < 2; i++)
        rc |= resil_bulkhead_init(&world->bulkhead[i],
                                  &(struct resil_bulkhead_config){.limit = world->limit});
    rc |= resil_queue_init(&world->queue, &world->bulkhead[0],
                           &(struct resil_queue_config){.length = 1 + below(4),
                                                        .wait_ns = 1 + below(900),
                                                        .lifo = below(2) != 0});
    rc |= resil_breaker_init(
        &world->breaker,
        &(struct resil_breaker_config){
            .consecutive = 3, .open_ns = 200, .probe_gap_ns = RESIL_OFF, .probes = 2});
    rc |= resil_pacer_init(&world->pacer,
                           &(struct resil_pacer_config){.tokens = 50000000, .wait_ns = 300});
    rc |= resil_timeout_init(&world->timeout,
                             &(struct resil_timeout_config){.timeout_ns = 1 + below(500)});
    rc |= resil_budget_init(&world->budget, &(struct resil_budget_config){.cap = 1000});
    rc |= resil_retry_init(&world->retry,
                           &(struct resil_retry_config){.backoff = {.base_ns = 40, .cap_ns = 200},
                                                        .budget = &world->budget});
    rc |= resil_hedge_init(
        &world->hedge,
        &(struct resil_hedge_config){.delay_ns = 50, .hedges = 2, .budget = &world->budget});
    rc |= resil_fallback_init(&world->fallback, NULL);
    MODEL_CHECK(&bench, rc == 0);
    world->ledger = (struct resil_policy_ops){.size = sizeof world->ledger,
                                              .name = "ledger",
                                              .flags = RESIL_ON_ALL,
                                              .frame_words = 1,
                                              .admit = enter,
                                              .settle = leave,
                                              .abandon = drop};
}

static struct resil_policy any_policy(struct world *world)
{
    switch (below(9)) {
    case 0:
        return resil_queue_policy(&world->queue);
    case 1:
        return resil_bulkhead_policy(&world->bulkhead[1]);
    case 2:
        return resil_breaker_policy(&world->breaker);
    case 3:
        return resil_pacer_policy(&world->pacer);
    case 4:
        return resil_timeout_policy(&world->timeout);
    case 5:
        return resil_retry_policy(&world->retry);
    case 6:
        return resil_hedge_policy(&world->hedge);
    case 7:
        return resil_fallback_policy(&world->fallback);
    default:
        return (struct resil_policy){&world->ledger, world};
    }
}

static void forget_operation(struct slot *slot, unsigned index)
{
    slot->running[index] = slot->running[--slot->operations];
}

static void done(struct world *world, struct slot *slot)
{
    struct resil_report report;
    int rc = resil_call_fini(&slot->call, &report);

    MODEL_CHECK(&bench, rc == report.status);
    MODEL_CHECK(&bench, rc != RESIL_EBUSY);
    MODEL_CHECK(&bench, slot->operations == 0); /* each was reported or aborted */
    MODEL_CHECK(&bench, report.attempts == slot->started);
    MODEL_CHECK(&bench, (rc == RESIL_OK) == (report.outcome == RESIL_SUCCESS));
    MODEL_CHECK(&bench, (report.decided_by == NULL) == (report.decided_level == UINT32_MAX));
    MODEL_CHECK(&bench, report.elapsed_ns <= world->now_ns);
    slot->busy = false;
    slot->woken = 0;
    slot->timer_ns = RESIL_NEVER;
}

static void pump(struct world *world, struct slot *slot)
{
    struct resil_step step;

    for (;;) {
        switch (resil_call_step(&slot->call, world->now_ns, &step)) {
        case RESIL_STEP_CALL:
            MODEL_CHECK(&bench, slot->operations < RUNNING);
            MODEL_CHECK(&bench, step.attempt->deadline_ns > world->now_ns);
            slot->started += step.attempt->kind != RESIL_ATTEMPT_FALLBACK;
            slot->running[slot->operations++] =
                (struct operation){step.attempt->id, step.attempt->kind == RESIL_ATTEMPT_FALLBACK};
            continue;
        case RESIL_STEP_ABORT: {
            unsigned at = 0;

            while (at < slot->operations && slot->running[at].id != step.attempt->id)
                at++;
            MODEL_CHECK(&bench, at < slot->operations); /* only what runs is aborted, and once */
            forget_operation(slot, at);
            continue;
        }
        case RESIL_STEP_WAIT:
            MODEL_CHECK(&bench, step.wake_ns > world->now_ns); /* or the loop would spin */
            slot->timer_ns = step.wake_ns;
            return;
        case RESIL_STEP_DONE:
        default:
            done(world, slot);
            return;
        }
    }
}

static uint64_t in_flight(const struct world *world, unsigned which)
{
    struct resil_bulkhead_snapshot snapshot;

    MODEL_CHECK(&bench, resil_bulkhead_snapshot(&world->bulkhead[which], &snapshot) == 0);
    return snapshot.in_flight;
}

/* Pumps all that were woken; a pump may wake others. */
static void pump_woken(struct world *world)
{
    for (bool again = true; again;) {
        again = false;
        for (unsigned i = 0; i < SLOTS; i++) {
            struct slot *slot = &world->slots[i];

            if (slot->woken == 0)
                continue;
            slot->woken = 0;
            again = true;
            pump(world, slot);
        }
    }
    /* Nobody holds a grant that it wasn't told of, nobody waits beside a free permit. */
    MODEL_CHECK(&bench, world->queue.present_ == world->queue.waiting_);
    if (world->queue.waiting_ > 0)
        MODEL_CHECK(&bench, in_flight(world, 0) == world->limit);
}

static void start(struct world *world, struct slot *slot)
{
    size_t count = 1 + below(5);

    memset(slot, 0xa5, sizeof *slot);
    slot->busy = false;
    slot->woken = slot->operations = slot->started = 0;
    slot->timer_ns = RESIL_NEVER;
    slot->request =
        (struct resil_request){.idempotent = below(4) != 0, .wake = wake, .wake_arg = slot};
    if (below(3) == 0)
        slot->request.deadline_ns = world->now_ns + below(900);
    for (size_t i = 0; i < count; i++)
        slot->policies[i] = any_policy(world);
    if (resil_chain_init(&slot->chain, slot->policies, count, NULL, 0) != RESIL_OK)
        return;
    MODEL_CHECK(&bench, resil_call_begin(&slot->call, &slot->chain, &slot->request, world->now_ns,
                                         test_random(&bench.random)) == 0);
    slot->busy = true;
    pump(world, slot);
}

static void report_one(struct world *world, struct slot *slot)
{
    unsigned at = (unsigned)below(slot->operations);
    uint64_t id = slot->running[at].id;
    struct resil_result result = {
        .outcome = below(2) == 0 ? RESIL_SUCCESS : (enum resil_outcome)below(RESIL_OUTCOMES),
        .hint_ns = below(100)};

    forget_operation(slot, at);
    MODEL_CHECK(&bench, resil_call_report(&slot->call, id, &result) == RESIL_OK);
    MODEL_CHECK(&bench, resil_call_report(&slot->call, id, &result) == RESIL_ELATE);
    pump(world, slot);
}

static void next_timer(struct world *world)
{
    struct slot *due = NULL;

    for (unsigned i = 0; i < SLOTS; i++)
        if (world->slots[i].busy && (due == NULL || world->slots[i].timer_ns < due->timer_ns))
            due = &world->slots[i];
    if (due == NULL || due->timer_ns == RESIL_NEVER)
        return;
    if (due->timer_ns > world->now_ns)
        world->now_ns = due->timer_ns;
    pump(world, due);
}

static void any_event(struct world *world)
{
    struct slot *slot = &world->slots[below(SLOTS)];
    uint64_t what = below(100);

    if (!slot->busy) {
        start(world, slot);
    } else if (what < 45 && slot->operations > 0) {
        report_one(world, slot);
    } else if (what < 70) {
        next_timer(world);
    } else if (what < 72) {
        MODEL_CHECK(&bench, resil_call_cancel(&slot->call, world->now_ns) == RESIL_OK);
        pump(world, slot);
    } else if (what < 75) {
        pump(world, slot); /* for no reason */
    } else {
        world->now_ns += below(20);
    }
}

static unsigned busy(const struct world *world)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SLOTS; i++)
        count += world->slots[i].busy;
    return count;
}

/* Lets all calls come to their end without another cancel: what waits is woken or has a timer. */
static void drain(struct world *world)
{
    for (unsigned turn = 0; busy(world) > 0; turn++) {
        bool reported = false;

        MODEL_CHECK(&bench, turn < 2000); /* a call was forgotten */
        for (unsigned i = 0; i < SLOTS; i++) {
            struct slot *slot = &world->slots[i];

            if (!slot->busy || slot->operations == 0)
                continue;
            report_one(world, slot);
            pump_woken(world);
            reported = true;
        }
        if (!reported)
            next_timer(world);
        pump_woken(world);
    }
}

static void nothing_is_left(struct world *world)
{
    struct resil_breaker_snapshot breaker;

    MODEL_CHECK(&bench, in_flight(world, 0) == 0);
    MODEL_CHECK(&bench, in_flight(world, 1) == 0);
    MODEL_CHECK(&bench, resil_queue_fini(&world->queue) == RESIL_OK);
    MODEL_CHECK(&bench, resil_breaker_snapshot(&world->breaker, world->now_ns, &breaker) == 0);
    MODEL_CHECK(&bench, breaker.probes_in_flight == 0);
    MODEL_CHECK(&bench, world->inside == 0);
}

static struct world world;

static void begin(void)
{
    build(&world);
}

static void step(void)
{
    any_event(&world);
    pump_woken(&world);
    if (below(250) != 0)
        return;
    drain(&world);
    nothing_is_left(&world);
    build(&world);
}

static const struct model_subject model = {begin, step, &bench.random};

static void a_loop_of_many_calls_forgets_none_and_loses_nothing(void **state)
{
    (void)state;
    model_run(&model, test_seed(31337), OPERATIONS);
}

static void a_loop_that_is_deaf_is_found(void **state)
{
    (void)state;
    deaf = true;
    model_finds(&model, 31337, OPERATIONS, 8, "a loop that doesn't hear when it is woken");
    deaf = false;
}

static void a_policy_that_forgets_is_found(void **state)
{
    (void)state;
    forgetful = true;
    model_finds(&model, 31337, OPERATIONS, 8, "a policy that keeps what is abandoned");
    forgetful = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_of_many_calls_forgets_none_and_loses_nothing),
        cmocka_unit_test(a_loop_that_is_deaf_is_found),
        cmocka_unit_test(a_policy_that_forgets_is_found),
    };

    return cmocka_run_group_tests_name("loop model", tests, NULL, NULL);
}
