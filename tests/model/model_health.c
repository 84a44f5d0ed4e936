/* SPDX-License-Identifier: BSD-2-Clause */

/* The health checks against an array that is looked through from one end to the other. */
#include "shrink.h"

#include <resil/health.h>

#include "base/random.h"

#define IDS    24
#define NEVER  RESIL_NEVER
#define FLIGHT 6

#define OPERATIONS MODEL_OPERATIONS(3000000, 300000)

struct one {
    bool listed;
    bool flying;
    unsigned spelling; /* of its address */
    enum resil_health_state state;
    uint64_t streak;
    uint64_t due_ns;
    uint64_t start_ns;
    uint64_t ticket; /* flying */
    uint64_t order;  /* flying: the number of its start */
};

struct bench {
    struct resil_health health;
    struct resil_health_config is; /* with the defaults filled in */
    struct one all[IDS];
    uint64_t random; /* the model's copy of the schedule's generator */
    uint64_t seed, dice, operation, now, starts;
    uint64_t told, expected;       /* checksums of the changes */
    uint64_t old_tickets[16], old; /* of probes that have ended */
};

/* The control: one that goes down a failure later. */
static uint64_t too_late;

static uint64_t mixed(uint64_t sum, uint64_t id, bool healthy)
{
    return sum * 31 + id * 2 + healthy;
}

static void changed(void *arg, uint64_t id, bool healthy)
{
    struct bench *bench = arg;

    bench->told = mixed(bench->told, id, healthy);
}

static uint64_t draw(struct bench *bench)
{
    return bench->is.jitter_pct == 0 ? 0 : resil__random_next(&bench->random);
}

static uint64_t flying(const struct bench *bench)
{
    uint64_t count = 0;

    for (int id = 0; id < IDS; id++)
        count += bench->all[id].flying;
    return count;
}

static void land(struct bench *bench, struct one *one)
{
    one->flying = false;
    bench->old_tickets[bench->old++ % 16] = one->ticket;
}

static void reschedule(struct bench *bench, struct one *one)
{
    uint64_t pace = one->streak != 0                  ? bench->is.doubt_ns
                    : one->state == RESIL_HEALTH_DOWN ? bench->is.down_ns
                                                      : bench->is.interval_ns;

    pace += resil__random_below(draw(bench), pace * bench->is.jitter_pct / 100 + 1);
    land(bench, one);
    one->due_ns = one->start_ns + pace > bench->now ? one->start_ns + pace : bench->now;
}

static void result(struct bench *bench, struct one *one, bool passed)
{
    enum resil_health_state to = passed ? RESIL_HEALTH_UP : RESIL_HEALTH_DOWN;
    uint64_t enough = !passed                              ? bench->is.fall + too_late
                      : one->state == RESIL_HEALTH_UNKNOWN ? 1
                                                           : bench->is.rise;

    if (one->state == to) {
        one->streak = 0;
    } else if (++one->streak >= enough) {
        one->state = to;
        one->streak = 0;
        bench->expected = mixed(bench->expected, (uint64_t)(one - bench->all), passed);
    }
    reschedule(bench, one);
}

/* The one that flies longest and is overdue. */
static struct one *overdue(struct bench *bench)
{
    struct one *found = NULL;

    for (int id = 0; id < IDS; id++) {
        struct one *one = &bench->all[id];

        if (one->flying && one->start_ns + bench->is.timeout_ns <= bench->now &&
            (found == NULL || one->order < found->order))
            found = one;
    }
    return found;
}

static struct one *first_waiting(struct bench *bench)
{
    struct one *found = NULL;

    for (int id = 0; id < IDS; id++) {
        struct one *one = &bench->all[id];

        if (one->listed && !one->flying && (found == NULL || one->due_ns < found->due_ns))
            found = one;
    }
    return found;
}

static uint64_t model_wake(struct bench *bench)
{
    uint64_t wake = NEVER;

    for (int id = 0; id < IDS; id++) {
        const struct one *one = &bench->all[id];
        uint64_t at = one->flying ? one->start_ns + bench->is.timeout_ns : one->due_ns;

        if (one->listed && (one->flying || flying(bench) < FLIGHT) && at < wake)
            wake = at;
    }
    return wake;
}

