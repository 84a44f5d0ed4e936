/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The limiter against a bucket that is filled and emptied: a level and the time at which it was
 * right. Levels are in 2^-12 ns of filling, so every tick of the limiter is a whole number of them.
 */
#include "shrink.h"

#include <resil/limiter.h>

#include "base/math.h"

#define OPERATIONS MODEL_OPERATIONS(2000000, 200000)

#define KEPT 8

/* By hand: interval and tick in units of 2^-12 ns. */
static const struct {
    uint64_t tokens;
    uint64_t period_ns;
    int64_t interval;
    int64_t tick;
} rates[] = {
    {1, UINT64_C(1) << 22, INT64_C(1) << 34, 4096},
    {1, 1024, 1024 * 4096, 64},
    {3, 1000, 21334 * 64, 64},
    {1, 2, 2 * 4096, 4},
    {1, 1, 4096, 2},
};

#define RATES (sizeof rates / sizeof rates[0])

struct model {
    int64_t level;
    int64_t last;
    int64_t interval;
    int64_t tick;
    int64_t cap;
    uint64_t version; /* of the state: changes whenever the limiter's word does */
};

struct kept {
    struct resil_reservation reservation;
    struct model before;
    uint64_t version;
};

struct bench {
    struct resil_limiter limiter;
    struct model model;
    struct kept kept[KEPT];
    uint64_t now_ns;
    uint64_t versions;
    int64_t generation;
    uint64_t random;
    uint64_t seed;
    uint64_t operation;
};

static int64_t units(uint64_t ns)
{
    return (int64_t)(ns << 12);
}

static int64_t filled(const struct model *model, uint64_t now_ns)
{
    return model->level + units(now_ns) - model->last;
}

static int64_t level(const struct model *model, uint64_t now_ns)
{
    int64_t there = filled(model, now_ns);

    return there < model->cap ? there : model->cap;
}

static uint64_t wait_ns(const struct model *model, uint64_t cost, uint64_t now_ns)
{
    int64_t missing = (int64_t)cost * model->interval - level(model, now_ns);

    return missing <= 0 ? 0 : ((uint64_t)missing + 4095) >> 12;
}

static void set(struct bench *bench, int64_t there)
{
    bench->model.level = there;
    bench->model.last = units(bench->now_ns);
    bench->model.version = ++bench->versions;
}

static struct resil_limiter_config draw_config(struct bench *bench, size_t *rate)
{
    *rate = test_below(&bench->random, RATES);
    return (struct resil_limiter_config){
        .tokens = rates[*rate].tokens,
        .period_ns = rates[*rate].period_ns,
        .burst = 1 + test_below(&bench->random, 20),
    };
}

static void use_rate(struct model *model, size_t rate, uint64_t burst)
{
    model->interval = rates[rate].interval;
    model->tick = rates[rate].tick;
    model->cap = (int64_t)burst * model->interval;
}

static int64_t round_down(int64_t value, int64_t step)
{
    return value - value % step;
}

static void reconfigure(struct bench *bench)
{
    size_t rate;
    struct resil_limiter_config config = draw_config(bench, &rate);
    struct model old = bench->model;
    int64_t there = level(&old, bench->now_ns);

    MODEL_CHECK(bench,
                resil_limiter_reconfigure(&bench->limiter, &config, bench->now_ns) == RESIL_OK);
    use_rate(&bench->model, rate, config.burst);
    bench->generation++;
    if (there >= 0) {
        there = (int64_t)resil__mul_div((uint64_t)there, (uint64_t)bench->model.interval,
                                        (uint64_t)old.interval);
        if (there > bench->model.cap)
            there = bench->model.cap;
        there = round_down(there, bench->model.tick);
        /* A full bucket is full since a little earlier, each time a little more so. */
        if (there == bench->model.cap)
            there += (bench->generation & UINT16_MAX) * bench->model.tick;
    } else {
        uint64_t owed = resil__mul_div_up((uint64_t)-there, (uint64_t)bench->model.interval,
                                          (uint64_t)old.interval);

        owed = resil__min(owed, (uint64_t)-there) + (uint64_t)bench->model.tick - 1;
        there = -round_down((int64_t)owed, bench->model.tick);
    }
    set(bench, there);
}

static void acquire(struct bench *bench, uint64_t cost)
{
    uint64_t at_ns = 0;
    uint64_t wait = wait_ns(&bench->model, cost, bench->now_ns);
    int rc = resil_limiter_acquire(&bench->limiter, cost, bench->now_ns, &at_ns);

    if ((int64_t)cost * bench->model.interval > bench->model.cap) {
        MODEL_CHECK(bench, rc == RESIL_ECOST);
        return;
    }
    MODEL_CHECK(bench, rc == (wait == 0 ? RESIL_OK : RESIL_ELIMITED));
    MODEL_CHECK(bench, rc == RESIL_OK || at_ns == bench->now_ns + wait);
    if (rc == RESIL_OK)
        set(bench, level(&bench->model, bench->now_ns) - (int64_t)cost * bench->model.interval);
}

