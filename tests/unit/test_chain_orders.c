/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The straight way asks a breaker, a limiter and a bulkhead without a call where they stand in the
 * usual order. In every order, of every kind, with others around them, a call has to come to the
 * same as in an event loop, where all are called.
 */
#define _GNU_SOURCE
#include "test.h"

#include <resil/resil.h>

#include <sched.h>

#include "base/random.h"
#include "breaker/breaker_fast.h"

#define CALLS   300
#define STRIPES 4
#define T0      RESIL_SEC(1000)

enum breaker_kind {
    PLAIN,
    STRIPED,
    COUNTED,
    BREAKERS
};

/* What stands around and between the three. */
enum around {
    BARE,
    TIMEOUT_OUTSIDE,
    TIMEOUT_INSIDE,
    BOTH,
    BETWEEN, /* the first and the second */
    BETWEEN_BOTH,
    FASTIDIOUS, /* between all: who wants some successes once more */
    AROUNDS
};

struct shape {
    unsigned order; /* of 3! */
    enum breaker_kind breaker;
    bool leased_limiter;
    bool leased_bulkhead;
    enum around around;
};

struct world {
    RESIL_STRIPED_BREAKER(STRIPES) breaker;
    struct resil_limiter limiter;
    struct resil_leased_limiter leased_limiter;
    struct resil_bulkhead bulkhead;
    struct resil_leased_bulkhead leased_bulkhead;
    struct resil_timeout outer;
    struct resil_timeout inner;
    unsigned settled;
    unsigned held;
    struct resil_policy policies[5];
    size_t count;
    struct resil_chain chain;
    struct resil_env env;
    struct resil_request request;
    struct resil_report report;
    uint64_t now_ns;
    uint64_t seed;
    unsigned runs;
};

static uint64_t now(void *arg)
{
    const struct world *world = arg;

    return world->now_ns;
}

static void make_breaker(struct world *world, enum breaker_kind kind)
{
    struct resil_breaker_config config = {
        .calls = kind == COUNTED ? 20 : 0,
        .failure_pct = 60,
        .calls_min = 10,
        .open_ns = RESIL_MS(3),
        .open_factor_pct = 100,
        .jitter_pct = RESIL_OFF,
        .probes = 1,
        .probe_gap_ns = RESIL_OFF,
    };

    memset(&world->breaker, 0, sizeof world->breaker);
    if (kind == STRIPED)
        assert_int_equal(resil_breaker_init_striped(&world->breaker.breaker, sizeof world->breaker,
                                                    &config, STRIPES),
                         RESIL_OK);
    else
        assert_int_equal(resil_breaker_init(&world->breaker.breaker, &config), RESIL_OK);
}

static int settle_fastidious(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct world *world = self;

    if (frame[0]++ > 0 || ++world->settled % 7 != 0)
        return RESIL_PASS;
    walk->wake_ns = 0;
    return RESIL_AGAIN;
}

static struct resil_policy fastidious(struct world *world)
{
    static const struct resil_policy_ops ops = {
        .size = sizeof ops,
        .name = "fastidious",
        .flags = RESIL_ON_SUCCESS,
        .frame_words = 1,
        .settle = settle_fastidious,
    };

    return (struct resil_policy){.ops = &ops, .self = world};
}

