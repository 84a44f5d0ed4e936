/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The keyed breaker against an array of plain structs, one for each key that there will ever be, in
 * 64-bit ticks. Which key found no place is not modelled but looked at: such a key must have had
 * nothing to remember, and its failure changes nothing.
 */
#include "shrink.h"

#include <resil/keyed_breaker.h>

#define OPERATIONS MODEL_OPERATIONS(2000000, 200000)

#define KEYS    200
#define PERMITS 32

enum condition {
    CLOSED,
    OPEN,
    HALF_OPEN
};

struct model {
    enum condition condition;
    uint64_t since; /* closed: of the window */
    uint64_t until; /* of the open time, of the lease */
    uint64_t epoch; /* transitions */
    unsigned calls, failures, streak, trips;
};

struct permit {
    struct resil_keyed_permit permit;
    uint64_t key, epoch, taken_ns;
    bool is_probe, is_out;
};

struct bench {
    struct resil_keyed_breaker *breaker;
    struct resil_keyed_breaker_config config;
    struct model model[KEYS];
    struct permit permits[PERMITS];
    unsigned bits; /* of a tick */
    uint64_t window;
    uint64_t tripped;
    uint64_t now_ns;
    uint64_t random;
    uint64_t seed;
    uint64_t operation;
};

/* The control: a model that opens one failure later. */
static unsigned too_late;

static uint64_t tick_at(const struct bench *bench)
{
    return bench->now_ns >> bench->bits;
}

static uint64_t end_of(const struct bench *bench, uint64_t span_ns)
{
    return (bench->now_ns + span_ns + (UINT64_C(1) << bench->bits) - 1) >> bench->bits;
}

static void slide(const struct bench *bench, struct model *model)
{
    uint64_t now = tick_at(bench);

    if (now - model->since >= 2 * bench->window) {
        model->calls = model->failures = model->streak = 0;
        model->since = now;
    } else if (now - model->since >= bench->window) {
        model->calls /= 2;
        model->failures /= 2;
        model->since += bench->window;
    }
}

static void open_model(struct bench *bench, struct model *model)
{
    uint64_t span_ns = bench->config.open_ns;

    model->trips += model->trips < 15;
    for (unsigned i = 1; i < model->trips; i++) {
        span_ns = span_ns * bench->config.open_factor_pct / 100;
        span_ns = span_ns < bench->config.open_ns_max ? span_ns : bench->config.open_ns_max;
    }
    model->condition = OPEN;
    model->until = end_of(bench, span_ns);
    model->epoch++;
    model->calls = model->failures = model->streak = 0;
    bench->tripped++;
}

static void acquire(struct bench *bench)
{
    uint64_t key = test_below(&bench->random, KEYS);
    struct model *model = &bench->model[key];
    struct permit *permit = &bench->permits[test_below(&bench->random, PERMITS)];
    uint64_t now = tick_at(bench);
    int rc = resil_keyed_breaker_acquire_u64(bench->breaker, key, bench->now_ns, &permit->permit);

    *permit = (struct permit){.permit = permit->permit, .key = key, .taken_ns = bench->now_ns};
    if (model->condition != CLOSED && now < model->until) {
        MODEL_CHECK(bench, rc == RESIL_EOPEN);
        MODEL_CHECK(bench, permit->permit.retry_at_ns == model->until << bench->bits);
        return;
    }
    MODEL_CHECK(bench, rc == RESIL_OK);
    if (model->condition != CLOSED) {
        model->condition = HALF_OPEN;
        model->until = end_of(bench, bench->config.probe_lease_ns);
        model->epoch++;
        permit->is_probe = true;
    }
    permit->epoch = model->epoch;
    permit->is_out = true;
}

/* What a result that belongs to the state makes of it. */
static void tell_model(struct bench *bench, struct model *model, enum resil_outcome outcome,
                       bool crowded)
{
    bool failed = outcome == RESIL_FAILURE || outcome == RESIL_TIMEOUT;
    bool good = outcome == RESIL_SUCCESS || outcome == RESIL_CALLER;
    struct model slid;

    if (model->condition == HALF_OPEN) {
        if (failed || outcome == RESIL_OVERLOAD) {
            open_model(bench, model);
            return;
        }
        model->condition = good ? CLOSED : OPEN;
        model->epoch++;
        model->trips = good ? 0 : model->trips;
        model->since = model->until = tick_at(bench);
        return;
    }
    if (!failed && !good)
        return;
    slid = *model;
    slide(bench, &slid);
    if (crowded)
        MODEL_CHECK(bench, slid.calls == 0 && slid.streak == 0);
    /* Nothing to count: the window isn't begun, nor moved. */
    if (crowded || (good && slid.calls == 0 && slid.streak == 0))
        return;
    *model = slid;
    if (model->calls == 63) {
        model->calls /= 2;
        model->failures /= 2;
    }
    model->calls++;
    model->failures += failed;
    model->streak = failed ? model->streak + 1 : 0;
    if (failed &&
        (model->streak >= bench->config.consecutive + too_late ||
         (model->calls >= bench->config.calls_min && model->failures * 2 >= model->calls)))
        open_model(bench, model);
}

