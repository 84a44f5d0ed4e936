/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One machine, two ways through it: random chains are run by resil_chain_run and, from the same
 * state, stepped as an event loop would. Every call of a policy function, the attempts, the report
 * and the memory of the primitives must be the same.
 */
#include "test.h"

#include <resil/resil.h>

#include "base/math.h"
#include "base/random.h"
#include "virtual_env.h"

#define CHAINS 100000
#define DICE   12

enum op {
    OP_ADMIT,
    OP_RESUME,
    OP_SETTLE,
    OP_ABANDON,
    OP_TIMER
};

struct world;

/* A policy whose verdicts are thrown: the same ones in both worlds. */
struct dice {
    struct resil_policy_ops ops;
    struct world *world;
    uint64_t seed;
    unsigned asked;
    bool waits; /* admit is asked again where there is no resume */
    int inside; /* entered less settled, refused and abandoned */
};

struct world {
    struct virtual_env env;
    struct dice dice[DICE];
    struct resil_policy policies[DICE];
    size_t count;
    struct resil_chain chain;
    struct resil_request request;
    uint64_t callback_seed;
    uint64_t trace; /* a hash of all that was seen */
    unsigned seen;
    struct resil_report report;
    int rc;
};

static void note(struct world *world, uint64_t value)
{
    world->trace = resil__mix(world->trace ^ value) + value;
    world->seen++;
}

static void note_walk(struct dice *dice, enum op op, const uint64_t *frame,
                      const struct resil_walk *walk)
{
    struct world *world = dice->world;

    note(world, (uint64_t)(dice - world->dice) * 8 + op);
    note(world, walk->now_ns);
    note(world, walk->attempt.deadline_ns);
    note(world, walk->attempt.number);
    note(world, walk->attempt.kind);
    if (op == OP_SETTLE || op == OP_ABANDON) {
        note(world, walk->result.outcome);
        note(world, (uint64_t)(int64_t)walk->status);
        note(world, walk->late_success);
    }
    if (op != OP_ADMIT)
        note(world, frame[1]);
}

/* Rolls 0 to 99 for the n-th question; a policy that was asked often passes. */
static unsigned roll(struct dice *dice)
{
    if (++dice->asked > 24)
        return 99;
    return (unsigned)resil__random_below(resil__random_next(&dice->seed), 100);
}

static uint64_t later(struct dice *dice, const struct resil_walk *walk)
{
    return walk->now_ns + resil__random_below(resil__random_next(&dice->seed), 400);
}

static enum resil_outcome any_outcome(uint64_t *seed)
{
    return (enum resil_outcome)resil__random_below(resil__random_next(seed), RESIL_OUTCOMES + 1);
}

static int enter(struct dice *dice, uint64_t *frame, struct resil_walk *walk, unsigned rolled)
{
    frame[1] = rolled;
    dice->waits = rolled >= 8 && rolled < 16;
    if (rolled < 8) {
        frame[0] = later(dice, walk);
        return RESIL_ARMED;
    }
    if (rolled < 16) {
        walk->wake_ns = later(dice, walk);
        return RESIL_WAIT;
    }
    if (rolled < 24) {
        dice->inside--;
        if (rolled < 18) {
            walk->result = (struct resil_result){.outcome = any_outcome(&dice->seed)};
            return RESIL_ANSWER;
        }
        walk->retry_at_ns = later(dice, walk);
        return RESIL_EOPEN;
    }
    if (rolled < 30)
        walk->timed = true;
    if (rolled < 34)
        walk->attempt.deadline_ns = resil__min(walk->attempt.deadline_ns, later(dice, walk));
    return RESIL_PASS;
}

static int dice_admit(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct dice *dice = self;

    note_walk(dice, OP_ADMIT, frame, walk);
    if (!dice->waits)
        dice->inside++;
    return enter(dice, frame, walk, roll(dice));
}

static int dice_resume(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct dice *dice = self;

    note_walk(dice, OP_RESUME, frame, walk);
    return enter(dice, frame, walk, roll(dice));
}

static int dice_settle(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct dice *dice = self;
    unsigned rolled = roll(dice);

    note_walk(dice, OP_SETTLE, frame, walk);
    frame[1] = rolled;
    if (rolled < 12) {
        walk->wake_ns = later(dice, walk);
        return RESIL_AGAIN;
    }
    dice->inside--;
    if (rolled < 17)
        return RESIL_RUN;
    if (rolled < 22)
        return RESIL_DECIDED;
    if (rolled < 28) {
        walk->result = (struct resil_result){.outcome = any_outcome(&dice->seed)};
        return RESIL_CHANGED;
    }
    return RESIL_PASS;
}

static int dice_abandon(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct dice *dice = self;

    note_walk(dice, OP_ABANDON, frame, walk);
    dice->waits = false;
    dice->inside--;
    return RESIL_PASS;
}

static int dice_timer(void *self, uint64_t *frame, struct resil_walk *walk)
{
    struct dice *dice = self;

    note_walk(dice, OP_TIMER, frame, walk);
    frame[0] = later(dice, walk);
    return roll(dice) < 50 ? RESIL_EXPIRE : RESIL_PASS;
}

static enum resil_outcome callback(void *arg, struct resil_attempt *attempt)
{
    struct world *world = arg;