static void next(struct bench *bench)
{
    struct resil_health_probe probe;
    struct one *one;

    MODEL_CHECK(bench, resil_health_next(&bench->health, bench->now, &probe) == RESIL_OK);
    while (one = overdue(bench), one != NULL)
        result(bench, one, false);
    one = first_waiting(bench);
    if (one == NULL || one->due_ns > bench->now || flying(bench) == FLIGHT) {
        MODEL_CHECK(bench, probe.ticket == 0);
        MODEL_CHECK(bench, probe.wake_ns == model_wake(bench));
        return;
    }
    MODEL_CHECK(bench, probe.ticket != 0);
    MODEL_CHECK(bench, probe.id == (uint64_t)(one - bench->all));
    MODEL_CHECK(bench, probe.user == one);
    MODEL_CHECK(bench, probe.address[0] == (char)('a' + one->spelling));
    MODEL_CHECK(bench, probe.deadline_ns == bench->now + bench->is.timeout_ns);
    one->flying = true;
    one->start_ns = bench->now;
    one->order = ++bench->starts;
    one->ticket = probe.ticket;
}

static void end(struct bench *bench)
{
    struct one *one = &bench->all[test_below(&bench->dice, IDS)];
    uint64_t kind = test_below(&bench->dice, 8);
    bool late;
    int rc;

    if (!one->flying) { /* one that has ended is late, always */
        uint64_t ticket = bench->old_tickets[test_below(&bench->dice, 16)];

        if (ticket != 0)
            MODEL_CHECK(bench, resil_health_report(&bench->health, ticket, true, bench->now) ==
                                   RESIL_ELATE);
        return;
    }
    late = one->start_ns + bench->is.timeout_ns <= bench->now;
    rc = kind == 0 ? resil_health_cancel(&bench->health, one->ticket, bench->now)
                   : resil_health_report(&bench->health, one->ticket, kind % 2 == 0, bench->now);
    MODEL_CHECK(bench, rc == (late ? RESIL_ELATE : RESIL_OK));
    if (late)
        result(bench, one, false);
    else if (kind == 0)
        reschedule(bench, one);
    else
        result(bench, one, kind % 2 == 0);
}

/* The order of the list is random: it decides who of the new is first. */
static size_t random_list(struct bench *bench, struct resil_health_endpoint list[IDS])
{
    static const char *const spellings[] = {"a", "bb", "ccc"};
    size_t count = 0;

    for (uint64_t id = 0; id < IDS; id++) {
        struct one *one = &bench->all[id];
        uint64_t chance = test_below(&bench->dice, 20);
        unsigned spelling = chance == 0 ? (one->spelling + 1) % 3 : one->spelling;
        size_t place;

        if (one->listed ? chance == 1 : chance < 8)
            continue;
        place = test_below(&bench->dice, ++count);
        list[count - 1] = list[place];
        list[place] = (struct resil_health_endpoint){id, spellings[spelling], one};
    }
    return count;
}

static void update(struct bench *bench)
{
    struct resil_health_endpoint list[IDS] = {{0}};
    size_t count = random_list(bench, list);
    bool stays[IDS] = {false};
    uint64_t fresh = 0, turn = 0;

    MODEL_CHECK(bench, resil_health_update(&bench->health, list, count, bench->now) == RESIL_OK);
    for (size_t i = 0; i < count; i++) {
        struct one *one = &bench->all[list[i].id];

        stays[list[i].id] = one->listed && one->spelling == (unsigned)(list[i].address[0] - 'a');
        fresh += !stays[list[i].id];
    }
    for (int id = 0; id < IDS; id++) {
        if (!stays[id] && bench->all[id].flying)
            land(bench, &bench->all[id]);
        bench->all[id].listed &= stays[id];
    }
    if (fresh > 0)
        turn = resil__random_below(draw(bench), fresh);
    for (size_t i = 0; i < count; i++) {
        if (stays[list[i].id])
            continue;
        bench->all[list[i].id] = (struct one){
            .listed = true,
            .spelling = (unsigned)(list[i].address[0] - 'a'),
            .due_ns = bench->now + bench->is.interval_ns * turn / fresh,
        };
        turn = (turn + 1) % fresh;
    }
}

static void back(struct bench *bench)
{
    uint64_t by = RESIL_SEC(1) + 1 + test_below(&bench->dice, RESIL_SEC(5));

    next(bench); /* so that both have seen the latest time */
    bench->now -= by;
    for (int id = 0; id < IDS; id++) {
        bench->all[id].due_ns -= by;
        bench->all[id].start_ns -= by;
    }
    next(bench);
}

