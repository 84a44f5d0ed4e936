/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * An event loop with several calls at once over shared primitives, on a virtual clock. A call is
 * pumped only when the header says so: after begin, a report, a cancel, its timer, a wake. Whatever
 * the order, no call is forgotten, no more operations run than the bulkheads allow, and everything
 * is given back once.
 */
#include "test.h"

#include <resil/resil.h>

#include "base/random.h"

#define WORLDS  8000
#define SLOTS   5
#define CALLS   40
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
    uint64_t seed;
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

static uint64_t below(struct world *world, uint64_t bound)
{
    return resil__random_below(resil__random_next(&world->seed), bound);
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
    assert_int_equal(frame[0], 0x1edde8);
    frame[0] = 0;
    world->inside--;
    return RESIL_PASS;
}

static void wake(void *arg)
{
    struct slot *slot = arg;

    assert_true(slot->busy); /* nobody is woken after its end */
    slot->woken++;
}

static void build(struct world *world, uint64_t seed)
{
    int rc = 0;

    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->now_ns = RESIL_SEC(1);
    world->limit = 1 + below(world, 2);
    for (unsigned i = 0; i < 2; i++)
        rc |= resil_bulkhead_init(&world->bulkhead[i],
                                  &(struct resil_bulkhead_config){.limit = world->limit});
    rc |= resil_queue_init(&world->queue, &world->bulkhead[0],
                           &(struct resil_queue_config){.length = 1 + below(world, 4),
                                                        .wait_ns = 1 + below(world, 900),
                                                        .lifo = below(world, 2) != 0});
    rc |= resil_breaker_init(
        &world->breaker,
        &(struct resil_breaker_config){
            .consecutive = 3, .open_ns = 200, .probe_gap_ns = RESIL_OFF, .probes = 2});
    rc |= resil_pacer_init(&world->pacer,
                           &(struct resil_pacer_config){.tokens = 50000000, .wait_ns = 300});
    rc |= resil_timeout_init(&world->timeout,
                             &(struct resil_timeout_config){.timeout_ns = 1 + below(world, 500)});
    rc |= resil_budget_init(&world->budget, &(struct resil_budget_config){.cap = 1000});
    rc |= resil_retry_init(&world->retry,
                           &(struct resil_retry_config){.backoff = {.base_ns = 40, .cap_ns = 200},
                                                        .budget = &world->budget});
    rc |= resil_hedge_init(
        &world->hedge,
        &(struct resil_hedge_config){.delay_ns = 50, .hedges = 2, .budget = &world->budget});
    rc |= resil_fallback_init(&world->fallback, NULL);
    assert_int_equal(rc, 0);
    world->ledger = (struct resil_policy_ops){.size = sizeof world->ledger,
                                              .name = "ledger",
                                              .flags = RESIL_ON_ALL,
                                              .frame_words = 1,
                                              .admit = enter,
                                              .settle = leave,
                                              .abandon = leave};
}

