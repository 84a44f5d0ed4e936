/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The library's own policies in random chains, run in blocking code and stepped from a loop: after
 * each call the report and every word of every primitive must be the same, and nothing may be in
 * flight.
 */
#include "shrink.h"

#include "balancer_world.h"
#include "base/random.h"
#include "pump.h"
#include "words.h"

#define CHAINS MODEL_OPERATIONS(100000, 20000)
#define CALLS  6
#define LEVELS 12

struct world {
    struct words words;
    struct resil_timeout timeout[2];
    struct resil_fallback fallback;
    struct resil_retry retry[2];
    struct resil_limiter_wait limiter_wait;
    struct resil_queue queue;
    struct resil_hedge hedge;
    struct resil_balancer balancer;
    bool balanced; /* the balancer may still come into the chain: once */
    uint64_t went; /* where the attempts went, all of them */
    struct resil_policy policies[LEVELS];
    size_t count;
    struct resil_chain chain;
    struct virtual_env env;
    struct resil_request request;
    uint64_t seed; /* of the callback */
    struct resil_report report;
    unsigned fallbacks;
    bool built;
};

static struct bench {
    uint64_t random, seed, operation;
} bench;

/* The controls: a loop that comes too late, and a bulkhead whose permits stay out when the call that
   has one is abandoned. */
static uint64_t late_ns;
static bool forgetful;

static int forget(void *self, uint64_t *frame, struct resil_walk *walk)
{
    (void)self;
    (void)frame;
    (void)walk;
    return RESIL_PASS;
}

static struct resil_policy any_bulkhead(struct resil_bulkhead *bulkhead)
{
    static struct resil_policy_ops without_abandon;
    struct resil_policy policy = resil_bulkhead_policy(bulkhead);

    if (!forgetful)
        return policy;
    without_abandon = *policy.ops;
    without_abandon.abandon = forget;
    return (struct resil_policy){&without_abandon, policy.self};
}

static uint64_t below(uint64_t *seed, uint64_t bound)
{
    return resil__random_below(resil__random_next(seed), bound);
}

static struct resil_policy any_policy(struct world *world, uint64_t *seed)
{
    switch (below(seed, 14)) {
    case 0:
        return resil_breaker_policy(&world->words.breaker[0]);
    case 1:
        return resil_breaker_policy(&world->words.breaker[1]);
    case 2:
        return resil_limiter_policy(&world->words.limiter[0]);
    case 3:
        return resil_limiter_wait_policy(&world->limiter_wait);
    case 4:
        return resil_window_policy(&world->words.window);
    case 5:
        return resil_pacer_policy(&world->words.pacer);
    case 6:
        return any_bulkhead(&world->words.bulkhead);
    case 7:
        return resil_queue_policy(&world->queue);
    case 8:
        return resil_timeout_policy(&world->timeout[0]);
    case 9:
        return resil_timeout_policy(&world->timeout[1]);
    case 10:
        return resil_fallback_policy(&world->fallback);
    case 11:
        return resil_retry_policy(&world->retry[0]);
    case 12:
        if (world->balanced) {
            world->balanced = false;
            return resil_balancer_policy(&world->balancer);
        }
        return resil_retry_policy(&world->retry[1]);
    default:
        return resil_retry_policy(&world->retry[1]);
    }
}

/* After a failure the world before is there still. */
static void end(struct world *world)
{
    if (world->built)
        balancer_world_end(&world->balancer);
    world->built = false;
}