static void compare(struct bench *bench)
{
    struct resil_health_snapshot is;
    uint64_t of[3] = {0}, listed = 0;

    for (uint64_t id = 0; id < IDS; id++) {
        const struct one *one = &bench->all[id];
        struct resil_health_view view;
        int rc = resil_health_peek(&bench->health, id, &view);

        MODEL_CHECK(bench, rc == (one->listed ? RESIL_OK : RESIL_ELATE));
        if (!one->listed)
            continue;
        MODEL_CHECK(bench, view.state == one->state);
        MODEL_CHECK(bench, view.streak == one->streak);
        MODEL_CHECK(bench, view.in_flight == one->flying);
        MODEL_CHECK(bench, view.due_ns ==
                               (one->flying ? one->start_ns + bench->is.timeout_ns : one->due_ns));
        of[one->state]++;
        listed++;
    }
    MODEL_CHECK(bench, resil_health_snapshot(&bench->health, &is) == RESIL_OK);
    MODEL_CHECK(bench, is.endpoints == listed && is.unknown == of[0] && is.up == of[1] &&
                           is.down == of[2] && is.in_flight == flying(bench));
    MODEL_CHECK(bench, is.started == bench->starts);
    MODEL_CHECK(bench, is.started == is.in_flight + is.passed + is.failed + is.expired +
                                         is.cancelled + is.forgotten);
    MODEL_CHECK(bench, bench->told == bench->expected);
}

static struct bench shared;
static struct resil_health_config given, filled;
static bool is_begun;

static void stop(void)
{
    if (is_begun)
        assert_int_equal(resil_health_fini(&shared.health), RESIL_OK);
    is_begun = false;
}

static void begin(void)
{
    struct resil_health_config config = given;

    stop();
    shared = (struct bench){.dice = shared.dice, .now = RESIL_SEC(1000000), .random = 77};
    shared.is = filled;
    shared.is.jitter_pct = given.jitter_pct == RESIL_OFF ? 0 : given.jitter_pct;
    config.changed = changed;
    config.changed_arg = &shared;
    config.probes_max = FLIGHT;
    assert_int_equal(resil_health_init(&shared.health, &config, NULL, 77), RESIL_OK);
    is_begun = true;
}

static void step(void)
{
    uint64_t what = test_below(&shared.dice, 1000);

    if (what < 4)
        update(&shared);
    else if (what == 4)
        back(&shared);
    else if (what < 250)
        shared.now += test_below(&shared.dice, shared.is.timeout_ns / 2);
    else if (what < 600)
        end(&shared);
    else
        next(&shared);
    if (what < 100)
        compare(&shared);
}

static const struct model_subject model = {begin, step, &shared.dice};

static void run(uint64_t seed, const struct resil_health_config *is_given,
                struct resil_health_config is_filled)
{
    given = *is_given;
    filled = is_filled;
    model_run(&model, seed, OPERATIONS / 3);
    stop();
}

/* With the config of the last run. */
static void a_later_fall_is_found(void **state)
{
    (void)state;
    too_late = 1;
    model_finds(&model, 0x4ea17, OPERATIONS / 3, 40, "down one failure later");
    too_late = 0;
    stop();
}

static void health_agrees_with_an_array(void **state)
{
    uint64_t seed = test_seed(0x4ea17);

    (void)state;
    run(seed,
        &(struct resil_health_config){
            .interval_ns = RESIL_MS(20), .timeout_ns = RESIL_MS(10), .jitter_pct = RESIL_OFF},
        (struct resil_health_config){.interval_ns = RESIL_MS(20),
                                     .timeout_ns = RESIL_MS(10),
                                     .doubt_ns = RESIL_MS(5),
                                     .down_ns = RESIL_MS(50),
                                     .rise = 2,
                                     .fall = 3});
    run(seed + 1,
        &(struct resil_health_config){.interval_ns = RESIL_MS(20),
                                      .timeout_ns = RESIL_MS(30),
                                      .jitter_pct = 30,
                                      .doubt_ns = RESIL_OFF,
                                      .down_ns = RESIL_OFF,
                                      .rise = 1,
                                      .fall = 1},
        (struct resil_health_config){.interval_ns = RESIL_MS(20),
                                     .timeout_ns = RESIL_MS(30),
                                     .doubt_ns = RESIL_MS(20),
                                     .down_ns = RESIL_MS(20),
                                     .rise = 1,
                                     .fall = 1});
    run(seed + 2,
        &(struct resil_health_config){.interval_ns = RESIL_MS(50),
                                      .timeout_ns = RESIL_MS(10),
                                      .jitter_pct = 100,
                                      .doubt_ns = RESIL_MS(1),
                                      .down_ns = RESIL_MS(5),
                                      .rise = 4,
                                      .fall = 2},
        (struct resil_health_config){.interval_ns = RESIL_MS(50),
                                     .timeout_ns = RESIL_MS(10),
                                     .doubt_ns = RESIL_MS(1),
                                     .down_ns = RESIL_MS(5),
                                     .rise = 4,
                                     .fall = 2});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_agrees_with_an_array),
        cmocka_unit_test(a_later_fall_is_found),
    };

    return cmocka_run_group_tests_name("health model", tests, NULL, NULL);
}