static struct resil_policy any_policy(struct world *world)
{
    switch (below(world, 9)) {
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

    assert_int_equal(rc, report.status);
    assert_int_not_equal(rc, RESIL_EBUSY);
    assert_int_equal(slot->operations, 0); /* each was reported or aborted */
    assert_int_equal(report.attempts, slot->started);
    assert_int_equal(rc == RESIL_OK, report.outcome == RESIL_SUCCESS);
    assert_int_equal(report.decided_by == NULL, report.decided_level == UINT32_MAX);
    assert_true(report.elapsed_ns <= world->now_ns);
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
            assert_true(slot->operations < RUNNING);
            assert_true(step.attempt->deadline_ns > world->now_ns);
            slot->started += step.attempt->kind != RESIL_ATTEMPT_FALLBACK;
            slot->running[slot->operations++] =
                (struct operation){step.attempt->id, step.attempt->kind == RESIL_ATTEMPT_FALLBACK};
            continue;
        case RESIL_STEP_ABORT: {
            unsigned at = 0;

            while (at < slot->operations && slot->running[at].id != step.attempt->id)
                at++;
            assert_true(at < slot->operations); /* only what runs is aborted, and once */
            forget_operation(slot, at);
            continue;
        }
        case RESIL_STEP_WAIT:
            assert_true(step.wake_ns > world->now_ns); /* or the loop would spin */
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

    assert_int_equal(resil_bulkhead_snapshot(&world->bulkhead[which], &snapshot), 0);
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
    assert_int_equal(world->queue.present_, world->queue.waiting_);
    if (world->queue.waiting_ > 0)
        assert_int_equal(in_flight(world, 0), world->limit);
}

static bool start(struct world *world, struct slot *slot)
{
    size_t count = 1 + below(world, 5);

    memset(slot, 0xa5, sizeof *slot);
    slot->busy = false;
    slot->woken = slot->operations = slot->started = 0;
    slot->timer_ns = RESIL_NEVER;
    slot->request =
        (struct resil_request){.idempotent = below(world, 4) != 0, .wake = wake, .wake_arg = slot};
    if (below(world, 3) == 0)
        slot->request.deadline_ns = world->now_ns + below(world, 900);
    for (size_t i = 0; i < count; i++)
        slot->policies[i] = any_policy(world);
    if (resil_chain_init(&slot->chain, slot->policies, count, NULL, 0) != RESIL_OK)
        return false;
    assert_int_equal(resil_call_begin(&slot->call, &slot->chain, &slot->request, world->now_ns,
                                      resil__random_next(&world->seed)),
                     0);
    slot->busy = true;
    pump(world, slot);
    return true;
}

static void report_one(struct world *world, struct slot *slot)
{
    unsigned at = (unsigned)below(world, slot->operations);
    uint64_t id = slot->running[at].id;
    struct resil_result result = {.outcome = below(world, 2) == 0
                                                 ? RESIL_SUCCESS
                                                 : (enum resil_outcome)below(world, RESIL_OUTCOMES),
                                  .hint_ns = below(world, 100)};

    forget_operation(slot, at);
    assert_int_equal(resil_call_report(&slot->call, id, &result), RESIL_OK);
    assert_int_equal(resil_call_report(&slot->call, id, &result), RESIL_ELATE);
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

static void any_event(struct world *world, unsigned *calls)
{
    struct slot *slot = &world->slots[below(world, SLOTS)];
    uint64_t what = below(world, 100);

    if (!slot->busy) {
        if (*calls > 0 && start(world, slot))
            --*calls;
    } else if (what < 45 && slot->operations > 0) {
        report_one(world, slot);
    } else if (what < 70) {
        next_timer(world);
    } else if (what < 72) {
        assert_int_equal(resil_call_cancel(&slot->call, world->now_ns), RESIL_OK);
        pump(world, slot);
    } else if (what < 75) {
        pump(world, slot); /* for no reason */
    } else {
        world->now_ns += below(world, 20);
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

        assert_true(turn < 2000); /* a call was forgotten */
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

    assert_int_equal(in_flight(world, 0), 0);
    assert_int_equal(in_flight(world, 1), 0);
    assert_int_equal(resil_queue_fini(&world->queue), RESIL_OK);
    assert_int_equal(resil_breaker_snapshot(&world->breaker, world->now_ns, &breaker), 0);
    assert_int_equal(breaker.probes_in_flight, 0);
    assert_int_equal(world->inside, 0);
}

static uint64_t replay; /* the seed of the world that runs; 0 = all went well */

static void a_loop_of_many_calls_forgets_none_and_loses_nothing(void **state)
{
    static struct world world;
    uint64_t base = test_seed(31337);

    (void)state;
    for (uint64_t i = 0; i < WORLDS; i++) {
        unsigned calls = CALLS;

        replay = base + i;
        build(&world, replay);
        while (calls > 0) {
            any_event(&world, &calls);
            pump_woken(&world);
        }
        drain(&world);
        nothing_is_left(&world);
    }
    replay = 0;
}

static int tell_seed(void **state)
{
    (void)state;
    if (replay != 0)
        print_error("RESIL_SEED=%" PRIu64 " replays this\n", replay);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_loop_of_many_calls_forgets_none_and_loses_nothing, tell_seed),
    };

    return cmocka_run_group_tests_name("loop model", tests, NULL, NULL);
}