/* hedged: a short chain with a hedge in it. */
static void build(struct world *world, uint64_t seed, bool hedged)
{
    struct words_choice choice;
    uint64_t levels, hedge;
    int rc = 0;

    memset(world, 0, sizeof *world);
    virtual_env_init(&world->env, RESIL_SEC(1));
    world->seed = resil__random_next(&seed);
    world->balanced = below(&seed, 2) != 0;
    balancer_world_init(&world->balancer, resil__random_next(&seed), world->env.now_ns);
    world->built = true;
    choice.consecutive = 1 + below(&seed, 3);
    choice.probes = 1 + below(&seed, 3);
    choice.burst = 1 + below(&seed, 4);
    rc |= words_init(&world->words, &choice);
    rc |= resil_timeout_init(&world->timeout[0],
                             &(struct resil_timeout_config){.timeout_ns = 1 + below(&seed, 900)});
    rc |= resil_timeout_init(&world->timeout[1],
                             &(struct resil_timeout_config){.timeout_ns = 1 + below(&seed, 200)});
    rc |= resil_fallback_init(&world->fallback, NULL);
    for (unsigned i = 0; i < 2; i++)
        rc |= resil_retry_init(
            &world->retry[i],
            &(struct resil_retry_config){
                .backoff = {.base_ns = 40,
                            .cap_ns = 300,
                            /* A pick draws, too, where it is stepped. */
                            .jitter = world->balanced ? RESIL_JITTER_NONE : RESIL_JITTER_FULL},
                .retry_mask =
                    i == 0 ? 0
                           : RESIL_OUTCOME_BIT(RESIL_REFUSED) | RESIL_OUTCOME_BIT(RESIL_NOT_SENT),
                .budget = i == 0 ? &world->words.budget : NULL});
    world->limiter_wait =
        (struct resil_limiter_wait){.limiter = &world->words.limiter[1], .wait_ns_max = 500};
    rc |= resil_queue_init(&world->queue, &world->words.queued,
                           &(struct resil_queue_config){.wait_ns = 400});
    rc |= resil_hedge_init(&world->hedge, &(struct resil_hedge_config){
                                              .delay_ns = 50, .budget = &world->words.budget});
    assert_int_equal(rc, 0);

    world->request.idempotent = below(&seed, 2) != 0;
    world->request.key = 1 + below(&seed, 1000);
    levels = 1 + below(&seed, hedged ? 4 : LEVELS);
    hedge = hedged ? below(&seed, levels) : levels;
    for (uint64_t i = 0; i < levels; i++) {
        struct resil_policy policy = any_policy(world, &seed);

        if (i == hedge)
            policy = resil_hedge_policy(&world->hedge);
        if ((model_left_out >> i & 1) == 0)
            world->policies[world->count++] = policy;
    }
    while (world->count > 0 &&
           resil_chain_init(&world->chain, world->policies, world->count, NULL, 0) != RESIL_OK)
        if (hedged)
            world->count = 0; /* a chain that mustn't fork */
        else
            assert_true(world->count-- > RESIL_CALL_WORDS_ / 16); /* too many frame words */
}

static enum resil_outcome callback(void *arg, struct resil_attempt *attempt)
{
    struct world *world = arg;
    const struct resil_pick *pick = attempt->endpoint;

    world->went = world->went * 31 + (pick != NULL ? (uint64_t)pick->address[0] : 0);
    world->env.now_ns += below(&world->seed, 150);
    world->fallbacks += attempt->kind == RESIL_ATTEMPT_FALLBACK;
    if (below(&world->seed, 2) == 0)
        return RESIL_SUCCESS;
    if (below(&world->seed, 4) == 0)
        attempt->hint_ns = below(&world->seed, 300);
    return (enum resil_outcome)(1 + below(&world->seed, RESIL_OUTCOMES - 1));
}

static int straight(struct world *world)
{
    return resil_chain_run(&world->chain, &world->env.env, &world->request, callback, world,
                           &world->report);
}

static int stepped(struct world *world)
{
    const struct pump pump = {&world->chain, &world->env, &world->request,
                              callback,      world,       late_ns};

    return pump_call(&pump, &world->report);
}

static void nothing_is_in_flight(struct world *world)
{
    struct resil_bulkhead_snapshot bulkhead;
    struct resil_queue_snapshot queue;

    MODEL_CHECK(&bench, resil_bulkhead_snapshot(&world->words.bulkhead, &bulkhead) == 0);
    MODEL_CHECK(&bench, bulkhead.in_flight == 0);
    MODEL_CHECK(&bench, resil_bulkhead_snapshot(&world->words.queued, &bulkhead) == 0);
    MODEL_CHECK(&bench, bulkhead.in_flight == 0);
    MODEL_CHECK(&bench, resil_queue_snapshot(&world->queue, &queue) == 0);
    MODEL_CHECK(&bench, queue.waiting == 0);
}

static void compare(struct world *a, struct world *b)
{
    MODEL_CHECK(&bench, memcmp(&a->words, &b->words, sizeof a->words) == 0);
    MODEL_CHECK(&bench, a->env.now_ns == b->env.now_ns);
    MODEL_CHECK(&bench, a->seed == b->seed);
    MODEL_CHECK(&bench, a->fallbacks == b->fallbacks);
    MODEL_CHECK(&bench, a->went == b->went);
    MODEL_CHECK(&bench, balancer_world_same(&a->balancer, &b->balancer, a->env.now_ns));
    MODEL_CHECK(&bench, a->report.status == b->report.status);
    MODEL_CHECK(&bench, a->report.outcome == b->report.outcome);
    MODEL_CHECK(&bench, a->report.decided_level == b->report.decided_level);
    MODEL_CHECK(&bench, a->report.attempts == b->report.attempts);
    MODEL_CHECK(&bench, a->report.stopped == b->report.stopped);
    MODEL_CHECK(&bench, a->report.elapsed_ns == b->report.elapsed_ns);
    MODEL_CHECK(&bench, a->report.retry_at_ns == b->report.retry_at_ns);
    MODEL_CHECK(&bench, a->report.attempt_id == b->report.attempt_id);
    MODEL_CHECK(&bench, a->report.decided_by == b->report.decided_by);
    MODEL_CHECK(&bench, a->report.late_success == b->report.late_success);
}