static void record(struct bench *bench)
{
    static const enum resil_outcome outcomes[] = {RESIL_SUCCESS, RESIL_SUCCESS, RESIL_CALLER,
                                                  RESIL_FAILURE, RESIL_FAILURE, RESIL_TIMEOUT,
                                                  RESIL_LOCAL,   RESIL_OVERLOAD};
    struct permit *permit = &bench->permits[test_below(&bench->random, PERMITS)];
    struct model *model = &bench->model[permit->key];
    struct resil_result result = {.outcome = outcomes[test_below(&bench->random, 8)]};
    struct resil_keyed_breaker_snapshot before, after;
    bool belongs;
    int rc;

    /* Of a key that was forgotten meanwhile nothing is known. */
    if (permit->is_out && bench->now_ns - permit->taken_ns > bench->config.window_ns)
        return;
    resil_keyed_breaker_snapshot(bench->breaker, &before);
    rc = resil_keyed_breaker_record(bench->breaker, &permit->permit, bench->now_ns, &result);
    resil_keyed_breaker_snapshot(bench->breaker, &after);
    if (!permit->is_out) {
        MODEL_CHECK(bench, rc == RESIL_EINVAL);
        return;
    }
    permit->is_out = false;
    belongs = permit->epoch == model->epoch &&
              model->condition == (permit->is_probe ? HALF_OPEN : CLOSED);
    MODEL_CHECK(bench, rc == (belongs ? RESIL_OK : RESIL_ELATE));
    if (belongs)
        tell_model(bench, model, result.outcome, after.untracked != before.untracked);
    else
        MODEL_CHECK(bench, after.late == before.late + 1);
}

static void look(struct bench *bench)
{
    uint64_t key = test_below(&bench->random, KEYS);
    struct model model = bench->model[key];
    struct resil_keyed_breaker_entry entry;

    resil_keyed_breaker_look(bench->breaker, test_key_of(key).bytes, 8, bench->now_ns, &entry);
    if (model.condition == CLOSED)
        slide(bench, &model);
    MODEL_CHECK(bench, entry.state == (model.condition == CLOSED ? RESIL_BREAKER_CLOSED
                                       : model.condition == OPEN ? RESIL_BREAKER_OPEN
                                                                 : RESIL_BREAKER_HALF_OPEN));
    MODEL_CHECK(bench, entry.calls == model.calls && entry.failures == model.failures);
    MODEL_CHECK(bench, entry.trips == model.trips);
    MODEL_CHECK(bench, model.condition == CLOSED || entry.until_ns == model.until << bench->bits);
}

static struct bench bench;
static uint64_t places; /* for so many keys */

static void begin(void)
{
    size_t size = resil_keyed_breaker_size(places);

    free(bench.breaker);
    bench = (struct bench){.random = bench.random, .seed = bench.seed, .now_ns = RESIL_SEC(1000)};
    bench.config = (struct resil_keyed_breaker_config){
        .keys = places,
        .seed = {test_random(&bench.random), test_random(&bench.random)},
        .consecutive = 4,
        .failure_pct = 50,
        .calls_min = 8,
        .window_ns = RESIL_MS(500),
        .open_ns = RESIL_MS(100),
        .open_factor_pct = 150,
        .open_ns_max = RESIL_MS(400),
        .jitter_pct = RESIL_OFF,
        .probe_lease_ns = RESIL_MS(50),
        .keep_ns = RESIL_OFF,
    };
    bench.breaker = malloc(size);
    assert_int_equal(resil_keyed_breaker_init(bench.breaker, size, &bench.config), RESIL_OK);
    bench.bits = (unsigned)bench.breaker->rules_.tick_bits_;
    bench.window = bench.breaker->rules_.window_;
}

static void step(void)
{
    bench.now_ns += test_below(&bench.random, RESIL_US(test_below(&bench.random, 100) + 1));
    /* A quiet time now and then: windows end. */
    if (test_below(&bench.random, 2048) == 0)
        bench.now_ns += test_below(&bench.random, RESIL_MS(1200));
    switch (test_below(&bench.random, 8)) {
    case 0:
        look(&bench);
        break;
    case 1:
    case 2:
    case 3:
        acquire(&bench);
        break;
    default:
        record(&bench);
    }
}

static const struct model_subject model = {begin, step, &bench.random};

static void agree(uint64_t keys)
{
    struct resil_keyed_breaker_snapshot snapshot;

    places = keys;
    model_run(&model, test_seed(20250202 + keys), OPERATIONS);
    resil_keyed_breaker_snapshot(bench.breaker, &snapshot);
    print_message("%" PRIu64 " keys: %" PRIu64 " trips, %" PRIu64 " evicted, %" PRIu64
                  " untracked\n",
                  keys, bench.tripped, snapshot.evicted, snapshot.untracked);
    assert_int_equal(snapshot.opened, bench.tripped);
    if (getenv("RESIL_OPERATIONS") == NULL) {
        assert_true(bench.tripped > OPERATIONS / 4000);
        assert_true(keys > KEYS || (snapshot.evicted > 100 && snapshot.untracked > 100));
    }
    free(bench.breaker);
    bench.breaker = NULL;
}

static void keyed_breaker_agrees_with_many_plain_ones(void **state)
{
    (void)state;
    agree(2 * KEYS);
}

static void keyed_breaker_agrees_while_it_evicts(void **state)
{
    (void)state;
    agree(KEYS / 8);
}

static void later_trips_are_found(void **state)
{
    (void)state;
    places = 2 * KEYS;
    too_late = 1;
    model_finds(&model, 7, OPERATIONS, 16, "a trip one failure later");
    too_late = 0;
    free(bench.breaker);
    bench.breaker = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_trips_are_found),
        cmocka_unit_test(keyed_breaker_agrees_with_many_plain_ones),
        cmocka_unit_test(keyed_breaker_agrees_while_it_evicts),
    };

    return cmocka_run_group_tests_name("keyed breaker model", tests, NULL, NULL);
}