static void reserve(struct bench *bench, uint64_t cost)
{
    struct kept *kept = &bench->kept[test_below(&bench->random, KEPT)];
    struct model before = bench->model;
    uint64_t most = test_below(&bench->random, 8) * (uint64_t)(before.interval >> 12);
    uint64_t wait = wait_ns(&before, cost, bench->now_ns);
    int rc = resil_limiter_reserve(&bench->limiter, cost, bench->now_ns, most, &kept->reservation);

    if ((int64_t)cost * before.interval > before.cap) {
        MODEL_CHECK(bench, rc == RESIL_ECOST);
        return;
    }
    MODEL_CHECK(bench, rc == (wait <= most ? RESIL_OK : RESIL_ELIMITED));
    MODEL_CHECK(bench, kept->reservation.at_ns == bench->now_ns + wait);
    if (rc != RESIL_OK)
        return;
    kept->before = before;
    if (filled(&before, bench->now_ns) > before.cap) {
        kept->before.level = before.cap;
        kept->before.last = units(bench->now_ns);
        kept->before.version = ++bench->versions;
    }
    set(bench, level(&before, bench->now_ns) - (int64_t)cost * before.interval);
    kept->version = bench->model.version;
}

static void cancel(struct bench *bench)
{
    struct kept *kept = &bench->kept[test_below(&bench->random, KEPT)];
    bool is_spent = kept->reservation.back_ == 0;
    int rc = resil_limiter_cancel(&bench->limiter, &kept->reservation, bench->now_ns);

    if (is_spent) {
        MODEL_CHECK(bench, rc == RESIL_EINVAL);
        return;
    }
    MODEL_CHECK(bench, rc == (kept->version == bench->model.version ? RESIL_OK : RESIL_ELATE));
    if (rc == RESIL_OK && filled(&bench->model, bench->now_ns) <= bench->model.cap)
        bench->model = kept->before;
}

static void drain(struct bench *bench)
{
    const struct model *model = &bench->model;
    uint64_t for_ns = test_below(&bench->random, 10) * (uint64_t)(model->interval >> 12) / 4;
    int64_t target =
        (units(for_ns) > model->interval ? units(for_ns) : model->interval) - model->interval;
    int64_t there = level(model, bench->now_ns);

    resil_limiter_drain(&bench->limiter, for_ns, bench->now_ns);
    if (there > -target)
        set(bench, -target);
}

static void step(struct bench *bench)
{
    uint64_t cost = 1 + test_below(&bench->random, test_below(&bench->random, 4) == 0 ? 24 : 4);
    struct resil_limiter_snapshot snapshot;
    uint64_t interval_ns = (uint64_t)(bench->model.interval >> 12);
    uint64_t real_ns = bench->now_ns;
    int64_t there;

    switch (test_below(&bench->random, 64)) {
    case 0:
        real_ns += test_below(&bench->random, RESIL_MS(10));
        bench->now_ns = real_ns;
        break;
    case 1:
    case 2:
    case 3:
        bench->now_ns -= test_below(&bench->random, interval_ns * 30);
        break;
    default:
        if (test_below(&bench->random, 2) == 0)
            real_ns += test_below(&bench->random, interval_ns * 4 + 1);
        bench->now_ns = real_ns;
    }
    switch (test_below(&bench->random, 32)) {
    case 0:
        reconfigure(bench);
        break;
    case 1:
        drain(bench);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
        cancel(bench);
        break;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
        reserve(bench, cost);
        break;
    default:
        acquire(bench, cost);
    }
    there = level(&bench->model, bench->now_ns);
    resil_limiter_snapshot(&bench->limiter, bench->now_ns, &snapshot);
    MODEL_CHECK(bench,
                snapshot.available == (there < 0 ? 0 : (uint64_t)(there / bench->model.interval)));
    MODEL_CHECK(bench,
                snapshot.next_at_ns == bench->now_ns + wait_ns(&bench->model, 1, bench->now_ns));
    bench->now_ns = real_ns;
}

/* The control: a bucket that holds one more. */
static int64_t too_deep;

static struct bench shared;

static void begin(void)
{
    struct resil_limiter_config config;
    size_t rate;

    shared = (struct bench){.random = shared.random, .now_ns = RESIL_SEC(1000)};
    config = draw_config(&shared, &rate);
    assert_int_equal(resil_limiter_init(&shared.limiter, &config), RESIL_OK);
    use_rate(&shared.model, rate, config.burst);
    shared.model.cap += too_deep * shared.model.interval;
    set(&shared, shared.model.cap);
    /* It counts time from its first use: not from one under a clock that is behind. */
    assert_int_equal(resil_limiter_acquire(&shared.limiter, config.burst + 1, shared.now_ns, NULL),
                     RESIL_ECOST);
}

static void step_shared(void)
{
    step(&shared);
}

static void limiter_agrees_with_a_bucket(void **state)
{
    const struct model_subject model = {begin, step_shared, &shared.random};

    (void)state;
    model_run(&model, test_seed(20240607), OPERATIONS);
}

static void a_deeper_bucket_is_found(void **state)
{
    const struct model_subject model = {begin, step_shared, &shared.random};

    (void)state;
    too_deep = 1;
    model_finds(&model, 20240607, OPERATIONS, 40, "a bucket that holds one more");
    too_deep = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deeper_bucket_is_found),
        cmocka_unit_test(limiter_agrees_with_a_bucket),
    };

    return cmocka_run_group_tests_name("limiter model", tests, NULL, NULL);
}