/* From call to call; now and then long enough for the balancer's ejections to end. */
static uint64_t gap(struct world *world)
{
    uint64_t gap_ns = below(&world->seed, 200);

    return below(&world->seed, 4) == 0 ? gap_ns + RESIL_MS(4) : gap_ns;
}

static struct world one, other;

static void begin(void)
{
    end(&one);
    end(&other);
}

/* The parts: levels, then calls. Each call has a start of its own. */
static void step(void)
{
    uint64_t seed = test_random(&bench.random);

    build(&one, seed, false);
    build(&other, seed, false);
    for (unsigned call = 0; call < CALLS && one.count > 0; call++) {
        uint64_t gap_ns;

        if ((model_left_out >> (LEVELS + call) & 1) != 0)
            continue;
        one.seed = other.seed = resil__mix(seed + call);
        gap_ns = gap(&one);
        (void)gap(&other);
        MODEL_CHECK(&bench, straight(&one) == stepped(&other));
        compare(&one, &other);
        nothing_is_in_flight(&one);
        nothing_is_in_flight(&other);
        one.env.now_ns += gap_ns;
        other.env.now_ns += gap_ns;
    }
    end(&one);
    end(&other);
}

static const struct model_subject model = {begin, step, &bench.random};

/* Of those that were started; perhaps once more. */
static void report_any(struct resil_call *call, const uint64_t *ids, unsigned count, uint64_t *seed)
{
    uint64_t id = ids[below(seed, count)];
    const struct resil_result result = {.outcome = (enum resil_outcome)below(seed, RESIL_OUTCOMES)};

    (void)resil_call_report(call, id, &result);
}

/*
 * A hostile loop: hedged chains are stepped, reported to and cancelled at random, in any order and
 * at odd times. Whatever happens, everything is given back.
 */
static void step_hostile(void)
{
    struct resil_call call;
    struct resil_step step;
    uint64_t ids[64], seed = test_random(&bench.random), now_ns = RESIL_SEC(1);
    unsigned started = 0;
    enum resil_step_kind kind = RESIL_STEP_WAIT;

    build(&one, seed, true);
    one.request.idempotent = true;
    if (one.count == 0) {
        end(&one);
        return;
    }
    MODEL_CHECK(&bench, resil_call_begin(&call, &one.chain, &one.request, now_ns, seed) == 0);
    for (unsigned turn = 0; kind != RESIL_STEP_DONE; turn++) {
        uint64_t what = below(&seed, 100);

        if (turn > 500 || what == 0)
            (void)resil_call_cancel(&call, now_ns);
        else if (what < 40 && started > 0)
            report_any(&call, ids, started < 64 ? started : 64, &seed);
        else if (what < 80)
            now_ns += below(&seed, 60);
        else if (what < 82)
            now_ns -= below(&seed, 60);
        kind = resil_call_step(&call, now_ns, &step);
        if (kind == RESIL_STEP_CALL)
            ids[started++ % 64] = step.attempt->id;
    }
    MODEL_CHECK(&bench, resil_call_fini(&call, &one.report) != RESIL_EBUSY);
    nothing_is_in_flight(&one);
    end(&one);
}

static const struct model_subject hostile = {begin, step_hostile, &bench.random};

static void run_and_pump_leave_the_same_primitives_behind(void **state)
{
    (void)state;
    model_run(&model, test_seed(777), CHAINS);
}

static void a_loop_that_comes_late_is_found(void **state)
{
    (void)state;
    late_ns = 1;
    model_finds(&model, 777, CHAINS, 3, "a loop that comes 1 ns late");
    late_ns = 0;
    begin();
}

static void a_hostile_loop_leaves_nothing_behind(void **state)
{
    (void)state;
    model_run(&hostile, test_seed(4242), CHAINS);
}

static void a_bulkhead_that_keeps_permits_is_found(void **state)
{
    (void)state;
    forgetful = true;
    model_finds(&hostile, 4242, CHAINS, 3, "a bulkhead that keeps what is abandoned");
    forgetful = false;
    begin();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_and_pump_leave_the_same_primitives_behind),
        cmocka_unit_test(a_loop_that_comes_late_is_found),
        cmocka_unit_test(a_hostile_loop_leaves_nothing_behind),
        cmocka_unit_test(a_bulkhead_that_keeps_permits_is_found),
    };

    model_parts = LEVELS + CALLS;
    return cmocka_run_group_tests_name("policies model", tests, NULL, NULL);
}
