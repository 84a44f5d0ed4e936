/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Told, not asking: calls through all policies, many at once, in virtual time. The same seed gives the
 * same steps, results, times and events, wherever the objects lie and whoever compiled them. Ids of
 * endpoints are left out: they hold an address on purpose, so that two balancers' differ.
 *
 * TRACE is the hash of what SEED gives. Who changes a decision on purpose runs this test and writes
 * down the hash that it prints; one that nobody wanted to change is a find.
 */
#include "trace_world.h"

#define SEED  UINT64_C(20240917)
#define TRACE UINT64_C(0x41febeed015d1301)

#define CALLS  2000
#define ROUNDS 8 /* seeds from the first on */

/* One host after the other is sick, and everybody now and then. */
static bool is_sick(const struct world *world, const struct resil_pick *pick)
{
    uint64_t when = world->now_ns / RESIL_MS(100);

    return when % 9 == 8 || (pick != NULL && when % HOSTS == (uint64_t)(pick->address[0] - 'a'));
}

static void start(struct slot *slot, const struct resil_attempt *attempt)
{
    static const enum resil_outcome bad[] = {RESIL_FAILURE,   RESIL_NOT_SENT, RESIL_OVERLOAD,
                                             RESIL_PERMANENT, RESIL_CALLER,   RESIL_LOCAL};
    struct world *world = slot->world;
    const struct resil_pick *pick = attempt->endpoint;
    struct running *running = slot->running;
    bool sick = attempt->kind != RESIL_ATTEMPT_FALLBACK && is_sick(world, pick);

    while (running->id != 0)
        running++;
    assert_true(running < slot->running + RESIL_LANES_MAX);
    *running = (struct running){.id = attempt->id, .result.outcome = RESIL_SUCCESS};
    running->done_ns = world->now_ns + RESIL_US(200) + test_below(&world->random, RESIL_MS(5));
    if (test_below(&world->random, 10) == 0)
        running->done_ns += test_below(&world->random, RESIL_MS(80));
    if (test_below(&world->random, 10) < (sick ? 8 : 1))
        running->result.outcome = bad[test_below(&world->random, sick ? 3 : 6)];
    if (running->result.outcome == RESIL_OVERLOAD)
        running->result.hint_ns = test_below(&world->random, RESIL_MS(10));
    world->kinds[attempt->kind]++;
    world->retries += attempt->kind == RESIL_ATTEMPT_NORMAL && attempt->number > 1;
    note(world, attempt->kind);
    note(world, attempt->number);
    note(world, attempt->deadline_ns);
    note(world, (uint64_t)attempt->reason);
    note_text(world, pick != NULL ? pick->address : NULL);
}

static void stop(struct slot *slot, uint64_t id)
{
    for (size_t i = 0; i < RESIL_LANES_MAX; i++)
        if (slot->running[i].id == id)
            slot->running[i].id = 0;
}

static void note_events(struct world *world, struct side *side)
{
    struct resil_balancer_event event;

    while (resil_balancer_event(&side->balancer, &event)) {
        world->ejections += event.kind == RESIL_BALANCER_EJECTED;
        note(world, event.kind);
        note(world, event.now_ns);
        note(world, event.value);
        note(world, event.reason);
        note_text(world, event.address);
    }
}

static void end(struct slot *slot)
{
    struct world *world = slot->world;
    struct resil_report report;

    (void)resil_call_fini(&slot->call, &report);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && report.decided_by != NULL; i++)
        world->decided[i] += strncmp(report.decided_by, names[i], strlen(names[i])) == 0;
    note(world, (uint64_t)report.status);
    note(world, report.outcome);
    note(world, report.attempts);
    note(world, (uint64_t)report.stopped);
    note(world, report.attempt_id);
    note(world, report.elapsed_ns);
    note(world, report.retry_at_ns);
    note(world, report.late_success);
    note_text(world, report.decided_by);
    for (size_t i = 0; i < 2; i++)
        note_events(world, &world->sides[i]);
    slot->busy = false;
}

static void pump(struct slot *slot)
{
    struct world *world = slot->world;

    for (;;) {
        struct resil_step step;
        enum resil_step_kind kind = resil_call_step(&slot->call, world->now_ns, &step);

        note(world, kind);
        note(world, world->now_ns);
        if (kind == RESIL_STEP_CALL) {
            start(slot, step.attempt);
        } else if (kind == RESIL_STEP_ABORT) {
            stop(slot, step.attempt->id);
        } else if (kind == RESIL_STEP_WAIT) {
            slot->wake_ns = step.wake_ns;
            note(world, step.wake_ns);
            return;
        } else {
            end(slot);
            return;
        }
    }
}