    note(world, attempt->id);
    note(world, attempt->number);
    note(world, attempt->kind);
    note(world, attempt->deadline_ns);
    note(world, attempt->now_ns);
    note(world, attempt->reason);
    world->env.now_ns += resil__random_below(resil__random_next(&world->callback_seed), 120);
    attempt->call_rc = (int)resil__random_below(resil__random_next(&world->callback_seed), 9);
    attempt->hint_ns = resil__random_below(resil__random_next(&world->callback_seed), 3);
    if (resil__random_below(resil__random_next(&world->callback_seed), 2) == 0)
        return RESIL_SUCCESS;
    return any_outcome(&world->callback_seed);
}

static void build(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    virtual_env_init(&world->env, 10000);
    world->callback_seed = resil__random_next(&seed);
    world->count = 1 + resil__random_below(resil__random_next(&seed), DICE);
    if (resil__random_below(resil__random_next(&seed), 4) == 0)
        world->request.deadline_ns = 10000 + resil__random_below(resil__random_next(&seed), 900);
    if (resil__random_below(resil__random_next(&seed), 2) == 0)
        world->request.now_ns = 9990;
    for (size_t i = 0; i < world->count; i++) {
        struct dice *dice = &world->dice[i];
        uint64_t shape = resil__random_next(&seed);

        *dice = (struct dice){
            .ops = {.size = sizeof(struct resil_policy_ops),
                    .name = "dice",
                    .flags = (uint32_t)(shape & 7),
                    .frame_words = 2 + (uint32_t)(shape >> 8 & 3),
                    .admit = dice_admit,
                    .resume = (shape >> 16 & 1) != 0 ? dice_resume : NULL,
                    .settle = (shape & 7) != 0 ? dice_settle : NULL,
                    .abandon = dice_abandon,
                    .timer = dice_timer},
            .world = world,
            .seed = resil__random_next(&seed),
        };
        if ((shape >> 20 & 3) == 0) {
            dice->ops.admit = NULL;
            dice->ops.resume = NULL;
            dice->ops.timer = NULL;
        }
        world->policies[i] = (struct resil_policy){&dice->ops, dice};
    }
    assert_int_equal(resil_chain_init(&world->chain, world->policies, world->count, NULL, 0), 0);
}

/* An event loop that reads the clock where run does. */
static void pump(struct world *world)
{
    struct resil_call call;
    struct resil_step step;
    uint64_t now_ns =
        world->request.now_ns != 0 ? world->request.now_ns : world->env.env.now(&world->env);

    memset(&call, 0xa5, sizeof call);
    assert_int_equal(resil_call_begin(&call, &world->chain, &world->request, now_ns, 0), 0);
    for (;;) {
        struct resil_result result;
        enum resil_step_kind kind = resil_call_step(&call, now_ns, &step);

        if (kind == RESIL_STEP_DONE)
            break;
        if (kind == RESIL_STEP_WAIT) {
            world->env.env.wait(&world->env, &call.lane_.walk.wake_word_, 0, step.wake_ns);
            now_ns = world->env.now_ns;
            continue;
        }
        assert_int_equal(kind, RESIL_STEP_CALL);
        result.outcome = callback(world, step.attempt);
        result.call_rc = step.attempt->call_rc;
        result.hint_ns = step.attempt->hint_ns;
        if (result.outcome != RESIL_SUCCESS || call.lane_.walk.timed || call.lane_.timers != 0 ||
            step.attempt->deadline_ns != RESIL_NEVER)
            now_ns = world->env.now_ns;
        assert_int_equal(resil_call_report(&call, step.attempt->id, &result), 0);
    }
    world->rc = resil_call_fini(&call, &world->report);
}

static void straight(struct world *world)
{
    world->rc = resil_chain_run(&world->chain, &world->env.env, &world->request, callback, world,
                                &world->report);
}

static void compare(const struct world *a, const struct world *b)
{
    assert_int_equal(a->seen, b->seen);
    assert_int_equal(a->trace, b->trace);
    assert_int_equal(a->rc, b->rc);
    assert_int_equal(a->report.status, b->report.status);
    assert_int_equal(a->report.outcome, b->report.outcome);
    assert_int_equal(a->report.decided_level, b->report.decided_level);
    assert_int_equal(a->report.attempts, b->report.attempts);
    assert_int_equal(a->report.stopped, b->report.stopped);
    assert_int_equal(a->report.call_rc, b->report.call_rc);
    assert_int_equal(a->report.elapsed_ns, b->report.elapsed_ns);
    assert_int_equal(a->report.retry_at_ns, b->report.retry_at_ns);
    assert_int_equal(a->report.attempt_id, b->report.attempt_id);
    assert_ptr_equal(a->report.decided_by, b->report.decided_by);
    assert_int_equal(a->report.late_success, b->report.late_success);
}

/* Whoever let the call in was asked to settle or to abandon exactly once, unless it wanted no
   word. */
static void nothing_is_held(const struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        if (world->dice[i].ops.admit != NULL && world->dice[i].ops.flags == RESIL_ON_ALL)
            assert_int_equal(world->dice[i].inside, 0);
}

static void run_and_pump_agree_on_random_chains(void **state)
{
    static struct world a, b;
    uint64_t base = test_seed(20261);

    (void)state;
    for (uint64_t i = 0; i < CHAINS; i++) {
        uint64_t seed = base + i;

        build(&a, seed);
        build(&b, seed);
        straight(&a);
        pump(&b);
        if (a.trace != b.trace || a.rc != b.rc)
            print_error("RESIL_SEED=%" PRIu64 " replays this\n", seed);
        compare(&a, &b);
        nothing_is_held(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_and_pump_agree_on_random_chains),
    };

    return cmocka_run_group_tests_name("chain model", tests, NULL, NULL);
}