static void make(struct world *world, const struct shape *shape)
{
    static const unsigned char orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                               {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct resil_policy three[3];
    char why[120] = "";

    memset(world, 0, sizeof *world);
    world->now_ns = T0;
    world->seed = 5;
    world->env = (struct resil_env){.size = sizeof world->env, .arg = world, .now = now};
    make_breaker(world, shape->breaker);
    /* Runs dry now and then. */
    assert_int_equal(resil_limiter_init(&world->limiter,
                                        &(struct resil_limiter_config){
                                            .tokens = 600, .period_ns = RESIL_SEC(1), .burst = 64}),
                     RESIL_OK);
    assert_int_equal(
        resil_leased_limiter_init(&world->leased_limiter, &world->limiter,
                                  &(struct resil_leased_limiter_config){.stripes = 1, .batch = 4}),
        RESIL_OK);
    assert_int_equal(
        resil_bulkhead_init(&world->bulkhead, &(struct resil_bulkhead_config){.limit = 64}),
        RESIL_OK);
    assert_int_equal(resil_leased_bulkhead_init(
                         &world->leased_bulkhead, &world->bulkhead,
                         &(struct resil_leased_bulkhead_config){.stripes = 1, .batch = 4}),
                     RESIL_OK);
    assert_int_equal(resil_timeout_init(&world->outer, NULL), RESIL_OK);
    assert_int_equal(resil_timeout_init(&world->inner, NULL), RESIL_OK);

    three[0] = resil_breaker_policy(&world->breaker.breaker);
    three[1] = shape->leased_limiter ? resil_leased_limiter_policy(&world->leased_limiter)
                                     : resil_limiter_policy(&world->limiter);
    three[2] = shape->leased_bulkhead ? resil_leased_bulkhead_policy(&world->leased_bulkhead)
                                      : resil_bulkhead_policy(&world->bulkhead);
    if (shape->around == TIMEOUT_OUTSIDE || shape->around == BOTH)
        world->policies[world->count++] = resil_timeout_policy(&world->outer);
    for (unsigned i = 0; i < 3; i++) {
        if (i > 0 && shape->around == FASTIDIOUS)
            world->policies[world->count++] = fastidious(world);
        else if ((i == 1 && shape->around >= BETWEEN) || (i == 2 && shape->around == BETWEEN_BOTH))
            world->policies[world->count++] =
                resil_timeout_policy(i == 1 ? &world->outer : &world->inner);
        world->policies[world->count++] = three[orders[shape->order][i]];
    }
    if (shape->around == TIMEOUT_INSIDE || shape->around == BOTH)
        world->policies[world->count++] = resil_timeout_policy(&world->inner);
    assert_int_equal(
        resil_chain_init(&world->chain, world->policies, world->count, why, sizeof why), RESIL_OK);
}

static enum resil_outcome callback(void *arg, struct resil_attempt *attempt)
{
    struct world *world = arg;

    world->runs++;
    attempt->call_rc = (int)world->runs;
    return resil__random_below(resil__random_next(&world->seed), 100) < 45 ? RESIL_FAILURE
                                                                           : RESIL_SUCCESS;
}

static int run(struct world *world)
{
    return resil_chain_run(&world->chain, &world->env, &world->request, callback, world,
                           &world->report);
}

static int pump(struct world *world)
{
    struct resil_call call;
    struct resil_step step;

    memset(&call, 0xa5, sizeof call);
    assert_int_equal(resil_call_begin(&call, &world->chain, &world->request, world->now_ns, 1),
                     RESIL_OK);
    while (resil_call_step(&call, world->now_ns, &step) != RESIL_STEP_DONE) {
        struct resil_result result = {.outcome = callback(world, step.attempt)};

        result.call_rc = step.attempt->call_rc;
        assert_int_equal(resil_call_report(&call, step.attempt->id, &result), RESIL_OK);
    }
    return resil_call_fini(&call, &world->report);
}

static void compare(struct world *a, struct world *b)
{
    struct resil_breaker_snapshot breaker[2];
    struct resil_limiter_snapshot limiter[2];
    struct resil_bulkhead_snapshot bulkhead[2];

    assert_int_equal(a->runs, b->runs);
    assert_int_equal(a->report.outcome, b->report.outcome);
    assert_int_equal(a->report.decided_level, b->report.decided_level);
    assert_int_equal(a->report.call_rc, b->report.call_rc);
    assert_int_equal(a->report.retry_at_ns, b->report.retry_at_ns);
    memset(breaker, 0, sizeof breaker);
    memset(limiter, 0, sizeof limiter);
    memset(bulkhead, 0, sizeof bulkhead);
    assert_int_equal(resil_breaker_snapshot(&a->breaker.breaker, a->now_ns, &breaker[0]), 0);
    assert_int_equal(resil_breaker_snapshot(&b->breaker.breaker, b->now_ns, &breaker[1]), 0);
    assert_memory_equal(&breaker[0], &breaker[1], sizeof breaker[0]);
    resil_limiter_snapshot(&a->limiter, a->now_ns, &limiter[0]);
    resil_limiter_snapshot(&b->limiter, b->now_ns, &limiter[1]);
    assert_memory_equal(&limiter[0], &limiter[1], sizeof limiter[0]);
    assert_int_equal(resil_bulkhead_snapshot(&a->bulkhead, &bulkhead[0]), 0);
    assert_int_equal(resil_bulkhead_snapshot(&b->bulkhead, &bulkhead[1]), 0);
    assert_memory_equal(&bulkhead[0], &bulkhead[1], sizeof bulkhead[0]);
}

/* Takes all permits, or gives them back. */
static void fill(struct world *world, bool leased, bool full)
{
    while (full && (leased ? resil_leased_bulkhead_acquire(&world->leased_bulkhead)
                           : resil_bulkhead_acquire(&world->bulkhead)) == RESIL_OK)
        world->held++;
    for (; !full && world->held > 0; world->held--)
        assert_int_equal(leased ? resil_leased_bulkhead_release(&world->leased_bulkhead)
                                : resil_bulkhead_release(&world->bulkhead),
                         RESIL_OK);
}

/* Returns how many attempts ran. */
static unsigned go(struct world *a, struct world *b, bool leased)
{
    for (unsigned i = 0; i < CALLS; i++) {
        a->now_ns += RESIL_MS(1);
        b->now_ns += RESIL_MS(1);
        fill(a, leased, i % 16 == 15);
        fill(b, leased, i % 16 == 15);
        assert_int_equal(run(a), pump(b));
        compare(a, b);
    }
    fill(a, leased, false);
    fill(b, leased, false);
    return a->runs;
}

static void every_order_and_kind_comes_to_the_same_as_in_a_loop(void **state)
{
    static struct world a, b;
    unsigned refused = 0;

    (void)state;
    for (unsigned i = 0; i < 6 * BREAKERS * 2 * 2 * AROUNDS; i++) {
        struct shape shape = {.order = i % 6,
                              .breaker = (enum breaker_kind)(i / 6 % BREAKERS),
                              .leased_limiter = i / 6 / BREAKERS % 2 != 0,
                              .leased_bulkhead = i / 6 / BREAKERS / 2 % 2 != 0,
                              .around = (enum around)(i / 6 / BREAKERS / 4)};
        unsigned runs;

        make(&a, &shape);
        make(&b, &shape);
        runs = go(&a, &b, shape.leased_bulkhead);
        assert_true(runs > CALLS / 4);
        refused += runs < CALLS ? CALLS - runs : 0;
    }
    assert_true(refused > 0);
}

/* What the chain noted of the breaker at its init is then no longer so. */
static void a_breaker_made_anew_as_another_kind_under_its_chain_still_counts(void **state)
{
    static struct world a, b;

    (void)state;
    for (unsigned from = 0; from < BREAKERS; from++)
        for (unsigned to = 0; to < BREAKERS; to++) {
            struct shape shape = {.breaker = (enum breaker_kind)from};

            make(&a, &shape);
            make(&b, &shape);
            make_breaker(&a, (enum breaker_kind)to);
            make_breaker(&b, (enum breaker_kind)to);
            assert_true(go(&a, &b, false) > CALLS / 4);
        }
}

static enum resil_outcome succeed(void *arg, struct resil_attempt *attempt)
{
    (void)arg;
    (void)attempt;
    return RESIL_SUCCESS;
}

static bool differs(struct resil_breaker *breaker, struct resil_breaker *before, unsigned stripe)
{
    return memcmp(resil__breaker_stripe(breaker, stripe), resil__breaker_stripe(before, stripe),
                  RESIL_BREAKER_STRIPE_WORDS_ * sizeof(uint64_t)) != 0;
}

static void run_on(unsigned cpu, const struct resil_chain *chain)
{
    struct resil_request request = {.now_ns = T0};
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    for (unsigned i = 0; i < CALLS; i++)
        assert_int_equal(resil_chain_run(chain, resil_env_posix(), &request, succeed, NULL, NULL),
                         RESIL_OK);
}

/* On every processor that is lent to us; twice, as the quick way begins with some calls in the stripe. */
static void a_success_is_counted_in_the_stripe_of_its_processor(void **state)
{
    static RESIL_STRIPED_BREAKER(2) of_2, before;
    struct resil_policy policy = resil_breaker_policy(&of_2.breaker);
    struct resil_chain chain;
    cpu_set_t lent;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof lent, &lent), 0);
    assert_int_equal(resil_breaker_init_striped(&of_2.breaker, sizeof of_2, NULL, 2), RESIL_OK);
    assert_int_equal(resil_chain_init(&chain, &policy, 1, NULL, 0), RESIL_OK);
    for (unsigned i = 0; i < 2 * CPU_SETSIZE; i++) {
        unsigned cpu = i % CPU_SETSIZE;

        if (!CPU_ISSET(cpu, &lent))
            continue;
        before = of_2;
        run_on(cpu, &chain);
        assert_true(differs(&of_2.breaker, &before.breaker, cpu % 2));
        assert_false(differs(&of_2.breaker, &before.breaker, 1 - cpu % 2));
    }
    assert_int_equal(sched_setaffinity(0, sizeof lent, &lent), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_and_kind_comes_to_the_same_as_in_a_loop),
        cmocka_unit_test(a_breaker_made_anew_as_another_kind_under_its_chain_still_counts),
        cmocka_unit_test(a_success_is_counted_in_the_stripe_of_its_processor),
    };

    return cmocka_run_group_tests_name("chain_orders", tests, NULL, NULL);
}