static void arrive(struct world *world)
{
    uint64_t random = test_random(&world->random);
    const struct side *side = &world->sides[random >> 60 & 1];
    struct slot *slot = world->slots;

    while (slot < world->slots + SLOTS && slot->busy)
        slot++;
    if (slot == world->slots + SLOTS)
        return;
    *slot = (struct slot){.world = world, .busy = true};
    slot->request = (struct resil_request){
        .deadline_ns = world->now_ns + RESIL_MS(150),
        .idempotent = (random & 1) != 0,
        .key = 1 + (random >> 8 & 63),
        .wake = woken,
        .wake_arg = slot,
    };
    if (world->leaks)
        random ^= (uint64_t)(uintptr_t)slot;
    assert_int_equal(
        resil_call_begin(&slot->call, &side->chain, &slot->request, world->now_ns, random),
        RESIL_OK);
    pump(slot);
}

/* What is due in this slot; false = nothing. */
static bool serve(struct slot *slot)
{
    for (size_t i = 0; slot->busy && i < RESIL_LANES_MAX; i++) {
        struct running *running = &slot->running[i];
        uint64_t id = running->id;

        if (id == 0 || running->done_ns > slot->world->now_ns)
            continue;
        running->id = 0;
        note(slot->world, (uint64_t)resil_call_report(&slot->call, id, &running->result));
        pump(slot);
        return true;
    }
    if (!slot->busy || slot->wake_ns > slot->world->now_ns)
        return false;
    pump(slot);
    return true;
}

static uint64_t next_ns(const struct world *world, uint64_t arrival_ns)
{
    uint64_t next = arrival_ns;

    for (const struct slot *slot = world->slots; slot < world->slots + SLOTS; slot++) {
        if (!slot->busy)
            continue;
        next = slot->wake_ns < next ? slot->wake_ns : next;
        for (size_t i = 0; i < RESIL_LANES_MAX; i++)
            if (slot->running[i].id != 0 && slot->running[i].done_ns < next)
                next = slot->running[i].done_ns;
    }
    return next;
}

/* Returns the hash of everything that happened. */
static uint64_t trace(struct world *world)
{
    uint64_t arrival_ns = world->now_ns;
    unsigned begun = 0;

    for (;;) {
        uint64_t at_ns = next_ns(world, begun < CALLS ? arrival_ns : RESIL_NEVER);
        bool again = true;

        if (at_ns == RESIL_NEVER)
            return world->hash;
        world->now_ns = at_ns > world->now_ns ? at_ns : world->now_ns;
        while (again) {
            again = false;
            for (size_t i = 0; i < SLOTS; i++)
                again = serve(&world->slots[i]) || again;
        }
        if (begun < CALLS && arrival_ns <= world->now_ns) {
            begun++;
            arrival_ns += test_below(&world->random, RESIL_MS(4));
            arrive(world);
        }
    }
}

/* Two worlds that are there at the same time, at unlike addresses. */
static void compare(uint64_t seed, uint64_t other_seed, bool leaks, bool same)
{
    struct world *a = world_new(seed, 0);
    struct world *b = world_new(other_seed, 7 * 64);
    uint64_t x, y;

    a->leaks = leaks;
    b->leaks = leaks;
    x = trace(a);
    y = trace(b);
    world_free(a);
    world_free(b);
    if ((x == y) != same)
        fail_msg("RESIL_SEED=%" PRIu64 ": 0x%016" PRIx64 " and 0x%016" PRIx64, seed, x, y);
}

static void the_same_seed_gives_the_same_trace_elsewhere(void **state)
{
    uint64_t seed = test_seed(SEED);

    (void)state;
    for (uint64_t i = 0; i < ROUNDS; i++)
        compare(seed + i, seed + i, false, true);
}

static void another_seed_gives_another_trace(void **state)
{
    (void)state;
    compare(SEED, SEED + 1, false, false);
}

static void an_address_that_gets_in_is_found(void **state)
{
    (void)state;
    compare(SEED, SEED, true, false);
}

static void the_trace_is_the_one_that_was_written_down(void **state)
{
    struct world *world = world_new(SEED, 0);
    uint64_t hash = trace(world);

    (void)state;
    world_free(world);
    if (hash != TRACE)
        fail_msg("the hash is UINT64_C(0x%016" PRIx64 ")", hash);
}

static void every_policy_has_a_say_in_it(void **state)
{
    struct world *world = world_new(SEED, 0);

    (void)state;
    (void)trace(world);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (world->decided[i] == 0)
            fail_msg("the policy \"%s\" decided nothing", names[i]);
    assert_true(world->retries > 0);
    assert_true(world->kinds[RESIL_ATTEMPT_HEDGE] > 0);
    assert_true(world->kinds[RESIL_ATTEMPT_FALLBACK] > 0);
    assert_true(world->trips > 0);
    assert_true(world->ejections > 0);
    assert_true(world->waited > 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_trace_elsewhere),
        cmocka_unit_test(another_seed_gives_another_trace),
        cmocka_unit_test(an_address_that_gets_in_is_found),
        cmocka_unit_test(the_trace_is_the_one_that_was_written_down),
        cmocka_unit_test(every_policy_has_a_say_in_it),
    };

    return cmocka_run_group_tests_name("determinism", tests, NULL, NULL);
}
