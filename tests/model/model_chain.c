/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One machine, two ways through it: random chains are run by resil_chain_run and, from the same
 * state, stepped as an event loop would. Every call of a policy function, the attempts, the report
 * and the memory of the primitives must be the same.
 */
#include "shrink.h"

#include <resil/resil.h>

#include "base/math.h"
#include "base/random.h"
#include "pump.h"

#define CHAINS MODEL_OPERATIONS(300000, 100000)
#define DICE   12

static struct bench {
    uint64_t random, seed, operation;
} bench;

/* The controls: a loop that comes too late, and policies that don't give back what is abandoned. */
static uint64_t late_ns;
static bool forgetful;

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
    if (!forgetful)
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

/* False: no policy is left. */
static bool build(struct world *world, uint64_t seed)
{
    size_t drawn;

    memset(world, 0, sizeof *world);
    virtual_env_init(&world->env, 10000);
    world->callback_seed = resil__random_next(&seed);
    world->count = 1 + resil__random_below(resil__random_next(&seed), DICE);
    if (resil__random_below(resil__random_next(&seed), 4) == 0)
        world->request.deadline_ns = 10000 + resil__random_below(resil__random_next(&seed), 900);
    if (resil__random_below(resil__random_next(&seed), 2) == 0)
        world->request.now_ns = 9990;
    drawn = world->count;
    world->count = 0;
    for (size_t i = 0; i < drawn; i++) {
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
        if ((model_left_out >> i & 1) == 0)
            world->policies[world->count++] = (struct resil_policy){&dice->ops, dice};
    }
    return world->count > 0 &&
           resil_chain_init(&world->chain, world->policies, world->count, NULL, 0) == RESIL_OK;
}

static void stepped(struct world *world)
{
    const struct pump pump = {&world->chain, &world->env, &world->request,
                              callback,      world,       late_ns};

    world->rc = pump_call(&pump, &world->report);
}

static void straight(struct world *world)
{
    world->rc = resil_chain_run(&world->chain, &world->env.env, &world->request, callback, world,
                                &world->report);
}

static void compare(const struct world *a, const struct world *b)
{
    MODEL_CHECK(&bench, a->seen == b->seen);
    MODEL_CHECK(&bench, a->trace == b->trace);
    MODEL_CHECK(&bench, a->rc == b->rc);
    MODEL_CHECK(&bench, a->report.status == b->report.status);
    MODEL_CHECK(&bench, a->report.outcome == b->report.outcome);
    MODEL_CHECK(&bench, a->report.decided_level == b->report.decided_level);
    MODEL_CHECK(&bench, a->report.attempts == b->report.attempts);
    MODEL_CHECK(&bench, a->report.stopped == b->report.stopped);
    MODEL_CHECK(&bench, a->report.call_rc == b->report.call_rc);
    MODEL_CHECK(&bench, a->report.elapsed_ns == b->report.elapsed_ns);
    MODEL_CHECK(&bench, a->report.retry_at_ns == b->report.retry_at_ns);
    MODEL_CHECK(&bench, a->report.attempt_id == b->report.attempt_id);
    MODEL_CHECK(&bench, a->report.decided_by == b->report.decided_by);
    MODEL_CHECK(&bench, a->report.late_success == b->report.late_success);
}

/* Whoever let the call in was asked to settle or to abandon exactly once, unless it wanted no
   word. */
static void nothing_is_held(const struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        if (world->dice[i].ops.admit != NULL && world->dice[i].ops.flags == RESIL_ON_ALL)
            MODEL_CHECK(&bench, world->dice[i].inside == 0);
}

static void begin(void)
{
}

static void step(void)
{
    static struct world a, b;
    uint64_t seed = test_random(&bench.random);

    if (!build(&a, seed) || !build(&b, seed))
        return;
    straight(&a);
    stepped(&b);
    compare(&a, &b);
    nothing_is_held(&a);
}

static const struct model_subject model = {begin, step, &bench.random};

static void run_and_pump_agree_on_random_chains(void **state)
{
    (void)state;
    model_run(&model, test_seed(20261), CHAINS);
}

static void a_loop_that_comes_late_is_found(void **state)
{
    (void)state;
    late_ns = 1;
    model_finds(&model, 20261, CHAINS, 2, "a loop that comes 1 ns late");
    late_ns = 0;
}

static void policies_that_forget_are_found(void **state)
{
    (void)state;
    forgetful = true;
    model_finds(&model, 20261, CHAINS, 5, "policies that keep what is abandoned");
    forgetful = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_and_pump_agree_on_random_chains),
        cmocka_unit_test(a_loop_that_comes_late_is_found),
        cmocka_unit_test(policies_that_forget_are_found),
    };

    model_parts = DICE;
    return cmocka_run_group_tests_name("chain model", tests, NULL, NULL);
}
